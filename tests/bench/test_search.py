"""Promise: `kiosk bench search` times the gallery's own search, and notices a ranking that is not exact."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kiosk.__main__ import main
from kiosk.bench.rates import BenchError
from kiosk.bench.search import ranking, search
from kiosk.core.biometrics import Candidate
from kiosk.recognition.gallery import Gallery


def test_the_search_ranks_as_brute_force_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "search", "--people", "2000", "--json"]) == 0

    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"people", "ms_p50", "ms_p99", "ranking_equal"}
    assert (printed["people"], printed["ranking_equal"]) == (2000, True)
    assert 0 < printed["ms_p50"] <= printed["ms_p99"]


def test_an_approximate_search_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = Gallery.candidates

    def sloppy(gallery: Gallery, template: np.ndarray[tuple[int], np.dtype[np.float32]]) -> tuple[Candidate, ...]:
        first, second, *others = exact(gallery, template)
        return (second, first, *others)

    monkeypatch.setattr(Gallery, "candidates", sloppy)

    assert not search(500, probes=10).ranking_equal


def test_brute_force_ranks_by_cosine() -> None:
    templates = np.array([[0.0, 1.0], [1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [-1.0, 0.0], [0.0, -1.0]])

    best = ranking(templates, np.array([1.0, 0.0], np.float32))

    assert best == ["p0000001", "p0000003", "p0000002", "p0000000", "p0000005"]


def test_fewer_people_than_candidates_cannot_be_measured() -> None:
    with pytest.raises(BenchError, match="expected 5 or more"):
        search(4)
