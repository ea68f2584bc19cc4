"""Remembers: the journal of all conversations, one SQLite file of events written before anything is said.

The file is in WAL mode with ``synchronous=FULL``: what `append` has accepted survives a crash of the process
and of the machine. Several processes may use one file; whoever serves a conversation holds its place (`alone`).
"""

from __future__ import annotations

import secrets
import sqlite3
from collections import OrderedDict
from collections.abc import Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from dialogue.context import ContextState, Tracker
from dialogue.errors import StoreError
from dialogue.event_json import read, written
from dialogue.events import AnyEvent, EffectHappened
from dialogue.turnstile import Turnstile

_REMEMBERED = 64
_THE_HOUSE = ""
"""Whose events those effects are whose conversation is no longer kept: the home still stands as they left it."""

_FIRST = """
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
_MARKS = """
CREATE TABLE conversations (
    name TEXT PRIMARY KEY,
    mark TEXT NOT NULL UNIQUE,
    dropped_events INTEGER NOT NULL DEFAULT 0,
    dropped_turns INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO conversations (name, mark) SELECT DISTINCT conversation, conversation FROM events;
"""
_VERSIONS = (_FIRST, _MARKS)
"""What leads from each version to the next; a step is never changed once it was released, only followed."""

SCHEMA_VERSION = len(_VERSIONS)


class SqliteTrackerStore:
    """Keeps conversations in the SQLite file ``path``; it fits the `TrackerStore` protocol.

    ``":memory:"`` keeps them as long as the process lives.

    Raises:
        StoreError: the file cannot be opened, is damaged, or was written by a newer version.
    """

    def __init__(self, path: str | Path, *, busy_seconds: float = 5.0) -> None:
        self._path = str(path)
        self._lock = RLock()
        self._known: OrderedDict[str, Tracker] = OrderedDict()
        self._mine: set[int] = set()
        in_memory = self._path == ":memory:"
        self._turnstile = Turnstile(None if in_memory else Path(f"{self._path}-locks"))
        with self._explained():
            self._database = self._opened(busy_seconds)
            (self._newest_effect,) = self._database.execute(_NEWEST_EFFECT).fetchone()

    def alone(self, conversation: str) -> AbstractContextManager[None]:
        """The place of who serves the conversation: held by one at a time, in the order they came.

        Raises:
            StoreError: another process holds it and does not give it up.
        """
        return self._turnstile.alone(conversation)

    def load(self, conversation: str) -> Tracker:
        """The conversation with all its events; empty if there is none by this name."""
        with self._lock:
            known = self._brought_up(conversation)
            marks = (known.mark, known.dropped_events, known.dropped_turns)
            return Tracker(conversation, list(known.events), known.state, *marks)

    def append(self, tracker: Tracker, events: Sequence[AnyEvent]) -> None:
        """Write ``events`` in one transaction, then append them to ``tracker``.

        Raises:
            StoreError: nothing was written, and the tracker is as it was; also when another process has
                continued the conversation since it was loaded.
        """
        if not events:
            return
        first = tracker.length
        rows = [
            (tracker.conversation, first + number, _time(event), event.event, written(event))
            for number, event in enumerate(events)
        ]
        with self._explained(), self._transaction():
            if first == 0:
                named = (tracker.conversation, tracker.mark)
                self._database.execute("INSERT INTO conversations (name, mark) VALUES (?, ?)", named)
            self._database.executemany(_INSERT, rows)
            (newest,) = self._database.execute("SELECT last_insert_rowid()").fetchone()
            ids = range(newest - len(rows) + 1, newest + 1)
            self._mine.update(one for one, event in zip(ids, events, strict=True) if event.event == "effect")
        for event in events:
            tracker.append(event)

    def conversations(self) -> tuple[str, ...]:
        """The names of all conversations, oldest first."""
        query = "SELECT conversation FROM events WHERE conversation != ? GROUP BY conversation ORDER BY MIN(id)"
        with self._lock, self._explained():
            return tuple(name for (name,) in self._database.execute(query, (_THE_HOUSE,)))

    def forget(self, conversation: str) -> None:
        """Delete a conversation so that no byte of it stays in the file or its write-ahead log.

        Raises:
            StoreError: it is deleted, but a reader still holds on to the old pages of the log.
        """
        with self.alone(conversation), self._explained():
            with self._transaction():
                self._known.pop(conversation, None)
                self._database.execute("DELETE FROM events WHERE conversation = ?", (conversation,))
                self._database.execute("DELETE FROM conversations WHERE name = ?", (conversation,))
            self._turnstile.forget(conversation)
            with self._lock:
                (held, *_) = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if held:
            raise StoreError(
                f"{self._path}: The conversation is deleted, but another process still reads the old log. "
                f"End it and type: onebreath forget {conversation}"
            )

    def drop(self, tracker: Tracker, count: int, turns: int) -> None:
        """Delete the first ``count`` events, ``turns`` turns, of a conversation; how they left the home stays."""
        first, name = tracker.dropped_events, tracker.conversation
        kept = [(name, first + place) for place, one in enumerate(tracker.events[:count]) if _of_the_house(one)]
        with self._explained(), self._transaction():
            self._known.pop(name, None)
            keep = f"UPDATE events SET conversation = '{_THE_HOUSE}', sequence = id {_PLACE}"
            self._database.executemany(keep, kept)
            delete = "DELETE FROM events WHERE conversation = ? AND sequence < ?"
            self._database.execute(delete, (name, first + count))
            self._database.execute(_DROPPED, (first + count, tracker.dropped_turns + turns, name))

    def effects(self) -> Iterator[EffectHappened]:
        """Every effect of all conversations in the order they happened: what rebuilds a simulated home."""
        yield from self._effects_after(0)

    def news(self) -> list[EffectHappened]:
        """The effects that other processes have written since the last call, or since the file was opened."""
        with self._lock:
            with self._explained():
                (newest,) = self._database.execute(_NEWEST_EFFECT).fetchone()
            before, self._newest_effect = self._newest_effect, max(newest, self._newest_effect)
            mine, self._mine = self._mine, set()
            return list(self._effects_after(before, mine)) if newest > before else []

    def close(self) -> None:
        with self._lock:
            self._database.close()

    # --- what is known already

    def _brought_up(self, conversation: str) -> Tracker:
        """What is remembered of the conversation, with all that was written since."""
        query = "SELECT mark, dropped_events, dropped_turns FROM conversations WHERE name = ?"
        with self._explained():
            row = self._database.execute(query, (conversation,)).fetchone()
        row = row or (f"{conversation}~{secrets.token_hex(4)}", 0, 0)
        known = self._known.pop(conversation, None)
        if known is None or (known.mark, known.dropped_events, known.dropped_turns) != row:
            known = Tracker(conversation, [], ContextState(), *row)
        for event in self._read(_EVENTS, (conversation, known.length)):
            known.append(event)
        if known.events:
            self._known[conversation] = known
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known

    def _effects_after(self, number: int, without: Container[int] = ()) -> Iterator[EffectHappened]:
        query = "SELECT id, data FROM events WHERE event = 'effect' AND id > ? ORDER BY id"
        with self._lock, self._explained():
            rows = self._database.execute(query, (number,)).fetchall()
        for event in self._understood([data for one, data in rows if one not in without]):
            if isinstance(event, EffectHappened):
                yield event

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
        return self._understood([data for (data,) in rows])

    def _understood(self, lines: list[bytes]) -> list[AnyEvent]:
        try:
            return [read(data) for data in lines]
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


_INSERT = "INSERT INTO events (conversation, sequence, time, event, data) VALUES (?, ?, ?, ?, ?)"
_EVENTS = "SELECT data FROM events WHERE conversation = ? AND sequence >= ? ORDER BY sequence"
_NEWEST_EFFECT = "SELECT COALESCE(MAX(id), 0) FROM events WHERE event = 'effect'"
_DROPPED = "UPDATE conversations SET dropped_events = ?, dropped_turns = ? WHERE name = ?"
_PLACE = "WHERE conversation = ? AND sequence = ?"


def _of_the_house(event: AnyEvent) -> bool:
    """Whether the home stands as it does because of this event."""
    return isinstance(event, EffectHappened) and event.effect.target != "query"


def _prepare(database: sqlite3.Connection, path: str) -> None:
    """Make the tables, or those that an older version lacks; two processes may come here at once."""
    database.execute("BEGIN IMMEDIATE")
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{path}: The journal was written by a newer onebreath (schema {version}, this one knows "
                f"{SCHEMA_VERSION}). Update it: pip install --upgrade onebreath"
            )
        for statements in _VERSIONS[version:]:
            for statement in filter(str.strip, statements.split(";")):
                database.execute(statement)
        if version < SCHEMA_VERSION:
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
