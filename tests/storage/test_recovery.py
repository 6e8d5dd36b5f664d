"""A damaged journal is kept as evidence, a new one takes over whatever still holds, no number is ever given twice, and
the numbers that may be missing are named to everybody.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from kiosk.core.faults import FaultCode
from kiosk.core.messages import EventRecorded, FaultCleared, FaultRaised, PeopleLoaded
from kiosk.storage import reader as reader_module
from kiosk.storage.database import Database, JournalBrokenError, PeopleBrokenError
from kiosk.storage.export import Verified, export, verified_file
from kiosk.storage.highwater import BLOCK, LEAP, far_above
from kiosk.storage.journal import Acknowledgement, Journal, opened_journal_file
from kiosk.storage.recovery import RESTARTED, move_aside
from kiosk.storage.store import opened_store
from tests.storage.office import CONSENT, PUBLIC, SITI, forge, opened_journal, owner, references_of, written
from tests.storage.test_worker import Office, answered, running
from tests.wire.examples import DISTRICT_KEY, OTHER_KEY, events, moment, receipt, tap
from wire import chain
from wire.attendance import Event, Span

NOW = moment(100_000)


def garbled(path: Path, *holes: bytes) -> bytes:
    """Overwrite the pages in which these bytes stand, and return what the file was afterwards."""
    raw = path.read_bytes()
    for found in holes:
        page = raw.index(found) // 1024 * 1024
        raw = raw[:page] + b"\xa5" * 1024 + raw[page + 1024 :]
    path.write_bytes(raw)
    return raw


def repaired(folder: Path) -> list[Event]:
    """What the journal holds once the storage thread would have opened it."""
    with opened_store(owner(folder), NOW) as store:
        return list(store.journal.events())


def test_a_damaged_page_costs_its_own_events_and_names_them(tmp_path: Path) -> None:
    before = written(tmp_path, 40)
    damaged = garbled(tmp_path / "journal.db", bytes.fromhex(before[20].sig))

    *kept, restart = repaired(tmp_path)

    lost = {event.seq for event in before} - {event.seq for event in kept}
    assert 21 in lost
    assert len(lost) <= 3
    assert kept == [event for event in before if event.seq not in lost]
    assert (restart.seq, restart.reason) == (BLOCK + 1, RESTARTED)
    assert restart.lost == (Span(min(lost), max(lost)), Span(41, BLOCK))
    assert (tmp_path / "quarantine" / "0001" / "journal.db").read_bytes() == damaged
    assert verified_file(tmp_path / "journal.db", PUBLIC) == Verified(1, BLOCK + 1, lost=restart.lost)


def test_a_journal_begun_anew_goes_on_and_its_export_verifies(tmp_path: Path) -> None:
    before = written(tmp_path, 40)
    garbled(tmp_path / "journal.db", bytes.fromhex(before[20].sig))
    repaired(tmp_path)

    with opened_journal(tmp_path) as journal:
        following = journal.append(tap(after_s=9000))
        path, _ = export(journal, tmp_path, NOW)
    assert following.seq == BLOCK + 2
    assert verified_file(path, PUBLIC).last == BLOCK + 2
    assert repaired(tmp_path)[-1] == following
    assert not (tmp_path / "quarantine" / "0002").exists()


@pytest.mark.parametrize(
    "raw", [b"", b"\xa5" * 40_960, b"SQLite format 3\0", None], ids=["empty", "rubbish", "head", "gone"]
)
def test_of_a_journal_that_is_gone_the_numbers_are_known(tmp_path: Path, raw: bytes | None) -> None:
    written(tmp_path, 40)
    path = tmp_path / "journal.db"
    path.unlink() if raw is None else path.write_bytes(raw)

    (restart,) = repaired(tmp_path)

    assert (restart.seq, restart.lost) == (BLOCK + 1, (Span(1, BLOCK),))


def test_where_not_even_the_numbers_are_known_it_goes_on_far_above(tmp_path: Path) -> None:
    before = written(tmp_path, 40)
    garbled(tmp_path / "journal.db", bytes.fromhex(before[20].sig))
    (tmp_path / "journal.mark").write_bytes(b"rubbish")

    *kept, restart = repaired(tmp_path)

    assert kept[-1] == before[-1]
    assert restart.seq == far_above(40, NOW) + 1 == round(NOW.t.timestamp() - 0.5) + 1


def test_no_number_is_given_twice_when_an_old_copy_is_put_back(tmp_path: Path) -> None:
    written(tmp_path, 10)
    shutil.copy(tmp_path / "journal.db", tmp_path / "old.db")
    used = {event.seq for event in written(tmp_path, 500)}
    shutil.copy(tmp_path / "old.db", tmp_path / "journal.db")

    *_, restart = repaired(tmp_path)

    assert restart.seq > max(used)
    assert restart.lost == (Span(11, restart.seq - 1),)


def test_what_the_district_signed_for_is_not_lost_when_the_journal_is(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        appended = [journal.append(tap(after_s=number)) for number in range(BLOCK)]
        journal.acknowledge(receipt(appended[199]))
        journal.append(tap(after_s=900))
    (tmp_path / "journal.db").unlink()

    (restart,) = repaired(tmp_path)

    assert restart.lost == (Span(201, 2 * BLOCK),)
    assert verified_file(tmp_path / "journal.db", PUBLIC).pruned_upto == 200


def test_a_damaged_event_that_the_district_signed_for_is_declared_and_the_new_journal_opens(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        appended = [journal.append(tap(after_s=number)) for number in range(40)]
        journal.acknowledge(receipt(appended[20]))
    garbled(tmp_path / "journal.db", bytes.fromhex(appended[20].sig))

    events_found = repaired(tmp_path)

    assert repaired(tmp_path) == events_found
    assert verified_file(tmp_path / "journal.db", PUBLIC).last == BLOCK + 1
    assert not (tmp_path / "quarantine" / "0002").exists()


def test_a_repair_that_the_power_cut_short_is_taken_up_again(tmp_path: Path) -> None:
    before = written(tmp_path, 40)
    garbled(tmp_path / "journal.db", bytes.fromhex(before[20].sig))
    move_aside(tmp_path, Database.JOURNAL)

    *kept, restart = repaired(tmp_path)

    assert len(kept) >= 37
    assert restart.reason == RESTARTED


def test_a_journal_of_another_key_is_left_where_it_is(tmp_path: Path) -> None:
    written(tmp_path, 5)
    stranger = replace(owner(tmp_path), identity=OTHER_KEY)

    with pytest.raises(JournalBrokenError, match="not signed by this device's key"), opened_store(stranger, NOW):
        pass
    assert not (tmp_path / "quarantine").exists()


def test_without_being_told_to_nothing_is_repaired(tmp_path: Path) -> None:
    forge(tmp_path, msgspec.structs.replace(written(tmp_path, 5)[0], pid="p-budi"))

    with pytest.raises(JournalBrokenError, match="event 1: its hash"), opened_journal(tmp_path):
        pass
    assert not (tmp_path / "quarantine").exists()


# ---- the storage thread


def test_recording_goes_on_and_the_screen_is_told_the_numbers_until_the_district_has_signed(tmp_path: Path) -> None:
    forge(tmp_path, msgspec.structs.replace(written(tmp_path, 5)[2], pid="p-budi"))
    with running(tmp_path) as office:
        office.worker.record(1, tap(after_s=900))
        assert office.wait_for(FaultRaised) == FaultRaised(FaultCode.JOURNAL_RESTARTED, f"3-{BLOCK}")
        assert office.wait_for(EventRecorded).seq == BLOCK + 2
        last = answered(office.worker.fetch, BLOCK + 1, 1)[0]
        office.worker.acknowledge(receipt(last))
        assert office.wait_for(FaultCleared) == FaultCleared(FaultCode.JOURNAL_RESTARTED)


def test_damage_that_only_shows_when_an_event_is_sent_is_mended_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "TAIL", 2)
    forge(tmp_path, msgspec.structs.replace(written(tmp_path, 20)[4], pid="p-budi"))
    with running(tmp_path) as office:
        sent = answered(office.worker.fetch, 0, 100)

    assert [event.seq for event in sent] == [1, 2, 3, 4, *range(6, 21), BLOCK + 1]


def test_people_that_are_damaged_are_moved_aside_and_the_terminal_says_so(tmp_path: Path) -> None:
    enrol_siti(tmp_path)
    (tmp_path / "people.db").write_bytes(b"\xa5" * 8192)
    with running(tmp_path) as office:
        assert office.wait_for(FaultRaised).code is FaultCode.PEOPLE_BROKEN
        assert office.wait_for(PeopleLoaded).people == ()
    assert (tmp_path / "quarantine" / "0001" / "people.db").read_bytes() == b"\xa5" * 8192

    enrol_siti(tmp_path)
    with running(tmp_path) as office:
        assert office.wait_for(PeopleLoaded).people == (SITI,)
        assert raised(office) == []


def test_people_of_another_sealing_key_are_left_where_they_are(tmp_path: Path) -> None:
    enrol_siti(tmp_path)
    other = replace(owner(tmp_path), sealing_key=bytes(32))

    with pytest.raises(PeopleBrokenError, match="none of 1 people"), opened_store(other, NOW):
        pass
    assert not (tmp_path / "quarantine").exists()


def enrol_siti(folder: Path) -> None:
    with opened_store(owner(folder)) as store:
        store.people.enrol(SITI, references_of(SITI), CONSENT)


def raised(office: Office) -> list[object]:
    seen = []
    while not office.messages.empty():
        seen.append(office.messages.get())
    return [message for message in seen if isinstance(message, FaultRaised)]


# ---- a copied card


def test_a_card_that_the_district_knows_more_of_stops_and_says_so_at_every_start(tmp_path: Path) -> None:
    ahead = receipt(events(9)[8])
    written(tmp_path, 3)
    with running(tmp_path) as office:
        office.worker.acknowledge(ahead)
        assert office.wait_for(FaultRaised).code is FaultCode.ANOTHER_CARD
    with running(tmp_path) as office:
        assert office.wait_for(FaultRaised).code is FaultCode.ANOTHER_CARD


def test_a_card_that_is_told_to_go_on_does_so_above_every_number(tmp_path: Path) -> None:
    written(tmp_path, 3)
    with opened_journal(tmp_path) as journal:
        assert journal.acknowledge(receipt(events(9)[8])) is Acknowledgement.BEYOND_HEAD
        event = journal.resume(NOW, "resumed")
        assert (event.seq, event.lost) == (far_above(0, NOW) + 1, (Span(4, far_above(0, NOW)),))
        assert journal.depth() == 4
    with running(tmp_path) as office:
        office.wait_for(PeopleLoaded)
        assert [fault for fault in raised(office) if "not here" in str(fault)] == []
    assert verified_file(tmp_path / "journal.db", PUBLIC).last == event.seq


def test_a_receipt_for_a_number_that_is_lost_here_says_nothing_new(tmp_path: Path) -> None:
    written(tmp_path, 3)
    with opened_journal(tmp_path) as journal:
        journal.resume(NOW, "resumed")

        assert journal.acknowledge(receipt(events(9)[8])) is Acknowledgement.REPEATED
        assert journal.depth() == 4


def test_a_receipt_for_another_event_of_the_same_number_shows_a_copy(tmp_path: Path) -> None:
    mine = written(tmp_path, 3)
    other = msgspec.structs.replace(receipt(mine[2]), head=64 * "a")
    with opened_journal(tmp_path) as journal:
        assert journal.acknowledge(chain.sign_receipt(other, DISTRICT_KEY)) is Acknowledgement.OTHER_CHAIN
        assert journal.ahead() is not None


def test_with_a_clock_at_1970_a_card_goes_on_a_million_numbers_above() -> None:
    assert far_above(300, replace(NOW, t=datetime(1970, 1, 1, 0, 2, tzinfo=UTC))) == 300 + LEAP


def test_numbers_are_reserved_before_they_are_used(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        for number in range(BLOCK + 1):
            journal.append(tap(after_s=number))
            assert numbers(journal) >= journal.position().seq
    with opened_journal_file(tmp_path / "journal.db") as read:
        assert read.position().seq == BLOCK + 1


def numbers(journal: Journal) -> int:
    assert journal.numbers is not None
    assert journal.numbers.mark is not None
    return journal.numbers.mark.upto_seq
