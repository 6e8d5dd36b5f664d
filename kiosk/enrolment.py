"""Enrolling a person from the command line: pictures of the face, presses of a finger, then on disk and in the journal.

Nothing is kept unless everything asked for succeeded, and nobody is enrolled whose face or finger is another person's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np

from kiosk.core.biometrics import FaceReference, FingerReference, Person, References
from kiosk.core.faults import KioskError
from kiosk.recognition.enrolment import UnfitPictureError, enrol_faces
from kiosk.recognition.gallery import Gallery, duplicates
from kiosk.recognition.models import open_models
from kiosk.sensors.fingerprint import Enrolled, EnrolStep, enrol
from kiosk.sensors.fingerprint_library import Library
from kiosk.sensors.fingerprint_reader import Reader, open_reader
from kiosk.storage.store import Store, opened_store
from kiosk.terminal import Terminal
from wire.attendance import Entry, EventType

PID = re.compile(r"[A-Za-z0-9._-]{1,40}")
LONGEST_NAME = 80
ENROLLED = "enrolled"
DUPLICATE = "enrolment_duplicate"
ERASED = "erased"


class EnrolmentError(KioskError):
    """The person was not enrolled; the message says why and what to do."""


class DuplicateError(EnrolmentError):
    """The face or the finger is enrolled as another person's."""


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who is to be enrolled, and with what."""

    person: Person
    pictures: Sequence[Path] = ()
    """Of the face, each with nobody else on it; they take the place of those enrolled before."""
    fingers: Sequence[int] = ()
    """Each 1 to 10, right thumb to left little finger (ISO/IEC 19794-2); the others stay as they are."""


def enrol_person(terminal: Terminal, applicant: Applicant, say: Callable[[str], None]) -> None:
    """Enrol somebody who has consented.

    Args:
        say: told what the person is to do now, and what was done.

    Raises:
        DuplicateError: face or finger is another person's; that is on record.
        EnrolmentError: a picture cannot be used, or a finger was not taken.
        KioskError: a device or the disk failed.
    """
    _check_names(applicant.person)
    if not applicant.pictures and not applicant.fingers:
        raise EnrolmentError("nothing to enrol: give pictures of the face, fingers, or both")
    with opened_store(terminal.owner()) as store:
        known = store.people.references()
        try:
            taken = References(_faces(terminal, applicant, known), _fingers(terminal, applicant, known, say))
        except DuplicateError:
            _audit(terminal, store, applicant.person.pid, DUPLICATE)
            raise
        references = _merged(store.people.references_of(applicant.person.pid), taken)
        store.people.enrol(applicant.person, references, terminal.clock.read().t)
        store.roster_changed()
        _audit(terminal, store, applicant.person.pid, ENROLLED)
    say(f"enrolled {applicant.person.pid}: {len(references.faces)} face, {len(references.fingers)} finger references")


class Enrolment(msgspec.Struct, frozen=True):
    """What is held of a person."""

    pid: str
    name: str
    faces: int
    fingers: tuple[int, ...]
    consent: str
    """When they agreed, RFC 3339."""


def enrolled(terminal: Terminal) -> list[Enrolment]:
    """Return everybody who is enrolled, and with what.

    Raises:
        StorageError: the people cannot be read, or the terminal is running.
    """
    with opened_store(terminal.owner()) as store:
        consents = store.people.consents()
        return [
            _enrolment(each, store.people.references_of(each.pid), consents[each.pid]) for each in store.people.people()
        ]


def _enrolment(person: Person, held: References, consent: str) -> Enrolment:
    fingers = tuple(reference.finger for reference in held.fingers)
    return Enrolment(person.pid, person.name, len(held.faces), fingers, consent)


def erase_person(terminal: Terminal, pid: str) -> bool:
    """Destroy the key to a person's name and references, on record; return whether there was one.

    Raises:
        StorageError: the people cannot be written, or the terminal is running.
    """
    with opened_store(terminal.owner()) as store:
        if not store.people.erase(pid):
            return False
        store.roster_changed()
        _audit(terminal, store, pid, ERASED)
        return True


def _check_names(person: Person) -> None:
    """What is on the screen for a second must be there, and fit."""
    if not PID.fullmatch(person.pid):
        raise EnrolmentError(f"pid = {person.pid!r}: expected 1 to 40 of A-Z, a-z, 0-9, '.', '_' and '-'")
    shown = person.name.strip()
    if not shown.isprintable() or not any(letter.isalnum() for letter in shown) or len(shown) > LONGEST_NAME:
        raise EnrolmentError(f"name = {person.name!r}: expected 1 to {LONGEST_NAME} printable letters")


def _merged(before: References, taken: References) -> References:
    """What was enrolled before, except where something new takes its place."""
    anew = {each.finger for each in taken.fingers}
    kept = tuple(each for each in before.fingers if each.finger not in anew)
    return References(taken.faces or before.faces, (*kept, *taken.fingers))


def _faces(terminal: Terminal, applicant: Applicant, known: References) -> tuple[FaceReference, ...]:
    if not applicant.pictures:
        return ()
    models = open_models(terminal.models_folder)
    pictures = [_picture(path) for path in applicant.pictures]
    try:
        references = enrol_faces(models, applicant.person.pid, pictures)
    except UnfitPictureError as error:
        raise EnrolmentError(f"{applicant.pictures[error.number - 1]}: {error}") from error
    templates = [np.frombuffer(each.template, "<f4") for each in references]
    policy = terminal.settings.policy
    gallery = Gallery(known.faces, policy.face_fpir, policy.face_threshold)
    others = duplicates(gallery, templates, applicant.person.pid, gallery.threshold)
    if others:
        raise DuplicateError(f"this face is enrolled as {others[0].pid}: compare the two people before going on")
    return references


def _picture(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = cv2.imread(str(path))
    if picture is None:
        raise EnrolmentError(f"{path}: not a picture that can be read")
    return np.asarray(picture, np.uint8)


def _fingers(
    terminal: Terminal, applicant: Applicant, known: References, say: Callable[[str], None]
) -> tuple[FingerReference, ...]:
    if not applicant.fingers:
        return ()
    with open_reader(terminal.settings.fingerprint) as reader:
        library = Library(reader)
        library.expect(known.fingers)
        while library.advance():
            pass
        return tuple(_finger(reader, library, applicant.person.pid, finger, say) for finger in applicant.fingers)


def _finger(reader: Reader, library: Library, pid: str, finger: int, say: Callable[[str], None]) -> FingerReference:
    say(f"finger {finger}")
    outcome = enrol(reader, lambda step: say(_INSTRUCTIONS[step]))
    if not isinstance(outcome, Enrolled):
        raise EnrolmentError(f"finger {finger} was not taken ({outcome.why}): try again, or another finger")
    other = library.candidate(reader.search())
    if other is not None and other.pid != pid:
        raise DuplicateError(f"finger {finger} is enrolled as {other.pid}'s: compare the two people before going on")
    say("lift the finger")
    return FingerReference(pid, finger, outcome.template)


_INSTRUCTIONS = {
    EnrolStep.PRESS: "press the finger",
    EnrolStep.LIFT: "lift the finger",
    EnrolStep.PRESS_SAME_AGAIN: "press the same finger again",
    EnrolStep.PRESS_BETTER: "press again, flat and in the middle",
}


def _audit(terminal: Terminal, store: Store, pid: str, reason: str) -> None:
    store.journal.append(Entry(EventType.AUDIT, terminal.clock.read(), pid=pid, reason=reason))
