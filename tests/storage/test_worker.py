"""What was accepted is written once, in order, late rather than never; and nobody is told before it is."""

from __future__ import annotations

import queue
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kiosk.core.faults import FaultCode
from kiosk.core.messages import EventRecorded, FaultCleared, FaultRaised, Message, OutboxDepth, PeopleLoaded
from kiosk.core.schedule import Tap
from kiosk.sim.clock import HandClock
from kiosk.storage.database import locked_folder
from kiosk.storage.journal import Journal, verify_file
from kiosk.storage.store import opened_store
from kiosk.storage.worker import UNWRITABLE, StorageWorker
from tests.storage.office import CONSENT, PUBLIC, SITI, opened_journal, owner, references_of, written
from tests.wire.examples import DISTRICT_KEY, MORNING, ORIGIN, OTHER_KEY, moment, receipt, tap
from wire import chain
from wire.attendance import Act, Entry, Event, EventType

TIMEOUT_S = 20.0


class Office:
    """A storage worker and everybody who listens to it."""

    def __init__(self, folder: Path) -> None:
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.offered: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.on_fault: Callable[[], None] = lambda: None
        self.worker = StorageWorker(owner(folder), HandClock(MORNING), self.post)
        self.worker.on_event = self.offered.put

    def post(self, message: Message) -> None:
        """Remember it; at a fault, do what is to happen before the next try."""
        if isinstance(message, FaultRaised):
            self.on_fault()
        self.messages.put(message)

    def wait_for(self, kind: type[Any]) -> Any:
        """The next message of a kind; what comes before it is dropped."""
        while True:
            message = self.messages.get(timeout=TIMEOUT_S)
            if isinstance(message, kind):
                return message


@contextmanager
def running(folder: Path) -> Iterator[Office]:
    """An office at work."""
    office = Office(folder)
    office.worker.start()
    try:
        yield office
    finally:
        office.worker.stop()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """An office at work on an empty folder."""
    with running(tmp_path) as started:
        yield started


def answered(ask: Any, *about: object) -> Any:
    """The answer to a question to the worker."""
    answers: queue.SimpleQueue[object] = queue.SimpleQueue()
    ask(*about, answers.put)
    return answers.get(timeout=TIMEOUT_S)


def test_a_recorded_entry_is_answered_with_its_visit_and_offered_to_the_uplink(office: Office) -> None:
    office.worker.record(7, tap())

    assert office.wait_for(EventRecorded) == EventRecorded(7, 1, tap())
    assert office.wait_for(OutboxDepth) == OutboxDepth(1)
    assert office.offered.get(timeout=TIMEOUT_S).pid == "p-siti"


def test_an_entry_is_on_disk_before_anybody_is_told(tmp_path: Path, office: Office) -> None:
    office.worker.record(1, tap())
    office.wait_for(EventRecorded)

    assert verify_file(tmp_path / "journal.db", PUBLIC).seq == 1


def test_everything_asked_before_the_end_is_done_before_the_end(tmp_path: Path) -> None:
    with running(tmp_path) as office:
        for number in range(50):
            office.worker.record(number, tap(after_s=number))

    assert verify_file(tmp_path / "journal.db", PUBLIC).seq == 50
    assert not (tmp_path / "journal.db-wal").exists()


def test_people_and_recent_taps_are_told_at_the_start(tmp_path: Path) -> None:
    with opened_store(owner(tmp_path)) as store:
        store.people.enrol(SITI, references_of(SITI), CONSENT)
        store.journal.append(tap(after_s=-3 * 86_400))
        store.journal.append(tap(after_s=-60))
    with running(tmp_path) as office:
        loaded = office.wait_for(PeopleLoaded)

    assert loaded.people == (SITI,)
    assert loaded.references == references_of(SITI)
    assert loaded.taps == {"p-siti": (Tap(Act.ARRIVAL, MORNING - timedelta(seconds=60)),)}


def test_events_name_the_roster_in_force(tmp_path: Path) -> None:
    with opened_store(owner(tmp_path)) as store:
        store.people.enrol(SITI, references_of(SITI), CONSENT)
        store.roster_changed()
        event = store.journal.append(tap())
        assert event.roster == store.people.digest()

    with opened_store(owner(tmp_path)) as store:
        assert store.journal.append(tap(after_s=1)).roster == event.roster


def test_the_uplink_is_told_what_it_asks(office: Office) -> None:
    for number in range(3):
        office.worker.record(None, tap(after_s=number))
    events = answered(office.worker.fetch, 1, 10)

    assert [event.seq for event in events] == [2, 3]
    assert [event.seq for event in answered(office.worker.fetch, 0, 1)] == [1]
    assert answered(office.worker.receipted) == 0
    assert answered(office.worker.head).hash == events[-1].hash


def test_a_receipt_empties_the_outbox(office: Office) -> None:
    office.worker.record(None, tap())
    event = office.offered.get(timeout=TIMEOUT_S)
    assert office.wait_for(OutboxDepth) == OutboxDepth(0)
    assert office.wait_for(OutboxDepth) == OutboxDepth(1)

    office.worker.acknowledge(receipt(event))

    assert office.wait_for(OutboxDepth) == OutboxDepth(0)
    assert answered(office.worker.receipted) == 1


