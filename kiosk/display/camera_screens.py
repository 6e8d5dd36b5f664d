"""The screens on which a person sees themselves: idle, looking, challenged, and being enrolled.

The picture is on the left, what to do on the right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil

from kiosk.core.biometrics import TURNS, Action, Hint, Modality
from kiosk.core.enrolling import Capturing, EnrolmentPlan, wanted
from kiosk.core.session import liveness_in_force
from kiosk.core.state import Challenged, Looking
from kiosk.display.parts import BAR, MARGIN, OFFICE_PART, Page, bar, label, lines
from kiosk.display.scene import (
    Align,
    Box,
    Colour,
    Disc,
    Glyph,
    Icon,
    Item,
    Oval,
    Panel,
    Picture,
    Ring,
    Scene,
    Stack,
    Text,
    Weight,
    square,
)
from kiosk.display.style import (
    AMBER,
    AMBER_SOFT,
    BLUE,
    GREEN,
    INK,
    INK_SOFT,
    LINE,
    MINT,
    MINT_SOFT,
    PAPER,
    SKY,
    SKY_SOFT,
    SURFACE,
    WHITE,
)

HINT_GLYPHS: dict[Hint, Glyph] = {
    Hint.CLOSER: Glyph.CLOSER,
    Hint.FARTHER: Glyph.FARTHER,
    Hint.ONE_PERSON: Glyph.PEOPLE,
    Hint.MORE_LIGHT: Glyph.SUN_LOW,
    Hint.LESS_LIGHT: Glyph.SUN,
    Hint.HOLD_STILL: Glyph.HOLD,
    Hint.LOOK_HERE: Glyph.EYE,
    Hint.PRESS_AGAIN: Glyph.FINGER,
    Hint.EVEN_LIGHT: Glyph.SUN,
    Hint.OPEN_EYES: Glyph.EYE,
    Hint.CLOSE_MOUTH: Glyph.FACE,
    Hint.TURN_SLIGHTLY_LEFT: Glyph.ARROW_LEFT,
    Hint.TURN_SLIGHTLY_RIGHT: Glyph.ARROW_RIGHT,
}
CLOCK_SIZE = 124
GUIDE_WIDTH = 6


@dataclass(frozen=True, slots=True)
class _Panes:
    """Where things stand."""

    picture: Box
    guide: Box
    clock: Box
    card: Box


def idle(page: Page) -> Scene:
    """Nobody is there: the invitation."""
    panes = _panes(page)
    working = page.state.working(page.policy)
    live: tuple[Item, ...] = ()
    still: tuple[Item, ...] = (*_frame(page, panes), *_invitation(page, panes.card, working))
    if Modality.FACE in working:
        live = (_picture(page, panes), Oval(panes.guide, WHITE, page.px(GUIDE_WIDTH)))
    else:
        still = (*still, *_without_camera(page, panes.picture, working))
    return Scene(page.look.size, PAPER, still, live)


def looking(page: Page, phase: Looking) -> Scene:
    """Somebody is there: what would help, or how far recognition is."""
    panes = _panes(page)
    part = min(1.0, len(phase.probes) / page.policy.frames_per_visit)
    colour = AMBER if phase.hint else SKY
    width = page.px(GUIDE_WIDTH + 4)
    live = [_picture(page, panes), Oval(panes.guide, WHITE, page.px(GUIDE_WIDTH)), Oval(panes.guide, colour, width)]
    if phase.hint is None:
        live[2] = Oval(panes.guide, SKY, width, part)
        card = _card(page, panes.card, _Advice(Glyph.FACE, "looking.hold", "looking.reading", BLUE, WHITE, SKY_SOFT))
    else:
        glyph, key = HINT_GLYPHS[phase.hint], phase.hint.value
        card = _card(page, panes.card, _Advice(glyph, f"hint.{key}", f"hint_more.{key}", AMBER, INK, INK))
    return Scene(page.look.size, PAPER, (*_frame(page, panes), *card), tuple(live))


def challenged(page: Page, phase: Challenged) -> Scene:
    """A known face is asked to do something: a large sign of it, within a ring that is the time left."""
    panes = _panes(page)
    box = Box(panes.card.x, panes.clock.y, panes.card.w, panes.card.bottom - panes.clock.y)
    side = round(min(box.w * 0.6, box.h * 0.46))
    ring = square((box.centre[0], box.y + page.px(52) + side // 2), side)
    words = Box(box.x, ring.bottom, box.w, box.bottom - ring.bottom).inset(page.px(20), page.px(28))
    action = phase.actions[-1] if phase.actions else None
    key = action.value if action else "waiting"
    title = page.text(f"challenge.{key}", 42, WHITE, Weight.EXTRA_BOLD)
    more = page.text(f"challenge_more.{key}", 24, SKY_SOFT)
    step = page.texts("challenge.step", number=max(1, len(phase.actions)), count=page.policy.challenge_length)
    still: tuple[Item, ...] = (
        *bar(page),
        Panel(box, BLUE, page.px(28)),
        label(box.inset(page.px(20), page.px(14)), page.words(step, 20, SKY_SOFT), Align.MIDDLE, Align.START),
        Icon(_SIGNS[action], square(ring.centre, round(side * 0.56)), WHITE, 2.6),
        Stack(words, (lines(title, 2), lines(more, 2, page.px(22))), Align.MIDDLE),
    )
    part = round(page.left_s(phase.until_ms) / page.policy.challenge_s, 2)
    live = (
        _picture(page, panes),
        Oval(panes.guide, SKY, page.px(GUIDE_WIDTH)),
        *_pointer(page, panes, action),
        Ring(ring, (60, 104, 160), page.px(12)),
        Ring(ring, WHITE, page.px(12), min(1.0, part)),
    )
    return Scene(page.look.size, PAPER, still, live)


def capturing(page: Page, phase: Capturing, plan: EnrolmentPlan) -> Scene:
    """A face is being enrolled: whose, how far it is, and what would help."""
    panes = _panes(page)
    width = page.px(GUIDE_WIDTH + 4)
    still: list[Item] = [*_heading(page, plan.name), *_progress(page, panes.clock, phase, plan)]
    live = [_picture(page, panes), Oval(panes.guide, WHITE, page.px(GUIDE_WIDTH))]
    if phase.hint is not None:
        advice = _Advice(HINT_GLYPHS[phase.hint], f"hint.{phase.hint}", f"hint_more.{phase.hint}", AMBER, INK, INK)
        live += [Oval(panes.guide, AMBER, width), *_pointer(page, panes, _TURNS.get(phase.hint))]
    elif phase.run:
        advice = _Advice(Glyph.HOLD, "looking.hold", "enrolling.taking", BLUE, WHITE, SKY_SOFT)
        live.append(Oval(panes.guide, SKY, width, len(phase.run) / plan.frames))
    else:
        pose = wanted(phase, plan)
        advice = _Advice(Glyph.FACE, f"pose.{pose}", "enrolling.slowly", BLUE, WHITE, SKY_SOFT)
    return Scene(page.look.size, PAPER, (*still, *_card(page, panes.card, advice)), tuple(live))


_TURNS = {Hint.TURN_SLIGHTLY_LEFT: Action.TURN_LEFT, Hint.TURN_SLIGHTLY_RIGHT: Action.TURN_RIGHT}


def _heading(page: Page, name: str) -> Iterable[Item]:
    """In the bar's place: whose face it is, and at which office."""
    box = page.box.top(page.px(BAR)).inset(page.px(MARGIN), 0)
    left = box.left(round(box.w * (1 - OFFICE_PART)))
    yield label(left, lines(page.words(name, 24, INK, Weight.BOLD), 2))
    yield Stack(box.beside(left.w), (lines(page.words(page.look.office, 20, INK_SOFT), 2),), Align.END)


