"""Every language says everything, with the same things filled in, and says nothing that no screen asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from string import Formatter

import pytest

from kiosk.config import Language
from kiosk.core.biometrics import Hint
from kiosk.core.decision import Reason
from kiosk.core.faults import FaultCode
from kiosk.display.texts import Texts, TextsError
from tests.display.states import LOOKS, STATES

NEEDED = [
    *(f"cause.{reason}" for reason in Reason),
    *(f"remedy.{reason}" for reason in Reason),
    *(f"{section}.{hint}" for section in ("hint", "hint_more", "hint_cause", "hint_remedy") for hint in Hint),
    *(f"fault.{code}" for code in FaultCode),
]


def blanks(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def test_all_languages_have_the_same_sentences(texts: dict[Language, Texts]) -> None:
    assert texts[Language.ENGLISH].sentences.keys() == texts[Language.INDONESIAN].sentences.keys()


def test_a_sentence_has_the_same_blanks_in_all_languages(texts: dict[Language, Texts]) -> None:
    english, indonesian = (
        {key: blanks(sentence) for key, sentence in texts[language].sentences.items()}
        for language in (Language.ENGLISH, Language.INDONESIAN)
    )

    assert english == indonesian


@pytest.mark.parametrize("key", NEEDED)
@pytest.mark.parametrize("language", Language)
def test_every_reason_hint_and_fault_is_put_into_words(
    key: str, language: Language, texts: dict[Language, Texts]
) -> None:
    assert texts[language](key)


def test_every_sentence_is_said_by_some_screen(texts: dict[Language, Texts]) -> None:
    asked = Asked(texts[Language.INDONESIAN].sentences)
    listening = replace(texts[Language.INDONESIAN], sentences=asked)
    for shown in STATES.values():
        shown.scene(listening, LOOKS["1024"])

    unsaid = {key for key in asked if key not in asked.keys_asked and not key.startswith("fault.")}
    assert unsaid == set()


def test_a_missing_sentence_names_its_language_and_key(texts: dict[Language, Texts]) -> None:
    with pytest.raises(TextsError, match=r"texts/en\.toml: idle\.nothing"):
        texts[Language.ENGLISH]("idle.nothing")


def test_a_value_that_was_not_given_is_named(texts: dict[Language, Texts]) -> None:
    with pytest.raises(TextsError, match="minutes"):
        texts[Language.INDONESIAN]("greeting.late")


@pytest.mark.parametrize(
    ("language", "time", "date", "decimal"),
    [
        (Language.INDONESIAN, "07.05", "Senin, 6 Juli 2026", "0,1"),
        (Language.ENGLISH, "07:05", "Monday, 6 July 2026", "0.1"),
    ],
)
def test_dates_and_numbers_are_written_as_the_language_does(
    language: Language, time: str, date: str, decimal: str, texts: dict[Language, Texts]
) -> None:
    moment = datetime(2026, 7, 6, 7, 5)  # noqa: DTZ001 - an office's wall clock

    said = texts[language]

    assert (said.time(moment), said.date(moment), said.decimal(0.1)) == (time, date, decimal)


class Asked(dict[str, str]):
    """Sentences that remember which of them were asked for."""

    def __init__(self, sentences: Mapping[str, str]) -> None:
        super().__init__(sentences)
        self.keys_asked: set[str] = set()

    def __getitem__(self, key: str) -> str:
        self.keys_asked.add(key)
        return super().__getitem__(key)
