"""A frame becomes the right probe: people are found again, pictures of them are told from them."""

from __future__ import annotations

import queue
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import time
from pathlib import Path
from statistics import median
from typing import TypeVar

import pytest

from kiosk.core.biometrics import FaceProbe, FaceReference, Hint, Modality, Policy, Turn, TurnOutcome
from kiosk.core.faults import FaultCode
from kiosk.core.messages import (
    FaceSeen,
    FaultCleared,
    FaultRaised,
    Message,
    ModalityReady,
    TurnAnswered,
    TurnAsked,
)
from kiosk.core.ports import Frame
from kiosk.core.schedule import DayRule, Schedule
from kiosk.recognition.enrolment import enrol_faces
from kiosk.recognition.gallery import Gallery
from kiosk.recognition.manifest import MODELS_FOLDER
from kiosk.recognition.models import Models
from kiosk.recognition.pipeline import Pipeline, RecognitionWorker
from kiosk.sim.camera import framed
from kiosk.sim.pictures import Attack, Portrait, Scene, attack, empty, person, two_people
from kiosk.worker import Latest
from tests.recognition.conftest import Faces

WITHIN_S = 20.0


@pytest.fixture(scope="session")
def enrolled(models: Models, faces: Faces) -> tuple[FaceReference, ...]:
    return enrol_faces(models, "anna", [faces["person_b_1"]]) + enrol_faces(models, "emil", [faces["person_a_1"]])


@pytest.fixture
def pipeline(models: Models, enrolled: tuple[FaceReference, ...]) -> Pipeline:
    return Pipeline(models, Gallery(enrolled))


def visit(pipeline: Pipeline, scene: Scene) -> list[FaceProbe]:
    """Three frames, a tenth of a second apart."""
    return [pipeline.look(framed(scene(tenth / 10), tenth)).probe for tenth in range(3)]


@pytest.mark.parametrize(
    ("who", "pid", "score"), [("person_b_2", "anna", 0.75), ("person_a_2", "emil", 0.60), ("person_b_1", "anna", 0.95)]
)
def test_a_person_is_found_by_another_picture(
    pipeline: Pipeline, portraits: dict[str, Portrait], who: str, pid: str, score: float
) -> None:
    probes = visit(pipeline, person(portraits[who]))

    assert {probe.candidates[0].pid for probe in probes} == {pid}
    assert median(probe.candidates[0].comparison_score for probe in probes) == pytest.approx(score, abs=0.03)


@pytest.mark.parametrize("who", ["impostor_1", "impostor_2", "astronaut"])
def test_a_stranger_is_like_nobody(pipeline: Pipeline, portraits: dict[str, Portrait], who: str) -> None:
    probes = visit(pipeline, person(portraits[who]))

    assert [probe.hint for probe in probes] == [None] * 3
    assert max(probe.candidates[0].comparison_score for probe in probes) < 0.35


def test_an_empty_office_has_no_faces(pipeline: Pipeline) -> None:
    assert [probe.faces for probe in visit(pipeline, empty())] == [0, 0, 0]


def test_two_people_are_asked_to_come_one_by_one(pipeline: Pipeline, portraits: dict[str, Portrait]) -> None:
    probes = visit(pipeline, two_people(portraits["impostor_1"], portraits["person_b_1"]))

    assert [(probe.faces, probe.hint) for probe in probes] == [(2, Hint.ONE_PERSON)] * 3


def test_somebody_far_away_is_asked_to_come_closer(pipeline: Pipeline, portraits: dict[str, Portrait]) -> None:
    probes = visit(pipeline, person(portraits["impostor_1"], face_px=90))

    assert [probe.hint for probe in probes] == [Hint.CLOSER] * 3


@pytest.mark.parametrize("who", ["person_a_2", "person_b_1", "person_b_2", "impostor_1", "impostor_2", "astronaut"])
def test_a_bona_fide_person_passes_the_passive_model(
    passive: Models, pipeline: Pipeline, portraits: dict[str, Portrait], who: str
) -> None:
    assert median(probe.pad_score or 0 for probe in visit(pipeline, person(portraits[who]))) > 0.9


@pytest.mark.parametrize("kind", list(Attack))
@pytest.mark.parametrize("who", ["person_b_1", "person_b_2", "impostor_1", "impostor_2", "astronaut"])
def test_a_picture_of_a_person_does_not(
    passive: Models, pipeline: Pipeline, portraits: dict[str, Portrait], who: str, kind: Attack
) -> None:
    probes = visit(pipeline, attack(kind, portraits[who]))

    assert median(1 if probe.pad_score is None else probe.pad_score for probe in probes) < 0.5


def test_every_step_is_timed(pipeline: Pipeline, portraits: dict[str, Portrait]) -> None:
    sight = pipeline.look(framed(person(portraits["impostor_1"])(0), 0))

    assert list(sight.stages) == ["detection", "alignment", "liveness", "embedding", "search"]


