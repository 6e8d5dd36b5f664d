"""Enrolment before the camera: samples of one live person in three poses, or a stop with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.core.biometrics import Candidate, Hint
from kiosk.core.enrolling import (
    Cancel,
    Captured,
    Capturing,
    EnrolmentPlan,
    EnrolMessage,
    EnrolPhase,
    FaceView,
    Opening,
    Pose,
    Stopped,
    StopReason,
    ViewSeen,
    likeness,
    step,
    wanted,
)
from kiosk.core.faults import FaultCode
from kiosk.core.messages import FaultRaised, Record, Tick
from wire.attendance import ClockQuality, ClockSource, EventType, Moment, Pad

PLAN = EnrolmentPlan("p-1", "Siti", same_person=0.36, pad_threshold=0.5)
SURE = ClockQuality(ClockSource.NETWORK, 100, ok=True)
T0 = datetime(2026, 7, 6, tzinfo=UTC)
SITI, OTHER = pack("<2f", 1.0, 0.0), pack("<2f", 0.0, 1.0)
FRAME_MS = 100


def at(ms: int) -> Moment:
    return Moment(T0 + timedelta(milliseconds=ms), "boot", ms, SURE)


def seen(yaw_deg: float = 0.0, hint: Hint | None = None, template: bytes = SITI, pad: float | None = 0.9) -> FaceView:
    return FaceView(0, 1, hint, yaw_deg, 0.3, template, b"png", (), 0.55, pad)


def unusable(hint: Hint) -> FaceView:
    return FaceView(0, 1, hint, 0.0)


def played(views: Sequence[FaceView], plan: EnrolmentPlan = PLAN) -> tuple[EnrolPhase, list[Record]]:
    """Every view a frame later than the one before."""
    phase: EnrolPhase = Opening()
    records: list[Record] = []
    for number, view in enumerate(views):
        ms = FRAME_MS * number
        phase, asked = step(phase, ViewSeen(replace(view, captured_ms=ms)), at(ms), plan)
        records += asked
    return phase, records


def capturing(views: Sequence[FaceView], plan: EnrolmentPlan = PLAN) -> Capturing:
    phase, records = played(views, plan)
    assert isinstance(phase, Capturing), phase
    assert records == []
    return phase


STRAIGHT, LEFT, RIGHT = ([seen(yaw)] * 3 for yaw in (0.0, 12.0, -12.0))


def test_three_good_frames_in_each_of_three_poses_are_enough() -> None:
    phase, records = played([*STRAIGHT, *LEFT, *RIGHT])

    assert isinstance(phase, Captured)
    assert [view.yaw_deg for view in phase.samples] == [0.0, 12.0, -12.0]
    assert records == []


def test_of_the_frames_in_a_row_the_sharpest_is_taken() -> None:
    frames = [replace(seen(), sharpness=sharpness) for sharpness in (0.2, 0.4, 0.3)]

    assert [view.sharpness for view in capturing(frames).samples] == [0.4]


def test_a_frame_that_is_not_good_begins_the_row_anew() -> None:
    phase = capturing([seen(), seen(), unusable(Hint.HOLD_STILL), seen(), seen()])

    assert (len(phase.samples), len(phase.run)) == (0, 2)


@pytest.mark.parametrize(
    ("before", "yaw_deg", "hint"),
    [
        ([], 7.9, None),
        ([], 8.1, Hint.TURN_SLIGHTLY_RIGHT),
        ([], -8.1, Hint.TURN_SLIGHTLY_LEFT),
        (STRAIGHT, 7.9, Hint.TURN_SLIGHTLY_LEFT),
        (STRAIGHT, 8.1, None),
        (STRAIGHT, 20.1, Hint.TURN_SLIGHTLY_RIGHT),
        ([*STRAIGHT, *LEFT], -7.9, Hint.TURN_SLIGHTLY_RIGHT),
        ([*STRAIGHT, *LEFT], -20.1, Hint.TURN_SLIGHTLY_LEFT),
        ([*STRAIGHT, *LEFT], -12, None),
    ],
)
def test_the_hint_says_which_way_to_turn(before: Sequence[FaceView], yaw_deg: float, hint: Hint | None) -> None:
    phase = capturing([*before, seen(yaw_deg)])

    assert phase.hint is hint
    assert len(phase.run) == (0 if hint else 1)


def test_a_turn_counts_from_where_this_person_s_straight_was_read() -> None:
    off_axis = [seen(6.0)] * 3

    assert capturing([*off_axis, seen(12.0)]).hint is Hint.TURN_SLIGHTLY_LEFT
    assert capturing([*off_axis, seen(15.0)]).hint is None


@pytest.mark.parametrize(("taken", "pose"), [(0, Pose.STRAIGHT), (1, Pose.LEFT), (2, Pose.RIGHT)])
def test_each_sample_has_its_pose(taken: int, pose: Pose) -> None:
    assert wanted(capturing([*STRAIGHT, *LEFT][: 3 * taken] or [unusable(Hint.CLOSER)]), PLAN) is pose


@pytest.mark.parametrize("hint", [Hint.CLOSER, Hint.EVEN_LIGHT, Hint.CLOSE_MOUTH, Hint.LOOK_HERE])
def test_what_the_gate_misses_is_the_hint(hint: Hint) -> None:
    assert capturing([unusable(hint)]).hint is hint


def test_a_hint_stands_until_it_can_be_read() -> None:
    flicker = [unusable(Hint.CLOSER), unusable(Hint.HOLD_STILL), unusable(Hint.CLOSER), unusable(Hint.HOLD_STILL)]

    assert capturing(flicker).hint is Hint.CLOSER
    assert capturing([*flicker, unusable(Hint.HOLD_STILL)]).hint is Hint.HOLD_STILL


def test_eyes_that_seem_closed_are_asked_to_open_and_then_believed() -> None:
    narrow = seen(hint=Hint.OPEN_EYES)

    assert capturing([narrow] * 40).hint is Hint.OPEN_EYES
    assert len(capturing([narrow] * 43).samples) == 1


def test_who_is_enrolled_as_somebody_else_is_known_from_the_first_good_frame_and_it_is_on_record() -> None:
    known = replace(seen(30.0), candidates=(Candidate("p-1", 0.9), Candidate("p-7", 0.551)))

    phase, (record,) = played([unusable(Hint.CLOSER), known])

    assert phase == Stopped(StopReason.DUPLICATE, other="p-7")
    assert (record.entry.typ, record.entry.pid, record.entry.reason) == (EventType.AUDIT, "p-1", "enrolment_duplicate")
    assert (record.entry.score, record.entry.thr) == (0.551, 0.55)


@pytest.mark.parametrize("candidate", [Candidate("p-1", 0.99), Candidate("p-7", 0.549)])
def test_the_person_themselves_and_who_merely_resembles_them_are_no_duplicates(candidate: Candidate) -> None:
    assert capturing([replace(seen(), candidates=(candidate,))]).run


@pytest.mark.parametrize(("scores", "median"), [((0.1, 0.2, 0.9), 0.2), ((0.4, 0.4, 0.4), 0.4)])
def test_an_attack_ends_it_and_is_on_record(scores: tuple[float, ...], median: float) -> None:
    phase, (record,) = played([seen(pad=score) for score in scores])

    assert phase == Stopped(StopReason.ATTACK)
    assert (record.entry.reason, record.entry.pad) == ("enrolment_attack", Pad(thr=0.5, score=median))


def test_an_attack_on_the_second_pose_ends_it_too() -> None:
    phase, _ = played([*STRAIGHT, *(replace(view, pad_score=0.1) for view in LEFT)])

    assert phase == Stopped(StopReason.ATTACK)


def test_one_unlucky_frame_does_not_refuse() -> None:
    assert len(capturing([seen(pad=score) for score in (0.9, 0.1, 0.8)]).samples) == 1


def test_where_liveness_cannot_be_judged_nobody_is_enrolled() -> None:
    phase, (record,) = played([seen(pad=score) for score in (0.9, None, 0.9)])

    assert phase == Stopped(StopReason.NOT_LIVE)
    assert record.entry.reason == "enrolment_not_live"


@pytest.mark.parametrize("plan", [replace(PLAN, pad_required=False), replace(PLAN, pad_threshold=None)])
def test_without_the_passive_model_whoever_stands_by_must_see_to_it(plan: EnrolmentPlan) -> None:
    assert len(capturing([seen(pad=None)] * 3, plan).samples) == 1


def test_an_attack_is_one_where_the_check_is_not_required_but_was_made() -> None:
    phase, _ = played([seen(pad=0.1)] * 3, replace(PLAN, pad_required=False))

    assert phase == Stopped(StopReason.ATTACK)


def test_somebody_else_on_the_way_is_passed_over_once_and_then_ends_it_on_record() -> None:
    stranger = [seen(12.0, template=OTHER)] * 3

    assert len(capturing([*STRAIGHT, *stranger]).samples) == 1
    phase, (record,) = played([*STRAIGHT, *stranger, *stranger])
    assert phase == Stopped(StopReason.OTHER_FACE)
    assert (record.entry.reason, record.entry.score, record.entry.thr) == ("enrolment_other_face", 0.0, 0.36)


def test_somebody_else_is_not_forgotten_with_the_next_good_sample() -> None:
    stranger, late_stranger = ([seen(yaw, template=OTHER)] * 3 for yaw in (12.0, -12.0))

    phase, _ = played([*STRAIGHT, *stranger, *LEFT, *late_stranger])

    assert phase == Stopped(StopReason.OTHER_FACE)


def test_two_people_who_take_turns_in_one_row_are_not_one_person() -> None:
    assert capturing([seen(), seen(template=OTHER), seen()]).samples == ()


def test_time_runs_out_anew_for_each_sample_and_the_last_hint_is_told() -> None:
    phase = capturing([*STRAIGHT, unusable(Hint.CLOSER)])

    late, _ = step(phase, Tick(), at(200 + 30_000), PLAN)
    early, _ = step(phase, Tick(), at(199 + 30_000), PLAN)

    assert late == Stopped(StopReason.TIMED_OUT, Hint.CLOSER)
    assert early == phase


def test_a_camera_that_gives_nothing_ends_it() -> None:
    opening, _ = step(Opening(), Tick(), at(1000), PLAN)
    stopped, _ = step(opening, Tick(), at(21_000), PLAN)

    assert opening == Opening(21_000)
    assert stopped == Stopped(StopReason.DEVICE, detail="no picture from the camera within 20 s")


@pytest.mark.parametrize("code", [FaultCode.CAMERA, FaultCode.MODELS])
def test_a_broken_device_ends_it_with_its_detail(code: FaultCode) -> None:
    assert step(Opening(), FaultRaised(code, "why"), at(0), PLAN) == (Stopped(StopReason.DEVICE, detail="why"), [])


@pytest.mark.parametrize("message", [FaultRaised(FaultCode.UPLINK, "x"), Tick()])
def test_what_is_none_of_its_business_changes_nothing(message: FaultRaised | Tick) -> None:
    assert step(Opening(9_000), message, at(0), PLAN) == (Opening(9_000), [])


def test_it_can_be_cancelled_and_nothing_is_recorded() -> None:
    assert step(capturing(STRAIGHT), Cancel(), at(900), PLAN) == (Stopped(StopReason.CANCELLED), [])


def test_likeness_is_the_cosine() -> None:
    assert likeness(SITI, pack("<2f", 0.6, 0.8)) == pytest.approx(0.6)


VIEWS = st.builds(
    FaceView,
    captured_ms=st.integers(0, 60_000),
    faces=st.integers(0, 2),
    hint=st.sampled_from([None, None, None, *Hint]),
    yaw_deg=st.sampled_from([-30.0, -12.0, 0.0, 12.0, 30.0]),
    template=st.sampled_from([b"", SITI, SITI, SITI, OTHER]),
    candidates=st.sampled_from([(), (), (), (Candidate("p-7", 0.6),)]),
    threshold=st.just(0.55),
    pad_score=st.sampled_from([0.9, 0.9, 0.9, 0.1, None]),
)
NOISE = st.lists(st.one_of(VIEWS.map(ViewSeen), st.just(Tick())), max_size=3)
ROWS = st.permutations([STRAIGHT, LEFT, RIGHT, LEFT, RIGHT])


@given(ROWS, st.lists(NOISE, min_size=5, max_size=5))
def test_whatever_comes_nobody_is_captured_but_one_live_person_in_every_pose(
    rows: list[list[FaceView]], noise: list[list[EnrolMessage]]
) -> None:
    phase: EnrolPhase = Opening()
    messages = [each for row, between in zip(rows, noise, strict=True) for each in (*between, *map(ViewSeen, row))]
    for number, message in enumerate(messages):
        phase, records = step(phase, message, at(number), PLAN)
        assert bool(records) <= isinstance(phase, Stopped)

    if isinstance(phase, Captured):
        assert len(phase.samples) == 3
        assert len({view.template for view in phase.samples}) == 1
        assert [view.yaw_deg for view in phase.samples] == [0.0, 12.0, -12.0]
        assert all(view.candidates == () for view in phase.samples)
