"""Whenever the process is killed: every answered event is there, without a gap, and the chain verifies.

At the level of the journal. The kernel survives these kills; for power cuts below it see docs/adr/0005-journal.md.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from kiosk.storage.journal import verify_file
from tests.storage.office import PUBLIC, opened_journal
from tests.wire.examples import tap

ROOT = Path(__file__).parents[2]
READY_S = 3.0
"""REQUIREMENTS: ready again after a kill."""


@contextmanager
def tapping(folder: Path, *how: str) -> Iterator[subprocess.Popen[str]]:
    """A process that taps, gone at the end."""
    command = [sys.executable, "-m", "tests.system.tapping", str(folder), *how]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def answers(process: subprocess.Popen[str]) -> Iterator[int]:
    """The sequence numbers that the process has answered."""
    assert process.stdout is not None
    return map(int, process.stdout)


@pytest.mark.parametrize("nth", [1, 2, 7])
@pytest.mark.parametrize(
    ("point", "recorded"), [("BEGIN", -1), ("SELECT", -1), ("INSERT", -1), ("COMMIT", -1), ("ANSWER", 0)]
)
def test_killed_between_two_statements_the_journal_has_what_was_answered(
    tmp_path: Path, nth: int, point: str, recorded: int
) -> None:
    with tapping(tmp_path, str(nth), point) as process:
        answered = list(answers(process))

    assert process.returncode == -9
    assert answered == list(range(1, nth))
    with opened_journal(tmp_path) as journal:
        assert [event.seq for event in journal.events()] == list(range(1, nth + recorded + 1))
        assert journal.append(tap(after_s=9000)).seq == nth + recorded + 1
    assert verify_file(tmp_path / "journal.db", PUBLIC).seq == nth + recorded + 1


@pytest.mark.parametrize("kills", [6, pytest.param(200, marks=pytest.mark.faults)])
def test_killed_again_and_again_the_journal_has_what_was_answered(tmp_path: Path, kills: int) -> None:
    chance = random.Random(kills)
    recorded = 0
    for _ in range(kills):
        with tapping(tmp_path) as process:
            answered = list(islice(answers(process), chance.randrange(1, 30)))
            process.kill()
            answered += answers(process)
        assert answered == list(range(recorded + 1, recorded + 1 + len(answered)))

        begun = time.monotonic()
        with opened_journal(tmp_path) as journal:
            recorded = journal.position().seq
        assert time.monotonic() - begun < READY_S
        assert answered[-1] <= recorded <= answered[-1] + 1
    assert verify_file(tmp_path / "journal.db", PUBLIC).seq == recorded
