"""Hearing many sound files: each one a conversation of its own, in a home as the home file describes it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dialogue.config import Configuration, Parts, load_parts, make_assistant, with_fresh_home
from dialogue.errors import ConfigurationError, OnebreathError
from dialogue.picture import Brush, turn_picture
from dialogue.scheduler import StandingClock
from dialogue.shapes import turn_shape
from dialogue.types import Transcript, Turn, Utterance

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

    from dialogue.interfaces import Recognizer

Status = Literal["ok", "silence", "not_understood", "error"]

CHUNK_SECONDS = 0.5
_WAITING_PER_JOB = 2
_STATUS_COLORS = {"ok": "green", "silence": "dim", "not_understood": "yellow", "error": "red"}


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one file. ``shape`` holds the keys of ``say --json``, ``spent`` seconds of work."""

    path: Path
    status: Status
    now: datetime
    shape: dict[str, Any]
    transcript: str = ""
    turn: Turn | None = None
    error: str = ""
    seconds: float = 0.0
    spent: float = 0.0


@dataclass(slots=True)
class Listener:
    """Hears files one after another. Model and grammar are loaded once, the home is new for every file.

    ``now`` is the local time in every file; without it, each file has the time at which it is heard.
    """

    parts: Parts
    recognizer: Recognizer
    sample_rate: int
    now: datetime | None = None

    @classmethod
    def of(cls, configuration: Configuration, model: Path, now: datetime | None) -> Listener:
        from dialogue.asr import VoskRecognizer

        parts = load_parts(configuration)
        recognizer = VoskRecognizer(model)
        return cls(parts, recognizer, recognizer.sample_rate, now)

    def hear(self, path: Path) -> Heard:
        """Hear one file and do what it asks for; what goes wrong with it is its own status."""
        now = self.now or datetime.now().replace(microsecond=0)
        began = time.perf_counter()
        try:
            return self._heard(path, now, began)
        except OnebreathError as error:
            return failed(path, _without_name(str(error), path), now)
        except MemoryError:
            return failed(path, "does not fit into memory; cut it into shorter files", now)
        except Exception as error:  # one file never stops the others
            return failed(path, f"broke the program ({type(error).__name__}: {error}); please report it", now)

    def _heard(self, path: Path, now: datetime, began: float) -> Heard:
        from dialogue import audio

        sound = audio.read(path, self.sample_rate)
        transcript = self.recognizer.transcribe(audio.chunks(sound, CHUNK_SECONDS))
        parts = with_fresh_home(self.parts)
        turn = self._turn(parts, transcript, now)
        return Heard(
            path=path,
            status=_status(transcript, turn),
            now=now,
            shape=turn_shape(turn, parts.home),
            transcript=turn.text or transcript.text,
            turn=turn,
            seconds=sound.seconds,
            spent=time.perf_counter() - began,
        )

    def _turn(self, parts: Parts, transcript: Transcript, now: datetime) -> Turn:
        if not transcript.text:
            return Turn("", Utterance(""))
        assistant = make_assistant(parts.configuration, clock=StandingClock(now), parts=parts)
        return assistant.hear(transcript)


def failed(path: Path, why: str, now: datetime) -> Heard:
    """A file that could not be heard."""
    empty: dict[str, Any] = {"requests": [], "effects": [], "scheduled": [], "asked": None}
    return Heard(path, "error", now, {**empty, "not_done": [], "responses": []}, error=why)


def _without_name(message: str, path: Path) -> str:
    return message.removeprefix(f"{path}: ")


def _status(transcript: Transcript, turn: Turn) -> Status:
    if not transcript.text:
        return "silence"
    acted = turn.utterance.requests or turn.effects or turn.scheduled or turn.asked
    return "ok" if acted else "not_understood"


# --- which files ------------------------------------------------------------------------


def sound_files(paths: Iterable[Path]) -> list[Path]:
    """The files that ``paths`` name: files as they are, folders as all the WAV files under them.

    Raises ConfigurationError for a path that does not exist and for a folder without a WAV file.
    """
    found: dict[Path, None] = {}
    for path in paths:
        found.update(dict.fromkeys(_files_of(path)))
    return list(found)


def _files_of(path: Path) -> list[Path]:
    try:
        is_folder = path.is_dir()
        exists = path.exists()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be looked up ({error}); check the path") from None
    if not exists:
        raise ConfigurationError(f"{path}: there is no such file or folder; check the path")
    if not is_folder:
        return [path]
    files = sorted(_walked(path))
    if not files:
        raise ConfigurationError(
            f"{path}: there is no .wav file in this folder or below it; name a folder with sound"
        )
    return files


def _walked(folder: Path) -> Iterator[Path]:
    """The WAV files under a folder; links are followed, each folder entered once."""
    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        known = Path(root).stat()
        if (known.st_dev, known.st_ino) in seen:
            folders.clear()
            continue
        seen.add((known.st_dev, known.st_ino))
        for name in names:
            if name.lower().endswith(".wav"):
                yield Path(root, name)


# --- in one process or several ----------------------------------------------------------


def hear_all(
    paths: Sequence[Path], configuration: Configuration, model: Path, now: datetime | None, jobs: int
) -> Iterator[Heard]:
    """What became of each file, in the order of ``paths``, at most ``jobs`` files at a time."""
    if jobs == 1:
        listener = Listener.of(configuration, model, now)
        yield from map(listener.hear, paths)
        return
    load_parts(configuration)  # a mistake in home or grammar is told once, and the grammar is in its cache
    yield from _Crew(configuration, model, now, jobs).hear_all(paths)


