"""Opens the card's databases so that what they confirm survives a power cut: lock, pragmas, migrations, integrity.

WAL with `synchronous=FULL` lost nothing in 600 simulated power cuts; every weaker setting lost acknowledged events
(docs/adr/0005-journal.md). SQLite ignores a pragma that it cannot honour, so each one is read back.

Two files: `journal.db` may be handed to anybody who must check it, `people.db` never leaves the card.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from enum import StrEnum
from importlib import resources
from pathlib import Path

from kiosk.core.faults import FaultCode, KioskError

LARGEST_CHECKED = 32 * 1024 * 1024
"""Bytes. A larger database is not read whole at start: 31 MB, 30,000 events, took 0.06 s here from memory, but an SD
card reads about 40 MB a second. `kiosk journal verify` reads everything."""

PRAGMAS: tuple[tuple[str, str | int], ...] = (
    ("page_size", 1024),
    ("trusted_schema", 0),
    ("cell_size_check", 1),
    ("journal_mode", "wal"),
    ("synchronous", 2),
    ("foreign_keys", 1),
    ("secure_delete", 1),
)
"""A page of 1024 bytes holds one event, so that an append writes 8.5 kB in all, against 10.7 with SQLite's own 4096.
2 is FULL. `secure_delete` overwrites what is deleted with zeros; `cell_size_check` finds damaged pages earlier."""


class StorageError(KioskError):
    """The card did not keep what it was given, or does not give it back."""

    fault = FaultCode.JOURNAL


class FolderInUseError(StorageError):
    """Another process has the data folder."""


class FullError(StorageError):
    """There is no room on the card. What that does to the kiosk is said by `kiosk.storage.upkeep`."""


class PeopleBrokenError(StorageError):
    """The roster is damaged, or sealed by another device's key."""


class JournalBrokenError(StorageError):
    """The journal does not verify."""

    fault = FaultCode.JOURNAL_BROKEN

    def __init__(self, what: str, seq: int | None = None) -> None:
        super().__init__(what)
        self.seq = seq
        """The first event that does not hold; None: the file itself does not."""


class Database(StrEnum):
    """The files in the data folder."""

    JOURNAL = "journal"
    PEOPLE = "people"


@contextmanager
def locked_folder(directory: Path) -> Iterator[None]:
    """Keep a data folder for this process alone; make it if it is not there.

    Raises:
        FolderInUseError: another process has it; names that process.
        StorageError: it cannot be made or written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (directory / "lock").open("a+")
    except OSError as error:
        raise StorageError(f"{directory}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise FolderInUseError(f"{directory} is in use by process {file.read().strip()}") from error
        with suppress(OSError):  # a full disk takes no number, and must not keep the journal from being opened
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield


@contextmanager
def opened_database(directory: Path, database: Database) -> Iterator[sqlite3.Connection]:
    """One of the folder's databases, ready to be written; every error inside becomes a `StorageError`.

    Raises:
        StorageError: it cannot be opened, a pragma is not honoured, or a newer program wrote it.
        JournalBrokenError, PeopleBrokenError: it is damaged.
    """
    path = directory / f"{database}.db"
    with storage_errors(database, path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        _set_pragmas(connection)
        _check_pages(connection, path, database)
        _migrate(connection, path, database)
        scrub_wal(connection)
        yield connection


@contextmanager
def opened_readonly(path: Path, database: Database) -> Iterator[sqlite3.Connection]:
    """A database file, wherever it is, as it is: nothing in it is changed, and its WAL is read if it is there.

    Raises:
        StorageError: there is no such file, or it cannot be read.
        JournalBrokenError, PeopleBrokenError: it is damaged.
    """
    if not path.is_file():
        raise StorageError(f"{path}: no such file")
    wal = path.with_name(path.name + "-wal")
    # Without a WAL nobody writes it; and an immutable file needs no file beside it, so the medium may be read-only.
    mode = "mode=ro" if wal.exists() and wal.stat().st_size else "immutable=1"
    uri = f"{path.resolve().as_uri()}?{mode}"
    with storage_errors(database, path), closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        _check_pages(connection, path, database, limit=None)
        found, newest = _version(connection), len(_migrations(database))
        if not 1 <= found <= newest:
            raise StorageError(f"{path}: schema version {found}, wanted 1 to {newest}")
        for statement in _tables_since(found, database):
            connection.execute(statement)
        yield connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and nobody else writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # the first error says more
            connection.execute("ROLLBACK")
        raise


@contextmanager
def storage_errors(database: Database, where: object) -> Iterator[None]:
    """Say SQLite's errors in this package's words."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise _broken(database, f"{where} is damaged: {error}") from error
        if code == sqlite3.SQLITE_FULL:
            raise FullError(f"{where}: {error}") from error
        raise StorageError(f"{where}: {error}") from error
    except UnicodeDecodeError as error:
        raise _broken(database, f"{where} is damaged: {error}") from error


def scrub_wal(connection: sqlite3.Connection) -> None:
    """Move everything into the database file and leave the WAL empty.

    Raises:
        StorageError: somebody is reading it.
    """
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StorageError("the write-ahead log could not be emptied: another process reads the database")


def _set_pragmas(connection: sqlite3.Connection) -> None:
    for name, wanted in PRAGMAS:
        connection.execute(f"PRAGMA {name} = {wanted}")
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != wanted:
            raise StorageError(f"PRAGMA {name} is {found}, wanted {wanted}")


def _check_pages(
    connection: sqlite3.Connection, path: Path, database: Database, limit: int | None = LARGEST_CHECKED
) -> None:
    if limit is not None and path.stat().st_size > limit:
        return
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
    if found != ["ok"]:
        raise _broken(database, f"{path} is damaged: {'; '.join(found)}")


def _migrate(connection: sqlite3.Connection, path: Path, database: Database) -> None:
    migrations = _migrations(database)
    found = _version(connection)
    if found > len(migrations):
        raise StorageError(f"{path}: schema version {found}, this program knows {len(migrations)}: install a newer one")
    for number, script in enumerate(migrations[found:], start=found + 1):
        with transaction(connection):
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def _tables_since(version: int, database: Database) -> Iterator[str]:
    """The statements that lay empty tables beside an older file, in the connection's own memory, to be read with it."""
    for script in _migrations(database)[version:]:
        for statement in _statements(script):
            _, found, table = statement.partition("CREATE TABLE ")
            if found:
                yield f"CREATE TEMP TABLE {table}"


def _migrations(database: Database) -> list[str]:
    folder = resources.files("kiosk.storage") / "migrations"
    names = sorted(file.name for file in folder.iterdir() if file.name.startswith(f"{database}_"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would commit the transaction they stand in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _broken(database: Database, what: str) -> StorageError:
    return JournalBrokenError(what) if database is Database.JOURNAL else PeopleBrokenError(what)
