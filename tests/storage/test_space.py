"""A full card loses nothing: what was accepted is written, then the kiosk stops with a clear word, and goes on by
itself once there is room. Only what the district has signed for is ever pruned, and the chain still verifies.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from importlib import resources
from pathlib import Path
from sqlite3 import connect

import msgspec
import pytest

from kiosk.core.faults import FAULTS, FaultCode, Severity
from kiosk.core.messages import EventRecorded, FaultCleared, FaultRaised, Message
from kiosk.storage import journal as journal_module
from kiosk.storage.database import Database, JournalBrokenError, StorageError, opened_database
from kiosk.storage.export import Verified, described, export, verified_file
from kiosk.storage.journal import Acknowledgement, Journal, opened_journal_file, verify_file
from kiosk.storage.space import Reserve, Room
from kiosk.storage.upkeep import AT_ONCE, Limits, Upkeep
from tests.storage.office import PUBLIC, opened_journal, written
from tests.storage.test_worker import Office, running
from tests.wire.examples import MORNING, OTHER_KEY, events, moment, receipt, tap
from wire import chain
from wire.attendance import Event, encode, signed_bytes

FULL, LOW, VERY_LOW = FaultCode.FULL, FaultCode.SPACE_LOW, FaultCode.SPACE_VERY_LOW
LATER = moment(800 * 86_400)
"""Longer after the taps than they are kept."""


@pytest.mark.parametrize(
    ("used", "free", "reserve", "fault"),
    [
        (79, 1000, True, None),
        (80, 1000, True, LOW),
        (90, 1000, True, VERY_LOW),
        (100, 1000, True, FULL),
        (10, 1000, False, FULL),
        (40, 11, True, None),
        (40, 10, True, LOW),
        (40, 4, True, VERY_LOW),
        (0, 0, True, None),
    ],
)
def test_what_is_said_depends_on_the_nearer_of_the_two_limits(
    used: int, free: int, fault: FaultCode | None, *, reserve: bool
) -> None:
    assert Room(used, 100, free, reserve).fault() is fault


def test_only_a_full_card_takes_the_kiosk_out_of_service() -> None:
    assert [FAULTS[code].severity for code in (LOW, VERY_LOW, FULL)] == list(Severity)


@pytest.fixture
def small_card(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    card = tmp_path / "card"
    card.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", str(card)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here: it takes root")
    try:
        yield card
    finally:
        subprocess.run(["umount", str(card)], check=True)


def fill(card: Path, leave: int = 0) -> Path:
    """Somebody else's file takes the room."""
    filler = card / "video.mp4"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        left = shutil.disk_usage(card).free - leave
        while left > 0:
            left -= file.write(bytes(min(left, 65536)))
    return filler


def test_what_was_accepted_is_written_on_a_full_card_and_the_kiosk_goes_on_once_there_is_room(small_card: Path) -> None:
    with running(small_card) as office:
        office.worker.record(0, tap())
        office.wait_for(EventRecorded)
        filler = fill(small_card)
        for number in range(1, 400):
            office.worker.record(number, tap(after_s=number))
        heard = wait_until_full(office, 399)
        filler.unlink()
        office.worker._upkeep.look_soon()
        assert office.wait_for(FaultCleared) == FaultCleared(FULL)

        office.worker.record(400, tap(after_s=400))
        assert office.wait_for(EventRecorded).visit == 400
    assert heard == list(range(1, 400))
    assert verify_file(small_card / "journal.db", PUBLIC).seq == 401


def wait_until_full(office: Office, last: int) -> list[int]:
    """The visits that were recorded, up to this one; on the way it must be said that the card is full."""
    visits: list[int] = []
    said: list[Message] = []
    while not visits or visits[-1] < last:
        message = office.messages.get(timeout=20)
        said.append(message)
        if isinstance(message, EventRecorded) and message.visit:
            visits.append(message.visit)
    raised = [each.code for each in said if isinstance(each, FaultRaised)]
    assert FULL in raised
    assert FaultCleared(FULL) not in said
    return visits


