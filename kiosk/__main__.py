"""The terminal's command line.

Exit codes: 0 all is well; 1 what was looked at is not in order; 2 the command or the configuration is wrong; 3 a
device, the disk or a file cannot be used.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kiosk import config
from kiosk.app import run
from kiosk.bench.latency import latency
from kiosk.check import findings
from kiosk.core.biometrics import Person
from kiosk.core.faults import KioskError
from kiosk.enrolment import Applicant, enrol_person
from kiosk.recognition.fetching import fetch, fetch_demo, local_folder
from kiosk.recognition.manifest import Manifest, rows, verify
from kiosk.sim.morning import play
from kiosk.storage.database import JournalBrokenError
from kiosk.storage.journal import opened_journal_file, verify_file
from kiosk.terminal import Terminal
from kiosk.trace import Album, print_changes
from wire.attendance import encode
from wire.chain import public_key

OK, NOT_IN_ORDER, WRONG_USE, UNUSABLE = 0, 1, 2, 3
CONSENT = "has consented"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # what is written here is nobody else's business
    level = logging.DEBUG if options.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        code: int = options.command(options)
    except config.ConfigError as error:
        print(f"kiosk: {error}", file=sys.stderr)
        return WRONG_USE
    except JournalBrokenError as error:
        print(f"kiosk: {error}", file=sys.stderr)
        return NOT_IN_ORDER
    except KioskError as error:
        print(f"kiosk: {error}", file=sys.stderr)
        return UNUSABLE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk", description="An attendance terminal: face, finger, signed journal.")
    parser.add_argument("--verbose", action="store_true", help="log more; never in the field: scores are logged too")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument("--config", type=Path, required=True, metavar="FILE", help="the terminal's kiosk.toml")
    printed = argparse.ArgumentParser(add_help=False)
    printed.add_argument("--json", action="store_true", help="print JSON, for another program")

    running = commands.add_parser("run", parents=[configured], help="be the terminal, until stopped")
    running.add_argument("--headless", action="store_true", help="draw without a display")
    running.add_argument("--trace", action="store_true", help="print a line of JSON for every change (on a bench)")
    running.add_argument("--out", type=Path, metavar="DIR", help="keep a picture of every state passed (on a bench)")
    running.set_defaults(command=_run)

    demo = commands.add_parser("demo", help="play a morning at the office, without hardware")
    demo.add_argument("--out", type=Path, default=Path("out/demo"), metavar="DIR", help="for pictures, logs and data")
    demo.set_defaults(command=lambda options: OK if play(options.out) else NOT_IN_ORDER)

    checking = commands.add_parser("check", parents=[configured, printed], help="try each device and model")
    checking.set_defaults(command=_check)

    enrolling = commands.add_parser("enrol", parents=[configured], help="enrol a person; stop the terminal first")
    enrolling.add_argument("--pid", required=True, help="the person's opaque number, the same at every terminal")
    enrolling.add_argument("--name", required=True, help="as the screen shall greet them")
    enrolling.add_argument("--pictures", type=Path, nargs="+", default=(), metavar="FILE", help="of the face alone")
    enrolling.add_argument("--finger", type=int, choices=range(1, 11), help="1 right thumb … 10 left little finger")
    enrolling.add_argument("--consent", action="store_true", required=True, help=f"the person {CONSENT}")
    enrolling.set_defaults(command=_enrol)

    key = commands.add_parser("key", parents=[configured], help="print the public key that the district must know")
    key.set_defaults(command=_key)
    _add_journal(commands)
    _add_models(commands, printed)
    _add_bench(commands, printed)
    return parser


def _add_journal(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    journal = commands.add_parser("journal", help="verify or show a journal file").add_subparsers(required=True)
    verifying = journal.add_parser("verify", help="check hashes, signatures and completeness")
    verifying.add_argument("file", type=Path)
    verifying.add_argument("--key", required=True, metavar="PUB", help="the terminal's public key, 64 hex digits")
    verifying.set_defaults(command=_journal_verify)
    showing = journal.add_parser("show", help="print every event, a line of JSON each")
    showing.add_argument("file", type=Path)
    showing.set_defaults(command=_journal_show)


def _add_models(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], printed: argparse.ArgumentParser
) -> None:
    models = commands.add_parser("models", help="the recognition models").add_subparsers(required=True)
    listing = models.add_parser("list", parents=[printed], help="what is there, from where, under what licence")
    listing.set_defaults(command=_models_list)
    fetching = models.add_parser("fetch", help="get, verify and repair what is not there")
    fetching.add_argument("--demo", action="store_true", help="the demonstration's pictures and fingers too")
    fetching.set_defaults(command=_models_fetch)
    verifying = models.add_parser("verify", help="check every file's hash")
    verifying.set_defaults(command=_models_verify)


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser], printed: argparse.ArgumentParser) -> None:
    bench = commands.add_parser("bench", help="measure on your own pictures").add_subparsers(required=True)
    cost = bench.add_parser("latency", parents=[printed], help="what recognising a 640x480 frame costs on one thread")
    cost.add_argument("--frames", type=Path, required=True, metavar="DIR", help="pictures, at any depth")
    cost.set_defaults(command=_bench_latency)


def _run(options: argparse.Namespace) -> int:
    terminal = Terminal.of(config.load(options.config))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(
        terminal,
        stop,
        headless=options.headless or not _has_display(),
        watch=print_changes if options.trace else None,
        album=Album(options.out) if options.out else None,
    )
    return OK


def _has_display() -> bool:
    seats = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    return any(os.environ.get(seat) for seat in seats) or Path("/dev/dri").exists()


def _check(options: argparse.Namespace) -> int:
    found = findings(Terminal.of(config.load(options.config)))
    if options.json:
        print(msgspec.json.encode(found).decode())
    else:
        for finding in found:
            print(f"{'ok  ' if finding.passed else 'FAIL'}  {finding.name:8}  {finding.detail}")
            if finding.remedy:
                print(f"{'':16}{finding.remedy}")
    return OK if all(finding.passed for finding in found) else NOT_IN_ORDER


def _enrol(options: argparse.Namespace) -> int:
    applicant = Applicant(Person(options.pid, options.name), options.pictures, options.finger)
    enrol_person(Terminal.of(config.load(options.config)), applicant, lambda line: print(line, flush=True))
    return OK


def _key(options: argparse.Namespace) -> int:
    print(Terminal.of(config.load(options.config)).public_key)
    return OK


def _journal_verify(options: argparse.Namespace) -> int:
    try:
        key = public_key(options.key)
    except ValueError as error:
        raise config.ConfigError(f"--key: {error}") from error
    last = verify_file(options.file, key)
    print(f"{options.file}: events 1 to {last.seq}, chain verified" if last.seq else f"{options.file}: no events")
    return OK


def _journal_show(options: argparse.Namespace) -> int:
    with opened_journal_file(options.file) as journal:
        for event in journal.events():
            print(encode(event).decode())
    return OK


def _models_list(options: argparse.Namespace) -> int:
    found = rows(Manifest.load())
    if options.json:
        print(msgspec.json.encode(found, enc_hook=str).decode())
    else:
        for row in found:
            print(f"{row.state:8}  {row.name:24}  {row.role:18}  {row.licence}\n{'':10}{row.path}\n{'':10}{row.origin}")
    return OK


def _models_fetch(options: argparse.Namespace) -> int:
    manifest = Manifest.load()
    for absent in fetch(manifest, local=local_folder()):
        print(f"{absent.name} is absent: recognition works without it, by other means (kiosk/recognition)")
    if options.demo:
        fetch_demo(manifest)
    return OK


def _models_verify(_options: argparse.Namespace) -> int:
    manifest = Manifest.load()
    verify(manifest)
    print(f"{len(manifest.models)} models in the manifest; all that are there verify")
    return OK


def _bench_latency(options: argparse.Namespace) -> int:
    measured = msgspec.to_builtins(latency(options.frames))
    print(json.dumps(measured) if options.json else "\n".join(f"{name}: {value}" for name, value in measured.items()))
    return OK


if __name__ == "__main__":
    sys.exit(main())
