"""A data folder to try storage on: real SQLite files, keys that are the same in every run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kiosk.core.biometrics import FaceReference, FingerReference, Person, References
from kiosk.storage.journal import Journal
from kiosk.storage.rows import row_of
from kiosk.storage.store import Owner, opened_store
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, ORIGIN, tap
from wire.attendance import Event

PUBLIC = DEVICE_KEY.public_key()
SEALING_KEY = bytes(range(100, 132))
SITI = Person("p-siti", "Siti Aminah")
BUDI = Person("p-budi", "Budi Santoso")
CONSENT = datetime(2026, 11, 2, 2, 30, tzinfo=UTC)


def owner(folder: Path) -> Owner:
    """Whose folder it is."""
    return Owner(folder, ORIGIN, DEVICE_KEY, SEALING_KEY, DISTRICT_KEY.public_key())


def references_of(person: Person) -> References:
    """Two faces and a finger, each unlike any other person's."""
    face, finger = (f"{person.pid}-{what}".encode() * 20 for what in ("face", "finger"))
    faces = (FaceReference(person.pid, "sface", face), FaceReference(person.pid, "sface", face[::-1]))
    return References(faces, (FingerReference(person.pid, 2, finger),))


@contextmanager
def opened_journal(folder: Path) -> Iterator[Journal]:
    """The folder's journal, to write."""
    with opened_store(owner(folder)) as store:
        yield store.journal


def written(folder: Path, count: int) -> list[Event]:
    """Append so many taps, a minute apart, and close the journal again."""
    with opened_journal(folder) as journal:
        return [journal.append(tap(after_s=60.0 * number)) for number in range(count)]


def forge(folder: Path, event: Event) -> None:
    """Put another content in place of an event's, as whoever holds the card could."""
    with closing(sqlite3.connect(folder / "journal.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER event_is_never_changed")
        connection.execute("UPDATE event SET signed = ? WHERE seq = ?", (row_of(event)[1], event.seq))
