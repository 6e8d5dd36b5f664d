"""One sitting before the terminal's camera: a face is enrolled with live hints, in the window or without one.

The threads are the terminal's own (camera, recognition); this thread takes what they say, lets `kiosk.core.enrolling`
decide, and draws, thirty times a second. Nothing of the person is stored here.
"""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from kiosk.core.biometrics import Liveness, Person
from kiosk.core.enrolling import (
    Cancel,
    Captured,
    Capturing,
    EnrolmentPlan,
    EnrolPhase,
    Opening,
    Stopped,
    ViewSeen,
    step,
    wanted,
)
from kiosk.core.faults import KioskError
from kiosk.core.messages import FaultRaised, Message, Tick
from kiosk.core.ports import Frame
from kiosk.core.state import State
from kiosk.display.enrolment_screens import view
from kiosk.display.parts import Page
from kiosk.display.renderer import Renderer
from kiosk.display.style import Look
from kiosk.display.texts import load as load_texts
from kiosk.recognition.enrolling import EnrolmentWorker
from kiosk.recognition.enrolment import SAME_PERSON
from kiosk.recognition.gallery import Gallery
from kiosk.recognition.manifest import Role
from kiosk.sensors.camera import CameraWorker
from kiosk.terminal import Terminal
from kiosk.worker import Bell, Latest
from wire.attendance import Entry

FRAME_S = 1 / 30
RESULT_S = 2.0
"""How long the window shows how it ended."""

Inbox = queue.SimpleQueue[Message | ViewSeen]


class SittingError(KioskError):
    """There can be no sitting at this terminal."""


@dataclass(frozen=True, slots=True)
class Sitter:
    """How a sitting is held."""

    stop: Bell
    """Rung to end it."""
    say: Callable[[str], None]
    """Told, in the terminal's language, what the person is to do."""
    record: Callable[[Entry], object]
    """Writes an entry into the journal."""
    headless: bool = False
    """Draw without a display."""


def sit(terminal: Terminal, person: Person, gallery: Gallery, sitter: Sitter) -> Captured | Stopped:
    """Take samples of a face before the terminal's camera; return them, or why there are none.

    Args:
        gallery: of everybody who is enrolled, with the threshold in force.

    Raises:
        SittingError: the terminal has no camera.
        KioskError: the window cannot be opened.
    """
    if terminal.settings.camera.source == "none":
        raise SittingError('[camera] source = "none": this terminal has no camera; give pictures instead')
    with ExitStack() as stack:
        renderer = Renderer(terminal.settings.display, headless=sitter.headless)
        stack.callback(renderer.close)
        inbox, frames = stack.enter_context(_at_work(terminal, gallery))
        stack.enter_context(_rung_by_signals(sitter.stop))
        loop = _Loop(terminal, plan_of(terminal, person), renderer, sitter)
        while True:
            began_s = time.monotonic()
            loop.turn(_taken(inbox), frames.peek())
            if loop.outcome is not None:
                return loop.outcome
            if sitter.stop.wait(max(0.0, FRAME_S - (time.monotonic() - began_s))):
                loop.cancel()


def plan_of(terminal: Terminal, person: Person) -> EnrolmentPlan:
    """Return what this terminal's policy asks of the samples of a person."""
    policy = terminal.settings.to_policy()
    return EnrolmentPlan(
        person.pid,
        person.name,
        same_person=SAME_PERSON,
        pad_threshold=None if policy.liveness is Liveness.OFF else policy.pad_threshold,
        pad_required=any(model.role is Role.PASSIVE_LIVENESS for model in terminal.models),
    )


@contextmanager
def _rung_by_signals(stop: Bell) -> Iterator[None]:
    """Let a signal to end the program end the sitting alone, while the context lasts: what was opened is closed."""
    before = {number: signal.signal(number, lambda *_: stop.ring()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _at_work(terminal: Terminal, gallery: Gallery) -> Iterator[tuple[Inbox, Latest[Frame]]]:
    """Camera and recognition, while the context lasts."""
    inbox: Inbox = queue.SimpleQueue()
    frames: Latest[Frame] = Latest()
    with ExitStack() as stack:
        for worker in (
            EnrolmentWorker(frames, terminal.models_folder, gallery, inbox.put),
            CameraWorker(terminal.open_camera, frames, inbox.put),
        ):
            stack.callback(worker.stop)
            worker.start()
        yield inbox, frames


def _taken(inbox: Inbox) -> list[ViewSeen | FaultRaised]:
    """What has come that matters here, the oldest first."""
    messages = []
    while not inbox.empty():
        message = inbox.get_nowait()
        if isinstance(message, ViewSeen | FaultRaised):
            messages.append(message)
    return messages


class _Loop:
    """The thread that holds the phase."""

    def __init__(self, terminal: Terminal, plan: EnrolmentPlan, renderer: Renderer, sitter: Sitter) -> None:
        settings = terminal.settings
        self._phase: EnrolPhase = Opening()
        self._ended_s: float | None = None
        self._said = ""
        self._clock = terminal.clock
        self._plan = plan
        self._renderer = renderer
        self._sitter = sitter
        self._policy = settings.to_policy()
        self._texts = load_texts(settings.display.language)
        self._look = Look((settings.display.width_px, settings.display.height_px), settings.display.office)

    @property
    def outcome(self) -> Captured | Stopped | None:
        """How it ended; None: it goes on, or the window still shows how it ended."""
        if not isinstance(self._phase, Captured | Stopped) or self._ended_s is None:
            return None
        is_seen = self._sitter.headless or self._renderer.quit_asked
        return self._phase if is_seen or time.monotonic() - self._ended_s >= RESULT_S else None

    def cancel(self) -> None:
        """End it without a result."""
        self._tell(Cancel())
        self._ended_s = float("-inf")

    def turn(self, messages: Sequence[ViewSeen | FaultRaised], frame: Frame | None) -> None:
        """Decide, draw, and say what is new."""
        for message in (*messages, Tick()):
            self._tell(message)
        self._renderer.touches()
        if self._renderer.quit_asked:
            self.cancel()
        page = Page(State(), self._clock.read(), self._policy, self._texts, self._look)
        self._renderer.draw(view(self._phase, self._plan, page), None if frame is None else frame.picture)
        self._say()

    def _tell(self, message: ViewSeen | FaultRaised | Cancel | Tick) -> None:
        self._phase, records = step(self._phase, message, self._clock.read(), self._plan)
        for record in records:
            self._sitter.record(record.entry)
        if self._ended_s is None and isinstance(self._phase, Captured | Stopped):
            self._ended_s = time.monotonic()

    def _say(self) -> None:
        """For whoever has no window: the same words, once."""
        if not isinstance(self._phase, Capturing):
            return
        key = f"hint.{self._phase.hint}" if self._phase.hint else f"pose.{wanted(self._phase, self._plan)}"
        said = f"{len(self._phase.samples) + 1}/{len(self._plan.poses)}  {self._texts(key)}"
        if said != self._said:
            self._said = said
            self._sitter.say(said)
