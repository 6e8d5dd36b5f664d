"""JSON by RFC 8785: one spelling for one content, so that a message is its bytes.

`rfc8785` is the reference, and what is used for anything unusual. msgspec writes the same bytes several times faster
where names are ASCII, integers exact in a float64, and floats neither whole nor far from 1: everything that a
terminal says. An event is spelled several times on its way, so this is what a backlog's speed hangs on.
"""

from __future__ import annotations

from typing import Any

import msgspec
import rfc8785

MOST = 2**53 - 1
"""Integers beyond have no exact float64, and no canonical form."""
USUAL_FLOATS = (1e-4, 1e15)
"""Between these the shortest decimal has no exponent, in msgspec as in ECMAScript."""


class CanonicalError(ValueError):
    """The content has no canonical form; the text says why."""


class _UnusualError(Exception):
    """To be left to `rfc8785`."""


def canonical(content: Any) -> bytes:
    """Return the canonical JSON of strings, numbers, lists, dicts, None and bools.

    Raises:
        CanonicalError: a number that is not finite or not exact in a float64, half a surrogate pair.
    """
    try:
        return msgspec.json.encode(_usual(content), order="sorted")
    except (_UnusualError, UnicodeEncodeError, RecursionError):
        pass
    try:
        return rfc8785.dumps(content)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:  # the second: half a pair in a name
        raise CanonicalError(f"has no canonical JSON: {error}") from error


def _usual(content: Any) -> Any:
    """The same content, with whole floats as integers.

    Raises:
        _UnusualError: msgspec might spell it otherwise.
    """
    kind = type(content)
    if kind is str or kind is bool or content is None:
        return content
    if kind is int and -MOST <= content <= MOST:
        return content
    if kind is float:
        return _usual_float(content)
    if kind is dict:
        if not all(type(name) is str and name.isascii() for name in content):
            raise _UnusualError
        return {name: value if type(value) is str else _usual(value) for name, value in content.items()}
    if kind is list or kind is tuple:
        return [_usual(each) for each in content]
    raise _UnusualError


def _usual_float(number: float) -> float:
    if number.is_integer() and -MOST <= number <= MOST:
        return int(number)
    least, most = USUAL_FLOATS
    if not least < abs(number) < most:
        raise _UnusualError
    return number
