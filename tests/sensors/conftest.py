"""The simulated fingerprint reader, fingers that belong to nobody, and the real driver's side of the line.

Two matchers: the real one (mindtct and bozorth3), for what is about fingers; and `Labels`, for what is about the line
and the slots, which takes a picture's first pixel for the finger's name and answers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from kiosk.sensors.fingerprint_reader import Reader
from kiosk.sensors.fingerprint_wire import CheckedWire, open_wire
from kiosk.sim import ridges
from kiosk.sim.fingerprint import SimulatedReader
from kiosk.sim.fingerprint_module import Flash
from kiosk.sim.minutiae import Impression, Matcher, Minutia, pack

BAUD = 57600
ALIKE, UNLIKE = 101, 13
"""Scores of a genuine pair and of two people, as bozorth3 gives them."""

Image = NDArray[np.uint8]


def labelled(finger: int) -> Image:
    """A picture that `Labels` takes for this finger; 0 gives no minutiae, 1 to 9 too few."""
    return np.full((8, 8), finger, np.uint8)


class Labels:
    """A matcher that reads names off pictures."""

    def impression(self, image: Image) -> Impression:
        """As many minutiae as the finger's number, all of them at it."""
        finger = int(image[0, 0])
        return Impression(8, 8, (Minutia(finger, finger, 0, 0),) * finger)

    def score(self, one: Sequence[Impression], other: Sequence[Impression]) -> int:
        """Whether any two impressions are of one finger."""
        alike = {press.minutiae[0] for press in one} & {press.minutiae[0] for press in other}
        return ALIKE if alike else UNLIKE


def labelled_template(finger: int, size: int = 768) -> bytes:
    """What the reader makes of a labelled finger."""
    return pack([Labels().impression(labelled(finger))], size)


@pytest.fixture(scope="session")
def matcher() -> Matcher:
    """The real one."""
    return Matcher()


@pytest.fixture(scope="session")
def press() -> Callable[[int, int], Image]:
    """`press(finger, n)` is the n-th press of a finger; another n is another impression of it."""
    return cache(lambda finger, n: ridges.pressed(_ridges(finger), 100 * finger + n))


@cache
def _ridges(finger: int) -> NDArray[np.float32]:
    return ridges.finger(finger)


@pytest.fixture
def flash() -> Flash:
    """What the reader has in its flash when it is switched on."""
    return Flash()


@pytest.fixture
def simulated(flash: Flash) -> Iterator[SimulatedReader]:
    """A reader on a pty that takes no time and reads labels."""
    with SimulatedReader(flash, paced=False, matcher=Labels()) as reader:
        yield reader


@pytest.fixture
def wire(simulated: SimulatedReader) -> Iterator[CheckedWire]:
    """Our end of the line."""
    with closing(open_wire(simulated.path, BAUD)) as wire:
        yield wire


@pytest.fixture
def reader(wire: CheckedWire) -> Reader:
    """The reader through the unmodified driver."""
    return Reader(wire)
