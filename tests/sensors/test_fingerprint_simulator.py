"""Promise: the simulated reader is an R307 to the bare Adafruit driver, defects of that driver included.

The driver is on a plain `serial.Serial` here, without our wire: two strangers that must understand each other. Where
the driver fails, the test says how, so that a mended driver is noticed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import serial
from adafruit_fingerprint import Adafruit_Fingerprint as Driver

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
    spoilt,
)
from kiosk.sim.fingerprint_module import Flash
from tests.sensors.conftest import ALIKE, BAUD, Labels, labelled, labelled_template

ALICE, BOB = 71, 23


@pytest.fixture
def line(simulated: SimulatedReader) -> Iterator[serial.Serial]:
    with serial.Serial(simulated.path, BAUD, timeout=1) as line:
        yield line


@pytest.fixture
def driver(simulated: SimulatedReader, line: serial.Serial) -> Driver:
    simulated.overwrite({4: labelled_template(ALICE)})
    simulated.place(labelled(ALICE))
    return Driver(line)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (lambda driver: driver.check_module(), True),
        (lambda driver: driver.verify_password(), 0),
        (lambda driver: driver.read_sysparam(), 0),
        (lambda driver: driver.set_sysparam(5, 4), 0),
        (lambda driver: driver.get_image(), 0),
        (lambda driver: driver.image_2_tz(1), 0x15),
        (lambda driver: driver.create_model(), 0x0A),
        (lambda driver: driver.store_model(1, 1), 0x18),
        (lambda driver: driver.load_model(4, 2), 0),
        (lambda driver: driver.load_model(5, 2), 0x0C),
        (lambda driver: driver.load_model(1000, 2), 0x0B),
        (lambda driver: driver.delete_model(4), 0),
        (lambda driver: driver.delete_model(1000), 0x10),
        (lambda driver: driver.count_templates(), 0),
        (lambda driver: driver.read_templates(), 0),
        (lambda driver: driver.finger_search(), 0x09),
        (lambda driver: driver.finger_fast_search(), 0x09),
        (lambda driver: driver.compare_templates(), 0x08),
        (lambda driver: driver.empty_library(), 0),
        (lambda driver: driver.set_led(1, 3, 0x80, 0), 0),
        (lambda driver: driver.soft_reset(), None),
    ],
)
def test_the_driver_understands_the_answer_to_every_command(
    driver: Driver, command: Callable[[Driver], object], answer: object
) -> None:
    assert command(driver) == answer
    assert driver.verify_password() == 0


def test_a_finger_is_enrolled_and_found_as_in_the_drivers_own_example(driver: Driver) -> None:
    for buffer in (1, 2):
        assert (driver.get_image(), driver.image_2_tz(buffer)) == (0, 0)
    assert (driver.empty_library(), driver.create_model(), driver.store_model(12, 1)) == (0, 0, 0)
    assert (driver.finger_search(), driver.finger_id, driver.confidence) == (0, 12, ALIKE)
    assert (driver.read_templates(), driver.templates) == (0, [12])


def test_the_driver_uploads_a_template_and_a_picture(simulated: SimulatedReader, driver: Driver) -> None:
    driver.load_model(4, 1)
    assert bytes(driver.get_fpdata("char", 1)) == labelled_template(ALICE)

    simulated.place(np.full((288, 256), 0xA7, np.uint8))
    driver.get_image()
    assert driver.get_fpdata("image") == [0xAA] * (288 * 256 // 2)


def test_the_driver_downloads_a_template_that_is_a_multiple_of_the_packets(driver: Driver) -> None:
    driver.send_fpdata(list(labelled_template(BOB)), "char", 1)
    driver.store_model(9, 1)

    driver.load_model(9, 2)
    assert bytes(driver.get_fpdata("char", 2)) == labelled_template(BOB)


def test_a_picture_goes_down_and_is_used(driver: Driver) -> None:
    driver.send_fpdata([ALICE] * (288 * 256 // 2), "image")

    assert driver.image_2_tz(1) == 0


@pytest.mark.parametrize("code", [[0x50], [0x51], [0x18, 3, *range(32)]])
def test_commands_that_the_driver_lacks_are_answered(driver: Driver, code: list[int]) -> None:
    driver._send_packet(code)

    assert driver._get_packet(12) == [0]


@pytest.mark.parametrize(
    ("code", "answer"),
    [([0x99], 0x01), ([0x04, 1], 0x01), ([0x02], 0x01), ([0x0E, 5, 9], 0x1A), ([0x0E, 9, 1], 0x1A), ([0x19, 16], 0x1C)],
)
def test_what_the_reader_cannot_do_it_refuses(driver: Driver, code: list[int], answer: int) -> None:
    driver._send_packet(code)

    assert driver._get_packet(12) == [answer]


def test_a_damaged_command_is_refused(line: serial.Serial) -> None:
    line.write(bytes.fromhex("ef01 ffffffff 01 0003 01 0006"))

    assert line.read(12) == bytes.fromhex("ef01 ffffffff 07 0003 01 000b")


def test_damaged_data_has_no_answer_and_leaves_the_buffer_empty(driver: Driver, line: serial.Serial) -> None:
    driver._send_packet([0x09, 1])
    assert driver._get_packet(12) == [0]
    line.write(bytes.fromhex("ef01 ffffffff 08 0003 01 0000"))

    assert driver.store_model(9, 1) == 0x18


def test_a_reader_with_a_password_does_nothing_before_it_is_given(driver: Driver, flash: Flash) -> None:
    driver._send_packet([0x12, 0xC0, 0xFF, 0xEE, 0x11])
    assert driver._get_packet(12) == [0]
    assert driver.verify_password() == 0x13

    assert driver.get_image() == 0x21
    driver.password = (0xC0, 0xFF, 0xEE, 0x11)
    assert (driver.verify_password(), driver.get_image()) == (0, 0)


@pytest.mark.parametrize("lost", [FlipBit(0, 0), Replace(0, b"")])
def test_faults_befall_only_the_answers_that_they_are_for(
    simulated: SimulatedReader, driver: Driver, line: serial.Serial, lost: Fault
) -> None:
    line.timeout = 0.1
    simulated.spoil(lost)
    with pytest.raises(RuntimeError):
        driver.get_image()

    assert driver.get_image() == 0


@pytest.mark.parametrize(
    ("fault", "arrives"),
    [
        (FlipBit(0, 0), b"\xe1\x62\x63\x64"),
        (FlipBit(0, 31), b"abce"),
        (FlipBit(0, 32), b"abcd"),
        (Drop(0, 1, 2), b"ad"),
        (Truncate(0, 3), b"abc"),
        (Unplug(0, 1), b"a"),
        (Noise(0, b"xy"), b"xyabcd"),
        (Replace(0, b"xy"), b"xy"),
        (Delay(0, 1.0), b"abcd"),
    ],
)
def test_a_fault_changes_an_answer_as_it_says(fault: Fault, arrives: bytes) -> None:
    assert spoilt(b"abcd", fault) == arrives


def test_bytes_take_their_time_on_a_paced_line() -> None:
    with (
        SimulatedReader(Flash(baud=9600), matcher=Labels()) as paced,
        serial.Serial(paced.path, 9600, timeout=2) as line,
    ):
        began_s = time.perf_counter()
        line.write(bytes.fromhex("ef01 ffffffff 01 0003 0f 0013"))
        assert len(line.read(28)) == 28

    assert time.perf_counter() - began_s >= (12 + 28) * 10 / 9600


def test_at_a_wrong_baud_rate_the_answer_is_noise(simulated: SimulatedReader) -> None:
    with serial.Serial(simulated.path, 9600, timeout=1) as line:
        line.write(bytes.fromhex("ef01 ffffffff 01 0003 0f 0013"))
        answer = line.read(12)

    assert len(answer) == 12
    assert b"\xef\x01" not in answer


# ---- defects of the driver, from which our wire shields the kiosk (docs/adr/0003)


def test_the_bare_driver_loses_the_tail_of_a_template(driver: Driver) -> None:
    driver.send_fpdata(list(range(250)), "char", 1)

    assert driver.store_model(9, 1) == 0x18


def test_the_bare_driver_recurses_once_a_packet(simulated: SimulatedReader, driver: Driver, flash: Flash) -> None:
    flash.packet_code = 0
    simulated.place(np.zeros((288, 256), np.uint8))
    driver.get_image()

    with pytest.raises(RecursionError):
        driver.get_fpdata("image")


def test_the_bare_driver_trips_over_a_refused_upload(simulated: SimulatedReader, driver: Driver) -> None:
    simulated.lift()
    driver.get_image()

    with pytest.raises(UnboundLocalError):
        driver.get_fpdata("image")


def test_the_bare_driver_returns_a_score_in_a_tuple(driver: Driver) -> None:
    driver.load_model(4, 1)
    driver.load_model(4, 2)

    assert (driver.compare_templates(), driver.confidence) == (0, (ALIKE,))
