"""Real models and real portraits, as set-up fetched them."""

from __future__ import annotations

import os
from datetime import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from kiosk.core.biometrics import Policy
from kiosk.core.schedule import DayRule, Schedule
from kiosk.recognition.detection import UInt8Array
from kiosk.recognition.manifest import DEMO_FOLDER, MODELS_FOLDER, PROJECT, ModelMissingError
from kiosk.recognition.models import Models, open_models
from kiosk.sim.pictures import Portrait, portrait

FETCH = "run `kiosk models fetch --demo` first (`make test` does)"
NAMES = ("person_a_1.jpg", "person_a_2.jpg", "person_b_1.jpg", "person_b_2.jpg", "impostor_1.jpg", "impostor_2.jpg")
POLICY = Policy(Schedule("Asia/Jakarta", (DayRule(frozenset(range(5)), time(7, 30), time(14)),)))

Faces = dict[str, UInt8Array]


def read(path: Path) -> UInt8Array:
    """Return a picture, (height, width, 3) uint8 BGR; fails the test where it was not fetched."""
    picture = cv2.imread(str(path))
    if picture is None:
        pytest.fail(f"{path} is missing: {FETCH}")
    return np.asarray(picture, np.uint8)


@pytest.fixture(scope="session")
def models() -> Models:
    """The models that set-up fetched."""
    try:
        return open_models()
    except ModelMissingError as error:
        pytest.fail(f"{error}; {FETCH}")


@pytest.fixture(scope="session")
def passive(models: Models) -> Models:
    """The same, where the passive liveness model could be had."""
    if models.liveness is None:
        pytest.skip(f"{MODELS_FOLDER} has no passive liveness model: its address could not be reached at set-up")
    return models


@pytest.fixture(scope="session")
def faces() -> Faces:
    """The portraits by name, without suffix."""
    pictures = {Path(name).stem: read(DEMO_FOLDER / "faces" / name) for name in NAMES}
    return pictures | {"astronaut": read(DEMO_FOLDER / "faces" / "astronaut.png")}


@pytest.fixture(scope="session")
def portraits(models: Models, faces: Faces) -> dict[str, Portrait]:
    """The same, cut out."""
    return {name: portrait(picture, models.detector) for name, picture in faces.items()}


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The evaluation data."""
    folder = Path(os.environ.get("KIOSK_DATA") or PROJECT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no evaluation data: {folder} is absent and KIOSK_DATA does not name another folder")
    return folder
