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
from dataclasses import replace
from typing import assert_never

from kiosk.core.biometrics import (
    ChallengeOutcome,
    FaceProbe,
    FingerProbe,
    Hint,
    Liveness,
    Modality,
    Person,
    Policy,
)
from kiosk.core.decision import Accepted, Decision, Reason, Refused, after_challenge, decide_face, decide_finger
from kiosk.core.entries import attendance, refusal, started, thresholds_changed
from kiosk.core.faults import FaultCode, available, is_out_of_service
from kiosk.core.lockout import after_refusal, lifted
from kiosk.core.messages import (
    ActChosen,
    AskChallenge,
    ChallengeAnswered,
    ChallengeAsked,
    Command,
    EventRecorded,
    FaceSeen,
    FaultCleared,
    FaultRaised,
    FingerSeen,
    Message,
    ModalityBusy,
    ModalityReady,
    OutboxDepth,
    PeopleLoaded,
    Record,
    StopChallenge,
    Tick,
    UplinkChanged,
    UseReferences,
)
from kiosk.core.schedule import Tap
from kiosk.core.state import (
    Challenged,
    Choosing,
    Greeting,
    Idle,
    Looking,
    OutOfService,
    Phase,
    Recording,
    Refusing,
    Starting,
    State,
)
from wire.attendance import Act, EventType, Mode, Moment

Step = tuple[State, list[Command]]

START_S = 5.0
"""How long a kiosk waits for its second device: a reader that must be filled anew takes minutes."""
LOOK_AGAIN_S = 4.0
LONGEST_PAUSE_S = 600.0
"""Somebody unknown who stays in view, or a portrait on the opposite wall, is looked at ever more seldom, up to this."""
MOST_DOUBLINGS = 8
"""More lead beyond the longest pause in any case."""
REMEMBERED_TAPS = 20
"""A person's latest; today's are among them, and those of a night that began yesterday."""


def step(state: State, message: Message, now: Moment, policy: Policy) -> Step:
    """Return the state after the message, and what is to be done about it."""
    match message:
        case FaceSeen(probe):
            return _face_seen(state, probe, now, policy)
        case FingerSeen(probe):
            return _finger_seen(state, probe, now, policy)
        case ChallengeAsked() | ChallengeAnswered():
            return _challenge_went_on(state, message, now, policy)
        case ActChosen(act):
            return _act_chosen(state, act, now, policy)
        case EventRecorded():
            return _event_recorded(state, message, now, policy)
        case PeopleLoaded():
            return _people_loaded(state, message, now, policy)
        case ModalityReady():
            return _modality_ready(state, message, now, policy)
        case Tick():
            return _time_passed(state, now, policy)
        case _:
            return _settled(_with_condition(state, message), now, policy)


def _with_condition(
    state: State, message: ModalityBusy | FaultRaised | FaultCleared | UplinkChanged | OutboxDepth
) -> State:
    match message:
        case ModalityBusy(modality):
            return replace(state, ready=state.ready - {modality})
        case FaultRaised(code, detail):
            missing = detail if code is FaultCode.JOURNAL_RESTARTED else state.missing
            return replace(state, faults=state.faults | {code}, missing=missing)
        case FaultCleared(code):
            missing = "" if code is FaultCode.JOURNAL_RESTARTED else state.missing
            return replace(state, faults=state.faults - {code}, missing=missing)
        case UplinkChanged(connected):
            return replace(state, connected=connected)
        case OutboxDepth(waiting):
            return replace(state, outbox=waiting)
        case _:
            assert_never(message)


def _modality_ready(state: State, ready: ModalityReady, now: Moment, policy: Policy) -> Step:
    """What it is judged by goes on record whenever that is not what the journal says last."""
    state = replace(state, ready=state.ready | {ready.modality})
    commands: list[Command] = []
    on_record = state.thresholds.get(ready.modality)
    if state.loaded and ready.thresholds != on_record:
        state = replace(state, thresholds={**state.thresholds, ready.modality: ready.thresholds})
        commands = [Record(None, thresholds_changed(ready.modality, ready.thresholds, on_record, now))]
    state, more = _settled(state, now, policy)
    return state, [*commands, *more]


def _settled(state: State, now: Moment, policy: Policy) -> Step:
    """Enter or leave `Starting` and `OutOfService` as the devices and faults require."""
    down = policy.modalities - available(state.faults)
    if is_out_of_service(state.faults) or down == policy.modalities:
        return _stop_service(state, now)
    if isinstance(state.phase, OutOfService):
        state = replace(state, phase=Starting(_after(now, START_S)))
    if not isinstance(state.phase, Starting) or not state.loaded:
        return state, []
    up = state.equipped(policy)
    if up | down == policy.modalities or (up and now.mono_ms >= state.phase.until_ms):
        state = replace(state, phase=Idle(now.mono_ms))
    return state, []


