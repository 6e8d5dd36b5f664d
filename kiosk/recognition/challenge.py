"""The challenge: a head asked to do something, told from a picture that is moved, and from several shown in turn.

What the landmark network takes for the turn of a head does not change when a *picture* of a face is turned (at 45
degrees it still says less than 6), so a photograph usually just does not turn. The planar test says the rest: what is
left over when a homography is fitted is the `depth` of the turn. Two photographs of one head have depth as well, so the
turn must also be seen happening: one face in every frame, no faster than a neck, and at angles on the way. Lids must be
seen half shut and stay shut longer than a blink unasked; who comes closer must grow in small steps and change in
perspective.

    waiting for the person's frontal face ─▶ before ─▶ on the way ─▶ done ─▶ frontal and the person again ─▶ PASSED
                 ▲                              │
                 ├─ no single face, another face for one frame, too long without a frame, nothing seen on the way
                 │                              ├─ too late, or faster than a neck ────────────────────▶ NOT_DONE
                 │                              ├─ another action than the one asked for ──────────────▶ OTHER_ACTION
                 └──────────────────────────────┼─ turned, but a homography fits, or foreshortened only ▶ FLAT
                                                └─ another face, two frames in a row ──────────────────▶ OTHER_FACE

What could be measured, and what this does not stop, is in docs/adr/0004 and 0012.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from kiosk.core.biometrics import TURNS, Action, Candidate, ChallengeOutcome, Policy
from kiosk.recognition.detection import Float32Array
from kiosk.recognition.landmarks import depth, foreshortening, openness, perspective, yaw_deg


@dataclass(frozen=True, slots=True)
class ChallengeLimits:
    """What counts as an action."""

    frontal_deg: float = 12.0
    """Before and after, the head is within this of straight, or of where it was."""
    turn_deg: float = 20.0
    """Enough for depth to show, little enough that an old neck can do it."""
    depth: float = 0.04
    """In distances between the outer eye corners. Planes up to 45 degrees: at most 0.027; heads of LFW, by at least
    20 degrees: 99 of 100 have more than 0.049."""
    foreshortening: float = 0.85
    """Narrowest by widest scale of the best affine fit; a plane turned by 32 degrees has 0.85."""
    same_frontal: float = 0.475
    """Cosine between the faces before and after."""
    same_turned: float = 0.31
    """Cosine between the faces before and at the turn. LFW, turned by 20 degrees: the same people, 99 of 100: more than
    0.34; others, 99 of 100: less than 0.26."""
    same_next: float = 0.577
    """Cosine between the faces of two frames, one after the other. A filmed man's: never below 0.9; two photographs of
    one person in LFW, one frontal and one turned: a third of them below it."""
    frames: int = 2
    """In a row, before anything is believed."""
    way_deg: tuple[float, float] = (6.0, 18.0)
    """An angle between these is on the way. A picture turned by 45 degrees is read as less than 6; 18 is `turn_deg`
    less the noise."""
    way_step_deg: float = 3.0
    """Angles on the way are this far apart. A head held still was read within 2.6 from one frame to the next."""
    way_angles: int = 2
    """So many, before a head is believed to have turned."""
    speed_deg_s: float = 200.0
    """As fast as heads go when they are shaken at 2 Hz: 170 to 200 (Equilibrium Research 46, 1987, 155). Trained to the
    utmost it is 780 (Grossman et al. 1988, Exp. Brain Res. 70, 470), which nobody is asked for."""
    noise_deg: float = 6.0
    """What two readings of the angle may be wrong by together, above what the speed allows."""
    gap_ms: int = 500
    """Longer than this between two frames, and nobody knows what was shown meanwhile."""
    shut: float = 0.55
    """Of the openness that the same eyes had. NUAA: eyes quite shut 0.34, half shut 0.52 to 0.69; prints, 169 frames:
    never below 0.67."""
    reopened: float = 0.8
    """Between the two the eyes are half shut, which lids are on their way and pictures put on one another are not."""
    shut_ms: tuple[int, int] = (400, 3000)
    """Asked for; a blink unasked takes 100 to 400 ms (Schiffman, Sensation and Perception, 2001)."""
    closer: float = 1.6
    """By how much the face grows: from 0.6 to 0.37 m. Less, and the network does not see the perspective change."""
    closer_step: float = 1.15
    """From one frame to the next."""
    perspective: float = 0.04
    """NUAA, faces 1.6 to 2 times as large: two people, median 0.050; prints, 95 of 100: less than 0.037."""


class Likeness(StrEnum):
    """Whether a face is the person's who was asked to turn."""

    PERSON = "person"
    """As the policy would accept it."""
    UNSURE = "unsure"
    """Less like them than the policy wants, and like nobody else either: light, blur, an angle."""
    OTHER = "other"
    """Somebody else's, or nobody's that is enrolled."""


