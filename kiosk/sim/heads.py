"""A person before the camera who turns the head: a portrait with the depth that the landmark network gives it.

Depth is spread from the face's points over the whole picture, the picture turned by it about the upright axis, and what
the camera then sees is drawn again. Up to about 35 degrees it looks like a head; ears that come into sight are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from kiosk.recognition.detection import Float32Array
from kiosk.recognition.landmarks import POINTS, Float64Array, crop_matrix
from kiosk.recognition.models import Models
from kiosk.sim.pictures import Portrait, Scene, person

Course = Callable[[float], float]
"""Seconds to degrees, positive: to the head's own left."""

WIDTH_PX = 400
FINE = 2
"""Columns of the portrait are drawn so many times as finely, so that a head that comes closer has no holes."""
RELIEF = 1.6
"""The network's depth is too shallow: heads drawn with it as it is were read as turned by half the angle."""
ROUND = 0.7
"""How fast a head recedes beyond the outline of its face."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A portrait with depth."""

    portrait: Portrait
    depth: Float32Array
    """(height, width) float32, in pixels behind the middle of the face."""

    def turned(self, degrees: float) -> Portrait:
        """The person with the head turned."""
        place = _places(self.depth, self.portrait.face.left + self.portrait.face.width / 2, degrees)
        down = np.repeat(np.arange(len(place), dtype=np.float32)[:, None], place.shape[1], axis=1)
        seen, matte = (
            cv2.remap(layer, place, down, cv2.INTER_LINEAR) for layer in (self.portrait.picture, self.portrait.matte)
        )
        return replace(self.portrait, picture=np.asarray(seen, np.uint8), matte=np.asarray(matte, np.float32))


def _places(depth: Float32Array, middle_px: float, degrees: float) -> Float32Array:
    """Where in the portrait each pixel of a turned head comes from, across; what is nearer hides what is behind."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    fine = np.asarray(cv2.resize(depth, None, fx=FINE, fy=1, interpolation=cv2.INTER_LINEAR), np.float64)
    source = np.broadcast_to(np.arange(fine.shape[1]) / FINE, fine.shape)
    target = np.rint(middle_px + (source - middle_px) * cosine - fine * sine).astype(int)
    distance = fine * cosine + (source - middle_px) * sine
    order = np.argsort(-distance, axis=None)
    order = order[(target.flat[order] >= 0) & (target.flat[order] < depth.shape[1])]
    places = np.full(depth.shape, -1, np.float32)
    places[order // fine.shape[1], target.flat[order]] = source.flat[order]
    return np.asarray(np.where(places < 0, cv2.dilate(places, np.ones((1, 5), np.uint8)), places), np.float32)


def head(models: Models, who: Portrait) -> Head:
    """Return a portrait with its depth, at most 400 pixels wide."""
    scale = min(1.0, WIDTH_PX / who.picture.shape[1])
    picture = np.asarray(cv2.resize(who.picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    matte = np.asarray(cv2.resize(who.matte, picture.shape[1::-1]), np.float32)
    small = Portrait(picture, who.face.scaled(scale), matte)
    return Head(small, _depth(models, small))


def _depth(models: Models, who: Portrait) -> Float32Array:
    points = models.landmarks.landmarks(who.picture, who.face)[:POINTS].astype(np.float64)
    crop = crop_matrix(who.face)
    behind = RELIEF * (points[:, 2] - points[:, 2].mean()) / np.linalg.norm(crop[:, 0])
    back = cv2.invertAffineTransform(crop)
    places = np.rint(points[:, :2] @ back[:, :2].T + back[:, 2]).astype(int)
    sums, counts = np.zeros((2, *who.picture.shape[:2]))
    columns, rows = places.T.clip(0, np.array(sums.shape[::-1])[:, None] - 1)
    np.add.at(sums, (rows, columns), behind)
    np.add.at(counts, (rows, columns), 1)
    near, far = (_spread(sums, counts, share * who.face.width) for share in (0.06, 0.5))
    inside = np.clip(30 * near[1] / near[1].max(), 0, 1)
    mixed = inside * near[0] / np.maximum(near[1], 1e-12) + (1 - inside) * far[0] / np.maximum(far[1], 1e-12)
    outline = cv2.fillConvexPoly(np.ones(sums.shape, np.uint8), cv2.convexHull(places.astype(np.int32)), 0)
    mixed += ROUND * np.minimum(cv2.distanceTransform(outline, cv2.DIST_L2, 5), 0.5 * who.face.width)
    return np.asarray(cv2.GaussianBlur(mixed, (0, 0), 0.04 * who.face.width), np.float32)


def _spread(sums: Float64Array, counts: Float64Array, width_px: float) -> tuple[Float64Array, Float64Array]:
    """Both layers blurred; their quotient is the depth between the points."""
    blurred = (np.asarray(cv2.GaussianBlur(layer, (0, 0), width_px), np.float64) for layer in (sums, counts))
    return next(blurred), next(blurred)


def turning(who: Head, course: Course) -> Scene:
    """One bona fide person who turns the head in the course of time."""
    at_angle = lru_cache(maxsize=64)(lambda degrees: person(who.turned(degrees)))
    return lambda at_s: at_angle(course(at_s))(at_s)


def there_and_back(degrees: float, turn_s: float, begin_s: float = 0.5, rest_s: float = 0.5) -> Course:
    """Straight, turned, held, and back, each way as smoothly as a limb moves (minimum jerk, Flash & Hogan 1985)."""
    times = np.cumsum([0.0, begin_s, turn_s, rest_s, turn_s])

    def course(at_s: float) -> float:
        out, back = (float(np.clip((at_s - times[part]) / turn_s, 0, 1)) for part in (1, 3))
        return degrees * (_eased(out) - _eased(back))

    return course


def _eased(share: float) -> float:
    return share**3 * (10 - 15 * share + 6 * share**2)
