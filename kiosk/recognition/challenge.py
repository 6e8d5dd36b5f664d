"""The challenge: a head asked to turn, told from a picture that is turned, and from several shown in turn.

MediaPipe's landmark network gives 478 points with depth. What it takes for the turn of a head does not change when a
*picture* of a face is turned (at 45 degrees it still says less than 6), so a photograph usually just does not turn. The
planar test says the rest: between two views of a plane there is a homography, between two views of a head there is not.
What is left over when one is fitted is the `depth` of the turn. Two photographs of one head have depth as well, so the
turn must also be seen happening: one face in every frame, no faster than a neck, and at angles on the way.

    waiting for the person's frontal face ─▶ before ─▶ on the way ─▶ turned the asked way ─▶ back again ─▶ PASSED
                 ▲                              │
                 ├─ no single face, another face for one frame, too long without a frame, no angles on the way
                 │                              ├─ turned the other way, faster than a neck, or too late ─▶ NOT_TURNED
                 └──────────────────────────────┼─ turned, but a homography fits, or foreshortened only ──▶ FLAT
                                                └─ another face, two frames in a row ─────────────────────▶ OTHER_FACE

What could be measured, and what this does not stop, is in docs/adr/0004-models-and-repair.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, assert_never

import cv2
import numpy as np
from numpy.typing import NDArray

from kiosk.core.biometrics import Candidate, Policy, Turn, TurnOutcome
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


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """What counts as a turn."""

    frontal_deg: float = 12.0
    """Before and after, the head is within this of straight, or of where it was."""
    turn_deg: float = 20.0
    """Enough for depth to show, little enough that an old neck can do it."""
    depth: float = 0.04
    """In distances between the outer eye corners. Planes up to 45 degrees: at most 0.027; heads of LFW, by at least
    20 degrees: 99 of 100 have more than 0.049."""
    foreshortening: float = 0.85
    """Narrowest by widest scale of the best affine fit; a plane turned by 32 degrees has 0.85."""
    same_frontal: float = 0.475
    """Cosine between the faces before and after."""
    same_turned: float = 0.31
    """Cosine between the faces before and at the turn. LFW, turned by 20 degrees: the same people, 99 of 100: more than
    0.34; others, 99 of 100: less than 0.26."""
    same_next: float = 0.577
    """Cosine between the faces of two frames, one after the other. A filmed man's: never below 0.9; two photographs of
    one person in LFW, one frontal and one turned: a third of them below it."""
    frames: int = 2
    """In a row, before anything is believed."""
    way_deg: tuple[float, float] = (6.0, 18.0)
    """An angle between these is on the way. A picture turned by 45 degrees is read as less than 6; 18 is `turn_deg`
    less the noise."""
    way_step_deg: float = 3.0
    """Angles on the way are this far apart. A head held still was read within 2.6 from one frame to the next."""
    way_angles: int = 2
    """So many, before a head is believed to have turned."""
    speed_deg_s: float = 200.0
    """As fast as heads go when they are shaken at 2 Hz: 170 to 200 (Equilibrium Research 46, 1987, 155). Trained to the
    utmost it is 780 (Grossman et al. 1988, Exp. Brain Res. 70, 470), which nobody is asked for."""
    noise_deg: float = 6.0
    """What two readings of the angle may be wrong by together, above what the speed allows."""
    gap_ms: int = 500
    """Longer than this between two frames, and nobody knows what was shown meanwhile."""


class Likeness(StrEnum):
    """Whether a face is the person's who was asked to turn."""

    PERSON = "person"
    """As the policy would accept it."""
    UNSURE = "unsure"
    """Less like them than the policy wants, and like nobody else either: light, blur, an angle."""
    OTHER = "other"
    """Somebody else's, or nobody's that is enrolled."""


