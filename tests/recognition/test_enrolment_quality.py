"""Enrolment's gate measures what it says, each measure apart, and nothing that is on or around a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from kiosk.core.biometrics import Hint
from kiosk.recognition.detection import Float32Array, UInt8Array
from kiosk.recognition.encoding import aligned
from kiosk.recognition.enrolment_quality import (
    CHIN,
    ENROLMENT_LIMITS,
    LIDS,
    LIPS,
    Quality,
    missed,
    opening,
    pitch_deg,
    quality,
    uniformity,
)
from kiosk.recognition.landmarks import EYE_LEFT, EYE_RIGHT
from kiosk.recognition.models import Models
from kiosk.sim.heads import head
from kiosk.sim.pictures import Portrait
from tests.recognition.conftest import Faces

GOOD = Quality(
    inter_eye_px=60,
    yaw_deg=0,
    pitch_deg=0,
    roll_deg=0,
    sharpness=0.3,
    luminance=120,
    uniformity=0.9,
    under_exposed=0,
    over_exposed=0,
    eyes_open=0.06,
    mouth_open=0.01,
)


def measured(models: Models, picture: UInt8Array) -> Quality:
    face = models.detector.faces(picture)[0]
    return quality(aligned(picture, face.landmarks), face.landmarks, models.landmarks.landmarks(picture, face))


def hints(found: Quality) -> list[Hint]:
    return [limit.hint for limit in missed(found)]


def flat_mesh(**points: tuple[float, float, float]) -> Float32Array:
    """A face of which only some points are known: eyes level 100 px apart, the chin 100 px below."""
    mesh = np.zeros((478, 3), np.float32)
    mesh[EYE_RIGHT], mesh[EYE_LEFT], mesh[CHIN] = (78, 100, 0), (178, 100, 0), (128, 200, 0)
    for number, place in points.items():
        mesh[int(number[1:])] = place
    return mesh


def test_a_good_face_misses_no_limit() -> None:
    assert hints(GOOD) == []


@pytest.mark.parametrize(
    ("measure", "value", "hint"),
    [
        ("luminance", 39.0, Hint.MORE_LIGHT),
        ("under_exposed", 0.26, Hint.MORE_LIGHT),
        ("over_exposed", 0.11, Hint.LESS_LIGHT),
        ("uniformity", 0.59, Hint.EVEN_LIGHT),
        ("inter_eye_px", 31.0, Hint.CLOSER),
        ("yaw_deg", 25.5, Hint.LOOK_HERE),
        ("yaw_deg", -25.5, Hint.LOOK_HERE),
        ("pitch_deg", 17.0, Hint.LOOK_HERE),
        ("pitch_deg", -21.0, Hint.LOOK_HERE),
        ("roll_deg", -16.0, Hint.LOOK_HERE),
        ("sharpness", 0.04, Hint.HOLD_STILL),
        ("mouth_open", 0.16, Hint.CLOSE_MOUTH),
        ("eyes_open", 0.014, Hint.OPEN_EYES),
    ],
)
def test_each_measure_has_its_own_hint(measure: str, value: float, hint: Hint) -> None:
    assert hints(replace(GOOD, **{measure: value})) == [hint]


def test_every_measure_has_a_limit() -> None:
    assert {limit.measure for limit in ENROLMENT_LIMITS} == set(Quality.__slots__)


def test_eyes_are_told_last_and_refuse_nobody() -> None:
    (*refusing, eyes) = missed(replace(GOOD, eyes_open=0.0, mouth_open=0.5, luminance=10))

    assert eyes.hint is Hint.OPEN_EYES
    assert not eyes.refuses
    assert [limit.hint for limit in refusing] == [Hint.MORE_LIGHT, Hint.CLOSE_MOUTH]


def test_an_opening_is_by_the_distance_from_eyes_to_chin() -> None:
    upper, lower = LIPS[0]
    mesh = flat_mesh(**{f"p{upper}": (128, 160, 0), f"p{lower}": (128, 172, 0)})

    assert opening(mesh, LIPS) == pytest.approx(0.12)


def test_of_two_lids_the_widest_pair_counts() -> None:
    (upper, lower), (other_upper, other_lower), _ = LIDS[0]
    mesh = flat_mesh(
        **{f"p{upper}": (90, 98, 0), f"p{lower}": (90, 104, 0)},
        **{f"p{other_upper}": (95, 99, 0), f"p{other_lower}": (95, 102, 0)},
    )

    assert opening(mesh, LIDS[0]) == pytest.approx(0.06)


@pytest.mark.parametrize(("behind", "degrees"), [(0, 0), (100, -45), (-100, 45)])
def test_a_chin_that_comes_forward_is_a_head_that_is_raised(behind: float, degrees: float) -> None:
    mesh = flat_mesh(**{f"p{CHIN}": (128, 200, behind)})

    assert pitch_deg(mesh) == pytest.approx(degrees)


@pytest.mark.parametrize(("left", "right", "expected"), [(100, 100, 1.0), (60, 120, 0.5), (120, 60, 0.5), (0, 0, 0.0)])
def test_uniformity_is_the_darker_cheek_by_the_lighter(left: int, right: int, expected: float) -> None:
    cheeks = np.hstack([np.full((24, 28), left, np.uint8), np.full((24, 28), right, np.uint8)])

    assert uniformity(cheeks) == expected


@pytest.mark.parametrize("degrees", [-30, -18, 18, 30])
def test_a_head_that_turns_is_measured_to_that_side(
    models: Models, portraits: dict[str, Portrait], degrees: float
) -> None:
    who = head(models, portraits["person_b_2"])

    straight, turned = (measured(models, who.turned(each).picture).yaw_deg for each in (0, degrees))

    assert np.sign(turned - straight) == np.sign(degrees)
    assert abs(turned - straight) > 6


def as_is(picture: UInt8Array) -> UInt8Array:
    return picture


def in_a_jilbab(picture: UInt8Array) -> UInt8Array:
    """Everything but the face in one colour: hair, ears, neck, the forehead's upper edge."""
    face_oval = np.zeros(picture.shape[:2], np.uint8)
    cv2.ellipse(face_oval, (340, 335), (112, 150), 0, 0, 360, 255, -1)
    return np.asarray(np.where(face_oval[..., None] > 0, picture, (70, 40, 60)), np.uint8)


