"""Lists: adding, removing and ticking off items, each with an effect of its own."""

from __future__ import annotations

from dialogue.actions.step import Call, RefusedError, StepAction
from dialogue.interfaces import ItemList


class ActionAddToList(StepAction):
    """Adds ``items`` to ``list`` (an id)."""

    def name(self) -> str:
        return "action_add_to_list"

    def act(self, call: Call) -> None:
        known = list_of(call)
        for item in call.several("items"):
            add(call, known.id, item)


class ActionRemoveFromList(StepAction):
    """Takes ``items`` off ``list`` (an id); those not on it are reported."""

    def name(self) -> str:
        return "action_remove_from_list"

    def act(self, call: Call) -> None:
        known = list_of(call)
        for item in call.several("items"):
            remove(call, known.id, item)


class ActionCompleteItem(ActionRemoveFromList):
    """Ticks ``items`` off ``list`` (an id): what is done is no longer on it."""

    def name(self) -> str:
        return "action_complete_item"


def list_of(call: Call) -> ItemList:
    wanted = call.text("list")
    known = call.home.lists.get(wanted)
    if known is None:
        raise RefusedError("reason_unknown_list", target=wanted, value=wanted)
    return known


def add(call: Call, list_id: str, item: str, place: int | None = None) -> None:
    """Add an item, at ``place`` if it is put back; one that is there already is not added again."""
    known = call.home.lists[list_id]
    if _place(known, item) is not None:
        call.do(list_id, {"added": item}, {"present": True})
        call.say("utter_already_on_list", item=item, list=known.name)
        return
    call.do(list_id, {"added": item}, {"present": False} if place is None else {"present": False, "place": place})


def remove(call: Call, list_id: str, item: str) -> None:
    known = call.home.lists[list_id]
    place = _place(known, item)
    if place is None:
        call.fail(list_id, "reason_not_on_list", item=item, list=known.name)
        return
    call.do(list_id, {"removed": known.items[place]}, {"present": True, "place": place})


def _place(known: ItemList, item: str) -> int | None:
    folded = [other.casefold() for other in known.items]
    return folded.index(item.casefold()) if item.casefold() in folded else None
