"""The thread that owns the data folder: writes entries, answers the uplink, takes receipts.

    record ─▶ queue ─▶ append ─┬─▶ EventRecorded, OutboxDepth   to the main thread
                               └─▶ on_event                     to the uplink

What it is asked is done in the order asked. What could not be done stays at the head of the queue until it is, however
long the card takes: what was accepted at the entrance did happen at the time it names, and is recorded late rather
than not at all (docs/adr/0005-journal.md, *The person who was told "not recorded"*). It is never written twice,
though a failed commit may have reached the card: `Journal.holds`.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, assert_never

from kiosk.core.faults import FaultCode
from kiosk.core.messages import EventRecorded, FaultCleared, FaultRaised, Message, OutboxDepth, PeopleLoaded
from kiosk.core.ports import Clock
from kiosk.storage.database import Database, FullError, JournalBrokenError, StorageError, storage_errors
from kiosk.storage.journal import ANOTHER_CARD, Acknowledgement, EntryError, Journal
from kiosk.storage.recovery import quarantined
from kiosk.storage.store import Owner, Store, opened_store
from kiosk.storage.upkeep import Upkeep
from kiosk.worker import Worker
from wire.attendance import Entry, Event, EventType
from wire.chain import Head, Receipt

log = logging.getLogger(__name__)

T = TypeVar("T")

TURN_S = 0.5
"""How long a turn waits for something to do."""
RECENT = timedelta(days=2)
"""How far back taps are told to the core: it asks about today, and a night shift began yesterday."""
UNWRITABLE = "unwritable"
"""`reason` of the audit event that stands for an entry which could not be made an event."""


@dataclass(frozen=True, slots=True)
class _Record:
    visit: int | None
    entry: Entry


@dataclass(frozen=True, slots=True)
class _Fetch:
    after_seq: int
    limit: int
    answer: Callable[[tuple[Event, ...]], None]


@dataclass(frozen=True, slots=True)
class _Acknowledge:
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class _TellReceipted:
    answer: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _TellHead:
    answer: Callable[[Head], None]


@dataclass(frozen=True, slots=True)
class _Wake:
    """Come back from waiting: it is time to stop."""


_Request = _Record | _Fetch | _Acknowledge | _TellReceipted | _TellHead | _Wake


def _unheard(_: Event) -> None:
    """Nobody listens for events."""


class StorageWorker(Worker):
    """Owns the data folder; keeps the promises of `kiosk.core.ports.Outbox`."""

    def __init__(self, owner: Owner, clock: Clock, post: Callable[[Message], None]) -> None:
        super().__init__("storage", FaultCode.JOURNAL, post)
        self.on_event: Callable[[Event], None] = _unheard
        """Called with every new event on the storage thread; set it before `start`. Must not block or raise."""
        self._owner = owner
        self._clock = clock
        self._requests: queue.Queue[_Request] = queue.Queue()
        self._unfinished: _Request | None = None
        self._journal: Journal
        self._upkeep = Upkeep(owner.directory, owner.limits, post)
        self._last_seq = 0
        self._receipt_misfits = False
        self._distrusted = False
        self._said_missing = False

    def record(self, visit: int | None, entry: Entry) -> None:
        """Write an entry; answered by `EventRecorded` with the same visit."""
        self._requests.put(_Record(visit, entry))

    def fetch(self, after_seq: int, limit: int, answer: Callable[[tuple[Event, ...]], None]) -> None:
        """Ask for the events that follow `after_seq`, ascending, at most `limit`; answered on the storage thread."""
        self._requests.put(_Fetch(after_seq, limit, answer))

    def acknowledge(self, receipt: Receipt) -> None:
        """Pass on a receipt; answered by `OutboxDepth`, or by a fault if it is not our district's or does not fit."""
        self._requests.put(_Acknowledge(receipt))

    def receipted(self, answer: Callable[[int], None]) -> None:
        """Ask up to which event the district has signed; 0: none yet."""
        self._requests.put(_TellReceipted(answer))

    def head(self, answer: Callable[[Head], None]) -> None:
        """Ask for a checkpoint, signed by the device's key; `seq` is 0 while the journal is empty."""
        self._requests.put(_TellHead(answer))

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The data folder, with the end of its journal verified and its people told to the core."""
        now = self._clock.read()
        with self._failures_noticed(), opened_store(self._owner, now, distrusted=self._distrusted) as store:
            self._journal = store.journal
            self._tell_condition(store)
            since = now.t - RECENT
            self.post(
                PeopleLoaded(
                    store.people.people(),
                    store.journal.taps_since(since),
                    store.people.references(),
                    store.journal.origin.roster,
                    store.journal.thresholds(),
                )
            )
            self.post(OutboxDepth(store.journal.depth()))
            self._take_up_again()
            self._distrusted = False
            self._last_seq = store.journal.position().seq
            self._upkeep.look_soon()
            yield store
            for request in self._take_all():
                self._answer(request)

    def turn(self) -> None:
        """Do the next thing asked; wait for it half a second at most."""
        with suppress(queue.Empty):
            self._answer(self._requests.get(timeout=TURN_S))
        self._upkeep.tend(self._journal, self._clock.read())

    def stop(self) -> None:
        """Do everything asked so far, and end."""
        self.stopping.set()
        self._requests.put(_Wake())
        super().stop()
        entries = [request for request in (self._unfinished, *self._take_all()) if isinstance(request, _Record)]
        if entries:
            log.error("stopped with %d entries not written; nobody was greeted for them", len(entries))

    @contextmanager
    def _failures_noticed(self) -> Iterator[None]:
        """Verify more after damage; release the reserve on a full card, where even to open a database takes room."""
        try:
            yield
        except JournalBrokenError:
            self._distrusted = True
            raise
        except StorageError:
            if self._upkeep.is_card_full():
                self._upkeep.make_room()
            raise

    def _take_all(self) -> Iterator[_Request]:
        while not self._requests.empty():
            yield self._requests.get_nowait()

    def _take_up_again(self) -> None:
        """Do what the last failure kept from being done."""
        match self._unfinished:
            case None:
                pass
            case _Record() as request:
                self._write(request, again=True)
            case request:
                self._answer(request)

    def _answer(self, request: _Request) -> None:
        self._unfinished = request
        match request:
            case _Record():
                self._write(request)
            case _Fetch(after_seq, limit, answer):
                self._tell(answer, tuple(self._journal.events(after_seq, limit)))
            case _Acknowledge(receipt):
                self._judge(self._journal.acknowledge(receipt))
            case _TellReceipted(answer):
                self._tell(answer, self._journal.receipted_upto())
            case _TellHead(answer):
                self._tell(answer, self._journal.head(self._clock.read()))
            case _Wake():
                self._unfinished = None
            case _:
                assert_never(request)

    def _tell(self, answer: Callable[[T], None], found: T) -> None:
        self._unfinished = None
        answer(found)

    def _write(self, request: _Record, *, again: bool = False) -> None:
        """
        Args:
            again: an earlier try failed, and may have reached the card all the same.
        """
        self._unfinished = request
        try:
            with storage_errors(Database.JOURNAL, self._owner.directory):
                written = self._journal.holds(request.entry, self._last_seq) if again else None
                event = written or self._journal.append(request.entry)
        except FullError:
            if not self._upkeep.make_room():
                raise
            self._write(request, again=True)
            return
        except EntryError as error:
            self._write(self._stand_in(request, error))
            return
        self._unfinished = None
        self._last_seq = event.seq
        self.post(EventRecorded(request.visit, event.seq, request.entry))
        self.post(OutboxDepth(self._journal.depth()))
        self.on_event(event)

    def _stand_in(self, request: _Record, error: EntryError) -> _Record:
        """What is written instead of an entry that can never be an event, so that its loss is on record."""
        if request.entry.reason == UNWRITABLE:
            raise error
        log.error("an entry was replaced by an audit event: %s", error)
        return _Record(None, Entry(EventType.AUDIT, request.entry.at, reason=UNWRITABLE))

    def _tell_condition(self, store: Store) -> None:
        """What was found at the start: a new journal, another's card, no people where there were some."""
        self._tell_missing()
        if store.journal.ahead() is not None:
            self.post(FaultRaised(FaultCode.ANOTHER_CARD, "the district has signed for events that are not here"))
        lost_people = quarantined(self._owner.directory, Database.PEOPLE)
        if lost_people is not None and not store.people.people():
            self.post(FaultRaised(FaultCode.PEOPLE_BROKEN, f"{lost_people} is what there was"))

    def _tell_missing(self) -> None:
        missing = self._journal.may_be_missing()
        if missing:
            self.post(FaultRaised(FaultCode.JOURNAL_RESTARTED, f"{missing[0].first}-{missing[-1].last}"))
        elif self._said_missing:
            self.post(FaultCleared(FaultCode.JOURNAL_RESTARTED))
        self._said_missing = bool(missing)

    def _judge(self, outcome: Acknowledgement) -> None:
        self._unfinished = None
        if outcome in ANOTHER_CARD:
            log.error("a receipt is %s", outcome)
            self.post(FaultRaised(FaultCode.ANOTHER_CARD, f"a receipt is {outcome}"))
            return
        if outcome is Acknowledgement.ACCEPTED:
            self.post(OutboxDepth(self._journal.depth()))
            self._tell_missing()
        if outcome.fits and self._receipt_misfits:
            self.post(FaultCleared(FaultCode.RECEIPT))
        elif not outcome.fits and not self._receipt_misfits:
            log.error("a receipt is %s", outcome)
            self.post(FaultRaised(FaultCode.RECEIPT, f"a receipt is {outcome}"))
        self._receipt_misfits = not outcome.fits
