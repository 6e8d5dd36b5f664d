"""What enrolment's gate measures on a folder of pictures, what it refuses, and whether that makes better references.

Every picture goes the way of enrolment. Where there are several faces, the middle of the picture is looked at alone, as
in `bench.match`. What recognition itself could not use (no face, too small, …) is counted by flaw and not measured.

Whether the gate helps is asked of the pictures themselves, twice:

1. Of every two pictures of one person, one is enrolled and the other a probe. FNMR is given for the enrolled ones that
   the gate passes and for those that it refuses, at the shipped threshold.
2. Everybody with two pictures or more is enrolled with one: drawn at random from all of theirs, or from those that the
   gate passes (from all, where it passes none). What was drawn for neither gallery is searched for in both, by the
   shipped policy, one frame each. FNIR of both galleries, over `DRAWS` draws.

Pairs and draws share pictures, so bounds for independent trials are too close.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import cv2
import msgspec
import numpy as np

from kiosk.bench.faces import Sample, middle, sampled
from kiosk.bench.match import DRAWS, Draw, searches
from kiosk.bench.rates import BenchError, Rate, percent, picture_paths, rate_of, shipped_policy, table
from kiosk.core.biometrics import Policy
from kiosk.recognition.detection import UInt8Array
from kiosk.recognition.enrolment import Flaw, crop_of, measured_quality
from kiosk.recognition.enrolment_quality import ENROLMENT_LIMITS, Limit, Quality, missed
from kiosk.recognition.manifest import MODELS_FOLDER
from kiosk.recognition.models import Models, open_models

PERCENTILES = (0, 1, 5, 50, 95, 99, 100)


class ComponentMeasured(msgspec.Struct, frozen=True):
    """One quality component of ISO/IEC 29794-5 over a folder."""

    component: str
    unit: str
    low: float | None
    """The lowest value that passes; None: any."""
    high: float | None
    percentiles: dict[str, float]
    """Of the values, by percentile."""
    refused: int
    """Pictures outside the limits, whatever else is wrong with them."""
    refuses: bool
    """False: the person is only told."""
    fnmr_passed: float | None
    """Of pairs whose enrolled picture keeps within these limits, 0 to 1; None: there are no pairs."""
    fnmr_refused: float | None
    """Of the other pairs."""
    pairs_refused: int


class QualityMeasured(msgspec.Struct, frozen=True):
    """What other programs read."""

    pictures: int
    flaws: dict[str, int]
    """Pictures that recognition could not use, by flaw."""
    measured: int
    refused: int
    """Of those measured, by one limit or more."""
    threshold: float
    components: list[ComponentMeasured]
    fnmr_passed: float | None
    """Of pairs whose enrolled picture passes the whole gate."""
    fnmr_refused: float | None
    pairs_passed: int
    pairs_refused: int
    gallery: int
    """People enrolled with one picture."""
    fnir_any: float | None
    """Of searches in a gallery of any pictures, 0 to 1; None: nobody has two."""
    fnir_gated: float | None
    """Of searches in a gallery of pictures that pass."""
    searches: int
    """Of either, over all draws."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture that recognition could use."""

    person: str
    quality: Quality
    sample: Sample

    @property
    def is_refused(self) -> bool:
        """Whether enrolment's gate would not have it."""
        return any(limit.refuses for limit in missed(self.quality))


def quality(folder: Path, models_folder: Path = MODELS_FOLDER) -> QualityMeasured:
    """Measure `DIR/<person>/*`, at any depth; 1,666 pictures of LFW take about two minutes.

    Raises:
        ModelError: the models cannot be opened.
        BenchError: no picture could be measured.
    """
    models = open_models(models_folder)
    shots: list[Shot] = []
    flaws: Counter[str] = Counter()
    for path in picture_paths(folder):
        shot = _shot(models, path)
        if isinstance(shot, Flaw):
            flaws[shot.value] += 1
        else:
            shots.append(shot)
    if not shots:
        raise BenchError(f"{folder}: no picture of a usable face; expected DIR/<person>/*.jpg")
    return summed_up(shots, flaws, shipped_policy())


def _shot(models: Models, path: Path) -> Shot | Flaw:
    read = cv2.imread(str(path))
    picture: UInt8Array = np.zeros((1, 1, 3), np.uint8) if read is None else np.asarray(read, np.uint8)
    measured = measured_quality(models, picture)
    if measured is Flaw.SEVERAL_FACES:
        picture = middle(picture)
        measured = measured_quality(models, picture)
    crop = crop_of(models, picture)
    if isinstance(measured, Flaw):
        return measured
    return crop if isinstance(crop, Flaw) else Shot(path.parent.name, measured, sampled(models.encoder, crop))


def summed_up(shots: Sequence[Shot], flaws: Mapping[str, int], policy: Policy) -> QualityMeasured:
    """Return what the pictures come to, by a policy."""
    threshold = policy.face_threshold
    pairs = list(_pairs(shots, threshold))
    passed, refused = _split(pairs, [shot.is_refused for shot in shots])
    people = [own for own in _by_person(shots).values() if len(own) > 1]
    any_picture, gated = _fnir(people, policy)
    return QualityMeasured(
        len(shots) + sum(flaws.values()),
        dict(sorted(flaws.items())),
        len(shots),
        sum(shot.is_refused for shot in shots),
        threshold,
        [_component(limit, shots, pairs) for limit in ENROLMENT_LIMITS],
        passed.share,
        refused.share,
        passed.trials,
        refused.trials,
        len(people),
        any_picture.share,
        gated.share,
        gated.trials,
    )


