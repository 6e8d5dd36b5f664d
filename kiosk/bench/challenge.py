"""How often a challenge alone is passed by what is not a head, and by what is one: no passive model, whole visits.

Each visit draws its actions as the terminal does and watches with the real pipeline, ten frames a second. Its actors:

- of the folder (`kiosk.bench.pad` says how it is laid out): the pictures of an attack in their order, over and over;
  films, from a moment by chance; the bona fide film too, which can only show that whoever stands still does not pass.
- `turned_plane`: a bona fide picture, turned as a sheet of paper is, the asked way.
- `film_of_turns`: a head, made of a bona fide picture and its depth, that turns by a row drawn beforehand whatever is
  asked: a film of the right person on a screen that shows no edge. It passes once in as many as there are rows.
- `head`: the same head, that does what is asked. A drawn head; real ones may pass more often or more seldom.

Every attacker is helped: the person is enrolled from the very pictures that are shown, so that likeness stops nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import msgspec
import numpy as np

from kiosk.bench.pad import BONA_FIDE, FILMS, Source, film, frame_of, sources
from kiosk.bench.rates import BenchError, Rate, percent, shipped_policy, table
from kiosk.core.biometrics import Action, ChallengeOutcome, Policy
from kiosk.recognition.challenge import HeadView
from kiosk.recognition.detection import UInt8Array
from kiosk.recognition.gallery import Gallery, reference
from kiosk.recognition.manifest import MODELS_FOLDER
from kiosk.recognition.models import Models, open_models
from kiosk.recognition.pipeline import Pipeline
from kiosk.recognition.trial import Trial, sequences
from kiosk.sim.heads import head, there_and_back
from kiosk.sim.pictures import person, portrait

Row = tuple[Action, ...]

RATE_HZ = 10
FILM_EVERY = 3
"""Of a film at 30 frames a second."""
TURN_S = 1.2
HEAD_DEG, PLANE_DEG = 35.0, 55.0
SHEET_AWAY = 4.0
"""Widths of the sheet between it and the camera."""
PERSON = "person"
MOST_ENROLLED = 8
"""Pictures of an actor that its template is the mean of."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A moment of a visit."""

    number: int
    """Of the action asked for, from 0."""
    action: Action
    since_s: float
    """Since it was asked for."""
    at_s: float
    """Since the visit began."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody or something before the camera."""

    kind: str
    begin: Callable[[np.random.Generator], Callable[[Asked], Hashable]]
    """Of a visit: what is to be seen at each moment of it."""
    picture: Callable[..., UInt8Array]
    """What that looks like."""
    enrolled: tuple[Hashable, ...]
    """What the person was enrolled from."""


class KindPassed(msgspec.Struct, frozen=True):
    """One kind of actor."""

    kind: str
    visits: int
    passed: int
    outcomes: Mapping[str, int]


class ChallengePassed(msgspec.Struct, frozen=True):
    """What other programs read."""

    actions: tuple[Action, ...]
    length: int
    rows: int
    """Challenges there are, each as likely as any other."""
    kinds: list[KindPassed]


def challenge(folder: Path, visits: int, models_folder: Path = MODELS_FOLDER) -> ChallengePassed:
    """Play visits of each kind of actor.

    Raises:
        ModelError: the models cannot be opened.
        BenchError: there is no presentation.
    """
    models, policy, random = open_models(models_folder), shipped_policy(), np.random.default_rng(1)
    rows = sequences(policy.challenge_actions, policy.challenge_length)
    by_kind: dict[str, list[Actor]] = {}
    for actor in _actors(folder, models, rows):
        by_kind.setdefault(actor.kind, []).append(actor)
    if not by_kind:
        raise BenchError(f"{folder}: no picture or film in a folder {BONA_FIDE} or attack_<kind>, at any depth")
    kinds = []
    for kind, actors in sorted(by_kind.items()):
        stages = [Stage(models, actor, policy) for actor in actors[:visits]]
        drawn = [rows[int(random.integers(len(rows)))] for _ in range(visits)]
        outcomes = Counter(stages[n % len(stages)].visit(row, random) for n, row in enumerate(drawn))
        said = {outcome.value: count for outcome, count in sorted(outcomes.items())}
        kinds.append(KindPassed(kind, visits, outcomes[ChallengeOutcome.PASSED], said))
    return ChallengePassed(policy.challenge_actions, policy.challenge_length, len(rows), kinds)


