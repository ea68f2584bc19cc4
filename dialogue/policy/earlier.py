"""Requests about earlier ones: undoing, cancelling, moving in time, trying again, telling what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dialogue.events import StepChanged, StepPlanned
from dialogue.policy import past
from dialogue.policy.planning import (
    CLOCK_STEPS,
    SPARES,
    Planning,
    add_step,
    clock_of,
    overlaps,
    record,
    spelled,
    withdraw,
)
from dialogue.policy.steps import (
    Draft,
    devices_of,
)
from dialogue.policy.targets import spellings
from dialogue.policy.timing import Timing
from dialogue.types import (
    Request,
    Step,
    StepStatus,
    Value,
)


def put_back_last(planning: Planning) -> None:
    """A correction in the next turn: list entries and plans of the last request are taken back first."""
    state = planning.tracker.state
    steps = past.changing(state, past.steps_of_turn(state))
    newest = [step for step in steps if step.id.rsplit(".", 1)[0] == steps[-1].id.rsplit(".", 1)[0]]
    done = [
        step
        for step in newest
        if step.status == "done" and step.action.rsplit("_", 1)[-1] in ("list", "timer", "alarm", "reminder")
    ]
    if done:
        _restore(planning, "p", done, "undone")
    waiting = [step for step in newest if step.status == "scheduled"]
    if waiting:
        cancel_steps(planning, "c", waiting)


def undo(planning: Planning, number: int, request: Request) -> None:
    steps = past.to_undo(request, planning.tracker.state)
    if request.reading.get("list_name") is not None:
        steps = [step for step in steps if step.action == "action_add_to_list"]
    if not steps:
        planning.report(request, "nothing_to_undo")
        return
    _take_back_steps(planning, number, steps)


def _take_back_steps(planning: Planning, number: int, steps: Sequence[Step]) -> None:
    """What was done is undone, what is planned is cancelled."""
    done = [step for step in steps if step.status == "done"]
    waiting = [step for step in steps if step.status == "scheduled"]
    if done:
        _restore(planning, str(number + 1), done, "undone")
    if waiting:
        cancel_steps(planning, f"{number + 1}c", waiting)


def _restore(planning: Planning, place: str, steps: Sequence[Step], status: StepStatus) -> None:
    _restore_changes(planning, place, past.changes(planning.tracker.state, steps), steps[0].text)
    planning.events += [StepChanged(one.id, status) for one in steps]


def _restore_changes(planning: Planning, place: str, changes: list[Any], text: str) -> None:
    step = Step(f"{planning.prefix}.{place}.1", "action_restore", {"changes": changes}, text)
    planning.steps.append(step)
    planning.events.append(StepPlanned(step, len(planning.tracker.state.turns)))
    targets = tuple(dict.fromkeys(str(one["target"]) for one in changes))
    known = tuple(one for one in targets if one in planning.scene.home.devices)
    if known:
        planning.scene.groups.append(known)


def cancel_plan(planning: Planning, number: int, request: Request) -> None:
    which = request.reading.get("which")
    if isinstance(which, int):
        _cancel_nth(planning, number, request, which)
        return
    waiting = past.chosen(request, planning.planned(), planning.scene)
    if waiting:
        cancel_steps(planning, str(number + 1), waiting)
        return
    if request.reading.get("moment") is not None or request.reading.get("name") is not None:
        planning.report(request, "no_such_one" if planning.planned() else "nothing_planned")
        return
    questions = planning.open_questions()
    if questions:
        withdraw(planning, questions[:1])
        return
    clocks = [step for step in past.undoable(planning.tracker.state) if step.action in CLOCK_STEPS]
    if clocks:
        _restore(planning, str(number + 1), clocks, "undone")
    else:
        planning.report(request, "nothing_planned")


def _cancel_nth(planning: Planning, number: int, request: Request, which: int) -> None:
    """ "Cancel the second one": of all that is still planned or running, in the order it was set up."""
    state = planning.tracker.state
    standing = [step for step in state.steps.values() if step.status == "scheduled" or clock_of(planning, step)]
    chosen = past.nth(state, which, standing)
    if chosen:
        _take_back_steps(planning, number, chosen)
    else:
        planning.report(request, "no_such_one")


def cancel_steps(planning: Planning, place: str, waiting: Sequence[Step]) -> None:
    targets = [target for step in waiting for target in _planned_targets(planning, step)]
    step = Step(
        f"{planning.prefix}.{place}.1", "action_cancel_plan", {"targets": list(dict.fromkeys(targets))}, ""
    )
    planning.steps.append(step)
    planning.events.append(StepPlanned(step, len(planning.tracker.state.turns)))
    planning.events += [StepChanged(one.id, "cancelled") for one in waiting]
    planning.cancelled.update(one.id for one in waiting)
    known = tuple(one for one in targets if one in planning.scene.home.devices)
    if known:
        planning.scene.groups.append(known)


def _planned_targets(planning: Planning, step: Step) -> list[str]:
    changes = step.slots.get("changes")
    if isinstance(changes, list) and changes:
        return [str(one["target"]) for one in changes]
    return past.targets_of(step)


def ask_schedule(planning: Planning, number: int, request: Request) -> None:
    lines = [
        planning.say("questions", "planned_line", {"text": step.text, "at": step.schedule.at})
        if step.schedule and step.schedule.at
        else step.text
        for step in past.planned(planning.tracker.state)
    ]
    add_step(planning, (number, 0), request, Draft("action_answer_schedule", {"lines": list(lines)}), Timing())


def _knows_of(planning: Planning, text: str) -> bool:
    """Whether words mention a thing or place of the home."""
    home, words = planning.scene.home, set(text.casefold().split())
    names = [name for device in home.devices.values() for name in spellings(device)]
    names += [place.name for place in (*home.areas.values(), *home.floors.values())]
    names += [listed.name for listed in home.lists.values()]
    return any(name.casefold().split()[-1] in words for name in names)


def ask_history(planning: Planning, number: int, request: Request) -> None:
    about = request.reading.get("about")
    if isinstance(about, str) and not _knows_of(planning, about):
        planning.report(request, "not_understood")
        return
    spoken = [event.text for event in planning.tracker.events if event.event == "bot" and event.text]
    lines: list[Value] = list(spoken[-1:])
    add_step(planning, (number, 0), request, Draft("action_answer_history", {"lines": lines}), Timing())


def take_back(planning: Planning, number: int, request: Request) -> None:
    """ "Forget the blinds": of this utterance it is left out; else what is planned or open for it is dropped."""
    said = request.reading.get("item")
    others = [one for other, one in enumerate(planning.requests) if other != number]
    if any(one.intent not in SPARES for one in others):
        if isinstance(said, str) and not any(_speaks_of(planning, one, said) for one in others):
            planning.report(request, "no_antecedent")
    elif isinstance(said, str):
        _take_back_words(planning, number, request, said)
    else:
        cancel_plan(planning, number, request)


def _take_back_words(planning: Planning, number: int, request: Request, said: str) -> None:
    """ "Forget the coffee" in a turn of its own: what the turn before did or planned with it."""
    state = planning.tracker.state
    steps = past.changing(state, past.steps_of_turn(state))
    changes = [one for one in past.changes(state, steps) if overlaps(planning, said, _names_in(planning, one))]
    waiting = [
        step
        for step in steps
        if step.status == "scheduled" and overlaps(planning, said, spelled(planning, past.targets_of(step)))
    ]
    questions = [one for one in planning.open_questions() if overlaps(planning, said, [one.text])]
    if changes:
        _restore_changes(planning, str(number + 1), changes, request.text)
    if waiting:
        cancel_steps(planning, f"{number + 1}c", waiting)
    if questions:
        withdraw(planning, questions[:1])
    if not (changes or waiting or questions):
        planning.report(request, "no_antecedent")


def _names_in(planning: Planning, change: Mapping[str, Any]) -> list[str]:
    """What a change is about, in words: the names of a device, or what was put on a list, set or said."""
    names = spelled(planning, [change["target"]])
    return names or [str(value) for value in change["change"].values()]


def _speaks_of(planning: Planning, request: Request, said: str) -> bool:
    """Whether a request of this utterance is about a thing."""
    names = spelled(planning, devices_of(request, planning.scene))
    return overlaps(planning, said, [*names, str(request.reading.get("item") or "")])


def retry(planning: Planning, number: int, request: Request) -> None:
    """ "Try again": the newest steps that failed, once more."""
    state = planning.tracker.state
    for turn in reversed(state.turns):
        failed = [step for step in past.steps_of(state, turn) if step.status == "failed"]
        if failed:
            for position, step in enumerate(failed):
                step_id = f"{planning.prefix}.{number + 1}.{position + 1}"
                record(planning, number, replace(step, id=step_id, status="pending", reason=""))
            return
    planning.report(request, "nothing_failed")
