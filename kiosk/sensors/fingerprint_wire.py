"""The serial line under the unmodified Adafruit driver: what did not verify does not pass.

The driver takes a `serial.Serial`, reads the number of bytes that it hopes for, and believes them: it ignores
checksums, and a flipped bit makes finger 7 finger 23 with return code OK. `CheckedWire` stands where the serial port
would. It reads whole packets, gives the driver acknowledgements of exactly the size it asked for, and raises otherwise.
Templates and pictures it sends and receives itself, since the driver loses the tail of what it sends, recurses once a
packet, and fails with `UnboundLocalError` when refused (docs/adr/0003-fingerprint-wire.md).

Each command has one deadline, set when it is written; whatever arrived before it is thrown away.
"""

from __future__ import annotations

import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import serial

from kiosk.sensors.fingerprint_packets import (
    BITS_PER_BYTE,
    HEAD_BYTES,
    Code,
    Instruction,
    Kind,
    Packet,
    PacketDamagedError,
    ReaderSilentError,
    ReaderUnpluggedError,
    UnexpectedAnswerError,
    encode,
    encode_data,
    refusal,
    take_packet,
)

ANSWER_S = 3.0
"""How long a command may take. R307 manual: imaging < 0.3 s, features and matching < 1 s, a search of 1,000 < 1 s on
the average; so a reader that is slow, or a Pi that is busy, is not taken for one that is silent."""
POLL_S = 0.05
"""How long one read of the port blocks; the deadline is looked at in between."""

IMAGE_BYTES = 256 * 288 // 2
"""A picture as UpImage gives it: 256x288 pixels, two in a byte."""
LARGEST_TEMPLATE_BYTES = 4096
"""More than any reader of this family has; R305, R307 and R503 give 512, 768 and 1536."""

_SLOW: dict[int, int] = {
    Instruction.SEARCH: 2,
    Instruction.HIGH_SPEED_SEARCH: 2,
    Instruction.EMPTY: 3,
    Instruction.SOFT_RESET: 2,
}
_FOLLOWED_BY_BYTES: dict[int, int] = {Instruction.UP_CHAR: LARGEST_TEMPLATE_BYTES, Instruction.UP_IMAGE: IMAGE_BYTES}
_PACKING = 1.5
"""Bytes on the line for one of content, rounded up: packets of 32 bytes come with 11 more."""


@contextmanager
def _unplugged_is_typed(port: str) -> Iterator[None]:
    """Type what pyserial raises: it lets three families of errors out when a device goes away."""
    try:
        yield
    except (OSError, termios.error) as error:
        raise ReaderUnpluggedError(f"{port}: {error}") from error


def open_wire(port: str, baud: int, answer_s: float = ANSWER_S) -> CheckedWire:
    """Open the serial port for this process alone.

    Raises:
        ReaderUnpluggedError: there is no such port, or another program has it.
    """
    with _unplugged_is_typed(port):
        line = serial.Serial(port, baud, timeout=POLL_S, write_timeout=ANSWER_S, exclusive=True)
    return CheckedWire(line, answer_s)


