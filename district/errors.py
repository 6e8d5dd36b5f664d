"""What stops the district's programs."""

from __future__ import annotations


class DistrictError(Exception):
    """A promise of the district's programs was broken; the message says what was found, what was wanted and where."""


class ConfigError(DistrictError):
    """The configuration cannot be used; the message names file, place, value and rule."""


class KeyFileError(DistrictError):
    """The district's key cannot be used."""


class StoreError(DistrictError):
    """The store cannot be opened or written, or what it is told contradicts what it holds."""


class BrokerError(DistrictError):
    """The broker cannot be used as it is set up."""


class GrantError(DistrictError):
    """A terminal's request cannot be granted."""
