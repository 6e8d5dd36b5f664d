"""What can be drawn, as values. A screen makes a `Scene`; `layout` places its words; the renderer turns it into pixels.

Coordinates are pixels of the picture that is drawn, x to the right and y down, from its upper left corner. What seldom
changes belongs in `Scene.still`, which the renderer keeps as one picture; what moves belongs in `Scene.live`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kiosk.core.messages import Message

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255, sRGB."""


class Weight(StrEnum):
    """How bold the letters are."""

    MEDIUM = "Medium"
    BOLD = "Bold"
    EXTRA_BOLD = "ExtraBold"


class Align(StrEnum):
    """Where something stands in the room it has, along one axis."""

    START = "start"
    MIDDLE = "middle"
    END = "end"


class Glyph(StrEnum):
    """The icons; `icons` draws them."""

    ALERT = "alert"
    ARROW_LEFT = "arrow_left"
    ARROW_RIGHT = "arrow_right"
    CAMERA = "camera"
    CAMERA_OFF = "camera_off"
    CLOCK = "clock"
    CLOSER = "closer"
    CROSS = "cross"
    ENTER = "enter"
    EYE = "eye"
    FACE = "face"
    FARTHER = "farther"
    FINGER = "finger"
    FINGER_OFF = "finger_off"
    HOLD = "hold"
    LEAVE = "leave"
    NETWORK = "network"
    NETWORK_OFF = "network_off"
    PEOPLE = "people"
    PERSON = "person"
    QUEUE = "queue"
    SHIELD = "shield"
    SUN = "sun"
    SUN_LOW = "sun_low"
    TICK = "tick"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: int
    y: int
    w: int
    h: int

    @property
    def right(self) -> int:
        """The first column beyond it."""
        return self.x + self.w

    @property
    def bottom(self) -> int:
        """The first row beyond it."""
        return self.y + self.h

    @property
    def centre(self) -> tuple[int, int]:
        """The point in its middle."""
        return self.x + self.w // 2, self.y + self.h // 2

    def inset(self, dx: int, dy: int | None = None) -> Box:
        """The box without a margin on every side."""
        dy = dx if dy is None else dy
        return Box(self.x + dx, self.y + dy, self.w - 2 * dx, self.h - 2 * dy)

    def top(self, height: int) -> Box:
        """Its upper part."""
        return Box(self.x, self.y, self.w, height)

    def below(self, height: int) -> Box:
        """What is left under its upper part."""
        return Box(self.x, self.y + height, self.w, self.h - height)

    def left(self, width: int) -> Box:
        """Its left part."""
        return Box(self.x, self.y, width, self.h)

    def beside(self, width: int) -> Box:
        """What is left to the right of its left part."""
        return Box(self.x + width, self.y, self.w - width, self.h)

    def contains(self, x: float, y: float) -> bool:
        """Whether the point is in it."""
        return self.x <= x < self.right and self.y <= y < self.bottom

    def holds(self, other: Box) -> bool:
        """Whether the other box lies wholly in it."""
        return self.x <= other.x and self.y <= other.y and other.right <= self.right and other.bottom <= self.bottom


def square(centre: tuple[int, int], side: int) -> Box:
    """The square of that side around a point."""
    return Box(centre[0] - side // 2, centre[1] - side // 2, side, side)


@dataclass(frozen=True, slots=True)
class Panel:
    """A filled rectangle, its corners rounded."""

    box: Box
    fill: Colour
    radius: int = 0


@dataclass(frozen=True, slots=True)
class Disc:
    """A filled circle: what went well."""

    box: Box
    fill: Colour


@dataclass(frozen=True, slots=True)
class Octagon:
    """A filled octagon with rounded corners: what did not; the shape of a stop sign."""

    box: Box
    fill: Colour


@dataclass(frozen=True, slots=True)
class Ring:
    """A circle's outline, from twelve o'clock clockwise."""

    box: Box
    colour: Colour
    width: int
    part: float = 1.0
    """How much of it is drawn, 0 to 1."""
    start: float = 0.0
    """Where it begins, in turns after twelve o'clock."""


@dataclass(frozen=True, slots=True)
class Oval:
    """An ellipse's outline, from twelve o'clock clockwise: where the face should be."""

    box: Box
    colour: Colour
    width: int
    part: float = 1.0


@dataclass(frozen=True, slots=True)
class Icon:
    """One of the icons, in one colour."""

    glyph: Glyph
    box: Box
    colour: Colour
    weight: float = 2.0
    """The stroke's width when the icon is 24 high."""


@dataclass(frozen=True, slots=True)
class Kawung:
    """The batik pattern of that name: four petals around a point, repeated. Quiet: never behind words."""

    box: Box
    colour: Colour
    tile: int


@dataclass(frozen=True, slots=True)
class Picture:
    """The camera's picture, cropped to the box from its middle and mirrored, as a person expects of a mirror."""

    box: Box
    radius: int
    surround: Colour
    """What the rounded corners show."""
    guide: Box
    """Outside this oval the picture is darker."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words in a `Stack`. Too long, they are wrapped, then made smaller, and only then cut with an ellipsis."""

    content: str
    size: int
    colour: Colour
    weight: Weight = Weight.MEDIUM
    lines: int = 1
    """The most lines it may take."""
    least: int = 0
    """The smallest size it may shrink to; 0: two thirds of `size`."""
    above: int = 0
    """Room over it, unless it is the first."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A short text with an icon, perhaps on a pill, as wide as it needs to be."""

    text: Text
    glyph: Glyph | None = None
    fill: Colour | None = None
    above: int = 0


@dataclass(frozen=True, slots=True)
class Stack:
    """Texts and chips one under another, placed in a box as one block."""

    box: Box
    parts: tuple[Text | Chip, ...]
    align: Align = Align.START
    stand: Align = Align.MIDDLE
    """Where the block stands in the box's height."""


@dataclass(frozen=True, slots=True)
class Row:
    """Chips side by side, each as wide as it needs to be, ending at the box's right edge."""

    box: Box
    parts: tuple[Chip, ...]
    gap: int


Shape = Panel | Disc | Octagon | Ring | Oval | Icon | Kawung | Picture


@dataclass(frozen=True, slots=True)
class Button:
    """What is drawn of a button, and the message that a touch on it posts."""

    box: Box
    message: Message
    face: tuple[Shape | Stack, ...]


Item = Shape | Stack | Row | Button


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture of the screen."""

    size: tuple[int, int]
    background: Colour
    still: tuple[Item, ...]
    live: tuple[Item, ...] = ()
    """Drawn over the rest, and expected to change at every frame."""

    @property
    def buttons(self) -> tuple[Button, ...]:
        """What can be touched."""
        return tuple(item for item in (*self.still, *self.live) if isinstance(item, Button))

    def message_at(self, x: float, y: float) -> Message | None:
        """What a touch at that point posts; None: nothing is there."""
        return next((button.message for button in self.buttons if button.box.contains(x, y)), None)
