"""Whether what came down as a receipt is our district's word to this device. The broker is not trusted."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kiosk.uplink.errors import ReceiptError
from wire.attendance import MessageError, decode
from wire.chain import Receipt, is_signed_receipt

LARGEST_RECEIPT = 1024
"""Bytes. A receipt has about 350."""


def judged(raw: bytes, device: str, district_key: Ed25519PublicKey) -> Receipt:
    """Return the receipt in these bytes.

    Raises:
        ReceiptError: too long, not a receipt, another device's, or not signed by the district.
    """
    if len(raw) > LARGEST_RECEIPT:
        raise ReceiptError(f"a receipt of {len(raw)} bytes: at most {LARGEST_RECEIPT} are allowed")
    try:
        receipt = decode(raw, Receipt)
    except MessageError as error:
        raise ReceiptError(str(error)) from error
    if receipt.dev != device:
        raise ReceiptError(f"a receipt for another device than {device}")
    if not is_signed_receipt(receipt, district_key):
        raise ReceiptError(f"the receipt up to {receipt.upto_seq} is not signed by the district's key")
    return receipt
