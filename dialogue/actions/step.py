"""What every action has in common: it runs once per step, and reports effects and failures as slots."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from rasa_sdk import Action, Tracker  # type: ignore[import-untyped]
from rasa_sdk.events import SlotSet  # type: ignore[import-untyped]
from rasa_sdk.executor import CollectingDispatcher  # type: ignore[import-untyped]

from dialogue.clockworks import wall_time
from dialogue.home import Done, SimulatedHome, load_home
from dialogue.interfaces import Clockwork
from dialogue.types import Effect, Value


class RefusedError(Exception):
    """A step cannot be done at all: the name of a sentence that says why, and what the sentence mentions."""

    def __init__(self, reason: str, *, target: str = "", **details: Value) -> None:
        super().__init__(reason)
        self.failure = {"target": target, "reason": reason, **details}


@dataclass(slots=True)
class Call:
    """One run of an action: the slots of its step, the home, and what has come of it so far."""

    home: SimulatedHome
    slots: Mapping[str, Any]
    now: datetime
    step_id: str
    effects: list[Effect] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, home: SimulatedHome, tracker: Tracker) -> Call:
        metadata = tracker.latest_message.get("metadata") or {}
        now = metadata.get("now")
        moment = datetime.fromisoformat(now) if now else datetime.now()
        return cls(home, tracker.slots, wall_time(moment), str(metadata.get("step_id") or ""))

    # --- what the step asks for

    def text(self, slot: str) -> str:
        value = self.slots.get(slot)
        if not isinstance(value, str) or not value.strip():
            raise RefusedError("reason_missing_slot", slot=slot)
        return value.strip()

    def several(self, slot: str) -> list[str]:
        """The texts or ids in a slot that may also hold a single one."""
        value = self.slots.get(slot)
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not found or not all(isinstance(one, str) and one for one in found):
            raise RefusedError("reason_missing_slot", slot=slot)
        return found

    def mapping(self, slot: str) -> Mapping[str, Any]:
        value = self.slots.get(slot)
        if not isinstance(value, dict) or not value:
            raise RefusedError("reason_missing_slot", slot=slot)
        return value

    def number(self, slot: str) -> float:
        value = self.slots.get(slot)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RefusedError("reason_missing_slot", slot=slot)
        return value

    def moment(self, slot: str) -> datetime:
        """A local time written as ISO 8601."""
        text = self.text(slot)
        try:
            return wall_time(datetime.fromisoformat(text))
        except ValueError:
            raise RefusedError("reason_bad_time", value=text) from None

    def known(self, kind: str, clockwork_id: str) -> Clockwork:
        """The running timer, set alarm or set reminder with this id."""
        clockwork = self.home.clockwork(clockwork_id)
        if clockwork is None or clockwork.kind != kind:
            raise RefusedError(f"reason_no_{kind}", target=kind)
        return clockwork

    def new_id(self, kind: str) -> str:
        """The id of the one timer, alarm or reminder this step sets; the same when the step runs again."""
        return f"{kind}.{self.step_id}" if self.step_id else f"{kind}.{self.now:%Y%m%d%H%M%S%f}"

    # --- what comes of it

    def do(self, target: str, change: Mapping[str, Value], before: Mapping[str, Value] | None = None) -> None:
        """Change the home and report it."""
        effect = Effect(target, change, before)
        self.home.apply(effect)
        self.effects.append(effect)

    def fail(self, target: str, reason: str, **details: Value) -> None:
        """Report a target that could not be served; the others go on."""
        device = self.home.devices.get(target)
        names = {"names": [device.name]} if device else {}
        self.failed.append({"target": target, "reason": reason, **names, **details})

    def each(self, kind: str, slot: str, do: Callable[[Clockwork], None]) -> None:
        """Do something with every timer, alarm or reminder a slot names; those gone are reported."""
        for clockwork_id in self.several(slot):
            try:
                do(self.known(kind, clockwork_id))
            except RefusedError as refused:
                self.failed.append(refused.failure)

    def say(self, response: str, **slots: Value) -> None:
        """Speak a sentence of the language's ``responses.yaml``."""
        self.messages.append({"response": response, **slots})

    def done(self) -> Done:
        return Done(tuple(self.effects), tuple(self.failed), tuple(self.messages))


class StepAction(Action, ABC):  # type: ignore[misc]
    """An action of the home. It never waits, so it needs no event loop to run.

    The step id in the message's metadata is its idempotency key: a step that already changed the home is not
    done again, its report is repeated.
    """

    def __init__(self, home: SimulatedHome | None = None) -> None:
        self._home = home

    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def act(self, call: Call) -> None:
        """Do the step; raise `RefusedError` when nothing of it can be done."""

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Mapping[str, Any] | None
    ) -> list[dict[str, Any]]:
        home = self._home or served_home()
        with home.lock:
            done = self._done(home, Call.of(home, tracker))
        for message in done.messages:
            dispatcher.utter_message(**message)
        effects = [{"target": one.target, "change": one.change, "before": one.before} for one in done.effects]
        return [SlotSet("effects", effects), SlotSet("failed", list(done.failed))]

    def _done(self, home: SimulatedHome, call: Call) -> Done:
        known = home.done(call.step_id)
        if known is not None:
            return known
        try:
            self.act(call)
        except RefusedError as refused:
            call.failed.append(refused.failure)
        except Exception as error:  # what was done before it broke must still be reported
            reason = {"reason": "reason_action_broke", "error": f"{type(error).__name__}: {error}"[:200]}
            call.failed.append({"target": "", **reason})
        if call.effects and call.step_id:
            home.remember(call.step_id, call.done())
        return call.done()


@cache
def served_home() -> SimulatedHome:
    """The home of an action server: named by ``ONEBREATH_HOME``, else the shipped one."""
    from dialogue.shipped import shipped_grammars

    return load_home(os.environ.get("ONEBREATH_HOME") or shipped_grammars() / "home.yaml")
