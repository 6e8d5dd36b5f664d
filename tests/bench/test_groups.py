"""Promise: people of one group are searched for among themselves, and nothing is said of a group that is too small."""

from __future__ import annotations

import numpy as np

from kiosk.bench.faces import Sample
from kiosk.bench.groups import FEWEST, NAMES, among_themselves, described
from kiosk.bench.rates import Rate, shipped_policy

LISTED = NAMES.read_text().split()


def people(number: int) -> dict[str, list[Sample]]:
    """One picture each, of the first people listed, all in directions of their own."""
    return {LISTED[each]: [Sample(row, row, row)] for each, row in enumerate(np.eye(128, dtype=np.float32)[:number])}


def test_nobody_is_listed_twice() -> None:
    assert len(set(LISTED)) == len(LISTED) >= FEWEST


def test_people_who_do_not_resemble_one_another_are_nobody() -> None:
    thresholds, fpir = among_themselves(people(12), shipped_policy())

    assert fpir == Rate(0, 12)
    assert thresholds == [shipped_policy().face_threshold] * 12


def test_a_look_alike_is_named_and_so_is_who_they_resemble() -> None:
    group = people(12)
    group[LISTED[0]] = group[LISTED[1]]

    assert among_themselves(group, shipped_policy())[1] == Rate(2, 12)


def test_people_who_are_not_listed_do_not_count() -> None:
    (text,) = described(people(12) | {"nobody": people(1)[LISTED[0]]}, 0.44, shipped_policy())

    assert text.startswith("People with East or South-East Asian names (12 people, 12 pictures;")
    assert "FMR 0.0 % (0/66;" in text


def test_nothing_is_said_of_a_few_people() -> None:
    assert described(people(FEWEST - 1), 0.44, shipped_policy()) == []
