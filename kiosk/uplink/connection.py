"""One connection to the broker: paho behind a `select` of our own, on the caller's thread only.

MQTT 3.1.1 with a kept session (ADR 0007). paho's own threads, reconnecting and queue are not used: it refuses silently
past 65,535 outstanding messages and keeps unsent ones in memory only, so every return code is checked here and the
window is kept by the caller. Callbacks never raise: what they find wrong ends the connection at the next `pump`.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from kiosk.config import UplinkSettings
from kiosk.uplink.dialling import CONNECT_S, LISTEN_S, GivenUpError, reached
from kiosk.uplink.errors import UplinkError
from wire.attendance import LARGEST_MESSAGE
from wire.topics import DELIVERY, Address, Topic

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 60
"""CONTRACT: a kiosk that is silent for longer is reported."""
LARGEST_PACKET = LARGEST_MESSAGE + 1024
"""Bytes: a message and its topic."""
DOWN = (Topic.RECEIPT, Topic.COMMAND, Topic.CONFIG, Topic.ROSTER)


class Readable(Protocol):
    """What `select` can wait for."""

    def fileno(self) -> int:
        """Its file descriptor."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom the connection tells; on its own thread, and neither may raise."""

    came_down: Callable[[Topic, bytes], None]
    """A message came on one of our `dn/` topics. The broker is not trusted, nor is this."""
    arrived: Callable[[int], None]
    """The broker has acknowledged the message with this id."""


