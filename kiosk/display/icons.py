"""The icons: strokes with round ends on a grid of 24 by 24, so that they stay crisp at any size.

A path is a run of points; `_arc` makes one of a circle. Angles are degrees clockwise from three o'clock: y is down.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

from kiosk.display.scene import Glyph

Path = tuple[tuple[float, float], ...]

DEGREES_A_STEP = 10.0
"""Fine enough that an arc of the largest icon drawn, 200 px, is less than a third of a pixel from its chords."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """An icon's strokes."""

    paths: tuple[Path, ...]
    struck: bool = False
    """Crossed out by a diagonal that keeps its distance from the rest: not available."""


def _arc(cx: float, cy: float, r: float, start: float = 0.0, end: float = 360.0) -> Path:
    steps = max(2, round(abs(end - start) / DEGREES_A_STEP))
    angles = (radians(start + (end - start) * step / steps) for step in range(steps + 1))
    return tuple((cx + r * cos(angle), cy + r * sin(angle)) for angle in angles)


def _dot(x: float, y: float) -> Path:
    return ((x, y), (x + 0.01, y))


def _rays(inner: float, outer: float) -> tuple[Path, ...]:
    around = ((cos(radians(angle)), sin(radians(angle))) for angle in range(0, 360, 45))
    return tuple(((12 + inner * x, 12 + inner * y), (12 + outer * x, 12 + outer * y)) for x, y in around)


def _bracket(x: float, y: float, dx: float, dy: float) -> Path:
    """A corner at (x, y), open towards (dx, dy)."""
    return ((x, y + 4 * dy), (x, y + 1.2 * dy), (x + 1.2 * dx, y), (x + 4 * dx, y))


_BRACKETS = (_bracket(3, 3, 1, 1), _bracket(21, 3, -1, 1), _bracket(3, 21, 1, -1), _bracket(21, 21, -1, -1))
_CAMERA: tuple[Path, ...] = (
    ((3, 18), (3, 8.5), (4.5, 7), (7.5, 7), (9, 4.5), (15, 4.5), (16.5, 7), (19.5, 7), (21, 8.5), (21, 18)),
    ((21, 18), (19.5, 19.5), (4.5, 19.5), (3, 18)),
    _arc(12, 13, 3.5),
)
_FINGER: tuple[Path, ...] = (
    ((12, 11.5), (12, 14), (11.4, 17.5), (10.2, 20.5)),
    ((8.8, 18.2), *_arc(12, 11.2, 3.4, 180, 360), (15.4, 13.6), (15.1, 17), (14.2, 20.6)),
    ((5.4, 15.8), *_arc(12, 11.2, 6.6, 190, 360), (18.6, 13.4), (18.2, 17.2)),
    _arc(12, 11.8, 10, 212, 322),
)
_NETWORK: tuple[Path, ...] = (
    _dot(12, 19),
    _arc(12, 19, 5, 225, 315),
    _arc(12, 19, 9.7, 225, 315),
    _arc(12, 19, 14.4, 226, 314),
)
_DOOR_RIGHT: Path = ((14.5, 3.5), (18.5, 3.5), (20.5, 5.5), (20.5, 18.5), (18.5, 20.5), (14.5, 20.5))
_DOOR_LEFT: Path = ((9.5, 3.5), (5.5, 3.5), (3.5, 5.5), (3.5, 18.5), (5.5, 20.5), (9.5, 20.5))


def drawing(glyph: Glyph) -> Drawing:
    """Return the strokes of an icon."""
    return _DRAWINGS[glyph]


_DRAWINGS: dict[Glyph, Drawing] = {
    Glyph.ALERT: Drawing((((12, 3.5), (22, 20.5), (2, 20.5), (12, 3.5)), ((12, 10), (12, 14.2)), _dot(12, 17.4))),
    Glyph.ARROW_LEFT: Drawing((((20.5, 12), (3.5, 12)), ((10.5, 5), (3.5, 12), (10.5, 19)))),
    Glyph.ARROW_RIGHT: Drawing((((3.5, 12), (20.5, 12)), ((13.5, 5), (20.5, 12), (13.5, 19)))),
    Glyph.CAMERA: Drawing(_CAMERA),
    Glyph.CAMERA_OFF: Drawing(_CAMERA, struck=True),
    Glyph.CLOCK: Drawing((_arc(12, 12, 9.5), ((12, 6.5), (12, 12), (15.8, 14.2)))),
    Glyph.CLOSER: Drawing(
        (((14, 4), (20, 4), (20, 10)), ((20, 4), (14, 10)), ((10, 20), (4, 20), (4, 14)), ((4, 20), (10, 14)))
    ),
    Glyph.CROSS: Drawing((((6, 6), (18, 18)), ((18, 6), (6, 18)))),
    Glyph.ENTER: Drawing((_DOOR_RIGHT, ((3, 12), (14, 12)), ((9.5, 7), (14.5, 12), (9.5, 17)))),
    Glyph.EYE: Drawing((_arc(12, 19.5, 12.2, 218, 322), _arc(12, 4.5, 12.2, 38, 142), _arc(12, 12, 3))),
    Glyph.FACE: Drawing((*_BRACKETS, _dot(8.8, 10), _dot(15.2, 10), _arc(12, 12, 4.6, 30, 150))),
    Glyph.FARTHER: Drawing(
        (((14, 4), (14, 10), (20, 10)), ((21, 3), (14, 10)), ((10, 20), (10, 14), (4, 14)), ((3, 21), (10, 14)))
    ),
    Glyph.FINGER: Drawing(_FINGER),
    Glyph.FINGER_OFF: Drawing(_FINGER, struck=True),
    Glyph.HOLD: Drawing((_arc(12, 12, 9.5), ((9.6, 8.8), (9.6, 15.2)), ((14.4, 8.8), (14.4, 15.2)))),
    Glyph.LEAVE: Drawing((_DOOR_LEFT, ((10, 12), (20.5, 12)), ((16, 7), (21, 12), (16, 17)))),
    Glyph.NETWORK: Drawing(_NETWORK),
    Glyph.NETWORK_OFF: Drawing(_NETWORK, struck=True),
    Glyph.PEOPLE: Drawing(
        (_arc(9, 8, 4), _arc(9, 20.5, 7, 180, 360), _arc(16, 8, 4, -80, 80), _arc(15, 20.5, 7, -62, 0))
    ),
    Glyph.PERSON: Drawing((_arc(12, 8, 4.4), _arc(12, 21, 7.6, 180, 360))),
    Glyph.QUEUE: Drawing(
        (((12, 15), (12, 4)), ((7, 8.5), (12, 3.5), (17, 8.5)), ((3.5, 15), (3.5, 20), (20.5, 20), (20.5, 15)))
    ),
    Glyph.SHIELD: Drawing(
        (
            ((12, 2.5), (20, 5.5), (20, 12), (17.5, 17.5), (12, 21.5), (6.5, 17.5), (4, 12), (4, 5.5), (12, 2.5)),
            ((8.5, 12), (11, 14.5), (15.5, 9.5)),
        )
    ),
    Glyph.SUN: Drawing((_arc(12, 12, 4.2), *_rays(7.6, 10))),
    Glyph.SUN_LOW: Drawing((_arc(12, 12, 4.2), *_rays(7.6, 7.7))),
    Glyph.TICK: Drawing((((4.5, 12.8), (9.8, 18), (19.5, 6.8)),)),
}
