"""The frames of one face, one after the other, become one template: its noise falls, the person's own part stays.

A run goes on while each usable frame shows the face of the one before. Somebody who steps in begins a new one, so that
no template is ever made of two people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kiosk.recognition.detection import Float32Array

SAME_FACE = 0.577
"""Cosine between the faces of two frames, one after the other. A filmed man's: never below 0.9; of 1,265,133 pairs of
different people in LFW, none reaches 0.46."""
GAP_MS = 1000
"""Longer than this without a usable frame, and nobody knows who stepped in meanwhile."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The usable frames of one face so far."""

    frames: int = 0
    """How many there were."""
    last: Float32Array | None = None
    """(128,) float32 of unit length: the newest one's template; None: the run is to begin."""
    last_ms: int = 0
    kept: tuple[Float32Array, ...] = ()
    """The latest templates of frames that count for the match, the newest last."""

    def then(self, template: Float32Array, captured_ms: int, *, counts: bool, most: int) -> Run:
        """Return the run with one more frame, or a new one that begins with it.

        Args:
            counts: whether the frame counts for the match.
            most: how many frames count at most.
        """
        run = self if self._goes_on(template, captured_ms) else Run()
        kept = (*run.kept, template)[-most:] if counts else run.kept
        return Run(run.frames + 1, template, captured_ms, kept)

    def template(self) -> Float32Array | None:
        """Return the mean of what counts, (128,) float32 of unit length; None: nothing does."""
        if not self.kept:
            return None
        mean = np.mean(self.kept, axis=0, dtype=np.float32)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    def _goes_on(self, template: Float32Array, captured_ms: int) -> bool:
        if self.last is None or captured_ms - self.last_ms > GAP_MS:
            return False
        return float(template @ self.last) >= SAME_FACE
