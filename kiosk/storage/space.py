"""How much room the journal has, and a reserve, so that a full card can still finish what was begun.

room for the journal = the configured most, or what it has and the card still offers: whichever is less
80 % of it used ─▶ a note      90 % ─▶ a warning      all, or the reserve is gone ─▶ out of service
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kiosk.core.faults import FaultCode

RESERVE_BYTES = 4 * 1024 * 1024
"""A write-ahead log grows to 1 MB before it is emptied into the database, which may grow by as much; and twice that."""
LOW, VERY_LOW = 0.8, 0.9


@dataclass(frozen=True, slots=True)
class Room:
    """What the journal takes and has."""

    used: int
    """Bytes of its file that hold something."""
    most: int
    """Bytes it may use, as configured."""
    free: int
    """Bytes that it can still grow by before the card is full: free on the card, or unused in its own file."""
    has_reserve: bool

    @property
    def share(self) -> float:
        """How much of the room is used, 0 to 1 or more."""
        return self.used / max(1, min(self.most, self.used + self.free))

    def fault(self) -> FaultCode | None:
        """What is to be said of it; None: there is room enough."""
        if self.used >= self.most or not self.has_reserve:
            return FaultCode.FULL
        if self.share >= VERY_LOW:
            return FaultCode.SPACE_VERY_LOW
        return FaultCode.SPACE_LOW if self.share >= LOW else None


class Reserve:
    """A file that takes up room until it is needed."""

    def __init__(self, folder: Path, size: int = RESERVE_BYTES) -> None:
        self._path = folder / "reserve"
        self._size = size

    def is_there(self) -> bool:
        """Whether the room is still set aside."""
        return self._path.exists() and self._path.stat().st_size >= self._size

    def keep(self) -> None:
        """Set the room aside, if there is twice as much; else whoever needs it next would have none."""
        if self.is_there() or free_bytes(self._path.parent) < 2 * self._size:
            return
        with suppress(OSError), self._path.open("wb") as file:  # no room after all: it is not there, and that is said
            os.posix_fallocate(file.fileno(), 0, self._size)

    def release(self) -> bool:
        """Give the room to whoever writes next; False: it was gone already."""
        if not self._path.exists():
            return False
        self._path.unlink()
        return True


def free_bytes(folder: Path) -> int:
    """What the card still has for this user; 0 where the folder is not there."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def measured(connection: sqlite3.Connection, folder: Path, most: int, reserve: Reserve) -> Room:
    """Return how much room a journal has."""
    size, pages, unused = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    free = free_bytes(folder) + size * unused
    return Room(size * (pages - unused), most, free, reserve.is_there())