class Connection:
    """A connection to the broker."""

    def __init__(
        self, settings: UplinkSettings, district: str, device: str, last_will: bytes, listener: Listener
    ) -> None:
        """
        Args:
            last_will: what the broker says on `up/state` when we fall silent.

        Raises:
            UplinkError: a TLS file is missing or is not what it should be.
        """
        self._settings = settings
        self._device = device
        self._names = {topic: str(Address(district, device, topic)) for topic in Topic}
        self._down = {self._names[topic]: topic for topic in DOWN}
        self._listener = listener
        self._problem: str | None = None
        self._welcome = False
        self._on_the_way: set[int] = set()
        self._tls = None if settings.ca_file is None else _tls(settings)
        self._client = self._new_client(last_will)

    def open(self, carry_on: Callable[[], bool]) -> bool:
        """Reach the broker, be let in, and ask for what comes down.

        Args:
            carry_on: asked about twice a second, but not while the broker's name is looked up: whether the connection
                is still wanted.

        Returns:
            Whether there is a connection; False: it was no longer wanted.

        Raises:
            UplinkError: no broker there, or it refuses us.
        """
        host, port = self._settings.host, self._settings.port
        try:
            self._client.given = reached(host, port, self._tls, carry_on)
            self._client.connect(host, port, KEEP_ALIVE_S)
        except GivenUpError:
            return False
        except (OSError, ValueError) as error:
            raise UplinkError(f"no broker at {host}:{port}: {error}") from error
        deadline_s = time.monotonic() + CONNECT_S
        while not self._welcome:
            if not carry_on():
                return False
            if time.monotonic() > deadline_s:
                raise UplinkError(f"the broker did not answer CONNECT within {CONNECT_S:.0f} s")
            self.pump(min(deadline_s - time.monotonic(), LISTEN_S))
        self._check(self._client.subscribe([(name, DELIVERY[topic].qos) for name, topic in self._down.items()])[0])
        return True

    def pump(self, timeout_s: float, *waking: Readable) -> None:
        """Read and write what can be, once; wait at most this long for it, or until one of `waking` is readable.

        Raises:
            UplinkError: the connection is lost, or not worth keeping.
        """
        connection = self._client.socket()
        if connection is None:
            raise UplinkError(self._problem or "the connection to the broker was lost")
        try:
            self._exchange(connection, timeout_s, waking)
        except (OSError, ValueError, IndexError, KeyError, struct.error) as error:
            raise UplinkError(f"the broker does not speak MQTT: {error}") from error
        if self._problem is not None:
            raise UplinkError(self._problem)

    def _exchange(self, connection: SocketLike, timeout_s: float, waking: Sequence[Readable]) -> None:
        decrypted = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
        writing = [connection] if self._client.want_write() else []
        wait_s = 0.0 if decrypted else max(0.0, timeout_s)
        waiting: list[Readable] = [connection, *waking]
        readable, writable, _ = select.select(waiting, writing, [], wait_s)
        if decrypted or connection in readable:
            self._read()
        if writable:
            self._check(self._client.loop_write())
        self._check(self._client.loop_misc())

    def publish(self, topic: Topic, payload: bytes) -> int:
        """Give the broker a message; returns its id.

        Raises:
            UplinkError: paho does not take it.
        """
        delivery = DELIVERY[topic]
        sent = self._client.publish(self._names[topic], payload, qos=delivery.qos, retain=delivery.retain)
        self._check(sent.rc)
        if delivery.qos:
            self._on_the_way.add(sent.mid)
        return sent.mid

    def leave(self, within_s: float) -> None:
        """Wait until the broker has everything, and take leave, so that it does not speak the will.

        To close with something unread would reset the connection, and the broker might never read the DISCONNECT.

        Raises:
            UplinkError: the connection is lost.
        """
        deadline_s = time.monotonic() + within_s
        while self._on_the_way and time.monotonic() < deadline_s:
            self.pump(deadline_s - time.monotonic())
        self._check(self._client.disconnect())
        while self._client.want_write() and time.monotonic() < deadline_s:
            self.pump(deadline_s - time.monotonic())

    def close(self) -> None:
        """Give the socket back; without `leave` before it, the broker speaks the will."""
        self._client.on_connect = self._client.on_disconnect = self._client.on_subscribe = None
        self._client.on_message = self._client.on_publish = None
        connection = self._client.socket()
        if connection is not None:
            connection.close()

    def _new_client(self, last_will: bytes) -> _Client:
        client = _Client(
            CallbackAPIVersion.VERSION2, client_id=self._device, clean_session=False, protocol=paho.MQTTv311
        )
        client.username_pw_set(self._device)
        client.max_inflight_messages_set(self._settings.window + len(Topic))
        will = DELIVERY[Topic.STATE]
        client.will_set(self._names[Topic.STATE], last_will, qos=will.qos, retain=will.retain)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message
        client.on_publish = self._on_publish
        return client

    def _read(self) -> None:
        self._check(self._client.loop_read())
        # paho would collect a packet of 256 MiB before it tells us, and has no limit of its own to set.
        announced: int = self._client._in_packet["remaining_length"]  # noqa: SLF001
        if announced > LARGEST_PACKET:
            raise UplinkError(f"the broker sends a packet of {announced} bytes: at most {LARGEST_PACKET} are taken")

    def _check(self, code: MQTTErrorCode) -> None:
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise UplinkError(self._problem or f"the connection to the broker: {paho.error_string(code)}")

    def _on_connect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, *_: Any) -> None:
        if reason.is_failure:
            self._problem = f"the broker refuses {self._device}: {reason}"
        else:
            self._welcome = True

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, *_: Any) -> None:
        self._problem = self._problem or f"the connection to the broker was lost: {reason}"

    def _on_subscribe(self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], *_: Any) -> None:
        if not reasons or reasons[0].is_failure:
            self._problem = f"the broker does not let {self._device} read its receipts"

    def _on_publish(self, _client: paho.Client, _data: Any, mid: int, *_: Any) -> None:
        self._on_the_way.discard(mid)
        self._listener.arrived(mid)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = self._down.get(message.topic)
        except UnicodeDecodeError:
            topic = None
        if topic is None:
            log.debug("uplink: a message on a topic that is not ours")
        else:
            self._listener.came_down(topic, bytes(message.payload))


class _Client(paho.Client):
    """paho on a socket that is connected already; it has no public way to be given one."""

    given: socket.socket

    def _create_socket(self) -> SocketLike:
        return self.given


def _tls(settings: UplinkSettings) -> ssl.SSLContext:
    """TLS 1.2 or later; the broker is checked against our authority, and shown our certificate if we have one."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(settings.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except OSError as error:  # ssl.SSLError is one
        files = [str(file) for file in (settings.ca_file, settings.certificate_file, settings.key_file) if file]
        raise UplinkError(f"TLS cannot start with {', '.join(files)}: {error}") from error
    return context
