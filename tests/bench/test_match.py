"""Promise: the protocol of `kiosk bench match` keeps mates and strangers apart, and its figures follow the labels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from kiosk.__main__ import main
from kiosk.bench.faces import FaceSet, Sample, embedded, middle, one_to_one
from kiosk.bench.match import described, drawn, match, matched, sizes
from kiosk.bench.rates import BenchError, Rate, shipped_policy
from kiosk.recognition.enrolment import Flaw
from kiosk.recognition.manifest import DEMO_FOLDER
from kiosk.recognition.models import Models

PEOPLE = {
    "a": ("person_a_1", "person_a_2"),
    "b": ("person_b_1", "person_b_2"),
    "c": ("impostor_1",),
    "d": ("impostor_2",),
}
KEYS = {"people", "pictures", "threshold", "fpir", "fnir", "mated", "nonmated"}


def near(direction: int, count: int, cosine: float = 1.0) -> list[Sample]:
    """Samples of somebody: `cosine` along their own direction, the rest along one of the picture's own."""
    own = np.eye(128, dtype=np.float32)
    templates = [cosine * own[direction] + np.sqrt(1 - cosine**2) * own[127 - index] for index in range(count)]
    return [Sample(each, each, each) for each in templates]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Two people with two pictures, two with one."""
    for person, names in PEOPLE.items():
        (tmp_path / person).mkdir()
        for name in names:
            shutil.copy(DEMO_FOLDER / "faces" / f"{name}.jpg", tmp_path / person)
    return tmp_path


def swap(folder: Path, one: str, other: str) -> None:
    (folder / one).rename(folder / "elsewhere")
    (folder / other).rename(folder / one)
    (folder / "elsewhere").rename(folder / other)


def test_portraits_with_the_right_labels_are_found(models: Models, people: Path) -> None:
    (gallery,) = match(people).galleries

    assert (gallery.people, gallery.pictures, gallery.mates) == (2, 1, 2)
    assert gallery.fnir == Rate(0, 20)
    assert gallery.fpir == Rate(0, 20)


def test_a_swapped_label_raises_the_error_rate(models: Models, people: Path) -> None:
    swap(people, "a/person_a_1.jpg", "b/person_b_1.jpg")

    (gallery,) = match(people).galleries

    assert gallery.fnir == Rate(20, 20)
    assert gallery.misnamed.errors > 0


def test_a_mate_called_a_stranger_raises_the_false_positive_rate(models: Models, people: Path) -> None:
    swap(people, "b/person_b_1.jpg", "c/impostor_1.jpg")

    assert match(people).galleries[0].fpir.errors > 0


def test_the_json_has_exactly_the_keys_that_others_rely_on(
    models: Models, people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "match", "--faces", str(people), "--json"]) == 0

    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"galleries"}
    assert [set(each) for each in printed["galleries"]] == [KEYS]
    assert printed["galleries"][0]["threshold"] == shipped_policy().face_threshold


def test_a_picture_without_a_face_is_a_failure_to_acquire(models: Models, people: Path) -> None:
    cv2.imwrite(str(people / "d" / "wall.jpg"), np.full((250, 250, 3), 128, np.uint8))
    (people / "d" / "broken.jpg").write_bytes(b"no picture")

    faces = embedded(models, people)

    assert faces.failures_to_acquire == Rate(2, 8)
    assert faces.flaws == {Flaw.NO_FACE: 2}


def test_of_several_faces_the_one_in_the_middle_is_meant(models: Models, tmp_path: Path) -> None:
    face = np.asarray(cv2.imread(str(DEMO_FOLDER / "faces" / "person_a_1.jpg")), np.uint8)
    row = np.concatenate([cv2.resize(face, (400, 400))] * 3, axis=1)
    (tmp_path / "a").mkdir()
    cv2.imwrite(str(tmp_path / "a" / "three.png"), np.concatenate([np.zeros_like(row), row, np.zeros_like(row)]))

    faces = embedded(models, tmp_path)

    assert faces.middles == 1
    assert len(faces.samples["a"]) == 1


def test_the_middle_of_a_picture_is_its_middle() -> None:
    picture = np.zeros((100, 50, 3), np.uint8)
    picture[20:80, 10:40] = 1

    assert middle(picture, 0.6).shape == (60, 30, 3)
    assert middle(picture, 0.6).all()


# ---- the protocol, on samples


@pytest.fixture
def samples() -> dict[str, list[Sample]]:
    """Five people with four samples, five with one, all in directions of their own."""
    return {f"p{number}": near(number, 4 if number < 5 else 1, 0.9) for number in range(10)}


def pictures_of(samples: list[Sample]) -> Iterator[bytes]:
    return (each.probe.tobytes() for each in samples)


def test_nobody_is_probed_with_a_picture_that_is_enrolled(samples: dict[str, list[Sample]]) -> None:
    draw = drawn(samples, 4, 3, seed=0)

    enrolled = {each for own in draw.enrolled.values() for each in pictures_of(list(own))}
    assert not enrolled & {probe.probe.tobytes() for _, probe in draw.mated}
    assert not enrolled & {probe.probe.tobytes() for probe in draw.nonmated}
    assert (len(draw.mated), len(draw.nonmated)) == (4, 4 + 5)


def test_people_with_few_pictures_fill_a_gallery_but_are_no_mates(samples: dict[str, list[Sample]]) -> None:
    draw = drawn(samples, 8, 3, seed=0)

    assert sorted(len(own) for own in draw.enrolled.values()) == [1, 1, 1, 3, 3, 3, 3, 3]
    assert {pid for pid, _ in draw.mated} == {"p0", "p1", "p2", "p3", "p4"}


def test_a_seed_gives_one_draw_and_another_seed_another(samples: dict[str, list[Sample]]) -> None:
    once, again, other = (list(drawn(samples, 4, 1, seed).enrolled) for seed in (0, 0, 1))

    assert once == again != other


@pytest.mark.parametrize(
    ("people", "fitting"), [(828, (100, 500)), (5749, (100, 500, 1000, 2000, 5000)), (199, (99,)), (1, ())]
)
def test_galleries_are_as_large_as_the_strangers_left_over_allow(people: int, fitting: tuple[int, ...]) -> None:
    assert sizes(people) == fitting


def test_strangers_who_look_like_somebody_are_false_positives(samples: dict[str, list[Sample]]) -> None:
    twins = samples | {f"q{number}": near(number, 1, 0.9) for number in range(5)}

    gallery = matched(FaceSet(twins, {}), shipped_policy()).galleries[0]

    assert gallery.fpir.errors > 0
    assert gallery.shipped.fpir(gallery.threshold) == gallery.fpir.share


def test_two_who_look_alike_are_ambiguous_and_so_refused_at_every_threshold() -> None:
    four = near(0, 4, 0.9)
    alike = {"a": four[:2], "b": four[2:], "c": near(1, 1), "d": near(2, 1)}

    gallery = matched(FaceSet(alike, {}), shipped_policy()).galleries[0]

    assert gallery.fnir.share == 1.0
    assert gallery.misnamed.errors == 0
    assert gallery.shipped.fnir(-1.0) == 1.0


def test_a_mate_who_resembles_somebody_else_is_missed_at_every_threshold() -> None:
    (here,), (there,) = near(0, 1), near(1, 1)
    confused = {"a": [here, there], "b": [there, here], "c": near(2, 1), "d": near(3, 1)}

    gallery = matched(FaceSet(confused, {}), shipped_policy()).galleries[0]

    assert gallery.misnamed.errors > 0
    assert gallery.shipped.fnir(-1.0) == 1.0


def test_one_to_one_counts_every_pair_once() -> None:
    fmr, fnmr = one_to_one({"a": near(0, 3), "b": [*near(1, 1), *near(0, 1)]}, 0.5)

    assert fmr == Rate(3, 6)
    assert fnmr == Rate(1, 4)


def test_people_with_one_picture_each_cannot_be_measured() -> None:
    with pytest.raises(BenchError, match="2 people with a usable picture"):
        matched(FaceSet({"a": near(0, 1), "b": near(1, 1)}, {}), shipped_policy())


def test_the_description_says_flaws_and_both_ways_of_search(samples: dict[str, list[Sample]]) -> None:
    text = described(matched(FaceSet(samples, {Flaw.BLURRED: 2}), shipped_policy()))

    assert "blurred 2" in text
    assert "FNIR at FPIR 0.10 %, plain" in text
