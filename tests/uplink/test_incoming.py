"""What is promised: whatever the broker delivers, only what has the form of a receipt is handed on, and the log says
once a topic what was dropped. Whose word it is, the journal judges.
"""

from __future__ import annotations

import msgspec
import pytest

from kiosk.uplink.incoming import LARGEST_RECEIPT, Incoming
from tests.wire.examples import events, receipt
from wire.attendance import encode
from wire.topics import Topic

GOOD = receipt(events(2)[1])


@pytest.mark.parametrize("signed", [GOOD, msgspec.structs.replace(GOOD, sig="")], ids=["signed", "not signed"])
def test_what_has_the_form_of_a_receipt_is_handed_on(signed: object) -> None:
    assert Incoming().receipt(Topic.RECEIPT, encode(signed)) == signed  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("topic", "raw", "why"),
    [
        (Topic.RECEIPT, encode(GOOD) + b" ", "canonical"),
        (Topic.RECEIPT, b"\xff\x00", "not a Receipt"),
        (Topic.RECEIPT, b"", "not a Receipt"),
        (Topic.RECEIPT, b"[" * LARGEST_RECEIPT, "not a Receipt"),
        (Topic.RECEIPT, b" " * (LARGEST_RECEIPT + 1), "at most"),
        (Topic.RECEIPT, encode(GOOD).replace(b'"upto_seq":2', b'"upto_seq":1e400'), "not a Receipt"),
        (Topic.RECEIPT, encode(events(1)[0])[:LARGEST_RECEIPT], "not a Receipt"),
        (Topic.COMMAND, encode(GOOD), "not supported yet"),
    ],
)
def test_anything_else_is_dropped_and_said_once(
    caplog: pytest.LogCaptureFixture, topic: Topic, raw: bytes, why: str
) -> None:
    incoming = Incoming()

    assert [incoming.receipt(topic, raw) for _ in range(3)] == 3 * [None]
    assert [why in record.message for record in caplog.records] == [True]
