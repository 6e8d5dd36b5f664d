"""Pictures of a person become references; a picture that would make a poor one is refused with its flaw.

It does not matter how large a share of the picture the face takes, only how many pixels it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import cv2
import numpy as np

from kiosk.core.biometrics import FaceReference, Hint
from kiosk.core.faults import KioskError
from kiosk.recognition.detection import Face, Float32Array, UInt8Array
from kiosk.recognition.encoding import aligned
from kiosk.recognition.gallery import reference
from kiosk.recognition.models import Models
from kiosk.recognition.quality import present, sample_hint

DETECTION_PX = 640
"""The longer side that faces are looked for in."""
SMALLEST_PX = 90.0
LARGEST_PX = 250.0
"""Higher faces are shrunk to this with all their pixels counted: cropping at once skips most of them, and costs about
0.03 of the cosine to another picture of the same person."""


SAME_PERSON = 0.317
"""Cosine above which two pictures are taken for one person's: as many strangers in LFW reach it (8 in 10,000) as reach
0.363 of SFace's plain features (OpenCV Zoo, one to one). Far too low for a search, right for pictures that are said to
be of one person."""


class Flaw(StrEnum):
    """Why a picture is not enrolled."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    TOO_SMALL = "too_small"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    NOT_FRONTAL = "not_frontal"
    BLURRED = "blurred"
    SOMEBODY_ELSE = "somebody_else"


_FLAWS = {
    Hint.MORE_LIGHT: Flaw.TOO_DARK,
    Hint.LESS_LIGHT: Flaw.TOO_BRIGHT,
    Hint.LOOK_HERE: Flaw.NOT_FRONTAL,
    Hint.HOLD_STILL: Flaw.BLURRED,
}


_IN_WORDS = {
    Flaw.NO_FACE: "shows no face; it may be too dark, or turned",
    Flaw.SEVERAL_FACES: "shows more than one face: take one with nobody else on it",
    Flaw.TOO_SMALL: f"has a face of less than {SMALLEST_PX:.0f} pixels: take a larger one",
    Flaw.TOO_DARK: "is too dark: take it with more light on the face",
    Flaw.TOO_BRIGHT: "is too bright: take it with less light on the face",
    Flaw.NOT_FRONTAL: "shows the face from the side: let the person look into the camera",
    Flaw.BLURRED: "is blurred: hold camera and head still",
    Flaw.SOMEBODY_ELSE: "shows another person than the first one",
}


class UnfitPictureError(KioskError):
    """A picture cannot be enrolled."""

    def __init__(self, number: int, flaw: Flaw) -> None:
        """
        Args:
            number: which picture, from 1.
        """
        super().__init__(f"picture {number} {_IN_WORDS[flaw]}")
        self.number = number
        self.flaw = flaw


def enrol_faces(models: Models, pid: str, pictures: Sequence[UInt8Array]) -> tuple[FaceReference, ...]:
    """Return a person's references, one a picture.

    Args:
        pictures: each (height, width, 3) uint8, BGR, of any size.

    Raises:
        UnfitPictureError: the first picture that has a flaw.
    """
    templates: list[Float32Array] = []
    for number, picture in enumerate(pictures, 1):
        template = template_of(models, picture)
        if isinstance(template, Flaw):
            raise UnfitPictureError(number, template)
        if any(float(template @ earlier) < SAME_PERSON for earlier in templates):
            raise UnfitPictureError(number, Flaw.SOMEBODY_ELSE)
        templates.append(template)
    return tuple(reference(pid, template) for template in templates)


def template_of(models: Models, picture: UInt8Array) -> Float32Array | Flaw:
    """Return the template of the one face in a picture, (128,) float32 of unit length, or what is wrong with it.

    Args:
        picture: (height, width, 3) uint8, BGR, of any size.
    """
    crop = crop_of(models, picture)
    return crop if isinstance(crop, Flaw) else models.encoder.reference_template(crop)


def crop_of(models: Models, picture: UInt8Array) -> UInt8Array | Flaw:
    """Return the one face in a picture as `aligned` does, or what is wrong with it; the picture as in `template_of`."""
    found = _faces(models, picture)
    if not found:
        return Flaw.NO_FACE
    if len(found) > 1:
        return Flaw.SEVERAL_FACES
    if found[0].height < SMALLEST_PX:
        return Flaw.TOO_SMALL
    picture, face = _shrunk(picture, found[0])
    crop = aligned(picture, face.landmarks)
    hint = sample_hint(crop, face.landmarks)
    return _FLAWS[hint] if hint else crop


def _faces(models: Models, picture: UInt8Array) -> list[Face]:
    scale = min(1.0, DETECTION_PX / max(picture.shape[:2]))
    small = _resized(picture, scale)
    return [face.scaled(1 / scale) for face in present(models.detector.faces(small), small.shape[0])]


def _shrunk(picture: UInt8Array, face: Face) -> tuple[UInt8Array, Face]:
    scale = min(1.0, LARGEST_PX / face.height)
    return _resized(picture, scale), face.scaled(scale)


def _resized(picture: UInt8Array, scale: float) -> UInt8Array:
    if scale == 1.0:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
