"""What a technician does with the journal by hand, each on record in it; stop the terminal first."""

from __future__ import annotations

from pathlib import Path

from kiosk.storage.export import export, take_receipt
from kiosk.storage.journal import Acknowledgement
from kiosk.storage.store import opened_store
from kiosk.terminal import Terminal
from wire.attendance import Entry, Event, EventType, Span
from wire.chain import Manifest

RESUMED = "resumed"
"""`reason` of the audit event with which a copied or restored card goes on."""
EXPORTED = "exported"
"""`reason` of the audit event of an export; the last event in it."""


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
