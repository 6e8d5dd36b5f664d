"""A frame becomes a probe: detection, quality, liveness, template, search, in that order and each step timed.

`Pipeline` is the work on one frame, without thread or message, for the benchmark and for enrolment as well.
`RecognitionWorker` is the thread around it, and watches the challenges. The ONNX sessions and the gallery belong to
that thread; references and orders reach it through one place each.
"""

from __future__ import annotations

import logging
import queue
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kiosk.core.biometrics import FaceProbe, FaceReference, Hint, Modality, Policy, Thresholds
from kiosk.core.decision import UNKNOWN_FRAMES, passed
from kiosk.core.faults import FaultCode
from kiosk.core.messages import (
    AskChallenge,
    ChallengeAnswered,
    ChallengeAsked,
    FaceSeen,
    FaultCleared,
    FaultRaised,
    Message,
    ModalityReady,
    StopChallenge,
)
from kiosk.core.ports import Frame
from kiosk.recognition.challenge import HeadView, likeness
from kiosk.recognition.detection import Face, Float32Array, UInt8Array
from kiosk.recognition.encoding import aligned
from kiosk.recognition.fusion import Run
from kiosk.recognition.gallery import Gallery
from kiosk.recognition.landmarks import size_px
from kiosk.recognition.models import Models, open_models
from kiosk.recognition.quality import LIMITS, QualityLimits, place_hint, present, sample_hint
from kiosk.recognition.trial import Trial, sequences
from kiosk.worker import Latest, Worker

log = logging.getLogger(__name__)

WAIT_S = 0.2
FRAMELESS_S = 3.0
"""A camera that works misses no more than its own deadline of a second."""


class Stopwatch:
    """Notes how long each step takes."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        """Milliseconds by step."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is done in the context."""
        begun_ns = time.perf_counter_ns()
        yield
        self.stages[name] = (time.perf_counter_ns() - begun_ns) / 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Everything that one frame gave."""

    probe: FaceProbe
    face: Face | None = None
    """The face that is meant, in pixels of the large picture; None: nobody, or more than one."""
    aligned: UInt8Array | None = None
    """(112, 112, 3) uint8, BGR; None where `face` is."""
    template: Float32Array | None = None
    """(128,) float32 of unit length; None: the frame is not usable."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds by step."""


class Pipeline:
    """The work on one frame."""

    def __init__(self, models: Models, gallery: Gallery, limits: QualityLimits = LIMITS) -> None:
        self.models = models
        self.gallery = gallery
        """May be replaced at any time between two frames."""
        self._limits = limits

    def look(self, frame: Frame) -> Sight:
        """Return what a frame says of the face before the camera."""
        watch = Stopwatch()
        small_height = frame.preview.shape[0]
        with watch.step("detection"):
            faces = present(self.models.detector.faces(frame.preview), small_height, self._limits)
        if not faces:
            return Sight(FaceProbe(frame.captured_ms, 0), stages=watch.stages)
        hint = place_hint(faces, small_height, self._limits)
        if hint is Hint.ONE_PERSON:
            return Sight(FaceProbe(frame.captured_ms, len(faces), hint), stages=watch.stages)
        face = faces[0].scaled(frame.picture.shape[0] / small_height)
        with watch.step("alignment"):
            crop = aligned(frame.picture, face.landmarks)
            hint = hint or sample_hint(crop, face.landmarks, self._limits)
        if hint is not None:
            return Sight(FaceProbe(frame.captured_ms, 1, hint), face, crop, stages=watch.stages)
        return self._compared(frame, face, crop, watch)

    def _compared(self, frame: Frame, face: Face, crop: UInt8Array, watch: Stopwatch) -> Sight:
        with watch.step("liveness"):
            liveness = self.models.liveness
            pad_score = liveness.pad_score(frame.picture, face.landmarks) if liveness else None
        with watch.step("embedding"):
            template = self.models.encoder.template(crop)
        with watch.step("search"):
            candidates = self.gallery.candidates(template)
        probe = FaceProbe(frame.captured_ms, 1, None, candidates, pad_score, self.gallery.threshold, fused=candidates)
        return Sight(probe, face, crop, template, watch.stages)

    def head_view(self, frame: Frame, sight: Sight, pid: str, policy: Policy) -> HeadView | None:
        """Return what a challenge wants to know of a frame; None: there is no single face in it.

        A turned head is not usable for recognition, so the quality of the frame is of no matter here.

        Args:
            pid: whose face it must be, by the gallery's threshold and the policy's margin.
        """
        if sight.face is None or sight.aligned is None:
            return None
        template = sight.template if sight.template is not None else self.models.encoder.template(sight.aligned)
        landmarks = self.models.landmarks.landmarks(frame.picture, sight.face)
        in_force = replace(policy, face_threshold=self.gallery.threshold)
        like = likeness(self.gallery.candidates(template, 2), pid, in_force)
        return HeadView(landmarks, template, size_px(landmarks, sight.face), like)


