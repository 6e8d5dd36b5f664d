"""What is promised: only our district's word about this device counts as a receipt, whatever the broker delivers."""

from __future__ import annotations

import msgspec
import pytest

from kiosk.uplink.errors import ReceiptError
from kiosk.uplink.receipts import LARGEST_RECEIPT, judged
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, ORIGIN, events, receipt
from wire.attendance import encode
from wire.chain import sign_receipt

GOOD = receipt(events(2)[1])
FOREIGN = sign_receipt(msgspec.structs.replace(GOOD, dev="another-01"), DISTRICT_KEY)


def test_the_districts_receipt_for_this_device_counts() -> None:
    assert judged(encode(GOOD), ORIGIN.dev, DISTRICT_KEY.public_key()) == GOOD


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (encode(sign_receipt(GOOD, DEVICE_KEY)), "not signed by the district"),
        (encode(msgspec.structs.replace(GOOD, upto_seq=3)), "not signed by the district"),
        (encode(msgspec.structs.replace(GOOD, sig="")), "not signed by the district"),
        (encode(FOREIGN), "another device"),
        (encode(GOOD) + b" ", "canonical"),
        (b"\xff\x00", "not a Receipt"),
        (b"", "not a Receipt"),
        (b"[" * LARGEST_RECEIPT, "not a Receipt"),
        (b" " * (LARGEST_RECEIPT + 1), "at most"),
        (encode(GOOD).replace(b'"upto_seq":2', b'"upto_seq":1e400'), "not a Receipt"),
        (encode(events(1)[0])[:LARGEST_RECEIPT], "not a Receipt"),
    ],
)
def test_anything_else_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(ReceiptError, match=why):
        judged(raw, ORIGIN.dev, DISTRICT_KEY.public_key())
