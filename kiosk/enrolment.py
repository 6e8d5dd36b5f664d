"""Enrolling a person from the command line: the face before the camera or in pictures, presses of a finger, the disk.

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

from kiosk.core.biometrics import FingerReference, Person, References
from kiosk.core.enrolling import Captured, Stopped, StopReason
from kiosk.core.faults import KioskError
from kiosk.recognition.detection import Float32Array
from kiosk.recognition.enrolment import IN_WORDS, UnfitPicturesError, kept_picture, references, samples_of
from kiosk.recognition.gallery import Gallery, duplicates
from kiosk.recognition.models import open_models
from kiosk.sensors.fingerprint import Enrolled, EnrolStep, enrol
from kiosk.sensors.fingerprint_library import Library
from kiosk.sensors.fingerprint_reader import Reader, open_reader
from kiosk.sitting import Sitter, sit
from kiosk.storage.people import KeptPictures
from kiosk.storage.store import Store, opened_store
from kiosk.terminal import Terminal
from kiosk.worker import Bell
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

    def __init__(self, message: str, *, is_on_record: bool = False) -> None:
        """
        Args:
            is_on_record: whether the journal has it already.
        """
        super().__init__(message)
        self.is_on_record = is_on_record


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who is to be enrolled, and with what."""

    person: Person
    pictures: Sequence[Path] = ()
    """Of the face, each with nobody else on it; they take the place of those enrolled before."""
    fingers: Sequence[int] = ()
    """Each 1 to 10, right thumb to left little finger (ISO/IEC 19794-2); the others stay as they are."""
    camera: bool = False
    """The face is taken before the terminal's own camera, instead of from pictures."""
    keep_pictures: bool = False
    """The person has consented to the keeping of the aligned pictures too, for another embedder."""


@dataclass(frozen=True, slots=True)
class _Face:
    """What was taken of a face."""

    templates: Sequence[Float32Array] = ()
    files: tuple[bytes, ...] = ()
    """The aligned pictures."""


def enrol_person(
    terminal: Terminal,
    applicant: Applicant,
    say: Callable[[str], None],
    *,
    stop: Bell | None = None,
    headless: bool = False,
) -> None:
    """Enrol somebody who has consented.

    Args:
        say: told what the person is to do now, and what was done.
        stop: rung to end a sitting before the camera; signals to end the program do as well.
        headless: hold that sitting without a window.

    Raises:
        DuplicateError: face or finger is another person's; that is on record.
        EnrolmentError: a picture cannot be used, a finger was not taken, or the sitting gave no samples.
        KioskError: a device or the disk failed.
    """
    _check(applicant)
    with opened_store(terminal.owner()) as store:
        known = store.people.references()
        sitter = Sitter(stop or Bell(), say, store.journal.append, headless)
        try:
            face = _face(terminal, applicant, known, sitter)
            taken = References(
                references(applicant.person.pid, face.templates), _fingers(terminal, applicant, known, say)
            )
        except DuplicateError as error:
            if not error.is_on_record:
                _audit(terminal, store, applicant.person.pid, DUPLICATE)
            raise
        _store(terminal, store, applicant, taken, face.files)
    say(f"enrolled {applicant.person.pid}: {len(taken.faces)} face, {len(taken.fingers)} finger references taken")


def _store(terminal: Terminal, store: Store, applicant: Applicant, taken: References, files: tuple[bytes, ...]) -> None:
    pid, now = applicant.person.pid, terminal.clock.read().t
    merged = _merged(store.people.references_of(pid), taken)
    kept = KeptPictures(now, files) if applicant.keep_pictures else None
    if not taken.faces:
        kept = store.people.kept_of(pid)
    store.people.enrol(applicant.person, merged, now, kept)
    store.roster_changed()
    _audit(terminal, store, pid, ENROLLED)


class Enrolment(msgspec.Struct, frozen=True):
    """What is held of a person."""

    pid: str
    name: str
    faces: int
    fingers: tuple[int, ...]
    consent: str
    """When they agreed, RFC 3339."""
    pictures: int = 0
    """How many aligned pictures are kept."""
    pictures_consent: str = ""
    """When they agreed to the keeping, RFC 3339; empty: they did not."""


