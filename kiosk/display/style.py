"""Palette and measures: what every screen shares.

The screen is light: read in a bright hall, and a lamp for the face in a dim one. A result takes the whole screen in its
own colour, with its own shape: green and a disc with a tick, amber and a clock, blue for what was there already, brick
and an octagon with a cross. Words keep 7:1 against what is under them (WCAG 2.2, 1.4.6); a test measures it in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.display.scene import Colour, Glyph

PAPER: Colour = (245, 242, 234)
SURFACE: Colour = (255, 255, 255)
INK: Colour = (18, 32, 27)
INK_SOFT: Colour = (62, 75, 69)
LINE: Colour = (222, 217, 204)
WHITE: Colour = (255, 255, 255)

GREEN: Colour = (8, 84, 58)
GREEN_DEEP: Colour = (6, 70, 48)
MINT: Colour = (126, 232, 178)
MINT_SOFT: Colour = (220, 238, 227)
AMBER: Colour = (255, 193, 61)
AMBER_DEEP: Colour = (245, 178, 38)
AMBER_SOFT: Colour = (255, 238, 200)
BRICK: Colour = (138, 29, 22)
BRICK_DEEP: Colour = (118, 22, 16)
ROSE: Colour = (255, 222, 214)
BLUE: Colour = (17, 63, 124)
BLUE_DEEP: Colour = (13, 52, 104)
SKY: Colour = (120, 196, 255)
SKY_SOFT: Colour = (222, 236, 250)
SLATE: Colour = (34, 40, 46)
SLATE_DEEP: Colour = (26, 31, 36)
MIST: Colour = (214, 220, 224)

LEAST_TARGET_PX = 60
"""The smallest side of anything to be touched."""

LEAST_LETTERS_PX = 17
"""On a 7-inch panel of 800x480, capitals 2.3 mm high."""


@dataclass(frozen=True, slots=True)
class Tone:
    """The colours of a result, and the sign that goes with them."""

    ground: Colour
    deep: Colour
    """Of the part behind the sign."""
    words: Colour
    quiet: Colour
    """Of lesser words on `ground`."""
    sign: Colour
    """What the sign stands on."""
    stroke: Colour
    """The sign's glyph."""
    glyph: Glyph


ON_TIME = Tone(GREEN, GREEN_DEEP, WHITE, (222, 244, 232), MINT, GREEN, Glyph.TICK)
OFF_TIME = Tone(AMBER, AMBER_DEEP, INK, (40, 38, 22), WHITE, INK, Glyph.CLOCK)
KNOWN = Tone(BLUE, BLUE_DEEP, WHITE, (222, 234, 248), SKY, BLUE, Glyph.TICK)
REFUSED = Tone(BRICK, BRICK_DEEP, WHITE, ROSE, WHITE, BRICK, Glyph.CROSS)
STOPPED = Tone(SLATE, SLATE_DEEP, WHITE, MIST, AMBER, INK, Glyph.ALERT)


@dataclass(frozen=True, slots=True)
class Look:
    """The screen that is drawn for."""

    size: tuple[int, int]
    """Width and height in pixels."""
    office: str = ""
    """The office's name as people read it."""

    def letters(self, size: float) -> int:
        """Return the size of letters, given for 1024x600, for this screen: never so small that nobody reads them."""
        return max(LEAST_LETTERS_PX, self.px(size))

    def px(self, measure: float) -> int:
        """Return a measure, given for 1024x600, for this screen.

        A 7-inch panel of 800x480 has larger pixels: the same measure in millimetres takes fewer of them.
        """
        width, height = self.size
        return max(1, round(measure * min(width / 1024, height / 600)))
