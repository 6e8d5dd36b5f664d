"""Promise: APCER and BPCER count decisions by the shipped policy; what got no decision is counted, and said apart."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from kiosk.__main__ import main
from kiosk.bench.pad import BONA_FIDE, Outcome, Presentation, described, pad, presented, sources
from kiosk.bench.rates import BenchError, Rate, shipped_policy
from kiosk.core.biometrics import FaceProbe, Hint
from kiosk.recognition.manifest import DEMO_FOLDER, MODELS_FOLDER
from kiosk.recognition.models import Models
from kiosk.sim.pictures import Attack, attack, person, portrait

LIVE, FAKE, UNJUDGED = (FaceProbe(0, 1, None, (), score) for score in (0.9, 0.1, None))
NOBODY, FAR = FaceProbe(0, 0), FaceProbe(0, 1, Hint.CLOSER)
PASSED, CAUGHT = Presentation(Outcome.BONA_FIDE), Presentation(Outcome.ATTACK)


def silent(cause: str) -> Presentation:
    return Presentation(Outcome.NON_RESPONSE, cause)


@pytest.fixture
def frames(models: Models, tmp_path: Path) -> Path:
    """Three frames of a person, three of a print of them, and one of an empty room, as a simulated camera saw them."""
    if models.liveness is None:
        pytest.skip(f"{MODELS_FOLDER} has no passive liveness model: its address could not be reached at set-up")
    picture = np.asarray(cv2.imread(str(DEMO_FOLDER / "faces" / "person_a_1.jpg")), np.uint8)
    who = portrait(picture, models.detector)
    scenes = {"bonafide": person(who), "attack_print": attack(Attack.PRINT, who)}
    for name, scene in scenes.items():
        (tmp_path / "set" / name / "0001").mkdir(parents=True)
        for number in range(3):
            cv2.imwrite(str(tmp_path / "set" / name / "0001" / f"{number}.png"), scene(number))
    cv2.imwrite(str(tmp_path / "set" / "bonafide" / "0001" / "empty.png"), np.full((480, 640, 3), 90, np.uint8))
    return tmp_path


@pytest.mark.parametrize(
    ("probes", "visit", "presentations"),
    [
        ([LIVE, FAKE], 1, [PASSED, CAUGHT]),
        (
            [LIVE, NOBODY, FAR, UNJUDGED],
            1,
            [PASSED, silent("too little around the face"), silent("no face"), silent("closer")],
        ),
        ([LIVE, FAKE, LIVE], 3, [PASSED]),  # the median
        ([FAKE, LIVE, FAKE], 3, [CAUGHT]),
        ([LIVE, NOBODY, FAR, LIVE, LIVE], 3, [PASSED]),  # what is not usable is passed over
        ([LIVE] * 4 + [FAKE] * 4, 3, [PASSED, CAUGHT]),  # two left over
        ([LIVE, LIVE, UNJUDGED], 3, [silent("too little around the face")]),
        ([LIVE, LIVE], 3, [silent("fewer than 3 usable frames")]),
    ],
)
def test_frames_become_presentations(probes: list[FaceProbe], visit: int, presentations: list[Presentation]) -> None:
    assert presented(probes, visit, shipped_policy()) == presentations


def test_a_print_is_told_from_a_person_and_an_empty_room_is_no_response(frames: Path) -> None:
    (measured,) = pad(frames)

    assert measured.rate(BONA_FIDE) == Rate(0, 3)
    assert measured.rate("print") == Rate(0, 3)
    assert measured.non_responses(BONA_FIDE) == Rate(1, 4)
    assert "no face 1" in described([measured])


def test_swapped_labels_raise_both_error_rates(frames: Path) -> None:
    (frames / "set" / "bonafide").rename(frames / "set" / "x")
    (frames / "set" / "attack_print").rename(frames / "set" / "bonafide")
    (frames / "set" / "x").rename(frames / "set" / "attack_print")

    (measured,) = pad(frames)

    assert measured.rate(BONA_FIDE) == Rate(3, 3)
    assert measured.rate("print") == Rate(3, 3)


def test_the_json_has_exactly_the_keys_that_others_rely_on(frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "pad", "--data", str(frames), "--visit", "3", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {
        "threshold": shipped_policy().pad_threshold,
        "bpcer": 0.0,
        "bonafide": 1,
        "kinds": [{"kind": "print", "apcer": 0.0, "presentations": 1}],
    }


def test_a_folder_is_read_in_the_order_of_its_frames(tmp_path: Path) -> None:
    names = ("bonafide/a/frame_10.jpg", "bonafide/a/frame_9.jpg", "deep/attack_mask/b/film.mp4", "notes/c.jpg")
    for name in (*names, "video/man_phone_replay.mp4", "video/man.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    found = [(source.kind, [path.name for path in source.paths]) for source in sources(tmp_path)]

    assert found == [
        ("bonafide", ["frame_9.jpg", "frame_10.jpg"]),
        ("mask", ["film.mp4"]),
        ("phone_replay", ["man_phone_replay.mp4"]),
    ]


def test_every_fifth_frame_of_a_film_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "attack_replay").mkdir()
    film = cv2.VideoWriter(str(tmp_path / "attack_replay" / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for number in range(12):
        film.write(np.full((48, 64, 3), 20 * number, np.uint8))
    film.release()

    (source,) = sources(tmp_path)

    assert [round(float(picture.mean()) / 20) for picture in source.pictures()] == [0, 5, 10]


def test_a_folder_without_presentations_cannot_be_measured(models: Models, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no picture or film"):
        pad(tmp_path)
