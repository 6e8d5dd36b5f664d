"""What several screens share: the page they are drawn on, the bar at its top, and small composed pieces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from kiosk.core.biometrics import Liveness, Policy
from kiosk.core.faults import FaultCode
from kiosk.core.state import State
from kiosk.display.scene import (
    Align,
    Box,
    Chip,
    Colour,
    Disc,
    Glyph,
    Icon,
    Item,
    Octagon,
    Panel,
    Row,
    Shape,
    Stack,
    Text,
    Weight,
    square,
)
from kiosk.display.style import AMBER, INK, INK_SOFT, REFUSED, Look, Tone
from kiosk.display.texts import Texts
from wire.attendance import Moment

STRIP = 34
"""Height of the demonstration's banner, at 1024x600."""
BAR = 64
OFFICE_PART = 0.36
"""The part of the bar that the office's name has."""
MARGIN = 28


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that a screen is drawn from."""

    state: State
    now: Moment
    policy: Policy
    texts: Texts
    look: Look

    def px(self, measure: float) -> int:
        """A measure given for 1024x600, in this screen's pixels."""
        return self.look.px(measure)

    @property
    def box(self) -> Box:
        """The whole screen, less the demonstration's banner."""
        whole = Box(0, 0, *self.look.size)
        return whole.below(self.px(STRIP)) if self.is_demonstration else whole

    @property
    def is_demonstration(self) -> bool:
        """Whether faces are accepted without a check of liveness."""
        return self.policy.liveness is Liveness.OFF

    def local(self, t: datetime) -> datetime:
        """The office's wall-clock time."""
        return self.policy.schedule.local(t)

    def left_s(self, until_ms: int) -> float:
        """Seconds until then; 0 if it has passed."""
        return max(0, until_ms - self.now.mono_ms) / 1000

    def text(self, key: str, size: float, colour: Colour, weight: Weight = Weight.MEDIUM) -> Text:
        """A line of the texts, sized for this screen."""
        return self.words(self.texts(key), size, colour, weight)

    def words(self, content: str, size: float, colour: Colour, weight: Weight = Weight.MEDIUM) -> Text:
        """A line of any words, sized for this screen."""
        return Text(content, self.look.letters(size), colour, weight)

    def chip(self, text: Text, glyph: Glyph, fill: Colour | None = None) -> Chip:
        """The words with an icon."""
        return Chip(text, glyph, fill)


def label(box: Box, text: Text, align: Align = Align.START, stand: Align = Align.MIDDLE) -> Stack:
    """One text in a box."""
    return Stack(box, (text,), align, stand)


def lines(text: Text, most: int, above: int = 0) -> Text:
    """The text, allowed to wrap."""
    return replace(text, lines=most, above=above)


def name_of(page: Page, name: str, size: float, colour: Colour, weight: Weight) -> Text:
    """A person's name with its titles, on two lines; the longest become small, but whole."""
    return replace(page.words(name, size, colour, weight), lines=2, least=page.look.letters(24))


def strip(page: Page) -> Iterable[Item]:
    """The banner of a terminal that checks no liveness."""
    if page.is_demonstration:
        box = Box(0, 0, *page.look.size).top(page.px(STRIP))
        yield Panel(box, AMBER)
        words = page.text("status.demonstration", 19, INK, Weight.BOLD)
        yield Stack(box, (Chip(words, Glyph.ALERT),), Align.MIDDLE)


def bar(page: Page) -> Iterable[Item]:
    """The office on the left; network, queue and clock on the right."""
    box = page.box.top(page.px(BAR)).inset(page.px(MARGIN), 0)
    office = box.left(round(box.w * OFFICE_PART))
    yield label(office, lines(page.words(page.look.office, 24, INK, Weight.BOLD), 2))
    yield Row(box.beside(office.w), (_clock(page), _queue(page), _network(page)), page.px(32))


def _network(page: Page) -> Chip:
    key, glyph = ("online", Glyph.NETWORK) if page.state.connected else ("offline", Glyph.NETWORK_OFF)
    return page.chip(page.text(f"status.{key}", 20, INK_SOFT), glyph)


def _queue(page: Page) -> Chip:
    if page.state.missing:
        said = page.texts("status.missing", code=FaultCode.JOURNAL_RESTARTED.value, numbers=page.state.missing)
        return page.chip(page.words(said, 20, INK, Weight.BOLD), Glyph.ALERT, AMBER)
    count = page.state.outbox
    said = page.texts("status.queue", count=count) if count else page.texts("status.queue_empty")
    return page.chip(page.words(said, 20, INK_SOFT), Glyph.QUEUE)


def _clock(page: Page) -> Chip:
    clk = page.now.clk
    if not clk.ok or clk.unc_ms is None or FaultCode.CLOCK in page.state.faults:
        return page.chip(page.text("status.clock_unsure", 20, INK, Weight.BOLD), Glyph.CLOCK, AMBER)
    seconds = page.texts.decimal(max(0.1, clk.unc_ms / 1000))
    return page.chip(page.words(page.texts("status.clock_sure", seconds=seconds), 20, INK_SOFT), Glyph.CLOCK)


def sign(tone: Tone, centre: tuple[int, int], side: int) -> Iterable[Shape]:
    """The shape of a result with its glyph: an octagon for what was refused, else a disc."""
    box = square(centre, side)
    yield Octagon(box, tone.sign) if tone is REFUSED else Disc(box, tone.sign)
    yield Icon(tone.glyph, square(centre, round(side * 0.6)), tone.stroke, 2.8)


def countdown(page: Page, until_ms: int, whole_s: float, colour: Colour) -> Iterable[Item]:
    """A line along the lower edge that shortens until the screen goes."""
    height = page.px(8)
    width = round(page.box.w * min(1.0, page.left_s(until_ms) / whole_s))
    if width > height:
        yield Panel(Box(0, page.box.bottom - height, width, height), colour)


def initials(name: str) -> str:
    """One or two letters that stand for a name, its titles left out."""
    words = [word for word in name.split(",", maxsplit=1)[0].split() if word[0].isalpha() and not word.endswith(".")]
    chosen = [words[0], words[-1]] if len(words) > 1 else words
    return "".join(word[0].upper() for word in chosen) or name[:1].upper()
