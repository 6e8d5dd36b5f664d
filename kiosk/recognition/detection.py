"""Faces and their five landmarks in a picture: YuNet (Wu, Peng, Yu 2023) through onnxruntime.

The network looks at every place of three grids (a place each 8, 16 and 32 pixels) and says of each how much it looks
like a face, and where box and landmarks lie from there. Detection runs on the small preview; `Face.scaled` carries the
result over to the large picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

STRIDES = (8, 16, 32)
MULTIPLE = 32
"""Height and width that the network reads are multiples of its largest stride."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in a picture; all in pixels of that picture."""

    left: float
    top: float
    width: float
    height: float
    """From the hairline to the chin."""
    landmarks: Float32Array
    """(5, 2) float32, x and y: the eye, then the other, nose tip, mouth corners; the one left in the picture first."""
    detection_score: float
    """0 to 1."""

    def scaled(self, factor: float) -> Face:
        """Return the same face in a picture that is larger by a factor."""
        return Face(
            self.left * factor,
            self.top * factor,
            self.width * factor,
            self.height * factor,
            self.landmarks * np.float32(factor),
            self.detection_score,
        )


class FaceDetector:
    """Finds faces."""

    def __init__(self, session: Any, score_threshold: float, overlap_threshold: float) -> None:
        """
        Args:
            session: an onnxruntime session of the repaired YuNet.
            score_threshold: 0 to 1; below it, no face.
            overlap_threshold: intersection over union above which two boxes are one face.
        """
        self._session = session
        self._names = [output.name for output in session.get_outputs()]
        self._score_threshold = score_threshold
        self._overlap_threshold = overlap_threshold

    def faces(self, picture: UInt8Array) -> list[Face]:
        """Return the faces in a (height, width, 3) uint8 BGR picture, the highest first."""
        padded = _padded(picture)
        tensor = padded.transpose(2, 0, 1)[None].astype(np.float32)
        maps = dict(zip(self._names, self._session.run(None, {"input": tensor}), strict=True))
        found = [_decoded(maps, stride, padded.shape[1], self._score_threshold) for stride in STRIDES]
        scores, boxes, landmarks = (np.concatenate(each) for each in zip(*found, strict=True))
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), self._score_threshold, self._overlap_threshold)
        faces = [_face(boxes[i], landmarks[i], scores[i]) for i in np.ravel(kept).astype(int)]
        return sorted(faces, key=lambda face: face.height, reverse=True)


def _face(box: Float32Array, landmarks: Float32Array, score: np.float32) -> Face:
    left, top, width, height = box.tolist()
    return Face(left, top, width, height, landmarks, float(score))


def _padded(picture: UInt8Array) -> UInt8Array:
    height, width = picture.shape[:2]
    below, beside = -height % MULTIPLE, -width % MULTIPLE
    return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, beside, cv2.BORDER_CONSTANT), np.uint8)


def _decoded(
    maps: dict[str, Float32Array], stride: int, width: int, score_threshold: float
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """One grid's scores (n,), boxes (n, 4) as left, top, width, height, landmarks (n, 5, 2); see face_detect.cpp."""
    score = np.sqrt(np.clip(maps[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(maps[f"obj_{stride}"][0, :, 0], 0, 1))
    (places,) = np.nonzero(score > score_threshold)
    row, column = np.divmod(places, width // stride)
    corner = np.stack([column, row], axis=1).astype(np.float32)
    box = maps[f"bbox_{stride}"][0, places]
    centre = (corner + box[:, :2]) * stride
    size = np.exp(box[:, 2:]) * stride
    points = maps[f"kps_{stride}"][0, places].reshape(-1, 5, 2)
    landmarks = (corner[:, None] + points) * np.float32(stride)
    return score[places], np.concatenate([centre - size / 2, size], axis=1), landmarks
