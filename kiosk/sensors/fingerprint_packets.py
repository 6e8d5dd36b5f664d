"""What is said over the fingerprint reader's serial line: words, packets, and what can be wrong with them. Pure.

A packet is header EF01, address (4 bytes), kind (1), length (2) of what follows, content, checksum (2); all big endian
(R307 User Manual 1.20, chapter 4). The checksum is the sum of kind, length and content: it finds every single flipped
bit, and misses two that make up for one another, so that its word alone is never enough to name a person.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from kiosk.core.faults import FaultCode, KioskError

HEADER = b"\xef\x01"
ADDRESS = b"\xff\xff\xff\xff"
HEAD_BYTES = 9
"""Header, address, kind and length."""
CHECKSUM_BYTES = 2
LARGEST_CONTENT_BYTES = 256
"""The largest data packet that a reader can be set to (SetSysPara, parameter 6)."""
BITS_PER_BYTE = 10
"""On the line: start, eight of data, one stop."""


class Kind(IntEnum):
    """What a packet is."""

    COMMAND = 0x01
    DATA = 0x02
    ACK = 0x07
    END = 0x08
    """The last of the data."""


class Instruction(IntEnum):
    """What a command asks for."""

    GEN_IMG = 0x01
    IMG_2_TZ = 0x02
    MATCH = 0x03
    SEARCH = 0x04
    REG_MODEL = 0x05
    STORE = 0x06
    LOAD = 0x07
    UP_CHAR = 0x08
    DOWN_CHAR = 0x09
    UP_IMAGE = 0x0A
    DOWN_IMAGE = 0x0B
    DELETE = 0x0C
    EMPTY = 0x0D
    SET_SYS_PARA = 0x0E
    READ_SYS_PARA = 0x0F
    SET_PASSWORD = 0x12
    VERIFY_PASSWORD = 0x13
    WRITE_NOTEPAD = 0x18
    READ_NOTEPAD = 0x19
    HIGH_SPEED_SEARCH = 0x1B
    TEMPLATE_NUM = 0x1D
    READ_INDEX_TABLE = 0x1F
    AURA_LED = 0x35
    SOFT_RESET = 0x3D
    LED_ON = 0x50
    LED_OFF = 0x51
    GET_ECHO = 0x53


class Code(IntEnum):
    """How a command went: the first byte of every acknowledgement."""

    OK = 0x00
    RECEIVE_ERROR = 0x01
    NO_FINGER = 0x02
    IMAGE_FAILED = 0x03
    IMAGE_MESSY = 0x06
    TOO_FEW_FEATURES = 0x07
    NO_MATCH = 0x08
    NOT_FOUND = 0x09
    FINGERS_DIFFER = 0x0A
    BAD_SLOT = 0x0B
    BAD_TEMPLATE = 0x0C
    UPLOAD_FAILED = 0x0D
    DATA_LOST = 0x0E
    IMAGE_UPLOAD_FAILED = 0x0F
    DELETE_FAILED = 0x10
    EMPTY_FAILED = 0x11
    WRONG_PASSWORD = 0x13
    NO_IMAGE = 0x15
    FLASH_ERROR = 0x18
    WRONG_PARAMETER = 0x1A
    WRONG_NOTEPAD_PAGE = 0x1C
    NOT_VERIFIED = 0x21
    ECHO = 0x55


class FingerprintError(KioskError):
    """The fingerprint reader did not do what it was asked."""

    fault: ClassVar[FaultCode | None] = FaultCode.READER


class ReaderUnpluggedError(FingerprintError):
    """The serial port cannot be opened, or went away."""


class ReaderSilentError(FingerprintError):
    """Not one byte came back in time."""


class PacketDamagedError(FingerprintError):
    """What came back was not a whole and correct packet."""

    fault = FaultCode.READER_WIRE


class UnexpectedAnswerError(FingerprintError):
    """A correct packet came back that does not answer what was asked."""

    fault = FaultCode.READER_WIRE


class ReaderRefusedError(FingerprintError):
    """The reader understood, and said no.

    Attributes:
        code: the confirmation code; see `Code`.
    """

    def __init__(self, code: int, doing: str = "a command") -> None:
        super().__init__(f"the reader refused {doing} with code {code:#04x}")
        self.code = code


class CommandDamagedError(ReaderRefusedError):
    """The reader says that our packets arrive damaged."""

    fault = FaultCode.READER_WIRE


class ReaderPasswordError(FingerprintError):
    """The reader's password is not the configured one."""


class ReaderFullError(FingerprintError):
    """The reader has fewer slots than there are references."""


def refusal(code: int, doing: str) -> ReaderRefusedError:
    """Return the error that a confirmation code other than OK means."""
    damaged = code in {Code.RECEIVE_ERROR, Code.DATA_LOST}
    return (CommandDamagedError if damaged else ReaderRefusedError)(code, doing)


@dataclass(frozen=True, slots=True)
class Packet:
    """One whole packet."""

    kind: Kind
    content: bytes
    """1 to 256 bytes; of a command, the instruction first; of an acknowledgement, the confirmation code first."""


def encode(packet: Packet) -> bytes:
    """Return the packet as it goes over the line."""
    summed = struct.pack(">BH", packet.kind, len(packet.content) + CHECKSUM_BYTES) + packet.content
    return HEADER + ADDRESS + summed + _checksum(summed)


def encode_data(content: bytes, packet_bytes: int) -> list[bytes]:
    """Return the content as data packets of at most `packet_bytes`, the last one marked as the end."""
    parts = [content[start : start + packet_bytes] for start in range(0, len(content), packet_bytes)]
    kinds = [Kind.DATA] * (len(parts) - 1) + [Kind.END]
    return [encode(Packet(kind, part)) for kind, part in zip(kinds, parts, strict=True)]


def take_packet(received: bytearray) -> Packet | None:
    """Take the first packet out of `received`, together with the noise before it.

    Returns:
        None while some of it is still to come.

    Raises:
        PacketDamagedError: what begins like a packet is not one; it was taken out, what follows it was not.
    """
    _drop_noise(received)
    if len(received) < HEAD_BYTES:
        return None
    kind, length = struct.unpack_from(">BH", received, len(HEADER + ADDRESS))
    head = bytes(received[:HEAD_BYTES])
    if not _is_possible(head, kind, length):
        del received[: len(HEADER)]
        raise PacketDamagedError(f"a packet began with {head.hex(' ')}; wanted a known address, kind and length")
    end = HEAD_BYTES + length
    if len(received) < end:
        return None
    whole = bytes(received[:end])
    del received[:end]
    if _checksum(whole[len(HEADER + ADDRESS) : -CHECKSUM_BYTES]) != whole[-CHECKSUM_BYTES:]:
        raise PacketDamagedError(f"a packet of {end} bytes came with a wrong checksum")
    return Packet(Kind(kind), whole[HEAD_BYTES:-CHECKSUM_BYTES])


def _drop_noise(received: bytearray) -> None:
    start = received.find(HEADER)
    if start < 0:
        start = len(received) - received.endswith(HEADER[:1])
    del received[:start]


def _is_possible(head: bytes, kind: int, length: int) -> bool:
    shortest, longest = 1 + CHECKSUM_BYTES, LARGEST_CONTENT_BYTES + CHECKSUM_BYTES
    return head.startswith(HEADER + ADDRESS) and kind in set(Kind) and shortest <= length <= longest


def _checksum(summed: bytes) -> bytes:
    return struct.pack(">H", sum(summed) & 0xFFFF)
