"""Pictures of a person become references; a picture that would make a poor one is refused with its flaw.

It does not matter how large a share of the picture the face takes, only how many pixels it has. Pictures that are
enrolled pass the stricter gate of `enrolment_quality`; `template_of` asks no more than recognition does of a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from kiosk.core.biometrics import FaceReference, Hint
from kiosk.core.faults import KioskError
from kiosk.recognition.detection import Face, Float32Array, UInt8Array
from kiosk.recognition.encoding import ALIGNED_PX, aligned
from kiosk.recognition.enrolment_quality import Quality, missed, quality
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
    UNEVEN_LIGHT = "uneven_light"
    NOT_FRONTAL = "not_frontal"
    BLURRED = "blurred"
    MOUTH_OPEN = "mouth_open"
    EYES_CLOSED = "eyes_closed"
    """Never refuses, see `enrolment_quality`; it is only told."""
    SOMEBODY_ELSE = "somebody_else"


_FLAWS = {
    Hint.CLOSER: Flaw.TOO_SMALL,
    Hint.MORE_LIGHT: Flaw.TOO_DARK,
    Hint.LESS_LIGHT: Flaw.TOO_BRIGHT,
    Hint.EVEN_LIGHT: Flaw.UNEVEN_LIGHT,
    Hint.LOOK_HERE: Flaw.NOT_FRONTAL,
    Hint.HOLD_STILL: Flaw.BLURRED,
    Hint.CLOSE_MOUTH: Flaw.MOUTH_OPEN,
    Hint.OPEN_EYES: Flaw.EYES_CLOSED,
}


IN_WORDS = {
    Flaw.NO_FACE: "shows no face; it may be too dark, or turned",
    Flaw.SEVERAL_FACES: "shows more than one face: take one with nobody else on it",
    Flaw.TOO_SMALL: f"has a face of less than {SMALLEST_PX:.0f} pixels, or eyes less than 32 apart: take a larger one",
    Flaw.TOO_DARK: "is too dark: take it with more light on the face",
    Flaw.TOO_BRIGHT: "is too bright: take it with less light on the face",
    Flaw.UNEVEN_LIGHT: "is lit from one side: let the light come from the front",
    Flaw.NOT_FRONTAL: "shows the face from the side: let the person look into the camera",
    Flaw.BLURRED: "is blurred: hold camera and head still",
    Flaw.MOUTH_OPEN: "shows an open mouth: let the person close it",
    Flaw.EYES_CLOSED: "shows eyes that seem closed; if they are, another picture is better",
    Flaw.SOMEBODY_ELSE: "shows another person than the first good one",
}


class UnfitPicturesError(KioskError):
    """Pictures that cannot be enrolled; the message names every one."""

    def __init__(self, flaws: Sequence[tuple[int, Flaw]]) -> None:
        """
        Args:
            flaws: which picture, from 1, and what is wrong with it.
        """
        super().__init__("; ".join(f"picture {number} {IN_WORDS[flaw]}" for number, flaw in flaws))
        self.flaws = tuple(flaws)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A face that may become a reference."""

    aligned: UInt8Array
    """(112, 112, 3) uint8, BGR, at the ArcFace positions."""
    quality: Quality
    template: Float32Array
    """(128,) float32 of unit length."""
    advice: Flaw | None = None
    """What could be better."""


def enrol_faces(models: Models, pid: str, pictures: Sequence[UInt8Array]) -> tuple[FaceReference, ...]:
    """Return a person's references; see `samples_of`."""
    return references(pid, [sample.template for sample in samples_of(models, pictures)])


def references(pid: str, templates: Sequence[Float32Array]) -> tuple[FaceReference, ...]:
    """Return the references that a person's samples make."""
    return tuple(reference(pid, template) for template in templates)


