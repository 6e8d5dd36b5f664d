"""What becomes of a message: verified, kept once, linked, committed; then, and only then, receipted.

    message ─▶ ours? ─▶ a message? ─▶ known device? ─▶ signed? ─▶ first of its number? ─▶ linked? ─▶ COMMIT ─▶ receipt
                 └─────────┴──────────────┴──────────────┴────────────────┴──────────────────┴─▶ quarantine

Nothing that arrives makes it raise; only the store does. A receipt speaks of the end of the linked chain, never of what
waits, and is signed for duplicates too: a lost receipt must not keep a terminal waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from district.store import Device, Misfit, Position, Quarantined, Store
from wire.attendance import LARGEST_MESSAGE, VERSION, Batch, Event, MessageError, Span, decode, encode, rfc3339
from wire.chain import ChainError, Head, Receipt, is_signed_head, public_key, sign_receipt, verify_event, verify_link
from wire.condition import Birth, State
from wire.topics import Address, Topic, parse

log = logging.getLogger(__name__)

LOGGED = 1000
"""How many kinds of misfit are told in the log, each once; more are only counted."""
EVIDENCE = 1024
"""Bytes kept of a message that is too large to be one."""


class Rejected(Exception):  # noqa: N818 - an outcome of one message, never seen outside this file
    """This message, or event, goes into quarantine."""

    def __init__(self, reason: Misfit, detail: str, seq: int | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.seq = seq


def utc_now() -> datetime:
    """The computer's clock."""
    return datetime.now(UTC)


