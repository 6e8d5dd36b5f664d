"""Every fault: its code, how bad it is, and what a technician does about it.

An adapter's exception ends in its worker, which says `FaultRaised(code)`; the table here says what that takes out of
service until `FaultCleared(code)`. The remedies are for the technician; what a person at the entrance reads is in the
texts of the display. Codes are never reused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar

from kiosk.core.biometrics import Modality


class FaultCode(StrEnum):
    """The name of a fault, for ever."""

    JOURNAL = "J01"
    JOURNAL_BROKEN = "J02"
    SPACE_LOW = "J03"
    SPACE_VERY_LOW = "J04"
    FULL = "J05"
    JOURNAL_RESTARTED = "J06"
    ANOTHER_CARD = "J07"
    PEOPLE_BROKEN = "P01"
    CAMERA = "C01"
    READER = "F01"
    READER_WIRE = "F02"
    MODELS = "M01"
    PASSIVE_LIVENESS = "M02"
    UPLINK = "U01"
    RECEIPT = "U02"
    CLOCK = "T01"
    SOUND = "S01"


class Severity(IntEnum):
    """What a fault does to the kiosk, the mildest first."""

    NOTE = 0
    DEGRADED = 1
    OUT_OF_SERVICE = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """What is known about one fault."""

    severity: Severity
    summary: str
    remedy: str
    takes: Modality | None = None
    """The modality that is out of service while the fault lasts."""


FAULTS: dict[FaultCode, Fault] = {
    FaultCode.JOURNAL: Fault(
        Severity.OUT_OF_SERVICE,
        "the journal cannot be written",
        "Check that the card is not full or write-protected; replace the card if `kiosk check` reports disk errors.",
    ),
    FaultCode.JOURNAL_BROKEN: Fault(
        Severity.OUT_OF_SERVICE,
        "the journal is not this terminal's, or cannot be begun anew",
        "Check `id` in the configuration and the keys' folder; put back the right card, or restore a backup.",
    ),
    FaultCode.SPACE_LOW: Fault(
        Severity.NOTE,
        "four fifths of the journal's room on the card are used",
        "Connect the network, or take `kiosk journal export` to the district: what it signs for can be pruned.",
    ),
    FaultCode.SPACE_VERY_LOW: Fault(
        Severity.DEGRADED,
        "nine tenths of the journal's room on the card are used",
        "Get receipts soon: connect the network, or take `kiosk journal export` to the district and its receipt back.",
    ),
    FaultCode.FULL: Fault(
        Severity.OUT_OF_SERVICE,
        "the card is full; everything that was accepted is on it",
        "Take `kiosk journal export` to the district and its receipt back with `kiosk journal import`; remove files "
        "that are not the terminal's; raise [storage] most_mb if the card is large enough.",
    ),
    FaultCode.JOURNAL_RESTARTED: Fault(
        Severity.DEGRADED,
        "the journal was damaged and begun anew; events of the numbers shown may be missing",
        "Report the numbers to the district, replace the card soon, keep the old one: `quarantine` on it is evidence.",
    ),
    FaultCode.ANOTHER_CARD: Fault(
        Severity.OUT_OF_SERVICE,
        "the district has signed for events that this card does not have: it is a copy, or an old backup",
        "Take out the card if the terminal's own is still at work elsewhere, and report it; if this one is to go on, "
        "run `kiosk journal resume`.",
    ),
    FaultCode.PEOPLE_BROKEN: Fault(
        Severity.OUT_OF_SERVICE,
        "the list of people was damaged and moved aside; nobody is enrolled",
        "Restore a backup with `kiosk restore`, or enrol everybody again, then start the terminal anew.",
    ),
    FaultCode.CAMERA: Fault(
        Severity.DEGRADED,
        "the camera gives no pictures",
        "Switch off, push in the camera's ribbon cable at both ends, switch on.",
        Modality.FACE,
    ),
    FaultCode.READER: Fault(
        Severity.DEGRADED,
        "the fingerprint reader does not answer",
        "Check the reader's four wires and that its light is on; then `kiosk check`.",
        Modality.FINGER,
    ),
    FaultCode.READER_WIRE: Fault(
        Severity.DEGRADED,
        "the fingerprint reader's answers arrive damaged",
        "Shorten or shield the reader's cable, keep it away from the display's; then `kiosk check`.",
        Modality.FINGER,
    ),
    FaultCode.MODELS: Fault(
        Severity.DEGRADED,
        "a recognition model is missing or damaged",
        "Run `kiosk models fetch`, then `kiosk models verify`.",
        Modality.FACE,
    ),
    FaultCode.PASSIVE_LIVENESS: Fault(
        Severity.NOTE,
        "the passive liveness models are absent; faces are challenged instead",
        "Run `kiosk models fetch` where its address can be reached, or put the file into KIOSK_MODELS.",
    ),
    FaultCode.UPLINK: Fault(
        Severity.NOTE,
        "the district's broker cannot be reached; events wait on the card",
        "Check the network cable or radio; nothing is lost meanwhile.",
    ),
    FaultCode.RECEIPT: Fault(
        Severity.NOTE,
        "a receipt was not signed by our district, or does not fit our journal",
        "Compare the district's public key in the configuration with the one that the district publishes.",
    ),
    FaultCode.CLOCK: Fault(
        Severity.NOTE,
        "the time is not known for sure",
        "Connect the network, or check the battery of the clock module.",
    ),
    FaultCode.SOUND: Fault(Severity.NOTE, "there is no sound", "Check the loudspeaker's plug."),
}


class KioskError(Exception):
    """A promise of this program was broken. Each package derives one family and says which fault it is."""

    fault: ClassVar[FaultCode | None] = None


def is_out_of_service(faults: Iterable[FaultCode]) -> bool:
    """Whether nobody can be recorded: one fault forbids it, or both modalities are gone."""
    present = frozenset(faults)
    stopped = any(FAULTS[code].severity is Severity.OUT_OF_SERVICE for code in present)
    return stopped or not available(present)


def available(faults: Iterable[FaultCode]) -> frozenset[Modality]:
    """The modalities that still work."""
    return frozenset(Modality) - {FAULTS[code].takes for code in faults}
