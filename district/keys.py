"""The district's signing key: one file that only its owner can read.

Whoever has this key can make terminals forget events that nobody holds. Its public half goes into every terminal's
configuration.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from district.errors import KeyFileError

FILE = "district.key"


def district_key(folder: Path) -> Ed25519PrivateKey:
    """Return the key in the folder; make folder and key on the first run.

    Raises:
        KeyFileError: others can read the file, or it is not an Ed25519 key.
    """
    path = folder / FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            key = Ed25519PrivateKey.generate()
            write_whole(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return _read(path)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error


def _read(path: Path) -> Ed25519PrivateKey:
    check_private(path)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{path}: is not a private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: is a key of another kind than Ed25519")
    return key


def check_private(path: Path) -> None:
    """Check that nobody but its owner can read a key's file.

    Raises:
        KeyFileError: others can.
        OSError: it cannot be looked at.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyFileError(f"{path}: mode {mode:04o}, wanted 0600: others can read it; run `chmod 600 {path}`")


def write_whole(path: Path, content: bytes) -> None:
    """Write the whole file or none, mode 0600, so that a power cut leaves no half key behind.

    Raises:
        OSError: it cannot be written.
    """
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
