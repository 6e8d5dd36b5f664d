"""What is promised: the ingest outlives whatever a broker does that time can mend, ends with a clear word where it
cannot, and stops when it is told to. The broker is played by the test, byte by byte, where it must misbehave.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from district.__main__ import OK, UNUSABLE
from district.ingest import LARGEST_PACKET, _Stop
from district.store import Misfit, opened_store
from kiosk.sim.broker import HOST, Broker, BrokerKind
from tests.brokers import DEV, DISTRICT, WAIT_S, Listener, RunningDistrict
from tests.wire.examples import events
from wire.attendance import encode
from wire.topics import Topic

WELCOME = bytes([0x20, 2, 0, 0])
FINAL = {2: "Client identifier not valid", 4: "Bad user name or password", 5: "Not authorized"}


@contextmanager
def playing(*openings: bytes) -> Iterator[int]:
    """A broker that answers one connection after the other with these bytes, and the last one as a broker should."""
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(WAIT_S)
        thread = threading.Thread(target=play, args=(server, openings))
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def play(server: socket.socket, openings: Sequence[bytes]) -> None:
    for opening in openings:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(opening)
            if opening == WELCOME:
                subscribe = connection.recv(4096)
                connection.sendall(bytes([0x90, 3]) + subscribe[2:4] + bytes([1]))
            else:
                connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


@pytest.mark.parametrize(
    "opening",
    [
        bytes([0x20, 2, 0, 3]),
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        WELCOME + bytes([0x30, 1, 0]),
        WELCOME + bytes([0x40, 0]),
    ],
    ids=["server unavailable", "hangs up", "no MQTT", "cut short", "empty PUBACK"],
)
def test_what_time_can_mend_is_tried_again_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, opening: bytes
) -> None:
    with playing(opening, opening, WELCOME) as port, RunningDistrict(tmp_path, port):
        pass

    assert [
        record.message.startswith("no broker at") for record in caplog.records if record.levelname == "WARNING"
    ] == [True]


@contextmanager
def command(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`district run`, in a process of its own."""
    config = folder / "district.toml"
    config.write_text(f'[district]\nname = "{DISTRICT}"\ndirectory = "var"\n[broker]\nhost = "{HOST}"\nport = {port}\n')
    arguments = [sys.executable, "-m", "district", "run", "--config", str(config)]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as district:
        try:
            yield district
        finally:
            district.kill()


@pytest.mark.parametrize("code", FINAL)
def test_a_refusal_that_time_does_not_mend_ends_it_with_a_clear_word(tmp_path: Path, code: int) -> None:
    with playing(bytes([0x20, 2, 0, code])) as port, command(tmp_path, port) as district:
        _, said = district.communicate(timeout=WAIT_S)

    assert district.returncode == UNUSABLE
    assert said.splitlines()[-1] == f"district: the broker at {HOST}:{port} refuses us: {FINAL[code]}"


def test_a_signal_ends_it_while_it_waits_for_a_broker(tmp_path: Path) -> None:
    with command(tmp_path, 1) as district:
        assert district.stderr is not None
        assert "no broker at" in district.stderr.readline()
        district.send_signal(signal.SIGTERM)

        assert district.wait(WAIT_S) == OK


def test_a_stop_from_a_signal_handler_is_heard_by_the_thread_that_waits_for_it() -> None:
    stop = _Stop()
    before = signal.signal(signal.SIGALRM, lambda *_: setattr(stop, "is_wanted", True))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    began_s = time.monotonic()
    stop.wait(WAIT_S)
    signal.signal(signal.SIGALRM, before)

    assert time.monotonic() - began_s < WAIT_S / 2


def test_a_message_far_too_large_is_cut_quarantined_and_not_delivered_for_ever(tmp_path: Path) -> None:
    (event,) = events(1)
    with (
        Broker.start(tmp_path / "broker", BrokerKind.MOSQUITTO) as broker,
        RunningDistrict(tmp_path / "district", broker.port) as district,
        Listener(broker.port) as terminal,
    ):
        terminal.say(Topic.EVENT, b"x" * 20_000_000)
        terminal.say(Topic.EVENT, encode(event))
        district.wait_for_head(1)

    assert [size for size in district.sizes.all() if isinstance(size, int) and size > 2 * LARGEST_PACKET] == []
    assert district.sizes.all()[-1] == len(encode(event))
    with opened_store(tmp_path / "district") as store:
        assert [(item.reason, item.times) for item in store.quarantined(DEV)] == [(Misfit.GARBAGE, 1)]
