"""Only the right head that really turns passes the challenge: not a picture that is turned, nor another face.

No film of a real turning head is at hand, so a head is a portrait's own landmarks, with the depth that the network
gives them, turned and projected; what that cannot show is measured on pairs of photographs (`data`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from kiosk.core.biometrics import Turn, TurnOutcome
from kiosk.recognition.challenge import Challenge, HeadView, TurnLimits, depth, foreshortening, yaw_deg
from kiosk.recognition.detection import Float32Array
from kiosk.recognition.encoding import aligned
from kiosk.recognition.gallery import Gallery
from kiosk.recognition.models import Models
from kiosk.recognition.pipeline import Pipeline
from kiosk.sim.camera import framed
from kiosk.sim.pictures import Attack, Portrait, attack
from tests.recognition.conftest import Faces

LIMITS = TurnLimits()
SELF = np.eye(128, dtype=np.float32)[0]
OTHER = np.eye(128, dtype=np.float32)[1]


@pytest.fixture(scope="session")
def head(models: Models, faces: Faces) -> Float32Array:
    """(478, 3) float32, frontal."""
    picture = faces["impostor_1"]
    return models.landmarks.landmarks(picture, models.detector.faces(picture)[0])


def turned(points: Float32Array, degrees: float, *, flat: bool = False) -> Float32Array:
    """The points turned to their own left about the upright axis; a flat one is turned as a picture of them."""
    middle = np.asarray(points.mean(axis=0), np.float32)
    centred = (points - middle) * (1, 1, 0 if flat else 1)
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    moved = np.asarray(centred @ turn.T, np.float32)
    if flat:
        moved[:, 2] = (points - middle)[:, 2]
    return np.asarray(moved + middle, np.float32)


def watch(turn: Turn, views: Sequence[HeadView | None], every_ms: int = 100) -> TurnOutcome | None:
    challenge = Challenge(turn, until_ms=8000)
    for number, view in enumerate(views):
        challenge = challenge.seen(view, number * every_ms)
        if challenge.outcome is not None:
            return challenge.outcome
    return None


def view(points: Float32Array, template: Float32Array = SELF, *, is_person: bool = True) -> HeadView:
    return HeadView(points, template, is_person)


def there_and_back(head: Float32Array, degrees: float) -> list[HeadView]:
    return [view(turned(head, angle)) for angle in (0, 0, degrees / 2, degrees, degrees, degrees / 2, 0, 0)]


@pytest.mark.parametrize("degrees", [20, 30, 45])
def test_depth_tells_a_head_from_a_plane(head: Float32Array, degrees: float) -> None:
    assert depth(head, turned(head, degrees)) > LIMITS.depth
    assert depth(head, turned(head, degrees, flat=True)) < LIMITS.depth / 3


def test_a_plane_seen_from_aside_is_foreshortened(head: Float32Array) -> None:
    assert foreshortening(head, turned(head, 45, flat=True)) == pytest.approx(np.cos(np.radians(45)), abs=0.01)


def test_a_turn_to_the_own_left_is_positive(head: Float32Array) -> None:
    moved = turned(head, 25)

    assert yaw_deg(moved) - yaw_deg(head) == pytest.approx(25, abs=1)
    assert moved[1, 0] > head[1, 0]


@pytest.mark.parametrize(
    ("turn", "degrees", "outcome"),
    [
        (Turn.LEFT, 30, TurnOutcome.PASSED),
        (Turn.RIGHT, -30, TurnOutcome.PASSED),
        (Turn.LEFT, -30, TurnOutcome.NOT_TURNED),
        (Turn.RIGHT, 30, TurnOutcome.NOT_TURNED),
        (Turn.LEFT, 15, None),
    ],
)
def test_a_head_passes_by_turning_the_asked_way_and_back(
    head: Float32Array, turn: Turn, degrees: float, outcome: TurnOutcome | None
) -> None:
    assert watch(turn, there_and_back(head, degrees)) is outcome


def test_a_turn_without_coming_back_does_not_pass(head: Float32Array) -> None:
    assert watch(Turn.LEFT, there_and_back(head, 30)[:6]) is None


def test_frames_without_a_face_neither_pass_nor_end_a_turn(head: Float32Array) -> None:
    first, *rest = there_and_back(head, 30)

    assert watch(Turn.LEFT, [None, first, None, *rest]) is TurnOutcome.PASSED


def test_a_turn_that_takes_too_long_is_none(head: Float32Array) -> None:
    assert watch(Turn.LEFT, there_and_back(head, 30), every_ms=1200) is TurnOutcome.NOT_TURNED


@pytest.mark.parametrize("number", [3, 6])
def test_another_face_during_or_after_the_turn_is_noticed(head: Float32Array, number: int) -> None:
    views = there_and_back(head, 30)
    views[number : number + 2] = [replace(each, template=OTHER) for each in views[number : number + 2]]

    assert watch(Turn.LEFT, views) is TurnOutcome.OTHER_FACE


def test_somebody_elses_face_before_the_turn_is_noticed(head: Float32Array) -> None:
    views = [view(head, is_person=False)] * 2

    assert watch(Turn.LEFT, views) is TurnOutcome.OTHER_FACE


def test_a_plane_that_is_turned_is_flat(head: Float32Array) -> None:
    views = [view(turned(head, angle, flat=True)) for angle in (0, 0, 20, 45, 45)]

    assert watch(Turn.LEFT, views) is TurnOutcome.FLAT


def test_a_plane_that_the_network_takes_for_a_turned_head_is_flat(head: Float32Array) -> None:
    plane = turned(head, 25, flat=True)
    plane[:, 2] = turned(head, 25)[:, 2]

    assert yaw_deg(plane) - yaw_deg(head) > LIMITS.turn_deg
    assert watch(Turn.LEFT, [view(head), view(plane), view(plane)]) is TurnOutcome.FLAT


@pytest.mark.parametrize("turn", list(Turn))
@pytest.mark.parametrize("kind", list(Attack))
@pytest.mark.parametrize("who", ["impostor_1", "person_b_1"])
def test_a_picture_turned_by_hand_never_passes(
    models: Models, portraits: dict[str, Portrait], who: str, kind: Attack, turn: Turn
) -> None:
    scene = attack(kind, portraits[who], turn=55 if turn is Turn.LEFT else -55)
    pipeline = Pipeline(models, Gallery())
    views = []
    for tenth in range(0, 60, 3):
        frame = framed(scene(tenth / 10), 100 * tenth)
        seen = pipeline.head_view(frame, pipeline.look(frame), "somebody")
        views.append(replace(seen, is_person=True) if seen else None)

    assert sum(each is not None for each in views) > 15
    assert watch(turn, views, every_ms=300) in (TurnOutcome.FLAT, None)


@pytest.mark.data
def test_two_photographs_of_a_head_that_looks_elsewhere_have_depth(models: Models, data_folder: Path) -> None:
    people = sorted(path for path in (data_folder / "faces").iterdir() if len(list(path.iterdir())) > 1)[:150]

    depths = [each for person in people for each in turned_pairs(models, person)]

    assert len(depths) > 20
    assert np.mean(np.array(depths) > LIMITS.depth) > 0.97


def turned_pairs(models: Models, person: Path) -> list[float]:
    """The depth of every pair of a person's pictures of which one is frontal and the other turned enough."""
    heads = []
    for path in sorted(person.iterdir()):
        picture = np.asarray(cv2.imread(str(path)), np.uint8)
        found = models.detector.faces(picture)
        if found:
            heads.append(models.landmarks.landmarks(picture, found[0]))
    frontal = [each for each in heads if abs(yaw_deg(each)) < LIMITS.frontal_deg]
    return [
        depth(start, end) for start in frontal for end in heads if abs(yaw_deg(end) - yaw_deg(start)) > LIMITS.turn_deg
    ]


def test_templates_of_one_face_before_and_after_agree(models: Models, faces: Faces) -> None:
    same = [
        models.encoder.template(aligned(faces[name], models.detector.faces(faces[name])[0].landmarks))
        for name in ("person_b_1", "person_b_2", "impostor_2")
    ]

    assert float(same[0] @ same[1]) > LIMITS.same_frontal
    assert float(same[0] @ same[2]) < LIMITS.same_turned
