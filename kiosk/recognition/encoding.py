"""An aligned face becomes a template: SFace (Zhong et al. 2021) through insightface's `ArcFaceONNX`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from insightface.utils import face_align

from kiosk.recognition.detection import Float32Array, UInt8Array
from kiosk.recognition.manifest import ModelError

ALIGNED_PX = 112
TEMPLATE_LENGTH = 128
MODEL = "sface-2021dec-int8bq"
"""Stands in every reference; templates of different models do not compare."""


class FaceEncoder:
    """Turns pictures of faces into templates."""

    def __init__(self, file: Path, session: Any) -> None:
        """
        Args:
            file: the repaired SFace, which `ArcFaceONNX` reads to learn how it wants its input scaled.
            session: an onnxruntime session of the same file.

        Raises:
            ModelError: insightface would scale the input; the file is not the repaired one.
        """
        self._model = ArcFaceONNX(str(file), session=session)
        scaling = (self._model.input_mean, self._model.input_std)
        if scaling != (0.0, 1.0):
            raise ModelError(f"{file}: insightface takes mean and deviation for {scaling}, wanted (0.0, 1.0)")

    def template(self, aligned: UInt8Array) -> Float32Array:
        """Return the template of an aligned face.

        Args:
            aligned: (112, 112, 3) uint8, BGR, from `aligned`.

        Returns:
            (128,) float32 of unit length, so that a dot product is a cosine similarity.

        Raises:
            ModelError: the model gave something other than 128 finite numbers.
        """
        features = np.asarray(self._model.get_feat(aligned)[0], np.float32)
        length = float(np.linalg.norm(features))
        if features.shape != (TEMPLATE_LENGTH,) or not 0 < length < np.inf:
            raise ModelError(f"the embedder gave {features.shape} numbers of length {length}")
        return features / np.float32(length)


def aligned(picture: UInt8Array, landmarks: Float32Array) -> UInt8Array:
    """Return a face turned, shifted and scaled to the ArcFace positions (Deng et al. 2019).

    Args:
        picture: (height, width, 3) uint8, BGR.
        landmarks: (5, 2) float32, in pixels of the picture.

    Returns:
        (112, 112, 3) uint8, BGR; black where the picture ends.
    """
    return np.asarray(face_align.norm_crop(picture, landmarks, ALIGNED_PX), np.uint8)
