"""What is projected says that it is, and follows from what was measured and what was published."""

from __future__ import annotations

import pytest

from kiosk.bench.latency import Latency
from kiosk.bench.performance import BOARDS, document, projected
from kiosk.bench.search import SearchCost

STAGES = {"detection": 8.0, "alignment": 1.0, "liveness": 5.0, "embedding": 20.0, "search": 0.1}
MEASURED = Latency(344, 34.5, 36.0, 300.0, 0.9, STAGES)


def test_the_networks_take_their_published_times_and_the_rest_is_scaled_by_the_embedders_ratio() -> None:
    pi4 = projected(MEASURED, BOARDS[0])

    assert pi4["embedding"] == pytest.approx(68.82)
    assert pi4["detection"] == pytest.approx(4 * 6.23)
    assert pi4["liveness"] == pytest.approx(5.0 * 68.82 / 20.0)


def test_the_page_says_which_figures_are_projections() -> None:
    page = document(MEASURED, [SearchCost(500, 0.05, 0.06, ranking_equal=True)])

    assert "34.5 ms of processor time" in page
    assert "projections, not measurements" in page
    assert "| 500 | 0.05 | 0.06 | yes |" in page
