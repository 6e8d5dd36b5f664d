"""Words to places: wraps, shrinks and stacks what a scene says until it fits. Pure but for the ruler it is lent.

Letters are placed by their capitals: a line's height is that of an H, so that words stand in the optical middle of a
button, and two texts of different sizes share a true margin. Tails (g, p) reach below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from kiosk.display.scene import Align, Box, Button, Chip, Colour, Icon, Item, Panel, Row, Shape, Stack, Text, Weight

LEADING = 1.26
"""From one baseline to the next, in sizes."""
ELLIPSIS = "…"


class Ruler(Protocol):
    """Measures letters."""

    def width(self, content: str, size: int, weight: Weight) -> int:
        """How wide the line is, in pixels."""

    def capital(self, size: int, weight: Weight) -> int:
        """How high an H is, in pixels."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text in its place."""

    content: str
    size: int
    weight: Weight
    colour: Colour
    box: Box
    """As wide as the line and as high as its capitals; it stands on the lower edge."""
    cut: bool = False
    """It did not fit and ends in an ellipsis."""


Mark = Shape | Line
"""What is left of a scene once everything has its place."""


def marks(items: Sequence[Item], ruler: Ruler) -> Iterator[Mark]:
    """Yield what the items draw, in order."""
    for item in items:
        match item:
            case Button(_, _, face):
                yield from marks(face, ruler)
            case Stack():
                yield from _stacked(item, ruler)
            case Row():
                yield from _in_a_row(item, ruler)
            case _:
                yield item


@dataclass(frozen=True, slots=True)
class _Block:
    """One part of a stack, measured."""

    part: Text | Chip
    lines: tuple[str, ...]
    size: int
    cut: bool
    w: int
    h: int


def _stacked(stack: Stack, ruler: Ruler) -> Iterator[Mark]:
    blocks = [_block(part, stack.box.w, ruler) for part in stack.parts]
    gaps = [0, *(part.above for part in stack.parts[1:])]
    height = sum(block.h for block in blocks) + sum(gaps)
    y = stack.box.y + _offset(stack.stand, stack.box.h - height)
    for block, gap in zip(blocks, gaps, strict=True):
        y += gap
        yield from _placed(block, stack, y, ruler)
        y += block.h


def _in_a_row(row: Row, ruler: Ruler) -> Iterator[Mark]:
    blocks = [_block(chip, row.box.w, ruler) for chip in row.parts]
    x = row.box.right - sum(block.w for block in blocks) - row.gap * (len(blocks) - 1)
    for chip, block in zip(row.parts, blocks, strict=True):
        y = row.box.y + (row.box.h - block.h) // 2
        yield from _chip(chip, block, Box(x, y, block.w, block.h), ruler)
        x += block.w + row.gap


def _offset(align: Align, spare: int) -> int:
    return {Align.START: 0, Align.MIDDLE: spare // 2, Align.END: spare}[align]


def _block(part: Text | Chip, room: int, ruler: Ruler) -> _Block:
    if isinstance(part, Text):
        lines, size, cut = _fitted(part, room, ruler)
        width = max(ruler.width(line, size, part.weight) for line in lines)
        height = ruler.capital(size, part.weight) + (len(lines) - 1) * round(LEADING * size)
        return _Block(part, lines, size, cut, width, height)
    around = _chip_lead(part) + _chip_tail(part)
    lines, size, cut = _fitted(replace(part.text, lines=1), room - around, ruler)
    width = ruler.width(lines[0], size, part.text.weight) + around
    return _Block(part, lines, size, cut, width, _chip_height(part, ruler))


def _chip_height(chip: Chip, ruler: Ruler) -> int:
    return round(1.9 * chip.text.size) if chip.fill else ruler.capital(chip.text.size, chip.text.weight)


def _chip_lead(chip: Chip) -> int:
    """Room before the words."""
    size = chip.text.size
    if chip.glyph is None:
        return round(0.8 * size) if chip.fill else 0
    return round((2.15 if chip.fill else 1.55) * size)


def _chip_tail(chip: Chip) -> int:
    return round(0.85 * chip.text.size) if chip.fill else 0


def _placed(block: _Block, stack: Stack, y: int, ruler: Ruler) -> Iterator[Mark]:
    x = stack.box.x + _offset(stack.align, stack.box.w - block.w)
    if isinstance(block.part, Chip):
        yield from _chip(block.part, block, Box(x, y, block.w, block.h), ruler)
        return
    capital = ruler.capital(block.size, block.part.weight)
    for content in filter(None, block.lines):
        width = ruler.width(content, block.size, block.part.weight)
        box = Box(stack.box.x + _offset(stack.align, stack.box.w - width), y, width, capital)
        yield Line(content, block.size, block.part.weight, block.part.colour, box, block.cut)
        y += round(LEADING * block.size)


def _chip(chip: Chip, block: _Block, box: Box, ruler: Ruler) -> Iterator[Mark]:
    text = chip.text
    if chip.fill is not None:
        yield Panel(box, chip.fill, box.h // 2)
    side = round(1.2 * text.size)
    if chip.glyph is not None:
        x = box.x + (round(0.6 * text.size) if chip.fill else 0)
        yield Icon(chip.glyph, Box(x, box.y + (box.h - side) // 2, side, side), text.colour, 2.4)
    capital = ruler.capital(block.size, text.weight)
    left = box.x + _chip_lead(chip)
    width = box.w - _chip_lead(chip) - _chip_tail(chip)
    place = Box(left, box.y + (box.h - capital) // 2, width, capital)
    yield Line(block.lines[0], block.size, text.weight, text.colour, place, block.cut)


def _fitted(text: Text, room: int, ruler: Ruler) -> tuple[tuple[str, ...], int, bool]:
    """The lines, their size, and whether words were cut: the largest size at which the text fits."""
    least = text.least or round(text.size * 2 / 3)
    for size in range(text.size, least - 1, -1):
        lines = _wrapped(text.content, room, ruler, size, text.weight)
        if len(lines) <= text.lines and all(ruler.width(line, size, text.weight) <= room for line in lines):
            return _balanced(text, room, ruler, size, len(lines)), size, False
    lines = _wrapped(text.content, room, ruler, least, text.weight)
    last = " ".join(lines[text.lines - 1 :])
    while last and ruler.width(last + ELLIPSIS, least, text.weight) > room:
        last = last[:-1].rstrip()
    return (*lines[: text.lines - 1], last + ELLIPSIS), least, True


def _wrapped(content: str, room: int, ruler: Ruler, size: int, weight: Weight) -> list[str]:
    lines = [""]
    for word in content.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or ruler.width(longer, size, weight) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _balanced(text: Text, room: int, ruler: Ruler, size: int, count: int) -> tuple[str, ...]:
    """The same number of lines, of lengths as equal as can be: no word is left alone on the last."""
    low, high = room // count, room
    while low < high:
        middle = (low + high) // 2
        lines = _wrapped(text.content, middle, ruler, size, text.weight)
        fits = len(lines) <= count and all(ruler.width(line, size, text.weight) <= middle for line in lines)
        low, high = (low, middle) if fits else (middle + 1, high)
    return tuple(_wrapped(text.content, high, ruler, size, text.weight))
