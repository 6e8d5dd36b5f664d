"""Enrolment before the camera, whole: real threads, models, screen and disk; a person who follows the hints."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pygame
import pytest

from kiosk.core.biometrics import Person
from kiosk.core.state import Greeting, Refusing
from kiosk.display.texts import load
from kiosk.enrolment import Applicant, DuplicateError, EnrolmentError, enrol_person, enrolled, erase_person
from kiosk.recognition.enrolment import references_again
from kiosk.recognition.models import Models, open_models
from kiosk.sim.heads import Head, head
from kiosk.sim.pictures import HEIGHT, WIDTH, Attack, Scene, attack, person, portrait
from kiosk.storage.store import opened_store
from kiosk.worker import Bell
from tests.flows.bench import Bench, opened_bench, portrait_file, portrait_picture

SITI, ANDI = Person("p-1", "Siti Aminah"), Person("p-2", "Andi Pratama")
TURN_DEG = 14.0
FILM_HZ = 10
CONFIG = """
[device]
id = "bench-1"
unit = "desa-uji"
district = "uji"
[storage]
directory = "kiosk"
[camera]
source = "film:{film}"
[fingerprint]
port = "none"
[display]
language = "en"
"""


@pytest.fixture(scope="module")
def models() -> Models:
    found = open_models()
    if found.liveness is None:
        pytest.skip("the passive liveness model could not be had; see `kiosk models list`")
    return found


@pytest.fixture(scope="module")
def siti(models: Models) -> dict[str, Scene]:
    """Somebody who looks straight, or a little to either side; by the key of the sentence that asks for it."""
    return turned(head(models, portrait(portrait_picture("person_b_1.jpg"), models.detector)))


def turned(who: Head) -> dict[str, Scene]:
    angles = {"straight": 0.0, "left": TURN_DEG, "right": -TURN_DEG}
    return {key: person(who.turned(degrees)) for key, degrees in angles.items()}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened_bench(tmp_path) as bench:
        yield bench


def follows(bench: Bench, scenes: dict[str, Scene]) -> Callable[[str], None]:
    """The person does what the terminal says."""
    texts = load(bench.terminal.settings.display.language)
    asked = {texts(f"pose.{key}"): scene for key, scene in scenes.items()}

    def heard(said: str) -> None:
        scene = asked.get(said.partition("  ")[2])
        if scene is not None:
            bench.projector.show(scene)

    return heard


def before_the_camera(bench: Bench, who: Person, heard: Callable[[str], None], *, keep: bool = False) -> None:
    enrol_person(bench.terminal, Applicant(who, camera=True, keep_pictures=keep), heard, headless=True)


def test_a_face_that_is_enrolled_before_the_camera_is_then_greeted(
    bench: Bench, siti: dict[str, Scene], models: Models
) -> None:
    before_the_camera(bench, SITI, follows(bench, siti))

    with bench.switched_on() as kiosk:
        bench.projector.show(person(portrait(portrait_picture("person_b_2.jpg"), models.detector)))
        state = kiosk.turn_until(lambda state: isinstance(state.phase, Greeting | Refusing))

    assert isinstance(state.phase, Greeting)
    assert state.phase.person == SITI
    assert [event.reason for event in bench.events()][:2] == ["enrolled", "start"]
    assert [(each.faces, each.pictures, each.pictures_consent) for each in enrolled(bench.terminal)] == [(3, 0, "")]


def test_pictures_that_may_be_kept_make_the_very_references_again_and_go_with_the_person(
    bench: Bench, siti: dict[str, Scene], models: Models
) -> None:
    before_the_camera(bench, SITI, follows(bench, siti), keep=True)

    with opened_store(bench.terminal.owner()) as store:
        kept, faces = store.people.pictures_of(SITI.pid), store.people.references_of(SITI.pid).faces
    assert references_again(models, SITI.pid, kept) == faces
    assert erase_person(bench.terminal, SITI.pid)
    with opened_store(bench.terminal.owner()) as store:
        assert store.people.pictures_of(SITI.pid) == ()


def test_who_is_enrolled_already_cannot_be_enrolled_as_somebody_else(bench: Bench, siti: dict[str, Scene]) -> None:
    enrol_person(bench.terminal, Applicant(SITI, [portrait_file("person_b_2.jpg")]), lambda _: None)

    with pytest.raises(DuplicateError, match=r"enrolled as p-1: compare"):
        before_the_camera(bench, ANDI, follows(bench, siti))

    assert [(event.pid, event.reason) for event in bench.events()] == [
        (SITI.pid, "enrolled"),
        (ANDI.pid, "enrolment_duplicate"),
    ]


def test_a_picture_on_paper_is_not_enrolled_and_it_is_on_record(bench: Bench, models: Models) -> None:
    andi = portrait(portrait_picture("person_b_1.jpg"), models.detector)
    bench.projector.show(attack(Attack.PRINT, andi))

    with pytest.raises(EnrolmentError, match="no real face was before the camera"):
        before_the_camera(bench, ANDI, lambda _: None)

    (event,) = bench.events()
    assert event.reason == "enrolment_attack"
    assert event.pad is not None
    assert event.pad.score is not None
    assert event.pad.score < event.pad.thr
    assert enrolled(bench.terminal) == []


def test_a_sitting_that_is_ended_keeps_nothing(bench: Bench) -> None:
    stop = Bell()
    stop.ring()

    with pytest.raises(EnrolmentError, match="it was cancelled; nothing was kept"):
        enrol_person(bench.terminal, Applicant(SITI, camera=True), lambda _: None, stop=stop, headless=True)

    assert (enrolled(bench.terminal), bench.events()) == ([], [])


def test_closing_the_window_ends_the_sitting(
    bench: Bench, siti: dict[str, Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    bench.projector.show(siti["straight"])

    with pytest.raises(EnrolmentError, match="it was cancelled"):
        enrol_person(bench.terminal, Applicant(SITI, camera=True), lambda _: closed_window())

    assert enrolled(bench.terminal) == []


def closed_window() -> None:
    pygame.event.post(pygame.event.Event(pygame.QUIT))


def test_a_camera_that_is_gone_is_said(bench: Bench) -> None:
    bench.projector.stop()

    with pytest.raises(EnrolmentError, match=r"the camera or a model failed; .*closed the camera"):
        before_the_camera(bench, SITI, lambda _: None)


def test_every_picture_that_is_unfit_is_named_by_its_file(bench: Bench, tmp_path: Path) -> None:
    good, empty = portrait_file("person_b_2.jpg"), tmp_path / "empty.png"
    blurred = tmp_path / "blurred.png"
    cv2.imwrite(str(empty), portrait_picture("person_b_2.jpg") * 0)
    cv2.imwrite(str(blurred), cv2.GaussianBlur(portrait_picture("person_b_2.jpg"), (0, 0), 11))

    with pytest.raises(EnrolmentError) as refusal:
        enrol_person(bench.terminal, Applicant(SITI, [empty, good, blurred]), lambda _: None)

    assert str(refusal.value).splitlines()[1:] == [
        f"{empty}: shows no face; it may be too dark, or turned",
        f"{blurred}: is blurred: hold camera and head still",
    ]
    assert enrolled(bench.terminal) == []


@pytest.mark.parametrize(
    ("applicant", "message"),
    [
        (Applicant(SITI), "nothing to enrol"),
        (Applicant(SITI, [Path("a.jpg")], camera=True), "give one of the two"),
        (Applicant(SITI, fingers=[1], keep_pictures=True), "no pictures to keep"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_opened(
    bench: Bench, applicant: Applicant, message: str
) -> None:
    with pytest.raises(EnrolmentError, match=message):
        enrol_person(bench.terminal, applicant, lambda _: None)


def test_the_command_enrols_from_a_film_with_its_hints_on_the_output(tmp_path: Path, siti: dict[str, Scene]) -> None:
    film = tmp_path / "siti.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), FILM_HZ, (WIDTH, HEIGHT))
    for pose in ("straight", "left", "right"):
        for frame in range(3 * FILM_HZ):
            writer.write(siti[pose](frame / FILM_HZ))
    writer.release()
    (tmp_path / "kiosk.toml").write_text(CONFIG.format(film=film))
    command = [sys.executable, "-m", "kiosk"]
    settings = ["--config", str(tmp_path / "kiosk.toml")]
    enrol = ["enrol", *settings, "--pid", "p-1", "--name", "Siti", "--camera", "--headless", "--consent"]

    told = subprocess.run(
        [*command, *enrol, "--keep-pictures"], capture_output=True, text=True, timeout=60, check=False
    )
    listed = subprocess.run([*command, "people", "list", *settings], capture_output=True, text=True, check=True).stdout

    assert told.returncode == 0, told.stderr
    assert "1/3  Look straight at the camera" in told.stdout
    assert told.stdout.splitlines()[-1] == "enrolled p-1: 3 face, 0 finger references taken"
    assert "3 face, 0 fingers" in listed
    assert "3 pictures kept since 20" in listed
