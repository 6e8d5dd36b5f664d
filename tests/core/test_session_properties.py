"""Whatever arrives, in whatever order: no greeting without its event on disk, no visit twice, no way past a veto."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.core.biometrics import Candidate, FaceProbe, FingerProbe, Hint, Liveness, Modality, Policy, Turn, TurnOutcome
from kiosk.core.decision import Reason
from kiosk.core.faults import FaultCode
from kiosk.core.messages import (
    ActChosen,
    EventRecorded,
    FaceSeen,
    FaultCleared,
    FaultRaised,
    FingerSeen,
    Message,
    ModalityReady,
    OutboxDepth,
    Record,
    Tick,
    TurnAnswered,
    TurnAsked,
    UplinkChanged,
)
from kiosk.core.session import Greeting, Refusing, step
from tests.core.office import BUDI, POLICY, SITI, at, open_office
from wire.attendance import Act, EventType, Moment

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
    lambda faces, hint, found, pad: FaceSeen(FaceProbe(10**9, faces, hint, found, pad)),
    st.integers(0, 2),
    hints,
    candidates,
    pad_scores,
)
sure_face = st.builds(
    lambda pid, pad: FaceSeen(FaceProbe(10**9, 1, None, (Candidate(pid, 0.8),), pad)), pids, pad_scores
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
    st.builds(TurnAsked, visits, st.sampled_from(Turn)),
    st.builds(TurnAnswered, visits, st.sampled_from(TurnOutcome)),
    st.builds(ActChosen, st.sampled_from(Act)),
    st.builds(FaultRaised, st.sampled_from(FaultCode), st.just("")),
    st.builds(FaultCleared, st.sampled_from(FaultCode)),
    st.builds(ModalityReady, st.sampled_from(Modality)),
    st.builds(UplinkChanged, st.booleans()),
    st.builds(OutboxDepth, st.integers(0, 5)),
    st.just(Tick()),
)
steps = st.lists(st.tuples(messages, st.integers(0, 20_000)), max_size=60)
policies = st.sampled_from([replace(POLICY, liveness=kind) for kind in Liveness])


@dataclass
class Kiosk:
    """The core with a disk that answers when told to, and a memory of what happened."""

    policy: Policy
    now: Moment = START
    waiting: list[Record] = field(default_factory=list)
    on_disk: set[str | None] = field(default_factory=set)
    recorded_visits: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = open_office(self.now, self.policy)

    def tell(self, message: Message | Answer, after_ms: int) -> list[Record]:
        self.now = replace(self.now, mono_ms=self.now.mono_ms + after_ms)
        if isinstance(message, Answer):
            if not self.waiting:
                return []
            record = self.waiting.pop(message.which % len(self.waiting))
            if record.entry.typ is EventType.ATTENDANCE:
                self.on_disk.add(record.entry.pid)
            message = EventRecorded(record.visit, 1, record.entry)
        self.state, commands = step(self.state, message, self.now, self.policy)
        records = [command for command in commands if isinstance(command, Record)]
        self.waiting += records
        return records


@settings(max_examples=400)
@given(policies, steps)
def test_nobody_is_greeted_whose_event_is_not_on_disk(policy: Policy, told: list[tuple[Message | Answer, int]]) -> None:
    kiosk = Kiosk(policy)
    for message, after_ms in told:
        kiosk.tell(message, after_ms)

        if isinstance(kiosk.state.phase, Greeting):
            assert kiosk.state.phase.person.pid in kiosk.on_disk


@settings(max_examples=400)
@given(policies, steps)
def test_no_visit_is_recorded_twice(policy: Policy, told: list[tuple[Message | Answer, int]]) -> None:
    kiosk = Kiosk(policy)
    visits = [
        record.visit
        for message, after_ms in told
        for record in kiosk.tell(message, after_ms)
        if record.entry.typ is EventType.ATTENDANCE
    ]

    assert len(visits) == len(set(visits))
    assert None not in visits


@settings(max_examples=400)
@given(policies, steps)
def test_a_visit_that_was_vetoed_is_never_recorded(policy: Policy, told: list[tuple[Message | Answer, int]]) -> None:
    kiosk = Kiosk(policy)
    vetoed: set[int] = set()
    for message, after_ms in told:
        records = kiosk.tell(message, after_ms)

        attendance = {record.visit for record in records if record.entry.typ is EventType.ATTENDANCE}
        assert not attendance & vetoed
        phase = kiosk.state.phase
        if isinstance(phase, Refusing) and phase.reason in {Reason.ATTACK, Reason.NOT_LIVE}:
            vetoed.add(kiosk.state.visits)


@settings(max_examples=400)
@given(steps)
def test_a_face_is_recorded_only_with_a_liveness_score_above_the_threshold(
    told: list[tuple[Message | Answer, int]],
) -> None:
    kiosk = Kiosk(POLICY)
    for message, after_ms in told:
        for record in kiosk.tell(message, after_ms):
            entry = record.entry
            if entry.typ is EventType.ATTENDANCE and entry.mode == "face":
                assert entry.pad is not None
                passed = entry.pad.score is not None and entry.pad.score >= POLICY.pad_threshold
                assert passed or entry.pad.challenge is not None
