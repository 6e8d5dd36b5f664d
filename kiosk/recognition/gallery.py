"""The references searched: one template a person, a row of one matrix, so that a search is one product.

A person's references are averaged: each picture errs in its own direction, and the mean of three comes closer to the
next picture than the best of three does (ADR 10).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from kiosk.core.biometrics import FACE_FPIR, FACE_THRESHOLD, Candidate, FaceReference
from kiosk.recognition.detection import Float32Array
from kiosk.recognition.encoding import MODEL, TEMPLATE_LENGTH
from kiosk.recognition.thresholds import threshold

Numbers = NDArray[np.intp]

log = logging.getLogger(__name__)

CANDIDATES = 5
BLOCK = 32
"""People whose best score is looked at first: sorting takes longer than the comparison."""
ROUNDING = 2e-5
"""Two float32 dot products of 128 numbers that are in the wrong order differ by less than this."""
CALIBRATED = 1000
"""As many people are compared with one another; a million scores say enough, and take a Pi a tenth of a second."""


class Gallery:
    """Face references, searched by cosine similarity."""

    threshold: float
    """What a score must reach to be taken for somebody: it follows the number of people and how alike they are."""

    def __init__(
        self,
        references: Sequence[FaceReference] = (),
        fpir: float = FACE_FPIR,
        floor: float = FACE_THRESHOLD,
    ) -> None:
        """Take the references that this embedder made; others, and damaged ones, are left out, and counted in the log.

        Args:
            references: of any number of people, in any order.
            fpir: the share of strangers, 0 to 1, that may be taken for somebody.
            floor: the least threshold.
        """
        usable, templates = _sound(references)
        self._pids = sorted({reference.pid for reference in usable})
        number = {pid: index for index, pid in enumerate(self._pids)}
        owners = np.array([number[reference.pid] for reference in usable], np.intp)
        self._templates = _means(templates, owners, len(self._pids))
        self._blocks = np.arange(0, len(self._pids), BLOCK)
        self.threshold = threshold(len(self._pids), fpir, floor, self._impostor_scores(templates, owners))

    def __len__(self) -> int:
        """How many people there are."""
        return len(self._pids)

    def candidates(self, template: Float32Array, limit: int = CANDIDATES) -> tuple[Candidate, ...]:
        """Return the people most like a probe, the best first, whatever the threshold.

        The order is that of scores in float64: those in float32 only say who may be among the best.

        Args:
            template: (128,) float32 of unit length.
            limit: how many people at most.
        """
        if not self._pids:
            return ()
        scores = self._templates @ template
        near = np.flatnonzero(scores >= self._least(scores, limit) - ROUNDING)
        exact = self._templates[near].astype(np.float64) @ template.astype(np.float64)
        best = np.lexsort((near, -exact))[:limit]
        return tuple(Candidate(self._pids[near[index]], float(exact[index])) for index in best)

    def _least(self, scores: Float32Array, limit: int) -> float:
        """A score that at least so many people reach: so many blocks hold somebody who does."""
        best = np.maximum.reduceat(scores, self._blocks)
        return float(np.partition(best, -limit)[-limit]) if len(best) >= limit else -np.inf

    def _impostor_scores(self, templates: Float32Array, owners: Numbers) -> Float32Array:
        """One reference of each person, as if it were a probe, against everybody else's mean."""
        people = np.arange(0, len(self._pids), max(1, math.ceil(len(self._pids) / CALIBRATED)))
        first = np.unique(owners, return_index=True)[1][people]
        scores = templates[first] @ self._templates[people].T
        return np.asarray(scores[~np.eye(len(people), dtype=bool)], np.float32)


def duplicates(
    gallery: Gallery, templates: Iterable[Float32Array], pid: str, threshold: float
) -> tuple[Candidate, ...]:
    """Return the other people whom newly made templates resemble too well, the best first."""
    best: dict[str, float] = {}
    for template in templates:
        for candidate in gallery.candidates(template):
            if candidate.pid != pid and candidate.comparison_score >= threshold:
                best[candidate.pid] = max(candidate.comparison_score, best.get(candidate.pid, -1.0))
    ranked = sorted(best.items(), key=lambda item: item[1], reverse=True)
    return tuple(Candidate(each, score) for each, score in ranked)


def reference(pid: str, template: Float32Array) -> FaceReference:
    """Return a template as it is stored."""
    return FaceReference(pid, MODEL, template.astype("<f4").tobytes())


def _sound(references: Sequence[FaceReference]) -> tuple[list[FaceReference], Float32Array]:
    """The references that can be compared, and their templates, (n, 128) float32, rows of unit length."""
    ours = [each for each in references if each.model == MODEL]
    if len(ours) < len(references):
        log.warning("%d face references are not of %s: enrol them again", len(references) - len(ours), MODEL)
    whole = [each for each in ours if len(each.template) == 4 * TEMPLATE_LENGTH]
    templates = np.frombuffer(b"".join(each.template for each in whole), "<f4").reshape(-1, TEMPLATE_LENGTH)
    lengths = np.linalg.norm(templates.astype(np.float64), axis=1)
    is_sound = np.isfinite(lengths) & (lengths > 0)
    sound = [each for each, is_kept in zip(whole, is_sound, strict=True) if is_kept]
    if len(sound) < len(ours):
        log.warning("%d face references are damaged: enrol them again", len(ours) - len(sound))
    return sound, np.asarray(templates[is_sound] / lengths[is_sound, np.newaxis], np.float32)


def _means(templates: Float32Array, owners: Numbers, people: int) -> Float32Array:
    """One template a person, (people, 128) float32, rows of unit length; by columns, which a product reads faster."""
    if not people:
        return templates
    by_owner = np.argsort(owners, kind="stable")
    starts = np.searchsorted(owners[by_owner], np.arange(people))
    sums = np.add.reduceat(templates[by_owner], starts, dtype=np.float64)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32, order="F")
