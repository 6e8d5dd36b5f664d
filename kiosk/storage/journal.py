"""The append-only log of signed events, which is also the outbox.

An event's sequence number, its link to the event before, its signature and its row are made in one transaction, so
that there is never a gap and never a fork. What is stored is what was signed, byte for byte. An event waits until the
district has signed a receipt for it. Only then may it be pruned, the oldest first, and a signed note says from where
the chain goes on.

    pruned ─▶ event p+1 … event n        (never changed, else never deleted: triggers in migrations/)
      └─ "up to p"       └─ receipt "up to k": p ≤ k ≤ n, only ever rises; k+1 … n are pending

`kiosk.storage.reader` reads, and needs no key; here it is written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kiosk.storage.database import Database, StorageError, opened_readonly, scrub_wal, transaction
from kiosk.storage.highwater import HighWater, far_above
from kiosk.storage.reader import LOOKBACK, TAIL, JournalReader, Position
from kiosk.storage.rows import LARGEST_EVENT, row_of
from kiosk.storage.space import Reserve, Room, measured
from wire import chain
from wire.attendance import (
    VERSION,
    Entry,
    Event,
    EventType,
    MessageError,
    Moment,
    Origin,
    Span,
    decode,
    encode,
    rfc3339,
)
from wire.chain import Head, Manifest, Pruned, Receipt

INSERT = "INSERT INTO event VALUES (?, ?, ?, ?)"
MOST_SPANS = 40
"""Lost numbers are named in so many spans at most, so that the event stays within its limit."""


class EntryError(StorageError):
    """An entry cannot be made an event, now or ever: it has no canonical form, or is too large."""


class Acknowledgement(StrEnum):
    """What became of a receipt."""

    ACCEPTED = "accepted"
    """Fewer events wait now."""
    REPEATED = "repeated"
    """It fits, and says nothing new."""
    NOT_SIGNED = "not signed by our district"
    OTHER_DEVICE = "for another device"
    BEYOND_HEAD = "for events that we do not have"
    OTHER_CHAIN = "for another event of that number than ours"

    @property
    def fits(self) -> bool:
        """Whether the receipt is our district's word about our journal."""
        return self in {Acknowledgement.ACCEPTED, Acknowledgement.REPEATED}


ANOTHER_CARD = frozenset({Acknowledgement.BEYOND_HEAD, Acknowledgement.OTHER_CHAIN})
"""What our district can only have signed if another card spoke for this device."""


