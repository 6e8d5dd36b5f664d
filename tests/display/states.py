"""The states that are drawn in the tests, by name: each phase, and each way in which it can differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time

from kiosk.core.biometrics import Action, FaceProbe, Hint, Liveness, Modality, Person, Policy
from kiosk.core.decision import Accepted, Reason
from kiosk.core.enrolling import Captured, Capturing, EnrolmentPlan, EnrolPhase, FaceView, Opening, Stopped, StopReason
from kiosk.core.faults import FaultCode
from kiosk.core.lockout import Lockout
from kiosk.core.schedule import DayRule, Schedule
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
from kiosk.display import enrolment_screens, screens
from kiosk.display.parts import Page
from kiosk.display.scene import Scene
from kiosk.display.style import Look
from kiosk.display.texts import Texts
from wire.attendance import Act, ClockQuality, ClockSource, Mode, Moment

OFFICE = "Kantor Desa Sukamaju"
SIZES = ((1024, 600), (800, 480))
LOOKS = {f"{size[0]}": Look(size, OFFICE) for size in SIZES}

WEEK = DayRule(frozenset(range(5)), time(7, 30), time(15, 30))
POLICY = Policy(Schedule("Asia/Jakarta", (WEEK,)))
UNCHECKED = replace(POLICY, liveness=Liveness.OFF)
FACE_ONLY = replace(POLICY, modalities=frozenset({Modality.FACE}))

SURE = ClockQuality(ClockSource.NETWORK, 120, ok=True)
UNSURE = ClockQuality(ClockSource.NONE, None, ok=False)
ON_TIME = datetime(2026, 7, 6, 0, 25, tzinfo=UTC)
LATE = datetime(2026, 7, 6, 0, 37, tzinfo=UTC)
NOON = datetime(2026, 7, 6, 5, 10, tzinfo=UTC)
HOME = datetime(2026, 7, 6, 8, 41, tzinfo=UTC)
EVENING = datetime(2026, 7, 6, 12, 5, tzinfo=UTC)
SATURDAY = datetime(2026, 7, 4, 1, 2, tzinfo=UTC)

SITI = Person("p-01", "Siti Rahmawati")
BUDI = Person("p-02", "Budi Santoso, S.Kom.")
RADEN = Person("p-03", "Raden Ajeng Siti Nurhaliza Kusumaningrum, S.Sos., M.Si.")
ACCEPTED = Accepted("p-01", Mode.FACE, 0.71, 0.55)
PROBE = FaceProbe(900, 1)
NOW_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A state, and the rest that the screen depends on."""

    state: State
    t: datetime = ON_TIME
    policy: Policy = POLICY
    clk: ClockQuality = SURE
    enrolment: EnrolPhase | None = None
    """Where an enrolment stands; None: the terminal serves people."""

    @property
    def now(self) -> Moment:
        """The moment of the picture."""
        return Moment(self.t, "boot", NOW_MS, self.clk)

    def scene(self, texts: Texts, look: Look) -> Scene:
        """What the screen shows."""
        if self.enrolment is None:
            return screens.view(self.state, self.now, self.policy, texts, look)
        return enrolment_screens.view(self.enrolment, PLAN, Page(self.state, self.now, self.policy, texts, look))


def _online(phase: Phase, *faults: FaultCode) -> State:
    return State(phase, loaded=True, ready=frozenset(Modality), connected=True, faults=frozenset(faults))


def _greeting(person: Person, act: Act, t: datetime, *, repeated: bool = False) -> Shown:
    reading = POLICY.schedule.as_act(t, act)
    return Shown(_online(Greeting(person, reading, t, NOW_MS - 800, NOW_MS + 2200, repeated)), t)


def _refusing(reason: Reason, hint: Hint | None = None) -> Shown:
    return Shown(_online(Refusing(reason, NOW_MS + 3000, hint)))


def _challenged(*actions: Action) -> Shown:
    return Shown(_online(Challenged(1, ACCEPTED, NOW_MS + 5600, actions)))


def _locked(modality: Modality) -> Shown:
    lockout = Lockout(locks=1, until_ms=NOW_MS + 24_300, is_locked=True)
    return Shown(replace(_online(Idle()), lockouts={modality: lockout}))


PLAN = EnrolmentPlan("p-03", RADEN.name, 0.363, 0.5)
VIEW = FaceView(900, 1)


def _enrolling(phase: EnrolPhase, policy: Policy = POLICY) -> Shown:
    return Shown(State(), policy=policy, enrolment=phase)


