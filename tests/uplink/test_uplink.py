"""What is promised on a connection: the broker always knows how the terminal is, and nothing that comes down from it
can hurt. The broker is a real Mosquitto; the district is played by the test.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kiosk.config import UplinkSettings
from kiosk.core.faults import FaultCode
from kiosk.core.messages import FaultCleared, FaultRaised, UplinkChanged
from kiosk.sim.broker import HOST, Broker, BrokerKind
from kiosk.uplink.incoming import Incoming
from kiosk.uplink.mqtt import Uplink
from kiosk.uplink.session import Session, Terminal
from tests.brokers import DEV, DISTRICT, WAIT_S, Listener, Post
from tests.uplink.terminal import BIRTH, UP, ListOutbox, uplink
from tests.wire.examples import BOOT, DISTRICT_KEY, events, head, receipt
from wire.attendance import VERSION, Batch, decode, encode
from wire.chain import public_hex
from wire.condition import Birth, State, Status
from wire.topics import Topic

DOWN = UplinkChanged(connected=False)
JOURNAL = tuple(events(150))


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker.start(tmp_path_factory.mktemp("broker"), BrokerKind.MOSQUITTO) as broker:
        yield broker


def statuses(listener: Listener) -> list[Status]:
    return [decode(payload, State).state for payload in listener.payloads(Topic.STATE)]


def test_a_terminal_says_who_and_how_it_is_and_takes_its_leave(mosquitto: Broker) -> None:
    with Listener(mosquitto.port) as district:
        with uplink(mosquitto.port, ListOutbox(JOURNAL[0]), Post()):
            district.wait_for(Topic.BIRTH)
            district.wait_for(Topic.HEAD)
        district.heard.wait(lambda _: Status.OFFLINE in statuses(district))

        assert statuses(district)[-2:] == [Status.ONLINE, Status.OFFLINE]
        assert decode(district.payloads(Topic.BIRTH)[-1], Birth) == BIRTH
        assert district.payloads(Topic.HEAD)[-1] == encode(head(JOURNAL[0]))


def test_a_fault_that_takes_a_modality_makes_the_terminal_degraded_until_it_is_over(mosquitto: Broker) -> None:
    with uplink(mosquitto.port, ListOutbox(), Post()) as worker, Listener(mosquitto.port) as district:
        worker.report(frozenset({FaultCode.READER, FaultCode.CLOCK}))
        district.heard.wait(lambda _: Status.DEGRADED in statuses(district))
        worker.report(frozenset({FaultCode.CLOCK}))
        district.heard.wait(lambda _: statuses(district)[-1] is Status.ONLINE)

        said = [decode(payload, State).faults for payload in district.payloads(Topic.STATE)]
    assert said[-2:] == [("F01", "T01"), ("T01",)]


def test_a_fault_from_before_the_connection_is_said_at_its_beginning(tmp_path: Path) -> None:
    with Broker.start(tmp_path, BrokerKind.MOSQUITTO) as broker, Listener(broker.port) as district:
        settings = UplinkSettings(host=HOST, port=broker.port, district_key=public_hex(DISTRICT_KEY))
        worker = Uplink(settings, DISTRICT, BIRTH, ListOutbox(), Post().post)
        worker.report(frozenset({FaultCode.CAMERA}))
        worker.start()
        district.wait_for(Topic.STATE)
        worker.stop()

        assert statuses(district)[0] is Status.DEGRADED


def test_an_event_is_sent_at_once_on_the_topic_of_its_kind(mosquitto: Broker) -> None:
    post = Post()
    with Listener(mosquitto.port) as district, uplink(mosquitto.port, ListOutbox(), post) as worker:
        post.wait_for(UP)
        worker.offer(JOURNAL[0])

        assert district.wait_for(Topic.EVENT) == [encode(JOURNAL[0])]


def test_what_waited_offline_is_sent_in_batches_one_after_each_receipt(mosquitto: Broker) -> None:
    with Listener(mosquitto.port) as district, uplink(mosquitto.port, ListOutbox(*JOURNAL), Post()):
        last_seq = 0
        while last_seq < len(JOURNAL):
            count = len(district.payloads(Topic.BATCH)) + (last_seq == 0)
            batch = decode(district.wait_for(Topic.BATCH, count)[-1], Batch).events
            assert batch[0].seq == last_seq + 1
            last_seq = batch[-1].seq
            district.say(Topic.RECEIPT, encode(receipt(JOURNAL[last_seq - 1])))
            if last_seq < len(JOURNAL):
                district.wait_for(Topic.BATCH, count + 1)


@pytest.mark.parametrize("raw", [b"\x00" * 60_000, b"", encode(JOURNAL[0])], ids=["oversize", "empty", "an event"])
def test_what_is_no_receipt_does_not_reach_the_journal(mosquitto: Broker, raw: bytes) -> None:
    post = Post()
    outbox = ListOutbox(JOURNAL[0])
    with Listener(mosquitto.port) as district, uplink(mosquitto.port, outbox, post):
        post.wait_for(UP)
        district.say(Topic.RECEIPT, raw)
        district.say(Topic.RECEIPT, encode(receipt(JOURNAL[0])))
        outbox.came.wait_for(receipt(JOURNAL[0]))

    assert outbox.came.all() == [receipt(JOURNAL[0])]
    assert post.all() == [UP, DOWN]


class SlowOutbox(ListOutbox):
    """Answers a receipt only when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Callable[[], None]] = []

    def receipted(self, answer: Callable[[int], None]) -> None:
        self.answers.append(lambda: answer(self.upto_seq))


