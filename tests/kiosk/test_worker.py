"""A worker cannot die in silence, and whoever is late sees the newest."""

from __future__ import annotations

import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kiosk.core.faults import FaultCode
from kiosk.core.messages import FaultCleared, FaultRaised, Message, Tick
from kiosk.core.ports import CameraError
from kiosk.worker import Bell, Inbox, Latest, Worker


class Patient(Worker):
    """A worker that meets a given misfortune each turn; None is a good turn."""

    def __init__(self, misfortunes: list[Exception | None]) -> None:
        self.messages: queue.Queue[Message] = queue.Queue()
        super().__init__("patient", FaultCode.READER, self.messages.put)
        self.misfortunes = misfortunes
        self.closed = 0

    @contextmanager
    def opened(self) -> Iterator[None]:
        yield
        self.closed += 1

    def turn(self) -> None:
        if not self.misfortunes:
            self.stopping.wait(0.01)
            return
        misfortune = self.misfortunes.pop(0)
        if misfortune is not None:
            raise misfortune


def lived(patient: Patient, messages: int) -> list[Message]:
    """What the worker says first."""
    patient.start()
    try:
        return [patient.messages.get(timeout=5) for _ in range(messages)]
    finally:
        patient.stop()


@pytest.mark.parametrize(
    ("misfortune", "code"),
    [(ValueError("odd"), FaultCode.READER), (CameraError("no picture"), FaultCode.CAMERA)],
)
def test_a_failure_becomes_a_fault_and_its_end_is_told(misfortune: Exception, code: FaultCode) -> None:
    assert lived(Patient([misfortune]), 2) == [FaultRaised(code, str(misfortune)), FaultCleared(code)]


def test_a_failure_that_lasts_is_told_once() -> None:
    patient = Patient([ValueError("odd"), ValueError("odd again"), None])

    said = lived(patient, 2)

    assert said == [FaultRaised(FaultCode.READER, "odd"), FaultCleared(FaultCode.READER)]
    assert patient.messages.empty()


def test_another_failure_replaces_the_first() -> None:
    said = lived(Patient([ValueError("odd"), CameraError("no picture")]), 3)

    assert said[1:] == [FaultCleared(FaultCode.READER), FaultRaised(FaultCode.CAMERA, "no picture")]


def test_a_worker_that_waits_to_try_again_stops_at_once() -> None:
    patient = Patient([ValueError("odd") for _ in range(100)])
    lived(patient, 1)

    assert patient.misfortunes


def test_the_device_is_closed_when_the_worker_stops() -> None:
    patient = Patient([])
    lived(patient, 0)

    assert patient.closed == 1


def test_whoever_is_late_sees_the_newest_once() -> None:
    latest: Latest[int] = Latest()
    latest.put(1)
    latest.put(2)

    assert latest.take(0) == 2
    assert latest.take(0) is None
    assert latest.peek() == 2


def test_the_inbox_keeps_the_order() -> None:
    inbox = Inbox()
    inbox.post(Tick())
    inbox.post(FaultCleared(FaultCode.CAMERA))

    assert inbox.take_all() == [Tick(), FaultCleared(FaultCode.CAMERA)]
    assert inbox.take_all() == []


def test_a_bell_that_was_rung_is_heard_and_goes_on_ringing() -> None:
    bell = Bell()
    assert not bell.wait(0.001)

    bell.ring()

    assert bell.wait(5)
    assert bell.wait(0)


def test_a_bell_may_be_rung_by_a_signal_while_it_is_waited_for() -> None:
    """An `Event` in its place hangs within a few signals."""
    bell = Bell()
    heard = [False]

    def ring(*_: object) -> None:
        heard[0] = True
        bell.ring()

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        rang = bell.wait(5)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert rang
    assert heard == [True]


@pytest.mark.parametrize("timeout_s", [0.0, 1e-7, 3e-6, 1e-3])
def test_a_bell_that_does_not_ring_is_waited_for_no_longer_than_said(timeout_s: float) -> None:
    assert not Bell().wait(timeout_s)
