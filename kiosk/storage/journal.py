"""The append-only log of signed events, which is also the outbox.

An event's sequence number, its link to the event before, its signature and its row are made in one transaction, so
that there is never a gap and never a fork. What is stored is what was signed, byte for byte. An event waits until the
district has signed a receipt for it; nothing is ever deleted.

    append ─▶ event 1 … event n          (never changed, never deleted: triggers in migrations/journal_0001.sql)
                     └─ receipt "up to k": k ≤ n, only ever rises; k+1 … n are pending

`JournalReader` needs no key and runs on a copy of the file; `Journal` writes.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kiosk.core.biometrics import Modality, Thresholds
from kiosk.core.schedule import Tap
from kiosk.storage.database import Database, JournalBrokenError, StorageError, opened_readonly, transaction
from wire import chain
from wire.attendance import (
    VERSION,
    Act,
    ClockQuality,
    Entry,
    Event,
    EventType,
    MessageError,
    Moment,
    Origin,
    Pad,
    Span,
    decode,
    encode,
    from_signed_bytes,
    parse_rfc3339,
    rfc3339,
    signed_bytes,
)
from wire.chain import ChainError, Head, Manifest, Receipt

LARGEST_EVENT = 4096
"""Bytes. An event has about 860; with this limit a message of 64 KiB always holds at least fifteen."""
TAIL = 500
"""Events that are verified at start; 0.15 s here."""
LOOKBACK = 10_000
"""Attendance events that are looked at for recent taps: two days of 1,000 people are 4,000."""
ENOUGH_OLD = 1_000
"""Events whose believed time is too early, after which no more recent one is looked for. One is not enough: a clock can
be wrong for an afternoon, and be believed."""
RECENT_TAPS = """
SELECT seq, signed, hash, sig FROM event
WHERE instr(signed, :attendance) OR (substr(signed, instr(signed, :t) + 5, 24) < :since AND instr(signed, :believed))
ORDER BY seq DESC
"""
"""Which events matter is read from the stored bytes, where their canonical form has each name in one spelling and a
quotation mark in a text is escaped: so 200,000 refusals in between cost 0.5 s, and no second index is written."""
LATEST_OF_MODE = """
SELECT seq, signed, hash, sig FROM event
WHERE seq > :since AND instr(signed, :mode) AND instr(signed, CAST('"thr":' AS BLOB)) ORDER BY seq DESC LIMIT 1
"""
INSERT = "INSERT INTO event VALUES (?, ?, ?, ?)"
MARKS = {"attendance": b'"typ":"attendance"', "t": b'"t":"', "believed": b'"clk":{"ok":true'}

Row = tuple[int, bytes, bytes, bytes]
T = TypeVar("T")


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


class _Tapped(msgspec.Struct):
    """As much of an event as the schedule wants; decodes in a microsecond."""

    typ: EventType
    t: str
    clk: ClockQuality
    pid: str | None = None
    act: Act | None = None


class _Judged(msgspec.Struct):
    """By what an event was judged."""

    thr: float
    pad: Pad | None = None


class JournalReader:
    """Reads and verifies a journal."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def position(self) -> Position:
        """The last event's place."""
        return self._position("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1") or START

    def kept(self) -> Span:
        """The numbers of the events that are here; the last is before the first while there are none."""
        first = self._connection.execute("SELECT min(seq) FROM event").fetchone()[0]
        last = self.position().seq
        return Span(last + 1 if first is None else first, last)

    def events(self, after: int = 0, limit: int = -1) -> Iterator[Event]:
        """Yield the events after a sequence number, as many as `limit` (-1: all of them).

        Raises:
            JournalBrokenError: a row's hash does not fit its content, or its number is not the event's.
        """
        wanted = "SELECT seq, signed, hash, sig FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
        return map(_event, self._connection.execute(wanted, (after, limit)))

    def receipt(self) -> Receipt | None:
        """The district's last word; None: it has not spoken.

        Raises:
            JournalBrokenError: what is stored is not a receipt.
        """
        row = self._connection.execute("SELECT message FROM receipt").fetchone()
        if row is None:
            return None
        try:
            return decode(bytes(row[0]), Receipt)
        except (MessageError, TypeError) as error:
            raise JournalBrokenError(f"the stored receipt cannot be read: {error}") from error

    def receipted_upto(self) -> int:
        """The last event that the district has signed for; 0: none."""
        receipt = self.receipt()
        return receipt.upto_seq if receipt else 0

    def depth(self) -> int:
        """How many events wait for the district."""
        return self.position().seq - self.receipted_upto()

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
        rows = self._connection.execute(RECENT_TAPS, MARKS | {"since": since.encode()})
        taps: dict[str, list[Tap]] = {}
        seen = old = 0
        for tapped in map(_tapped, map(_checked, rows)):
            seen += tapped.typ is EventType.ATTENDANCE
            old += tapped.t < since and tapped.clk.ok
            if seen > LOOKBACK or old > ENOUGH_OLD:
                break
            if tapped.typ is EventType.ATTENDANCE and tapped.pid and tapped.act and tapped.t >= since:
                taps.setdefault(tapped.pid, []).append(Tap(tapped.act, parse_rfc3339(tapped.t)))
        return {pid: tuple(reversed(of_person)) for pid, of_person in taps.items()}

    def thresholds(self) -> Mapping[Modality, Thresholds]:
        """What recent events say that each modality was judged by; without those that none speaks of.

        Raises:
            JournalBrokenError: a row is damaged.
        """
        found = {}
        for modality in Modality:
            marks = {"mode": f'"mode":"{modality}"'.encode(), "since": self.position().seq - LOOKBACK}
            for seq, signed, _, _ in map(_checked, self._connection.execute(LATEST_OF_MODE, marks)):
                judged = _decoded(seq, signed, _Judged)
                found[modality] = Thresholds(judged.thr, judged.pad.thr if judged.pad else None)
        return found

    def verify(self, key: Ed25519PublicKey, after: Position = START, against: Iterable[Position] = ()) -> Position:
        """Check every event after a position by itself and against the one before, and return the last one's.

        Args:
            key: the device's.
            after: START for the whole journal.
            against: what else is known, from signed heads and receipts; shows whether the end is missing.

        Raises:
            JournalBrokenError: names the first event that does not hold.
        """
        last = after
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
        return self.verify(key, self._at(max(0, self.position().seq - TAIL)))

    def _check_known(self, known: Position, last: Position) -> None:
        if known.seq > last.seq:
            missing = last.seq + 1
            raise JournalBrokenError(f"event {missing}: is missing: events up to {known.seq} are known of", missing)
        if self._at(known.seq) != known:
            raise JournalBrokenError(f"event {known.seq}: is another than the one that is known of", known.seq)

    def _at(self, seq: int) -> Position:
        if seq == 0:
            return START
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
            self._connection.execute(INSERT, _row(event))
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
                self._connection.execute(INSERT, _row(event))
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
            if self._at(receipt.upto_seq).hash != receipt.head:
                return Acknowledgement.OTHER_CHAIN
            if receipt.upto_seq <= self.receipted_upto():
                return Acknowledgement.REPEATED
            self._connection.execute("INSERT OR REPLACE INTO receipt VALUES (1, ?)", (encode(receipt),))
        return Acknowledgement.ACCEPTED

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


