"""Several actions asked of one face, one after another, drawn anew each time: a film made beforehand fits one draw.

`Challenge` watches for each; `Trial` goes from one to the next, and sees to it that the face stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from kiosk.core.biometrics import TURNS, Action, ChallengeOutcome
from kiosk.recognition.challenge import Challenge, HeadView


def sequences(actions: Sequence[Action], length: int) -> list[tuple[Action, ...]]:
    """Return every challenge of a length, each as likely as any other: a film that shows one passes once in so many.

    Each has a turn, in which a head shows that it is not flat, and nobody is asked to come closer twice.
    """
    every = (each for each in product(actions, repeat=length) if each.count(Action.COME_CLOSER) < 2)
    return [each for each in every if TURNS & set(each)]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Watches for actions in their order; `seen` returns the next state of it."""

    actions: tuple[Action, ...]
    """Still to be done, the first of them now."""
    limit_ms: int
    """What each may take."""
    challenge: Challenge | None = None
    """None: no frame has been seen since the action was asked for."""
    first: HeadView | None = None
    """The frontal face before the first action that was done."""
    outcome: ChallengeOutcome | None = None
    """None: it goes on."""

    def seen(self, view: HeadView | None, captured_ms: int) -> Trial:
        """Return the trial after a frame; see `Challenge.seen`."""
        watched = self.challenge or Challenge(self.actions[0], captured_ms + self.limit_ms)
        challenge = watched.seen(view, captured_ms)
        if self._is_another(challenge):
            return replace(self, challenge=challenge, outcome=ChallengeOutcome.OTHER_FACE)
        if challenge.outcome is ChallengeOutcome.PASSED and len(self.actions) > 1:
            return Trial(self.actions[1:], self.limit_ms, first=self.first or challenge.before)
        return replace(self, challenge=challenge, outcome=challenge.outcome)

    def _is_another(self, challenge: Challenge) -> bool:
        """Whether the face before this action is not the one before the first."""
        if self.first is None or challenge.before is None:
            return False
        return float(challenge.before.template @ self.first.template) < challenge.limits.same_frontal
