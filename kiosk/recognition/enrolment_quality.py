"""Enrolment's gate: what ISO/IEC 29794-5 measures of a face, and the limits within which it may become a reference.

Each measure is one function or field, named by its quality component in ISO/IEC 29794-5, as OFIQ, the standard's open
implementation, spells it. They are computed anew here, from five landmarks, MediaPipe's 478 and the aligned face, so
values do not compare with OFIQ's own. Left out on purpose: NoHeadCoverings and whatever else looks at what is on or
around the head (*jilbab*, *peci* and glasses never refuse), background, colour and expression.

Light is measured on cheeks and nose alone, where neither hair, headwear nor glasses are; pitch from eyes to chin, since
the network guesses a covered forehead. The narrowness of eyes is told as a hint but refuses nobody: behind glasses, and
in narrow eyes, the network takes open eyes for closed ones. The limits come from measuring (docs/enrolment.md, made by
`kiosk bench quality`). The network of landmarks costs milliseconds, so all this runs at enrolment only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from kiosk.core.biometrics import Hint
from kiosk.recognition.detection import Float32Array, UInt8Array
from kiosk.recognition.landmarks import EYE_LEFT, EYE_RIGHT, yaw_deg
from kiosk.recognition.quality import MIDDLE, detail

CHEEKS = (slice(60, 84), slice(28, 84))
"""Of an aligned face: below the eyes and above the lips."""
SIDE = 22
"""Columns of either cheek, without the nose."""
UNDER_EXPOSED = 25
"""The brightest luma that shows nothing; OFIQ, UnderExposurePrevention: 0 to 25."""
OVER_EXPOSED = 247
"""The darkest luma that is clipped; OFIQ, OverExposurePrevention: 247 to 255."""
CHIN = 152
LIDS = (((159, 145), (158, 153), (160, 144)), ((386, 374), (385, 380), (387, 373)))
"""Points of the upper and the lower lid, of the right and of the left eye."""
LIPS = ((13, 14), (82, 87), (312, 317))
"""Points of the inner edges of the upper and the lower lip."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured of one face; the limits name each field's component in ISO/IEC 29794-5."""

    inter_eye_px: float
    """In pixels of the picture, as it would be if the head were straight."""
    yaw_deg: float
    """Positive: turned to its own left."""
    pitch_deg: float
    """Positive: chin up."""
    roll_deg: float
    """Positive: clockwise in the picture."""
    sharpness: float
    """Laplacian energy by variance, from 0 (none) upwards; see `detail`."""
    luminance: float
    """Mean luma of cheeks and nose, 0 to 255."""
    uniformity: float
    """Mean luma of the darker cheek by that of the lighter, 0 to 1 (alike)."""
    under_exposed: float
    """Share of cheeks and nose that shows nothing, 0 to 1."""
    over_exposed: float
    """Share of cheeks and nose that is clipped, 0 to 1."""
    eyes_open: float
    """Opening of the narrower eye, by the distance from eyes to chin, 0 (closed) upwards."""
    mouth_open: float
    """Opening between the lips, by the distance from eyes to chin, 0 (closed) upwards."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Between which values a measure is good enough, and what to tell the person otherwise."""

    component: str
    """In ISO/IEC 29794-5."""
    measure: str
    """The field of `Quality`."""
    unit: str
    hint: Hint
    low: float = -math.inf
    high: float = math.inf
    refuses: bool = True
    """False: it is only told."""

    def is_kept(self, quality: Quality) -> bool:
        """Whether a face keeps within it."""
        value: float = getattr(quality, self.measure)
        return self.low <= value <= self.high


