"""Promise: the arithmetic of error rates is exact; the answers here are from tables or were worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kiosk.bench.curves import FNIR_RANGE, FPIR_RANGE, PLOT, SIZE, Line, draw, place, steps
from kiosk.bench.rates import ErrorCurve, Rate, percent, rate_of, shipped_policy, table
from kiosk.config import PolicySettings

CURVE = ErrorCurve(np.array([0.9, 0.8, 0.7, -math.inf]), np.array([0.1, 0.2, 0.3, 0.4, 0.75]))


@pytest.mark.parametrize(
    ("errors", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),  # 1 - 0.025 ** (1 / 10)
        (10, 10, 0.6915, 1.0),
        (1, 20, 0.0013, 0.2487),  # Clopper and Pearson's interval in NIST's Dataplot manual, and in R's binom.test
        (5, 10, 0.1871, 0.8129),
        (0, 3000, 0.0, 0.0012),
    ],
)
def test_bounds_are_clopper_and_pearsons(errors: int, trials: int, low: float, high: float) -> None:
    assert Rate(errors, trials).bounds() == pytest.approx((low, high), abs=5e-5)


def test_nothing_tried_is_bounded_by_everything() -> None:
    assert Rate(0, 0).share is None
    assert Rate(0, 0).bounds() == (0.0, 1.0)


def test_one_draw_of_several_is_rounded_against_us() -> None:
    assert Rate(11, 1000).once(10) == Rate(2, 100)


def test_rates_add_their_trials_and_not_their_shares() -> None:
    assert rate_of([True, False]) + Rate(0, 8) == Rate(1, 10)


@pytest.mark.parametrize(
    ("threshold", "fpir", "fnir"), [(0.05, 1.0, 0.25), (0.35, 0.4, 0.25), (0.75, 0.2, 0.5), (1, 0, 1)]
)
def test_a_score_on_the_threshold_passes(threshold: float, fpir: float, fnir: float) -> None:
    assert CURVE.fpir(threshold) == pytest.approx(fpir)
    assert CURVE.fnir(threshold) == pytest.approx(fnir)


@pytest.mark.parametrize(("fpir", "fnir"), [(0.0, 0.5), (0.2, 0.25), (0.19, 0.5), (1.0, 0.0)])
def test_the_threshold_for_an_fpir_is_the_lowest_that_keeps_it(fpir: float, fnir: float) -> None:
    threshold = CURVE.threshold_at(fpir)

    assert CURVE.fpir(threshold) <= fpir
    assert CURVE.fpir(np.nextafter(threshold, -math.inf)) > fpir or fpir == 1.0
    assert CURVE.fnir_at(fpir) == fnir


def test_a_curve_begins_below_all_scores_and_has_a_point_above_each_of_a_stranger() -> None:
    fpir, fnir = CURVE.points()

    assert fpir.tolist() == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
    assert fnir.tolist() == [0.25, 0.25, 0.25, 0.25, 0.25, 0.5]


def test_between_two_scores_a_curve_costs_what_the_higher_threshold_costs() -> None:
    corners = steps(ErrorCurve(np.array([0.9, 0.15]), np.array([0.1, 0.2])))

    assert corners == [(1.0, 0.0), (1.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)]


def test_a_search_that_names_no_stranger_at_any_threshold_can_be_drawn(tmp_path: Path) -> None:
    nobody = ErrorCurve(np.array([0.5, -math.inf]), np.array([-math.inf]))

    draw("curves", [Line("none", nobody, "#ff0000", is_dashed=True)], tmp_path / "det.png")

    assert steps(nobody) == [(0.0, 0.5)]


def test_what_is_measured_is_the_configurations_default() -> None:
    assert shipped_policy().face_threshold == PolicySettings().face_threshold
    assert shipped_policy().frames_per_visit == PolicySettings().frames_per_visit


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "none tried"), (0.0, "0.0 %"), (0.0039, "0.39 %"), (0.03, "3.0 %"), (0.125, "12.5 %"), (1.0, "100.0 %")],
)
def test_shares_are_said_in_percent(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [(1, 2)]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


@pytest.mark.parametrize(
    ("fpir", "fnir", "x", "y"),
    [
        (FPIR_RANGE[0], FNIR_RANGE[0], PLOT[0], PLOT[3]),
        (1.0, 1.0, PLOT[2], PLOT[1]),
        (0.01, 1.0, (PLOT[0] + PLOT[2]) / 2, PLOT[1]),  # two decades of four
        (0.0, 0.0, PLOT[0], PLOT[3]),
    ],
)
def test_both_axes_are_logarithmic_and_end_at_their_edges(fpir: float, fnir: float, x: float, y: float) -> None:
    assert place(fpir, fnir) == pytest.approx((x, y))


def test_the_threshold_in_force_is_marked_on_the_curve(tmp_path: Path) -> None:
    draw("curves", [Line("one", CURVE, "#ff0000", at=0.75)], tmp_path / "det.png")

    x, y = place(0.2, 0.5)
    with Image.open(tmp_path / "det.png") as picture:
        assert picture.size == SIZE
        assert picture.getpixel((round(x), round(y) + 2)) == (255, 0, 0)


def test_a_dashed_curve_has_gaps_however_long_its_steps_are(tmp_path: Path) -> None:
    flat = ErrorCurve(np.array([0.05, 0.9]), np.linspace(0.1, 0.2, 10_000))
    draw("curves", [Line("one", flat, "#ff0000", is_dashed=True)], tmp_path / "det.png")

    _, y = place(1.0, 0.5)
    with Image.open(tmp_path / "det.png") as picture:
        row = np.asarray(picture)[round(y), PLOT[0] + 2 : PLOT[2]]
    is_red = (row[:, 0] > 200) & (row[:, 1] < 100)
    assert 0.3 < is_red.mean() < 0.7
