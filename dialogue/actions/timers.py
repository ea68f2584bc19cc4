"""Timers: starting, changing, pausing, resuming and cancelling them."""

from __future__ import annotations

from datetime import datetime

from dialogue.actions.step import Call, RefusedError, StepAction
from dialogue.clockworks import label, record
from dialogue.devices import as_number
from dialogue.instants import instant, later, written
from dialogue.interfaces import Clockwork
from dialogue.types import Value

_LONGEST = 366 * 24 * 3600


class ActionStartTimer(StepAction):
    """Starts a timer of ``seconds``, which may have a ``name`` and belong to an ``area``."""

    def name(self) -> str:
        return "action_start_timer"

    def act(self, call: Call) -> None:
        seconds = _length(call.number("seconds"))
        name, area = call.slots.get("name"), call.slots.get("area")
        timer = Clockwork("timer", call.new_id("timer"), _after(call, seconds), seconds, name or "", area=area)
        start(call, timer)


class ActionChangeTimer(StepAction):
    """Makes ``timer`` (an id) ``delta`` seconds longer or shorter, or ``seconds`` long in all."""

    def name(self) -> str:
        return "action_change_timer"

    def act(self, call: Call) -> None:
        timer = call.known("timer", call.text("timer"))
        if call.slots.get("delta") is not None:
            _lengthen(call, timer, call.number("delta"))
        else:
            _set_length(call, timer, _length(call.number("seconds")))


class ActionCancelTimers(StepAction):
    """Cancels ``timers`` (ids)."""

    def name(self) -> str:
        return "action_cancel_timers"

    def act(self, call: Call) -> None:
        call.each("timer", "timers", lambda timer: cancel(call, timer))


class ActionPauseTimers(StepAction):
    """Pauses ``timers`` (ids)."""

    def name(self) -> str:
        return "action_pause_timers"

    def act(self, call: Call) -> None:
        call.each("timer", "timers", lambda timer: pause(call, timer))


class ActionResumeTimers(StepAction):
    """Lets paused ``timers`` (ids) run on."""

    def name(self) -> str:
        return "action_resume_timers"

    def act(self, call: Call) -> None:
        call.each("timer", "timers", lambda timer: resume(call, timer))


def left(timer: Clockwork, now: datetime) -> float:
    """How many seconds a timer still has to run."""
    if timer.due is None:
        return timer.remaining or 0
    return instant(timer.due) - instant(now)


def start(call: Call, timer: Clockwork) -> None:
    change = {"started": whole(timer.seconds), **_named(timer), "at": _iso(timer.due)}
    call.do("timer", change, {"area": timer.area} if timer.area else {})


def cancel(call: Call, timer: Clockwork) -> None:
    before = {**record(timer), "remaining": left(timer, call.now)}
    call.do("timer", {"cancelled": label(timer), "id": timer.id}, before)


def pause(call: Call, timer: Clockwork) -> None:
    if timer.due is None:
        raise RefusedError("reason_already_paused", target="timer")
    change = {"paused": label(timer), "id": timer.id, "remaining": left(timer, call.now)}
    call.do("timer", change, record(timer))


def resume(call: Call, timer: Clockwork) -> None:
    if timer.due is not None:
        raise RefusedError("reason_not_paused", target="timer")
    due = later(call.now, timer.remaining or 0)
    call.do("timer", {"resumed": label(timer), "id": timer.id, "at": _iso(due)}, record(timer))


def change_length(call: Call, timer: Clockwork, seconds: float, remaining: float) -> None:
    """Give a timer a new length, and what of it is left; a paused one stays paused."""
    change = {"changed": whole(seconds), **_named(timer)}
    if timer.due is None:
        change["remaining"] = remaining
    else:
        change["at"] = _iso(_after(call, remaining))
    call.do("timer", change, record(timer))


def whole(seconds: float | None) -> Value:
    """Seconds without a needless fraction: 600, not 600.0."""
    return as_number(str(seconds))


def _lengthen(call: Call, timer: Clockwork, delta: float) -> None:
    remaining = left(timer, call.now) + delta
    if remaining <= 0:
        raise RefusedError("reason_too_little_left", target="timer", seconds=left(timer, call.now))
    change_length(call, timer, _length((timer.seconds or 0) + delta), remaining)


def _set_length(call: Call, timer: Clockwork, seconds: float) -> None:
    """Count the new length from the start of the timer; if that is over already, from now."""
    remaining = left(timer, call.now) + seconds - (timer.seconds or 0)
    change_length(call, timer, seconds, remaining if remaining > 0 else seconds)


def _length(seconds: float) -> float:
    if not 0 < seconds <= _LONGEST:
        raise RefusedError("reason_bad_length", target="timer", value=seconds)
    return seconds


def _named(timer: Clockwork) -> dict[str, Value]:
    return {"name": timer.name, "id": timer.id} if timer.name else {"id": timer.id}


def _after(call: Call, seconds: float) -> datetime:
    return later(call.now, seconds)


def _iso(moment: datetime | None) -> Value:
    return None if moment is None else written(moment)
