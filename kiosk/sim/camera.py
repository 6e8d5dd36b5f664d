"""A camera without hardware: scenes at a stated rate, in this process or, through a shared file, in another.

The shared file holds one picture. Its header counts: odd while the picture is being written, even when it is whole. A
reader copies the picture and hands it out only if the count stood still meanwhile and the checksum agrees (the count
alone would do on x86; an ARM processor may show another process the writes in another order).
"""

from __future__ import annotations

import mmap
import struct
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from kiosk.core.ports import CameraError, Frame
from kiosk.recognition.detection import UInt8Array
from kiosk.sim.pictures import HEIGHT, WIDTH, Scene, Video, empty

PREVIEW_SIZE = (320, 180)
CAPTURE_S = 1.0
"""What a camera may take for one frame; see `Camera.capture`."""
POLL_S = 0.002
MAGIC = b"HADIRCAM"
HEADER = struct.Struct("<8sQqII")
"""Magic, count, captured_ms, checksum, whether the camera was closed."""
PICTURE_BYTES = HEIGHT * WIDTH * 3
FILE_BYTES = HEADER.size + PICTURE_BYTES


def boottime_ms() -> int:
    """CLOCK_BOOTTIME in milliseconds, as every frame carries it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def framed(picture: UInt8Array, captured_ms: int) -> Frame:
    """Return a picture as a frame, with its preview; both become read-only."""
    preview = np.asarray(cv2.resize(picture, PREVIEW_SIZE, interpolation=cv2.INTER_AREA), np.uint8)
    picture.setflags(write=False)
    preview.setflags(write=False)
    return Frame(captured_ms, picture, preview)


class PictureCamera:
    """Plays scenes at a stated rate; a late frame is not made up for."""

    def __init__(self, scene: Scene, rate_hz: float = 15.0) -> None:
        self._closed = threading.Event()
        self._scene = scene
        self._period_s = 1 / rate_hz
        self._begun_s = time.monotonic()
        self._due_s = self._begun_s

    def show(self, scene: Scene) -> None:
        """Play another scene from the next frame on; from any thread."""
        self._scene = scene

    def capture(self) -> Frame:
        """The next frame; see `Camera.capture`."""
        if self._closed.wait(max(0.0, self._due_s - time.monotonic())):
            raise CameraError("the simulated camera was closed")
        now_s = time.monotonic()
        self._due_s = max(self._due_s + self._period_s, now_s)
        captured_ms = boottime_ms()
        return framed(self._scene(now_s - self._begun_s), captured_ms)

    def close(self) -> None:
        """End it; a capture that waits ends too."""
        self._closed.set()


@dataclass(frozen=True, slots=True)
class _Header:
    count: int
    captured_ms: int
    checksum: int
    closed: bool

    @classmethod
    def read(cls, memory: mmap.mmap) -> _Header:
        magic, count, captured_ms, checksum, closed = HEADER.unpack_from(memory)
        if magic != MAGIC:
            raise CameraError("the shared file is not a simulated camera's")
        return cls(count, captured_ms, checksum, bool(closed))

    def write(self, memory: mmap.mmap) -> None:
        HEADER.pack_into(memory, 0, MAGIC, self.count, self.captured_ms, self.checksum, self.closed)


class SharedCameraWriter:
    """Puts pictures where a `SharedCamera` in another process finds the newest."""

    def __init__(self, path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(FILE_BYTES)
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), FILE_BYTES)
        self._header = _Header(0, 0, 0, closed=False)
        self._header.write(self._memory)

    def write(self, frame: Frame) -> None:
        """Replace the picture.

        Args:
            frame: with a picture of 1280x720.
        """
        picture = np.ascontiguousarray(frame.picture)
        if picture.nbytes != PICTURE_BYTES:
            raise ValueError(f"a picture of {picture.shape}, wanted ({HEIGHT}, {WIDTH}, 3)")
        count = self._header.count
        _Header(count + 1, frame.captured_ms, 0, closed=False).write(self._memory)
        self._memory[HEADER.size :] = picture.data.cast("B")
        self._header = _Header(count + 2, frame.captured_ms, zlib.crc32(picture.data), closed=False)
        self._header.write(self._memory)

    def close(self) -> None:
        """Say that no more will come; of no effect the second time."""
        if self._memory.closed:
            return
        _Header(self._header.count, self._header.captured_ms, self._header.checksum, closed=True).write(self._memory)
        self._memory.close()


class SharedCamera:
    """Takes the newest picture that another process has put into a file."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            CameraError: there is no such file, or it is not a simulated camera's.
        """
        try:
            with path.open("rb") as file:
                self._memory = mmap.mmap(file.fileno(), FILE_BYTES, prot=mmap.PROT_READ)
        except (OSError, ValueError) as error:
            raise CameraError(f"{path}: no simulated camera writes there: {error}") from error
        self._path = path
        self._closed = threading.Event()
        self._seen = 0
        _Header.read(self._memory)

    def capture(self) -> Frame:
        """The next whole frame; see `Camera.capture`."""
        until_s = time.monotonic() + CAPTURE_S
        while time.monotonic() < until_s:
            frame = self._newest()
            if frame is not None:
                return frame
            if self._closed.wait(POLL_S):
                raise CameraError("the simulated camera was closed")
        raise CameraError(f"{self._path}: no new picture within {CAPTURE_S} s; whoever wrote them has stopped")

    def _newest(self) -> Frame | None:
        """A picture that was not handed out before and is whole; None: there is none now."""
        before = _Header.read(self._memory)
        if before.closed:
            raise CameraError(f"{self._path}: whoever wrote the pictures has closed the camera")
        if before.count % 2 or before.count == self._seen:
            return None
        copied = self._memory[HEADER.size :]
        if _Header.read(self._memory) != before or zlib.crc32(copied) != before.checksum:
            return None
        self._seen = before.count
        picture = np.frombuffer(copied, np.uint8).reshape(HEIGHT, WIDTH, 3)
        return framed(picture, before.captured_ms)

    def close(self) -> None:
        """Give the file back."""
        self._closed.set()
        self._memory.close()


def open_film(path: Path, rate_hz: float) -> PictureCamera:
    """Return a camera that plays a film, over and over.

    Raises:
        CameraError: OpenCV cannot read it.
    """
    try:
        return PictureCamera(Video(str(path)), rate_hz)
    except ValueError as error:
        raise CameraError(str(error)) from error


class Projector:
    """A thread that plays scenes into a shared file until the context ends."""

    def __init__(self, path: Path, rate_hz: float = 15.0) -> None:
        self._camera = PictureCamera(empty(), rate_hz)
        self._writer = SharedCameraWriter(path)
        self._thread = threading.Thread(target=self._play, name="projector")

    def show(self, scene: Scene) -> None:
        """Play another scene from the next frame on; from any thread."""
        self._camera.show(scene)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Pull the cable: whoever reads the file learns that no more will come."""
        self._camera.close()
        self._thread.join()
        self._writer.close()

    def _play(self) -> None:
        while True:
            try:
                frame = self._camera.capture()
            except CameraError:
                return
            self._writer.write(frame)
