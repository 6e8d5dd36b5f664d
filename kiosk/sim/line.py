"""A line between a terminal and its broker that a test can make long, cut, or let go silent: a TCP proxy."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Self

HOST = "127.0.0.1"
CHUNK = 65536
BACKLOG = 4 * 1024 * 1024
"""Bytes on their way in one direction before no more are taken, as a line's buffers fill."""
IDLE_S = 0.05


@dataclass(slots=True)
class _Way:
    """One direction of one connection."""

    source: socket.socket
    sink: socket.socket
    travelling: deque[tuple[float, bytes]] = field(default_factory=deque)
    """When it arrives, and what."""
    size: int = 0


class Line:
    """The proxy, on a thread of its own. Use it as a context manager; the terminal connects to `port`."""

    def __init__(self, port: int, rtt_s: float = 0.0) -> None:
        """
        Args:
            port: the broker's, on this machine.
            rtt_s: of the line, seconds there and back.
        """
        self._to = port
        self._one_way_s = rtt_s / 2
        self._listener = socket.create_server((HOST, 0))
        self._listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._ways: list[_Way] = []
        self._stopping = threading.Event()
        self._silent = False
        self._thread = threading.Thread(target=self._run, name="line")

    @property
    def port(self) -> int:
        """Where the broker seems to be."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._listener.close()

    def fall_silent(self) -> None:
        """From now on nothing arrives on either side, and nobody is told: a router that lost its memory."""
        self._silent = True

    def speak_again(self) -> None:
        """Carry on with what has been waiting."""
        self._silent = False

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn()
        finally:
            for way in self._ways:
                way.source.close()

    def _turn(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            for way in self._ways:
                if way.size < BACKLOG and not self._silent:
                    selector.register(way.source, selectors.EVENT_READ, way)
            for key, _ in selector.select(self._until_next()):
                if key.data is None:
                    self._accept()
                else:
                    self._take(key.data)
        if not self._silent:
            self._deliver()

    def _until_next(self) -> float:
        now_s = time.monotonic()
        due = [way.travelling[0][0] - now_s for way in self._ways if way.travelling]
        return max(0.0, min([*due, IDLE_S]))

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection((HOST, self._to))
        except OSError:
            near.close()
            return
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ways += [_Way(near, far), _Way(far, near)]

    def _take(self, way: _Way) -> None:
        try:
            taken = way.source.recv(CHUNK)
        except OSError:
            taken = b""
        if not taken:
            self._hang_up(way)
            return
        way.travelling.append((time.monotonic() + self._one_way_s, taken))
        way.size += len(taken)

    def _deliver(self) -> None:
        now_s = time.monotonic()
        for way in tuple(self._ways):
            while way.travelling and way.travelling[0][0] <= now_s:
                _, chunk = way.travelling.popleft()
                way.size -= len(chunk)
                try:
                    way.sink.sendall(chunk)
                except OSError:
                    self._hang_up(way)
                    break

    def _hang_up(self, way: _Way) -> None:
        for each in [each for each in self._ways if each.source in {way.source, way.sink}]:
            self._ways.remove(each)
            each.source.close()
