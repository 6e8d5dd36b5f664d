"""Only the right head that really turns passes the challenge: not a picture, not several, not another face.

No film of a real turning head is at hand, so a head is a portrait's own landmarks, with the depth that the network
gives them, turned and projected; what that cannot show is measured on pairs of photographs (`data`), and on whole
pictures of turning heads in test_pipeline.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from kiosk.core.biometrics import TURNS, Action, Candidate, ChallengeOutcome
from kiosk.recognition.challenge import (
    Challenge,
    ChallengeLimits,
    HeadView,
    Likeness,
    likeness,
)
from kiosk.recognition.detection import Float32Array
from kiosk.recognition.encoding import aligned
from kiosk.recognition.gallery import Gallery, reference
from kiosk.recognition.landmarks import depth, foreshortening, yaw_deg
from kiosk.recognition.models import Models
from kiosk.recognition.pipeline import Pipeline
from kiosk.sim.camera import framed
from kiosk.sim.heads import there_and_back
from kiosk.sim.pictures import Attack, Portrait, Video, attack
from tests.recognition.conftest import POLICY, Faces

LIMITS = ChallengeLimits()
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


def watch(turn: Action, views: Sequence[HeadView | None], every_ms: int = 100) -> ChallengeOutcome | None:
    challenge = Challenge(turn, until_ms=8000)
    for number, view in enumerate(views):
        challenge = challenge.seen(view, number * every_ms)
        if challenge.outcome is not None:
            return challenge.outcome
    return None


def view(
    points: Float32Array, template: Float32Array = SELF, like: Likeness = Likeness.PERSON, size_px: float = 100.0
) -> HeadView:
    return HeadView(points, template, size_px, like)


def turn_of(head: Float32Array, degrees: float) -> list[HeadView]:
    """Straight, by two angles to the turn, and back, in ten frames; turned in numbers 4 and 5, back from number 7."""
    shares = (0, 0, 0.3, 0.55, 1, 1, 0.5, 0, 0, 0)
    return [view(turned(head, share * degrees)) for share in shares]


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
        (Action.TURN_LEFT, 30, ChallengeOutcome.PASSED),
        (Action.TURN_RIGHT, -30, ChallengeOutcome.PASSED),
        (Action.TURN_LEFT, -30, ChallengeOutcome.OTHER_ACTION),
        (Action.TURN_RIGHT, 30, ChallengeOutcome.OTHER_ACTION),
        (Action.TURN_LEFT, 15, None),
    ],
)
def test_a_head_passes_by_turning_the_asked_way_and_back(
    head: Float32Array, turn: Action, degrees: float, outcome: ChallengeOutcome | None
) -> None:
    assert watch(turn, turn_of(head, degrees)) is outcome


@pytest.mark.parametrize(
    ("rate_hz", "turn_s"), [(4, 2.5), (5, 2.0), (8, 2.5), (8, 1.5), (10, 1.0), (15, 2.5), (15, 1.0), (15, 0.8)]
)
@pytest.mark.parametrize("degrees", [25, 35])
def test_a_smooth_turn_passes_at_every_rate_and_at_a_speed_that_fits_it(
    head: Float32Array, rate_hz: int, turn_s: float, degrees: float
) -> None:
    course = there_and_back(degrees, turn_s)
    views = [view(turned(head, course(number / rate_hz))) for number in range(8 * rate_hz)]

    assert watch(Action.TURN_LEFT, views, every_ms=1000 // rate_hz) is ChallengeOutcome.PASSED


def test_a_turn_without_coming_back_does_not_pass(head: Float32Array) -> None:
    assert watch(Action.TURN_LEFT, turn_of(head, 30)[:7]) is None


@pytest.mark.parametrize("every_ms", [66, 125, 250])
@pytest.mark.parametrize("on_the_way", [(), (4,), (10,), (10, 11), (10, 10, 10), (19,)])
def test_photographs_of_a_head_without_two_angles_on_the_way_do_not_pass(
    head: Float32Array, on_the_way: tuple[float, ...], every_ms: int
) -> None:
    views = [view(turned(head, angle)) for angle in (0, 0, *on_the_way, 24, 24, 24, 10, 0, 0, 0)]

    assert watch(Action.TURN_LEFT, views, every_ms) in (None, ChallengeOutcome.NOT_DONE)


def test_angles_seen_before_a_head_was_straight_again_do_not_count(head: Float32Array) -> None:
    views = [view(turned(head, angle)) for angle in (0, 8, 14, 0, 24, 24, 12, 0, 0)]

    assert watch(Action.TURN_LEFT, views, every_ms=200) is None


def test_a_head_that_turned_too_quickly_may_turn_again(head: Float32Array) -> None:
    hasty = [view(turned(head, angle)) for angle in (0, 0, 24, 24, 12)]

    assert watch(Action.TURN_LEFT, [*hasty, *turn_of(head, 30)], every_ms=150) is ChallengeOutcome.PASSED


@pytest.mark.parametrize(
    ("degrees", "outcome"), [(25, None), (27, ChallengeOutcome.NOT_DONE), (-27, ChallengeOutcome.NOT_DONE)]
)
def test_no_head_turns_faster_than_a_neck_can(
    head: Float32Array, degrees: float, outcome: ChallengeOutcome | None
) -> None:
    assert watch(Action.TURN_LEFT, [view(head), view(turned(head, degrees))]) is outcome


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 8])
def test_a_frame_without_a_single_face_begins_the_challenge_anew(head: Float32Array, number: int) -> None:
    views: list[HeadView | None] = [*turn_of(head, 30)[:9]]
    interrupted = [*views[:number], None, *views[number:]]

    assert watch(Action.TURN_LEFT, interrupted) is (ChallengeOutcome.PASSED if number == 1 else None)
    assert watch(Action.TURN_LEFT, [*interrupted, *views]) is ChallengeOutcome.PASSED


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6, 7])
def test_one_frame_of_another_face_begins_it_anew(head: Float32Array, number: int) -> None:
    views = turn_of(head, 30)[:9]
    views.insert(number, replace(views[number], template=OTHER))

    assert watch(Action.TURN_LEFT, views) is None


def test_two_pictures_of_one_person_that_are_less_alike_than_two_frames_begin_it_anew(head: Float32Array) -> None:
    views = turn_of(head, 30)[:9]
    elsewhen = 0.5 * SELF + np.sqrt(np.float32(0.75)) * OTHER
    views[4:6] = [replace(each, template=elsewhen) for each in views[4:6]]

    assert watch(Action.TURN_LEFT, views) is None


@pytest.mark.parametrize("number", [2, 4, 5, 7])
def test_two_frames_of_another_face_end_it(head: Float32Array, number: int) -> None:
    views = turn_of(head, 30)
    views[number : number + 2] = [replace(each, template=OTHER) for each in views[number : number + 2]]

    assert watch(Action.TURN_LEFT, views) is ChallengeOutcome.OTHER_FACE


def test_a_pause_in_which_anything_may_have_been_shown_begins_it_anew(head: Float32Array) -> None:
    until_turned, back = turn_of(head, 30)[:6], turn_of(head, 30)[6:]
    challenge = Challenge(Action.TURN_LEFT, until_ms=8000)
    for number, each in enumerate(until_turned):
        challenge = challenge.seen(each, 100 * number)
    for number, each in enumerate(back):
        challenge = challenge.seen(each, 1100 + 100 * number)

    assert challenge.outcome is None
    assert not challenge.done


def test_a_turn_that_takes_too_long_is_none(head: Float32Array) -> None:
    slow = [each for each in turn_of(head, 30) for _ in range(3)]

    assert watch(Action.TURN_LEFT, slow, every_ms=400) is ChallengeOutcome.NOT_DONE


def test_somebody_elses_face_before_the_turn_is_noticed(head: Float32Array) -> None:
    views = [view(head, like=Likeness.OTHER)] * 2

    assert watch(Action.TURN_LEFT, views) is ChallengeOutcome.OTHER_FACE


@pytest.mark.parametrize("frames", [slice(0, 2), slice(7, 10)])
@pytest.mark.parametrize("like", [Likeness.UNSURE, Likeness.OTHER])
def test_a_frontal_face_that_is_not_surely_the_persons_never_passes(
    head: Float32Array, frames: slice, like: Likeness
) -> None:
    views = turn_of(head, 30)
    views[frames] = [replace(each, likeness=like) for each in views[frames]]

    assert watch(Action.TURN_LEFT, views) is (ChallengeOutcome.OTHER_FACE if like is Likeness.OTHER else None)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([("sri", 0.80), ("andi", 0.20)], Likeness.PERSON),
        ([("sri", 0.45)], Likeness.PERSON),
        ([("sri", 0.43), ("andi", 0.20)], Likeness.UNSURE),
        ([("sri", 0.80), ("andi", 0.76)], Likeness.UNSURE),
        ([("andi", 0.43), ("sri", 0.37)], Likeness.UNSURE),
        ([("andi", 0.80), ("sri", 0.20)], Likeness.OTHER),
        ([("sri", 0.05), ("andi", 0.01)], Likeness.OTHER),
        ([], Likeness.OTHER),
    ],
)
def test_a_face_is_a_persons_only_where_the_policy_would_accept_it(
    candidates: list[tuple[str, float]], expected: Likeness
) -> None:
    assert likeness([Candidate(*each) for each in candidates], "sri", POLICY) is expected


def test_a_plane_that_is_turned_is_flat(head: Float32Array) -> None:
    views = [view(turned(head, angle, flat=True)) for angle in (0, 0, 20, 45, 45)]

    assert watch(Action.TURN_LEFT, views) is ChallengeOutcome.FLAT


def test_a_plane_that_the_network_takes_for_a_turned_head_is_flat(head: Float32Array) -> None:
    plane = turned(head, 25, flat=True)
    plane[:, 2] = turned(head, 25)[:, 2]

    assert yaw_deg(plane) - yaw_deg(head) > LIMITS.turn_deg
    assert watch(Action.TURN_LEFT, [view(head), view(plane), view(plane)], every_ms=200) is ChallengeOutcome.FLAT


@pytest.mark.parametrize("turn", sorted(TURNS))
@pytest.mark.parametrize("kind", list(Attack))
@pytest.mark.parametrize("who", ["impostor_1", "person_b_1"])
def test_a_picture_turned_by_hand_never_passes(
    models: Models, portraits: dict[str, Portrait], who: str, kind: Attack, turn: Action
) -> None:
    scene = attack(kind, portraits[who], turn=55 if turn is Action.TURN_LEFT else -55)
    pipeline = Pipeline(models, Gallery())
    views = []
    for tenth in range(0, 60, 3):
        frame = framed(scene(tenth / 10), 100 * tenth)
        seen = pipeline.head_view(frame, pipeline.look(frame), "somebody", POLICY)
        views.append(replace(seen, likeness=Likeness.PERSON) if seen else None)

    assert sum(each is not None for each in views) > 15
    assert watch(turn, views, every_ms=300) in (ChallengeOutcome.FLAT, None)


@pytest.mark.data
def test_two_photographs_of_a_head_have_depth_and_yet_do_not_pass(models: Models, data_folder: Path) -> None:
    people = sorted(path for path in (data_folder / "faces").iterdir() if len(list(path.iterdir())) > 1)[:150]
    pairs = [pair for person in people for pair in turned_pairs(models, person)]
    depths = [depth(start.landmarks, end.landmarks) for start, end in pairs]
    films = [[start] * 3 + [end] * 3 + [start] * 3 for start, end in pairs]
    outcomes = [watch(turn, film, every_ms) for film in films for turn in TURNS for every_ms in (66, 125, 250)]

    assert len(pairs) > 20
    assert np.mean(np.array(depths) > LIMITS.depth) > 0.97
    assert outcomes.count(ChallengeOutcome.PASSED) == 0


def turned_pairs(models: Models, person: Path) -> Iterator[tuple[HeadView, HeadView]]:
    """Every pair of a person's pictures of which one is frontal and the other turned enough."""
    heads = []
    for path in sorted(person.iterdir()):
        picture = np.asarray(cv2.imread(str(path)), np.uint8)
        for face in models.detector.faces(picture)[:1]:
            template = models.encoder.template(aligned(picture, face.landmarks))
            heads.append(view(models.landmarks.landmarks(picture, face), template))
    for start in heads:
        if abs(yaw_deg(start.landmarks)) < LIMITS.frontal_deg:
            away = (each for each in heads if abs(yaw_deg(each.landmarks) - yaw_deg(start.landmarks)) > LIMITS.turn_deg)
            yield from ((start, end) for end in away)


