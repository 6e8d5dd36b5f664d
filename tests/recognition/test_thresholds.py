"""A threshold follows the number of people and the site's own scores, upwards only, within its limits."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.recognition.detection import Float32Array
from kiosk.recognition.thresholds import CEILING, PRIOR, ImpostorScores, measured, threshold

NONE = np.zeros(0, np.float32)
people = st.integers(1, 100_000)
fpir = st.floats(1e-5, 1e-2)


def scores(mean: float, deviation: float, number: int = 20_000) -> Float32Array:
    return np.random.default_rng(1).normal(mean, deviation, number).astype(np.float32)


def test_a_hundred_people_err_a_hundred_times_as_often_as_one() -> None:
    impostors = ImpostorScores(0.0, 0.1)

    at = impostors.threshold(100, 0.001)

    assert 1 - NormalDist(0.0, 0.1).cdf(at) == pytest.approx(0.00001, rel=0.001)


@given(people, people, fpir)
def test_more_people_never_lower_the_threshold(fewer: int, more: int, wanted: float) -> None:
    fewer, more = sorted((fewer, more))

    assert threshold(fewer, wanted, 0.4, NONE) <= threshold(more, wanted, 0.4, NONE)


@given(people, fpir, fpir)
def test_fewer_errors_wanted_never_lower_the_threshold(number: int, wanted: float, other: float) -> None:
    strict, lenient = sorted((wanted, other))

    assert threshold(number, strict, 0.4, NONE) >= threshold(number, lenient, 0.4, NONE)


@given(people, fpir, st.floats(-0.2, 0.4), st.floats(0.0, 0.3))
def test_what_the_site_scores_never_lowers_the_threshold(
    number: int, wanted: float, mean: float, deviation: float
) -> None:
    assert threshold(number, wanted, 0.4, scores(mean, deviation, 1000)) >= threshold(number, wanted, 0.4, NONE)


def test_a_fatter_tail_raises_the_threshold_by_what_it_needs() -> None:
    site = scores(0.03, 0.11)

    assert threshold(46, 0.001, 0.4, site) == pytest.approx(ImpostorScores(0.03, 0.11).threshold(46, 0.001), abs=0.01)
    assert threshold(46, 0.001, 0.4, site) > threshold(46, 0.001, 0.4, NONE) + 0.04


@given(people, fpir, st.floats(0.4, 0.95), st.floats(-0.2, 0.9))
def test_the_threshold_keeps_to_its_limits(number: int, wanted: float, floor: float, mean: float) -> None:
    assert floor <= threshold(number, wanted, floor, scores(mean, 0.1, 1000)) <= max(floor, CEILING)


def test_too_few_scores_say_nothing() -> None:
    assert measured(scores(0.5, 0.1, 999)) is None
    assert measured(scores(0.5, 0.1, 1000)) is not None


def test_a_normal_sample_is_measured_as_what_it_is() -> None:
    found = measured(scores(0.03, 0.1))

    assert found is not None
    assert (found.mean, found.deviation) == pytest.approx((0.03, 0.1), abs=0.003)


def test_the_prior_needs_what_the_decision_record_says() -> None:
    assert [round(PRIOR.threshold(number, 0.001), 3) for number in (1, 20, 100, 500, 1000)] == [
        0.327,
        0.404,
        0.441,
        0.474,
        0.488,
    ]
