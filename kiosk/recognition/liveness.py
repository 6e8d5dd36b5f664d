"""Passive detection of presentation attacks: MiniFASNetV2 (minivision-ai) in insightface's own adapter, `Liveness`.

The model looks at about five eye distances around a face, so it judges by what surrounds it as much as by the skin: the
edge of a print or a phone. Where that edge lies outside, it is easily fooled (ADR 4 has the figures).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from insightface.addons.liveness import Liveness as LivenessAdapter

from kiosk.recognition.detection import Float32Array, UInt8Array


class PassiveLiveness:
    """Says how much a face looks like a bona fide presentation."""

    def __init__(self, file: Path, session: Any) -> None:
        """
        Args:
            file: the repaired MiniFASNetV2, for messages only.
            session: an onnxruntime session of the same file.
        """
        self._adapter = LivenessAdapter(file, session=session)

    def pad_score(self, picture: UInt8Array, landmarks: Float32Array) -> float | None:
        """Return 0 (attack) to 1 (bona fide); None where too little is seen around the face to judge.

        Args:
            picture: (height, width, 3) uint8, BGR.
            landmarks: (5, 2) float32, in pixels of the picture.
        """
        score: float | None = self._adapter.predict(picture, landmarks)["live_score"]
        return score