def _stop_service(state: State, now: Moment) -> Step:
    """Whoever waits for the disk learns from the screen that nothing may be recorded; so does the journal."""
    commands: list[Command] = []
    if isinstance(state.phase, Recording):
        refused = Refused(Reason.NOT_RECORDED, state.phase.mode, state.phase.person.pid)
        commands = [Record(None, refusal(refused, now))]
    return replace(state, phase=OutOfService()), commands


# ---- a face


def _face_seen(state: State, probe: FaceProbe, now: Moment, policy: Policy) -> Step:
    if probe.faces == 0:
        return _nobody_seen(state, now), []
    if Modality.FACE in state.locked:
        return state, []
    match state.phase:
        case Idle(since_ms, greeted) if _is_looked_at(state, probe, since_ms, greeted):
            return _begin_looking(state, probe, now, policy)
        case Greeting(person, since_ms=since_ms) if probe.captured_ms >= since_ms and _is_somebody_else(
            probe, person.pid
        ):
            return _begin_looking(state, probe, now, policy)
        case Looking():
            return _looked(state, state.phase, probe, now, policy)
        case _:
            return state, []


def _nobody_seen(state: State, now: Moment) -> State:
    """Whoever was there has stepped aside."""
    state = replace(state, refusals=0)
    match state.phase:
        case Idle(since_ms):
            return replace(state, phase=Idle(since_ms))
        case Greeting():
            return replace(state, phase=replace(state.phase, left=True))
        case Looking():
            return replace(state, phase=Idle(now.mono_ms))
        case _:
            return state


def _is_looked_at(state: State, probe: FaceProbe, since_ms: int, greeted: str | None) -> bool:
    """Whether a face before the idle kiosk begins a visit."""
    if probe.captured_ms < since_ms:
        return False
    if greeted is not None:
        return _is_somebody_else(probe, greeted)
    return probe.captured_ms >= since_ms + 1000 * _pause_s(state.refusals) or _is_somebody_else(probe, None)


def _pause_s(refusals: int) -> float:
    """How long a face that was refused so often in a row is not looked at."""
    if refusals < 2:
        return 0.0
    doublings = min(refusals - 2, MOST_DOUBLINGS)  # or the number outgrows a float after a week before a portrait
    return min(LOOK_AGAIN_S * 2.0**doublings, LONGEST_PAUSE_S)


def _is_somebody_else(probe: FaceProbe, than: str | None) -> bool:
    """Whether the frame shows an enrolled person, and not this one."""
    best = probe.candidates[0] if probe.candidates else None
    return best is not None and best.pid != than and best.comparison_score >= probe.threshold


def _begin_looking(state: State, probe: FaceProbe, now: Moment, policy: Policy) -> Step:
    state = replace(state, visits=state.visits + 1)
    return _looked(state, Looking(state.visits, _after(now, policy.look_s)), probe, now, policy)


def _looked(state: State, looking: Looking, probe: FaceProbe, now: Moment, policy: Policy) -> Step:
    if probe.hint is not None:
        kept = () if probe.hint is Hint.ONE_PERSON else looking.probes
        return replace(state, phase=replace(looking, probes=kept, hint=probe.hint)), []
    probes = (*looking.probes, probe) if probe.continues else (probe,)
    liveness = liveness_in_force(state.faults, policy)
    decision = decide_face(probes, policy, liveness)
    if decision is None:
        return replace(state, phase=replace(looking, probes=probes, hint=None)), []
    if isinstance(decision, Accepted) and liveness.is_active and decision.pid in state.people:
        phase = Challenged(looking.visit, decision, _after(now, policy.challenge_s))
        return replace(state, phase=phase), [AskChallenge(looking.visit, decision.pid)]
    return _decided(state, looking.visit, decision, now, policy)


def liveness_in_force(faults: frozenset[FaultCode], policy: Policy) -> Liveness:
    """The check that is made now: where the passive model is absent, the challenge takes its place."""
    if policy.liveness.is_passive and FaultCode.PASSIVE_LIVENESS in faults:
        return Liveness.CHALLENGE
    return policy.liveness


def _challenge_went_on(state: State, message: ChallengeAsked | ChallengeAnswered, now: Moment, policy: Policy) -> Step:
    challenged = state.phase
    if not isinstance(challenged, Challenged) or challenged.visit != message.visit:
        return state, []
    match message:
        case ChallengeAsked(_, action):
            actions, until_ms = (*challenged.actions, action), _after(now, policy.challenge_s)
            return replace(state, phase=replace(challenged, actions=actions, until_ms=until_ms)), []
        case ChallengeAnswered(_, outcome) if challenged.actions:
            decision = after_challenge(challenged.accepted, challenged.actions, outcome, policy)
            return _decided(state, challenged.visit, decision, now, policy)
        case _:
            return state, []


# ---- a finger


