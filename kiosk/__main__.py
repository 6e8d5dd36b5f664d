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
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kiosk import config
from kiosk.app import run
from kiosk.bench import challenge, fingers, match, pad, quality, search
from kiosk.bench.drain import drain
from kiosk.bench.latency import latency
from kiosk.check import findings
from kiosk.core.biometrics import Person
from kiosk.core.faults import KioskError
from kiosk.custody import back_up, export_journal, import_receipt, restore, resume_journal
from kiosk.enrolment import Applicant, enrol_person, enrolled, erase_person
from kiosk.granting import accept_grant, request
from kiosk.recognition.fetching import fetch, fetch_demo, local_folder
from kiosk.recognition.manifest import FileState, Manifest, WrongHashError, rows, verify
from kiosk.sim.morning import play
from kiosk.storage.database import JournalBrokenError
from kiosk.storage.export import described, verified_file
from kiosk.storage.journal import opened_journal_file
from kiosk.storage.phrase import read_phrase
from kiosk.terminal import Terminal
from kiosk.trace import Album, print_changes
from kiosk.worker import Bell
from wire.attendance import encode
from wire.chain import public_key
from wire.grant import code

OK, NOT_IN_ORDER, WRONG_USE, UNUSABLE = 0, 1, 2, 3
FINGERS = "1 right thumb, 2 right index … 5 right little finger, 6 left thumb … 10 left little finger"


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
    except WrongHashError as error:
        print(f"kiosk: {error}", file=sys.stderr)
        return NOT_IN_ORDER
    except KioskError as error:
        print(f"kiosk: {error}", file=sys.stderr)
        return UNUSABLE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has had enough
        return OK
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
    enrolling.add_argument("--camera", action="store_true", help="take the face before the terminal's camera instead")
    enrolling.add_argument("--headless", action="store_true", help="print the camera's hints, without a window")
    enrolling.add_argument(
        "--fingers", type=int, nargs="+", choices=range(1, 11), default=(), metavar="1-10", help=FINGERS
    )
    enrolling.add_argument("--consent", action="store_true", required=True, help="the person has consented")
    enrolling.add_argument(
        "--keep-pictures", action="store_true", help="they have consented to the keeping of aligned pictures too"
    )
    enrolling.set_defaults(command=_enrol)

    people = commands.add_parser("people", help="who is enrolled here").add_subparsers(required=True, metavar="COMMAND")
    listing = people.add_parser("list", parents=[configured, printed], help="who is enrolled, with what, since when")
    listing.set_defaults(command=_people_list)
    erasing = people.add_parser("erase", parents=[configured], help="destroy all that is kept of a person but events")
    erasing.add_argument("pid")
    erasing.set_defaults(command=_people_erase)

    backing = commands.add_parser("backup", parents=[configured], help="keys, people and journal, for another card")
    backing.add_argument("--out", type=Path, required=True, metavar="FILE")
    backing.set_defaults(command=_backup)
    restoring = commands.add_parser("restore", parents=[configured], help="put a backup in place; asks for its phrase")
    restoring.add_argument("file", type=Path)
    restoring.set_defaults(command=_restore)

    key = commands.add_parser("key", parents=[configured], help="print the public key that the district must know")
    key.set_defaults(command=_key)
    _add_device(commands, configured)
    _add_journal(commands, configured)
    _add_models(commands, printed)
    _add_bench(commands, printed)
    return parser


def _add_device(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], configured: argparse.ArgumentParser
) -> None:
    device = commands.add_parser("device", help="enrol this terminal at its district").add_subparsers(
        required=True, metavar="COMMAND"
    )
    requesting = device.add_parser("request", parents=[configured], help="write what a technician carries there")
    requesting.add_argument("--out", type=Path, required=True, metavar="FILE")
    requesting.set_defaults(command=_device_request)
    accepting = device.add_parser("accept", parents=[configured], help="take what came back; stop the terminal first")
    accepting.add_argument("file", type=Path)
    accepting.add_argument("--code", default="", help="as the district showed it; a known district needs none")
    accepting.set_defaults(command=_device_accept)


