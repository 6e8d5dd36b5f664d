"""A simulated R307 behind a real serial device: a pty, served by a thread, with the time and the faults of a real line.

Whoever opens `SimulatedReader.path`, in this process or another, meets a `FingerprintModule`. Bytes take as long as
they would at the reader's baud rate; at another rate the reader understands nothing and answers noise. Faults are data,
each for one answer, counted from the call of `spoil`:

    reader.spoil(FlipBit(0, 86), Delay(1, 0.5), Unplug(2, after_bytes=5))
"""

from __future__ import annotations

import os
import random
import select
import termios
import threading
import tty
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kiosk.sensors.fingerprint_packets import (
    BITS_PER_BYTE,
    HEADER,
    Code,
    Instruction,
    Kind,
    Packet,
    PacketDamagedError,
    encode,
    take_packet,
)
from kiosk.sim.fingerprint_module import HANDSHAKE, FingerprintModule, Flash, Likeness
from kiosk.sim.minutiae import Matcher

_SPEEDS = {getattr(termios, f"B{baud}"): baud for baud in (9600, 19200, 38400, 57600, 115200)}
_OUTPUT_SPEED = 5
"""The place of the output speed in what `tcgetattr` returns."""
_CHUNK_BYTES = 32
"""What leaves at once; 6 ms at 57600 baud."""
_NOISE_BYTES = 12


@dataclass(frozen=True, slots=True)
class FlipBit:
    """One bit of an answer arrives wrong."""

    answer: int
    bit: int
    """0 is the highest bit of the first byte."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Bytes of an answer do not arrive."""

    answer: int
    at_byte: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Truncate:
    """An answer breaks off."""

    answer: int
    after_bytes: int


@dataclass(frozen=True, slots=True)
class Noise:
    """Something is heard before an answer."""

    answer: int
    noise: bytes


@dataclass(frozen=True, slots=True)
class Replace:
    """Something else arrives instead of an answer."""

    answer: int
    by: bytes


@dataclass(frozen=True, slots=True)
class Delay:
    """An answer arrives late."""

    answer: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Unplug:
    """The reader goes away in the middle of an answer."""

    answer: int
    after_bytes: int


Fault = FlipBit | Drop | Truncate | Noise | Replace | Delay | Unplug


def spoilt(answer: bytes, fault: Fault) -> bytes:
    """Return what arrives of an answer; lateness changes nothing about it."""
    match fault:
        case FlipBit(_, bit):
            byte, mask = bit // 8, 0x80 >> bit % 8
            return answer[:byte] + bytes(right ^ mask for right in answer[byte : byte + 1]) + answer[byte + 1 :]
        case Drop(_, at_byte, count):
            return answer[:at_byte] + answer[at_byte + count :]
        case Truncate(_, after_bytes) | Unplug(_, after_bytes):
            return answer[:after_bytes]
        case Noise(_, noise):
            return noise + answer
        case Replace(_, by):
            return by
        case Delay():
            return answer


