"""The published schemas take whatever `wire` writes, and nothing that differs from it in form."""

from __future__ import annotations

import copy
import functools
import json
import string
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.contract.schemas import FORMS, KINDS, schema
from scripts.contract.vectors import BOOT, DEVICE, DISTRICT, ORIGIN, moment
from tests.contract.stranger import NAMES, SCHEMAS, is_valid, vectors
from wire import chain
from wire.attendance import (
    VERSION,
    Act,
    Batch,
    ClockQuality,
    ClockSource,
    Entry,
    Event,
    EventType,
    Message,
    Mode,
    Moment,
    Origin,
    Pad,
    encode,
    rfc3339,
)
from wire.chain import Head, Receipt, public_hex
from wire.commands import Command, CommandKind, Result, sign_command, sign_result
from wire.condition import Birth, Health, Model, Part, State, Status
from wire.topics import Topic

NAME = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=32)
PID = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=40)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
DIGEST = st.binary(min_size=32, max_size=32).map(bytes.hex)
SEQ = st.integers(1, 2**53 - 1)
COUNT = st.integers(0, 2**53 - 1)
SHARE = st.floats(0, 1)
SCORE = st.floats(-1, 1000)
TIME = st.datetimes().map(lambda t: f"{t.isoformat(timespec='milliseconds')}Z")
QUALITY = st.builds(ClockQuality, st.sampled_from(ClockSource), st.none() | COUNT, st.booleans())
MOMENT = st.builds(Moment, st.just(moment().t), TEXT, COUNT, QUALITY)
PAD = st.none() | st.builds(Pad, SHARE, st.none() | SHARE, st.none() | TEXT)
ORIGINS = st.builds(Origin, NAME, NAME, TEXT, TEXT, st.just("") | TEXT, TEXT)
ACT, MODE = st.sampled_from(Act), st.sampled_from(Mode)
ATTENDANCE = st.builds(Entry, st.just(EventType.ATTENDANCE), MOMENT, PID, ACT, MODE, SCORE, SCORE, PAD)
AUDIT = st.builds(
    Entry, st.just(EventType.AUDIT), MOMENT, st.none() | PID, st.none(), st.none() | MODE, st.none() | SCORE,
    st.none() | SCORE, PAD, TEXT,
)  # fmt: skip
V = st.just(VERSION)


def sealed(entry: st.SearchStrategy[Entry]) -> st.SearchStrategy[Event]:
    return st.builds(chain.seal, entry, ORIGINS, SEQ, DIGEST, st.just(DEVICE))


COMMANDS = st.builds(
    lambda kind, first, span, **fields: sign_command(
        Command(
            v=VERSION, kind=kind, t=rfc3339(moment().t), exp=rfc3339(moment(3600).t),
            from_seq=first if kind is CommandKind.REPLAY else None,
            to_seq=first + span if kind is CommandKind.REPLAY else None, **fields,
        ),
        DISTRICT,
    ),
    st.sampled_from(CommandKind), st.integers(1, 10**9), st.integers(0, 10**9), dev=NAME, id=NAME,
)  # fmt: skip
CODES = st.lists(st.from_regex(r"\A[A-Z][0-9]{2}\Z"), unique=True, max_size=3).map(tuple)
MODELS = st.lists(st.builds(Model, name=TEXT, sha256=DIGEST, licence=TEXT, thr=st.none() | SCORE), max_size=3)
WRITTEN: dict[str, st.SearchStrategy[Message]] = {
    "event": sealed(ATTENDANCE),
    "audit": sealed(AUDIT),
    "batch": st.builds(
        Batch,
        v=V,
        events=st.lists(
            sealed(ATTENDANCE | AUDIT).map(lambda event: msgspec.structs.replace(event, hist=True)),
            min_size=1, max_size=3,
        ).map(tuple),
    ),
    "state": st.builds(State, v=V, dev=NAME, state=st.sampled_from(Status), boot=TEXT, faults=CODES),
    "birth": st.builds(
        Birth, v=V, dev=NAME, serial=st.just("") | TEXT, unit=NAME, key=st.just(public_hex(DEVICE)), boot=TEXT,
        software=TEXT, models=MODELS.map(tuple), schemas=st.just((VERSION,)),
        capabilities=st.lists(TEXT, unique=True, max_size=3).map(tuple), tz=TEXT, roster=st.just("") | TEXT, cfg=TEXT,
        image=st.none() | TEXT,
    ),
    "head": st.builds(Head, v=V, dev=NAME, seq=SEQ, hash=DIGEST, boot=TEXT, t=TIME).map(
        lambda head: chain.sign_head(head, DEVICE)
    ),
    "receipt": st.builds(Receipt, v=V, dev=NAME, upto_seq=SEQ, head=DIGEST, t=TIME).map(
        lambda receipt: chain.sign_receipt(receipt, DISTRICT)
    ),
    "health": st.builds(
        Health, v=V, dev=NAME, boot=TEXT, t=TIME, clk=QUALITY, up_s=COUNT, queue=COUNT, oldest_s=st.none() | COUNT,
        disk_free_mb=COUNT, temp_c=st.none() | st.floats(-60, 150), camera=st.sampled_from(Part),
        sensor=st.sampled_from(Part),
    ),
    "command": COMMANDS,
    "result": st.builds(
        Result, v=V, dev=NAME, id=NAME, ok=st.booleans(), code=st.sampled_from(["done", "pruned"]),
        detail=st.just("") | TEXT, t=TIME,
    ).map(lambda result: sign_result(result, DEVICE)),
}  # fmt: skip


