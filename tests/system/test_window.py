"""A real window on a real X server: it fills whatever panel there is, and a touch on a button is the answer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kiosk.display.renderer import fitted
from kiosk.sim import ridges
from kiosk.sim.office import opened_office
from wire.attendance import Act

AFTERNOON = datetime(2026, 7, 6, 15, 45, tzinfo=ZoneInfo("Asia/Jakarta"))
SCENE = (1024, 600)
BUTTONS = {Act.ARRIVAL: (280, 400), Act.DEPARTURE: (760, 400)}
"""In the middle of *Masuk* and *Pulang*, in pixels of the scene."""


@contextmanager
def x_server(width: int, height: int) -> Iterator[str]:
    """A screen of that size, without a window manager, as a kiosk's session has it."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        assert number, "Xvfb does not start: apt-get install xvfb xdotool"
        try:
            yield f":{number}"
        finally:
            server.terminate()


def xdotool(*arguments: str) -> dict[str, str]:
    """Run it; what it says as shell variables."""
    told = subprocess.run(["xdotool", *arguments], check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in told.splitlines())


def touch(place: tuple[float, float]) -> tuple[int, int]:
    """One tap on the screen; the size of the window that it met, as the X server has it, whatever SDL believes."""
    x, y = map(str, map(round, place))
    window = xdotool("mousemove", x, y, "getmouselocation", "--shell")["WINDOW"]
    geometry = xdotool("getwindowgeometry", "--shell", window)
    xdotool("click", "1")
    return int(geometry["WIDTH"]), int(geometry["HEIGHT"])


@pytest.mark.parametrize(
    ("panel", "act"), [((800, 480), Act.ARRIVAL), ((1024, 600), Act.DEPARTURE), ((1280, 800), Act.DEPARTURE)]
)
def test_a_touch_on_a_button_is_recorded_whatever_the_panel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, panel: tuple[int, int], act: Act
) -> None:
    box = fitted(SCENE, panel)
    x, y = (box.x + BUTTONS[act][0] * box.w / SCENE[0], box.y + BUTTONS[act][1] * box.h / SCENE[1])
    own = ridges.finger(7)
    with x_server(*panel) as display, opened_office(tmp_path) as office:
        monkeypatch.setenv("DISPLAY", display)
        office.write_settings("passive", camera=False)
        office.config.write_text(office.config.read_text().replace("fullscreen = false", "fullscreen = true"))
        office.enrol_finger("p-1", "Siti Aminah", 6, ridges.pressed(own, 0))
        office.turn_clock_to(AFTERNOON)
        with office.kiosk_running() as kiosk:
            office.reader.place(ridges.pressed(own, 1))
            kiosk.wait_for("choosing")
            size = touch((x, y))
            greeted = kiosk.wait_for("greeting", "refusing")

    assert size == panel
    assert greeted.kind == "greeting"
    assert greeted.fields["reading"]["act"] == act
