"""Shapes as coverage: for each pixel how much of it the shape covers, computed from the signed distance to its edge.

Every function returns (height, width) uint8, 0 (outside) to 255 (inside), with edges one pixel soft, whatever the size.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kiosk.display.icons import Drawing

Coverage = NDArray[np.uint8]
Plane = NDArray[np.float32]

GRID = 24.0
"""The icons' own."""
STRIKE_GAP = 1.6
"""How far, in strokes, a crossed-out icon keeps from its diagonal."""


def rounded_box(w: int, h: int, radius: float) -> Coverage:
    """A filled rectangle with rounded corners that fills (h, w)."""
    x, y = _centred(w, h)
    qx, qy = np.abs(x) - (w / 2 - radius), np.abs(y) - (h / 2 - radius)
    outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
    return _covered(outside + np.minimum(np.maximum(qx, qy), 0) - radius)


def disc(side: int) -> Coverage:
    """A filled circle."""
    x, y = _centred(side, side)
    return _covered(np.hypot(x, y) - side / 2)


def octagon(side: int) -> Coverage:
    """A filled octagon that stands on a side, its corners slightly rounded."""
    x, y = _centred(side, side)
    x, y = np.abs(x), np.abs(y)
    radius = 0.09 * side
    flat = side / 2 - radius
    corner = flat * np.float32(np.tan(np.pi / 8))
    ax, ay = np.maximum(x, y), np.minimum(x, y)
    diagonal = (ax + ay - (flat + corner)) * np.float32(np.sqrt(0.5))
    inside = np.maximum(ax - flat, diagonal)
    to_corner = np.hypot(ax - flat, ay - corner)
    beyond = (ax > flat) & (diagonal > 0)
    return _covered(np.where(beyond, np.minimum(to_corner, np.maximum(inside, 0)), inside) - radius)


def ring(side: int, width: float, part: float, start: float) -> Coverage:
    """A circle's outline with round ends, `part` of a turn clockwise from `start` turns after twelve o'clock."""
    x, y = _centred(side, side)
    radius = side / 2 - width / 2
    band = np.abs(np.hypot(x, y) - radius)
    if part < 1:
        turn = (np.arctan2(x, -y) / (2 * np.pi) - start) % 1
        ends = np.minimum(_to_ring_point(x, y, radius, start), _to_ring_point(x, y, radius, start + part))
        band = np.where(turn <= part, band, ends) if part > 0 else np.full_like(band, side)
    return _covered(band - width / 2)


def oval(w: int, h: int, width: float, part: float) -> Coverage:
    """An ellipse's outline, `part` of a turn clockwise from twelve o'clock."""
    x, y = _centred(w, h)
    cover = _covered(np.abs(_to_ellipse(x, y, (w - width) / 2, (h - width) / 2)) - width / 2)
    if part < 1:
        turn = np.arctan2(x / w, -y / h) / (2 * np.pi) % 1
        cover[turn > part] = 0
    return cover


def outside_oval(w: int, h: int, oval_box: tuple[int, int, int, int]) -> Coverage:
    """Everything in (h, w) but the ellipse in the box (x, y, w, h)."""
    ox, oy, ow, oh = oval_box
    x, y = _grid(w, h)
    return _covered(-_to_ellipse(x - (ox + ow / 2), y - (oy + oh / 2), ow / 2, oh / 2))


def kawung(w: int, h: int, tile: int) -> Coverage:
    """The batik pattern: around each tile's middle four petals along the diagonals, and a small disc between them."""
    half = tile / 2
    x, y = (np.abs(plane) for plane in _centred(tile, tile))
    along, across = (x + y) / np.sqrt(2) - half / np.sqrt(2), np.abs(x - y) / np.sqrt(2)
    long, wide = half * 0.58, half * 0.27
    bend = (long**2 - wide**2) / (2 * wide)
    petal = np.hypot(along, across + bend) - (bend + wide)
    one = _covered(np.minimum(petal, np.hypot(half - x, y) - half * 0.13))
    return np.ascontiguousarray(np.tile(one, (-(-h // tile), -(-w // tile)))[:h, :w])


def icon(side: int, drawing: Drawing, weight: float) -> Coverage:
    """An icon's strokes, `weight` wide on its grid of 24."""
    x, y = _grid(side, side)
    scale = side / GRID
    thick = weight * scale
    distance = np.full((side, side), np.float32(side))
    for path in drawing.paths:
        for (ax, ay), (bx, by) in pairwise(path):
            distance = np.minimum(distance, _to_segment(x, y, (ax * scale, ay * scale), (bx * scale, by * scale)))
    cover = _covered(distance - thick / 2)
    if not drawing.struck:
        return cover
    strike = _to_segment(x, y, (3 * scale, 3 * scale), (21 * scale, 21 * scale))
    cover = np.minimum(cover, 255 - _covered(strike - STRIKE_GAP * thick))
    return np.maximum(cover, _covered(strike - thick / 2))


def _grid(w: int, h: int) -> tuple[Plane, Plane]:
    """The middles of the pixels."""
    x, y = np.meshgrid(np.arange(w, dtype=np.float32) + 0.5, np.arange(h, dtype=np.float32) + 0.5)
    return x, y


def _centred(w: int, h: int) -> tuple[Plane, Plane]:
    x, y = _grid(w, h)
    return x - np.float32(w / 2), y - np.float32(h / 2)


def _covered(distance: NDArray[np.floating]) -> Coverage:
    """From a signed distance in pixels, negative inside."""
    return np.asarray(np.clip(0.5 - distance, 0, 1) * 255 + 0.5, dtype=np.uint8)


def _to_ellipse(x: Plane, y: Plane, a: float, b: float) -> Plane:
    """Signed distance to an ellipse, exact to first order at its edge."""
    f = np.hypot(x / a, y / b) + np.float32(1e-6)
    slope = np.hypot(x / (a * a * f), y / (b * b * f)) + np.float32(1e-6)
    return np.asarray((f - 1) / slope, dtype=np.float32)


def _to_ring_point(x: Plane, y: Plane, radius: float, turn: float) -> Plane:
    angle = 2 * np.pi * turn
    return np.asarray(np.hypot(x - radius * np.sin(angle), y + radius * np.cos(angle)), dtype=np.float32)


def _to_segment(x: Plane, y: Plane, a: tuple[float, float], b: tuple[float, float]) -> Plane:
    dx, dy = b[0] - a[0], b[1] - a[1]
    along = np.clip(((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.asarray(np.hypot(x - a[0] - along * dx, y - a[1] - along * dy), dtype=np.float32)