def likeness(candidates: Sequence[Candidate], pid: str, policy: Policy) -> Likeness:
    """Return whether a face that was searched for is a person's.

    Args:
        candidates: at least the two best where there are two, the best first.
        pid: whose it should be.
    """
    if not candidates or candidates[0].comparison_score < TurnLimits().same_turned:
        return Likeness.OTHER
    best, *others = candidates
    if best.comparison_score < policy.face_threshold:
        return Likeness.UNSURE
    if others and best.comparison_score - others[0].comparison_score < policy.face_margin:
        return Likeness.UNSURE
    return Likeness.PERSON if best.pid == pid else Likeness.OTHER


@dataclass(frozen=True, slots=True, eq=False)
class HeadView:
    """One frame of a challenge."""

    landmarks: Float32Array
    """(478, 3) float32: x, y, z in pixels of the network's input, eyes level."""
    template: Float32Array
    """(128,) float32 of unit length."""
    likeness: Likeness
    """Read where the head is frontal; a turned face is compared with the frontal one before it instead."""


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
        crop = cv2.warpAffine(picture, _crop(face), (INPUT_PX, INPUT_PX), borderMode=cv2.BORDER_REPLICATE)
        self._network.setInput(cv2.dnn.blobFromImage(crop, 1 / 255, (INPUT_PX, INPUT_PX), swapRB=True))
        outputs: Sequence[Array] = self._network.forward(self._outputs)
        for output in outputs:
            if output.size == 478 * 3:
                return np.asarray(output.reshape(478, 3), np.float32)
        raise ModelError("the landmark network gave no 478 points")


def _crop(face: Face) -> Float64Array:
    """The (2, 3) matrix from the picture to the network's input."""
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
    homography, _ = cv2.findHomography(start, end, 0)
    fitted = cv2.perspectiveTransform(start[None], homography)[0]
    eyes = np.linalg.norm(start[EYE_LEFT] - start[EYE_RIGHT])
    return float(np.sqrt(((fitted - end) ** 2).sum(axis=1).mean()) / eyes)


def foreshortening(before: Float32Array, after: Float32Array) -> float:
    """Return the narrowest by the widest scale of the best affine fit: 1 as it was, 0 seen edge on."""
    start, end = (points[:POINTS, :2].astype(np.float64) for points in (before, after))
    fit, *_ = np.linalg.lstsq(np.column_stack([start, np.ones(len(start))]), end, rcond=None)
    widest, narrowest = np.linalg.svd(fit[:2], compute_uv=False)
    return float(narrowest / widest)


@dataclass(frozen=True, slots=True)
class Way:
    """How far a head has come on its way to being turned."""

    furthest_deg: float = 0.0
    angles: int = 0
    """How many angles on the way were seen, each further than the one before."""

    def to(self, towards_deg: float, limits: TurnLimits) -> Way:
        """Return the way after a head was seen at an angle; it begins anew where the head is straight again."""
        nearest, farthest = limits.way_deg
        if towards_deg < nearest:
            return Way()
        is_further = not self.angles or towards_deg >= self.furthest_deg + limits.way_step_deg
        return Way(towards_deg, self.angles + 1) if is_further and towards_deg <= farthest else self


