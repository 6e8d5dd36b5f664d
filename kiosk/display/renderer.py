"""A scene becomes pixels, a touch becomes a message: the only file that knows pygame.

The scene is drawn on a picture of its own size and then fitted to whatever size the window really has, since panels do
not honour the one that was asked for; a touch goes the same way back. What is still is drawn once and kept; letters and
shapes are kept as sprites. Without a display (`headless`) there is only that picture, and nothing can be touched.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import assert_never

import cv2
import numpy as np
from numpy.typing import NDArray

from kiosk.config import DisplaySettings
from kiosk.core.faults import KioskError
from kiosk.core.messages import Message
from kiosk.display import raster
from kiosk.display.icons import drawing
from kiosk.display.layout import Line, Mark, marks
from kiosk.display.scene import (
    Box,
    Colour,
    Disc,
    Icon,
    Item,
    Kawung,
    Octagon,
    Oval,
    Panel,
    Picture,
    Ring,
    Scene,
    Weight,
)

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # it would be printed on the program's own output
import pygame

Pixels = NDArray[np.uint8]

SPRITES_BYTES = 24 * 1024 * 1024
"""What kept sprites may take: three times what the largest screen needs."""
SHADE = 0.38
"""How much darker the picture is outside the guide, 0 to 1."""
TITLE = "Hadir"
LARGE_PX = 48
"""Letters from this size on are drawn twice as large and averaged, smaller ones four times: hinted at their own size,
their distances would be uneven."""


class DisplayError(KioskError):
    """The screen cannot be opened or written to a file."""


class Fonts:
    """The bundled typeface at every size asked for; the ruler of `layout`."""

    def __init__(self) -> None:
        pygame.font.init()
        self._font = lru_cache(maxsize=256)(_opened)
        self._width = lru_cache(maxsize=8192)(lambda content, size, weight: self._fine(size, weight).size(content)[0])

    def width(self, content: str, size: int, weight: Weight) -> int:
        """See `layout.Ruler`."""
        return math.ceil(self._width(content, size, weight) / _finer(size))

    def capital(self, size: int, weight: Weight) -> int:
        """See `layout.Ruler`."""
        return round(self._fine(size, weight).metrics("H")[0][3] / _finer(size))

    def ascent(self, size: int, weight: Weight) -> int:
        """How far above the line a letter's picture begins."""
        return math.ceil(self._fine(size, weight).get_ascent() / _finer(size))

    def coverage(self, line: Line) -> raster.Coverage:
        """Draw the letters: (height, width) uint8, 0 to 255; the line they stand on is `ascent` below the top."""
        finer, font = _finer(line.size), self._fine(line.size, line.weight)
        content = "".join(letter for letter in line.content if letter.isprintable())
        if not font.size(content)[0]:
            return np.zeros((1, 1), np.uint8)  # pygame raises for words that have no width
        letters = font.render(content, True, (0, 0, 0))  # noqa: FBT003 - pygame takes it by position
        fine = pygame.surfarray.array_alpha(letters).T
        above = -font.get_ascent() % finer
        height, width = (-(-side // finer) for side in (fine.shape[0] + above, fine.shape[1]))
        padded = np.zeros((height * finer, width * finer), np.uint8)
        padded[above : above + fine.shape[0], : fine.shape[1]] = fine
        return np.asarray(cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    def _fine(self, size: int, weight: Weight) -> pygame.font.Font:
        return self._font(_finer(size) * size, weight)


def _finer(size: int) -> int:
    return 2 if size >= LARGE_PX else 4


def _opened(size: int, weight: Weight) -> pygame.font.Font:
    file = resources.files("kiosk.display").joinpath(f"fonts/PlusJakartaSans-{weight.value}.ttf")
    with resources.as_file(file) as path:
        return pygame.font.Font(path, size)


class Renderer:
    """The window, or a picture in its place."""

    def __init__(self, settings: DisplaySettings, *, headless: bool) -> None:
        """
        Raises:
            DisplayError: no window can be opened.
        """
        self.quit_asked = False
        """Whether the window was closed, or Ctrl+Q pressed."""
        self.fonts = Fonts()
        self._size = (settings.width_px, settings.height_px)
        self._canvas = pygame.Surface(self._size, depth=32)
        self._window = None if headless else _window(self._size, fullscreen=settings.fullscreen)
        self._sprites: OrderedDict[Mark, pygame.Surface] = OrderedDict()
        self._sprites_bytes = 0
        self._base: tuple[Colour, tuple[Item, ...]] | None = None
        self._base_picture = pygame.Surface(self._size, depth=32)
        self._scene: Scene | None = None

    def draw(self, scene: Scene, picture: Pixels | None) -> None:
        """Show the scene.

        Args:
            scene: of the size of the settings.
            picture: (height, width, 3) uint8, BGR: the newest of the camera; None: there is none yet.
        """
        if scene == self._scene and not any(isinstance(item, Picture) for item in scene.live):
            return
        self._scene = scene
        self._draw_base(scene)
        self._canvas.blit(self._base_picture, (0, 0))
        for mark in marks(scene.live, self.fonts):
            self._paint(self._canvas, mark, picture)
        self._show()

    def touches(self) -> list[Message]:
        """Return what was touched since the last time, as the buttons' messages, the oldest first."""
        if self._window is None:
            return []
        messages = []
        for event in pygame.event.get():
            self.quit_asked = self.quit_asked or _asks_to_quit(event)
            place = _touched(event, self._window.get_size())
            message = self._scene.message_at(*self._unfitted(place)) if place and self._scene else None
            if message is not None:
                messages.append(message)
        return messages

    def pixels(self) -> Pixels:
        """Return a copy of what is shown: (height, width, 3) uint8, BGR."""
        width, height = self._size
        flat = np.frombuffer(pygame.image.tobytes(self._canvas, "BGRA"), np.uint8)
        return np.ascontiguousarray(flat.reshape(height, width, 4)[:, :, :3])

    def save(self, path: Path) -> None:
        """Write what is shown as a PNG.

        Raises:
            DisplayError: the file cannot be written.
        """
        if not cv2.imwrite(str(path), self.pixels(), [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise DisplayError(f"{path}: cannot be written")

    def close(self) -> None:
        """Give the window back."""
        if self._window is not None:
            pygame.display.quit()
            self._window = None

    # ---- what is kept

    def _draw_base(self, scene: Scene) -> None:
        if self._base == (scene.background, scene.still):
            return
        self._base = (scene.background, scene.still)
        self._base_picture.fill(scene.background)
        for mark in marks(scene.still, self.fonts):
            self._paint(self._base_picture, mark, None)

    def _paint(self, surface: pygame.Surface, mark: Mark, picture: Pixels | None) -> None:
        match mark:
            case Line():
                self._write(surface, mark)
            case Picture():
                self._project(surface, mark, picture)
            case Panel(box, fill, 0):
                surface.fill(fill, _rect(box))
            case _:
                surface.blit(self._sprite(mark), (mark.box.x, mark.box.y))

    def _sprite(self, mark: Mark) -> pygame.Surface:
        sprite = self._sprites.pop(mark, None)
        if sprite is None:
            sprite = self._made(mark)
            self._sprites_bytes += _bytes(sprite)
        self._sprites[mark] = sprite
        while self._sprites_bytes > SPRITES_BYTES and len(self._sprites) > 1:
            _, oldest = self._sprites.popitem(last=False)
            self._sprites_bytes -= _bytes(oldest)
        return sprite

    def _made(self, mark: Mark) -> pygame.Surface:
        if isinstance(mark, Line):
            return _tinted(self.fonts.coverage(mark), mark.colour)
        if isinstance(mark, Picture):
            return _veil(mark)
        return _tinted(_coverage(mark), _colour(mark))

    def _write(self, surface: pygame.Surface, line: Line) -> None:
        ascent = self.fonts.ascent(line.size, line.weight)
        surface.blit(self._sprite(line), (line.box.x, line.box.bottom - ascent))

    def _project(self, surface: pygame.Surface, mark: Picture, picture: Pixels | None) -> None:
        box = mark.box
        if picture is None:
            surface.fill((46, 56, 52), _rect(box))
        else:
            scaled = _mirrored(picture, box.w, box.h)
            opaque = pygame.image.frombuffer(scaled.data, (box.w, box.h), "BGRA")
            opaque.set_alpha(None)
            surface.blit(opaque, (box.x, box.y))
        surface.blit(self._sprite(mark), (box.x, box.y))

    # ---- the window

    def _show(self) -> None:
        if self._window is None:
            return
        place = fitted(self._size, self._window.get_size())
        if place.w == self._size[0] and place.h == self._size[1]:
            self._window.blit(self._canvas, (place.x, place.y))
        else:
            self._window.blit(pygame.transform.smoothscale(self._canvas, (place.w, place.h)), (place.x, place.y))
        pygame.display.flip()

    def _unfitted(self, place: tuple[float, float]) -> tuple[float, float]:
        if self._window is None:
            return place
        box = fitted(self._size, self._window.get_size())
        return (place[0] - box.x) * self._size[0] / box.w, (place[1] - box.y) * self._size[1] / box.h


def fitted(size: tuple[int, int], room: tuple[int, int]) -> Box:
    """Return where a picture goes in a window: as large as possible, its shape kept, in the middle."""
    scale = min(room[0] / size[0], room[1] / size[1])
    width, height = round(size[0] * scale), round(size[1] * scale)
    return Box((room[0] - width) // 2, (room[1] - height) // 2, width, height)


def _window(size: tuple[int, int], *, fullscreen: bool) -> pygame.Surface:
    # SDL would show the window through OpenGL, which in software costs 100 MB and draws nothing faster.
    os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
    try:
        pygame.display.init()
        pygame.display.set_caption(TITLE)
        # A panel has the size it has: asked for another, SDL says that it is full and shows a part of it.
        window = pygame.display.set_mode((0, 0), pygame.FULLSCREEN) if fullscreen else pygame.display.set_mode(size)
    except pygame.error as error:
        raise DisplayError(f"no window of {size[0]}x{size[1]}: {error}") from error
    pygame.mouse.set_visible(not fullscreen)
    return window


def _asks_to_quit(event: pygame.event.Event) -> bool:
    if event.type == pygame.KEYDOWN:
        return bool(event.key == pygame.K_q and event.mod & pygame.KMOD_CTRL)
    return bool(event.type == pygame.QUIT)


def _touched(event: pygame.event.Event, window: tuple[int, int]) -> tuple[float, float] | None:
    """Where in the window; None: the event is no touch. SDL also reports every touch as a mouse, marked `touch`."""
    if event.type == pygame.FINGERDOWN:
        return event.x * window[0], event.y * window[1]
    if event.type == pygame.MOUSEBUTTONDOWN and event.button == pygame.BUTTON_LEFT and not event.touch:
        return float(event.pos[0]), float(event.pos[1])
    return None


def _mirrored(picture: Pixels, w: int, h: int) -> Pixels:
    """Return the middle of the picture at that size, mirrored: (h, w, 4) uint8, BGRA."""
    height, width = picture.shape[:2]
    scale = min(width / w, height / h)
    cut_w, cut_h = round(w * scale), round(h * scale)
    x, y = (width - cut_w) // 2, (height - cut_h) // 2
    cut = picture[y : y + cut_h, x : x + cut_w]
    scaled = cv2.resize(cut, (w, h), interpolation=cv2.INTER_AREA if scale > 1.5 else cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(cv2.flip(scaled, 1), cv2.COLOR_BGR2BGRA), np.uint8)


def _veil(mark: Picture) -> pygame.Surface:
    """What lies over a camera picture: darkness outside the guide, and the corners."""
    box, guide = mark.box, mark.guide
    shade = raster.outside_oval(box.w, box.h, (guide.x - box.x, guide.y - box.y, guide.w, guide.h)) * SHADE
    corners = 255 - raster.rounded_box(box.w, box.h, mark.radius)
    bgra = np.zeros((box.h, box.w, 4), np.uint8)
    bgra[corners > 0, :3] = mark.surround[::-1]
    bgra[..., 3] = np.maximum(shade, corners)
    return _surface(bgra)


def _coverage(mark: Mark) -> raster.Coverage:
    match mark:
        case Panel(box, _, radius):
            return raster.rounded_box(box.w, box.h, radius)
        case Disc(box):
            return raster.disc(box.w)
        case Octagon(box):
            return raster.octagon(box.w)
        case Ring(box, _, width, part, start):
            return raster.ring(box.w, width, part, start)
        case Oval(box, _, width, part):
            return raster.oval(box.w, box.h, width, part)
        case Icon(glyph, box, _, weight):
            return raster.icon(box.w, drawing(glyph), weight)
        case Kawung(box, _, tile):
            return raster.kawung(box.w, box.h, tile)
        case Line() | Picture():
            raise AssertionError(mark)
        case _ as never:
            assert_never(never)


def _colour(mark: Mark) -> Colour:
    match mark:
        case Panel() | Disc() | Octagon():
            return mark.fill
        case Picture():
            return mark.surround
        case _:
            return mark.colour


def _tinted(coverage: raster.Coverage, colour: Colour) -> pygame.Surface:
    height, width = coverage.shape
    bgra = np.empty((height, width, 4), np.uint8)
    bgra[..., :3] = colour[::-1]
    bgra[..., 3] = coverage
    return _surface(bgra)


def _surface(bgra: Pixels) -> pygame.Surface:
    """Of the canvas's own byte order, for which SDL has its fast paths; run-length encoded, since most is empty."""
    height, width = bgra.shape[:2]
    surface = pygame.image.frombuffer(bgra.tobytes(), (width, height), "BGRA")
    surface.set_alpha(255, pygame.RLEACCEL)
    return surface


def _bytes(sprite: pygame.Surface) -> int:
    return sprite.get_width() * sprite.get_height() * sprite.get_bytesize()


def _rect(box: Box) -> tuple[int, int, int, int]:
    return box.x, box.y, box.w, box.h
