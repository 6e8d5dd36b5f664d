"""An event as a row: its signed bytes, compressed, with hash and signature; read back only if they fit.

Events are alike, so `DICTIONARY` says beforehand what most of them have: 570 bytes become about 230 (see
docs/adr/0020-pruning-and-quarantine.md). Rows of the first schema are not compressed, and begin with a brace.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TypeVar

import msgspec

from kiosk.core.biometrics import Modality
from kiosk.storage.database import JournalBrokenError
from wire.attendance import Act, ClockQuality, Event, EventType, MessageError, Pad, from_signed_bytes, signed_bytes

LARGEST_EVENT = 4096
"""Bytes. An event has about 860; with this limit a message of 64 KiB always holds at least fifteen."""
DICTIONARY = (
    b'"lost":[{"first":,"last":}],"reason":"unknown""attack""departure""finger+face""manual""correction""retime"'
    b'"src":"none""rtc""hand","unc_ms":null"ok":false"Asia/Makassar""Asia/Jayapura""challenge":"turn_left""turn_right"'
    b'{"act":"arrival","boot":"-4","cfg":"","clk":{"ok":true,"src":"network","unc_ms":1},"dev":"kiosk-","id":"kiosk-",'
    b'"mode":"finger","mode":"face","model":"","mono_ms":1,"pad":{"score":0.9,"thr":0.5},"pid":"p-","prev":"",'
    b'"roster":"","score":0.,"seq":1,"t":"202-0T0:00.000Z","thr":0.55,"typ":"audit","tz":"Asia/Jakarta","unit":"desa-",'
    b'"v":1}"typ":"attendance","tz":"Asia/Jakarta","unit":"desa-'
)
"""Never to be changed: what was compressed with it can be read with it alone. The likeliest stands last."""

T = TypeVar("T")
Row = tuple[int, bytes, bytes, bytes]
"""Number, signed bytes, hash, signature."""


class Tapped(msgspec.Struct):
    """As much of an event as the schedule wants; decodes in a microsecond."""

    typ: EventType
    t: str
    clk: ClockQuality
    pid: str | None = None
    act: Act | None = None


class Judged(msgspec.Struct):
    """By what an event was judged."""

    thr: float
    pad: Pad | None = None


def row_of(event: Event) -> Row:
    """Return the row to store."""
    return event.seq, _packed(signed_bytes(event)), bytes.fromhex(event.hash), bytes.fromhex(event.sig)


def event_of(stored: tuple[object, ...]) -> Event:
    """Return the event in a stored row; its signature is not checked.

    Raises:
        JournalBrokenError: its hash does not fit its content, or its number is not the event's.
    """
    seq, signed, digest, sig = checked(stored)
    try:
        event = from_signed_bytes(signed, digest.hex(), sig.hex())
    except MessageError as error:
        raise JournalBrokenError(f"event {seq}: {error}", seq) from error
    if event.seq != seq:
        raise JournalBrokenError(f"event {seq}: stored under this number, but says {event.seq}", seq)
    return event


def tapped(row: Row) -> Tapped:
    """Return what the schedule wants of an event.

    Raises:
        JournalBrokenError: it cannot be read.
    """
    return _decoded(row, Tapped)


def judged(row: Row) -> Judged:
    """Return by what an event was judged, which names a threshold.

    Raises:
        JournalBrokenError: it cannot be read.
    """
    return _decoded(row, Judged)


def judged_modality(stored: tuple[object, ...]) -> Modality | None:
    """Return which modality's threshold a stored row names; None: none, or several. Nothing is verified.

    In canonical form each name has one spelling, and a quotation mark in a text is escaped.
    """
    match stored:
        case (int(seq), bytes(packed), *_):
            signed = _unpacked(seq, packed)
            modes = [modality for modality in Modality if f'"mode":"{modality}"'.encode() in signed]
            return modes[0] if modes and b'"thr":' in signed else None
        case _:
            return None


def _decoded(row: Row, kind: type[T]) -> T:
    """As much of an event as a kind has fields for."""
    seq, signed, _, _ = row
    try:
        return msgspec.json.decode(signed, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalBrokenError(f"event {seq}: cannot be read: {error}", seq) from error


def checked(stored: tuple[object, ...]) -> Row:
    """Return the row with its signed bytes unpacked, if it is of the stored types and its hash fits its content.

    Raises:
        JournalBrokenError: it is not.
    """
    match stored:
        case (int(seq), bytes(packed), bytes(digest), bytes(sig)):
            signed = _unpacked(seq, packed)
            if hashlib.sha256(signed).digest() != digest:
                raise JournalBrokenError(f"event {seq}: its hash does not fit its content", seq)
            return seq, signed, digest, sig
        case _:
            raise JournalBrokenError("a row of the journal is not of the stored types")


def _packed(signed: bytes) -> bytes:
    press = zlib.compressobj(zdict=DICTIONARY)
    return press.compress(signed) + press.flush()


def _unpacked(seq: int, packed: bytes) -> bytes:
    if packed[:1] == b"{":
        return packed
    try:
        unpress = zlib.decompressobj(zdict=DICTIONARY)
        signed = unpress.decompress(packed, LARGEST_EVENT)
    except zlib.error as error:
        raise JournalBrokenError(f"event {seq}: its content is damaged: {error}", seq) from error
    if not unpress.eof or unpress.unused_data:
        raise JournalBrokenError(f"event {seq}: its content is damaged: not one whole event", seq)
    return signed
