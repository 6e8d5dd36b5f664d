"""A terminal from its configuration: what it says of itself, and the camera that its settings name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kiosk.config import CameraSettings, DeviceSettings, Settings, StorageSettings
from kiosk.core.ports import CameraError
from kiosk.terminal import Terminal


def terminal(folder: Path, source: str = "usb:99") -> Terminal:
    return Terminal.of(
        Settings(
            device=DeviceSettings(id="kiosk-1", unit="desa-uji", district="uji"),
            storage=StorageSettings(directory=folder / "kiosk"),
            camera=CameraSettings(source=source),
        )
    )


def test_a_terminal_keeps_its_key(tmp_path: Path) -> None:
    assert terminal(tmp_path).public_key == terminal(tmp_path).public_key
    assert terminal(tmp_path).public_key != terminal(tmp_path / "another").public_key


def test_its_birth_names_models_with_thresholds_and_licences(tmp_path: Path) -> None:
    birth = terminal(tmp_path).birth("r" * 64, 0.475)

    embedder = next(model for model in birth.models if model.name == "sface.onnx")
    assert embedder.thr == 0.475
    assert birth.roster == "r" * 64
    assert "Apache-2.0" in embedder.licence
    assert birth.capabilities == ("face", "finger")


def test_a_film_is_played_frame_by_frame(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (1280, 720))
    for shade in (40, 200):
        film.write(np.full((720, 1280, 3), shade, np.uint8))
    film.release()

    camera = terminal(tmp_path, f"film:{path}").open_camera()
    shades = {round(float(camera.capture().picture.mean()), -1) for _ in range(8)}
    camera.close()

    assert shades == {40, 200}


@pytest.mark.parametrize("source", ["sim:nowhere", "film:nowhere", "usb:99", "picamera2"])
def test_a_camera_that_is_not_there_is_named(tmp_path: Path, source: str) -> None:
    with pytest.raises(CameraError, match=r"nowhere|/dev/video99|picamera2"):
        terminal(tmp_path, source).open_camera()
