"""One flipped byte anywhere in a journal's file is reported, or touches nothing that the journal says.

A database file has bytes that mean nothing (free space, counters) and text that only SQLite reads. So each flip must
end in one of two ways: verification fails with a sentence, or every event is given back as it was, and the chain holds.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from kiosk.storage.database import JournalBrokenError, StorageError
from kiosk.storage.journal import opened_journal_file, verify_file
from kiosk.storage.reader import Position
from kiosk.storage.rows import row_of
from tests.storage.office import PUBLIC, forge, opened_journal, written
from tests.wire.examples import receipt, tap
from wire.attendance import Event

EVENTS = 9
"""Enough for a table of more than one page."""


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Event]]:
    """A journal's file and what is in it."""
    folder = tmp_path_factory.mktemp("journal")
    appended = written(folder, EVENTS)
    with opened_journal(folder) as opened:
        opened.acknowledge(receipt(appended[2]))
    return (folder / "journal.db").read_bytes(), appended


def outcome(path: Path, appended: list[Event]) -> str:
    """`reported`, or `untouched`; fails if it is neither."""
    try:
        assert verify_file(path, PUBLIC).seq == EVENTS
        with opened_journal_file(path) as opened:
            assert list(opened.events()) == appended
    except StorageError as error:
        return "reported" if str(error) else "reported without a word"
    return "untouched"


def outcomes(folder: Path, raw: bytes, appended: list[Event], places: range, mask: int) -> set[str]:
    """What becomes of flips at these places of the file, one at a time."""
    path = folder / "journal.db"
    found = set()
    for at in places:
        path.write_bytes(raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :])
        found.add(outcome(path, appended))
    return found


def test_a_flipped_byte_in_the_file_is_reported_or_touches_nothing(
    tmp_path: Path, journal: tuple[bytes, list[Event]]
) -> None:
    assert outcomes(tmp_path, *journal, range(0, len(journal[0]), 11), 0xFF) == {"reported", "untouched"}


@pytest.mark.faults
@pytest.mark.parametrize("mask", [0xFF, 0x01, 0x20, 0x80])
def test_a_flip_of_any_byte_in_the_file_is_reported_or_touches_nothing(
    tmp_path: Path, journal: tuple[bytes, list[Event]], mask: int
) -> None:
    assert outcomes(tmp_path, *journal, range(len(journal[0])), mask) == {"reported", "untouched"}


def test_every_byte_of_every_event_is_covered(tmp_path: Path, journal: tuple[bytes, list[Event]]) -> None:
    raw, appended = journal
    path = tmp_path / "journal.db"
    for event in appended:
        for stored in row_of(event)[1:]:
            start = raw.index(stored)
            for at in range(start, start + len(stored), 7):
                path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x20]) + raw[at + 1 :])
                assert outcome(path, appended) == "reported"


def test_the_first_damaged_event_is_named(tmp_path: Path, journal: tuple[bytes, list[Event]]) -> None:
    raw, appended = journal
    path = tmp_path / "journal.db"
    path.write_bytes(raw.replace(bytes.fromhex(appended[3].sig), bytes(64)))

    with pytest.raises(JournalBrokenError, match="event 4: is not signed") as raised:
        verify_file(path, PUBLIC)
    assert raised.value.seq == 4


def test_a_damaged_event_never_goes_out(tmp_path: Path) -> None:
    event = written(tmp_path, 3)[0]
    forge(tmp_path, msgspec.structs.replace(event, pid="p-budi"))

    with (
        opened_journal_file(tmp_path / "journal.db") as opened,
        pytest.raises(JournalBrokenError, match="event 1: its hash does not fit"),
    ):
        next(opened.events())


def test_a_last_event_that_its_page_no_longer_counts_is_reported(
    tmp_path: Path, journal: tuple[bytes, list[Event]]
) -> None:
    raw, appended = journal
    page = raw.index(bytes.fromhex(appended[-1].sig)) // 1024 * 1024
    path = tmp_path / "journal.db"
    assert raw[page : page + 4] == bytes([0x0D, 0, 0, 0])  # a leaf of a table, no free block; then how many cells
    path.write_bytes(raw[: page + 4] + bytes([raw[page + 4] - 1]) + raw[page + 5 :])

    with pytest.raises(JournalBrokenError, match="is damaged"):
        verify_file(path, PUBLIC)


@pytest.mark.parametrize("length", [0, 1, 100, 4096, 8000])
def test_a_file_cut_short_is_reported(tmp_path: Path, journal: tuple[bytes, list[Event]], length: int) -> None:
    raw, _ = journal
    path = tmp_path / "journal.db"
    path.write_bytes(raw[:length])

    with pytest.raises(StorageError):
        verify_file(path, PUBLIC)


def test_a_flip_in_the_write_ahead_log_costs_at_most_the_end_and_a_head_shows_it(tmp_path: Path) -> None:
    with opened_journal(tmp_path / "live") as opened:
        appended = [opened.append(tap(after_s=number)) for number in range(4)]
        shutil.copytree(tmp_path / "live", tmp_path / "cut")
    known = Position(appended[-1].seq, appended[-1].hash)
    wal = tmp_path / "cut" / "journal.db-wal"
    raw = wal.read_bytes()

    assert verify_file(tmp_path / "cut" / "journal.db", PUBLIC, [known]) == known
    for at in range(0, len(raw), 97):
        (tmp_path / "cut" / "journal.db-shm").unlink(missing_ok=True)
        wal.write_bytes(raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :])
        _check_prefix(tmp_path / "cut" / "journal.db", appended, known)


def _check_prefix(path: Path, appended: list[Event], known: Position) -> None:
    """Whatever can be read is what was written, and what cannot is reported."""
    try:
        with opened_journal_file(path) as opened:
            found = list(opened.events())
    except StorageError:
        found = []
    assert found == appended[: len(found)]
    if found != appended:
        with pytest.raises(StorageError):
            verify_file(path, PUBLIC, [known])
