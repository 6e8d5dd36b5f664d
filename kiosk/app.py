"""Builds the parts from the settings, runs the main loop, and takes the parts down in reverse order.

The main thread holds the state and never waits for anything but the next frame of the screen: it takes the messages
that have come, lets the core decide, hands out what the core wants done, draws, and rests for what is left of 33 ms.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import assert_never

from kiosk.board.watchdog import Watchdog
from kiosk.config import Settings
from kiosk.core.biometrics import Modality
from kiosk.core.faults import FaultCode
from kiosk.core.messages import AskChallenge, Command, Message, Record, StopChallenge, Tick, UseReferences
from kiosk.core.ports import Clock, Frame
from kiosk.core.session import step
from kiosk.core.state import Phase, State
from kiosk.display.renderer import Renderer
from kiosk.display.screens import view
from kiosk.display.style import Look
from kiosk.display.texts import load as load_texts
from kiosk.recognition.pipeline import RecognitionWorker
from kiosk.sensors.camera import CameraWorker
from kiosk.sensors.fingerprint import FingerprintWorker
from kiosk.storage.database import locked_folder
from kiosk.storage.worker import StorageWorker
from kiosk.terminal import Terminal
from kiosk.trace import Album
from kiosk.uplink.mqtt import Uplink
from kiosk.worker import Bell, Inbox, Latest, Worker
from wire.attendance import Moment
from wire.condition import Birth

FRAME_S = 1 / 30

Watch = Callable[[State, list[Command], Moment], None]
"""Sees every state that a message led to, and what was asked for on the way; for traces and tests."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The adapters that the main loop hands commands to."""

    clock: Clock
    birth: Callable[[str, float | None], Birth]
    """What the terminal says of itself, with its roster and the threshold of its gallery."""
    inbox: Inbox
    frames: Latest[Frame]
    storage: StorageWorker
    recognition: RecognitionWorker | None
    fingerprint: FingerprintWorker | None
    uplink: Uplink | None
    workers: tuple[Worker, ...]

    def beats(self) -> Mapping[str, int]:
        """How often each worker that must not hang has turned."""
        return {worker.name: worker.beats for worker in self.workers if worker.is_vital}


@contextmanager
def assembled(terminal: Terminal) -> Iterator[Parts]:
    """Every adapter that the settings ask for, at work while the context lasts; storage is the last to stop."""
    settings, inbox = terminal.settings, Inbox()
    frames: Latest[Frame] = Latest()
    modalities = settings.modalities()
    storage = StorageWorker(terminal.owner(), terminal.clock, inbox.post)
    uplink = recognition = fingerprint = None
    workers: list[Worker] = [storage]
    if terminal.uplink.host:
        uplink = Uplink(terminal.uplink, settings.device.district, terminal.birth(), storage, inbox.post)
        storage.on_event = uplink.offer
        workers.append(uplink)
    if Modality.FINGER in modalities:
        fingerprint = FingerprintWorker(settings.fingerprint, terminal.clock, inbox.post)
        workers.append(fingerprint)
    if Modality.FACE in modalities:
        recognition = RecognitionWorker(frames, terminal.models_folder, settings.to_policy(), inbox.post)
        workers += [recognition, CameraWorker(terminal.open_camera, frames, inbox.post)]
    parts = Parts(
        terminal.clock, terminal.birth, inbox, frames, storage, recognition, fingerprint, uplink, tuple(workers)
    )
    with ExitStack() as stack:
        for worker in workers:
            stack.callback(worker.stop)
            worker.start()
        yield parts


def run(
    terminal: Terminal,
    stop: Bell,
    *,
    headless: bool = False,
    watch: Watch | None = None,
    album: Album | None = None,
) -> None:
    """Run the kiosk until `stop` is rung or its window is closed.

    Args:
        headless: draw without a display.
        watch: called on the main thread after every message that changed something.
        album: keeps a picture of every phase.

    Raises:
        FolderInUseError: another process has this terminal's data folder: it is running already.
        KioskError: the screen cannot be opened; all else is a fault that is shown and tried again.
    """
    with locked_folder(terminal.settings.storage.directory):
        pass  # nobody has it; two of one name would throw each other off the broker
    with ExitStack() as stack:
        renderer = Renderer(terminal.settings.display, headless=headless)
        stack.callback(renderer.close)
        loop = MainLoop(terminal.settings, stack.enter_context(assembled(terminal)), renderer, watch)
        stopped = False
        while not stopped and not renderer.quit_asked:
            began_s = time.monotonic()
            loop.turn()
            _keep_picture(album, loop.state.phase, renderer)
            stopped = stop.wait(max(0.0, FRAME_S - (time.monotonic() - began_s)))


def _keep_picture(album: Album | None, phase: Phase, renderer: Renderer) -> None:
    path = album.next_path(phase) if album else None
    if path is not None:
        renderer.save(path)


class MainLoop:
    """The thread that holds the state."""

    def __init__(self, settings: Settings, parts: Parts, renderer: Renderer, watch: Watch | None = None) -> None:
        self.state = State()
        self._parts = parts
        self._renderer = renderer
        self._watch = watch
        self._policy = settings.to_policy()
        self._texts = load_texts(settings.display.language)
        self._look = Look((settings.display.width_px, settings.display.height_px), settings.display.office)
        self._watchdog = Watchdog()
        self._is_ready = False

    def turn(self) -> None:
        """Take what has come, decide, hand out, draw."""
        now = self._parts.clock.read()
        for message in (*self._parts.inbox.take_all(), *self._renderer.touches(), Tick()):
            self._tell(message, now)
        frame = self._parts.frames.peek()
        scene = view(self.state, now, self._policy, self._texts, self._look)
        self._renderer.draw(scene, None if frame is None else frame.picture)
        self._watchdog.feed(self._parts.beats(), now.mono_ms)
        if not self._is_ready and self.state.loaded:
            self._is_ready = True
            self._watchdog.ready()

    def _tell(self, message: Message, now: Moment) -> None:
        before = self.state
        self.state, commands = step(before, message, now, self._policy)
        for command in commands:
            self._carry_out(command)
        self._inform_uplink(before)
        if self._watch is not None and (commands or self.state.phase != before.phase):
            self._watch(self.state, commands, now)

    def _inform_uplink(self, before: State) -> None:
        uplink = self._parts.uplink
        if uplink is None:
            return
        if self.state.faults != before.faults:
            uplink.report(self.state.faults - {FaultCode.UPLINK})
        if (self.state.roster, self.state.thresholds) != (before.roster, before.thresholds):
            face = self.state.thresholds.get(Modality.FACE)
            uplink.announce(self._parts.birth(self.state.roster, face.comparison if face else None))

    def _carry_out(self, command: Command) -> None:
        recognition, fingerprint = self._parts.recognition, self._parts.fingerprint
        match command:
            case Record(visit, entry):
                self._parts.storage.record(visit, entry)
            case UseReferences(references):
                if recognition is not None:
                    recognition.use(references.faces)
                if fingerprint is not None:
                    fingerprint.use(references.fingers)
            case AskChallenge(visit, pid):
                if recognition is not None:
                    recognition.ask_challenge(visit, pid)
            case StopChallenge():
                if recognition is not None:
                    recognition.stop_challenge()
            case _:
                assert_never(command)
