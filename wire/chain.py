"""Hash chain and Ed25519 signatures: seal, verify, checkpoint, receipt.

Each event carries the hash of the one before it, and a signature over its own hash by the device's key, so whoever has
the public key alone can tell that nothing was changed, left out or put in between. The same verifier runs on the kiosk,
at the district and on a USB stick. A signature is always over a context line and a digest, so that no signature
can be passed off as one over another kind of message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wire.attendance import VERSION, Entry, Event, Message, Origin, Span, rfc3339, signed_bytes
from wire.canonical import canonical

GENESIS = 64 * "0"
"""`prev` of the first event."""
EVENT_CONTEXT = b"hadir/v1/event\n"
HEAD_CONTEXT = b"hadir/v1/head\n"
RECEIPT_CONTEXT = b"hadir/v1/receipt\n"
PRUNED_CONTEXT = b"hadir/v1/pruned\n"
MANIFEST_CONTEXT = b"hadir/v1/manifest\n"
MOST_HOLES = 1_000
"""Holes that may wait to be declared; a journal has one for each damaged place."""
FIELD = 2**255 - 19
"""RFC 8032, 5.1: the field that Ed25519's points have their coordinates in."""
Y_BITS = 2**255 - 1
"""A public key is y, and the sign of x in the highest bit."""
ORDER_8_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
"""y of the points of order 8; the others of these have FIELD - y."""
SMALL_ORDER_Y = frozenset({0, 1, FIELD - 1, FIELD, FIELD + 1, ORDER_8_Y, FIELD - ORDER_8_Y})
"""The y of all points of order 1, 2, 4 and 8, two of them in two spellings. A key of zeros, as somebody may leave in a
file to be filled in later, is one: a signature of zeros verifies under it."""


class ChainError(ValueError):
    """The chain does not hold; `seq` is the first event at which it does not."""

    def __init__(self, seq: int, what: str) -> None:
        super().__init__(f"event {seq}: {what}")
        self.seq = seq


class Head(Message, frozen=True, kw_only=True):
    """A device's signed word on how far its journal goes."""

    v: int
    dev: str
    seq: int
    hash: str
    boot: str
    t: str
    sig: str = ""
    """The device's Ed25519 over `hadir/v1/head`, a line feed, and the canonical JSON without `sig`."""


class Receipt(Message, frozen=True, kw_only=True):
    """The district's signed word that it has committed every event up to one."""

    v: int
    dev: str
    upto_seq: int
    head: str
    """`hash` of event `upto_seq`."""
    t: str
    sig: str = ""
    """The district's Ed25519 over `hadir/v1/receipt`, a line feed, and the canonical JSON without `sig`."""


class Pruned(Message, frozen=True, kw_only=True):
    """A device's signed word that it has dropped its oldest events, after the district had signed for them."""

    v: int
    dev: str
    seq: int
    """The last event dropped; the chain goes on from here."""
    hash: str
    """Of that event."""
    t: str
    receipt: Receipt
    """The district's, for that event or a later one."""
    sig: str = ""


class Manifest(Message, frozen=True, kw_only=True):
    """The first line of an exported journal: what follows it, signed, so that nothing can be left out at either end."""

    v: int
    dev: str
    key: str
    """The device's public key. Whoever verifies uses the one that they know to be the device's, not this."""
    unit: str
    t: str
    after_seq: int
    """The event before the first one here; 0: the journal's beginning."""
    after: str
    """The hash of that event; 64 zeros at the beginning."""
    head: Head
    """The end of the journal when it was exported, which may lie beyond the last event here."""
    upto_seq: int
    """The last event here."""
    upto: str
    """The hash of that event."""
    pruned: Pruned | None = None
    """What the journal has dropped; None: nothing."""
    receipt: Receipt | None = None
    """The district's last word; None: it has not spoken."""
    sig: str = ""


