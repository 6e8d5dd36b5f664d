"""Events to try things on: one device, one key, one Monday."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wire import chain
from wire.attendance import (
    VERSION,
    Act,
    ClockQuality,
    ClockSource,
    Entry,
    Event,
    EventType,
    Mode,
    Moment,
    Origin,
    Pad,
)
from wire.chain import Head, Receipt

DEVICE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
DISTRICT_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
ORIGIN = Origin("balai-01", "desa-kalimanah", "Asia/Jakarta", "cfg-1", "roster-1", "model-1")
BOOT = "6f1c2a52-1f0e-4f2a-9f43-0a7f0c1f5d11"
MORNING = datetime(2026, 11, 23, 0, 21, 7, 512000, tzinfo=UTC)


def moment(after_s: float = 0.0) -> Moment:
    """That many seconds after 07.21 in Jakarta."""
    quality = ClockQuality(ClockSource.NETWORK, 12, ok=True)
    return Moment(MORNING + timedelta(seconds=after_s), BOOT, 60_000 + round(1000 * after_s), quality)


def tap(pid: str = "p-siti", act: Act = Act.ARRIVAL, after_s: float = 0.0) -> Entry:
    """A person's tap by face."""
    pad = Pad(thr=0.5, score=0.9312)
    return Entry(EventType.ATTENDANCE, moment(after_s), pid, act, Mode.FACE, score=0.7123, thr=0.55, pad=pad)


def events(count: int) -> list[Event]:
    """A chain of taps, a minute apart, from the first event on."""
    chained: list[Event] = []
    prev = chain.GENESIS
    for seq in range(1, count + 1):
        chained.append(chain.seal(tap(after_s=60.0 * seq), ORIGIN, seq, prev, DEVICE_KEY))
        prev = chained[-1].hash
    return chained


def receipt(event: Event) -> Receipt:
    """The district's signature for everything up to an event."""
    unsigned = Receipt(v=VERSION, dev=event.dev, upto_seq=event.seq, head=event.hash, t="2026-11-23T00:30:00.000Z")
    return chain.sign_receipt(unsigned, DISTRICT_KEY)


def head(event: Event) -> Head:
    """The device's checkpoint at an event."""
    unsigned = Head(v=VERSION, dev=event.dev, seq=event.seq, hash=event.hash, boot=BOOT, t="2026-11-23T00:30:00.000Z")
    return chain.sign_head(unsigned, DEVICE_KEY)
