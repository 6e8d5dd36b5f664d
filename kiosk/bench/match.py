"""How often a search of faces errs: open-set identification on a folder `DIR/<person>/*.jpg`, at the shipped defaults.

The protocol, for a gallery of N people with K pictures enrolled:

1. Pictures become samples as `kiosk.bench.faces` says.
2. People with more than K usable pictures can be mates. N people are drawn: mates first, and where there are fewer
   than N, those with the most pictures fill the gallery, enrolled with as many as they have, up to K.
3. Of each mate, K pictures drawn at random are enrolled and every other one is a mated probe. Every picture of whoever
   is not in the gallery is a non-mated probe.
4. Each probe is decided as one frame by `kiosk.core.decision`, with the gallery's threshold and the policy's margin,
   no liveness. Enrolled pictures and probes become templates as on a terminal (`FaceEncoder`).
5. That is drawn `DRAWS` times with the seeds 0, 1, …; the counts add up, so a picture is counted once a draw. Bounds
   are therefore given for the trials of a single draw.

FNIR counts a mate who is refused, and one who is taken for somebody else. A gallery is measured if at least
`FEWEST_STRANGERS` people stay outside it; in a folder too small for the first size, half of its people are enrolled.

Plain SFace, to compare with: the mean of a person's features as the network gives them, made units, one threshold for
all, no margin.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from kiosk.bench import groups
from kiosk.bench.faces import FaceSet, Sample, Samples, embedded, one_to_one
from kiosk.bench.rates import BenchError, ErrorCurve, Float64Array, Rate, percent, shipped_policy, table
from kiosk.core.biometrics import FaceProbe, Liveness, Policy
from kiosk.core.decision import Accepted, Decision, judge_face
from kiosk.recognition.gallery import Gallery, reference
from kiosk.recognition.manifest import MODELS_FOLDER
from kiosk.recognition.models import open_models

SIZES = (100, 500, 1000, 2000, 5000)
PICTURES_ENROLLED = (1, 3)
FEWEST_STRANGERS = 100
DRAWS = 10
ANY_SCORE = -1.0
"""The least cosine that there is."""
PUBLISHED_FPIR = (0.01, 0.001)


class GalleryErrors(msgspec.Struct, frozen=True):
    """What a gallery erred at the shipped defaults: FPIR and FNIR, 0 to 1, and how many searches they are of."""

    people: int
    pictures: int
    threshold: float
    fpir: float
    fnir: float
    mated: int
    nonmated: int


class MatchErrors(msgspec.Struct, frozen=True):
    """What other programs read."""

    galleries: list[GalleryErrors]


@dataclass(frozen=True, slots=True)
class Draw:
    """Who is enrolled with what, and who is probed."""

    enrolled: Samples
    mated: Sequence[tuple[str, Sample]]
    nonmated: Sequence[Sample]

    def gallery(self, policy: Policy) -> Gallery:
        """Return what a terminal would search."""
        references = [reference(pid, one.reference) for pid, each in self.enrolled.items() for one in each]
        return Gallery(references, policy.face_fpir, policy.face_threshold)


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What one probe's search gave."""

    pid: str | None
    """Whose the probe is; None: nobody's in the gallery."""
    decision: Decision
    """By the shipped policy."""
    unlimited: Decision
    """Had the threshold let everybody pass: the person and the score that every other threshold decides about."""
    plain: float
    """The score of whom plain SFace finds, if it is the right person, or the probe is nobody's; -inf otherwise."""

    @property
    def score(self) -> float:
        """Of the person named, if it is the right one; -inf: no threshold would do."""
        match self.unlimited:
            case Accepted(pid, _, score) if self.pid in {None, pid}:
                return score
            case _:
                return -math.inf

    @property
    def is_named_rightly(self) -> bool:
        """Whether the probe's own person was accepted."""
        return isinstance(self.decision, Accepted) and self.decision.pid == self.pid

    @property
    def is_named_wrongly(self) -> bool:
        """Whether somebody else was accepted."""
        return isinstance(self.decision, Accepted) and self.decision.pid != self.pid


