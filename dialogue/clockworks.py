"""Timers, alarms and reminders: how they are written down, changed, repeated and rung.

Times are local wall-clock times without a zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from dialogue.devices import as_number
from dialogue.instants import written
from dialogue.interfaces import Clockwork
from dialogue.types import Effect, Value

KINDS = ("timer", "alarm", "reminder")
REPEATS = ("hour", "day", "weekday", "weekend", "week")


def wall_time(moment: datetime) -> datetime:
    """The moment as the clock on the wall shows it, without a zone."""
    return moment if moment.tzinfo is None else datetime.fromtimestamp(moment.timestamp())


def record(clockwork: Clockwork) -> dict[str, Value]:
    """A clockwork as plain values: the ``before`` of an effect, from which it can be set again."""
    values = {name: value for name, value in asdict(clockwork).items() if value not in (None, "")}
    if clockwork.due is not None:
        values["due"] = written(clockwork.due)
    return values


def from_record(values: Mapping[str, Any]) -> Clockwork:
    """The clockwork that `record` wrote down."""
    due = values.get("due")
    return Clockwork(**{**values, "due": None if due is None else wall_time(datetime.fromisoformat(due))})


def of(clockwork: Clockwork, mark: str | None) -> bool:
    """Whether a clockwork rings in the conversation with this mark: it was set there, or in none. None is any."""
    owner = owner_of(clockwork)
    return mark is None or owner in ("", mark)


def owner_of(clockwork: Clockwork) -> str:
    """The mark of the conversation whose step has set a clockwork; "" for one of the home file."""
    return clockwork.id.removeprefix(f"{clockwork.kind}.").partition("@")[0].rpartition(":")[0]


def label(clockwork: Clockwork) -> Value:
    """What an effect calls a clockwork: a timer's name or length, an alarm's time, a reminder's text."""
    if clockwork.kind == "alarm":
        return clockwork.due.isoformat() if clockwork.due else clockwork.name
    return clockwork.name or as_number(str(clockwork.seconds))


def next_time(due: datetime, repeat: str, now: datetime) -> datetime:
    """The first repetition of ``due`` after ``now``; ``repeat`` is one of `REPEATS`."""
    step = timedelta(hours=1) if repeat == "hour" else timedelta(days=7 if repeat == "week" else 1)
    later = due + max(0, (now - due) // step) * step
    while later <= now or not _on_day(later, repeat):
        later += step
    return later


def _on_day(moment: datetime, repeat: str) -> bool:
    weekend = moment.weekday() >= 5
    return not (repeat == "weekday" and weekend) and not (repeat == "weekend" and not weekend)


def new(kind: str, clockwork_id: str, change: Mapping[str, Any], before: Mapping[str, Any]) -> Clockwork:
    """The clockwork an effect (``started`` or ``set``) brings about.

    CONTRACT.md has no word for a timer's room, so it travels beside the change, in ``before``.
    """
    at = change["set"] if kind == "alarm" else change.get("at")
    return Clockwork(
        kind=kind,
        id=clockwork_id,
        due=None if at is None else wall_time(datetime.fromisoformat(at)),
        seconds=change.get("started"),
        name=str(change["set"] if kind == "reminder" else change.get("name") or ""),
        on=change.get("on"),
        area=before.get("area"),
        repeat=change.get("repeat"),
    )


def changed(known: Clockwork, change: Mapping[str, Any]) -> Clockwork:
    """A timer, alarm or reminder after ``changed``, ``paused`` or ``resumed``."""
    if "paused" in change:
        return replace(known, due=None, remaining=change["remaining"])
    at = change.get("changed") if known.kind == "alarm" else change.get("at")
    due = None if at is None else wall_time(datetime.fromisoformat(at))
    if "resumed" in change:
        return replace(known, due=due, remaining=None)
    if known.kind == "timer":
        remaining = change.get("remaining", known.remaining)
        return replace(known, due=due, seconds=change["changed"], remaining=remaining)
    if known.kind == "reminder":
        return replace(known, due=due, name=str(change["changed"]), on=change.get("on"))
    return replace(known, due=due)


def ringing(clockwork: Clockwork, now: datetime) -> Effect:
    """The effect of falling due: a timer finishes, an alarm or a reminder is said aloud.

    The ``id`` tells which one spoke; a repeating alarm carries its next time as ``at``.
    """
    if clockwork.kind == "timer":
        change: dict[str, Value] = {"finished": label(clockwork), "id": clockwork.id}
        return Effect("timer", change, record(clockwork))
    words = clockwork.name or (f"{clockwork.due:%H:%M}" if clockwork.due else "")
    change = {"said": words, "id": clockwork.id}
    if clockwork.repeat and clockwork.due:
        change["at"] = next_time(clockwork.due, clockwork.repeat, now).isoformat()
    return Effect("announcement", change, record(clockwork))


def holds(on: Mapping[str, Any], state: Mapping[str, Value]) -> bool:
    """Does a device in ``state`` meet the condition? Numbers compare as numbers, anything else as words."""
    have, wanted = state.get(str(on.get("attribute") or "state")), on.get("value")
    match on.get("comparison", "="):
        case "<":
            return _is_number(have) and _is_number(wanted) and have < wanted
        case ">":
            return _is_number(have) and _is_number(wanted) and have > wanted
        case "!=":
            return str(have) != str(wanted)
    return str(have) == str(wanted)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