@pytest.mark.parametrize("rounds", [2, pytest.param(25, marks=pytest.mark.faults)])
def test_filled_and_emptied_again_and_again_the_journal_has_every_event_that_was_answered(
    small_card: Path, rounds: int
) -> None:
    with running(small_card) as office:
        office.worker.record(0, tap())
        office.wait_for(EventRecorded)
    answered = 1
    for turn in range(rounds):
        filler = fill(small_card, leave=4096 * turn)
        with running(small_card) as office:
            for number in range(30):
                office.worker.record(number, tap(after_s=number))
            for _ in range(30):
                assert office.wait_for(EventRecorded).seq == answered + 1
                answered += 1
            filler.unlink()
            office.worker._upkeep.look_soon()
            office.wait_for(FaultCleared)
    assert verify_file(small_card / "journal.db", PUBLIC).seq == answered


def test_a_reserve_is_only_kept_where_as_much_is_left(tmp_path: Path) -> None:
    Reserve(tmp_path, size=10**15).keep()
    assert not Reserve(tmp_path).is_there()

    reserve = Reserve(tmp_path)
    reserve.keep()
    assert reserve.is_there()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 4 * 1024 * 1024
    assert reserve.release()
    assert not reserve.release()


# ---- pruning


@pytest.fixture
def short_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two events always stay, instead of 500."""
    monkeypatch.setattr(journal_module, "TAIL", 2)


def pruned(journal: Journal, most: int = 100) -> int:
    return journal.prune(LATER, MORNING + timedelta(days=30), most)


def signed(journal: Journal, count: int, upto: int) -> list[Event]:
    """So many taps, and a receipt."""
    appended = [journal.append(tap(after_s=60.0 * number)) for number in range(count)]
    assert journal.acknowledge(receipt(appended[upto - 1])) is Acknowledgement.ACCEPTED
    return appended


@pytest.mark.usefixtures("short_tail")
def test_what_the_district_has_signed_for_is_pruned_and_the_rest_verifies(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        appended = signed(journal, 9, upto=5)

        assert pruned(journal) == 5
        assert list(journal.events()) == appended[5:]
        assert pruned(journal) == 0
    found = verified_file(tmp_path / "journal.db", PUBLIC)
    assert found == Verified(6, 9, pruned_upto=5)
    assert list(described(found)) == [
        "events 1 to 5 were pruned after receipt",
        "events 6 to 9, chain verified",
    ]


@pytest.mark.usefixtures("short_tail")
def test_a_pruned_journal_goes_on_and_takes_receipts(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        appended = signed(journal, 9, upto=9)
        assert pruned(journal) == 7

    with opened_journal(tmp_path) as journal:
        following = journal.append(tap(after_s=9000))
        assert (following.seq, following.prev) == (10, appended[-1].hash)
        assert journal.acknowledge(receipt(appended[2])) is Acknowledgement.REPEATED
        assert journal.acknowledge(receipt(appended[6])) is Acknowledgement.REPEATED
        assert journal.acknowledge(receipt(following)) is Acknowledgement.ACCEPTED
        assert journal.depth() == 0
        path, manifest = export(journal, tmp_path, moment(9001))
    assert (manifest.after_seq, manifest.pruned and manifest.pruned.seq) == (7, 7)
    assert verified_file(path, PUBLIC) == Verified(8, 10, pruned_upto=7)


@pytest.mark.usefixtures("short_tail")
def test_young_events_and_the_last_ones_are_not_pruned(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        signed(journal, 9, upto=9)

        assert journal.prune(LATER, MORNING + timedelta(minutes=3), 100) == 3
        assert journal.prune(LATER, MORNING + timedelta(days=30), 1) == 1
        assert pruned(journal) == 3


def test_nothing_unsigned_is_pruned_even_by_our_own_mistake(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        signed(journal, 4, upto=2)
    for statement in ("INSERT INTO pruned VALUES (1, 3, x'00')", "DELETE FROM event WHERE seq = 1"):
        with (
            pytest.raises(StorageError, match=r"never pruned|before it is pruned"),
            opened_database(tmp_path, Database.JOURNAL) as connection,
        ):
            connection.execute(statement)


@pytest.mark.usefixtures("short_tail")
def test_a_prefix_that_somebody_else_cut_off_is_reported(tmp_path: Path) -> None:
    """The note of what was pruned must be the device's, and nothing more may be missing than it says."""
    with opened_journal(tmp_path) as journal:
        appended = signed(journal, 9, upto=5)
        pruned(journal, most=3)
    note = msgspec.structs.replace(verified_note(tmp_path), seq=4, hash=appended[3].hash)
    cut = "DELETE FROM event WHERE seq <= 4"
    with opened_database(tmp_path, Database.JOURNAL) as connection:
        connection.execute("INSERT OR REPLACE INTO pruned VALUES (1, 4, ?)", (encode(note),))
        connection.execute(cut)

    with pytest.raises(JournalBrokenError, match="were pruned is not signed"):
        verify_file(tmp_path / "journal.db", PUBLIC)
    with pytest.raises(JournalBrokenError, match="were pruned is not signed"):
        verify_file(tmp_path / "journal.db", OTHER_KEY.public_key())


