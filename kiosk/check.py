"""The self-test: each device, model and path tried once, with a remedy for what fails."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import msgspec

from kiosk.core.biometrics import Modality
from kiosk.core.faults import FAULTS, FaultCode, KioskError
from kiosk.recognition.manifest import FileState, Manifest, rows
from kiosk.sensors.fingerprint_reader import open_reader
from kiosk.storage.database import FolderInUseError
from kiosk.storage.store import opened_store
from kiosk.terminal import Terminal
from kiosk.uplink.credentials import granted

BROKER_S = 5.0
STOP_FIRST = "The terminal is running: stop it first, to have its journal and devices checked."
RENEW_BEFORE = timedelta(days=60)
"""Of a certificate's end: time for a technician to come by."""
LEAST_FREE_BYTES = 1_000_000_000
"""A million events take about 700 MB (REQUIREMENTS: one million events kept)."""


class CheckError(KioskError):
    """What was checked is not as it should be, though nothing raised of itself."""


class Finding(msgspec.Struct, frozen=True):
    """What one check found."""

    name: str
    passed: bool
    detail: str
    remedy: str = ""
    """Empty where nothing is to be done."""


def findings(terminal: Terminal) -> list[Finding]:
    """Try everything; a failure ends one check and no other. A running terminal's own devices are left to it."""
    modalities = terminal.settings.modalities()
    journal = _tried(terminal, "journal", FaultCode.JOURNAL, _journal)
    checks: list[tuple[str, FaultCode, Callable[[Terminal], str]]] = [
        ("disk", FaultCode.JOURNAL, _disk),
        ("clock", FaultCode.CLOCK, _clock),
    ]
    if Modality.FACE in modalities:
        checks.append(("models", FaultCode.MODELS, _models))
    if Modality.FACE in modalities and journal.remedy != STOP_FIRST:
        checks.append(("camera", FaultCode.CAMERA, _camera))
    if Modality.FINGER in modalities and journal.remedy != STOP_FIRST:
        checks.append(("reader", FaultCode.READER, _reader))
    if terminal.settings.uplink.credentials is not None:
        checks.append(("district", FaultCode.UPLINK, _district))
    if terminal.uplink.host:
        checks.append(("broker", FaultCode.UPLINK, _broker))
    return [journal, *(_tried(terminal, *check) for check in checks)]


def _tried(terminal: Terminal, name: str, fault: FaultCode, check: Callable[[Terminal], str]) -> Finding:
    try:
        return Finding(name, passed=True, detail=check(terminal))
    except FolderInUseError as error:
        return Finding(name, passed=False, detail=str(error), remedy=STOP_FIRST)
    except (KioskError, OSError) as error:
        code = (error.fault if isinstance(error, KioskError) else None) or fault
        return Finding(name, passed=False, detail=str(error), remedy=FAULTS[code].remedy)


def _journal(terminal: Terminal) -> str:
    with opened_store(terminal.owner()) as store:
        last = store.journal.verify(terminal.keys.identity.public_key())
        return f"{last.seq} events, chain verified; {store.journal.depth()} wait for the district"


def _disk(terminal: Terminal) -> str:
    free = shutil.disk_usage(terminal.settings.storage.directory).free
    if free < LEAST_FREE_BYTES:
        raise CheckError(f"{free / 1e6:.0f} MB free, wanted {LEAST_FREE_BYTES / 1e6:.0f} MB")
    return f"{free / 1e9:.1f} GB free"


def _clock(terminal: Terminal) -> str:
    now = terminal.clock.read()
    if not now.clk.ok:
        raise CheckError(f"{now.t:%Y-%m-%d %H:%M:%S} UTC, which nothing vouches for")
    sure = "unknown" if now.clk.unc_ms is None else f"{now.clk.unc_ms} ms"
    return f"{now.t:%Y-%m-%d %H:%M:%S} UTC from {now.clk.src}, uncertainty {sure}"


def _models(terminal: Terminal) -> str:
    found = rows(Manifest.load(), terminal.models_folder)
    wrong = [
        row for row in found if row.state is FileState.DAMAGED or (row.state is FileState.ABSENT and not row.optional)
    ]
    if wrong:
        raise CheckError(", ".join(f"{row.name} is {row.state}" for row in wrong))
    absent = [row.name for row in found if row.state is FileState.ABSENT]
    return f"{len(found) - len(absent)} verified" + (f"; {', '.join(absent)} absent, done without" if absent else "")


def _camera(terminal: Terminal) -> str:
    with closing(terminal.open_camera()) as camera:
        height, width, _ = camera.capture().picture.shape
        return f"{terminal.settings.camera.source}: {width}x{height}"


def _reader(terminal: Terminal) -> str:
    with open_reader(terminal.settings.fingerprint) as reader:
        parameters = reader.parameters()
        return f"{reader.count()} of {parameters.capacity} slots in use, security level {parameters.security_level}"


def _district(terminal: Terminal) -> str:
    folder = terminal.settings.uplink.credentials
    found = granted(folder) if folder else None
    if found is None:
        raise CheckError("the district has not granted anything yet: run `kiosk device request`, then `… accept`")
    left = found.until - datetime.now(UTC)
    if left < RENEW_BEFORE:
        raise CheckError(f"the certificate ends on {found.until:%Y-%m-%d}: run `kiosk device request` for a new one")
    return f"granted; the certificate holds until {found.until:%Y-%m-%d}"


def _broker(terminal: Terminal) -> str:
    uplink = terminal.uplink
    with socket.create_connection((uplink.host, uplink.port), timeout=BROKER_S):
        return f"{uplink.host}:{uplink.port} answers"