@dataclass(frozen=True, slots=True, eq=False)
class GalleryMeasured:
    """Everything about galleries of one size and number of pictures."""

    people: int
    pictures: int
    draws: int
    mates: int
    """People who were enrolled and probed, a draw."""
    enrolled_mean: float
    """Pictures a person, the mean."""
    threshold: float
    """The middle one of the draws' galleries."""
    fpir: Rate
    fnir: Rate
    misnamed: Rate
    """Mated probes accepted as somebody else; part of FNIR."""
    shipped: ErrorCurve
    """With the shipped margin, at every threshold."""
    plain: ErrorCurve

    @property
    def errors(self) -> GalleryErrors:
        """For other programs."""
        fpir, fnir = self.fpir.share or 0.0, self.fnir.share or 0.0
        return GalleryErrors(self.people, self.pictures, self.threshold, fpir, fnir, self.fnir.trials, self.fpir.trials)


@dataclass(frozen=True, slots=True)
class Matching:
    """What a folder of faces showed."""

    faces: FaceSet
    galleries: Sequence[GalleryMeasured]
    fmr: Rate
    """One to one, at the smallest gallery's threshold, over all pairs; they share pictures, so bounds are too close."""
    fnmr: Rate

    @property
    def errors(self) -> MatchErrors:
        """For other programs."""
        return MatchErrors([each.errors for each in self.galleries])


def match(folder: Path, models_folder: Path = MODELS_FOLDER) -> Matching:
    """Measure the search on the people of a folder.

    Raises:
        ModelError: the models cannot be opened.
        BenchError: no person has two usable pictures, or nobody is left over to be a stranger.
    """
    faces = embedded(open_models(models_folder), folder)
    return matched(faces, shipped_policy())


def matched(faces: FaceSet, policy: Policy) -> Matching:
    """Measure the search on samples.

    Raises:
        BenchError: no person has two of them, or nobody is left over to be a stranger.
    """
    galleries = [
        _measured(faces.samples, people, pictures, policy)
        for people in sizes(len(faces.samples))
        for pictures in PICTURES_ENROLLED
        if any(len(each) > pictures for each in faces.samples.values())
    ]
    if not galleries:
        raise BenchError(
            f"{len(faces.samples)} people with a usable picture: expected DIR/<person>/*.jpg of two people or more, "
            "one of them with two usable pictures"
        )
    fmr, fnmr = one_to_one(faces.samples, galleries[0].threshold)
    return Matching(faces, galleries, fmr, fnmr)


