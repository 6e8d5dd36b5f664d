"""The district's settings: one TOML file, each error naming file, place, value and rule.

The least that it needs is `name` and `directory` under `[district]`, and `host` under `[broker]`.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from district.errors import ConfigError
from wire.topics import IDENTIFIER

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class DistrictSettings(Section, frozen=True, kw_only=True):
    """Which district this is, and where it keeps what arrives."""

    name: Annotated[str, Meta(pattern=IDENTIFIER)]
    """As it stands in MQTT topics."""
    directory: Path
    """A folder for the key and the store; relative to the configuration file."""


class BrokerSettings(Section, frozen=True, kw_only=True):
    """The MQTT broker that the terminals send to."""

    host: Annotated[str, Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65535)] = 8883
    """8883 is MQTT over TLS."""
    ca_file: Path | None = None
    """The authority that signed the broker's certificate; only a broker on this machine may be spoken to without it."""
    certificate_file: Path | None = None
    key_file: Path | None = None
    shared: bool = False
    """Share the work with other ingests by `$share/ingest/…`; not every broker can."""
    client_id: Annotated[str, Meta(pattern="^[A-Za-z0-9-]{1,64}$")] = "district-ingest"
    """The broker keeps a session under this name; where the work is shared, each ingest needs its own."""

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK and self.ca_file is None:
            raise ValueError(
                f"host = {self.host!r}: expected `ca_file` with it, or events travel in the clear; "
                "only a broker on this machine needs none"
            )


class Settings(Section, frozen=True, kw_only=True):
    """The whole configuration."""

    district: DistrictSettings
    broker: BrokerSettings


def load(path: Path) -> Settings:
    """Return the settings in a TOML file; paths in it are relative to its folder.

    Raises:
        ConfigError: the file cannot be read, or a setting is unknown, missing, of a wrong type or out of its limits.
    """
    try:
        tables = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error

    def path_in_file(_kind: type, value: object) -> Path:
        if not isinstance(value, str):
            raise ValueError("expected a path in quotes")
        return path.parent / value

    try:
        return msgspec.convert(tables, Settings, dec_hook=path_in_file)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_placed(str(error), tables)}") from error


def _placed(complaint: str, tables: dict[str, Any]) -> str:
    """Return msgspec's complaint (`Expected … - at `$.broker.port``) with place and value before the rule."""
    rule, _, where = complaint.partition(" - at `$")
    keys = re.findall(r"\w+", where)
    value: Any = tables
    for key in keys:
        value = value[key]
    rule = (rule[:1].lower() + rule[1:]).replace("`int`", "whole number").replace("`str`", "text in quotes")
    place = f"[{keys[0]}] " if keys else ""
    return f"{place}{keys[1]} = {value!r}: {rule}" if keys[1:] else f"{place.strip()}: {rule}".lstrip(": ")
