"""Remembers: the journal of all conversations, one SQLite file of events written before anything is said.

The file is in WAL mode with ``synchronous=FULL``: what `append` has accepted survives a crash of the process
and of the machine. Several processes may use one file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from dialogue.context import Tracker
from dialogue.errors import StoreError
from dialogue.event_json import read, written
from dialogue.events import AnyEvent, EffectHappened

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    time TEXT,
    event TEXT NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (conversation, sequence)
);
CREATE INDEX effects ON events (id) WHERE event = 'effect';
"""


class SqliteTrackerStore:
    """Keeps conversations in the SQLite file ``path``; it fits the `TrackerStore` protocol.

    ``":memory:"`` keeps them as long as the process lives.

    Raises:
        StoreError: the file cannot be opened, is damaged, or was written by a newer version.
    """

    def __init__(self, path: str | Path, *, busy_seconds: float = 5.0) -> None:
        self._path = str(path)
        self._lock = RLock()
        with self._explained():
            self._database = self._opened(busy_seconds)

    def load(self, conversation: str) -> Tracker:
        """The conversation with all its events; empty if there is none by this name."""
        query = "SELECT data FROM events WHERE conversation = ? ORDER BY sequence"
        return Tracker.replayed(conversation, self._read(query, (conversation,)))

    def append(self, tracker: Tracker, events: Sequence[AnyEvent]) -> None:
        """Write ``events`` in one transaction, then append them to ``tracker``.

        Raises:
            StoreError: nothing was written, and the tracker is as it was; also when another process has
                continued the conversation since it was loaded.
        """
        if not events:
            return
        first = len(tracker.events)
        rows = [
            (tracker.conversation, first + number, _time(event), event.event, written(event))
            for number, event in enumerate(events)
        ]
        with self._explained(), self._transaction():
            insert = "INSERT INTO events (conversation, sequence, time, event, data) VALUES (?, ?, ?, ?, ?)"
            self._database.executemany(insert, rows)
        for event in events:
            tracker.append(event)

    def conversations(self) -> tuple[str, ...]:
        """The names of all conversations, oldest first."""
        query = "SELECT conversation FROM events GROUP BY conversation ORDER BY MIN(id)"
        with self._lock, self._explained():
            return tuple(name for (name,) in self._database.execute(query))

    def forget(self, conversation: str) -> None:
        """Delete a conversation so that no byte of it stays in the file or its write-ahead log.

        Raises:
            StoreError: it is deleted, but a reader still holds on to the old pages of the log.
        """
        with self._explained():
            with self._transaction():
                self._database.execute("DELETE FROM events WHERE conversation = ?", (conversation,))
            with self._lock:
                (held, *_) = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if held:
            raise StoreError(
                f"{self._path}: The conversation is deleted, but another process still reads the old log. "
                f"End it and type: onebreath forget {conversation}"
            )

    def effects(self) -> Iterator[EffectHappened]:
        """Every effect of all conversations in the order they happened: what rebuilds a simulated home."""
        for event in self._read("SELECT data FROM events WHERE event = 'effect' ORDER BY id", ()):
            if isinstance(event, EffectHappened):
                yield event

    def close(self) -> None:
        with self._lock:
            self._database.close()

    # --- the database

    def _opened(self, busy_seconds: float) -> sqlite3.Connection:
        if self._path != ":memory:":
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        # One connection for all threads, used under the lock; transactions are begun by hand.
        database = sqlite3.connect(self._path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                database.execute(f"PRAGMA {pragma}")
            _prepare(database, self._path)
        except BaseException:
            database.close()
            raise
        return database

    def _read(self, query: str, values: tuple[Any, ...]) -> list[AnyEvent]:
        with self._lock, self._explained():
            rows = self._database.execute(query, values).fetchall()
        try:
            return [read(data) for (data,) in rows]
        except ValueError as error:
            raise StoreError(
                f"{self._path}: The journal holds an event this version cannot read: {str(error)[:200]}. "
                "Update onebreath, or move the file away to begin a new one."
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise StoreError(
                f"{self._path}: Another process has continued this conversation. Load it and repeat the turn."
            ) from None
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self._path}: {_trouble(str(error), self._path)}") from None
        except sqlite3.DatabaseError as error:
            aside = f"mkdir '{self._path}.damaged' && mv '{self._path}' '{self._path}'-* '{self._path}.damaged'"
            raise StoreError(
                f"{self._path}: The journal is damaged ({error}). Put it aside and begin a new one: {aside}"
            ) from None
        except OSError as error:
            raise StoreError(
                f"{self._path}: The journal's folder cannot be made: {error.strerror}. Name another file."
            ) from None


def _prepare(database: sqlite3.Connection, path: str) -> None:
    """Make the tables if there are none; two processes may come here at once."""
    database.execute("BEGIN IMMEDIATE")
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{path}: The journal was written by a newer onebreath (schema {version}, this one knows "
                f"{SCHEMA_VERSION}). Update it: pip install --upgrade onebreath"
            )
        if version == 0:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _trouble(error: str, path: str) -> str:
    if "locked" in error or "busy" in error:
        return f"Another process holds the journal ({error}). Try again, or end that process."
    if "full" in error:
        return f"The disk is full ({error}); nothing was written. Make room and try again."
    if "readonly" in error:
        return f"The journal cannot be written ({error}). Allow it: chmod u+w '{path}'"
    return f"The journal cannot be used ({error}). Name another file, or mend its folder's rights."


def _time(event: AnyEvent) -> str | None:
    return None if event.time is None else event.time.isoformat()
