"""What reaches the core, and what it asks for: frozen messages and commands, the only things that cross threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kiosk.core.biometrics import (
    Action,
    ChallengeOutcome,
    FaceProbe,
    FingerProbe,
    Modality,
    Person,
    References,
    Thresholds,
)
from kiosk.core.faults import FaultCode
from kiosk.core.schedule import Tap
from wire.attendance import Act, Entry

# ---- what comes in


@dataclass(frozen=True, slots=True)
class FaceSeen:
    """Recognition has looked at a frame."""

    probe: FaceProbe


@dataclass(frozen=True, slots=True)
class FingerSeen:
    """A finger was pressed."""

    probe: FingerProbe


@dataclass(frozen=True, slots=True)
class ChallengeAsked:
    """Recognition has drawn an action and watches for it; the one before it, if any, was done."""

    visit: int
    action: Action


@dataclass(frozen=True, slots=True)
class ChallengeAnswered:
    """The challenge has ended."""

    visit: int
    outcome: ChallengeOutcome


@dataclass(frozen=True, slots=True)
class ActChosen:
    """The person touched *masuk* or *pulang*."""

    act: Act


@dataclass(frozen=True, slots=True)
class EventRecorded:
    """The event is on disk."""

    visit: int | None
    """None: it belongs to no visit."""
    seq: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class PeopleLoaded:
    """The roster, the references and recent taps, as storage has them."""

    people: tuple[Person, ...]
    taps: Mapping[str, tuple[Tap, ...]]
    references: References
    roster: str = ""
    """Digest of the roster."""
    thresholds: Mapping[Modality, Thresholds] = field(default_factory=dict)
    """What the journal last said of each modality."""


@dataclass(frozen=True, slots=True)
class ModalityReady:
    """A modality's device is open and its references are in use."""

    modality: Modality
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class ModalityBusy:
    """A modality's device is open but cannot be used for a while, e.g. as it is filled anew."""

    modality: Modality


@dataclass(frozen=True, slots=True)
class FaultRaised:
    """Something does not work; the detail is for the log and the technician."""

    code: FaultCode
    detail: str


@dataclass(frozen=True, slots=True)
class FaultCleared:
    """It works again."""

    code: FaultCode


@dataclass(frozen=True, slots=True)
class UplinkChanged:
    """The broker was reached, or lost."""

    connected: bool


@dataclass(frozen=True, slots=True)
class OutboxDepth:
    """How many events the district has not signed for."""

    waiting: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Message = (
    FaceSeen
    | FingerSeen
    | ChallengeAsked
    | ChallengeAnswered
    | ActChosen
    | EventRecorded
    | PeopleLoaded
    | ModalityReady
    | ModalityBusy
    | FaultRaised
    | FaultCleared
    | UplinkChanged
    | OutboxDepth
    | Tick
)

# ---- what goes out


@dataclass(frozen=True, slots=True)
class Record:
    """Write the entry into the journal; answered by `EventRecorded` with the same visit."""

    visit: int | None
    entry: Entry


@dataclass(frozen=True, slots=True)
class AskChallenge:
    """Draw actions and watch for them; answered by a `ChallengeAsked` for each, then `ChallengeAnswered`."""

    visit: int
    pid: str
    """Whose face it must stay."""


@dataclass(frozen=True, slots=True)
class StopChallenge:
    """The challenge is over; stop watching."""


@dataclass(frozen=True, slots=True)
class UseReferences:
    """Search these from now on."""

    references: References


Command = Record | AskChallenge | StopChallenge | UseReferences