# ---- the worker


M = TypeVar("M")
POLICY = Policy(Schedule("Asia/Jakarta", (DayRule(frozenset(range(5)), time(7, 30), time(14)),)))


class Desk:
    """A working recognition thread, and what it says."""

    def __init__(self, folder: Path) -> None:
        self.frames: Latest[Frame] = Latest()
        self._said: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._heard: list[Message] = []
        self.worker = RecognitionWorker(self.frames, folder, POLICY, self._said.put)

    def hears(self, kind: type[M]) -> M:
        """The next message of a kind, others being kept for later; fails the test if none comes."""
        for message in self._heard:
            if isinstance(message, kind):
                self._heard.remove(message)
                return message
        while True:
            message = self._said.get(timeout=WITHIN_S)
            if isinstance(message, kind):
                return message
            self._heard.append(message)

    def sees(self, scene: Scene, at_ms: int) -> FaceProbe:
        """What the worker says of a frame."""
        self.frames.put(framed(scene(at_ms / 1000), at_ms))
        return self.hears(FaceSeen).probe


@contextmanager
def working(folder: Path = MODELS_FOLDER) -> Iterator[Desk]:
    desk = Desk(folder)
    desk.worker.start()
    try:
        yield desk
    finally:
        desk.worker.stop()


@pytest.fixture
def folder_without_passive_model(tmp_path: Path) -> Path:
    for name in ("yunet.onnx", "sface.onnx", "face_landmarks.tflite"):
        shutil.copy(MODELS_FOLDER / name, tmp_path)
    return tmp_path


def test_the_worker_is_ready_once_it_has_references_and_then_says_what_it_sees(
    enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait]
) -> None:
    with working() as desk:
        desk.worker.use(enrolled)
        ready = desk.hears(ModalityReady)
        probe = desk.sees(person(portraits["person_b_2"]), 700)

    assert ready == ModalityReady(Modality.FACE)
    assert (probe.captured_ms, probe.candidates[0].pid) == (700, "anna")


def test_new_references_are_searched_from_the_next_frame_on(
    enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait]
) -> None:
    with working() as desk:
        desk.worker.use(enrolled)
        before = desk.sees(person(portraits["person_b_2"]), 0)
        desk.worker.use([])
        desk.sees(empty(), 100)
        after = desk.sees(person(portraits["person_b_2"]), 200)

    assert before.candidates[0].pid == "anna"
    assert after.candidates == ()


def test_without_the_passive_model_the_worker_says_so_and_goes_on(
    folder_without_passive_model: Path, enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait]
) -> None:
    with working(folder_without_passive_model) as desk:
        raised = desk.hears(FaultRaised)
        desk.worker.use(enrolled)
        probe = desk.sees(person(portraits["person_b_2"]), 0)

    assert raised.code is FaultCode.PASSIVE_LIVENESS
    assert (probe.pad_score, probe.candidates[0].pid) == (None, "anna")


def test_a_missing_model_is_a_fault_that_ends_when_it_is_put_there(folder_without_passive_model: Path) -> None:
    yunet = folder_without_passive_model / "yunet.onnx"
    yunet.rename(folder_without_passive_model / "away")

    with working(folder_without_passive_model) as desk:
        raised = desk.hears(FaultRaised)
        (folder_without_passive_model / "away").rename(yunet)
        desk.worker.use([])
        desk.hears(ModalityReady)
        cleared = desk.hears(FaultCleared)

    assert (raised.code, cleared.code) == (FaultCode.MODELS, FaultCode.MODELS)


def test_a_turn_is_asked_of_chance_and_a_photograph_turned_by_hand_fails_it(
    enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait]
) -> None:
    with working() as desk:
        desk.worker.use(enrolled)
        desk.worker.ask_turn(7, "anna")
        asked = desk.hears(TurnAsked)
        scene = attack(Attack.PRINT, portraits["person_b_1"], turn=55 if asked.turn is Turn.LEFT else -55)
        for at_ms in range(0, 8400, 300):
            desk.sees(scene, at_ms)
        answered = desk.hears(TurnAnswered)

    assert asked.visit == answered.visit == 7
    assert answered.outcome in (TurnOutcome.FLAT, TurnOutcome.NOT_TURNED)


def test_a_turn_that_was_stopped_is_not_answered(
    enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait]
) -> None:
    with working() as desk:
        desk.worker.use(enrolled)
        desk.worker.ask_turn(7, "anna")
        desk.hears(TurnAsked)
        desk.worker.stop_turn()
        desk.sees(empty(), 0)
        desk.sees(empty(), 9000)
        desk.worker.ask_turn(8, "anna")
        desk.sees(empty(), 10_000)
        desk.sees(empty(), 19_000)
        answered = desk.hears(TurnAnswered)

    assert answered == TurnAnswered(8, TurnOutcome.NOT_TURNED)
