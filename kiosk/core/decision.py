"""What the policy makes of a probe: `Accepted`, or `Refused` with a reason. One table.

A veto of presentation attack detection comes before everything else, so that an attack is called one even when the
face is also unknown. What is not known is not accepted: a frame without a liveness score refuses where one is required.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import fmean, median
from typing import assert_never

from kiosk.core.biometrics import Candidate, FaceProbe, FingerProbe, Liveness, Policy, Turn, TurnOutcome
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


def decide_face(probes: Sequence[FaceProbe], policy: Policy, liveness: Liveness) -> Decision:
    """Return what the frames of one visit amount to.

    Args:
        probes: the visit's usable frames, at least one.
        liveness: the check in force now, which is not the policy's where its model is absent. With `CHALLENGE`, an
            acceptance still needs `after_turn`.
    """
    pad = None if liveness is Liveness.OFF else Pad(thr=policy.pad_threshold, score=_visit_pad_score(probes))
    ranked = _mean_scores(probes)
    score = ranked[0].comparison_score if ranked else None
    pid = ranked[0].pid if score is not None and score >= policy.face_threshold else None

    def refused(reason: Reason) -> Refused:
        return Refused(reason, Mode.FACE, pid, score, policy.face_threshold, pad)

    if pad is not None and pad.score is not None and pad.score < policy.pad_threshold:
        return refused(Reason.ATTACK)
    if liveness is Liveness.PASSIVE and (pad is None or pad.score is None):
        return refused(Reason.NOT_LIVE)
    if pid is None or score is None:
        return refused(Reason.UNKNOWN)
    if len(ranked) > 1 and score - ranked[1].comparison_score < policy.face_margin:
        return refused(Reason.AMBIGUOUS)
    return Accepted(pid, Mode.FACE, score, policy.face_threshold, pad)


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


def _visit_pad_score(probes: Sequence[FaceProbe]) -> float | None:
    """The median over the frames: one unlucky frame neither refuses a person nor lets a photograph in."""
    scores = [probe.pad_score for probe in probes if probe.pad_score is not None]
    return median(scores) if len(scores) == len(probes) else None


def _mean_scores(probes: Sequence[FaceProbe]) -> list[Candidate]:
    """Everybody who was a candidate in every frame, by mean score, the best first."""
    by_person: dict[str, list[float]] = {}
    for candidate in (candidate for probe in probes for candidate in probe.candidates):
        by_person.setdefault(candidate.pid, []).append(candidate.comparison_score)
    means = [Candidate(pid, fmean(scores)) for pid, scores in by_person.items() if len(scores) == len(probes)]
    return sorted(means, key=lambda candidate: candidate.comparison_score, reverse=True)
