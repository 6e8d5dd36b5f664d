"""Scenes before a simulated camera: an office, people in it, and pictures of people held up to deceive.

A `Scene` is a function of time, so the same second always shows the same picture. A bona fide person is cut out of a
portrait and stands in the office, swaying a little as people do. An attack is the same portrait on a plane: trimmed,
printed or shown, given an edge, tilted by a hand, and sampled again by the camera. What the edges do to the passive
liveness model, and where it fails, is told in docs/adr/0004-models-and-repair.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kiosk.recognition.detection import Face, FaceDetector, UInt8Array

Array = NDArray[Any]
Float32Array = NDArray[np.float32]

WIDTH, HEIGHT = 1280, 720
FACE_PX = 250.0
"""Height of a face at arm's length from the panel, as a Camera Module 3 sees it."""
EYE_LINE_PX = 300.0
"""Where the middle of a face stands, from the top."""
NOISE = 2.0
"""Standard deviation of a camera's noise indoors, of 255."""
MATTE_PX = 360
"""Height at which a person is cut out; finer gains nothing and takes seconds."""

Scene = Callable[[float], UInt8Array]
"""Seconds to a (720, 1280, 3) uint8 BGR picture."""


class Attack(StrEnum):
    """What a picture is shown on."""

    PRINT = "print"
    PHONE = "phone"


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A picture of one person."""

    picture: UInt8Array
    """(height, width, 3) uint8, BGR."""
    face: Face
    """In pixels of the picture."""
    matte: Float32Array
    """(height, width) float32: 0 behind the person, 1 on them."""


def portrait(picture: UInt8Array, detector: FaceDetector) -> Portrait:
    """Return a portrait with its person cut out.

    Args:
        picture: (height, width, 3) uint8, BGR; the highest face in it is meant.

    Raises:
        ValueError: there is no face in it.
    """
    faces = detector.faces(picture)
    if not faces:
        raise ValueError(f"no face in a picture of {picture.shape[1]}x{picture.shape[0]}")
    return Portrait(picture, faces[0], _matte(picture, faces[0]))


def _matte(picture: UInt8Array, face: Face) -> Float32Array:
    scale = MATTE_PX / picture.shape[0]
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    marks = _marks(small.shape[0], small.shape[1], face.scaled(scale))
    cv2.setRNGSeed(1)
    cv2.grabCut(small, marks, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    person = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, labels, figures, _ = cv2.connectedComponentsWithStats(person)
    person = (labels == 1 + np.argmax(figures[1:, cv2.CC_STAT_AREA])).astype(np.uint8)
    person = np.asarray(cv2.morphologyEx(person, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)))
    soft = cv2.GaussianBlur(cv2.erode(person.astype(np.float32), np.ones((3, 3))), (0, 0), 1.5)
    matte = cv2.resize(soft, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(matte, 0, 1), np.float32)


def _marks(height: int, width: int, face: Face) -> UInt8Array:
    """Where grabCut may take for granted that there is the person, or is not; in face widths and heights."""
    marks = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    across, down = face.width, face.height
    middle, top, chin = face.left + across / 2, face.top, face.top + down

    def head(up: float, share: float, kind: int) -> None:
        centre, axes = (int(middle), int(top + up * down)), (int(share * across), int((1 - up) * down))
        cv2.ellipse(marks, centre, axes, 0, 0, 360, kind, -1)

    def shoulders(neck: float, arms: float, kind: int) -> None:
        half = np.array([-neck, neck, 0.9 * arms, arms, -arms, -0.9 * arms]) * across + middle
        heights = [chin, chin, chin + 0.7 * down, height, height, chin + 0.7 * down]
        cv2.fillPoly(marks, [np.column_stack([half, heights]).astype(np.int32)], kind)

    head(0.40, 0.85, cv2.GC_PR_FGD)
    shoulders(0.5, 1.9, cv2.GC_PR_FGD)
    head(0.45, 0.42, cv2.GC_FGD)
    shoulders(0.25, 0.9, cv2.GC_FGD)
    marks[: max(2, int(top - 0.45 * down))] = cv2.GC_BGD
    beside = slice(0, int(top + 0.8 * down))
    marks[beside, : max(0, int(middle - 1.25 * across))] = cv2.GC_BGD
    marks[beside, int(middle + 1.25 * across) :] = cv2.GC_BGD
    return marks


def office() -> UInt8Array:
    """Return the empty room, out of focus: (720, 1280, 3) uint8, BGR."""
    shade = np.linspace(0, 1, WIDTH)[None, :, None] * np.array([-18.0, -16.0, -12.0])
    room = np.repeat(shade + np.array([198.0, 205.0, 208.0]), HEIGHT, axis=0).astype(np.float32)
    window, frame = (226.0, 222.0, 214.0), (170.0, 176.0, 180.0)
    cv2.rectangle(room, (90, 70), (360, 420), window, -1)
    cv2.rectangle(room, (90, 70), (360, 420), frame, 10)
    cv2.line(room, (225, 70), (225, 420), frame, 8)
    cv2.rectangle(room, (980, 120), (1230, HEIGHT), (120.0, 140.0, 160.0), -1)
    cv2.rectangle(room, (1000, 150), (1210, HEIGHT), (140.0, 162.0, 184.0), -1)
    cv2.rectangle(room, (0, 600), (WIDTH, HEIGHT), (150.0, 158.0, 160.0), -1)
    return np.asarray(np.clip(cv2.GaussianBlur(room, (0, 0), 14), 0, 255), np.uint8)


class Sensor:
    """What a camera adds: noise, and the blur of a moment."""

    def __init__(self, seed: int) -> None:
        self._noise = np.random.default_rng(seed).normal(0, NOISE, (HEIGHT, WIDTH, 3)).astype(np.int16)

    def sees(self, picture: UInt8Array, at_s: float) -> UInt8Array:
        """Return the picture as the camera gives it at a time."""
        shifted = np.roll(self._noise, (int(at_s * 4391) % HEIGHT, int(at_s * 7919) % WIDTH), (0, 1))
        return np.asarray(cv2.add(picture, shifted, dtype=cv2.CV_8U), np.uint8)


class Sway:
    """How something held up by a body moves: slow sines whose speeds do not repeat together."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._phase = random.uniform(0, 2 * np.pi, 6)
        self._speed = 2 * np.pi * random.uniform(0.15, 0.45, 6)

    def at(self, at_s: float) -> Array:
        """Return six numbers of -1 to 1."""
        return np.asarray(np.sin(self._phase + self._speed * at_s))