def _add_journal(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], configured: argparse.ArgumentParser
) -> None:
    journal = commands.add_parser("journal", help="verify, show and carry the journal").add_subparsers(required=True)
    exporting = journal.add_parser("export", parents=[configured], help="write events for the district to a stick")
    exporting.add_argument("--out", type=Path, required=True, metavar="DIR|FILE")
    exporting.add_argument("--from", type=_count, dest="first", metavar="SEQ", help="the first one; else all")
    exporting.add_argument("--to", type=_count, dest="last", metavar="SEQ", help="the last one; else up to now")
    exporting.set_defaults(command=_journal_export)
    importing = journal.add_parser("import", parents=[configured], help="take the receipt that `district import` wrote")
    importing.add_argument("receipt", type=Path)
    importing.set_defaults(command=_journal_import)
    resuming = journal.add_parser("resume", parents=[configured], help="let a copied or restored card go on; see J07")
    resuming.set_defaults(command=_journal_resume)
    verifying = journal.add_parser("verify", help="check hashes, signatures and completeness; of an export too")
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
    matching = bench.add_parser("match", parents=[printed], help="how often a search of faces errs")
    matching.add_argument("--faces", type=Path, required=True, metavar="DIR", help="DIR/<person>/*.jpg, as LFW")
    matching.set_defaults(command=_bench_match)
    grading = bench.add_parser("quality", parents=[printed], help="what enrolment's gate refuses, and what that gains")
    grading.add_argument("--faces", type=Path, required=True, metavar="DIR", help="DIR/<person>/*.jpg, at any depth")
    grading.set_defaults(command=_bench_quality)
    attacks = bench.add_parser("pad", parents=[printed], help="how often passive liveness errs")
    attacks.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="bonafide/… and attack_<kind>/… below it, at any depth"
    )
    attacks.add_argument("--visit", type=_count, default=1, metavar="K", help="decide by K frames in a row")
    attacks.set_defaults(command=_bench_pad)
    challenging = bench.add_parser("challenge", parents=[printed], help="what passes a challenge alone (minutes)")
    challenging.add_argument("--data", type=Path, required=True, metavar="DIR", help="as for `bench pad`")
    challenging.add_argument("--visits", type=_count, default=100, metavar="N", help="of each kind")
    challenging.set_defaults(command=_bench_challenge)
    pressing = bench.add_parser("fingers", parents=[printed], help="how often a search of fingers errs (some minutes)")
    pressing.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="<person>_<finger>_<impression>.bmp, as FCJ2020"
    )
    pressing.set_defaults(command=_bench_fingers)
    draining = bench.add_parser("drain", parents=[printed], help="how fast what waited offline reaches the district")
    draining.add_argument("--events", type=_count, required=True, metavar="N")
    draining.add_argument("--rtt-ms", type=float, default=0.0, metavar="R", help="behind a line of this round trip")
    draining.set_defaults(command=_bench_drain)
    searching = bench.add_parser("search", parents=[printed], help="what an exact search costs, and that it is exact")
    searching.add_argument("--people", type=_count, required=True, metavar="N", help="made up, one template each")
    searching.set_defaults(command=_bench_search)


