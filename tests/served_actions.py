"""Actions of strangers, for ``python -m rasa_sdk --actions served_actions``: most of them misbehave."""

from __future__ import annotations

import asyncio
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import SlotSet
from rasa_sdk.interfaces import ActionExecutionRejection, ActionMissingDomainException

SEEN: list[str] = []


class Stranger(Action):
    """Notes the key it is asked with."""

    def name(self) -> str:
        return "action_notes"

    async def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
        SEEN.append(tracker.latest_message["metadata"]["step_id"])
        return await self.act(dispatcher, tracker)

    async def act(self, dispatcher: Any, tracker: Any) -> list[dict[str, Any]]:
        return []


class TellsSeen(Action):
    """Says with which keys the others were asked."""

    def name(self) -> str:
        return "action_tells_seen"

    async def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
        dispatcher.utter_message(text=" ".join(SEEN))
        return []


class Rejects(Stranger):
    def name(self) -> str:
        return "action_rejects"

    async def act(self, dispatcher: Any, tracker: Any) -> list[dict[str, Any]]:
        raise ActionExecutionRejection("action_rejects", "not today")


class Breaks(Stranger):
    def name(self) -> str:
        return "action_breaks"

    async def act(self, dispatcher: Any, tracker: Any) -> list[dict[str, Any]]:
        raise ZeroDivisionError("by zero")


class WantsTheDomain(Stranger):
    def name(self) -> str:
        return "action_wants_the_domain"

    async def act(self, dispatcher: Any, tracker: Any) -> list[dict[str, Any]]:
        raise ActionMissingDomainException("action_wants_the_domain")


class Sleeps(Stranger):
    def name(self) -> str:
        return "action_sleeps"

    async def act(self, dispatcher: Any, tracker: Any) -> list[dict[str, Any]]:
        await asyncio.sleep(30)
        return []


class SaysTenMegabytes(Stranger):
    def name(self) -> str:
        return "action_says_ten_megabytes"

    async def act(self, dispatcher: Any, tracker: Any) -> list[dict[str, Any]]:
        dispatcher.utter_message(text="x" * 10_000_000)
        return []


class Garbles(Stranger):
    def name(self) -> str:
        return "action_garbles"

    async def act(self, dispatcher: Any, tracker: Any) -> list[dict[str, Any]]:
        return [SlotSet("effects", "all lights")]


class BreaksOnce(Stranger):
    """Breaks the first time each key comes, and does it the second time."""

    def name(self) -> str:
        return "action_breaks_once"

    async def act(self, dispatcher: Any, tracker: Any) -> list[dict[str, Any]]:
        if SEEN.count(SEEN[-1]) == 1:
            raise ConnectionError("the device did not answer")
        return [SlotSet("effects", [{"target": "light.spot", "change": {"state": "off"}, "before": {}}])]
