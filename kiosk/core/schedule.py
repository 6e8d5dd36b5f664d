"""Working-hours rules as data: is this tap an arrival or a departure, how late, or must the screen ask?

A day's rule is the last one in the list that names the day. Arrival or departure comes from the clock and from the
day's earlier taps, never from a toggle, so a forgotten departure cannot flip the next day:

    taps so far   before the middle of the day   until departure       from departure on
    none          arrival                        arrival               ask
    arrival       ask                            departure, early      departure
    departure     departure                      departure             departure

On a day without a rule (weekend, holiday) the first tap is the arrival and every later one the departure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from wire.attendance import Act


@dataclass(frozen=True, slots=True)
class Tap:
    """One recorded tap of a person."""

    act: Act
    t: datetime
    """UTC, aware."""


@dataclass(frozen=True, slots=True)
class DayRule:
    """The hours of some weekdays, perhaps only in a range of dates."""

    weekdays: frozenset[int]
    """0 is Monday."""
    arrival: time | None
    """The latest that is on time, local; None, with `departure`: a day off."""
    departure: time | None
    """The earliest that is not early, local."""
    first: date = date.min
    last: date = date.max

    def names(self, day: date) -> bool:
        """Whether this rule speaks of that day."""
        return day.weekday() in self.weekdays and self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Reading:
    """What a tap means."""

    act: Act | None
    """None: it could be either, and the person must say."""
    late_min: int = 0
    """Minutes after the arrival time, for an arrival; by the clock's minutes, as the screen shows them."""
    early_min: int = 0
    """Minutes before the departure time, for a departure; by the clock's minutes too."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A unit's hours in its zone."""

    zone: str
    """IANA name, e.g. Asia/Jakarta (WIB), Asia/Makassar (WITA), Asia/Jayapura (WIT)."""
    rules: tuple[DayRule, ...] = ()

    def local(self, t: datetime) -> datetime:
        """The office's wall-clock time."""
        return t.astimezone(ZoneInfo(self.zone))

    def hours(self, day: date) -> tuple[datetime, datetime] | None:
        """Arrival and departure of that day in UTC; None on a day off."""
        rule = next((rule for rule in reversed(self.rules) if rule.names(day)), None)
        if rule is None or rule.arrival is None or rule.departure is None:
            return None
        zone = ZoneInfo(self.zone)
        arrival, departure = (datetime.combine(day, at, zone) for at in (rule.arrival, rule.departure))
        return arrival.astimezone(UTC), departure.astimezone(UTC)

    def today(self, taps: Sequence[Tap], t: datetime) -> tuple[Tap, ...]:
        """Those of the taps that were made on the same local day as `t`."""
        day = self.local(t).date()
        return tuple(tap for tap in taps if self.local(tap.t).date() == day)

    def read(self, t: datetime, taps: Sequence[Tap]) -> Reading:
        """Return what a tap at `t` means, after these earlier taps of the same person."""
        act = self._act(t, {tap.act for tap in self.today(taps, t)})
        return Reading(None) if act is None else self.as_act(t, act)

    def as_act(self, t: datetime, act: Act) -> Reading:
        """Return how late or early a tap at `t` is, once it is known what it is."""
        hours = self.hours(self.local(t).date())
        if hours is None:
            return Reading(act)
        arrival, departure = hours
        minute = t.replace(second=0, microsecond=0)
        if act is Act.ARRIVAL:
            return Reading(act, late_min=_minutes(minute - arrival))
        return Reading(act, early_min=_minutes(departure - minute))

    def _act(self, t: datetime, made: set[Act]) -> Act | None:
        if Act.DEPARTURE in made:
            return Act.DEPARTURE
        hours = self.hours(self.local(t).date())
        if hours is None:
            return Act.DEPARTURE if made else Act.ARRIVAL
        arrival, departure = hours
        if made:
            return Act.DEPARTURE if t >= arrival + (departure - arrival) / 2 else None
        return Act.ARRIVAL if t < departure else None


def _minutes(span: timedelta) -> int:
    return max(0, int(span.total_seconds() // 60))
