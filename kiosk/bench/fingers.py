"""How often a search of fingers errs: the real driver over the simulated reader, on `<person>_<finger>_<impression>`.

Each finger is enrolled with two impressions, as `kiosk enrol` does it, at the shipped security level. Every other
impression is a mated probe, searched among all enrolled fingers and decided by `kiosk.core.decision`. For the non-mated
ones a finger is taken out of the gallery, and all its impressions are searched among the others. That is done for
`ROTATIONS` choices of the two impressions.

Impression 1 is left out: in FCJ2020 some are of another finger (`101_5_1` is finger 101_4, `101_7_1` is 101_6,
`102_6_1` is 102_5). A pair of impressions that the reader takes for two fingers is a failure to enrol (FTE), an
impression without enough minutiae a failure to acquire (FTA); neither is in FNIR, both are counted.

The matcher is the simulator's, NIST's mindtct and bozorth3: these figures are of the whole way from picture to decision
in this program, *not* of the R307's own matcher, which nobody can measure without the sensor.

With two fingers enrolled, a person who is not known by the one presses the other. Their errors follow from the same
searches: each pair of a person's fingers, each impression of both.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from kiosk.bench.rates import BenchError, Rate, rate_of, table
from kiosk.config import FingerprintSettings
from kiosk.core.biometrics import FingerProbe, FingerReference
from kiosk.core.decision import Accepted, decide_finger
from kiosk.sensors.fingerprint import Enrolled, EnrolStep, enrol
from kiosk.sensors.fingerprint_library import Library
from kiosk.sensors.fingerprint_reader import SCORE_THRESHOLDS, Buffer, Capture, Reader, open_reader
from kiosk.sim.fingerprint import SimulatedReader
from kiosk.sim.minutiae import Impression, Matcher

NAME = re.compile(r"(?P<person>[^_]+)_(?P<finger>[^_]+)_(?P<impression>\d+)\.(bmp|png|tif|jpg)", re.IGNORECASE)
LEFT_OUT = frozenset({1})
"""Impressions that are not used; see above."""
ROTATIONS = 5
"""As many as give each of five impressions the same part; all pairs of neighbours, round the circle."""
ENROLLED_WITH = 2
SHIPPED_LEVEL = FingerprintSettings().security_level
FEWEST_IMPRESSIONS = 3
WITHIN_S = 5.0

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, order=True)
class Finger:
    """Whose finger, and which."""

    person: str
    name: str

    @property
    def pid(self) -> str:
        """What it is enrolled as: fingers are told apart, not only people."""
        return f"{self.person}_{self.name}"


Presses = Mapping[Finger, Sequence[Image]]


class FingerErrors(msgspec.Struct, frozen=True):
    """What other programs read: FPIR and FNIR of a single finger, 0 to 1, and how many searches they are of."""

    level: int
    fpir: float | None
    fnir: float | None
    mated: int
    nonmated: int


@dataclass(frozen=True, slots=True)
class Press:
    """One impression's search."""

    finger: Finger
    rotation: int
    impression: int
    """Counted from 0 among those used."""
    found: str | None
    """Whose `pid` was accepted."""
    is_usable: bool = True


@dataclass(frozen=True, slots=True)
class FingersMeasured:
    """What a folder of fingers showed."""

    level: int
    fingers: int
    mated: Sequence[Press]
    nonmated: Sequence[Press]
    enrolment: Rate
    """Failures to enrol."""

    @property
    def acquisition(self) -> Rate:
        """Failures to acquire, of the mated presses."""
        return rate_of(not press.is_usable for press in self.mated)

    @property
    def fnir(self) -> Rate:
        """Mated presses that were not accepted as their finger."""
        return rate_of(press.found != press.finger.pid for press in self.mated if press.is_usable)

    @property
    def fpir(self) -> Rate:
        """Presses of a finger that is not enrolled which were accepted as another."""
        return rate_of(press.found is not None for press in self.nonmated if press.is_usable)

    @property
    def fpir_of_strangers(self) -> Rate:
        """Of those, the ones accepted as another person's finger."""
        return rate_of(_person(press.found) not in {None, press.finger.person} for press in self.nonmated)

    def fnir_by_finger(self) -> dict[Finger, Rate]:
        """Return FNIR of each finger."""
        fingers = sorted({press.finger for press in self.mated})
        return {
            finger: rate_of(
                press.found != finger.pid for press in self.mated if press.finger == finger and press.is_usable
            )
            for finger in fingers
        }

    def fnir_with_two(self) -> dict[str, Rate]:
        """Return, by person, how often neither of two enrolled fingers was accepted as theirs."""
        rates: dict[str, Rate] = {}
        for one, other in self._pairs():
            is_refused = all(_person(press.found) != press.finger.person for press in (one, other))
            rates[one.finger.person] = rates.get(one.finger.person, Rate(0, 0)) + Rate(int(is_refused), 1)
        return rates

    def _pairs(self) -> Iterator[tuple[Press, Press]]:
        """The same impression of two fingers of a person; both enrolled."""
        for one, other in combinations(sorted(self.mated, key=lambda press: press.finger), 2):
            same = (one.finger.person, one.rotation, one.impression) == (
                other.finger.person,
                other.rotation,
                other.impression,
            )
            if same and one.finger != other.finger:
                yield one, other

    @property
    def errors(self) -> FingerErrors:
        """For other programs."""
        return FingerErrors(self.level, self.fpir.share, self.fnir.share, self.fnir.trials, self.fpir.trials)


