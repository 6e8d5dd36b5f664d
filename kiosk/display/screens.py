"""The screen is a function of the state: `view`, and one function a phase.

The three phases with a camera picture are in `camera_screens`. A result takes the whole screen: its sign on the left,
on a darker field of batik, its words on the right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from kiosk.core.biometrics import Modality, Policy
from kiosk.core.faults import FAULTS, Severity, available
from kiosk.core.messages import ActChosen
from kiosk.core.state import (
    Challenged,
    Choosing,
    Greeting,
    Idle,
    Looking,
    OutOfService,
    Recording,
    Refusing,
    Starting,
    State,
)
from kiosk.display.camera_screens import challenged, idle, looking
from kiosk.display.parts import MARGIN, Page, countdown, initials, label, lines, name_of, sign, strip
from kiosk.display.scene import (
    Align,
    Box,
    Button,
    Chip,
    Colour,
    Disc,
    Glyph,
    Icon,
    Item,
    Kawung,
    Panel,
    Ring,
    Scene,
    Stack,
    Text,
    Weight,
    square,
)
from kiosk.display.style import (
    BLUE,
    GREEN,
    INK,
    INK_SOFT,
    KNOWN,
    MINT,
    MINT_SOFT,
    OFF_TIME,
    ON_TIME,
    PAPER,
    REFUSED,
    SKY_SOFT,
    STOPPED,
    SURFACE,
    WHITE,
    Look,
    Tone,
)
from kiosk.display.texts import Texts
from wire.attendance import Act, Moment

FIELD = 0.36
"""The part of a result's width that its sign has."""


def view(state: State, now: Moment, policy: Policy, texts: Texts, look: Look) -> Scene:
    """Return what the screen shows."""
    page = Page(state, now, policy, texts, look)
    scene = _phase(page)
    return replace(scene, still=(*scene.still, *strip(page)))


def _phase(page: Page) -> Scene:
    match page.state.phase:
        case Starting():
            return starting(page)
        case Idle():
            return idle(page)
        case Looking() as phase:
            return looking(page, phase)
        case Challenged() as phase:
            return challenged(page, phase)
        case Choosing() as phase:
            return choosing(page, phase)
        case Recording() as phase:
            return recording(page, phase)
        case Greeting() as phase:
            return greeting(page, phase)
        case Refusing() as phase:
            return refusing(page, phase)
        case OutOfService():
            return out_of_service(page)
        case _ as never:
            assert_never(never)


def starting(page: Page) -> Scene:
    """Which parts are ready, while the devices are opened."""
    devices = sorted(page.policy.modalities)
    parts = [("people", _readiness(page, None)), *((device.value, _readiness(page, device)) for device in devices)]
    words = _words_of_result(page)
    title = page.text("starting.title", 44, WHITE, Weight.EXTRA_BOLD)
    chips = tuple(page.chip(page.text(f"starting.{name}", 28, WHITE), glyph) for name, glyph in parts)
    still = (
        *_field(page, ON_TIME),
        *_emblem(page),
        Stack(words, (lines(title, 2), *_spaced(chips, page.px(44), page.px(30)))),
    )
    return Scene(page.look.size, GREEN, still, _spinner(page, _field_box(page).centre, page.px(250), MINT))


def _readiness(page: Page, device: Modality | None) -> Glyph:
    """Of a device, or of the roster: not to be had, ready, or waited for."""
    state = page.state
    if device is not None and device not in available(state.faults):
        return Glyph.CROSS
    ready = state.loaded if device is None else device in state.ready
    return Glyph.TICK if ready else Glyph.CLOCK


def _emblem(page: Page) -> Iterable[Item]:
    centre = _field_box(page).centre
    yield Disc(square(centre, page.px(200)), PAPER)
    yield Icon(Glyph.FACE, square(centre, page.px(112)), GREEN, 1.9)


def choosing(page: Page, phase: Choosing) -> Scene:
    """Arrival or departure? Two large buttons."""
    margin, gap = page.px(MARGIN), page.px(24)
    body = page.box.inset(page.px(40), margin)
    head = body.top(round(body.h * 0.27))
    buttons = body.below(head.h)
    buttons = buttons.top(buttons.h - page.px(12))
    width = (buttons.w - gap) // 2
    name = page.words(phase.person.name, 30, INK_SOFT)
    question = page.text("choosing.question", 54, INK, Weight.EXTRA_BOLD)
    still: tuple[Item, ...] = (
        Stack(head, (name, replace(question, above=page.px(24)))),
        _choice(page, buttons.left(width), Act.ARRIVAL),
        _choice(page, buttons.beside(width + gap), Act.DEPARTURE),
    )
    live = tuple(countdown(page, phase.until_ms, page.policy.choose_s, INK))
    return Scene(page.look.size, PAPER, still, live)


