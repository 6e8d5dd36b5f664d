"""Promise: each command of the reader has its answer as a value, through the unmodified driver, over a serial port."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest

from kiosk.config import FingerprintSettings
from kiosk.sensors.fingerprint_packets import (
    PacketDamagedError,
    ReaderPasswordError,
    ReaderRefusedError,
    UnexpectedAnswerError,
)
from kiosk.sensors.fingerprint_reader import Buffer, Capture, Found, Parameters, Reader, open_reader
from kiosk.sensors.fingerprint_wire import CheckedWire, open_wire
from kiosk.sim.fingerprint import FlipBit, Replace, SimulatedReader, Truncate
from kiosk.sim.fingerprint_module import Flash
from tests.sensors.conftest import ALIKE, BAUD, Labels, labelled, labelled_template

ALICE, BOB = 71, 23


def pressed(simulated: SimulatedReader, reader: Reader, finger: int, buffer: Buffer = Buffer.PROBE) -> None:
    simulated.place(labelled(finger))
    assert reader.capture() is Capture.TAKEN
    assert reader.extract(buffer)


def test_the_reader_tells_its_parameters(reader: Reader) -> None:
    assert reader.parameters() == Parameters(capacity=1000, security_level=3, packet_bytes=128, baud=57600)


def test_opening_sets_the_security_level_that_is_configured(simulated: SimulatedReader, flash: Flash) -> None:
    with open_reader(FingerprintSettings(port=simulated.path, security_level=5)) as reader:
        assert reader.parameters().security_level == 5

    assert flash.security_level == 5


@pytest.mark.parametrize("wanted", [0, 6])
def test_a_security_level_that_there_is_not_is_refused(reader: Reader, wanted: int) -> None:
    with pytest.raises(ReaderRefusedError, match="another security level with code 0x1a"):
        reader.set_security_level(wanted)


@pytest.mark.parametrize(("configured", "opens"), [(0xC0FFEE11, True), (0, False), (0xC0FFEE12, False)])
def test_only_the_right_password_opens(configured: int, opens: bool) -> None:  # noqa: FBT001
    with (
        SimulatedReader(Flash(password=0xC0FFEE11), paced=False, matcher=Labels()) as simulated,
        closing(open_wire(simulated.path, BAUD)) as wire,
    ):
        if opens:
            assert Reader(wire, configured).count() == 0
        else:
            with pytest.raises(ReaderPasswordError):
                Reader(wire, configured)


@pytest.mark.parametrize("baud", [9600, 115200])
def test_reader_and_port_change_their_speed_together(
    reader: Reader, wire: CheckedWire, flash: Flash, baud: int
) -> None:
    reader.set_baud(baud)

    assert reader.parameters().baud == flash.baud == wire.baud == baud


# ---- a finger


def test_no_finger_is_an_ordinary_answer(reader: Reader) -> None:
    assert reader.capture() is Capture.NO_FINGER


@pytest.mark.parametrize("minutiae", [0, 9])
def test_a_poor_picture_gives_no_features(simulated: SimulatedReader, reader: Reader, minutiae: int) -> None:
    simulated.place(labelled(minutiae))

    assert reader.capture() is Capture.TAKEN
    assert not reader.extract(Buffer.PROBE)


def test_features_of_no_picture_are_none(reader: Reader) -> None:
    assert not reader.extract(Buffer.PROBE)


def test_a_search_finds_the_slot_that_holds_the_finger(simulated: SimulatedReader, reader: Reader) -> None:
    simulated.overwrite({3: labelled_template(BOB), 999: labelled_template(ALICE)})
    pressed(simulated, reader, ALICE)

    assert reader.search() == Found(999, ALIKE)


@pytest.mark.parametrize("short", [True, False])
def test_nobody_found_is_an_ordinary_answer_of_either_length(
    simulated: SimulatedReader,
    reader: Reader,
    short: bool,  # noqa: FBT001
) -> None:
    pressed(simulated, reader, ALICE)
    if short:
        simulated.spoil(Replace(1, bytes.fromhex("ef01 ffffffff 07 0003 09 0013")))

    assert reader.search() is None


@pytest.mark.parametrize(("template", "score"), [(labelled_template(ALICE), ALIKE), (labelled_template(BOB), None)])
def test_a_template_of_ours_is_compared_with_the_finger(
    simulated: SimulatedReader, reader: Reader, template: bytes, score: int | None
) -> None:
    pressed(simulated, reader, ALICE)

    assert reader.confirm(template) == score


@pytest.mark.parametrize(("second", "alike"), [(ALICE, True), (BOB, False)])
def test_only_two_presses_of_one_finger_make_a_template(
    simulated: SimulatedReader,
    reader: Reader,
    second: int,
    alike: bool,  # noqa: FBT001
) -> None:
    pressed(simulated, reader, ALICE, Buffer.PROBE)
    pressed(simulated, reader, second, Buffer.REFERENCE)

    assert reader.merge() is alike


# ---- templates


@pytest.mark.parametrize("packet_code", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [498, 512, 768, 1536])
def test_a_template_of_any_size_goes_down_and_comes_back(size: int, packet_code: int) -> None:
    template = labelled_template(ALICE, size)
    flash = Flash(template_bytes=size, packet_code=packet_code)
    with (
        SimulatedReader(flash, paced=False, matcher=Labels()) as simulated,
        closing(open_wire(simulated.path, BAUD)) as wire,
    ):
        reader = Reader(wire)
        reader.store(5, template)

        assert simulated.templates == {5: template}
        assert reader.holds(5, template)


def test_a_template_of_another_kind_of_reader_is_not_stored(simulated: SimulatedReader, reader: Reader) -> None:
    with pytest.raises(UnexpectedAnswerError, match="512 bytes was sent, and other 768 bytes read back"):
        reader.store(5, labelled_template(ALICE, 512))

    assert simulated.templates == {}


def test_an_upload_that_the_reader_refuses_has_a_typed_error(simulated: SimulatedReader, reader: Reader) -> None:
    simulated.spoil(Replace(0, bytes.fromhex("ef01 ffffffff 07 0003 0d 0017")))

    with pytest.raises(ReaderRefusedError, match="UP_CHAR with code 0x0d"):
        reader.read_template(Buffer.PROBE)


def test_slots_are_listed_counted_deleted_and_cleared(simulated: SimulatedReader, reader: Reader) -> None:
    simulated.overwrite({slot: labelled_template(ALICE) for slot in (0, 7, 8, 255, 256, 999)})

    assert reader.slots() == {0, 7, 8, 255, 256, 999}
    reader.delete(255)
    assert reader.count() == 5
    reader.clear()
    assert reader.slots() == frozenset()


def test_a_count_that_contradicts_the_index_table_is_not_believed(simulated: SimulatedReader, reader: Reader) -> None:
    simulated.spoil(Replace(5, bytes.fromhex("ef01 ffffffff 07 0005 00 0001 000d")))

    with pytest.raises(UnexpectedAnswerError, match="1 templates, and 0 in the index table"):
        reader.slots()


@pytest.mark.parametrize(("slot", "held"), [(0, BOB), (1, None), (5000, None)])
def test_a_slot_that_holds_something_else_is_noticed(
    simulated: SimulatedReader, reader: Reader, slot: int, held: int | None
) -> None:
    simulated.overwrite({0: labelled_template(held)} if held else {})

    assert not reader.holds(slot, labelled_template(ALICE))


def test_a_slot_beyond_the_last_is_refused(reader: Reader) -> None:
    with pytest.raises(ReaderRefusedError, match="storing a template with code 0x0b"):
        reader.store(1000, labelled_template(ALICE))


# ---- the rest


def test_the_notepad_keeps_a_mark(reader: Reader) -> None:
    assert reader.read_mark() == bytes(32)
    reader.write_mark(bytes(range(32)))

    assert reader.read_mark() == bytes(range(32))


def test_a_reader_without_a_notepad_has_no_mark(simulated: SimulatedReader, reader: Reader) -> None:
    refused = bytes.fromhex("ef01 ffffffff 07 0003 1c 0026")
    simulated.spoil(Replace(0, refused), Replace(1, refused))

    reader.write_mark(bytes(32))

    assert reader.read_mark() is None


@pytest.mark.parametrize("packet_code", [0, 2])
def test_a_picture_comes_whole_however_many_packets_it_takes(packet_code: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (288, 256), np.uint8)
    flash = Flash(packet_code=packet_code)
    with (
        SimulatedReader(flash, paced=False, matcher=Labels()) as simulated,
        closing(open_wire(simulated.path, BAUD)) as wire,
    ):
        simulated.place(picture)
        reader = Reader(wire)
        reader.capture()

        assert np.array_equal(reader.read_image(), picture & 0xF0)


def test_a_picture_with_a_packet_missing_is_not_a_picture(simulated: SimulatedReader, reader: Reader) -> None:
    simulated.place(np.zeros((288, 256), np.uint8))
    reader.capture()
    simulated.spoil(Replace(0, bytes.fromhex("ef01 ffffffff 07 0003 00 000a  ef01 ffffffff 08 0003 00 000b")))

    with pytest.raises(UnexpectedAnswerError, match="a picture of 1 bytes"):
        reader.read_image()


@pytest.mark.parametrize("packet_size", [4, 0xFFFF])
def test_a_packet_size_that_there_is_not_is_not_believed(
    simulated: SimulatedReader, reader: Reader, packet_size: int
) -> None:
    content = bytes.fromhex("00 0004 0009 03e8 0003 ffffffff") + packet_size.to_bytes(2, "big") + b"\x00\x06"
    summed = b"\x07\x00\x13" + content
    simulated.spoil(Replace(0, b"\xef\x01\xff\xff\xff\xff" + summed + sum(summed).to_bytes(2, "big")))

    with pytest.raises(UnexpectedAnswerError, match="packet size"):
        reader.parameters()


@pytest.mark.parametrize("fault", [FlipBit(0, 8 * 200), Truncate(0, 400)])
def test_a_template_damaged_on_its_way_up_is_refused(
    simulated: SimulatedReader, reader: Reader, wire: CheckedWire, fault: FlipBit | Truncate
) -> None:
    wire.answer_s = 0.05
    pressed(simulated, reader, ALICE)
    simulated.spoil(fault)
    with pytest.raises(PacketDamagedError):
        reader.read_template(Buffer.PROBE)


@pytest.mark.parametrize("board", [{}, {"BLINKA_FORCEBOARD": "NO_BOARD", "BLINKA_FORCECHIP": "NO_CHIP"}])
def test_the_driver_loads_on_a_computer_that_is_no_board(
    monkeypatch: pytest.MonkeyPatch, board: dict[str, str]
) -> None:
    for name, value in board.items():
        monkeypatch.setenv(name, value)

    loaded = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import kiosk.sensors.fingerprint_reader"],
        capture_output=True,
        check=False,
    )

    assert (loaded.returncode, loaded.stderr) == (0, b"")
