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
from statistics import median
from typing import assert_never

from kiosk.core.biometrics import Action, Candidate, ChallengeOutcome, FaceProbe, FingerProbe, Liveness, Policy
from wire.attendance import Mode, Pad


class Reason(StrEnum):
    """Why somebody was not recorded. The values go into audit events, for ever."""

    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    ATTACK = "attack"
    NOT_LIVE = "not_live"
    """Liveness could not be established: no score, or the challenge was not answered."""
    OTHER_ACTION = "other_action"
    """The challenge was answered by another action than the one asked for."""
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


SURE = 0.10
"""So far above threshold and margin, two frames do for a visit: 0.10 above the threshold no stranger was named in any
gallery measured (docs/accuracy.md)."""
SURE_FRAMES = 2
UNKNOWN_FRAMES = 2
"""Times `frames_per_visit`: nobody is called unknown, or one of two, on fewer frames."""


def decide_face(probes: Sequence[FaceProbe], policy: Policy, liveness: Liveness) -> Decision | None:
    """Return what the frames of one visit amount to; None: look on.

    The match is that of the frames fused, of which only those count that passed the liveness check, so that the face
    that is alive is the face that is matched.

    Args:
        probes: the visit's usable frames so far, at least one, all of one face.
        liveness: the check in force now, which is not the policy's where its model is absent. Where it is active, an
            acceptance still needs `after_challenge`.
    """
    if len(probes) < policy.frames_per_visit:
        return _early(probes, policy, liveness)
    decision = judge_face(probes, policy, liveness)
    is_open = isinstance(decision, Refused) and decision.reason in {Reason.UNKNOWN, Reason.AMBIGUOUS}
    return None if is_open and len(probes) < UNKNOWN_FRAMES * policy.frames_per_visit else decision


def passed(probe: FaceProbe, policy: Policy) -> bool:
    """Return whether nothing in the frame speaks of a presentation attack."""
    return policy.liveness is Liveness.OFF or probe.pad_score is None or probe.pad_score >= policy.pad_threshold


def _early(probes: Sequence[FaceProbe], policy: Policy, liveness: Liveness) -> Accepted | None:
    """An acceptance that more frames would not change."""
    decision = judge_face(probes, policy, liveness)
    if len(probes) < SURE_FRAMES or not isinstance(decision, Accepted):
        return None
    alive = replace(policy, pad_threshold=(1 + policy.pad_threshold) / 2)
    is_sure = decision.score >= decision.thr + SURE and _lead(probes[-1].fused) >= policy.face_margin + SURE
    return decision if is_sure and all(passed(probe, alive) for probe in probes) else None


def judge_face(probes: Sequence[FaceProbe], policy: Policy, liveness: Liveness) -> Decision:
    """Return what the frames of a visit say, be they enough or not; the arguments are those of `decide_face`."""
    threshold, candidates = probes[-1].threshold, probes[-1].fused
    judged = [probe.pad_score for probe in probes if probe.pad_score is not None]
    pad = None if liveness is Liveness.OFF else Pad(thr=policy.pad_threshold, score=median(judged) if judged else None)
    best = candidates[0] if candidates else None
    score = best.comparison_score if best else None
    pid = best.pid if best and best.comparison_score >= threshold else None

    def refused(reason: Reason) -> Refused:
        return Refused(reason, Mode.FACE, pid, score, threshold, pad)

    if pad is not None and pad.score is not None and pad.score < policy.pad_threshold:
        return refused(Reason.ATTACK)
    if liveness.is_passive and len(judged) < len(probes):
        return refused(Reason.NOT_LIVE)
    if best is None or pid is None:
        return refused(Reason.UNKNOWN)
    if _lead(candidates) < policy.face_margin:
        return refused(Reason.AMBIGUOUS)
    return Accepted(pid, Mode.FACE, best.comparison_score, threshold, pad)


def decide_finger(probe: FingerProbe) -> Decision:
    """Return what one usable press of a finger amounts to."""
    if not probe.candidates:
        return Refused(Reason.UNKNOWN, Mode.FINGER, thr=probe.threshold)
    best = probe.candidates[0]
    if best.comparison_score < probe.threshold:
        return Refused(Reason.UNKNOWN, Mode.FINGER, score=best.comparison_score, thr=probe.threshold)
    return Accepted(best.pid, Mode.FINGER, best.comparison_score, probe.threshold)


def after_challenge(
    accepted: Accepted, actions: Sequence[Action], outcome: ChallengeOutcome, policy: Policy
) -> Decision:
    """Return what a face's acceptance is worth once its challenge has ended.

    Args:
        actions: those asked for, the last being the one that ended it; empty: nothing was asked in time.
    """
    score = accepted.pad.score if accepted.pad else None
    pad = Pad(thr=policy.pad_threshold, score=score, challenge="+".join(actions) or None)
    match outcome:
        case ChallengeOutcome.PASSED:
            return replace(accepted, pad=pad)
        case ChallengeOutcome.NOT_DONE:
            reason = Reason.NOT_LIVE
        case ChallengeOutcome.OTHER_ACTION:
            reason = Reason.OTHER_ACTION
        case ChallengeOutcome.FLAT | ChallengeOutcome.OTHER_FACE:
            reason = Reason.ATTACK
        case _:
            assert_never(outcome)
    return Refused(reason, accepted.mode, accepted.pid, accepted.score, accepted.thr, pad)


def _lead(candidates: Sequence[Candidate]) -> float:
    """By how much the best candidate leads the second person."""
    return candidates[0].comparison_score - candidates[1].comparison_score if len(candidates) > 1 else math.inf
