"""Promise: under the unmodified driver nothing passes that did not verify; whatever the line does has a typed error.

Hazard 1 of the architecture is here: one flipped bit in a search's answer made finger 7 finger 23, return code OK.
"""

from __future__ import annotations

import select
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
import serial
from adafruit_fingerprint import Adafruit_Fingerprint
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.core.biometrics import FingerReference
from kiosk.core.faults import FaultCode
from kiosk.sensors.fingerprint_library import Library
from kiosk.sensors.fingerprint_packets import (
    CommandDamagedError,
    FingerprintError,
    Kind,
    Packet,
    PacketDamagedError,
    ReaderRefusedError,
    ReaderSilentError,
    ReaderUnpluggedError,
    UnexpectedAnswerError,
    encode,
)
from kiosk.sensors.fingerprint_reader import Buffer, Capture, Found, Reader
from kiosk.sensors.fingerprint_wire import CheckedWire, open_wire
from kiosk.sim.fingerprint import (
    Delay,
    Drop,
    Fault,
    FlipBit,
    Noise,
    Replace,
    SimulatedReader,
    Truncate,
    Unplug,
)
from kiosk.sim.fingerprint_module import Flash
from tests.sensors.conftest import BAUD, Labels, labelled, labelled_template

SEARCH = 1
"""The answer of a search, counted from 0: the driver asks for the parameters first."""
SLOT_7_TO_23 = 8 * 11 + 3
"""The bit of a search's answer that makes 7 (0b00111) into 23 (0b10111)."""
ALICE, BOB = 71, 23


@dataclass(frozen=True)
class Search:
    """A reader that holds Alice in slot 7 and Bob in slot 23, with Alice's features in its buffer."""

    simulated: SimulatedReader
    wire: CheckedWire
    reader: Reader
    library: Library
    """What this kiosk believes of the slots; those but 7 and 23 are nobody's."""


@pytest.fixture(scope="module")
def search() -> Iterator[Search]:
    flash = Flash(templates={7: labelled_template(ALICE), 23: labelled_template(BOB)})
    names = {7: "alice", 23: "bob"}
    with (
        SimulatedReader(flash, paced=False, matcher=Labels()) as simulated,
        closing(open_wire(simulated.path, BAUD)) as wire,
    ):
        reader = Reader(wire)
        simulated.place(labelled(ALICE))
        assert reader.capture() is Capture.TAKEN
        assert reader.extract(Buffer.PROBE)
        library = Library(reader)
        library.expect([FingerReference(names.get(n, ""), 1, flash.templates.get(n, b"nobody")) for n in range(24)])
        yield Search(simulated, wire, reader, library)


def search_answer(slot: int, score: int) -> bytes:
    return encode(Packet(Kind.ACK, struct.pack(">BHH", 0, slot, score)))


# ---- hazard 1


def test_the_bare_driver_takes_finger_7_for_finger_23(simulated: SimulatedReader) -> None:
    simulated.overwrite({7: labelled_template(ALICE)})
    simulated.place(labelled(ALICE))
    with serial.Serial(simulated.path, BAUD, timeout=2) as bare:
        driver = Adafruit_Fingerprint(bare)
        assert driver.get_image() == driver.image_2_tz(1) == 0
        simulated.spoil(FlipBit(SEARCH, SLOT_7_TO_23))
        code = driver.finger_fast_search()

    assert (code, driver.finger_id) == (0, 23)


def test_a_sound_search_finds_finger_7(search: Search) -> None:
    search.simulated.spoil()

    assert search.reader.search() == Found(7, 101)


@pytest.mark.parametrize("bit", range(8 * 16))
def test_no_flipped_bit_in_the_answer_of_a_search_passes(search: Search, bit: int) -> None:
    search.wire.answer_s = 0.05
    search.simulated.spoil(FlipBit(SEARCH, bit))

    with pytest.raises((PacketDamagedError, UnexpectedAnswerError)) as caught:
        search.reader.search()
    search.wire.answer_s = 3.0

    assert caught.value.fault is FaultCode.READER_WIRE


def test_a_wrong_slot_with_a_right_checksum_names_nobody(search: Search) -> None:
    search.simulated.spoil(Replace(SEARCH, search_answer(slot=23, score=101)))

    found = search.reader.search()

    assert found == Found(23, 101)
    assert search.library.candidate(found) is None


FAULTS = st.one_of(
    st.builds(FlipBit, st.integers(0, 3), st.integers(0, 95)),
    st.builds(Drop, st.integers(0, 3), st.integers(0, 15), st.integers(1, 4)),
    st.builds(Truncate, st.integers(0, 3), st.integers(0, 15)),
    st.builds(Noise, st.integers(0, 3), st.binary(max_size=20)),
    st.builds(Replace, st.integers(0, 3), st.binary(max_size=60)),
    st.builds(Replace, st.just(SEARCH), st.builds(search_answer, st.integers(0, 30), st.integers(0, 0xFFFF))),
)


@settings(max_examples=60, deadline=None)
@given(faults=st.lists(FAULTS, min_size=1, max_size=3))
def test_whatever_the_line_does_nobody_but_alice_is_named(search: Search, faults: list[Fault]) -> None:
    held = search.simulated.templates
    search.wire.answer_s = 0.03
    search.simulated.spoil(*faults)
    try:
        candidate = search.library.candidate(search.reader.search())
    except FingerprintError:
        candidate = None
    search.wire.answer_s = 3.0
    search.simulated.overwrite(held)

    assert candidate is None or candidate.pid == "alice"