class CheckedWire:
    """Packets to and from the reader; as far as the driver can tell, a `serial.Serial`.

    Attributes:
        code: the confirmation code of the last acknowledgement, which the driver does not always tell.
        answer_s: how long an ordinary command may take, beside the time on the line.
    """

    def __init__(self, line: serial.Serial, answer_s: float = ANSWER_S) -> None:
        """
        Args:
            line: an open port with a short read timeout.
            answer_s: how long an ordinary command may take.
        """
        self.code: int = Code.OK
        self._line = line
        self.answer_s = answer_s
        self._received = bytearray()
        self._heard = False
        self._unanswered_bytes = 0
        self._deadline_s = 0.0

    @property
    def baud(self) -> int:
        """Bits a second on the line."""
        return int(self._line.baudrate)

    @baud.setter
    def baud(self, baud: int) -> None:
        with _unplugged_is_typed(str(self._line.port)):
            self._line.baudrate = baud

    def close(self) -> None:
        """Give the port back."""
        self._line.close()

    def write(self, packet: bytes | bytearray) -> int:
        """Send a command packet, and start its time.

        Raises:
            ReaderUnpluggedError: the port went away.
        """
        with _unplugged_is_typed(str(self._line.port)):
            self._line.reset_input_buffer()
        self._received.clear()
        self._heard = False
        self._send(bytes(packet))
        self._deadline_s = time.monotonic() + self._allowed_s(packet[HEAD_BYTES])
        return len(packet)

    def read(self, size: int) -> bytes:
        """Return the acknowledgement of the last command, if it has the size that the driver expects.

        Raises:
            ReaderSilentError: nothing came in time.
            PacketDamagedError: something came that is not a whole and correct packet.
            ReaderRefusedError: the acknowledgement has another size because it says no.
            UnexpectedAnswerError: it is no acknowledgement, or it says yes and has another size.
            ReaderUnpluggedError: the port went away.
        """
        packet = self._acknowledgement()
        answer = encode(packet)
        if len(answer) == size:
            return answer
        if self.code != Code.OK:
            raise refusal(self.code, "a command")
        raise UnexpectedAnswerError(f"an acknowledgement of {len(answer)} bytes; wanted {size}")

    def command(self, instruction: Instruction, parameters: bytes = b"") -> bytes:
        """Send a command that the driver lacks or cannot do; return what its acknowledgement says after the code.

        Raises:
            ReaderRefusedError: the reader says no; and everything that `read` raises.
        """
        self.write(encode(Packet(Kind.COMMAND, bytes([instruction]) + parameters)))
        packet = self._acknowledgement()
        if self.code != Code.OK:
            raise refusal(self.code, instruction.name)
        return packet.content[1:]

    def receive_content(self) -> bytes:
        """Return the content of the data packets that follow an acknowledgement, up to the end packet.

        Raises:
            UnexpectedAnswerError: a packet among them is no data; and everything that `read` raises.
        """
        content = bytearray()
        while True:
            packet = self._packet()
            if packet.kind not in {Kind.DATA, Kind.END}:
                raise UnexpectedAnswerError(f"a packet of kind {packet.kind.name} among the data")
            content += packet.content
            if packet.kind is Kind.END:
                return bytes(content)

    def send_content(self, content: bytes, packet_bytes: int) -> None:
        """Send data packets after an acknowledgement. The reader does not say whether they arrived.

        Raises:
            ReaderUnpluggedError: the port went away.
        """
        self._send(b"".join(encode_data(content, packet_bytes)))

    def _allowed_s(self, instruction: int) -> float:
        """Answering, and all that is on the line before and after it."""
        on_the_line = self._unanswered_bytes + _PACKING * _FOLLOWED_BY_BYTES.get(instruction, 0)
        return self.answer_s * _SLOW.get(instruction, 1) + on_the_line * BITS_PER_BYTE / self.baud

    def _send(self, packets: bytes) -> None:
        with _unplugged_is_typed(str(self._line.port)):
            self._line.write(packets)
        self._unanswered_bytes += len(packets)

    def _acknowledgement(self) -> Packet:
        packet = self._packet()
        if packet.kind is not Kind.ACK:
            raise UnexpectedAnswerError(f"a packet of kind {packet.kind.name}; wanted an acknowledgement")
        self._unanswered_bytes = 0
        self.code = packet.content[0]
        return packet

    def _packet(self) -> Packet:
        while (packet := take_packet(self._received)) is None:
            self._receive_some()
        return packet

    def _receive_some(self) -> None:
        if time.monotonic() >= self._deadline_s:
            raise self._too_late()
        with _unplugged_is_typed(str(self._line.port)):
            some = self._line.read(self._line.in_waiting or 1)
        self._heard = self._heard or bool(some)
        self._received += some

    def _too_late(self) -> PacketDamagedError | ReaderSilentError:
        if self._heard:
            return PacketDamagedError(f"{self._line.port}: no whole packet in what came at {self.baud} baud")
        return ReaderSilentError(f"{self._line.port}: no answer at {self.baud} baud")