def verified_note(folder: Path) -> chain.Pruned:
    with opened_journal_file(folder / "journal.db") as journal:
        note = journal.pruned()
    assert note is not None
    return note


def test_the_storage_thread_prunes_what_is_older_than_it_keeps_events(tmp_path: Path) -> None:
    said: list[Message] = []
    with opened_journal(tmp_path) as journal:
        signed(journal, 620, upto=600)
        upkeep = Upkeep(tmp_path, Limits(keep=timedelta(days=400)), said.append)
        upkeep.tend(journal, moment(86_400))
        assert journal.base().seq == 0
        upkeep.look_soon()
        upkeep.tend(journal, LATER)
        assert journal.base().seq == AT_ONCE
        upkeep.tend(journal, LATER)
        assert journal.base().seq == 120
    assert said == []


def test_where_room_is_short_what_is_signed_for_goes_early(tmp_path: Path) -> None:
    said: list[Message] = []
    with opened_journal(tmp_path) as journal:
        signed(journal, 620, upto=600)
        used = journal.room(10**9, Reserve(tmp_path)).used
        upkeep = Upkeep(tmp_path, Limits(most_bytes=round(used / 0.95)), said.append)
        upkeep.tend(journal, moment(3 * 86_400))
        upkeep.tend(journal, moment(3 * 86_400))

        assert journal.base().seq == 100
    assert [each.code for each in said if isinstance(each, FaultRaised)] == [VERY_LOW, LOW]


# ---- a device of the first release


def test_a_journal_of_the_first_schema_is_read_and_goes_on(tmp_path: Path) -> None:
    old = events(3)
    script = (resources.files("kiosk.storage") / "migrations" / "journal_0001.sql").read_text()
    with closing(connect(tmp_path / "journal.db", isolation_level=None)) as connection:
        connection.executescript(f"PRAGMA page_size = 1024; {script} PRAGMA user_version = 1;")
        for each in old:
            row = (each.seq, signed_bytes(each), bytes.fromhex(each.hash), bytes.fromhex(each.sig))
            connection.execute("INSERT INTO event VALUES (?, ?, ?, ?)", row)
    assert verified_file(tmp_path / "journal.db", PUBLIC) == Verified(1, 3)

    with opened_journal(tmp_path) as journal:
        journal.append(tap(after_s=900))
        assert list(journal.events())[:3] == old
        assert journal.acknowledge(receipt(old[2])) is Acknowledgement.ACCEPTED
    assert verified_file(tmp_path / "journal.db", PUBLIC) == Verified(1, 4)
    assert written(tmp_path, 1)[0].seq == 5
