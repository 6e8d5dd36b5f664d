"""MediaPipe's landmark network: 478 points on a face with depth, and what can be told from two views of them.

Between two views of a plane there is a homography, between two views of a head there is not: `depth` is what is left
over when one is fitted. A plane seen from aside is foreshortened. What comes closer changes in perspective, if it is
not flat: `perspective`. Lids are read by `openness`. What each can and cannot show is in docs/adr/0012.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kiosk.recognition.detection import Face, Float32Array, UInt8Array
from kiosk.recognition.manifest import ModelError

Array = NDArray[Any]
Float64Array = NDArray[np.float64]

INPUT_PX = 256
SURROUNDING = 1.5
"""MediaPipe's face landmark graph: the network reads one and a half times the detector's box."""
POINTS = 468
"""Landmarks of the face itself; the last ten are irises."""
CHEEK_RIGHT, CHEEK_LEFT = 234, 454
EYE_RIGHT, EYE_LEFT = 33, 263
"""Outer corners, right and left as the person has them."""
LIDS = (((160, 159, 158), (144, 145, 153), (33, 133)), ((387, 386, 385), (373, 374, 380), (263, 362)))
"""Of each eye: upper lid, lower lid, corners."""


class LandmarkFinder:
    """Finds 478 points on a face, with depth."""

    def __init__(self, file: Path) -> None:
        """
        Args:
            file: MediaPipe's face_landmarks_detector.tflite.

        Raises:
            ModelError: OpenCV cannot read it.
        """
        try:
            # OpenCV 5's default engine leaves out the landmarks; so does the classic one where it is given a buffer.
            self._network = cv2.dnn.readNetFromTFLite(str(file), cv2.dnn.ENGINE_CLASSIC)
        except cv2.error as error:
            raise ModelError(f"{file}: OpenCV cannot read it: {error}") from error
        self._outputs = self._network.getUnconnectedOutLayersNames()

    def landmarks(self, picture: UInt8Array, face: Face) -> Float32Array:
        """Return a face's points.

        Args:
            picture: (height, width, 3) uint8, BGR.
            face: in pixels of the picture.

        Returns:
            (478, 3) float32: x, y, z in pixels of a 256x256 crop with the eyes level; z grows away from the camera.

        Raises:
            ModelError: the network gave something else.
        """
        crop = cv2.warpAffine(picture, crop_matrix(face), (INPUT_PX, INPUT_PX), borderMode=cv2.BORDER_REPLICATE)
        self._network.setInput(cv2.dnn.blobFromImage(crop, 1 / 255, (INPUT_PX, INPUT_PX), swapRB=True))
        outputs: Sequence[Array] = self._network.forward(self._outputs)
        for output in outputs:
            if output.size == 478 * 3:
                return np.asarray(output.reshape(478, 3), np.float32)
        raise ModelError("the landmark network gave no 478 points")


def crop_matrix(face: Face) -> Float64Array:
    """Return the (2, 3) matrix from the picture to the network's input."""
    across = face.landmarks[1] - face.landmarks[0]
    angle = np.arctan2(across[1], across[0])
    scale = INPUT_PX / (SURROUNDING * max(face.width, face.height))
    turned = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = np.array([face.left + face.width / 2, face.top + face.height / 2])
    return np.hstack([turned, (INPUT_PX / 2 - turned @ centre)[:, None]])


def yaw_deg(landmarks: Float32Array) -> float:
    """Return how far a head is turned, in degrees; positive: to its own left."""
    across = landmarks[CHEEK_LEFT] - landmarks[CHEEK_RIGHT]
    return float(np.degrees(np.arctan2(across[2], across[0])))


def depth(before: Float32Array, after: Float32Array) -> float:
    """Return what no homography explains between two views, in distances between the outer eye corners; 0: a plane.

    Args:
        before: (468 or more, 2 or more) float32; the eye distance is taken here.
        after: the same points in the other view.
    """
    start, end = (points[:POINTS, :2].astype(np.float64) for points in (before, after))
    left_over = _fitted(start, end) - end
    return float(np.sqrt((left_over**2).sum(axis=1).mean()) / _across(before))


def foreshortening(before: Float32Array, after: Float32Array) -> float:
    """Return the narrowest by the widest scale of the best affine fit: 1 as it was, 0 seen edge on."""
    start, end = (points[:POINTS, :2].astype(np.float64) for points in (before, after))
    fit, *_ = np.linalg.lstsq(np.column_stack([start, np.ones(len(start))]), end, rcond=None)
    widest, narrowest = np.linalg.svd(fit[:2], compute_uv=False)
    return float(narrowest / widest)


def size_px(landmarks: Float32Array, face: Face) -> float:
    """Return the distance between the outer eye corners in pixels of the picture that the face was found in."""
    return _across(landmarks) / float(np.linalg.norm(crop_matrix(face)[0, :2]))


def openness(landmarks: Float32Array) -> float:
    """Return how far the eyes are open: height by width, the mean of both; about 0.25 open and 0.1 shut.

    It differs from person to person (0.1 to 0.35 in LFW), so it is compared with the same person's only.
    """
    return float(np.mean([_height(landmarks, *eye) for eye in LIDS]))


def _height(landmarks: Float32Array, upper: Sequence[int], lower: Sequence[int], corners: tuple[int, int]) -> float:
    between = landmarks[list(upper), :2] - landmarks[list(lower), :2]
    width = np.linalg.norm(landmarks[corners[0], :2] - landmarks[corners[1], :2])
    return float(np.linalg.norm(between, axis=1).mean() / width)


def perspective(before: Float32Array, after: Float32Array) -> float:
    """Return how much nearer a head is, from its shape: 1/distance after less 1/distance before; 0: a plane, or as far.

    What is nearer to the camera grows faster: the nose away from the ears. The network's own depth says which points
    are nearer; what a homography explains is left out, on both sides.

    Args:
        before: (468 or more, 3) float32.
        after: the same points in the other view.

    Returns:
        In 1/distances between the outer eye corners, 0.09 m: a head that comes from 0.6 to 0.35 m changes by 0.11.
    """
    start, end = (_centred(points) for points in (before, after))
    flat = start[:, :2]
    nearer = flat * (1 - _SMALL * (start[:, 2:] - start[:, 2].mean()))
    expected = (nearer - _fitted(flat, nearer)) / _SMALL
    seen = end[:, :2] - _fitted(flat, end[:, :2])
    return float((seen * expected).sum() / (expected**2).sum())


_SMALL = 0.05


def _centred(points: Float32Array) -> Float64Array:
    """The face's points in distances between the outer eye corners, from their middle."""
    middle = (points[EYE_RIGHT] + points[EYE_LEFT]) / 2
    return np.asarray((points[:POINTS] - middle) / _across(points), np.float64)


def _across(landmarks: Float32Array) -> float:
    return float(np.linalg.norm(landmarks[EYE_RIGHT, :2] - landmarks[EYE_LEFT, :2]))


def _fitted(start: Float64Array, end: Float64Array) -> Float64Array:
    """Where the best homography puts the points."""
    homography, _ = cv2.findHomography(start, end, 0)
    return np.asarray(cv2.perspectiveTransform(start[None], homography)[0], np.float64)
