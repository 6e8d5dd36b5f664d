"""Asks an MQTT broker what it does, of what the contract needs: `python scripts/broker_probe.py try HOST PORT`.

It speaks without TLS, so it is for a broker on this machine, set up for the trial. `fill` leaves messages for a
subscriber that is away and `count` says how many came, so that the broker can be killed in between.
"""

from __future__ import annotations

import argparse
import socket
import struct
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE_S = 3.0
COUNT = 20
KEPT = "hadir-probe-kept"
ROOT = "hadir/v1/probe"
LARGEST = 64 * 1024


class Client:
    """A client that counts what it hears."""

    def __init__(self, host: str, port: int, name: str = "", *, clean: bool = True, will: str = "") -> None:
        self.heard: list[paho.MQTTMessage] = []
        self.granted: list[str] = []
        self._changed = threading.Condition()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=name or f"probe-{uuid.uuid4()}", clean_session=clean
        )
        self._client.on_message = lambda _client, _data, message: self._note(self.heard, message)
        self._client.on_subscribe = lambda _client, _data, _mid, codes, _more: self._note(self.granted, str(codes[0]))
        if will:
            self._client.will_set(will, b"offline", qos=1, retain=True)
        self._client.connect(host, port)
        self._client.loop_start()

    def wait(self, enough: Callable[[], bool]) -> bool:
        """Whether it became so in time."""
        with self._changed:
            return self._changed.wait_for(enough, PATIENCE_S)

    def subscribe(self, topic: str) -> str:
        """What the broker says to it."""
        self._client.subscribe(topic, qos=1)
        return self.granted[0] if self.wait(lambda: bool(self.granted)) else "no answer"

    def say(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> bool:
        """Whether the broker acknowledged it."""
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        sent.wait_for_publish(PATIENCE_S)
        return sent.is_published()

    def vanish(self) -> None:
        """End without a word."""
        connection = self._client.socket()
        if isinstance(connection, socket.socket):
            connection.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()

    def leave(self) -> None:
        """Take leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def _note(self, where: list[paho.MQTTMessage] | list[str], what: object) -> None:
        with self._changed:
            where.append(what)  # type: ignore[arg-type]
            self._changed.notify_all()


Connect = Callable[..., Client]


def version(host: str, port: int, level: int) -> str:
    """What the broker answers to a CONNECT of this protocol level: 4 is MQTT 3.1.1, 5 is MQTT 5."""
    name = b"hadir-probe-version"
    properties = b"\x00" if level == 5 else b""
    body = b"\x00\x04MQTT" + bytes([level, 2, 0, 60]) + properties + struct.pack(">H", len(name)) + name
    with socket.create_connection((host, port), PATIENCE_S) as connection:
        connection.sendall(bytes([0x10, len(body)]) + body)
        try:
            answer = connection.recv(64)
        except OSError:
            return "no answer"
    if not answer:
        return "hangs up"
    return "welcome" if answer[0] == 0x20 and answer[3] == 0 else f"refused, code {answer[3]}"


def retained(connect: Connect) -> str:
    """Whether a retained message waits for a later subscriber."""
    topic = f"{ROOT}/{uuid.uuid4()}/up/state"
    with _left(connect()) as speaker:
        speaker.say(topic, retain=True)
    with _left(connect()) as later:
        later.subscribe(topic)
        came = later.wait(lambda: bool(later.heard))
    return "delivered" if came else "not delivered"


def kept_session(connect: Connect) -> str:
    """How many messages wait for a subscriber that is away."""
    name, topic = f"kept-{uuid.uuid4()}", f"{ROOT}/{uuid.uuid4()}/up/event"
    with _left(connect(name=name, clean=False)) as reader:
        reader.subscribe(topic)
    with _left(connect()) as speaker:
        acknowledged = sum(speaker.say(topic) for _ in range(COUNT))
    with _left(connect(name=name, clean=False)) as reader:
        reader.wait(lambda: len(reader.heard) >= COUNT)
        return f"{len(reader.heard)} of {acknowledged} delivered"


def shared(connect: Connect) -> str:
    """Whether two that share a subscription get each message once between them."""
    topic = f"{ROOT}/{uuid.uuid4()}/up/event"
    with _left(connect()) as one, _left(connect()) as two, _left(connect()) as speaker:
        answers = {each.subscribe(f"$share/ingest/{topic}") for each in (one, two)}
        for _ in range(COUNT):
            speaker.say(topic)
        one.wait(lambda: len(one.heard) + len(two.heard) >= COUNT)
        return f"{' / '.join(answers)}; {len(one.heard)} + {len(two.heard)} of {COUNT} delivered"


def will(connect: Connect) -> str:
    """Whether the broker speaks for a client that vanishes."""
    topic = f"{ROOT}/{uuid.uuid4()}/up/state"
    with _left(connect()) as reader:
        reader.subscribe(topic)
        connect(will=topic).vanish()
        return "spoken" if reader.wait(lambda: bool(reader.heard)) else "not spoken"


def largest(connect: Connect) -> str:
    """Whether the largest message of the contract passes."""
    topic = f"{ROOT}/{uuid.uuid4()}/up/batch"
    with _left(connect()) as reader, _left(connect()) as speaker:
        reader.subscribe(topic)
        speaker.say(topic, LARGEST * b"x")
        return "delivered" if reader.wait(lambda: bool(reader.heard)) else "not delivered"


def fill(connect: Connect, count: int) -> str:
    """Leave so many messages for a subscriber that is away."""
    topic = f"{ROOT}/kept/up/event"
    connect(name=KEPT).leave()  # a clean session: nothing is left of an earlier trial
    with _left(connect(name=KEPT, clean=False)) as reader:
        reader.subscribe(topic)
    with _left(connect()) as speaker:
        return f"{sum(speaker.say(topic) for _ in range(count))} acknowledged"


def count(connect: Connect) -> str:
    """How many of those come."""
    with _left(connect(name=KEPT, clean=False)) as reader:
        before = -1
        while len(reader.heard) > before:
            before = len(reader.heard)
            reader.wait(lambda: False)
        return f"{len(reader.heard)} delivered"


@contextmanager
def _left(client: Client) -> Iterator[Client]:
    """The client, and its leave at the end."""
    try:
        yield client
    finally:
        client.leave()


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask, and print what it does."""
    parser = argparse.ArgumentParser(description="Asks an MQTT broker what it does, of what the contract needs.")
    parser.add_argument("command", choices=["try", "fill", "count"])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--messages", type=int, default=1500, help="for `fill`")
    options = parser.parse_args(arguments)

    def connect(name: str = "", *, clean: bool = True, will: str = "") -> Client:
        return Client(options.host, options.port, name, clean=clean, will=will)

    match options.command:
        case "fill":
            print(fill(connect, options.messages))
        case "count":
            print(count(connect))
        case _:
            for level, name in ((4, "MQTT 3.1.1"), (5, "MQTT 5")):
                print(f"{name}: {version(options.host, options.port, level)}")
            for question in (retained, kept_session, shared, will, largest):
                print(f"{question.__name__.replace('_', ' ')}: {question(connect)}")


if __name__ == "__main__":
    main()
