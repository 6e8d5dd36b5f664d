"""The roster and the biometric references, sealed under one key a person.

    sealing key (the device's, never on this card in production)
        └─ wraps ─▶ person's key ─ seals ─▶ name, each template, each kept picture   AES-256-GCM throughout

To erase a person is to destroy their wrapped key: copies of the rest that a flash card may keep in blocks out of reach
are then noise. What is sealed is bound to whose it is and to what it is, so no row can be passed off as another's.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kiosk.core.biometrics import FaceReference, FingerReference, Modality, Person, References
from kiosk.storage.database import Database, PeopleBrokenError, scrub_wal, storage_errors, transaction
from wire.attendance import parse_rfc3339, rfc3339
from wire.canonical import canonical

CONTEXT = "hadir/v1/people"
NONCE_BYTES = 12
"""NIST SP 800-38D, 8.2: 96 bits. Random is enough: a key seals a dozen things, each once."""

_Opened = tuple[str, str, str, bytes]
"""Whose, modality, label, template."""


class WrongSealingKeyError(PeopleBrokenError):
    """The roster is whole, and sealed by another device's key."""


PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class KeptPictures:
    """Aligned pictures of a face, kept because the person agreed to that too."""

    consent: datetime
    """When they agreed to the keeping, aware."""
    files: tuple[bytes, ...]
    """As `kiosk.recognition.enrolment.kept_picture` makes them."""