def _by_person(shots: Sequence[Shot]) -> dict[str, list[Shot]]:
    people: dict[str, list[Shot]] = {}
    for shot in shots:
        people.setdefault(shot.person, []).append(shot)
    return people


def _fnir(people: Sequence[Sequence[Shot]], policy: Policy) -> tuple[Rate, Rate]:
    """How often somebody is not named rightly: enrolled with any picture, and with one that passes the gate."""
    sums = [Rate(0, 0), Rate(0, 0)]
    for seed in range(DRAWS if people else 0):
        for place, draw in enumerate(_drawn(people, seed)):
            sums[place] += rate_of(not search.is_named_rightly for search in searches(draw, policy))
    return sums[0], sums[1]


def _drawn(people: Sequence[Sequence[Shot]], seed: int) -> tuple[Draw, Draw]:
    """Two galleries, and the same probes for both."""
    random = np.random.default_rng(seed)
    enrolled: tuple[dict[str, list[Sample]], ...] = ({}, {})
    mated: list[tuple[str, Sample]] = []
    for own in people:
        order = [own[int(place)] for place in random.permutation(len(own))]
        chosen = (order[0], next((shot for shot in order if not shot.is_refused), order[0]))
        for gallery, shot in zip(enrolled, chosen, strict=True):
            gallery[shot.person] = [shot.sample]
        mated += [(shot.person, shot.sample) for shot in own if shot not in chosen]
    return Draw(enrolled[0], mated, []), Draw(enrolled[1], mated, [])


def _pairs(shots: Sequence[Shot], threshold: float) -> Iterable[tuple[int, bool]]:
    """Of every two pictures of one person: which is enrolled, and whether the other is not recognised by it."""
    number = {id(shot): index for index, shot in enumerate(shots)}
    for own in _by_person(shots).values():
        for enrolled, probe in permutations(own, 2):
            yield number[id(enrolled)], float(enrolled.sample.reference @ probe.sample.probe) < threshold


def _split(pairs: Sequence[tuple[int, bool]], is_refused: Sequence[bool]) -> tuple[Rate, Rate]:
    """FNMR of pairs whose enrolled picture passes, and of the others."""
    passed = rate_of(missed_it for enrolled, missed_it in pairs if not is_refused[enrolled])
    return passed, rate_of(missed_it for enrolled, missed_it in pairs if is_refused[enrolled])


def _component(limit: Limit, shots: Sequence[Shot], pairs: Sequence[tuple[int, bool]]) -> ComponentMeasured:
    values = np.array([getattr(shot.quality, limit.measure) for shot in shots])
    is_refused = [not limit.is_kept(shot.quality) for shot in shots]
    passed, refused = _split(pairs, is_refused)
    found = {str(each): round(float(np.percentile(values, each)), 4) for each in PERCENTILES}
    low, high = (bound if np.isfinite(bound) else None for bound in (limit.low, limit.high))
    return ComponentMeasured(
        limit.component,
        limit.unit,
        low,
        high,
        found,
        sum(is_refused),
        limit.refuses,
        passed.share,
        refused.share,
        refused.trials,
    )


# ---- for people


def described(found: QualityMeasured) -> str:
    """Return everything measured, in Markdown."""
    flaws = ", ".join(f"{flaw} {count}" for flaw, count in found.flaws.items()) or "none"
    return "\n\n".join(
        [
            _components(found),
            f"Of {found.pictures} pictures recognition itself could not use {sum(found.flaws.values())} ({flaws}); of "
            f"the other {found.measured} the gate refuses {Rate(found.refused, found.measured)}.",
            f"Enrolled with one picture that passes: FNMR {percent(found.fnmr_passed)} of {found.pairs_passed} pairs; "
            f"with one that is refused: {percent(found.fnmr_refused)} of {found.pairs_refused}, at the threshold "
            f"{found.threshold:.2f}.",
            f"A gallery of {found.gallery} people enrolled with one picture each, {found.searches} searches of their "
            f"others: FNIR {percent(found.fnir_any)} with any picture enrolled, {percent(found.fnir_gated)} with one "
            "that passes.",
        ]
    )


def _components(found: QualityMeasured) -> str:
    head = ("component", "passes", "1 %", "median", "99 %", "refused", "FNMR if kept", "FNMR if not")
    return table(
        head,
        [
            (
                each.component,
                _range(each),
                *(f"{each.percentiles[name]:.3g}" for name in ("1", "50", "99")),
                percent(each.refused / found.measured) + ("" if each.refuses else " (told only)"),
                percent(each.fnmr_passed),
                f"{percent(each.fnmr_refused)} of {each.pairs_refused}",
            )
            for each in found.components
        ],
    )


def _range(each: ComponentMeasured) -> str:
    if each.low is None:
        return f"at most {each.high:g} {each.unit}"
    return f"at least {each.low:g} {each.unit}" if each.high is None else f"{each.low:g} to {each.high:g} {each.unit}"
