"""An aligned face becomes a template: SFace (Zhong et al. 2021) through insightface's `ArcFaceONNX`.

Every face's features have a part in common: what the last batch normalisation adds to all of them. It says nothing of
who somebody is and makes strangers alike, so a template is what is left without it. ADR 10 has the figures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from insightface.utils import face_align
from onnx import numpy_helper

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
        self._common = common_direction(file)

    def features(self, aligned: UInt8Array) -> Float32Array:
        """Return what the network gives, (128,) float32 of any length.

        Args:
            aligned: (112, 112, 3) uint8, BGR, from `aligned`.

        Raises:
            ModelError: the model gave something other than 128 finite numbers.
        """
        features = np.asarray(self._model.get_feat(aligned)[0], np.float32)
        if features.shape != (TEMPLATE_LENGTH,) or not 0 < np.linalg.norm(features) < np.inf:
            raise ModelError(f"the embedder gave {features.shape} numbers of length {np.linalg.norm(features)}")
        return features

    def template(self, aligned: UInt8Array) -> Float32Array:
        """Return the template of a face as a probe.

        Returns:
            (128,) float32 of unit length, so that a dot product is a cosine similarity. The mean of several frames',
            made a unit again, is a template too.

        Raises:
            ModelError: as `features`.
        """
        return self.distinct(self.features(aligned))

    def reference_template(self, aligned: UInt8Array) -> Float32Array:
        """Return the template of a face to be enrolled: of its picture and the mirror image together.

        It comes closer to other pictures of the person than `template` does, at twice the time, which enrolment has.
        """
        mirrored = np.ascontiguousarray(aligned[:, ::-1])
        return self.distinct(self.features(aligned) + self.features(mirrored))

    def distinct(self, features: Float32Array) -> Float32Array:
        """Return what sets a face's features apart, (128,) float32 of unit length."""
        own = features - (features @ self._common) * self._common
        return np.asarray(own / np.linalg.norm(own), np.float32)


def common_direction(file: Path) -> Float32Array:
    """Return the direction that a model gives to the features of all faces: the bias of its last batch normalisation.

    Returns:
        (128,) float32 of unit length.

    Raises:
        ModelError: the model does not end in a batch normalisation of 128 features.
    """
    graph = onnx.load(str(file)).graph
    last = graph.node[-1]
    weights = {each.name: each for each in graph.initializer}
    if last.op_type != "BatchNormalization" or last.input[2] not in weights:
        raise ModelError(f"{file}: ends in {last.op_type}, wanted a batch normalisation with a bias of its own")
    bias = numpy_helper.to_array(weights[last.input[2]]).astype(np.float32)
    length = float(np.linalg.norm(bias))
    if bias.shape != (TEMPLATE_LENGTH,) or not 0 < length < np.inf:
        raise ModelError(f"{file}: a last bias of {bias.shape} numbers and length {length}, wanted {TEMPLATE_LENGTH}")
    return np.asarray(bias / length, np.float32)


def aligned(picture: UInt8Array, landmarks: Float32Array) -> UInt8Array:
    """Return a face turned, shifted and scaled to the ArcFace positions (Deng et al. 2019).

    Args:
        picture: (height, width, 3) uint8, BGR.
        landmarks: (5, 2) float32, in pixels of the picture.

    Returns:
        (112, 112, 3) uint8, BGR; black where the picture ends.
    """
    return np.asarray(face_align.norm_crop(picture, landmarks, ALIGNED_PX), np.uint8)
