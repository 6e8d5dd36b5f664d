"""How often a search of faces errs: open-set identification on a folder `DIR/<person>/*.jpg`, at the shipped defaults.

The protocol, for a gallery of N people with K pictures enrolled:

1. Every picture goes the way of enrolment (`template_of`). One that it refuses is a failure to acquire (FTA): counted,
   by flaw, and used neither as a reference nor as a probe. Where there are several faces, the one in the middle is
   meant, as in LFW: the middle of the picture is looked at alone. How often that was is said.
2. People with more than K usable pictures can be mates. N people are drawn: mates first, and where there are fewer
   than N, those with the most pictures fill the gallery, enrolled with as many as they have, up to K.
3. Of each mate, K pictures drawn at random are enrolled and every other one is a mated probe. Every picture of whoever
   is not in the gallery is a non-mated probe.
4. Each probe is decided as one frame by `kiosk.core.decision`, with the policy's threshold and margin, no liveness.
5. That is drawn `DRAWS` times with the seeds 0, 1, …; the counts add up, so a picture is counted once a draw. Bounds
   are therefore given for the trials of a single draw.

FNIR counts a mate who is refused, and one who is taken for somebody else. A gallery is measured if at least
`FEWEST_STRANGERS` people stay outside it; in a folder too small for the first size, half of its people are enrolled.

Plain SFace, to compare with: the mean of a person's enrolled templates, one threshold for all, no margin.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import msgspec
import numpy as np

from kiosk.bench.rates import BenchError, ErrorCurve, Float64Array, Rate, percent, picture_paths, shipped_policy, table
from kiosk.core.biometrics import FaceProbe, Liveness, Policy
from kiosk.core.decision import Accepted, Decision, judge_face
from kiosk.recognition.detection import Float32Array, UInt8Array
from kiosk.recognition.enrolment import Flaw, template_of
from kiosk.recognition.gallery import Gallery, reference
from kiosk.recognition.manifest import MODELS_FOLDER
from kiosk.recognition.models import Models, open_models

SIZES = (100, 500, 1000, 2000, 5000)
PICTURES_ENROLLED = (1, 3)
FEWEST_STRANGERS = 100
DRAWS = 10
MIDDLE_SHARE = 0.6
"""Of LFW's 250 px; the faces named, from hairline to chin, are about 110 px high and in the middle."""
ANY_SCORE = -1.0
"""The least cosine that there is."""
PUBLISHED_FPIR = (0.01, 0.001)

Templates = Mapping[str, Sequence[Float32Array]]
"""By person."""


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
class FaceSet:
    """A folder's templates."""

    templates: Templates
    """Usable ones, (128,) float32 of unit length, by person."""
    flaws: Mapping[Flaw, int]
    """Pictures that gave none, by flaw."""
    middles: int = 0
    """Pictures of which only the middle was used, since there are several faces."""

    @property
    def failures_to_acquire(self) -> Rate:
        """Of all pictures."""
        usable = sum(len(each) for each in self.templates.values())
        failed = sum(self.flaws.values())
        return Rate(failed, failed + usable)


@dataclass(frozen=True, slots=True)
class Draw:
    """Who is enrolled with what, and who is probed."""

    enrolled: Templates
    mated: Sequence[tuple[str, Float32Array]]
    nonmated: Sequence[Float32Array]


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
    """One to one, at the shipped threshold, over all pairs; they share pictures, so bounds are too close."""
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


def embedded(models: Models, folder: Path) -> FaceSet:
    """Return the templates of `DIR/<person>/*`; 1,666 pictures of LFW take about a minute."""
    templates: dict[str, list[Float32Array]] = {}
    flaws: Counter[Flaw] = Counter()
    middles = 0
    for path in picture_paths(folder):
        read = cv2.imread(str(path))
        picture = np.zeros((1, 1, 3), np.uint8) if read is None else np.asarray(read, np.uint8)
        found = template_of(models, picture)
        if found is Flaw.SEVERAL_FACES:
            middles += 1
            found = template_of(models, middle(picture))
        if isinstance(found, Flaw):
            flaws[found] += 1
        else:
            templates.setdefault(path.parent.name, []).append(found)
    return FaceSet(templates, flaws, middles)


