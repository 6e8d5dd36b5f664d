"""Compares what is drawn with the committed pictures; `UPDATE_GOLDEN=1` in the environment rewrites them."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

BLOCK = 4
"""Pixels: differences are averaged over squares of this side, so that half a pixel more or less does not count."""
MOST = 50.0
"""Levels of 255 by which a block may differ: a letter that stands half a pixel elsewhere makes 25, a moved one 150."""
COLOURS = 64
"""Enough for a flat picture, and a third of the bytes."""


def worst_difference(actual: Pixels, wanted: Pixels) -> float:
    """Return by how much the worst block differs, 0 to 255; 255 if the sizes differ."""
    if actual.shape != wanted.shape:
        return 255.0
    return float(np.abs(_blocks(actual) - _blocks(wanted)).max())


def check(actual: Pixels, golden: Path, folder: Path, colours: int = COLOURS) -> None:
    """Compare with the committed picture.

    Args:
        actual: (height, width, 3) uint8, BGR.
        golden: the committed picture.
        folder: where to leave the actual one if they differ.
        colours: of the picture that is committed.

    Raises:
        AssertionError: they differ, or nothing was committed; the message names both files.
    """
    if os.environ.get("UPDATE_GOLDEN"):
        write(actual, golden, colours)
        return
    found = folder / golden.name
    wanted = read(golden) if golden.exists() else np.zeros((1, 1, 3), np.uint8)
    worst = worst_difference(actual, wanted)
    if worst > MOST:
        write(actual, found, 256)
        raise AssertionError(f"{found} differs from {golden} by {worst:.0f} levels; UPDATE_GOLDEN=1 accepts it")


def read(path: Path) -> Pixels:
    """Return a picture: (height, width, 3) uint8, BGR."""
    with Image.open(path) as picture:
        return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])


def write(picture: Pixels, path: Path, colours: int) -> None:
    """Write a picture as a PNG of that many colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1]))
    rgb.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)


def _blocks(picture: Pixels) -> NDArray[np.float32]:
    height, width = picture.shape[:2]
    size = (width // BLOCK, height // BLOCK)
    return np.asarray(cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)