def seal(entry: Entry, origin: Origin, seq: int, prev: str, key: Ed25519PrivateKey) -> Event:
    """Return the entry as the signed event that follows the one whose hash is `prev`."""
    bare = Event(
        v=VERSION,
        typ=entry.typ,
        dev=origin.dev,
        seq=seq,
        id=f"{origin.dev}.{seq}",
        prev=prev,
        boot=entry.at.boot,
        mono_ms=entry.at.mono_ms,
        t=rfc3339(entry.at.t),
        tz=origin.tz,
        clk=entry.at.clk,
        unit=origin.unit,
        cfg=origin.cfg,
        roster=origin.roster,
        model=origin.model,
        pid=entry.pid,
        act=entry.act,
        mode=entry.mode,
        score=_rounded(entry.score),
        thr=_rounded(entry.thr),
        pad=entry.pad and msgspec.structs.replace(entry.pad, score=_rounded(entry.pad.score)),
        reason=entry.reason,
        lost=entry.lost,
        hash="",
        sig="",
    )
    digest = event_hash(bare)
    return msgspec.structs.replace(bare, hash=digest, sig=key.sign(EVENT_CONTEXT + bytes.fromhex(digest)).hex())


def _rounded(score: float | None) -> float | None:
    """Four decimals are more than a score means, and keep events short."""
    return None if score is None else round(score, 4)


def event_hash(event: Event) -> str:
    """SHA-256 over the canonical JSON of the event's signed fields, 64 hexadecimal digits."""
    return hashlib.sha256(signed_bytes(event)).hexdigest()


def verify_event(event: Event, key: Ed25519PublicKey) -> None:
    """Check one event by itself.

    Raises:
        ChainError: its name, hash or signature is wrong.
    """
    if event.id != f"{event.dev}.{event.seq}":
        raise ChainError(event.seq, f"is named {event.id}, wanted {event.dev}.{event.seq}")
    if event.hash != event_hash(event):
        raise ChainError(event.seq, "its hash does not fit its content")
    if not is_signature(event.sig, EVENT_CONTEXT + bytes.fromhex(event.hash), key):
        raise ChainError(event.seq, "is not signed by this device's key")


def verify_link(seq: int, head: str, event: Event) -> None:
    """Check that an event follows the one with this sequence number and hash.

    Raises:
        ChainError: it does not.
    """
    if event.seq != seq + 1:
        raise ChainError(seq + 1, f"is missing: the next one found is {event.seq}")
    if event.prev != head:
        raise ChainError(event.seq, "does not follow the event before it")


def verify(events: Iterable[Event], key: Ed25519PublicKey, seq: int = 0, head: str = GENESIS) -> Iterator[Event]:
    """Yield the events, each checked by itself and against the one before it.

    Numbers may be missing where a later event declares them `lost`. The event after such a hole can only be checked by
    itself, and so can the one that declares it: what it follows may be lost too.

    Args:
        seq: the sequence number before the first event; 0 for a whole journal.
        head: the hash of that event.

    That nothing is missing after the last event, only a signed `Head` or `Receipt` can show.

    Raises:
        ChainError: names the first event that does not hold; for a hole that nothing declares, at the end.
    """
    holes: list[Span] = []
    for event in events:
        try:
            if event.seq > seq + 1 and len(holes) < MOST_HOLES:
                holes.append(Span(seq + 1, event.seq - 1))
            elif event.seq != seq + 1 or not event.lost:
                verify_link(seq, head, event)
            verify_event(event, key)
        except ChainError as error:
            raise _first(holes, error) from error
        holes = [hole for hole in holes if not is_declared(hole, event.lost)]
        yield event
        seq, head = event.seq, event.hash
    if holes:
        raise _missing(holes[0])


def is_declared(hole: Span, lost: Iterable[Span]) -> bool:
    """Whether every number of a hole is among those declared lost."""
    return any(span.first <= hole.first and hole.last <= span.last for span in lost)


