"""A drawn person before a drawn office, in place of a camera's picture: nobody real is in the golden images."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

WALL, FLOOR, SHELF, WINDOW, SKY = (206, 214, 212), (168, 176, 176), (138, 158, 172), (236, 240, 238), (232, 214, 190)
SKIN, SKIN_SHADE, HAIR, PECI, SHIRT, SHIRT_LINE = (
    (120, 164, 206),
    (100, 142, 186),
    (34, 36, 42),
    (38, 32, 30),
    (98, 84, 44),
    (128, 116, 76),
)
BOOKS = ((96, 120, 176), (120, 150, 110), (170, 150, 96), (92, 110, 150), (140, 140, 190))


def camera_picture() -> NDArray[np.uint8]:
    """Return (720, 1280, 3) uint8, BGR."""
    picture = np.full((720, 1280, 3), WALL, np.uint8)
    _office(picture)
    _person(picture)
    return picture


def _office(picture: NDArray[np.uint8]) -> None:
    cv2.rectangle(picture, (0, 600), (1280, 720), FLOOR, -1)
    cv2.rectangle(picture, (820, 70), (1150, 400), WINDOW, -1)
    cv2.rectangle(picture, (840, 90), (975, 380), SKY, -1)
    cv2.rectangle(picture, (995, 90), (1130, 380), SKY, -1)
    for y in (150, 320, 490):
        cv2.rectangle(picture, (130, y), (470, y + 14), SHELF, -1)
        for place in range(9):
            x = 145 + 34 * place
            cv2.rectangle(picture, (x, y - 96 + 7 * (place % 3)), (x + 26, y), BOOKS[(place + y) % 5], -1)


def _person(picture: NDArray[np.uint8]) -> None:
    shirt = np.array([[330, 720], [352, 640], [420, 590], [560, 548], [720, 548], [860, 590], [928, 640], [950, 720]])
    _fill(picture, shirt, SHIRT)
    for x in (430, 540, 740, 850):
        cv2.ellipse(picture, (x, 668), (26, 12), 45, 0, 360, SHIRT_LINE, 5, cv2.LINE_AA)
        cv2.ellipse(picture, (x, 668), (26, 12), -45, 0, 360, SHIRT_LINE, 5, cv2.LINE_AA)
    _fill(picture, np.array([[578, 460], [702, 460], [706, 552], [640, 600], [574, 552]]), SKIN_SHADE)
    for x in (514, 766):
        cv2.ellipse(picture, (x, 352), (22, 38), 0, 0, 360, SKIN_SHADE, -1, cv2.LINE_AA)
    cv2.ellipse(picture, (640, 340), (126, 168), 0, 0, 360, SKIN, -1, cv2.LINE_AA)
    cv2.ellipse(picture, (640, 280), (130, 118), 0, 180, 360, HAIR, -1, cv2.LINE_AA)
    cv2.ellipse(picture, (640, 292), (122, 52), 0, 0, 360, SKIN, -1, cv2.LINE_AA)
    _fill(picture, np.array([[514, 262], [530, 152], [750, 152], [766, 262], [640, 240]]), PECI)
    for x in (592, 688):
        cv2.ellipse(picture, (x, 338), (11, 13), 0, 0, 360, HAIR, -1, cv2.LINE_AA)
        cv2.ellipse(picture, (x, 312), (26, 8), 0, 190, 350, HAIR, 6, cv2.LINE_AA)
    cv2.ellipse(picture, (640, 388), (15, 9), 0, 10, 170, SKIN_SHADE, 6, cv2.LINE_AA)
    cv2.ellipse(picture, (640, 424), (44, 24), 0, 22, 158, (84, 92, 150), 7, cv2.LINE_AA)


def _fill(picture: NDArray[np.uint8], outline: NDArray[np.int_], colour: tuple[int, int, int]) -> None:
    cv2.fillPoly(picture, [outline.astype(np.int32)], colour, cv2.LINE_AA)
    cv2.polylines(picture, [outline.astype(np.int32)], isClosed=True, color=colour, thickness=3, lineType=cv2.LINE_AA)
