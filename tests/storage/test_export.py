"""An exported journal can be checked with the public key alone, and no change to it goes unseen."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kiosk.core.faults import KioskError
from kiosk.storage.database import JournalBrokenError, StorageError
from kiosk.storage.export import ExportError, ReceiptError, Verified, export, take_receipt, verified_file
from kiosk.storage.journal import Acknowledgement
from tests.storage.office import PUBLIC, opened_journal, written
from tests.wire.examples import OTHER_KEY, moment, receipt
from wire import chain
from wire.attendance import Event, Span, decode, encode
from wire.chain import Manifest

EVENTS = 40


def exported(folder: Path, wanted: Span | None = None) -> Path:
    """The folder's journal as a file."""
    with opened_journal(folder) as journal:
        return export(journal, folder, moment(90_000), wanted)[0]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """An export, line by line."""
    folder = tmp_path_factory.mktemp("journal")
    written(folder, EVENTS)
    return exported(folder).read_bytes().splitlines(keepends=True)


def test_an_export_is_named_by_device_and_numbers_and_verifies(tmp_path: Path) -> None:
    written(tmp_path, 5)

    path = exported(tmp_path)

    assert path.name == "balai-01-00000001-00000005.jsonl"
    assert verified_file(path, PUBLIC) == Verified(1, 5)
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".part")] == []


def test_a_part_verifies_by_itself(tmp_path: Path) -> None:
    written(tmp_path, 5)

    assert verified_file(exported(tmp_path, Span(2, 4)), PUBLIC) == Verified(2, 4)


def test_a_database_verifies_by_the_same_command(tmp_path: Path) -> None:
    written(tmp_path, 5)

    assert verified_file(tmp_path / "journal.db", PUBLIC) == Verified(1, 5)


@pytest.mark.parametrize("wanted", [Span(0, 3), Span(3, 2), Span(4, 6)])
def test_events_that_the_journal_does_not_have_are_not_exported(tmp_path: Path, wanted: Span) -> None:
    written(tmp_path, 5)

    with pytest.raises(ExportError, match=f"{wanted.first} to {wanted.last} are wanted; the journal has 1 to 5"):
        exported(tmp_path, wanted)


def test_an_export_that_fails_half_way_leaves_no_trace(tmp_path: Path) -> None:
    written(tmp_path / "kiosk", 3)
    with opened_journal(tmp_path / "kiosk") as journal, pytest.raises(StorageError, match="No such file"):
        export(journal, tmp_path / "no" / "stick", moment())

    assert list(tmp_path.iterdir()) == [tmp_path / "kiosk"]


def flipped(lines: list[bytes], chance: random.Random) -> bytes:
    raw = b"".join(lines)
    at = chance.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]


def inserted(lines: list[bytes], chance: random.Random) -> bytes:
    raw = b"".join(lines)
    at = chance.randrange(len(raw) + 1)
    return raw[:at] + chance.randbytes(chance.randrange(1, 4)) + raw[at:]


def removed(lines: list[bytes], chance: random.Random) -> bytes:
    raw = b"".join(lines)
    at = chance.randrange(len(raw))
    return raw[:at] + raw[at + chance.randrange(1, 2000) :]


def swapped(lines: list[bytes], chance: random.Random) -> bytes:
    one, other = chance.sample(range(len(lines)), 2)
    changed = [*lines]
    changed[one], changed[other] = changed[other], changed[one]
    return b"".join(changed)


