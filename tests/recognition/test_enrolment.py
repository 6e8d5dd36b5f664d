"""A picture becomes a reference, or says what is wrong with it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kiosk.recognition.detection import UInt8Array
from kiosk.recognition.enrolment import (
    Flaw,
    Sample,
    UnfitPicturesError,
    enrol_faces,
    kept_picture,
    references_again,
    sample_of,
    samples_of,
    template_of,
)
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


def lit_from_one_side(picture: UInt8Array) -> UInt8Array:
    shade = np.where(np.arange(picture.shape[1]) < 340, 0.5, 1.0)[None, :, None]
    return np.asarray(picture * shade, np.uint8)


def unfit(picture: UInt8Array) -> dict[Flaw, UInt8Array]:
    return {
        Flaw.NO_FACE: np.full((480, 640, 3), 128, np.uint8),
        Flaw.SEVERAL_FACES: np.hstack([picture, picture]),
        Flaw.TOO_SMALL: shrunk(picture, 0.2),
        Flaw.TOO_DARK: (picture * 0.2).astype(np.uint8),
        Flaw.UNEVEN_LIGHT: lit_from_one_side(picture),
        Flaw.BLURRED: np.asarray(cv2.GaussianBlur(picture, (0, 0), 11), np.uint8),
    }


@pytest.mark.parametrize(
    "flaw",
    [Flaw.NO_FACE, Flaw.SEVERAL_FACES, Flaw.TOO_SMALL, Flaw.TOO_DARK, Flaw.UNEVEN_LIGHT, Flaw.BLURRED],
)
def test_an_unfit_picture_has_its_flaw(models: Models, faces: Faces, flaw: Flaw) -> None:
    assert sample_of(models, unfit(faces["impostor_1"])[flaw]) is flaw


def test_all_unfit_pictures_are_named_at_once_and_the_good_ones_are_not(models: Models, faces: Faces) -> None:
    good, bad = faces["person_b_2"], unfit(faces["person_b_2"])

    with pytest.raises(UnfitPicturesError) as refusal:
        samples_of(models, [bad[Flaw.BLURRED], good, bad[Flaw.NO_FACE], good])

    assert refusal.value.flaws == ((1, Flaw.BLURRED), (3, Flaw.NO_FACE))
    assert str(refusal.value).startswith("picture 1 is blurred: hold camera and head still; picture 3 shows no face")


@pytest.mark.parametrize("name", ["person_a_1", "person_a_2", "person_b_1", "person_b_2", "impostor_1", "astronaut"])
def test_a_good_portrait_passes_the_gate(models: Models, faces: Faces, name: str) -> None:
    sample = sample_of(models, faces[name])

    assert isinstance(sample, Sample)
    assert sample.advice is None


def test_a_person_enrolled_under_another_name_is_found(models: Models, faces: Faces) -> None:
    gallery = Gallery(enrol_faces(models, "a", [faces["person_b_1"]]) + enrol_faces(models, "c", [faces["impostor_1"]]))
    again = template_of(models, faces["person_b_2"])

    assert not isinstance(again, Flaw)
    assert [each.pid for each in duplicates(gallery, [again], "new", threshold=0.55)] == ["a"]


def test_two_peoples_pictures_are_not_enrolled_as_one_person(models: Models, faces: Faces) -> None:
    with pytest.raises(UnfitPicturesError) as refusal:
        enrol_faces(models, "p-1", [faces["person_b_1"], faces["person_b_2"], faces["impostor_1"]])

    assert refusal.value.flaws == ((3, Flaw.SOMEBODY_ELSE),)


def test_kept_pictures_make_the_very_references_again(models: Models, faces: Faces) -> None:
    samples = samples_of(models, [faces["person_a_1"], faces["person_a_2"]])

    again = references_again(models, "a", [kept_picture(sample.aligned) for sample in samples])

    assert again == enrol_faces(models, "a", [faces["person_a_1"], faces["person_a_2"]])


@pytest.mark.parametrize("file", [b"", b"no picture", kept_picture(np.zeros((20, 20, 3), np.uint8))])
def test_what_is_no_aligned_picture_makes_no_reference(models: Models, file: bytes) -> None:
    with pytest.raises(ValueError, match="not a picture of 112x112"):
        references_again(models, "a", [file])