@settings(max_examples=30, deadline=None)
@given(garbage=st.binary(max_size=200))
def test_garbage_instead_of_the_answer_never_finds_anybody(search: Search, garbage: bytes) -> None:
    search.wire.answer_s = 0.02
    search.simulated.spoil(Replace(SEARCH, garbage))

    with pytest.raises(FingerprintError):
        search.reader.search()
    search.wire.answer_s = 3.0


# ---- everything else that a line can do


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Truncate(0, 0), ReaderSilentError),
        (Truncate(0, 5), PacketDamagedError),
        (Truncate(0, 11), PacketDamagedError),
        (Drop(0, 4), PacketDamagedError),
        (Drop(0, 9), PacketDamagedError),
        (Delay(0, 5.0), ReaderSilentError),
        (Replace(0, encode(Packet(Kind.END, b"\x00"))), UnexpectedAnswerError),
        (Replace(0, encode(Packet(Kind.ACK, b"\x00\x00"))), UnexpectedAnswerError),
        (Replace(0, encode(Packet(Kind.ACK, b"\x18"))), ReaderRefusedError),
        (Replace(0, encode(Packet(Kind.ACK, b"\x01"))), CommandDamagedError),
        (Replace(0, encode(Packet(Kind.ACK, b"\x18\x00\x00"))), ReaderRefusedError),
        (Unplug(0, 7), ReaderUnpluggedError),
    ],
    ids=str,
)
def test_every_fault_of_the_line_has_its_error(
    simulated: SimulatedReader, wire: CheckedWire, reader: Reader, fault: Fault, error: type[FingerprintError]
) -> None:
    wire.answer_s = 0.15
    simulated.spoil(fault)

    with pytest.raises(error):
        reader.capture()


def test_noise_before_an_answer_does_no_harm(simulated: SimulatedReader, reader: Reader) -> None:
    simulated.spoil(Noise(0, b"\x00\xef\x55\xef"))

    assert reader.capture() is Capture.NO_FINGER


def test_an_answer_that_takes_as_long_as_the_line_does_no_harm() -> None:
    with (
        SimulatedReader(Flash(baud=9600, templates={300: b"x"}), matcher=Labels()) as paced,
        closing(open_wire(paced.path, 9600)) as wire,
    ):
        assert Reader(wire).slots() == frozenset({300})


def test_templates_have_the_time_that_the_line_takes() -> None:
    with (
        SimulatedReader(Flash(baud=19200), matcher=Labels()) as paced,
        closing(open_wire(paced.path, 19200)) as wire,
    ):
        reader = Reader(wire)
        wire.answer_s = 0.15
        reader.store(0, labelled_template(ALICE))

        assert paced.templates == {0: labelled_template(ALICE)}


def test_what_came_with_the_last_answer_is_not_the_next(simulated: SimulatedReader, reader: Reader) -> None:
    no_finger = encode(Packet(Kind.ACK, b"\x02"))
    simulated.spoil(Replace(0, no_finger + search_answer(23, 101)))
    assert reader.capture() is Capture.NO_FINGER

    assert reader.search() is None


def test_what_came_too_late_is_not_the_next_answer(
    simulated: SimulatedReader, wire: CheckedWire, reader: Reader
) -> None:
    wire.answer_s = 0.05
    simulated.spoil(Delay(0, 0.2))
    with pytest.raises(ReaderSilentError):
        reader.capture()
    select.select([wire._line], [], [], 5)
    wire.answer_s = 3.0
    simulated.place(labelled(ALICE))

    assert reader.capture() is Capture.TAKEN


def test_another_answer_among_the_data_is_not_data(simulated: SimulatedReader, reader: Reader) -> None:
    ack, end = encode(Packet(Kind.ACK, b"\x00")), encode(Packet(Kind.END, b"\x00"))
    simulated.spoil(Replace(0, ack + ack + end))

    with pytest.raises(UnexpectedAnswerError, match="ACK among the data"):
        reader.read_template(Buffer.PROBE)


def test_the_line_works_again_after_a_fault(simulated: SimulatedReader, wire: CheckedWire, reader: Reader) -> None:
    simulated.spoil(FlipBit(0, 80))
    with pytest.raises(PacketDamagedError):
        reader.capture()

    assert reader.capture() is Capture.NO_FINGER


@pytest.mark.parametrize("baud", [9600, 19200, 38400, 115200])
def test_a_wrong_baud_rate_is_damage_not_silence(simulated: SimulatedReader, baud: int) -> None:
    with closing(open_wire(simulated.path, baud, answer_s=0.1)) as wire, pytest.raises(PacketDamagedError):
        Reader(wire)


def test_an_absent_port_is_an_unplugged_reader() -> None:
    with pytest.raises(ReaderUnpluggedError, match="no-such-port"):
        open_wire("/dev/no-such-port", BAUD)


def test_a_port_that_another_program_has_is_not_shared(simulated: SimulatedReader, wire: CheckedWire) -> None:
    with pytest.raises(ReaderUnpluggedError):
        open_wire(simulated.path, BAUD)


def test_a_reader_pulled_out_between_two_commands_is_unplugged(simulated: SimulatedReader, reader: Reader) -> None:
    simulated.unplug()

    with pytest.raises(ReaderUnpluggedError):
        reader.capture()
