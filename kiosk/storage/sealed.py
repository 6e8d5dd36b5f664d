"""A file of any length under AES-256-GCM, written and read in one pass and a little memory.

    header ⏎  chunk  chunk  …  last chunk

Each chunk is sealed by itself, bound to the header; its nonce is a random prefix, its number, and whether it is the
last (STREAM, Hoang et al. 2015). So nothing can be changed, swapped or cut off, and no nonce serves twice.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kiosk.storage.database import StorageError

CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
PREFIX_BYTES = 7


class SealError(StorageError):
    """It was changed or cut short, or the key is another."""


class Sealer:
    """A file object to write to; `close` writes the last chunk, without which nothing can be read."""

    def __init__(self, file: BinaryIO, key: bytes, header: bytes) -> None:
        self._file, self._cipher, self._header = file, AESGCM(key), header
        self._prefix = os.urandom(PREFIX_BYTES)
        self._rest = bytearray()
        self._number = 0
        file.write(self._prefix)

    def write(self, plain: bytes) -> int:
        """Seal what makes whole chunks; the rest waits."""
        self._rest += plain
        while len(self._rest) > CHUNK_BYTES:
            self._put(bytes(self._rest[:CHUNK_BYTES]), last=False)
            del self._rest[:CHUNK_BYTES]
        return len(plain)

    def close(self) -> None:
        """Seal the rest as the last chunk."""
        self._put(bytes(self._rest), last=True)

    def _put(self, plain: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._prefix, self._number, last=last), plain, self._header))
        self._number += 1


class Unsealer:
    """A file object to read from; gives nothing that was not verified."""

    def __init__(self, file: BinaryIO, key: bytes, header: bytes) -> None:
        self._file, self._cipher, self._header = file, AESGCM(key), header
        self._prefix = file.read(PREFIX_BYTES)
        self._ahead = file.read(CHUNK_BYTES + TAG_BYTES)
        self._opened = bytearray()
        self._number = 0

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer only at the end.

        Raises:
            SealError: a chunk was changed, or the end is missing, or the key is another.
        """
        while len(self._opened) < size and self._ahead:
            sealed, self._ahead = self._ahead, self._file.read(CHUNK_BYTES + TAG_BYTES)
            self._opened += self._open(sealed, last=not self._ahead)
        found = bytes(self._opened[:size])
        del self._opened[:size]
        return found

    def _open(self, sealed: bytes, *, last: bool) -> bytes:
        nonce = _nonce(self._prefix, self._number, last=last)
        self._number += 1
        try:
            return self._cipher.decrypt(nonce, sealed, self._header)
        except (InvalidTag, ValueError) as error:
            raise SealError("the recovery phrase is another, or the file was changed or cut short") from error


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    """12 bytes."""
    return prefix + struct.pack(">IB", number, last)
