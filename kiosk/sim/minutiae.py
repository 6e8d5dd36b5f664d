"""The simulated reader's matcher: minutiae of a finger image and their likeness, by NIST's mindtct and bozorth3.

Both come from the optional package `nbis` (`nbis-py` on x86-64, `nbis-python` elsewhere; either works here). A template
holds up to two impressions in the reader's fixed number of bytes, so the minutiae are packed into four bytes each, and
the least reliable are left out where there is no room.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kiosk.core.faults import KioskError

FEWEST_MINUTIAE = 10
"""Fewer do not identify a finger; examiners ask for about twelve."""

_ISO_MAGIC = b"FMR\x00 20\x00"
_ISO_HEAD = struct.Struct(">8sI2xHH7xB")
_ISO_MINUTIA = struct.Struct(">HHBB")
_ISO_ENDING = 1 << 14
_ISO_QUALITY_UNIT = 4
_ISO_LARGEST_COUNT = 255

_MAGIC = b"Hf"
_HEAD = struct.Struct(">2sB")
_IMPRESSION = struct.Struct(">HHB")
_PACKED_BYTES = 4
_COORDINATE_BITS = 10
_LARGEST_COORDINATE = (1 << _COORDINATE_BITS) - 1
_LARGEST_QUALITY = 15
_IMPRESSIONS = 2


class MatcherMissingError(KioskError):
    """The simulated fingerprint reader has no matcher."""


@dataclass(frozen=True, slots=True)
class Minutia:
    """A ridge's end or fork."""

    x: int
    """Pixels from the left, 0 to 1023."""
    y: int
    """Pixels from the top, 0 to 1023."""
    angle: int
    """256ths of a turn, counter-clockwise from the right."""
    quality: int
    """0 to 15, the higher the more reliable."""


@dataclass(frozen=True, slots=True)
class Impression:
    """The minutiae of one press."""

    width_px: int
    height_px: int
    minutiae: tuple[Minutia, ...]


class Matcher:
    """mindtct and bozorth3. They keep their work in globals, so one runs at a time."""

    def __init__(self) -> None:
        """
        Raises:
            MatcherMissingError: no package named `nbis` can be loaded; the message names what to install.
        """
        try:
            import nbis  # noqa: PLC0415 - optional, and takes 0.4 s to set up
        except (ImportError, OSError) as error:
            raise MatcherMissingError(
                "the simulated fingerprint reader needs the package nbis-py (x86-64) or nbis-python (elsewhere; "
                f"glibc 2.38 or later); install Hadir with its extra `sim`: {error}"
            ) from error
        settings = nbis.NbisExtractorSettings(
            min_quality=0.0, get_center=False, check_fingerprint=False, compute_nfiq2=False, ppi=None
        )
        self._nbis: Any = nbis.new_nbis_extractor(settings)
        self._running = threading.Lock()

    def impression(self, image: NDArray[np.uint8]) -> Impression:
        """Return the minutiae of a finger image.

        Args:
            image: (height, width) uint8, dark ridges on light, 500 dots an inch, at most 1024 pixels a side.
        """
        _, png = cv2.imencode(".png", image)
        with self._running:
            found = self._nbis.extract_minutiae(png.tobytes()).get()
        height, width = image.shape
        minutiae = (
            Minutia(one.x(), one.y(), round(one.angle() * 256 / 360) % 256, round(one.reliability() * _LARGEST_QUALITY))
            for one in found
        )
        return Impression(width, height, tuple(minutiae))

    def score(self, one: Sequence[Impression], other: Sequence[Impression]) -> int:
        """Return the best bozorth3 score between impressions of two templates; 0 where either has none."""
        with self._running:
            ones, others = [self._loaded(press) for press in one], [self._loaded(press) for press in other]
            return max((int(a.compare(b)) for a in ones for b in others), default=0)

    def _loaded(self, impression: Impression) -> Any:
        return self._nbis.load_iso_19794_2_2005(_iso(impression))


def pack(impressions: Sequence[Impression], size: int) -> bytes:
    """Return a template of exactly `size` bytes, its room shared out equally between two impressions."""
    room = (size - _HEAD.size) // _IMPRESSIONS - _IMPRESSION.size
    packed = _HEAD.pack(_MAGIC, len(impressions))
    for impression in impressions:
        kept = _most_reliable(impression.minutiae, min(room // _PACKED_BYTES, _ISO_LARGEST_COUNT))
        packed += _IMPRESSION.pack(impression.width_px, impression.height_px, len(kept))
        packed += b"".join(_packed(minutia) for minutia in kept)
    return packed.ljust(size, b"\x00")


def unpack(template: bytes) -> tuple[Impression, ...]:
    """Return the impressions in a template; none if it is not one of ours, whatever its bytes."""
    try:
        magic, count = _HEAD.unpack_from(template)
        return tuple(_unpacked(template, count)) if magic == _MAGIC and count <= _IMPRESSIONS else ()
    except struct.error:
        return ()


def _unpacked(template: bytes, count: int) -> list[Impression]:
    impressions, place = [], _HEAD.size
    for _ in range(count):
        width, height, minutiae = _IMPRESSION.unpack_from(template, place)
        place += _IMPRESSION.size
        numbers = struct.unpack_from(f">{minutiae}I", template, place)
        place += _PACKED_BYTES * minutiae
        impressions.append(Impression(width, height, tuple(_minutia(number) for number in numbers)))
    return impressions


def _most_reliable(minutiae: Sequence[Minutia], count: int) -> list[Minutia]:
    ranked = sorted(minutiae, key=lambda minutia: minutia.quality, reverse=True)
    return sorted(ranked[:count], key=lambda minutia: (minutia.x, minutia.y))


def _packed(minutia: Minutia) -> bytes:
    x, y = min(minutia.x, _LARGEST_COORDINATE), min(minutia.y, _LARGEST_COORDINATE)
    return struct.pack(">I", x << 22 | y << 12 | minutia.angle << 4 | min(minutia.quality, _LARGEST_QUALITY))


def _minutia(number: int) -> Minutia:
    return Minutia(number >> 22, number >> 12 & _LARGEST_COORDINATE, number >> 4 & 0xFF, number & _LARGEST_QUALITY)


def _iso(impression: Impression) -> bytes:
    """The impression as `nbis` reads it: ISO/IEC 19794-2:2005, its view header cut to two bytes."""
    minutiae = b"".join(
        _ISO_MINUTIA.pack(_ISO_ENDING | one.x, one.y, one.angle, one.quality * _ISO_QUALITY_UNIT)
        for one in impression.minutiae
    )
    length = _ISO_HEAD.size + len(minutiae)
    head = _ISO_HEAD.pack(_ISO_MAGIC, length, impression.width_px, impression.height_px, len(impression.minutiae))
    return head + minutiae
