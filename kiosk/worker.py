"""The whole threading model: one device, one thread; between threads only frozen messages.

A `Worker` opens its device, turns until it is stopped, and closes it. What its device raises becomes a fault and is
tried again after 0.5 … 30 s; `except Exception` stands here and nowhere else, so that no thread dies in silence.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ClassVar, Generic, TypeVar

from kiosk.core.faults import FaultCode, KioskError
from kiosk.core.messages import FaultCleared, FaultRaised, Message

log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 30.0

T = TypeVar("T")


class Inbox:
    """Messages to the main thread, from any thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def post(self, message: Message) -> None:
        """Leave a message; never blocks."""
        self._queue.put(message)

    def take_all(self) -> list[Message]:
        """Everything that has arrived, the oldest first; never blocks."""
        messages = []
        while True:
            try:
                messages.append(self._queue.get_nowait())
            except queue.Empty:
                return messages


class Latest(Generic[T]):
    """A place for the newest of something: whoever is late sees the newest, never a queue of old ones."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: T | None = None
        self._fresh = False

    def put(self, value: T) -> None:
        """Replace whatever was there."""
        with self._changed:
            self._value, self._fresh = value, True
            self._changed.notify_all()

    def take(self, timeout_s: float) -> T | None:
        """The newest value, once; None if none came in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._fresh, timeout_s):
                return None
            self._fresh = False
            return self._value

    def peek(self) -> T | None:
        """The newest value, taken or not; never blocks for long."""
        with self._changed:
            return self._value


class Bell:
    """Rung from anywhere, heard by whoever waits. Unlike an `Event` it may be rung in a signal handler.

    A handler runs in the middle of whatever the main thread does, which may be waiting for this very bell; an event
    would then want its own lock twice. This is one of the kernel's counters (eventfd(2)), and has none.
    """

    def __init__(self) -> None:
        self._counter = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._counter)

    def ring(self) -> None:
        """Wake whoever waits, now or later."""
        os.eventfd_write(self._counter, 1)

    def wait(self, timeout_s: float) -> bool:
        """Whether it has rung, or does within the time; it goes on ringing."""
        return bool(select.select([self._counter], [], [], timeout_s)[0])


class Worker(ABC):
    """A thread that owns one device.

    `opened` is entered on the worker's own thread; `turn` is then called until `stop`, and must come back within about
    a second. `beats` rises with every turn, so that a watchdog sees a worker that hangs; one that waits for something
    outside, which no timeout bounds, says so with `is_vital`.
    """

    is_vital: ClassVar[bool] = True
    """Whether its silence means that the kiosk itself hangs."""

    def __init__(self, name: str, fault: FaultCode, post: Callable[[Message], None]) -> None:
        """
        Args:
            fault: what to report when an exception does not name a fault of its own.
            post: where messages go, usually `Inbox.post`.
        """
        self.name = name
        self.beats = 0
        self.post = post
        self.stopping = threading.Event()
        self._default_fault = fault
        self._raised: FaultCode | None = None
        self._thread = threading.Thread(target=self._run, name=name)

    @abstractmethod
    def opened(self) -> AbstractContextManager[object]:
        """The device, open while the context lasts."""

    @abstractmethod
    def turn(self) -> None:
        """One unit of work, at most about a second."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end, and wait until it has."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        retry_s = FIRST_RETRY_S
        while not self.stopping.is_set():
            try:
                with self.opened():
                    while not self.stopping.is_set():
                        self.turn()
                        self.beats += 1
                        self._clear()
                        retry_s = FIRST_RETRY_S
            except Exception as error:  # noqa: BLE001 - the one place: a thread must not die in silence
                self._raise(error)
                self._pause(retry_s)
                retry_s = min(2 * retry_s, LAST_RETRY_S)

    def _pause(self, seconds: float) -> None:
        """Wait before the next try; a worker that waits is alive, so it still beats."""
        for _ in range(max(1, round(seconds / FIRST_RETRY_S))):
            self.beats += 1
            if self.stopping.wait(FIRST_RETRY_S):
                return

    def _raise(self, error: Exception) -> None:
        named = error.fault if isinstance(error, KioskError) else None
        code = named or self._default_fault
        if code is self._raised:
            log.debug("%s: still %s: %s", self.name, code, error)
            return
        self._clear()
        log.error("%s: %s: %s", self.name, code, error, exc_info=not isinstance(error, KioskError))
        self._raised = code
        self.post(FaultRaised(code, str(error)))

    def _clear(self) -> None:
        if self._raised is not None:
            log.info("%s: %s is over", self.name, self._raised)
            self.post(FaultCleared(self._raised))
            self._raised = None
