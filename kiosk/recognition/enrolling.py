"""The recognition thread while somebody is enrolled: each frame through enrolment's gate, a `FaceView` out.

It holds nothing of the person: samples, their order and the decision are `kiosk.core.enrolling`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kiosk.core.enrolling import FaceView, ViewSeen
from kiosk.core.faults import FaultCode
from kiosk.core.messages import Message
from kiosk.core.ports import Frame
from kiosk.recognition.detection import Face, UInt8Array
from kiosk.recognition.encoding import aligned
from kiosk.recognition.enrolment import kept_picture
from kiosk.recognition.enrolment_quality import missed, quality
from kiosk.recognition.gallery import Gallery
from kiosk.recognition.models import Models, open_models
from kiosk.recognition.quality import place_hint, present, sample_hint
from kiosk.worker import Latest, Worker

WAIT_S = 0.2


class EnrolmentPipeline:
    """The work on one frame."""

    def __init__(self, models: Models, gallery: Gallery) -> None:
        """
        Args:
            gallery: of everybody who is enrolled, to find them again in whoever is to be.
        """
        self._models = models
        self._gallery = gallery

    def look(self, frame: Frame) -> FaceView:
        """Return what a frame says of the face before the camera."""
        height = frame.preview.shape[0]
        faces = present(self._models.detector.faces(frame.preview), height)
        if not faces:
            return FaceView(frame.captured_ms, 0)
        hint = place_hint(faces, height)
        if hint is not None:
            return FaceView(frame.captured_ms, len(faces), hint)
        face = faces[0].scaled(frame.picture.shape[0] / height)
        crop = aligned(frame.picture, face.landmarks)
        hint = sample_hint(crop, face.landmarks)
        return FaceView(frame.captured_ms, 1, hint) if hint else self._graded(frame, face, crop)

    def _graded(self, frame: Frame, face: Face, crop: UInt8Array) -> FaceView:
        models = self._models
        measured = quality(crop, face.landmarks, models.landmarks.landmarks(frame.picture, face))
        limit = next(missed(measured), None)
        if limit is not None and limit.refuses:
            return FaceView(frame.captured_ms, 1, limit.hint, measured.yaw_deg)
        template = models.encoder.reference_template(crop)
        return FaceView(
            frame.captured_ms,
            1,
            limit.hint if limit else None,
            measured.yaw_deg,
            measured.sharpness,
            template.astype("<f4").tobytes(),
            kept_picture(crop),
            self._gallery.candidates(template),
            self._gallery.threshold,
            models.liveness.pad_score(frame.picture, face.landmarks) if models.liveness else None,
        )


class EnrolmentWorker(Worker):
    """The thread: newest frame in, `ViewSeen` out."""

    def __init__(
        self,
        frames: Latest[Frame],
        folder: Path,
        gallery: Gallery,
        post: Callable[[Message | ViewSeen], None],
    ) -> None:
        """
        Args:
            frames: where the camera leaves the newest frame.
            folder: where the models are.
            gallery: of everybody who is enrolled; this thread's from now on.
        """
        super().__init__("enrolment", FaultCode.MODELS, post)
        self._frames = frames
        self._folder = folder
        self._gallery = gallery
        self._tell = post
        self._pipeline: EnrolmentPipeline

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The models, open while the context lasts."""
        self._pipeline = EnrolmentPipeline(open_models(self._folder), self._gallery)
        yield

    def turn(self) -> None:
        """One frame."""
        frame = self._frames.take(WAIT_S)
        if frame is not None:
            self._tell(ViewSeen(self._pipeline.look(frame)))
