"""What is promised of `docs/broker`: on Mosquitto with those files nobody without a certificate of ours says anything,
a terminal speaks and hears only for itself, and the whole way works. Mosquitto grants any subscription and then
delivers only what may be read, so it is what arrives that counts, and a message that may arrive ends the wait.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from district.authority import opened_authority
from district.config import BrokerSettings
from kiosk.sim.broker import HOST, Broker
from tests.brokers import DEV, DISTRICT, WAIT_S, Post, RunningDistrict
from tests.secure_broker import HOUR, INGEST, SHIPPED, Authority, Client, context, secured, shipped_broker
from tests.uplink.terminal import ListOutbox, uplink
from tests.wire.examples import events
from wire.attendance import LARGEST_MESSAGE
from wire.topics import Address, Topic

A, B = DEV, "balai-02"
ANYTHING = [
    "#",
    "$SYS/#",
    "hadir/#",
    f"hadir/v1/{DISTRICT}/+/dn/#",
    f"hadir/v1/{DISTRICT}/{B}/dn/#",
    "$share/g/hadir/#",
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates") / "authority")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Broker]:
    with shipped_broker(tmp_path_factory.mktemp("broker") / "mosquitto", authority.folder) as broker:
        yield broker


CONNECT = bytes([0x10, 20, 0, 4]) + b"MQTT" + bytes([4, 0b10, 0, 60, 0, 8]) + b"somebody"
"""MQTT 3.1.1, a clean session, keep-alive 60 s, client id `somebody`."""
WELCOME = bytes([0x20, 2, 0, 0])


def topic(device: str, kind: Topic) -> str:
    return str(Address(DISTRICT, device, kind))


def answer(broker: Broker, made: ssl.SSLContext) -> bytes:
    """What the broker says to a CONNECT; nothing if it hangs up.

    Raises:
        OSError: it does not get that far.
    """
    with (
        socket.create_connection((HOST, broker.port), WAIT_S) as plain,
        made.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        connection.sendall(CONNECT)
        return connection.recv(4)


def is_let_in(broker: Broker, made: ssl.SSLContext) -> bool:
    """Whether somebody gets a CONNACK that says yes."""
    try:
        return answer(broker, made) == WELCOME
    except OSError:
        return False


def test_what_one_terminal_says_in_anothers_name_reaches_nobody(broker: Broker, authority: Authority) -> None:
    own = topic(A, Topic.EVENT)
    forbidden = [topic(B, kind) for kind in Topic] + [topic(A, kind) for kind in Topic if kind.startswith("dn/")]
    with (
        Client(broker, authority, INGEST, ["hadir/v1/+/+/up/#"]) as district,
        Client(broker, authority, B, [topic(B, Topic.RECEIPT), topic(B, Topic.COMMAND)]) as other,
        Client(broker, authority, A) as hostile,
    ):
        for name in [*forbidden, "hadir/v1/up/event", "anything", "$SYS/broker/uptime"]:
            hostile.say(name, b"forged")
        hostile.say(own, b"its own")
        district.heard.wait_for((own, b"its own"))
        district.say(topic(B, Topic.RECEIPT), b"end")
        other.heard.wait_for((topic(B, Topic.RECEIPT), b"end"))

    assert district.heard.all() == [(own, b"its own")]
    assert other.heard.all() == [(topic(B, Topic.RECEIPT), b"end")]


def test_a_terminal_hears_nothing_that_is_anothers_live_or_retained(broker: Broker, authority: Authority) -> None:
    own = (topic(A, Topic.RECEIPT), b"for A")
    with Client(broker, authority, INGEST) as district, Client(broker, authority, B) as other:
        other.say(topic(B, Topic.STATE), b"retained state of B", retain=True)
        district.say(topic(B, Topic.ROSTER), b"retained roster of B", retain=True)
        with Client(broker, authority, A, ANYTHING) as hostile:
            other.say(topic(B, Topic.EVENT), b"event of B")
            district.say(topic(B, Topic.RECEIPT), b"for B")
            district.say(*own)
            hostile.heard.wait_for(own)
        other.say(topic(B, Topic.STATE), b"", retain=True)
        district.say(topic(B, Topic.ROSTER), b"", retain=True)

    assert set(hostile.heard.all()) == {own}


def test_the_name_in_the_certificate_counts_and_not_what_a_terminal_calls_itself(
    broker: Broker, authority: Authority
) -> None:
    with (
        Client(broker, authority, INGEST) as district,
        Client(broker, authority, B, [topic(B, Topic.RECEIPT)]) as other,
        Client(broker, authority, A, [topic(B, Topic.RECEIPT), topic(A, Topic.RECEIPT)], client_id=B) as hostile,
    ):
        district.say(topic(B, Topic.RECEIPT), b"for B")
        district.say(topic(A, Topic.RECEIPT), b"for A")
        other.heard.wait_for((topic(B, Topic.RECEIPT), b"for B"))
        hostile.heard.wait_for((topic(A, Topic.RECEIPT), b"for A"))
        thrown_off = other.ended.is_set()

    assert not thrown_off
    assert hostile.heard.all() == [(topic(A, Topic.RECEIPT), b"for A")]


def test_the_district_reads_all_terminals_and_writes_to_each(broker: Broker, authority: Authority) -> None:
    everything = ["hadir/v1/+/+/up/#"]
    with (
        Client(broker, authority, INGEST, everything) as district,
        Client(broker, authority, A, [topic(A, Topic.COMMAND)]) as one,
        Client(broker, authority, B, [topic(B, Topic.COMMAND)]) as two,
    ):
        for device, client in ((A, one), (B, two)):
            client.say(topic(device, Topic.EVENT), b"up")
            district.say(topic(device, Topic.COMMAND), b"down")
            district.heard.wait_for((topic(device, Topic.EVENT), b"up"))
            client.heard.wait_for((topic(device, Topic.COMMAND), b"down"))


def test_two_ingests_share_the_work_if_they_ask_to(broker: Broker, authority: Authority) -> None:
    with (
        Client(broker, authority, INGEST, ["$share/ingest/hadir/v1/+/+/up/#"]) as district,
        Client(broker, authority, A) as terminal,
    ):
        terminal.say(topic(A, Topic.EVENT), b"up")
        district.heard.wait_for((topic(A, Topic.EVENT), b"up"))


def test_a_message_of_64_kib_passes_and_a_larger_one_ends_the_connection(broker: Broker, authority: Authority) -> None:
    largest = b"x" * LARGEST_MESSAGE
    with (
        Client(broker, authority, INGEST, [topic(A, Topic.BATCH)]) as district,
        Client(broker, authority, A) as terminal,
    ):
        terminal.say(topic(A, Topic.BATCH), largest)
        district.heard.wait_for((topic(A, Topic.BATCH), largest))
        terminal.try_to_say(topic(A, Topic.BATCH), 2 * largest)
        assert terminal.ended.wait(WAIT_S)

    assert district.heard.all() == [(topic(A, Topic.BATCH), largest)]


def test_whoever_shows_no_certificate_is_not_let_in(broker: Broker, authority: Authority) -> None:
    assert not is_let_in(broker, context(authority, None))
    assert is_let_in(broker, context(authority, authority.sign("somebody")))


@pytest.mark.parametrize("life", [(-3 * HOUR, -HOUR), (HOUR, 3 * HOUR)], ids=["expired", "not yet valid"])
def test_a_certificate_is_good_only_in_its_time(
    broker: Broker, authority: Authority, life: tuple[timedelta, timedelta]
) -> None:
    assert not is_let_in(broker, context(authority, authority.sign("early-or-late", life)))


def test_a_certificate_of_another_authority_is_not_let_in(broker: Broker, authority: Authority, tmp_path: Path) -> None:
    foreign = Authority(tmp_path / "foreign", name="authority")

    assert not is_let_in(broker, context(authority, foreign.sign(A)))


def test_nothing_older_than_tls_1_2_is_spoken(broker: Broker, authority: Authority) -> None:
    old = context(authority, authority.sign("old"))
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        answer(broker, old)


def test_the_districts_own_authority_lets_a_terminal_in_until_it_revokes_it(tmp_path: Path) -> None:
    district = opened_authority(tmp_path / "district", DISTRICT)
    (server, server_key), (terminal, terminal_key) = district.for_server([HOST]), district.for_client(A)
    files = {"ca.pem": district.pem, "broker.pem": server.pem, "terminal.pem": terminal.pem}
    keys = {"broker.key": server_key, "terminal.key": terminal_key, "revoked.pem": district.revocations([])}
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    for name, content in ({name: text.encode() for name, text in files.items()} | keys).items():
        (certificates / name).write_bytes(content)
    shown = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    shown.load_cert_chain(certificates / "terminal.pem", certificates / "terminal.key")
    with shipped_broker(tmp_path / "mosquitto", certificates) as broker:
        assert is_let_in(broker, shown)
        (certificates / "revoked.pem").write_bytes(district.revocations([terminal.serial]))
        broker.restart()
        assert not is_let_in(broker, shown)


def test_what_is_retained_is_there_after_a_restart(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    state = (topic(A, Topic.STATE), b"offline")
    with shipped_broker(tmp_path / "mosquitto", authority.folder) as broker:
        with Client(broker, authority, A) as terminal:
            terminal.say(*state, retain=True)
        broker.restart()
        with Client(broker, authority, INGEST, ["hadir/v1/+/+/up/#"]) as district:
            district.heard.wait_for(state)


def test_a_terminals_whole_way_works_on_it(tmp_path: Path, broker: Broker, authority: Authority) -> None:
    certificate, key = authority.sign(INGEST)
    district = BrokerSettings(
        host=HOST, port=broker.port, ca_file=authority.file, certificate_file=certificate, key_file=key
    )
    settings = secured(broker.port, authority.file, authority.sign(DEV))
    with (
        RunningDistrict(tmp_path / "district", broker.port, district) as running,
        uplink(broker.port, ListOutbox(*events(150)), Post(), settings=settings),
    ):
        running.wait_for_head(150)


def test_the_access_rules_are_the_contracts() -> None:
    rules = [line for line in (SHIPPED / "acl").read_text("utf-8").splitlines() if line and not line.startswith("#")]

    assert rules == [
        "pattern write hadir/v1/+/%u/up/#",
        "pattern read hadir/v1/+/%u/dn/#",
        f"user {INGEST}",
        "topic read hadir/v1/+/+/up/#",
        "topic write hadir/v1/+/+/dn/#",
    ]
