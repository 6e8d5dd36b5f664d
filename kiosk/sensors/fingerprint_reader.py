"""The fingerprint reader's commands with their answers as values, over the unmodified Adafruit driver.

The driver leaves answers in attributes, mixes return codes with `RuntimeError`, and returns scores as tuples; none of
it leaves this file. An expected outcome (no finger, nobody found, two different fingers) is a value, anything else that
the reader says is a `ReaderRefusedError`.

The reader has an image buffer, two character buffers (features, or a template) and numbered slots in its flash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum, IntEnum

import numpy as np
from adafruit_fingerprint import Adafruit_Fingerprint
from numpy.typing import NDArray

from kiosk.config import FingerprintSettings
from kiosk.sensors.fingerprint_packets import (
    Code,
    Instruction,
    ReaderPasswordError,
    ReaderRefusedError,
    UnexpectedAnswerError,
    refusal,
)
from kiosk.sensors.fingerprint_wire import IMAGE_BYTES, CheckedWire, open_wire

IMAGE_SHAPE = (288, 256)
"""Rows and columns of the R307's window."""
MARK_BYTES = 32
"""One page of the reader's notepad."""
_MARK_PAGE = 0
_SECURITY_PARAMETER = 5
_BAUD_PARAMETER = 4
_BAUD_UNIT = 9600
_PACKET_BYTES = {0: 32, 1: 64, 2: 128, 3: 256}
_NOTHING_FOUND = frozenset({Code.NO_MATCH, Code.NOT_FOUND})
_NO_FEATURES = frozenset({Code.IMAGE_MESSY, Code.TOO_FEW_FEATURES, Code.NO_IMAGE})

SCORE_THRESHOLDS = {1: 20, 2: 25, 3: 30, 4: 40, 5: 50}
"""The least score that the kiosk accepts, by security level. The reader's own thresholds are not in its manual, and it
has said no match below them already; these are a floor of ours, on bozorth3's scale, to be raised on site."""


class Buffer(IntEnum):
    """A character buffer of the reader."""

    PROBE = 1
    REFERENCE = 2


class Capture(Enum):
    """What a look at the window gave."""

    TAKEN = "taken"
    NO_FINGER = "no finger"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Found:
    """What a search answered; a slot is not a person before `Reader.confirm` has said so."""

    slot: int
    score: int
    """In the reader's own units, the higher the more alike."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the reader says of itself."""

    capacity: int
    """Slots, numbered from 0."""
    security_level: int
    """1 (lenient) to 5 (strict)."""
    packet_bytes: int
    """The largest content of a data packet: 32, 64, 128 or 256."""
    baud: int


@contextmanager
def open_reader(settings: FingerprintSettings) -> Iterator[Reader]:
    """Open the reader for this process alone, with the configured password and security level.

    Raises:
        FingerprintError: it is not there, does not answer, or has another password.
    """
    with closing(open_wire(settings.port, settings.baud)) as wire:
        reader = Reader(wire, settings.password)
        reader.set_security_level(settings.security_level)
        yield reader


