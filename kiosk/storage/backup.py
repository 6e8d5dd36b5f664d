"""A backup: keys, people and journal in one file that only the technician's recovery phrase opens.

What is restored on other hardware is the same device: the district knows its key. Its journal goes on far above every
number that the lost card can have used since the backup (`Journal.resume`), so no number is ever given twice.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from kiosk.storage.database import Database, StorageError
from kiosk.storage.files import whole_file
from kiosk.storage.phrase import SALT_BYTES, key_of
from kiosk.storage.sealed import Sealer, SealError, Unsealer
from wire.attendance import Message, MessageError, decode, encode

SECRETS = ("keys/identity.key", "keys/sealing.key")
DATABASES = (f"{Database.JOURNAL}.db", f"{Database.PEOPLE}.db")
LONGEST_HEADER = 1024


class BackupError(StorageError):
    """A file is not a backup, or cannot be written or read."""


class Header(Message, frozen=True, kw_only=True):
    """What a backup says before it is opened; it is bound to every chunk."""

    v: int
    kind: str
    dev: str
    t: str
    salt: str
    """Of the recovery phrase, 32 hexadecimal digits."""


def write_backup(path: Path, phrase: str, header: tuple[str, str], folder: Path, secrets: Mapping[str, bytes]) -> None:
    """Write a backup of a data folder whose databases are at rest.

    Args:
        header: the device, and the time by RFC 3339.
        secrets: the content of `SECRETS`.

    Raises:
        BackupError: it cannot be written.
    """
    salt = os.urandom(SALT_BYTES)
    first = encode(Header(v=1, kind="hadir-backup", dev=header[0], t=header[1], salt=salt.hex()))
    with _said(path), whole_file(path) as file:
        file.write(first + b"\n")
        sealer = Sealer(file, key_of(phrase, salt), first)
        with tarfile.open(fileobj=cast("BinaryIO", sealer), mode="w|") as archive:
            for name, content in secrets.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            for name in DATABASES:
                archive.add(folder / name, name)
        sealer.close()


def header_of(path: Path) -> Header:
    """Return what a backup says of itself.

    Raises:
        BackupError: it is not a backup, or cannot be read.
    """
    with _said(path), path.open("rb") as file:
        return _header(path, file.readline(LONGEST_HEADER))


def unpack(path: Path, phrase: str, into: Path) -> None:
    """Write what is in a backup into an empty folder, all of it verified.

    Raises:
        BackupError: it is not a backup, or cannot be read.
        SealError: the phrase is another, or the file was changed or cut short.
    """
    with _said(path), path.open("rb") as file:
        first = file.readline(LONGEST_HEADER)
        salt = bytes.fromhex(_header(path, first).salt)
        unsealer = Unsealer(file, key_of(phrase, salt), first[:-1])
        found = set()
        with tarfile.open(fileobj=cast("BinaryIO", unsealer), mode="r|") as archive:
            for member in archive:
                _unpack(archive, member, into)
                found.add(member.name)
        while unsealer.read(65536):  # to the last chunk, without which the file is cut short
            pass
        if found != {*SECRETS, *DATABASES}:
            raise BackupError(f"{path}: has {', '.join(sorted(found))}, wanted {', '.join((*SECRETS, *DATABASES))}")


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    """Nothing but plain files of known names: whoever has the phrase need not be a friend."""
    content = archive.extractfile(member) if member.name in {*SECRETS, *DATABASES} and member.isreg() else None
    if content is None:
        raise BackupError(f"the backup has {member.name!r}, which does not belong there")
    target = into / member.name
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while part := content.read(65536):
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _header(path: Path, line: bytes) -> Header:
    try:
        header = decode(line.removesuffix(b"\n"), Header)
        bytes.fromhex(header.salt)
    except (MessageError, ValueError) as error:
        raise BackupError(f"{path}: is not a backup: {error}") from error
    return header


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except SealError as error:
        raise SealError(f"{path}: {error}") from error
    except (OSError, tarfile.TarError) as error:
        raise BackupError(f"{path}: {error}") from error
