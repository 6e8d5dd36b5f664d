"""Every setting as a typed field, with its limits, default and reason; and `load`, whose errors name their place.

One TOML file; a table a section, a key a field. Only what differs from the defaults need be in it. What is wrong is
said as `kiosk.toml: [camera] frame_rate_hz = 240: expected whole number <= 60`: file, place, value, rule.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from datetime import date, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from kiosk.core.biometrics import FACE_FPIR, FACE_THRESHOLD, TURNS, Action, Liveness, Modality, Policy
from kiosk.core.faults import KioskError
from kiosk.core.schedule import DayRule, Schedule
from wire.chain import public_key

LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
"""It becomes a level of MQTT topics and the CN of a certificate."""


WORDS = {
    "`int`": "whole number",
    "`float`": "number",
    "`bool`": "true or false",
    "`array`": "list",
    "`object`": "table",
    "`str` matching regex '^[a-z0-9-]{1,32}\\\\Z'": "1 to 32 of a-z, 0-9 and '-'",
    "`str`": "text in quotes",
    "Invalid RFC3339 encoded time": "expected a time without quotes, e.g. 07:30:00",
    "Invalid RFC3339 encoded date": "expected a date without quotes, e.g. 2027-02-08",
}
"""msgspec's words, and a technician's."""


class ConfigError(KioskError):
    """The configuration cannot be used; the message names file, place, value and rule."""


class Language(StrEnum):
    """Languages of the screen, by ISO 639-1 code."""

    INDONESIAN = "id"
    ENGLISH = "en"


class Weekday(StrEnum):
    """Days as the configuration spells them, in the order of `date.weekday`."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file."""


class DeviceSettings(Section, frozen=True, kw_only=True):
    """Which terminal this is."""

    id: Identifier
    """Its name for ever: MQTT client id, certificate CN, `dev` of every event."""
    unit: Identifier
    """The office it stands in."""
    district: Identifier


class HoursSettings(Section, frozen=True, kw_only=True):
    """The hours of some weekdays; without `arrival` and `departure`, days off. The last that names a day counts."""

    days: Annotated[tuple[Weekday, ...], Meta(min_length=1)]
    arrival: time | None = None
    """The latest that is on time, local: `07:30:00`."""
    departure: time | None = None
    """The earliest that is not early, local."""
    first: date = date.min
    """The first date it holds, e.g. of Ramadan or a holiday."""
    last: date = date.max

    def __post_init__(self) -> None:
        if (self.arrival is None) != (self.departure is None):
            raise ValueError("expected both arrival and departure, or neither on a day off")
        if any(at is not None and at.tzinfo is not None for at in (self.arrival, self.departure)):
            raise ValueError("expected local times without Z or offset: the zone is the schedule's")
        if self.arrival and self.departure and self.arrival >= self.departure:
            raise ValueError("expected arrival before departure")
        if self.first > self.last:
            raise ValueError("expected first not after last")

    def to_rule(self) -> DayRule:
        """What the core reads the clock by."""
        weekdays = frozenset(list(Weekday).index(day) for day in self.days)
        return DayRule(weekdays, self.arrival, self.departure, self.first, self.last)


class ScheduleSettings(Section, frozen=True, kw_only=True):
    """The office's hours."""

    zone: str = "Asia/Jakarta"
    """IANA name: Asia/Jakarta is WIB, Asia/Makassar WITA, Asia/Jayapura WIT."""
    hours: tuple[HoursSettings, ...] = ()

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f'zone = "{self.zone}": expected the IANA name of a zone') from error


class StorageSettings(Section, frozen=True, kw_only=True):
    """Where the journal, the roster and the keys are."""

    directory: Path
    """A folder on the card that survives a power cut; relative to the configuration file."""
    keep_days: Annotated[int, Meta(ge=30, le=36_500)] = 730
    """How long events stay on the card that the district has signed for; two years, for a yearly recap may be disputed.
    Nothing else is ever pruned. Where room is short they go early."""
    most_mb: Annotated[int, Meta(ge=50, le=1_000_000)] = 1000
    """How large the journal may grow. A million events take about 520 MB."""


class CameraSettings(Section, frozen=True, kw_only=True):
    """The camera."""

    source: Annotated[str, Meta(pattern=r"^(picamera2|none|usb:[0-9]+|(sim|film):.+)\Z")] = "picamera2"
    """`usb:N` is /dev/videoN; `sim:FILE` a simulated camera's shared pictures; `film:FILE` plays a film."""
    frame_rate_hz: Annotated[int, Meta(ge=5, le=60)] = 15
    """15: recognition uses about ten frames a second on a Pi 4, and exposure may then last 66 ms in a dim hall."""


