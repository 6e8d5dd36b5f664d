"""How a terminal is, and what it is: the messages `up/state`, `up/health` and `up/birth`.

None is evidence: they are not signed, and anything that must hold is in the journal. The `state` is also the will,
which the broker speaks when the terminal falls silent; a will that belongs to an earlier start is recognised by `boot`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from wire.attendance import ClockQuality, Message

Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Status(StrEnum):
    """Whether people can use the terminal."""

    ONLINE = "online"
    DEGRADED = "degraded"
    """A fault takes a modality, or more; `faults` says which."""
    MAINTENANCE = "maintenance"
    """A technician is at work."""
    OFFLINE = "offline"


class State(Message, frozen=True, kw_only=True):
    """How the terminal is now."""

    v: int
    dev: str
    state: Status
    boot: str
    """The kernel's boot id at the time."""
    faults: tuple[str, ...] = ()
    """Codes of the faults that are present, ascending."""


class Part(StrEnum):
    """How a device of the terminal is."""

    OK = "ok"
    FAILED = "failed"
    ABSENT = "absent"
    """Not fitted, by the configuration."""


class Health(Message, frozen=True, kw_only=True):
    """The minute's figures. Sent once and not kept: the next one comes in a minute."""

    v: int
    dev: str
    boot: str
    t: str
    """UTC by the terminal's clock, whose worth `clk` tells."""
    clk: ClockQuality
    up_s: Count
    """Seconds since the program started."""
    queue: Count
    """Events that the district has not signed for."""
    oldest_s: Count | None = None
    """Age of the oldest of them, by the terminal's clock; absent: there are none."""
    disk_free_mb: Count
    """Megabytes (10^6 bytes) left for the journal."""
    temp_c: float | None = None
    """Of the processor; absent: it has no thermometer."""
    camera: Part
    sensor: Part
    """The fingerprint reader."""


class Model(Message, frozen=True, kw_only=True):
    """One recognition model in use."""

    name: str
    sha256: str
    licence: str
    """SPDX expression."""
    thr: float | None = None
    """The threshold in force, in the model's own units; None: the model judges nothing by itself."""


class Birth(Message, frozen=True, kw_only=True):
    """What the terminal is; said at every connection, and again when something in it changes."""

    v: int
    dev: str
    serial: str
    """The board's serial number."""
    unit: str
    key: str
    """The device's Ed25519 public key, 64 hexadecimal digits. A district trusts the one that it enrolled, not this."""
    boot: str
    software: str
    """Version of this program."""
    models: tuple[Model, ...]
    schemas: tuple[int, ...]
    """Versions of the message schema that it reads and writes."""
    capabilities: tuple[str, ...]
    """What it can do, e.g. `face`, `finger`, `receipt`."""
    tz: str
    """IANA name of the office's zone."""
    roster: str
    """Digest of the roster in force."""
    cfg: str
    """Digest of the configuration in force."""
    image: str | None = None
    """Digest of the system image; None: installed by hand."""
