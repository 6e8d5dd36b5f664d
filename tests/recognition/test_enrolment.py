"""A picture becomes a reference, or says what is wrong with it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kiosk.recognition.detection import UInt8Array
from kiosk.recognition.enrolment import Flaw, UnfitPictureError, enrol_faces, template_of
from kiosk.recognition.gallery import Gallery, duplicates
from kiosk.recognition.models import Models
from tests.recognition.conftest import Faces


def shrunk(picture: UInt8Array, scale: float) -> UInt8Array:
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def test_references_are_one_a_picture_of_unit_length(models: Models, faces: Faces) -> None:
    references = enrol_faces(models, "a", [faces["person_a_1"], faces["person_a_2"]])

    templates = [np.frombuffer(each.template, "<f4") for each in references]
    assert [np.linalg.norm(template) for template in templates] == pytest.approx([1.0, 1.0], abs=1e-5)
    assert {each.pid for each in references} == {"a"}


@pytest.mark.parametrize(
    ("flaw", "number"),
    [(Flaw.NO_FACE, 1), (Flaw.SEVERAL_FACES, 2), (Flaw.TOO_SMALL, 3), (Flaw.TOO_DARK, 4), (Flaw.BLURRED, 5)],
)
def test_an_unfit_picture_is_named_with_its_flaw(models: Models, faces: Faces, flaw: Flaw, number: int) -> None:
    good = faces["impostor_1"]
    bad = {
        Flaw.NO_FACE: np.full((480, 640, 3), 128, np.uint8),
        Flaw.SEVERAL_FACES: np.hstack([good, good]),
        Flaw.TOO_SMALL: shrunk(good, 0.2),
        Flaw.TOO_DARK: (good * 0.2).astype(np.uint8),
        Flaw.BLURRED: np.asarray(cv2.GaussianBlur(good, (0, 0), 11), np.uint8),
    }

    with pytest.raises(UnfitPictureError, match=rf"^picture {number} (shows|has|is) ") as refusal:
        enrol_faces(models, "a", [good] * (number - 1) + [bad[flaw]])

    assert (refusal.value.number, refusal.value.flaw) == (number, flaw)


def test_a_person_enrolled_under_another_name_is_found(models: Models, faces: Faces) -> None:
    gallery = Gallery(enrol_faces(models, "a", [faces["person_b_1"]]) + enrol_faces(models, "c", [faces["impostor_1"]]))
    again = template_of(models, faces["person_b_2"])

    assert not isinstance(again, Flaw)
    assert [each.pid for each in duplicates(gallery, [again], "new", threshold=0.55)] == ["a"]


def test_two_peoples_pictures_are_not_enrolled_as_one_person(models: Models, faces: Faces) -> None:
    with pytest.raises(UnfitPictureError) as refusal:
        enrol_faces(models, "p-1", [faces["person_b_1"], faces["person_b_2"], faces["impostor_1"]])

    assert (refusal.value.number, refusal.value.flaw) == (3, Flaw.SOMEBODY_ELSE)