def _first(holes: list[Span], error: ChainError) -> ChainError:
    return _missing(holes[0]) if holes and holes[0].first < error.seq else error


def _missing(hole: Span) -> ChainError:
    return ChainError(hole.first, f"is missing: the next one found is {hole.last + 1}")


def sign_head(head: Head, key: Ed25519PrivateKey) -> Head:
    """Return the checkpoint with the device's signature."""
    return msgspec.structs.replace(head, sig=key.sign(bytes_to_sign(HEAD_CONTEXT, head)).hex())


def sign_receipt(receipt: Receipt, key: Ed25519PrivateKey) -> Receipt:
    """Return the receipt with the district's signature."""
    return msgspec.structs.replace(receipt, sig=key.sign(bytes_to_sign(RECEIPT_CONTEXT, receipt)).hex())


def sign_pruned(pruned: Pruned, key: Ed25519PrivateKey) -> Pruned:
    """Return the note of what was dropped with the device's signature."""
    return msgspec.structs.replace(pruned, sig=key.sign(bytes_to_sign(PRUNED_CONTEXT, pruned)).hex())


def sign_manifest(manifest: Manifest, key: Ed25519PrivateKey) -> Manifest:
    """Return the manifest with the device's signature."""
    return msgspec.structs.replace(manifest, sig=key.sign(bytes_to_sign(MANIFEST_CONTEXT, manifest)).hex())


def is_signed_head(head: Head, key: Ed25519PublicKey) -> bool:
    """Whether the checkpoint is this device's."""
    return is_signature(head.sig, bytes_to_sign(HEAD_CONTEXT, head), key)


def is_signed_receipt(receipt: Receipt, key: Ed25519PublicKey) -> bool:
    """Whether the receipt is this district's."""
    return is_signature(receipt.sig, bytes_to_sign(RECEIPT_CONTEXT, receipt), key)


def is_signed_pruned(pruned: Pruned, key: Ed25519PublicKey) -> bool:
    """Whether the note of what was dropped is this device's, and the receipt in it speaks of that much."""
    reaches = pruned.receipt.dev == pruned.dev and pruned.receipt.upto_seq >= pruned.seq
    return reaches and is_signature(pruned.sig, bytes_to_sign(PRUNED_CONTEXT, pruned), key)


def is_signed_manifest(manifest: Manifest, key: Ed25519PublicKey) -> bool:
    """Whether the manifest is this device's."""
    return is_signature(manifest.sig, bytes_to_sign(MANIFEST_CONTEXT, manifest), key)


def public_key(hexadecimal: str) -> Ed25519PublicKey:
    """Return the public key in 64 hexadecimal digits.

    Raises:
        ValueError: it is not that.
    """
    try:
        raw = bytes.fromhex(hexadecimal)
        key = Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as error:
        raise ValueError(f"{hexadecimal!r} is not an Ed25519 public key of 64 hexadecimal digits") from error
    if int.from_bytes(raw, "little") & Y_BITS in SMALL_ORDER_Y:
        raise ValueError(f"{hexadecimal!r} is not an Ed25519 public key: anybody could sign under it")
    return key


def public_hex(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """Return a key's public half as 64 hexadecimal digits."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes_raw().hex()


def bytes_to_sign(context: bytes, message: Message) -> bytes:
    """What a signature is over: the context line, and the canonical JSON without `sig`.

    Args:
        message: it has a `sig`, which is empty by default.
    """
    return context + canonical(msgspec.to_builtins(msgspec.structs.replace(message, sig="")))


def is_signature(sig: str, signed: bytes, key: Ed25519PublicKey) -> bool:
    """Whether these 128 lower-case hexadecimal digits are the key's signature over the bytes."""
    try:
        raw = bytes.fromhex(sig)
        key.verify(raw, signed)
    except (InvalidSignature, ValueError):
        return False
    return raw.hex() == sig  # `fromhex` reads capitals and blanks too: then a flipped bit would go unseen
