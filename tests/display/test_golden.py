"""Every state looks as it was last approved, in each language and size; look at the pictures in `golden/`.

`UPDATE_GOLDEN=1 python -m pytest tests/display` rewrites them: look at every one that changed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kiosk.config import Language
from kiosk.display.texts import Texts
from tests.display.conftest import Renderers
from tests.display.golden import MOST, check, worst_difference
from tests.display.standin import camera_picture
from tests.display.states import LOOKS, STATES

GOLDEN = Path(__file__).parent / "golden"
IMAGES = Path(__file__).parents[2] / "docs" / "img"
PICTURE = camera_picture()
SHEET = (
    "idle",
    "looking_closer",
    "challenged_left",
    "choosing",
    "greeting_on_time",
    "greeting_late",
    "refusing_unknown",
    "out_of_service",
)


def drawn(name: str, size: str, language: Language, renderers: Renderers, texts: dict[Language, Texts]) -> np.ndarray:
    shown = STATES[name]
    scene = shown.scene(texts[language], LOOKS[size])
    renderers[size].draw(scene, PICTURE)
    return renderers[size].pixels()


@pytest.mark.parametrize("edition", ["id-1024", "en-1024", "id-800"])
@pytest.mark.parametrize("name", STATES)
def test_a_state_looks_as_approved(
    name: str, edition: str, renderers: Renderers, texts: dict[Language, Texts], tmp_path: Path
) -> None:
    language, size = edition.split("-")

    check(drawn(name, size, Language(language), renderers, texts), GOLDEN / edition / f"{name}.png", tmp_path)


@pytest.mark.parametrize("name", ["idle", "greeting", "refusing"])
def test_a_picture_in_the_readme_shows_the_screen_as_it_is(
    name: str, renderers: Renderers, texts: dict[Language, Texts], tmp_path: Path
) -> None:
    state = {"idle": "idle", "greeting": "greeting_on_time", "refusing": "refusing_unknown"}[name]

    check(drawn(state, "1024", Language.INDONESIAN, renderers, texts), IMAGES / f"{name}.png", tmp_path, 256)


def test_the_contact_sheet_shows_the_screens_as_they_are(
    renderers: Renderers, texts: dict[Language, Texts], tmp_path: Path
) -> None:
    gap = 16
    sheet = np.full((4 * (480 + gap) + gap, 2 * (800 + gap) + gap, 3), 255, np.uint8)
    for place, name in enumerate(SHEET):
        y, x = gap + place // 2 * (480 + gap), gap + place % 2 * (800 + gap)
        sheet[y : y + 480, x : x + 800] = drawn(name, "800", Language.INDONESIAN, renderers, texts)

    check(sheet, IMAGES / "screens.png", tmp_path, 256)


def test_a_golden_picture_without_its_state_is_found() -> None:
    pictures = {path.stem for path in GOLDEN.rglob("*.png")}

    assert pictures == set(STATES)


def test_a_button_moved_by_eight_pixels_differs(renderers: Renderers, texts: dict[Language, Texts]) -> None:
    picture = drawn("choosing", "1024", Language.INDONESIAN, renderers, texts)

    assert worst_difference(np.roll(picture, 8, axis=1), picture) > 3 * MOST


def test_letters_moved_by_half_a_pixel_do_not(renderers: Renderers, texts: dict[Language, Texts]) -> None:
    picture = drawn("greeting_late", "1024", Language.INDONESIAN, renderers, texts).astype(np.float32)

    half = ((picture + np.roll(picture, 1, axis=1)) / 2)[:, 8:].astype(np.uint8)
    assert worst_difference(half, picture[:, 8:].astype(np.uint8)) < MOST
