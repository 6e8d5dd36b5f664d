"""Promise: `make evaluate` writes what it measured with the command beside it, and says what it could not measure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kiosk.bench.evaluate import SECTIONS, accuracy, data_folder
from kiosk.bench.match import MatchErrors, match
from kiosk.bench.pad import BONA_FIDE, pad
from kiosk.recognition.manifest import DEMO_FOLDER, PROJECT
from kiosk.recognition.models import Models


@pytest.fixture
def data() -> Path:
    """The evaluation data."""
    if not data_folder().is_dir():
        pytest.skip(f"no evaluation data: {data_folder()} is absent and KIOSK_DATA does not name another folder")
    return data_folder()


@pytest.fixture
def portraits(tmp_path: Path) -> Path:
    """Evaluation data with faces alone: one person with two pictures, three with one."""
    for person, name in (("a", "person_a_1"), ("a", "person_a_2"), ("c", "impostor_1"), ("d", "impostor_2")):
        (tmp_path / "data" / "faces" / person).mkdir(parents=True, exist_ok=True)
        shutil.copy(DEMO_FOLDER / "faces" / f"{name}.jpg", tmp_path / "data" / "faces" / person)
    return tmp_path / "data"


def test_every_table_has_its_command_and_what_is_absent_is_said(
    models: Models, portraits: Path, tmp_path: Path
) -> None:
    said: list[str] = []

    document = accuracy(portraits, tmp_path / "docs", said.append)

    assert said == [section.title for section in SECTIONS]
    assert "kiosk bench match --faces $KIOSK_DATA/faces" in document
    assert "Not measured: `pad` is not in the evaluation data." in document
    assert "Not measured: `fingers/fcj2020` is not in the evaluation data." in document


def test_the_curves_that_the_document_shows_are_there(models: Models, portraits: Path, tmp_path: Path) -> None:
    document = accuracy(portraits, tmp_path / "docs", lambda _: None)

    assert "(img/det_1.png)" in document
    assert [path.name for path in (tmp_path / "docs" / "img").iterdir()] == ["det_1.png"]


def test_without_the_data_it_says_so_and_ends_with_2(tmp_path: Path) -> None:
    environment = {**os.environ, "KIOSK_DATA": str(tmp_path / "nowhere")}

    ended = subprocess.run(
        [sys.executable, PROJECT / "scripts" / "evaluate.py"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "nowhere is no folder: set KIOSK_DATA" in ended.stderr


@pytest.mark.data
def test_nobody_is_taken_for_somebody_else_at_the_shipped_defaults(models: Models, data: Path) -> None:
    errors: MatchErrors = match(data / "faces").errors

    assert [(each.people, each.pictures) for each in errors.galleries] == [(100, 1), (100, 3), (500, 1), (500, 3)]
    assert max(each.fpir for each in errors.galleries) <= 0.001


@pytest.mark.data
def test_prints_are_refused_and_people_are_not_at_the_shipped_threshold(models: Models, data: Path) -> None:
    single, visits = pad(data / "pad", (1, 3))

    assert (single.rate("print").share or 0) <= 0.01
    assert (single.rate(BONA_FIDE).share or 0) <= 0.04
    assert visits.rate("print").errors == visits.rate(BONA_FIDE).errors == 0
