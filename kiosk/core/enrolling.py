"""Enrolling a face before the camera: which picture is wanted next, and when there are enough. A pure function.

    Opening ─▶ Capturing: straight ─▶ a little left ─▶ a little right ─▶ Captured
                  └───────────┴──────────────┴─────────────┴──────────▶ Stopped(reason)

A sample is the sharpest of some good frames in a row, all turned the way that is wanted; their median liveness must
pass, as a visit's must. Who is enrolled already as somebody else is known from the first good frame, and that ends it.
The samples are kept here until the end: nothing is stored of somebody who did not get that far. Whoever drives this
(the command line, the running terminal) carries out the commands and stores what was captured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from struct import unpack
from typing import assert_never

from kiosk.core.biometrics import Candidate, Hint
from kiosk.core.faults import FaultCode
from kiosk.core.messages import FaultRaised, Record, Tick
from wire.attendance import Entry, EventType, Mode, Moment, Pad


class Pose(StrEnum):
    """How the head is wanted for a sample."""

    STRAIGHT = "straight"
    LEFT = "left"
    RIGHT = "right"


class StopReason(StrEnum):
    """Why nobody was enrolled. The values go into audit events, for ever."""

    DUPLICATE = "enrolment_duplicate"
    """The face is enrolled as another person's."""
    ATTACK = "enrolment_attack"
    """A presentation attack."""
    NOT_LIVE = "enrolment_not_live"
    """Liveness could not be judged."""
    OTHER_FACE = "enrolment_other_face"
    """Somebody else stepped before the camera on the way."""
    TIMED_OUT = "enrolment_timed_out"
    DEVICE = "enrolment_device"
    """The camera or a model failed."""
    CANCELLED = "enrolment_cancelled"


@dataclass(frozen=True, slots=True)
class EnrolmentPlan:
    """Whom to enrol, and what is asked of the pictures."""

    pid: str
    name: str
    same_person: float
    """Cosine from which two samples are one person's; the embedder's, one to one."""
    pad_threshold: float | None
    """None: liveness is not checked."""
    pad_required: bool = True
    """False: the passive model is absent; what it would judge is left to whoever stands by."""
    poses: tuple[Pose, ...] = (Pose.STRAIGHT, Pose.LEFT, Pose.RIGHT)
    """What is wanted, in this order; the first is straight."""
    frames: int = 3
    """In a row, for one sample."""
    straight_deg: float = 8.0
    """90 of 100 webcam frames of people who look into the camera are read within 8 (NUAA)."""
    turn_deg: tuple[float, float] = (8.0, 20.0)
    """How far from the straight sample a turned one is. Beyond 20 the same person is less like themselves (ADR 4)."""
    eyes_s: float = 4.0
    """So long somebody is asked to open their eyes; then glasses or narrow eyes are believed."""
    pose_s: float = 30.0
    """The longest wait for one sample."""
    open_s: float = 20.0
    """The longest wait for the first frame."""
    hint_s: float = 0.4
    """A hint stands so long, or nobody could read it."""
    strangers: int = 2
    """Samples of another face, before that ends it."""


@dataclass(frozen=True, slots=True)
class FaceView:
    """What one frame says of the face to be enrolled."""

    captured_ms: int
    """CLOCK_BOOTTIME in milliseconds."""
    faces: int
    hint: Hint | None = None
    """What enrolment's gate would have changed."""
    yaw_deg: float | None = None
    """Positive: turned to its own left; None: not measured."""
    sharpness: float = 0.0
    template: bytes = b""
    """float32, little endian, unit length; empty: the frame is not good enough. With a hint: good enough, but."""
    picture: bytes = b""
    """The aligned face, as it is kept where the person has consented to that."""
    candidates: tuple[Candidate, ...] = ()
    """The best first."""
    threshold: float = 1.0
    """The comparison threshold in force for the gallery searched; from it on, the face is another person's."""
    pad_score: float | None = None
    """0 (attack) to 1 (bona fide); None: no passive model, or too little to judge."""


@dataclass(frozen=True, slots=True)
class ViewSeen:
    """Recognition has looked at a frame."""

    view: FaceView


@dataclass(frozen=True, slots=True)
class Cancel:
    """Whoever stands by has had enough."""


EnrolMessage = ViewSeen | FaultRaised | Cancel | Tick


@dataclass(frozen=True, slots=True)
class Opening:
    """Camera and models are being opened."""

    until_ms: float = math.inf


