"""Alarms: setting, moving and cancelling them."""

from __future__ import annotations

from datetime import datetime

from dialogue.actions.step import Call, RefusedError, StepAction
from dialogue.clockworks import REPEATS, label, record
from dialogue.interfaces import Clockwork
from dialogue.types import Value


class ActionSetAlarm(StepAction):
    """Sets an alarm for ``at`` (ISO local time), which may ``repeat`` and have a ``name``."""

    def name(self) -> str:
        return "action_set_alarm"

    def act(self, call: Call) -> None:
        repeat = call.slots.get("repeat")
        if repeat is not None and repeat not in REPEATS:
            raise RefusedError("reason_unknown_repeat", target="alarm", value=repeat)
        name = call.slots.get("name") or ""
        set_alarm(call, Clockwork("alarm", call.new_id("alarm"), future(call), name=name, repeat=repeat))


class ActionChangeAlarm(StepAction):
    """Moves ``alarm`` (an id) to ``at``."""

    def name(self) -> str:
        return "action_change_alarm"

    def act(self, call: Call) -> None:
        move(call, call.known("alarm", call.text("alarm")), future(call))


class ActionCancelAlarms(StepAction):
    """Cancels ``alarms`` (ids)."""

    def name(self) -> str:
        return "action_cancel_alarms"

    def act(self, call: Call) -> None:
        call.each("alarm", "alarms", lambda alarm: cancel(call, alarm))


def future(call: Call) -> datetime:
    """The time in the slot ``at``, which must not be over."""
    at = call.moment("at")
    if at <= call.now:
        raise RefusedError("reason_past", at=at.isoformat(), now=call.now.isoformat())
    return at


def set_alarm(call: Call, alarm: Clockwork) -> None:
    extra: dict[str, Value] = {"name": alarm.name, "repeat": alarm.repeat}
    given = {key: value for key, value in extra.items() if value}
    call.do("alarm", {"set": label(alarm), "id": alarm.id, **given}, {})


def move(call: Call, alarm: Clockwork, at: datetime) -> None:
    call.do("alarm", {"changed": at.isoformat(), "id": alarm.id}, record(alarm))


def cancel(call: Call, alarm: Clockwork) -> None:
    call.do("alarm", {"cancelled": label(alarm), "id": alarm.id}, record(alarm))
