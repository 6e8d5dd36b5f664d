"""What the policy makes of a probe: `Accepted`, or `Refused` with a reason. One table.

A veto of presentation attack detection comes before everything else, so that an attack is called one even when the
face is also unknown. It is the median of the frames' scores that vetoes: at three frames a single bad one in thirty
would turn away one person in ten. What is not known is not accepted: a frame without a liveness score refuses where
one is required.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import fmean, median
from typing import assert_never

from kiosk.core.biometrics import FaceProbe, FingerProbe, Liveness, Policy, Turn, TurnOutcome
from wire.attendance import Mode, Pad


class Reason(StrEnum):
    """Why somebody was not recorded. The values go into audit events, for ever."""

    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    ATTACK = "attack"
    NOT_LIVE = "not_live"
    """Liveness could not be established: no score, or the challenge was not answered."""
    UNUSABLE = "unusable"
    """No usable sample in time; the hint says what to change."""
    NOT_ANSWERED = "not_answered"
    """The person did not say whether this is an arrival or a departure."""
    NOT_RECORDED = "not_recorded"
    """The journal did not confirm the event in time."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The probe is this person's."""

    pid: str
    mode: Mode
    score: float
    thr: float
    pad: Pad | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The probe is nobody's that may be recorded."""

    reason: Reason
    mode: Mode
    pid: str | None = None
    """Whom the probe resembled well enough, where the refusal is not about that."""
    score: float | None = None
    thr: float | None = None
    pad: Pad | None = None


Decision = Accepted | Refused


FRAME_SLACK = 0.15
"""How far one frame may fall below the threshold that the visit's mean must reach: frames of one face in one visit lie
closer together, so a larger gap means that somebody else stepped in."""


def decide_face(probes: Sequence[FaceProbe], policy: Policy, liveness: Liveness) -> Decision:
    """Return what the frames of one visit amount to.

    Only frames that passed the liveness check count towards the match, so that the face that is alive is the face that
    is matched: one unlucky frame does not refuse a person, but neither does a photograph's frame help one.

    Args:
        probes: the visit's usable frames, at least one.
        liveness: the check in force now, which is not the policy's where its model is absent. With `CHALLENGE`, an
            acceptance still needs `after_turn`.
    """
    judged = [probe.pad_score for probe in probes if probe.pad_score is not None]
    pad = None if liveness is Liveness.OFF else Pad(thr=policy.pad_threshold, score=median(judged) if judged else None)
    if pad is not None and pad.score is not None and pad.score < policy.pad_threshold:
        best = _best(probes, policy)
        return Refused(Reason.ATTACK, Mode.FACE, best.pid, best.score, policy.face_threshold, pad)
    if liveness is Liveness.PASSIVE and len(judged) < len(probes):
        best = _best(probes, policy)
        return Refused(Reason.NOT_LIVE, Mode.FACE, best.pid, best.score, policy.face_threshold, pad)
    best = _best([probe for probe in probes if pad is None or _passed(probe, policy)], policy)
    if best.pid is None or best.score is None:
        return Refused(Reason.UNKNOWN, Mode.FACE, None, best.score, policy.face_threshold, pad)
    if best.lead < policy.face_margin:
        return Refused(Reason.AMBIGUOUS, Mode.FACE, best.pid, best.score, policy.face_threshold, pad)
    return Accepted(best.pid, Mode.FACE, best.score, policy.face_threshold, pad)


def decide_finger(probe: FingerProbe) -> Decision:
    """Return what one usable press of a finger amounts to."""
    if not probe.candidates:
        return Refused(Reason.UNKNOWN, Mode.FINGER, thr=probe.threshold)
    best = probe.candidates[0]
    if best.comparison_score < probe.threshold:
        return Refused(Reason.UNKNOWN, Mode.FINGER, score=best.comparison_score, thr=probe.threshold)
    return Accepted(best.pid, Mode.FINGER, best.comparison_score, probe.threshold)


def after_turn(accepted: Accepted, turn: Turn, outcome: TurnOutcome, policy: Policy) -> Decision:
    """Return what a face's acceptance is worth once its challenge has ended."""
    score = accepted.pad.score if accepted.pad else None
    pad = Pad(thr=policy.pad_threshold, score=score, challenge=turn.value)
    match outcome:
        case TurnOutcome.PASSED:
            return replace(accepted, pad=pad)
        case TurnOutcome.NOT_TURNED:
            reason = Reason.NOT_LIVE
        case TurnOutcome.FLAT | TurnOutcome.OTHER_FACE:
            reason = Reason.ATTACK
        case _:
            assert_never(outcome)
    return Refused(reason, accepted.mode, accepted.pid, accepted.score, accepted.thr, pad)


def _passed(probe: FaceProbe, policy: Policy) -> bool:
    """Whether nothing speaks against the frame; that enough frames were judged has been seen to."""
    return probe.pad_score is None or probe.pad_score >= policy.pad_threshold


@dataclass(frozen=True, slots=True)
class _Best:
    """Whom the frames resemble most."""

    pid: str | None
    """None: nobody well enough."""
    score: float | None
    """The mean over the frames, whether good enough or not; None: nobody was a candidate in every frame."""
    lead: float
    """Over the second person."""


def _best(probes: Sequence[FaceProbe], policy: Policy) -> _Best:
    by_person: dict[str, list[float]] = {}
    for candidate in (candidate for probe in probes for candidate in probe.candidates):
        by_person.setdefault(candidate.pid, []).append(candidate.comparison_score)
    means = {pid: fmean(scores) for pid, scores in by_person.items() if len(scores) == len(probes)}
    if not means:
        return _Best(None, None, 0.0)
    pid, *others = sorted(means, key=lambda pid: means[pid], reverse=True)
    is_known = means[pid] >= policy.face_threshold and min(by_person[pid]) >= policy.face_threshold - FRAME_SLACK
    lead = means[pid] - means[others[0]] if others else math.inf
    return _Best(pid if is_known else None, means[pid], lead)
