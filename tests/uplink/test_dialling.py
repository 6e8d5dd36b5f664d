"""What is promised: the broker is reached at whichever of its addresses answers, and who waits for one that does not
can be called off at any moment.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from kiosk.sim.broker import HOST
from kiosk.uplink.dialling import GivenUpError, reached


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Takes connections, and says nothing."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Answers no SYN, since its queue is full."""
    with socket.create_server((HOST, 0), backlog=0) as server, ExitStack() as queue:
        for _ in range(4):
            waiting = queue.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def times(count: int) -> Callable[[], bool]:
    """Yes, so many times; then no."""
    answers = iter(count * [True])
    return lambda: next(answers, False)


def test_a_broker_that_listens_is_reached(silent_port: int) -> None:
    with reached("localhost", silent_port, None, times(9)) as connection:
        assert connection.getpeername() == (HOST, silent_port)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_refuses_gives_way_to_the_next(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = socket.getaddrinfo
    both = [*lookup(HOST, 1, type=socket.SOCK_STREAM), *lookup(HOST, silent_port, type=socket.SOCK_STREAM)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)

    with reached("broker.example", silent_port, None, times(9)) as connection:
        assert connection.getpeername() == (HOST, silent_port)


def test_where_nobody_listens_the_last_address_s_reason_is_told() -> None:
    with pytest.raises(OSError, match="refused"):
        reached(HOST, 1, None, times(9))


@pytest.mark.parametrize("tls", [None, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)], ids=["TCP", "TLS"])
def test_who_waits_for_an_answer_can_be_called_off(request: pytest.FixtureRequest, tls: ssl.SSLContext | None) -> None:
    port = request.getfixturevalue("silent_port" if tls else "deaf_port")
    began_s = time.monotonic()

    with pytest.raises(GivenUpError):
        reached(HOST, port, tls, times(2))
    assert time.monotonic() - began_s < 2.5


def test_an_address_that_does_not_answer_in_time_is_given_up(deaf_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kiosk.uplink.dialling.CONNECT_S", 0.2)

    with pytest.raises(TimeoutError, match="TCP took more than"):
        reached(HOST, deaf_port, None, lambda: True)
