"""The whole data folder, opened: the journal and the people of one device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kiosk.storage.database import Database, JournalBrokenError, locked_folder, opened_database, scrub_wal
from kiosk.storage.journal import Journal
from kiosk.storage.people import People
from kiosk.storage.upkeep import Limits
from wire.attendance import Origin


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose data folder it is."""

    directory: Path
    origin: Origin
    """`roster` is filled in from the people found."""
    identity: Ed25519PrivateKey = field(repr=False)
    sealing_key: bytes = field(repr=False)
    """32 bytes."""
    district_key: Ed25519PublicKey | None = None
    """Whose receipts count; None: nobody's."""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Store:
    """What is on the card."""

    journal: Journal
    people: People

    def roster_changed(self) -> None:
        """Make the events from now on name the roster as it is."""
        self.journal.origin = replace(self.journal.origin, roster=self.people.digest())


@contextmanager
def opened_store(owner: Owner) -> Iterator[Store]:
    """The data folder, for this process alone; the end of the journal has been verified.

    Raises:
        FolderInUseError: another process has it.
        StorageError: it cannot be opened or written.
        JournalBrokenError, PeopleBrokenError: it is damaged.
    """
    with locked_folder(owner.directory), opened_database(owner.directory, Database.PEOPLE) as people_file:
        people = People(people_file, owner.sealing_key)
        _check_journal_is_there(owner.directory, people)
        with opened_database(owner.directory, Database.JOURNAL) as journal_file:
            store = Store(Journal(journal_file, owner.origin, owner.identity, owner.district_key), people)
            store.journal.verify_tail(owner.identity.public_key())
            store.roster_changed()
            yield store
            scrub_wal(journal_file)
            scrub_wal(people_file)


def _check_journal_is_there(directory: Path, people: People) -> None:
    """Both files are made before anybody is enrolled; whoever then begins a second journal speaks for nobody.

    Raises:
        JournalBrokenError: people are enrolled, and there is no journal.
    """
    path = directory / f"{Database.JOURNAL}.db"
    if not path.exists() and people.people():
        raise JournalBrokenError(f"{path} is gone: the district would take a new one for a forgery", seq=1)
