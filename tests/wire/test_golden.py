"""The bytes, hashes and signatures of the contract never change by accident.

`golden/vectors.json` is reviewed like code: a difference is a new schema version, or a mistake.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, ORIGIN, events, head, moment, receipt
from wire import chain
from wire.attendance import Entry, Event, EventType, Message, Mode, decode, encode
from wire.chain import Head, Receipt

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("golden").joinpath("vectors.json").read_text("utf-8"))


def messages() -> dict[str, Message]:
    """What the vectors are made of."""
    first, second = events(2)
    refusal = Entry(EventType.AUDIT, moment(200.0), mode=Mode.FINGER, score=12.0, thr=50.0, reason="unknown")
    audit = chain.seal(refusal, ORIGIN, 3, second.hash, DEVICE_KEY)
    return {"arrival": first, "next": second, "refusal": audit, "head": head(audit), "receipt": receipt(audit)}


@pytest.mark.parametrize("name", messages())
def test_a_message_has_the_published_bytes(name: str) -> None:
    assert encode(messages()[name]).decode() == VECTORS["messages"][name]


def test_the_published_chain_verifies_with_the_published_key() -> None:
    key = chain.public_key(VECTORS["device_key"])
    published = [decode(VECTORS["messages"][name].encode(), Event) for name in ("arrival", "next", "refusal")]

    assert [event.seq for event in chain.verify(published, key)] == [1, 2, 3]


def test_the_published_head_and_receipt_are_signed() -> None:
    found_head = decode(VECTORS["messages"]["head"].encode(), Head)
    found_receipt = decode(VECTORS["messages"]["receipt"].encode(), Receipt)

    assert chain.is_signed_head(found_head, chain.public_key(VECTORS["device_key"]))
    assert chain.is_signed_receipt(found_receipt, chain.public_key(VECTORS["district_key"]))


def test_the_published_keys_are_the_public_halves() -> None:
    assert VECTORS["device_key"] == chain.public_hex(DEVICE_KEY)
    assert VECTORS["district_key"] == chain.public_hex(DISTRICT_KEY)