@dataclass(slots=True)
class _Crew:
    """Worker processes, each with a listener of its own."""

    configuration: Configuration
    model: Path
    now: datetime | None
    jobs: int

    def hear_all(self, paths: Iterable[Path]) -> Iterator[Heard]:
        """Results in order, with only a few files waiting, however many there are."""
        left = deque(paths)
        while left:
            yield from self._until_one_breaks(left)

    def _until_one_breaks(self, left: deque[Path]) -> Iterator[Heard]:
        """Hear the files of ``left`` until a worker dies; those it leaves undecided are heard one by one."""
        from concurrent.futures.process import BrokenProcessPool

        waiting: deque[tuple[Path, Future[Heard]]] = deque()
        with self._pool(self.jobs) as pool:
            try:
                while left or waiting:
                    while left and len(waiting) < self.jobs * _WAITING_PER_JOB:
                        waiting.append((left[0], self._sent(pool, left[0])))
                        left.popleft()
                    yield waiting[0][1].result()
                    waiting.popleft()
            except BrokenProcessPool:
                pass
        yield from self._one_by_one(deque(path for path, _ in waiting))

    def _sent(self, pool: ProcessPoolExecutor, path: Path) -> Future[Heard]:
        return pool.submit(_hear, self.configuration, self.model, self.now, path)

    def _one_by_one(self, left: deque[Path]) -> Iterator[Heard]:
        """Hear files so that the one a worker dies of is known, and told."""
        from concurrent.futures.process import BrokenProcessPool

        while left:
            with self._pool(1) as pool:
                try:
                    while left:
                        yield self._sent(pool, left[0]).result()
                        left.popleft()
                except BrokenProcessPool:
                    why = "ended the process that heard it; leave it out, and please report it"
                    yield failed(left.popleft(), why, self.now or datetime.now().replace(microsecond=0))

    @contextmanager
    def _pool(self, size: int) -> Iterator[ProcessPoolExecutor]:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        pool = ProcessPoolExecutor(size, get_context("spawn"), _leave_interrupts)
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@cache
def _listener(configuration: Configuration, model: Path, now: datetime | None) -> Listener:
    """The one listener of a worker process."""
    return Listener.of(configuration, model, now)


def _hear(configuration: Configuration, model: Path, now: datetime | None, path: Path) -> Heard:
    return _listener(configuration, model, now).hear(path)


def _leave_interrupts() -> None:
    """Ctrl-C is for the parent process, which ends its workers."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


# --- telling ----------------------------------------------------------------------------


@dataclass(slots=True)
class Summary:
    """How many files ended how, and how fast that was; loading model and grammar is not counted."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    spent: float = 0.0

    def add(self, heard: Heard) -> None:
        self.statuses[heard.status] += 1
        self.seconds += heard.seconds
        self.spent += heard.spent

    @property
    def heard(self) -> int:
        """How many files could be processed."""
        return self.statuses.total() - self.statuses["error"]

    def rows(self) -> list[tuple[str, str]]:
        rows = [("files", str(self.statuses.total()))]
        rows += [(name.replace("_", " "), str(self.statuses[name])) for name in _STATUS_COLORS]
        rows += [("seconds of sound", f"{self.seconds:.1f}"), ("seconds of work", f"{self.spent:.1f}")]
        if self.seconds:
            rows.append(("real-time factor", f"{self.spent / self.seconds:.3f}"))
        return rows


def batch(results: Iterable[Heard], total: int, *, as_json: bool, brush: Brush) -> int:
    """Print every result as it comes, and with ``as_json`` nothing else on standard output.

    Gives the exit code: 0 when at least one file could be processed.
    """
    from tqdm import tqdm

    summary = Summary()
    with tqdm(total=total, unit="file", file=sys.stderr, disable=None, dynamic_ncols=True) as bar:
        try:
            for heard in results:
                summary.add(heard)
                text = _line(heard) if as_json else _picture(heard, brush)
                with bar.external_write_mode(file=sys.stdout):
                    print(text, flush=True)
                bar.update()
        finally:
            bar.clear()
            if not as_json and summary.statuses:
                print(_table(summary, brush), flush=True)
    return 0 if summary.heard else 2


def _line(heard: Heard) -> str:
    row = {**heard.shape, "wav": _shown(heard.path), "status": heard.status, "transcript": heard.transcript}
    if heard.error:
        row["error"] = heard.error
    return json.dumps(row, ensure_ascii=False)


def _shown(path: Path) -> str:
    """A path as text, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "replace")


def _picture(heard: Heard, brush: Brush) -> str:
    color = _STATUS_COLORS[heard.status]
    title = [brush.paint(_shown(heard.path), "bold"), brush.paint(heard.status.replace("_", " "), color)]
    lines = [" ".join(title)]
    if heard.error:
        lines.append(brush.paint(f"  {heard.error}", color))
    if heard.turn is not None and (picture := turn_picture(heard.turn, brush, heard.now)):
        lines.append(picture)
    return "\n".join(lines) + "\n"


def _table(summary: Summary, brush: Brush) -> str:
    rows = summary.rows()
    wide = max(len(name) for name, _ in rows)
    right = max(len(value) for _, value in rows)
    return "\n".join(f"{brush.paint(name.ljust(wide), 'dim')}  {value.rjust(right)}" for name, value in rows)
