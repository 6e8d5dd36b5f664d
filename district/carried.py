"""Journals that a stick carries: an export is taken in like what arrives by MQTT, and a receipt goes the other way.

What holds is kept even if the file breaks off: each event is signed by itself and linked to the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from district.errors import DistrictError
from district.intake import Intake
from district.keys import write_whole
from district.store import Device, Store
from wire.attendance import Event, encode
from wire.bundle import LONGEST_LINE, BundleError, check_manifest, events_of, manifest_of
from wire.chain import Manifest, Receipt, public_key

AT_ONCE = 500
"""Events in one transaction; half a megabyte."""


class ExportError(DistrictError):
    """A file is not the export of a terminal that this district trusts."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an export."""

    dev: str
    events: int
    """How many were in it."""
    new: int
    """How many longer the device's chain is now."""
    problems: tuple[str, ...]
    """What is wrong with the file, one sentence each; what holds was kept all the same."""
    receipt: Receipt | None
    """For the whole chain; None: nothing is linked yet."""


def take_export(store: Store, intake: Intake, path: Path) -> Taken:
    """Take in an export.

    Raises:
        ExportError: it cannot be read, or is not of an enrolled terminal.
    """
    try:
        with path.open("rb") as file:
            lines = iter(lambda: file.readline(LONGEST_LINE), b"")
            manifest = manifest_of(next(lines, b""))
            device = _device(store, manifest)
            check_manifest(manifest, public_key(device.key))
            return _taken(store, intake, manifest, lines, path.name)
    except BundleError as error:
        raise ExportError(f"{path}: {error}") from error
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror or error}") from error


def write_receipt(receipt: Receipt, path: Path) -> None:
    """Write a receipt for the terminal to take back.

    Raises:
        ExportError: it cannot be written.
    """
    try:
        write_whole(path, encode(receipt) + b"\n")
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror or error}") from error


def _device(store: Store, manifest: Manifest) -> Device:
    device = store.device(manifest.dev)
    if device is None:
        raise BundleError(f"{manifest.dev} is not enrolled; its file says that its key is {manifest.key}")
    return device


def _taken(store: Store, intake: Intake, manifest: Manifest, lines: Iterator[bytes], name: str) -> Taken:
    before = store.head(manifest.dev).seq
    problems: list[str] = []
    count, last = 0, manifest.after
    events = events_of(lines, manifest)
    while True:
        part, torn = _part(events)
        problems += intake.take_events(manifest.dev, part, name)
        count, last = count + len(part), part[-1].hash if part else last
        if torn is not None:
            problems.append(str(torn))
        if torn is not None or len(part) < AT_ONCE:
            break
    if not problems and last != manifest.upto:
        problems.append(f"event {manifest.upto_seq} is another than the file's manifest names")
    problems += intake.take_head(manifest.head, name)
    return Taken(
        manifest.dev, count, store.head(manifest.dev).seq - before, tuple(problems), intake.receipt_for(manifest.dev)
    )


def _part(events: Iterator[Event]) -> tuple[list[Event], BundleError | None]:
    """The next events, and what broke them off."""
    part: list[Event] = []
    try:
        for event in islice(events, AT_ONCE):
            part.append(event)  # noqa: PERF402 - what came before the error is wanted
    except BundleError as error:
        return part, error
    return part, None
