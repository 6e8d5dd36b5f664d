"""Enrolling a person from the command line: pictures of the face, presses of a finger, then on disk and in the journal.

Nothing is kept unless everything asked for succeeded, and nobody is enrolled whose face or finger is another person's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from kiosk.core.biometrics import FaceReference, FingerReference, Person, References
from kiosk.core.faults import KioskError
from kiosk.recognition.enrolment import enrol_faces
from kiosk.recognition.gallery import Gallery, duplicates
from kiosk.recognition.models import open_models
from kiosk.sensors.fingerprint import Enrolled, EnrolStep, enrol
from kiosk.sensors.fingerprint_library import Library
from kiosk.sensors.fingerprint_reader import open_reader
from kiosk.storage.store import Store, opened_store
from kiosk.terminal import Terminal
from wire.attendance import Entry, EventType

ENROLLED = "enrolled"
REFUSED = "enrolment_refused"


class EnrolmentError(KioskError):
    """The person was not enrolled; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who is to be enrolled, and with what."""

    person: Person
    pictures: Sequence[Path] = ()
    """Of the face, each with nobody else on it."""
    finger: int | None = None
    """1 to 10, right thumb to left little finger (ISO/IEC 19794-2); None: no finger is taken."""


def enrol_person(terminal: Terminal, applicant: Applicant, say: Callable[[str], None]) -> None:
    """Enrol somebody who has consented.

    Args:
        say: told what the person is to do now, and what was done.

    Raises:
        EnrolmentError: a picture cannot be read, the finger was not taken, or face or finger is another person's.
        KioskError: a picture has a flaw, or a device or the disk failed.
    """
    if not applicant.pictures and applicant.finger is None:
        raise EnrolmentError("nothing to enrol: give pictures of the face, a finger, or both")
    with opened_store(terminal.owner()) as store:
        try:
            references = References(
                _faces(terminal, applicant, store.people.references()),
                _fingers(terminal, applicant, store.people.references(), say),
            )
        except EnrolmentError:
            _audit(terminal, store, applicant.person.pid, REFUSED)
            raise
        store.people.enrol(applicant.person, references, terminal.clock.read().t)
        store.roster_changed()
        _audit(terminal, store, applicant.person.pid, ENROLLED)
    say(f"enrolled {applicant.person.pid}: {len(references.faces)} face, {len(references.fingers)} finger references")


def _faces(terminal: Terminal, applicant: Applicant, known: References) -> tuple[FaceReference, ...]:
    if not applicant.pictures:
        return ()
    models = open_models(terminal.models_folder)
    references = enrol_faces(models, applicant.person.pid, [_picture(path) for path in applicant.pictures])
    templates = [np.frombuffer(each.template, "<f4") for each in references]
    threshold = terminal.settings.policy.face_threshold
    others = duplicates(Gallery(known.faces), templates, applicant.person.pid, threshold)
    if others:
        raise EnrolmentError(f"this face is enrolled as {others[0].pid}: compare the two people before going on")
    return references


def _picture(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = cv2.imread(str(path))
    if picture is None:
        raise EnrolmentError(f"{path}: not a picture that can be read")
    return np.asarray(picture, np.uint8)


def _fingers(
    terminal: Terminal, applicant: Applicant, known: References, say: Callable[[str], None]
) -> tuple[FingerReference, ...]:
    if applicant.finger is None:
        return ()
    with open_reader(terminal.settings.fingerprint) as reader:
        library = Library(reader)
        library.expect(known.fingers)
        while library.advance():
            pass
        outcome = enrol(reader, lambda step: say(_INSTRUCTIONS[step]))
        if not isinstance(outcome, Enrolled):
            raise EnrolmentError(f"the finger was not taken ({outcome.why}): try again, or another finger")
        other = library.candidate(reader.search())
        if other is not None and other.pid != applicant.person.pid:
            raise EnrolmentError(f"this finger is enrolled as {other.pid}: compare the two people before going on")
    return (FingerReference(applicant.person.pid, applicant.finger, outcome.template),)


_INSTRUCTIONS = {
    EnrolStep.PRESS: "press the finger",
    EnrolStep.LIFT: "lift the finger",
    EnrolStep.PRESS_SAME_AGAIN: "press the same finger again",
    EnrolStep.PRESS_BETTER: "press again, flat and in the middle",
}


def _audit(terminal: Terminal, store: Store, pid: str, reason: str) -> None:
    store.journal.append(Entry(EventType.AUDIT, terminal.clock.read(), pid=pid, reason=reason))