def likeness(candidates: Sequence[Candidate], pid: str, policy: Policy) -> Likeness:
    """Return whether a face that was searched for is a person's.

    Args:
        candidates: at least the two best where there are two, the best first.
        pid: whose it should be.
    """
    if not candidates or candidates[0].comparison_score < ChallengeLimits().same_turned:
        return Likeness.OTHER
    best, *others = candidates
    if best.comparison_score < policy.face_threshold:
        return Likeness.UNSURE
    if others and best.comparison_score - others[0].comparison_score < policy.face_margin:
        return Likeness.UNSURE
    return Likeness.PERSON if best.pid == pid else Likeness.OTHER


@dataclass(frozen=True, slots=True, eq=False)
class HeadView:
    """One frame of a challenge."""

    landmarks: Float32Array
    """(478, 3) float32: x, y, z in pixels of the network's input, eyes level."""
    template: Float32Array
    """(128,) float32 of unit length."""
    size_px: float
    """Between the outer eye corners, in pixels of the picture."""
    likeness: Likeness
    """Read where the head is frontal; a turned face is compared with the frontal one before it instead."""


@dataclass(frozen=True, slots=True)
class Way:
    """How far a head has come on its way to being turned."""

    furthest_deg: float = 0.0
    angles: int = 0
    """How many angles on the way were seen, each further than the one before."""

    def to(self, towards_deg: float, limits: ChallengeLimits) -> Way:
        """Return the way after a head was seen at an angle; it begins anew where the head is straight again."""
        nearest, farthest = limits.way_deg
        if towards_deg < nearest:
            return Way()
        is_further = not self.angles or towards_deg >= self.furthest_deg + limits.way_step_deg
        return Way(towards_deg, self.angles + 1) if is_further and towards_deg <= farthest else self


@dataclass(frozen=True, slots=True)
class Eyes:
    """What the lids have done."""

    open: float = 0.0
    """How far these eyes are open when they are; see `openness`."""
    now: float = 1.0
    """How far they are open now, of that."""
    were_half_shut: bool = False
    shut_since_ms: int | None = None
    """None: they are not shut."""

    def to(self, open_now: float, captured_ms: int, limits: ChallengeLimits) -> Eyes:
        """Return the eyes after they were seen so far open."""
        widest = max(self.open, open_now)
        now = open_now / widest if widest > 0 else 1.0
        if now < limits.shut:
            since_ms = captured_ms if self.shut_since_ms is None else self.shut_since_ms
            return Eyes(widest, now, self.were_half_shut, since_ms)
        return Eyes(widest, now, self.were_half_shut or now < limits.reopened)

    def were_shut_ms(self, now_ms: int) -> int:
        """Return how long they have been shut; 0: they are not."""
        return 0 if self.shut_since_ms is None else now_ms - self.shut_since_ms


