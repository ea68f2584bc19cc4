"""Taking back: every effect is undone from the values it noted before it happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dialogue.actions import alarms, lists, reminders, timers
from dialogue.actions.home import change_device
from dialogue.actions.step import Call, RefusedError, StepAction
from dialogue.clockworks import from_record
from dialogue.instants import later
from dialogue.interfaces import Clockwork

_Change = Mapping[str, Any]


class ActionRestore(StepAction):
    """Undoes ``changes``: effects ({target, change, before}) in the order they happened.

    Devices go back to the values before the first of their changes, in one effect each; a list loses what was
    added and gets back what was removed; what was set is cancelled and what was cancelled is set again.
    """

    def name(self) -> str:
        return "action_restore"

    def act(self, call: Call) -> None:
        changes = _changes(call)
        for target, before in _device_values(call, changes).items():
            if before:
                change_device(call, target, before)
        for effect in reversed(changes):
            if effect["target"] not in call.home.devices or effect["target"] in call.home.lists:
                _restore(call, effect)


def _changes(call: Call) -> list[_Change]:
    found = call.slots.get("changes")
    if not isinstance(found, list) or not all(isinstance(one, dict) and "target" in one for one in found):
        raise RefusedError("reason_missing_slot", slot="changes")
    return found


def _device_values(call: Call, changes: Sequence[_Change]) -> dict[str, dict[str, Any]]:
    """The values each device goes back to. One that was unknown cannot be set again and is left alone."""
    values: dict[str, dict[str, Any]] = {}
    for effect in reversed(changes):
        target = str(effect["target"])
        if target not in call.home.devices or target in call.home.lists:
            continue
        before = {name: value for name, value in (effect.get("before") or {}).items() if value is not None}
        values.setdefault(target, {}).update(before)
        if not before or any(name not in before for name in effect.get("change") or {} if name != "media"):
            call.fail(target, "reason_cannot_undo")
    return values


def _restore(call: Call, effect: _Change) -> None:
    target = str(effect["target"])
    change, before = effect.get("change") or {}, effect.get("before")
    if target == "query":
        return
    try:
        if before is None:
            raise RefusedError("reason_cannot_undo", target=target)
        _RESTORERS.get(target, _restore_list)(call, target, change, before)
    except RefusedError as refused:
        call.failed.append(refused.failure)


def _restore_list(call: Call, target: str, change: _Change, before: _Change) -> None:
    if target not in call.home.lists:
        raise RefusedError("reason_cannot_undo", target=target)
    if "removed" in change:
        lists.add(call, target, str(change["removed"]), before.get("place"))
    elif "added" in change and not before.get("present"):
        lists.remove(call, target, str(change["added"]))


def _restore_timer(call: Call, target: str, change: _Change, before: _Change) -> None:
    timer_id = str(change.get("id"))
    if "started" in change:
        timers.cancel(call, call.known("timer", timer_id))
    elif "cancelled" in change:
        timers.start(call, _running_again(call, before))
        if before.get("due") is None:
            timers.pause(call, call.known("timer", timer_id))
    elif "changed" in change:
        known, old = call.known("timer", timer_id), from_record(before)
        gone = (known.seconds or 0) - timers.left(known, call.now)
        timers.change_length(call, known, old.seconds or 0, max((old.seconds or 0) - gone, 1))
    elif "paused" in change:
        timers.resume(call, call.known("timer", timer_id))
    elif "resumed" in change:
        timers.pause(call, call.known("timer", timer_id))
    else:
        raise RefusedError("reason_cannot_undo", target=target)


def _running_again(call: Call, before: _Change) -> Clockwork:
    """A cancelled timer with what it had left when it was cancelled."""
    due = later(call.now, float(before.get("remaining") or 0))
    return replace(from_record(before), due=due, remaining=None)


def _restore_alarm(call: Call, target: str, change: _Change, before: _Change) -> None:
    alarm_id = str(change.get("id"))
    if "set" in change:
        alarms.cancel(call, call.known("alarm", alarm_id))
        return
    old = from_record(before)
    _must_be_ahead(call, old.due, target)
    if "cancelled" in change:
        alarms.set_alarm(call, old)
    elif old.due is not None:
        alarms.move(call, call.known("alarm", alarm_id), old.due)


def _restore_reminder(call: Call, target: str, change: _Change, before: _Change) -> None:
    reminder_id = str(change.get("id"))
    if "set" in change:
        reminders.cancel(call, call.known("reminder", reminder_id))
        return
    old = from_record(before)
    if old.on is None:
        _must_be_ahead(call, old.due, target)
    if "cancelled" in change:
        reminders.set_reminder(call, old)
    else:
        reminders.change(call, call.known("reminder", reminder_id), old)


def _must_be_ahead(call: Call, due: datetime | None, target: str) -> None:
    if due is None or due <= call.now:
        raise RefusedError("reason_already_over", target=target)


_RESTORERS: Mapping[str, Callable[[Call, str, _Change, _Change], None]] = {
    "timer": _restore_timer,
    "alarm": _restore_alarm,
    "reminder": _restore_reminder,
}