class Journal(JournalReader):
    """Writes a journal. Belongs to the thread that opened the connection."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        origin: Origin,
        key: Ed25519PrivateKey,
        district_key: Ed25519PublicKey | None = None,
        numbers: HighWater | None = None,
    ) -> None:
        """
        Args:
            origin: what the events say about the device from now on; may be set anew when it changes.
            key: the device's identity.
            district_key: whose receipts count; None: nobody's.
            numbers: remembers which numbers may have been used; None: nobody does.
        """
        super().__init__(connection)
        self.origin = origin
        self.numbers = numbers
        self.name: str = connection.execute("SELECT name FROM name").fetchone()[0]
        self._key = key
        self._district_key = district_key

    def append(self, entry: Entry) -> Event:
        """Return the entry as an event that is on disk.

        Raises:
            EntryError: it can never be one.
            sqlite3.Error: it is perhaps not on disk; see `holds`.
        """
        with transaction(self._connection):
            event = self._sealed(entry, self.origin, self.position())
            self._reserve(event.seq)
            self._connection.execute(INSERT, row_of(event))
        return event

    def append_all(self, entries: Iterable[Entry]) -> None:
        """Append many entries at the price of one: all are on disk, or none.

        Raises:
            EntryError: one can never be an event.
            sqlite3.Error: they are perhaps not on disk.
        """
        with transaction(self._connection):
            last = self.position()
            for entry in entries:
                event = self._sealed(entry, self.origin, last)
                self._reserve(event.seq)
                self._connection.execute(INSERT, row_of(event))
                last = Position(event.seq, event.hash)

    def holds(self, entry: Entry, after: int) -> Event | None:
        """The event that was made of this entry, if it is among those after a sequence number.

        When a commit fails, nobody knows whether the event got there. Sealing is deterministic, so the same entry in
        the same place is the same event; what it says of the device is not compared, since a person may have been
        enrolled meanwhile.

        Raises:
            EntryError: it can never be one.
        """
        return next((event for event in self.events(after) if self._is_made_of(event, entry)), None)

    @property
    def public_key(self) -> Ed25519PublicKey:
        """What the events verify with."""
        return self._key.public_key()

    def is_ours(self, receipt: Receipt) -> bool:
        """Whether it is our district's word about this device."""
        signed = self._district_key is not None and chain.is_signed_receipt(receipt, self._district_key)
        return signed and receipt.dev == self.origin.dev

    @contextmanager
    def begun_at(self, base: Position, receipt: Receipt | None, at: Moment) -> Iterator[None]:
        """Begin an empty journal after a place that the district has signed for; all done inside, or nothing."""
        with transaction(self._connection):
            if receipt is not None:
                self._connection.execute("INSERT INTO receipt VALUES (1, ?)", (encode(receipt),))
                if base.seq:
                    self._note_pruned(base, receipt, at)
            yield

    def take_over(self, event: Event) -> None:
        """Store an event of an earlier journal, after the last one or farther on; `leap` then declares the hole."""
        last = self.position().seq
        if event.seq > last + 1:
            self._connection.execute("INSERT INTO lost VALUES (?, ?)", (last + 1, event.seq - 1))
        self._connection.execute(INSERT, row_of(event))

    def leap(self, at: Moment, reason: str, upto: int) -> Event:
        """Go on above a number, in the caller's transaction, with an audit event that declares what is missing lost.

        Args:
            upto: the highest number that may have been used.
        """
        last = self.position()
        if upto > last.seq:
            self._connection.execute("INSERT INTO lost VALUES (?, ?)", (last.seq + 1, upto))
        spans = [span for span in self.lost() if span.last > self.base().seq]
        place = Position(max(upto, last.seq), last.hash)
        event = self._sealed(Entry(EventType.AUDIT, at, reason=reason, lost=limited(spans)), self.origin, place)
        self._reserve(event.seq)
        self._connection.execute(INSERT, row_of(event))
        return event

    def resume(self, at: Moment, reason: str) -> Event:
        """Go on far above every number that may have been used, on a card that is a copy or an old backup."""
        mark = self.numbers.mark if self.numbers else None
        known = [self.position().seq, mark.upto_seq if mark else 0, mark.ahead.upto_seq if mark and mark.ahead else 0]
        with transaction(self._connection):
            event = self.leap(at, reason, far_above(max(known), at))
        if self.numbers is not None:
            self.numbers.set_ahead(None)
        return event

    def ahead(self) -> Receipt | None:
        """The district's word about events that are not here: this card is a copy, or an old backup."""
        mark = self.numbers.mark if self.numbers else None
        return mark.ahead if mark else None

    def acknowledge(self, receipt: Receipt) -> Acknowledgement:
        """Let go of the events that the district has signed for, if this is its word about this journal."""
        if self._district_key is None or not chain.is_signed_receipt(receipt, self._district_key):
            return Acknowledgement.NOT_SIGNED
        if receipt.dev != self.origin.dev:
            return Acknowledgement.OTHER_DEVICE
        outcome = self._judged(receipt)
        if outcome in ANOTHER_CARD and self.numbers is not None:
            self.numbers.set_ahead(receipt)
        return outcome

    def _judged(self, receipt: Receipt) -> Acknowledgement:
        with transaction(self._connection):
            if not 0 <= receipt.upto_seq <= self.position().seq:
                return Acknowledgement.BEYOND_HEAD
            if receipt.upto_seq < self.base().seq or self.is_lost(receipt.upto_seq):
                return Acknowledgement.REPEATED  # of what is not here; the next one will speak of what is
            if self._at(receipt.upto_seq).hash != receipt.head:
                return Acknowledgement.OTHER_CHAIN
            if receipt.upto_seq <= self.receipted_upto():
                return Acknowledgement.REPEATED
            self._connection.execute("INSERT OR REPLACE INTO receipt VALUES (1, ?)", (encode(receipt),))
        return Acknowledgement.ACCEPTED

    def room(self, most_bytes: int, reserve: Reserve) -> Room:
        """How much room there is on the card that the journal is on."""
        path = self._connection.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()[0]
        return measured(self._connection, Path(path).parent, most_bytes, reserve)

    def prune(self, at: Moment, before: datetime, most: int) -> int:
        """Drop the oldest events that the district has signed for; returns how many.

        Args:
            at: now.
            before: aware; events whose believed time is later stay, and all after them.
            most: events at once; one transaction.

        The last `TAIL` events always stay.
        """
        receipt = self.receipt()
        upto = min(receipt.upto_seq, self.position().seq - TAIL) if receipt else 0
        dropped = list(takewhile(lambda event: _is_over(event, upto, rfc3339(before)), self.events(0, most)))
        if receipt is not None and dropped:
            last = dropped[-1]
            with transaction(self._connection):
                self._note_pruned(Position(last.seq, last.hash), receipt, at)
                self._connection.execute("DELETE FROM event WHERE seq <= ?", (last.seq,))
        return len(dropped)

    def verify_recent(self) -> None:
        """Check every event that waits for the district, and as many as may be looked at for recent taps.

        Raises:
            JournalBrokenError: names the first one that does not hold.
        """
        self.verify(self.public_key, self.before(min(self.receipted_upto(), self.position().seq - LOOKBACK)))

    def scrub(self) -> None:
        """Move everything into the file and leave its log empty; see `scrub_wal`."""
        scrub_wal(self._connection)

    def may_be_missing(self) -> tuple[Span, ...]:
        """The numbers that are declared lost, while the district has not signed for that."""
        upto = self.receipted_upto()
        return tuple(span for span in self.lost() if span.last > upto)

    def head(self, at: Moment) -> Head:
        """The device's signed word on how far the journal goes."""
        last = self.position()
        head = Head(v=VERSION, dev=self.origin.dev, seq=last.seq, hash=last.hash, boot=at.boot, t=rfc3339(at.t))
        return chain.sign_head(head, self._key)

    def manifest(self, at: Moment, span: Span) -> Manifest:
        """The device's signed word on an export of these events, which are here."""
        before, last = self._at(span.first - 1), self._at(span.last)
        bare = Manifest(
            v=VERSION,
            dev=self.origin.dev,
            key=chain.public_hex(self._key),
            unit=self.origin.unit,
            t=rfc3339(at.t),
            after_seq=before.seq,
            after=before.hash,
            head=self.head(at),
            upto_seq=last.seq,
            upto=last.hash,
            pruned=self.pruned(),
            receipt=self.receipt(),
        )
        return chain.sign_manifest(bare, self._key)

    def _note_pruned(self, last: Position, receipt: Receipt, at: Moment) -> None:
        dev = self.origin.dev
        bare = Pruned(v=VERSION, dev=dev, seq=last.seq, hash=last.hash, t=rfc3339(at.t), receipt=receipt)
        note = encode(chain.sign_pruned(bare, self._key))
        self._connection.execute("INSERT OR REPLACE INTO pruned VALUES (1, ?, ?)", (last.seq, note))

    def _reserve(self, seq: int) -> None:
        if self.numbers is not None and not self.numbers.covers(seq, self.name):
            self.numbers.reserve(seq, self.name, self.receipt())

    def _is_made_of(self, event: Event, entry: Entry) -> bool:
        origin = Origin(event.dev, event.unit, event.tz, event.cfg, event.roster, event.model)
        return self._sealed(entry, origin, Position(event.seq - 1, event.prev)) == event

    def _sealed(self, entry: Entry, origin: Origin, after: Position) -> Event:
        try:
            event = chain.seal(entry, origin, after.seq + 1, after.hash, self._key)
            raw = encode(event)
            if len(raw) > LARGEST_EVENT or decode(raw, Event) != event:
                raise MessageError(f"{len(raw)} bytes do not read back as they were; at most {LARGEST_EVENT} may be")
        except (MessageError, ValueError) as error:
            raise EntryError(f"an entry of type {entry.typ} cannot be an event: {error}") from error
        return event


