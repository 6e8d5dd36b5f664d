"""What the reader's slots should hold, and bringing them to it: slot i holds the i-th reference.

The reader's flash is a copy of what the kiosk has, never the other way round. A swapped, cleared or half-filled reader
is noticed by its index table, its count, and a mark in its notepad: a hash over all templates, erased before the first
change and written after the last, so that a power cut in between is noticed too. A reader without a notepad is judged
by its index table alone, which is safe, since no slot number is believed without `Library.candidate`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from itertools import chain

from kiosk.core.biometrics import Candidate, FingerReference
from kiosk.sensors.fingerprint_packets import ReaderFullError
from kiosk.sensors.fingerprint_reader import MARK_BYTES, Found, Reader

log = logging.getLogger(__name__)

_NO_MARK = bytes(MARK_BYTES)


class Library:
    """The references in one open reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._wanted: tuple[FingerReference, ...] = ()
        self._held: dict[int, bytes] | None = None
        """Slot → template that is known to be in it; None: nothing is known."""
        self._mark_there: bytes | None = None
        """What the notepad is known to say."""

    def expect(self, references: Sequence[FingerReference]) -> None:
        """Say what the reader is to hold from now on; `advance` brings it about.

        Raises:
            ReaderFullError: the reader has fewer slots.
        """
        capacity = self._reader.parameters().capacity
        if len(references) > capacity:
            raise ReaderFullError(f"{len(references)} references for a reader with {capacity} slots")
        self._wanted = tuple(references)

    def advance(self) -> bool:
        """Do one step towards what is expected, at most about a second; False: there was nothing left to do."""
        if self._held is None:
            self._held = self._inspected()
            return True
        slot = self._slot_in_doubt(self._held)
        if slot is not None:
            self._mend(slot, self._held)
            return True
        return self._write_mark(self._mark())

    def candidate(self, found: Found | None) -> Candidate | None:
        """Return who was found, if our own copy of their template says so too.

        A reader that turns out to hold something else than it should is suspect as a whole; `advance` then fills it
        anew.
        """
        if found is None:
            self._recount()
            return None
        reference = self._wanted[found.slot] if found.slot < len(self._wanted) else None
        if reference is not None:
            score = self._reader.confirm(reference.template)
            if score is not None:
                return Candidate(reference.pid, float(score))
        if reference is None or not self._reader.holds(found.slot, reference.template):
            log.warning("slot %d of the fingerprint reader does not hold what it should", found.slot)
            self._held = self._cleared()
        return None

    def _recount(self) -> None:
        """A reader that was cleared finds nobody."""
        count = self._reader.count()
        if count != len(self._wanted):
            log.warning("the fingerprint reader holds %d templates instead of %d", count, len(self._wanted))
            self._held = self._cleared()

    def _inspected(self) -> dict[int, bytes]:
        """What the reader holds, if it is what this kiosk put there; it is cleared otherwise."""
        slots = self._reader.slots()
        self._mark_there = self._reader.read_mark()
        ours = self._mark_there in {None, self._mark()}
        if ours and slots == frozenset(range(len(self._wanted))):
            return {slot: reference.template for slot, reference in enumerate(self._wanted)}
        log.info("the fingerprint reader holds %d templates that are not as they should be; filling it", len(slots))
        return self._cleared()

    def _cleared(self) -> dict[int, bytes]:
        self._reader.clear()
        return {}

    def _slot_in_doubt(self, held: dict[int, bytes]) -> int | None:
        missing = (slot for slot, one in enumerate(self._wanted) if held.get(slot) != one.template)
        strays = (slot for slot in held if slot >= len(self._wanted))
        return next(chain(missing, strays), None)

    def _mend(self, slot: int, held: dict[int, bytes]) -> None:
        self._write_mark(_NO_MARK)
        held.pop(slot, None)
        if slot >= len(self._wanted):
            self._reader.delete(slot)
            return
        template = self._wanted[slot].template
        self._reader.store(slot, template)
        held[slot] = template

    def _write_mark(self, mark: bytes) -> bool:
        """Have the notepad say this; False: it does already."""
        if mark == self._mark_there:
            return False
        self._reader.write_mark(mark)
        self._mark_there = mark
        return True

    def _mark(self) -> bytes:
        """SHA-256 over the templates in the order of their slots, each with its length before it."""
        digest = hashlib.sha256()
        for reference in self._wanted:
            digest.update(len(reference.template).to_bytes(4, "big") + reference.template)
        return digest.digest()
