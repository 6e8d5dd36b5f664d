"""Error rates and their arithmetic: exact bounds, error curves, the shipped policy, and tables of it all.

The words are those of ISO/IEC 19795-1: a *mated* probe is of somebody enrolled, a *non-mated* one of nobody enrolled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from kiosk.config import PolicySettings, ScheduleSettings
from kiosk.core.biometrics import Policy
from kiosk.core.faults import KioskError
from kiosk.core.schedule import Schedule

Float64Array = NDArray[np.float64]

CONFIDENCE = 0.95
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})


class BenchError(KioskError):
    """The folder holds nothing that can be measured; the message says what was looked for."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of so many went wrong."""

    errors: int
    trials: int

    @property
    def share(self) -> float | None:
        """0 to 1; None: nothing was tried."""
        return self.errors / self.trials if self.trials else None

    def bounds(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the exact two-sided binomial bounds (Clopper and Pearson 1934), 0 to 1, for independent trials."""
        tail = (1 - confidence) / 2
        right = self.trials - self.errors
        low = betaincinv(self.errors, right + 1, tail) if self.errors else 0.0
        high = betaincinv(self.errors + 1, right, 1 - tail) if right else 1.0
        return float(low), float(high)

    def once(self, times: int) -> Rate:
        """Return the same share of the trials of one draw of several, rounded against us."""
        return Rate(math.ceil(self.errors / times), self.trials // times)

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.errors + other.errors, self.trials + other.trials)

    def __str__(self) -> str:
        low, high = self.bounds()
        return f"{percent(self.share)} ({self.errors}/{self.trials}; {percent(low)} to {percent(high)})"


def rate_of(wrong: Iterable[bool]) -> Rate:
    """Return how many of them are true."""
    each = list(wrong)
    return Rate(sum(each), len(each))


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurve:
    """What a search would err at every threshold."""

    mated: Float64Array
    """(n,) float64: the score of each mated probe's own person; -inf where no threshold would name them."""
    nonmated: Float64Array
    """(m,) float64: the best score of each non-mated probe; -inf where no threshold would name anybody."""

    def fpir(self, threshold: float) -> float:
        """Return the share of non-mated probes that are named."""
        return float((self.nonmated >= threshold).mean())

    def fnir(self, threshold: float) -> float:
        """Return the share of mated probes that are not named as who they are."""
        return float((self.mated < threshold).mean())

    def threshold_at(self, fpir: float) -> float:
        """Return the lowest threshold that keeps to a false positive rate."""
        falling = np.sort(self.nonmated)[::-1]
        allowed = math.floor(fpir * len(falling) + 1e-9)
        return float(np.nextafter(falling[allowed], np.inf)) if allowed < len(falling) else -math.inf

    def fnir_at(self, fpir: float) -> float:
        """Return the false negative rate at the lowest threshold that keeps to a false positive rate."""
        return self.fnir(self.threshold_at(fpir))

    def points(self) -> tuple[Float64Array, Float64Array]:
        """Return FPIR (falling) and FNIR (rising), (k,) float64 each: below all scores, then above each stranger's."""
        scores = np.unique(self.nonmated[np.isfinite(self.nonmated)])
        thresholds = np.concatenate([[np.finfo(np.float64).min], scores])
        nonmated, mated = np.sort(self.nonmated), np.sort(self.mated)
        fpir = 1 - np.searchsorted(nonmated, thresholds, "right") / len(nonmated)
        fnir = np.searchsorted(mated, thresholds, "right") / len(mated)
        return fpir, fnir


def shipped_policy() -> Policy:
    """Return the policy that a configuration without a `[policy]` section gives."""
    return Policy(Schedule(ScheduleSettings().zone, ()), **msgspec.structs.asdict(PolicySettings()))


def percent(share: float | None) -> str:
    """Return a share (0 to 1) as readers want it: `0.39 %`."""
    if share is None:
        return "none tried"
    return f"{100 * share:#.2g} %" if 0 < share < 0.1 else f"{100 * share:.1f} %"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def picture_paths(folder: Path) -> list[Path]:
    """Return the pictures in a folder and below, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