class Stage:
    """An actor before the camera; what was seen once is not looked at again."""

    def __init__(self, models: Models, actor: Actor, policy: Policy) -> None:
        pipeline = Pipeline(models, Gallery())
        self._actor, self._policy = actor, policy

        @cache
        def view(key: Hashable) -> HeadView | None:
            frame = frame_of(actor.picture(key))
            return pipeline.head_view(frame, pipeline.look(frame), PERSON, policy)

        seen = [each.template for key in actor.enrolled if (each := view(key)) is not None]
        mean = np.sum(seen or [np.zeros(128, np.float32)], axis=0)
        length = float(np.linalg.norm(mean)) or 1.0
        pipeline.gallery = Gallery([reference(PERSON, np.asarray(mean / length, np.float32))])
        view.cache_clear()
        self._view = view

    def visit(self, row: Row, random: np.random.Generator) -> ChallengeOutcome:
        """Return how a challenge ends."""
        limit_ms = round(1000 * self._policy.challenge_s)
        trial, shows = Trial(row, limit_ms), self._actor.begin(random)
        asked_ms = at_ms = 0
        while trial.outcome is None:
            number = len(row) - len(trial.actions)
            asked = Asked(number, trial.actions[0], (at_ms - asked_ms) / 1000, at_ms / 1000)
            after = trial.seen(self._view(shows(asked)), at_ms)
            at_ms += 1000 // RATE_HZ
            if len(after.actions) < len(trial.actions):
                asked_ms = at_ms
            trial = after
        return trial.outcome


def _actors(folder: Path, models: Models, rows: Sequence[Row]) -> Iterator[Actor]:
    """Every folder and film as it is, and of each bona fide folder a plane and a head."""
    for source in sources(folder):
        is_film = source.paths[0].suffix.lower() in FILMS
        pictures = list(film(source.paths[0], FILM_EVERY) if is_film else source.pictures())
        if is_film or source.kind != BONA_FIDE:
            yield _shown(source, pictures)
        else:
            yield from _made(pictures, models, rows)


def _shown(source: Source, pictures: Sequence[UInt8Array]) -> Actor:
    """The pictures in their order, from one of them by chance."""
    count = len(pictures)

    def begin(random: np.random.Generator) -> Callable[[Asked], Hashable]:
        start = int(random.integers(count))
        return lambda asked: (start + round(asked.at_s * RATE_HZ)) % count

    kind = f"{source.kind}_standing_still" if source.kind == BONA_FIDE else source.kind
    return Actor(kind, begin, lambda key: pictures[key], tuple(range(0, count, max(1, count // MOST_ENROLLED))))


def _made(pictures: Sequence[UInt8Array], models: Models, rows: Sequence[Row]) -> Iterator[Actor]:
    """A plane, a head and a film of it, of the first picture that shows a face."""
    shown = next((each for each in pictures if models.detector.faces(each)), None)
    if shown is None:
        return
    made = head(models, portrait(shown, models.detector))

    def at_angle(degrees: int) -> UInt8Array:
        return person(made.turned(degrees))(0.0)

    yield Actor("turned_plane", lambda random: _turns(random, PLANE_DEG, None), lambda key: _tilted(shown, key), (0,))
    yield Actor("head", lambda random: _turns(random, HEAD_DEG, None), at_angle, (0,))
    yield Actor(
        "film_of_turns",
        lambda random: _turns(random, HEAD_DEG, rows[int(random.integers(len(rows)))]),
        at_angle,
        (0,),
    )


def _turns(random: np.random.Generator, degrees: float, row: Row | None) -> Callable[[Asked], Hashable]:
    """The angle at each moment, to the own left, in even degrees: fewer pictures to look at.

    Args:
        row: what is done, whatever is asked; None: what is asked.
    """
    course = there_and_back(degrees, TURN_S * random.uniform(0.9, 1.4), begin_s=random.uniform(0.4, 1.0))

    def angle(asked: Asked) -> int:
        action = row[asked.number] if row else asked.action
        side = {Action.TURN_LEFT: 1, Action.TURN_RIGHT: -1}.get(action, 0)
        return 2 * round(side * course(asked.since_s) / 2)

    return angle


def _tilted(picture: UInt8Array, degrees: int) -> UInt8Array:
    """A picture as a sheet turned about its upright axis, before a wall."""
    height, width = picture.shape[:2]
    across, into = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    scales = [SHEET_AWAY / (SHEET_AWAY - side * into / 2) for side in (-1, 1)]
    left, right = (side * across * scale for side, scale in zip((-1, 1), scales, strict=True))
    unit = np.array([(left, -scales[0]), (right, -scales[1]), (right, scales[1]), (left, scales[0])])
    corners = ((unit + 1) / 2 * (width, height)).astype(np.float32)
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, corners)
    return np.asarray(cv2.warpPerspective(picture, matrix, (width, height), borderValue=(200, 205, 208)), np.uint8)


# ---- for people


def described(measured: ChallengePassed) -> str:
    """Return everything measured, in Markdown."""
    head_row = ("shown", "passed", "how they ended")
    rows = [
        (each.kind, str(Rate(each.passed, each.visits)), ", ".join(f"{name} {n}" for name, n in each.outcomes.items()))
        for each in measured.kinds
    ]
    asked = f"{measured.length} of {', '.join(measured.actions)}: {measured.rows} rows"
    return f"{asked}, so a film of one passes by chance in {percent(1 / measured.rows)}\n\n{table(head_row, rows)}"