def _progress(page: Page, box: Box, phase: Capturing, plan: EnrolmentPlan) -> Iterable[Item]:
    """A disc for every sample: taken, wanted now, to come."""
    side, gap = page.px(72), page.px(22)
    title = box.top(box.h // 2 - page.px(20))
    yield label(title, page.text("enrolling.title", 34, INK, Weight.EXTRA_BOLD))
    for place in range(len(plan.poses)):
        disc = Box(box.x + place * (side + gap), title.bottom, side, side)
        if place < len(phase.samples):
            yield Disc(disc, GREEN)
            yield Icon(Glyph.TICK, square(disc.centre, round(side * 0.6)), WHITE, 3)
        else:
            yield Disc(disc, SKY if place == len(phase.samples) else LINE)
            yield label(disc, page.words(str(place + 1), 30, INK, Weight.BOLD), Align.MIDDLE)


_SIGNS: dict[Action | None, Glyph] = {
    None: Glyph.FACE,
    Action.TURN_LEFT: Glyph.ARROW_LEFT,
    Action.TURN_RIGHT: Glyph.ARROW_RIGHT,
    Action.BLINK: Glyph.EYE,
    Action.COME_CLOSER: Glyph.CLOSER,
}


def _panes(page: Page) -> _Panes:
    margin, gap = page.px(MARGIN), page.px(24)
    body = page.box.below(page.px(BAR))
    body = Box(margin, body.y, body.w - 2 * margin, body.h - margin)
    picture = body.left(round(body.w * 0.61))
    column = body.beside(picture.w + gap)
    clock = column.top(round(column.h * 0.37))
    card = column.below(clock.h)
    height = round(picture.h * 0.8)
    guide = square(picture.centre, height)
    guide = Box(picture.centre[0] - round(height * 0.37), guide.y, round(height * 0.74), height)
    return _Panes(picture, guide, clock, card)


def _frame(page: Page, panes: _Panes) -> Iterable[Item]:
    """What all of these screens show: the bar, the time and the date."""
    local = page.local(page.now.t)
    yield from bar(page)
    time = page.words(page.texts.time(local), CLOCK_SIZE, INK, Weight.EXTRA_BOLD)
    date = page.words(page.texts.date(local), 25, INK_SOFT)
    zone = local.tzname() or ""
    box = panes.clock
    yield Stack(
        Box(box.x, box.y, box.w, box.h - page.px(30)),
        (time, Text(f"{date.content} · {zone}", date.size, date.colour, above=page.px(26))),
        stand=Align.MIDDLE,
    )


def _picture(page: Page, panes: _Panes) -> Item:
    return Picture(panes.picture, page.px(28), PAPER, panes.guide)


def _pointer(page: Page, panes: _Panes, action: Action | None) -> Iterable[Item]:
    """The arrow beside the face, on the side to turn to."""
    if action not in TURNS:
        return
    side = page.px(92)
    left, right = (panes.picture.x + panes.guide.x) // 2, (panes.guide.right + panes.picture.right) // 2
    centre = (left if action is Action.TURN_LEFT else right, panes.guide.centre[1])
    yield Disc(square(centre, side), WHITE)
    yield Icon(_SIGNS[action], square(centre, round(side * 0.58)), BLUE, 3)


def _invitation(page: Page, card: Box, working: frozenset[Modality]) -> Iterable[Item]:
    """What to do, one row for each modality that the terminal has."""
    has = page.policy.modalities
    face = _lost(page, Modality.FACE, _CAMERA_LOST)
    finger = _lost(page, Modality.FINGER, _FINGER_LOST)
    if Modality.FACE in working:
        face = _Ask(Glyph.FACE, "idle.face")
    if Modality.FINGER in working:
        finger = _Ask(Glyph.FINGER, "idle.or_finger" if Modality.FACE in working else "idle.finger")
    rows = [ask for modality, ask in ((Modality.FACE, face), (Modality.FINGER, finger)) if modality in has]
    rows.sort(key=lambda ask: not ask.works)
    yield Panel(card, SURFACE, page.px(28))
    note = _needs_turn(page, working)
    inner = card.inset(page.px(24), page.px(20 if note else 28))
    rest = inner.h - (page.px(40) if note else 0)
    height = rest // len(rows)
    if len(rows) > 1:
        yield Panel(Box(inner.x, inner.y + height, inner.w, 2), LINE)
    for place, ask in enumerate(rows):
        yield from _row(page, inner.below(place * height).top(height), ask)
    if note:
        words = page.text("idle.turn_note", 20, INK_SOFT)
        yield Stack(inner.below(rest), (page.chip(words, Glyph.SHIELD),), stand=Align.END)


@dataclass(frozen=True, slots=True)
class _Ask:
    """What a person may do, or can not."""

    glyph: Glyph
    key: str
    works: bool = True
    until_ms: int = 0
    """When a lock ends."""


_CAMERA_LOST = _Ask(Glyph.CAMERA_OFF, "idle.no_camera", works=False)
_FINGER_LOST = _Ask(Glyph.FINGER_OFF, "idle.no_finger", works=False)


def _lost(page: Page, modality: Modality, device: _Ask) -> _Ask:
    """Why a modality cannot be used: it is locked, or its device is out of order."""
    if modality not in page.state.locked:
        return device
    return replace(device, key=f"idle.{modality.value}_locked", until_ms=page.state.lockouts[modality].until_ms)


def _needs_turn(page: Page, working: frozenset[Modality]) -> bool:
    """Whether the turn is asked only because the model for the quiet check is missing."""
    in_force = liveness_in_force(page.state.faults, page.policy)
    return Modality.FACE in working and in_force is not page.policy.liveness


def _row(page: Page, box: Box, ask: _Ask) -> Iterable[Item]:
    side = page.px(76)
    disc = square((box.x + side // 2, box.centre[1]), side)
    yield Disc(disc, MINT_SOFT if ask.works else AMBER_SOFT)
    yield Icon(ask.glyph, square(disc.centre, round(side * 0.58)), GREEN if ask.works else INK)
    said = page.texts(ask.key, seconds=ceil(page.left_s(ask.until_ms)))
    words = page.words(said, 27, INK, Weight.BOLD) if ask.works else page.words(said, 23, INK)
    yield label(box.beside(side + page.px(20)), lines(words, 2))


def _without_camera(page: Page, box: Box, working: frozenset[Modality]) -> Iterable[Item]:
    """In the picture's place: use a finger, or wait where there is no other way."""
    glyph, key = (Glyph.FINGER, "idle.use_finger") if Modality.FINGER in working else (Glyph.CLOCK, "idle.wait")
    yield Panel(box, GREEN, page.px(28))
    side = page.px(210)
    centre = (box.centre[0], box.y + round(box.h * 0.38))
    yield Icon(glyph, square(centre, side), MINT, 1.5)
    words = Box(box.x, centre[1] + side // 2, box.w, box.bottom - centre[1] - side // 2).inset(page.px(32), page.px(20))
    title = page.text(key, 40, WHITE, Weight.EXTRA_BOLD)
    yield label(words, lines(title, 2), Align.MIDDLE)


@dataclass(frozen=True, slots=True)
class _Advice:
    """What a card says, and in which colours."""

    glyph: Glyph
    title: str
    more: str
    fill: Colour
    words: Colour
    quiet: Colour


def _card(page: Page, box: Box, advice: _Advice) -> Iterable[Item]:
    yield Panel(box, advice.fill, page.px(28))
    side = page.px(84)
    inner = box.inset(page.px(28), page.px(30))
    yield Icon(advice.glyph, Box(inner.x - page.px(6), inner.y - page.px(4), side, side), advice.words)
    title = page.text(advice.title, 40, advice.words, Weight.EXTRA_BOLD)
    more = page.text(advice.more, 24, advice.quiet)
    yield Stack(inner.below(side), (lines(title, 2), lines(more, 2, page.px(28))), stand=Align.END)
