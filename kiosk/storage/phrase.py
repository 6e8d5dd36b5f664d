"""The technician's recovery phrase: twelve words that can be said over a telephone, and the key made of them.

The words are made here, by rule, from the two-syllable shape of Indonesian: consonant, vowel, consonant, vowel, with
sixteen consonants that are written in one way and the vowels a, i, u, which nobody mistakes for one another when they
are read aloud (e is two sounds, o is taken for u). That gives 48 x 48 = 2,304 words, less the few that are rude: 12
words drawn at random have 134.0 bits.
"""

from __future__ import annotations

import secrets
from itertools import product

from argon2.low_level import Type, hash_secret_raw

from kiosk.storage.database import StorageError

CONSONANTS, VOWELS = "bcdghjklmnprstwy", "aiu"
RUDE = frozenset({"babi", "gila", "hina", "maki", "mati", "puki", "tahi"})
WORDS_IN_PHRASE = 12
SALT_BYTES = 16
"""RFC 9106, 3.1: 128 bits suffice."""
PASSES, MEMORY_KIB, LANES = 3, 64 * 1024, 4
"""RFC 9106, 4, the second recommended choice, for where 2 GiB of memory are too much: a Pi has 1 to 8."""


class PhraseError(StorageError):
    """What was typed cannot be a recovery phrase; the message names the word."""


def words() -> tuple[str, ...]:
    """Return every word that a phrase may have, in alphabetical order."""
    syllables = [consonant + vowel for consonant, vowel in product(CONSONANTS, VOWELS)]
    return tuple(first + second for first, second in product(syllables, syllables) if first + second not in RUDE)


def new_phrase() -> str:
    """Return a phrase that nobody has had before, from the operating system's generator."""
    known = words()
    return " ".join(secrets.choice(known) for _ in range(WORDS_IN_PHRASE))


def read_phrase(typed: str) -> str:
    """Return the phrase that was typed, in its one spelling.

    Raises:
        PhraseError: a word is not of the list, or their number is wrong.
    """
    found, known = typed.lower().split(), frozenset(words())
    for place, word in enumerate(found, 1):
        if word not in known:
            raise PhraseError(f"word {place} of the recovery phrase, {word!r}, is not one of its words")
    if len(found) != WORDS_IN_PHRASE:
        raise PhraseError(f"the recovery phrase has {len(found)} words, wanted {WORDS_IN_PHRASE}")
    return " ".join(found)


def key_of(phrase: str, salt: bytes) -> bytes:
    """Return the 32 bytes that a phrase opens a backup with, by Argon2id; slow on purpose."""
    return hash_secret_raw(phrase.encode(), salt, PASSES, MEMORY_KIB, LANES, 32, Type.ID)
