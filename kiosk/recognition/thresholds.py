"""The threshold that a gallery needs: it follows how many people are in it, and what impostors score at this site.

A stranger is compared with everybody: where one in a thousand strangers may be taken for somebody, among a hundred
people only one in a hundred thousand comparisons may go wrong. How high comparisons of different people score is known
beforehand (`PRIOR`: close to normal, which the extrapolation rests on), and is measured again at every site: each
person enrolled is compared with all others. Where that gives higher scores than the prior, the threshold rises; it
never falls below what the prior asks for. ADR 11 has the figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from kiosk.recognition.detection import Float32Array

CEILING = 0.60
"""However much people resemble one another: above it, a face is no longer recognised well enough to be of use, and who
is too like somebody else is *ambiguous* and uses the finger."""
FEWEST_SCORES = 1000
"""33 people; fewer say nothing about a tail."""
TAIL_SHARE = 0.005
FEWEST_IN_TAIL = 50
"""The tail begins where so many scores are above it, or `TAIL_SHARE` of all: enough that it lies within 0.01."""


@dataclass(frozen=True, slots=True)
class ImpostorScores:
    """How comparisons of different people score: a normal distribution."""

    mean: float
    deviation: float

    def threshold(self, people: int, fpir: float) -> float:
        """Return the score that a share `fpir` of strangers reach against the best of so many people."""
        one_comparison = -math.expm1(math.log1p(-fpir) / max(people, 1))
        return self.mean - self.deviation * NormalDist().inv_cdf(one_comparison)


PRIOR = ImpostorScores(0.027, 0.097)
"""SFace's templates, one picture against the mean of three of somebody else, in a quarter of LFW: mean 0.027, deviation
0.0923, the same in both halves of its people. The deviation is made 5 % larger: that is how much the tail lay above a
normal one where it lay highest."""


def threshold(people: int, fpir: float, floor: float, scores: Float32Array) -> float:
    """Return the least cosine that is taken for a person.

    Args:
        people: in the gallery.
        fpir: false positive identification rate wanted, 0 to 1.
        floor: the threshold never falls below it, and may exceed `CEILING` by it.
        scores: (n,) float32, comparisons of people of this gallery with one another; may be empty.
    """
    site = measured(scores) or PRIOR
    wanted = max(PRIOR.threshold(people, fpir), site.threshold(people, fpir))
    return max(floor, min(CEILING, wanted))


def measured(scores: Float32Array) -> ImpostorScores | None:
    """Return the normal distribution that has the middle and the upper tail of some scores; None: they are too few.

    A few pairs of relatives do not move it, many do: what counts is the tail as a whole.
    """
    if len(scores) < FEWEST_SCORES:
        return None
    in_tail = max(FEWEST_IN_TAIL, round(TAIL_SHARE * len(scores)))
    tail_begins = float(np.partition(scores, -in_tail)[-in_tail])
    middle = float(np.median(scores))
    return ImpostorScores(middle, (tail_begins - middle) / -NormalDist().inv_cdf(in_tail / len(scores)))