def _choice(page: Page, box: Box, act: Act) -> Button:
    fill, glyph, quiet = (GREEN, Glyph.ENTER, MINT_SOFT) if act is Act.ARRIVAL else (BLUE, Glyph.LEAVE, SKY_SOFT)
    side = page.px(104)
    inner = box.inset(page.px(36), page.px(36))
    words = (
        page.text(f"act.{act.value}", 64, WHITE, Weight.EXTRA_BOLD),
        replace(page.text(f"choosing.{act.value}", 27, quiet), above=page.px(26)),
    )
    face = (
        Panel(box, fill, page.px(32)),
        Icon(glyph, Box(inner.x, inner.y, side, side), WHITE),
        Stack(inner, words, stand=Align.END),
    )
    return Button(box, ActChosen(act), face)


def recording(page: Page, phase: Recording) -> Scene:
    """The event is on its way to the disk; nothing is promised yet."""
    return waiting(page, phase.person.name, "recording.title")


def waiting(page: Page, name: str, key: str) -> Scene:
    """Something is under way for somebody; nothing is promised yet."""
    centre = _field_box(page).centre
    words = (
        name_of(page, name, 52, INK, Weight.EXTRA_BOLD),
        replace(page.text(key, 34, INK_SOFT), above=page.px(34)),
    )
    still = (*_avatar(page, name, SURFACE, INK), Stack(_words_of_result(page), words))
    return Scene(page.look.size, PAPER, still, _spinner(page, centre, page.px(280), GREEN))


def greeting(page: Page, phase: Greeting) -> Scene:
    """The event is on disk: who, what, when, and how that stands to the hours."""
    tone = _tone(phase)
    local = page.local(phase.t)
    act = phase.reading.act or Act.ARRIVAL
    what = f"{page.texts(f'act.{act.value}')} {page.texts.time(local)}"
    said = page.words(_standing(page, phase), 32, INK if tone is not OFF_TIME else WHITE, Weight.BOLD)
    fill = {ON_TIME: MINT, KNOWN: SKY_SOFT, OFF_TIME: INK}[tone]
    parts = (
        page.text(_salutation(local), 30, tone.quiet),
        replace(name_of(page, phase.person.name, 50, tone.words, Weight.BOLD), above=page.px(22)),
        replace(page.words(what, 92, tone.words, Weight.EXTRA_BOLD), above=page.px(46)),
        Chip(said, tone.glyph, fill, above=page.px(40)),
    )
    still = (
        *_field(page, tone),
        *_avatar(page, phase.person.name, PAPER, INK),
        *_badge(page, tone),
        Stack(_words_of_result(page), parts),
    )
    live = tuple(countdown(page, phase.until_ms, page.policy.greet_s, tone.words))
    return Scene(page.look.size, tone.ground, still, live)


def _tone(phase: Greeting) -> Tone:
    if phase.repeated:
        return KNOWN
    return OFF_TIME if phase.reading.late_min or phase.reading.early_min else ON_TIME


def _standing(page: Page, phase: Greeting) -> str:
    """How late or early, or what else there is to say."""
    reading = phase.reading
    if phase.repeated:
        return page.texts("greeting.repeated")
    if not reading.late_min and not reading.early_min:
        off = page.policy.schedule.hours(page.local(phase.t).date()) is None
        return page.texts("greeting.recorded" if off else "greeting.on_time")
    hours, minutes = divmod(reading.late_min or reading.early_min, 60)
    key = f"greeting.{'late' if reading.late_min else 'early'}"
    return page.texts(f"{key}_hours", hours=hours, minutes=minutes) if hours else page.texts(key, minutes=minutes)


def _salutation(local: datetime) -> str:
    """Pagi until 11, siang until 15, sore until 18.30, then malam, as is usual in Indonesia."""
    minute = local.hour * 60 + local.minute
    ends = (("morning", 11 * 60), ("noon", 15 * 60), ("afternoon", 18 * 60 + 30))
    return f"greeting.{next((name for name, end in ends if minute < end), 'evening')}"


