"""How fast what waited offline reaches the district: journal to signed receipts, over mutual TLS, everything real.

The journal is filled, then storage and uplink start as in a terminal and empty it through Mosquitto into a running
district. The clock stops when the district has signed for the last event. Broker and district run on the same machine.
"""

from __future__ import annotations

import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from kiosk import config
from kiosk.core.messages import Message, OutboxDepth
from kiosk.sim.fingerprint import SimulatedReader
from kiosk.sim.secured import Secured, secured
from kiosk.storage.store import opened_store
from kiosk.storage.worker import StorageWorker
from kiosk.terminal import Terminal
from kiosk.uplink.mqtt import Uplink
from wire.attendance import Act, Entry, EventType, Mode, Pad

SILENT_S = 120.0
"""Without a receipt for so long, it has come to a halt."""
SAMPLE_S = 0.05
PAGE_BYTES = 4096


class Drained(msgspec.Struct, frozen=True):
    """What it came to."""

    events: int
    events_per_s: float
    rss_growth_mb: float
    """Of the terminal's process, from before the uplink started to its largest."""
    lost: int
    doubled: int
    """Events that reached the district more than once; it keeps them once all the same."""


def drain(events: int, rtt_ms: float = 0.0) -> Drained:
    """Measure so many events behind a line of this round trip.

    Raises:
        KioskError: something could not be set up, or it came to a halt.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatedReader(paced=False) as reader,
        secured(Path(folder), reader.path, rtt_ms / 1000) as place,
    ):
        place.enrol()
        terminal = Terminal.of(config.load(place.folder / "kiosk.toml"))
        depth = _fill(terminal, events)
        with place.running("district"), _sampled() as sample:
            took_s = _emptied(terminal, place)
        held = place.held()
        return Drained(
            events=depth,
            events_per_s=round(depth / took_s, 1),
            rss_growth_mb=round(sample.growth_mb, 1),
            lost=depth - int(held["events"]),
            doubled=int(held["duplicates"]),
        )


def _fill(terminal: Terminal, events: int) -> int:
    """Returns how many wait then."""
    now = terminal.clock.read()
    tap = Entry(EventType.ATTENDANCE, now, "p-0001", Act.ARRIVAL, Mode.FACE, 0.7123, 0.475, Pad(0.5, 0.9312))
    with opened_store(terminal.owner()) as store:
        store.journal.append_all(tap for _ in range(events))
        return store.journal.depth()


def _emptied(terminal: Terminal, place: Secured) -> float:
    """Returns seconds."""
    said: queue.SimpleQueue[Message] = queue.SimpleQueue()
    storage = StorageWorker(terminal.owner(), terminal.clock, said.put)
    district = terminal.settings.device.district
    uplink = Uplink(terminal.uplink, district, terminal.birth(), storage, said.put)
    storage.start()
    begun_s = time.monotonic()
    uplink.start()
    try:
        while said.get(timeout=SILENT_S) != OutboxDepth(0):
            pass
        return time.monotonic() - begun_s
    except queue.Empty as error:
        log = (place.folder / "district.log").read_text()
        raise config.ConfigError(f"nothing was signed for {SILENT_S:.0f} s: {log}") from error
    finally:
        uplink.stop()
        storage.stop()


class _Sample:
    """How large this process was before, and at most since."""

    def __init__(self) -> None:
        self._before = self._most = _resident()

    def take(self) -> None:
        self._most = max(self._most, _resident())

    @property
    def growth_mb(self) -> float:
        return (self._most - self._before) / 1e6


@contextmanager
def _sampled() -> Iterator[_Sample]:
    sample, stopping = _Sample(), threading.Event()

    def watch() -> None:
        while not stopping.wait(SAMPLE_S):
            sample.take()

    thread = threading.Thread(target=watch, name="sample")
    thread.start()
    try:
        yield sample
    finally:
        stopping.set()
        thread.join()


def _resident() -> int:
    """Bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