class People:
    """Who is enrolled. Belongs to the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection, sealing_key: bytes) -> None:
        """
        Args:
            sealing_key: 32 bytes, the device's.
        """
        self._connection = connection
        self._sealing = AESGCM(sealing_key)

    @storage_errors(Database.PEOPLE, "people.db")
    def enrol(
        self, person: Person, references: References, consent: datetime, kept: KeptPictures | None = None
    ) -> None:
        """Store a person and their references, in place of what was stored of them before.

        Args:
            consent: when the person agreed, aware.
            kept: the pictures to keep; None: none, and those that were kept go.

        Raises:
            ValueError: a reference is another person's.
        """
        pids = {face.pid for face in references.faces} | {finger.pid for finger in references.fingers}
        if pids - {person.pid}:
            raise ValueError("a reference is of another person than the one to enrol")
        key = AESGCM.generate_key(256)
        own = AESGCM(key)
        wrapped = _seal(self._sealing, key, "key", person.pid)
        name = _seal(own, person.name.encode(), "name", person.pid)
        sealed = [
            (person.pid, modality, label, _seal(own, template, modality, person.pid, label))
            for modality, label, template in _labelled(references)
        ]
        with transaction(self._connection):
            self._connection.execute("DELETE FROM person WHERE pid = ?", (person.pid,))
            self._connection.execute(
                "INSERT INTO person VALUES (?, ?, ?, ?)", (person.pid, rfc3339(consent), wrapped, name)
            )
            self._connection.executemany(
                "INSERT INTO reference (pid, modality, label, sealed_template) VALUES (?, ?, ?, ?)", sealed
            )
            if kept is not None:
                self._keep(person.pid, own, kept)

    def _keep(self, pid: str, own: AESGCM, kept: KeptPictures) -> None:
        self._connection.execute("INSERT INTO picture_consent VALUES (?, ?)", (pid, rfc3339(kept.consent)))
        self._connection.executemany(
            "INSERT INTO picture (pid, sealed_picture) VALUES (?, ?)",
            [(pid, _seal(own, file, PICTURE, pid)) for file in kept.files],
        )

    @storage_errors(Database.PEOPLE, "people.db")
    def erase(self, pid: str) -> bool:
        """Destroy a person's key and all that it sealed; False: nobody of that pid was enrolled.

        Raises:
            StorageError: what is gone from the database could not be removed from its write-ahead log.
        """
        with transaction(self._connection):
            erased = self._connection.execute("DELETE FROM person WHERE pid = ?", (pid,)).rowcount
        scrub_wal(self._connection)
        return erased > 0

    @storage_errors(Database.PEOPLE, "people.db")
    def people(self) -> tuple[Person, ...]:
        """Everybody, by pid.

        Raises:
            PeopleBrokenError: a row was changed, or sealed by another device's key.
        """
        rows = self._connection.execute("SELECT pid, sealed_name FROM person ORDER BY pid")
        keys = self._keys()
        return tuple(Person(pid, _open(keys[pid], name, "name", pid).decode()) for pid, name in rows)

    @storage_errors(Database.PEOPLE, "people.db")
    def references(self) -> References:
        """Every reference, by pid, in the order of enrolment.

        Raises:
            PeopleBrokenError: a row was changed, or sealed by another device's key.
        """
        return _sorted(self._opened_references())

    @storage_errors(Database.PEOPLE, "people.db")
    def references_of(self, pid: str) -> References:
        """One person's references, in the order of enrolment; none if nobody of that pid is enrolled.

        Raises:
            PeopleBrokenError: a row was changed, or sealed by another device's key.
        """
        return _sorted(self._opened_references(pid))

    @storage_errors(Database.PEOPLE, "people.db")
    def pictures_of(self, pid: str) -> tuple[bytes, ...]:
        """One person's kept pictures, in the order of enrolment; none if they did not consent to the keeping.

        Raises:
            PeopleBrokenError: a row was changed, or sealed by another device's key.
        """
        keys = self._keys(pid)
        rows = self._connection.execute("SELECT sealed_picture FROM picture WHERE pid = ? ORDER BY id", (pid,))
        return tuple(_open(keys[pid], sealed, PICTURE, pid) for (sealed,) in rows)

    @storage_errors(Database.PEOPLE, "people.db")
    def kept_of(self, pid: str) -> KeptPictures | None:
        """One person's kept pictures with the consent to it; None: they did not consent.

        Raises:
            PeopleBrokenError: a row was changed, or sealed by another device's key.
        """
        consent = self.picture_consents().get(pid)
        return None if consent is None else KeptPictures(parse_rfc3339(consent), self.pictures_of(pid))

    @storage_errors(Database.PEOPLE, "people.db")
    def picture_consents(self) -> dict[str, str]:
        """When each person agreed that pictures be kept, by pid, RFC 3339; the others are left out."""
        return dict(self._connection.execute("SELECT pid, consent FROM picture_consent ORDER BY pid"))

    @storage_errors(Database.PEOPLE, "people.db")
    def consents(self) -> dict[str, str]:
        """When each person agreed, by pid, RFC 3339."""
        return dict(self._connection.execute("SELECT pid, consent FROM person ORDER BY pid"))

    @storage_errors(Database.PEOPLE, "people.db")
    def check(self) -> None:
        """Open everything once.

        Raises:
            WrongSealingKeyError: people are there, and not one of them can be opened.
            PeopleBrokenError: something was changed.
        """
        rows = self._connection.execute("SELECT pid, wrapped_key FROM person").fetchall()
        if rows and not any(self._is_ours(pid, wrapped) for pid, wrapped in rows):
            raise WrongSealingKeyError(f"none of {len(rows)} people can be opened with this device's sealing key")
        self.people()
        self.digest()

    def _is_ours(self, pid: str, wrapped: bytes) -> bool:
        with suppress(PeopleBrokenError):
            return bool(_open(self._sealing, wrapped, "key", pid))
        return False

    @storage_errors(Database.PEOPLE, "people.db")
    def digest(self) -> str:
        """SHA-256 over everybody and their references, 64 hexadecimal digits: `roster` of every event."""
        templates: dict[str, list[list[str]]] = {}
        for pid, modality, label, template in self._opened_references():
            templates.setdefault(pid, []).append([modality, label, hashlib.sha256(template).hexdigest()])
        roster = [[person.pid, person.name, templates.get(person.pid, [])] for person in self.people()]
        return hashlib.sha256(canonical(roster)).hexdigest()

    def _opened_references(self, of: str | None = None) -> Iterator[_Opened]:
        keys = self._keys(of)
        wanted = (
            "SELECT pid, modality, label, sealed_template FROM reference WHERE ?1 IS NULL OR pid = ?1 ORDER BY pid, id"
        )
        for pid, modality, label, sealed in self._connection.execute(wanted, (of,)):
            yield pid, modality, label, _open(keys[pid], sealed, modality, pid, label)

    def _keys(self, of: str | None = None) -> dict[str, AESGCM]:
        rows = self._connection.execute("SELECT pid, wrapped_key FROM person WHERE ?1 IS NULL OR pid = ?1", (of,))
        return {pid: AESGCM(_open(self._sealing, wrapped, "key", pid)) for pid, wrapped in rows}


def _sorted(opened: Iterator[_Opened]) -> References:
    faces: list[FaceReference] = []
    fingers: list[FingerReference] = []
    for pid, modality, label, template in opened:
        if modality == Modality.FACE:
            faces.append(FaceReference(pid, label, template))
        else:
            fingers.append(FingerReference(pid, int(label), template))
    return References(tuple(faces), tuple(fingers))


def _labelled(references: References) -> Iterator[tuple[str, str, bytes]]:
    """Modality, what distinguishes references of that modality, template."""
    for face in references.faces:
        yield Modality.FACE.value, face.model, face.template
    for finger in references.fingers:
        yield Modality.FINGER.value, str(finger.finger), finger.template


def _seal(key: AESGCM, plain: bytes, what: str, pid: str, label: str = "") -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, plain, canonical([CONTEXT, what, pid, label]))


def _open(key: AESGCM, sealed: bytes, what: str, pid: str, label: str = "") -> bytes:
    bound_to = canonical([CONTEXT, what, pid, label])
    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:
        raise PeopleBrokenError(f"{what} of {pid} was changed, or sealed by another device's key") from error
