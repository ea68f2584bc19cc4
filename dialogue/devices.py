"""What devices of each kind can take, and what follows from it: the physics of the simulated home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dialogue.interfaces import Device
from dialogue.types import Value

COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")

LEVELS: Mapping[str, str] = {
    "light": "brightness",
    "cover": "position",
    "valve": "position",
    "fan": "speed",
    "media_player": "volume",
}
"""The attribute of each domain that goes from 0 to 100."""

_READ_ONLY = frozenset({"sensor", "binary_sensor", "person", "weather", "sun", "todo", "calendar", "zone"})
_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "light": ("state", "brightness", "color", "color_temperature"),
    "cover": ("state", "position"),
    "valve": ("state", "position"),
    "fan": ("state", "speed"),
    "climate": ("state", "temperature"),
    "media_player": ("state", "volume", "muted", "media", "track"),
    "vacuum": ("state", "area"),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "color": COLORS,
    "muted": ("yes", "no"),
    "track": ("next", "previous"),
}
_STATES: Mapping[str, tuple[str, ...]] = {
    "lock": ("locked", "unlocked"),
    "climate": ("heat", "cool", "heat_cool", "auto", "dry", "fan_only", "off"),
    "media_player": ("on", "off", "playing", "paused", "stopped"),
    "vacuum": ("cleaning", "paused", "docked"),
    "lawn_mower": ("mowing", "paused", "docked"),
    "cover": (),
    "valve": (),
    "scene": ("on",),
}
_SYNONYMS: Mapping[tuple[str, str], str] = {
    ("climate", "on"): "heat",
    ("vacuum", "on"): "cleaning",
    ("vacuum", "off"): "docked",
    ("vacuum", "returning"): "docked",
    ("lawn_mower", "on"): "mowing",
    ("lawn_mower", "off"): "docked",
}
_ATTRIBUTE_NAMES: Mapping[tuple[str, str], str] = {
    ("media_player", "volume_level"): "volume",
    ("media_player", "is_volume_muted"): "muted",
    ("fan", "percentage"): "speed",
    ("cover", "current_position"): "position",
}
_OPEN_OR_CLOSED: Mapping[str, int] = {"open": 100, "opening": 100, "closed": 0, "closing": 0}
_KELVIN = (1000, 10000)
_FEATURES: Mapping[str, str] = {"brightness": "dim", "color": "color", "color_temperature": "color"}
_WORDS = frozenset({"media", "area"})
_TRUE, _FALSE = frozenset({"true", "yes", "on"}), frozenset({"false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a device does not take a value: the name of a sentence, and what the sentence mentions."""

    reason: str
    details: Mapping[str, Value] = field(default_factory=dict)


def folded(domain: str, change: Mapping[str, Value]) -> dict[str, Value]:
    """The change in the attributes and values the home keeps: "open" is position 100, "yes" is "on"."""
    result: dict[str, Value] = {}
    for name, value in change.items():
        attribute = _ATTRIBUTE_NAMES.get((domain, name), name)
        if attribute == "state" and LEVELS.get(domain) == "position" and str(value) in _OPEN_OR_CLOSED:
            result.setdefault("position", _OPEN_OR_CLOSED[str(value)])
        else:
            result[attribute] = _folded_value(domain, attribute, value)
    return result


def _folded_value(domain: str, attribute: str, value: Value) -> Value:
    if attribute in ("state", "muted"):
        return _folded_state(domain, attribute, value)
    if attribute in _WORDS or not isinstance(value, str):
        return value
    return as_number(value)


def _folded_state(domain: str, attribute: str, value: Value) -> Value:
    text = str(value).lower()
    on, off = ("on", "off") if attribute == "state" else ("yes", "no")
    if isinstance(value, bool) or text in _TRUE | _FALSE:
        text = on if text in _TRUE else off
        return _SYNONYMS.get((domain, text), text)
    return _SYNONYMS.get((domain, text), as_number(value) if isinstance(value, str) else value)


def as_number(text: str) -> Value:
    """The number the text spells in digits, else the text itself."""
    try:
        number = float(text)
    except ValueError:
        return text
    if number != number or number in (float("inf"), float("-inf")):
        return text
    return int(number) if number.is_integer() else number


def lacks(device: Device, attribute: str) -> Refusal | None:
    """Why ``attribute`` of ``device`` cannot be set at all, or None if it can."""
    if device.domain in _READ_ONLY:
        return Refusal("reason_takes_no_command")
    if attribute not in _ATTRIBUTES.get(device.domain, ("state",)):
        return Refusal("reason_no_attribute", {"attribute": attribute})
    needed = _FEATURES.get(attribute)
    return Refusal(f"reason_no_{attribute}") if needed and needed not in device.features else None


def refusal(device: Device, attribute: str, value: Value) -> Refusal | None:
    """Why ``device`` does not take ``value``, or None if it does. Values are never rounded to fit."""
    return lacks(device, attribute) or _unfit(device, attribute, value)


def _unfit(device: Device, attribute: str, value: Value) -> Refusal | None:
    if attribute == "state":
        return _not_among(_STATES.get(device.domain, ("on", "off")), value)
    if attribute in _CHOICES:
        return _not_among(_CHOICES[attribute], value)
    if attribute in _WORDS:
        return None if isinstance(value, str) and value.strip() else _bad(value)
    return _outside(value, *limits(device, attribute))


def _not_among(allowed: tuple[str, ...], value: Value) -> Refusal | None:
    return None if value in allowed else _bad(value)


def _bad(value: Value) -> Refusal:
    return Refusal("reason_bad_value", {"value": value})


def _outside(value: Value, low: float | None, high: float | None) -> Refusal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _bad(value)
    if (low is None or value >= low) and (high is None or value <= high):
        return None
    return Refusal("reason_out_of_range", {"value": value, "low": low, "high": high})


def limits(device: Device, attribute: str) -> tuple[float | None, float | None]:
    """The lowest and highest value of a number attribute; None where there is no limit."""
    if attribute == LEVELS.get(device.domain):
        return 0, 100
    if attribute == "color_temperature":
        return _KELVIN
    return device.minimum, device.maximum


def consequences(domain: str, have: Mapping[str, Value], change: Mapping[str, Value]) -> dict[str, Value]:
    """What else a change brings about: dimming switches on, playing plays, a louder player is not muted.

    A lamp or fan at level 0 that is switched on goes to 100. What ``change`` says itself is left alone.
    """
    result: dict[str, Value] = {}
    if domain in ("light", "fan"):
        result = _switching(LEVELS[domain], have, change)
    elif domain == "media_player":
        if "media" in change:
            result["state"] = "playing"
        if _positive(change.get("volume")) and "muted" in have:
            result["muted"] = "no"
    elif domain == "vacuum" and "area" in change:
        result["state"] = "cleaning"
    return {attribute: value for attribute, value in result.items() if attribute not in change}


def _switching(level: str, have: Mapping[str, Value], change: Mapping[str, Value]) -> dict[str, Value]:
    result: dict[str, Value] = {}
    if level in change:
        result["state"] = "on" if _positive(change[level]) else "off"
    elif "color" in change or "color_temperature" in change:
        result["state"] = "on"
    state = change.get("state", result.get("state"))
    if level not in change and level in have:
        if state == "off":
            result[level] = 0
        elif state == "on" and not _positive(have[level]):
            result[level] = 100
    return result


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


MOMENTARY = frozenset({"track", "area"})
"""Attributes that happen and leave nothing behind to go back to."""
