"""One visit, from a face or a finger to a greeting: `State`, and `step`, a pure function of it and a message.

    Starting ─▶ Idle ─▶ Looking ─▶ (Challenged) ─▶ (Choosing) ─▶ Recording ─EventRecorded─▶ Greeting ─▶ Idle
                 │         └──────────┴──────────────┴─────────────┴──▶ Refusing ─▶ Idle
                 └─ a finger is decided at once ────────────────────▶ Recording
    any ─▶ OutOfService while a fault forbids recording

Nobody is greeted before `EventRecorded`. A visit has a number; an answer that names another visit is of no effect on
the screen. Who was greeted is not looked at again until they step aside, and the next person need not wait for the
greeting to end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from kiosk.core.biometrics import (
    FaceProbe,
    FingerProbe,
    Hint,
    Liveness,
    Modality,
    Person,
    Policy,
    Turn,
    TurnOutcome,
)
from kiosk.core.decision import Accepted, Decision, Reason, Refused, after_turn, decide_face, decide_finger
from kiosk.core.faults import FaultCode, available, is_out_of_service
from kiosk.core.messages import (
    ActChosen,
    AskTurn,
    Command,
    EventRecorded,
    FaceSeen,
    FaultCleared,
    FaultRaised,
    FingerSeen,
    Message,
    ModalityReady,
    OutboxDepth,
    PeopleLoaded,
    Record,
    StopTurn,
    Tick,
    TurnAnswered,
    TurnAsked,
    UplinkChanged,
    UseReferences,
)
from kiosk.core.schedule import Reading, Tap
from wire.attendance import Act, Entry, EventType, Mode, Moment, Pad

# ---- where a visit stands


@dataclass(frozen=True, slots=True)
class Starting:
    """Devices are being opened."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody is being attended to."""

    since_ms: int = 0
    """Frames from before this moment belong to the last visit."""
    greeted: str | None = None
    """Who was greeted last and may still stand there."""


@dataclass(frozen=True, slots=True)
class Looking:
    """Somebody faces the camera."""

    visit: int
    until_ms: int
    probes: tuple[FaceProbe, ...] = ()
    hint: Hint | None = None


@dataclass(frozen=True, slots=True)
class Challenged:
    """A known face is asked to turn."""

    visit: int
    accepted: Accepted
    until_ms: int
    turn: Turn | None = None
    """None until recognition has drawn one."""


@dataclass(frozen=True, slots=True)
class Choosing:
    """A known person is asked whether this is an arrival or a departure."""

    visit: int
    accepted: Accepted
    person: Person
    until_ms: int


@dataclass(frozen=True, slots=True)
class Recording:
    """The event is on its way to the disk."""

    visit: int
    person: Person
    mode: Mode
    reading: Reading
    until_ms: int


@dataclass(frozen=True, slots=True)
class Greeting:
    """The event is on disk, and the person may know."""

    person: Person
    reading: Reading
    t: datetime
    """When the tap was made, UTC."""
    since_ms: int
    until_ms: int
    repeated: bool = False
    """It was recorded before, at `t`."""
    left: bool = False
    """They have stepped aside meanwhile."""


@dataclass(frozen=True, slots=True)
class Refusing:
    """Nothing was recorded, and the person is told why."""

    reason: Reason
    until_ms: int
    hint: Hint | None = None


@dataclass(frozen=True, slots=True)
class OutOfService:
    """Nobody can be recorded."""


Phase = Starting | Idle | Looking | Challenged | Choosing | Recording | Greeting | Refusing | OutOfService


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the kiosk knows between two messages."""

    phase: Phase = field(default_factory=Starting)
    visits: int = 0
    """The number of the last visit that was begun."""
    people: Mapping[str, Person] = field(default_factory=dict)
    taps: Mapping[str, tuple[Tap, ...]] = field(default_factory=dict)
    """Recent taps by person; the schedule picks out today's."""
    loaded: bool = False
    roster: str = ""
    """Digest of the roster in force."""
    ready: frozenset[Modality] = frozenset()
    faults: frozenset[FaultCode] = frozenset()
    connected: bool = False
    outbox: int = 0


