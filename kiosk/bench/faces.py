"""A folder of faces, `DIR/<person>/*.jpg`, as templates: a terminal's of each picture, and plain SFace's.

Every picture goes the way of enrolment (`crop_of`). One that it refuses is a failure to acquire (FTA): counted, by
flaw, and used neither as a reference nor as a probe. Where there are several faces, the one in the middle is meant, as
in LFW: the middle of the picture is looked at alone. How often that was is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from kiosk.bench.rates import Rate, picture_paths
from kiosk.recognition.detection import Float32Array, UInt8Array
from kiosk.recognition.encoding import FaceEncoder
from kiosk.recognition.enrolment import Flaw, crop_of
from kiosk.recognition.models import Models

MIDDLE_SHARE = 0.6
"""Of LFW's 250 px; the faces named, from hairline to chin, are about 110 px high and in the middle."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What one picture gave; each (128,) float32 of unit length."""

    probe: Float32Array
    reference: Float32Array
    plain: Float32Array
    """As plain SFace has it."""


Samples = Mapping[str, Sequence[Sample]]
"""By person."""


@dataclass(frozen=True, slots=True)
class FaceSet:
    """A folder's pictures, as templates."""

    samples: Samples
    """Of the usable ones."""
    flaws: Mapping[Flaw, int]
    """Pictures that gave none, by flaw."""
    middles: int = 0
    """Pictures of which only the middle was used, since there are several faces."""

    @property
    def failures_to_acquire(self) -> Rate:
        """Of all pictures."""
        usable = sum(len(each) for each in self.samples.values())
        failed = sum(self.flaws.values())
        return Rate(failed, failed + usable)


def embedded(models: Models, folder: Path) -> FaceSet:
    """Return the samples of `DIR/<person>/*`; 1,666 pictures of LFW take some two minutes."""
    samples: dict[str, list[Sample]] = {}
    flaws: Counter[Flaw] = Counter()
    middles = 0
    for path in picture_paths(folder):
        read = cv2.imread(str(path))
        picture = np.zeros((1, 1, 3), np.uint8) if read is None else np.asarray(read, np.uint8)
        found = crop_of(models, picture)
        if found is Flaw.SEVERAL_FACES:
            middles += 1
            found = crop_of(models, middle(picture))
        if isinstance(found, Flaw):
            flaws[found] += 1
        else:
            samples.setdefault(path.parent.name, []).append(sampled(models.encoder, found))
    return FaceSet(samples, flaws, middles)


def sampled(encoder: FaceEncoder, crop: UInt8Array) -> Sample:
    """Return what an aligned face, (112, 112, 3) uint8 BGR, gives."""
    features = encoder.features(crop)
    plain = np.asarray(features / np.linalg.norm(features), np.float32)
    return Sample(encoder.distinct(features), encoder.reference_template(crop), plain)


def middle(picture: UInt8Array, share: float = MIDDLE_SHARE) -> UInt8Array:
    """Return the middle of a (height, width, 3) uint8 picture, a share of its height and width."""
    rows, columns = (slice(round(size * (1 - share) / 2), round(size * (1 + share) / 2)) for size in picture.shape[:2])
    return np.ascontiguousarray(picture[rows, columns])


def one_to_one(samples: Samples, threshold: float) -> tuple[Rate, Rate]:
    """Return FMR and FNMR over all pairs of pictures."""
    stacked = np.stack([one.probe for pid in sorted(samples) for one in samples[pid]])
    owners = np.repeat(np.arange(len(samples)), [len(samples[pid]) for pid in sorted(samples)])
    matches, trials = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for index in range(len(stacked)):
        is_alike = stacked[index + 1 :] @ stacked[index] >= threshold
        is_mated = owners[index + 1 :] == owners[index]
        trials += (np.count_nonzero(~is_mated), np.count_nonzero(is_mated))
        matches += (np.count_nonzero(is_alike & ~is_mated), np.count_nonzero(is_alike & is_mated))
    return Rate(int(matches[0]), int(trials[0])), Rate(int(trials[1] - matches[1]), int(trials[1]))