class RememberingMatcher:
    """mindtct and bozorth3, each asked only once for the same thing: the answers are the same, the minutes are not."""

    def __init__(self) -> None:
        """
        Raises:
            MatcherMissingError: the package `nbis` is not installed.
        """
        self._matcher = Matcher()
        self._impressions: dict[bytes, Impression] = {}
        self._scores: dict[tuple[Impression, Impression], int] = {}

    def impression(self, image: Image) -> Impression:
        """The minutiae of an image; see `Matcher`."""
        key = image.tobytes()
        if key not in self._impressions:
            self._impressions[key] = self._matcher.impression(image)
        return self._impressions[key]

    def score(self, one: Sequence[Impression], other: Sequence[Impression]) -> int:
        """The best score between impressions of two templates; see `Matcher`."""
        return max((self._score(a, b) for a in one for b in other), default=0)

    def _score(self, one: Impression, other: Impression) -> int:
        if (one, other) not in self._scores:
            self._scores[one, other] = self._matcher.score([one], [other])
        return self._scores[one, other]


def fingers(folder: Path, level: int = SHIPPED_LEVEL) -> FingersMeasured:
    """Measure the search on the fingers in a folder; 32 fingers take two minutes.

    Args:
        level: the reader's security level, 1 to 5.

    Raises:
        MatcherMissingError: the simulated reader has no matcher.
        BenchError: there are no two fingers with enough impressions.
    """
    presses = read(folder)
    if len(presses) < 2:
        raise BenchError(
            f"{folder}: expected two fingers or more as <person>_<finger>_<impression>.bmp, each with "
            f"{FEWEST_IMPRESSIONS} impressions besides the first"
        )
    with (
        SimulatedReader(paced=False, matcher=RememberingMatcher()) as simulated,
        open_reader(FingerprintSettings(port=simulated.path, security_level=level)) as reader,
    ):
        return _Bench(simulated, reader, level, presses).measured()


def read(folder: Path) -> dict[Finger, list[Image]]:
    """Return the impressions of each finger that has enough, (height, width) uint8, in the order of their numbers."""
    named = [(path, match) for path in sorted(folder.rglob("*")) if (match := NAME.fullmatch(path.name))]
    numbered: dict[Finger, dict[int, Path]] = {}
    for path, match in named:
        if int(match["impression"]) not in LEFT_OUT:
            numbered.setdefault(Finger(match["person"], match["finger"]), {})[int(match["impression"])] = path
    return {
        finger: [_image(paths[number]) for number in sorted(paths)]
        for finger, paths in sorted(numbered.items())
        if len(paths) >= FEWEST_IMPRESSIONS
    }


