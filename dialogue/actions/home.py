"""Devices: switching, setting, making more or less of something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialogue.actions.step import Call, StepAction
from dialogue.devices import folded, lacks, limits, refusal
from dialogue.interfaces import Device
from dialogue.types import Value


class ActionChangeDevices(StepAction):
    """Gives each of ``targets`` the values in ``change``; what a device cannot take fails for it alone."""

    def name(self) -> str:
        return "action_change_devices"

    def act(self, call: Call) -> None:
        change = call.mapping("change")
        for target in call.several("targets"):
            change_device(call, target, change)


class ActionAdjustDevices(StepAction):
    """Moves ``attribute`` of each of ``targets`` by ``delta``, at most to the device's own limit."""

    def name(self) -> str:
        return "action_adjust_devices"

    def act(self, call: Call) -> None:
        attribute, delta = call.text("attribute"), call.number("delta")
        for target in call.several("targets"):
            _adjust(call, target, attribute, delta)


class ActionAnnounce(StepAction):
    """Says ``message`` through the house."""

    def name(self) -> str:
        return "action_announce"

    def act(self, call: Call) -> None:
        call.do("announcement", {"said": call.text("message")})


def change_device(call: Call, target: str, change: Mapping[str, Any]) -> None:
    """Change one device; each attribute it cannot take is reported, the others are set."""
    device = call.home.devices.get(target)
    if device is None:
        call.fail(target, "reason_unknown_device", value=target)
        return
    taken: dict[str, Value] = {}
    for attribute, value in folded(device.domain, change).items():
        refused = refusal(device, attribute, value)
        if refused is None:
            taken[attribute] = value
        else:
            call.fail(target, refused.reason, **refused.details)
    if taken:
        call.do(target, taken, call.home.before(target, taken))


def _adjust(call: Call, target: str, attribute: str, delta: float) -> None:
    device = call.home.devices.get(target)
    if device is None:
        call.fail(target, "reason_unknown_device", value=target)
        return
    refused = lacks(device, attribute)
    have = call.home.state(target).get(attribute)
    if refused is not None:
        call.fail(target, refused.reason, **refused.details)
    elif isinstance(have, bool) or not isinstance(have, int | float):
        call.fail(target, "reason_unknown_level", attribute=attribute)
    else:
        change_device(call, target, {attribute: _moved(device, attribute, have, delta)})


def _moved(device: Device, attribute: str, have: float, delta: float) -> float:
    low, high = limits(device, attribute)
    moved = have + delta
    if attribute == "brightness" and moved <= 0 < have:
        moved = max(have // 2, 1)  # dimmer is not off
    if low is not None:
        moved = max(low, moved)
    if high is not None:
        moved = min(high, moved)
    return int(moved) if float(moved).is_integer() else moved
