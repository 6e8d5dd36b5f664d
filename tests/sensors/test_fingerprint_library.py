"""Promise: the reader is made to hold what the kiosk has, whatever it held before; hazard 2 of the architecture.

Fillings are counted by what is stored, since a reader that is as it should be is left alone.
"""

from __future__ import annotations

from contextlib import closing

import pytest

from kiosk.core.biometrics import Candidate, FingerReference
from kiosk.sensors.fingerprint_library import Library
from kiosk.sensors.fingerprint_packets import ReaderFullError
from kiosk.sensors.fingerprint_reader import Buffer, Capture, Reader
from kiosk.sensors.fingerprint_wire import open_wire
from kiosk.sim.fingerprint import SimulatedReader
from kiosk.sim.fingerprint_module import Flash
from tests.sensors.conftest import ALIKE, BAUD, Labels, labelled, labelled_template

ALICE, BOB, CAROL = 71, 23, 35
OFFICE = tuple(FingerReference(str(finger), 2, labelled_template(finger)) for finger in (ALICE, BOB, CAROL))
FULL = {slot: reference.template for slot, reference in enumerate(OFFICE)}


def filled(reader: Reader, references: tuple[FingerReference, ...] = OFFICE) -> tuple[Library, int]:
    library = Library(reader)
    library.expect(references)
    return library, steps(library)


def steps(library: Library) -> int:
    """Bring the reader up to date; return how many steps that took."""
    return next(count for count in range(1000) if not library.advance())


def press(simulated: SimulatedReader, reader: Reader, finger: int) -> None:
    simulated.place(labelled(finger))
    assert reader.capture() is Capture.TAKEN
    assert reader.extract(Buffer.PROBE)


@pytest.mark.parametrize(
    "held",
    [
        pytest.param({}, id="new"),
        pytest.param({0: FULL[1], 1: FULL[0], 2: FULL[2]}, id="two people swapped"),
        pytest.param({0: FULL[0], 1: FULL[1]}, id="one missing"),
        pytest.param(FULL | {500: FULL[0]}, id="a stray"),
        pytest.param(dict.fromkeys(range(3), labelled_template(44)), id="another office's"),
    ],
)
def test_a_reader_is_filled_whatever_it_held(
    simulated: SimulatedReader, reader: Reader, held: dict[int, bytes]
) -> None:
    simulated.overwrite(held)

    filled(reader)

    assert simulated.templates == FULL


def test_a_reader_that_is_as_it_should_be_is_left_alone(simulated: SimulatedReader, reader: Reader) -> None:
    filled(reader)

    _, steps_taken = filled(reader)

    assert steps_taken == 1


def test_a_reader_keeps_what_it_holds_without_power(flash: Flash) -> None:
    for expected_steps in (1 + len(OFFICE) + 1, 1):
        with (
            SimulatedReader(flash, paced=False, matcher=Labels()) as simulated,
            closing(open_wire(simulated.path, BAUD)) as wire,
        ):
            assert filled(Reader(wire))[1] == expected_steps


@pytest.mark.parametrize("held", [{}, {0: FULL[0], 2: FULL[2]}, FULL | {500: FULL[0]}])
def test_slots_that_were_changed_are_noticed_though_the_mark_is_right(
    simulated: SimulatedReader, reader: Reader, held: dict[int, bytes]
) -> None:
    filled(reader)
    simulated.overwrite(held)

    filled(reader)

    assert simulated.templates == FULL


def test_a_change_that_a_power_cut_broke_off_is_noticed(simulated: SimulatedReader, reader: Reader) -> None:
    library, _ = filled(reader)
    library.expect((OFFICE[1], *OFFICE[1:]))
    library.advance()
    assert simulated.templates[0] == FULL[1]

    filled(reader)

    assert simulated.templates == FULL


def test_somebody_new_takes_one_slot_and_nobody_is_stored_again(simulated: SimulatedReader, reader: Reader) -> None:
    library, _ = filled(reader, OFFICE[:2])
    library.expect(OFFICE)

    stored_and_marked = steps(library)

    assert stored_and_marked == 2
    assert simulated.templates == FULL


def test_somebody_erased_is_gone_from_the_reader(simulated: SimulatedReader, reader: Reader) -> None:
    library, _ = filled(reader)
    library.expect(OFFICE[:1])
    steps(library)

    assert simulated.templates == {0: FULL[0]}


def test_a_reader_that_is_too_small_says_so(simulated: SimulatedReader, flash: Flash, reader: Reader) -> None:
    flash.capacity = 2

    with pytest.raises(ReaderFullError, match="3 references for a reader with 2 slots"):
        Library(reader).expect(OFFICE)


# ---- whom a search names


def test_a_finger_that_was_found_is_confirmed(simulated: SimulatedReader, reader: Reader) -> None:
    library, _ = filled(reader)
    press(simulated, reader, BOB)

    assert library.candidate(reader.search()) == Candidate(str(BOB), ALIKE)


@pytest.mark.parametrize(
    "held",
    [
        pytest.param({0: FULL[1], 1: FULL[0], 2: FULL[2]}, id="her template in his slot"),
        pytest.param(FULL | {0: FULL[2], 7: FULL[0]}, id="her template in a slot of nobody"),
        pytest.param({}, id="cleared"),
    ],
)
def test_a_slot_with_another_persons_template_names_nobody_and_the_reader_is_filled_anew(
    simulated: SimulatedReader, reader: Reader, held: dict[int, bytes]
) -> None:
    library, _ = filled(reader)
    simulated.overwrite(held)
    press(simulated, reader, ALICE)

    assert library.candidate(reader.search()) is None
    steps(library)
    assert simulated.templates == FULL
    press(simulated, reader, ALICE)
    assert library.candidate(reader.search()) == Candidate(str(ALICE), ALIKE)


def test_a_stranger_does_not_make_a_sound_reader_suspect(simulated: SimulatedReader, reader: Reader) -> None:
    library, _ = filled(reader)
    press(simulated, reader, 99)

    assert library.candidate(reader.search()) is None
    assert steps(library) == 0
