"""Where a visit stands (`Phase`), and everything that the kiosk knows between two messages (`State`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kiosk.core.biometrics import Action, FaceProbe, Hint, Modality, Person, Policy, Thresholds
from kiosk.core.decision import Accepted, Reason
from kiosk.core.faults import FaultCode, available
from kiosk.core.lockout import Lockout
from kiosk.core.schedule import Reading, Tap
from wire.attendance import Mode


@dataclass(frozen=True, slots=True)
class Starting:
    """Devices are being opened."""

    until_ms: float = math.inf
    """From the loading of the roster on, a device that is not ready is waited for until then, if another is."""


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
    """A known face is asked to do something."""

    visit: int
    accepted: Accepted
    until_ms: int
    actions: tuple[Action, ...] = ()
    """Those asked for so far, the last being the one to do now; empty until recognition has drawn one."""


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
    thresholds: Mapping[Modality, Thresholds] = field(default_factory=dict)
    """In force, and on record."""
    faults: frozenset[FaultCode] = frozenset()
    missing: str = ""
    """Between which numbers events may be missing, since the journal was begun anew, e.g. `16-256`; empty: none are."""
    connected: bool = False
    outbox: int = 0
    refusals: int = 0
    """Faces refused in a row since the camera last saw nobody, or somebody was greeted."""
    lockouts: Mapping[Modality, Lockout] = field(default_factory=dict)
    """What attacks on a modality have led to; none for those that were not attacked."""
    pending: Mapping[str, int] = field(default_factory=dict)
    """People whose event is on its way to the disk, with their visit; longer than the screen shows it, if need be."""

    def equipped(self, policy: Policy) -> frozenset[Modality]:
        """The modalities whose devices work, locked or not."""
        return policy.modalities & self.ready & available(self.faults)

    def working(self, policy: Policy) -> frozenset[Modality]:
        """The modalities that people can use now."""
        return self.equipped(policy) - self.locked

    @property
    def locked(self) -> frozenset[Modality]:
        """The modalities that nobody may use for a while, because they were attacked."""
        return frozenset(modality for modality, lockout in self.lockouts.items() if lockout.is_locked)