Step = tuple[State, list[Command]]

STARTED = "start"
"""`reason` of the audit event that every start of the program leaves, with the thresholds in force."""


def step(state: State, message: Message, now: Moment, policy: Policy) -> Step:
    """Return the state after the message, and what is to be done about it."""
    match message:
        case FaceSeen(probe):
            return _face_seen(state, probe, now, policy)
        case FingerSeen(probe):
            return _finger_seen(state, probe, now, policy)
        case TurnAsked() | TurnAnswered():
            return _turned(state, message, now, policy)
        case ActChosen(act):
            return _act_chosen(state, act, now, policy)
        case EventRecorded():
            return _event_recorded(state, message, now, policy)
        case PeopleLoaded():
            return _people_loaded(state, message, now, policy)
        case Tick():
            return _time_passed(state, now, policy)
        case _:
            return _settled(_with_condition(state, message), now, policy)


def _with_condition(
    state: State, message: ModalityReady | FaultRaised | FaultCleared | UplinkChanged | OutboxDepth
) -> State:
    match message:
        case ModalityReady(modality):
            return replace(state, ready=state.ready | {modality})
        case FaultRaised(code):
            return replace(state, faults=state.faults | {code})
        case FaultCleared(code):
            return replace(state, faults=state.faults - {code})
        case UplinkChanged(connected):
            return replace(state, connected=connected)
        case OutboxDepth(waiting):
            return replace(state, outbox=waiting)
        case _:
            assert_never(message)


def _settled(state: State, now: Moment, policy: Policy) -> Step:
    """Enter or leave `Starting` and `OutOfService` as the devices and faults require."""
    up = policy.modalities & state.ready
    down = policy.modalities - available(state.faults)
    if is_out_of_service(state.faults) or down == policy.modalities:
        return _stop_service(state, now)
    waiting = isinstance(state.phase, Starting | OutOfService)
    if waiting and state.loaded and up | down == policy.modalities:
        return replace(state, phase=Idle(now.mono_ms)), []
    if isinstance(state.phase, OutOfService):
        return replace(state, phase=Starting()), []
    return state, []


def _stop_service(state: State, now: Moment) -> Step:
    """Whoever waits for the disk learns from the screen that nothing may be recorded; so does the journal."""
    commands: list[Command] = []
    if isinstance(state.phase, Recording):
        refused = Refused(Reason.NOT_RECORDED, state.phase.mode, state.phase.person.pid)
        commands = [Record(None, _refusal(refused, now))]
    return replace(state, phase=OutOfService()), commands


# ---- a face


def _face_seen(state: State, probe: FaceProbe, now: Moment, policy: Policy) -> Step:
    match state.phase:
        case Idle(since_ms, greeted):
            return _face_before_idle(state, probe, now, policy, since_ms, greeted)
        case Greeting(person, _, _, since_ms) if _is_somebody_else(probe, person.pid, policy):
            return _face_before_idle(state, probe, now, policy, since_ms, None)
        case Greeting() if probe.faces == 0:
            return replace(state, phase=replace(state.phase, left=True)), []
        case Looking():
            return _looked(state, state.phase, probe, now, policy)
        case _:
            return state, []


def _face_before_idle(
    state: State, probe: FaceProbe, now: Moment, policy: Policy, since_ms: int, greeted: str | None
) -> Step:
    if probe.captured_ms < since_ms:
        return state, []
    if probe.faces == 0:
        return replace(state, phase=Idle(since_ms)), []
    if greeted is not None and not _is_somebody_else(probe, greeted, policy):
        return state, []
    state = replace(state, visits=state.visits + 1)
    looking = Looking(state.visits, _after(now, policy.look_s))
    return _looked(state, looking, probe, now, policy)


def _is_somebody_else(probe: FaceProbe, greeted: str, policy: Policy) -> bool:
    """Whether the frame shows another enrolled person than the one just greeted."""
    best = probe.candidates[0] if probe.candidates else None
    return best is not None and best.pid != greeted and best.comparison_score >= policy.face_threshold


