"""Listening at a microphone: sound becomes utterances, each one a turn; words show while they are spoken."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from dialogue.chat import Room
from dialogue.errors import SoundError
from dialogue.microphone import Listening
from dialogue.picture import Brush, clean, columns
from dialogue.types import AudioChunk, Transcript, Turn, Utterance

PAUSE_SECONDS = 0.6
OPEN_PAUSE_SECONDS = 3.0
LONGEST_SECONDS = 60.0
LOOK_SECONDS = 0.5

_CLOSING = frozenset({"when", "condition", "never_mind", "scratch"})


Push = Literal["never", "once", "keys"]
"""Whether the speaker is always heard, for one stretch of sound, or between two presses of Enter."""


class HearingStream(Protocol):
    """One utterance while it is heard; see `asr.Stream`."""

    def accept(self, chunk: AudioChunk) -> Transcript | None: ...

    def finish(self) -> Transcript: ...


@dataclass(slots=True)
class Ear:
    """Cuts endless sound into utterances.

    Speech that pauses is over after `PAUSE_SECONDS`, or after `OPEN_PAUSE_SECONDS` where ``is_open`` says
    that it must go on ("turn off the lights and ..."); nobody is let speak for more than `LONGEST_SECONDS`.
    ``guess`` is told the words so far.
    """

    stream: HearingStream
    is_open: Callable[[Transcript], bool]
    guess: Callable[[str], None]
    _ended: Transcript | None = field(default=None, init=False)
    _quiet: float = field(default=0.0, init=False)
    _speaking: float = field(default=0.0, init=False)

    def utterances(self, sound: Iterable[AudioChunk]) -> Iterator[Transcript]:
        """A final transcript per utterance; what was being said when the sound ends is the last one."""
        for chunk in sound:
            self._take(chunk)
            if self._is_over():
                yield self._finished()
        last = self._finished()
        if last.text:
            yield last

    def whole(self, sound: Iterable[AudioChunk]) -> Transcript:
        """All of the sound as one utterance, however long its pauses."""
        for chunk in sound:
            self._take(chunk)
        return self._finished()

    def _take(self, chunk: AudioChunk) -> None:
        heard = self.stream.accept(chunk)
        if heard is None:
            self._quiet += chunk.seconds
        else:
            self._quiet = 0.0
            self.guess(heard.text)
            self._ended = heard if heard.final else None
        if self._speaking or heard is not None:
            self._speaking += chunk.seconds

    def _is_over(self) -> bool:
        if self._speaking > LONGEST_SECONDS or (self._speaking and self._quiet >= OPEN_PAUSE_SECONDS):
            return True
        return self._ended is not None and self._quiet >= PAUSE_SECONDS and not self.is_open(self._ended)

    def _finished(self) -> Transcript:
        self._ended, self._quiet, self._speaking = None, 0.0, 0.0
        return self.stream.finish()


def is_open(utterance: Utterance) -> bool:
    """Whether the words end in one that must be followed by more, such as "and" or "except"."""
    last = utterance.segments[-1] if utterance.segments else None
    return last is not None and last.kind == "operator" and last.label not in _CLOSING


@dataclass(slots=True)
class Screen:
    """Where guesses come and go on the last line; without a terminal there are none."""

    brush: Brush
    live: bool
    _shown: bool = False

    def guess(self, text: str) -> None:
        if self.live and text:
            line = f"… {clean(text)}"
            while columns(line) >= self.brush.width:
                line = "… " + line[3:].partition(" ")[2] if " " in line[3:] else line[: self.brush.width // 2]
            print(f"\r\x1b[K{self.brush.paint(line, 'dim')}", end="", flush=True)
            self._shown = True

    def clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", flush=True)
            self._shown = False


def listen(
    room: Room,
    stream: HearingStream,
    sound: Callable[[threading.Event], Iterable[AudioChunk]],
    *,
    show: Callable[[Turn], None],
    screen: Screen,
    push: Push = "never",
) -> None:
    """Hear ``sound`` until it ends, and show every turn; what falls due meanwhile is done, too.

    ``sound`` is called with an event that ends it: once, or with ``push="keys"`` for every press of Enter.
    """
    ear = Ear(stream, open_splitter(room), screen.guess)

    def show_alone(turn: Turn | None) -> None:
        if turn is not None:
            screen.clear()
            show(turn)

    def take(transcript: Transcript) -> None:
        screen.clear()
        show_alone(room.hear(transcript) if transcript.text else None)

    def watched(released: threading.Event) -> Iterator[AudioChunk]:
        return watching(sound(released), lambda: show_alone(room.overdue()))

    if push == "never":
        for transcript in ear.utterances(watched(threading.Event())):
            take(transcript)
        return
    for released in pushes() if push == "keys" else (threading.Event(),):
        take(ear.whole(watched(released)))


def watching(sound: Iterable[AudioChunk], look: Callable[[], None]) -> Iterator[AudioChunk]:
    """The same sound, with a look every `LOOK_SECONDS` at what has fallen due."""
    looked = 0.0
    for chunk in sound:
        if time.monotonic() - looked >= LOOK_SECONDS:
            look()
            looked = time.monotonic()
        yield chunk


def complete(listening: Listening) -> Iterator[AudioChunk]:
    """The microphone's sound; when some was lost, that is told."""
    told = 0
    for chunk in listening:
        if listening.dropped > told:
            told = listening.dropped
            print(f"onebreath: the machine is too slow: {told} pieces of sound lost so far", file=sys.stderr)
        yield chunk


def open_splitter(room: Room) -> Callable[[Transcript], bool]:
    """`is_open` of what a transcript is read as, in the conversation as it stands."""

    def asks(transcript: Transcript) -> bool:
        state = room.assistant.store.load(room.conversation).state
        return is_open(room.assistant.splitter.split(transcript.hypotheses[:1], state))

    return asks


def pushes() -> Iterator[threading.Event]:
    """Enter begins and Enter ends, again and again, until the input ends: an event that ends each time."""
    while True:
        try:
            input("Enter to speak, Ctrl-D to leave ")
        except EOFError:
            return
        print("listening; Enter when done", flush=True)
        released = threading.Event()
        threading.Thread(target=_wait_for_enter, args=(released,), daemon=True).start()
        yield released


def _wait_for_enter(released: threading.Event) -> None:
    sys.stdin.readline()
    released.set()


def device_lines() -> list[str]:
    """The microphones, one per line, the default one marked. Raises SoundError when there is none."""
    from dialogue import microphone

    found = microphone.devices()
    if not found:
        raise SoundError(
            "there is no microphone (no sound input device); plug one in, or hear a file:"
            " onebreath mic --input FILE.wav"
        )
    return [
        f"{'*' if device.default else ' '} {device.index:3} {device.name}"
        f" ({device.channels} channels, {device.sample_rate} Hz)"
        for device in found
    ]
