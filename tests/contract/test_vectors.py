"""The published vectors mean what they say, to a stranger with the published files and to `wire` alike.

A difference to the committed files is a new schema version, or a mistake: `make contract`, then look at `git diff`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scripts.contract.__main__ import files
from scripts.contract.schemas import KINDS
from tests.contract.stranger import FOLDER, NAMES, SIGNER, first_failing, public, vectors
from wire import chain
from wire.attendance import ClockQuality, ClockSource, Event, MessageError, Moment, decode, encode, parse_rfc3339
from wire.chain import ChainError, Head, Receipt
from wire.commands import Command, Result, is_signed_command, is_signed_result, refusal

KIND = {topic.value.partition("/")[2]: kind for topic, kind in KINDS.items()}
GOOD = [(name, each) for name in NAMES for each in vectors(name)["good"]]
BAD = [(name, each) for name in NAMES for each in vectors(name)["bad"]]
CHAINS = vectors("chains")
JUDGED = vectors("command")["judged"]
UNSEEN_BY_DECODING = {"name", "hash", "signature"}


def title(found: Any) -> str:
    return found["name"].replace(" ", "-") if isinstance(found, dict) else str(found)


def test_what_is_published_is_what_the_code_makes() -> None:
    made = files()
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.json")}

    assert there == set(made)
    assert {path for path in made if (FOLDER / path).read_text("utf-8") != made[path]} == set(), "run `make contract`"


def test_every_schema_has_vectors_that_are_good_and_some_that_are_bad() -> None:
    assert sorted(KIND) == NAMES
    assert all(vectors(name)["good"] and vectors(name)["bad"] for name in NAMES)


def test_the_keys_are_made_from_their_seeds() -> None:
    for who, key in vectors("keys")["keys"].items():
        secret = hashlib.sha256(key["seed"].encode()).digest()

        assert secret.hex() == key["secret"]
        assert Ed25519PrivateKey.from_private_bytes(secret).public_key() == public(who)


@pytest.mark.parametrize(("name", "vector"), GOOD, ids=title)
def test_a_good_message_passes_every_check_of_a_stranger(name: str, vector: dict[str, Any]) -> None:
    assert first_failing(name, vector["message"].encode()) is None


@pytest.mark.parametrize(("name", "vector"), BAD, ids=title)
def test_a_bad_message_fails_the_check_that_is_named(name: str, vector: dict[str, Any]) -> None:
    assert first_failing(name, vector["message"].encode()) == vector["fails"]


@pytest.mark.parametrize(("name", "vector"), GOOD, ids=title)
def test_a_good_message_is_read_and_written_the_same_by_this_program(name: str, vector: dict[str, Any]) -> None:
    raw = vector["message"].encode()

    assert encode(decode(raw, KIND[name])) == raw


@pytest.mark.parametrize(("name", "vector"), BAD, ids=title)
def test_a_bad_message_is_refused_by_this_program(name: str, vector: dict[str, Any]) -> None:
    if vector["fails"] in UNSEEN_BY_DECODING:
        assert not is_authentic(decode(vector["message"].encode(), KIND[name]))
    elif vector["fails"] != "schema":
        with pytest.raises(MessageError):
            decode(vector["message"].encode(), KIND[name])


@pytest.mark.parametrize(("name", "vector"), [each for each in GOOD if each[0] in SIGNER], ids=title)
def test_what_was_signed_is_shown_byte_for_byte(name: str, vector: dict[str, Any]) -> None:
    signed = bytes.fromhex(vector["signed_hex"])
    if "hashed" in vector:
        assert hashlib.sha256(vector["hashed"].encode()).hexdigest() == vector["hash"]
        assert signed == b"hadir/v1/event\n" + bytes.fromhex(vector["hash"])

    public(vector["key"]).verify(bytes.fromhex(vector["sig"]), signed)
    assert json.loads(vector["message"])["sig"] == vector["sig"]
    assert is_authentic(decode(vector["message"].encode(), KIND[name]))


@pytest.mark.parametrize("vector", CHAINS, ids=title)
def test_a_chain_breaks_where_it_is_said_to(vector: dict[str, Any]) -> None:
    events = [decode(raw.encode(), Event) for raw in vector["messages"]]

    try:
        list(chain.verify(events, public("device")))
        broken_at = None
    except ChainError as error:
        broken_at = error.seq
    assert broken_at == vector["breaks_at"]


@pytest.mark.parametrize("vector", JUDGED, ids=title)
def test_a_command_is_judged_as_it_is_said_to_be(vector: dict[str, Any]) -> None:
    clk = ClockQuality(ClockSource.NETWORK, 12, ok=vector["clock_believed"])
    now = Moment(parse_rfc3339(vector["now"]), "boot", 0, clk)
    command = decode(vector["message"].encode(), Command)

    assert refusal(command, vector["device"], public("district"), now) == vector["refusal"]


def is_authentic(message: msgspec.Struct) -> bool:
    """Whether `wire` finds the right signature under it."""
    match message:
        case Event():
            try:
                chain.verify_event(message, public("device"))
            except ChainError:
                return False
            return True
        case Head():
            return chain.is_signed_head(message, public("device"))
        case Receipt():
            return chain.is_signed_receipt(message, public("district"))
        case Command():
            return is_signed_command(message, public("district"))
        case Result():
            return is_signed_result(message, public("device"))
    raise AssertionError(f"{type(message).__name__} is not signed")