def middle(picture: UInt8Array, share: float = MIDDLE_SHARE) -> UInt8Array:
    """Return the middle of a (height, width, 3) uint8 picture, a share of its height and width."""
    rows, columns = (slice(round(size * (1 - share) / 2), round(size * (1 + share) / 2)) for size in picture.shape[:2])
    return np.ascontiguousarray(picture[rows, columns])


def matched(faces: FaceSet, policy: Policy) -> Matching:
    """Measure the search on templates.

    Raises:
        BenchError: no person has two of them, or nobody is left over to be a stranger.
    """
    galleries = [
        _measured(faces.templates, people, pictures, policy)
        for people in sizes(len(faces.templates))
        for pictures in PICTURES_ENROLLED
        if any(len(each) > pictures for each in faces.templates.values())
    ]
    if not galleries:
        raise BenchError(
            f"{len(faces.templates)} people with a usable picture: expected DIR/<person>/*.jpg of two people or more, "
            "one of them with two usable pictures"
        )
    fmr, fnmr = one_to_one(faces.templates, galleries[0].threshold)
    return Matching(faces, galleries, fmr, fnmr)


def sizes(people: int) -> tuple[int, ...]:
    """Return how large galleries of so many people can be, with enough strangers left over."""
    fitting = tuple(size for size in SIZES if size + FEWEST_STRANGERS <= people)
    return fitting or tuple(half for half in (people // 2,) if half)


def drawn(templates: Templates, people: int, pictures: int, seed: int) -> Draw:
    """Return one draw of the protocol above; `people` is at most as many as there are."""
    random = np.random.default_rng(seed)
    shuffled = {
        pid: [templates[pid][index] for index in random.permutation(len(templates[pid]))]
        for pid in random.permutation(sorted(templates)).tolist()
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
    gallery = Gallery(
        [reference(pid, one) for pid, each in draw.enrolled.items() for one in each], policy.face_threshold
    )
    pids = list(draw.enrolled)
    means = np.stack([np.mean(draw.enrolled[pid], axis=0) for pid in pids])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    for pid, template in (*draw.mated, *((None, probe) for probe in draw.nonmated)):
        frame = FaceProbe(0, 1, threshold=gallery.threshold, fused=gallery.candidates(template))
        plain = means @ template
        best = int(plain.argmax())
        yield Search(
            pid,
            judge_face([frame], policy, Liveness.OFF),
            judge_face([replace(frame, threshold=ANY_SCORE)], policy, Liveness.OFF),
            float(plain[best]) if pid in {None, pids[best]} else -math.inf,
        )


def one_to_one(templates: Templates, threshold: float) -> tuple[Rate, Rate]:
    """Return FMR and FNMR over all pairs of templates."""
    stacked = np.stack([one for pid in sorted(templates) for one in templates[pid]])
    owners = np.repeat(np.arange(len(templates)), [len(templates[pid]) for pid in sorted(templates)])
    matches, trials = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for index in range(len(stacked)):
        is_alike = stacked[index + 1 :] @ stacked[index] >= threshold
        is_mated = owners[index + 1 :] == owners[index]
        trials += (np.count_nonzero(~is_mated), np.count_nonzero(is_mated))
        matches += (np.count_nonzero(is_alike & ~is_mated), np.count_nonzero(is_alike & is_mated))
    return Rate(int(matches[0]), int(trials[0])), Rate(int(trials[1] - matches[1]), int(trials[1]))


def _measured(templates: Templates, people: int, pictures: int, policy: Policy) -> GalleryMeasured:
    draws = [drawn(templates, people, pictures, seed) for seed in range(DRAWS)]
    found = [search for draw in draws for search in searches(draw, policy)]
    mated = [search for search in found if search.pid is not None]
    nonmated = [search for search in found if search.pid is None]
    return GalleryMeasured(
        people,
        pictures,
        DRAWS,
        len({pid for pid, _ in draws[0].mated}),
        float(np.mean([len(each) for each in draws[0].enrolled.values()])),
        found[0].decision.thr or policy.face_threshold,
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
            f"One to one at the shipped threshold, all pairs: FMR {measured.fmr}; FNMR {measured.fnmr}.",
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
            f"{each.threshold:.2f}",
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
