"""The field's words as types: probes, candidates, references, and the policy they are judged by.

Scores keep the unit of their modality: a face's is a cosine similarity (-1 to 1), a finger's the reader's own score.
Vectors and templates are bytes here, so that the core needs no array library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kiosk.core.schedule import Schedule

FACE_FPIR = 0.001
FACE_THRESHOLD = 0.44
"""What is wanted of a face where nothing else is configured; `Policy` says what they mean."""


class Modality(StrEnum):
    """What a person can be recognised by."""

    FACE = "face"
    FINGER = "finger"


class Liveness(StrEnum):
    """Which check against presentation attacks a face needs."""

    PASSIVE = "passive"
    """A model judges every frame."""
    CHALLENGE = "challenge"
    """The person does what the screen asks."""
    PASSIVE_AND_CHALLENGE = "passive+challenge"
    """Both: the model first, and who passes it is challenged."""
    OFF = "off"
    """None. Allowed only with a simulated camera, and said on the screen."""

    @property
    def is_passive(self) -> bool:
        """Whether the model judges."""
        return self in {Liveness.PASSIVE, Liveness.PASSIVE_AND_CHALLENGE}

    @property
    def is_active(self) -> bool:
        """Whether the person is challenged."""
        return self in {Liveness.CHALLENGE, Liveness.PASSIVE_AND_CHALLENGE}


class Hint(StrEnum):
    """What would make the next sample usable."""

    CLOSER = "closer"
    FARTHER = "farther"
    ONE_PERSON = "one_person"
    MORE_LIGHT = "more_light"
    LESS_LIGHT = "less_light"
    HOLD_STILL = "hold_still"
    LOOK_HERE = "look_here"
    PRESS_AGAIN = "press_again"
    EVEN_LIGHT = "even_light"
    OPEN_EYES = "open_eyes"
    CLOSE_MOUTH = "close_mouth"
    TURN_SLIGHTLY_LEFT = "turn_slightly_left"
    TURN_SLIGHTLY_RIGHT = "turn_slightly_right"


class Action(StrEnum):
    """What a challenge asks for; left and right as the person has them. The values go into events, for ever."""

    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    BLINK = "blink"
    """Close both eyes for a moment, longer than one blinks unasked."""
    COME_CLOSER = "come_closer"


TURNS = frozenset({Action.TURN_LEFT, Action.TURN_RIGHT})
"""The actions in which a head shows that it is not flat; every challenge has one of them."""


class ChallengeOutcome(StrEnum):
    """How a challenge ended."""

    PASSED = "passed"
    NOT_DONE = "not_done"
    """Too late, or faster than a head moves."""
    OTHER_ACTION = "other_action"
    """Something else was done than what was asked, as a film does that knows nothing of the question."""
    FLAT = "flat"
    """The picture moved as a plane does: a photograph or a screen."""
    OTHER_FACE = "other_face"
    """The face after the action was not the face before it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible answer of a search."""

    pid: str
    comparison_score: float


@dataclass(frozen=True, slots=True)
class FaceProbe:
    """What one frame says of the face before the camera."""

    captured_ms: int
    """When the frame was taken, CLOCK_BOOTTIME in milliseconds."""
    faces: int
    """How many faces are near enough to be meant; 0: nobody is there."""
    hint: Hint | None = None
    """Why the frame is not usable; None: it is."""
    candidates: tuple[Candidate, ...] = ()
    """The best first, whatever the threshold; empty if the gallery is, or the frame is not usable."""
    pad_score: float | None = None
    """0 (attack) to 1 (bona fide); None: no passive model, or too little picture around the face to judge."""
    threshold: float = 1.0
    """The comparison threshold in force for the gallery searched; no score reaches the default."""
    continues: bool = False
    """Whether it is the same face as in the last usable frame, without a gap."""
    fused: tuple[Candidate, ...] = ()
    """As `candidates`, of a search with the latest frames of this face together, this one among them. Frames that
    failed the passive check are left out; empty if all did."""


@dataclass(frozen=True, slots=True)
class FingerProbe:
    """What one press of a finger says."""

    captured_ms: int
    hint: Hint | None = None
    """Why the press is not usable; None: it is."""
    candidates: tuple[Candidate, ...] = ()
    """At most one: the reader's answer, confirmed against our own reference; empty: nobody enrolled."""
    threshold: float = 0.0
    """The reader's threshold at the security level in force."""


@dataclass(frozen=True, slots=True)
class FaceReference:
    """One stored template of a person's face."""

    pid: str
    model: str
    """The embedder that made it; templates of different models do not compare."""
    template: bytes
    """float32, little endian, unit length."""


@dataclass(frozen=True, slots=True)
class FingerReference:
    """One stored template of a person's finger, in the reader's own format."""

    pid: str
    finger: int
    """1 to 10, right thumb to left little finger (ISO/IEC 19794-2)."""
    template: bytes


@dataclass(frozen=True, slots=True)
class References:
    """Everything that is enrolled here."""

    faces: tuple[FaceReference, ...] = ()
    fingers: tuple[FingerReference, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on the roster."""

    pid: str
    """Opaque; the only thing about a person that leaves the device in an event."""
    name: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a modality's comparisons are judged by."""

    comparison: float
    """In the modality's own units."""
    pad: float | None = None
    """Below it, a presentation attack; None: the modality has no such check."""

    def is_below(self, other: Thresholds) -> bool:
        """Whether any of them is lower than it was: more would be accepted."""
        return self.comparison < other.comparison or (self.pad or 0.0) < (other.pad or 0.0)


@dataclass(frozen=True, slots=True)
class Policy:
    """What an acceptance needs. Every figure is set in the configuration; see `kiosk.config` for limits and reasons."""

    schedule: Schedule
    modalities: frozenset[Modality] = frozenset(Modality)
    """What this terminal has."""
    face_fpir: float = FACE_FPIR
    """The share of strangers that may be taken for somebody; the threshold follows from it and the gallery."""
    face_threshold: float = FACE_THRESHOLD
    """The threshold never falls below it."""
    face_margin: float = 0.05
    """The best candidate must lead the second person by this much."""
    frames_per_visit: int = 3
    """How many usable frames a face is judged by; fewer if it is sure, up to twice as many if it is not known."""
    liveness: Liveness = Liveness.PASSIVE
    pad_threshold: float = 0.5
    challenge_actions: tuple[Action, ...] = (Action.TURN_LEFT, Action.TURN_RIGHT)
    """What may be asked for."""
    challenge_length: int = 2
    """How many actions are asked for, one after another, each drawn anew."""
    lock_after: int = 3
    """So many attacks lock their modality."""
    lock_within_s: float = 600.0
    """Attacks further apart than this do not count together."""
    lock_s: float = 30.0
    """The first lock; each one after it is twice as long."""
    longest_lock_s: float = 3600.0
    repeat_within_s: float = 300.0
    look_s: float = 6.0
    challenge_s: float = 8.0
    choose_s: float = 10.0
    record_s: float = 5.0
    greet_s: float = 3.0
    refuse_s: float = 4.0
