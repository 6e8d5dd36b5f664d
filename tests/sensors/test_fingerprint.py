"""Promise: a press is one message, whoever's it is; a finger is enrolled by two presses or the reason is told.

The worker is turned by hand where the order of things matters, and runs on its own thread where threads do.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from kiosk.config import FingerprintSettings
from kiosk.core.biometrics import Candidate, FingerProbe, FingerReference, Hint, Modality, Thresholds
from kiosk.core.faults import FaultCode
from kiosk.core.messages import FaultCleared, FaultRaised, FingerSeen, Message, ModalityBusy, ModalityReady
from kiosk.sensors.fingerprint import (
    EnrolFailure,
    Enrolled,
    EnrolStep,
    FingerprintWorker,
    NotEnrolled,
    enrol,
)
from kiosk.sensors.fingerprint_reader import SCORE_THRESHOLDS, Reader
from kiosk.sim.fingerprint import FlipBit, SimulatedReader
from kiosk.sim.fingerprint_module import Flash
from kiosk.sim.minutiae import Matcher
from tests.sensors.conftest import ALIKE, labelled, labelled_template
from wire.attendance import ClockQuality, ClockSource, Moment

ALICE, BOB, STRANGER, SMUDGE = 71, 23, 99, 5
READY = ModalityReady(Modality.FINGER, Thresholds(float(SCORE_THRESHOLDS[FingerprintSettings().security_level])))
OFFICE = tuple(FingerReference(str(finger), 2, labelled_template(finger)) for finger in (ALICE, BOB))
NOW = Moment(datetime(2024, 5, 6, tzinfo=UTC), "boot", 4711, ClockQuality(ClockSource.NETWORK, 10, ok=True))


class StoppedClock:
    """It is always the same moment."""

    def read(self) -> Moment:
        """Now."""
        return NOW


class Posted:
    """What a worker has posted."""

    def __init__(self) -> None:
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def all(self) -> list[Message]:
        """Everything so far."""
        return [self.messages.get() for _ in range(self.messages.qsize())]

    def next(self) -> Message:
        """The next, when it comes."""
        return self.messages.get(timeout=10)


@pytest.fixture
def posted() -> Posted:
    return Posted()


@pytest.fixture
def worker(simulated: SimulatedReader, posted: Posted) -> FingerprintWorker:
    return FingerprintWorker(FingerprintSettings(port=simulated.path), StoppedClock(), posted.messages.put)


@pytest.fixture
def turned(worker: FingerprintWorker, posted: Posted) -> Iterator[Callable[[], list[Message]]]:
    """`turned()` turns the worker a few times, without pauses, and returns what it posted."""
    worker.use(OFFICE)
    worker.stopping.set()  # no pause lasts

    def turn() -> list[Message]:
        for _ in range(6):
            worker.turn()
        return posted.all()

    with worker.opened():
        yield turn


def seen(candidates: tuple[Candidate, ...] = (), hint: Hint | None = None) -> list[Message]:
    return [FingerSeen(FingerProbe(4711, hint, candidates, threshold=30.0))]


Turned = Callable[[], list[Message]]


def test_the_finger_is_ready_once_the_reader_holds_the_references(simulated: SimulatedReader, turned: Turned) -> None:
    assert turned() == [READY]
    assert simulated.templates == {0: OFFICE[0].template, 1: OFFICE[1].template}


def test_without_references_nothing_is_ready(worker: FingerprintWorker, posted: Posted) -> None:
    worker.stopping.set()
    with worker.opened():
        worker.turn()

    assert posted.all() == []


@pytest.mark.parametrize(
    ("finger", "message"),
    [
        (ALICE, seen((Candidate(str(ALICE), ALIKE),))),
        (BOB, seen((Candidate(str(BOB), ALIKE),))),
        (STRANGER, seen()),
        (SMUDGE, seen(hint=Hint.PRESS_AGAIN)),
    ],
)
def test_a_press_is_one_message_however_long_it_lasts(
    simulated: SimulatedReader, turned: Turned, finger: int, message: list[Message]
) -> None:
    turned()
    simulated.place(labelled(finger))

    assert turned() == message
    assert turned() == []


def test_a_finger_counts_again_once_it_was_lifted(simulated: SimulatedReader, turned: Turned) -> None:
    turned()
    for _ in range(2):
        simulated.place(labelled(ALICE))
        assert turned() == seen((Candidate(str(ALICE), ALIKE),))
        simulated.lift()
        assert turned() == []


def test_new_references_are_searched_once_they_are_ready(
    simulated: SimulatedReader, worker: FingerprintWorker, turned: Turned
) -> None:
    turned()
    worker.use((*OFFICE, FingerReference("new", 2, labelled_template(STRANGER))))
    assert turned() == [ModalityBusy(Modality.FINGER), READY]

    simulated.place(labelled(STRANGER))

    assert turned() == seen((Candidate("new", ALIKE),))


def test_a_reader_that_was_cleared_is_not_offered_until_it_is_filled_again(
    simulated: SimulatedReader, turned: Turned
) -> None:
    turned()
    simulated.overwrite({})
    simulated.place(labelled(ALICE))

    said = turned()

    assert said == [*seen(), ModalityBusy(Modality.FINGER), READY]


def test_a_stricter_security_level_has_a_higher_threshold(simulated: SimulatedReader, posted: Posted) -> None:
    settings = FingerprintSettings(port=simulated.path, security_level=5)
    worker = FingerprintWorker(settings, StoppedClock(), posted.messages.put)
    worker.stopping.set()
    worker.use(())
    simulated.place(labelled(STRANGER))
    with worker.opened():
        for _ in range(3):
            worker.turn()

    assert FingerSeen(FingerProbe(4711, threshold=50.0)) in posted.all()


@pytest.fixture
def running(worker: FingerprintWorker, posted: Posted) -> Iterator[FingerprintWorker]:
    """On its own thread, and ready."""
    worker.use(OFFICE)
    worker.start()
    assert posted.next() == READY
    yield worker
    worker.stop()


def test_damage_on_the_line_is_a_fault_that_passes(
    simulated: SimulatedReader, running: FingerprintWorker, posted: Posted
) -> None:
    simulated.spoil(FlipBit(0, 80))

    raised = posted.next()

    assert isinstance(raised, FaultRaised)
    assert raised.code is FaultCode.READER_WIRE
    assert {posted.next(), posted.next(), posted.next()} == {
        FaultCleared(FaultCode.READER_WIRE),
        ModalityBusy(Modality.FINGER),
        READY,
    }


def test_an_unplugged_reader_is_a_fault(simulated: SimulatedReader, running: FingerprintWorker, posted: Posted) -> None:
    simulated.unplug()

    raised = posted.next()

    assert isinstance(raised, FaultRaised)
    assert raised.code is FaultCode.READER


# ---- real ridges


def test_another_press_of_an_enrolled_finger_is_known_and_another_finger_is_not(
    matcher: Matcher, press: Callable[[int, int], NDArray[np.uint8]], posted: Posted
) -> None:
    with SimulatedReader(Flash(), paced=False, matcher=matcher) as simulated:
        worker = FingerprintWorker(FingerprintSettings(port=simulated.path), StoppedClock(), posted.messages.put)
        worker.stopping.set()
        with worker.opened():
            enrolled = enrol(worker._reader, follow(simulated, press(1, 0), press(1, 1)))
            assert isinstance(enrolled, Enrolled)
            worker.use([FingerReference("alice", 2, enrolled.template)])
            for shown in (None, press(1, 2), None, press(2, 0)):
                simulated.lift() if shown is None else simulated.place(shown)
                for _ in range(4):
                    worker.turn()

    ready, known, unknown = posted.all()
    assert ready == READY
    assert isinstance(known, FingerSeen)
    assert known.probe.candidates[0].pid == "alice"
    assert known.probe.candidates[0].comparison_score > 100
    assert unknown == FingerSeen(FingerProbe(4711, threshold=30.0))


# ---- enrolment


def follow(simulated: SimulatedReader, *presses: NDArray[np.uint8]) -> Callable[[EnrolStep], None]:
    """A person who does as the screen says, with these presses."""
    left = list(presses)

    def do(step: EnrolStep) -> None:
        if step is EnrolStep.LIFT:
            simulated.lift()
        elif left:
            simulated.place(left.pop(0))

    return do


@pytest.mark.parametrize("size", [512, 768, 1536])
def test_the_size_of_a_template_is_the_readers_own(
    simulated: SimulatedReader, flash: Flash, reader: Reader, size: int
) -> None:
    flash.template_bytes = size

    outcome = enrol(reader, follow(simulated, labelled(ALICE), labelled(ALICE)))

    assert isinstance(outcome, Enrolled)
    assert len(outcome.template) == size


def test_a_poor_press_is_asked_for_again(simulated: SimulatedReader, reader: Reader) -> None:
    steps: list[EnrolStep] = []
    person = follow(simulated, labelled(SMUDGE), labelled(ALICE), labelled(ALICE))

    def told(step: EnrolStep) -> None:
        steps.append(step)
        person(step)

    outcome = enrol(reader, told)

    assert isinstance(outcome, Enrolled)
    assert steps == ["press", "lift", "press_better", "lift", "press_same_again"]


def test_two_different_fingers_are_not_enrolled(simulated: SimulatedReader, reader: Reader) -> None:
    outcome = enrol(reader, follow(simulated, labelled(ALICE), labelled(BOB)))

    assert outcome == NotEnrolled(EnrolFailure.FINGERS_DIFFER)


def test_nobody_who_presses_is_not_enrolled(simulated: SimulatedReader, reader: Reader) -> None:
    assert enrol(reader, follow(simulated), within_s=0.1) == NotEnrolled(EnrolFailure.NO_FINGER)


def test_enrolment_can_be_given_up(reader: Reader) -> None:
    stopping = threading.Event()

    outcome = enrol(reader, lambda _: stopping.set(), stopping)

    assert outcome == NotEnrolled(EnrolFailure.STOPPED)
