"""A small file beside the journal: up to which number events may have been written, and the district's last receipts.

Numbers are reserved a block ahead, so that it is written once in `BLOCK` events, before the first of them. If the
journal is lost or an old copy of it put back, this says above which number the device may go on without ever giving
one number to two events.
"""

from __future__ import annotations

import hashlib
from errno import ENOSPC
from pathlib import Path

import msgspec

from kiosk.storage.database import FullError, StorageError
from kiosk.storage.files import whole_file
from wire.attendance import VERSION, Message, MessageError, Moment, decode, encode
from wire.chain import Receipt

MARK = "journal.mark"
BLOCK = 256
"""Numbers reserved at once: two more fsyncs for so many events, and at most so many numbers skipped."""
LEAP = 1_000_000
"""Numbers skipped at least where nobody knows what was used: more than a terminal writes between two backups."""


def far_above(seq: int, at: Moment) -> int:
    """Return a number above every one that can have been used, where only a lower bound of those is known.

    It is the time in seconds since 1970, if that is more: no terminal writes an event a second for years, and the next
    card that is restored from the same backup begins higher. A clock that stands at 1970 leaves the leap.
    """
    return max(seq + LEAP, int(at.t.timestamp()))


class Mark(Message, frozen=True, kw_only=True):
    """What the file says."""

    v: int = VERSION
    upto_seq: int = 0
    """No number above this one was used."""
    journal: str = ""
    """The name of the journal for which they were reserved."""
    receipt: Receipt | None = None
    """The district's last word when the block was reserved."""
    ahead: Receipt | None = None
    """The district's word about events that this card does not have: it is a copy, or an old backup."""


class HighWater:
    """The file. Belongs to whoever has the folder locked."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / MARK
        self.mark = _read(self._path)
        """None: there is none, or it is damaged."""

    def covers(self, seq: int, journal: str) -> bool:
        """Whether it is known already that this number may have been used in this journal."""
        return self.mark is not None and seq <= self.mark.upto_seq and self.mark.journal == journal

    def reserve(self, seq: int, journal: str, receipt: Receipt | None) -> None:
        """Make sure that it is known, whatever happens next, that this number and some more may have been used.

        Raises:
            StorageError: the file cannot be written.
        """
        mark = self.mark or Mark()
        upto_seq, known = max(mark.upto_seq, seq - 1 + BLOCK), receipt or mark.receipt
        self._write(msgspec.structs.replace(mark, upto_seq=upto_seq, journal=journal, receipt=known))

    def set_ahead(self, receipt: Receipt | None) -> None:
        """Remember the district's word about events that are not here; None: that is settled.

        Raises:
            StorageError: the file cannot be written.
        """
        mark = self.mark or Mark()
        if mark.ahead != receipt:
            self._write(msgspec.structs.replace(mark, ahead=receipt))

    def _write(self, mark: Mark) -> None:
        content = encode(mark)
        try:
            with whole_file(self._path) as file:
                file.write(content + b"\n" + hashlib.sha256(content).hexdigest().encode())
        except OSError as error:
            kind = FullError if error.errno == ENOSPC else StorageError
            raise kind(f"{self._path}: {error.strerror}") from error
        self.mark = mark


def _read(path: Path) -> Mark | None:
    try:
        content, _, digest = path.read_bytes().partition(b"\n")
        return decode(content, Mark) if hashlib.sha256(content).hexdigest().encode() == digest else None
    except (OSError, MessageError):
        return None