@pytest.mark.parametrize(("dev", "key"), [("another-01", DISTRICT_KEY), (ORIGIN.dev, OTHER_KEY)])
def test_a_receipt_that_does_not_fit_is_a_fault_until_one_does(office: Office, dev: str, key: Any) -> None:
    office.worker.record(None, tap())
    event = office.offered.get(timeout=TIMEOUT_S)
    office.worker.acknowledge(chain.sign_receipt(msgspec.structs.replace(receipt(event), dev=dev), key))

    assert office.wait_for(FaultRaised).code is FaultCode.RECEIPT
    office.worker.acknowledge(receipt(event))
    assert office.wait_for(FaultCleared) == FaultCleared(FaultCode.RECEIPT)


def test_an_entry_that_can_never_be_an_event_is_replaced_by_an_audit_event(office: Office) -> None:
    office.worker.record(1, replace(tap(), score=float("nan")))
    office.worker.record(2, tap())

    stand_in = office.wait_for(EventRecorded)
    assert stand_in == EventRecorded(None, 1, Entry(EventType.AUDIT, moment(), reason=UNWRITABLE))
    assert office.wait_for(EventRecorded) == EventRecorded(2, 2, tap())


def test_an_entry_waits_while_the_folder_cannot_be_opened_and_is_written_then(tmp_path: Path) -> None:
    with ExitStack() as other_process:
        other_process.enter_context(locked_folder(tmp_path))
        with running(tmp_path) as office:
            office.worker.record(1, tap())
            assert office.wait_for(FaultRaised).code is FaultCode.JOURNAL
            other_process.close()

            assert office.wait_for(EventRecorded) == EventRecorded(1, 1, tap())
            assert office.wait_for(FaultCleared) == FaultCleared(FaultCode.JOURNAL)


class FailingCommit(sqlite3.Connection):
    """Reports a failed commit once, after or instead of making it."""

    reaches_the_card = True
    armed = False

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql == "COMMIT" and type(self).armed:
            type(self).armed = False
            super().execute("COMMIT" if self.reaches_the_card else "ROLLBACK")
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, parameters)


@pytest.mark.parametrize("reaches_the_card", [True, False])
def test_an_entry_whose_commit_failed_is_written_exactly_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, reaches_the_card: bool
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(FailingCommit, "reaches_the_card", reaches_the_card)
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, **more, factory=FailingCommit))
    with running(tmp_path) as office:
        office.wait_for(OutboxDepth)
        monkeypatch.setattr(FailingCommit, "armed", True)
        office.worker.record(1, tap())
        office.worker.record(2, tap(after_s=1))

        assert office.wait_for(FaultRaised).code is FaultCode.JOURNAL
        assert office.wait_for(EventRecorded) == EventRecorded(1, 1, tap())
        assert office.wait_for(EventRecorded) == EventRecorded(2, 2, tap(after_s=1))
    assert verify_file(tmp_path / "journal.db", PUBLIC).seq == 2


def test_an_entry_whose_commit_reached_the_card_is_written_once_though_somebody_is_enrolled_before_the_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, **more, factory=FailingCommit))
    with running(tmp_path) as office:
        office.wait_for(OutboxDepth)
        office.on_fault = partial(enrol_siti, tmp_path)
        monkeypatch.setattr(FailingCommit, "armed", True)
        office.worker.record(1, tap())

        assert office.wait_for(EventRecorded) == EventRecorded(1, 1, tap())
    with opened_journal(tmp_path) as journal:
        assert [event.reason for event in journal.events()] == [None, "enrolled"]


def enrol_siti(folder: Path) -> None:
    """As `kiosk enrol` does in a process of its own."""
    with opened_store(owner(folder)) as store:
        store.people.enrol(SITI, references_of(SITI), CONSENT)
        store.roster_changed()
        store.journal.append(Entry(EventType.AUDIT, moment(1), reason="enrolled"))


def test_a_journal_of_another_key_takes_the_kiosk_out_of_service(tmp_path: Path) -> None:
    with opened_store(replace(owner(tmp_path), identity=OTHER_KEY)) as store:
        store.journal.append(tap())
    with running(tmp_path) as office:
        fault = office.wait_for(FaultRaised)

    assert fault == FaultRaised(FaultCode.JOURNAL_BROKEN, "event 1: is not signed by this device's key")


def test_entries_that_were_never_written_are_counted_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with locked_folder(tmp_path), running(tmp_path) as office:
        office.worker.record(1, tap())
        office.wait_for(FaultRaised)

    assert "stopped with 1 entries not written" in caplog.text
    with opened_journal(tmp_path) as journal:
        assert journal.position().seq == 0


def test_a_question_that_failed_is_answered_when_the_card_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, 3)
    failures = iter([sqlite3.OperationalError("disk I/O error")])
    events = Journal.events

    def failing_once(*about: Any) -> Iterator[Event]:
        for failure in failures:
            raise failure
        return events(*about)

    with running(tmp_path) as office:
        office.wait_for(OutboxDepth)
        monkeypatch.setattr(Journal, "events", failing_once)

        assert len(answered(office.worker.fetch, 0, 10)) == 3
        assert office.wait_for(FaultRaised).code is FaultCode.JOURNAL