@dataclass(frozen=True, slots=True)
class Capturing:
    """Somebody is before the camera, or about to be."""

    until_ms: float
    samples: tuple[FaceView, ...] = ()
    """Those that were taken."""
    run: tuple[FaceView, ...] = ()
    """Good frames in a row, on the way to the next."""
    hint: Hint | None = None
    hint_ms: int = 0
    """Since when it stands."""
    eyes_ms: int | None = None
    """Since when the eyes are all that is wrong; None: they are not."""
    strangers: int = 0


@dataclass(frozen=True, slots=True)
class Captured:
    """There are enough samples; nothing is stored yet."""

    samples: tuple[FaceView, ...]


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nobody was enrolled."""

    reason: StopReason
    hint: Hint | None = None
    """What was wrong last, where the time ran out."""
    other: str = ""
    """Whose face it is, where it is another person's."""
    detail: str = ""
    """For the technician."""


EnrolPhase = Opening | Capturing | Captured | Stopped
EnrolStep = tuple[EnrolPhase, list[Record]]

DEVICES = frozenset({FaultCode.CAMERA, FaultCode.MODELS})


def step(phase: EnrolPhase, message: EnrolMessage, now: Moment, plan: EnrolmentPlan) -> EnrolStep:
    """Return the phase after a message, and what goes into the journal."""
    if isinstance(phase, Captured | Stopped):
        return phase, []
    match message:
        case ViewSeen(view):
            return _seen(phase, view, now, plan)
        case FaultRaised(code, detail) if code in DEVICES:
            return Stopped(StopReason.DEVICE, detail=detail), []
        case FaultRaised():
            return phase, []
        case Cancel():
            return Stopped(StopReason.CANCELLED), []
        case Tick():
            return _time_passed(phase, now, plan)
        case _:
            assert_never(message)


def wanted(phase: Capturing, plan: EnrolmentPlan) -> Pose:
    """Return how the head is wanted for the next sample."""
    return plan.poses[len(phase.samples)]


def likeness(one: bytes, other: bytes) -> float:
    """Return the cosine of two templates of unit length."""
    lefts, rights = (unpack(f"<{len(each) // 4}f", each) for each in (one, other))
    return float(sum(left * right for left, right in zip(lefts, rights, strict=True)))


def _time_passed(phase: Opening | Capturing, now: Moment, plan: EnrolmentPlan) -> EnrolStep:
    if isinstance(phase, Opening) and phase.until_ms == math.inf:
        return Opening(_after(now, plan.open_s)), []
    if now.mono_ms < phase.until_ms:
        return phase, []
    if isinstance(phase, Opening):
        return Stopped(StopReason.DEVICE, detail=f"no picture from the camera within {plan.open_s:g} s"), []
    return Stopped(StopReason.TIMED_OUT, phase.hint), []


def _seen(phase: Opening | Capturing, view: FaceView, now: Moment, plan: EnrolmentPlan) -> EnrolStep:
    if isinstance(phase, Opening):
        phase = Capturing(_after(now, plan.pose_s))
    phase = _with_eyes(phase, view)
    hint = _hint(phase, view, plan)
    other = _other_person(view, plan)
    if other is not None:
        pad = None if plan.pad_threshold is None else Pad(thr=plan.pad_threshold, score=view.pad_score)
        entry = _audit(StopReason.DUPLICATE, now, plan, pad)
        scored = replace(entry, score=other.comparison_score, thr=view.threshold)
        return Stopped(StopReason.DUPLICATE, other=other.pid), [Record(None, scored)]
    phase = _hinted(phase, hint, view, plan)
    if hint is not None or not view.template:
        return replace(phase, run=()), []
    run = (*phase.run, view)
    return (replace(phase, run=run), []) if len(run) < plan.frames else _taken(replace(phase, run=run), now, plan)


def _with_eyes(phase: Capturing, view: FaceView) -> Capturing:
    if not view.template:
        return phase
    if view.hint is not Hint.OPEN_EYES:
        return replace(phase, eyes_ms=None)
    return phase if phase.eyes_ms is not None else replace(phase, eyes_ms=view.captured_ms)


