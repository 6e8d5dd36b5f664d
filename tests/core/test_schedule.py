"""Arrival or departure comes from the clock and the day's taps, never from a toggle."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from kiosk.core.schedule import DayRule, Reading, Schedule, Tap
from wire.attendance import Act

ZONE = ZoneInfo("Asia/Jakarta")
MONDAY = date(2026, 11, 23)
OFFICE = Schedule(
    "Asia/Jakarta",
    (
        DayRule(frozenset(range(5)), time(7, 30), time(15, 30)),
        DayRule(frozenset({4}), time(7, 30), time(15, 0)),
        DayRule(frozenset(range(5)), time(8, 0), time(14, 30), date(2027, 2, 8), date(2027, 3, 9)),
        DayRule(frozenset(range(7)), None, None, date(2026, 12, 25), date(2026, 12, 25)),
    ),
)


def local(clock: str, day: date = MONDAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), ZONE).astimezone(UTC)


def taps(*made: tuple[Act, str]) -> tuple[Tap, ...]:
    return tuple(Tap(act, local(clock)) for act, clock in made)


IN, OUT = Act.ARRIVAL, Act.DEPARTURE


@pytest.mark.parametrize(
    ("earlier", "clock", "reading"),
    [
        ((), "07:29", Reading(IN)),
        ((), "07:30", Reading(IN)),
        ((), "07:30:59", Reading(IN)),
        ((), "07:37", Reading(IN, late_min=7)),
        ((), "07:37:59", Reading(IN, late_min=7)),
        ((), "15:29", Reading(IN, late_min=479)),
        ((), "15:30", Reading(None)),
        (((IN, "07:20"),), "11:29", Reading(None)),
        (((IN, "07:20"),), "11:30", Reading(OUT, early_min=240)),
        (((IN, "07:20"),), "15:18", Reading(OUT, early_min=12)),
        (((IN, "07:20"),), "15:18:59", Reading(OUT, early_min=12)),
        (((IN, "07:20"),), "15:30", Reading(OUT)),
        (((IN, "07:20"), (OUT, "15:31")), "16:10", Reading(OUT)),
        (((IN, "07:20"), (OUT, "09:00")), "10:00", Reading(OUT, early_min=330)),
    ],
)
def test_a_tap_is_read_from_the_clock_and_the_days_taps(
    earlier: tuple[tuple[Act, str], ...], clock: str, reading: Reading
) -> None:
    assert OFFICE.read(local(clock), taps(*earlier)) == reading


def test_a_forgotten_departure_never_flips_the_next_day() -> None:
    tuesday = MONDAY + timedelta(days=1)

    reading = OFFICE.read(local("07:25", tuesday), taps((IN, "07:20")))

    assert reading == Reading(IN)


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        (MONDAY, ("07:30", "15:30")),
        (date(2026, 11, 27), ("07:30", "15:00")),
        (date(2027, 2, 15), ("08:00", "14:30")),
        (date(2026, 11, 28), None),
        (date(2026, 12, 25), None),
    ],
    ids=["weekday", "Friday", "Ramadan", "Saturday", "holiday"],
)
def test_the_last_rule_that_names_a_day_holds(day: date, hours: tuple[str, str] | None) -> None:
    wanted = hours and (local(hours[0], day), local(hours[1], day))

    assert OFFICE.hours(day) == wanted


def test_on_a_day_off_the_first_tap_is_the_arrival_and_later_ones_the_departure() -> None:
    saturday = MONDAY + timedelta(days=5)

    assert OFFICE.read(local("09:00", saturday), ()) == Reading(IN)
    assert OFFICE.read(local("12:00", saturday), [Tap(IN, local("09:00", saturday))]) == Reading(OUT)


def test_the_local_day_counts_not_the_utc_day() -> None:
    papua = Schedule("Asia/Jayapura", (DayRule(frozenset(range(7)), time(7, 30), time(15, 30)),))
    before_utc_midnight = datetime(2026, 11, 22, 22, 20, tzinfo=UTC)

    after_utc_midnight = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)

    assert papua.read(before_utc_midnight, ()) == Reading(IN)
    assert papua.read(after_utc_midnight, [Tap(IN, before_utc_midnight)]) == Reading(None)
    assert papua.hours(MONDAY) == (
        datetime(2026, 11, 22, 22, 30, tzinfo=UTC),
        datetime(2026, 11, 23, 6, 30, tzinfo=UTC),
    )
