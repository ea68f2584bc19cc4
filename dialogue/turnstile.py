"""One at a time: threads in the order in which they came, processes by a lock that ends with its holder."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from dialogue.errors import StoreError

_LOOK_SECONDS = 0.01


class Turnstile:
    """Lets one thread of one process at a time through, for each name.

    ``folder`` holds a lock file per name, called after its hash; the system gives a lock up when the process that
    holds it ends, however it ends. Without a folder only the threads of this process are kept apart.
    """

    def __init__(self, folder: Path | None, *, patience: float = 120.0) -> None:
        self._folder = folder
        self._patience = patience
        self._lines: dict[str, deque[Lock]] = {}
        self._lock = Lock()

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold the place of ``name``; whoever came first goes first.

        Raises:
            StoreError: another process has held it longer than a turn can last.
        """
        ticket = self._arrive(name)
        try:
            with ticket, self._apart_from_other_processes(name):
                yield
        finally:
            self._leave(name, ticket)

    def forget(self, name: str) -> None:
        """Take away the lock file of ``name``, by whoever holds its place."""
        if self._folder is not None:
            self._file(name).unlink(missing_ok=True)

    def _arrive(self, name: str) -> Lock:
        """A lock that is free once all who came earlier have left."""
        ticket = Lock()
        with self._lock:
            line = self._lines.setdefault(name, deque())
            if line:
                ticket.acquire()
            line.append(ticket)
        return ticket

    def _leave(self, name: str, ticket: Lock) -> None:
        with self._lock:
            line = self._lines[name]
            first = line[0] is ticket
            line.remove(ticket)
            if not line:
                del self._lines[name]
            elif first:
                line[0].release()

    @contextmanager
    def _apart_from_other_processes(self, name: str) -> Iterator[None]:
        if self._folder is None:
            yield
            return
        with self._held(name):
            yield

    def _held(self, name: str) -> BinaryIO:
        """The open lock file of ``name``, locked until it is closed."""
        path, end = self._file(name), time.monotonic() + self._patience
        while True:
            path.parent.mkdir(exist_ok=True)
            stream = path.open("ab")
            if _locked(stream) and _is_still(stream, path):
                return stream
            stream.close()
            if time.monotonic() > end:
                raise StoreError(
                    f"{path}: Another process has served this conversation for {self._patience:.0f} s. End it."
                )
            time.sleep(_LOOK_SECONDS)

    def _file(self, name: str) -> Path:
        assert self._folder is not None
        return self._folder / sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _is_still(stream: BinaryIO, path: Path) -> bool:
    """Whether the locked file is the one by this name: whoever forgets a conversation takes its file away."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _locked(stream: BinaryIO) -> bool:
        """Whether the file is ours now."""
        try:
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locked(stream: BinaryIO) -> bool:
        """Whether the file is ours now."""
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
