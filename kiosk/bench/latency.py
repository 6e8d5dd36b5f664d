"""What recognition costs: every picture of a folder through the whole pipeline, on one thread."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import cv2
import msgspec
import numpy as np

from kiosk.core.ports import Frame
from kiosk.recognition.detection import UInt8Array
from kiosk.recognition.gallery import Gallery, reference
from kiosk.recognition.manifest import MODELS_FOLDER, ModelError
from kiosk.recognition.models import open_models
from kiosk.recognition.pipeline import Pipeline, Sight

SIZE = (640, 480)
PREVIEW_SIZE = (320, 240)
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
GALLERY = 500
"""People searched; the largest office that REQUIREMENTS names."""


class Latency(msgspec.Struct, frozen=True):
    """Medians over a folder."""

    pictures: int
    """How many showed a usable face and went all the way; the medians are of these."""
    cpu_ms_p50: float
    """Of processor time, all threads of the process together."""
    wall_ms_p50: float
    rss_mb: float
    """The largest that the process ever was."""
    start_s: float
    """To verify and open the models, once the libraries are imported."""
    stages: dict[str, float]
    """Wall milliseconds by step."""


def latency(folder: Path, models_folder: Path = MODELS_FOLDER) -> Latency:
    """Measure detection, alignment, liveness, template and search on the pictures in a folder and below.

    Raises:
        ModelError: the models cannot be opened, or no picture has a usable face.
    """
    begun = time.perf_counter()
    models = open_models(models_folder)
    start_s = time.perf_counter() - begun
    pipeline = Pipeline(models, _strangers(GALLERY))
    measured = [_measured(pipeline, picture) for picture in _pictures(folder)]
    whole = [each for each in measured if each[0].template is not None]
    if not whole:
        raise ModelError(f"{folder}: none of {len(measured)} pictures shows a usable face")
    sights, cpu_ms, wall_ms = zip(*whole, strict=True)
    return Latency(
        len(whole),
        round(median(cpu_ms), 2),
        round(median(wall_ms), 2),
        round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        round(start_s, 3),
        _medians(sights),
    )


def _strangers(number: int) -> Gallery:
    templates = np.random.default_rng(1).normal(size=(number, 128)).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    return Gallery([reference(f"p{index}", template) for index, template in enumerate(templates)])


def _pictures(folder: Path) -> Iterable[UInt8Array]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURES:
            picture = cv2.imread(str(path))
            if picture is not None:
                yield np.asarray(cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def _measured(pipeline: Pipeline, picture: UInt8Array) -> tuple[Sight, float, float]:
    """The sight, and the milliseconds of processor and of wall that it took."""
    preview = np.asarray(cv2.resize(picture, PREVIEW_SIZE, interpolation=cv2.INTER_AREA), np.uint8)
    wall_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
    sight = pipeline.look(Frame(0, picture, preview))
    return sight, (time.process_time_ns() - cpu_ns) / 1e6, (time.perf_counter_ns() - wall_ns) / 1e6


def _medians(sights: Sequence[Sight]) -> dict[str, float]:
    return {name: round(median(sight.stages[name] for sight in sights), 2) for name in sights[0].stages}