def sizes(people: int) -> tuple[int, ...]:
    """Return how large galleries of so many people can be, with enough strangers left over."""
    fitting = tuple(size for size in SIZES if size + FEWEST_STRANGERS <= people)
    return fitting or tuple(half for half in (people // 2,) if half)


def drawn(samples: Samples, people: int, pictures: int, seed: int) -> Draw:
    """Return one draw of the protocol above; `people` is at most as many as there are."""
    random = np.random.default_rng(seed)
    shuffled = {
        pid: [samples[pid][index] for index in random.permutation(len(samples[pid]))]
        for pid in random.permutation(sorted(samples)).tolist()
    }
    fullest_first = sorted(shuffled, key=lambda pid: min(len(shuffled[pid]), pictures + 1), reverse=True)
    enrolled, strangers = fullest_first[:people], fullest_first[people:]
    return Draw(
        {pid: shuffled[pid][:pictures] for pid in enrolled},
        [(pid, probe) for pid in enrolled for probe in shuffled[pid][pictures:]],
        [probe for pid in strangers for probe in shuffled[pid]],
    )


def searches(draw: Draw, policy: Policy) -> Iterator[Search]:
    """Search every probe of a draw, the mated ones first."""
    gallery = draw.gallery(policy)
    pids = list(draw.enrolled)
    means = np.stack([np.mean([one.plain for one in draw.enrolled[pid]], axis=0) for pid in pids])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    for pid, sample in (*draw.mated, *((None, probe) for probe in draw.nonmated)):
        frame = FaceProbe(0, 1, threshold=gallery.threshold, fused=gallery.candidates(sample.probe))
        plain = means @ sample.plain
        best = int(plain.argmax())
        yield Search(
            pid,
            judge_face([frame], policy, Liveness.OFF),
            judge_face([replace(frame, threshold=ANY_SCORE)], policy, Liveness.OFF),
            float(plain[best]) if pid in {None, pids[best]} else -math.inf,
        )


def _measured(samples: Samples, people: int, pictures: int, policy: Policy) -> GalleryMeasured:
    draws = [drawn(samples, people, pictures, seed) for seed in range(DRAWS)]
    found = [search for draw in draws for search in searches(draw, policy)]
    mated = [search for search in found if search.pid is not None]
    nonmated = [search for search in found if search.pid is None]
    return GalleryMeasured(
        people,
        pictures,
        DRAWS,
        len({pid for pid, _ in draws[0].mated}),
        float(np.mean([len(each) for each in draws[0].enrolled.values()])),
        float(np.median([each.decision.thr or 0.0 for each in found])),
        Rate(sum(search.is_named_wrongly for search in nonmated), len(nonmated)),
        Rate(sum(not search.is_named_rightly for search in mated), len(mated)),
        Rate(sum(search.is_named_wrongly for search in mated), len(mated)),
        ErrorCurve(_scores([search.score for search in mated]), _scores([search.score for search in nonmated])),
        ErrorCurve(_scores([search.plain for search in mated]), _scores([search.plain for search in nonmated])),
    )


def _scores(scores: Sequence[float]) -> Float64Array:
    return np.asarray(scores, np.float64)


# ---- for people


def described(measured: Matching) -> str:
    """Return everything measured, in Markdown."""
    return "\n\n".join(
        [
            _at_the_defaults(measured.galleries),
            _at_equal_fpir(measured.galleries),
            *groups.described(measured.faces.samples, measured.galleries[0].threshold, shipped_policy()),
            f"One to one at the smallest gallery's threshold, all pairs: FMR {measured.fmr}; FNMR {measured.fnmr}.",
            f"FTA, pictures that gave no template: {measured.faces.failures_to_acquire}; by flaw: "
            + (", ".join(f"{flaw} {count}" for flaw, count in sorted(measured.faces.flaws.items())) or "none")
            + f". Of {measured.faces.middles} pictures with several faces only the middle was looked at.",
        ]
    )


def _at_the_defaults(galleries: Sequence[GalleryMeasured]) -> str:
    head = ("people", "pictures", "a person", "mates", "threshold", "FPIR", "95 %", "FNIR", "95 %", "misnamed")
    rows = [
        (
            each.people,
            each.pictures,
            f"{each.enrolled_mean:.2f}",
            each.mates,
            f"{each.threshold:.3f}",
            f"{percent(each.fpir.share)} of {each.fpir.trials}",
            f"{percent(each.fpir.once(each.draws).bounds()[0])} to {percent(each.fpir.once(each.draws).bounds()[1])}",
            f"{percent(each.fnir.share)} of {each.fnir.trials}",
            f"{percent(each.fnir.once(each.draws).bounds()[0])} to {percent(each.fnir.once(each.draws).bounds()[1])}",
            f"{each.misnamed.errors}",
        )
        for each in galleries
    ]
    return table(head, rows)


def _at_equal_fpir(galleries: Sequence[GalleryMeasured]) -> str:
    points = [(name, fpir) for fpir in PUBLISHED_FPIR for name in ("shipped", "plain")]
    head = ("people", "pictures", *(f"FNIR at FPIR {percent(fpir)}, {name}" for name, fpir in points))
    return table(
        head, [(each.people, each.pictures, *(_point(each, *point) for point in points)) for each in galleries]
    )


def _point(measured: GalleryMeasured, name: str, fpir: float) -> str:
    curve = measured.shipped if name == "shipped" else measured.plain
    threshold = curve.threshold_at(fpir)
    return f"{percent(curve.fnir(threshold))} ({threshold:.3f})"
