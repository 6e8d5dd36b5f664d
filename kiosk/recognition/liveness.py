"""Passive detection of presentation attacks: MiniFASNet (minivision-ai) in insightface's own adapter, `Liveness`.

Two networks look: V2 at about five eye distances around a face, V1SE at six. They judge by what surrounds it as much as
by the skin: the edge of a print or a phone. Where that edge lies outside, they are easily fooled, which is why the
second looks further (ADR 12 has the figures). The score is the mean of those that are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from insightface.addons.liveness import Liveness as LivenessAdapter

from kiosk.recognition.detection import Float32Array, UInt8Array


class LivenessView:
    """One network, and how much of the picture it sees."""

    def __init__(self, file: Path, session: Any, spread: float) -> None:
        """
        Args:
            file: the repaired MiniFASNet, for messages only.
            session: an onnxruntime session of the same file.
            spread: 1: as the adapter crops by the landmarks; more: so much more around the face.
        """
        self._adapter = LivenessAdapter(file, session=session)
        self._spread = spread

    def pad_score(self, picture: UInt8Array, landmarks: Float32Array) -> float | None:
        """Return what this network says; see `PassiveLiveness.pad_score`."""
        middle = landmarks.mean(axis=0)
        spread = np.asarray(middle + self._spread * (landmarks - middle), np.float32)
        score: float | None = self._adapter.predict(picture, spread)["live_score"]
        return score


class PassiveLiveness:
    """Says how much a face looks like a bona fide presentation."""

    def __init__(self, views: Sequence[LivenessView]) -> None:
        """
        Args:
            views: at least one.
        """
        self._views = views

    def pad_score(self, picture: UInt8Array, landmarks: Float32Array) -> float | None:
        """Return 0 (attack) to 1 (bona fide); None where too little is seen around the face for one of the views.

        Args:
            picture: (height, width, 3) uint8, BGR.
            landmarks: (5, 2) float32, in pixels of the picture.
        """
        scores = [score for view in self._views if (score := view.pad_score(picture, landmarks)) is not None]
        return fmean(scores) if len(scores) == len(self._views) else None