class Intake:
    """Takes messages, one at a time."""

    def __init__(
        self, store: Store, key: Ed25519PrivateKey, district: str, now: Callable[[], datetime] = utc_now
    ) -> None:
        """
        Args:
            key: the district's.
            district: its name in topics.
        """
        self._store = store
        self._key = key
        self._district = district
        self._now = now
        self._logged: set[tuple[Misfit, str]] = set()

    def take(self, topic: str, raw: bytes) -> Receipt | None:
        """Keep what can be kept of a message, commit, and return the receipt to send; None: none is due.

        Raises:
            sqlite3.Error: it is not kept; the broker must deliver it again.
        """
        with self._store.transaction():
            end = self._taken(topic, raw)
        return None if end is None else self.receipt_for(end)

    def take_events(self, dev: str, events: Sequence[Event], source: str) -> list[str]:
        """Keep what can be kept of events that a file brought, commit, and say what is wrong with the others.

        Args:
            source: the file's name.

        Raises:
            sqlite3.Error: none is kept.
        """
        device = self._store.device(dev)
        with self._store.transaction():
            return [] if device is None else self._kept(events, device, source)

    def take_head(self, head: Head, source: str) -> list[str]:
        """Remember the checkpoint that a file brought; returns what is wrong with it."""
        device = self._store.device(head.dev)
        with self._store.transaction():
            try:
                if device is not None:
                    self._check_head(device, encode(head), head)
            except Rejected as rejected:
                self._quarantine(rejected, device, source, encode(head))
                return [str(rejected)]
        return []

    def receipt_for(self, dev: str) -> Receipt | None:
        """The signed word on a device's chain as it is on disk; None: nothing is linked yet."""
        head = self._store.head(dev)
        if not head.seq:
            return None
        return sign_receipt(Receipt(v=VERSION, dev=dev, upto_seq=head.seq, head=head.hash, t=self._t()), self._key)

    def _taken(self, topic: str, raw: bytes) -> str | None:
        """The device whose events came; None: no event came."""
        device: Device | None = None
        try:
            address = self._address(topic)
            device = self._device(address)
            events = self._events(address, device, raw)
        except Rejected as rejected:
            self._quarantine(rejected, device, topic, raw)
            return None
        self._kept(events, device, topic)
        return device.dev if events else None

    def _kept(self, events: Sequence[Event], device: Device, topic: str) -> list[str]:
        """Keep what can be kept; returns what is wrong with the others."""
        wrong = []
        key = public_key(device.key)
        end = self._open_end(device)
        for event in events:
            try:
                self._check_event(event, device, key)
                if end is not None and event.seq == end.seq + 1 and not event.lost:
                    end = self._append(event, self._t(), end)
                else:
                    self._keep(event, device, topic)
                    end = self._open_end(device)
            except Rejected as rejected:
                self._quarantine(rejected, device, topic, encode(event))
                wrong.append(str(rejected))
        return wrong

    def _open_end(self, device: Device) -> Position | None:
        """The end of a chain that the next event just goes on: nothing waits for it; None: something does."""
        head = self._store.head(device.dev)
        return None if self._store.next_waiting(device.dev, head.seq) is not None else head

    def _address(self, topic: str) -> Address:
        address = parse(topic)
        if address is None or address.district != self._district:
            raise Rejected(Misfit.FOREIGN, f"not a topic of {self._district}")
        return address

    def _device(self, address: Address) -> Device:
        device = self._store.device(address.device)
        if device is None:
            raise Rejected(Misfit.UNKNOWN_DEVICE, f"{address.device} is not enrolled")
        return device

    def _events(self, address: Address, device: Device, raw: bytes) -> tuple[Event, ...]:
        """The events in a message; other messages have none, and are dealt with here."""
        try:
            match address.topic:
                case Topic.EVENT | Topic.AUDIT:
                    return (decode(raw, Event),)
                case Topic.BATCH:
                    return decode(raw, Batch).events
                case Topic.STATE:
                    self._remember(device, address.topic, raw, decode(raw, State))
                case Topic.BIRTH:
                    self._remember(device, address.topic, raw, decode(raw, Birth))
                case Topic.HEAD:
                    self._check_head(device, raw, decode(raw, Head))
                case _:
                    log.debug("%s: %s is not read yet", device.dev, address.topic)
        except MessageError as error:
            raise Rejected(Misfit.GARBAGE, str(error)) from error
        return ()

    def _check_event(self, event: Event, device: Device, key: Ed25519PublicKey) -> None:
        """Whatever can be said of an event by itself."""
        self._check_sender(event.dev, device)
        try:
            verify_event(event, key)
        except ChainError as error:
            raise Rejected(Misfit.FORGED, str(error), event.seq) from error
        if event.seq < 1 or not all(0 < span.first <= span.last < event.seq for span in event.lost):
            raise Rejected(
                Misfit.BREAK, f"event {event.seq}: numbers begin at 1, and lost ones lie before it", event.seq
            )

    def _keep(self, event: Event, device: Device, topic: str) -> None:
        """Keep an event that is not simply the next one."""
        held = self._store.held_hash(device.dev, event.seq)
        if held == event.hash:
            self._store.count_duplicate(device.dev)
        elif held is not None:
            raise Rejected(Misfit.FORK, f"event {event.seq}: another of this number is held", event.seq)
        else:
            self._link(event, device, topic)

    def _link(self, event: Event, device: Device, topic: str) -> None:
        """Append the event and all that waited for it; or set it aside."""
        if event.lost:
            self._store.declare_lost(event)
            self._check_branch(event, device, topic)
        head = self._store.head(device.dev).seq
        if event.seq <= head and self._store.is_lost(device.dev, Span(event.seq, event.seq)):
            self._put_in(event)
        elif event.seq > head + 1:
            self._store.set_aside(event, self._t())
        else:
            self._append(event, self._t(), self._store.head(device.dev))
        self._link_waiting(device, topic)

    def _link_waiting(self, device: Device, topic: str) -> None:
        """Append what waits, across numbers that are declared lost."""
        while True:
            head = self._store.head(device.dev).seq
            seq = self._store.next_waiting(device.dev, head)
            if seq is None or (seq > head + 1 and not self._store.is_lost(device.dev, Span(head + 1, seq - 1))):
                return
            for event, received_t in self._store.take_waiting(device.dev, seq):
                try:
                    self._append(event, received_t, self._store.head(device.dev))
                except Rejected as rejected:
                    self._quarantine(rejected, device, topic, encode(event))

    def _append(self, event: Event, received_t: str, head: Position) -> Position:
        """Keep an event at the end of the chain; returns the end then."""
        try:
            if not event.lost and event.seq <= head.seq + 1:  # what it follows is held
                verify_link(head.seq, head.hash, event)
        except ChainError as error:
            raise Rejected(Misfit.BREAK, str(error), event.seq) from error
        self._store.append(event, received_t)
        return Position(event.seq, event.hash)

    def _put_in(self, event: Event) -> None:
        """Keep an event whose number was declared lost, between those that are held."""
        before = self._store.held_hash(event.dev, event.seq - 1)
        after = self._store.following(event.dev, event.seq)
        follows = event.lost or before in {None, event.prev}
        if not follows or (after is not None and not after.lost and after.prev != event.hash):
            raise Rejected(Misfit.BREAK, f"event {event.seq}: does not follow the event before it", event.seq)
        self._store.append(event, self._t())

    def _check_branch(self, event: Event, device: Device, topic: str) -> None:
        """A journal that goes on from another event than is held is another card's, and so were its last events."""
        last = event.lost[-1].first - 1
        held = self._store.held_hash(device.dev, last)
        if held not in {None, event.prev} and event.lost[-1].last == event.seq - 1:
            what = f"event {event.seq} goes on from another event {last} than is held: a copied card, or an old backup"
            self._quarantine(Rejected(Misfit.FORK, what, event.seq), device, topic, encode(event))

    def _remember(self, device: Device, topic: Topic, raw: bytes, message: State | Birth | Head) -> None:
        self._check_sender(message.dev, device)
        self._store.remember(device.dev, topic, self._t(), raw)

    def _check_head(self, device: Device, raw: bytes, head: Head) -> None:
        """A checkpoint that names another event than is known shows a second journal of the same device.

        Of those that fit, the farthest is remembered: an older one that comes again must not hide a loss.
        """
        self._check_sender(head.dev, device)
        if not is_signed_head(head, public_key(device.key)):
            raise Rejected(Misfit.FORGED, f"the checkpoint at {head.seq} is not signed by this device's key", head.seq)
        if self._store.held_hash(device.dev, head.seq) not in {None, head.hash}:
            raise Rejected(Misfit.FORK, f"the checkpoint names another event {head.seq} than is held", head.seq)
        farthest = self._store.checkpoint(device.dev)
        if farthest is not None and farthest.seq == head.seq and farthest.hash != head.hash:
            raise Rejected(Misfit.FORK, f"the checkpoint names another event {head.seq} than one before", head.seq)
        if farthest is None or farthest.seq <= head.seq:
            self._remember(device, Topic.HEAD, raw, head)

    def _check_sender(self, dev: str, device: Device) -> None:
        if dev != device.dev:
            raise Rejected(Misfit.FOREIGN, f"speaks of {dev[:32]!r} on a topic of {device.dev}")
        if device.revoked_t is not None:
            raise Rejected(Misfit.REVOKED, f"{device.dev} was revoked on {device.revoked_t}")

    def _quarantine(self, rejected: Rejected, device: Device | None, topic: str, raw: bytes) -> None:
        dev = device.dev if device else None
        if (rejected.reason, dev or topic) not in self._logged and len(self._logged) < LOGGED:
            self._logged.add((rejected.reason, dev or topic))
            log.warning("%s: %s: %s; more of this kind is only counted", dev or topic, rejected.reason, rejected)
        t = self._t()
        kept = raw if len(raw) <= LARGEST_MESSAGE else raw[:EVIDENCE]
        self._store.quarantine(
            Quarantined(rejected.reason, dev, rejected.seq, str(rejected), topic, t, t, times=1, raw=kept)
        )

    def _t(self) -> str:
        return rfc3339(self._now())
