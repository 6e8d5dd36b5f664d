"""Detection error trade-off curves as a picture: FNIR against FPIR, both axes logarithmic (ISO/IEC 19795-1).

Needs Pillow, which the development requirements name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kiosk.bench.rates import ErrorCurve

SIZE = (880, 600)
PLOT = (90, 70, 620, 520)
"""Left, top, right and bottom of the axes, in pixels."""
FPIR_RANGE = (1e-4, 1.0)
FNIR_RANGE = (1e-4, 1.0)
FINER = 3
"""Drawn so many times larger and shrunk, for smooth lines."""
DASH_PX = 9
COLOURS = ("#1f5fa8", "#c2571a", "#2c7a4b", "#8a3b8f", "#6b6b6b")
PALE = ("#8fb3dc", "#eaad85", "#93c7a6", "#cc9fd0", "#bdbdbd")
"""The same, for what is to be compared with."""
INK, GRID = "#222222", "#d9d9d9"
FONT = Path(__file__).resolve().parents[1] / "display" / "fonts" / "PlusJakartaSans-Medium.ttf"

Place = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One curve of the picture."""

    name: str
    curve: ErrorCurve
    colour: str
    is_dashed: bool = False
    at: float | None = None
    """The threshold to mark; where nothing erred there, the mark is at the edge."""


def place(fpir: float, fnir: float) -> Place:
    """Return where a point of the curve is, in pixels; what is off the axes is at their edge."""
    left, top, right, bottom = PLOT
    return (
        left + (right - left) * _share(fpir, FPIR_RANGE),
        bottom - (bottom - top) * _share(fnir, FNIR_RANGE),
    )


def steps(curve: ErrorCurve) -> list[tuple[float, float]]:
    """Return the corners of a curve as (FPIR, FNIR): what each FPIR costs, with nothing made up between the scores."""
    points = [(float(fpir), float(fnir)) for fpir, fnir in zip(*curve.points(), strict=True)]
    corners = [((before[0], after[1]), after) for before, after in pairwise(points)]
    return [*points[:1], *(point for corner in corners for point in corner)]


def draw(title: str, lines: Sequence[Line], file: Path) -> None:
    """Write the curves as a PNG of 880x600."""
    canvas = _Canvas()
    canvas.axes(title)
    for number, line in enumerate(lines):
        canvas.line(line)
        canvas.legend(line, number)
    canvas.image.resize(SIZE, Image.Resampling.LANCZOS).save(file, optimize=True)


@dataclass(frozen=True, slots=True, eq=False)
class _Canvas:
    """Takes pixels of the finished picture."""

    image: Image.Image = field(default_factory=lambda: Image.new("RGB", (SIZE[0] * FINER, SIZE[1] * FINER), "white"))

    def axes(self, title: str) -> None:
        left, top, right, bottom = PLOT
        for share in _decades(FPIR_RANGE):
            x, _ = place(share, 1.0)
            self._stroke([(x, top), (x, bottom)], GRID, 1)
            self._text((x, bottom + 8), _label(share), "mt")
        for share in _decades(FNIR_RANGE):
            _, y = place(1.0, share)
            self._stroke([(left, y), (right, y)], GRID, 1)
            self._text((left - 8, y), _label(share), "rm")
        self._stroke([(left, top), (left, bottom), (right, bottom)], INK, 1.5)
        self._text((left, 24), title, "lt", 17)
        self._text(((left + right) / 2, bottom + 36), "FPIR: strangers taken for somebody enrolled", "mt")
        self._text((left, top - 8), "FNIR: mates not recognised", "lb")

    def line(self, line: Line) -> None:
        places = [place(*point) for point in steps(line.curve)]
        for stretch in _dashes(places) if line.is_dashed else [places]:
            self._stroke(stretch, line.colour, 2)
        if line.at is not None:
            self._mark(place(line.curve.fpir(line.at), line.curve.fnir(line.at)), line.colour)

    def legend(self, line: Line, number: int) -> None:
        left, y = PLOT[2] + 20, PLOT[1] + 14 + 26 * number
        sample = [(left + step, y) for step in range(35)]
        for stretch in _dashes(sample) if line.is_dashed else [sample]:
            self._stroke(stretch, line.colour, 2)
        self._text((left + 44, y), line.name, "lm")

    def _stroke(self, places: Sequence[Place], colour: str, width: float) -> None:
        finer = [(x * FINER, y * FINER) for x, y in places]
        ImageDraw.Draw(self.image).line(finer, fill=colour, width=round(width * FINER), joint="curve")

    def _mark(self, at: Place, colour: str) -> None:
        ImageDraw.Draw(self.image).circle((at[0] * FINER, at[1] * FINER), 5 * FINER, fill=colour)

    def _text(self, at: Place, text: str, anchor: str, size: int = 13) -> None:
        font = ImageFont.truetype(str(FONT), size * FINER)
        ImageDraw.Draw(self.image).text((at[0] * FINER, at[1] * FINER), text, INK, font, anchor)


def _share(rate: float, limits: tuple[float, float]) -> float:
    """How far along an axis a rate is, 0 to 1."""
    low, high = (math.log10(limit) for limit in limits)
    return min(max((math.log10(max(rate, 1e-12)) - low) / (high - low), 0.0), 1.0)


def _decades(limits: tuple[float, float]) -> Iterator[float]:
    first, last = (round(math.log10(limit)) for limit in limits)
    yield from (10.0**power for power in range(first, last + 1))


def _label(share: float) -> str:
    return f"{100 * share:g} %"


def _dashes(places: Sequence[Place]) -> Iterator[list[Place]]:
    """The stretches of a path that are drawn, one dash and one gap after the other."""
    pixels = _pixels(places)
    for start in range(0, len(pixels), 2 * DASH_PX):
        yield pixels[start : start + DASH_PX + 1]


def _pixels(places: Sequence[Place]) -> list[Place]:
    """Places a pixel apart along a path, however far or near its corners are."""
    steps_px = [math.dist(before, after) for before, after in pairwise(places)]
    corners_px = np.concatenate([[0.0], np.cumsum(steps_px)])
    every_px = np.arange(0.0, corners_px[-1] + 1.0)
    x, y = (np.interp(every_px, corners_px, axis) for axis in zip(*places, strict=True))
    return list(zip(x.tolist(), y.tolist(), strict=True))
