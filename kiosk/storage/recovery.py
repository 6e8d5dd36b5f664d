"""A damaged journal: moved aside as evidence, and a new one begun that says which numbers may be missing.

    damaged journal ─▶ quarantine/0001/          (never changed, never deleted)
         └─ every event that still verifies, from a little before the last receipt on
              ▼
    new journal: "pruned up to …" ─ salvaged events ─ event S, which declares the holes lost

S lies above every number that can have been used (`highwater`). What the district signed for long ago is not copied: it
is there, and in the quarantined file. A journal that is whole but another device's is left alone.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kiosk.storage.database import Database, JournalBrokenError, StorageError
from kiosk.storage.files import sync_folder
from kiosk.storage.highwater import far_above
from kiosk.storage.journal import Journal
from kiosk.storage.reader import START, JournalReader, Position
from kiosk.storage.rows import event_of
from wire import chain
from wire.attendance import Event, Moment
from wire.chain import ChainError, Receipt

FOLDER = "quarantine"
SALVAGE_S = 40.0
"""Seconds for reading the damaged file: recording goes on within 60 s. What is not read by then stays in quarantine."""
RECENT = 2_000
"""Events before the last receipt that are taken over too: the core asks for the taps of the last two days."""
SAMPLE = 50
"""Events looked at, at either end, to see whose journal it is."""
RESTARTED = "journal_restarted"
"""`reason` of the audit event that a new journal begins with."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Damaged:
    """A journal's file in which any page may be unreadable."""

    reader: JournalReader
    connection: sqlite3.Connection

    def event(self, seq: int) -> Event | None:
        """The event of this number; None: there is none that can be read."""
        return _tried(lambda: self._row(seq))

    def last_seq(self) -> int:
        """The highest number that can be found."""
        return _tried(lambda: self.reader.position().seq) or 0

    def receipts(self) -> list[Receipt]:
        """The district's words that can be found; who signed them is not checked."""
        pruned = _tried(self.reader.pruned)
        return [each for each in (_tried(self.reader.receipt), pruned.receipt if pruned else None) if each]

    def _row(self, seq: int) -> Event | None:
        row = self.connection.execute("SELECT seq, signed, hash, sig FROM event WHERE seq = ?", (seq,)).fetchone()
        return event_of(row) if row else None


def salvageable(directory: Path) -> Path | None:
    """The last journal that was moved aside and can be read; a repair that was cut short leaves an empty one behind."""
    for path in sorted((directory / FOLDER).glob(f"*/{Database.JOURNAL}.db"), reverse=True):
        with opened_damaged(path) as damaged:
            if damaged is not None and damaged.last_seq():
                return path
    return quarantined(directory, Database.JOURNAL)


def quarantined(directory: Path, database: Database) -> Path | None:
    """The last file of this name that was moved aside; None: none ever was."""
    return max((directory / FOLDER).glob(f"*/{database}.db"), default=None)


def move_aside(directory: Path, database: Database) -> Path | None:
    """Move a database with its log into a new folder of the quarantine; returns its new path, None if it is not there.

    Raises:
        StorageError: it cannot be moved.
    """
    path = directory / f"{database}.db"
    if not path.exists():
        return None
    try:
        taken = [int(each.name) for each in (directory / FOLDER).glob("[0-9]*")]
        folder = directory / FOLDER / f"{max(taken, default=0) + 1:04}"
        folder.mkdir(parents=True, mode=0o700)
        for name in (f"{database}.db-wal", f"{database}.db-shm", f"{database}.db"):
            if (directory / name).exists():
                (directory / name).rename(folder / name)
        for each in (folder, folder.parent, directory):
            sync_folder(each)
    except OSError as error:
        raise StorageError(f"{path} cannot be moved aside: {error.strerror}") from error
    return folder / path.name


def is_another_devices(path: Path, key: Ed25519PublicKey) -> bool:
    """Whether a journal can be read, and no event of it is signed by this key: a wrong key, not damage."""
    with opened_damaged(path) as damaged:
        if damaged is None:
            return False
        last = damaged.last_seq()
        numbers = [*range(1, SAMPLE), *range(max(1, last - SAMPLE), last + 1)]
        found = [event for event in map(damaged.event, numbers) if event is not None]
        return bool(found) and not any(_is_ours(event, key) for event in found)


@contextmanager
def opened_damaged(path: Path | None) -> Iterator[Damaged | None]:
    """A damaged file, to read what can be read; None: nothing can."""
    if path is None or not path.exists():
        yield None
        return
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        yield Damaged(JournalReader(connection), connection)


def begin_anew(journal: Journal, source: Path | None, at: Moment) -> Event:
    """Fill an empty journal with what can be salvaged and the event that says what cannot; returns that event.

    Args:
        source: the damaged file; None: it is gone.
    """
    with opened_damaged(source) as damaged:
        mark = journal.numbers.mark if journal.numbers else None
        known = [*(damaged.receipts() if damaged else ()), *([mark.receipt] if mark and mark.receipt else ())]
        receipt = max((each for each in known if journal.is_ours(each)), key=lambda each: each.upto_seq, default=None)
        last = max(damaged.last_seq() if damaged else 0, receipt.upto_seq if receipt else 0)
        upto = max(mark.upto_seq, last) if mark else far_above(last, at)
        with journal.begun_at(_base(damaged, receipt, journal.public_key), receipt, at):
            if damaged is not None:
                for event in _salvaged(damaged, journal, upto if mark else last):
                    journal.take_over(event)
            return journal.leap(at, RESTARTED, upto)


def _base(damaged: Damaged | None, receipt: Receipt | None, key: Ed25519PublicKey) -> Position:
    """From where on events are taken over: a little before the last receipt, if that can be read."""
    if receipt is None:
        return START
    before = max(0, receipt.upto_seq - RECENT)
    event = damaged.event(max(1, before)) if damaged else None
    if event is None or not _is_ours(event, key):
        return Position(receipt.upto_seq, receipt.head)
    return Position(event.seq, event.hash) if before else START


def _salvaged(damaged: Damaged, journal: Journal, upto: int) -> Iterator[Event]:
    """The events that still hold, each by itself, for as long as there is time."""
    until_s = time.monotonic() + SALVAGE_S
    for seq in range(journal.base().seq + 1, upto + 1):
        event = damaged.event(seq)
        if event is not None and _is_ours(event, journal.public_key) and _fits(event, journal):
            yield event
        if time.monotonic() > until_s:
            return


def _fits(event: Event, journal: Journal) -> bool:
    """Whether an event may stand next in the new journal: one that does not hold would only be moved aside again."""
    last = journal.position()
    follows = event.seq > last.seq + 1 or event.prev == last.hash or bool(event.lost)
    return follows and event.dev == journal.origin.dev


def _is_ours(event: Event, key: Ed25519PublicKey) -> bool:
    try:
        chain.verify_event(event, key)
    except ChainError:
        return False
    return True


def _tried(read: Callable[[], T]) -> T | None:
    with suppress(sqlite3.Error, sqlite3.Warning, JournalBrokenError, UnicodeDecodeError):
        return read()
    return None