def limited(spans: list[Span]) -> tuple[Span, ...]:
    """The same numbers, and perhaps more, in few enough spans for one event."""
    if len(spans) <= MOST_SPANS:
        return tuple(spans)
    return (*spans[: MOST_SPANS - 1], Span(spans[MOST_SPANS - 1].first, spans[-1].last))


def _is_over(event: Event, upto: int, before: str) -> bool:
    """Whether an event may be dropped, if those before it are."""
    return event.seq <= upto and (event.t < before or not event.clk.ok)


@contextmanager
def opened_journal_file(path: Path) -> Iterator[JournalReader]:
    """A journal file, for reading only, with its WAL if there is one.

    Raises:
        StorageError: there is no such file, or it cannot be read.
        JournalBrokenError: it is damaged.
    """
    with opened_readonly(path, Database.JOURNAL) as connection:
        yield JournalReader(connection)


def verify_file(path: Path, key: Ed25519PublicKey, against: Iterable[Position] = ()) -> Position:
    """Check a whole journal file with the device's public key alone, and return its last event's position.

    Raises:
        StorageError: there is no such file, or it cannot be read.
        JournalBrokenError: it does not verify; `seq` is the first event that does not hold.
    """
    with opened_journal_file(path) as journal:
        return journal.verify(key, against=against)
