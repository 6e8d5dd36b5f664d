"""The device's two secrets: the identity that signs its events, and the key that wraps people's keys.

On a Pi in service both come from where a copied card does not have them: the one-time programmable memory of the
processor, or a TPM. `FileKeys` keeps them in files, for laptops, demonstrations and pilots: whoever copies the card
then has them too, and can both read the references and sign as the terminal.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.core.faults import KioskError

KEY_BYTES = 32
"""Of an Ed25519 private key (RFC 8032) and of an AES-256 key alike."""


class BoardError(KioskError):
    """The board does not give what the kiosk needs."""


class KeyFileError(BoardError):
    """A key file cannot be used: unreadable, of the wrong length, or open to others."""


class Keys(Protocol):
    """Where the secrets come from."""

    @property
    def identity(self) -> Ed25519PrivateKey:
        """Signs this device's events and heads."""

    @property
    def sealing_key(self) -> bytes:
        """32 bytes; wraps people's keys."""


class FileKeys:
    """Both secrets as files of 32 raw bytes, made on first use."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            KeyFileError: a file or the folder cannot be used, or is open to others than its owner.
        """
        _make_folder(folder)
        self.identity = Ed25519PrivateKey.from_private_bytes(_secret(folder / "identity.key"))
        self.sealing_key = _secret(folder / "sealing.key")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyFileError(f"{folder}: {error.strerror}") from error
    _check_private(folder, 0o700)


def _secret(path: Path) -> bytes:
    """The key in the file; a new one if there is no file."""
    try:
        if not path.exists():
            _create(path)
        _check_private(path, 0o600)
        secret = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    if len(secret) != KEY_BYTES:
        raise KeyFileError(f"{path}: has {len(secret)} bytes, wanted {KEY_BYTES}")
    return secret


def _create(path: Path) -> None:
    """Whole or not at all, even if the power goes; never in place of a key that somebody else has just made."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_private(path: Path, wanted: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & ~wanted:
        raise KeyFileError(f"{path}: mode is {mode:04o}, wanted {wanted:04o} or less: others may read or change it")
