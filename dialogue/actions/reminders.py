"""Reminders: setting, changing and cancelling them. A reminder waits for a time or for an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dialogue.actions.alarms import future
from dialogue.actions.step import Call, StepAction
from dialogue.clockworks import label, record
from dialogue.interfaces import Clockwork


class ActionSetReminder(StepAction):
    """Sets a reminder of ``text``, for ``at`` (ISO local time) or ``on`` (a condition)."""

    def name(self) -> str:
        return "action_set_reminder"

    def act(self, call: Call) -> None:
        blank = Clockwork("reminder", call.new_id("reminder"), None, name=call.text("text"))
        set_reminder(call, _timed(call, blank))


class ActionChangeReminder(StepAction):
    """Gives ``reminder`` (an id) another ``text``, time (``at``) or event (``on``); the rest stays."""

    def name(self) -> str:
        return "action_change_reminder"

    def act(self, call: Call) -> None:
        known = call.known("reminder", call.text("reminder"))
        new = replace(known, name=call.text("text")) if call.slots.get("text") else known
        timed = call.slots.get("at") is not None or call.slots.get("on") is not None
        change(call, known, _timed(call, new) if timed or new is known else new)


class ActionCancelReminders(StepAction):
    """Cancels ``reminders`` (ids)."""

    def name(self) -> str:
        return "action_cancel_reminders"

    def act(self, call: Call) -> None:
        call.each("reminder", "reminders", lambda reminder: cancel(call, reminder))


def set_reminder(call: Call, reminder: Clockwork) -> None:
    call.do("reminder", {"set": reminder.name, "id": reminder.id, **_when(reminder)}, {})


def change(call: Call, known: Clockwork, new: Clockwork) -> None:
    call.do("reminder", {"changed": new.name, "id": known.id, **_when(new)}, record(known))


def cancel(call: Call, reminder: Clockwork) -> None:
    call.do("reminder", {"cancelled": label(reminder), "id": reminder.id}, record(reminder))


def _timed(call: Call, reminder: Clockwork) -> Clockwork:
    if call.slots.get("on") is not None:
        return replace(reminder, due=None, on=call.mapping("on"))
    return replace(reminder, due=future(call), on=None)


def _when(reminder: Clockwork) -> Mapping[str, Any]:
    if reminder.due is not None:
        return {"at": reminder.due.isoformat()}
    return {"on": reminder.on}