def _looked(state: State, looking: Looking, probe: FaceProbe, now: Moment, policy: Policy) -> Step:
    if probe.faces == 0:
        return replace(state, phase=Idle(now.mono_ms)), []
    if probe.hint is not None:
        return replace(state, phase=replace(looking, hint=probe.hint)), []
    probes = (*looking.probes, probe)
    if len(probes) < policy.frames_per_visit:
        return replace(state, phase=replace(looking, probes=probes, hint=None)), []
    liveness = liveness_in_force(state.faults, policy)
    decision = decide_face(probes, policy, liveness)
    if isinstance(decision, Accepted) and liveness is Liveness.CHALLENGE and decision.pid in state.people:
        phase = Challenged(looking.visit, decision, _after(now, policy.challenge_s))
        return replace(state, phase=phase), [AskTurn(looking.visit, decision.pid)]
    return _decided(state, looking.visit, decision, now, policy)


def liveness_in_force(faults: frozenset[FaultCode], policy: Policy) -> Liveness:
    """The check that is made now: where the passive model is absent, the challenge takes its place."""
    if policy.liveness is Liveness.PASSIVE and FaultCode.PASSIVE_LIVENESS in faults:
        return Liveness.CHALLENGE
    return policy.liveness


def _turned(state: State, message: TurnAsked | TurnAnswered, now: Moment, policy: Policy) -> Step:
    challenged = state.phase
    if not isinstance(challenged, Challenged) or challenged.visit != message.visit:
        return state, []
    match message:
        case TurnAsked(_, turn):
            until_ms = _after(now, policy.challenge_s)
            return replace(state, phase=replace(challenged, turn=turn, until_ms=until_ms)), []
        case TurnAnswered(_, outcome) if challenged.turn is not None:
            decision = after_turn(challenged.accepted, challenged.turn, outcome, policy)
            return _decided(state, challenged.visit, decision, now, policy)
        case _:
            return state, []


# ---- a finger


def _finger_seen(state: State, probe: FingerProbe, now: Moment, policy: Policy) -> Step:
    if not isinstance(state.phase, Idle | Looking | Greeting | Refusing):
        return state, []
    if probe.hint is not None:
        return _refuse(state, Refused(Reason.UNUSABLE, Mode.FINGER), now, policy, probe.hint)
    visit = state.visits + 1
    return _decided(replace(state, visits=visit), visit, decide_finger(probe), now, policy)


# ---- from the decision to the disk


def _decided(state: State, visit: int, decision: Decision, now: Moment, policy: Policy) -> Step:
    match decision:
        case Refused():
            return _refuse(state, decision, now, policy)
        case Accepted() if decision.pid not in state.people:
            unknown = Refused(Reason.UNKNOWN, decision.mode, None, decision.score, decision.thr, decision.pad)
            return _refuse(state, unknown, now, policy)
        case Accepted():
            return _accept(state, visit, decision, now, policy)
        case _:
            assert_never(decision)


def _accept(state: State, visit: int, accepted: Accepted, now: Moment, policy: Policy) -> Step:
    person = state.people[accepted.pid]
    taps = policy.schedule.today(state.taps.get(person.pid, ()), now.t)
    if taps and abs((now.t - taps[-1].t).total_seconds()) < policy.repeat_within_s:
        return replace(state, phase=_greeting(person, taps[-1], now, policy, repeated=True)), []
    reading = policy.schedule.read(now.t, taps)
    if reading.act is None:
        phase = Choosing(visit, accepted, person, _after(now, policy.choose_s))
        return replace(state, phase=phase), []
    return _record(state, visit, accepted, reading, now, policy)


def _act_chosen(state: State, act: Act, now: Moment, policy: Policy) -> Step:
    match state.phase:
        case Choosing(visit, accepted):
            return _record(state, visit, accepted, policy.schedule.as_act(now.t, act), now, policy)
        case _:
            return state, []


