"""Which terminal this is: its clock, its keys, what every event says of it, and what it says of itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from kiosk import __version__
from kiosk.board.clock import SystemClock
from kiosk.board.keys import FileKeys, Keys
from kiosk.config import Settings
from kiosk.core.ports import Camera, Clock
from kiosk.recognition.manifest import MODELS_FOLDER, Manifest, ModelFile, Role
from kiosk.sensors.camera import open_camera
from kiosk.sim.camera import SharedCamera, open_film
from kiosk.sim.clock import TurnedClock
from kiosk.storage.store import Owner
from wire.attendance import VERSION, Origin
from wire.chain import public_hex, public_key
from wire.condition import Birth, Model

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

    @classmethod
    def of(cls, settings: Settings, models_folder: Path = MODELS_FOLDER) -> Terminal:
        """Return the terminal; its keys are made on first use.

        Raises:
            KioskError: the keys or the manifest cannot be read.
        """
        models = tuple(each for each in Manifest.load().models if (models_folder / each.name).exists())
        keys = FileKeys(settings.storage.directory / "keys")
        return cls(settings, _clock(settings.clock.source), keys, models, models_folder)

    @property
    def public_key(self) -> str:
        """What the district must know to verify this terminal's journal: 64 hexadecimal digits."""
        return public_hex(self.keys.identity)

    def owner(self) -> Owner:
        """Whose data folder it is."""
        device = self.settings.device
        origin = Origin(
            dev=device.id,
            unit=device.unit,
            tz=self.settings.schedule.zone,
            cfg=self.settings.digest(),
            roster=NOT_YET,
            model=self._models_digest(),
        )
        district_key = self.settings.uplink.district_key
        return Owner(
            self.settings.storage.directory,
            origin,
            self.keys.identity,
            self.keys.sealing_key,
            public_key(district_key) if district_key else None,
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
        thresholds = {Role.EMBEDDER: face_threshold, Role.PASSIVE_LIVENESS: self.settings.policy.pad_threshold}
        return Model(
            name=model.name, sha256=model.repaired_sha256, licence=model.licence, thr=thresholds.get(model.role)
        )

    def _models_digest(self) -> str:
        """Which models were in force: 16 hexadecimal digits, for every event's `model`."""
        return hashlib.sha256("".join(each.repaired_sha256 for each in self.models).encode()).hexdigest()[:16]


def _clock(source: str) -> Clock:
    kind, _, path = source.partition(":")
    return TurnedClock(Path(path)) if kind == "sim" else SystemClock()


def _serial_number() -> str:
    try:
        return SERIAL_NUMBER.read_text(encoding="ascii").rstrip("\0")
    except OSError:
        return ""
