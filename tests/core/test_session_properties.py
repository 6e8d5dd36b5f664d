"""Whatever arrives, in whatever order: no greeting without its event on disk, no visit twice, no way past a veto."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.core.biometrics import (
    Action,
    Candidate,
    ChallengeOutcome,
    FaceProbe,
    FingerProbe,
    Hint,
    Liveness,
    Modality,
    Policy,
    References,
)
from kiosk.core.decision import Reason
from kiosk.core.faults import FaultCode
from kiosk.core.lockout import LOCKED
from kiosk.core.messages import (
    ActChosen,
    ChallengeAnswered,
    ChallengeAsked,
    EventRecorded,
    FaceSeen,
    FaultCleared,
    FaultRaised,
    FingerSeen,
    Message,
    ModalityBusy,
    OutboxDepth,
    PeopleLoaded,
    Record,
    Tick,
    UplinkChanged,
)
from kiosk.core.schedule import Tap
from kiosk.core.session import step
from kiosk.core.state import Greeting, Idle, Looking, OutOfService, Starting
from tests.core.office import BUDI, POLICY, READY, SITI, THRESHOLD, at, open_office
from wire.attendance import Act, Entry, EventType, Mode, Moment

START = at("07:00:00")
pids = st.sampled_from([SITI.pid, BUDI.pid, "p-erased"])
scores = st.floats(-1, 1)
candidates = st.lists(st.builds(Candidate, pids, scores), max_size=2).map(tuple)
hints = st.none() | st.sampled_from(Hint)
pad_scores = st.none() | st.floats(0, 1)


@dataclass(frozen=True)
class Answer:
    """Storage answers one of the records that wait, perhaps out of order."""

    which: int


face_seen = st.builds(
    lambda faces, hint, found, pad, continues, fused: FaceSeen(
        FaceProbe(10**9, faces, hint, found, pad, THRESHOLD, continues, fused)
    ),
    st.integers(0, 2),
    hints,
    candidates,
    pad_scores,
    st.booleans(),
    candidates,
)
sure_face = st.builds(
    lambda found, pad: FaceSeen(FaceProbe(10**9, 1, None, found, pad, THRESHOLD, continues=True, fused=found)),
    pids.map(lambda pid: (Candidate(pid, 0.8),)),
    pad_scores,
)
finger_seen = st.builds(lambda hint, found: FingerSeen(FingerProbe(10**9, hint, found[:1], 0.3)), hints, candidates)
visits = st.integers(0, 6)
messages = st.one_of(
    face_seen,
    sure_face,
    sure_face,
    finger_seen,
    st.builds(Answer, st.integers(0, 3)),
    st.builds(Answer, st.integers(0, 3)),
    st.builds(ChallengeAsked, visits, st.sampled_from(Action)),
    st.builds(ChallengeAnswered, visits, st.sampled_from(ChallengeOutcome)),
    st.builds(ActChosen, st.sampled_from(Act)),
    st.builds(FaultRaised, st.sampled_from(FaultCode), st.just("")),
    st.builds(FaultCleared, st.sampled_from(FaultCode)),
    st.sampled_from(list(READY.values())),
    st.builds(UplinkChanged, st.booleans()),
    st.builds(ModalityBusy, st.sampled_from(Modality)),
    st.builds(OutboxDepth, st.integers(0, 5)),
    st.builds(PeopleLoaded, st.sampled_from([(SITI, BUDI), (BUDI,)]), st.just({}), st.just(References())),
    st.just(Tick()),
)
steps = st.lists(st.tuples(messages, st.integers(0, 600_000)), max_size=60)
"""What happens, and how many milliseconds after the thing before it; up to twice the repeat window."""
policies = st.sampled_from([replace(POLICY, liveness=kind) for kind in Liveness])


@dataclass
class Kiosk:
    """The core with a disk that answers when told to, and a memory of what happened."""

    policy: Policy
    now: Moment = START
    waiting: list[Record] = field(default_factory=list)
    on_disk: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = open_office(self.now, self.policy)

    def tell(self, message: Message | Answer, after_ms: int) -> list[Record]:
        self.now = replace(
            self.now, mono_ms=self.now.mono_ms + after_ms, t=self.now.t + timedelta(milliseconds=after_ms)
        )
        if isinstance(message, Answer):
            if not self.waiting:
                return []
            record = self.waiting.pop(message.which % len(self.waiting))
            self.on_disk.append(record.entry)
            message = EventRecorded(record.visit, 1, record.entry)
        if isinstance(message, PeopleLoaded):
            message = replace(message, taps=self._taps())
        self.state, commands = step(self.state, message, self.now, self.policy)
        records = [command for command in commands if isinstance(command, Record)]
        self.waiting += records
        return records

    def _taps(self) -> dict[str, tuple[Tap, ...]]:
        """What storage would tell."""
        taps: dict[str, tuple[Tap, ...]] = {}
        for entry in self.on_disk:
            if entry.pid is not None and entry.act is not None:
                taps[entry.pid] = (*taps.get(entry.pid, ()), Tap(entry.act, entry.at.t))
        return taps


def attendance(records: list[Record]) -> list[Record]:
    return [record for record in records if record.entry.typ is EventType.ATTENDANCE]


Told = list[tuple[Message | Answer, int]]


@settings(max_examples=400)
@given(policies, steps)
def test_nobody_is_greeted_whose_event_is_not_on_disk(policy: Policy, told: Told) -> None:
    kiosk = Kiosk(policy)
    for message, after_ms in told:
        kiosk.tell(message, after_ms)

        phase = kiosk.state.phase
        if isinstance(phase, Greeting):
            events = {(entry.pid, entry.act, entry.at.t) for entry in kiosk.on_disk}
            assert (phase.person.pid, phase.reading.act, phase.t) in events


@settings(max_examples=400)
@given(policies, steps)
def test_no_visit_is_recorded_twice(policy: Policy, told: Told) -> None:
    kiosk = Kiosk(policy)
    visits = [record.visit for message, after_ms in told for record in attendance(kiosk.tell(message, after_ms))]

    assert len(visits) == len(set(visits))
    assert None not in visits


@settings(max_examples=400)
@given(policies, steps)
def test_nobody_is_recorded_twice_within_the_repeat_window(policy: Policy, told: Told) -> None:
    kiosk = Kiosk(policy)
    last: dict[str | None, Moment] = {}
    for message, after_ms in told:
        for record in attendance(kiosk.tell(message, after_ms)):
            entry = record.entry
            if entry.pid in last:
                assert (entry.at.t - last[entry.pid].t).total_seconds() >= policy.repeat_within_s
            last[entry.pid] = entry.at


@settings(max_examples=400)
@given(policies, steps)
def test_a_visit_that_was_vetoed_is_never_recorded(policy: Policy, told: Told) -> None:
    kiosk = Kiosk(policy)
    vetoed: set[int] = set()
    for message, after_ms in told:
        records = kiosk.tell(message, after_ms)

        assert not {record.visit for record in attendance(records)} & vetoed
        if any(record.entry.reason in {Reason.ATTACK, Reason.NOT_LIVE, Reason.OTHER_ACTION} for record in records):
            vetoed.add(kiosk.state.visits)


@settings(max_examples=400)
@given(steps)
def test_a_face_is_recorded_only_on_frames_that_passed_the_liveness_check(told: Told) -> None:
    kiosk = Kiosk(POLICY)
    for message, after_ms in told:
        looking = kiosk.state.phase
        for record in attendance(kiosk.tell(message, after_ms)):
            if record.entry.mode is Mode.FACE and isinstance(message, FaceSeen) and isinstance(looking, Looking):
                frames = (*looking.probes, message.probe)
                bona_fide = [probe for probe in frames if (probe.pad_score or 0.0) >= POLICY.pad_threshold]
                assert len(bona_fide) >= 2
                assert record.entry.pid == message.probe.fused[0].pid
                assert record.entry.score == message.probe.fused[0].comparison_score >= THRESHOLD


@settings(max_examples=400)
@given(policies, steps)
def test_a_locked_modality_records_nobody_and_every_lock_is_an_audit_event(policy: Policy, told: Told) -> None:
    kiosk = Kiosk(replace(policy, lock_after=1))
    for message, after_ms in told:
        locked = kiosk.state.locked
        records = kiosk.tell(message, after_ms)

        if isinstance(message, FaceSeen | FingerSeen):
            assert not {record.entry.mode for record in attendance(records)} & {Mode(each.value) for each in locked}
        fresh = kiosk.state.locked - locked
        assert [record.entry.mode for record in records if record.entry.reason == LOCKED] == [
            Mode(each.value) for each in fresh
        ]


@settings(max_examples=200)
@given(policies, steps)
def test_every_phase_ends_by_itself_or_waits_for_a_person(policy: Policy, told: Told) -> None:
    kiosk = Kiosk(policy)
    for message, after_ms in told:
        kiosk.tell(message, after_ms)

    for _ in range(4):
        kiosk.tell(Tick(), 60_000)

    assert isinstance(kiosk.state.phase, Idle | OutOfService | Starting)
