"""Answers to open questions: which question an answer fits, and what it fills in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from dialogue.grammar.times import length, resolve
from dialogue.policy.conditions import resolved
from dialogue.policy.steps import items, whole
from dialogue.policy.targets import Scene, areas_called, spellings
from dialogue.types import Condition, Moment, Question, Reading, Request, Step, Value

ANSWERS = frozenset({"Affirm", "Deny", "Inform"})


def fit(question: Question, reading: Reading, scene: Scene) -> dict[str, Value] | None:
    """The slots a reading fills for a question, or None where it does not fit it."""
    step = scene.state.steps.get(question.step)
    if step is None or reading.get("of") not in (None, kind_asked_for(question, scene)):
        return None
    match question.slot:
        case "targets" | "target" | "timers":
            return _choice(question, reading, scene)
        case "seconds":
            said = reading.get("length")
            seconds = length(said) if isinstance(said, Moment) else None
            return None if seconds is None else {"seconds": whole(seconds)}
        case "at":
            return _time(step, reading, scene)
        case "value":
            return _value(step, reading)
        case "confirmed":
            return {"confirmed": True} if reading.intent == "Affirm" or _names_it(step, reading, scene) else None
        case _:
            return None


_KINDS = {"action_start_timer": "timer", "action_set_alarm": "alarm", "action_set_reminder": "reminder"}


def kind_asked_for(question: Question, scene: Scene) -> str:
    """What a question is about, where that is a timer, an alarm or a reminder."""
    step = scene.state.steps.get(question.step)
    return _KINDS.get(step.action, "") if step is not None else ""


def asked_for(question: Question, request: Request, scene: Scene) -> bool:
    """Whether a request may speak of a question: of the kind it names, if it names one."""
    return request.reading.get("of") in (None, kind_asked_for(question, scene))


def _time(step: Step, reading: Reading, scene: Scene) -> dict[str, Value] | None:
    """A time, or for a reminder something that will happen."""
    said, condition = reading.get("moment"), reading.get("condition")
    due = resolve(said, scene.now) if isinstance(said, Moment) else None
    if due is not None:
        return {"at": due.isoformat()}
    if isinstance(condition, Condition) and step.action == "action_set_reminder":
        known = resolved(condition, scene.home)
        return {"on": asdict(known)} if known.target is not None else None
    return None


def _names_it(step: Step, reading: Reading, scene: Scene) -> bool:
    """Whether the answer to "shall I really" is the name of just the thing that is asked about."""
    name, targets = reading.get("name"), step.slots.get("targets")
    if not isinstance(name, str) or not isinstance(targets, list) or reading.intent != "Inform":
        return False
    return len(targets) == 1 and name.casefold() in _names(scene, str(targets[0]))


def _value(step: Step, reading: Reading) -> dict[str, Value] | None:
    change = step.slots.get("change")
    if not isinstance(change, dict):
        return None
    attribute = next(iter(change))
    if (color := reading.get("color")) is not None and attribute == "brightness":
        return {"change": {"color": color}}
    number = reading.get("number")
    return None if number is None else {"change": {attribute: number}}


def _choice(question: Question, reading: Reading, scene: Scene) -> dict[str, Value] | None:
    chosen = _chosen(question.choices, reading, scene)
    if not chosen:
        return None
    return {question.slot: chosen[0] if question.slot == "target" else list(chosen)}


def _chosen(choices: tuple[str, ...], reading: Reading, scene: Scene) -> tuple[str, ...]:
    nth = reading.get("ordinal") or reading.get("which")
    if isinstance(nth, int):
        return choices[-1:] if nth == -1 else choices[nth - 1 : nth]
    name, places = reading.get("name"), [reading.get("area"), reading.get("floor")]
    areas = {area for place in places if place for area in areas_called(scene.home, str(place))}
    found = choices
    if areas:
        found = tuple(one for one in found if _area(scene, one) in areas)
    if isinstance(part := reading.get("name_word"), str):
        return tuple(one for one in found if any(part in name.split() for name in _names(scene, one)))
    if isinstance(name, str):
        found = tuple(one for one in found if name.casefold() in _names(scene, one))
    elif isinstance(name, dict):
        word = str(name.get("noun", ""))
        found = tuple(one for one in found if any(word in each for each in _names(scene, one)))
    elif not areas:
        return choices if reading.intent == "Inform" and not reading.entities else ()
    return found


def _area(scene: Scene, one: str) -> str | None:
    device = scene.home.devices.get(one)
    return device.area if device else None


def _names(scene: Scene, one: str) -> set[str]:
    device = scene.home.devices.get(one)
    if device is not None:
        return {name.casefold() for name in spellings(device)}
    return {work.name.casefold() for work in scene.home.clockworks("timer") if work.id == one}


def free_text(question: Question, text: str, words: Mapping[str, Any]) -> dict[str, Value] | None:
    """What words that nothing explains fill in, where a question asks for words."""
    if question.slot == "items":
        return {"items": list(items(text, words))}
    if question.slot == "text":
        return {"text": text.removeprefix("to ")}
    return None


def described(question: Question, text: str, scene: Scene) -> dict[str, Value] | None:
    """The one choice whose name holds a word that was said and no other choice has ("the corner one")."""
    said = set(text.casefold().split())
    fitting = [one for one in question.choices if any(said & set(name.split()) for name in _names(scene, one))]
    if len(fitting) != 1:
        return None
    return {question.slot: fitting[0] if question.slot == "target" else fitting}


def best_question(
    questions: Iterable[Question], request: Request, scene: Scene
) -> tuple[Question, dict[str, Value]] | None:
    """The first open question that a request answers, with the slots it fills."""
    for question in questions:
        for reading in (request.reading, *request.alternatives):
            slots = fit(question, reading, scene)
            if slots is not None:
                return question, slots
    return None
