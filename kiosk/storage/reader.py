"""Reads and verifies a journal; needs no key of the device, and runs on a copy of the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kiosk.core.biometrics import Modality, Thresholds
from kiosk.core.schedule import Tap
from kiosk.storage.database import JournalBrokenError
from kiosk.storage.rows import checked, event_of, judged, judged_modality, tapped
from wire import chain
from wire.attendance import Event, EventType, Message, MessageError, Span, decode, parse_rfc3339, rfc3339
from wire.chain import ChainError, Pruned, Receipt

TAIL = 500
"""Events that are verified at start; 0.15 s here."""
LOOKBACK = 10_000
"""Attendance events that are looked at for recent taps: two days of 1,000 people are 4,000."""
ENOUGH_OLD = 1_000
"""Events whose believed time is too early, after which no more recent one is looked for. One is not enough: a clock can
be wrong for an afternoon, and be believed."""

M = TypeVar("M", bound=Message)


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

    def is_lost(self, seq: int) -> bool:
        """Whether the journal declares this number lost."""
        return any(span.first <= seq <= span.last for span in self.lost())

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
        wanted = "SELECT seq, signed, hash, sig FROM event ORDER BY seq DESC LIMIT ?"
        for row in self._connection.execute(wanted, (LOOKBACK,)):
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
        return self.verify(key, self.before(self.position().seq - TAIL))

    def before(self, seq: int) -> Position:
        """The place of the last event up to a number."""
        wanted = "SELECT seq, hash FROM event WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
        return self._position(wanted, seq) or self.base()

    def _check_known(self, known: Position, last: Position) -> None:
        if known.seq > last.seq:
            missing = last.seq + 1
            raise JournalBrokenError(f"event {missing}: is missing: events up to {known.seq} are known of", missing)
        if known.seq < self.base().seq or self.is_lost(known.seq):
            return  # not here, and that is said
        if self._at(known.seq) != known:
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
