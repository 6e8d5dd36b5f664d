"""Strangers who are more alike: how often people of one group are taken for one another.

The evaluation data have no labels of origin. The list beside this file is of folder names, picked by hand because the
*name* is evidently East or South-East Asian; it says nothing else about anybody, leaves out many, and is no label of
the data. Folders that are not there are passed over.
"""

from __future__ import annotations

from pathlib import Path

from kiosk.bench.faces import Samples, one_to_one
from kiosk.bench.rates import Rate, rate_of
from kiosk.core.biometrics import Policy
from kiosk.recognition.gallery import Gallery, reference

NAMES = Path(__file__).with_name("east_and_south_east_asian_names.txt")
PICTURES_ENROLLED = 3
FEWEST = 10
"""People, to say anything about a group."""


def described(samples: Samples, threshold: float, policy: Policy) -> list[str]:
    """Return the group's figures in Markdown, a paragraph; none where the group is not in the data.

    Args:
        threshold: of the smallest gallery measured, for comparisons one to one.
    """
    listed = set(NAMES.read_text().split())
    group = {pid: each for pid, each in samples.items() if pid in listed}
    if len(group) < FEWEST:
        return []
    fmr, _ = one_to_one(group, threshold)
    thresholds, fpir = among_themselves(group, policy)
    return [
        f"People with East or South-East Asian names ({len(group)} people, {sum(map(len, group.values()))} pictures; "
        f"by name only: the data have no labels): one to one at {threshold:.3f}, all pairs, FMR {fmr}. Each as a "
        f"stranger to all the others, up to {PICTURES_ENROLLED} pictures enrolled: FPIR {fpir}, the thresholds in "
        f"force being {min(thresholds):.3f} to {max(thresholds):.3f}."
    ]


def among_themselves(group: Samples, policy: Policy) -> tuple[list[float], Rate]:
    """Return the thresholds and the FPIR where everybody in turn is a stranger to a gallery of all the others."""
    thresholds: list[float] = []
    named: list[bool] = []
    for stranger, pictures in group.items():
        others = [(pid, one) for pid, each in group.items() if pid != stranger for one in each[:PICTURES_ENROLLED]]
        references = [reference(pid, one.reference) for pid, one in others]
        gallery = Gallery(references, policy.face_fpir, policy.face_threshold)
        thresholds.append(gallery.threshold)
        best = [gallery.candidates(one.probe, 1)[0].comparison_score for one in pictures]
        named += [score >= gallery.threshold for score in best]
    return thresholds, rate_of(named)
