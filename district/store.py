"""What the district holds, in one SQLite file: devices, their chains, what waits, what is in quarantine.

WAL with `synchronous=FULL`, so that a commit outlives a power cut: a receipt is signed on the strength of it.
A store belongs to the thread that opened it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path

from district.errors import StoreError
from wire.attendance import Event, Span, decode, encode
from wire.chain import GENESIS, Head
from wire.topics import Topic

FILE = "district.db"
QUARANTINE_LIMIT = 1_000
"""Messages kept as evidence of one reason and one device, the oldest; all that are of no known device count as one. So
neither a noisy device nor rubbish crowds out a fork. Past it the counters of those already there still rise. At most
64 MB each."""
PRAGMAS: tuple[tuple[str, str | int], ...] = (
    ("journal_mode", "wal"),
    ("synchronous", 2),
    ("foreign_keys", 1),
    ("busy_timeout", 30_000),
)
"""Read back after they are set, since SQLite ignores what it cannot honour. 2 is FULL."""


class Misfit(StrEnum):
    """Why a message is in quarantine."""

    GARBAGE = "garbage"
    """Not a message of the contract."""
    FOREIGN = "foreign"
    """On a topic that is not of this district, or not of the device that it speaks of."""
    UNKNOWN_DEVICE = "unknown device"
    FORGED = "forged"
    """Not signed by the device that it speaks of."""
    FORK = "fork"
    """Another event of this number is held."""
    REVOKED = "revoked"
    """Of a device that was trusted once."""
    BREAK = "break"
    """It does not follow the event before it."""


@dataclass(frozen=True, slots=True)
class Device:
    """A terminal that this district trusts."""

    dev: str
    key: str
    """Ed25519 public key, 64 hexadecimal digits."""
    unit: str
    enrolled_t: str
    duplicates: int = 0
    """Events that came again."""
    revoked_t: str | None = None
    """Since when nothing that it sends counts; None: it is trusted."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a device's chain."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One message in quarantine."""

    reason: Misfit
    dev: str | None
    seq: int | None
    detail: str
    topic: str
    first_t: str
    last_t: str
    times: int
    raw: bytes


class Store:
    """The open store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use `opened_store`."""
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, on disk at its end."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # the first error says more
                self._connection.execute("ROLLBACK")
            raise

    # ---- devices

    def enrol(self, device: Device) -> None:
        """Trust a device from now on.

        Raises:
            StoreError: events came from it under another key.
        """
        known = self.device(device.dev)
        if known is not None and known.key != device.key and self.head(device.dev).seq:
            raise StoreError(f"{device.dev} has sent events under the key {known.key}")
        self._connection.execute(
            "INSERT INTO device (dev, key, unit, enrolled_t) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (dev) DO UPDATE SET unit = excluded.unit, key = excluded.key, revoked_t = NULL",
            (device.dev, device.key, device.unit, device.enrolled_t),
        )

    def device(self, dev: str) -> Device | None:
        """The device of this name; None: none is enrolled."""
        row = self._connection.execute(
            "SELECT dev, key, unit, enrolled_t, duplicates, revoked_t FROM device WHERE dev = ?", (dev,)
        ).fetchone()
        return Device(*row) if row else None

    def devices(self) -> list[Device]:
        """Every device, by name."""
        rows = self._connection.execute(
            "SELECT dev, key, unit, enrolled_t, duplicates, revoked_t FROM device ORDER BY dev"
        )
        return [Device(*row) for row in rows]

    def revoke(self, dev: str, t: str) -> None:
        """Trust a device no longer, nor any certificate of it."""
        self._connection.execute("UPDATE device SET revoked_t = coalesce(revoked_t, ?) WHERE dev = ?", (t, dev))
        self._connection.execute("UPDATE certificate SET revoked_t = coalesce(revoked_t, ?) WHERE dev = ?", (t, dev))

    def remember_certificate(self, dev: str, serial: int, until_t: str) -> None:
        """Keep the number of a certificate that was issued to a device."""
        self._connection.execute(
            "INSERT INTO certificate (serial, dev, until_t) VALUES (?, ?, ?)", (f"{serial:x}", dev, until_t)
        )

    def revoked_serials(self) -> list[int]:
        """The numbers of the certificates that no longer hold."""
        rows = self._connection.execute("SELECT serial FROM certificate WHERE revoked_t IS NOT NULL ORDER BY serial")
        return [int(serial, 16) for (serial,) in rows]

    # ---- events

    def head(self, dev: str) -> Position:
        """The end of a device's chain."""
        row = self._connection.execute(
            "SELECT seq, hash FROM event WHERE dev = ? ORDER BY seq DESC LIMIT 1", (dev,)
        ).fetchone()
        return Position(*row) if row else Position(0, GENESIS)

    def held_hash(self, dev: str, seq: int) -> str | None:
        """The hash of the event that is held under this number, linked or waiting; None: none is."""
        row = self._connection.execute(
            "SELECT hash FROM event WHERE dev = ?1 AND seq = ?2 UNION ALL"
            " SELECT hash FROM waiting WHERE dev = ?1 AND seq = ?2",
            (dev, seq),
        ).fetchone()
        return str(row[0]) if row else None

    def declare_lost(self, event: Event) -> None:
        """Keep which numbers an event declares lost."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO lost VALUES (?, ?, ?, ?)",
            [(event.dev, span.first, span.last, event.seq) for span in event.lost],
        )

    def is_lost(self, dev: str, hole: Span) -> bool:
        """Whether every number of a hole is declared lost."""
        row = self._connection.execute(
            "SELECT 1 FROM lost WHERE dev = ? AND first <= ? AND last >= ?", (dev, hole.first, hole.last)
        ).fetchone()
        return row is not None

    def losses(self, dev: str) -> list[tuple[Span, int]]:
        """The numbers declared lost, and the event that says so, ascending."""
        rows = self._connection.execute(
            "SELECT first, last, declared_by FROM lost WHERE dev = ? ORDER BY declared_by, first", (dev,)
        )
        return [(Span(first, last), declared_by) for first, last, declared_by in rows]

    def numbers(self, dev: str, span: Span) -> Iterator[int]:
        """Yield the numbers of a span under which an event is held, ascending."""
        rows = self._connection.execute(
            "SELECT seq FROM event WHERE dev = ? AND seq BETWEEN ? AND ? ORDER BY seq", (dev, span.first, span.last)
        )
        return (int(seq) for (seq,) in rows)

    def following(self, dev: str, seq: int) -> Event | None:
        """The event of the next number in the chain, if it is held."""
        row = self._connection.execute("SELECT message FROM event WHERE dev = ? AND seq = ?", (dev, seq + 1)).fetchone()
        return decode(bytes(row[0]), Event) if row else None

    def append(self, event: Event, received_t: str) -> None:
        """Keep an event in its device's chain: the next one, or one whose number, or the ones before it, are lost."""
        self._connection.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?)", _row(event, received_t))

    def set_aside(self, event: Event, received_t: str) -> None:
        """Keep an event whose forerunner has not come."""
        self._connection.execute("INSERT INTO waiting VALUES (?, ?, ?, ?, ?)", _row(event, received_t))

    def take_waiting(self, dev: str, seq: int) -> list[tuple[Event, str]]:
        """Remove the event that waits under this number; returns it and when it was received."""
        rows = self._connection.execute(
            "DELETE FROM waiting WHERE dev = ? AND seq = ? RETURNING message, received_t", (dev, seq)
        ).fetchall()
        return [(decode(bytes(message), Event), str(received_t)) for message, received_t in rows]

    def next_waiting(self, dev: str, seq: int) -> int | None:
        """The lowest number above this one under which an event waits; None: none does."""
        row = self._connection.execute("SELECT min(seq) FROM waiting WHERE dev = ? AND seq > ?", (dev, seq)).fetchone()
        return None if row[0] is None else int(row[0])

    def count_duplicate(self, dev: str) -> None:
        """Remember that an event came again."""
        self._connection.execute("UPDATE device SET duplicates = duplicates + 1 WHERE dev = ?", (dev,))

    def events(self, dev: str) -> Iterator[Event]:
        """Yield a device's chain.

        Raises:
            MessageError: what is stored is not an event.
        """
        rows = self._connection.execute("SELECT message FROM event WHERE dev = ? ORDER BY seq", (dev,))
        return (decode(bytes(message), Event) for (message,) in rows)

    def waiting(self, dev: str) -> list[int]:
        """The numbers of the events that wait, ascending."""
        rows = self._connection.execute("SELECT seq FROM waiting WHERE dev = ? ORDER BY seq", (dev,))
        return [int(seq) for (seq,) in rows]

    # ---- quarantine

    def quarantine(self, item: Quarantined) -> None:
        """Keep a message as evidence; the same bytes again only raise its count, and past the limit nothing is kept."""
        digest = hashlib.sha256(f"{item.reason}\n{item.topic}\n".encode() + item.raw).hexdigest()
        known = self._connection.execute(
            "UPDATE quarantine SET times = times + 1, last_t = ? WHERE digest = ?", (item.last_t, digest)
        )
        if known.rowcount or self._kept(item) >= QUARANTINE_LIMIT:
            return
        self._connection.execute(
            "INSERT INTO quarantine (digest, reason, dev, seq, detail, topic, first_t, last_t, raw)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (digest, item.reason, item.dev, item.seq, item.detail, item.topic, item.first_t, item.last_t, item.raw),
        )

    def quarantined(self, dev: str | None = None) -> list[Quarantined]:
        """What is in quarantine, the oldest first; of one device, or all of it."""
        rows = self._connection.execute(
            "SELECT reason, dev, seq, detail, topic, first_t, last_t, times, raw FROM quarantine"
            " WHERE ?1 IS NULL OR dev = ?1 ORDER BY first_t, digest",
            (dev,),
        )
        return [Quarantined(Misfit(reason), *rest) for reason, *rest in rows]

    def _kept(self, like: Quarantined) -> int:
        """How many of the same device and reason there are."""
        same = "SELECT count(*) FROM quarantine WHERE dev IS ? AND reason = ?"
        return int(self._connection.execute(same, (like.dev, like.reason)).fetchone()[0])

    # ---- conditions

    def remember(self, dev: str, topic: Topic, received_t: str, message: bytes) -> None:
        """Keep the newest state, birth or checkpoint of a device."""
        self._connection.execute(
            "INSERT OR REPLACE INTO condition VALUES (?, ?, ?, ?)", (dev, topic.value, received_t, message)
        )

    def condition(self, dev: str, topic: Topic) -> bytes | None:
        """The newest message on this topic; None: there was none."""
        row = self._connection.execute(
            "SELECT message FROM condition WHERE dev = ? AND topic = ?", (dev, topic.value)
        ).fetchone()
        return bytes(row[0]) if row else None

    def checkpoint(self, dev: str) -> Head | None:
        """The device's farthest checkpoint; None: there was none.

        Raises:
            MessageError: what is stored is not one.
        """
        raw = self.condition(dev, Topic.HEAD)
        return decode(raw, Head) if raw else None