def samples_of(models: Models, pictures: Sequence[UInt8Array]) -> tuple[Sample, ...]:
    """Return the samples in pictures of one person.

    Args:
        pictures: each (height, width, 3) uint8, BGR, of any size.

    Raises:
        UnfitPicturesError: pictures have flaws; it names all of them.
    """
    found = [sample_of(models, picture) for picture in pictures]
    samples = [sample for sample in found if isinstance(sample, Sample)]
    flaws = [
        (number, flaw) for number, each in enumerate(found, 1) if (flaw := _flaw(each, samples[0] if samples else None))
    ]
    if flaws:
        raise UnfitPicturesError(flaws)
    return tuple(samples)


def _flaw(found: Sample | Flaw, first: Sample | None) -> Flaw | None:
    if isinstance(found, Flaw):
        return found
    is_same = first is None or float(found.template @ first.template) >= SAME_PERSON
    return None if is_same else Flaw.SOMEBODY_ELSE


def sample_of(models: Models, picture: UInt8Array) -> Sample | Flaw:
    """Return the sample that a picture makes, or why it makes none.

    Args:
        picture: (height, width, 3) uint8, BGR, of any size.
    """
    view = _usable(models, picture)
    if isinstance(view, Flaw):
        return view
    measured = view.quality(models)
    limit = next(missed(measured), None)
    if limit is not None and limit.refuses:
        return _FLAWS[limit.hint]
    advice = _FLAWS[limit.hint] if limit else None
    return Sample(view.aligned, measured, models.encoder.reference_template(view.aligned), advice)


def measured_quality(models: Models, picture: UInt8Array) -> Quality | Flaw:
    """Return what is measured of the one face in a picture, or why recognition could not use it.

    Args:
        picture: (height, width, 3) uint8, BGR, of any size.
    """
    view = _usable(models, picture)
    return view if isinstance(view, Flaw) else view.quality(models)


def template_of(models: Models, picture: UInt8Array) -> Float32Array | Flaw:
    """Return the template of the one face in a picture, (128,) float32 of unit length, or what is wrong with it.

    Args:
        picture: (height, width, 3) uint8, BGR, of any size.
    """
    crop = crop_of(models, picture)
    return crop if isinstance(crop, Flaw) else models.encoder.reference_template(crop)


def crop_of(models: Models, picture: UInt8Array) -> UInt8Array | Flaw:
    """Return the one face in a picture as `aligned` does, or what is wrong with it; the picture as in `template_of`."""
    view = _usable(models, picture)
    return view if isinstance(view, Flaw) else view.aligned


def kept_picture(sample: UInt8Array) -> bytes:
    """Return an aligned face as it is kept, where the person has consented to that: a PNG, which loses nothing."""
    _, file = cv2.imencode(".png", sample)
    return file.tobytes()


def references_again(models: Models, pid: str, kept: Sequence[bytes]) -> tuple[FaceReference, ...]:
    """Return references of kept pictures, made anew by an embedder that they were not made by before.

    Args:
        kept: from `kept_picture`.

    Raises:
        ValueError: one is no picture of an aligned face.
    """
    return references(pid, [models.encoder.reference_template(_opened(file)) for file in kept])


def _opened(file: bytes) -> UInt8Array:
    picture = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR) if file else None
    if picture is None or picture.shape != (ALIGNED_PX, ALIGNED_PX, 3):
        raise ValueError(f"{len(file)} bytes: not a picture of {ALIGNED_PX}x{ALIGNED_PX}")
    return np.asarray(picture, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """The one face in a picture, usable by recognition's limits."""

    picture: UInt8Array
    face: Face
    aligned: UInt8Array

    def quality(self, models: Models) -> Quality:
        """What is measured of it."""
        mesh = models.landmarks.landmarks(self.picture, self.face)
        return quality(self.aligned, self.face.landmarks, mesh)


def _usable(models: Models, picture: UInt8Array) -> _View | Flaw:
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
    return _FLAWS[hint] if hint else _View(picture, face, crop)


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
