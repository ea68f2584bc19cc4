"""Turns and utterances as plain JSON values: the shapes that `--json`, the API and the benchmarks read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from dialogue.interfaces import Home
from dialogue.types import (
    Condition,
    Effect,
    Entity,
    Moment,
    Request,
    Schedule,
    Segment,
    Step,
    Turn,
    Utterance,
    Value,
    When,
)


def turn_shape(turn: Turn, home: Home) -> dict[str, Any]:
    """One turn as the six keys of ``say --json``."""
    return {
        "requests": [request_shape(request) for request in turn.utterance.requests],
        "effects": [effect_shape(effect) for effect in turn.effects if not _rings(effect)],
        "scheduled": [row for step in turn.scheduled for row in scheduled_shapes(step, home)],
        "asked": turn.asked.text if turn.asked else None,
        "not_done": [{"text": one.text, "reason": one.reason} for one in turn.not_done],
        "responses": [{"text": text} for text in turn.responses],
    }


def effect_shape(effect: Effect) -> dict[str, Any]:
    return {"target": effect.target, "change": plain(dict(effect.change))}


def _rings(effect: Effect) -> bool:
    """Whether an effect is an alarm or reminder going off: it is spoken, it changes nothing."""
    return effect.target == "announcement" and "id" in effect.change


def request_shape(request: Request) -> dict[str, Any]:
    """A request with its intent and entities, and where spoken ``negated``, ``except`` and ``when``."""
    told = request.known_as or request.reading
    shape: dict[str, Any] = {
        "text": request.text,
        "intent": told.intent,
        "entities": [entity_shape(entity) for entity in told.entities],
    }
    if request.negated:
        shape["negated"] = True
    if request.exceptions:
        shape["except"] = [request_shape(exception) for exception in request.exceptions]
    if request.when:
        shape["when"] = [when_shape(when) for when in request.when]
    if request.held:
        shape["held"] = request.held
    return shape


def entity_shape(entity: Entity) -> dict[str, Any]:
    return {"name": entity.name, "value": plain(entity.value), "text": entity.text}


def when_shape(when: When) -> dict[str, Any]:
    shape: dict[str, Any] = {"kind": when.kind, "text": when.text}
    if when.moment is not None:
        shape["moment"] = plain(when.moment)
    if when.condition is not None:
        shape["condition"] = plain(when.condition)
    return shape


def explanation_shape(utterance: Utterance) -> dict[str, Any]:
    """What ``parse --explain --json`` adds: the cost, every word's owner, and the readings that lost."""
    return {
        "cost": round(utterance.cost, 4),
        "segments": [segment_shape(segment) for segment in utterance.segments],
        "runners_up": [{**utterance_shape(other), **explanation_shape(other)} for other in utterance.runners_up],
    }


def segment_shape(segment: Segment) -> dict[str, Any]:
    """A stretch of words (``start`` and ``end`` count them) with its owner and what the search paid for it."""
    return {
        "kind": segment.kind,
        "label": segment.label,
        "text": segment.text,
        "start": segment.start,
        "end": segment.end,
        "cost": round(segment.cost, 4),
    }


def utterance_shape(utterance: Utterance) -> dict[str, Any]:
    """An utterance as ``parse --json`` prints it."""
    return {
        "text": utterance.text,
        "requests": [request_shape(request) for request in utterance.requests],
        "unexplained": list(utterance.unexplained),
    }


def scheduled_shapes(step: Step, home: Home) -> Iterator[dict[str, Any]]:
    """One entry per target of a planned step."""
    times = _schedule(step.schedule)
    for target, change in _changes(step, home):
        yield {"target": target, "change": plain(dict(change)), **times}


def _schedule(schedule: Schedule | None) -> dict[str, Any]:
    if schedule is None:
        return {"at": None, "on": None}
    return {
        "at": schedule.at.isoformat() if schedule.at else None,
        "on": plain(schedule.on) if schedule.on else None,
    }


def _changes(step: Step, home: Home) -> Iterator[tuple[str, Mapping[str, Value]]]:
    changes, change, slots = step.slots.get("changes"), step.slots.get("change"), step.slots
    if isinstance(changes, list):
        for one in changes:
            yield str(one["target"]), one["before"]
    elif isinstance(change, dict):
        for target in _listed(slots.get("targets")):
            yield target, change
    elif step.action == "action_media_control":
        for target in _listed(slots.get("targets")):
            yield target, _media_change(str(slots.get("command")))
    elif step.action == "action_play_media":
        yield str(slots.get("target")), {"media": slots.get("media")}
    else:
        yield from _other_changes(step)


def _other_changes(step: Step) -> Iterator[tuple[str, Mapping[str, Value]]]:
    slots = step.slots
    match step.action:
        case "action_start_timer":
            yield "timer", {"started": slots.get("seconds")}
        case "action_add_to_list":
            for item in _listed(slots.get("items")):
                yield str(slots.get("list")), {"added": item}
        case "action_remove_from_list":
            for item in _listed(slots.get("items")):
                yield str(slots.get("list")), {"removed": item}
        case "action_announce":
            yield "announcement", {"said": slots.get("message")}
        case "action_adjust_devices":
            for target in _listed(slots.get("targets")):
                yield target, {str(slots.get("attribute")): slots.get("delta")}
        case _:
            yield step.action, dict(slots)


def _media_change(command: str) -> Mapping[str, Value]:
    states = {"pause": "paused", "play": "playing", "stop": "stopped"}
    if command in states:
        return {"state": states[command]}
    if command in ("mute", "unmute"):
        return {"muted": "yes" if command == "mute" else "no"}
    return {"track": command}


def _listed(value: Value) -> list[str]:
    if isinstance(value, list):
        return [str(one) for one in value]
    return [] if value is None else [str(value)]


def plain(value: Any) -> Any:
    """A value as JSON knows it; dataclasses lose what was not said."""
    if isinstance(value, Moment | Condition):
        fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
        return {name: plain(one) for name, one in fields.items() if one not in (None, "", ())}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
