"""Frames of one face become one template; frames of two people never do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.recognition.detection import Float32Array
from kiosk.recognition.fusion import GAP_MS, SAME_FACE, Run

ANNA = np.eye(128, dtype=np.float32)[0]
EMIL = np.eye(128, dtype=np.float32)[1]


def like(other: Float32Array, cosine: float, seed: int = 0) -> Float32Array:
    """A template of that cosine to the other."""
    noise = np.random.default_rng(seed).standard_normal(128).astype(np.float32)
    noise -= (noise @ other) * other
    noise /= np.linalg.norm(noise)
    return np.asarray(cosine * other + np.sqrt(1 - cosine**2) * noise, np.float32)


def run_of(*templates: Float32Array, apart_ms: int = 100, most: int = 6) -> Run:
    run = Run()
    for number, template in enumerate(templates):
        run = run.then(template, number * apart_ms, counts=True, most=most)
    return run


def test_three_frames_together_are_nearer_to_the_person_than_any_of_them() -> None:
    frames = [like(ANNA, 0.85, seed) for seed in range(3)]

    template = run_of(*frames).template()

    assert template is not None
    assert float(template @ ANNA) > 0.92
    assert np.linalg.norm(template) == pytest.approx(1.0, abs=1e-6)


def test_somebody_else_begins_a_new_run() -> None:
    run = run_of(ANNA, ANNA, EMIL)

    assert run.frames == 1
    assert run.template() == pytest.approx(EMIL)


@pytest.mark.parametrize(("cosine", "frames"), [(SAME_FACE + 0.01, 2), (SAME_FACE - 0.01, 1)])
def test_a_face_goes_on_while_it_is_like_the_one_before(cosine: float, frames: int) -> None:
    assert run_of(ANNA, like(ANNA, cosine)).frames == frames


def test_after_a_gap_nobody_knows_who_it_is() -> None:
    assert run_of(ANNA, ANNA, apart_ms=GAP_MS).frames == 2
    assert run_of(ANNA, ANNA, apart_ms=GAP_MS + 1).frames == 1


def test_a_frame_that_does_not_count_is_not_in_the_template() -> None:
    near = like(ANNA, 0.7)

    run = run_of(ANNA).then(near, 100, counts=False, most=6)

    assert (run.frames, len(run.kept)) == (2, 1)
    assert run.template() == pytest.approx(ANNA)


def test_nothing_that_counts_gives_no_template() -> None:
    assert Run().then(ANNA, 0, counts=False, most=6).template() is None


@given(st.lists(st.sampled_from([ANNA, EMIL]), min_size=1, max_size=12), st.integers(1, 6))
def test_no_template_is_ever_made_of_two_people(shown: list[Float32Array], most: int) -> None:
    template = run_of(*shown, most=most).template()

    assert template is not None
    assert float(template @ shown[-1]) == pytest.approx(1.0, abs=1e-5)
