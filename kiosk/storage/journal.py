"""The append-only log of signed events, which is also the outbox.

An event's sequence number, its link to the event before, its signature and its row are made in one transaction, so
that there is never a gap and never a fork. What is stored is what was signed, byte for byte. An event waits until the
district has signed a receipt for it. Only then may it be pruned, the oldest first, and a signed note says from where
the chain goes on.

    pruned ─▶ event p+1 … event n        (never changed, else never deleted: triggers in migrations/)
      └─ "up to p"       └─ receipt "up to k": p ≤ k ≤ n, only ever rises; k+1 … n are pending

`JournalReader` needs no key and runs on a copy of the file; `Journal` writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kiosk.core.biometrics import Modality, Thresholds
from kiosk.core.schedule import Tap
from kiosk.storage.database import Database, JournalBrokenError, StorageError, opened_readonly, transaction
from kiosk.storage.rows import LARGEST_EVENT, checked, event_of, judged, judged_modality, row_of, tapped
from kiosk.storage.space import Reserve, Room, measured
from wire import chain
from wire.attendance import (
    VERSION,
    Entry,
    Event,
    EventType,
    Message,
    MessageError,
    Moment,
    Origin,
    Span,
    decode,
    encode,
    parse_rfc3339,
    rfc3339,
)
from wire.chain import ChainError, Head, Manifest, Pruned, Receipt

TAIL = 500
"""Events that are verified at start; 0.15 s here."""
LOOKBACK = 10_000
"""Attendance events that are looked at for recent taps: two days of 1,000 people are 4,000."""
ENOUGH_OLD = 1_000
"""Events whose believed time is too early, after which no more recent one is looked for. One is not enough: a clock can
be wrong for an afternoon, and be believed."""

INSERT = "INSERT INTO event VALUES (?, ?, ?, ?)"
M = TypeVar("M", bound=Message)


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


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the chain."""

    seq: int
    """0: before the first event."""
    hash: str
    """Of event `seq`, 64 hexadecimal digits."""


START = Position(0, chain.GENESIS)


