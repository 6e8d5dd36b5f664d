"""What the rest of the kiosk promises one another, where more than one adapter can keep the promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from kiosk.core.faults import FaultCode, KioskError
from wire.attendance import Event, Moment
from wire.chain import Head, Receipt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from the camera, in two sizes of the same exposure."""

    captured_ms: int
    """CLOCK_BOOTTIME in milliseconds."""
    picture: NDArray[np.uint8]
    """(height, width, 3) uint8, BGR: the one to crop from, 1280x720 by default. Read-only."""
    preview: NDArray[np.uint8]
    """(height, width, 3) uint8, BGR, a small one of the same shape to detect on and to show. Read-only."""


class CameraError(KioskError):
    """The camera gives no pictures."""

    fault: ClassVar[FaultCode | None] = FaultCode.CAMERA


class Clock(Protocol):
    """The device's clocks."""

    def read(self) -> Moment:
        """All of them at once; never blocks."""


class Camera(Protocol):
    """An open camera."""

    def capture(self) -> Frame:
        """The next frame; blocks for at most a second.

        Raises:
            CameraError: none came, or it was not a picture.
        """

    def close(self) -> None:
        """Give the device back."""


class Outbox(Protocol):
    """The journal as the uplink sees it. Every question is answered later, on the storage thread, in order asked."""

    def fetch(self, after_seq: int, limit: int, answer: Callable[[tuple[Event, ...]], None]) -> None:
        """Ask for the events that follow `after_seq`, ascending, at most `limit`."""

    def acknowledge(self, receipt: Receipt) -> None:
        """Pass on what may be a receipt; its signature, and whether it fits the journal, are judged there."""

    def receipted(self, answer: Callable[[int], None]) -> None:
        """Ask up to which event the district has signed; 0: none yet."""

    def head(self, answer: Callable[[Head], None]) -> None:
        """Ask for a checkpoint, signed by the device's key; `seq` is 0 while the journal is empty."""
