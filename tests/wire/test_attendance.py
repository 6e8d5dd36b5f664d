"""A message is its bytes: what is written reads back the same, and nothing else is read at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.examples import events, head, receipt
from wire.attendance import (
    LARGEST_MESSAGE,
    VERSION,
    Act,
    Batch,
    ClockQuality,
    ClockSource,
    Event,
    EventType,
    Message,
    MessageError,
    Mode,
    Pad,
    decode,
    encode,
    from_signed_bytes,
    parse_rfc3339,
    rfc3339,
    signed_bytes,
)
from wire.canonical import canonical
from wire.chain import Head, Receipt

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SAFE_INT = st.integers(-(2**53) + 1, 2**53 - 1)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
QUALITY = st.builds(ClockQuality, st.sampled_from(ClockSource), st.none() | SAFE_INT, st.booleans())
PAD = st.builds(Pad, thr=NUMBER, score=st.none() | NUMBER, challenge=st.none() | TEXT)
EVENT = st.builds(
    Event,
    v=st.just(VERSION),
    typ=st.sampled_from(EventType),
    dev=TEXT,
    seq=SAFE_INT,
    id=TEXT,
    prev=TEXT,
    boot=TEXT,
    mono_ms=SAFE_INT,
    t=TEXT,
    tz=TEXT,
    clk=QUALITY,
    unit=TEXT,
    cfg=TEXT,
    roster=TEXT,
    model=TEXT,
    pid=st.none() | TEXT,
    act=st.none() | st.sampled_from(Act),
    mode=st.none() | st.sampled_from(Mode),
    score=st.none() | NUMBER,
    thr=st.none() | NUMBER,
    pad=st.none() | PAD,
    reason=st.none() | TEXT,
    hist=st.booleans(),
    hash=TEXT,
    sig=TEXT,
)
EVENT_1 = events(1)[0]
RAW = encode(EVENT_1)
MESSAGES: list[Message] = [EVENT_1, Batch(v=VERSION, events=tuple(events(3))), head(EVENT_1), receipt(EVENT_1)]


@given(EVENT)
def test_an_event_reads_back_as_it_was_written(event: Event) -> None:
    assert decode(encode(event), Event) == event


@given(EVENT)
def test_an_event_is_restored_from_what_was_signed_and_its_proof(event: Event) -> None:
    restored = from_signed_bytes(signed_bytes(event), event.hash, event.sig)

    assert restored == msgspec.structs.replace(event, hist=False)


@given(st.lists(EVENT, max_size=3))
def test_a_batch_reads_back_as_it_was_written(inside: list[Event]) -> None:
    batch = Batch(v=VERSION, events=tuple(inside))

    assert decode(encode(batch), Batch) == batch


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_no_flipped_bit_reads_back_as_the_same_message(message: Message) -> None:
    raw = encode(message)
    flipped = [raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :] for at in range(len(raw)) for bit in range(8)]

    assert all(_read(damaged, type(message)) != message for damaged in flipped)


@given(st.binary(max_size=200))
def test_noise_is_refused_by_one_kind_of_error(noise: bytes) -> None:
    with pytest.raises(MessageError):
        decode(noise, Event)


@given(st.integers(0, len(RAW) - 1), st.binary(max_size=8))
def test_an_event_with_a_piece_replaced_is_refused_or_another(at: int, piece: bytes) -> None:
    damaged = RAW[:at] + piece + RAW[at + len(piece) :]

    assert damaged == RAW or _read(damaged, Event) != EVENT_1


@pytest.mark.parametrize(
    ("found", "put", "complaint"),
    [
        (b'{"act"', b'{"aaa":1,"act"', "unknown field `aaa`"),
        (b'"unit":"desa-kalimanah",', b"", "missing required field `unit`"),
        (b'"seq":1,', b'"seq":"1",', "Expected `int`, got `str`"),
        (b'"seq":1,', b'"seq":1.0,', "Expected `int`, got `float`"),
        (b'"seq":1,', b'"seq":1e0,', "Expected `int`"),
        (b'"seq":1,', b'"seq":9007199254740993,', "no canonical JSON"),
        (b'"seq":1,', b'"seq":true,', "Expected `int`, got `bool`"),
        (b'"seq":1,', b'"seq":' + b"[" * 30_000, "Expected `int`, got `array`"),
        (b'"score":0.7123,', b'"score":NaN,', "malformed"),
        (b'"score":0.7123,', b'"score":1e999,', "out of range"),
        (b'"score":0.7123,', b'"score":0.71230,', "not in canonical form"),
        (b'"score":0.7123,', b'"score":7.123e-1,', "not in canonical form"),
        (b'"typ":"attendance"', b'"typ":"absence"', "Invalid enum value"),
        (b'"mode":"face"', b'"mode":"f\xffce"', "invalid start byte"),
        (b'"mode":"face"', b'"mode":"\\u0066ace"', "not in canonical form"),
        (b'"mode":"face"', b'"mode": "face"', "not in canonical form"),
        (b'"pid":"p-siti"', b'"pid":"p-budi","pid":"p-siti"', "not in canonical form"),
        (b'"pid":"p-siti"', b'"pid":"\\ud800"', "malformed"),
        (b'"sig":', b'"reason":null,"sig":', "not in canonical form"),
        (b'"sig":', b'"hist":false,"sig":', "not in canonical form"),
        (b'"v":1}', b'"v":2}', "schema version 2: this program reads version 1"),
        (b'"v":1}', b'"v":1}{}', "trailing characters"),
    ],
)
def test_an_event_is_refused_with_what_is_wrong(found: bytes, put: bytes, complaint: str) -> None:
    assert RAW.count(found) == 1

    with pytest.raises(MessageError, match=complaint):
        decode(RAW.replace(found, put), Event)


def test_a_message_of_more_than_64_kib_is_refused_unread() -> None:
    with pytest.raises(MessageError, match=f"{LARGEST_MESSAGE + 1} bytes"):
        decode(b"[" * (LARGEST_MESSAGE + 1), Event)


def test_a_message_of_64_kib_is_read() -> None:
    filler = "x" * (LARGEST_MESSAGE - len(encode(msgspec.structs.replace(EVENT_1, reason=""))))
    event = msgspec.structs.replace(EVENT_1, reason=filler)

    assert len(encode(event)) == LARGEST_MESSAGE
    assert decode(encode(event), Event) == event


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_cannot_carry_is_not_written(number: float) -> None:
    with pytest.raises(MessageError, match="no canonical JSON"):
        encode(msgspec.structs.replace(EVENT_1, score=number))


@pytest.mark.parametrize("kind", [Head, Receipt, Batch])
def test_an_event_is_not_read_as_another_kind_of_message(kind: type[Message]) -> None:
    with pytest.raises(MessageError, match=f"not a {kind.__name__}"):
        decode(RAW, kind)


def test_a_receipt_without_its_signature_is_read_as_unsigned() -> None:
    raw = encode(msgspec.structs.replace(receipt(EVENT_1), sig=""))

    assert b'"sig"' not in raw
    assert decode(raw, Receipt).sig == ""


@given(st.dictionaries(TEXT, st.none() | st.booleans() | SAFE_INT | NUMBER | TEXT, max_size=8))
def test_canonical_json_means_what_it_was_made_from(fields: dict[str, object]) -> None:
    assert json.loads(canonical(fields), parse_int=float) == fields


@given(st.integers(0, 10**13), st.integers(-23, 23))
def test_a_time_reads_back_to_the_millisecond_in_utc(ms: int, hours: int) -> None:
    aware = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(timezone(timedelta(hours=hours)))

    assert parse_rfc3339(rfc3339(aware)) == aware
    assert parse_rfc3339(rfc3339(aware)).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "noon", "2026-11-23T07:21:07.512", "2026-13-23T07:21:07Z", "0001-01-01T00:00:00+23:00"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(MessageError, match="t = "):
        parse_rfc3339(text)


def _read(raw: bytes, kind: type[Message]) -> Message | None:
    try:
        return decode(raw, kind)
    except MessageError:
        return None
