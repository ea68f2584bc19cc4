"""Questions: the state of devices, time, date, weather, timers, lists, what is planned and what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dialogue.actions.lists import list_of
from dialogue.actions.step import Call, RefusedError, StepAction
from dialogue.actions.timers import left, whole
from dialogue.devices import folded
from dialogue.interfaces import Device
from dialogue.types import Value


@dataclass(frozen=True, slots=True)
class Finding:
    """What one device says when asked."""

    device: Device
    attribute: str
    value: Value
    unit: Value = ""


class ActionAnswerState(StepAction):
    """Says how ``targets`` stand, in ``attribute`` if one is asked; with ``expected``, whether it is so."""

    def name(self) -> str:
        return "action_answer_state"

    def act(self, call: Call) -> None:
        found = _findings(call, call.several("targets"), call.slots.get("attribute"))
        if not found:
            return
        expected = call.slots.get("expected")
        if expected is None:
            _say_states(call, found, "utter_state")
        else:
            _say_yes_or_no(call, found, expected)
        answered(call, "device")


class ActionAnswerTime(StepAction):
    """Says what time it is."""

    def name(self) -> str:
        return "action_answer_time"

    def act(self, call: Call) -> None:
        call.say("utter_time", now=call.now.isoformat())
        answered(call, "time")


class ActionAnswerDate(StepAction):
    """Says which day it is."""

    def name(self) -> str:
        return "action_answer_date"

    def act(self, call: Call) -> None:
        call.say("utter_date", now=call.now.isoformat())
        answered(call, "date")


class ActionAnswerWeather(StepAction):
    """Says what the weather services of the home say, else what its sensors out of doors measure."""

    def name(self) -> str:
        return "action_answer_weather"

    def act(self, call: Call) -> None:
        asked = call.slots.get("targets")
        services = call.several("targets") if asked else _of_domain(call, "weather")
        found = _findings(call, services or _outdoor_sensors(call), None)
        if not found:
            raise RefusedError("reason_no_weather")
        _say_states(call, found, "utter_state")
        answered(call, "weather")


class ActionAnswerTimers(StepAction):
    """Says how long the running timers still run, or only ``timers`` (ids) if some are named."""

    def name(self) -> str:
        return "action_answer_timers"

    def act(self, call: Call) -> None:
        asked = call.slots.get("timers") or []
        timers = [timer for timer in call.home.clockworks("timer") if not asked or timer.id in asked]
        if not timers:
            call.say("utter_no_timers")
        for timer in timers:
            state = "paused" if timer.due is None else "left"
            named = "_named" if timer.name else ""
            times = {"seconds": whole(timer.seconds), "left": whole(left(timer, call.now))}
            call.say(f"utter_timer_{state}{named}", timer=timer.name, **times)
        answered(call, "timer")


class ActionAnswerList(StepAction):
    """Reads out ``list`` (an id)."""

    def name(self) -> str:
        return "action_answer_list"

    def act(self, call: Call) -> None:
        known = list_of(call)
        response = "utter_list" if known.items else "utter_list_empty"
        call.say(response, list=known.name, items=list(known.items))
        answered(call, "list")


class ActionAnswerSchedule(StepAction):
    """Says what is planned: ``lines``, sentences that the policy made from the events."""

    def name(self) -> str:
        return "action_answer_schedule"

    def act(self, call: Call) -> None:
        _say_lines(call, "utter_schedule")
        answered(call, "schedule")


class ActionAnswerHistory(StepAction):
    """Says what was or was not done: ``lines``, sentences that the policy made from the events."""

    def name(self) -> str:
        return "action_answer_history"

    def act(self, call: Call) -> None:
        _say_lines(call, "utter_history")
        answered(call, "history")


def answered(call: Call, kind: str) -> None:
    call.do("query", {"answered": kind}, {})


def _say_lines(call: Call, response: str) -> None:
    lines = call.slots.get("lines")
    call.say(response if lines else f"{response}_empty", lines=call.several("lines") if lines else [])


def _findings(call: Call, targets: Sequence[str], attribute: str | None) -> list[Finding]:
    """What the devices say; those that do not exist or do not know are reported."""
    found: list[Finding] = []
    for target in targets:
        device = call.home.devices.get(target)
        if device is None:
            call.fail(target, "reason_unknown_device", value=target)
            continue
        here = _of_device(call, device, attribute)
        found += here
        if not here:
            call.fail(target, "reason_unknown_state", attribute=attribute or "state")
    return found


def _of_device(call: Call, device: Device, attribute: str | None) -> list[Finding]:
    state = call.home.state(device.id)
    wanted = (attribute,) if attribute not in (None, "state") else _told_of(device.domain, attribute)
    unit = state.get("unit") or state.get("unit_of_measurement") or ""
    temperature_unit = state.get("temperature_unit") or ""
    return [
        Finding(device, name, state[name], temperature_unit if name.endswith("temperature") else unit)
        for name in wanted
        if state.get(name) is not None and state[name] != ""
    ]


def _told_of(domain: str, attribute: str | None) -> tuple[str, ...]:
    """The attributes that say how a device stands; a sensor's is called ``value`` or ``state``."""
    if domain == "sensor":
        return ("value", "state")
    if attribute == "state":
        return ("state",)
    if domain == "climate":
        return ("temperature", "current_temperature")
    return ("state", "temperature") if domain == "weather" else ("state",)


def _say_states(call: Call, found: Sequence[Finding], response: str) -> None:
    """One sentence for all that say the same; only the first is said with ``response``."""
    groups: dict[tuple[str, str, str, str], list[Finding]] = {}
    for one in found:
        key = (one.device.domain, one.device.device_class or "", one.attribute, str(one.value))
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        first = group[0]
        call.say(
            response,
            names=[one.device.name for one in group],
            domain=first.device.domain,
            device_class=first.device.device_class or "",
            attribute=first.attribute,
            value=first.value,
            unit=first.unit,
        )
        response = "utter_state"


def _say_yes_or_no(call: Call, found: Sequence[Finding], expected: Value) -> None:
    matches = [_meets(one, expected) for one in found]
    if all(matches):
        _say_states(call, found, "utter_state_yes")
    else:
        _say_states(call, found, "utter_state" if any(matches) else "utter_state_no")


def _meets(found: Finding, expected: Value) -> bool:
    if str(found.value).casefold() == str(expected).casefold():
        return True
    if found.device.domain == "binary_sensor" and found.value in ("on", "off"):
        return _SENSED.get(str(expected)) == found.value
    meant = folded(found.device.domain, {found.attribute: expected})
    return meant.get(found.attribute) == found.value


_SENSED = {"open": "on", "wet": "on", "unlocked": "on", "closed": "off", "dry": "off", "locked": "off"}
"""What a sensor that is on or off says in the words of what it watches."""


def _of_domain(call: Call, domain: str) -> list[str]:
    return [device.id for device in call.home.devices.values() if device.domain == domain]


def _outdoor_sensors(call: Call) -> list[str]:
    """Sensors that belong to no area and measure what weather is made of."""
    measured = ("temperature", "moisture", "humidity", "wind_speed", "precipitation")
    return [
        device.id
        for device in call.home.devices.values()
        if device.domain in ("sensor", "binary_sensor") and not device.area and device.device_class in measured
    ]
