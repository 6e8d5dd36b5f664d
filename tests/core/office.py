"""An office to try the core in: people, hours, and moments of one Monday in Jakarta."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from kiosk.core.biometrics import (
    Candidate,
    FaceProbe,
    FingerProbe,
    Hint,
    Modality,
    Person,
    Policy,
    References,
    Thresholds,
)
from kiosk.core.messages import Command, EventRecorded, Message, ModalityReady, PeopleLoaded, Record
from kiosk.core.schedule import DayRule, Schedule
from kiosk.core.session import step
from kiosk.core.state import Idle, State
from wire.attendance import ClockQuality, ClockSource, Moment

JAKARTA = ZoneInfo("Asia/Jakarta")
WORKDAYS = Schedule("Asia/Jakarta", (DayRule(frozenset(range(5)), time(7, 30), time(15, 30)),))
POLICY = Policy(schedule=WORKDAYS)
THRESHOLD = 0.55
READY = {
    Modality.FACE: ModalityReady(Modality.FACE, Thresholds(THRESHOLD, POLICY.pad_threshold)),
    Modality.FINGER: ModalityReady(Modality.FINGER, Thresholds(30.0)),
}
SITI = Person("p-siti", "Siti Aminah")
BUDI = Person("p-budi", "Budi Santoso")
MIDNIGHT = datetime(2026, 11, 23, tzinfo=JAKARTA)


def at(clock: str) -> Moment:
    """The moment at `HH:MM:SS` of that Monday, local (24: the day after); the monotonic clock began at its midnight."""
    hours, minutes, seconds = map(int, clock.split(":"))
    since = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    t, mono_ms = MIDNIGHT + since, round(1000 * since.total_seconds())
    return Moment(t.astimezone(UTC), "boot-1", mono_ms, ClockQuality(ClockSource.NETWORK, 20, ok=True))


def face(now: Moment, pid: str = SITI.pid, score: float = 0.7, pad: float | None = 0.9) -> FaceProbe:
    """A usable frame of one face, which was there before; alone in what is fused, if it passes the check."""
    found = (Candidate(pid, score),)
    fused = found if pad is None or pad >= POLICY.pad_threshold else ()
    return FaceProbe(now.mono_ms, 1, None, found, pad, THRESHOLD, continues=True, fused=fused)


def unusable(now: Moment, hint: Hint, faces: int = 1) -> FaceProbe:
    """A frame that cannot be used."""
    return FaceProbe(now.mono_ms, faces, hint)


def nobody(now: Moment) -> FaceProbe:
    """A frame of an empty hall."""
    return FaceProbe(now.mono_ms, 0)


def finger(now: Moment, pid: str | None = SITI.pid, score: float = 101.0) -> FingerProbe:
    """A usable press; `pid` None: of a finger that nobody enrolled."""
    candidates = (Candidate(pid, score),) if pid else ()
    return FingerProbe(now.mono_ms, None, candidates, threshold=30.0)


def open_office(now: Moment, policy: Policy = POLICY) -> State:
    """An idle kiosk that knows Siti and Budi."""
    state, _ = step(State(), PeopleLoaded((SITI, BUDI), {}, References()), now, policy)
    for ready in READY.values():
        state, _ = step(state, ready, now, policy)
    assert isinstance(state.phase, Idle)
    return state


def told(state: State, now: Moment, *messages: Message, policy: Policy = POLICY) -> tuple[State, list[Command]]:
    """The state after all these messages at one moment, and every command on the way."""
    commands: list[Command] = []
    for message in messages:
        state, more = step(state, message, now, policy)
        commands += more
    return state, commands


def on_disk(commands: list[Command], seq: int = 1) -> list[EventRecorded]:
    """What storage answers to the commands."""
    records = [command for command in commands if isinstance(command, Record)]
    return [EventRecorded(record.visit, seq + n, record.entry) for n, record in enumerate(records)]