def repeated(lines: list[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(lines))
    return b"".join([*lines[:at], lines[at], *lines[at:]])


def left_out(lines: list[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(lines))
    return b"".join([*lines[:at], *lines[at + 1 :]])


def cut_short(lines: list[bytes], chance: random.Random) -> bytes:
    raw = b"".join(lines)
    return raw[: chance.randrange(len(raw))]


def one_signed_anew(lines: list[bytes], chance: random.Random) -> bytes:
    """One event with another person's name, its hash right, signed by another key."""
    at = chance.randrange(1, len(lines))
    event = msgspec.structs.replace(decode(lines[at][:-1], Event), pid="p-budi")
    return b"".join([*lines[:at], encode(signed_by_another(event)) + b"\n", *lines[at + 1 :]])


def all_signed_anew(lines: list[bytes], chance: random.Random) -> bytes:
    """The whole journal rewritten from one event on, every hash and link right, signed by another key."""
    at = chance.randrange(1, len(lines))
    prev = decode(lines[at][:-1], Event).prev
    changed = []
    for line in lines[at:]:
        changed.append(signed_by_another(msgspec.structs.replace(decode(line[:-1], Event), pid="p-budi", prev=prev)))
        prev = changed[-1].hash
    manifest = decode(lines[0][:-1], Manifest)
    head = chain.sign_head(msgspec.structs.replace(manifest.head, hash=prev), OTHER_KEY)
    renamed = msgspec.structs.replace(manifest, head=head, upto=prev, key=chain.public_hex(OTHER_KEY))
    anew = [chain.sign_manifest(renamed, OTHER_KEY), *changed]
    return b"".join([*(encode(each) + b"\n" for each in anew[:1]), *lines[1:at], *(encode(e) + b"\n" for e in changed)])


def signed_by_another(event: Event) -> Event:
    digest = chain.event_hash(event)
    sig = OTHER_KEY.sign(chain.EVENT_CONTEXT + bytes.fromhex(digest)).hex()
    return msgspec.structs.replace(event, hash=digest, sig=sig)


MUTATIONS: list[Callable[[list[bytes], random.Random], bytes]] = [
    flipped,
    inserted,
    removed,
    swapped,
    repeated,
    left_out,
    cut_short,
    one_signed_anew,
    all_signed_anew,
]


@pytest.mark.parametrize("count", [90, pytest.param(1000, marks=pytest.mark.faults)])
def test_every_random_mutation_of_an_export_is_found(
    tmp_path: Path, lines: list[bytes], capsys: pytest.CaptureFixture[str], count: int
) -> None:
    chance = random.Random(count)
    path = tmp_path / "export.jsonl"
    missed = []
    for number in range(count):
        mutation = MUTATIONS[number % len(MUTATIONS)]
        path.write_bytes(mutation(lines, chance))
        try:
            found = verified_file(path, PUBLIC)
        except JournalBrokenError:
            continue
        missed.append((mutation.__name__, found))

    assert missed == []
    with capsys.disabled():
        print(f"\nmutations of an export: {count} of {count} found")


@pytest.mark.parametrize(
    ("mutate", "seq", "what"),
    [
        (lambda c: [*c[:3], c[3].replace(b"p-siti", b"p-budi"), *c[4:]], 3, "its hash does not fit its content"),
        (lambda c: [*c[:3], c[3].replace(b',"id":', b',"hist":true,"id":'), *c[4:]], 3, "is not as balai-01 keeps"),
        (lambda c: [*c[:3], *c[4:]], 3, "is missing: the next one found is 4"),
        (lambda c: [*c[:3], c[4], c[3], *c[5:]], 3, "is missing: the next one found is 4"),
        (lambda c: c[:-1], EVENTS, "is cut short after event 39: wanted up to 40"),
        (lambda c: [*c[:-1], c[-1][:-9]], EVENTS, "after event 39: a line of"),
        (lambda c: [*c, c[-1].replace(b'"seq":40', b'"seq":41')], 41, "the last one should be 40"),
        (lambda c: [c[0].replace(b'"upto_seq":40', b'"upto_seq":39'), *c[1:-1]], None, "manifest is not signed by"),
        (lambda c: [], None, "not an exported journal"),
        (lambda c: [b"\xff\xff\n"], None, "not an exported journal"),
        (lambda c: [*c[:2], b"x" * 100_000 + b"\n", *c[2:]], 2, "a line of 65537 bytes without an end"),
    ],
    ids=[
        "hash",
        "unsigned field",
        "gap",
        "order",
        "truncated",
        "torn line",
        "too many",
        "manifest",
        "empty",
        "rubbish",
        "long line",
    ],
)
def test_what_is_wrong_is_named_with_the_first_event_that_does_not_hold(
    tmp_path: Path, lines: list[bytes], mutate: Callable[[list[bytes]], list[bytes]], seq: int | None, what: str
) -> None:
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join(mutate(lines)))

    with pytest.raises(JournalBrokenError, match=what) as raised:
        verified_file(path, PUBLIC)
    assert raised.value.seq == seq


def test_a_head_that_lies_beyond_what_was_kept_shows_in_the_manifest(tmp_path: Path) -> None:
    written(tmp_path, 5)
    manifest = decode(exported(tmp_path, Span(2, 4)).read_bytes().splitlines()[0], Manifest)

    assert (manifest.upto_seq, manifest.head.seq) == (4, 5)
    assert chain.is_signed_head(manifest.head, PUBLIC)


def test_a_receipt_from_a_file_empties_the_outbox(tmp_path: Path) -> None:
    appended = written(tmp_path, 3)
    (tmp_path / "signed.receipt").write_bytes(encode(receipt(appended[1])) + b"\n")
    with opened_journal(tmp_path) as journal:
        assert take_receipt(journal, tmp_path / "signed.receipt") is Acknowledgement.ACCEPTED
        assert take_receipt(journal, tmp_path / "signed.receipt") is Acknowledgement.REPEATED
        assert journal.depth() == 1


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"x" * 100_000])
def test_a_file_that_is_no_receipt_is_named(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "no.receipt").write_bytes(raw)
    with opened_journal(tmp_path / "kiosk") as journal, pytest.raises(ReceiptError, match=r"no\.receipt: "):
        take_receipt(journal, tmp_path / "no.receipt")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KioskError, match="none: No such file"):
        verified_file(tmp_path / "none", PUBLIC)
