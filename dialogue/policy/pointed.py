"""Taking back one step that was pointed at, not spoken of: cancelled before it runs, undone after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from dialogue.context import ContextState
from dialogue.events import AnyEvent, QuestionClosed, StepChanged, StepPlanned
from dialogue.policy import past
from dialogue.types import Plan, Step

Way = Literal["cancel", "undo"]
_WAITING = ("asking", "confirming", "pending", "scheduled")


def refusal(state: ContextState, step_id: str, way: Way) -> str | None:
    """Why a step cannot be taken back this way, in a sentence; None where it can be."""
    step = state.steps[step_id]
    if way == "cancel":
        return (
            None if step.status in _WAITING else f"the step is {step.status}; only a waiting one can be cancelled"
        )
    if step.status != "done":
        return f"the step is {step.status}; only a done one can be undone"
    return None if past.changes(state, [step]) else "the step changed nothing"


def take_back(state: ContextState, step_id: str, way: Way, now: datetime) -> tuple[Plan, Sequence[AnyEvent]]:
    """The plan that cancels or undoes a step, and with it what was to take it back later.

    The steps it needs are named after the step, so that asking twice is one effect.
    """
    step = state.steps[step_id]
    with_it = [step, *(one for one in state.steps.values() if one.reverses == step_id and one.status in _WAITING)]
    waiting = [one for one in with_it if one.status in _WAITING]
    steps: list[Step] = []
    events = [*_withdrawn(state, waiting, now), *(StepChanged(one.id, "cancelled", time=now) for one in waiting)]
    if way == "undo":
        slots = {"changes": past.changes(state, [step])}
        steps.append(Step(f"{step_id}.undo", "action_restore", slots, step.text))
        events.append(StepChanged(step_id, "undone", time=now))
    planned = [target for one in waiting if one.status == "scheduled" for target in _targets(one)]
    if planned:
        targets = list(dict.fromkeys(planned))
        steps.append(Step(f"{step_id}.cancel", "action_cancel_plan", {"targets": targets}, step.text))
    turn = len(state.turns)
    return Plan(tuple(steps)), [*events, *(StepPlanned(one, turn, now) for one in steps)]


def _withdrawn(state: ContextState, steps: Sequence[Step], now: datetime) -> Iterator[AnyEvent]:
    ids = {step.id for step in steps}
    for question in state.questions:
        if question.step in ids:
            yield QuestionClosed(question.step, question.slot, "withdrawn", now)


def _targets(step: Step) -> list[str]:
    changes = step.slots.get("changes")
    if isinstance(changes, list) and changes:
        return [str(one["target"]) for one in changes]
    return past.targets_of(step)