def test_every_schema_is_tried() -> None:
    assert sorted(WRITTEN) == NAMES


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=30)
def test_whatever_this_program_writes_is_taken(name: str, data: st.DataObject) -> None:
    message = data.draw(WRITTEN[name])

    assert is_valid(name, json.loads(encode(message)))


@pytest.mark.parametrize("name", NAMES)
def test_a_message_with_any_one_field_spoilt_is_not_taken(name: str) -> None:
    good = json.loads(vectors(name)["good"][0]["message"])

    taken = [where for where, spoilt in spoilt_copies(good) if is_valid(name, spoilt)]

    assert is_valid(name, good)
    assert set(taken) <= OPTIONAL


OPTIONAL = {"without pad", "without pad.score", "without thr", "without oldest_s", "without temp_c", "without mode",
            "without models.0.thr", "without detail", "without score", "null clk.unc_ms",
            "without events.0.pad", "without events.0.thr", "null events.0.clk.unc_ms", "empty roster", "empty serial",
            "empty events.0.roster"}  # fmt: skip
"""What may be done to a message without spoiling it."""


def spoilt_copies(good: Any) -> list[tuple[str, Any]]:
    """The message with each of its fields in turn left out, or with null, a list or an object in its place; and with
    one more.
    """
    copies: list[tuple[str, Any]] = [("more", good | {"zzz": 1})]
    for path in fields_of(good):
        where = ".".join(str(step) for step in path)
        copies += [(f"{what} {where}", replaced(good, path, value)) for what, value in REPLACEMENTS]
        if isinstance(path[-1], str):
            copies.append((f"without {where}", left_out(good, path)))
    return copies


REPLACEMENTS: tuple[tuple[str, Any], ...] = (("null", None), ("list", [[]]), ("object", {"x": 1}), ("empty", ""))


def replaced(good: Any, path: tuple[Any, ...], value: Any) -> Any:
    spoilt = copy.deepcopy(good)
    inside_of(spoilt, path)[path[-1]] = value
    return spoilt


def left_out(good: Any, path: tuple[Any, ...]) -> Any:
    spoilt = copy.deepcopy(good)
    del inside_of(spoilt, path)[path[-1]]
    return spoilt


def inside_of(message: Any, path: tuple[Any, ...]) -> Any:
    """What holds the last step of the path."""
    return functools.reduce(lambda inside, step: inside[step], path[:-1], message)


def fields_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    return [found for step, below in inside for found in ((*path, step), *fields_of(below, (*path, step)))]


def test_every_text_that_is_published_has_a_limit_or_a_form() -> None:
    boundless = [
        f"{name}: {field}"
        for name, found in SCHEMAS.items()
        for part in (found, *found.get("$defs", {}).values())
        for field, form in part.get("properties", {}).items()
        if form.get("type") == "string" and not {"pattern", "maxLength"} & set(form)
    ]

    assert boundless == []


def test_every_form_is_used() -> None:
    used = {field for topic in KINDS for field in all_fields(schema(topic))}

    assert {form.rpartition(".")[2] for form in FORMS} <= used


def all_fields(found: dict[str, Any]) -> set[str]:
    return {field for part in (found, *found.get("$defs", {}).values()) for field in part.get("properties", {})}


@pytest.mark.parametrize("text", ["batang\n", "Batang", "ba/tang", "+", "", 33 * "a"])
def test_a_name_that_would_be_another_topic_is_not_taken(text: str) -> None:
    state = State(v=VERSION, dev=text, state=Status.ONLINE, boot=BOOT)

    assert not is_valid("state", json.loads(encode(state)))


def test_what_a_terminal_really_is_called_is_taken() -> None:
    event = chain.seal(Entry(EventType.AUDIT, moment(), reason="x"), ORIGIN, 1, chain.GENESIS, DEVICE)

    assert is_valid("audit", json.loads(encode(event)))
    assert not is_valid(Topic.EVENT.name.lower(), json.loads(encode(event)))
