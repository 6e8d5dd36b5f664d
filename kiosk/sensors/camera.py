"""The camera: picamera2 on a Pi, OpenCV for a USB camera; the newest frame is what others see.

Where picamera2 is used, this file is all that touches it, and it could not be run where this was written: no Pi was at
hand. What is known of it is from its manual and source: in the format that libcamera calls `RGB888` the bytes in memory
are B, G, R; a request's streams are of one exposure; `SensorTimestamp` is CLOCK_BOOTTIME in nanoseconds. Buffers are
few, so a request is given back whatever happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kiosk.config import CameraSettings
from kiosk.core.faults import FaultCode
from kiosk.core.messages import Message
from kiosk.core.ports import Camera, CameraError, Frame
from kiosk.worker import Latest, Worker

PICTURE_SIZE = (1280, 720)
"""(width, height): a face at 1.5 m is then about 110 px high with a Camera Module 3 (66 degrees)."""
LORES_SIZE = (320, 240)
PREVIEW_SIZE = (320, 180)
CAPTURE_S = 1.0


class PiCamera:
    """A camera on the Pi's ribbon cable. Call it from one thread, never from the screen's."""

    def __init__(self, frame_rate_hz: int) -> None:
        """
        Raises:
            CameraError: picamera2 is not installed, or no camera is found.
        """
        try:
            from picamera2 import Picamera2  # noqa: PLC0415 - only a Pi has it
        except ImportError as error:
            raise CameraError("picamera2 cannot be imported: on a Pi, `apt install python3-picamera2`") from error
        try:
            self._camera: Any = Picamera2()
        except (IndexError, RuntimeError) as error:
            raise CameraError(f"picamera2 finds no camera: {error}") from error
        frame_us = 1_000_000 // frame_rate_hz
        configuration = self._camera.create_video_configuration(
            main={"size": PICTURE_SIZE, "format": "RGB888"},
            lores={"size": LORES_SIZE, "format": "YUV420"},
            controls={"AeEnable": True, "FrameDurationLimits": (frame_us, frame_us)},
            queue=False,
        )
        try:
            self._camera.configure(configuration)
            self._camera.start()
        except RuntimeError as error:
            self._camera.close()  # or every further try finds it in use
            raise CameraError(f"picamera2 cannot start the camera: {error}") from error

    def capture(self) -> Frame:
        """The next frame; see `Camera.capture`."""
        try:
            request = self._camera.capture_request(wait=CAPTURE_S)
        except TimeoutError as error:
            raise CameraError(f"picamera2 gave no frame within {CAPTURE_S} s") from error
        try:
            picture = request.make_array("main")
            lores = cv2.cvtColor(request.make_array("lores"), cv2.COLOR_YUV2BGR_I420)
            captured_ms = request.get_metadata()["SensorTimestamp"] // 1_000_000
        finally:
            request.release()
        # Both streams show the same field of view, so lores (4:3) shows a 16:9 scene squeezed: widen it again.
        return _frame(captured_ms, picture, lores)

    def close(self) -> None:
        """Give the device back."""
        self._camera.close()


class UsbCamera:
    """A camera at /dev/videoN."""

    def __init__(self, number: int, frame_rate_hz: int) -> None:
        """
        Raises:
            CameraError: there is no such camera.
        """
        self._capture = cv2.VideoCapture(number, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise CameraError(f"/dev/video{number} is no camera, or is in use")
        width, height = PICTURE_SIZE
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        self._capture.set(cv2.CAP_PROP_FPS, frame_rate_hz)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def capture(self) -> Frame:
        """The next frame; see `Camera.capture`."""
        came, picture = self._capture.read()
        if not came:
            raise CameraError("the USB camera gave no frame")
        return _frame(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000, picture, picture)

    def close(self) -> None:
        """Give the device back."""
        self._capture.release()


def _frame(captured_ms: int, picture: NDArray[Any], small: NDArray[Any]) -> Frame:
    preview = cv2.resize(small, PREVIEW_SIZE, interpolation=cv2.INTER_AREA)
    return Frame(captured_ms, np.asarray(picture, np.uint8), np.asarray(preview, np.uint8))


def open_camera(settings: CameraSettings) -> Camera:
    """Return the open camera that the settings name, if it is a real one.

    Raises:
        CameraError: it cannot be opened.
    """
    kind, _, number = settings.source.partition(":")
    match kind:
        case "picamera2":
            return PiCamera(settings.frame_rate_hz)
        case "usb":
            return UsbCamera(int(number), settings.frame_rate_hz)
        case _:
            raise CameraError(f"{settings.source} is not a real camera")


class CameraWorker(Worker):
    """Puts every frame where recognition and the screen find the newest."""

    is_vital = False  # V4L2 waits ten seconds for a frame, whatever it was asked

    def __init__(self, open_it: Callable[[], Camera], frames: Latest[Frame], post: Callable[[Message], None]) -> None:
        super().__init__("camera", FaultCode.CAMERA, post)
        self._open_it = open_it
        self._frames = frames
        self._camera: Camera

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The camera, open while the context lasts."""
        self._camera = self._open_it()
        try:
            yield
        finally:
            self._camera.close()

    def turn(self) -> None:
        """One frame."""
        self._frames.put(self._camera.capture())
