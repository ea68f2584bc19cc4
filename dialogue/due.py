"""Who has something to do, and when: kept in memory, so that a door can look as often as it likes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from math import inf
from threading import Lock

from dialogue import scheduler
from dialogue.assistant import Assistant
from dialogue.clockworks import owner_of
from dialogue.instants import instant
from dialogue.interfaces import Clockwork
from dialogue.types import Step, Turn

_CLOCKWORKS = ("timer", "alarm", "reminder")


class Agenda:
    """The next time of every conversation, and which conversation has which mark.

    What the end of a process left undone is due at once. A clockwork that no conversation has set (the home file
    can) belongs to ``otherwise``. Let it `look` after every turn; threads may share an agenda.
    """

    def __init__(
        self, assistant: Assistant, conversations: Iterable[str] = (), *, otherwise: str = "default"
    ) -> None:
        self._assistant = assistant
        self._otherwise = otherwise
        self._times: dict[str, float] = {}
        self._names: dict[str, str] = {}
        self._lock = Lock()
        for conversation in (*conversations, otherwise):
            self.look(conversation)

    def look(self, conversation: str) -> None:
        """Take over what a turn of the conversation has planned, set or cancelled."""
        tracker = self._assistant.store.load(conversation)
        time = scheduler.next_due(tracker.state)
        cut_off = any(map(_cut_off, tracker.state.steps.values()))
        with self._lock:
            self._names[tracker.mark] = conversation
            self._times.pop(conversation, None)
            if cut_off:
                self._times[conversation] = -inf
            elif time is not None:
                self._times[conversation] = instant(time)

    def due(self, now: datetime) -> tuple[str, ...]:
        """The conversations in which something has fallen due by ``now``."""
        with self._lock:
            found = {name: None for name, time in self._times.items() if time <= instant(now)}
            for clockwork in self._clockworks():
                if clockwork.due is not None and instant(clockwork.due) <= instant(now):
                    name = self._names.get(owner) if (owner := owner_of(clockwork)) else self._otherwise
                    found.update({} if name is None else {name: None})
        return tuple(found)

    def _clockworks(self) -> Iterator[Clockwork]:
        for kind in _CLOCKWORKS:
            yield from self._assistant.home.clockworks(kind)


def _cut_off(step: Step) -> bool:
    """Whether a step is in a state in which no turn leaves it."""
    return step.status == "running" or (step.status == "pending" and not step.if_done)


def happened(turn: Turn) -> bool:
    """Whether anything came of a turn that nobody has spoken."""
    return bool(turn.effects or turn.not_done)