class SimulatedReader:
    """A fingerprint reader on a pty; a context manager that runs its thread.

    Attributes:
        path: the serial device to open.
    """

    def __init__(self, flash: Flash | None = None, *, paced: bool = True, matcher: Likeness | None = None) -> None:
        """
        Args:
            flash: what the reader keeps, with its size of template and its baud rate; hand the same one to the next
                reader, and it is the same reader switched on again. A factory-new R307 by default.
            paced: whether bytes take their time on the line.
            matcher: shared with other readers of this process, since it takes 0.4 s to set up.

        Raises:
            MatcherMissingError: no matcher was given, and its package is not installed.
        """
        self._module = FingerprintModule(matcher or Matcher(), flash or Flash())
        self._paced = paced
        self._guard = threading.Lock()
        self._faults: tuple[Fault, ...] = ()
        self._answers = 0
        self._received = bytearray()
        self._noise = random.Random(0)  # noqa: S311 - noise, no secret
        self._unplugged = threading.Event()
        self._woken, self._waker = os.pipe()
        self._line, self._plug = os.openpty()
        tty.setraw(self._plug)
        os.set_blocking(self._line, False)
        self.path = os.ttyname(self._plug)
        self._thread = threading.Thread(target=self._serve, name="simulated fingerprint reader")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.unplug()
        os.close(self._woken)
        os.close(self._waker)

    def place(self, image: NDArray[np.uint8]) -> None:
        """Lay a finger on the window.

        Args:
            image: (height, width) uint8, dark ridges on light, 500 dots an inch.
        """
        prepared = self._module.prepared(image)
        with self._guard:
            self._module.lay(prepared)

    def lift(self) -> None:
        """Take the finger away."""
        with self._guard:
            self._module.finger = None

    def spoil(self, *faults: Fault) -> None:
        """Have these faults befall the answers from now on, instead of any others; answer 0 is the next one."""
        with self._guard:
            self._faults, self._answers = faults, 0

    def unplug(self) -> None:
        """Pull the cable: the device goes away, and the thread ends."""
        self._unplugged.set()
        os.write(self._waker, b"\x00")
        if self._thread.ident is not None:
            self._thread.join()
        self._hang_up()

    @property
    def templates(self) -> Mapping[int, bytes]:
        """What is in the reader's slots now."""
        with self._guard:
            return MappingProxyType(dict(self._module.flash.templates))

    def overwrite(self, templates: Mapping[int, bytes]) -> None:
        """Change what is in the slots behind the kiosk's back, as somebody with a screwdriver might."""
        with self._guard:
            self._module.flash.templates = dict(templates)

    # ---- the thread

    def _serve(self) -> None:
        while self._is_readable():
            try:
                arrived = os.read(self._line, 4096)
            except OSError:
                break
            self._take_time(len(arrived))
            if self._is_understood():
                self._received += arrived
                self._answer_all()
            else:
                self._send(self._noise.randbytes(_NOISE_BYTES).replace(HEADER[:1], b"\x00"))
        self._hang_up()

    def _is_readable(self) -> bool:
        """Wait for something to read; False: the cable was pulled."""
        if not self._unplugged.is_set():
            select.select([self._line, self._woken], [], [])
        return not self._unplugged.is_set()

    def _is_understood(self) -> bool:
        speed = termios.tcgetattr(self._plug)[_OUTPUT_SPEED]
        return _SPEEDS.get(speed) == self._module.flash.baud

    def _answer_all(self) -> None:
        while self._received and not self._unplugged.is_set():
            packet = None
            try:
                packet = take_packet(self._received)
            except PacketDamagedError:
                answers = self._module.damaged()
            else:
                if packet is None:
                    return
                with self._guard:
                    answers = self._module.answer(packet)
            if answers:
                self._say(b"".join(encode(answer) for answer in answers) + _handshake(packet, answers))

    def _say(self, answer: bytes) -> None:
        with self._guard:
            faults = [fault for fault in self._faults if fault.answer == self._answers]
            self._answers += 1
        for fault in faults:
            answer = spoilt(answer, fault)
            if isinstance(fault, Delay):
                self._unplugged.wait(fault.seconds)
        self._send(answer)
        if any(isinstance(fault, Unplug) for fault in faults):
            self._unplugged.set()

    def _send(self, answer: bytes) -> None:
        for start in range(0, len(answer), _CHUNK_BYTES):
            chunk = answer[start : start + _CHUNK_BYTES]
            self._take_time(len(chunk))
            self._put(chunk)

    def _put(self, chunk: bytes) -> None:
        """Write it all, however slowly the other end reads."""
        while chunk and not self._unplugged.is_set():
            select.select([self._woken], [self._line], [])
            with suppress(BlockingIOError):
                chunk = chunk[os.write(self._line, chunk) :]

    def _take_time(self, count: int) -> None:
        if self._paced:
            self._unplugged.wait(count * BITS_PER_BYTE / self._module.flash.baud)

    def _hang_up(self) -> None:
        with self._guard:
            line, plug, self._line, self._plug = self._line, self._plug, -1, -1
        for end in (line, plug):
            if end >= 0:
                os.close(end)


def _handshake(packet: Packet | None, answers: list[Packet]) -> bytes:
    reset = packet is not None and packet.kind is Kind.COMMAND and packet.content[0] == Instruction.SOFT_RESET
    return HANDSHAKE if reset and answers[0].content[0] == Code.OK else b""
