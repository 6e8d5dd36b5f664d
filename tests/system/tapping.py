"""A process that taps until it is killed: `python -m tests.system.tapping FOLDER [NTH POINT]`.

It says the sequence number of every event once that event is recorded. With a point, it kills itself while it writes
the nth event: just before the statement of that name, or, at `ANSWER`, when the event is on disk and nobody knows it.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from kiosk.storage.journal import Journal
from tests.storage.office import opened_journal
from tests.wire.examples import tap


def die() -> None:
    """As when the power goes."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying_at(nth: int, point: str, die: Callable[[], None]) -> Callable[[str], None]:
    """A trace callback, which SQLite calls before each statement."""
    begun = 0

    def trace(statement: str) -> None:
        nonlocal begun
        begun += statement.startswith("BEGIN")
        if begun == nth and statement.startswith(point):
            die()

    return trace


def connection_of(journal: Journal) -> sqlite3.Connection:
    """The journal's own connection."""
    return journal._connection


def main(folder: Path, nth: int = 0, point: str = "") -> None:
    """Tap."""
    with opened_journal(folder) as journal:
        connection_of(journal).set_trace_callback(dying_at(nth, point, die))
        for number in range(1, nth + 2) if point else count(1):  # one more, should it not have died as it was told to
            event = journal.append(tap(after_s=number))
            if point == "ANSWER" and number == nth:
                die()
            sys.stdout.write(f"{event.seq}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[2:]:
        main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    else:
        main(Path(sys.argv[1]))
