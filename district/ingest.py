"""The district's ear: subscribes, has each message taken, and acknowledges it only once it is committed.

With manual acknowledgement and a kept session, a message that was received but not committed (the process was killed,
the disk was full) is delivered again by any broker that kept it; one that did not is made good by the terminal, which
sends again whatever it has no receipt for. So nothing here is kept in memory, and no failure needs more than a restart.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from district.config import BrokerSettings
from district.errors import BrokerError
from district.intake import Intake
from wire.attendance import LARGEST_MESSAGE, encode
from wire.chain import Receipt
from wire.topics import DELIVERY, ROOT, Address, Topic

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 60
TURN_S = 0.5
"""Seconds until a signal to stop is noticed."""
FIRST_RETRY_S = 0.5
LAST_RETRY_S = 30.0
LARGEST_PACKET = 2 * LARGEST_MESSAGE
"""Bytes kept of a packet: enough to see that its message is too large, and to quarantine it."""
TRANSIENT = ("Server unavailable",)
"""Refusals that time mends (MQTT 3.1.1, table 3.1, code 3), as paho names them."""


class _Stop:
    """A wish to stop. A `threading.Event` deadlocks when the thread that waits for it sets it in a signal handler."""

    def __init__(self) -> None:
        self.is_wanted = False

    def wait(self, timeout_s: float) -> None:
        """Come back soon after it is wanted, or after so many seconds; a multiple of `TURN_S`.

        In turns, since a signal that comes just before a wait does not end it.
        """
        for _ in range(round(timeout_s / TURN_S)):
            if self.is_wanted:
                return
            select.select([], [], [], TURN_S)


class Ingest:
    """Receives what the terminals of one district send, on the thread that calls `run`."""

    def __init__(
        self, broker: BrokerSettings, district: str, intake: Intake, ready: Callable[[], None] = lambda: None
    ) -> None:
        """
        Args:
            ready: called at each subscription, on the ingest's thread.
        """
        self._broker = broker
        self._district = district
        self._intake = intake
        self._ready = ready
        self._stopping = _Stop()
        self._client: paho.Client | None = None
        self._arrived: list[paho.MQTTMessage] = []
        self._why_lost: str | None = None
        self._away = False
        self._retry_s = FIRST_RETRY_S

    def run(self) -> None:
        """Receive until `stop`; connect again for as long as it takes, after pauses that grow.

        Raises:
            BrokerError: the broker refuses us for good, or the host or a TLS file cannot be used.
            sqlite3.Error: the store cannot be written.
        """
        while not self._stopping.is_wanted:
            with self._connected() as client:
                while not self._stopping.is_wanted and self._exchange(client):
                    self._take_arrived(client)
            if not self._stopping.is_wanted:
                self._say_lost()
                self._stopping.wait(self._retry_s)
                self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)

    def stop(self) -> None:
        """Have `run` return; from any thread."""
        self.ask_to_stop()
        client = self._client
        if client is not None:
            client.disconnect()

    def ask_to_stop(self) -> None:
        """Have `run` return within half a second; safe in a signal handler."""
        self._stopping.is_wanted = True

    @contextmanager
    def _connected(self) -> Iterator[paho.Client]:
        client = self._new_client()
        self._arrived.clear()
        self._why_lost = None
        try:
            client.connect(self._broker.host, self._broker.port, KEEP_ALIVE_S)
        except OSError as error:
            self._why_lost = str(error)
        except ValueError as error:
            raise BrokerError(f"{self._broker.host!r} cannot be a broker's address: {error}") from error
        self._client = client
        try:
            yield client
        finally:
            self._client = None
            if self._stopping.is_wanted:
                client.disconnect()
            client.on_connect = client.on_subscribe = client.on_message = None
            if (connection := client.socket()) is not None:
                connection.close()

    def _exchange(self, client: paho.Client) -> bool:
        """Read and write what can be, within `TURN_S`; whether the connection is still good."""
        try:
            code = client.loop(TURN_S)
        except (OSError, ValueError, IndexError, KeyError, struct.error) as error:
            self._why_lost = f"it does not speak MQTT: {error}"
            return False
        return code is MQTTErrorCode.MQTT_ERR_SUCCESS and self._why_lost is None

    def _say_lost(self) -> None:
        if not self._away:
            why = self._why_lost or "the connection was lost"
            log.warning("no broker at %s:%d: %s; trying again", self._broker.host, self._broker.port, why)
        self._away = True

    def _new_client(self) -> paho.Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._broker.client_id,
            clean_session=False,
            protocol=paho.MQTTv311,
            manual_ack=True,
        )
        if self._broker.ca_file is not None:
            client.tls_set_context(_tls(self._broker))
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_message = lambda _client, _data, message: self._arrived.append(message)
        client.on_socket_open = _send_at_once
        return client

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, *_: Any) -> None:
        if str(reason) in TRANSIENT:
            self._why_lost = str(reason)
            return
        if reason.is_failure:
            raise BrokerError(f"the broker at {self._broker.host}:{self._broker.port} refuses us: {reason}")
        group = "$share/ingest/" if self._broker.shared else ""
        client.subscribe(f"{group}{ROOT}/{self._district}/+/up/#", qos=1)

    def _on_subscribe(self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], *_: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            raise BrokerError("the broker does not let us read `up/#`: see its access rules")
        self._away = False
        self._retry_s = FIRST_RETRY_S
        log.info("receiving for %s from %s:%d", self._district, self._broker.host, self._broker.port)
        self._ready()

    def _take_arrived(self, client: paho.Client) -> None:
        """Outside of paho, so that what fails here is not taken for the broker's fault."""
        arrived, self._arrived = self._arrived, []
        for message in arrived:
            self._take(client, message)

    def _take(self, client: paho.Client, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        log.debug("%s: %d bytes", topic, len(message.payload))
        receipt = self._intake.take(topic, bytes(message.payload))
        client.ack(message.mid, message.qos)
        if receipt is not None:
            self._send(client, receipt)

    def _send(self, client: paho.Client, receipt: Receipt) -> None:
        name = str(Address(self._district, receipt.dev, Topic.RECEIPT))
        delivery = DELIVERY[Topic.RECEIPT]
        sent = client.publish(name, encode(receipt), qos=delivery.qos, retain=delivery.retain)
        if sent.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            log.info("no receipt sent to %s, which will ask again: %s", receipt.dev, paho.error_string(sent.rc))


class _Client(paho.Client):
    """paho with a bound on what it collects: a packet may have 256 MiB, and paho has no limit to set.

    To hang up would not do: the broker would deliver the same message at every connection, and no other ever.
    """

    def _sock_recv(self, bufsize: int) -> bytes:
        del self._in_packet["packet"][LARGEST_PACKET:]
        return super()._sock_recv(min(bufsize, LARGEST_PACKET))


def _send_at_once(_client: paho.Client, _data: Any, connection: object) -> None:
    """Without this a receipt waits for the broker's delayed TCP acknowledgement: 40 ms, measured."""
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _tls(broker: BrokerSettings) -> ssl.SSLContext:
    """TLS 1.2 or later; the broker is checked against our authority, and shown our certificate if we have one."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(broker.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if broker.certificate_file is not None:
            context.load_cert_chain(broker.certificate_file, broker.key_file)
    except OSError as error:  # ssl.SSLError is one
        files = [str(file) for file in (broker.ca_file, broker.certificate_file, broker.key_file) if file]
        raise BrokerError(f"TLS cannot start with {', '.join(files)}: {error}") from error
    return context
