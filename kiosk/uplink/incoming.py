"""What comes down from the broker, which is not trusted: read with a limit, and never believed.

Whether a receipt is our district's word about our journal is judged where the journal is, by
`kiosk.storage.journal.Journal.acknowledge`, which also owns the fault. Here only what cannot be one is dropped.
"""

from __future__ import annotations

import logging

from wire.attendance import MessageError, decode
from wire.chain import Receipt
from wire.topics import Topic

log = logging.getLogger(__name__)

LARGEST_RECEIPT = 1024
"""Bytes. A receipt has about 350."""


class Incoming:
    """Reads what comes down; says once a topic what it had to drop."""

    def __init__(self) -> None:
        self._dropped: set[Topic] = set()

    def receipt(self, topic: Topic, raw: bytes) -> Receipt | None:
        """Return what may be a receipt; None: it is something else, and was dropped."""
        try:
            return _receipt(topic, raw)
        except MessageError as error:
            self._drop(topic, error)
            return None

    def _drop(self, topic: Topic, why: MessageError) -> None:
        if topic not in self._dropped:
            self._dropped.add(topic)
            log.warning("uplink: %s came down and was dropped: %s; said once", topic, why)


def _receipt(topic: Topic, raw: bytes) -> Receipt:
    if topic is not Topic.RECEIPT:
        raise MessageError(f"{len(raw)} bytes, not supported yet")
    if len(raw) > LARGEST_RECEIPT:
        raise MessageError(f"a receipt of {len(raw)} bytes: at most {LARGEST_RECEIPT} are taken")
    return decode(raw, Receipt)
