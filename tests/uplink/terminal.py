"""A terminal's uplink with a journal in memory, for the tests of the uplink and of the whole way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kiosk.config import UplinkSettings
from kiosk.core.messages import UplinkChanged
from kiosk.sim.broker import HOST
from kiosk.uplink.mqtt import Uplink
from tests.brokers import DEV, DISTRICT, Post, Seen
from tests.wire.examples import BOOT, DEVICE_KEY, DISTRICT_KEY, ORIGIN, events, head
from wire.attendance import VERSION, Event
from wire.chain import Head, Receipt, public_hex
from wire.condition import Birth

BIRTH = Birth(
    v=VERSION, dev=DEV, serial="10000000c0ffee", unit=ORIGIN.unit, key=public_hex(DEVICE_KEY), boot=BOOT,
    software="0.1.0", models=(), schemas=(VERSION,), capabilities=("face",), tz=ORIGIN.tz, roster="r", cfg="c",
)  # fmt: skip
UP = UplinkChanged(connected=True)


class ListOutbox:
    """A journal in memory that answers at once, on the asking thread, and believes every receipt."""

    def __init__(self, *journal: Event) -> None:
        self.journal = list(journal)
        self.upto_seq = 0
        self.came = Seen()

    def fetch(self, after_seq: int, limit: int, answer: Callable[[tuple[Event, ...]], None]) -> None:
        answer(tuple(self.journal[after_seq : after_seq + limit]))

    def acknowledge(self, receipt: Receipt) -> None:
        self.came.add(receipt)
        self.upto_seq = max(self.upto_seq, receipt.upto_seq)

    def receipted(self, answer: Callable[[int], None]) -> None:
        answer(self.upto_seq)

    def head(self, answer: Callable[[Head], None]) -> None:
        answer(head(self.journal[-1] if self.journal else events(1)[0]))


@contextmanager
def uplink(
    port: int, outbox: ListOutbox, post: Post, resend_s: float = 30.0, settings: UplinkSettings | None = None
) -> Iterator[Uplink]:
    """A running uplink."""
    settings = settings or UplinkSettings(host=HOST, port=port, district_key=public_hex(DISTRICT_KEY))
    worker = Uplink(settings, DISTRICT, BIRTH, outbox, post.post, resend_s=resend_s)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()
