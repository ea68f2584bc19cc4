"""What falls due: scheduled steps whose time has come, and steps that wait for what has just happened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dialogue.context import ContextState
from dialogue.instants import instant
from dialogue.types import Condition, Effect, Step, Value


@dataclass(slots=True)
class SystemClock:
    """The machine's local time."""

    def now(self) -> datetime:
        return datetime.now().replace(microsecond=0)


@dataclass(slots=True)
class StandingClock:
    """A clock that stands still until it is moved: for tests, and for `say --now`."""

    time: datetime

    def now(self) -> datetime:
        return self.time


def due(state: ContextState, now: datetime) -> list[Step]:
    """The scheduled steps whose time has come: the earliest first, those of one time as they were planned."""
    times = [(at, step) for step in state.steps.values() if (at := _at(step)) is not None]
    found = [(instant(at), step) for at, step in times if instant(at) <= instant(now)]
    return [step for _, step in sorted(found, key=lambda pair: pair[0])]


def next_due(state: ContextState) -> datetime | None:
    """When the next scheduled step is due."""
    times = (at for step in state.steps.values() if (at := _at(step)) is not None)
    return min(times, key=instant, default=None)


def _at(step: Step) -> datetime | None:
    """The time a step waits for; one that also waits for an event waits for the event alone."""
    if step.status != "scheduled" or step.schedule is None or step.schedule.on is not None:
        return None
    return step.schedule.at


def triggered(state: ContextState, effects: Iterable[Effect]) -> list[Step]:
    """The scheduled steps that waited for one of these effects."""
    happened = list(effects)
    return [
        step
        for step in state.steps.values()
        if step.status == "scheduled"
        and step.schedule is not None
        and step.schedule.on is not None
        and any(_sets_off(step.schedule.on, effect) for effect in happened)
    ]


def _sets_off(condition: Condition, effect: Effect) -> bool:
    if condition.target == "timer":
        return effect.target == "timer" and "finished" in effect.change
    if effect.target != condition.target:
        return False
    have = effect.change.get(condition.attribute, effect.change.get("state"))
    return have is not None and compare(have, condition)


_SAME = {"open": "on", "closed": "off", "100": "on", "0": "off"}


def compare(have: Value, condition: Condition) -> bool:
    """Whether a value satisfies a condition; an open door counts as one that is "on"."""
    if condition.comparison in ("<", ">"):
        try:
            left, right = float(str(have)), float(str(condition.value))
        except ValueError:
            return False
        return left < right if condition.comparison == "<" else left > right
    same = _SAME.get(str(have), str(have)) == _SAME.get(str(condition.value), str(condition.value))
    return same if condition.comparison == "=" else not same
