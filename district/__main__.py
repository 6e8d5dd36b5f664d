"""The district's command line: receive from the terminals, and look at what is held.

Exit codes: 0 all is well; 1 what is held is not in order, or there is nothing of that name; 2 the command or the
configuration is wrong; 3 the store, the key or the broker cannot be used.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from district.authority import REVOKED_FILE, opened_authority
from district.carried import take_export, write_receipt
from district.config import Settings, load
from district.errors import ConfigError, DistrictError, GrantError
from district.findings import examined
from district.granting import grant, revoke, write_revoked
from district.ingest import Ingest
from district.intake import Intake, utc_now
from district.keys import district_key, write_whole
from district.store import Device, Misfit, Store, opened_store
from wire.attendance import MessageError, decode, encode, parse_rfc3339, rfc3339
from wire.chain import public_hex, public_key
from wire.condition import State
from wire.grant import Request, code
from wire.topics import IDENTIFIER, Topic

OK, NOT_IN_ORDER, WRONG_USE, UNUSABLE = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # names and times of whole offices: for nobody else on this computer
    level = logging.DEBUG if options.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        code: int = options.command(load(options.config), options)
    except ConfigError as error:
        print(f"district: {error}", file=sys.stderr)
        return WRONG_USE
    except DistrictError as error:
        print(f"district: {error}", file=sys.stderr)
        return UNUSABLE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="district", description="Receives the signed events of a district's attendance terminals."
    )
    parser.add_argument("--verbose", action="store_true", help="log every message that arrives")
    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument("--config", type=Path, required=True, metavar="FILE", help="the district's district.toml")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", parents=[configured], help="receive until stopped; safe to kill at any moment")
    run.set_defaults(command=_run)

    key = commands.add_parser(
        "key", parents=[configured], help="print the public key that goes into each terminal's `district_key`"
    )
    key.set_defaults(command=_key)

    enrol = commands.add_parser("enrol-device", parents=[configured], help="trust a terminal from now on")
    enrol.add_argument("device", help="its name, `id` in its configuration")
    enrol.add_argument("key", metavar="PUBKEY", help="its public key, 64 hexadecimal digits, as `kiosk key` prints it")
    enrol.add_argument("--unit", default="", help="the office it stands in")
    enrol.set_defaults(command=_enrol)

    granting = commands.add_parser("grant", parents=[configured], help="enrol a terminal by its request, or renew it")
    granting.add_argument("request", type=Path, help="as `kiosk device request` wrote it")
    granting.add_argument("--code", default="", help="as the terminal showed it; a known terminal needs none")
    granting.add_argument("--out", type=Path, required=True, metavar="FILE", help="for `kiosk device accept`")
    granting.set_defaults(command=_grant)

    revoking = commands.add_parser("revoke-device", parents=[configured], help="trust a lost terminal no more")
    revoking.add_argument("device")
    revoking.set_defaults(command=_revoke)

    issuing = commands.add_parser("issue", parents=[configured], help="certificates for the broker and the ingest")
    issuing.add_argument("--server", nargs="+", metavar="HOST", help="the broker's names and addresses")
    issuing.add_argument("--client", metavar="NAME", help="a subscriber, e.g. district-ingest")
    issuing.add_argument("--out", type=Path, required=True, metavar="DIR")
    issuing.set_defaults(command=_issue)
    importing = commands.add_parser("import", parents=[configured], help="take in what `kiosk journal export` wrote")
    importing.add_argument("file", type=Path)
    importing.add_argument("--receipt", type=Path, metavar="FILE", help="where; else beside it, ending in .receipt")
    importing.set_defaults(command=_import)

    listing = commands.add_parser("list", parents=[configured], help="show the terminals, or the events of one")
    listing.add_argument("--device", help="show this terminal's events")
    listing.add_argument("--json", action="store_true", help="print JSON, for another program")
    listing.set_defaults(command=_list)

    verify = commands.add_parser(
        "verify", parents=[configured], help="check every stored chain again with the terminals' public keys"
    )
    verify.add_argument("--device", help="only this terminal's")
    verify.set_defaults(command=_verify)
    return parser


def _run(settings: Settings, _options: argparse.Namespace) -> int:
    district = settings.district
    key = district_key(district.directory)
    with opened_store(district.directory) as store:
        ingest = Ingest(settings.broker, district.name, Intake(store, key, district.name))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ingest.ask_to_stop())
        ingest.run()
    return OK


def _key(settings: Settings, _options: argparse.Namespace) -> int:
    print(public_hex(district_key(settings.district.directory)))
    return OK


def _enrol(settings: Settings, options: argparse.Namespace) -> int:
    if not re.match(IDENTIFIER, options.device):
        raise ConfigError(f"enrol-device: {options.device!r}: expected 1 to 32 of a-z, 0-9 and '-'")
    try:
        key = public_hex(public_key(options.key))
    except ValueError as error:
        raise ConfigError(f"enrol-device: {error}") from error
    with opened_store(settings.district.directory) as store, store.transaction():
        store.enrol(Device(options.device, key, options.unit, rfc3339(utc_now())))
    print(f"{options.device} is trusted with the key {key}")
    return OK


def _grant(settings: Settings, options: argparse.Namespace) -> int:
    folder, name = settings.district.directory, settings.district.name
    try:
        request = decode(options.request.read_bytes(), Request)
    except (OSError, MessageError) as error:
        raise GrantError(f"{options.request}: is not a request: {error}") from error
    if request.district != name:
        raise GrantError(f"{options.request}: is for {request.district}, wanted {name}")
    with opened_store(folder) as store:
        made = grant(store, opened_authority(folder, name), district_key(folder), request, options.code, utc_now())
    options.out.write_bytes(encode(made))
    print(f"wrote {options.out} for {request.dev} in {request.unit}; carry it back, with this code: {code(made)}")
    return OK


def _revoke(settings: Settings, options: argparse.Namespace) -> int:
    folder = settings.district.directory
    with opened_store(folder) as store:
        revoke(store, opened_authority(folder, settings.district.name), options.device, folder, utc_now())
    print(f"{options.device} is trusted no more; restart the broker, so that it reads {folder / REVOKED_FILE}")
    return OK


def _issue(settings: Settings, options: argparse.Namespace) -> int:
    folder = settings.district.directory
    authority = opened_authority(folder, settings.district.name)
    if bool(options.server) == bool(options.client):
        raise ConfigError("issue: expected either --server or --client")
    name = options.client or "broker"
    issued, key = authority.for_client(name) if options.client else authority.for_server(options.server)
    options.out.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file, content in ((f"{name}.key", key), (f"{name}.pem", issued.pem.encode())):
        write_whole(options.out / file, content)
    write_whole(options.out / "ca.pem", authority.pem.encode())
    with opened_store(folder) as store:
        write_revoked(store, authority, folder)
    print(f"wrote {name}.key, {name}.pem and ca.pem to {options.out}; they hold until {issued.until:%Y-%m-%d}")
    return OK


def _import(settings: Settings, options: argparse.Namespace) -> int:
    district = settings.district
    key = district_key(district.directory)
    with opened_store(district.directory) as store:
        taken = take_export(store, Intake(store, key, district.name), options.file)
    print(f"{taken.dev}: {taken.events} events in the file, the chain is {taken.new} longer")
    for problem in taken.problems:
        print(f"  {problem}")
    if taken.receipt is not None:
        path = options.receipt or options.file.with_suffix(".receipt")
        write_receipt(taken.receipt, path)
        print(f"{path}: receipt for events up to {taken.receipt.upto_seq}; `kiosk journal import` takes it")
    return NOT_IN_ORDER if taken.problems else OK


def _list(settings: Settings, options: argparse.Namespace) -> int:
    with opened_store(settings.district.directory) as store:
        strangers = sorted({item.topic for item in store.quarantined() if item.reason is Misfit.UNKNOWN_DEVICE})
        if options.device is None:
            rows = [_device_row(store, device) for device in store.devices()]
        elif store.device(options.device) is not None:
            rows = [msgspec.to_builtins(event) for event in store.events(options.device)]
        else:
            return _unknown(options.device)
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif options.device is None:
        _print_table(rows, ("dev", "unit", "state", "events", "waiting", "quarantine"))
        for topic in strangers:
            print(f"not enrolled: {topic}")
    else:
        local = [row | {"local": _local(row["t"], row["tz"])} for row in rows]
        _print_table(local, ("seq", "local", "typ", "pid", "act", "mode", "score", "reason"))
    return OK


def _device_row(store: Store, device: Device) -> dict[str, Any]:
    raw = store.condition(device.dev, Topic.STATE)
    return {
        "dev": device.dev,
        "unit": device.unit,
        "key": device.key,
        "state": decode(raw, State).state.value if raw else None,
        "events": store.head(device.dev).seq,
        "waiting": len(store.waiting(device.dev)),
        "quarantine": len(store.quarantined(device.dev)),
        "duplicates": device.duplicates,
    }


def _local(t: str, zone: str) -> str:
    """An event's time as the office's clock showed it, with the offset; UTC where the zone is not known here."""
    try:
        return parse_rfc3339(t).astimezone(ZoneInfo(zone)).isoformat(" ", "seconds")
    except (ZoneInfoNotFoundError, ValueError):
        return t


def _print_table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    lines = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def _verify(settings: Settings, options: argparse.Namespace) -> int:
    with opened_store(settings.district.directory) as store:
        devices = [device for device in store.devices() if options.device in {None, device.dev}]
        findings = [examined(store, device) for device in devices]
    if options.device is not None and not devices:
        return _unknown(options.device)
    for finding in findings:
        verdict = "not in order" if finding.problems else "chain verified"
        held = f"events 1 to {finding.last_seq}" if finding.last_seq else "no events"
        print(f"{finding.dev}: {held}, {verdict}")
        for line in (*finding.problems, *finding.notes):
            print(f"  {line}")
    return NOT_IN_ORDER if any(finding.problems for finding in findings) else OK


def _unknown(device: str) -> int:
    print(f"district: no terminal named {device} is enrolled", file=sys.stderr)
    return NOT_IN_ORDER


if __name__ == "__main__":
    sys.exit(main())
