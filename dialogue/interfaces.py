"""The seams: what can be swapped, and the methods a part must have to fit. Nothing is inherited or registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from dialogue.context import ContextState, Tracker
from dialogue.events import AnyEvent, EffectHappened
from dialogue.types import (
    AudioChunk,
    Effect,
    Hypothesis,
    NotDone,
    Outcome,
    Plan,
    Question,
    Step,
    Transcript,
    Utterance,
    Value,
)


@dataclass(frozen=True, slots=True)
class Device:
    """One thing in the home, as the home file describes it."""

    id: str
    name: str
    domain: str
    aliases: tuple[str, ...] = ()
    area: str | None = None
    device_class: str | None = None
    features: tuple[str, ...] = ()
    risky: bool = False
    default: bool = False
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """An area or a floor; an area may lie on a floor."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    floor: str | None = None


@dataclass(frozen=True, slots=True)
class ItemList:
    """A list one can add to, such as the shopping list."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clockwork:
    """A running timer, a set alarm or a set reminder. ``due`` is local time, None while paused or on an event.

    ``seconds`` is a timer's whole length, ``remaining`` what a paused one still has to run, ``name`` a
    reminder's text, ``repeat`` the unit word after which an alarm rings again ("day", "weekday", ...).
    """

    kind: str
    id: str
    due: datetime | None
    seconds: float | None = None
    name: str = ""
    on: Mapping[str, Value] | None = None
    area: str | None = None
    repeat: str | None = None
    remaining: float | None = None


class Home(Protocol):
    """What is in the home and how it stands. Reading is for anyone; only actions change it.

    ``catalogs`` are known fillings of open slots by kind: titles, contacts, or an open list's own name.
    """

    devices: Mapping[str, Device]
    areas: Mapping[str, Place]
    floors: Mapping[str, Place]
    lists: Mapping[str, ItemList]
    catalogs: Mapping[str, tuple[str, ...]]

    def state(self, device_id: str) -> Mapping[str, Value]: ...

    def clockworks(self, kind: str) -> tuple[Clockwork, ...]: ...


class Recognizer(Protocol):
    """Hears: audio chunks of one utterance in, a transcript out."""

    def transcribe(self, chunks: Iterable[AudioChunk]) -> Transcript: ...


class Splitter(Protocol):
    """Understands: cuts what was heard into requests. ``state`` is the conversation so far."""

    def split(self, hypotheses: Sequence[Hypothesis], state: ContextState) -> Utterance: ...


class Policy(Protocol):
    """Decides: turns requests, and answers to open questions, into steps and changes of earlier steps.

    ``area`` is the id of the area the speaker is in, where it is known.
    """

    def plan(
        self, utterance: Utterance, tracker: Tracker, now: datetime, *, area: str | None = None
    ) -> tuple[Plan, tuple[AnyEvent, ...]]: ...


class Executor(Protocol):
    """Does: runs one step's action and reports what came of it; never raises for what an action does.

    A step is `repeatable` if running it once more, because nobody knows how the first time ended, changes nothing.
    """

    def run(self, step: Step, tracker: Tracker, now: datetime) -> Outcome: ...

    def repeatable(self, step: Step) -> bool: ...


class TrackerStore(Protocol):
    """Remembers: events per conversation, committed before `append` returns.

    Who serves a conversation is `alone` with it, among threads and processes. `news` are the effects that others
    have written since it was last asked for them. `drop` deletes the oldest events and turns, not their effects.
    """

    def alone(self, conversation: str) -> AbstractContextManager[None]: ...

    def news(self) -> Iterable[EffectHappened]: ...

    def drop(self, tracker: Tracker, count: int, turns: int) -> None: ...

    def load(self, conversation: str) -> Tracker: ...

    def append(self, tracker: Tracker, events: Sequence[AnyEvent]) -> None: ...

    def conversations(self) -> tuple[str, ...]: ...

    def forget(self, conversation: str) -> None: ...


class Clock(Protocol):
    """Local time; a simulated one stands still until told to move."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Tick:
    """What time brought about in the home: effects, and the ids of clockworks that ended."""

    effects: tuple[Effect, ...] = ()
    ended: tuple[str, ...] = field(default=())


class LivingHome(Home, Protocol):
    """A home in which time passes and things happen by themselves."""

    def tick(self, now: datetime, mark: str | None = None) -> Tick: ...

    def next_due(self, mark: str | None = None) -> datetime | None: ...

    def apply(self, effect: Effect) -> None: ...

    def replay(self, events: Iterable[EffectHappened]) -> None: ...

    def before(self, device_id: str, change: Mapping[str, Value]) -> dict[str, Value]: ...

    def forget(self, mark: str) -> None: ...


class Voice(Protocol):
    """Says what a turn came to, in one or two sentences, and single sentences by name."""

    def render(self, name: str, /, **slots: Value) -> str: ...

    def summary(
        self,
        home: Home,
        effects: Sequence[Sequence[Effect]],
        *,
        now: datetime,
        scheduled: Sequence[Step] = (),
        question: Question | None = None,
        not_done: Sequence[NotDone] = (),
        answers: Sequence[str] = (),
    ) -> str: ...
