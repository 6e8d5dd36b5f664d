"""One visit, as the person meets it: no greeting before the disk has the event, no acceptance after a veto."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kiosk.core.biometrics import Action, Candidate, ChallengeOutcome, Hint, Liveness, Modality, References, Thresholds
from kiosk.core.decision import Reason
from kiosk.core.faults import FaultCode
from kiosk.core.messages import (
    ActChosen,
    AskChallenge,
    ChallengeAnswered,
    ChallengeAsked,
    EventRecorded,
    FaceSeen,
    FaultCleared,
    FaultRaised,
    FingerSeen,
    ModalityBusy,
    ModalityReady,
    PeopleLoaded,
    Record,
    StopChallenge,
    Tick,
)
from kiosk.core.session import step
from kiosk.core.state import (
    Challenged,
    Choosing,
    Greeting,
    Idle,
    Looking,
    OutOfService,
    Recording,
    Refusing,
    Starting,
    State,
)
from tests.core.office import (
    BUDI,
    POLICY,
    READY,
    SITI,
    THRESHOLD,
    at,
    face,
    finger,
    nobody,
    on_disk,
    open_office,
    told,
    unusable,
)
from wire.attendance import Act, EventType, Mode

MORNING = at("07:20:00")


def looked_at(pid: str = SITI.pid, score: float = 0.7, pad: float | None = 0.9) -> list[FaceSeen]:
    return 6 * [FaceSeen(face(MORNING, pid, score, pad))]


def test_a_greeting_waits_for_the_disk() -> None:
    state, commands = told(open_office(MORNING), MORNING, *looked_at())
    assert isinstance(state.phase, Recording)

    state, _ = told(state, MORNING, *on_disk(commands))

    assert isinstance(state.phase, Greeting)
    assert state.phase.person == SITI


def test_a_known_face_is_recorded_with_its_scores() -> None:
    _, commands = told(open_office(MORNING), MORNING, *looked_at(score=0.7123))

    [record] = commands
    assert isinstance(record, Record)
    entry = record.entry
    assert (entry.pid, entry.act, entry.mode) == (SITI.pid, Act.ARRIVAL, Mode.FACE)
    assert entry.score == pytest.approx(0.7123)
    assert entry.thr == 0.55
    assert entry.pad is not None
    assert entry.pad.score == 0.9


def test_a_finger_needs_one_press() -> None:
    state, commands = told(open_office(MORNING), MORNING, FingerSeen(finger(MORNING)))

    assert isinstance(state.phase, Recording)
    assert on_disk(commands)[0].entry.mode is Mode.FINGER


@pytest.mark.parametrize(
    ("probes", "reason"),
    [
        (looked_at(score=0.549), Reason.UNKNOWN),
        (looked_at(pad=0.49), Reason.ATTACK),
        (looked_at(score=0.1, pad=0.1), Reason.ATTACK),
        (looked_at(pad=None), Reason.NOT_LIVE),
        (looked_at(pid="p-erased"), Reason.UNKNOWN),
        ([FingerSeen(finger(MORNING, None))], Reason.UNKNOWN),
        ([FingerSeen(finger(MORNING, score=29.0))], Reason.UNKNOWN),
    ],
)
def test_a_refusal_says_why_and_is_audited(probes: list[FaceSeen | FingerSeen], reason: Reason) -> None:
    state, commands = told(open_office(MORNING), MORNING, *probes)

    assert isinstance(state.phase, Refusing)
    assert state.phase.reason is reason
    [record] = commands
    assert isinstance(record, Record)
    assert (record.entry.typ, record.entry.reason) == (EventType.AUDIT, reason.value)


def test_two_people_who_look_alike_are_not_told_apart_by_a_hair() -> None:
    alike = replace(face(MORNING), fused=(Candidate(SITI.pid, 0.70), Candidate(BUDI.pid, 0.66)))

    state, _ = told(open_office(MORNING), MORNING, *6 * [FaceSeen(alike)])

    assert isinstance(state.phase, Refusing)
    assert state.phase.reason is Reason.AMBIGUOUS


def test_one_unlucky_frame_neither_refuses_a_person_nor_lets_a_photograph_in() -> None:
    good, bad = face(MORNING, pad=0.9), face(MORNING, pad=0.1)

    lucky, _ = told(open_office(MORNING), MORNING, *map(FaceSeen, [good, bad, good]))
    photograph, _ = told(open_office(MORNING), MORNING, *map(FaceSeen, [bad, good, bad]))

    assert isinstance(lucky.phase, Recording)
    assert isinstance(photograph.phase, Refusing)


def test_another_face_begins_the_look_anew() -> None:
    frames = 2 * [face(MORNING, score=0.6)]
    other = replace(face(MORNING, BUDI.pid, score=0.6), continues=False)

    state, commands = told(open_office(MORNING), MORNING, *map(FaceSeen, [*frames, other, *frames]))

    assert isinstance(state.phase, Recording)
    assert len(on_disk(commands)) == 1
    assert state.phase.person == SITI


def test_two_frames_are_enough_for_who_is_surely_known() -> None:
    state, _ = told(open_office(MORNING), MORNING, *looked_at(score=0.65)[:2])
    other, _ = told(open_office(MORNING), MORNING, *looked_at(score=0.64)[:2])

    assert isinstance(state.phase, Recording)
    assert isinstance(other.phase, Looking)


def test_two_frames_are_not_enough_where_liveness_is_in_doubt() -> None:
    frames = map(FaceSeen, [face(MORNING, pad=0.9), face(MORNING, pad=0.7)])

    state, _ = told(open_office(MORNING), MORNING, *frames)

    assert isinstance(state.phase, Looking)


def test_nobody_is_called_unknown_on_three_frames() -> None:
    blurred, sharp = face(MORNING, score=0.5), face(MORNING, score=0.6)

    state, _ = told(open_office(MORNING), MORNING, *map(FaceSeen, [*3 * [blurred], sharp]))

    assert isinstance(state.phase, Recording)


def test_a_frame_that_could_not_be_judged_does_not_undo_a_veto() -> None:
    frames = [face(MORNING, pad=0.0), face(MORNING, pad=0.0), face(MORNING, pad=None)]

    state, _ = told(open_office(MORNING), MORNING, *map(FaceSeen, frames), policy=CHALLENGE)

    assert isinstance(state.phase, Refusing)
    assert state.phase.reason is Reason.ATTACK


def test_a_second_face_begins_the_look_anew() -> None:
    two = FaceSeen(unusable(MORNING, Hint.ONE_PERSON, faces=2))

    state, _ = told(open_office(MORNING), MORNING, *looked_at(score=0.6)[:2], two, *looked_at(score=0.6)[:2])

    assert isinstance(state.phase, Looking)


def test_a_second_tap_within_minutes_is_greeted_not_recorded() -> None:
    state, commands = told(open_office(MORNING), MORNING, *looked_at())
    state, _ = told(state, MORNING, *on_disk(commands))

    state, commands = told(state, at("07:22:00"), FingerSeen(finger(at("07:22:00"))))

    assert isinstance(state.phase, Greeting)
    assert state.phase.repeated
    assert state.phase.t == MORNING.t
    assert commands == []


def test_a_second_tap_after_midnight_is_a_second_tap() -> None:
    evening = replace(at("23:58:00"), t=at("23:58:00").t)
    state, commands = told(open_office(evening), evening, FingerSeen(finger(evening)), ActChosen(Act.DEPARTURE))
    state, _ = told(state, evening, *on_disk(commands))
    midnight = at("24:01:00")

    state, commands = told(state, midnight, FingerSeen(finger(midnight)))

    assert isinstance(state.phase, Greeting)
    assert state.phase.repeated
    assert commands == []


def test_a_tap_under_a_wrong_clock_does_not_undo_the_days_arrival() -> None:
    state, commands = told(open_office(MORNING), MORNING, FingerSeen(finger(MORNING)))
    state, _ = told(state, MORNING, *on_disk(commands))
    tomorrow = replace(at("08:00:00"), t=at("08:00:00").t + timedelta(days=1))
    state, commands = told(state, tomorrow, FingerSeen(finger(tomorrow)))
    state, _ = told(state, tomorrow, *on_disk(commands), Tick())
    noon = at("12:00:00")

    _, commands = told(state, noon, FingerSeen(finger(noon)))

    assert on_disk(commands)[0].entry.act is Act.DEPARTURE


def test_who_was_greeted_and_stays_is_not_looked_at_again() -> None:
    state, commands = told(open_office(MORNING), MORNING, *looked_at())
    state, _ = told(state, MORNING, *on_disk(commands))
    later = at("07:20:04")
    state, _ = told(state, later, Tick())

    state, commands = told(state, later, FaceSeen(face(later)), FaceSeen(unusable(later, Hint.CLOSER)))

    assert isinstance(state.phase, Idle)
    assert commands == []


def test_who_left_during_the_greeting_may_come_back_after_it() -> None:
    state, commands = told(open_office(MORNING), MORNING, *looked_at())
    state, _ = told(state, MORNING, *on_disk(commands), FaceSeen(nobody(MORNING)))
    later = at("07:20:04")

    state, _ = told(state, later, Tick(), *3 * [FaceSeen(face(later))])

    assert isinstance(state.phase, Greeting)
    assert state.phase.repeated


def test_the_next_in_the_queue_need_not_wait_for_the_greeting_to_end() -> None:
    state, commands = told(open_office(MORNING), MORNING, *looked_at())
    state, _ = told(state, MORNING, *on_disk(commands))

    state, _ = told(state, at("07:20:01"), *3 * [FaceSeen(face(at("07:20:01"), BUDI.pid))])

    assert isinstance(state.phase, Recording)
    assert state.phase.person == BUDI


def test_frames_from_before_the_visit_ended_do_not_begin_the_next() -> None:
    state, _ = told(open_office(at("07:30:00")), at("07:30:00"), FaceSeen(face(MORNING)))

    assert isinstance(state.phase, Idle)


def test_somebody_who_walks_past_is_not_refused() -> None:
    state, commands = told(open_office(MORNING), MORNING, FaceSeen(face(MORNING)), FaceSeen(nobody(MORNING)))

    assert isinstance(state.phase, Idle)
    assert commands == []


def test_who_cannot_be_seen_well_is_told_what_to_change() -> None:
    state, _ = told(open_office(MORNING), MORNING, FaceSeen(unusable(MORNING, Hint.ONE_PERSON, faces=2)))
    assert isinstance(state.phase, Looking)
    assert state.phase.hint is Hint.ONE_PERSON

    state, _ = told(state, at("07:20:07"), Tick())

    assert isinstance(state.phase, Refusing)
    assert (state.phase.reason, state.phase.hint) == (Reason.UNUSABLE, Hint.ONE_PERSON)


def test_the_screen_asks_where_the_schedule_cannot_tell() -> None:
    evening = at("15:45:00")
    state, _ = told(open_office(evening), evening, FingerSeen(finger(evening)))
    assert isinstance(state.phase, Choosing)

    state, commands = told(state, evening, ActChosen(Act.DEPARTURE))

    assert isinstance(state.phase, Recording)
    assert on_disk(commands)[0].entry.act is Act.DEPARTURE


def test_a_question_without_an_answer_records_nothing() -> None:
    evening = at("15:45:00")
    state, _ = told(open_office(evening), evening, FingerSeen(finger(evening)))

    state, commands = told(state, at("15:45:11"), Tick())

    assert isinstance(state.phase, Refusing)
    assert [event.entry.typ for event in on_disk(commands)] == [EventType.AUDIT]


def test_an_event_that_comes_late_is_not_greeted_but_known() -> None:
    state, commands = told(open_office(MORNING), MORNING, FingerSeen(finger(MORNING)))
    late = at("07:20:06")
    state, _ = told(state, late, Tick())
    assert isinstance(state.phase, Refusing)

    state, _ = told(state, late, *on_disk(commands))
    assert isinstance(state.phase, Refusing)
    state, commands = told(state, late, FingerSeen(finger(late)))

    assert isinstance(state.phase, Greeting)
    assert commands == []


def test_who_taps_again_while_the_disk_is_slow_is_recorded_once() -> None:
    state, commands = told(open_office(MORNING), MORNING, FingerSeen(finger(MORNING)))
    late = at("07:20:06")

    state, again = told(state, late, Tick(), FingerSeen(finger(late)))

    assert isinstance(state.phase, Recording)
    assert [event.entry.typ for event in on_disk(again)] == [EventType.AUDIT]
    state, _ = told(state, late, *on_disk(commands))
    assert isinstance(state.phase, Greeting)


def test_another_visits_event_does_not_greet() -> None:
    state, commands = told(open_office(MORNING), MORNING, FingerSeen(finger(MORNING)))
    [recorded] = on_disk(commands)

    state, _ = told(state, MORNING, replace(recorded, visit=99))

    assert isinstance(state.phase, Recording)


# ---- the challenge

CHALLENGE = replace(POLICY, liveness=Liveness.CHALLENGE)


def challenged(outcome: ChallengeOutcome | None) -> State:
    state, commands = told(open_office(MORNING), MORNING, *looked_at(pad=None), policy=CHALLENGE)
    [ask] = commands
    assert ask == AskChallenge(1, SITI.pid)
    state, _ = told(state, MORNING, ChallengeAsked(1, Action.TURN_LEFT), policy=CHALLENGE)
    assert isinstance(state.phase, Challenged)
    if outcome is not None:
        state, _ = told(state, MORNING, ChallengeAnswered(1, outcome), policy=CHALLENGE)
    return state


def test_a_turn_of_the_head_lets_in() -> None:
    assert isinstance(challenged(ChallengeOutcome.PASSED).phase, Recording)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (ChallengeOutcome.FLAT, Reason.ATTACK),
        (ChallengeOutcome.OTHER_FACE, Reason.ATTACK),
        (ChallengeOutcome.NOT_DONE, Reason.NOT_LIVE),
        (ChallengeOutcome.OTHER_ACTION, Reason.OTHER_ACTION),
    ],
)
def test_any_other_answer_refuses(outcome: ChallengeOutcome, reason: Reason) -> None:
    phase = challenged(outcome).phase

    assert isinstance(phase, Refusing)
    assert phase.reason is reason


def test_a_challenge_of_two_actions_is_asked_one_after_another_and_recorded_with_both() -> None:
    state = challenged(None)
    state, _ = told(state, at("07:20:05"), ChallengeAsked(1, Action.TURN_RIGHT), policy=CHALLENGE)
    assert isinstance(state.phase, Challenged)
    assert (state.phase.actions[-1], state.phase.until_ms) == (Action.TURN_RIGHT, at("07:20:13").mono_ms)

    _, commands = told(state, at("07:20:09"), ChallengeAnswered(1, ChallengeOutcome.PASSED), policy=CHALLENGE)

    [entry] = [command.entry for command in commands if isinstance(command, Record)]
    assert entry.pad is not None
    assert entry.pad.challenge == "turn_left+turn_right"


def test_both_checks_challenge_whom_the_model_lets_pass_and_nobody_else() -> None:
    both = replace(POLICY, liveness=Liveness.PASSIVE_AND_CHALLENGE)

    passed, _ = told(open_office(MORNING), MORNING, *looked_at(pad=0.9), policy=both)
    vetoed, _ = told(open_office(MORNING), MORNING, *looked_at(pad=0.1), policy=both)

    assert isinstance(passed.phase, Challenged)
    assert isinstance(vetoed.phase, Refusing)
    assert vetoed.phase.reason is Reason.ATTACK


def test_a_challenge_that_is_not_answered_ends() -> None:
    state, commands = told(challenged(None), at("07:20:09"), Tick(), policy=CHALLENGE)

    assert isinstance(state.phase, Refusing)
    assert StopChallenge() in commands


def test_without_the_passive_model_the_challenge_takes_its_place() -> None:
    state, _ = told(open_office(MORNING), MORNING, FaultRaised(FaultCode.PASSIVE_LIVENESS, "absent"))

    state, commands = told(state, MORNING, *looked_at(pad=None))

    assert isinstance(state.phase, Challenged)
    assert commands == [AskChallenge(1, SITI.pid)]


# ---- who stays in view


def stayed(state: State, seconds: int) -> int:
    """How often a stranger is refused who stays in view this long; four frames a second."""
    refused = 0
    for ms in range(0, 1000 * seconds, 250):
        now = replace(MORNING, mono_ms=MORNING.mono_ms + ms)
        state, commands = told(state, now, Tick(), FaceSeen(face(now, score=0.1)))
        refused += len(commands)
    return refused


def test_a_stranger_who_stays_in_view_does_not_fill_the_journal() -> None:
    assert 2 <= stayed(open_office(MORNING), 60) <= 6
    assert stayed(open_office(MORNING), 3600) <= 15


def test_a_face_that_was_refused_for_weeks_is_still_only_refused() -> None:
    worn = replace(open_office(MORNING), refusals=100_000)

    state, commands = told(worn, MORNING, *looked_at(score=0.1))

    assert isinstance(state.phase, Idle)
    assert commands == []


def test_frames_from_before_a_greeting_do_not_end_it() -> None:
    state, commands = told(open_office(MORNING), MORNING, *looked_at())
    state, _ = told(state, MORNING, *on_disk(commands))

    state, _ = told(state, MORNING, *3 * [FaceSeen(face(at("07:19:59"), BUDI.pid))])

    assert isinstance(state.phase, Greeting)


def test_a_stranger_in_view_keeps_nobody_who_is_known_waiting() -> None:
    state = open_office(MORNING)
    for ms in range(0, 60_000, 250):
        now = replace(MORNING, mono_ms=MORNING.mono_ms + ms)
        state, _ = told(state, now, Tick(), FaceSeen(face(now, score=0.1)))
    later = replace(MORNING, mono_ms=MORNING.mono_ms + 65_000)

    state, _ = told(state, later, Tick(), *3 * [FaceSeen(face(later))])

    assert isinstance(state.phase, Recording)


def test_a_stranger_who_stepped_aside_is_looked_at_again_at_once() -> None:
    state, _ = told(open_office(MORNING), MORNING, *looked_at(score=0.1))
    for clock in ("07:20:05", "07:20:10"):
        state, _ = told(
            state, at(clock), Tick(), FaceSeen(nobody(at(clock))), *6 * [FaceSeen(face(at(clock), score=0.1))]
        )

        assert isinstance(state.phase, Refusing)


# ---- faults


def test_a_kiosk_that_cannot_write_is_out_of_service_until_it_can() -> None:
    state, _ = told(open_office(MORNING), MORNING, FaultRaised(FaultCode.JOURNAL, "disk full"))
    assert isinstance(state.phase, OutOfService)
    state, commands = told(state, MORNING, FingerSeen(finger(MORNING)))
    assert commands == []

    state, _ = told(state, MORNING, FaultCleared(FaultCode.JOURNAL))

    assert isinstance(state.phase, Idle)


def test_who_waits_for_a_disk_that_fails_is_refused_on_record() -> None:
    state, _ = told(open_office(MORNING), MORNING, FingerSeen(finger(MORNING)))

    state, commands = told(state, MORNING, FaultRaised(FaultCode.JOURNAL, "disk full"))

    assert isinstance(state.phase, OutOfService)
    assert [(event.entry.reason, event.entry.pid) for event in on_disk(commands)] == [("not_recorded", SITI.pid)]


def test_without_the_camera_the_finger_goes_on() -> None:
    state, _ = told(open_office(MORNING), MORNING, FaultRaised(FaultCode.CAMERA, "unplugged"))

    state, _ = told(state, MORNING, FingerSeen(finger(MORNING)))

    assert isinstance(state.phase, Recording)


def test_without_any_device_the_kiosk_is_out_of_service() -> None:
    faults = [FaultRaised(FaultCode.CAMERA, ""), FaultRaised(FaultCode.READER, "")]

    state, _ = told(open_office(MORNING), MORNING, *faults)

    assert isinstance(state.phase, OutOfService)


def test_a_reader_that_is_being_filled_keeps_nobody_from_the_camera() -> None:
    loaded = PeopleLoaded((SITI, BUDI), {}, References())
    state, _ = told(State(), MORNING, loaded, READY[Modality.FACE], Tick())
    assert isinstance(state.phase, Starting)

    state, _ = told(state, at("07:20:05"), Tick())

    assert isinstance(state.phase, Idle)
    assert state.working(POLICY) == {Modality.FACE}


@pytest.mark.parametrize(
    ("comparison", "pad", "reason"),
    [
        (THRESHOLD, 0.5, None),
        (0.56, 0.5, "threshold_raised"),
        (0.54, 0.5, "threshold_lowered"),
        (0.56, 0.4, "threshold_lowered"),
    ],
)
def test_a_threshold_that_is_not_the_one_on_record_is_audited(
    comparison: float, pad: float, reason: str | None
) -> None:
    on_record = {Modality.FACE: Thresholds(THRESHOLD, 0.5)}
    state, _ = told(State(), MORNING, PeopleLoaded((SITI,), {}, References(), thresholds=on_record))

    state, commands = told(state, MORNING, ModalityReady(Modality.FACE, Thresholds(comparison, pad)))
    _, again = told(state, MORNING, ModalityReady(Modality.FACE, Thresholds(comparison, pad)))

    assert [recorded.entry.reason for recorded in on_disk(commands)] == [reason] * (reason is not None)
    assert again == []


def test_a_threshold_without_a_record_is_put_on_record() -> None:
    state, _ = told(State(), MORNING, PeopleLoaded((SITI,), {}, References()))

    _, commands = told(state, MORNING, READY[Modality.FINGER])

    [recorded] = on_disk(commands)
    assert (recorded.entry.mode, recorded.entry.thr, recorded.entry.reason) == (Mode.FINGER, 30.0, "threshold_set")


def test_a_reader_that_is_filled_anew_is_not_offered_meanwhile() -> None:
    state, _ = told(open_office(MORNING), MORNING, ModalityBusy(Modality.FINGER))
    assert state.working(POLICY) == {Modality.FACE}

    state, _ = told(state, MORNING, READY[Modality.FINGER])

    assert state.working(POLICY) == {Modality.FACE, Modality.FINGER}


def test_who_is_struck_off_the_roster_while_choosing_may_still_finish() -> None:
    evening = at("15:45:00")
    state, _ = told(open_office(evening), evening, FingerSeen(finger(evening)))

    state, _ = told(state, evening, PeopleLoaded((BUDI,), {}, References()), ActChosen(Act.DEPARTURE))

    assert isinstance(state.phase, Recording)


def test_a_face_only_kiosk_without_its_camera_is_out_of_service() -> None:
    policy = replace(POLICY, modalities=frozenset({Modality.FACE}))

    state, _ = told(open_office(MORNING, policy), MORNING, FaultRaised(FaultCode.CAMERA, ""), policy=policy)

    assert isinstance(state.phase, OutOfService)


def test_nobody_is_served_before_the_roster_is_known() -> None:
    state, commands = told(State(), MORNING, READY[Modality.FINGER], READY[Modality.FACE], *looked_at())

    assert isinstance(state.phase, Starting)
    assert commands == []


def test_audit_events_never_greet() -> None:
    state, commands = told(open_office(MORNING), MORNING, *looked_at(pad=0.1))
    [refusal] = on_disk(commands)

    state, _ = step(state, EventRecorded(1, 1, refusal.entry), MORNING, POLICY)

    assert isinstance(state.phase, Refusing)