STATES: dict[str, Shown] = {
    "starting": Shown(State(Starting(), ready=frozenset({Modality.FACE}))),
    "starting_without_camera": Shown(State(Starting(), loaded=True, faults=frozenset({FaultCode.CAMERA}))),
    "idle": Shown(_online(Idle())),
    "idle_offline": Shown(replace(_online(Idle(), FaultCode.UPLINK), connected=False, outbox=37)),
    "idle_clock_unsure": Shown(_online(Idle(), FaultCode.CLOCK), clk=UNSURE),
    "idle_missing": Shown(replace(_online(Idle(), FaultCode.JOURNAL_RESTARTED), missing="16-1000256")),
    "idle_without_camera": Shown(_online(Idle(), FaultCode.CAMERA)),
    "idle_without_reader": Shown(_online(Idle(), FaultCode.READER)),
    "idle_face_only": Shown(_online(Idle()), policy=FACE_ONLY),
    "idle_turn_note": Shown(_online(Idle(), FaultCode.PASSIVE_LIVENESS)),
    "idle_demonstration": Shown(_online(Idle()), policy=UNCHECKED),
    "looking": Shown(_online(Looking(1, NOW_MS + 5000, (PROBE, PROBE)))),
    **{f"looking_{hint}": Shown(_online(Looking(1, NOW_MS + 4000, (), hint))) for hint in Hint},
    "idle_face_locked": _locked(Modality.FACE),
    "idle_finger_locked": _locked(Modality.FINGER),
    "idle_face_only_locked": replace(_locked(Modality.FACE), policy=FACE_ONLY),
    "challenged": _challenged(),
    "challenged_left": _challenged(Action.TURN_LEFT),
    "challenged_right": _challenged(Action.TURN_LEFT, Action.TURN_RIGHT),
    "challenged_blink": _challenged(Action.TURN_RIGHT, Action.BLINK),
    "challenged_closer": _challenged(Action.COME_CLOSER),
    "choosing": Shown(_online(Choosing(1, ACCEPTED, SITI, NOW_MS + 7000)), HOME),
    "choosing_demonstration": Shown(_online(Choosing(1, ACCEPTED, RADEN, NOW_MS + 7000)), HOME, UNCHECKED),
    "recording": Shown(_online(Recording(1, SITI, Mode.FACE, NOW_MS + 5000))),
    "greeting_on_time": _greeting(SITI, Act.ARRIVAL, ON_TIME),
    "greeting_late": _greeting(BUDI, Act.ARRIVAL, LATE),
    "greeting_very_late": _greeting(RADEN, Act.ARRIVAL, NOON),
    "greeting_departure": _greeting(SITI, Act.DEPARTURE, HOME),
    "greeting_early": _greeting(BUDI, Act.DEPARTURE, NOON),
    "greeting_evening": _greeting(RADEN, Act.DEPARTURE, EVENING),
    "greeting_day_off": _greeting(BUDI, Act.ARRIVAL, SATURDAY),
    "greeting_repeated": _greeting(SITI, Act.ARRIVAL, ON_TIME, repeated=True),
    "greeting_early_minutes": _greeting(SITI, Act.DEPARTURE, datetime(2026, 7, 6, 8, 18, tzinfo=UTC)),
    **{f"refusing_{reason}": _refusing(reason) for reason in Reason},
    **{f"refusing_{hint}": _refusing(Reason.UNUSABLE, hint) for hint in Hint},
    "enrolling_opening": _enrolling(Opening()),
    "enrolling_straight": _enrolling(Capturing(NOW_MS + 9000)),
    "enrolling_left": _enrolling(Capturing(NOW_MS + 9000, (VIEW,))),
    "enrolling_right": _enrolling(Capturing(NOW_MS + 9000, (VIEW, VIEW))),
    "enrolling_taking": _enrolling(Capturing(NOW_MS + 9000, (VIEW,), (VIEW, VIEW))),
    "enrolling_hint": _enrolling(Capturing(NOW_MS + 9000, (), (), Hint.CLOSE_MOUTH)),
    "enrolling_turn": _enrolling(Capturing(NOW_MS + 9000, (VIEW,), (), Hint.TURN_SLIGHTLY_LEFT)),
    "enrolling_demonstration": _enrolling(Capturing(NOW_MS + 9000, (VIEW, VIEW), (), Hint.EVEN_LIGHT), UNCHECKED),
    "enrolling_captured": _enrolling(Captured((VIEW, VIEW, VIEW))),
    **{f"refusing_{reason}": _enrolling(Stopped(reason)) for reason in StopReason},
    "refusing_enrolment_hint": _enrolling(Stopped(StopReason.TIMED_OUT, Hint.TURN_SLIGHTLY_LEFT)),
    "out_of_service": Shown(_online(OutOfService(), FaultCode.JOURNAL)),
    "out_of_service_full": Shown(_online(OutOfService(), FaultCode.FULL)),
    "out_of_service_copy": Shown(_online(OutOfService(), FaultCode.ANOTHER_CARD, FaultCode.PEOPLE_BROKEN)),
    "out_of_service_devices": Shown(_online(OutOfService(), FaultCode.CAMERA, FaultCode.READER, FaultCode.MODELS)),
    "out_of_service_demonstration": Shown(_online(OutOfService(), FaultCode.JOURNAL_BROKEN), policy=UNCHECKED),
}
