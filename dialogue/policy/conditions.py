"""Conditions as said ("if the back door is open"), tied to the devices of the home."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from dialogue.interfaces import Device, Home
from dialogue.policy.targets import spellings
from dialogue.scheduler import compare
from dialogue.types import Condition, Value


def resolved(condition: Condition, home: Home) -> Condition:
    """The condition with the device it is about; ``target`` is None where the home cannot know."""
    special: dict[str, Callable[[Device], bool]] = {
        "rain": lambda device: device.device_class == "moisture",
        "outside": lambda device: device.device_class == "temperature" and device.area is None,
        "inside": lambda device: device.domain == "climate",
        "motion": lambda device: device.device_class in ("motion", "occupancy"),
    }
    said: Value = condition.target
    if said == "timer" or (isinstance(said, str) and said in home.devices):
        return condition
    if isinstance(said, str) and said in special:
        found = [device for device in home.devices.values() if special[said](device)]
    else:
        found = list(_named(home, said, str(condition.value)))
    return replace(condition, target=found[0].id if found else None)


def _named(home: Home, said: Value, value: str) -> Iterable[Device]:
    """Devices whose name (or noun) is said and that can be in the state asked for."""
    for device in home.devices.values():
        names = [name.casefold() for name in spellings(device)]
        if isinstance(said, dict):
            word = str(said.get("noun", ""))
            fits = any(name.split()[-1] == word for name in names)
        else:
            folded = str(said).casefold()
            fits = any(name == folded or name.startswith(f"{folded} ") for name in names)
        if fits and can_be(device, value):
            yield device


def can_be(device: Device, value: str) -> bool:
    """Whether a device has such a state at all."""
    if value in ("locked", "unlocked"):
        return device.domain == "lock"
    if value in ("open", "closed"):
        return device.domain in ("cover", "valve") or device.device_class in ("door", "window", "garage_door")
    return device.domain not in ("lock", "cover")


def holds(condition: Condition, home: Home) -> bool:
    """Whether a condition is true of the home as it stands."""
    if condition.target is None or condition.target not in home.devices:
        return False
    state = home.state(condition.target)
    have = state.get(condition.attribute, state.get("state"))
    if home.devices[condition.target].domain == "media_player" and have in ("playing", "paused"):
        have = "on" if condition.value in ("on", "off") else have
    return compare(have, condition)
