"""A small world to speak in: what was said, what it did, and how the home stands after it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from conftest import shipped_parts
from judge import NOW

from dialogue.assistant import Assistant
from dialogue.config import make_assistant, with_fresh_home
from dialogue.events import EffectHappened
from dialogue.home import SimulatedHome
from dialogue.scheduler import StandingClock
from dialogue.shapes import turn_shape
from dialogue.types import Utterance

BEFORE = ("set a timer for fifty minutes", "set an alarm for five am", "remind me to call grandma at eleven pm")
"""Said before every conversation, by somebody else: there is a timer, an alarm and a reminder to speak of."""
_CLOCKS = ("timer", "alarm", "reminder")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """A home at one time: states of devices, lists, what is running."""

    states: Mapping[str, Mapping[str, Any]]
    lists: Mapping[str, tuple[str, ...]]
    clocks: tuple[str, ...]

    def with_states(self, states: Mapping[str, Mapping[str, Any]]) -> World:
        return replace(self, states={**self.states, **states})


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """What one or more turns came to. ``done`` and ``planned`` leave out questions answered."""

    world: World
    done: frozenset[str]
    planned: frozenset[str]
    targets: frozenset[str]
    asked: str | None
    told: tuple[str, ...]
    utterance: Utterance

    def __repr__(self) -> str:
        told = f"asked {self.asked!r}, told {self.told}"
        return f"<{self.utterance.text!r}: done {sorted(self.done)}, planned {sorted(self.planned)}, {told}>"

    @property
    def idle(self) -> bool:
        return not self.done and not self.planned

    @property
    def answered(self) -> bool:
        """Whether something was asked or reported."""
        return bool(self.asked or self.told)

    @property
    def what(self) -> tuple[World, frozenset[str], frozenset[str]]:
        """All that matters of it."""
        return self.world, self.done, self.planned

    def reports(self, words: str) -> bool:
        """Whether every one of some words was asked about or reported as not understood."""
        heard = " ".join([*self.told, self.asked or "", *(one.held for one in self.utterance.requests)]).split()
        return all(word in heard for word in words.split())


def heard(*turns: str) -> Outcome:
    """What turns of one conversation come to, in a home of their own on a Monday at six in the evening."""
    assistant = _assistant()
    effects: list[Row] = []
    planned: list[Row] = []
    told: list[str] = []
    for text in turns:
        turn = assistant.hear(text)
        shape = turn_shape(turn, assistant.home)
        effects += [one for one in shape["effects"] if one["target"] != "query"]
        planned += shape["scheduled"]
        told += [one["text"] for one in shape["not_done"]]
    return Outcome(
        world=_world(assistant),
        done=frozenset(map(_row, effects)),
        planned=frozenset(map(_row, planned)),
        targets=frozenset(one["target"] for one in (*effects, *planned)),
        asked=shape["asked"],
        told=tuple(told),
        utterance=turn.utterance,
    )


@cache
def at_rest() -> World:
    """The world before anything is said."""
    return heard("").world


def _assistant() -> Assistant:
    parts = with_fresh_home(shipped_parts())
    parts.home.replay(_earlier())
    return make_assistant(parts.configuration, clock=StandingClock(datetime.fromisoformat(NOW)), parts=parts)


@cache
def _earlier() -> tuple[EffectHappened, ...]:
    parts = with_fresh_home(shipped_parts())
    clock = StandingClock(datetime.fromisoformat(NOW))
    assistant = make_assistant(parts.configuration, clock=clock, parts=parts)
    for text in BEFORE:
        assistant.hear(text, "before")
    return tuple(assistant.store.effects())  # type: ignore[attr-defined]


def _row(row: Row) -> str:
    """A change or plan in words; ids tell only the order in which things were said."""
    change = {name: value for name, value in row["change"].items() if name != "id"}
    return json.dumps({**row, "change": change}, sort_keys=True, default=str)


def _world(assistant: Assistant) -> World:
    home = assistant.home
    assert isinstance(home, SimulatedHome)
    works = [work for kind in _CLOCKS for work in home.clockworks(kind)]
    return World(
        states={one: _state(dict(home.state(one))) for one in home.devices},
        lists={one: tuple(sorted(listed.items)) for one, listed in home.lists.items()},
        clocks=tuple(sorted(f"{work.name} {work.seconds} {work.due}" for work in works)),
    )


def _state(state: dict[str, Any]) -> Mapping[str, Any]:
    """A state without what a silent player last played."""
    if state.get("state") not in ("playing", "paused"):
        state.pop("media", None)
    return state
