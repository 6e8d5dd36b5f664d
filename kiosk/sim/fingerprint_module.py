"""What is inside the simulated fingerprint reader: R307 commands, buffers, flash, and a real matcher. No line, no time.

`FingerprintModule.answer` takes one packet and returns the packets that answer it, with the codes, lengths and byte
order of the R307 User Manual 1.20. Where the manual is silent: an unfinished download ends with the next command; a
download with a missing or damaged packet leaves the buffer empty; an empty buffer uploads as zeros and matches nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kiosk.sensors.fingerprint_packets import Code, Instruction, Kind, Packet
from kiosk.sim.minutiae import FEWEST_MINUTIAE, Impression, pack, unpack

SECURITY_THRESHOLDS = {1: 20, 2: 25, 3: 30, 4: 40, 5: 50}
"""bozorth3 scores by security level; NIST calls 40 and more a match."""
WINDOW = (288, 256)
"""Rows and columns of the picture that the reader transfers."""
NOTEPAD_PAGES = 16
NOTEPAD_PAGE_BYTES = 32
INDEX_PAGE_SLOTS = 256
BAUD_UNIT = 9600
_BACKGROUND = 255
_SYSTEM_ID = 9
_PASSWORD_GIVEN = 0b100
_PICTURE_TAKEN = 0b1000
_BAUD, _SECURITY, _PACKET_SIZE = 4, 5, 6
_SETTABLE = {_BAUD: range(1, 13), _SECURITY: range(1, 6), _PACKET_SIZE: range(4)}
HANDSHAKE = b"\x55"
"""One bare byte after a reset."""

Image = NDArray[np.uint8]
Answer = list[Packet]


class Likeness(Protocol):
    """What the module needs of a matcher; see `kiosk.sim.minutiae.Matcher`."""

    def impression(self, image: Image) -> Impression:
        """The minutiae of an image."""

    def score(self, one: Sequence[Impression], other: Sequence[Impression]) -> int:
        """How alike two templates are."""


@dataclass(slots=True)
class Flash:
    """What a reader keeps without power."""

    template_bytes: int = 768
    """512 on an R305, 768 on an R307, 1536 on an R503."""
    capacity: int = 1000
    password: int = 0
    security_level: int = 3
    packet_code: int = 2
    """Data packets of 32 bytes, doubled as often as this says."""
    baud: int = 57600
    notepad: dict[int, bytes] = field(default_factory=dict)
    templates: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Download:
    """Data on its way into a buffer."""

    buffer: int | None
    """A character buffer; None: the image buffer."""
    content: bytearray = field(default_factory=bytearray)


def _ack(code: Code, content: bytes = b"") -> Answer:
    return [Packet(Kind.ACK, bytes([code]) + content)]


class FingerprintModule:
    """A reader without its serial line.

    Attributes:
        flash: what it keeps.
        finger: what lies on the window now: (height, width) uint8, dark ridges on light; None: nothing.
    """

    def __init__(self, matcher: Likeness, flash: Flash) -> None:
        self.flash = flash
        self.finger: Image | None = None
        self._prepared: tuple[Image, Impression] | None = None
        self._matcher = matcher
        self._verified = False
        self._picture: Image | None = None
        self._buffers: dict[int, bytes] = {}
        self._download: _Download | None = None
        self._commands: dict[int, Callable[[bytes], Answer]] = {
            Instruction.VERIFY_PASSWORD: self._verify_password,
            Instruction.SET_PASSWORD: self._set_password,
            Instruction.READ_SYS_PARA: self._read_parameters,
            Instruction.SET_SYS_PARA: self._set_parameter,
            Instruction.GEN_IMG: self._take_picture,
            Instruction.IMG_2_TZ: self._extract,
            Instruction.REG_MODEL: self._merge,
            Instruction.STORE: self._store,
            Instruction.LOAD: self._load,
            Instruction.UP_CHAR: self._upload_template,
            Instruction.DOWN_CHAR: self._download_template,
            Instruction.UP_IMAGE: self._upload_picture,
            Instruction.DOWN_IMAGE: self._download_picture,
            Instruction.MATCH: self._match,
            Instruction.SEARCH: self._search,
            Instruction.HIGH_SPEED_SEARCH: self._search,
            Instruction.DELETE: self._delete,
            Instruction.EMPTY: self._empty,
            Instruction.TEMPLATE_NUM: self._count,
            Instruction.READ_INDEX_TABLE: self._index_table,
            Instruction.READ_NOTEPAD: self._read_notepad,
            Instruction.WRITE_NOTEPAD: self._write_notepad,
            Instruction.AURA_LED: self._say_ok,
            Instruction.LED_ON: self._say_ok,
            Instruction.LED_OFF: self._say_ok,
            Instruction.GET_ECHO: self._echo,
            Instruction.SOFT_RESET: self._reset,
        }

    def answer(self, packet: Packet) -> Answer:
        """Return the packets that answer this one; data is answered by nothing."""
        if packet.kind is not Kind.COMMAND:
            self._take_data(packet)
            return []
        self._download = None
        instruction, parameters = packet.content[0], packet.content[1:]
        if instruction not in self._commands:
            return _ack(Code.RECEIVE_ERROR)
        if not (self._verified or self.flash.password == 0 or instruction == Instruction.VERIFY_PASSWORD):
            return _ack(Code.NOT_VERIFIED)
        try:
            return self._commands[instruction](parameters)
        except (struct.error, IndexError):  # too few parameters
            return _ack(Code.RECEIVE_ERROR)

    def damaged(self) -> Answer:
        """Return the answer to a packet that did not verify; the data that it may have been is lost."""
        if self._download:
            self._download = None
            return []
        return _ack(Code.RECEIVE_ERROR)

    def _say_ok(self, _: bytes) -> Answer:
        return _ack(Code.OK)

    # ---- the reader itself

    def _verify_password(self, parameters: bytes) -> Answer:
        self._verified = struct.unpack(">I", parameters)[0] == self.flash.password
        return _ack(Code.OK if self._verified else Code.WRONG_PASSWORD)

    def _set_password(self, parameters: bytes) -> Answer:
        (self.flash.password,) = struct.unpack(">I", parameters)
        return _ack(Code.OK)

    def _read_parameters(self, _: bytes) -> Answer:
        status = _PASSWORD_GIVEN * self._verified | _PICTURE_TAKEN * (self._picture is not None)
        flash = self.flash
        says = struct.pack(">HHHH", status, _SYSTEM_ID, flash.capacity, flash.security_level)
        return _ack(Code.OK, says + b"\xff" * 4 + struct.pack(">HH", flash.packet_code, flash.baud // BAUD_UNIT))

    def _set_parameter(self, parameters: bytes) -> Answer:
        number, setting = struct.unpack(">BB", parameters)
        if setting not in _SETTABLE.get(number, ()):
            return _ack(Code.WRONG_PARAMETER)
        match number:
            case 4:
                self.flash.baud = setting * BAUD_UNIT
            case 5:
                self.flash.security_level = setting
            case _:
                self.flash.packet_code = setting
        return _ack(Code.OK)

    def _echo(self, _: bytes) -> Answer:
        return _ack(Code.ECHO)

    def _reset(self, _: bytes) -> Answer:
        self._verified, self._picture = False, None
        self._buffers.clear()
        return _ack(Code.OK)

    def _read_notepad(self, parameters: bytes) -> Answer:
        page = parameters[0]
        if page >= NOTEPAD_PAGES:
            return _ack(Code.WRONG_NOTEPAD_PAGE)
        return _ack(Code.OK, self.flash.notepad.get(page, bytes(NOTEPAD_PAGE_BYTES)))

    def _write_notepad(self, parameters: bytes) -> Answer:
        page, content = struct.unpack(f">B{NOTEPAD_PAGE_BYTES}s", parameters)
        if page >= NOTEPAD_PAGES:
            return _ack(Code.WRONG_NOTEPAD_PAGE)
        self.flash.notepad[page] = content
        return _ack(Code.OK)

    # ---- a finger

    def prepared(self, image: Image) -> tuple[Image, Impression]:
        """Return an image with its features, which take this machine longer than they take a reader when it is busy."""
        return image, self._matcher.impression(image)

    def lay(self, prepared: tuple[Image, Impression]) -> None:
        """Lay a finger on the window."""
        self.finger, self._prepared = prepared[0], prepared

    def _take_picture(self, _: bytes) -> Answer:
        self._picture = self.finger
        return _ack(Code.NO_FINGER if self._picture is None else Code.OK)

    def _extract(self, parameters: bytes) -> Answer:
        buffer = _buffer(parameters)
        if self._picture is None:
            return _ack(Code.NO_IMAGE)
        is_prepared = self._prepared is not None and self._prepared[0] is self._picture
        impression = self._prepared[1] if self._prepared and is_prepared else self._matcher.impression(self._picture)
        if not impression.minutiae:
            return _ack(Code.IMAGE_MESSY)
        if len(impression.minutiae) < FEWEST_MINUTIAE:
            return _ack(Code.TOO_FEW_FEATURES)
        self._buffers[buffer] = pack([impression], self.flash.template_bytes)
        return _ack(Code.OK)

    def _merge(self, _: bytes) -> Answer:
        presses = [press for buffer in (1, 2) for press in self._impressions(buffer)[:1]]
        if len(presses) < 2 or self._matcher.score(presses[:1], presses[1:]) < self._threshold:
            return _ack(Code.FINGERS_DIFFER)
        template = pack(presses, self.flash.template_bytes)
        self._buffers = {1: template, 2: template}
        return _ack(Code.OK)

    def _match(self, _: bytes) -> Answer:
        score = self._matcher.score(self._impressions(1), self._impressions(2))
        if score < self._threshold:
            return _ack(Code.NO_MATCH, struct.pack(">H", 0))
        return _ack(Code.OK, struct.pack(">H", score))

    def _search(self, parameters: bytes) -> Answer:
        number, first, count = struct.unpack(">BHH", parameters)
        probe = self._impressions(number)
        scores = {
            slot: self._matcher.score(probe, unpack(template))
            for slot, template in self.flash.templates.items()
            if first <= slot < first + count
        }
        best = max(scores, key=lambda slot: scores[slot], default=None)
        if best is None or scores[best] < self._threshold:
            return _ack(Code.NOT_FOUND, struct.pack(">HH", 0, 0))
        return _ack(Code.OK, struct.pack(">HH", best, scores[best]))

    @property
    def _threshold(self) -> int:
        return SECURITY_THRESHOLDS[self.flash.security_level]

    def _impressions(self, buffer: int) -> tuple[Impression, ...]:
        return unpack(self._buffers.get(buffer, b""))

    # ---- slots

    def _store(self, parameters: bytes) -> Answer:
        buffer, slot = _buffer(parameters), struct.unpack_from(">H", parameters, 1)[0]
        if slot >= self.flash.capacity:
            return _ack(Code.BAD_SLOT)
        if buffer not in self._buffers:
            return _ack(Code.FLASH_ERROR)
        self.flash.templates[slot] = self._buffers[buffer]
        return _ack(Code.OK)

    def _load(self, parameters: bytes) -> Answer:
        buffer, slot = _buffer(parameters), struct.unpack_from(">H", parameters, 1)[0]
        if slot >= self.flash.capacity:
            return _ack(Code.BAD_SLOT)
        if slot not in self.flash.templates:
            return _ack(Code.BAD_TEMPLATE)
        self._buffers[buffer] = self.flash.templates[slot]
        return _ack(Code.OK)

    def _delete(self, parameters: bytes) -> Answer:
        first, count = struct.unpack(">HH", parameters)
        if first + count > self.flash.capacity:
            return _ack(Code.DELETE_FAILED)
        for slot in range(first, first + count):
            self.flash.templates.pop(slot, None)
        return _ack(Code.OK)

    def _empty(self, _: bytes) -> Answer:
        self.flash.templates.clear()
        return _ack(Code.OK)

    def _count(self, _: bytes) -> Answer:
        return _ack(Code.OK, struct.pack(">H", len(self.flash.templates)))

    def _index_table(self, parameters: bytes) -> Answer:
        first = parameters[0] * INDEX_PAGE_SLOTS
        if first >= self.flash.capacity:
            return _ack(Code.BAD_SLOT)
        bits = sum(1 << slot - first for slot in self.flash.templates if first <= slot < first + INDEX_PAGE_SLOTS)
        return _ack(Code.OK, bits.to_bytes(INDEX_PAGE_SLOTS // 8, "little"))

    # ---- transfers

    def _upload_template(self, parameters: bytes) -> Answer:
        content = self._buffers.get(_buffer(parameters), bytes(self.flash.template_bytes))
        return _ack(Code.OK) + self._data(content)

    def _upload_picture(self, _: bytes) -> Answer:
        if self._picture is None:
            return _ack(Code.IMAGE_UPLOAD_FAILED)
        pixels = _window(self._picture).reshape(-1, 2) >> 4
        return _ack(Code.OK) + self._data((pixels[:, 0] << 4 | pixels[:, 1]).tobytes())

    def _download_template(self, parameters: bytes) -> Answer:
        self._download = _Download(_buffer(parameters))
        self._buffers.pop(_buffer(parameters), None)
        return _ack(Code.OK)

    def _download_picture(self, _: bytes) -> Answer:
        self._download = _Download(None)
        self._picture = None
        return _ack(Code.OK)

    def _take_data(self, packet: Packet) -> None:
        download = self._download
        if download is None:
            return
        download.content += packet.content
        if packet.kind is Kind.END:
            self._download = None
            self._end_download(download)

    def _end_download(self, download: _Download) -> None:
        content = bytes(download.content)
        if download.buffer is not None and len(content) == self.flash.template_bytes:
            self._buffers[download.buffer] = content
        if download.buffer is None and len(content) == WINDOW[0] * WINDOW[1] // 2:
            pairs = np.frombuffer(content, np.uint8)
            self._picture = np.stack([pairs & 0xF0, pairs << 4], axis=-1).reshape(WINDOW)

    def _data(self, content: bytes) -> Answer:
        size = 32 << self.flash.packet_code
        parts = [content[start : start + size] for start in range(0, len(content), size)]
        return [Packet(Kind.DATA, part) for part in parts[:-1]] + [Packet(Kind.END, parts[-1])]


def _buffer(parameters: bytes) -> int:
    """The manual: 1 is the first buffer, and whatever else the second."""
    return 1 if parameters[0] == 1 else 2


def _window(picture: Image) -> Image:
    """The middle of a picture, as much as the reader transfers; light around a smaller one."""
    rows, columns = WINDOW
    spare = [max(0, wanted - there) for wanted, there in zip(WINDOW, picture.shape, strict=True)]
    around = [(extra // 2, extra - extra // 2) for extra in spare]
    padded = np.pad(picture, around, constant_values=_BACKGROUND)
    top, left = (padded.shape[0] - rows) // 2, (padded.shape[1] - columns) // 2
    return padded[top : top + rows, left : left + columns]
