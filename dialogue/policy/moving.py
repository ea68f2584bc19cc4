"""Moving what is planned, set or running to another time: "make it eleven", "half an hour earlier"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from dialogue.grammar.times import length, resolve
from dialogue.instants import later
from dialogue.policy import past
from dialogue.policy.earlier import cancel_steps
from dialogue.policy.planning import CLOCK_STEPS, Planning, add_step, clock_of, last_step, record
from dialogue.policy.steps import Draft, whole
from dialogue.policy.timing import Timing, near
from dialogue.types import Moment, Reading, Request, Schedule, Step, Value, When


def fitted(planning: Planning, request: Request) -> Request:
    """ "Make it seven" moves a timer, plan or alarm where that came last; else it sets a device."""
    readings = (request.reading, *request.alternatives)
    moving = [one for one in readings if one.intent == "Reschedule"]
    others = [one for one in readings if one.intent != "Reschedule"]
    if not moving:
        return request
    last = last_step(planning)
    if last is not None and (last.action in CLOCK_STEPS or last.status == "scheduled"):
        fitting = [one for one in moving if last.action in CLOCK_STEPS or _says_when(planning, last, one)]
        if fitting:
            return replace(request, reading=fitting[0], alternatives=())
    timed = [one for one in moving if one.get("amount") is None]
    if timed and not others:
        return replace(request, reading=timed[0], alternatives=())
    others = others or moving
    return replace(request, reading=others[0], alternatives=tuple(others[1:]))


def _says_when(planning: Planning, step: Step, reading: Reading) -> bool:
    """Whether a reading gives a time at all: a number alone only counts in the unit that was said before."""
    return reading.get("amount") is None or _in_its_unit(planning, step, reading.get("amount")) is not None


def reschedule(planning: Planning, number: int, request: Request) -> None:
    """ "Make that ten": the newest plan, alarm, reminder or timer, or the one that is named, at another time."""
    if _change_last_timer(planning, number, request):
        return
    standing = _standing(planning, request)
    due = [_new_due(planning, request, step) for step in standing]
    if not standing:
        planning.report(request, "nothing_planned")
    elif any(one is None for one in due):
        planning.report(request, "no_time")
    else:
        moved = [(step, at) for step, at in zip(standing, due, strict=True) if at is not None]
        _move_plans(planning, number, [one for one in moved if one[0].status == "scheduled"])
        _move_clocks(planning, number, request, [one for one in moved if one[0].status != "scheduled"])


def _standing(planning: Planning, request: Request) -> list[Step]:
    """What a request to move something is about: what it names, else what was set up last."""
    state, reading = planning.tracker.state, request.reading
    kind = reading.get("of")
    standing = [step for step in planning.planned() if kind is None and step.schedule and step.schedule.at]
    standing += [step for step in state.steps.values() if _clock_kind(planning, step) in _movable(kind)]
    return past.chosen(request, standing, planning.scene)


def _movable(kind: Value) -> tuple[str, ...]:
    return ("alarm", "reminder") if kind is None else (str(kind),)


def _clock_kind(planning: Planning, step: Step) -> str:
    return CLOCK_STEPS[step.action] if clock_of(planning, step) is not None else ""


def _change_last_timer(planning: Planning, number: int, request: Request) -> bool:
    """Whether a timer is meant, and now has another length; a number alone counts in its unit."""
    kind = request.reading.get("of")
    if kind not in (None, "timer"):
        return False
    steps = [last_step(planning)] if kind is None else list(planning.tracker.state.steps.values())
    running = [step for step in steps if step is not None and step.action == "action_start_timer"]
    timer = next((work for step in reversed(running) if (work := clock_of(planning, step))), None)
    wanted = _new_length(request.reading, timer.seconds or 0) if timer is not None else None
    if timer is None or wanted is None:
        return False
    direction = request.reading.get("direction")
    change = {"delta": whole(wanted * direction)} if isinstance(direction, int) else {"seconds": whole(wanted)}
    slots: dict[str, Value] = {"timer": timer.id, **change}
    add_step(planning, (number, 0), request, Draft("action_change_timer", slots), Timing())
    return True


def _new_length(reading: Reading, old: float) -> float | None:
    said, moment, amount = reading.get("length"), reading.get("moment"), reading.get("amount")
    if isinstance(said, Moment):
        return length(said)
    if isinstance(moment, Moment) and moment.minute is None and moment.meridiem is None:
        amount = moment.hour
    unit = next(unit for unit in (3600, 60, 1) if old % unit == 0)
    return amount * unit if isinstance(amount, int | float) else None


def _new_due(planning: Planning, request: Request, step: Step) -> datetime | None:
    """The time said: near where it was, so much later or earlier, after a length from now, or at once."""
    now, reading, old = planning.scene.now, request.reading, _due(planning, step)
    said, moment, direction = reading.get("length"), reading.get("moment"), reading.get("direction")
    if isinstance(moment, Moment):
        return near(moment, old, now) if old is not None else resolve(moment, now)
    if reading.get("amount") is not None:
        return _in_its_unit(planning, step, reading.get("amount"))
    if isinstance(minute := reading.get("minute"), int):
        return _past_the_hour(old, minute, now) if old is not None else None
    seconds = length(said) if isinstance(said, Moment) else None
    if isinstance(direction, int):
        return later(old, seconds * direction) if old is not None and seconds is not None else None
    return later(now, seconds or 0)


def _past_the_hour(old: datetime, minute: int, now: datetime) -> datetime:
    """ "Quarter past": of the hour where it was; "quarter to" (below 0) of the hour after it."""
    hour = old.replace(minute=0, second=0) + (timedelta(hours=1) if minute < 0 else timedelta(0))
    due = hour + timedelta(minutes=minute)
    return due if due > now else due + timedelta(hours=1)


def _due(planning: Planning, step: Step) -> datetime | None:
    if step.status == "scheduled":
        return step.schedule.at if step.schedule is not None else None
    work = clock_of(planning, step)
    return work.due if work is not None else None


def _in_its_unit(planning: Planning, step: Step, amount: Value) -> datetime | None:
    """A number alone: so many of the units, or the hour, in which the time was said before."""
    if not isinstance(amount, int | float):
        return None
    now = planning.scene.now
    for when in _said_of(planning, step):
        if when.moment is not None and when.moment.seconds:
            unit = next(unit for unit in (3600, 60, 1) if when.moment.seconds % unit == 0)
            return later(now, amount * unit)
        if when.moment is not None and when.moment.hour is not None and 0 < amount <= 24:
            old = _due(planning, step)
            hour = replace(when.moment, hour=int(amount), minute=None, meridiem=None, part=None)
            return near(hour, old, now) if old is not None else None
    return None


def _said_of(planning: Planning, step: Step) -> Sequence[When]:
    """The times that the request of an earlier step was said with (its number stands in the step's id)."""
    for turn in planning.tracker.state.turns:
        if step.id in turn.steps:
            number = step.id.rsplit(".", 2)[-2]
            return turn.requests[int(number) - 1].when if 0 < int(number) <= len(turn.requests) else ()
    return ()


def _move_plans(planning: Planning, number: int, moved: Sequence[tuple[Step, datetime]]) -> None:
    if not moved:
        return
    cancel_steps(planning, f"{number + 1}c", [step for step, _ in moved])
    for position, (old, due) in enumerate(moved):
        at_once = due <= planning.scene.now
        schedule = None if at_once else replace(old.schedule or Schedule(), at=due)
        step_id = f"{planning.prefix}.{number + 1}.{position + 1}"
        step = replace(old, id=step_id, schedule=schedule, status="pending" if at_once else "scheduled")
        record(planning, number, step)


def _move_clocks(
    planning: Planning, number: int, request: Request, moved: Sequence[tuple[Step, datetime]]
) -> None:
    for step, due in moved:
        kind, work = CLOCK_STEPS[step.action], clock_of(planning, step)
        if work is not None:
            slots: dict[str, Value] = {kind: work.id, "at": due.isoformat()}
            add_step(planning, (number, 0), request, Draft(f"action_change_{kind}", slots), Timing())
