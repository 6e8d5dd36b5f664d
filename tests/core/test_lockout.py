"""Repeated attacks lock a modality, for ever longer; nobody honest makes it longer, and no accomplice shorter."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.core.biometrics import Modality
from kiosk.core.decision import Reason, Refused
from kiosk.core.lockout import LOCKED, Lockout, after_refusal, lifted
from kiosk.core.messages import FaceSeen, FingerSeen, Record, Tick
from kiosk.core.state import Idle, Looking, Recording, Refusing, State
from tests.core.office import BUDI, POLICY, SITI, at, face, finger, open_office, told
from wire.attendance import EventType, Mode, Moment

MORNING = at("07:20:00")
attacks = st.lists(st.integers(0, 2_000_000), max_size=40)
"""How many milliseconds after the one before it."""


def later(seconds: float) -> Moment:
    return replace(MORNING, mono_ms=MORNING.mono_ms + round(1000 * seconds))


def attacked(times: int, every_s: float = 5.0, state: State | None = None) -> tuple[State, list[Record]]:
    """An office whose camera was shown a photograph so often."""
    state = state or open_office(MORNING)
    records: list[Record] = []
    for number in range(times):
        now = later(every_s * number)
        frames = 3 * [FaceSeen(face(now, SITI.pid, pad=0.1))]
        state, commands = told(replace(state, phase=Idle(0), refusals=0), now, *frames)
        records += [command for command in commands if isinstance(command, Record)]
    return state, records


def reasons(records: list[Record]) -> list[str | None]:
    return [record.entry.reason for record in records]


def lasts_s(lockout: Lockout, now_ms: int) -> float:
    return (lockout.until_ms - now_ms) / 1000


def test_the_third_attack_locks_the_face_and_leaves_the_finger() -> None:
    two, _ = attacked(2)
    three, _ = attacked(3)

    assert two.working(POLICY) == {Modality.FACE, Modality.FINGER}
    assert three.working(POLICY) == {Modality.FINGER}


def test_a_lock_is_an_audit_event_that_names_nobody() -> None:
    _, records = attacked(3)

    *_, lock = [record.entry for record in records]
    assert reasons(records) == ["attack", "attack", "attack", LOCKED]
    assert (lock.typ, lock.mode, lock.pid, lock.score) == (EventType.AUDIT, Mode.FACE, None, None)


def test_attacks_far_apart_do_not_lock() -> None:
    state, _ = attacked(6, every_s=POLICY.lock_within_s / 2)

    assert not state.locked


def test_a_locked_face_is_not_looked_at_and_a_finger_goes_on() -> None:
    state, _ = attacked(3)
    state = replace(state, phase=Idle(0))

    looked, commands = told(state, later(12), *3 * [FaceSeen(face(later(12), BUDI.pid))])
    pressed, _ = told(state, later(12), FingerSeen(finger(later(12), BUDI.pid)))

    assert looked.phase == Idle(0)
    assert commands == []
    assert isinstance(pressed.phase, Recording)


def test_a_queue_that_waits_before_the_camera_does_not_prolong_the_lock() -> None:
    state, _ = attacked(3)
    for second in range(11, 41):
        now = later(second)
        state, _ = told(state, now, Tick(), FaceSeen(face(now, BUDI.pid, pad=0.1)))

    assert not state.locked
    assert isinstance(state.phase, Looking)


def test_an_accomplices_own_finger_forgives_nothing() -> None:
    state, _ = attacked(2)
    state, _ = told(replace(state, phase=Idle(0)), later(11), FingerSeen(finger(later(11), BUDI.pid)))

    state, _ = told(replace(state, phase=Idle(0)), later(12), *3 * [FaceSeen(face(later(12), pad=0.1))])

    assert state.locked == {Modality.FACE}


@pytest.mark.parametrize(
    ("reason", "locks"),
    [
        (Reason.ATTACK, 1),
        (Reason.OTHER_ACTION, 1),
        (Reason.NOT_LIVE, 0),
        (Reason.UNKNOWN, 0),
        (Reason.UNUSABLE, 0),
    ],
)
@pytest.mark.parametrize(("mode", "modality"), [(Mode.FACE, Modality.FACE), (Mode.FINGER, Modality.FINGER)])
def test_what_counts_as_an_attack_locks_the_modality_that_it_was_on(
    reason: Reason, locks: int, mode: Mode, modality: Modality
) -> None:
    lockouts, entries = after_refusal({}, Refused(reason, mode), MORNING, replace(POLICY, lock_after=1))

    assert {each for each, lockout in lockouts.items() if lockout.is_locked} == ({modality} if locks else set())
    assert len(entries) == locks


def test_a_locked_finger_is_not_read() -> None:
    lockout = Lockout(locks=1, until_ms=MORNING.mono_ms + 30_000, is_locked=True)
    state = replace(open_office(MORNING), lockouts={Modality.FINGER: lockout})

    state, commands = told(state, MORNING, FingerSeen(finger(MORNING)))

    assert state.working(POLICY) == {Modality.FACE}
    assert commands == []


def test_each_lock_is_twice_as_long_up_to_the_longest() -> None:
    policy = replace(POLICY, lock_after=1, lock_s=30.0, longest_lock_s=200.0)
    lockout, now_ms, lengths = Lockout(), 0, []
    for _ in range(5):
        lockout = lockout.attacked(now_ms, policy)
        lengths.append(lasts_s(lockout, now_ms))
        now_ms = lockout.until_ms + 1
        lockout = lockout.at(now_ms)

    assert lengths == [30.0, 60.0, 120.0, 200.0, 200.0]


def test_after_a_quiet_while_the_next_lock_is_a_first_one_again() -> None:
    policy = replace(POLICY, lock_after=1)
    first = Lockout().attacked(0, policy)
    ended = first.at(first.until_ms)
    quiet_ms = first.until_ms + 3_600_000

    assert lasts_s(ended.attacked(quiet_ms - 1, policy), quiet_ms - 1) == 60.0
    assert lasts_s(ended.attacked(quiet_ms, policy), quiet_ms) == 30.0


@given(attacks)
def test_no_lock_lasts_longer_than_the_longest_and_each_ends_by_itself(gaps: list[int]) -> None:
    lockout, now_ms = Lockout(), 0
    for gap in gaps:
        now_ms += gap
        lockout = lockout.at(now_ms).attacked(now_ms, POLICY)

        assert lasts_s(lockout, now_ms) <= POLICY.longest_lock_s
        assert len(lockout.attacks_ms) < POLICY.lock_after
        assert not lockout.at(lockout.until_ms).is_locked


@given(attacks)
def test_a_lock_needs_so_many_attacks_and_none_goes_by_without_counting(gaps: list[int]) -> None:
    lockout, now_ms, since = Lockout(), 0, 0
    for gap in gaps:
        now_ms += gap
        before = lockout.at(now_ms)
        lockout = before.attacked(now_ms, POLICY)
        since += not before.is_locked

        assert lockout.locks <= since // POLICY.lock_after
        assert before.is_locked or lockout != before


@given(st.integers(0, 10**9), st.integers(0, 10**6))
def test_lifting_early_changes_nothing(now_ms: int, left_ms: int) -> None:
    locked = {Modality.FACE: Lockout(locks=3, until_ms=now_ms + left_ms + 1, is_locked=True)}

    assert lifted(locked, now_ms) == locked


def test_the_lock_is_shown_after_the_refusal_and_ends_on_the_clock() -> None:
    state, _ = attacked(3)
    assert isinstance(state.phase, Refusing)

    before, _ = told(state, later(10 + 29), Tick())
    after, _ = told(state, later(10 + 30), Tick())

    assert before.locked == {Modality.FACE}
    assert not after.locked
