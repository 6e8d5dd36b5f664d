"""A morning at the office, on real pictures and real fingers: the demonstration, and its verdict.

Each visit is played once and held against what it must come to. The people are still pictures; where the passive
liveness model is not to be had they cannot answer a challenge either, so the check is switched off, which the screen
and the table say, and the attacks are left out rather than pretended.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np

from kiosk.recognition.detection import UInt8Array
from kiosk.recognition.manifest import DEMO_FOLDER
from kiosk.recognition.models import open_models
from kiosk.sim.camera import boottime_ms
from kiosk.sim.office import KioskProcess, Office, OfficeError, Said, opened_office, pressing
from kiosk.sim.pictures import Attack, Scene, attack, empty, person, portrait, two_people
from kiosk.storage.journal import opened_journal_file
from wire.attendance import Act

DAY = datetime(2026, 7, 6, tzinfo=ZoneInfo("Asia/Jakarta"))
"""A Monday."""
ANSWER_S = 10.0
NOTHING_S = 2.0
"""How long an empty room is watched before we say that nothing happened."""
RECEIPTS_MS = 30_000
LOOK_AGAIN_S = 0.2
NO_LIVENESS = """
  NO LIVENESS CHECK. The passive model is not to be had here, and still pictures cannot turn their heads, as a
  terminal would ask them to. The check is switched off, the screen says so, and the attacks are left out.
"""

ANDI, SRI, BUDI = "p-1001", "p-1002", "p-1003"
NAMES = {ANDI: "Andi Pratama", SRI: "Sri Wahyuni, S.Sos.", BUDI: "Budi Santoso"}
LEFT_INDEX = 7
ENROLLED_FACES = {ANDI: "person_a_1.jpg", SRI: "person_b_2.jpg"}
PORTRAITS = {
    "andi": "person_a_2.jpg",
    "sri": "person_b_1.jpg",
    "sri_enrolled": "person_b_2.jpg",
    "stranger_1": "impostor_1.jpg",
    "stranger_2": "impostor_2.jpg",
    "astronaut": "astronaut.png",
}
"""Other pictures of those enrolled than they were enrolled with, and people who are not."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody comes; what must be the answer."""

    clock: str
    """Local time, `HH:MM`."""
    who: str
    expected: str
    scene: str = ""
    """What the camera sees, by name; empty: an empty room."""
    finger: str = ""
    """The finger on the reader, by file; empty: none."""
    is_attack: bool = False


