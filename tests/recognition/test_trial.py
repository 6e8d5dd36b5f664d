"""Several actions in a row: of one face, in the order drawn, each with a turn among them; lids and approaches too.

Heads are a portrait's own landmarks, moved; lids are moved in the portrait's pixels, and read by the real network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from kiosk.core.biometrics import TURNS, Action, ChallengeOutcome
from kiosk.recognition.challenge import Challenge, ChallengeLimits, HeadView, Likeness
from kiosk.recognition.detection import Float32Array
from kiosk.recognition.landmarks import EYE_LEFT, EYE_RIGHT, LIDS, openness, perspective
from kiosk.recognition.models import Models
from kiosk.recognition.trial import Trial, sequences
from tests.recognition.conftest import Faces
from tests.recognition.test_challenge import OTHER, turn_of, turned, view

LIMITS = ChallengeLimits()
OPEN, HALF, SHUT = 1.0, 0.68, 0.35
EYES_AWAY = 6.7
"""Distances of the outer eye corners between a head and the camera: 0.6 m."""


@pytest.fixture(scope="session")
def head(models: Models, faces: Faces) -> Float32Array:
    """(478, 3) float32, frontal."""
    picture = faces["impostor_1"]
    return models.landmarks.landmarks(picture, models.detector.faces(picture)[0])


def lidded(points: Float32Array, share: float) -> Float32Array:
    """The points with the eyes open by a share of what they were."""
    moved = points.copy()
    for upper, lower, _ in LIDS:
        moved[list(upper), :2] = points[list(lower), :2] + share * (points[list(upper), :2] - points[list(lower), :2])
    return moved


def nearer(points: Float32Array, scale: float, *, flat: bool = False) -> Float32Array:
    """The points of a head that has come closer, the crop growing with it; a flat one, as a picture of them."""
    middle = (points[EYE_RIGHT] + points[EYE_LEFT]) / 2
    unit = float(np.linalg.norm(points[EYE_RIGHT, :2] - points[EYE_LEFT, :2]))
    centred = (points - middle) / unit
    far, near = (away / (away + (0 if flat else centred[:, 2:])) for away in (EYES_AWAY, EYES_AWAY / scale))
    moved = centred.copy()
    moved[:, :2] *= near / far
    return np.asarray(unit * moved + middle, np.float32)


def watch(action: Action, views: Sequence[HeadView | None], every_ms: int = 100) -> ChallengeOutcome | None:
    challenge = Challenge(action, until_ms=8000)
    for number, each in enumerate(views):
        challenge = challenge.seen(each, number * every_ms)
        if challenge.outcome is not None:
            return challenge.outcome
    return None


def tried(actions: tuple[Action, ...], views: Sequence[HeadView]) -> Trial:
    trial = Trial(actions, limit_ms=8000)
    for number, each in enumerate(views):
        trial = trial.seen(each, 100 * number)
        if trial.outcome is not None:
            break
    return trial


def blinks(head: Float32Array, *shares: float) -> list[HeadView]:
    return [view(lidded(head, share)) for share in shares]


def approach(head: Float32Array, steps: int, *, flat: bool = False, to: float = 1.9) -> list[HeadView]:
    scales = [*np.geomspace(1.0, to, steps), to, to, to, to]
    return [view(nearer(head, scale, flat=flat), size_px=100 * scale) for scale in scales]


# ---- several in a row


@pytest.mark.parametrize(
    ("actions", "length", "rows"),
    [
        ([Action.TURN_LEFT, Action.TURN_RIGHT], 1, 2),
        ([Action.TURN_LEFT, Action.TURN_RIGHT], 2, 4),
        ([Action.TURN_LEFT, Action.TURN_RIGHT], 3, 8),
        ([Action.TURN_LEFT, Action.TURN_RIGHT, Action.BLINK], 2, 8),
        (list(Action), 2, 12),
    ],
)
def test_a_film_of_one_row_fits_one_of_so_many(actions: list[Action], length: int, rows: int) -> None:
    drawn = sequences(actions, length)

    assert len(drawn) == len(set(drawn)) == rows
    assert all(TURNS & set(row) for row in drawn)


def test_both_actions_in_their_order_pass(head: Float32Array) -> None:
    views = turn_of(head, 30) + turn_of(head, -30)

    assert tried((Action.TURN_LEFT, Action.TURN_RIGHT), views).outcome is ChallengeOutcome.PASSED


@pytest.mark.parametrize(
    "actions",
    [
        (Action.TURN_RIGHT, Action.TURN_LEFT),
        (Action.TURN_LEFT, Action.TURN_LEFT),
        (Action.TURN_RIGHT, Action.TURN_RIGHT),
    ],
)
def test_the_same_film_passes_no_other_row(head: Float32Array, actions: tuple[Action, ...]) -> None:
    film = turn_of(head, 30) + turn_of(head, -30)

    assert tried(actions, film).outcome is ChallengeOutcome.OTHER_ACTION


def test_one_action_is_not_two(head: Float32Array) -> None:
    trial = tried((Action.TURN_LEFT, Action.TURN_LEFT), turn_of(head, 30))

    assert (trial.outcome, trial.actions) == (None, (Action.TURN_LEFT,))


def test_another_face_in_the_second_action_ends_it(head: Float32Array) -> None:
    elsewho = [HeadView(each.landmarks, OTHER, 100.0, Likeness.PERSON) for each in turn_of(head, -30)]

    trial = tried((Action.TURN_LEFT, Action.TURN_RIGHT), turn_of(head, 30)[:9] + elsewho)

    assert trial.outcome is ChallengeOutcome.OTHER_FACE


# ---- lids


@pytest.mark.parametrize("shut_frames", [6, 10, 20])
def test_eyes_that_close_for_a_moment_and_open_pass(head: Float32Array, shut_frames: int) -> None:
    views = blinks(head, OPEN, OPEN, HALF, *shut_frames * [SHUT], HALF, OPEN, OPEN, OPEN)

    assert watch(Action.BLINK, views) is ChallengeOutcome.PASSED


@pytest.mark.parametrize(
    "shares",
    [
        (*15 * [OPEN],),
        (OPEN, OPEN, HALF, *4 * [SHUT], HALF, *10 * [OPEN]),  # a blink unasked
        (OPEN, OPEN, *8 * [SHUT], *8 * [OPEN]),  # other eyes put on the picture, and taken away
        (OPEN, OPEN, HALF, *20 * [SHUT]),  # they stay shut
        (OPEN, OPEN, *20 * [HALF]),
    ],
)
def test_no_other_eyes_pass(head: Float32Array, shares: tuple[float, ...]) -> None:
    assert watch(Action.BLINK, blinks(head, *shares)) is None


@pytest.mark.parametrize(
    ("degrees", "every_ms"),
    [((0, 0, 25, 50, 70, 70, 70, 70, 70, 70, 70, 50, 25, 0, 0, 0), 100), ((0, 0, 70, 70, 70, 50, 0, 0, 0), 450)],
)
def test_a_picture_tilted_until_its_eyes_look_shut_is_flat(
    head: Float32Array, degrees: tuple[float, ...], every_ms: int
) -> None:
    views = [view(np.asarray(head * (1, np.cos(np.radians(each)), 1), np.float32)) for each in degrees]

    assert openness(views[4].landmarks) < LIMITS.shut * openness(head)
    assert watch(Action.BLINK, views, every_ms) is ChallengeOutcome.FLAT


def test_a_film_of_a_turn_does_not_answer_a_blink_nor_a_blink_a_turn(head: Float32Array) -> None:
    shut = blinks(head, OPEN, OPEN, HALF, *8 * [SHUT], HALF, OPEN, OPEN)

    assert watch(Action.BLINK, turn_of(head, 30)) is ChallengeOutcome.OTHER_ACTION
    assert watch(Action.TURN_LEFT, shut) is ChallengeOutcome.OTHER_ACTION


# ---- coming closer


@pytest.mark.parametrize("scale", [1.6, 1.8, 2.0])
def test_perspective_tells_a_head_that_came_closer_from_a_plane(head: Float32Array, scale: float) -> None:
    expected = (scale - 1) / EYES_AWAY

    assert perspective(head, nearer(head, scale)) == pytest.approx(expected, rel=0.25)
    assert abs(perspective(head, nearer(head, scale, flat=True))) < 0.001
    assert abs(perspective(head, turned(head, 30, flat=True))) < 0.001


def test_a_head_that_comes_closer_in_small_steps_passes(head: Float32Array) -> None:
    assert watch(Action.COME_CLOSER, approach(head, 15)) is ChallengeOutcome.PASSED


@pytest.mark.parametrize(
    "views",
    [
        lambda head: approach(head, 15, flat=True),
        lambda head: approach(head, 2),  # a larger picture, all at once
        lambda head: approach(head, 15, to=1.5),
    ],
)
def test_nothing_else_that_grows_does(head: Float32Array, views: Callable[[Float32Array], list[HeadView]]) -> None:
    assert watch(Action.COME_CLOSER, views(head)) is not ChallengeOutcome.PASSED


def test_who_comes_closer_where_a_turn_was_asked_did_something_else(head: Float32Array) -> None:
    assert watch(Action.TURN_LEFT, approach(head, 15)) is ChallengeOutcome.OTHER_ACTION
