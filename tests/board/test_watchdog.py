"""systemd is fed while every worker that counts beats, and its absence harms nobody."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiosk.board.watchdog import PATIENCE_MS, Watchdog


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
        unix.bind(str(tmp_path / "notify"))
        unix.settimeout(5)
        yield unix


def test_systemd_is_told_that_the_kiosk_is_ready_and_alive(systemd: socket.socket) -> None:
    watchdog = Watchdog(systemd.getsockname())

    watchdog.ready()
    watchdog.feed({"storage": 1}, 0)

    assert [systemd.recv(64), systemd.recv(64)] == [b"READY=1", b"WATCHDOG=1"]


def test_it_is_fed_once_a_second(systemd: socket.socket) -> None:
    watchdog = Watchdog(systemd.getsockname())
    for now_ms in range(0, 2001, 33):
        watchdog.feed({"storage": now_ms}, now_ms)
    watchdog.ready()

    said = [systemd.recv(64) for _ in range(3)]

    assert said == [b"WATCHDOG=1", b"WATCHDOG=1", b"READY=1"]


def test_a_worker_that_does_not_beat_stops_the_feeding() -> None:
    watchdog = Watchdog("")
    watchdog.feed({"storage": 1, "recognition": 1}, 0)

    assert watchdog.feed({"storage": 2, "recognition": 1}, PATIENCE_MS - 1)
    assert not watchdog.feed({"storage": 3, "recognition": 1}, PATIENCE_MS)
    assert watchdog.feed({"storage": 4, "recognition": 2}, PATIENCE_MS + 1)


def test_a_systemd_that_is_not_there_harms_nobody(tmp_path: Path) -> None:
    assert Watchdog(str(tmp_path / "nobody")).feed({"storage": 1}, 0)


def test_a_systemd_that_does_not_read_harms_nobody(systemd: socket.socket) -> None:
    watchdog = Watchdog(systemd.getsockname())

    assert all(watchdog.feed({"storage": now_ms}, now_ms) for now_ms in range(0, 1_000_000, 1000))
