"""Clocks that a test or a demonstration turns.

`HandClock` stands still until it is turned, all of it. `TurnedClock` is the machine's own, shifted by an offset that
another process may change while it runs; only the time of day shifts, as when somebody sets a real clock.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from kiosk.board.clock import SystemClock
from wire.attendance import ClockQuality, ClockSource, Moment

OFFSET = struct.Struct("<d")
TURNED = ClockQuality(ClockSource.HAND, None, ok=True)
"""Set by hand, and believed: whoever simulates a time means it."""


@dataclass(slots=True)
class HandClock:
    """A clock in memory that moves only when told."""

    t: datetime
    """UTC, aware."""
    boot: str = "00000000-0000-4000-8000-000000000001"
    mono_ms: int = 0
    clk: ClockQuality = TURNED

    def read(self) -> Moment:
        """All of its hands."""
        return Moment(self.t, self.boot, self.mono_ms, self.clk)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.t += timedelta(seconds=seconds)
        self.mono_ms += round(1000 * seconds)


class TurnedClock:
    """The machine's clocks with the time of day shifted by the offset in a file; see `turn`."""

    def __init__(self, path: Path) -> None:
        """
        Args:
            path: 8 bytes, a little-endian float64 in seconds; made, with no offset, if it is not there.
        """
        if not path.exists():
            turn(path, 0.0)
        with path.open("rb") as file:
            self._offset = mmap.mmap(file.fileno(), OFFSET.size, access=mmap.ACCESS_READ)
        self._system = SystemClock()

    def read(self) -> Moment:
        """The machine's clocks, turned; never blocks, and reads no file."""
        now = self._system.read()
        (offset_s,) = OFFSET.unpack(self._offset[:])
        return replace(now, t=now.t + timedelta(seconds=offset_s), clk=TURNED)

    def close(self) -> None:
        """Give the file back."""
        self._offset.close()


def turn(path: Path, offset_s: float) -> None:
    """Set how far a `TurnedClock`, in whatever process, runs ahead of the machine's time of day (negative: behind)."""
    with path.open("r+b" if path.exists() else "x+b") as file:
        file.write(OFFSET.pack(offset_s))
