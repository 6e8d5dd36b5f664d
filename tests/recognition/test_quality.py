"""An unusable face is told what to change, and what is on or around the head is never a reason."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from kiosk.core.biometrics import Hint
from kiosk.recognition.detection import Face, UInt8Array
from kiosk.recognition.encoding import aligned
from kiosk.recognition.models import Models
from kiosk.recognition.quality import is_frontal, place_hint, present, sample_hint
from tests.recognition.conftest import Faces

POINTS = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]], np.float32)


def face(height: float) -> Face:
    return Face(0, 0, 0.75 * height, height, POINTS, 0.9)


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ([17], []),
        ([19], [19]),
        ([100, 59], [100]),
        ([100, 61], [100, 61]),
        ([100, 90, 10], [100, 90]),
    ],
)
def test_who_is_meant_is_near_and_not_much_smaller_than_the_nearest(
    heights: list[float], expected: list[float]
) -> None:
    faces = present([face(height) for height in heights], 180)

    assert [each.height for each in faces] == expected


@pytest.mark.parametrize(
    ("heights", "hint"),
    [([60], None), ([20], Hint.CLOSER), ([140], Hint.FARTHER), ([60, 50], Hint.ONE_PERSON)],
)
def test_where_the_faces_are_decides_the_hint(heights: list[float], hint: Hint | None) -> None:
    assert place_hint([face(height) for height in heights], 180) is hint


def as_is(picture: UInt8Array) -> UInt8Array:
    return picture


def dark(picture: UInt8Array) -> UInt8Array:
    return np.asarray(picture * 0.15, np.uint8)


def glaring(picture: UInt8Array) -> UInt8Array:
    return np.asarray(np.clip(picture * 6.0 + 60, 0, 255), np.uint8)


def out_of_focus(picture: UInt8Array) -> UInt8Array:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 9), np.uint8)


def with_covered_hair(picture: UInt8Array) -> UInt8Array:
    """As a jilbab covers it: everything but the face, by an oval, in one colour."""
    face_oval = np.zeros(picture.shape[:2], np.uint8)
    cv2.ellipse(face_oval, (340, 330), (115, 170), 0, 0, 360, 255, -1)
    return np.asarray(np.where(face_oval[..., None] > 0, picture, (60, 90, 40)), np.uint8)


def with_glasses(picture: UInt8Array) -> UInt8Array:
    changed = picture.copy()
    for eye in (290, 388):
        cv2.circle(changed, (eye, 290), 42, (30, 30, 30), 6)
    return changed


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (as_is, None),
        (dark, Hint.MORE_LIGHT),
        (glaring, Hint.LESS_LIGHT),
        (out_of_focus, Hint.HOLD_STILL),
        (with_covered_hair, None),
        (with_glasses, None),
    ],
)
def test_the_sample_decides_the_hint(
    models: Models, faces: Faces, change: Callable[[UInt8Array], UInt8Array], hint: Hint | None
) -> None:
    picture = faces["impostor_1"]
    landmarks = models.detector.faces(picture)[0].landmarks

    assert sample_hint(aligned(change(picture), landmarks), landmarks) is hint


@pytest.mark.parametrize(
    ("nose", "frontal"), [((50, 60), True), ((60, 60), True), ((68, 60), False), ((50, 42), False), ((50, 78), False)]
)
def test_a_face_that_looks_aside_is_not_frontal(nose: tuple[float, float], *, frontal: bool) -> None:
    points = POINTS.copy()
    points[2] = nose

    assert is_frontal(points) is frontal
