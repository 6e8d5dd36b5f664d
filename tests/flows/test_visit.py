"""A visit through the whole kiosk: real threads, models, driver, disk and screen, on simulated devices."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from kiosk.app import run
from kiosk.core.biometrics import Modality, Person
from kiosk.core.decision import Reason
from kiosk.core.entries import THRESHOLD_LOWERED, THRESHOLD_SET
from kiosk.core.faults import FaultCode
from kiosk.core.lockout import LOCKED
from kiosk.core.state import Greeting, Idle, OutOfService, Refusing
from kiosk.enrolment import Applicant, EnrolmentError, enrol_person, enrolled, erase_person
from kiosk.recognition.detection import UInt8Array
from kiosk.recognition.models import open_models
from kiosk.sim import ridges
from kiosk.sim.pictures import Attack, attack, person, portrait
from kiosk.storage.database import FolderInUseError
from kiosk.storage.store import opened_store
from kiosk.worker import Bell
from tests.flows.bench import Bench, opened_bench, portrait_file, portrait_picture
from wire.attendance import Act, EventType, Mode

SITI, ANDI = Person("p-1", "Siti Aminah"), Person("p-2", "Andi Pratama")
LEFT_THUMB = 6


@pytest.fixture(scope="module")
def finger() -> list[UInt8Array]:
    """Three presses of one finger that is nobody's."""
    own = ridges.finger(7)
    return [ridges.pressed(own, seed) for seed in range(3)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened_bench(tmp_path) as bench:
        yield bench


def enrol_by_finger(bench: Bench, who: Person, presses: list[UInt8Array]) -> None:
    """The person presses and lifts as they are told."""
    coming = iter(presses)

    def follow(told: str) -> None:
        if told.startswith("press"):
            bench.reader.place(next(coming))
        else:
            bench.reader.lift()

    enrol_person(bench.terminal, Applicant(who, fingers=[LEFT_THUMB]), follow)
    bench.reader.lift()


def enrol_by_face(bench: Bench, who: Person, picture: str) -> None:
    enrol_person(bench.terminal, Applicant(who, [portrait_file(picture)]), lambda _: None)


def test_a_finger_becomes_a_greeting_and_an_event_on_disk(bench: Bench, finger: list[UInt8Array]) -> None:
    enrol_by_finger(bench, SITI, finger[:2])

    with bench.switched_on() as kiosk:
        bench.reader.place(finger[2])
        state = kiosk.turn_until(lambda state: isinstance(state.phase, Greeting | Refusing))

    assert isinstance(state.phase, Greeting)
    assert state.phase.person == SITI
    happened = [(event.typ, event.reason or event.act) for event in bench.events()]
    assert (EventType.AUDIT, THRESHOLD_SET) in happened
    assert [each for each in happened if each[1] != THRESHOLD_SET] == [
        (EventType.AUDIT, "enrolled"),
        (EventType.AUDIT, "start"),
        (EventType.ATTENDANCE, Act.ARRIVAL),
    ]


def test_a_threshold_is_on_record_once_and_again_when_it_is_lowered(bench: Bench) -> None:
    for level in (4, 4, 2):
        fingerprint = msgspec.structs.replace(bench.terminal.settings.fingerprint, security_level=level)
        settings = msgspec.structs.replace(bench.terminal.settings, fingerprint=fingerprint)
        bench.terminal = replace(bench.terminal, settings=settings)
        with bench.switched_on() as kiosk:
            kiosk.turn_until(lambda state: Modality.FINGER in state.ready)

    reasons = [event.reason for event in bench.events() if event.mode is Mode.FINGER]
    assert reasons == [THRESHOLD_SET, THRESHOLD_LOWERED]


def test_a_face_is_greeted_and_its_picture_on_paper_is_not(bench: Bench) -> None:
    models = open_models()
    if models.liveness is None:
        pytest.skip("the passive liveness model could not be had; see `kiosk models list`")
    enrol_by_face(bench, ANDI, "person_b_2.jpg")
    andi = portrait(portrait_picture("person_b_1.jpg"), models.detector)

    with bench.switched_on() as kiosk:
        bench.projector.show(attack(Attack.PRINT, andi))
        refused = kiosk.turn_until(lambda state: isinstance(state.phase, Greeting | Refusing))
        bench.projector.show(person(andi))
        greeted = kiosk.turn_until(lambda state: isinstance(state.phase, Greeting))

    assert isinstance(refused.phase, Refusing)
    assert refused.phase.reason is Reason.ATTACK
    assert isinstance(greeted.phase, Greeting)
    assert greeted.phase.person == ANDI


def test_a_photograph_held_up_again_and_again_locks_the_face_while_a_finger_goes_on(
    bench: Bench, finger: list[UInt8Array]
) -> None:
    models = open_models()
    if models.liveness is None:
        pytest.skip("the passive liveness model could not be had; see `kiosk models list`")
    enrol_by_finger(bench, SITI, finger[:2])
    andi = portrait(portrait_picture("person_b_1.jpg"), models.detector)

    with bench.switched_on() as kiosk:
        bench.projector.show(attack(Attack.PRINT, andi))
        locked = kiosk.turn_until(lambda state: bool(state.locked) and isinstance(state.phase, Idle))
        bench.reader.place(finger[2])
        kiosk.turn_until(lambda state: isinstance(state.phase, Greeting))

    assert locked.locked == {Modality.FACE}
    reasons = [event.reason for event in bench.events() if event.mode is Mode.FACE]
    assert [each for each in reasons if each in {"attack", LOCKED}] == ["attack", "attack", "attack", LOCKED]


def test_what_was_greeted_before_a_restart_is_known_after_it(bench: Bench, finger: list[UInt8Array]) -> None:
    enrol_by_finger(bench, SITI, finger[:2])
    with bench.switched_on() as kiosk:
        bench.reader.place(finger[2])
        kiosk.turn_until(lambda state: isinstance(state.phase, Greeting))
    bench.reader.lift()

    with bench.switched_on() as kiosk:
        bench.reader.place(finger[1])
        state = kiosk.turn_until(lambda state: isinstance(state.phase, Greeting))

    assert isinstance(state.phase, Greeting)
    assert state.phase.repeated
    assert sum(event.typ is EventType.ATTENDANCE for event in bench.events()) == 1


def test_a_reader_that_is_unplugged_is_a_fault_and_the_camera_goes_on(bench: Bench) -> None:
    with bench.switched_on() as kiosk:
        bench.reader.unplug()
        state = kiosk.turn_until(lambda state: bool(state.faults & {FaultCode.READER, FaultCode.READER_WIRE}))

    assert isinstance(state.phase, Idle)


def test_without_reader_and_camera_the_kiosk_is_out_of_service(bench: Bench) -> None:
    with bench.switched_on() as kiosk:
        bench.reader.unplug()
        bench.projector.stop()

        state = kiosk.turn_until(lambda state: isinstance(state.phase, OutOfService))

    assert FaultCode.CAMERA in state.faults


def test_a_finger_cannot_be_enrolled_for_two_people(bench: Bench, finger: list[UInt8Array]) -> None:
    enrol_by_finger(bench, SITI, finger[:2])

    with pytest.raises(EnrolmentError, match=SITI.pid):
        enrol_by_finger(bench, ANDI, [finger[2], finger[1]])

    assert [event.reason for event in bench.events()] == ["enrolled", "enrolment_duplicate"]


def test_what_was_enrolled_before_stays_beside_what_is_new(bench: Bench, finger: list[UInt8Array]) -> None:
    enrol_by_finger(bench, SITI, finger[:2])
    enrol_by_face(bench, SITI, "person_b_2.jpg")

    with opened_store(bench.terminal.owner()) as store:
        references = store.people.references()

    assert (len(references.faces), len(references.fingers)) == (1, 1)


def test_who_was_erased_is_not_known_any_more_and_it_is_on_record(bench: Bench) -> None:
    enrol_by_face(bench, SITI, "person_b_2.jpg")
    assert [(each.pid, each.name, each.faces) for each in enrolled(bench.terminal)] == [(SITI.pid, SITI.name, 1)]

    assert erase_person(bench.terminal, SITI.pid)

    assert enrolled(bench.terminal) == []
    assert not erase_person(bench.terminal, SITI.pid)
    assert [event.reason for event in bench.events()] == ["enrolled", "erased"]


def test_a_second_kiosk_on_the_same_folder_ends_at_once(bench: Bench) -> None:
    with bench.switched_on(), pytest.raises(FolderInUseError):
        run(bench.terminal, Bell(), headless=True)


@pytest.mark.parametrize(
    ("pid", "name"),
    [("", "Siti"), ("a b", "Siti"), ("../p", "Siti"), ("p-1", ""), ("p-1", "\u200b"), ("p-1", 81 * "S")],
)
def test_nobody_is_enrolled_whom_the_screen_could_not_greet(bench: Bench, pid: str, name: str) -> None:
    with pytest.raises(EnrolmentError, match="expected 1 to"):
        enrol_person(bench.terminal, Applicant(Person(pid, name), fingers=[1]), lambda _: None)


def test_a_face_cannot_be_enrolled_for_two_people(bench: Bench) -> None:
    enrol_by_face(bench, SITI, "person_b_2.jpg")

    with pytest.raises(EnrolmentError, match=SITI.pid):
        enrol_by_face(bench, ANDI, "person_b_1.jpg")


IO_EVENTS = frozenset({"open", "os.open", "socket.connect", "socket.__new__", "sqlite3.connect", "subprocess.Popen"})


class NoInputOrOutput:
    """An audit hook that refuses files, sockets and databases to the main thread while it is armed."""

    def __init__(self) -> None:
        self.armed = False
        self.refused: list[str] = []
        sys.addaudithook(self._look)

    def _look(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.armed and event in IO_EVENTS and threading.current_thread() is threading.main_thread():
            self.refused.append(f"{event} {arguments[0] if arguments else ''}")
            raise PermissionError(f"the main thread must not do {event} {arguments!r}")


def test_the_main_thread_touches_no_file_socket_or_database(bench: Bench, finger: list[UInt8Array]) -> None:
    enrol_by_finger(bench, SITI, finger[:2])
    hook = NoInputOrOutput()

    with bench.switched_on() as kiosk:
        hook.armed = True
        try:
            bench.reader.place(finger[2])
            kiosk.turn_until(lambda state: isinstance(state.phase, Greeting))
            kiosk.turn_until(lambda state: isinstance(state.phase, Idle))
        finally:
            hook.armed = False

    assert hook.refused == []
