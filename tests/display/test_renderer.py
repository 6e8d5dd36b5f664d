"""Pixels and touches: the camera's picture is a mirror, a touch posts what is under it, and nothing is printed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygame
import pytest

from kiosk.config import DisplaySettings, Language
from kiosk.core.biometrics import Person
from kiosk.core.messages import ActChosen
from kiosk.core.state import Recording
from kiosk.display.renderer import DisplayError, Renderer, fitted
from kiosk.display.scene import Box, Panel, Picture, Scene
from kiosk.display.screens import view
from kiosk.display.texts import Texts
from tests.display.golden import read
from tests.display.states import LOOKS, STATES
from wire.attendance import Act, Mode

SIZE = (800, 480)
RED = Scene(SIZE, (200, 0, 0), ())


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Renderer]:
    """A renderer with a window on SDL's display without a screen."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    renderer = Renderer(DisplaySettings(width_px=800, height_px=480, fullscreen=False), headless=False)
    yield renderer
    renderer.close()


@pytest.fixture
def choosing(texts: dict[Language, Texts]) -> Scene:
    shown = STATES["choosing"]
    return view(shown.state, shown.now, shown.policy, texts[Language.INDONESIAN], LOOKS["800"])


def press(x: float, y: float) -> None:
    place = (round(x), round(y))
    pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=place, button=1, touch=False))


@pytest.mark.parametrize(("place", "act"), [(0, Act.ARRIVAL), (1, Act.DEPARTURE)])
def test_a_touch_on_a_button_posts_its_message(window: Renderer, choosing: Scene, place: int, act: Act) -> None:
    window.draw(choosing, None)

    press(*choosing.buttons[place].box.centre)

    assert window.touches() == [ActChosen(act)]


def test_a_touch_beside_the_buttons_posts_nothing(window: Renderer, choosing: Scene) -> None:
    window.draw(choosing, None)

    press(choosing.buttons[0].box.x - 2, choosing.buttons[0].box.y)

    assert window.touches() == []


def test_a_finger_that_sdl_reports_twice_counts_once(window: Renderer, choosing: Scene) -> None:
    window.draw(choosing, None)
    x, y = choosing.buttons[0].box.centre

    pygame.event.post(pygame.event.Event(pygame.FINGERDOWN, x=x / 800, y=y / 480))
    pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=(x, y), button=1, touch=True))

    assert window.touches() == [ActChosen(Act.ARRIVAL)]


@pytest.mark.parametrize(("panel", "scale", "left", "top"), [((1280, 800), 1.6, 0, 16), ((1000, 480), 1, 100, 0)])
def test_a_touch_finds_its_button_on_a_panel_of_another_size(
    window: Renderer, choosing: Scene, panel: tuple[int, int], scale: float, left: int, top: int
) -> None:
    window._window = pygame.display.set_mode(panel)
    window.draw(choosing, None)
    box = choosing.buttons[1].box

    press(box.x * scale + left + 3, box.y * scale + top + 3)
    press(box.right * scale + left - 3, box.bottom * scale + top - 3)
    assert window.touches() == [ActChosen(Act.DEPARTURE)] * 2

    press(box.x * scale + left - 3, box.y * scale + top + 3)
    press(box.x * scale + left + 3, box.y * scale + top - 3)
    assert window.touches() == []


@pytest.mark.parametrize("name", ["\u200b", "\u0000", "", "Siti \u0007 Aminah"])
def test_a_name_that_cannot_be_drawn_does_no_harm(window: Renderer, texts: dict[Language, Texts], name: str) -> None:
    shown = STATES["recording"]
    state = replace(shown.state, phase=Recording(1, Person("p-1", name), Mode.FACE, 9_000_000))

    window.draw(view(state, shown.now, shown.policy, texts[Language.INDONESIAN], LOOKS["800"]), None)


@pytest.mark.parametrize(
    "event",
    [
        pygame.event.Event(pygame.QUIT),
        pygame.event.Event(pygame.KEYDOWN, key=pygame.K_q, mod=pygame.KMOD_LCTRL),
    ],
)
def test_closing_the_window_asks_to_quit(window: Renderer, event: pygame.event.Event) -> None:
    pygame.event.post(event)

    window.touches()

    assert window.quit_asked


def test_a_window_shows_what_was_drawn(window: Renderer) -> None:
    window.draw(RED, None)

    assert window._window is not None
    assert tuple(window._window.get_at((400, 240)))[:3] == (200, 0, 0)


@pytest.mark.parametrize(
    ("room", "place"),
    [((800, 480), Box(0, 0, 800, 480)), ((1600, 960), Box(0, 0, 1600, 960)), ((1000, 480), Box(100, 0, 800, 480))],
)
def test_a_picture_fits_a_window_in_its_own_shape(room: tuple[int, int], place: Box) -> None:
    assert fitted(SIZE, room) == place


def test_the_person_sees_a_mirror(renderers: dict[str, Renderer]) -> None:
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[:, 80:] = 255
    whole = Box(0, 0, *SIZE)
    scene = Scene(SIZE, (0, 0, 0), (), (Picture(whole, 0, (0, 0, 0), whole),))

    renderers["800"].draw(scene, picture)

    row = renderers["800"].pixels()[240]
    assert (row[200].min(), row[600].max()) == (255, 0)


def test_a_new_scene_leaves_nothing_of_the_last(renderers: dict[str, Renderer]) -> None:
    renderers["800"].draw(Scene(SIZE, (0, 0, 0), (Panel(Box(10, 10, 99, 99), (255, 255, 255), 9),)), None)
    renderers["800"].draw(RED, None)

    assert np.unique(renderers["800"].pixels().reshape(-1, 3), axis=0).tolist() == [[0, 0, 200]]


def test_a_saved_picture_is_what_was_drawn(renderers: dict[str, Renderer], choosing: Scene, tmp_path: Path) -> None:
    renderers["800"].draw(choosing, None)

    renderers["800"].save(tmp_path / "choosing.png")

    assert np.array_equal(read(tmp_path / "choosing.png"), renderers["800"].pixels())


def test_a_picture_that_cannot_be_saved_is_an_error_that_names_it(renderers: dict[str, Renderer]) -> None:
    with pytest.raises(DisplayError, match=r"/nowhere/picture\.png"):
        renderers["800"].save(Path("/nowhere/picture.png"))


def test_without_a_display_there_is_an_error_and_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "no-such-driver")

    with pytest.raises(DisplayError, match="800x480"):
        Renderer(DisplaySettings(width_px=800, height_px=480), headless=False)


def test_screens_need_no_pygame_and_the_renderer_prints_nothing() -> None:
    program = (
        "import sys, kiosk.display.screens, kiosk.display.texts; assert 'pygame' not in sys.modules;"
        "import kiosk.display.renderer; assert 'pygame' in sys.modules"
    )

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
