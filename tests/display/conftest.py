"""Renderers without a window, kept for the whole run: their sprites are what takes time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kiosk.config import DisplaySettings, Language
from kiosk.display.renderer import Renderer
from kiosk.display.texts import Texts, load
from tests.display.states import SIZES

Renderers = dict[str, Renderer]


@pytest.fixture(scope="session")
def renderers() -> Iterator[Renderers]:
    """One for each size, by its width."""
    made = {
        str(width): Renderer(DisplaySettings(width_px=width, height_px=height), headless=True)
        for width, height in SIZES
    }
    yield made
    for renderer in made.values():
        renderer.close()


@pytest.fixture(scope="session")
def texts() -> dict[Language, Texts]:
    """The sentences of every language."""
    return {language: load(language) for language in Language}
