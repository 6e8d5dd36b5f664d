"""The screens of enrolment before the camera, one function a phase; the one with the picture is in `camera_screens`."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from kiosk.core.enrolling import Captured, Capturing, EnrolmentPlan, EnrolPhase, Opening, Stopped
from kiosk.display.camera_screens import capturing
from kiosk.display.parts import Page, lines, name_of, strip
from kiosk.display.scene import Chip, Scene, Weight
from kiosk.display.screens import result, waiting
from kiosk.display.style import INK, KNOWN, REFUSED, WHITE


def view(phase: EnrolPhase, plan: EnrolmentPlan, page: Page) -> Scene:
    """Return what the screen shows while somebody is enrolled."""
    scene = _phase(phase, plan, page)
    return replace(scene, still=(*scene.still, *strip(page)))


def _phase(phase: EnrolPhase, plan: EnrolmentPlan, page: Page) -> Scene:
    match phase:
        case Opening():
            return waiting(page, plan.name, "enrolling.opening")
        case Capturing():
            return capturing(page, phase, plan)
        case Captured():
            return captured(page, plan)
        case Stopped():
            return stopped(page, phase)
        case _:
            assert_never(phase)


def captured(page: Page, plan: EnrolmentPlan) -> Scene:
    """There are enough samples. Nothing is on disk yet, so nothing more is said."""
    words = (
        name_of(page, plan.name, 50, WHITE, Weight.BOLD),
        lines(page.text("enrolling.captured", 54, WHITE, Weight.EXTRA_BOLD), 2, page.px(46)),
        lines(page.text("enrolling.wait", 30, KNOWN.quiet), 2, page.px(36)),
    )
    return result(page, KNOWN, words)


def stopped(page: Page, phase: Stopped) -> Scene:
    """Nobody was enrolled: the cause and the remedy."""
    key = phase.reason.value.removeprefix("enrolment_")
    cause, remedy = f"enrolment_cause.{key}", f"enrolment_remedy.{key}"
    if phase.hint is not None:
        cause, remedy = f"hint_cause.{phase.hint.value}", f"hint_remedy.{phase.hint.value}"
    words = (
        Chip(page.text("enrolling.not_enrolled", 24, INK, Weight.BOLD), fill=REFUSED.quiet),
        lines(page.text(cause, 50, WHITE, Weight.EXTRA_BOLD), 2, page.px(40)),
        lines(page.text(remedy, 30, WHITE), 3, page.px(36)),
    )
    return result(page, REFUSED, words)
