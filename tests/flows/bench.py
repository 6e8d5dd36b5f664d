"""The whole kiosk on a bench, in this process: real adapters, simulated devices, a clock that the test turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np

from kiosk.app import MainLoop, Parts, assembled
from kiosk.config import (
    CameraSettings,
    ClockSettings,
    DeviceSettings,
    DisplaySettings,
    FingerprintSettings,
    HoursSettings,
    PolicySettings,
    ScheduleSettings,
    Settings,
    StorageSettings,
    Weekday,
)
from kiosk.core.state import Idle, State
from kiosk.display.renderer import Renderer
from kiosk.recognition.detection import UInt8Array
from kiosk.recognition.manifest import DEMO_FOLDER
from kiosk.sim.camera import Projector
from kiosk.sim.clock import turn
from kiosk.sim.fingerprint import SimulatedReader
from kiosk.storage.journal import opened_journal_file
from kiosk.terminal import Terminal
from wire.attendance import Event

MONDAY = datetime(2026, 7, 6, 7, 20, tzinfo=ZoneInfo("Asia/Jakarta"))
PATIENCE_S = 20.0


@dataclass
class Bench:
    """A kiosk and what surrounds it."""

    terminal: Terminal
    reader: SimulatedReader
    projector: Projector
    clock_file: Path

    def turn_clock_to(self, t: datetime) -> None:
        """Let it be this time at the office; the clock runs on from there."""
        turn(self.clock_file, t.timestamp() - datetime.now(UTC).timestamp())

    @contextmanager
    def switched_on(self) -> Iterator[Running]:
        """The kiosk, ready to serve."""
        with ExitStack() as stack:
            renderer = Renderer(self.terminal.settings.display, headless=True)
            stack.callback(renderer.close)
            parts = stack.enter_context(assembled(self.terminal))
            running = Running(MainLoop(self.terminal.settings, parts, renderer), parts)
            running.turn_until(lambda state: isinstance(state.phase, Idle))
            yield running

    def events(self) -> list[Event]:
        """What is in the journal's file."""
        with opened_journal_file(self.terminal.settings.storage.directory / "journal.db") as journal:
            return list(journal.events())


@dataclass
class Running:
    """A kiosk at work, turned by the test."""

    loop: MainLoop
    parts: Parts

    def turn_until(self, reached: Callable[[State], bool]) -> State:
        """Turn the main loop until the state is such."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not reached(self.loop.state):
            assert time.monotonic() < deadline_s, f"the kiosk stays in {self.loop.state}"
            self.loop.turn()
        return self.loop.state


@contextmanager
def opened_bench(folder: Path) -> Iterator[Bench]:
    """A bench with an empty room before the camera and nobody's finger on the reader."""
    with SimulatedReader(paced=False) as reader, Projector(folder / "camera", rate_hz=10) as projector:
        settings = Settings(
            device=DeviceSettings(id="bench-1", unit="desa-uji", district="uji"),
            storage=StorageSettings(directory=folder / "kiosk"),
            camera=CameraSettings(source=f"sim:{folder / 'camera'}"),
            fingerprint=FingerprintSettings(port=reader.path),
            display=DisplaySettings(width_px=800, height_px=480, fullscreen=False),
            clock=ClockSettings(source=f"sim:{folder / 'clock'}"),
            policy=PolicySettings(greet_s=0.3, refuse_s=0.3),
            schedule=ScheduleSettings(hours=(HoursSettings(days=tuple(Weekday), arrival=TO_WORK, departure=HOME),)),
        )
        bench = Bench(Terminal.of(settings), reader, projector, folder / "clock")
        bench.turn_clock_to(MONDAY)
        yield bench


TO_WORK, HOME = MONDAY.replace(hour=7, minute=30).time(), MONDAY.replace(hour=15, minute=30).time()


def portrait_file(name: str) -> Path:
    """A picture of the demonstration, which `make test` fetches."""
    path = DEMO_FOLDER / "faces" / name
    assert path.exists(), f"{path} is missing: run `kiosk models fetch --demo`"
    return path


def portrait_picture(name: str) -> UInt8Array:
    """The same as (height, width, 3) uint8, BGR."""
    return np.asarray(cv2.imread(str(portrait_file(name))), np.uint8)
