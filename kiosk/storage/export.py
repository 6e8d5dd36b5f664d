"""The journal by hand: out as a signed bundle, receipts back in, and one verifier for databases and bundles alike.

So an office without any network can still get receipts: a stick carries the bundle to the district and the receipt
back (docs/adr/0021-bundles-and-receipts-by-hand.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kiosk.storage.database import JournalBrokenError, StorageError
from kiosk.storage.files import whole_file
from kiosk.storage.journal import Acknowledgement, Journal, opened_journal_file
from wire.attendance import LARGEST_MESSAGE, MessageError, Moment, Span, decode, encode
from wire.bundle import LONGEST_LINE, BundleError, verified
from wire.chain import Manifest, Receipt

SQLITE = b"SQLite format 3\0"
"""How every database begins (SQLite's file format, 1.3)."""


class ExportError(StorageError):
    """What is asked for cannot be exported."""


class ReceiptError(StorageError):
    """A file is not a receipt."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a file holds, all of it checked."""

    first: int
    last: int
    """Before `first`: there are no events."""
    pruned_upto: int = 0
    """The last event that was dropped after the district's receipt; 0: none was."""
    lost: tuple[Span, ...] = ()
    """Numbers that the journal itself declares lost."""


def export(journal: Journal, out: Path, at: Moment, wanted: Span | None = None) -> tuple[Path, Manifest]:
    """Write events and their manifest into a new file, and return its path.

    Args:
        out: a file, or a folder in which the file is then named after device and numbers.
        at: now.
        wanted: these numbers; None: every event that the journal still has.

    Raises:
        ExportError: the journal does not have those events.
        StorageError: the file cannot be written.
        JournalBrokenError: an event is damaged.
    """
    kept = journal.kept()
    span = wanted or kept
    if not kept.first <= span.first <= span.last <= kept.last:
        raise ExportError(f"events {span.first} to {span.last} are wanted; the journal has {kept.first} to {kept.last}")
    manifest = journal.manifest(at, span)
    path = out / f"{manifest.dev}-{span.first:08}-{span.last:08}.jsonl" if out.is_dir() else out
    with _said(path), whole_file(path) as file:
        file.write(encode(manifest) + b"\n")
        for event in journal.events(span.first - 1, span.last - span.first + 1):
            if event.seq > span.last:
                break
            file.write(encode(event) + b"\n")
    return path, manifest


def take_receipt(journal: Journal, path: Path) -> Acknowledgement:
    """Let the journal judge the receipt in a file.

    Raises:
        ReceiptError: the file is not a receipt.
        StorageError: it cannot be read.
    """
    with _said(path), path.open("rb") as file:
        raw = file.read(LARGEST_MESSAGE + 1)
    try:
        receipt = decode(raw.removesuffix(b"\n"), Receipt)
    except MessageError as error:
        raise ReceiptError(f"{path}: {error}") from error
    return journal.acknowledge(receipt)


def verified_file(path: Path, key: Ed25519PublicKey) -> Verified:
    """Check a journal's database or an export of it, with the device's public key alone.

    Raises:
        StorageError: the file cannot be read.
        JournalBrokenError: it does not verify; names the first event that does not hold.
    """
    with _said(path), path.open("rb") as file:
        if file.read(len(SQLITE)) != SQLITE:
            file.seek(0)
            return _verified_bundle(path, file, key)
    with opened_journal_file(path) as journal:
        last = journal.verify(key)
        return Verified(journal.base().seq + 1, last.seq, journal.base().seq, journal.lost())


def described(found: Verified) -> Iterator[str]:
    """Yield what was found, a sentence each, for the technician."""
    if found.pruned_upto:
        yield f"events 1 to {found.pruned_upto} were pruned after receipt"
    for span in found.lost:
        yield f"events {span.first} to {span.last} are declared lost by the terminal itself"
    held = f"events {found.first} to {found.last}, chain verified"
    yield held if found.first <= found.last else "no events"


def _verified_bundle(path: Path, file: BinaryIO, key: Ed25519PublicKey) -> Verified:
    lost: list[Span] = []
    try:
        manifest = verified(_lines(file), key, lambda event: lost.extend(event.lost))
    except BundleError as error:
        raise JournalBrokenError(f"{path}: {error}", error.seq) from error
    pruned_upto = manifest.pruned.seq if manifest.pruned else 0
    return Verified(manifest.after_seq + 1, manifest.upto_seq, pruned_upto, tuple(lost))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """One at a time and none longer than may be, so that no file is too large for the memory."""
    return iter(lambda: file.readline(LONGEST_LINE), b"")


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from error
