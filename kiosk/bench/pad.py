"""How often passive liveness errs on a folder of presentations: `bonafide/…` and `attack_<kind>/…`, at any depth.

A film may say by its own name what it is: `…_bonafide.mp4`, or `…_<kind>_replay.mp4`. Of a film, every fifth frame is
looked at. A frame goes through `Pipeline.look` as a camera's would, detection on a preview 320 px wide, and is decided
by `kiosk.core.decision` at the shipped threshold. Rates are ISO/IEC 30107-3's:

- APCER, by kind of attack: presentations taken for bona fide; BPCER: bona fide ones taken for attacks.
- A *non-response* (APNRR, BPNRR) is no decision: no usable face, or too little around it to judge. They are counted
  by cause, and are not in APCER and BPCER. A terminal lets nobody in without a decision.

With visits of K, a presentation is K usable frames in a row of one folder or film, as the core judges a visit: by the
median of their scores. Frames left over at the end are not used; a folder or film without K of them is a non-response.
Frames of one folder resemble each other, so bounds for independent trials are too close.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path

import cv2
import msgspec
import numpy as np

from kiosk.bench.rates import PICTURES, BenchError, Rate, percent, shipped_policy, table
from kiosk.core.biometrics import FaceProbe, Liveness, Policy
from kiosk.core.decision import Reason, Refused, judge_face
from kiosk.core.ports import Frame
from kiosk.recognition.detection import UInt8Array
from kiosk.recognition.gallery import Gallery
from kiosk.recognition.manifest import MODELS_FOLDER, ModelError
from kiosk.recognition.models import open_models
from kiosk.recognition.pipeline import Pipeline

FILMS = frozenset({".mp4", ".avi", ".mov", ".mkv"})
EVERY = 5
"""Of a film at 25 to 30 frames a second, about as often as a Pi 4 decides one."""
PREVIEW_WIDTH = 320
"""As a camera gives it; see `kiosk.sensors.camera`."""
BONA_FIDE = "bonafide"
ATTACK = "attack_"
FILM_NAME = re.compile(r".*_(bonafide|[a-z]+_replay)")


class KindErrors(msgspec.Struct, frozen=True):
    """One kind of attack."""

    kind: str
    apcer: float | None
    """0 to 1; None: no presentation got a decision."""
    presentations: int
    """That got a decision."""


class PadErrors(msgspec.Struct, frozen=True):
    """What other programs read."""

    threshold: float
    bpcer: float | None
    bonafide: int
    """Bona fide presentations that got a decision."""
    kinds: list[KindErrors]


class Outcome(StrEnum):
    """What a presentation was taken for."""

    BONA_FIDE = "bona fide"
    ATTACK = "attack"
    NON_RESPONSE = "non-response"


@dataclass(frozen=True, slots=True)
class Presentation:
    """One decision, or that there was none."""

    outcome: Outcome
    cause: str = ""
    """Of a non-response."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of pictures, or a film: frames of one person in their order."""

    kind: str
    """`bonafide`, or the attack's."""
    paths: Sequence[Path]

    def pictures(self) -> Iterator[UInt8Array]:
        """The frames, (height, width, 3) uint8 BGR."""
        for path in self.paths:
            if path.suffix.lower() in FILMS:
                yield from film(path, EVERY)
            else:
                picture = cv2.imread(str(path))
                if picture is not None:
                    yield np.asarray(picture, np.uint8)


@dataclass(frozen=True, slots=True)
class PadMeasured:
    """What a folder of presentations showed."""

    threshold: float
    visit: int
    """Frames a presentation."""
    presentations: Mapping[str, Sequence[Presentation]]
    """By kind."""

    def rate(self, kind: str) -> Rate:
        """Return BPCER or APCER: the wrong decisions among all decisions."""
        wrong = Outcome.ATTACK if kind == BONA_FIDE else Outcome.BONA_FIDE
        outcomes = [each.outcome for each in self.presentations.get(kind, ())]
        return Rate(outcomes.count(wrong), len(outcomes) - outcomes.count(Outcome.NON_RESPONSE))

    def non_responses(self, kind: str) -> Rate:
        """Return BPNRR or APNRR."""
        outcomes = [each.outcome for each in self.presentations.get(kind, ())]
        return Rate(outcomes.count(Outcome.NON_RESPONSE), len(outcomes))

    def causes(self, kind: str) -> Counter[str]:
        """Return why there was no decision, and how often."""
        return Counter(each.cause for each in self.presentations.get(kind, ()) if each.cause)

    @property
    def attacks(self) -> list[str]:
        """The kinds of attack."""
        return sorted(set(self.presentations) - {BONA_FIDE})

    @property
    def errors(self) -> PadErrors:
        """For other programs."""
        bona_fide = self.rate(BONA_FIDE)
        kinds = [KindErrors(kind, self.rate(kind).share, self.rate(kind).trials) for kind in self.attacks]
        return PadErrors(self.threshold, bona_fide.share, bona_fide.trials, kinds)