@dataclass(frozen=True, slots=True)
class _Bench:
    """The reader, and the fingers to lay on it."""

    simulated: SimulatedReader
    reader: Reader
    level: int
    presses: Presses
    failures: list[Finger] = field(default_factory=list)

    def measured(self) -> FingersMeasured:
        mated: list[Press] = []
        nonmated: list[Press] = []
        for rotation in range(ROTATIONS):
            enrolled = self._enrolled(rotation)
            mated += self._mated(rotation, enrolled)
            nonmated += self._nonmated(rotation, enrolled)
        tried = ROTATIONS * len(self.presses)
        return FingersMeasured(self.level, len(self.presses), mated, nonmated, Rate(len(self.failures), tried))

    def _enrolled(self, rotation: int) -> dict[Finger, FingerReference]:
        enrolled = {}
        for finger, images in self.presses.items():
            template = self._enrol([images[index] for index in chosen(rotation, len(images))])
            if template is None:
                self.failures.append(finger)
            else:
                enrolled[finger] = FingerReference(finger.pid, 1, template)
        return enrolled

    def _enrol(self, images: Sequence[Image]) -> bytes | None:
        """Press twice, as a person would; None: the reader makes no template of it."""
        stopping = threading.Event()
        waiting = list(images)

        def follow(step: EnrolStep) -> None:
            match step:
                case EnrolStep.PRESS | EnrolStep.PRESS_SAME_AGAIN:
                    self.simulated.place(waiting.pop(0))
                case EnrolStep.LIFT:
                    self.simulated.lift()
                case EnrolStep.PRESS_BETTER:
                    stopping.set()

        outcome = enrol(self.reader, follow, stopping, WITHIN_S)
        return outcome.template if isinstance(outcome, Enrolled) else None

    def _mated(self, rotation: int, enrolled: Mapping[Finger, FingerReference]) -> Iterator[Press]:
        library = self._filled(list(enrolled.values()))
        for finger in enrolled:
            used = chosen(rotation, len(self.presses[finger]))
            for index in range(len(self.presses[finger])):
                if index not in used:
                    yield self._searched(library, finger, rotation, index)

    def _nonmated(self, rotation: int, enrolled: Mapping[Finger, FingerReference]) -> Iterator[Press]:
        for finger, images in self.presses.items():
            library = self._filled([each for other, each in enrolled.items() if other != finger])
            for index in range(len(images)):
                yield self._searched(library, finger, rotation, index)

    def _filled(self, references: Sequence[FingerReference]) -> Library:
        library = Library(self.reader)
        library.expect(references)
        while library.advance():
            pass
        return library

    def _searched(self, library: Library, finger: Finger, rotation: int, index: int) -> Press:
        self.simulated.place(self.presses[finger][index])
        if self.reader.capture() is not Capture.TAKEN or not self.reader.extract(Buffer.PROBE):
            return Press(finger, rotation, index, None, is_usable=False)
        candidate = library.candidate(self.reader.search())
        threshold = float(SCORE_THRESHOLDS[self.level])
        decision = decide_finger(FingerProbe(0, None, (candidate,) if candidate else (), threshold))
        return Press(finger, rotation, index, decision.pid if isinstance(decision, Accepted) else None)


def chosen(rotation: int, impressions: int) -> tuple[int, ...]:
    """Return which impressions, counted from 0, a rotation enrols: 0 and 1, then 2 and 3, and round again."""
    return tuple((ENROLLED_WITH * rotation + index) % impressions for index in range(ENROLLED_WITH))


def _image(path: Path) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise BenchError(f"{path}: not a picture that can be read")
    return np.asarray(image, np.uint8)


def _person(pid: str | None) -> str | None:
    return pid.partition("_")[0] if pid else None


# ---- for people


def described(measured: FingersMeasured) -> str:
    """Return everything measured, in Markdown."""
    with_two = measured.fnir_with_two()
    pairs = sum(with_two.values(), Rate(0, 0))
    rows = [
        ("FPIR, a finger that is not enrolled", measured.fpir),
        ("- of those, accepted as another person", measured.fpir_of_strangers),
        ("FNIR, one finger", measured.fnir),
        ("FNIR, two fingers enrolled, either accepted", pairs),
        ("FTE, pairs of impressions", measured.enrolment),
        ("FTA, presses", measured.acquisition),
    ]
    summary = table(("", f"level {measured.level}, {measured.fingers} fingers"), rows)
    fingers_head = ("finger", "FNIR (95 %)")
    by_finger = [(finger.pid, rate) for finger, rate in measured.fnir_by_finger().items() if rate.errors]
    by_person = [(person, rate) for person, rate in sorted(with_two.items())]
    return "\n\n".join(
        [
            summary,
            "Fingers with any error:\n\n" + table(fingers_head, by_finger),
            table(("person", "FNIR with two fingers (95 %)"), by_person),
        ]
    )