def _row(event: Event) -> Row:
    return event.seq, signed_bytes(event), bytes.fromhex(event.hash), bytes.fromhex(event.sig)


def _checked(row: tuple[object, ...]) -> Row:
    """The row, if it is of the stored types and its hash fits its content."""
    match row:
        case (int(seq), bytes(signed), bytes(digest), bytes(sig)):
            if hashlib.sha256(signed).digest() != digest:
                raise JournalBrokenError(f"event {seq}: its hash does not fit its content", seq)
            return seq, signed, digest, sig
        case _:
            raise JournalBrokenError("a row of the journal is not of the stored types")


def _event(row: tuple[object, ...]) -> Event:
    seq, signed, digest, sig = _checked(row)
    try:
        event = from_signed_bytes(signed, digest.hex(), sig.hex())
    except MessageError as error:
        raise JournalBrokenError(f"event {seq}: {error}", seq) from error
    if event.seq != seq:
        raise JournalBrokenError(f"event {seq}: stored under this number, but says {event.seq}", seq)
    return event


def _tapped(row: Row) -> _Tapped:
    seq, signed, _, _ = row
    return _decoded(seq, signed, _Tapped)


def _decoded(seq: int, signed: bytes, kind: type[T]) -> T:
    """As much of an event as a kind has fields for."""
    try:
        return msgspec.json.decode(signed, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalBrokenError(f"event {seq}: cannot be read: {error}", seq) from error
