"""The fingerprint reader at work: fingers at the entrance (`FingerprintWorker`), and enrolment for the technician.

    opening ─▶ filling ─ModalityReady─▶ waiting ─finger─▶ FingerSeen ─▶ waiting for it to be lifted ─▶ waiting
                  ▲── `use`, or a slot that does not hold what it should (ModalityBusy) ──┘

A press makes features, the reader searches its slots, and whom it names is compared once more with the kiosk's own copy
of that person's template. Only that comparison counts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from kiosk.config import FingerprintSettings
from kiosk.core.biometrics import FingerProbe, FingerReference, Hint, Modality, Thresholds
from kiosk.core.faults import FaultCode
from kiosk.core.messages import FingerSeen, Message, ModalityBusy, ModalityReady
from kiosk.core.ports import Clock
from kiosk.sensors.fingerprint_library import Library
from kiosk.sensors.fingerprint_reader import SCORE_THRESHOLDS, Buffer, Capture, Reader, open_reader
from kiosk.worker import Latest, Worker

POLL_S = 0.05
"""Between two looks at the window; a look itself takes 5 ms on the line and up to 0.3 s in an R307."""
TRIES = 2
"""Pictures of one press: a finger that is still landing is often smeared on the first."""
ENROL_WITHIN_S = 20.0
"""How long enrolment waits for each press, and for each finger to be lifted."""


class FingerprintWorker(Worker):
    """The thread that owns the reader."""

    def __init__(self, settings: FingerprintSettings, clock: Clock, post: Callable[[Message], None]) -> None:
        super().__init__("fingerprint", FaultCode.READER, post)
        self._settings = settings
        self._clock = clock
        self._threshold = float(SCORE_THRESHOLDS[settings.security_level])
        self._newest: Latest[tuple[FingerReference, ...]] = Latest()
        self._references: tuple[FingerReference, ...] | None = None
        self._ready = False
        self._lifted = True

    def use(self, references: Sequence[FingerReference]) -> None:
        """Search these from now on; `ModalityReady` says when the reader holds them. From any thread, never blocks."""
        self._newest.put(tuple(references))

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The reader, with nothing believed of what it holds."""
        with open_reader(self._settings) as self._reader:
            self._library = Library(self._reader)
            if self._references is not None:
                self._expect(self._references)
            yield

    def turn(self) -> None:
        """Bring one slot up to date, or look at the window once."""
        newest = self._newest.take(0)
        if newest is not None:
            self._expect(newest)
        if self._references is None:
            self.stopping.wait(POLL_S)
        elif self._library.advance():
            self._say_busy()
        else:
            self._say_ready()
            self._look()

    def _expect(self, references: tuple[FingerReference, ...]) -> None:
        self._references = references
        self._say_busy()
        self._library.expect(references)

    def _say_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self.post(ModalityReady(Modality.FINGER, Thresholds(self._threshold)))

    def _say_busy(self) -> None:
        if self._ready:
            self._ready = False
            self.post(ModalityBusy(Modality.FINGER))

    def _look(self) -> None:
        captured_ms = self._clock.read().mono_ms
        capture = self._reader.capture()
        if capture is not Capture.NO_FINGER and self._lifted:
            self._lifted = False
            self.post(FingerSeen(self._probe(capture, captured_ms)))
            return
        self._lifted = capture is Capture.NO_FINGER
        self.stopping.wait(POLL_S)

    def _probe(self, capture: Capture, captured_ms: int) -> FingerProbe:
        if not self._has_features(capture):
            return FingerProbe(captured_ms, Hint.PRESS_AGAIN, threshold=self._threshold)
        candidate = self._library.candidate(self._reader.search())
        return FingerProbe(captured_ms, None, (candidate,) if candidate else (), self._threshold)

    def _has_features(self, capture: Capture) -> bool:
        for _ in range(TRIES):
            if capture is Capture.TAKEN and self._reader.extract(Buffer.PROBE):
                return True
            capture = self._reader.capture()
        return False


class EnrolStep(StrEnum):
    """What the person at the reader is to do now."""

    PRESS = "press"
    LIFT = "lift"
    PRESS_SAME_AGAIN = "press_same_again"
    PRESS_BETTER = "press_better"
    """The last press was not usable."""


class EnrolFailure(StrEnum):
    """Why an enrolment gave no template."""

    NO_FINGER = "no_finger"
    """Nobody pressed, or nobody lifted the finger, in time."""
    FINGERS_DIFFER = "fingers_differ"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A finger was enrolled."""

    template: bytes
    """In the reader's own format and size; it is in no slot yet."""


@dataclass(frozen=True, slots=True)
class NotEnrolled:
    """It was not."""

    why: EnrolFailure


def enrol(
    reader: Reader,
    on_step: Callable[[EnrolStep], None],
    stopping: threading.Event | None = None,
    within_s: float = ENROL_WITHIN_S,
) -> Enrolled | NotEnrolled:
    """Take two presses of one finger and return the template that the reader makes of them.

    Args:
        on_step: told what the person is to do, as it changes; on the caller's thread.
        stopping: set it from another thread to give up.
        within_s: how long to wait for each press, and for the finger to be lifted.

    Raises:
        FingerprintError: the reader failed.
    """
    person = _Presses(reader, on_step, stopping or threading.Event(), within_s)
    failure = (
        person.pressed(Buffer.PROBE, EnrolStep.PRESS)
        or person.lifted()
        or person.pressed(Buffer.REFERENCE, EnrolStep.PRESS_SAME_AGAIN)
    )
    if failure:
        return NotEnrolled(failure)
    if not reader.merge():
        return NotEnrolled(EnrolFailure.FINGERS_DIFFER)
    return Enrolled(reader.read_template(Buffer.PROBE))


@dataclass(frozen=True, slots=True)
class _Presses:
    """The person at the reader, step by step; each step returns why it failed, or None."""

    reader: Reader
    on_step: Callable[[EnrolStep], None]
    stopping: threading.Event
    within_s: float

    def pressed(self, buffer: Buffer, step: EnrolStep) -> EnrolFailure | None:
        """Wait for a usable press."""
        self.on_step(step)
        while True:
            capture, failure = self._wait(lambda capture: capture is not Capture.NO_FINGER)
            if failure or (capture is Capture.TAKEN and self.reader.extract(buffer)):
                return failure
            failure = self.lifted()
            if failure:
                return failure
            self.on_step(EnrolStep.PRESS_BETTER)

    def lifted(self) -> EnrolFailure | None:
        """Wait for the finger to go away."""
        self.on_step(EnrolStep.LIFT)
        return self._wait(lambda capture: capture is Capture.NO_FINGER)[1]

    def _wait(self, is_it: Callable[[Capture], bool]) -> tuple[Capture, EnrolFailure | None]:
        until_s = time.monotonic() + self.within_s
        while not is_it(capture := self.reader.capture()):
            if time.monotonic() >= until_s:
                return capture, EnrolFailure.NO_FINGER
            if self.stopping.wait(POLL_S):
                return capture, EnrolFailure.STOPPED
        return capture, None
