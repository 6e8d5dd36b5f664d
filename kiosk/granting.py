"""Enrolling the terminal at its district: a request out, a grant in, by hand; both acts of the technician."""

from __future__ import annotations

from pathlib import Path

from kiosk.core.faults import KioskError
from kiosk.storage.store import opened_store
from kiosk.terminal import Terminal
from kiosk.uplink.credentials import Credentials, accept, requested
from wire.attendance import Entry, EventType, MessageError, decode, encode
from wire.grant import Grant, Request, is_code

GRANTED = "granted"
"""`reason` of the audit event; from then on this district's receipts count."""


class GrantingError(KioskError):
    """The grant was not accepted; the message says why and what to do."""


def request(terminal: Terminal, out: Path) -> Request:
    """Write the request that a technician carries to the district, and return it.

    Raises:
        KioskError: the keys or the file cannot be used, or the settings name no folder for what is granted.
    """
    device = terminal.settings.device
    made = requested(_folder(terminal), device.id, device.district, device.unit, terminal.keys.identity)
    try:
        out.write_bytes(encode(made))
    except OSError as error:
        raise GrantingError(f"{out}: {error.strerror}") from error
    return made


def accept_grant(terminal: Terminal, file: Path, typed: str) -> Credentials:
    """Take what the district granted, on record.

    Args:
        typed: the code that the district showed; not asked for where its key is known already.

    Raises:
        KioskError: it is not a grant for this terminal, the code is another one's, or the terminal is running.
    """
    try:
        grant = decode(file.read_bytes(), Grant)
    except OSError as error:
        raise GrantingError(f"{file}: {error.strerror}") from error
    except MessageError as error:
        raise GrantingError(f"{file}: is not a grant: {error}") from error
    _check_district(terminal, grant, typed)
    with opened_store(terminal.owner()) as store:
        credentials = accept(_folder(terminal), grant, terminal.settings.device.id, terminal.keys.identity)
        store.journal.append(Entry(EventType.AUDIT, terminal.clock.read(), reason=GRANTED))
    return credentials


def _check_district(terminal: Terminal, grant: Grant, typed: str) -> None:
    district = terminal.settings.device.district
    if grant.district != district:
        raise GrantingError(f"the grant is of {grant.district}, wanted {district}, as [device] district says")
    if grant.key != terminal.district_key and not is_code(typed, grant):
        raise GrantingError("this is not the code of the grant: type the one that the district showed with it (--code)")


def _folder(terminal: Terminal) -> Path:
    folder = terminal.settings.uplink.credentials
    if folder is None:
        raise GrantingError(
            '[uplink] credentials: expected a folder for what the district grants, e.g. "var/credentials"'
        )
    return folder