def _finger_seen(state: State, probe: FingerProbe, now: Moment, policy: Policy) -> Step:
    if not isinstance(state.phase, Idle | Looking | Greeting | Refusing) or Modality.FINGER in state.locked:
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
    taps = state.taps.get(person.pid, ())
    if person.pid in state.pending:
        return _wait_for_disk(state, state.pending[person.pid], person, accepted.mode, now, policy), []
    if taps and abs((now.t - taps[-1].t).total_seconds()) < policy.repeat_within_s:
        return _greet(state, person, taps[-1], now, policy, repeated=True), []
    choosing = Choosing(visit, accepted, person, _after(now, policy.choose_s))
    act = policy.schedule.read(now.t, taps).act
    if act is None:
        return replace(state, phase=choosing), []
    return _record(state, choosing, act, now, policy)


def _act_chosen(state: State, act: Act, now: Moment, policy: Policy) -> Step:
    match state.phase:
        case Choosing():
            return _record(state, state.phase, act, now, policy)
        case _:
            return state, []


def _record(state: State, choosing: Choosing, act: Act, now: Moment, policy: Policy) -> Step:
    visit, accepted, person = choosing.visit, choosing.accepted, choosing.person
    entry = attendance(accepted, act, now)
    state = replace(state, pending={**state.pending, person.pid: visit})
    return _wait_for_disk(state, visit, person, accepted.mode, now, policy), [Record(visit, entry)]


def _wait_for_disk(state: State, visit: int, person: Person, mode: Mode, now: Moment, policy: Policy) -> State:
    return replace(state, phase=Recording(visit, person, mode, _after(now, policy.record_s)))


def _event_recorded(state: State, recorded: EventRecorded, now: Moment, policy: Policy) -> Step:
    entry = recorded.entry
    if entry.typ is not EventType.ATTENDANCE or entry.pid is None or entry.act is None:
        return state, []
    tap = Tap(entry.act, entry.at.t)
    taps = (*state.taps.get(entry.pid, ()), tap)[-REMEMBERED_TAPS:]
    pending = {pid: visit for pid, visit in state.pending.items() if visit != recorded.visit}
    state = replace(state, taps={**state.taps, entry.pid: taps}, pending=pending)
    match state.phase:
        case Recording(visit, person) if visit == recorded.visit:
            return _greet(state, person, tap, now, policy, repeated=False), []
        case _:
            return state, []


def _greet(state: State, person: Person, tap: Tap, now: Moment, policy: Policy, *, repeated: bool) -> State:
    reading = policy.schedule.as_act(tap.t, tap.act)
    phase = Greeting(person, reading, tap.t, now.mono_ms, _after(now, policy.greet_s), repeated)
    return replace(state, phase=phase, refusals=0)


def _refuse(state: State, refused: Refused, now: Moment, policy: Policy, hint: Hint | None = None) -> Step:
    """Tell the person why, and the journal too; an attack may lock its modality."""
    phase = Refusing(refused.reason, _after(now, policy.refuse_s), hint)
    refusals = state.refusals + (refused.mode is Mode.FACE)
    commands: list[Command] = [Record(None, refusal(refused, now))]
    lockouts, locks = after_refusal(state.lockouts, refused, now, policy)
    commands += [Record(None, lock) for lock in locks]
    return replace(state, phase=phase, refusals=refusals, lockouts=lockouts), commands


# ---- time and the rest


def _people_loaded(state: State, loaded: PeopleLoaded, now: Moment, policy: Policy) -> Step:
    people = {person.pid: person for person in loaded.people}
    commands: list[Command] = [UseReferences(loaded.references)]
    if not state.loaded:
        commands.append(Record(None, started(now)))
    phase = Starting(_after(now, START_S)) if isinstance(state.phase, Starting) else state.phase
    thresholds = {**loaded.thresholds, **state.thresholds}
    state = replace(
        state,
        phase=phase,
        people=people,
        taps=dict(loaded.taps),
        roster=loaded.roster,
        thresholds=thresholds,
        loaded=True,
    )
    state, more = _settled(state, now, policy)
    return state, [*commands, *more]


def _time_passed(state: State, now: Moment, policy: Policy) -> Step:
    if state.locked:
        state = replace(state, lockouts=lifted(state.lockouts, now.mono_ms))
    if now.mono_ms < _ends_ms(state.phase):
        return state, []
    match state.phase:
        case Starting():
            return _settled(state, now, policy)
        case Looking(_, _, _, hint):
            unusable = Refused(Reason.UNUSABLE, Mode.FACE)
            return _refuse(state, unusable, now, policy, hint or Hint.LOOK_HERE)
        case Challenged(visit, accepted, _, actions):
            timed_out = after_challenge(accepted, actions, ChallengeOutcome.NOT_DONE, policy)
            state, commands = _decided(state, visit, timed_out, now, policy)
            return state, [StopChallenge(), *commands]
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
        case Idle() | OutOfService():
            return math.inf
        case _:
            return phase.until_ms


def _after(now: Moment, seconds: float) -> int:
    return now.mono_ms + round(1000 * seconds)
