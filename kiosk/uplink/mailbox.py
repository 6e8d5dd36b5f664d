"""Messages to a thread that waits for a socket: a queue whose arrivals wake `select`."""

from __future__ import annotations

import contextlib
import queue
import socket
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A queue that is readable, as `select` means it, while something is in it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(0)
        self._writer.settimeout(0)

    def fileno(self) -> int:
        """What `select` waits for."""
        return self._reader.fileno()

    def put(self, message: T) -> None:
        """Leave a message and wake the reader; from any thread, never blocks, of no effect once closed."""
        self._queue.put(message)
        self.wake()

    def wake(self) -> None:
        """Wake the reader."""
        with contextlib.suppress(OSError):  # full: the reader is awake already; closed: there is no reader
            self._writer.send(b"\0")

    def take_all(self) -> list[T]:
        """Everything that has arrived, the oldest first; never blocks."""
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4096)
        messages = []
        while True:
            try:
                messages.append(self._queue.get_nowait())
            except queue.Empty:
                return messages

    def close(self) -> None:
        """Give the sockets back."""
        self._reader.close()
        self._writer.close()
