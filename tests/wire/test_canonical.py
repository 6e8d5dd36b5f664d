"""The fast spelling is the reference's, byte for byte, and refuses what it refuses."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.wire.examples import events
from wire.canonical import CanonicalError, canonical

texts = st.text(st.characters(codec=None))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**54), 2**54),
    st.floats(),
    st.floats(-2, 2).map(lambda score: round(score, 4)),
    st.floats(0, 1e16).map(float),
    st.integers(-10, 10).map(float),
    texts,
)
names = st.one_of(st.text(st.characters(codec="ascii")), texts)
contents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6), max_leaves=12
)


def by_reference(content: Any) -> bytes | None:
    """None: it has no canonical form."""
    try:
        return rfc8785.dumps(content)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        return None


@settings(max_examples=2000)
@given(contents)
@example({"\uffff": 1, "\U00010000": 2})
@example([1e-6, 1e-7, 1e21, 0.1 + 0.2, -0.0, 5e-324, 1.5e300, 123456789.125, 2.0**53, 2.0**53 - 1])
@example("".join(map(chr, range(0x80))) + '"\\/\u2028\u2029é€😀')
def test_it_spells_as_the_reference_does(content: Any) -> None:
    wanted = by_reference(content)
    if wanted is None:
        with pytest.raises(CanonicalError, match="no canonical JSON"):
            canonical(content)
    else:
        assert canonical(content) == wanted


@pytest.mark.parametrize("content", [math.nan, math.inf, 2**53, "\ud800", {"\udfff": 1}, [2**60]])
def test_what_has_no_canonical_form_is_refused(content: Any) -> None:
    with pytest.raises(CanonicalError, match="no canonical JSON"):
        canonical({"content": content})


def test_an_event_is_spelled_as_the_reference_does() -> None:
    for event in events(3):
        fields = msgspec.to_builtins(event)
        assert canonical(fields) == rfc8785.dumps(fields)