# In the order in which they are told. Shares and FNMR: `kiosk bench quality` on a quarter of LFW; docs/enrolment.md.
ENROLMENT_LIMITS = (
    # Skin is not light: the darkest face of LFW has 57, and is well lit. NUAA's darkest webcam has 45.
    Limit("LuminanceMean", "luminance", "of 255", Hint.MORE_LIGHT, low=40.0),
    # A black moustache has 0.20, sunglasses 0.18; a face that leaves the picture, 0.35.
    Limit("UnderExposurePrevention", "under_exposed", "share", Hint.MORE_LIGHT, high=0.25),
    Limit("OverExposurePrevention", "over_exposed", "share", Hint.LESS_LIGHT, high=0.10),
    Limit("IlluminationUniformity", "uniformity", "ratio", Hint.EVEN_LIGHT, low=0.60),
    # The embedder reads 35 px between the eyes: with fewer, it reads what was invented.
    Limit("InterEyeDistance", "inter_eye_px", "px", Hint.CLOSER, low=32.0),
    # Up to here a turn makes no worse a reference than none.
    Limit("HeadPoseYaw", "yaw_deg", "deg", Hint.LOOK_HERE, low=-25.0, high=25.0),
    Limit("HeadPosePitch", "pitch_deg", "deg", Hint.LOOK_HERE, low=-20.0, high=16.0),
    Limit("HeadPoseRoll", "roll_deg", "deg", Hint.LOOK_HERE, low=-15.0, high=15.0),
    Limit("Sharpness", "sharpness", "ratio", Hint.HOLD_STILL, low=0.05),
    Limit("MouthClosed", "mouth_open", "ratio", Hint.CLOSE_MOUTH, high=0.15),
    # OFIQ's sigmoid has its middle at 0.02; see above why this one refuses nobody.
    Limit("EyesOpen", "eyes_open", "ratio", Hint.OPEN_EYES, low=0.015, refuses=False),
)


def missed(quality: Quality, limits: tuple[Limit, ...] = ENROLMENT_LIMITS) -> Iterator[Limit]:
    """The limits that a face does not keep, those that refuse first, in the order in which they are told."""
    yield from (limit for limit in limits if limit.refuses and not limit.is_kept(quality))
    yield from (limit for limit in limits if not limit.refuses and not limit.is_kept(quality))


def quality(aligned: UInt8Array, landmarks: Float32Array, mesh: Float32Array) -> Quality:
    """Return what is measured of a face.

    Args:
        aligned: (112, 112, 3) uint8, BGR, at the ArcFace positions.
        landmarks: (5, 2) float32, as the face stood in its picture.
        mesh: (478, 3) float32, from `LandmarkFinder`.
    """
    luma = np.asarray(cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY), np.uint8)
    cheeks = luma[CHEEKS]
    across = landmarks[1] - landmarks[0]
    yaw = yaw_deg(mesh)
    return Quality(
        inter_eye_px=float(np.hypot(*across) / np.cos(np.radians(yaw))),
        yaw_deg=yaw,
        pitch_deg=pitch_deg(mesh),
        roll_deg=float(np.degrees(np.arctan2(across[1], across[0]))),
        sharpness=detail(luma[MIDDLE]),
        luminance=float(cheeks.mean()),
        uniformity=uniformity(cheeks),
        under_exposed=float((cheeks <= UNDER_EXPOSED).mean()),
        over_exposed=float((cheeks >= OVER_EXPOSED).mean()),
        eyes_open=min(opening(mesh, lids) for lids in LIDS),
        mouth_open=opening(mesh, LIPS),
    )


def pitch_deg(mesh: Float32Array) -> float:
    """Return how far a head is raised, in degrees; positive: chin up.

    Args:
        mesh: (478, 3) float32; z grows away from the camera.
    """
    down = mesh[CHIN] - (mesh[EYE_LEFT] + mesh[EYE_RIGHT]) / 2
    return float(np.degrees(np.arctan2(-down[2], down[1])))


def uniformity(cheeks: UInt8Array) -> float:
    """Return how evenly two cheeks are lit: the darker by the lighter, 0 to 1.

    OFIQ intersects the histograms of both sides; on a face of 112 pixels that told poor references from good ones
    hardly better than chance (ADR 18).

    Args:
        cheeks: (height, width) uint8, the nose in its middle columns.
    """
    darker, lighter = sorted((float(cheeks[:, :SIDE].mean()), float(cheeks[:, -SIDE:].mean())))
    return darker / max(lighter, 1.0)


def opening(mesh: Float32Array, pairs: tuple[tuple[int, int], ...]) -> float:
    """Return the widest of some distances on a face, by the distance from between the eyes to the chin.

    Args:
        mesh: (478, 3) float32.
        pairs: the points between which it is measured.
    """
    points = mesh[:, :2]
    whole = float(np.linalg.norm(points[CHIN] - (points[EYE_LEFT] + points[EYE_RIGHT]) / 2))
    return max(float(np.linalg.norm(points[upper] - points[lower])) for upper, lower in pairs) / max(whole, 1.0)
