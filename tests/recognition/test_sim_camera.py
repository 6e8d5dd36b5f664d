"""The simulated camera keeps its rate, plays the same picture at the same time, and never hands out a torn one."""

from __future__ import annotations

import multiprocessing
import threading
from multiprocessing.synchronize import Event
from pathlib import Path

import cv2
import numpy as np
import pytest

from kiosk.core.ports import CameraError
from kiosk.recognition.detection import UInt8Array
from kiosk.sim.camera import (
    HEADER,
    PictureCamera,
    Projector,
    SharedCamera,
    SharedCameraWriter,
    boottime_ms,
    framed,
)
from kiosk.sim.pictures import HEIGHT, WIDTH, Attack, Portrait, Video, attack, empty, person

WITHIN_S = 20.0


def plain(value: int) -> UInt8Array:
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)


def test_frames_come_at_the_stated_rate_with_the_time_they_were_taken() -> None:
    camera = PictureCamera(lambda _: plain(0), rate_hz=50)

    taken = [camera.capture().captured_ms for _ in range(11)]

    assert 200 <= taken[-1] - taken[0] < 600
    assert abs(taken[-1] - boottime_ms()) < 500


def test_a_frame_is_read_only_and_has_a_preview_of_the_same_shape() -> None:
    frame = PictureCamera(empty()).capture()

    assert (frame.picture.shape, frame.preview.shape) == ((720, 1280, 3), (180, 320, 3))
    assert not frame.picture.flags.writeable
    assert not frame.preview.flags.writeable


def test_closing_ends_a_capture_that_waits() -> None:
    camera = PictureCamera(lambda _: plain(0), rate_hz=0.01)
    camera.capture()
    threading.Timer(0.05, camera.close).start()

    with pytest.raises(CameraError, match="closed"):
        camera.capture()


def test_the_same_second_shows_the_same_picture(portraits: dict[str, Portrait]) -> None:
    scene, again = (person(portraits["impostor_1"], seed=3) for _ in range(2))

    assert np.array_equal(scene(1.5), again(1.5))
    assert not np.array_equal(scene(1.5), scene(1.6))


def test_a_phone_has_a_dark_bezel_and_a_person_has_none(portraits: dict[str, Portrait]) -> None:
    assert edge(attack(Attack.PHONE, portraits["impostor_1"])(0)) < 60
    assert edge(person(portraits["impostor_1"])(0)) > 60


def edge(picture: UInt8Array) -> float:
    """The mean of what is met first, from the left and at the height of the eyes, that is not the room."""
    row, room = picture[340].astype(int), empty()(0)[340].astype(int)
    first = int(np.argmax(np.abs(row - room).max(axis=1) > 80))
    return float(row[first : first + 6].mean())


def test_a_film_is_played_by_its_own_clock_and_starts_again(tmp_path: Path) -> None:
    path = str(tmp_path / "film.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for value in (40, 80, 120, 160):
        writer.write(np.full((240, 320, 3), value, np.uint8))
    writer.release()

    film = Video(path)
    shown = [round(float(film(at_s).mean()), -1) for at_s in (0.0, 0.25, 0.35, 0.45, 0.1)]
    film.close()

    assert shown == [40, 120, 160, 40, 80]
    assert film(0.1).shape == (720, 1280, 3)


def test_a_shared_picture_arrives_whole_and_once(tmp_path: Path) -> None:
    writer = SharedCameraWriter(tmp_path / "camera")
    camera = SharedCamera(tmp_path / "camera")
    writer.write(framed(plain(7), 1234))

    frame = camera.capture()

    assert (frame.captured_ms, int(frame.picture.min()), int(frame.picture.max())) == (1234, 7, 7)
    with pytest.raises(CameraError, match="no new picture within"):
        camera.capture()


def test_a_torn_picture_is_not_handed_out(tmp_path: Path) -> None:
    path = tmp_path / "camera"
    writer = SharedCameraWriter(path)
    writer.write(framed(plain(7), 0))
    with path.open("r+b") as file:
        file.seek(HEADER.size + 1_000_000)
        file.write(bytes(1000))

    with pytest.raises(CameraError, match="no new picture within"):
        SharedCamera(path).capture()


BETWEEN_S = 0.002
"""About as long as a picture takes to write: a reader then meets it half written about every second time."""


def write_many(path: Path, started: Event, enough: Event) -> None:
    writer = SharedCameraWriter(path)
    started.set()
    number = 0
    while not enough.wait(BETWEEN_S):
        number += 1
        writer.write(framed(plain(number % 251), number))
    writer.close()


def test_a_writer_in_another_process_never_tears_a_picture(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    started, enough = processes.Event(), processes.Event()
    writer = processes.Process(target=write_many, args=(tmp_path / "camera", started, enough))
    writer.start()
    try:
        assert started.wait(WITHIN_S)
        camera = SharedCamera(tmp_path / "camera")
        frames = [camera.capture() for _ in range(60)]
    finally:
        enough.set()
        writer.join(WITHIN_S)

    assert all(frame.picture.min() == frame.picture.max() == frame.captured_ms % 251 for frame in frames)
    with pytest.raises(CameraError, match="closed"):
        [camera.capture() for _ in range(2)]


@pytest.mark.parametrize("content", [None, b"", b"x" * 3_000_000])
def test_a_file_that_is_no_camera_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "camera").write_bytes(content)

    with pytest.raises(CameraError, match="simulated camera"):
        SharedCamera(tmp_path / "camera")


def test_a_projector_plays_what_it_is_told_to_and_ends_with_its_context(tmp_path: Path) -> None:
    with Projector(tmp_path / "camera", rate_hz=30) as projector:
        camera = SharedCamera(tmp_path / "camera")
        projector.show(lambda _: plain(9))
        seen = next(frame for frame in iter(camera.capture, None) if frame.picture.max() == 9)

    assert seen.picture.min() == 9
    with pytest.raises(CameraError, match="closed"):
        [camera.capture() for _ in range(2)]
