"""The benchmark measures the whole way, and says so when it cannot."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from kiosk.bench.latency import latency
from kiosk.recognition.manifest import ModelError
from kiosk.recognition.models import Models
from tests.recognition.conftest import Faces


def test_every_step_has_a_median(models: Models, faces: Faces, tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    cv2.imwrite(str(tmp_path / "deeper" / "a.png"), faces["impostor_1"])
    cv2.imwrite(str(tmp_path / "b.jpg"), faces["person_b_1"])

    measured = latency(tmp_path)

    assert measured.pictures == 2
    assert set(measured.stages) == {"detection", "alignment", "liveness", "embedding", "search"}
    assert measured.wall_ms_p50 > measured.stages["embedding"] > 0


def test_a_folder_without_faces_cannot_be_measured(models: Models, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="none of 0 pictures"):
        latency(tmp_path)
