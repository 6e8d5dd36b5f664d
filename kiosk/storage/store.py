"""The whole data folder, opened: the journal and the people of one device."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kiosk.storage.database import (
    Database,
    JournalBrokenError,
    PeopleBrokenError,
    locked_folder,
    opened_database,
    scrub_wal,
)
from kiosk.storage.highwater import BLOCK, HighWater
from kiosk.storage.journal import Journal
from kiosk.storage.people import People, WrongSealingKeyError
from kiosk.storage.recovery import begin_anew, is_another_devices, move_aside, salvageable
from kiosk.storage.upkeep import Limits
from wire.attendance import Moment, Origin

log = logging.getLogger(__name__)


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
def opened_store(owner: Owner, repair_at: Moment | None = None, *, distrusted: bool = False) -> Iterator[Store]:
    """The data folder, for this process alone; the end of the journal has been verified.

    Args:
        repair_at: now; a damaged file is then moved aside and a new one begun. None: a damaged file is left as it is.
        distrusted: also verify the events that wait for the district, and recent ones.

    Raises:
        FolderInUseError: another process has it.
        StorageError: it cannot be opened or written.
        JournalBrokenError, PeopleBrokenError: it is damaged; with `repair_at`, it is another device's.
    """
    with locked_folder(owner.directory), ExitStack() as stack:
        people_file = stack.enter_context(_opened_people(owner, repair_at))
        people = People(people_file, owner.sealing_key)
        journal = stack.enter_context(_opened_journal(owner, people, repair_at, distrusted=distrusted))
        store = Store(journal, people)
        store.roster_changed()
        yield store


@contextmanager
def _opened_people(owner: Owner, repair_at: Moment | None) -> Iterator[sqlite3.Connection]:
    with ExitStack() as stack:
        try:
            people_file = _readable_people(stack, owner)
        except PeopleBrokenError as error:
            if repair_at is None or isinstance(error, WrongSealingKeyError):
                raise
            log.error("%s; it is moved aside, and everybody must be enrolled again or restored", error)
            move_aside(owner.directory, Database.PEOPLE)
            people_file = _readable_people(stack, owner)
        yield people_file
        scrub_wal(people_file)


def _readable_people(stack: ExitStack, owner: Owner) -> sqlite3.Connection:
    with ExitStack() as opening:
        people_file = opening.enter_context(opened_database(owner.directory, Database.PEOPLE))
        People(people_file, owner.sealing_key).check()
        stack.push(opening.pop_all())
    return people_file


@contextmanager
def _opened_journal(owner: Owner, people: People, repair_at: Moment | None, *, distrusted: bool) -> Iterator[Journal]:
    with ExitStack() as stack:
        numbers = HighWater(owner.directory)
        try:
            _check_journal_is_there(owner.directory, people, numbers)
            journal = _checked_journal(stack, owner, numbers, distrusted=distrusted)
        except JournalBrokenError as error:
            path = owner.directory / f"{Database.JOURNAL}.db"
            if repair_at is None or is_another_devices(path, owner.identity.public_key()):
                raise
            log.error("%s; the journal is moved aside, and a new one begun", error)
            move_aside(owner.directory, Database.JOURNAL)
            journal_file = stack.enter_context(opened_database(owner.directory, Database.JOURNAL))
            journal = Journal(journal_file, owner.origin, owner.identity, owner.district_key, numbers)
            begin_anew(journal, salvageable(owner.directory), repair_at)
        yield journal
        journal.scrub()


def _checked_journal(stack: ExitStack, owner: Owner, numbers: HighWater, *, distrusted: bool) -> Journal:
    with ExitStack() as opening:
        journal_file = opening.enter_context(opened_database(owner.directory, Database.JOURNAL))
        journal = Journal(journal_file, owner.origin, owner.identity, owner.district_key, numbers)
        journal.verify_tail(owner.identity.public_key())
        _check_age(journal, numbers)
        if distrusted:
            journal.verify_recent()
        stack.push(opening.pop_all())
    return journal


def _check_age(journal: Journal, numbers: HighWater) -> None:
    """
    Raises:
        JournalBrokenError: numbers were used that are not in this journal: it is an old copy, or empty.
    """
    last, mark = journal.position().seq, numbers.mark
    if mark is not None and mark.journal and (mark.journal != journal.name or last < mark.upto_seq - BLOCK):
        used = mark.upto_seq
        raise JournalBrokenError(f"event {last + 1}: is missing: numbers up to {used} may have been used", last + 1)


def _check_journal_is_there(directory: Path, people: People, numbers: HighWater) -> None:
    """Both files are made before anybody is enrolled; whoever then begins a second journal speaks for nobody.

    Raises:
        JournalBrokenError: people are enrolled or numbers were used, and there is no journal.
    """
    path = directory / f"{Database.JOURNAL}.db"
    if not path.exists() and (people.people() or numbers.mark is not None):
        raise JournalBrokenError(f"{path} is gone: the district would take a new one for a forgery", seq=1)
