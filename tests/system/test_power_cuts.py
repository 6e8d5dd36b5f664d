"""The whole kiosk, killed at random moments while people tap: whoever was greeted is in the journal, once, in order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kiosk.recognition.detection import UInt8Array
from kiosk.sim import ridges
from kiosk.sim.camera import boottime_ms
from kiosk.sim.office import KioskProcess, Office, opened_office
from kiosk.storage.journal import opened_journal_file
from wire.attendance import EventType, parse_rfc3339

SATURDAY = datetime(2026, 7, 4, tzinfo=ZoneInfo("Asia/Jakarta"))
"""A day off, on which every tap after the first is a departure and the screen never asks."""
BETWEEN_TAPS = timedelta(minutes=6)
"""Longer than `repeat_within_s`, so that every tap is an event."""
LONGEST_LIFE_MS = 2500
PID = "p-1"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with opened_office(tmp_path) as office:
        office.write_settings("passive")
        yield office


class Tapper:
    """Somebody who taps again and again, each time some minutes later, until the power is cut."""

    def __init__(self, office: Office, press: UInt8Array, chance: random.Random) -> None:
        self.greeted: set[datetime] = set()
        """The moments of the taps that were greeted, UTC."""
        self.ready_ms: list[int] = []
        """How long each start took."""
        self._office = office
        self._press = press
        self._chance = chance
        self._moments = (SATURDAY + number * BETWEEN_TAPS for number in count())

    def live_once(self) -> None:
        """Switch the kiosk on, tap, and kill it at a random moment."""
        begun_ms = boottime_ms()
        with self._office.kiosk_running("--headless") as kiosk:
            self.ready_ms.append(boottime_ms() - begun_ms)
            until_ms = boottime_ms() + self._chance.randrange(LONGEST_LIFE_MS)
            while boottime_ms() < until_ms:
                self._tap(kiosk, until_ms)
            kiosk.kill()
            self._listen(kiosk)
        self._office.reader.lift()

    def _tap(self, kiosk: KioskProcess, until_ms: int) -> None:
        self._office.turn_clock_to(next(self._moments))
        self._office.reader.place(self._press)
        self._hear(kiosk, until_ms, "greeting")
        self._office.reader.lift()
        self._hear(kiosk, until_ms, "idle")

    def _hear(self, kiosk: KioskProcess, until_ms: int, kind: str) -> None:
        while (left_ms := until_ms - boottime_ms()) > 0:
            said = kiosk.says(left_ms / 1000)
            if said is not None and said.kind == "greeting":
                self.greeted.add(datetime.fromisoformat(said.fields["t"]))
            if said is None or said.kind == kind:
                return

    def _listen(self, kiosk: KioskProcess) -> None:
        """What it still said before it died."""
        for said in kiosk.last_words():
            if said.kind == "greeting":
                self.greeted.add(datetime.fromisoformat(said.fields["t"]))


def killed(office: Office, times: int) -> Tapper:
    """Let the kiosk die this often."""
    own = ridges.finger(7)
    office.enrol_finger(PID, "Siti Aminah", 6, ridges.pressed(own, 0))
    tapper = Tapper(office, ridges.pressed(own, 1), random.Random(1))
    for _ in range(times):
        tapper.live_once()
    return tapper


def check_journal(office: Office, tapper: Tapper) -> None:
    office.verify_journal()
    with opened_journal_file(office.journal) as journal:
        events = list(journal.events())
    taps = [parse_rfc3339(event.t) for event in events if event.typ is EventType.ATTENDANCE]

    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert len(taps) == len(set(taps))
    assert tapper.greeted
    lost = {tap for tap in tapper.greeted if not any(abs(tap - kept) < timedelta(milliseconds=1) for kept in taps)}
    assert lost == set()


def test_whoever_was_greeted_is_in_the_journal_after_a_few_power_cuts(office: Office) -> None:
    check_journal(office, killed(office, times=4))


@pytest.mark.faults
def test_whoever_was_greeted_is_in_the_journal_after_200_power_cuts(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    tapper = killed(office, times=200)

    check_journal(office, tapper)
    slowest, median = max(tapper.ready_ms), sorted(tapper.ready_ms)[100]
    with capsys.disabled():
        print(
            f"\n200 kills, {len(tapper.greeted)} greeted, 0 lost; ready after {median} ms (median), {slowest} ms (most)"
        )