@dataclass(frozen=True, slots=True, eq=False)
class Challenge:
    """Watches one turn; `seen` returns the next state of it."""

    turn: Turn
    until_ms: int
    """CLOCK_BOOTTIME in milliseconds."""
    limits: TurnLimits = TurnLimits()
    before: HeadView | None = None
    """The first frontal view."""
    last: HeadView | None = None
    """The newest view of the same face; None: the challenge is to begin."""
    last_ms: int = 0
    way: Way = Way()
    turned: bool = False
    leaning: TurnOutcome | None = None
    """What the last frames say."""
    times: int = 0
    """How many in a row said it."""
    outcome: TurnOutcome | None = None
    """None: it goes on."""

    def seen(self, view: HeadView | None, captured_ms: int) -> Challenge:
        """Return the challenge after a frame.

        Args:
            view: None: no single face was to be seen.
            captured_ms: when, CLOCK_BOOTTIME in milliseconds.
        """
        if captured_ms >= self.until_ms:
            return replace(self, outcome=TurnOutcome.NOT_TURNED)
        if view is None:
            return self._anew()
        if self.before is None or self.last is None:
            return self._started(view, captured_ms)
        if captured_ms - self.last_ms > self.limits.gap_ms:
            return self._anew().seen(view, captured_ms)
        alike = float(view.template @ self.last.template)
        if alike < self.limits.same_turned:
            return self._leaned(TurnOutcome.OTHER_FACE)
        if alike < self.limits.same_next:
            return self._anew().seen(view, captured_ms)
        return self._followed(view, self.before, self.last, captured_ms)

    def _anew(self) -> Challenge:
        return Challenge(self.turn, self.until_ms, self.limits)

    def _started(self, view: HeadView, captured_ms: int) -> Challenge:
        if abs(yaw_deg(view.landmarks)) > self.limits.frontal_deg:
            return self
        match view.likeness:
            case Likeness.PERSON:
                return replace(self._anew(), before=view, last=view, last_ms=captured_ms)
            case Likeness.UNSURE:
                return self._anew()
            case Likeness.OTHER:
                return self._leaned(TurnOutcome.OTHER_FACE)
            case _:
                assert_never(view.likeness)

    def _followed(self, view: HeadView, before: HeadView, last: HeadView, captured_ms: int) -> Challenge:
        """A view of the face that was there in the last frame."""
        step_deg = abs(yaw_deg(view.landmarks) - yaw_deg(last.landmarks))
        if step_deg > self.limits.noise_deg + self.limits.speed_deg_s * (captured_ms - self.last_ms) / 1000:
            return replace(self, outcome=TurnOutcome.NOT_TURNED)
        yaw = yaw_deg(view.landmarks) - yaw_deg(before.landmarks)
        way = self.way.to(yaw if self.turn is Turn.LEFT else -yaw, self.limits)
        said = self._said(view, before)
        if self.leaning is TurnOutcome.OTHER_FACE is not said:
            return self._anew().seen(view, captured_ms)
        if said is TurnOutcome.PASSED and way.angles < self.limits.way_angles and not self.turned:
            return self._anew()
        return replace(self._leaned(said), last=view, last_ms=captured_ms, way=way)

    def _said(self, view: HeadView, before: HeadView) -> TurnOutcome | None:
        """What one frame speaks for; None: nothing yet."""
        yaw = yaw_deg(view.landmarks) - yaw_deg(before.landmarks)
        towards = yaw if self.turn is Turn.LEFT else -yaw
        if abs(yaw) <= self.limits.frontal_deg:
            return self._said_frontal(view, before)
        if abs(yaw) < self.limits.turn_deg or self.turned:
            return None
        if towards < 0:
            return TurnOutcome.NOT_TURNED
        if float(view.template @ before.template) < self.limits.same_turned:
            return TurnOutcome.OTHER_FACE
        if depth(before.landmarks, view.landmarks) < self.limits.depth:
            return TurnOutcome.FLAT
        return TurnOutcome.PASSED

    def _said_frontal(self, view: HeadView, before: HeadView) -> TurnOutcome | None:
        if foreshortening(before.landmarks, view.landmarks) < self.limits.foreshortening:
            return TurnOutcome.FLAT if depth(before.landmarks, view.landmarks) < self.limits.depth else None
        if view.likeness is Likeness.OTHER or float(view.template @ before.template) < self.limits.same_frontal:
            return TurnOutcome.OTHER_FACE
        return TurnOutcome.PASSED if self.turned and view.likeness is Likeness.PERSON else None

    def _leaned(self, said: TurnOutcome | None) -> Challenge:
        times = self.times + 1 if said is self.leaning else 1
        if said is None or times < self.limits.frames:
            return replace(self, leaning=said, times=times)
        if said is TurnOutcome.PASSED and not self.turned:
            return replace(self, turned=True, leaning=None, times=0)
        return replace(self, outcome=said)
