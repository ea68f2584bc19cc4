"""Media players: playing something, and the buttons of a remote control."""

from __future__ import annotations

from collections.abc import Mapping

from dialogue.actions.home import change_device
from dialogue.actions.step import Call, RefusedError, StepAction
from dialogue.types import Value


class ActionPlayMedia(StepAction):
    """Plays ``media`` (the words asked for) on ``target``."""

    def name(self) -> str:
        return "action_play_media"

    def act(self, call: Call) -> None:
        media = call.text("media")
        for target in call.several("target" if call.slots.get("target") else "targets"):
            change_device(call, target, {"media": media})


_COMMANDS: Mapping[str, Mapping[str, Value]] = {
    "play": {"state": "playing"},
    "pause": {"state": "paused"},
    "stop": {"state": "stopped"},
    "next": {"track": "next"},
    "previous": {"track": "previous"},
    "mute": {"muted": "yes"},
    "unmute": {"muted": "no"},
}


class ActionMediaControl(StepAction):
    """Gives ``targets`` a ``command``: play, pause, stop, next, previous, mute or unmute."""

    def name(self) -> str:
        return "action_media_control"

    def act(self, call: Call) -> None:
        command = call.text("command")
        if command not in _COMMANDS:
            raise RefusedError("reason_unknown_command", value=command)
        for target in call.several("targets"):
            change_device(call, target, _COMMANDS[command])
