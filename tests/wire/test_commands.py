"""What is promised: a terminal obeys its own district only, and not late; an answer is the terminal's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, MORNING, OTHER_KEY, moment
from wire.attendance import VERSION, ClockQuality, ClockSource, MessageError, Moment, decode, encode, rfc3339
from wire.chain import sign_receipt
from wire.commands import (
    LONGEST_DETAIL,
    Command,
    CommandKind,
    Refusal,
    Result,
    is_signed_result,
    refusal,
    sign_command,
    sign_result,
)

DEV = "balai-01"
RESULT = Result(v=VERSION, dev=DEV, id="c-1", ok=True, code="done", detail="locked", t="2026-11-23T00:21:08.000Z")
RANGE = {"from_seq": 3, "to_seq": 9}
UNSURE = ClockQuality(ClockSource.NONE, None, ok=False)


def command(kind: CommandKind = CommandKind.LOCK, life_s: float = 600.0, **fields: object) -> Command:
    """The district's order of that Monday morning."""
    bare = {"v": VERSION, "dev": DEV, "id": "c-1", "kind": kind, "t": rfc3339(MORNING)}
    exp = rfc3339(MORNING + timedelta(seconds=life_s))
    return sign_command(msgspec.convert(bare | {"exp": exp} | fields, Command), DISTRICT_KEY)


def refused(found: Command, now: Moment | None = None, dev: str = DEV) -> Refusal | None:
    return refusal(found, dev, DISTRICT_KEY.public_key(), now or moment())


@pytest.mark.parametrize("kind", CommandKind)
def test_the_districts_command_to_this_terminal_is_obeyed_as_it_was_written(kind: CommandKind) -> None:
    sent = command(kind, **(RANGE if kind is CommandKind.REPLAY else {}))

    assert decode(encode(sent), Command) == sent
    assert refused(sent) is None


@pytest.mark.parametrize(("after_s", "why"), [(600.0, None), (600.001, Refusal.EXPIRED), (86_400.0, Refusal.EXPIRED)])
def test_a_command_is_obeyed_until_it_expires(after_s: float, why: Refusal | None) -> None:
    assert refused(command(), moment(after_s)) is why


@pytest.mark.parametrize(("after_s", "why"), [(-300.0, None), (-301.0, Refusal.FUTURE), (-1.8e9, Refusal.FUTURE)])
def test_a_terminal_whose_clock_is_minutes_behind_still_obeys(after_s: float, why: Refusal | None) -> None:
    assert refused(command(), moment(after_s)) is why


def test_a_terminal_that_does_not_believe_its_clock_obeys_nothing() -> None:
    assert refused(command(), replace(moment(), clk=UNSURE)) is Refusal.CLOCK


def test_a_command_to_another_terminal_is_not_obeyed() -> None:
    assert refused(command(), dev="balai-02") is Refusal.DEVICE


@pytest.mark.parametrize(
    "change",
    [{"dev": "balai-02"}, {"id": "c-2"}, {"kind": CommandKind.RESTART}, {"exp": "2026-11-23T01:00:00.000Z"},
     {"t": "2026-11-23T00:20:00.000Z"}, {"sig": ""}],
)  # fmt: skip
def test_a_changed_command_is_nobodys(change: dict[str, object]) -> None:
    changed = msgspec.structs.replace(command(), **change)

    assert refused(changed, dev=changed.dev) is Refusal.SIGNATURE


def test_a_changed_range_is_nobodys() -> None:
    changed = msgspec.structs.replace(command(CommandKind.REPLAY, **RANGE), to_seq=10)

    assert refused(changed) is Refusal.SIGNATURE


@pytest.mark.parametrize("key", [DEVICE_KEY, OTHER_KEY])
def test_a_command_that_another_key_signed_is_nobodys(key: object) -> None:
    assert refused(sign_command(command(), key)) is Refusal.SIGNATURE  # type: ignore[arg-type]


def test_the_districts_signature_over_another_kind_of_message_makes_no_command() -> None:
    posing = msgspec.structs.replace(command(), sig=sign_receipt(command(), DISTRICT_KEY).sig)  # type: ignore[arg-type]

    assert refused(posing) is Refusal.SIGNATURE


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"exp": "2026-11-23T01:21:07.513Z"}, "an hour at the most"),
        ({"exp": "2026-11-23T00:21:07.512Z"}, "expected later than"),
        ({"exp": "2026-11-23T01:00:00Z"}, "matching regex"),
        ({"exp": "2026-13-23T01:00:00.000Z"}, "not a time"),
        ({"kind": "reboot"}, "Invalid enum value 'reboot'"),
        ({"kind": "replay"}, "expected both, ascending"),
        ({"kind": "replay", "from_seq": 9, "to_seq": 3}, "expected both, ascending"),
        ({"kind": "replay", "from_seq": 0, "to_seq": 3}, ">= 1"),
        ({"kind": "lock", "from_seq": 3, "to_seq": 9}, "only replay has one"),
        ({"id": "c 1"}, "matching regex"),
        ({"id": "c-1\n"}, "matching regex"),
        ({"dev": "balai-01/x"}, "matching regex"),
        ({"why": "x"}, "unknown field"),
        ({"v": 2}, "schema version 2"),
    ],
)
def test_what_is_no_command_is_refused_with_what_is_wrong(fields: dict[str, object], complaint: str) -> None:
    raw = msgspec.json.encode(dict(sorted((msgspec.to_builtins(command()) | fields).items())))

    with pytest.raises(MessageError, match=complaint):
        decode(raw, Command)


@given(st.binary(max_size=300))
def test_noise_is_no_command(noise: bytes) -> None:
    with pytest.raises(MessageError):
        decode(noise, Command)


def test_an_answer_counts_only_with_the_devices_signature() -> None:
    signed = decode(encode(sign_result(RESULT, DEVICE_KEY)), Result)

    assert is_signed_result(signed, DEVICE_KEY.public_key())
    assert not is_signed_result(signed, DISTRICT_KEY.public_key())
    assert not is_signed_result(msgspec.structs.replace(signed, ok=False), DEVICE_KEY.public_key())


def test_the_longest_answer_fits_into_a_message() -> None:
    longest = msgspec.structs.replace(RESULT, detail=LONGEST_DETAIL * "\x01")

    assert decode(encode(longest), Result) == longest
