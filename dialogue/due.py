"""Who has something to do, and when: kept in memory, so that a door can look as often as it likes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from threading import Lock

from dialogue import scheduler
from dialogue.assistant import Assistant
from dialogue.interfaces import Clockwork
from dialogue.types import Effect, Turn

_CLOCKWORKS = ("timer", "alarm", "reminder")


class Agenda:
    """The next time of every conversation, and which conversation set which timer, alarm or reminder.

    A clockwork that no conversation has set (the home file can) belongs to ``otherwise``. Tell every turn to
    `note`; threads may share an agenda.
    """

    def __init__(
        self, assistant: Assistant, conversations: Iterable[str] = (), *, otherwise: str = "default"
    ) -> None:
        self._assistant = assistant
        self._otherwise = otherwise
        self._times: dict[str, datetime] = {}
        self._owners: dict[str, str] = {}
        self._lock = Lock()
        for conversation in conversations:
            self.look(conversation)

    def note(self, conversation: str, turn: Turn) -> None:
        """Take over what a turn of the conversation has planned, set or cancelled."""
        if turn.plan.steps or turn.effects or turn.scheduled or turn.not_done:
            self.look(conversation)

    def due(self, now: datetime) -> tuple[str, ...]:
        """The conversations in which something has fallen due by ``now``."""
        with self._lock:
            found = {name: None for name, time in self._times.items() if time <= now}
            for clockwork in self._clockworks():
                if clockwork.due is not None and clockwork.due <= now:
                    found[self._owners.get(clockwork.id, self._otherwise)] = None
        return tuple(found)

    def look(self, conversation: str) -> None:
        """Read anew what a conversation has planned and set, where no turn tells."""
        state = self._assistant.store.load(conversation).state
        with self._lock:
            self._times.pop(conversation, None)
            if (time := scheduler.next_due(state)) is not None:
                self._times[conversation] = time
            running = {clockwork.id for clockwork in self._clockworks()}
            effects = (effect for effects in state.effects.values() for effect in effects)
            set_here = {name for effect in effects if (name := _name(effect)) in running}
            kept = {name: owner for name, owner in self._owners.items() if name in running}
            self._owners = {**kept, **dict.fromkeys(set_here, conversation)}

    def _clockworks(self) -> Iterator[Clockwork]:
        for kind in _CLOCKWORKS:
            yield from self._assistant.home.clockworks(kind)


def happened(turn: Turn) -> bool:
    """Whether anything came of a turn that nobody has spoken."""
    return bool(turn.effects or turn.not_done)


def _name(effect: Effect) -> str:
    return str(effect.change.get("id")) if effect.target in _CLOCKWORKS else ""
