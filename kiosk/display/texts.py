"""Every sentence of the screen, by key and language, from `texts/*.toml`; and how a language writes dates and times.

A key is `section.name`. A key that a language lacks is an error as soon as it is asked for; a test sees to it that all
languages have the same keys, with the same things to fill in, and that the screens ask for every one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources

from kiosk.config import Language
from kiosk.core.faults import KioskError

Value = str | int


class TextsError(KioskError):
    """A sentence is missing, or cannot be filled in; the message names language and key."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The sentences of one language."""

    language: Language
    sentences: Mapping[str, str]
    weekdays: tuple[str, ...]
    """Monday first."""
    months: tuple[str, ...]

    def __call__(self, key: str, **values: Value) -> str:
        """Return the sentence, filled in.

        Raises:
            TextsError: there is no such sentence, or one of its values was not given.
        """
        try:
            return self.sentences[key].format(**values)
        except KeyError as error:
            raise TextsError(f"texts/{self.language}.toml: {key}: {error} is missing") from error

    def time(self, local: datetime) -> str:
        """Hours and minutes, e.g. `07.25`."""
        return self("calendar.time", hour=local.hour, minute=local.minute)

    def date(self, local: datetime) -> str:
        """The day in full, e.g. `Senin, 6 Juli 2026`."""
        weekday, month = self.weekdays[local.weekday()], self.months[local.month - 1]
        return self("calendar.date", weekday=weekday, day=local.day, month=month, year=local.year)

    def decimal(self, number: float) -> str:
        """A number with one digit after the decimal sign."""
        return f"{number:.1f}".replace(".", self("calendar.decimal"))


def load(language: Language) -> Texts:
    """Return the sentences of a language.

    Raises:
        TextsError: the file has anything but sentences, twelve months and seven weekdays.
    """
    place = f"texts/{language}.toml"
    tables = tomllib.loads(resources.files("kiosk.display").joinpath(place).read_text(encoding="utf-8"))
    entries = {f"{section}.{name}": value for section, table in tables.items() for name, value in table.items()}
    weekdays, months = tuple(entries.pop("calendar.weekdays", ())), tuple(entries.pop("calendar.months", ()))
    if (len(weekdays), len(months)) != (7, 12):
        raise TextsError(f"{place}: {len(weekdays)} weekdays and {len(months)} months: must be 7 and 12")
    for key, value in entries.items():
        if not isinstance(value, str):
            raise TextsError(f"{place}: {key} = {value!r}: must be a sentence")
    return Texts(language, entries, weekdays, months)
