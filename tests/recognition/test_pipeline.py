"""A frame becomes the right probe: people are found again, pictures of them are told from them."""

from __future__ import annotations

import queue
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TypeVar

import pytest

from kiosk.core.biometrics import Action, ChallengeOutcome, FaceProbe, FaceReference, Hint, Modality, Policy, Thresholds
from kiosk.core.faults import FaultCode
from kiosk.core.messages import (
    ChallengeAnswered,
    ChallengeAsked,
    FaceSeen,
    FaultCleared,
    FaultRaised,
    Message,
    ModalityReady,
)
from kiosk.core.ports import Frame
from kiosk.recognition.detection import UInt8Array
from kiosk.recognition.enrolment import enrol_faces
from kiosk.recognition.gallery import Gallery
from kiosk.recognition.manifest import MODELS_FOLDER
from kiosk.recognition.models import Models
from kiosk.recognition.pipeline import Pipeline, RecognitionWorker
from kiosk.sim.camera import framed
from kiosk.sim.heads import head, there_and_back, turning
from kiosk.sim.pictures import Attack, Portrait, Scene, attack, empty, person, two_people
from kiosk.worker import Latest
from tests.recognition.conftest import POLICY, Faces

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
    ("who", "pid", "score"), [("person_b_2", "anna", 0.71), ("person_a_2", "emil", 0.60), ("person_b_1", "anna", 0.95)]
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
ONE_TURN = replace(POLICY, challenge_length=1)


class Desk:
    """A working recognition thread, and what it says."""

    def __init__(self, folder: Path, frameless_s: float, policy: Policy) -> None:
        self.frames: Latest[Frame] = Latest()
        self._said: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.heard: list[Message] = []
        self.worker = RecognitionWorker(self.frames, folder, policy, self._said.put, frameless_s)

    def hears(self, kind: type[M]) -> M:
        """The next message of a kind, others being kept for later; fails the test if none comes."""
        for message in self.heard:
            if isinstance(message, kind):
                self.heard.remove(message)
                return message
        while True:
            message = self._said.get(timeout=WITHIN_S)
            if isinstance(message, kind):
                return message
            self.heard.append(message)

    def sees(self, scene: Scene, at_ms: int) -> FaceProbe:
        """What the worker says of a frame."""
        self.frames.put(framed(scene(at_ms / 1000), at_ms))
        return self.hears(FaceSeen).probe

    def challenges(self, pid: str, scene_for: Callable[[Action], Scene], every_ms: int = 200) -> ChallengeOutcome:
        """How a challenge ends in which the scene that belongs to the turn is shown."""
        self.worker.ask_challenge(7, pid)
        scene = scene_for(self.hears(ChallengeAsked).action)
        for at_ms in range(0, 8000 + 2 * every_ms, every_ms):
            self.sees(scene, at_ms)
            for message in self.heard:
                if isinstance(message, ChallengeAnswered):
                    return message.outcome
        return self.hears(ChallengeAnswered).outcome


@contextmanager
def working(folder: Path = MODELS_FOLDER, frameless_s: float = WITHIN_S, policy: Policy = ONE_TURN) -> Iterator[Desk]:
    desk = Desk(folder, frameless_s, policy)
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

    assert ready == ModalityReady(Modality.FACE, Thresholds(POLICY.face_threshold, POLICY.pad_threshold))
    assert (probe.captured_ms, probe.candidates[0].pid) == (700, "anna")


def test_the_frames_of_one_face_are_fused_until_somebody_else_steps_in(
    enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait]
) -> None:
    with working() as desk:
        desk.worker.use(enrolled)
        first, second, other = (
            desk.sees(person(portraits[who]), 100 * tenth)
            for tenth, who in enumerate(["person_b_2", "person_b_2", "person_a_2"])
        )

    assert (first.continues, second.continues, other.continues) == (False, True, False)
    assert first.fused == first.candidates
    assert (second.fused[0].pid, other.fused[0].pid) == ("anna", "emil")
    assert second.fused != second.candidates


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
        desk.worker.ask_challenge(7, "anna")
        asked = desk.hears(ChallengeAsked)
        scene = attack(Attack.PRINT, portraits["person_b_1"], turn=55 if asked.action is Action.TURN_LEFT else -55)
        for at_ms in range(0, 8400, 300):
            desk.sees(scene, at_ms)
        answered = desk.hears(ChallengeAnswered)

    assert asked.visit == answered.visit == 7
    assert answered.outcome in (ChallengeOutcome.FLAT, ChallengeOutcome.NOT_DONE)


def test_a_turn_that_was_stopped_is_not_answered(
    enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait]
) -> None:
    with working() as desk:
        desk.worker.use(enrolled)
        desk.worker.ask_challenge(7, "anna")
        desk.hears(ChallengeAsked)
        desk.worker.stop_challenge()
        desk.sees(empty(), 0)
        desk.sees(empty(), 9000)
        desk.worker.ask_challenge(8, "anna")
        desk.sees(empty(), 10_000)
        desk.sees(empty(), 19_000)
        answered = desk.hears(ChallengeAnswered)

    assert answered == ChallengeAnswered(8, ChallengeOutcome.NOT_DONE)


