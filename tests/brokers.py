"""What the uplink's, the district's and the system's tests share: a client that listens, and a district in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import paho.mqtt.client as paho
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.enums import CallbackAPIVersion

from district.config import BrokerSettings
from district.ingest import Ingest
from district.intake import Intake, utc_now
from district.store import Device, Store, opened_store
from kiosk.core.messages import Message
from kiosk.sim.broker import HOST
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, ORIGIN
from wire.attendance import rfc3339
from wire.chain import Receipt, public_hex
from wire.topics import DELIVERY, Address, Topic

DISTRICT = "batang"
DEV = ORIGIN.dev
WAIT_S = 20.0
"""How long a test waits for what must happen; it takes milliseconds, unless the machine is busy."""


class Seen:
    """What has been seen so far, from any thread, and a way to wait for more."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[object] = []

    def add(self, item: object) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def all(self) -> list[object]:
        with self._changed:
            return list(self._items)

    def wait(self, enough: Callable[[list[object]], bool], timeout_s: float = WAIT_S) -> list[object]:
        """Everything seen, once it is enough."""
        with self._changed:
            came = self._changed.wait_for(lambda: enough(self._items), timeout_s)
            assert came, f"waited {timeout_s} s; seen: {[str(item)[:120] for item in self._items[-5:]]}"
            return list(self._items)

    def wait_for(self, item: object) -> None:
        """Wait until this has been seen."""
        self.wait(lambda items: item in items)

    def wait_for_count(self, count: int) -> None:
        """Wait until so many have been seen."""
        self.wait(lambda items: len(items) >= count)


class Post(Seen):
    """An inbox that remembers."""

    def post(self, message: Message) -> None:
        self.add(message)


class Listener:
    """An MQTT client of the test's own: remembers `(topic, payload)` of all that it hears, and can say anything."""

    def __init__(self, port: int, topic: str = f"hadir/v1/{DISTRICT}/+/up/#", name: str = "listener") -> None:
        self.heard = Seen()
        self._subscribed = threading.Event()
        self._topic = topic
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _data, message: self.heard.add((message.topic, message.payload))
        self._client.connect(HOST, port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._subscribed.wait(WAIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: Topic, payload: bytes, device: str = DEV, district: str = DISTRICT) -> None:
        """Publish, and wait until the broker has it."""
        delivery = DELIVERY[topic]
        name = str(Address(district, device, topic))
        sent = self._client.publish(name, payload, qos=1, retain=delivery.retain)
        sent.wait_for_publish(WAIT_S)
        assert sent.is_published()

    def payloads(self, topic: Topic) -> list[bytes]:
        """What was heard on one topic."""
        name = str(Address(DISTRICT, DEV, topic))
        return [message[1] for message in self.heard.all() if isinstance(message, tuple) and message[0] == name]

    def wait_for(self, topic: Topic, count: int = 1) -> list[bytes]:
        """What was heard on one topic, once it is that many."""
        self.heard.wait(lambda _: len(self.payloads(topic)) >= count)
        return self.payloads(topic)


class WatchedIntake(Intake):
    """Tells how large each message is, and after it how far the chain goes."""

    def __init__(self, store: Store, heads: Seen, sizes: Seen) -> None:
        super().__init__(store, DISTRICT_KEY, DISTRICT)
        self._watched = store
        self._heads = heads
        self._sizes = sizes

    def take(self, topic: str, raw: bytes) -> Receipt | None:
        receipt = super().take(topic, raw)
        self._sizes.add(len(raw))
        self._heads.add(self._watched.head(DEV).seq)
        return receipt


class RunningDistrict:
    """The district's ingest on a thread of its own, trusting one device."""

    def __init__(self, folder: Path, port: int, broker: BrokerSettings | None = None) -> None:
        self.folder = folder
        self.heads = Seen()
        self.sizes = Seen()
        self._broker = broker or BrokerSettings(host=HOST, port=port)
        self._ready = threading.Event()
        self._ingest: Ingest | None = None
        self._thread = threading.Thread(target=self._run, name="district")

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._ingest is not None
        self._ingest.stop()
        self._thread.join()

    def wait_until_ready(self) -> None:
        """Wait until it has subscribed, again if it had before."""
        assert self._ready.wait(WAIT_S)
        self._ready.clear()

    def wait_for_head(self, seq: int) -> None:
        """Wait until the device's chain goes that far."""
        self.heads.wait(lambda heads: bool(heads) and heads[-1] == seq)

    def _run(self) -> None:
        with opened_store(self.folder) as store:
            trust(store)
            self._ingest = Ingest(self._broker, DISTRICT, WatchedIntake(store, self.heads, self.sizes), self._ready.set)
            self._ingest.run()


def trust(store: Store, key: Ed25519PrivateKey = DEVICE_KEY, devices: Sequence[str] = (DEV,)) -> None:
    """Enrol the device of the examples."""
    with store.transaction():
        for dev in devices:
            store.enrol(Device(dev, public_hex(key), ORIGIN.unit, rfc3339(utc_now()), duplicates=0))
