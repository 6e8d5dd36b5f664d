"""MQTT topics, their direction, retention and quality of service: one table.

Every topic stands under `hadir/v1/{district}/{device}/`. A broker's rules follow from the first level below the device:
a kiosk writes only `up/#` and reads only `dn/#`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ROOT = "hadir/v1"
IDENTIFIER = r"^[a-z0-9-]{1,32}(?!\n)$"
"""Names of districts and devices. To Python, `$` alone also fits before a line feed at the end."""


class Topic(StrEnum):
    """The last two levels of a topic."""

    STATE = "up/state"
    BIRTH = "up/birth"
    HEAD = "up/head"
    EVENT = "up/event"
    BATCH = "up/batch"
    AUDIT = "up/audit"
    HEALTH = "up/health"
    RESULT = "up/result"
    RECEIPT = "dn/receipt"
    COMMAND = "dn/command"
    CONFIG = "dn/config"
    ROSTER = "dn/roster"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a topic's messages are sent."""

    qos: int
    retain: bool
    expiry_s: int | None = None
    """Seconds after which a broker that speaks MQTT 5 may drop it; MQTT 3.1.1, as we speak it, carries none."""


DELIVERY: dict[Topic, Delivery] = {
    Topic.STATE: Delivery(qos=1, retain=True),
    Topic.BIRTH: Delivery(qos=1, retain=True),
    Topic.HEAD: Delivery(qos=1, retain=True),
    Topic.EVENT: Delivery(qos=1, retain=False),
    Topic.BATCH: Delivery(qos=1, retain=False),
    Topic.AUDIT: Delivery(qos=1, retain=False),
    Topic.HEALTH: Delivery(qos=0, retain=False),
    Topic.RESULT: Delivery(qos=1, retain=False),
    Topic.RECEIPT: Delivery(qos=1, retain=False),
    Topic.COMMAND: Delivery(qos=1, retain=False, expiry_s=3600),
    Topic.CONFIG: Delivery(qos=1, retain=True),
    Topic.ROSTER: Delivery(qos=1, retain=True),
}


@dataclass(frozen=True, slots=True)
class Address:
    """Whose topic it is, and which."""

    district: str
    device: str
    topic: Topic

    def __str__(self) -> str:
        return f"{ROOT}/{self.district}/{self.device}/{self.topic.value}"


def parse(name: str) -> Address | None:
    """Return the address that a topic's name spells; None if it is none of ours."""
    levels = name.split("/")
    if len(levels) != 6 or "/".join(levels[:2]) != ROOT or not all(levels[2:4]):
        return None
    try:
        return Address(levels[2], levels[3], Topic("/".join(levels[4:])))
    except ValueError:
        return None