class JournalReader:
    """Reads and verifies a journal."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def position(self) -> Position:
        """The last event's place."""
        return self._position("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1") or self.base()

    def base(self) -> Position:
        """The place from which the chain goes on here: the last event that was pruned, or the journal's beginning.

        Raises:
            JournalBrokenError: the note of what was pruned cannot be read.
        """
        pruned = self.pruned()
        return Position(pruned.seq, pruned.hash) if pruned else START

    def pruned(self) -> Pruned | None:
        """The device's word on what was dropped after the district's receipt; None: nothing was.

        Raises:
            JournalBrokenError: what is stored is not that.
        """
        return self._message("pruned", Pruned)

    def kept(self) -> Span:
        """The numbers of the events that are here; the last is before the first while there are none."""
        first = self._connection.execute("SELECT min(seq) FROM event").fetchone()[0]
        last = self.position().seq
        return Span(last + 1 if first is None else first, last)

    def lost(self) -> tuple[Span, ...]:
        """The numbers that the journal declares lost, ascending."""
        rows = self._connection.execute("SELECT first, last FROM lost ORDER BY first")
        return tuple(Span(first, last) for first, last in rows)

    def events(self, after: int = 0, limit: int = -1) -> Iterator[Event]:
        """Yield the events after a sequence number, as many as `limit` (-1: all of them).

        Raises:
            JournalBrokenError: a row's hash does not fit its content, or its number is not the event's.
        """
        wanted = "SELECT seq, signed, hash, sig FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
        return map(event_of, self._connection.execute(wanted, (after, limit)))

    def receipt(self) -> Receipt | None:
        """The district's last word; None: it has not spoken.

        Raises:
            JournalBrokenError: what is stored is not a receipt.
        """
        return self._message("receipt", Receipt)

    def _message(self, table: Literal["receipt", "pruned"], kind: type[M]) -> M | None:
        row = self._connection.execute(f"SELECT message FROM {table}").fetchone()  # noqa: S608 - one of two names
        if row is None:
            return None
        try:
            return decode(bytes(row[0]), kind)
        except (MessageError, TypeError) as error:
            raise JournalBrokenError(f"the stored {table} note cannot be read: {error}") from error

    def receipted_upto(self) -> int:
        """The last event that the district has signed for; 0: none."""
        receipt = self.receipt()
        return receipt.upto_seq if receipt else 0

    def depth(self) -> int:
        """How many events wait for the district; numbers that were lost are none."""
        upto = self.receipted_upto()
        lost = self._connection.execute("SELECT sum(last - max(first, ?1 + 1) + 1) FROM lost WHERE last > ?1", (upto,))
        return self.position().seq - upto - (lost.fetchone()[0] or 0)

    def pending(self, after: int, limit: int) -> tuple[Event, ...]:
        """The events after a sequence number that the district has not signed for, ascending."""
        return tuple(self.events(max(after, self.receipted_upto()), limit))

    def taps_since(self, t: datetime) -> Mapping[str, tuple[Tap, ...]]:
        """Recent attendance by person, in the order of the journal.

        Args:
            t: aware; earlier taps are left out.

        Raises:
            JournalBrokenError: a row is damaged.
        """
        since = rfc3339(t)
        rows = self._connection.execute("SELECT seq, signed, hash, sig FROM event ORDER BY seq DESC")
        taps: dict[str, list[Tap]] = {}
        seen = old = 0
        for tap in map(tapped, map(checked, rows)):
            seen += tap.typ is EventType.ATTENDANCE
            old += tap.t < since and tap.clk.ok
            if seen > LOOKBACK or old > ENOUGH_OLD:
                break
            if tap.typ is EventType.ATTENDANCE and tap.pid and tap.act and tap.t >= since:
                taps.setdefault(tap.pid, []).append(Tap(tap.act, parse_rfc3339(tap.t)))
        return {pid: tuple(reversed(of_person)) for pid, of_person in taps.items()}

    def thresholds(self) -> Mapping[Modality, Thresholds]:
        """What recent events say that each modality was judged by; without those that none speaks of.

        Raises:
            JournalBrokenError: a row is damaged.
        """
        found: dict[Modality, Thresholds] = {}
        rows = self._connection.execute(
            "SELECT seq, signed, hash, sig FROM event ORDER BY seq DESC LIMIT ?", (LOOKBACK,)
        )
        for row in rows:
            modality = judged_modality(row)
            if modality is not None and modality not in found:
                by = judged(checked(row))
                found[modality] = Thresholds(by.thr, by.pad.thr if by.pad else None)
            if len(found) == len(Modality):
                break
        return found

    def verify(
        self, key: Ed25519PublicKey, after: Position | None = None, against: Iterable[Position] = ()
    ) -> Position:
        """Check every event after a position by itself and against the one before, and return the last one's.

        Args:
            key: the device's.
            after: None for all that was not pruned.
            against: what else is known, from signed heads and receipts; shows whether the end is missing.

        Raises:
            JournalBrokenError: names the first event that does not hold.
        """
        pruned = self.pruned()
        if pruned is not None and not chain.is_signed_pruned(pruned, key):
            raise JournalBrokenError(f"that events up to {pruned.seq} were pruned is not signed by this device's key")
        last = after = after or self.base()
        try:
            for event in chain.verify(self.events(after.seq), key, after.seq, after.hash):
                last = Position(event.seq, event.hash)
        except ChainError as error:
            raise JournalBrokenError(str(error), error.seq) from error
        receipt = self.receipt()
        receipted = [Position(receipt.upto_seq, receipt.head)] if receipt else []
        for known in (*receipted, *against):
            self._check_known(known, last)
        return last

    def verify_tail(self, key: Ed25519PublicKey) -> Position:
        """Check the last `TAIL` events, and that what the district has signed for is there.

        Raises:
            JournalBrokenError: names the first event that does not hold.
        """
        before = "SELECT seq, hash FROM event WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
        return self.verify(key, self._position(before, self.position().seq - TAIL) or self.base())

    def _check_known(self, known: Position, last: Position) -> None:
        if known.seq > last.seq:
            missing = last.seq + 1
            raise JournalBrokenError(f"event {missing}: is missing: events up to {known.seq} are known of", missing)
        if known.seq >= self.base().seq and self._at(known.seq) != known:
            raise JournalBrokenError(f"event {known.seq}: is another than the one that is known of", known.seq)

    def _at(self, seq: int) -> Position:
        base = self.base()
        if seq == base.seq:
            return base
        found = self._position("SELECT seq, hash FROM event WHERE seq = ?", seq)
        if found is None:
            raise JournalBrokenError(f"event {seq}: is missing", seq)
        return found

    def _position(self, query: str, *values: int) -> Position | None:
        row = self._connection.execute(query, values).fetchone()
        if row is None:
            return None
        seq, digest = row
        if not isinstance(seq, int) or not isinstance(digest, bytes):
            raise JournalBrokenError("a row of the journal is not of the stored types")
        return Position(seq, digest.hex())


class Journal(JournalReader):
    """Writes a journal. Belongs to the thread that opened the connection."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        origin: Origin,
        key: Ed25519PrivateKey,
        district_key: Ed25519PublicKey | None = None,
    ) -> None:
        """
        Args:
            origin: what the events say about the device from now on; may be set anew when it changes.
            key: the device's identity.
            district_key: whose receipts count; None: nobody's.
        """
        super().__init__(connection)
        self.origin = origin
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

    def acknowledge(self, receipt: Receipt) -> Acknowledgement:
        """Let go of the events that the district has signed for, if this is its word about this journal."""
        if self._district_key is None or not chain.is_signed_receipt(receipt, self._district_key):
            return Acknowledgement.NOT_SIGNED
        if receipt.dev != self.origin.dev:
            return Acknowledgement.OTHER_DEVICE
        with transaction(self._connection):
            if not 0 <= receipt.upto_seq <= self.position().seq:
                return Acknowledgement.BEYOND_HEAD
            if receipt.upto_seq < self.base().seq:
                return Acknowledgement.REPEATED
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
        with transaction(self._connection):
            receipt = self.receipt()
            upto = min(receipt.upto_seq, self.position().seq - TAIL) if receipt else 0
            dropped = list(takewhile(lambda event: _is_over(event, upto, rfc3339(before)), self.events(0, most)))
            if receipt is None or not dropped:
                return 0
            last = dropped[-1]
            bare = Pruned(v=VERSION, dev=last.dev, seq=last.seq, hash=last.hash, t=rfc3339(at.t), receipt=receipt)
            note = encode(chain.sign_pruned(bare, self._key))
            self._connection.execute("INSERT OR REPLACE INTO pruned VALUES (1, ?, ?)", (last.seq, note))
            self._connection.execute("DELETE FROM event WHERE seq <= ?", (last.seq,))
        return len(dropped)

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