def empty() -> Scene:
    """Nobody is there."""
    room, sensor = office(), Sensor(0)
    return lambda at_s: sensor.sees(room, at_s)


def person(who: Portrait, *, face_px: float = FACE_PX, seed: int = 0) -> Scene:
    """One bona fide person before the terminal.

    Args:
        face_px: height of the face in the scene.
        seed: of the place and the movement.
    """
    place_px = WIDTH / 2 + float(np.random.default_rng(seed).uniform(-70, 70))
    return _standing([(who, place_px)], face_px, seed)


def two_people(left: Portrait, right: Portrait, *, face_px: float = FACE_PX, seed: int = 0) -> Scene:
    """Two bona fide people side by side."""
    return _standing([(left, WIDTH * 0.3), (right, WIDTH * 0.68)], face_px, seed)


def _standing(people: list[tuple[Portrait, float]], face_px: float, seed: int) -> Scene:
    room, sensor = office(), Sensor(seed)
    cut = [(_sized(who, face_px), place_px, Sway(seed + index)) for index, (who, place_px) in enumerate(people)]

    def scene(at_s: float) -> UInt8Array:
        picture = room
        for who, place_px, sway in cut:
            matrix = _stance(who, place_px, sway.at(at_s))
            layer = cv2.warpAffine(who.picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
            picture = _laid_over(picture, layer, cv2.warpAffine(who.matte, matrix, (WIDTH, HEIGHT)))
        return sensor.sees(picture, at_s)

    return scene


def _sized(who: Portrait, face_px: float) -> Portrait:
    """The portrait at the size that it is wanted in, all its pixels counted."""
    scale = face_px / who.face.height
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = np.asarray(cv2.resize(who.picture, None, fx=scale, fy=scale, interpolation=way), np.uint8)
    matte = np.asarray(cv2.resize(who.matte, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    return Portrait(picture, who.face.scaled(scale), matte)


def _stance(who: Portrait, place_px: float, sway: Array) -> Array:
    """The (2, 3) matrix that stands a person in the room: head at the eye line, or lower if the picture ends."""
    middle_x, middle_y = who.face.left + who.face.width / 2, who.face.top + who.face.height / 2
    matrix = cv2.getRotationMatrix2D((middle_x, middle_y), 1.2 * sway[2], 1 + 0.015 * sway[3])
    head_px = max(EYE_LINE_PX, HEIGHT + 8 - who.picture.shape[0] + middle_y)
    matrix[:, 2] += (place_px - middle_x + 9 * sway[0], head_px - middle_y + 4 * sway[1])
    return matrix


def _laid_over(under: UInt8Array, over: Array, share: Array) -> UInt8Array:
    return np.asarray(cv2.blendLinear(over, under, share, 1 - share), np.uint8)


def attack(kind: Attack, who: Portrait, *, face_px: float = 230.0, seed: int = 0, turn: float = 0.0) -> Scene:
    """Somebody's picture, held before the terminal by a hand that is not in the picture.

    Args:
        face_px: height of the face in the scene.
        seed: of the place, the tilt and the movement.
        turn: degrees by which the picture is turned aside and back, once in six seconds, to answer a challenge.
    """
    random = np.random.default_rng(seed)
    sheet = _SHEETS[kind](_sized(_trimmed(who), face_px).picture.astype(np.float32), random)
    place = np.array([WIDTH / 2, 370.0]) + random.uniform(-1, 1, 2) * (60, 20)
    tilt = random.uniform(-1, 1, 3) * (12, 8, 5)
    room, sensor, sway = office(), Sensor(seed), Sway(seed)

    def scene(at_s: float) -> UInt8Array:
        moved = sway.at(at_s)
        aside = turn * (1 - np.cos(2 * np.pi * at_s / 6)) / 2
        corners = _corners(sheet, place + moved[:2] * (10, 6), tilt + moved[2:5] * (3, 3, 2) + (aside, 0, 0))
        return sensor.sees(_held(room, sheet, corners), at_s)

    return scene


def _trimmed(who: Portrait) -> Portrait:
    """A head and no more, as a passport photograph: 1.9 face widths by 1.95 face heights.

    With more around the head the edge of the sheet lies outside of what the liveness model looks at (ADR 4).
    """
    face, (height, width) = who.face, who.picture.shape[:2]
    middle = face.left + face.width / 2
    left, right = (int(np.clip(middle + side * 0.95 * face.width, 0, width)) for side in (-1, 1))
    top, bottom = max(0, int(face.top - 0.5 * face.height)), min(height, int(face.top + 1.45 * face.height))
    return Portrait(who.picture[top:bottom, left:right], face, who.matte[top:bottom, left:right])


def _printed(picture: Array, random: np.random.Generator) -> UInt8Array:
    """Ink on paper: paler colours, deep tones lost, a raster, a white margin, uneven light on the sheet."""
    grey = picture.mean(axis=2, keepdims=True)
    ink = 48 + (grey + 0.68 * (picture - grey)) * ((212 - 48) / 255)
    down, across = np.mgrid[0 : ink.shape[0], 0 : ink.shape[1]]
    raster = np.sin((0.866 * across + 0.5 * down) * 2.03) * np.sin((0.866 * down - 0.5 * across) * 2.03)
    margin = int(0.09 * ink.shape[1])
    paper = _framed(ink + 6 * raster[..., None], (margin, margin), (228.0, 232.0, 232.0))
    light = np.linspace(random.uniform(-14, 0), random.uniform(4, 18), paper.shape[1])[None, :, None]
    return np.asarray(np.clip(cv2.GaussianBlur(paper, (0, 0), 1.5) + light, 0, 255), np.uint8)


def _shown(picture: Array, random: np.random.Generator) -> UInt8Array:
    """A phone: bluish light that is never quite black, subpixels that beat with the camera's, a reflection, a bezel."""
    lit = (picture / 255) ** 0.9 * 235 * np.array([1.12, 1.02, 0.93]) + 8
    height, width = lit.shape[:2]
    down, across = np.mgrid[0:height, 0:width]
    beat = np.stack([np.sin(across * 2.33), 0.7 * np.sin(down * 2.33), np.sin(across * 2.33 + 2.1)], axis=2)
    aside = (across - width * random.uniform(0.55, 0.9)) / (0.12 * width)
    below = (down - height * random.uniform(0.05, 0.35)) / (0.22 * height)
    reflection = 60 * np.exp(-(aside**2 + below**2))
    screen = np.clip(lit + 8 * beat + reflection[..., None], 0, 255)
    return np.asarray(_framed(screen, (int(0.10 * height), int(0.035 * width)), (22.0, 20.0, 20.0)), np.uint8)


_SHEETS = {Attack.PRINT: _printed, Attack.PHONE: _shown}


def _framed(picture: Array, margins: tuple[int, int], colour: tuple[float, float, float]) -> Array:
    high, wide = margins
    framed = cv2.copyMakeBorder(picture.astype(np.float32), high, high, wide, wide, cv2.BORDER_CONSTANT, value=colour)
    return np.asarray(framed)


def _corners(sheet: UInt8Array, place: Array, tilt_deg: Array) -> Float32Array:
    """Where the sheet's corners are seen, (4, 2) float32, clockwise from the top left; the camera is 1400 px away."""
    height, width = sheet.shape[:2]
    flat = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * (width / 2, height / 2, 0)
    (yaw_c, pitch_c, roll_c), (yaw_s, pitch_s, roll_s) = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
    yaw = np.array([[yaw_c, 0, yaw_s], [0, 1, 0], [-yaw_s, 0, yaw_c]])
    pitch = np.array([[1, 0, 0], [0, pitch_c, -pitch_s], [0, pitch_s, pitch_c]])
    roll = np.array([[roll_c, -roll_s, 0], [roll_s, roll_c, 0], [0, 0, 1]])
    turned = flat @ (yaw @ pitch @ roll).T
    return np.asarray(place + turned[:, :2] * (1400 / (1400 + turned[:, 2:])), np.float32)


def _held(room: UInt8Array, sheet: UInt8Array, corners: Float32Array) -> UInt8Array:
    """The sheet in the room, with a soft shadow behind it."""
    height, width = sheet.shape[:2]
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, corners)
    layer = cv2.warpPerspective(sheet, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    share = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, (WIDTH, HEIGHT))
    shadow = cv2.resize(cv2.blur(cv2.resize(share, (WIDTH // 8, HEIGHT // 8)), (5, 5)), (WIDTH, HEIGHT))
    shaded = cv2.multiply(room, cv2.merge([1 - 0.25 * shadow] * 3), dtype=cv2.CV_8U)
    return np.asarray(cv2.blur(_laid_over(np.asarray(shaded, np.uint8), layer, share), (3, 1)), np.uint8)


class Video:
    """A film as a scene: it starts again at its end, and fills the picture."""

    def __init__(self, path: str) -> None:
        """
        Raises:
            ValueError: OpenCV cannot read it.
        """
        self._film = cv2.VideoCapture(path)
        self._rate_hz = self._film.get(cv2.CAP_PROP_FPS)
        self._frames = int(self._film.get(cv2.CAP_PROP_FRAME_COUNT))
        if self._frames < 1 or self._rate_hz <= 0:
            raise ValueError(f"{path} is no film")
        self._number = -1
        self._picture: UInt8Array = np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    def __call__(self, at_s: float) -> UInt8Array:
        """Return the picture at a time; going back is slow."""
        wanted = int(at_s * self._rate_hz) % self._frames
        if wanted < self._number:
            self._film.set(cv2.CAP_PROP_POS_FRAMES, 0)
            self._number = -1
        while self._number < wanted:
            came, picture = self._film.read()
            self._number += 1
            if came:
                self._picture = _filling(np.asarray(picture, np.uint8))
        return self._picture

    def close(self) -> None:
        """Give the file back."""
        self._film.release()


def _filling(picture: UInt8Array) -> UInt8Array:
    """The middle of a picture, at the scene's size."""
    scale = max(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    top, left = (large.shape[0] - HEIGHT) // 2, (large.shape[1] - WIDTH) // 2
    return np.ascontiguousarray(large[top : top + HEIGHT, left : left + WIDTH], np.uint8)