def _record(state: State, visit: int, accepted: Accepted, reading: Reading, now: Moment, policy: Policy) -> Step:
    entry = Entry(
        EventType.ATTENDANCE,
        now,
        pid=accepted.pid,
        act=reading.act,
        mode=accepted.mode,
        score=accepted.score,
        thr=accepted.thr,
        pad=accepted.pad,
    )
    phase = Recording(visit, state.people[accepted.pid], accepted.mode, reading, _after(now, policy.record_s))
    return replace(state, phase=phase), [Record(visit, entry)]


def _event_recorded(state: State, recorded: EventRecorded, now: Moment, policy: Policy) -> Step:
    entry = recorded.entry
    if entry.typ is not EventType.ATTENDANCE or entry.pid is None or entry.act is None:
        return state, []
    tap = Tap(entry.act, entry.at.t)
    earlier = policy.schedule.today(state.taps.get(entry.pid, ()), now.t)
    state = replace(state, taps={**state.taps, entry.pid: (*earlier, tap)})
    match state.phase:
        case Recording(visit, person) if visit == recorded.visit:
            return replace(state, phase=_greeting(person, tap, now, policy, repeated=False)), []
        case _:
            return state, []


def _greeting(person: Person, tap: Tap, now: Moment, policy: Policy, *, repeated: bool) -> Greeting:
    reading = policy.schedule.as_act(tap.t, tap.act)
    return Greeting(person, reading, tap.t, now.mono_ms, _after(now, policy.greet_s), repeated)


def _refuse(state: State, refused: Refused, now: Moment, policy: Policy, hint: Hint | None = None) -> Step:
    """Tell the person why, and the journal too."""
    phase = Refusing(refused.reason, _after(now, policy.refuse_s), hint)
    return replace(state, phase=phase), [Record(None, _refusal(refused, now))]


def _refusal(refused: Refused, now: Moment) -> Entry:
    """The audit entry of a refusal."""
    return Entry(
        EventType.AUDIT,
        now,
        pid=refused.pid,
        mode=refused.mode,
        score=refused.score,
        thr=refused.thr,
        pad=refused.pad,
        reason=refused.reason.value,
    )


# ---- time and the rest


def _people_loaded(state: State, loaded: PeopleLoaded, now: Moment, policy: Policy) -> Step:
    people = {person.pid: person for person in loaded.people}
    commands: list[Command] = [UseReferences(loaded.references)]
    if not state.loaded:
        thresholds = Pad(thr=policy.pad_threshold)
        started = Entry(EventType.AUDIT, now, thr=policy.face_threshold, pad=thresholds, reason=STARTED)
        commands.append(Record(None, started))
    state = replace(state, people=people, taps=dict(loaded.taps), roster=loaded.roster, loaded=True)
    state, more = _settled(state, now, policy)
    return state, [*commands, *more]


def _time_passed(state: State, now: Moment, policy: Policy) -> Step:
    if now.mono_ms < _ends_ms(state.phase):
        return state, []
    match state.phase:
        case Looking(_, _, _, hint):
            unusable = Refused(Reason.UNUSABLE, Mode.FACE)
            return _refuse(state, unusable, now, policy, hint or Hint.LOOK_HERE)
        case Challenged(visit, accepted, _, turn):
            timed_out = after_turn(accepted, turn or Turn.LEFT, TurnOutcome.NOT_TURNED, policy)
            state, commands = _decided(state, visit, timed_out, now, policy)
            return state, [StopTurn(), *commands]
        case Choosing(_, accepted):
            return _refuse(state, Refused(Reason.NOT_ANSWERED, accepted.mode, accepted.pid), now, policy)
        case Recording(_, person, mode):
            return _refuse(state, Refused(Reason.NOT_RECORDED, mode, person.pid), now, policy)
        case Greeting(person, left=left):
            return replace(state, phase=Idle(now.mono_ms, None if left else person.pid)), []
        case _:
            return replace(state, phase=Idle(now.mono_ms)), []


def _ends_ms(phase: Phase) -> float:
    """When the phase ends by itself; never, for those that wait for something to happen."""
    match phase:
        case Starting() | Idle() | OutOfService():
            return math.inf
        case _:
            return phase.until_ms


def _after(now: Moment, seconds: float) -> int:
    return now.mono_ms + round(1000 * seconds)
