"""The data folder is one process's, its pragmas are in force, and a damaged or newer database is not used."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from kiosk.core.faults import FaultCode
from kiosk.storage.database import (
    PRAGMAS,
    Database,
    FolderInUseError,
    JournalBrokenError,
    PeopleBrokenError,
    StorageError,
    locked_folder,
    opened_database,
    opened_readonly,
    transaction,
)
from kiosk.storage.store import opened_store
from tests.storage.office import CONSENT, SITI, owner, references_of

HOLDER = """
import sys
from pathlib import Path
from kiosk.storage.database import locked_folder
with locked_folder(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(("pragma", "wanted"), PRAGMAS)
@pytest.mark.parametrize("database", Database)
def test_a_pragma_is_in_force(tmp_path: Path, database: Database, pragma: str, wanted: str | int) -> None:
    with opened_database(tmp_path, database) as connection:
        assert connection.execute(f"PRAGMA {pragma}").fetchone() == (wanted,)


def test_commits_are_synced_and_deletions_overwritten_whatever_sqlite_was_built_for() -> None:
    assert {("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("secure_delete", 1)} <= set(PRAGMAS)


def test_a_pragma_that_is_not_honoured_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kiosk.storage.database.PRAGMAS", (("synchronous", 7),))

    with (
        pytest.raises(StorageError, match=r"PRAGMA synchronous is \d, wanted 7"),
        opened_database(tmp_path, Database.JOURNAL),
    ):
        pass


def test_a_folder_in_use_names_the_process_that_has_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"

        with pytest.raises(FolderInUseError, match=f"in use by process {holder.pid}$"), locked_folder(tmp_path):
            pass


def test_a_folder_is_free_again_when_its_process_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        holder.kill()
        holder.wait()

    with locked_folder(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_new_folder_is_closed_to_others(tmp_path: Path) -> None:
    with locked_folder(tmp_path / "var" / "kiosk"):
        assert stat.S_IMODE((tmp_path / "var" / "kiosk").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="file/kiosk: Not a directory"), locked_folder(tmp_path / "file" / "kiosk"):
        pass


def test_a_database_is_migrated_once(tmp_path: Path) -> None:
    for _ in range(2):
        with opened_database(tmp_path, Database.JOURNAL) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_migration_happens_wholly_or_not_at_all(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("CREATE TABLE receipt (already)")  # the migration's last statement will fail

    with pytest.raises(StorageError, match="receipt already exists"), opened_database(tmp_path, Database.JOURNAL):
        pass
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("receipt",)]


def test_a_database_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    with opened_database(tmp_path, Database.JOURNAL) as connection:
        connection.execute("PRAGMA user_version = 99")

    with (
        pytest.raises(StorageError, match="schema version 99, this program knows 2"),
        opened_database(tmp_path, Database.JOURNAL),
    ):
        pass


@pytest.mark.parametrize(
    ("database", "error", "fault"),
    [
        (Database.JOURNAL, JournalBrokenError, FaultCode.JOURNAL_BROKEN),
        (Database.PEOPLE, PeopleBrokenError, FaultCode.JOURNAL),
    ],
)
def test_a_file_that_is_no_database_is_a_fault(
    tmp_path: Path, database: Database, error: type[StorageError], fault: FaultCode
) -> None:
    (tmp_path / f"{database}.db").write_bytes(b"not a database" * 400)

    with pytest.raises(error, match=f"{database}.db is damaged") as raised, opened_database(tmp_path, database):
        pass
    assert raised.value.fault is fault


def test_a_transaction_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with opened_database(tmp_path, Database.PEOPLE) as connection:
        with suppress(ZeroDivisionError), transaction(connection):
            connection.execute("INSERT INTO person VALUES ('p-siti', '', x'00', x'00')")
            raise ZeroDivisionError

        assert connection.execute("SELECT count(*) FROM person").fetchone() == (0,)
        assert not connection.in_transaction


def test_a_missing_file_is_not_made_by_reading_it(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"), opened_readonly(tmp_path / "j.db", Database.JOURNAL):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    with opened_database(tmp_path, Database.JOURNAL):
        pass
    tmp_path.chmod(0o500)

    with (
        opened_readonly(tmp_path / "journal.db", Database.JOURNAL) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("INSERT INTO receipt VALUES (1, x'00')")


def test_a_journal_that_is_gone_is_not_begun_again(tmp_path: Path) -> None:
    with opened_store(owner(tmp_path)) as store:
        store.people.enrol(SITI, references_of(SITI), CONSENT)
    (tmp_path / "journal.db").unlink()

    with pytest.raises(JournalBrokenError, match=r"journal\.db is gone"), opened_store(owner(tmp_path)):
        pass

    assert not (tmp_path / "journal.db").exists()
