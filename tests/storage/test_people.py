"""References come back as they went in, to this device alone; who is erased is gone from the card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection

import pytest

from kiosk.core.biometrics import FaceReference, FingerReference, Person, References
from kiosk.core.faults import FaultCode
from kiosk.storage.database import Database, PeopleBrokenError, opened_database
from kiosk.storage.people import KeptPictures, People
from tests.storage.office import BUDI, CONSENT, SEALING_KEY, SITI, references_of


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with opened_database(tmp_path, Database.PEOPLE) as opened:
        yield opened


@pytest.fixture
def people(connection: Connection) -> People:
    """Siti and Budi are enrolled."""
    enrolled = People(connection, SEALING_KEY)
    for person in (SITI, BUDI):
        enrolled.enrol(person, references_of(person), CONSENT)
    return enrolled


def test_people_and_references_come_back_as_they_went_in(people: People) -> None:
    siti, budi = references_of(SITI), references_of(BUDI)

    assert people.people() == (BUDI, SITI)
    assert people.references() == References(budi.faces + siti.faces, budi.fingers + siti.fingers)


def test_one_persons_references_are_theirs_alone(people: People) -> None:
    assert people.references_of("p-siti") == references_of(SITI)
    assert people.references_of("p-nobody") == References()


def test_consent_is_kept_with_its_time(people: People) -> None:
    assert people.consents() == dict.fromkeys(("p-budi", "p-siti"), "2026-11-02T02:30:00.000Z")


def test_enrolling_again_replaces_what_was_there(people: People) -> None:
    renamed = Person("p-siti", "Siti Aminah, S.Pd.")
    people.enrol(renamed, References(faces=(FaceReference("p-siti", "other", b"new"),)), CONSENT)

    assert people.people() == (BUDI, renamed)
    assert [face.template for face in people.references().faces if face.pid == "p-siti"] == [b"new"]
    assert [finger for finger in people.references().fingers if finger.pid == "p-siti"] == []


def test_another_person_s_reference_is_not_enrolled(people: People) -> None:
    with pytest.raises(ValueError, match="another person"):
        people.enrol(SITI, References(fingers=(FingerReference("p-budi", 1, b"x"),)), CONSENT)

    assert people.references().fingers[1].pid == "p-siti"


@pytest.mark.parametrize("what", ["name", "face", "finger"])
def test_nothing_of_a_person_can_be_read_from_the_card(people: People, tmp_path: Path, what: str) -> None:
    plain = {
        "name": SITI.name.encode(),
        "face": references_of(SITI).faces[0].template,
        "finger": references_of(SITI).fingers[0].template,
    }[what]

    assert plain not in _on_card(tmp_path)


def test_another_device_cannot_open_what_is_sealed(people: People, connection: Connection) -> None:
    stranger = People(connection, bytes(32))

    with pytest.raises(PeopleBrokenError, match="sealed by another device's key") as raised:
        stranger.references()
    assert raised.value.fault is FaultCode.JOURNAL


@pytest.mark.parametrize(
    "swap",
    [
        "UPDATE reference SET pid = CASE pid WHEN 'p-siti' THEN 'p-budi' ELSE 'p-siti' END",
        "UPDATE reference SET modality = 'finger', label = '2'",
        "UPDATE reference SET label = 'other' WHERE modality = 'face'",
        "UPDATE reference SET label = '3' WHERE modality = 'finger'",
        "UPDATE reference SET sealed_template = x'0011'",
        "UPDATE person SET wrapped_key = (SELECT wrapped_key FROM person WHERE pid = 'p-budi')",
        "UPDATE person SET sealed_name = (SELECT sealed_template FROM reference WHERE reference.pid = person.pid)",
    ],
)
def test_no_row_can_be_passed_off_as_another(people: People, connection: Connection, swap: str) -> None:
    connection.execute(swap)

    with pytest.raises(PeopleBrokenError, match="was changed"):
        people.digest()


def test_two_people_cannot_change_places(people: People, connection: Connection) -> None:
    connection.executescript("""
        PRAGMA foreign_keys = OFF;
        UPDATE person SET pid = CASE pid WHEN 'p-siti' THEN 'p-siti2' ELSE 'p-siti' END;
        UPDATE reference SET pid = CASE pid WHEN 'p-siti' THEN 'p-siti2' ELSE 'p-siti' END;
    """)

    with pytest.raises(PeopleBrokenError, match="key of p-siti"):
        people.references()


def test_a_face_cannot_pass_for_a_finger_of_the_same_label(people: People, connection: Connection) -> None:
    people.enrol(SITI, References(faces=(FaceReference("p-siti", "2", b"face"),)), CONSENT)
    connection.execute("UPDATE reference SET modality = 'finger' WHERE pid = 'p-siti'")

    with pytest.raises(PeopleBrokenError, match="finger of p-siti was changed"):
        people.references()


def test_who_is_erased_is_gone_and_the_others_stay(people: People) -> None:
    assert people.erase("p-siti")

    assert people.people() == (BUDI,)
    assert people.references() == references_of(BUDI)
    assert not people.erase("p-siti")


def test_the_key_of_who_is_erased_is_nowhere_on_the_card(
    people: People, connection: Connection, tmp_path: Path
) -> None:
    query = "SELECT wrapped_key, sealed_name FROM person WHERE pid = 'p-siti'"
    sealed = [*connection.execute(query).fetchone()]
    sealed += [row[0] for row in connection.execute("SELECT sealed_template FROM reference WHERE pid = 'p-siti'")]
    assert all(column in _on_card(tmp_path) for column in sealed)

    people.erase("p-siti")

    assert not any(column in _on_card(tmp_path) for column in sealed)


def test_the_digest_names_the_roster_and_nothing_else(people: People) -> None:
    before = people.digest()
    people.enrol(SITI, references_of(SITI), CONSENT)
    again = people.digest()
    people.erase("p-siti")

    assert before == again
    assert len(before) == 64
    assert people.digest() != before


@pytest.mark.parametrize(
    "other",
    [
        (Person("p-siti", "Siti"), references_of(SITI)),
        (SITI, References(faces=references_of(SITI).faces)),
        (SITI, References(references_of(SITI).faces, (FingerReference("p-siti", 3, b"p-siti-finger" * 20),))),
    ],
)
def test_the_digest_changes_with_name_references_and_fingers(people: People, other: tuple[Person, References]) -> None:
    before = people.digest()
    people.enrol(*other, CONSENT)

    assert people.digest() != before


PICTURES = KeptPictures(CONSENT, (b"a picture of Siti " * 20, b"another " * 40))


@pytest.fixture
def pictured(people: People) -> People:
    """Siti consented to the keeping of pictures, Budi did not."""
    people.enrol(SITI, references_of(SITI), CONSENT, PICTURES)
    return people


def test_pictures_come_back_as_they_went_in_with_their_own_consent(pictured: People) -> None:
    assert pictured.pictures_of("p-siti") == PICTURES.files
    assert pictured.kept_of("p-siti") == PICTURES
    assert pictured.picture_consents() == {"p-siti": "2026-11-02T02:30:00.000Z"}


@pytest.mark.parametrize("pid", ["p-budi", "p-nobody"])
def test_nothing_is_kept_of_who_did_not_consent_to_it(pictured: People, pid: str) -> None:
    assert pictured.pictures_of(pid) == ()
    assert pictured.kept_of(pid) is None


def test_pictures_are_sealed_on_the_card(pictured: People, tmp_path: Path) -> None:
    assert b"a picture of Siti" not in _on_card(tmp_path)


def test_a_picture_cannot_be_passed_off_as_another_person_s(pictured: People, connection: Connection) -> None:
    pictured.enrol(BUDI, references_of(BUDI), CONSENT, PICTURES)
    connection.execute("UPDATE picture SET pid = 'p-budi' WHERE pid = 'p-siti'")

    with pytest.raises(PeopleBrokenError, match="picture of p-budi was changed"):
        pictured.pictures_of("p-budi")


def test_pictures_go_with_the_person_and_with_an_enrolment_that_keeps_none(
    pictured: People, connection: Connection
) -> None:
    pictured.enrol(BUDI, references_of(BUDI), CONSENT, PICTURES)

    pictured.erase("p-siti")
    pictured.enrol(BUDI, references_of(BUDI), CONSENT)

    assert pictured.picture_consents() == {}
    assert connection.execute("SELECT count(*) FROM picture").fetchone() == (0,)


def test_pictures_are_no_part_of_the_roster_s_digest(people: People) -> None:
    before = people.digest()
    people.enrol(SITI, references_of(SITI), CONSENT, PICTURES)

    assert people.digest() == before


def _on_card(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())