class RecognitionWorker(Worker):
    """The recognition thread: newest frame in, `FaceSeen` out; challenges the person when told to."""

    def __init__(
        self,
        frames: Latest[Frame],
        folder: Path,
        policy: Policy,
        post: Callable[[Message], None],
        frameless_s: float = FRAMELESS_S,
    ) -> None:
        """
        Args:
            frames: where the camera leaves the newest frame.
            folder: where the models are.
            frameless_s: after so long without a frame the camera counts as broken.
        """
        super().__init__("recognition", FaultCode.MODELS, post)
        self._frames = frames
        self._folder = folder
        self._policy = policy
        self._references: Latest[tuple[FaceReference, ...]] = Latest()
        self._orders: queue.SimpleQueue[AskChallenge | StopChallenge] = queue.SimpleQueue()
        self._gallery: Gallery | None = None
        self._pipeline: Pipeline
        self._face_run = Run()
        self._asked: tuple[AskChallenge, Trial] | None = None
        self._ready = False
        self._passive_missing = False
        self._frameless_s = frameless_s
        self._is_frameless = False
        self._frame_s = 0.0

    def use(self, references: Sequence[FaceReference]) -> None:
        """Search these from the next frame on; from any thread."""
        self._references.put(tuple(references))

    def ask_challenge(self, visit: int, pid: str) -> None:
        """Draw actions and watch for them; from any thread. Answered by `ChallengeAsked`, then `ChallengeAnswered`."""
        self._orders.put(AskChallenge(visit, pid))

    def stop_challenge(self) -> None:
        """Stop watching for them; from any thread."""
        self._orders.put(StopChallenge())

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The models, open while the context lasts."""
        models = open_models(self._folder)
        self._pipeline = Pipeline(models, self._gallery or Gallery())
        self._tell_of_passive_liveness(missing=models.liveness is None)
        self._ready = False
        yield

    def turn(self) -> None:
        """One frame, once there are references to search."""
        self._take_references()
        frame = self._frames.take(WAIT_S) if self._ready else None
        self._take_orders()
        if self._ready:
            self._watch_the_camera(came=frame is not None)
        if frame is None:
            return
        sight = self._pipeline.look(frame)
        self.post(FaceSeen(self._fused(sight)))
        log.debug("frame %d: %s", frame.captured_ms, sight.stages)
        if self._asked is not None:
            self._watch(*self._asked, frame, sight)

    def _fused(self, sight: Sight) -> FaceProbe:
        """The frame's probe, with what it says together with the frames of the same face before it."""
        probe = sight.probe
        if sight.template is None:
            self._face_run = self._face_run if probe.faces == 1 else Run()
            return probe
        counts, most = passed(probe, self._policy), UNKNOWN_FRAMES * self._policy.frames_per_visit
        self._face_run = self._face_run.then(sight.template, probe.captured_ms, counts=counts, most=most)
        template = self._face_run.template()
        fused = () if template is None else self._pipeline.gallery.candidates(template)
        return replace(probe, continues=self._face_run.frames > 1, fused=fused)

    def _tell_of_passive_liveness(self, *, missing: bool) -> None:
        if missing:
            self.post(FaultRaised(FaultCode.PASSIVE_LIVENESS, f"{self._folder} has no passive liveness model"))
        elif self._passive_missing:
            self.post(FaultCleared(FaultCode.PASSIVE_LIVENESS))
        self._passive_missing = missing

    def _watch_the_camera(self, *, came: bool) -> None:
        """Report a camera whose driver hangs, which its own thread cannot.

        That thread may report the same code. Only a frame ends either report, so that both end together; where a
        withdrawal from here overtakes a new failure there, the silence that follows raises it again.
        """
        now_s = time.monotonic()
        if came:
            self._frame_s = now_s
        if came and self._is_frameless:
            self._is_frameless = False
            self.post(FaultCleared(FaultCode.CAMERA))
        if not self._is_frameless and now_s - self._frame_s > self._frameless_s:
            self._is_frameless = True
            self.post(FaultRaised(FaultCode.CAMERA, f"no frame for {self._frameless_s:g} s"))

    def _take_references(self) -> None:
        references = self._references.take(0 if self._ready or self._gallery else WAIT_S)
        if references is not None:
            self._gallery = Gallery(references, self._policy.face_fpir, self._policy.face_threshold)
            self._pipeline.gallery = self._gallery
        if self._gallery is None or (self._ready and references is None):
            return
        if not self._ready:
            self._ready = True
            self._frame_s = time.monotonic()
        self.post(ModalityReady(Modality.FACE, Thresholds(self._gallery.threshold, self._policy.pad_threshold)))

    def _take_orders(self) -> None:
        while not self._orders.empty():
            order = self._orders.get()
            self._asked = None
            if isinstance(order, AskChallenge):
                drawn = secrets.choice(sequences(self._policy.challenge_actions, self._policy.challenge_length))
                self._asked = (order, Trial(drawn, round(1000 * self._policy.challenge_s)))
                self.post(ChallengeAsked(order.visit, drawn[0]))

    def _watch(self, order: AskChallenge, trial: Trial, frame: Frame, sight: Sight) -> None:
        after = trial.seen(self._pipeline.head_view(frame, sight, order.pid, self._policy), frame.captured_ms)
        self._asked = (order, after)
        if after.outcome is not None:
            self.post(ChallengeAnswered(order.visit, after.outcome))
            self._asked = None
        elif len(after.actions) < len(trial.actions):
            self.post(ChallengeAsked(order.visit, after.actions[0]))
