"""The published example really is a subscriber: with nothing of ours but the published files, on the published broker
configuration, it takes in a real terminal's journal, and the terminal believes its receipts.
"""

from __future__ import annotations

import ast
import json
import select
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kiosk.core.messages import OutboxDepth
from kiosk.sim.broker import HOST, Broker
from tests.brokers import DEV, DISTRICT, WAIT_S
from tests.contract.stranger import FOLDER
from tests.secure_broker import INGEST, Authority, Client, secured, shipped_broker
from tests.storage.office import written
from tests.system.test_uplink import Kiosk, running
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, OTHER_KEY
from wire.attendance import Event, decode, encode
from wire.chain import Receipt, public_hex
from wire.topics import Address, Topic

SUBSCRIBER = FOLDER / "subscriber.py"
STORE = "events.db"
RECEIPTS = str(Address(DISTRICT, DEV, Topic.RECEIPT))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterator[Broker]:
    with shipped_broker(tmp_path / "broker", authority.folder) as broker:
        yield broker


@contextmanager
def subscriber(
    folder: Path, broker: Broker, authority: Authority, key: Ed25519PrivateKey = DEVICE_KEY
) -> Iterator[IO[bytes]]:
    """The example in a process of its own, trusting one device, once it listens; yields what else it prints."""
    (folder / "devices.json").write_text(json.dumps({DEV: public_hex(key)}))
    secret = DISTRICT_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "district.pem").write_bytes(secret)
    files = ("devices.json", "district.pem", STORE)
    tls = (authority.file, *authority.sign(INGEST))
    command = [sys.executable, "-I", str(SUBSCRIBER), HOST, str(broker.port), DISTRICT, *files, *map(str, tls)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        try:
            assert next_line(process.stdout) == b"listening\n"
            yield process.stdout
        finally:
            process.kill()


def next_line(printed: IO[bytes]) -> bytes:
    """What it prints next; nothing if it ends."""
    assert select.select([printed], [], [], WAIT_S)[0], f"it printed nothing for {WAIT_S} s"
    return printed.readline()


def kiosk(folder: Path, broker: Broker, authority: Authority) -> Kiosk:
    settings = secured(broker.port, authority.file, authority.sign(DEV))
    return Kiosk(folder, broker.port, resend_s=0.5, settings=settings)


def kept(folder: Path) -> list[int]:
    """The numbers of the events that it holds, each as its own message says."""
    with closing(sqlite3.connect(folder / STORE)) as store:
        rows = store.execute("SELECT message FROM event ORDER BY rowid")
        return [decode(message, Event).seq for (message,) in rows]


def imported_by(text: str) -> set[str]:
    """The top-level modules that a program imports."""
    nodes = list(ast.walk(ast.parse(text)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in plain | parts}


def test_it_has_fewer_than_60_lines_and_imports_nothing_of_ours() -> None:
    text = SUBSCRIBER.read_text("utf-8")

    assert len(text.splitlines()) < 60
    assert imported_by(text) - sys.stdlib_module_names == {"cryptography", "jsonschema", "paho", "rfc8785"}


def test_a_terminal_believes_its_receipts_for_what_waited_and_what_is_live(
    tmp_path: Path, broker: Broker, authority: Authority
) -> None:
    written(tmp_path / "kiosk", 150)
    with subscriber(tmp_path, broker, authority), running(kiosk(tmp_path / "kiosk", broker, authority)) as terminal:
        terminal.wait_until_all_is_signed()
        terminal.tap()
        terminal.post.wait_for(OutboxDepth(1))
        terminal.wait_until_all_is_signed()

    assert kept(tmp_path) == list(range(1, 152))
    assert terminal.raised() == []


def test_one_that_was_killed_goes_on_where_it_was(tmp_path: Path, broker: Broker, authority: Authority) -> None:
    written(tmp_path / "kiosk", 5)
    with running(kiosk(tmp_path / "kiosk", broker, authority)) as terminal:
        with subscriber(tmp_path, broker, authority):
            terminal.wait_until_all_is_signed()
        terminal.tap(5)
        terminal.post.wait_for(OutboxDepth(5))
        with subscriber(tmp_path, broker, authority):
            terminal.wait_until_all_is_signed()

    assert kept(tmp_path) == list(range(1, 11))


def test_it_keeps_nothing_that_another_key_has_signed(tmp_path: Path, broker: Broker, authority: Authority) -> None:
    with (
        subscriber(tmp_path, broker, authority, OTHER_KEY) as printed,
        running(kiosk(tmp_path / "kiosk", broker, authority)) as terminal,
    ):
        terminal.tap()
        assert b"InvalidSignature" in next_line(printed)

    assert kept(tmp_path) == []
    assert terminal.depths()[-1] == OutboxDepth(1)


def test_rubbish_duplicates_gaps_and_forgeries_change_nothing(
    tmp_path: Path, broker: Broker, authority: Authority
) -> None:
    one, two, three = written(tmp_path / "kiosk", 3)
    forged = msgspec.structs.replace(two, pid="p-budi")
    foreign = msgspec.structs.replace(two, dev="balai-02")
    rubbish = [b"[" * 60_000, b"\xff", b"", b"{}", encode(one) + b" ", encode(forged), encode(foreign)]
    with subscriber(tmp_path, broker, authority), Client(broker, authority, DEV, [RECEIPTS]) as terminal:
        for raw in [encode(one), *rubbish, encode(one), encode(three), encode(two), encode(one), encode(three)]:
            terminal.say(str(Address(DISTRICT, DEV, Topic.EVENT)), raw)
        terminal.heard.wait(lambda heard: upto(heard) == three.seq)

    assert kept(tmp_path) == [1, 2, 3]


def upto(heard: list[object]) -> int:
    """How far the last receipt goes; 0: there is none."""
    payloads = [message[1] for message in heard if isinstance(message, tuple)]
    return decode(payloads[-1], Receipt).upto_seq if payloads else 0