class FingerprintSettings(Section, frozen=True, kw_only=True):
    """The R307 on its serial port."""

    port: str = "/dev/serial0"
    """A serial device, or `none`."""
    baud: Annotated[int, Meta(ge=9600, le=115200, multiple_of=9600)] = 57600
    """57600 is the R307's factory setting."""
    password: Annotated[int, Meta(ge=0, le=0xFFFFFFFF)] = 0
    """The reader's own password; 0 is its factory setting."""
    security_level: Annotated[int, Meta(ge=1, le=5)] = 3
    """The reader's own, 1 (lenient) to 5 (strict); 3 is its factory setting."""


class DisplaySettings(Section, frozen=True, kw_only=True):
    """The screen."""

    width_px: Annotated[int, Meta(ge=480, le=1920)] = 1024
    height_px: Annotated[int, Meta(ge=480, le=1200)] = 600
    language: Language = Language.INDONESIAN
    fullscreen: bool = True
    office: Annotated[str, Meta(max_length=60, pattern=r"^[^\x00-\x1f\x7f]*\Z")] = ""
    """The office's name as people read it."""


class UplinkSettings(Section, frozen=True, kw_only=True):
    """The way to the district."""

    host: str = ""
    """The broker's address; empty: no uplink, events wait on the card."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 8883
    """8883 is MQTT over TLS."""
    credentials: Path | None = None
    """A folder for what `kiosk device accept` takes from the district, in place of the four settings that follow."""
    ca_file: Path | None = None
    """The authority that signed the broker's certificate; without it the connection is not encrypted."""
    certificate_file: Path | None = None
    key_file: Path | None = None
    district_key: str = ""
    """The district's Ed25519 public key; only receipts signed by it count."""
    window: Annotated[int, Meta(ge=1, le=1000)] = 20
    """Messages on their way at once."""
    batch: Annotated[int, Meta(ge=1, le=100)] = 100
    """Events in one message of what waited offline (CONTRACT: up to 100)."""

    def __post_init__(self) -> None:
        if self.credentials is not None:
            by_hand = (self.ca_file, self.certificate_file, self.key_file, self.district_key or None)
            if any(given is not None for given in by_hand):
                raise ValueError(
                    "credentials: expected either these or ca_file, certificate_file, key_file, district_key"
                )
            return
        if self.host and not self.district_key:
            raise ValueError("district_key: expected where there is a host, or no receipt counts")
        if self.district_key:
            try:
                public_key(self.district_key)
            except ValueError as error:
                raise ValueError(f"district_key: {error}; `district key` prints it") from error
        if self.host not in LOOPBACK and self.ca_file is None:
            raise ValueError(
                "ca_file: expected, or events travel in the clear; only a broker on this machine needs none"
            )


class ClockSettings(Section, frozen=True, kw_only=True):
    """Where the time comes from."""

    source: Annotated[str, Meta(pattern=r"^(system|sim:.+)\Z")] = "system"
    """`sim:FILE` is a clock that a demonstration turns."""


class PolicySettings(Section, frozen=True, kw_only=True):
    """What an acceptance needs; `kiosk.core.biometrics.Policy` says what each does."""

    face_fpir: Annotated[float, Meta(ge=0.00001, le=0.01)] = FACE_FPIR
    """The share of strangers that may be taken for somebody. The threshold in force follows from it, from how many
    people are enrolled, and from how alike they are (ADR 11)."""
    face_threshold: Annotated[float, Meta(ge=0.4, le=0.95)] = FACE_THRESHOLD
    """Cosine; the threshold in force never falls below it. 0.44 is what a hundred people need; a small office, whose
    people are too few to be compared with one another, gets it as well."""
    face_margin: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.05
    """The best candidate must lead the second person by this much, else the finger is asked for: for relatives."""
    frames_per_visit: Annotated[int, Meta(ge=1, le=10)] = 3
    liveness: Liveness = Liveness.PASSIVE
    """`passive+challenge` challenges everybody whom the model lets pass; `passive` nobody, while the model is there."""
    pad_threshold: Annotated[float, Meta(ge=0.3, le=0.99)] = 0.5
    challenge_actions: Annotated[tuple[Action, ...], Meta(min_length=1)] = (Action.TURN_LEFT, Action.TURN_RIGHT)
    """`blink` and `come_closer` can be added; how well they tell a head from a picture is not known (ADR 12)."""
    challenge_length: Annotated[int, Meta(ge=1, le=4)] = 2
    """Actions in a row. A film of one row passes once in 2 (1), 4 (2), 8 (3) or 16 (4) times, with turns alone."""
    lock_after: Annotated[int, Meta(ge=1, le=20)] = 3
    """So many attacks within `lock_within_s` lock the face, or the finger; the next, for longer (ADR 13)."""
    lock_within_s: Annotated[float, Meta(ge=30, le=86_400)] = 600.0
    lock_s: Annotated[float, Meta(ge=5, le=3600)] = 30.0
    """The first lock; each one after it is twice as long, up to the longest."""
    longest_lock_s: Annotated[float, Meta(ge=30, le=86_400)] = 3600.0
    """So long without an attack, and the next lock is a first one again."""
    repeat_within_s: Annotated[float, Meta(ge=10, le=3600)] = 300.0
    """Two taps of a person within this time are one."""
    greet_s: Annotated[float, Meta(ge=0.2, le=10)] = 3.0
    refuse_s: Annotated[float, Meta(ge=0.2, le=15)] = 4.0

    def __post_init__(self) -> None:
        if len(set(self.challenge_actions)) < len(self.challenge_actions):
            raise ValueError("challenge_actions: expected each action once")
        if not TURNS & set(self.challenge_actions):
            raise ValueError(
                "challenge_actions: expected turn_left or turn_right, which alone tell a head from a plane"
            )
        if self.lock_s > self.longest_lock_s:
            raise ValueError("lock_s: expected at most longest_lock_s")


