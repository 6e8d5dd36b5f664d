"""Everything on the screen can be read and hit: contrast of 7:1, no words cut or colliding, targets of 60 pixels.

Contrast is measured against the pixels that are really under the words, as WCAG 2.2 defines it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from kiosk.config import Language
from kiosk.core.biometrics import Person
from kiosk.core.state import Choosing, Greeting, Recording, State
from kiosk.display import enrolment_screens
from kiosk.display.layout import LEADING, Line, Mark, marks
from kiosk.display.parts import Page
from kiosk.display.renderer import Renderer
from kiosk.display.scene import Box, Button, Colour, Item, Row, Scene, Stack
from kiosk.display.style import LEAST_TARGET_PX
from kiosk.display.texts import Texts
from tests.display.conftest import Renderers
from tests.display.standin import camera_picture
from tests.display.states import LOOKS, PLAN, POLICY, STATES, Shown

PICTURE = camera_picture()
NAMES = (
    "Al",
    "Raden Ajeng Siti Nurhaliza Kusumaningrum, S.Sos., M.Si.",
    "Prof. Dr. Ir. H. Muhammad Abdurrahman Wiryokusumodiningrat, M.Sc., Ph.D.",
)
OFFICE = "Dinas Kependudukan dan Pencatatan Sipil Kabupaten Tanggamus"
TAIL = 0.24
"""How far g and p reach below the line, in sizes (the font's own descent is 0.222)."""

TAILED = frozenset("gjpqyQ,;()")


def scene(shown: Shown, size: str, texts: Texts, office: str | None = None) -> Scene:
    look = LOOKS[size] if office is None else replace(LOOKS[size], office=office)
    return shown.scene(texts, look)


def blocks(items: tuple[Item, ...]) -> Iterator[Stack | Row]:
    for item in items:
        if isinstance(item, Button):
            yield from blocks(item.face)
        elif isinstance(item, Stack | Row):
            yield item


def words(found: Iterator[Mark]) -> list[Line]:
    return [mark for mark in found if isinstance(mark, Line)]


def reach(line: Line) -> Box:
    tail = round(TAIL * line.size) if TAILED.intersection(line.content) else 0
    return Box(line.box.x, line.box.y, line.box.w, line.box.h + tail)


def crossing(one: Box, other: Box) -> bool:
    return one.x < other.right and other.x < one.right and one.y < other.bottom and other.y < one.bottom


def luminance(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """WCAG 2.2, relative luminance: colours (n, 3), RGB 0 to 255."""
    part = colours / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]), np.float64)


def least_contrast(colour: Colour, under: NDArray[np.uint8]) -> float:
    """Of letters against pixels (h, w, 3), BGR."""
    ground = luminance(np.unique(under.reshape(-1, 3), axis=0)[:, ::-1].astype(np.float64))
    letter = luminance(np.array([colour], np.float64))[0]
    return float(((np.maximum(ground, letter) + 0.05) / (np.minimum(ground, letter) + 0.05)).min())


def wordless(whole: Scene, renderer: Renderer) -> NDArray[np.uint8]:
    """The scene as drawn, but for its words."""
    still, live = (
        tuple(mark for mark in marks(items, renderer.fonts) if not isinstance(mark, Line))
        for items in (whole.still, whole.live)
    )
    renderer.draw(replace(whole, still=still, live=live), PICTURE)
    return renderer.pixels()


@pytest.mark.parametrize("size", LOOKS)
@pytest.mark.parametrize("name", STATES)
def test_words_stand_out_seven_to_one(name: str, size: str, renderers: Renderers, texts: dict[Language, Texts]) -> None:
    whole = scene(STATES[name], size, texts[Language.INDONESIAN])
    ground = wordless(whole, renderers[size])

    for line in words(marks((*whole.still, *whole.live), renderers[size].fonts)):
        box = reach(line)
        contrast = least_contrast(line.colour, ground[box.y : box.bottom, box.x : box.right])
        assert contrast >= 7, f"{line.content!r}: {contrast:.2f}:1"


def test_contrast_is_measured_as_wcag_does() -> None:
    grey = np.full((1, 1, 3), 0x59, np.uint8)

    assert least_contrast((255, 255, 255), grey) == pytest.approx(7.0, abs=0.01)


@pytest.mark.parametrize("size", LOOKS)
@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", STATES)
def test_words_fit(
    name: str, language: Language, size: str, renderers: Renderers, texts: dict[Language, Texts]
) -> None:
    assert_fits(scene(STATES[name], size, texts[language]), renderers[size])


@pytest.mark.parametrize("size", LOOKS)
@pytest.mark.parametrize("person", NAMES)
@pytest.mark.parametrize("name", ["choosing_demonstration", "recording", "greeting_early", "greeting_very_late"])
def test_long_names_fit(name: str, person: str, size: str, renderers: Renderers, texts: dict[Language, Texts]) -> None:
    shown = STATES[name]
    phase = shown.state.phase
    assert isinstance(phase, Choosing | Recording | Greeting)
    state = replace(shown.state, phase=replace(phase, person=Person("p", person)))

    assert_fits(scene(replace(shown, state=state), size, texts[Language.INDONESIAN]), renderers[size])


@pytest.mark.parametrize("size", LOOKS)
@pytest.mark.parametrize("person", NAMES)
@pytest.mark.parametrize("name", ["enrolling_opening", "enrolling_left", "enrolling_captured"])
def test_long_names_fit_while_their_face_is_enrolled(
    name: str, person: str, size: str, renderers: Renderers, texts: dict[Language, Texts]
) -> None:
    phase, look = STATES[name].enrolment, replace(LOOKS[size], office=OFFICE)
    assert phase is not None
    page = Page(State(), STATES[name].now, POLICY, texts[Language.INDONESIAN], look)

    assert_fits(enrolment_screens.view(phase, replace(PLAN, name=person), page), renderers[size])


@pytest.mark.parametrize("size", LOOKS)
@pytest.mark.parametrize("office", ["", OFFICE])
@pytest.mark.parametrize("name", ["idle_offline", "idle_clock_unsure"])
def test_any_office_fits(name: str, office: str, size: str, renderers: Renderers, texts: dict[Language, Texts]) -> None:
    whole = scene(STATES[name], size, texts[Language.INDONESIAN], office)

    assert_fits(whole, renderers[size])
    renderers[size].draw(whole, PICTURE)


def assert_fits(whole: Scene, renderer: Renderer) -> None:
    items = (*whole.still, *whole.live)
    for block in blocks(items):
        for line in words(marks((block,), renderer.fonts)):
            assert not line.cut, f"cut: {line.content!r}"
            assert block.box.holds(line.box), f"{line.content!r} at {line.box} leaves {block.box}"
    for one, other in combinations(words(marks(items, renderer.fonts)), 2):
        assert not crossing(reach(one), other.box), f"{one.content!r} runs into {other.content!r}"


def test_lines_are_far_enough_apart_for_tails_and_capitals() -> None:
    capital = 0.745  # the font's own capital height, in sizes

    assert capital + TAIL < LEADING


@pytest.mark.parametrize("size", LOOKS)
@pytest.mark.parametrize("name", ["choosing", "choosing_demonstration"])
def test_what_is_to_be_touched_is_large_enough_for_a_finger(name: str, size: str, texts: dict[Language, Texts]) -> None:
    whole = scene(STATES[name], size, texts[Language.INDONESIAN])

    assert len(whole.buttons) == 2
    assert min(min(button.box.w, button.box.h) for button in whole.buttons) >= LEAST_TARGET_PX
    assert not crossing(*(button.box for button in whole.buttons))
