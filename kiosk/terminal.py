"""Which terminal this is: its clock, its keys, what every event says of it, and what it says of itself."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from kiosk import __version__
from kiosk.board.clock import SystemClock
from kiosk.board.keys import FileKeys, Keys
from kiosk.config import Settings, UplinkSettings
from kiosk.core.ports import Camera, Clock
from kiosk.recognition.manifest import MODELS_FOLDER, Manifest, ModelFile, Role
from kiosk.sensors.camera import open_camera
from kiosk.sim.camera import SharedCamera, open_film
from kiosk.sim.clock import TurnedClock
from kiosk.storage.store import Owner
from kiosk.storage.upkeep import Limits
from kiosk.uplink.credentials import granted
from wire.attendance import VERSION, Origin
from wire.chain import public_hex, public_key
from wire.condition import Birth, Model

log = logging.getLogger(__name__)

SERIAL_NUMBER = Path("/proc/device-tree/serial-number")
"""The Pi's own, ended by a NUL; other machines have none."""
NOT_YET = ""
"""For the roster's digest, until storage has told it."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """One terminal, from its configuration."""

    settings: Settings
    clock: Clock
    keys: Keys
    models: tuple[ModelFile, ...]
    """The models that are there."""
    models_folder: Path
    uplink: UplinkSettings
    """With what the district granted in its place; `host` is empty until it has."""

    @classmethod
    def of(cls, settings: Settings, models_folder: Path = MODELS_FOLDER) -> Terminal:
        """Return the terminal; its keys are made on first use.

        Raises:
            KioskError: the keys or the manifest cannot be read.
        """
        models = tuple(each for each in Manifest.load().models if (models_folder / each.name).exists())
        keys = FileKeys(settings.storage.directory / "keys")
        return cls(settings, _clock(settings.clock.source), keys, models, models_folder, _granted(settings.uplink))

    @property
    def public_key(self) -> str:
        """What the district must know to verify this terminal's journal: 64 hexadecimal digits."""
        return public_hex(self.keys.identity)

    @property
    def district_key(self) -> str:
        """Whose receipts count: 64 hexadecimal digits; empty: nobody's yet."""
        return self.uplink.district_key

    def owner(self) -> Owner:
        """Whose data folder it is."""
        device, storage = self.settings.device, self.settings.storage
        origin = Origin(
            dev=device.id,
            unit=device.unit,
            tz=self.settings.schedule.zone,
            cfg=self.settings.digest(),
            roster=NOT_YET,
            model=self._models_digest(),
        )
        return Owner(
            storage.directory,
            origin,
            self.keys.identity,
            self.keys.sealing_key,
            public_key(self.district_key) if self.district_key else None,
            Limits(timedelta(days=storage.keep_days), storage.most_mb * 1_000_000),
        )

    def birth(self, roster: str = NOT_YET, face_threshold: float | None = None) -> Birth:
        """What the terminal says of itself to the district.

        Args:
            roster: digest of the roster in force.
            face_threshold: in force for the faces enrolled; None: they are not loaded yet.
        """
        owner = self.owner()
        return Birth(
            v=VERSION,
            dev=owner.origin.dev,
            serial=_serial_number(),
            unit=owner.origin.unit,
            key=self.public_key,
            boot=self.clock.read().boot,
            software=__version__,
            models=tuple(self._model(each, face_threshold) for each in self.models),
            schemas=(VERSION,),
            capabilities=tuple(sorted(self.settings.modalities())),
            tz=owner.origin.tz,
            roster=roster,
            cfg=owner.origin.cfg,
        )

    def open_camera(self) -> Camera:
        """Return the open camera that the settings name.

        Raises:
            CameraError: it cannot be opened.
        """
        kind, _, path = self.settings.camera.source.partition(":")
        match kind:
            case "sim":
                return SharedCamera(Path(path))
            case "film":
                return open_film(Path(path), self.settings.camera.frame_rate_hz)
            case _:
                return open_camera(self.settings.camera)

    def _model(self, model: ModelFile, face_threshold: float | None) -> Model:
        pads = dict.fromkeys((Role.PASSIVE_LIVENESS, Role.PASSIVE_LIVENESS_WIDE), self.settings.policy.pad_threshold)
        thresholds = {Role.EMBEDDER: face_threshold} | pads
        return Model(
            name=model.name, sha256=model.repaired_sha256, licence=model.licence, thr=thresholds.get(model.role)
        )

    def _models_digest(self) -> str:
        """Which models were in force: 16 hexadecimal digits, for every event's `model`."""
        return hashlib.sha256("".join(each.repaired_sha256 for each in self.models).encode()).hexdigest()[:16]


def _granted(uplink: UplinkSettings) -> UplinkSettings:
    """The settings with the files that they stand for."""
    if uplink.credentials is None:
        return uplink
    found = granted(uplink.credentials)
    if found is None:
        log.warning("the district has granted nothing yet: run `kiosk device request`; events wait on the card")
        return msgspec.structs.replace(uplink, host="")
    return msgspec.structs.replace(
        uplink,
        credentials=None,
        ca_file=found.ca_file,
        certificate_file=found.certificate_file,
        key_file=found.key_file,
        district_key=found.district_key,
    )


def _clock(source: str) -> Clock:
    kind, _, path = source.partition(":")
    return TurnedClock(Path(path)) if kind == "sim" else SystemClock()


def _serial_number() -> str:
    try:
        return SERIAL_NUMBER.read_text(encoding="ascii").rstrip("\0")
    except OSError:
        return ""
