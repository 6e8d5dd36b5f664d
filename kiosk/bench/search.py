"""What an exact search costs and whether it is exact: the gallery's float32 against brute force in float64."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from kiosk.bench.rates import BenchError, table
from kiosk.recognition.detection import Float32Array
from kiosk.recognition.encoding import TEMPLATE_LENGTH
from kiosk.recognition.gallery import CANDIDATES, Gallery, reference

PROBES = 200
MATED_NOISE = 0.08
"""Standard deviation a dimension, which makes the cosine to one's own template about 0.74, as genuine pairs have."""


class SearchCost(msgspec.Struct, frozen=True):
    """Wall milliseconds a search, its candidates and all, and whether the best five were the same, in their order."""

    people: int
    ms_p50: float
    ms_p99: float
    ranking_equal: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Crowd:
    """People who do not exist; half of the probes are of one of them."""

    templates: Float32Array
    """(people, 128) float32, rows of unit length."""
    probes: Float32Array


def search(people: int, probes: int = PROBES) -> SearchCost:
    """Measure searches among made-up people, one template each, drawn with a fixed seed.

    Raises:
        BenchError: fewer people than candidates.
    """
    if people < CANDIDATES:
        raise BenchError(f"--people {people}: expected {CANDIDATES} or more")
    crowd = _crowd(people, probes)
    gallery = Gallery([reference(_pid(index), each) for index, each in enumerate(crowd.templates)])
    ms = np.zeros(probes)
    is_equal = True
    exact = crowd.templates.astype(np.float64)
    for index, probe in enumerate(crowd.probes):
        begun_ns = time.perf_counter_ns()
        candidates = gallery.candidates(probe)
        ms[index] = (time.perf_counter_ns() - begun_ns) / 1e6
        is_equal &= [candidate.pid for candidate in candidates] == ranking(exact, probe)
    return SearchCost(people, round(float(np.median(ms)), 4), round(float(np.percentile(ms, 99)), 4), is_equal)


def ranking(templates: NDArray[np.float64], probe: Float32Array) -> list[str]:
    """Return who is most like a probe by brute force in float64, the best first."""
    scores = templates @ probe.astype(np.float64)
    return [_pid(int(index)) for index in np.argsort(-scores, kind="stable")[:CANDIDATES]]


def _crowd(people: int, probes: int) -> _Crowd:
    random = np.random.default_rng(people)
    templates = _unit(random.standard_normal((people, TEMPLATE_LENGTH), np.float32))
    owners = random.integers(0, people, probes // 2)
    noise = random.standard_normal((len(owners), TEMPLATE_LENGTH), np.float32) * np.float32(MATED_NOISE)
    strangers = random.standard_normal((probes - len(owners), TEMPLATE_LENGTH), np.float32)
    return _Crowd(templates, _unit(np.concatenate([templates[owners] + noise, strangers])))


def _unit(rows: Float32Array) -> Float32Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _pid(index: int) -> str:
    return f"p{index:07d}"


def described(measured: Sequence[SearchCost]) -> str:
    """Return everything measured, in Markdown."""
    head = ("people", "ms, median", "ms, 99 of 100", f"same best {CANDIDATES} as brute force in float64")
    rows = [(each.people, each.ms_p50, each.ms_p99, "yes" if each.ranking_equal else "no") for each in measured]
    return table(head, rows)
