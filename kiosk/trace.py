"""What the kiosk does, for whoever runs it on a bench: a line of JSON a change on the output, a picture a phase.

Both are written by the main thread, so a terminal in service runs without them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from kiosk.core.faults import KioskError
from kiosk.core.messages import Command, Record
from kiosk.core.state import Phase, State
from wire.attendance import Moment


class TraceError(KioskError):
    """What the kiosk does cannot be kept."""


def print_changes(state: State, commands: list[Command], now: Moment) -> None:
    """Print what was given to the journal, and the phase that was entered."""
    for command in commands:
        if isinstance(command, Record):
            _print_line(now, "record", command.entry)
    _print_line(now, phase_name(state.phase), state.phase)


def phase_name(phase: Phase) -> str:
    """The phase in lower case, as traces and pictures name it."""
    return type(phase).__name__.lower()


def _print_line(now: Moment, kind: str, about: Any) -> None:
    line = {"at_ms": now.mono_ms, "kind": kind, **msgspec.to_builtins(about)}
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


class Album:
    """Pictures of the phases, numbered in the order in which they were passed."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            TraceError: the folder cannot be made.
        """
        self._folder = folder
        self._count = 0
        self._last: str | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TraceError(f"{folder}: no pictures can be kept there: {error.strerror}") from error

    def next_path(self, phase: Phase) -> Path | None:
        """Where to keep a picture of this phase; None: it is kept already."""
        name = phase_name(phase)
        if name == self._last:
            return None
        self._last = name
        self._count += 1
        return self._folder / f"{self._count:03d}-{name}.png"
