"""The references searched: every template a row of one matrix, so that a search is one product."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import numpy as np

from kiosk.core.biometrics import Candidate, FaceReference
from kiosk.recognition.detection import Float32Array
from kiosk.recognition.encoding import MODEL, TEMPLATE_LENGTH

log = logging.getLogger(__name__)

CANDIDATES = 5


class Gallery:
    """Face references, searched by cosine similarity."""

    def __init__(self, references: Sequence[FaceReference] = (), threshold: float = 1.0) -> None:
        """Take the references that this embedder made; those of another model are left out, and counted in the log.

        Args:
            threshold: what a score must reach.
        """
        self.threshold = threshold
        usable = [reference for reference in references if _is_usable(reference)]
        if len(usable) < len(references):
            log.warning("%d face references are not of %s: enrol them again", len(references) - len(usable), MODEL)
        self._pids = sorted({reference.pid for reference in usable})
        number = {pid: index for index, pid in enumerate(self._pids)}
        usable.sort(key=lambda reference: number[reference.pid])
        owners = np.array([number[reference.pid] for reference in usable], np.intp)
        self._starts = np.searchsorted(owners, np.arange(len(self._pids)))
        self._templates = np.frombuffer(b"".join(each.template for each in usable), "<f4").reshape(-1, TEMPLATE_LENGTH)

    def __len__(self) -> int:
        """How many references there are."""
        return len(self._templates)

    def candidates(self, template: Float32Array, limit: int = CANDIDATES) -> tuple[Candidate, ...]:
        """Return the people most like a probe, the best first, whatever the threshold.

        Args:
            template: (128,) float32 of unit length.
            limit: how many people at most.

        Returns:
            One candidate a person, with the score of their best reference; empty if the gallery is.
        """
        if not self._pids:
            return ()
        by_person = np.maximum.reduceat(self._templates @ template, self._starts)
        few = min(limit, len(by_person))
        best = np.argpartition(-by_person, few - 1)[:few]  # a full sort takes ten times longer than the comparison
        best = best[np.lexsort((best, -by_person[best]))]
        return tuple(Candidate(self._pids[index], float(by_person[index])) for index in best)


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


def _is_usable(each: FaceReference) -> bool:
    return each.model == MODEL and len(each.template) == 4 * TEMPLATE_LENGTH
