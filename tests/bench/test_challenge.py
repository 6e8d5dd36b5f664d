"""Promise: whole visits of each kind of actor, by the real pipeline; pictures and films that do not fit never pass."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from kiosk.__main__ import main
from kiosk.bench.challenge import ChallengePassed, challenge
from kiosk.bench.rates import BenchError
from kiosk.recognition.manifest import DEMO_FOLDER
from kiosk.recognition.models import Models
from kiosk.sim.pictures import Attack, attack, person, portrait

VISITS = 8


@pytest.fixture(scope="module")
def folder(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person and a print of another, as a simulated camera saw them."""
    made = tmp_path_factory.mktemp("presentations")
    for name, who in (("bonafide", "person_b_1"), ("attack_print", "person_a_1")):
        shown = portrait(np.asarray(cv2.imread(str(DEMO_FOLDER / "faces" / f"{who}.jpg")), np.uint8), models.detector)
        scene = person(shown) if name == "bonafide" else attack(Attack.PRINT, shown)
        (made / name / "0001").mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(made / name / "0001" / f"{number}.png"), scene(number))
    return made


@pytest.fixture(scope="module")
def measured(folder: Path) -> ChallengePassed:
    return challenge(folder, VISITS)


def passed(measured: ChallengePassed, kind: str) -> int:
    (found,) = [each for each in measured.kinds if each.kind == kind]
    assert found.visits == sum(found.outcomes.values()) == VISITS
    return found.passed


@pytest.mark.parametrize("kind", ["print", "turned_plane"])
def test_no_picture_passes_in_any_visit(measured: ChallengePassed, kind: str) -> None:
    assert passed(measured, kind) == 0


def test_a_head_that_does_what_is_asked_passes(measured: ChallengePassed) -> None:
    assert passed(measured, "head") == VISITS


def test_a_film_of_the_same_head_passes_only_where_it_fits_what_is_asked(measured: ChallengePassed) -> None:
    assert measured.rows == 4
    assert 0 < passed(measured, "film_of_turns") < VISITS


def test_the_command_prints_what_others_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "challenge", "--data", str(folder), "--visits", "1", "--json"]) == 0

    printed = json.loads(capsys.readouterr().out)
    assert printed["length"] == 2
    assert {"kind": "print", "visits": 1, "passed": 0, "outcomes": {"not_done": 1}} in printed["kinds"]


def test_a_folder_without_presentations_cannot_be_measured(models: Models, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no picture or film"):
        challenge(tmp_path, 1)