def refusing(page: Page, phase: Refusing) -> Scene:
    """Nothing was recorded: the cause and the remedy."""
    key = phase.reason.value
    cause, remedy = f"cause.{key}", f"remedy.{key}"
    if phase.hint is not None:
        cause, remedy = f"hint_cause.{phase.hint.value}", f"hint_remedy.{phase.hint.value}"
    parts = (
        Chip(page.text("refusing.not_recorded", 24, INK, Weight.BOLD), fill=REFUSED.quiet),
        lines(page.text(cause, 54, WHITE, Weight.EXTRA_BOLD), 2, page.px(40)),
        lines(page.text(remedy, 32, WHITE), 3, page.px(36)),
    )
    words = _words_of_result(page)
    code = page.words(page.texts("refusing.code", code=key), 20, REFUSED.quiet)
    still = (
        *_field(page, REFUSED),
        *sign(REFUSED, _field_box(page).centre, page.px(236)),
        Stack(words, parts),
        label(words, code, stand=Align.END),
    )
    live = tuple(countdown(page, phase.until_ms, page.policy.refuse_s, WHITE))
    return Scene(page.look.size, REFUSED.ground, still, live)


def out_of_service(page: Page) -> Scene:
    """Nobody can be recorded: what to do instead, and what to tell the technician."""
    serious = sorted(code for code in page.state.faults if FAULTS[code].severity is not Severity.NOTE)
    parts: list[Text | Chip] = [
        lines(page.text("stopped.title", 46, WHITE, Weight.EXTRA_BOLD), 2),
        lines(page.text("stopped.person", 32, WHITE), 2, page.px(36)),
        lines(page.text("stopped.official", 22, STOPPED.quiet), 2, page.px(44)),
    ]
    for code in serious[:3]:
        said = page.words(f"{code.value}   {page.texts(f'fault.{code.value}')}", 22, WHITE, Weight.BOLD)
        parts.append(replace(said, above=page.px(26)))
    still = (
        *_field(page, STOPPED),
        *sign(STOPPED, _field_box(page).centre, page.px(236)),
        Stack(_words_of_result(page), tuple(parts)),
    )
    return Scene(page.look.size, STOPPED.ground, still)


# ---- what the results share


def result(page: Page, tone: Tone, words: tuple[Text | Chip, ...]) -> Scene:
    """A whole screen in a result's colour: its sign on the left, words on the right."""
    still = (
        *_field(page, tone),
        *sign(tone, _field_box(page).centre, page.px(236)),
        Stack(_words_of_result(page), words),
    )
    return Scene(page.look.size, tone.ground, still)


def _field_box(page: Page) -> Box:
    return page.box.left(round(page.box.w * FIELD))


def _words_of_result(page: Page) -> Box:
    rest = page.box.beside(_field_box(page).w)
    return Box(rest.x + page.px(48), rest.y + page.px(36), rest.w - page.px(88), rest.h - page.px(72))


def _field(page: Page, tone: Tone) -> Iterable[Item]:
    """The darker left part, of batik."""
    box = _field_box(page)
    yield Panel(box, tone.deep)
    yield Kawung(box, tone.ground, page.px(92))


def _avatar(page: Page, name: str, fill: Colour, words: Colour) -> Iterable[Item]:
    disc = square(_field_box(page).centre, page.px(232))
    yield Disc(disc, fill)
    yield label(disc, page.words(initials(name), 82, words, Weight.EXTRA_BOLD), Align.MIDDLE)


def _badge(page: Page, tone: Tone) -> Iterable[Item]:
    """The result's sign over the lower right edge of the disc."""
    x, y = _field_box(page).centre
    centre = (x + page.px(90), y + page.px(88))
    yield Disc(square(centre, page.px(124)), tone.deep)
    yield from sign(tone, centre, page.px(104))


def _spinner(page: Page, centre: tuple[int, int], side: int, colour: Colour) -> tuple[Item, ...]:
    """A third of a ring that goes round in a second."""
    start = round(page.now.mono_ms % 1000 / 1000, 2)
    return (Ring(square(centre, side), colour, page.px(8), 0.33, start),)


def _spaced(parts: tuple[Chip, ...], first: int, others: int) -> tuple[Chip, ...]:
    return tuple(replace(part, above=others if place else first) for place, part in enumerate(parts))