class Reader:
    """An open fingerprint reader. Every method may raise a `FingerprintError` of the wire."""

    def __init__(self, wire: CheckedWire, password: int = 0) -> None:
        """
        Raises:
            ReaderPasswordError: the reader has another password.
        """
        self._wire = wire
        try:
            self._driver = Adafruit_Fingerprint(wire, tuple(password.to_bytes(4, "big")))
        except RuntimeError as error:
            if wire.code == Code.WRONG_PASSWORD:
                raise ReaderPasswordError("the reader's password is not the configured one") from error
            raise refusal(wire.code, "being opened") from error

    def parameters(self) -> Parameters:
        """Ask the reader for its parameters."""
        self._ask("telling its parameters", self._driver.read_sysparam)
        return Parameters(
            self._driver.library_size,
            self._driver.security_level,
            self._packet_bytes,
            self._driver.baudrate * _BAUD_UNIT,
        )

    def set_security_level(self, level: int) -> None:
        """Set how strictly the reader matches, 1 to 5; it keeps that in its flash, so an equal level is not written."""
        if self._driver.security_level != level:
            self._ask("another security level", self._driver.set_sysparam, _SECURITY_PARAMETER, level)

    def set_baud(self, baud: int) -> None:
        """Change the speed of reader and port, a multiple of 9600, and see that they still understand each other."""
        self._wire.command(Instruction.SET_SYS_PARA, bytes([_BAUD_PARAMETER, baud // _BAUD_UNIT]))
        self._wire.baud = baud
        self._ask("answering at another speed", self._driver.read_sysparam)

    # ---- a finger

    def capture(self) -> Capture:
        """Look at the window; a picture goes into the image buffer."""
        code = self._ask("a picture", self._driver.get_image, besides=frozenset({Code.NO_FINGER, Code.IMAGE_FAILED}))
        match code:
            case Code.NO_FINGER:
                return Capture.NO_FINGER
            case Code.IMAGE_FAILED:
                return Capture.UNUSABLE
            case _:
                return Capture.TAKEN

    def extract(self, buffer: Buffer) -> bool:
        """Make features of the picture; whether it was good enough."""
        return self._ask("features", self._driver.image_2_tz, buffer, besides=_NO_FEATURES) == Code.OK

    def search(self) -> Found | None:
        """Search all slots for the features in buffer `PROBE`; None: nobody is like them."""
        if self._ask("a search", self._driver.finger_fast_search, besides=_NOTHING_FOUND) != Code.OK:
            return None
        return Found(self._driver.finger_id, self._driver.confidence)

    def confirm(self, template: bytes) -> int | None:
        """Compare our own copy of a template with the features in buffer `PROBE`.

        Returns:
            Its score; None: they are not alike.
        """
        self.write_template(template, Buffer.REFERENCE)
        if self._ask("a comparison", self._driver.compare_templates, besides=_NOTHING_FOUND) != Code.OK:
            return None
        return int(self._driver.confidence[0])

    def merge(self) -> bool:
        """Make a template of the features in both buffers; False: they are of different fingers."""
        besides = frozenset({Code.FINGERS_DIFFER})
        return self._ask("a template", self._driver.create_model, besides=besides) == Code.OK

    # ---- templates

    def read_template(self, buffer: Buffer) -> bytes:
        """Return what is in a character buffer; its length is the reader's affair."""
        self._wire.command(Instruction.UP_CHAR, bytes([buffer]))
        return self._wire.receive_content()

    def write_template(self, template: bytes, buffer: Buffer) -> None:
        """Send a template into a character buffer. The reader does not say whether it arrived whole."""
        self._wire.command(Instruction.DOWN_CHAR, bytes([buffer]))
        self._wire.send_content(template, self._packet_bytes)

    def store(self, slot: int, template: bytes) -> None:
        """Put a template into a slot, and see that it arrived.

        Raises:
            UnexpectedAnswerError: what can be read back is not what was sent.
        """
        self.write_template(template, Buffer.PROBE)
        held = self.read_template(Buffer.PROBE)
        if held != template:
            raise UnexpectedAnswerError(
                f"a template of {len(template)} bytes was sent, and other {len(held)} bytes read back; "
                "it was damaged on the way, or made by another kind of reader"
            )
        self._ask("storing a template", self._driver.store_model, slot, Buffer.PROBE)

    def holds(self, slot: int, template: bytes) -> bool:
        """Whether exactly this template is in the slot; overwrites buffer `REFERENCE`."""
        besides = frozenset({Code.BAD_TEMPLATE, Code.BAD_SLOT})
        if self._ask("loading a template", self._driver.load_model, slot, Buffer.REFERENCE, besides=besides) != Code.OK:
            return False
        return self.read_template(Buffer.REFERENCE) == template

    def delete(self, slot: int) -> None:
        """Empty one slot."""
        self._ask("deleting a template", self._driver.delete_model, slot)

    def clear(self) -> None:
        """Empty all slots."""
        self._ask("deleting all templates", self._driver.empty_library)

    def slots(self) -> frozenset[int]:
        """Return the slots that are in use.

        Raises:
            UnexpectedAnswerError: the index table and the reader's count disagree.
        """
        self._ask("its index table", self._driver.read_templates)
        slots = frozenset(self._driver.templates)
        count = self.count()
        if len(slots) != count:
            raise UnexpectedAnswerError(f"{count} templates, and {len(slots)} in the index table")
        return slots

    def count(self) -> int:
        """Return how many slots are in use."""
        self._ask("counting templates", self._driver.count_templates)
        return int(self._driver.template_count)

    # ---- the rest

    def read_mark(self) -> bytes | None:
        """Return the first page of the reader's notepad, 32 bytes; None: it has no notepad."""
        try:
            return self._wire.command(Instruction.READ_NOTEPAD, bytes([_MARK_PAGE]))
        except ReaderRefusedError:
            return None

    def write_mark(self, mark: bytes) -> None:
        """Write 32 bytes on the first page of the reader's notepad; one that has none is left alone."""
        try:
            self._wire.command(Instruction.WRITE_NOTEPAD, bytes([_MARK_PAGE]) + mark)
        except ReaderRefusedError:
            return

    def read_image(self) -> NDArray[np.uint8]:
        """Return the picture in the image buffer: (288, 256) uint8, grey, 16 levels; about 7 s at 57600 baud."""
        self._wire.command(Instruction.UP_IMAGE)
        content = self._wire.receive_content()
        if len(content) != IMAGE_BYTES:
            raise UnexpectedAnswerError(f"a picture of {len(content)} bytes; wanted {IMAGE_BYTES}")
        pairs = np.frombuffer(content, np.uint8)
        return np.stack([pairs & 0xF0, pairs << 4], axis=-1).reshape(IMAGE_SHAPE)

    @property
    def _packet_bytes(self) -> int:
        size_code = int(self._driver.data_packet_size)
        if size_code not in _PACKET_BYTES:
            raise UnexpectedAnswerError(f"a packet size of code {size_code}; wanted one of {set(_PACKET_BYTES)}")
        return _PACKET_BYTES[size_code]

    def _ask(
        self, doing: str, command: Callable[..., int], *arguments: int, besides: frozenset[Code] = frozenset()
    ) -> int:
        """Return the code that the reader answers, OK or one of `besides`; raise for any other."""
        try:
            code = command(*arguments)
        except ReaderRefusedError as refused:
            code = refused.code
        except RuntimeError as error:  # the driver's own, for a code that it did not hope for
            raise refusal(self._wire.code, doing) from error
        if code == Code.OK or code in besides:
            return code
        raise refusal(code, doing)
