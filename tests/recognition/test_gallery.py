"""A search gives each person once, the best first, as looking at every reference one by one would."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.core.biometrics import FACE_THRESHOLD, Candidate, FaceReference
from kiosk.recognition.detection import Float32Array
from kiosk.recognition.encoding import MODEL
from kiosk.recognition.gallery import Gallery, duplicates, reference


def unit(seed: int, number: int) -> Float32Array:
    templates = np.random.default_rng(seed).normal(size=(number, 128)).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    return templates


def axis(number: int, leaning: float = 0.0) -> Float32Array:
    template = np.zeros(128, np.float32)
    template[number], template[127] = np.sqrt(1 - leaning**2), leaning
    return template


def held(gallery: Gallery, people: int) -> Float32Array:
    """What the gallery holds of each person, in their order, read back through searches along each axis."""
    columns = [gallery.candidates(np.eye(128, dtype=np.float32)[number], people) for number in range(128)]
    by_pid = [{each.pid: each.comparison_score for each in column} for column in columns]
    return np.array([[scores[f"p{number:03d}"] for scores in by_pid] for number in range(people)], np.float32)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 200), st.integers(1, 7), st.sampled_from([1.0, 0.05, 0.0]))
def test_a_search_ranks_as_brute_force_in_float64_does(seed: int, people: int, limit: int, spread: float) -> None:
    """However close together they lie: with `spread` 0 all are equal but for rounding."""
    templates = unit(seed, people) * spread + axis(0)
    templates = np.asarray(templates / np.linalg.norm(templates, axis=1, keepdims=True), np.float32)
    gallery = Gallery([reference(f"p{number:03d}", template) for number, template in enumerate(templates)])
    probe = unit(seed + 1, 1)[0]

    found = gallery.candidates(probe, limit)

    scores = held(gallery, people).astype(np.float64) @ probe.astype(np.float64)
    best = np.argsort(-scores, kind="stable")[:limit]
    assert [each.pid for each in found] == [f"p{number:03d}" for number in best]
    assert [each.comparison_score for each in found] == pytest.approx(scores[best].tolist(), abs=1e-12)


def test_a_search_of_thousands_agrees_with_the_mean_of_each_persons_references() -> None:
    templates = unit(1, 6000)
    owners = np.random.default_rng(2).integers(0, 2000, 6000)
    gallery = Gallery([reference(f"p{owner}", each) for owner, each in zip(owners, templates, strict=True)])

    for probe in unit(3, 20):
        means = {owner: templates[owners == owner].mean(axis=0) for owner in np.unique(owners)}
        scores = {f"p{owner}": float(mean @ probe / np.linalg.norm(mean)) for owner, mean in means.items()}
        expected = sorted(scores.items(), key=lambda item: -item[1])[:5]
        found = gallery.candidates(probe)
        assert [candidate.pid for candidate in found] == [pid for pid, _ in expected]
        assert [each.comparison_score for each in found] == pytest.approx([score for _, score in expected], abs=1e-6)


def test_a_person_with_two_references_is_one_candidate_with_the_score_of_their_mean() -> None:
    gallery = Gallery([reference("a", axis(0)), reference("b", axis(1)), reference("a", axis(2))])

    found = gallery.candidates(axis(0))

    assert [each.pid for each in found] == ["a", "b"]
    assert [each.comparison_score for each in found] == pytest.approx([math.sqrt(0.5), 0.0])


def test_a_longer_reference_counts_no_more_than_another() -> None:
    gallery = Gallery([reference("a", axis(0) * np.float32(9)), reference("a", axis(1))])

    (found,) = gallery.candidates(axis(1))

    assert found.comparison_score == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize(
    "template",
    [b"", axis(0).tobytes()[:-1], np.zeros(128, "<f4").tobytes(), np.full(128, np.nan, "<f4").tobytes()],
    ids=["empty", "cut off", "zero", "not a number"],
)
def test_a_damaged_reference_is_left_out_and_told(template: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        gallery = Gallery([FaceReference("a", MODEL, template), reference("b", axis(1))])

    assert gallery.candidates(axis(1)) == (Candidate("b", 1.0),)
    assert "1 face references are damaged" in caplog.text


def test_references_that_contradict_one_another_are_nobody() -> None:
    gallery = Gallery([reference("a", axis(0)), reference("a", -axis(0))])

    assert gallery.candidates(axis(0)) == (Candidate("a", 0.0),)


# ---- the threshold in force


def crowd(people: int, alike: float = 0.0) -> list[FaceReference]:
    """People with one reference each, the cosine between any two of them `alike` on average."""
    common = np.sqrt(alike / (1 - alike)) * axis(0)
    return [reference(f"p{number}", each) for number, each in enumerate(unit(people, people) + common)]


def test_the_threshold_of_an_empty_gallery_is_the_floor() -> None:
    assert Gallery().threshold == FACE_THRESHOLD
    assert Gallery(floor=0.5).threshold == 0.5


def test_a_gallery_of_a_thousand_has_a_higher_threshold_than_one_of_a_hundred() -> None:
    hundred, thousand = (Gallery(crowd(people)).threshold for people in (100, 1000))

    assert (hundred, thousand) == pytest.approx((0.441, 0.488), abs=0.001)


def test_people_who_look_alike_raise_the_threshold() -> None:
    assert Gallery(crowd(100, alike=0.15)).threshold > Gallery(crowd(100)).threshold + 0.03


def test_one_pair_of_twins_does_not_raise_the_threshold_for_everybody() -> None:
    twin = reference("twin", np.frombuffer(crowd(100)[0].template, "<f4"))

    assert Gallery([*crowd(100), twin]).threshold == pytest.approx(Gallery(crowd(101)).threshold, abs=0.002)


def test_several_references_of_one_person_are_no_look_alikes() -> None:
    thrice = [replace(each) for each in crowd(100) for _ in range(3)]

    assert Gallery(thrice).threshold == Gallery(crowd(100)).threshold


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