def enrolled(terminal: Terminal) -> list[Enrolment]:
    """Return everybody who is enrolled, and with what.

    Raises:
        StorageError: the people cannot be read, or the terminal is running.
    """
    with opened_store(terminal.owner()) as store:
        consents, for_pictures = store.people.consents(), store.people.picture_consents()
        return [
            Enrolment(
                each.pid,
                each.name,
                len(held.faces),
                tuple(reference.finger for reference in held.fingers),
                consents[each.pid],
                len(store.people.pictures_of(each.pid)),
                for_pictures.get(each.pid, ""),
            )
            for each in store.people.people()
            for held in (store.people.references_of(each.pid),)
        ]


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


def _check(applicant: Applicant) -> None:
    _check_names(applicant.person)
    if applicant.camera and applicant.pictures:
        raise EnrolmentError("the face is taken before the camera or from pictures: give one of the two")
    has_face = bool(applicant.camera or applicant.pictures)
    if not has_face and not applicant.fingers:
        raise EnrolmentError("nothing to enrol: give the camera or pictures of the face, fingers, or both")
    if applicant.keep_pictures and not has_face:
        raise EnrolmentError("no pictures to keep: they are kept when a face is enrolled")


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


def _face(terminal: Terminal, applicant: Applicant, known: References, sitter: Sitter) -> _Face:
    policy = terminal.settings.policy
    gallery = Gallery(known.faces, policy.face_fpir, policy.face_threshold)
    if applicant.camera:
        face = _before_the_camera(terminal, applicant, gallery, sitter)
    elif applicant.pictures:
        face = _in_pictures(terminal, applicant, sitter.say)
    else:
        return _Face()
    others = duplicates(gallery, face.templates, applicant.person.pid, gallery.threshold)
    if others:
        raise DuplicateError(_ENROLLED_AS.format(pid=others[0].pid))
    return face


_ENROLLED_AS = "this face is enrolled as {pid}: compare the two people before going on"


def _in_pictures(terminal: Terminal, applicant: Applicant, say: Callable[[str], None]) -> _Face:
    pictures = [_picture(path) for path in applicant.pictures]
    try:
        samples = samples_of(open_models(terminal.models_folder), pictures)
    except UnfitPicturesError as error:
        flaws = [f"{applicant.pictures[number - 1]}: {IN_WORDS[flaw]}" for number, flaw in error.flaws]
        raise EnrolmentError("\n".join(("these pictures cannot be enrolled:", *flaws))) from error
    for path, sample in zip(applicant.pictures, samples, strict=True):
        if sample.advice:
            say(f"{path}: {IN_WORDS[sample.advice]}")
    return _Face([sample.template for sample in samples], tuple(kept_picture(sample.aligned) for sample in samples))


def _before_the_camera(terminal: Terminal, applicant: Applicant, gallery: Gallery, sitter: Sitter) -> _Face:
    match sit(terminal, applicant.person, gallery, sitter):
        case Captured(samples):
            templates = [np.frombuffer(sample.template, "<f4") for sample in samples]
            return _Face(templates, tuple(sample.picture for sample in samples))
        case Stopped(StopReason.DUPLICATE, other=other):
            raise DuplicateError(_ENROLLED_AS.format(pid=other), is_on_record=True)
        case Stopped(reason, hint, detail=detail):
            said = "; ".join(filter(None, (_STOPPED[reason], f"last hint: {hint}" if hint else "", detail)))
            raise EnrolmentError(f"the sitting ended: {said}; nothing was kept")


_STOPPED = {
    StopReason.DUPLICATE: "this face is enrolled as another person's",
    StopReason.ATTACK: "no real face was before the camera, which is on record",
    StopReason.NOT_LIVE: "liveness could not be judged, which is on record: let more of the surroundings be seen",
    StopReason.OTHER_FACE: "another person's face was before the camera, which is on record",
    StopReason.TIMED_OUT: "the time ran out before there were enough good pictures",
    StopReason.DEVICE: "the camera or a model failed",
    StopReason.CANCELLED: "it was cancelled",
}


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
