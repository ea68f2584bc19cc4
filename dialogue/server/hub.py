"""Tells whoever listens what happens in a conversation, as soon as the journal has it.

Events are numbered by their place in the conversation, so a listener that was cut off can go on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from dialogue.context import Tracker
from dialogue.events import AnyEvent
from dialogue.interfaces import TrackerStore

MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class News:
    """Something to tell: an event of the journal with its number, or (without one) what is not remembered."""

    kind: str
    number: int | None = None
    event: AnyEvent | None = None
    told: dict[str, Any] = field(default_factory=dict)


class Listener:
    """One who listens to a conversation. Too slow, it is cut off and must come back for what it missed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[News | None] = asyncio.Queue(MOST_WAITING)

    def tell(self, news: News | None) -> None:
        """Hand over news, or the end (None), from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._take, news)
        except RuntimeError:  # the loop is closed: nobody listens any more
            return

    def _take(self, news: News | None) -> None:
        if self._waiting.full():  # whoever is that slow begins anew
            while not self._waiting.empty():
                self._waiting.get_nowait()
            news = None
        self._waiting.put_nowait(news)

    async def next(self) -> News | None:
        """The next news; None when there will be no more."""
        return await self._waiting.get()


class Hub:
    """Who listens to which conversation."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = {}
        self._lock = Lock()

    @contextmanager
    def listening(self, conversation: str) -> Iterator[Listener]:
        listener = Listener()
        with self._lock:
            self._listeners.setdefault(conversation, set()).add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                left = self._listeners[conversation]
                left.discard(listener)
                if not left:
                    del self._listeners[conversation]

    def tell(self, conversation: str, news: News | None) -> None:
        """Tell all who listen to a conversation; None ends their listening."""
        for listener in self._of(conversation):
            listener.tell(news)

    def close(self) -> None:
        """End all listening."""
        with self._lock:
            names = tuple(self._listeners)
        for name in names:
            self.tell(name, None)

    def _of(self, conversation: str) -> tuple[Listener, ...]:
        with self._lock:
            return tuple(self._listeners.get(conversation, ()))


@dataclass(frozen=True, slots=True)
class ToldStore:
    """A journal whose events are told to the hub once they are written; it fits the `TrackerStore` protocol."""

    store: TrackerStore
    hub: Hub

    def load(self, conversation: str) -> Tracker:
        return self.store.load(conversation)

    def append(self, tracker: Tracker, events: Sequence[AnyEvent]) -> None:
        first = len(tracker.events)
        self.store.append(tracker, events)
        for number, event in enumerate(events, first + 1):
            self.hub.tell(tracker.conversation, News(event.event, number, event))

    def conversations(self) -> tuple[str, ...]:
        return self.store.conversations()

    def forget(self, conversation: str) -> None:
        self.store.forget(conversation)
        self.hub.tell(conversation, News("forgotten"))
        self.hub.tell(conversation, None)