def _count(text: str) -> int:
    """A whole number from 1; argparse says what is wrong with any other."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: expected 1 or more")
    return number


def _run(options: argparse.Namespace) -> int:
    terminal = Terminal.of(config.load(options.config))
    stop = Bell()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.ring())
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
    applicant = Applicant(
        Person(options.pid, options.name), options.pictures, options.fingers, options.camera, options.keep_pictures
    )
    terminal = Terminal.of(config.load(options.config))
    headless = options.headless or not _has_display()
    enrol_person(terminal, applicant, lambda line: print(line, flush=True), headless=headless)
    return OK


def _people_list(options: argparse.Namespace) -> int:
    found = enrolled(Terminal.of(config.load(options.config)))
    if options.json:
        print(msgspec.json.encode(found).decode())
    else:
        for each in found:
            kept = f"{each.pictures} pictures kept since {each.pictures_consent}" if each.pictures_consent else ""
            held = f"{each.faces} face, {len(each.fingers)} fingers  since {each.consent}"
            print("  ".join(filter(None, (f"{each.pid:20}", held, kept, each.name))))
    return OK


def _people_erase(options: argparse.Namespace) -> int:
    if erase_person(Terminal.of(config.load(options.config)), options.pid):
        print(f"erased {options.pid}: the key to name, face and fingers is destroyed; events stay, under the number")
        return OK
    print(f"kiosk: nobody is enrolled as {options.pid}", file=sys.stderr)
    return NOT_IN_ORDER


def _key(options: argparse.Namespace) -> int:
    print(Terminal.of(config.load(options.config)).public_key)
    return OK


def _device_request(options: argparse.Namespace) -> int:
    made = request(Terminal.of(config.load(options.config)), options.out)
    print(f"wrote {options.out}; carry it to the district, with this code: {code(made)}")
    return OK


def _device_accept(options: argparse.Namespace) -> int:
    accepted = accept_grant(Terminal.of(config.load(options.config)), options.file, options.code)
    print(f"accepted; the certificate holds until {accepted.until:%Y-%m-%d}. Renew it before by another request")
    return OK


def _backup(options: argparse.Namespace) -> int:
    phrase = back_up(_terminal(options), options.out)
    print(f"{options.out}: written. Only this phrase opens it. It is shown once; write it down, keep it elsewhere:")
    print(f"\n    {phrase}\n")
    return OK


def _restore(options: argparse.Namespace) -> int:
    print("the recovery phrase:", file=sys.stderr)
    event = restore(config.load(options.config), options.file, read_phrase(sys.stdin.readline()))
    print(f"{options.file}: restored; the journal goes on at event {event.seq}")
    return OK


def _journal_export(options: argparse.Namespace) -> int:
    path, manifest = export_journal(_terminal(options), options.out, options.first, options.last)
    print(f"{path}: events {manifest.after_seq + 1} to {manifest.upto_seq}; `district import` takes them")
    return OK


def _journal_import(options: argparse.Namespace) -> int:
    outcome, waiting = import_receipt(_terminal(options), options.receipt)
    print(f"{options.receipt}: {outcome}; {waiting} events wait for the district")
    return OK if outcome.fits else NOT_IN_ORDER


def _journal_resume(options: argparse.Namespace) -> int:
    event = resume_journal(_terminal(options))
    lost = ", ".join(f"{span.first} to {span.last}" for span in event.lost)
    print(f"goes on at event {event.seq}; declared lost: {lost}")
    return OK


def _journal_verify(options: argparse.Namespace) -> int:
    try:
        key = public_key(options.key)
    except ValueError as error:
        raise config.ConfigError(f"--key: {error}") from error
    for line in described(verified_file(options.file, key)):
        print(f"{options.file}: {line}")
    return OK


def _terminal(options: argparse.Namespace) -> Terminal:
    return Terminal.of(config.load(options.config))


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
    absent = [row.name for row in rows(manifest) if row.state is FileState.ABSENT]
    print(f"{len(manifest.models) - len(absent)} models verify" + (f"; absent: {', '.join(absent)}" if absent else ""))
    return OK


def _bench_latency(options: argparse.Namespace) -> int:
    measured = msgspec.to_builtins(latency(options.frames))
    print(json.dumps(measured) if options.json else "\n".join(f"{name}: {value}" for name, value in measured.items()))
    return OK


def _bench_match(options: argparse.Namespace) -> int:
    measured = match.match(options.faces)
    print(msgspec.json.encode(measured.errors).decode() if options.json else match.described(measured))
    return OK


def _bench_quality(options: argparse.Namespace) -> int:
    measured = quality.quality(options.faces)
    print(msgspec.json.encode(measured).decode() if options.json else quality.described(measured))
    return OK


def _bench_pad(options: argparse.Namespace) -> int:
    (measured,) = pad.pad(options.data, [options.visit])
    print(msgspec.json.encode(measured.errors).decode() if options.json else pad.described([measured]))
    return OK


def _bench_challenge(options: argparse.Namespace) -> int:
    measured = challenge.challenge(options.data, options.visits)
    print(msgspec.json.encode(measured).decode() if options.json else challenge.described(measured))
    return OK


def _bench_fingers(options: argparse.Namespace) -> int:
    measured = fingers.fingers(options.data)
    print(msgspec.json.encode(measured.errors).decode() if options.json else fingers.described(measured))
    return OK


def _bench_drain(options: argparse.Namespace) -> int:
    measured = msgspec.to_builtins(drain(options.events, options.rtt_ms))
    print(json.dumps(measured) if options.json else "\n".join(f"{name}: {value}" for name, value in measured.items()))
    return OK


def _bench_search(options: argparse.Namespace) -> int:
    measured = search.search(options.people)
    print(msgspec.json.encode(measured).decode() if options.json else search.described([measured]))
    return OK


if __name__ == "__main__":
    sys.exit(main())