BEFORE_THE_CUT = (
    Visit("07:05", "nobody", "nothing"),
    Visit("07:12", "Andi, by face", f"{ANDI} arrival, on time", scene="andi"),
    Visit("07:14", "Andi again", f"{ANDI} arrival, on time, already recorded", scene="andi"),
    Visit("07:21", "Budi, by finger", f"{BUDI} arrival, on time", finger="p1_2"),
    Visit("07:22", "an unknown finger", "refused: unknown", finger="p2_1"),
    Visit("07:25", "a stranger", "refused: unknown", scene="stranger_1"),
    Visit("07:26", "another stranger", "refused: unknown", scene="stranger_2"),
    Visit("07:27", "an astronaut", "refused: unknown", scene="astronaut"),
    Visit("07:28", "two people at once", "refused: unusable, one_person", scene="two"),
    Visit("07:33", "Sri's photograph", "refused: attack", scene="sri_print", is_attack=True),
    Visit("07:35", "Sri on a phone", "refused: attack", scene="sri_phone", is_attack=True),
)
WITHOUT_THE_BROKER = (Visit("07:44", "Sri, late", f"{SRI} arrival, 14 min late", scene="sri"),)
AFTER_THE_CUT = (
    Visit("07:46", "Sri again", f"{SRI} arrival, 14 min late, already recorded", scene="sri"),
    Visit("12:05", "the very picture enrolled", "refused: attack", scene="enrolled_print", is_attack=True),
    Visit("15:18", "Budi leaves early", f"{BUDI} departure, 12 min early", finger="p1_2"),
    Visit("15:31", "Andi leaves", f"{ANDI} departure, on time", scene="andi"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One visit as it went."""

    visit: Visit
    actual: str
    score: float | None
    pad_score: float | None
    took_ms: int | None

    @property
    def as_expected(self) -> bool:
        """Whether it came to what it must."""
        return self.actual == self.visit.expected

    def __str__(self) -> str:
        marks = [f"{value:.2f}" if value is not None else "-" for value in (self.score, self.pad_score)]
        took = f"{self.took_ms} ms" if self.took_ms is not None else "-"
        verdict = "ok" if self.as_expected else f"WRONG, expected {self.visit.expected}"
        return f"{self.visit.clock}  {self.visit.who:27}{self.actual:46}{marks[0]:>7}{marks[1]:>6}{took:>9}  {verdict}"


def play(folder: Path) -> bool:
    """Play the morning, print how it went, and return whether everything was as it must be.

    Args:
        folder: emptied, then filled with the pictures of the screen, the logs and the data of both sides.

    Raises:
        KioskError: something around the kiosk failed, or the models or the demonstration's pictures are not there.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise OfficeError(f"{folder}: cannot be emptied and filled: {error.strerror}") from error
    cast = Cast.assembled()
    if not cast.liveness:
        print(NO_LIVENESS)
    with opened_office(folder.resolve()) as office:
        office.write_settings("passive" if cast.liveness else "off")
        _enrol(office)
        with office.district_running():
            rows = _played(office, cast)
        verified = [office.verify_journal(), office.district("verify")]
    with opened_journal_file(office.journal) as journal:
        events, waiting = journal.position().seq, journal.depth()
    print("\n" + "\n".join(verified))
    good = sum(row.as_expected for row in rows)
    print(f"demo: {good} of {len(rows)} visits as expected, {events - waiting} events receipted, chain verified")
    return good == len(rows) and waiting == 0


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody who comes, as the camera and the reader see them."""

    scenes: Mapping[str, Scene]
    fingers: Mapping[str, UInt8Array]
    """(height, width) uint8, dark ridges on light."""
    liveness: bool
    """Whether the passive model is there to judge them."""

    @classmethod
    def assembled(cls) -> Cast:
        """Return the cast, from the demonstration's pictures.

        Raises:
            OfficeError: a picture is not there.
            ModelError: the models cannot be opened.
        """
        models = open_models()
        faces = {name: portrait(_picture(f"faces/{file}"), models.detector) for name, file in PORTRAITS.items()}
        scenes = {name: person(face) for name, face in faces.items()} | {
            "": empty(),
            "two": two_people(faces["astronaut"], faces["stranger_1"]),
            "sri_print": attack(Attack.PRINT, faces["sri"]),
            "sri_phone": attack(Attack.PHONE, faces["sri"]),
            "enrolled_print": attack(Attack.PRINT, faces["sri_enrolled"]),
        }
        fingers = {name: _picture(f"fingers/{name}.png", cv2.IMREAD_GRAYSCALE) for name in ("p1_1", "p1_2", "p2_1")}
        return cls(scenes, fingers, models.liveness is not None)


def _picture(name: str, flags: int = cv2.IMREAD_COLOR) -> UInt8Array:
    picture = cv2.imread(str(DEMO_FOLDER / name), flags)
    if picture is None:
        raise OfficeError(f"{DEMO_FOLDER / name} is missing: run `kiosk models fetch --demo`")
    return np.asarray(picture, np.uint8)


def _enrol(office: Office) -> None:
    """Two by a picture of the face, one by two presses of a finger."""
    for pid, file in ENROLLED_FACES.items():
        picture = str(DEMO_FOLDER / "faces" / file)
        print(office.kiosk("enrol", "--pid", pid, "--name", NAMES[pid], "--consent", "--pictures", picture))
    office.enrol_finger(BUDI, NAMES[BUDI], LEFT_INDEX, _picture("fingers/p1_1.png", cv2.IMREAD_GRAYSCALE))
    print(f"enrolled {BUDI}: 1 finger, by two presses")


def _played(office: Office, cast: Cast) -> list[Row]:
    def visits(planned: Sequence[Visit]) -> list[Row]:
        return [_visit(office, kiosk, cast, visit) for visit in planned if cast.liveness or not visit.is_attack]

    office.turn_clock_to(DAY.replace(hour=7))
    with _switched_on(office, "screens") as kiosk:
        rows = visits(BEFORE_THE_CUT)
        _remark("the broker goes away")
        office.broker.stop()
        rows += visits(WITHOUT_THE_BROKER)
        _remark("the power is cut, with the event still on the card; then both come back")
        kiosk.kill()
    with _switched_on(office, "screens-after-the-cut") as kiosk:
        office.broker.restart()
        rows += visits(AFTER_THE_CUT)
        _wait_for_receipts(office)
        _remark(f"{kiosk.resident_mb()} MB resident at the most")
    return rows


@contextmanager
def _switched_on(office: Office, album: str) -> Iterator[KioskProcess]:
    began_ms = boottime_ms()
    with office.kiosk_running("--headless", "--out", str(office.folder / album)) as kiosk:
        _remark(f"ready {boottime_ms() - began_ms} ms after it was switched on")
        yield kiosk


def _remark(what: str) -> None:
    print(f"       {what}", flush=True)


def _visit(office: Office, kiosk: KioskProcess, cast: Cast, visit: Visit) -> Row:
    hour, minute = map(int, visit.clock.split(":"))
    office.turn_clock_to(DAY.replace(hour=hour, minute=minute))
    kiosk.forget()
    began_ms = boottime_ms()
    office.projector.show(cast.scenes[visit.scene])
    with pressing(office.reader, cast.fingers[visit.finger]) if visit.finger else nullcontext():
        row = _answer(kiosk, visit, began_ms)
    office.projector.show(cast.scenes[""])
    if row.took_ms is not None:
        kiosk.wait_for("idle")
    print(row, flush=True)
    return row


def _answer(kiosk: KioskProcess, visit: Visit, began_ms: int) -> Row:
    """What the kiosk says within the time, with the scores that it gave to the journal."""
    timeout_s = ANSWER_S if visit.scene or visit.finger else NOTHING_S
    score = pad_score = None
    while (said := kiosk.says(timeout_s)) is not None:
        if said.kind == "record":
            score = said.fields.get("score")
            pad_score = (said.fields.get("pad") or {}).get("score")
        elif said.kind in {"greeting", "refusing"}:
            return Row(visit, _in_words(said), score, pad_score, said.at_ms - began_ms)
    return Row(visit, "nothing", score, pad_score, None)


def _in_words(said: Said) -> str:
    if said.kind == "refusing":
        return "refused: " + ", ".join(filter(None, (said.fields["reason"], said.fields["hint"])))
    reading = said.fields["reading"]
    minutes, how = (reading["late_min"], "late") if reading["act"] == Act.ARRIVAL else (reading["early_min"], "early")
    told = f"{minutes} min {how}" if minutes else "on time"
    repeated = ", already recorded" if said.fields["repeated"] else ""
    return f"{said.fields['person']['pid']} {reading['act']}, {told}{repeated}"


def _wait_for_receipts(office: Office) -> None:
    """Give the district time to sign for everything; what it has not signed by then is told by the verdict."""
    until_ms = boottime_ms() + RECEIPTS_MS
    again = threading.Event()
    with opened_journal_file(office.journal) as journal:
        while journal.depth() and boottime_ms() < until_ms:
            again.wait(LOOK_AGAIN_S)