def sign(turn: Action) -> int:
    return 1 if turn is Action.TURN_LEFT else -1


def one_after_another(first: Scene, second: Scene, third: Scene, until_s: tuple[float, float]) -> Scene:
    def scene(at_s: float) -> UInt8Array:
        return (first if at_s < until_s[0] else second if at_s < until_s[1] else third)(at_s)

    return scene


@pytest.mark.parametrize("who", ["person_b_1", "person_b_2"])
def test_the_person_who_turns_and_comes_back_passes(
    models: Models, enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait], who: str
) -> None:
    anna = head(models, portraits[who])
    with working() as desk:
        desk.worker.use(enrolled)
        outcome = desk.challenges("anna", lambda turn: turning(anna, there_and_back(40 * sign(turn), 2.0)))

    assert outcome is ChallengeOutcome.PASSED


def test_a_second_action_is_asked_after_the_first_and_both_must_be_done(
    models: Models, enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait]
) -> None:
    anna, course = head(models, portraits["person_b_1"]), there_and_back(40, 1.5)
    with working(policy=POLICY) as desk:
        desk.worker.use(enrolled)
        desk.worker.ask_challenge(7, "anna")
        asked, since_ms = [desk.hears(ChallengeAsked)], 0
        for at_ms in range(0, 16_000, 200):
            way = sign(asked[-1].action) * course((at_ms - since_ms) / 1000)
            desk.sees(person(anna.turned(way)), at_ms)
            if more := [message for message in desk.heard if isinstance(message, ChallengeAsked)]:
                desk.heard.clear()
                asked, since_ms = asked + more, at_ms
            if any(isinstance(message, ChallengeAnswered) for message in desk.heard):
                break
        answered = desk.hears(ChallengeAnswered)

    assert [each.visit for each in asked] == [7, 7]
    assert answered == ChallengeAnswered(7, ChallengeOutcome.PASSED)


@pytest.mark.parametrize("until_s", [(0.0, 9.0), (0.6, 9.0), (0.6, 4.6)])
def test_a_print_of_one_person_and_the_head_of_another_do_not_pass_together(
    models: Models, enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait], until_s: tuple[float, float]
) -> None:
    sheet, stranger = attack(Attack.PRINT, portraits["person_b_1"]), head(models, portraits["impostor_1"])
    with working() as desk:
        desk.worker.use(enrolled)
        outcome = desk.challenges(
            "anna",
            lambda turn: one_after_another(
                sheet, turning(stranger, there_and_back(40 * sign(turn), 1.5, begin_s=1.0)), sheet, until_s
            ),
        )

    assert outcome is ChallengeOutcome.OTHER_FACE


def test_two_pictures_of_the_person_frontal_and_turned_do_not_pass(
    models: Models, enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait]
) -> None:
    anna = head(models, portraits["person_b_1"])
    frontal = person(anna.turned(0))
    with working() as desk:
        desk.worker.use(enrolled)
        outcome = desk.challenges(
            "anna", lambda turn: one_after_another(frontal, person(anna.turned(35 * sign(turn))), frontal, (1.0, 2.0))
        )

    assert outcome is ChallengeOutcome.NOT_DONE


def test_a_second_person_who_steps_up_during_the_turn_begins_the_challenge_anew(
    models: Models, enrolled: tuple[FaceReference, ...], portraits: dict[str, Portrait]
) -> None:
    anna, both = head(models, portraits["person_b_1"]), two_people(portraits["impostor_1"], portraits["person_b_1"])
    with working() as desk:
        desk.worker.use(enrolled)
        outcome = desk.challenges(
            "anna",
            lambda turn: one_after_another(
                (turns := turning(anna, there_and_back(40 * sign(turn), 2.0))), both, turns, (2.6, 2.8)
            ),
        )

    assert outcome is ChallengeOutcome.NOT_DONE


def test_a_camera_that_hangs_is_a_fault_once_until_it_gives_a_frame_again(enrolled: tuple[FaceReference, ...]) -> None:
    with working(frameless_s=0.3) as desk:
        desk.worker.use(enrolled)
        desk.hears(ModalityReady)
        raised = desk.hears(FaultRaised)
        for visit_number in (1, 2):
            desk.worker.ask_challenge(visit_number, "anna")
            desk.hears(ChallengeAsked)
        desk.sees(empty(), 0)
        cleared = desk.hears(FaultCleared)

    assert raised == FaultRaised(FaultCode.CAMERA, "no frame for 0.3 s")
    assert cleared == FaultCleared(FaultCode.CAMERA)
    assert not [message for message in desk.heard if isinstance(message, FaultRaised)]