class Settings(Section, frozen=True, kw_only=True):
    """The whole configuration."""

    device: DeviceSettings
    schedule: ScheduleSettings = ScheduleSettings()
    storage: StorageSettings
    camera: CameraSettings = CameraSettings()
    fingerprint: FingerprintSettings = FingerprintSettings()
    display: DisplaySettings = DisplaySettings()
    uplink: UplinkSettings = UplinkSettings()
    clock: ClockSettings = ClockSettings()
    policy: PolicySettings = PolicySettings()

    def __post_init__(self) -> None:
        if self.policy.liveness is Liveness.OFF and not self.camera.source.startswith(("sim:", "film:")):
            raise ValueError('[policy] liveness = "off": only with a simulated camera, never on a terminal')
        if not self.modalities():
            raise ValueError("[camera] source and [fingerprint] port are both none: nobody could be recognised")

    def modalities(self) -> frozenset[Modality]:
        """What this terminal has."""
        present = {Modality.FACE: self.camera.source, Modality.FINGER: self.fingerprint.port}
        return frozenset(modality for modality, device in present.items() if device != "none")

    def to_policy(self) -> Policy:
        """What the core judges by."""
        rules = tuple(hours.to_rule() for hours in self.schedule.hours)
        schedule = Schedule(self.schedule.zone, rules)
        return Policy(schedule=schedule, modalities=self.modalities(), **msgspec.structs.asdict(self.policy))

    def digest(self) -> str:
        """Which rules were in force: 16 hexadecimal digits over all that judges a tap, for every event's `cfg`."""
        judges = (self.schedule, self.policy, self.fingerprint.security_level, sorted(self.modalities()))
        return hashlib.sha256(msgspec.json.encode(judges)).hexdigest()[:16]


def load(path: Path) -> Settings:
    """Return the settings in a TOML file; paths in it are relative to its folder.

    Raises:
        ConfigError: the file cannot be read, or a setting is unknown, missing, of a wrong type or out of its limits.
    """
    try:
        tables = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error

    def path_in_file(kind: type, value: object) -> Path:
        if kind is not Path or not isinstance(value, str) or "\0" in value:
            raise ValueError(f"expected a {kind.__name__.lower()} in quotes")
        return path.parent / value

    try:
        return msgspec.convert(tables, Settings, dec_hook=path_in_file)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_placed(str(error), tables)}") from error


def _placed(complaint: str, tables: dict[str, Any]) -> str:
    """Return msgspec's complaint (`Expected … - at `$.camera.frame_rate_hz``) with place and value before the rule."""
    rule, _, where = complaint.partition(" - at `$")
    keys = re.findall(r"\w+", where)
    value: Any = tables
    for key in keys:
        value = value[int(key) if isinstance(value, list) else key]
    if rule.startswith("Invalid enum value"):
        rule = f"expected one of {', '.join(_choices(keys))}"
    for found, word in WORDS.items():
        rule = rule.replace(found, word)
    rule = rule[:1].lower() + rule[1:]
    place = f"[{keys[0]}]" if keys else ""
    return f"{place} {'.'.join(keys[1:])} = {value!r}: {rule}" if keys[1:] else f"{place}: {rule}".lstrip(": ")


def _choices(keys: list[str]) -> list[str]:
    """The values that the enumeration at this place has."""
    kind: Any = Settings
    for key in keys:
        kind = get_type_hints(kind)[key] if not key.isdigit() else kind
        kind = get_args(kind)[0] if get_origin(kind) is tuple else kind
    return [member.value for member in kind]
