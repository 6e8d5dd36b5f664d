"""Hadir's attendance terminal."""

__version__ = "0.1.0"