def under_a_peci(picture: UInt8Array) -> UInt8Array:
    changed = picture.copy()
    cv2.rectangle(changed, (215, 60), (465, 225), (25, 22, 20), -1)
    return changed


def behind_glasses(picture: UInt8Array) -> UInt8Array:
    changed = picture.copy()
    for eye in (290, 388):
        cv2.circle(changed, (eye, 290), 42, (30, 30, 30), 6)
    return changed


def behind_dark_glasses(picture: UInt8Array) -> UInt8Array:
    changed = picture.copy()
    for eye in (290, 388):
        cv2.ellipse(changed, (eye, 290), (44, 30), 0, 0, 360, (18, 18, 18), -1)
    return changed


@pytest.mark.parametrize("colour", [0, 255])
def test_light_is_measured_on_cheeks_and_nose_alone(models: Models, faces: Faces, colour: int) -> None:
    picture = faces["impostor_1"]
    face = models.detector.faces(picture)[0]
    mesh, crop = models.landmarks.landmarks(picture, face), aligned(picture, face.landmarks)
    covered = np.full_like(crop, colour)
    covered[60:84, 28:84] = crop[60:84, 28:84]

    seen, seen_covered = (quality(each, face.landmarks, mesh) for each in (crop, covered))

    assert replace(seen_covered, sharpness=seen.sharpness) == seen


@pytest.mark.parametrize("change", [as_is, in_a_jilbab, under_a_peci, behind_glasses, behind_dark_glasses])
def test_nothing_on_or_around_the_head_refuses(
    models: Models, faces: Faces, change: Callable[[UInt8Array], UInt8Array]
) -> None:
    found = measured(models, change(faces["impostor_1"]))

    assert [limit for limit in missed(found) if limit.refuses] == []