@contextmanager
def opened_store(folder: Path) -> Iterator[Store]:
    """The store in a folder, made on the first run.

    Raises:
        StoreError: it cannot be opened or written; also for what goes wrong with it inside.
    """
    path = folder / FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _set_pragmas(connection, path)
            _migrate(connection, path)
            yield Store(connection)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {error}") from error


def _set_pragmas(connection: sqlite3.Connection, path: Path) -> None:
    for name, wanted in PRAGMAS:
        connection.execute(f"PRAGMA {name} = {wanted}")
        found = connection.execute(f"PRAGMA {name}").fetchone()
        if found != (wanted,):
            raise StoreError(f"{path}: SQLite has {name} = {found}, wanted {wanted}")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    scripts = sorted(
        (file for file in (resources.files("district") / "migrations").iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(scripts):
        raise StoreError(f"{path}: schema version {version}: this program knows {len(scripts)}")
    for number, script in list(enumerate(scripts, 1))[version:]:
        text = script.read_text(encoding="utf-8")
        connection.executescript(f"BEGIN IMMEDIATE; {text} PRAGMA user_version = {number}; COMMIT;")


def _row(event: Event, received_t: str) -> tuple[str, int, str, str, bytes]:
    return event.dev, event.seq, event.hash, received_t, encode(event)
