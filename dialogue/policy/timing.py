"""When a step runs: times, lengths and conditions as said, turned into schedules and checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from dialogue.grammar.times import length, next_repeat, resolve
from dialogue.instants import later
from dialogue.policy.conditions import resolved
from dialogue.policy.targets import Scene
from dialogue.types import Condition, Moment, Request, Schedule, When

NOON = 12


@dataclass(frozen=True, slots=True)
class Timing:
    """All that qualifies a request in time. ``problem`` is the name of a reason, ``asks`` that an hour is missing.

    ``endless`` holds the words of a length that is not known ("for the night"): nothing is taken back then.
    ``back_after`` (seconds) or ``back_at`` say when the step's reverse runs; ``checks`` must hold now.
    """

    schedule: Schedule | None = None
    back_after: float | None = None
    back_at: datetime | None = None
    checks: tuple[tuple[Condition, bool], ...] = ()
    asks: bool = False
    endless: str = ""
    problem: str = ""
    problem_text: str = ""

    @property
    def goes_back(self) -> bool:
        return self.back_after is not None or self.back_at is not None


def timing(request: Request, scene: Scene) -> Timing:
    """The timing of a request."""
    found = Timing()
    lasts = any(when.kind in ("for", "until") for when in request.when)
    for when in sorted(request.when, key=lambda when: when.kind == "until"):  # an end counts from its beginning
        if not (lasts and _meanwhile(when)):
            found = _with(found, when, scene)
    return found


def _meanwhile(when: When) -> bool:
    """ "For ten minutes while I am on the phone": the length is what counts."""
    return when.condition is not None and when.condition.attribute == "meanwhile"


def _with(timing: Timing, when: When, scene: Scene) -> Timing:
    match when.kind:
        case "at" | "every":
            assert when.moment is not None
            due = next_repeat(when.moment, scene.now) if when.kind == "every" else None
            due = due or resolve(when.moment, scene.now)
            if due is None:
                return replace(timing, asks=True)
            repeat = when.moment if when.kind == "every" else None
            return replace(timing, schedule=_joined(timing.schedule, Schedule(at=due, every=repeat)))
        case "for":
            assert when.moment is not None
            seconds = length(when.moment)
            return replace(timing, back_after=seconds, endless=when.text if seconds is None else "")
        case "until":
            assert when.moment is not None
            start = timing.schedule.at if timing.schedule else None
            back = resolve(when.moment, start or scene.now)
            return replace(timing, back_at=back, asks=timing.asks or back is None)
        case _:
            return _with_condition(timing, when, scene)


def _joined(known: Schedule | None, new: Schedule) -> Schedule:
    return new if known is None else replace(known, at=new.at or known.at, every=new.every or known.every)


def _with_condition(timing: Timing, when: When, scene: Scene) -> Timing:
    assert when.condition is not None
    condition = resolved(when.condition, scene.home)
    if condition.target is None:
        return replace(timing, problem="cannot_know", problem_text=when.text)
    if when.kind in ("if", "unless"):
        return replace(timing, checks=(*timing.checks, (condition, when.kind == "if")))
    at = None
    if condition.target == "timer":
        at = _end_of_last_timer(scene)
    schedule = Schedule(at=at, on=condition)
    if timing.schedule is not None:
        schedule = replace(timing.schedule, on=condition)
    return replace(timing, schedule=schedule)


def _end_of_last_timer(scene: Scene) -> datetime | None:
    running = scene.home.clockworks("timer")
    return running[-1].due if running else None


def near(moment: Moment, old: datetime, now: datetime) -> datetime | None:
    """A time said anew for what was set for ``old``: of the day, and of the half of the day, where that was.

    Where a day or a part of it is said, that decides. Nothing is moved to the past.
    """
    whole_day = (moment.day, moment.weekday, moment.month, moment.day_of_month, moment.week, moment.part)
    if moment.hour is None or any(one is not None for one in whole_day):
        return resolve(moment, now)
    halves = {"am": (0,), "pm": (12,)}.get(moment.meridiem or "", (0, 12))
    hours = [moment.hour % 12 + half for half in halves] if moment.hour <= NOON else [moment.hour % 24]
    days = [old.date() + timedelta(days=day) for day in (-1, 0, 1)]
    choices = [datetime.combine(day, time(hour, moment.minute or 0)) for day in days for hour in hours]
    return min((one for one in choices if one > now), key=lambda one: abs(one - old), default=None)


def back_at(timing: Timing, start: datetime) -> datetime | None:
    """When a step that starts at ``start`` is reversed."""
    if timing.back_after is not None:
        return later(start, timing.back_after)
    return timing.back_at
