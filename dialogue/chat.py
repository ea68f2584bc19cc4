"""Typing with the assistant at a prompt; what falls due meanwhile is done and said in between."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dialogue.assistant import Assistant
from dialogue.due import Agenda, happened
from dialogue.errors import ConfigurationError, OnebreathError
from dialogue.picture import Brush, turn_picture
from dialogue.scheduler import StandingClock
from dialogue.typed import checked, directive
from dialogue.types import Transcript, Turn

PROMPT = "> "
LOOK_SECONDS = 0.5


def usual_journal() -> Path:
    """Where `chat` remembers: in the user's folder for the state of programs."""
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME"
    named = Path(os.environ.get(variable, ""))
    try:
        folder = named if named.is_absolute() else Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise ConfigurationError("no home folder to keep the journal in; name a file: --store FILE") from error
    return folder / "onebreath" / "journal.db"


@dataclass(slots=True)
class Room:
    """One conversation that is used by the one who types and by the one who watches the clock."""

    assistant: Assistant
    conversation: str
    agenda: Agenda = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.agenda = Agenda(self.assistant, (self.conversation,), otherwise=self.conversation)

    def say(self, text: str) -> Turn:
        """A typed turn, or a directive where the clock stands still."""
        if not text.startswith("@"):
            return self.hear(checked(text, "this line"))
        with self.lock:
            return self._noted(self._directed(text))

    def hear(self, heard: str | Transcript) -> Turn:
        """A turn in this conversation."""
        with self.lock:
            return self._noted(self.assistant.hear(heard, self.conversation))

    def _noted(self, turn: Turn) -> Turn:
        self.agenda.look(self.conversation)
        return turn

    def _directed(self, text: str) -> Turn:
        clock = self.assistant.clock
        if not isinstance(clock, StandingClock):
            raise ConfigurationError(
                "the clock runs by itself; start with --now 2026-03-02T18:00 to use directives"
            )
        return directive(self.assistant, clock, text, self.conversation)

    def overdue(self) -> Turn | None:
        """Do what has fallen due; None when nothing came of it."""
        with self.lock:
            if not self.agenda.due(self.assistant.clock.now()):
                return None
            turn = self._noted(self.assistant.advance(self.conversation))
        return turn if happened(turn) else None


def chat(room: Room, brush: Brush) -> int:
    """Turns from standard input until it ends; errors are told and the conversation goes on."""
    interactive = sys.stdin.isatty()
    if interactive:
        _use_readline()
        print(brush.paint("Type what you would say; Ctrl-D leaves.", "dim"))

    def show(turn: Turn) -> None:
        print(turn_picture(turn, brush, room.assistant.clock.now()), end="\n\n", flush=True)

    def interrupt(turn: Turn) -> None:
        print("\r\x1b[K" if interactive else "", end="")
        show(turn)
        print(PROMPT + _typed_so_far() if interactive else "", end="", flush=True)

    if (turn := room.overdue()) is not None:
        show(turn)
    with watched(room, interrupt):
        for text in _typed(PROMPT if interactive else ""):
            try:
                show(room.say(text))
            except OnebreathError as error:
                print(f"onebreath: {error}", file=sys.stderr, flush=True)
    if interactive:
        print()
    return 0


def _typed(prompt: str) -> Iterator[str]:
    """Lines until the end of input; blank ones are passed over."""
    while True:
        try:
            text = input(prompt).strip()
        except EOFError:
            return
        if text:
            yield text


@contextmanager
def watched(room: Room, tell: Callable[[Turn], None]) -> Iterator[None]:
    """While within, whatever falls due is done on a thread, and told."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            try:
                turn = room.overdue()
            except OnebreathError as error:
                print(f"onebreath: {error}", file=sys.stderr, flush=True)
                continue
            if turn is not None:
                tell(turn)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(timeout=5)


def _use_readline() -> None:
    """Arrow keys and history where the system has them."""
    try:
        import readline  # noqa: F401
    except ImportError:
        return


def _typed_so_far() -> str:
    readline = sys.modules.get("readline")
    return str(readline.get_line_buffer()) if readline is not None else ""
