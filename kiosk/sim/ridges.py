"""Finger images that belong to nobody: ridges grown from noise along the flow of a loop.

The flow is Sherlock and Monro's zero-pole model of a core and a delta (1993); oriented Gabor filters then turn seeded
noise into ridges, as in SFinGe (Cappelli et al. 2002). Different seeds give different minutiae, and `pressed` gives
impressions of one finger that differ as two presses do: shifted, turned, smeared, grainy.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SHAPE = (360, 300)
"""Rows and columns of an image: 18 x 15 mm at 500 dots an inch."""
RIDGE_PERIOD_PX = 9.0
"""0.46 mm at 500 dots an inch, as on an adult's finger."""
_DIRECTIONS = 16
_ROUNDS = 12
_KERNEL_PX = 25

Float = NDArray[np.float32]


def finger(seed: int) -> Float:
    """Return the ridges of a finger: (360, 300) float32, -1 (valley) to 1 (ridge); 0.3 s."""
    random = np.random.default_rng(seed)
    filters = _filters()
    nearest = _directions(random)
    ridges = random.standard_normal(SHAPE).astype(np.float32)
    for _ in range(_ROUNDS):
        filtered = np.stack([cv2.filter2D(ridges, -1, one, borderType=cv2.BORDER_REFLECT) for one in filters])
        ridges = np.take_along_axis(filtered, nearest[np.newaxis], 0)[0]
        ridges = np.tanh(1.5 * ridges / ridges.std()).astype(np.float32)
    return ridges


def pressed(ridges: Float, seed: int, turn_deg: float = 12.0, shift_px: float = 12.0) -> NDArray[np.uint8]:
    """Return one press of a finger: (360, 300) uint8, dark ridges in a light oval.

    Args:
        ridges: what `finger` returned.
        seed: of this press; the same gives the same image.
        turn_deg: at most this far turned to either side.
        shift_px: at most this far off in each direction.
    """
    random = np.random.default_rng(seed)
    rows, columns = SHAPE
    motion = cv2.getRotationMatrix2D((columns / 2, rows / 2), random.uniform(-turn_deg, turn_deg), 1.0)
    motion[:, 2] = motion[:, 2] + random.uniform(-shift_px, shift_px, 2)
    moved = cv2.warpAffine(ridges, motion, (columns, rows), borderMode=cv2.BORDER_REFLECT)
    grey = 127 - 100 * moved + random.normal(0, 12, SHAPE)
    on_glass = np.where(_oval(), grey, 235).astype(np.float32)
    return np.clip(cv2.GaussianBlur(on_glass, (0, 0), 0.8), 0, 255).astype(np.uint8)


def smudge(seed: int = 0) -> NDArray[np.uint8]:
    """Return a press without ridges, as of a wet finger: (360, 300) uint8."""
    grain = np.random.default_rng(seed).normal(0, 30, SHAPE).astype(np.float32)
    blot = np.where(_oval(), 110, 235) + cv2.GaussianBlur(grain, (0, 0), 40)
    return np.clip(blot, 0, 255).astype(np.uint8)


def _filters() -> list[Float]:
    """Gabor filters along each direction, without a mean."""
    size = (_KERNEL_PX, _KERNEL_PX)
    filters = []
    for direction in range(_DIRECTIONS):
        across = np.pi * direction / _DIRECTIONS + np.pi / 2
        kernel = cv2.getGaborKernel(size, 4.0, across, RIDGE_PERIOD_PX, 1.0, 0).astype(np.float32)
        filters.append(kernel - kernel.mean())
    return filters


def _directions(random: np.random.Generator) -> NDArray[np.intp]:
    """For each pixel, the number of the direction that the ridges run in: one core, one delta below it."""
    rows, columns = SHAPE
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    core_x, core_y = columns / 2 + random.uniform(-25, 25), rows / 2 + random.uniform(-30, 10)
    delta_x, delta_y = core_x + random.uniform(-45, 45), core_y + random.uniform(70, 110)
    flow = 0.5 * (np.arctan2(y - core_y, x - core_x) - np.arctan2(y - delta_y, x - delta_x))
    turned = flow + random.uniform(-0.2, 0.2)
    nearest: NDArray[np.intp] = np.round((turned % np.pi) / (np.pi / _DIRECTIONS)).astype(np.intp) % _DIRECTIONS
    return nearest


def _oval() -> NDArray[np.bool_]:
    rows, columns = SHAPE
    y, x = np.mgrid[0:rows, 0:columns]
    inside: NDArray[np.bool_] = ((x - columns / 2) / (0.42 * columns)) ** 2 + ((y - rows / 2) / (0.44 * rows)) ** 2 < 1
    return inside