def _hint(phase: Capturing, view: FaceView, plan: EnrolmentPlan) -> Hint | None:
    """What the person is to do about this frame; None: nothing."""
    if view.hint is Hint.OPEN_EYES and phase.eyes_ms is not None:
        if view.captured_ms - phase.eyes_ms < 1000 * plan.eyes_s:
            return view.hint
    elif view.hint is not None:
        return view.hint
    return None if view.yaw_deg is None else _turn_hint(phase, view.yaw_deg, plan)


def _turn_hint(phase: Capturing, yaw_deg: float, plan: EnrolmentPlan) -> Hint | None:
    """Which way the head is to turn; None: it stands as it is wanted."""
    lowest, highest = _range(phase, plan)
    if yaw_deg < lowest:
        return Hint.TURN_SLIGHTLY_LEFT
    return Hint.TURN_SLIGHTLY_RIGHT if yaw_deg > highest else None


def _range(phase: Capturing, plan: EnrolmentPlan) -> tuple[float, float]:
    """The yaw that the next sample may have, in degrees."""
    nearest, farthest = plan.turn_deg
    middle = (phase.samples[0].yaw_deg or 0.0) if phase.samples else 0.0
    match wanted(phase, plan):
        case Pose.STRAIGHT:
            return -plan.straight_deg, plan.straight_deg
        case Pose.LEFT:
            return middle + nearest, middle + farthest
        case Pose.RIGHT:
            return middle - farthest, middle - nearest
        case _ as never:
            assert_never(never)


def _hinted(phase: Capturing, hint: Hint | None, view: FaceView, plan: EnrolmentPlan) -> Capturing:
    """With the hint to be shown, which does not change faster than it can be read."""
    is_read = view.captured_ms - phase.hint_ms >= 1000 * plan.hint_s
    if hint is phase.hint or (phase.hint is not None and not is_read):
        return phase
    return replace(phase, hint=hint, hint_ms=view.captured_ms)


def _other_person(view: FaceView, plan: EnrolmentPlan) -> Candidate | None:
    """Whom a good frame shows, if not the person to be enrolled."""
    others = (each for each in view.candidates if each.pid != plan.pid)
    best = next(others, None)
    return best if best is not None and best.comparison_score >= view.threshold else None


def _taken(phase: Capturing, now: Moment, plan: EnrolmentPlan) -> EnrolStep:
    """Enough good frames in a row: one becomes a sample, if they are of a live person, and of the same."""
    reason, pad = _judged(phase.run, plan)
    if reason is not None:
        return Stopped(reason), [Record(None, _audit(reason, now, plan, pad))]
    if _least_alike(phase) < plan.same_person:
        return _stranger(phase, now, plan)
    best = max(phase.run, key=lambda view: view.sharpness)
    samples = (*phase.samples, best)
    if len(samples) == len(plan.poses):
        return Captured(samples), []
    return Capturing(_after(now, plan.pose_s), samples, strangers=phase.strangers), []


def _judged(run: Iterable[FaceView], plan: EnrolmentPlan) -> tuple[StopReason | None, Pad | None]:
    if plan.pad_threshold is None:
        return None, None
    scores = [view.pad_score for view in run]
    known = [score for score in scores if score is not None]
    pad = Pad(thr=plan.pad_threshold, score=median(known) if known else None)
    if pad.score is not None and pad.score < plan.pad_threshold:
        return StopReason.ATTACK, pad
    return (StopReason.NOT_LIVE, pad) if plan.pad_required and len(known) < len(scores) else (None, pad)


def _least_alike(phase: Capturing) -> float:
    """Of the frames in a row, and of them and the samples: the likeness of the two that are least alike."""
    first, *others = (*phase.samples, *phase.run)
    return min(likeness(first.template, view.template) for view in others)


def _stranger(phase: Capturing, now: Moment, plan: EnrolmentPlan) -> EnrolStep:
    strangers = phase.strangers + 1
    if strangers < plan.strangers:
        return replace(phase, run=(), strangers=strangers), []
    entry = _audit(StopReason.OTHER_FACE, now, plan, None)
    scored = replace(entry, score=_least_alike(phase), thr=plan.same_person)
    return Stopped(StopReason.OTHER_FACE), [Record(None, scored)]


def _audit(reason: StopReason, now: Moment, plan: EnrolmentPlan, pad: Pad | None) -> Entry:
    return Entry(EventType.AUDIT, now, pid=plan.pid, mode=Mode.FACE, pad=pad, reason=reason.value)


def _after(now: Moment, seconds: float) -> int:
    return now.mono_ms + round(1000 * seconds)