@pytest.mark.data
@pytest.mark.parametrize("turn", sorted(TURNS))
@pytest.mark.parametrize("name", ["one_man_bonafide", "one_man_phone_replay"])
def test_a_film_of_a_man_who_does_not_turn_says_so(models: Models, data_folder: Path, name: str, turn: Action) -> None:
    film, pipeline = Video(str(data_folder / "video" / f"{name}.mp4")), Pipeline(models, Gallery())
    frames = [framed(film(number / 10), 100 * number) for number in range(24)]
    first = pipeline.head_view(frames[0], pipeline.look(frames[0]), "man", POLICY)
    assert first is not None
    pipeline.gallery = Gallery([reference("man", first.template)])
    views = [pipeline.head_view(frame, pipeline.look(frame), "man", POLICY) for frame in frames]

    assert {each and each.likeness for each in views} == {Likeness.PERSON}
    assert watch(turn, [*views, *views[::-1]] * 2) is ChallengeOutcome.NOT_DONE


def test_templates_of_one_face_before_and_after_agree(models: Models, faces: Faces) -> None:
    same = [
        models.encoder.template(aligned(faces[name], models.detector.faces(faces[name])[0].landmarks))
        for name in ("person_b_1", "person_b_2", "impostor_2")
    ]

    assert float(same[0] @ same[1]) > LIMITS.same_frontal
    assert float(same[0] @ same[2]) < LIMITS.same_turned
