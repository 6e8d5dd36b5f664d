"""What the gate refuses is counted by component, and what that gains is asked of the pictures themselves."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kiosk.__main__ import main
from kiosk.bench.faces import Sample
from kiosk.bench.quality import QualityMeasured, Shot, described, quality, summed_up
from kiosk.bench.rates import BenchError, shipped_policy
from kiosk.recognition.enrolment_quality import ENROLMENT_LIMITS, Limit
from kiosk.recognition.manifest import DEMO_FOLDER, PROJECT
from tests.recognition.test_enrolment_quality import GOOD

DARK = replace(GOOD, luminance=20.0)
NARROW_EYES = replace(GOOD, eyes_open=0.001)


def template(degrees: float) -> Sample:
    """Two of them are as alike as the cosine of the degrees between them."""
    numbers = np.zeros(128, np.float32)
    numbers[:2] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return Sample(numbers, numbers, numbers)


def measured(*shots: Shot) -> QualityMeasured:
    return summed_up(shots, {"no_face": 2}, shipped_policy())


def test_pictures_are_refused_by_component_and_as_a_whole() -> None:
    found = measured(Shot("a", GOOD, template(0)), Shot("a", DARK, template(0)), Shot("a", NARROW_EYES, template(0)))

    assert (found.pictures, found.measured, found.refused) == (5, 3, 1)
    assert {each.component: each.refused for each in found.components if each.refused} == {
        "LuminanceMean": 1,
        "EyesOpen": 1,
    }


def test_fnmr_is_told_apart_by_the_picture_that_was_enrolled() -> None:
    found = measured(Shot("a", GOOD, template(0)), Shot("a", GOOD, template(5)), Shot("a", DARK, template(80)))

    assert (found.fnmr_passed, found.pairs_passed) == (0.5, 4)
    assert (found.fnmr_refused, found.pairs_refused) == (1.0, 2)


def test_a_gallery_of_pictures_that_pass_is_searched_by_the_same_probes_as_one_of_any() -> None:
    people = [
        Shot(pid, seen, template(degrees))
        for pid, middle in (("a", 0), ("b", 180))
        for seen, degrees in ((GOOD, middle), (GOOD, middle + 4), (GOOD, middle + 8), (DARK, middle + 80))
    ]

    found = measured(*people)

    assert found.gallery == 2
    assert found.fnir_any is not None
    assert found.fnir_gated is not None
    assert found.fnir_gated < found.fnir_any
    assert "FNIR" in described(found)


def test_without_two_pictures_of_anybody_there_is_no_rate() -> None:
    found = measured(Shot("a", GOOD, template(0)))

    assert (found.fnmr_passed, found.fnir_any, found.searches) == (None, None, 0)
    assert "none tried" in described(found)


def test_the_command_measures_real_portraits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("person_b_1.jpg", "person_b_2.jpg", "impostor_1.jpg"):
        folder = tmp_path / name[:8]
        folder.mkdir(exist_ok=True)
        shutil.copy(DEMO_FOLDER / "faces" / name, folder)
    (tmp_path / "person_b" / "no_picture.jpg").write_bytes(b"")

    assert main(["bench", "quality", "--faces", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert (found["pictures"], found["measured"], found["flaws"]) == (4, 3, {"no_face": 1})
    assert (found["fnmr_passed"], found["pairs_passed"]) == (0.0, 2)


@pytest.mark.parametrize("limit", ENROLMENT_LIMITS, ids=lambda limit: limit.component)
def test_the_page_names_every_limit_as_it_is(limit: Limit) -> None:
    page = (PROJECT / "docs" / "enrolment.md").read_text(encoding="utf-8")
    (row,) = (
        line for line in described(measured(Shot("a", GOOD, template(0)))).splitlines() if limit.component in line
    )

    assert " | ".join(row.split(" | ")[:2]) in page


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="expected DIR/<person>"):
        quality(tmp_path)
