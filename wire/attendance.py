"""The event and its kin: what is said about a tap, a refusal or a technician's act.

An `Entry` is what happened, as the core tells it. The journal gives it a place (`Origin`, `seq`, `prev`) and a proof
(`hash`, `sig`) and makes it an `Event`. An event is never changed; `(dev, seq)` names it for ever.

An event travels as canonical JSON (RFC 8785). Fields that do not apply are left out. `hash` is over everything but
`hash`, `sig` and `hist`, which says only how the event travelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from wire.canonical import CanonicalError, canonical

VERSION = 1
"""Of the schema; the only one there is."""
LARGEST_MESSAGE = 64 * 1024
"""Bytes. CONTRACT: every message is at most 64 KiB."""


class Act(StrEnum):
    """The two taps of a day."""

    ARRIVAL = "arrival"
    DEPARTURE = "departure"


class Mode(StrEnum):
    """How a person was recognised."""

    FACE = "face"
    FINGER = "finger"
    FINGER_AND_FACE = "finger+face"
    PIN = "pin"
    MANUAL = "manual"


class EventType(StrEnum):
    """What kind of event this is."""

    ATTENDANCE = "attendance"
    AUDIT = "audit"
    RETIME = "retime"
    CORRECTION = "correction"


class ClockSource(StrEnum):
    """Where the time came from, the most trusted first."""

    NETWORK = "network"
    RTC = "rtc"
    HAND = "hand"
    NONE = "none"


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What can be sent: frozen, strict about unknown fields, silent about absent ones."""


class ClockQuality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How sure a time is."""

    src: ClockSource
    unc_ms: int | None
    """Largest likely error in milliseconds; None: unknown."""
    ok: bool
    """Whether the time may be believed at all."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of all of the device's clocks."""

    t: datetime
    """UTC, aware."""
    boot: str
    """The kernel's boot id."""
    mono_ms: int
    """Milliseconds since boot (CLOCK_BOOTTIME); compares only within one boot."""
    clk: ClockQuality


class Pad(Message, frozen=True):
    """What presentation attack detection said of a visit."""

    thr: float
    score: float | None = None
    """0 (attack) to 1 (bona fide); None: no passive check was made."""
    challenge: str | None = None
    """The challenge that was passed or failed, e.g. `turn_left`; None: none was asked."""


class Span(Message, frozen=True):
    """Numbers of events, both ends among them."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened, before the journal gives it a place."""

    typ: EventType
    at: Moment
    pid: str | None = None
    act: Act | None = None
    mode: Mode | None = None
    score: float | None = None
    """Comparison score in the units of `mode`: cosine for a face, the sensor's own for a finger."""
    thr: float | None = None
    """The threshold in force, in the same units."""
    pad: Pad | None = None
    reason: str | None = None
    """Audit: what happened, as a code (`unknown`, `attack`, `start`, …)."""
    lost: tuple[Span, ...] = ()
    """See `Event.lost`."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What every event of a device says about the device."""

    dev: str
    unit: str
    tz: str
    """IANA name of the office's zone."""
    cfg: str
    """Digest of the configuration in force."""
    roster: str
    """Digest of the roster in force."""
    model: str
    """Digest of the recognition models in force."""


class Event(Message, frozen=True, kw_only=True):
    """One event as it is signed, stored and sent. The names are the contract's."""

    v: int
    typ: EventType
    dev: str
    seq: int
    id: str
    """`{dev}.{seq}`: the name in one word, for those who keep events by one key."""
    prev: str
    """`hash` of the event before; 64 zeros for the first."""
    boot: str
    mono_ms: int
    t: str
    """UTC, RFC 3339 with milliseconds and `Z`."""
    tz: str
    clk: ClockQuality
    unit: str
    cfg: str
    roster: str
    model: str
    pid: str | None = None
    act: Act | None = None
    mode: Mode | None = None
    score: float | None = None
    thr: float | None = None
    pad: Pad | None = None
    reason: str | None = None
    lost: tuple[Span, ...] = ()
    """Audit, of a journal that was begun anew: numbers before this one that may have been used, ascending. Whoever
    verifies the chain takes these, and no others, for missing with a reason."""
    hist: bool = False
    """It waited offline. Set on the way, so neither hashed nor signed."""
    hash: str
    """SHA-256 over the canonical JSON without `hash`, `sig` and `hist`, 64 hexadecimal digits."""
    sig: str
    """Ed25519 over `hadir/v1/event`, a line feed and the 32 bytes of `hash`, 128 hexadecimal digits."""


class Batch(Message, frozen=True, kw_only=True):
    """Up to 100 events, ascending, that waited offline."""

    v: int
    events: tuple[Event, ...]


class MessageError(ValueError):
    """What arrived is not a message of this contract; the text says what was found, what was wanted and where."""


M = TypeVar("M", bound=Message)


def encode(message: Message) -> bytes:
    """Return the canonical JSON (RFC 8785) of a message, without the fields that do not apply.

    Raises:
        MessageError: something in it has no canonical form.
    """
    return _spelled(msgspec.to_builtins(message))


def decode(raw: bytes, kind: type[M]) -> M:
    """Return the message in these bytes.

    Only the canonical form is read, so that a message is its bytes: nothing in it can change and mean the same.

    Raises:
        MessageError: more than 64 KiB, not JSON, not of this kind, of another schema version, or not canonical.
    """
    if len(raw) > LARGEST_MESSAGE:
        raise MessageError(f"a message of {len(raw)} bytes: at most {LARGEST_MESSAGE} are allowed")
    try:
        message = msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"not a {kind.__name__}: {error}") from error
    version = getattr(message, "v", VERSION)
    if version != VERSION:
        raise MessageError(f"schema version {version}: this program reads version {VERSION}")
    if encode(message) != raw:
        raise MessageError(f"not a {kind.__name__}: its JSON is not in canonical form (RFC 8785)")
    return message


def signed_bytes(event: Event) -> bytes:
    """The canonical JSON that an event's hash covers: all of it but `hash`, `sig` and `hist`.

    Raises:
        MessageError: something in it has no canonical form.
    """
    fields: dict[str, Any] = msgspec.to_builtins(event)
    for name in ("hash", "sig", "hist"):
        fields.pop(name, None)
    return _spelled(fields)


def _spelled(fields: Any) -> bytes:
    try:
        return canonical(fields)
    except CanonicalError as error:
        raise MessageError(str(error)) from error


def from_signed_bytes(signed: bytes, digest: str, sig: str) -> Event:
    """Return the event with these `signed_bytes`, hash and signature; whether they fit one another is not checked.

    Raises:
        MessageError: the bytes are not those of an event.
    """
    try:
        fields = msgspec.json.decode(signed, type=dict[str, Any])
        return msgspec.convert(fields | {"hash": digest, "sig": sig}, Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"not an Event: {error}") from error


def rfc3339(t: datetime) -> str:
    """UTC with milliseconds, as events carry it: `2026-11-23T00:21:07.512Z`."""
    return t.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """Return the aware UTC time in an event's `t`.

    Raises:
        MessageError: it is not a time, or says no zone.
    """
    try:
        t = datetime.fromisoformat(text)
        utc = t.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MessageError(f"t = {text!r}: not a time of RFC 3339") from error
    if t.tzinfo is None:
        raise MessageError(f"t = {text!r}: has no zone")
    return utc