def test_a_flood_of_receipts_waits_for_the_card_and_only_the_last_of_them_is_judged() -> None:
    outbox = SlowOutbox()
    settings = UplinkSettings(host=HOST, district_key=public_hex(DISTRICT_KEY))
    session = Session(settings, Terminal(DISTRICT, DEV, BOOT), outbox, Incoming(), resend_s=30.0)
    for event in JOURNAL:
        session._came_down(Topic.RECEIPT, encode(receipt(event)))
    judged_at_once = outbox.came.all()
    outbox.answers.pop()()
    (answer,) = session.mailbox.take_all()
    session._take(answer)
    session.close()

    assert judged_at_once == [receipt(JOURNAL[0])]
    assert outbox.came.all() == [receipt(JOURNAL[0]), receipt(JOURNAL[-1])]


def test_a_terminal_that_waits_for_a_silent_broker_stops_without_a_fault() -> None:
    post = Post()
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(WAIT_S)
        with uplink(server.getsockname()[1], ListOutbox(), post):
            connection, _ = server.accept()
            assert connection.recv(4096)[0] == 0x10  # CONNECT
        connection.close()

    assert post.all() == []


def test_what_no_receipt_comes_for_is_sent_again(mosquitto: Broker) -> None:
    post = Post()
    with (
        Listener(mosquitto.port) as district,
        uplink(mosquitto.port, ListOutbox(JOURNAL[0]), post, resend_s=0.1),
    ):
        first, second = district.wait_for(Topic.BATCH, 2)[:2]

    assert first == second


@pytest.mark.parametrize("topic", [Topic.COMMAND, Topic.CONFIG, Topic.ROSTER])
def test_what_is_not_supported_yet_is_ignored(mosquitto: Broker, topic: Topic) -> None:
    post = Post()
    with Listener(mosquitto.port) as district, uplink(mosquitto.port, ListOutbox(), post) as worker:
        post.wait_for(UP)
        district.say(topic, b"\xff" * 60_000)
        district.say(topic, b"")
        worker.offer(JOURNAL[0])
        district.wait_for(Topic.EVENT)

    assert post.all() == [UP, DOWN]


def test_a_broker_that_goes_away_is_a_fault_until_it_is_back(tmp_path: Path) -> None:
    post = Post()
    with Broker.start(tmp_path, BrokerKind.MOSQUITTO) as broker, uplink(broker.port, ListOutbox(), post):
        post.wait_for(UP)
        broker.kill()
        post.wait(lambda items: any(isinstance(item, FaultRaised) for item in items))
        broker.restart()
        post.wait_for(FaultCleared(FaultCode.UPLINK))

    assert [item for item in post.all() if isinstance(item, UplinkChanged)] == [UP, DOWN, UP, DOWN]


def test_an_event_offered_while_there_is_no_broker_is_left_to_the_journal() -> None:
    settings = UplinkSettings(host=HOST, port=1, district_key=public_hex(DISTRICT_KEY))
    post = Post()
    worker = Uplink(settings, DISTRICT, BIRTH, ListOutbox(), post.post)
    worker.start()
    post.wait(lambda items: any(isinstance(item, FaultRaised) for item in items))

    worker.offer(JOURNAL[0])
    worker.stop()

    assert [item.code for item in post.all() if isinstance(item, FaultRaised)] == [FaultCode.UPLINK]


def test_the_broker_speaks_the_will_of_a_terminal_that_falls_silent(mosquitto: Broker) -> None:
    post = Post()
    with Listener(mosquitto.port) as district, uplink(mosquitto.port, ListOutbox(), post):
        post.wait_for(UP)
        with Listener(mosquitto.port, name=DEV):  # the same client id: the broker drops the older connection
            district.heard.wait(lambda _: Status.OFFLINE in statuses(district))

        said = [decode(payload, State) for payload in district.payloads(Topic.STATE)]
    will = next(state for state in said if state.state is Status.OFFLINE)  # it may be back already
    assert will == State(v=VERSION, dev=DEV, state=Status.OFFLINE, boot=BOOT)


CONNACK = bytes([0x20, 2, 0, 0])


@pytest.mark.parametrize(
    ("says", "detail"),
    [
        (bytes([0x20, 2, 0, 5]), "refuses balai-01: Not authorized"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "was lost"),
        (CONNACK + bytes([0x30, 0x80, 0x80, 0x80, 0x64]) + bytes(4096), "a packet of 209715200 bytes"),
        (CONNACK + bytes([0x30, 5, 0, 2, 0xFF, 0xFE, 0x00]), "was lost"),
        (CONNACK + bytes([0x30, 1, 0]), "Protocol error"),
        (CONNACK + bytes([0x40, 0]), "was lost"),
        (b"", "was lost"),
    ],
    ids=["refuses", "no MQTT", "200 MiB", "no UTF-8", "cut short", "empty PUBACK", "hangs up"],
)
def test_whatever_a_hostile_broker_sends_ends_the_connection_and_nothing_else(says: bytes, detail: str) -> None:
    post = Post()
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(WAIT_S)
        accepting = threading.Thread(target=play, args=(server, says), kwargs={"hang_up": detail == "was lost"})
        accepting.start()
        with uplink(server.getsockname()[1], ListOutbox(), post):
            post.wait(lambda items: any(isinstance(item, FaultRaised) for item in items))
            accepting.join()

    raised = next(item for item in post.all() if isinstance(item, FaultRaised))
    assert raised.code is FaultCode.UPLINK
    assert detail in raised.detail


def play(server: socket.socket, says: bytes, *, hang_up: bool) -> None:
    """Accept one connection, read its CONNECT, say this, and hang up; or wait until the kiosk does."""
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(says)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
