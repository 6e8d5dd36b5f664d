"""What a technician does with the journal by hand, each on record in it; stop the terminal first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from kiosk.config import Settings
from kiosk.storage.backup import SECRETS, header_of, unpack, write_backup
from kiosk.storage.database import Database, StorageError, locked_folder
from kiosk.storage.export import export, take_receipt
from kiosk.storage.files import sync_folder
from kiosk.storage.highwater import MARK
from kiosk.storage.journal import Acknowledgement
from kiosk.storage.phrase import new_phrase
from kiosk.storage.recovery import move_aside
from kiosk.storage.store import opened_store
from kiosk.terminal import Terminal
from wire.attendance import Entry, Event, EventType, Span, rfc3339
from wire.chain import Manifest

RESUMED = "resumed"
"""`reason` of the audit event with which a copied or restored card goes on."""
RESTORED = "restored"
"""`reason` of the audit event with which a restored card goes on, or of people taken from a backup."""
BACKED_UP = "backed_up"
EXPORTED = "exported"
"""`reason` of the audit event of an export; the last event in it."""

JOURNAL, PEOPLE = f"{Database.JOURNAL}.db", f"{Database.PEOPLE}.db"


class RestoreError(StorageError):
    """A backup does not belong here."""


def export_journal(terminal: Terminal, out: Path, first: int | None, last: int | None) -> tuple[Path, Manifest]:
    """Write events into a bundle for the district, and return its path.

    Args:
        out: a file, or a folder, e.g. of a stick.
        first: None: the first that the journal still has.
        last: None: the last.

    Raises:
        StorageError: the journal or the bundle cannot be used, or the terminal is running.
    """
    with opened_store(terminal.owner()) as store:
        now = terminal.clock.read()
        store.journal.append(Entry(EventType.AUDIT, now, reason=EXPORTED))
        kept = store.journal.kept()
        wanted = Span(kept.first if first is None else first, kept.last if last is None else last)
        return export(store.journal, out, now, wanted)


def import_receipt(terminal: Terminal, path: Path) -> tuple[Acknowledgement, int]:
    """Let go of what the district has signed for; return what became of the receipt, and how many events still wait.

    Raises:
        StorageError: the journal or the file cannot be used, or the terminal is running.
    """
    with opened_store(terminal.owner()) as store:
        outcome = take_receipt(store.journal, path)
        return outcome, store.journal.depth()


def resume_journal(terminal: Terminal) -> Event:
    """Let a card that is a copy or an old backup go on, far above every number that was used; return the event of it.

    Raises:
        StorageError: the journal cannot be used, or the terminal is running.
    """
    with opened_store(terminal.owner()) as store:
        return store.journal.resume(terminal.clock.read(), RESUMED)


def back_up(terminal: Terminal, out: Path) -> str:
    """Write a backup of keys, people and journal, and return the recovery phrase that alone opens it.

    Raises:
        StorageError: it cannot be written, or the terminal is running.
    """
    phrase = new_phrase()
    identity, sealing = SECRETS
    secrets = {identity: terminal.keys.identity.private_bytes_raw(), sealing: terminal.keys.sealing_key}
    with opened_store(terminal.owner()) as store:
        now = terminal.clock.read()
        store.journal.append(Entry(EventType.AUDIT, now, reason=BACKED_UP))
        store.journal.scrub()
        about = (terminal.settings.device.id, rfc3339(now.t))
        write_backup(out, phrase, about, terminal.settings.storage.directory, secrets)
    return phrase


def restore(settings: Settings, path: Path, phrase: str) -> Event:
    """Put a backup in place, and return the event that says so.

    A folder without a journal becomes the device that was backed up; its journal goes on far above. A terminal of the
    same identity that still has its journal takes only the people.

    Raises:
        RestoreError: the backup is of another device than this folder.
        StorageError: the backup or the folder cannot be used, or the terminal is running.
    """
    folder = settings.storage.directory
    _check_device(settings, path)
    with locked_folder(folder), TemporaryDirectory(dir=folder, prefix=".restore") as name:
        unpacked = Path(name)
        unpack(path, phrase, unpacked)
        if not (folder / JOURNAL).exists():
            event = _gone_on(settings, unpacked)
            _put_in_place(unpacked, folder, (*SECRETS, PEOPLE, MARK, JOURNAL))
            return event
        _check_identity(folder, unpacked)
        _put_in_place(unpacked, folder, (PEOPLE,))
    terminal = Terminal.of(settings)
    with opened_store(terminal.owner()) as store:
        return store.journal.append(Entry(EventType.AUDIT, terminal.clock.read(), reason=RESTORED))


def _gone_on(settings: Settings, unpacked: Path) -> Event:
    """Write the event with which the journal goes on before it is in place: nobody may go on from the backup's end."""
    storage = msgspec.structs.replace(settings.storage, directory=unpacked)
    terminal = Terminal.of(msgspec.structs.replace(settings, storage=storage))
    with opened_store(terminal.owner()) as store:
        return store.journal.resume(terminal.clock.read(), RESTORED)


def _check_device(settings: Settings, path: Path) -> None:
    of = header_of(path).dev
    if of != settings.device.id:
        raise RestoreError(f"{path}: is a backup of {of}; the configuration is for {settings.device.id}")


def _check_identity(folder: Path, unpacked: Path) -> None:
    identity, _ = SECRETS
    if not (folder / identity).exists() or (folder / identity).read_bytes() != (unpacked / identity).read_bytes():
        raise RestoreError(f"{folder / JOURNAL} is another device's than the backup: restore into an empty folder")


def _put_in_place(unpacked: Path, folder: Path, names: Sequence[str]) -> None:
    """The journal comes last: until it is there, the folder is still one to restore into."""
    move_aside(folder, Database.PEOPLE)
    (folder / "keys").mkdir(mode=0o700, exist_ok=True)
    for name in names:
        (unpacked / name).replace(folder / name)
        sync_folder((folder / name).parent)
