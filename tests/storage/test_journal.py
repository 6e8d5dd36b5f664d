"""An event that was appended is there, signed, in its place, until the end of time; only a receipt lets go of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.core.biometrics import Modality, Thresholds
from kiosk.core.schedule import Tap
from kiosk.storage import reader as reader_module
from kiosk.storage.database import Database, JournalBrokenError, StorageError, opened_database
from kiosk.storage.journal import Acknowledgement, EntryError, Journal, opened_journal_file, verify_file
from kiosk.storage.reader import START, Position
from tests.storage.office import PUBLIC, opened_journal, written
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, MORNING, ORIGIN, OTHER_KEY, moment, receipt, tap
from wire import chain
from wire.attendance import Act, ClockQuality, ClockSource, Entry, Event, EventType, Mode
from wire.chain import is_signed_head

YEAR_1970 = datetime(1970, 1, 1, 0, 2, tzinfo=UTC)


def test_a_new_journal_is_empty(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        assert (journal.position(), journal.depth(), journal.receipted_upto()) == (START, 0, 0)
        assert journal.pending(0, 10) == ()


def test_events_outlive_the_program_in_order_and_signed(tmp_path: Path) -> None:
    appended = written(tmp_path, 3) + written(tmp_path, 2)

    with opened_journal(tmp_path) as journal:
        assert list(journal.events()) == appended
        assert [event.seq for event in chain.verify(appended, PUBLIC)] == [1, 2, 3, 4, 5]


def test_an_entry_that_can_never_be_an_event_takes_no_number(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        with pytest.raises(EntryError, match="no canonical JSON"):
            journal.append(replace(tap(), score=float("nan")))

        assert journal.append(tap()).seq == 1


@pytest.mark.parametrize("reason", ["x" * 4096, "half a pair: \ud800"])
def test_an_entry_that_would_not_read_back_is_refused(tmp_path: Path, reason: str) -> None:
    with opened_journal(tmp_path) as journal, pytest.raises(EntryError, match="entry of type audit"):
        journal.append(Entry(EventType.AUDIT, moment(), reason=reason))


@pytest.mark.parametrize("statement", ["DELETE FROM event", "UPDATE event SET hash = sig"])
def test_an_event_is_neither_changed_nor_deleted_even_by_our_own_mistake(tmp_path: Path, statement: str) -> None:
    written(tmp_path, 2)

    with pytest.raises(StorageError, match="an event is never"), opened_database(tmp_path, Database.JOURNAL) as journal:
        journal.execute(statement)


def test_an_event_out_of_order_is_not_stored_even_by_our_own_mistake(tmp_path: Path) -> None:
    written(tmp_path, 2)

    with pytest.raises(StorageError, match="does not follow"), opened_database(tmp_path, Database.JOURNAL) as journal:
        journal.execute("INSERT INTO event VALUES (4, x'00', zeroblob(32), zeroblob(64))")


def test_a_receipt_lets_go_of_the_events_up_to_it(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        appended = [journal.append(tap(after_s=number)) for number in range(5)]

        assert journal.acknowledge(receipt(appended[2])) is Acknowledgement.ACCEPTED
        assert journal.pending(0, 10) == tuple(appended[3:])
        assert journal.pending(4, 10) == tuple(appended[4:])
        assert journal.pending(0, 1) == (appended[3],)
        assert (journal.depth(), journal.receipted_upto()) == (2, 3)
        assert list(journal.events()) == appended


def test_a_receipt_outlives_the_program(tmp_path: Path) -> None:
    appended = written(tmp_path, 3)
    with opened_journal(tmp_path) as journal:
        journal.acknowledge(receipt(appended[1]))

    with opened_journal(tmp_path) as journal:
        assert journal.receipt() == receipt(appended[1])


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, Acknowledgement.REPEATED),
        ({"upto_seq": 0, "head": chain.GENESIS}, Acknowledgement.REPEATED),
        ({"upto_seq": 4}, Acknowledgement.OTHER_CHAIN),
        ({"upto_seq": 1}, Acknowledgement.OTHER_CHAIN),
        ({"upto_seq": 6}, Acknowledgement.BEYOND_HEAD),
        ({"upto_seq": -1}, Acknowledgement.BEYOND_HEAD),
        ({"dev": "balai-02"}, Acknowledgement.OTHER_DEVICE),
    ],
)
def test_a_receipt_that_does_not_fit_changes_nothing(
    tmp_path: Path, change: dict[str, object], outcome: Acknowledgement
) -> None:
    with opened_journal(tmp_path) as journal:
        appended = [journal.append(tap(after_s=number)) for number in range(5)]
        journal.acknowledge(receipt(appended[2]))
        other = chain.sign_receipt(msgspec.structs.replace(receipt(appended[2]), **change), DISTRICT_KEY)

        assert journal.acknowledge(other) is outcome
        assert journal.receipt() == receipt(appended[2])


def test_a_receipt_of_an_earlier_event_does_not_go_back(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        appended = [journal.append(tap(after_s=number)) for number in range(3)]
        journal.acknowledge(receipt(appended[2]))

        assert journal.acknowledge(receipt(appended[0])) is Acknowledgement.REPEATED
        assert journal.receipted_upto() == 3


def test_a_receipt_that_the_district_did_not_sign_changes_nothing(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        forged = chain.sign_receipt(receipt(journal.append(tap())), OTHER_KEY)

        assert journal.acknowledge(forged) is Acknowledgement.NOT_SIGNED
        assert journal.depth() == 1


def test_without_a_district_key_no_receipt_counts(tmp_path: Path) -> None:
    with opened_database(tmp_path, Database.JOURNAL) as connection:
        journal = Journal(connection, ORIGIN, DEVICE_KEY)

        assert journal.acknowledge(receipt(journal.append(tap()))) is Acknowledgement.NOT_SIGNED


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["append", "receipt"]), max_size=20), st.data())
def test_the_outbox_only_ever_shrinks_by_receipts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], data: st.DataObject
) -> None:
    with opened_journal(tmp_path_factory.mktemp("journal")) as journal:
        appended: list[Event] = []
        upto = 0
        for step in steps:
            if step == "append":
                appended.append(journal.append(tap(after_s=len(appended))))
            elif appended:
                chosen = data.draw(st.sampled_from(appended))
                journal.acknowledge(receipt(chosen))
                upto = max(upto, chosen.seq)

            assert list(journal.pending(0, 100)) == appended[upto:]
            assert journal.depth() == len(appended) - upto


def test_a_head_is_signed_and_names_the_last_event(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        last = [journal.append(tap(after_s=number)) for number in range(2)][-1]
        head = journal.head(moment(60))

    assert (head.seq, head.hash) == (2, last.hash)
    assert is_signed_head(head, PUBLIC)


def test_an_event_is_known_again_by_its_entry(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        assert journal.holds(tap(), after=0) is None

        event = journal.append(tap())

        assert journal.holds(tap(), after=0) == event
        assert journal.holds(tap(after_s=1), after=0) is None
        assert journal.holds(tap(), after=1) is None


def test_an_event_is_known_again_though_the_roster_changed_and_another_followed(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        event = journal.append(tap())
        journal.origin = replace(ORIGIN, roster="roster-2")
        journal.append(Entry(EventType.AUDIT, moment(1), reason="enrolled"))

        assert journal.holds(tap(), after=0) == event


def test_taps_are_told_by_person_in_order_and_from_a_time_on(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        correction = Entry(EventType.CORRECTION, moment(5), pid="p-siti", act=Act.ARRIVAL)
        for entry in (tap(), tap("p-budi"), correction, Entry(EventType.AUDIT, moment(5), reason="attack")):
            journal.append(entry)
        journal.append(tap(act=Act.DEPARTURE, after_s=60))
        early, late = Tap(Act.ARRIVAL, MORNING), Tap(Act.DEPARTURE, MORNING + timedelta(seconds=60))

        assert journal.taps_since(MORNING) == {"p-siti": (early, late), "p-budi": (early,)}
        assert journal.taps_since(MORNING + timedelta(seconds=1)) == {"p-siti": (late,)}


def refusal(t: datetime, *, ok: bool = True) -> Entry:
    """A refusal at a time that the clock believes, or does not."""
    at = replace(moment(), t=t, clk=ClockQuality(ClockSource.NONE, None, ok=ok))
    return Entry(EventType.AUDIT, at, mode=Mode.FACE, reason='"typ":"attendance"')


@pytest.mark.parametrize(
    ("between", "is_found"),
    [
        (20 * [refusal(MORNING)], True),
        (20 * [refusal(YEAR_1970, ok=False)], True),
        (4 * [replace(tap("p-budi"), at=refusal(YEAR_1970, ok=False).at)], True),
        (3 * [refusal(YEAR_1970)], True),
        (4 * [refusal(YEAR_1970)], False),
        (4 * [tap("p-budi")], True),
        (5 * [tap("p-budi")], False),
    ],
    ids=["refusals", "no clock", "taps without a clock", "wrong clock", "long ago", "busy day", "busier than ever"],
)
def test_a_tap_is_recent_whatever_came_after_it_until_the_search_has_seen_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: list[Entry], *, is_found: bool
) -> None:
    monkeypatch.setattr(reader_module, "LOOKBACK", 5)
    monkeypatch.setattr(reader_module, "ENOUGH_OLD", 3)
    with opened_journal(tmp_path) as journal:
        for entry in (tap(), *between):
            journal.append(entry)

        assert ("p-siti" in journal.taps_since(MORNING - timedelta(days=2))) is is_found


def test_what_a_modality_was_last_judged_by_is_read_from_its_newest_event(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        assert journal.thresholds() == {}
        journal.append(replace(tap(), thr=0.5))
        journal.append(replace(tap(after_s=60), mode=Mode.FINGER, thr=30.0, pad=None))
        journal.append(replace(tap(after_s=120), thr=0.6))
        journal.append(replace(tap(after_s=180), mode=Mode.FINGER_AND_FACE, thr=0.4))

        thresholds = journal.thresholds()

    assert thresholds == {Modality.FACE: Thresholds(0.6, 0.5), Modality.FINGER: Thresholds(30.0)}


def test_a_journal_verifies_with_the_public_key_alone(tmp_path: Path) -> None:
    appended = written(tmp_path, 5)

    assert verify_file(tmp_path / "journal.db", PUBLIC) == Position(5, appended[-1].hash)


def test_a_journal_does_not_verify_with_another_key(tmp_path: Path) -> None:
    written(tmp_path, 5)

    with pytest.raises(JournalBrokenError, match="event 1: is not signed by this device's key"):
        verify_file(tmp_path / "journal.db", OTHER_KEY.public_key())


def test_a_journal_is_read_with_its_write_ahead_log(tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        appended = [journal.append(tap(after_s=number)) for number in range(5)]
        with opened_journal_file(tmp_path / "journal.db") as read:
            assert list(read.events()) == appended


def test_a_journal_that_lost_its_end_is_found_by_a_head(tmp_path: Path) -> None:
    appended = written(tmp_path, 4)
    known = Position(appended[-1].seq, appended[-1].hash)
    shutil.copy(tmp_path / "journal.db", tmp_path / "old.db")
    last = written(tmp_path, 1)[-1]

    assert verify_file(tmp_path / "old.db", PUBLIC, [known]) == known
    with pytest.raises(JournalBrokenError, match="event 5: is missing: events up to 5 are known of") as raised:
        verify_file(tmp_path / "old.db", PUBLIC, [Position(last.seq, last.hash)])
    assert raised.value.seq == 5


def test_a_journal_of_another_branch_is_found_by_a_head(tmp_path: Path) -> None:
    written(tmp_path, 4)

    with pytest.raises(JournalBrokenError, match="event 3: is another than the one that is known of"):
        verify_file(tmp_path / "journal.db", PUBLIC, [Position(3, 64 * "a")])


def test_a_journal_that_lost_what_the_district_signed_for_is_not_opened(tmp_path: Path) -> None:
    appended = written(tmp_path, 3)
    with opened_journal(tmp_path) as journal:
        journal.acknowledge(receipt(appended[-1]))
    with opened_database(tmp_path, Database.JOURNAL) as connection:
        connection.execute("DROP TRIGGER event_is_never_deleted")
        connection.execute("DELETE FROM event WHERE seq = 3")

    with pytest.raises(JournalBrokenError, match="event 3: is missing"), opened_journal(tmp_path):
        pass


def test_a_journal_of_another_identity_is_not_continued(tmp_path: Path) -> None:
    with opened_database(tmp_path, Database.JOURNAL) as connection:
        Journal(connection, ORIGIN, OTHER_KEY).append(tap())

    with (
        pytest.raises(JournalBrokenError, match="event 1: is not signed by this device's key"),
        opened_journal(tmp_path),
    ):
        pass
