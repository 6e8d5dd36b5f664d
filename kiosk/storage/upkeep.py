"""What the storage thread does beside its work: watch the room on the card, prune what the district has signed for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from kiosk.core.faults import FaultCode
from kiosk.core.messages import FaultCleared, FaultRaised, Message
from kiosk.storage.journal import Journal
from kiosk.storage.space import VERY_LOW, Reserve, Room, free_bytes
from wire.attendance import Moment

EVERY_MS = 10_000
"""Between two looks; a pass that pruned all it could at once is followed by the next without a pause."""
LEAST_FREE_BYTES = 256 * 1024
"""To open a database takes a log and its index, of 32 KiB each at least."""
AT_ONCE = 100
"""Events pruned in one transaction: 15 ms here, so that a tap hardly waits."""
ALWAYS_KEPT = timedelta(days=2)
"""Younger events stay even when room is short: the core asks storage for the taps of these days at the start."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the past stays on the card."""

    keep: timedelta = timedelta(days=730)
    """How long an event stays after it happened, if the district has signed for it."""
    most_bytes: int = 1_000_000_000


class Upkeep:
    """Belongs to the storage thread."""

    def __init__(self, folder: Path, limits: Limits, post: Callable[[Message], None]) -> None:
        self.reserve = Reserve(folder)
        self._folder = folder
        self._limits = limits
        self._post = post
        self._due_ms = 0
        self._said: FaultCode | None = None

    def tend(self, journal: Journal, now: Moment) -> None:
        """Do what is due."""
        if now.mono_ms < self._due_ms:
            return
        self.reserve.keep()
        room = journal.room(self._limits.most_bytes, self.reserve)
        if self._prune(journal, now, room) < AT_ONCE:
            self._due_ms = now.mono_ms + EVERY_MS
        self._say(room)

    def look_soon(self) -> None:
        """Have the room measured at the next opportunity."""
        self._due_ms = 0

    def is_card_full(self) -> bool:
        """Whether what just failed may have failed for want of room."""
        return free_bytes(self._folder) < LEAST_FREE_BYTES

    def make_room(self) -> bool:
        """Release the reserve for what is being written; whether there was one. From now on the card is full."""
        was_there = self.reserve.release()
        if self._said is not FaultCode.FULL:
            self._change(FaultCode.FULL, "the reserve is in use")
        return was_there

    def _prune(self, journal: Journal, now: Moment, room: Room) -> int:
        """Where room is short, what is signed for goes early; an unsure clock cannot say what is old."""
        if not now.clk.ok:
            return 0
        keep = ALWAYS_KEPT if room.share >= VERY_LOW else self._limits.keep
        return journal.prune(now, now.t - keep, AT_ONCE)

    def _say(self, room: Room) -> None:
        fault = room.fault()
        if fault is not self._said:
            detail = f"{room.used / 1e6:.0f} MB used, {room.free / 1e6:.0f} MB free, {room.most / 1e6:.0f} MB allowed"
            self._change(fault, detail)

    def _change(self, fault: FaultCode | None, detail: str) -> None:
        """The new one first, so that nobody is let in between the two."""
        before, self._said = self._said, fault
        if fault is not None:
            self._post(FaultRaised(fault, detail))
        if before is not None:
            self._post(FaultCleared(before))