@dataclass(frozen=True, slots=True, eq=False)
class Challenge:
    """Watches for one action; `seen` returns the next state of it."""

    action: Action
    until_ms: int
    """CLOCK_BOOTTIME in milliseconds."""
    limits: ChallengeLimits = ChallengeLimits()
    before: HeadView | None = None
    """The first frontal view."""
    last: HeadView | None = None
    """The newest view of the same face; None: the challenge is to begin."""
    last_ms: int = 0
    way: Way = Way()
    eyes: Eyes = Eyes()
    done: bool = False
    """The action was; the frontal face is yet to be seen again."""
    leaning: ChallengeOutcome | None = None
    """What the last frames say."""
    times: int = 0
    """How many in a row said it."""
    outcome: ChallengeOutcome | None = None
    """None: it goes on."""

    def seen(self, view: HeadView | None, captured_ms: int) -> Challenge:
        """Return the challenge after a frame.

        Args:
            view: None: no single face was to be seen.
            captured_ms: when, CLOCK_BOOTTIME in milliseconds.
        """
        if captured_ms >= self.until_ms:
            return replace(self, outcome=ChallengeOutcome.NOT_DONE)
        if view is None:
            return self._anew()
        if self.before is None or self.last is None:
            return self._started(view, captured_ms)
        if captured_ms - self.last_ms > self.limits.gap_ms:
            return self._anew().seen(view, captured_ms)
        alike = float(view.template @ self.last.template)
        if alike < self.limits.same_turned:
            return self._leaned(ChallengeOutcome.OTHER_FACE)
        if alike < self.limits.same_next or view.size_px > self.limits.closer_step * self.last.size_px:
            return self._anew().seen(view, captured_ms)
        return self._followed(view, self.before, self.last, captured_ms)

    def _anew(self) -> Challenge:
        return Challenge(self.action, self.until_ms, self.limits)

    def _started(self, view: HeadView, captured_ms: int) -> Challenge:
        if abs(yaw_deg(view.landmarks)) > self.limits.frontal_deg:
            return self
        match view.likeness:
            case Likeness.PERSON:
                eyes = Eyes(openness(view.landmarks))
                return replace(self._anew(), before=view, last=view, last_ms=captured_ms, eyes=eyes)
            case Likeness.UNSURE:
                return self._anew()
            case Likeness.OTHER:
                return self._leaned(ChallengeOutcome.OTHER_FACE)
            case _:
                assert_never(view.likeness)

    def _followed(self, view: HeadView, before: HeadView, last: HeadView, captured_ms: int) -> Challenge:
        """A view of the face that was there in the last frame."""
        step_deg = abs(yaw_deg(view.landmarks) - yaw_deg(last.landmarks))
        if step_deg > self.limits.noise_deg + self.limits.speed_deg_s * (captured_ms - self.last_ms) / 1000:
            return replace(self, outcome=ChallengeOutcome.NOT_DONE)
        return self._noted(view, before, captured_ms)._judged(view, before, captured_ms)  # noqa: SLF001 - itself, later

    def _judged(self, view: HeadView, before: HeadView, captured_ms: int) -> Challenge:
        said = self._said(view, before, captured_ms)
        if self.leaning is ChallengeOutcome.OTHER_FACE is not said:
            return self._anew().seen(view, captured_ms)
        if said is ChallengeOutcome.PASSED and not self._was_on_the_way:
            return self._anew()
        return replace(self._leaned(said), last=view, last_ms=captured_ms)

    def _noted(self, view: HeadView, before: HeadView, captured_ms: int) -> Challenge:
        """With what this view says of the way, and of the lids where the head is straight and not foreshortened."""
        yaw = yaw_deg(view.landmarks) - yaw_deg(before.landmarks)
        way = self.way.to(-yaw if self.action is Action.TURN_RIGHT else yaw, self.limits)
        is_aside = abs(yaw) > self.limits.frontal_deg
        if is_aside or foreshortening(before.landmarks, view.landmarks) < self.limits.foreshortening:
            return replace(self, way=way, eyes=Eyes(self.eyes.open))
        return replace(self, way=way, eyes=self.eyes.to(openness(view.landmarks), captured_ms, self.limits))

    @property
    def _was_on_the_way(self) -> bool:
        """Whether the action was seen happening, and not only its beginning and end."""
        match self.action:
            case Action.TURN_LEFT | Action.TURN_RIGHT:
                return self.done or self.way.angles >= self.limits.way_angles
            case Action.BLINK:
                return not self.done or self.eyes.were_half_shut
            case Action.COME_CLOSER:
                return True  # no step was large, or the challenge would have begun anew
            case _:
                assert_never(self.action)

    def _said(self, view: HeadView, before: HeadView, captured_ms: int) -> ChallengeOutcome | None:
        """What one frame speaks for; None: nothing yet."""
        deed = self._deed(view, before, captured_ms)
        if deed is self.action and not self.done:
            return self._said_of_deed(view, before)
        if deed is not None and deed is not self.action:
            return ChallengeOutcome.OTHER_ACTION
        if abs(yaw_deg(view.landmarks) - yaw_deg(before.landmarks)) <= self.limits.frontal_deg:
            return self._said_frontal(view, before)
        return None

    def _deed(self, view: HeadView, before: HeadView, captured_ms: int) -> Action | None:
        """What a head has done, if what is seen is one."""
        yaw = yaw_deg(view.landmarks) - yaw_deg(before.landmarks)
        if abs(yaw) >= self.limits.turn_deg:
            return Action.TURN_LEFT if yaw > 0 else Action.TURN_RIGHT
        if abs(yaw) > self.limits.frontal_deg:
            return None
        shortest_ms, longest_ms = self.limits.shut_ms
        if shortest_ms <= self.eyes.were_shut_ms(captured_ms) <= longest_ms:
            return Action.BLINK
        return Action.COME_CLOSER if view.size_px >= self.limits.closer * before.size_px else None

    def _said_of_deed(self, view: HeadView, before: HeadView) -> ChallengeOutcome | None:
        """Whether what was asked for was done by a head, and by the same one."""
        if float(view.template @ before.template) < self.limits.same_turned:
            return ChallengeOutcome.OTHER_FACE
        if self.action in TURNS and depth(before.landmarks, view.landmarks) < self.limits.depth:
            return ChallengeOutcome.FLAT
        if self.action is Action.COME_CLOSER:
            is_nearer = perspective(before.landmarks, view.landmarks) >= self.limits.perspective
            return ChallengeOutcome.PASSED if is_nearer else None
        return ChallengeOutcome.PASSED

    def _said_frontal(self, view: HeadView, before: HeadView) -> ChallengeOutcome | None:
        if foreshortening(before.landmarks, view.landmarks) < self.limits.foreshortening:
            return ChallengeOutcome.FLAT if depth(before.landmarks, view.landmarks) < self.limits.depth else None
        if view.likeness is Likeness.OTHER or float(view.template @ before.template) < self.limits.same_frontal:
            return ChallengeOutcome.OTHER_FACE
        is_over = self.done and view.likeness is Likeness.PERSON and self.eyes.now >= self.limits.reopened
        return ChallengeOutcome.PASSED if is_over else None

    def _leaned(self, said: ChallengeOutcome | None) -> Challenge:
        times = self.times + 1 if said is self.leaning else 1
        if said is None or times < self.limits.frames:
            return replace(self, leaning=said, times=times)
        if said is ChallengeOutcome.PASSED and not self.done:
            return replace(self, done=True, leaning=None, times=0)
        return replace(self, outcome=said)