def pad(folder: Path, visits: Sequence[int] = (1,), models_folder: Path = MODELS_FOLDER) -> list[PadMeasured]:
    """Measure passive liveness on a folder, once for each number of frames a visit.

    Raises:
        ModelError: the models cannot be opened, or the passive one is absent.
        BenchError: there is no presentation.
    """
    models = open_models(models_folder)
    if models.liveness is None:
        raise ModelError(f"{models_folder}: the passive liveness model is absent, so there is nothing to measure")
    pipeline = Pipeline(models, Gallery())
    looked = [(source.kind, [_looked(pipeline, each) for each in source.pictures()]) for source in sources(folder)]
    if not looked:
        raise BenchError(f"{folder}: no picture or film in a folder {BONA_FIDE} or {ATTACK}<kind>, at any depth")
    return [_measured(looked, visit, shipped_policy()) for visit in visits]


def sources(folder: Path) -> list[Source]:
    """Return what there is to be seen in a folder, in the order of its names."""
    paths = sorted((path for path in folder.rglob("*") if path.suffix.lower() in PICTURES | FILMS), key=_in_order)
    by_place = groupby(paths, key=lambda path: path if path.suffix.lower() in FILMS else path.parent)
    grouped = [(_kind(place.relative_to(folder)), list(members)) for place, members in by_place]
    return [Source(kind, members) for kind, members in grouped if kind is not None]


def presented(probes: Sequence[FaceProbe], visit: int, policy: Policy) -> list[Presentation]:
    """Return the presentations that the frames of one source amount to.

    Args:
        probes: in their order.
        visit: how many frames are one; with 1, each frame that is not usable is a non-response.
    """
    usable = [probe for probe in probes if _is_usable(probe)]
    whole = [usable[start : start + visit] for start in range(0, len(usable) - visit + 1, visit)]
    decided = [_decided(each, policy) for each in whole]
    if visit == 1:
        return decided + [Presentation(Outcome.NON_RESPONSE, _why(probe)) for probe in probes if not _is_usable(probe)]
    return decided or [Presentation(Outcome.NON_RESPONSE, f"fewer than {visit} usable frames")]


def _is_usable(probe: FaceProbe) -> bool:
    return probe.faces > 0 and probe.hint is None


def _decided(probes: Sequence[FaceProbe], policy: Policy) -> Presentation:
    match judge_face(probes, policy, Liveness.PASSIVE):
        case Refused(Reason.ATTACK):
            return Presentation(Outcome.ATTACK)
        case Refused(Reason.NOT_LIVE):
            return Presentation(Outcome.NON_RESPONSE, "too little around the face")
        case _:  # nobody is enrolled, so whoever passes is unknown
            return Presentation(Outcome.BONA_FIDE)


def _why(probe: FaceProbe) -> str:
    return str(probe.hint) if probe.hint else "no face"


def _measured(looked: Iterable[tuple[str, Sequence[FaceProbe]]], visit: int, policy: Policy) -> PadMeasured:
    presentations: dict[str, list[Presentation]] = {}
    for kind, probes in looked:
        presentations.setdefault(kind, []).extend(presented(probes, visit, policy))
    return PadMeasured(policy.pad_threshold, visit, presentations)


def _looked(pipeline: Pipeline, picture: UInt8Array) -> FaceProbe:
    return pipeline.look(frame_of(picture)).probe


def frame_of(picture: UInt8Array) -> Frame:
    """Return a picture of any size as a camera would give it."""
    height, width = picture.shape[:2]
    size = (PREVIEW_WIDTH, round(height * PREVIEW_WIDTH / width))
    return Frame(0, picture, np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8))


def film(path: Path, every: int) -> Iterator[UInt8Array]:
    """The frames of a film, (height, width, 3) uint8 BGR, but only each so many-th."""
    frames = cv2.VideoCapture(str(path))
    try:
        number = 0
        while frames.grab():
            if number % every == 0:
                _, picture = frames.retrieve()
                yield np.asarray(picture, np.uint8)
            number += 1
    finally:
        frames.release()


def _kind(place: Path) -> str | None:
    """What a path below the folder holds, by the innermost part that says so; None: nothing that counts."""
    for part in reversed(place.parts):
        if part == BONA_FIDE:
            return BONA_FIDE
        if part.startswith(ATTACK):
            return part.removeprefix(ATTACK)
    named = FILM_NAME.fullmatch(place.stem) if place.suffix.lower() in FILMS else None
    return named.group(1) if named else None


def _in_order(path: Path) -> list[tuple[str, ...] | tuple[int, ...]]:
    """By folder, then as frames are numbered: frame 9 before frame 10."""
    return [path.parent.parts, *((int(part),) if part.isdigit() else (part,) for part in re.split(r"(\d+)", path.name))]


# ---- for people


def described(measured: Sequence[PadMeasured]) -> str:
    """Return everything measured, in Markdown."""
    head = ("frames", "presentations", "error", "rate (95 %)", "non-responses", "why")
    return table(head, [_row(each, kind) for each in measured for kind in _kinds(each)])


def _kinds(measured: PadMeasured) -> list[str]:
    return [kind for kind in (BONA_FIDE, *measured.attacks) if kind in measured.presentations]


def _row(measured: PadMeasured, kind: str) -> tuple[str, ...]:
    non_responses = measured.non_responses(kind)
    return (
        str(measured.visit),
        kind,
        "BPCER" if kind == BONA_FIDE else "APCER",
        str(measured.rate(kind)),
        f"{percent(non_responses.share)} ({non_responses.errors}/{non_responses.trials})",
        ", ".join(f"{cause} {count}" for cause, count in measured.causes(kind).most_common()),
    )
