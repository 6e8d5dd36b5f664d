"""Promise: the simulated reader tells real fingers apart, and synthetic ones, in templates of any reader's size."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kiosk.sim import ridges
from kiosk.sim.fingerprint_module import SECURITY_THRESHOLDS
from kiosk.sim.minutiae import Impression, Matcher, MatcherMissingError, Minutia, pack, unpack

MINUTIAE = st.builds(Minutia, st.integers(0, 1023), st.integers(0, 1023), st.integers(0, 255), st.integers(0, 15))
IMPRESSIONS = st.builds(
    Impression, st.integers(1, 1024), st.integers(1, 1024), st.lists(MINUTIAE, max_size=60).map(tuple)
)
DATA = Path(os.environ.get("KIOSK_DATA", "../shared/data")) / "fingers" / "fcj2020"
Press = Callable[[int, int], NDArray[np.uint8]]


@given(st.lists(IMPRESSIONS, max_size=2), st.sampled_from([512, 768, 1536]))
def test_a_template_has_the_readers_size_and_keeps_every_minutia(impressions: list[Impression], size: int) -> None:
    template = pack(impressions, size)

    assert len(template) == size
    for packed, given_ in zip(unpack(template), impressions, strict=True):
        assert sorted(map(repr, packed.minutiae)) == sorted(map(repr, given_.minutiae))


def test_where_there_is_no_room_the_least_reliable_are_left_out() -> None:
    minutiae = tuple(Minutia(n, n, 0, 9 if n % 2 else 3) for n in range(124))

    (kept,) = unpack(pack([Impression(300, 400, minutiae)], 512))

    assert len(kept.minutiae) == 62
    assert {minutia.quality for minutia in kept.minutiae} == {9}


@given(st.binary(max_size=800) | st.binary(max_size=800).map(lambda tail: b"Hf\x02" + tail))
def test_bytes_that_are_no_template_have_no_impressions_or_harmless_ones(template: bytes) -> None:
    assert len(unpack(template)) <= 2


@pytest.mark.parametrize("size", [512, 768, 1536])
def test_presses_of_one_finger_are_alike_and_those_of_two_are_not(matcher: Matcher, press: Press, size: int) -> None:
    enrolled = [unpack(pack([matcher.impression(press(finger, n)) for n in (0, 1)], size)) for finger in (1, 2)]
    probe = unpack(pack([matcher.impression(press(1, 2))], size))

    assert matcher.score(probe, enrolled[0]) > 2 * SECURITY_THRESHOLDS[5]
    assert matcher.score(probe, enrolled[1]) < SECURITY_THRESHOLDS[3]


def test_packing_costs_no_score(matcher: Matcher, press: Press) -> None:
    impressions = [matcher.impression(press(1, n)) for n in (0, 1)]
    packed = [unpack(pack([impression], 1536)) for impression in impressions]

    assert matcher.score(*packed) == matcher.score(impressions[:1], impressions[1:])


def test_a_smudge_has_no_features(matcher: Matcher) -> None:
    assert matcher.impression(ridges.smudge()).minutiae == ()


def test_an_empty_template_is_like_nothing(matcher: Matcher, press: Press) -> None:
    assert matcher.score((), [matcher.impression(press(1, 0))]) == 0


def test_a_press_is_the_same_each_time_it_is_made() -> None:
    finger = ridges.finger(3)

    assert np.array_equal(ridges.pressed(finger, 1), ridges.pressed(ridges.finger(3), 1))
    assert not np.array_equal(ridges.pressed(finger, 1), ridges.pressed(finger, 2))


def test_without_the_matchers_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nbis", None)

    with pytest.raises(MatcherMissingError, match="nbis-py"):
        Matcher()


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the finger images in {DATA} (KIOSK_DATA)")
def test_presses_of_real_fingers_are_told_apart(matcher: Matcher) -> None:
    """Impressions 1 are left out: some of them are of another finger than their names say."""
    presses = {
        path.stem: [matcher.impression(np.asarray(cv2.imread(str(path), 0), np.uint8))]
        for n in (2, 5)
        for path in sorted(DATA.glob(f"10[1-4]_?_{n}.bmp"))
    }
    scores = {(one, other): matcher.score(presses[one], presses[other]) for one, other in combinations(presses, 2)}
    genuine = [score for (one, other), score in scores.items() if one[:-1] == other[:-1]]
    impostor = [score for (one, other), score in scores.items() if one[:-1] != other[:-1]]

    assert np.mean(np.less(genuine, SECURITY_THRESHOLDS[3])) <= 0.125
    assert max(impostor) < SECURITY_THRESHOLDS[3]
