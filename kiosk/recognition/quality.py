"""Whether a face can be used, and if not, what the person can do about it; the measures follow ISO/IEC 29794-5.

Nothing here looks at hair, headwear or glasses: *jilbab*, *peci* and glasses are never a reason to refuse. The limits
are wide on purpose, set from the figures given with each, so that they stop what cannot be recognised and nothing else.
This is recognition's gate, for every frame; what is enrolled must pass the stricter one in `enrolment_quality`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kiosk.core.biometrics import Hint
from kiosk.recognition.detection import Face, Float32Array, UInt8Array

MIDDLE = (slice(28, 104), slice(20, 92))
"""Of an aligned face: brows to chin, without hair, headwear and background."""
CLIPPED = 250
"""Luma from which a pixel says nothing any more."""


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """When a face is usable."""

    present_share: float = 0.10
    """A face this high, as a share of the picture's height, is somebody who stands before the terminal, not one who
    passes behind: 72 of 720 px, at 2.3 m with a Camera Module 3."""
    near_share: float = 0.15
    """From here on it can be used: 108 of 720 px, so that the 112 px that the embedder reads are not invented."""
    far_share: float = 0.75
    """Nearer than this, chin or forehead leave the picture, and there is no surrounding left to judge liveness by."""
    other_share: float = 0.6
    """A second face this high beside the first is meant as well."""
    dark_luma: float = 30.0
    """Mean of 0..255. NUAA's darkest webcam face has 45, a man in a dark room 44: dark skin is not dark light."""
    clipped_share: float = 0.6
    """The most overexposed of NUAA's faces, still recognised, has 0.47."""
    detail: float = 0.02
    """Laplacian energy by variance. 99 of 100 LFW faces have more than 0.026; portraits blurred by 6 px, less than
    0.017."""
    nose_aside: float = 0.35
    """How far the nose lies from the middle of the eyes, in eye distances: 0.35 is a head turned by about 25 degrees.
    95 of 100 LFW faces have less than 0.28."""
    nose_down: tuple[float, float] = (0.35, 0.75)
    """How far down from eyes (0) to mouth (1) the nose lies; LFW: 0.44 to 0.69."""
    roll_deg: float = 25.0


LIMITS = QualityLimits()


def present(faces: list[Face], picture_height: int, limits: QualityLimits = LIMITS) -> list[Face]:
    """Return the faces that are meant, the highest first: near enough, and not much smaller than the nearest."""
    meant = [face for face in faces if face.height >= limits.present_share * picture_height]
    return [face for face in meant if face.height >= limits.other_share * meant[0].height]


def place_hint(faces: list[Face], picture_height: int, limits: QualityLimits = LIMITS) -> Hint | None:
    """Return what is wrong with where the present faces are; None: nothing.

    Args:
        faces: at least one, from `present`.
        picture_height: of the picture they were found in, in pixels.
    """
    if len(faces) > 1:
        return Hint.ONE_PERSON
    if faces[0].height < limits.near_share * picture_height:
        return Hint.CLOSER
    if faces[0].height > limits.far_share * picture_height:
        return Hint.FARTHER
    return None


def sample_hint(aligned: UInt8Array, landmarks: Float32Array, limits: QualityLimits = LIMITS) -> Hint | None:
    """Return what is wrong with a face's light, pose or sharpness; None: nothing.

    Args:
        aligned: (112, 112, 3) uint8, BGR, at the ArcFace positions.
        landmarks: (5, 2) float32, as the face stood in its picture.
    """
    luma = np.asarray(cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY), np.uint8)[MIDDLE]
    if luma.mean() < limits.dark_luma:
        return Hint.MORE_LIGHT
    if (luma >= CLIPPED).mean() > limits.clipped_share:
        return Hint.LESS_LIGHT
    if not is_frontal(landmarks, limits):
        return Hint.LOOK_HERE
    if detail(luma) < limits.detail:
        return Hint.HOLD_STILL
    return None


def detail(luma: UInt8Array) -> float:
    """Return how much fine structure there is, whatever the contrast; 0: none.

    Args:
        luma: (height, width) uint8.
    """
    edges = np.asarray(cv2.Laplacian(luma, cv2.CV_32F))
    return float(edges.var() / (luma.var() + 1.0))


def is_frontal(landmarks: Float32Array, limits: QualityLimits = LIMITS) -> bool:
    """Return whether the face looks towards the camera, roughly."""
    eye, other_eye, nose, *mouth = landmarks
    across = other_eye - eye
    middle = (eye + other_eye) / 2
    down = (mouth[0] + mouth[1]) / 2 - middle
    axes = np.stack([across, down], axis=1)
    if abs(np.linalg.det(axes)) < 1.0:
        return False
    aside, below = np.linalg.solve(axes, nose - middle)
    roll_deg = np.degrees(np.arctan2(across[1], across[0]))
    lowest, highest = limits.nose_down
    return bool(abs(aside) <= limits.nose_aside and lowest <= below <= highest and abs(roll_deg) <= limits.roll_deg)
