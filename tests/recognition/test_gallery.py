"""A search gives each person once, the best first, as looking at every reference one by one would."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from kiosk.core.biometrics import Candidate, FaceReference
from kiosk.recognition.detection import Float32Array
from kiosk.recognition.gallery import Gallery, duplicates, reference


def unit(seed: int, number: int) -> Float32Array:
    templates = np.random.default_rng(seed).normal(size=(number, 128)).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    return templates


def axis(number: int, leaning: float = 0.0) -> Float32Array:
    template = np.zeros(128, np.float32)
    template[number], template[127] = np.sqrt(1 - leaning**2), leaning
    return template


def test_a_search_of_thousands_agrees_with_brute_force() -> None:
    templates = unit(1, 6000)
    pids = [f"p{number}" for number in np.random.default_rng(2).integers(0, 2000, 6000)]
    gallery = Gallery([reference(pid, template) for pid, template in zip(pids, templates, strict=True)])

    for probe in unit(3, 20):
        best: dict[str, float] = {}
        for pid, template in zip(pids, templates, strict=True):
            best[pid] = max(best.get(pid, -1.0), float(template @ probe))
        expected = sorted(best.items(), key=lambda item: -item[1])[:5]
        found = gallery.candidates(probe)
        assert [candidate.pid for candidate in found] == [pid for pid, _ in expected]
        assert [each.comparison_score for each in found] == pytest.approx([score for _, score in expected], abs=1e-6)


def test_a_person_with_two_references_is_one_candidate_with_the_better_score() -> None:
    gallery = Gallery([reference("a", axis(0)), reference("b", axis(1)), reference("a", axis(0, leaning=0.6))])

    found = gallery.candidates(axis(0))

    assert found == (Candidate("a", 1.0), Candidate("b", 0.0))


def test_an_empty_gallery_has_no_candidates() -> None:
    assert Gallery().candidates(axis(0)) == ()


def test_references_of_another_model_are_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    other = FaceReference("a", "another", axis(0).tobytes())

    with caplog.at_level(logging.WARNING):
        gallery = Gallery([other, reference("b", axis(1))])

    assert [candidate.pid for candidate in gallery.candidates(axis(0))] == ["b"]
    assert "1 face references are not of" in caplog.text


def test_a_duplicate_is_somebody_else_above_the_threshold() -> None:
    gallery = Gallery([reference("a", axis(0)), reference("b", axis(1)), reference("c", axis(2))])
    new = [axis(0), axis(1, leaning=0.5)]

    assert [each.pid for each in duplicates(gallery, new, "a", threshold=0.55)] == ["b"]
    assert [each.pid for each in duplicates(gallery, new, "d", threshold=0.55)] == ["a", "b"]
