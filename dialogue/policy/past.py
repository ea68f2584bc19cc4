"""Requests about earlier steps: undoing them, cancelling what is planned, telling what was done."""

from __future__ import annotations

from collections.abc import Sequence

from dialogue.context import ContextState, PastTurn
from dialogue.grammar.times import resolve
from dialogue.policy.targets import Scene, find
from dialogue.types import Effect, Moment, Reading, Request, Step


def steps_of_turn(state: ContextState) -> list[Step]:
    """The steps of the newest turn that led to any."""
    for turn in reversed(state.turns):
        steps = steps_of(state, turn)
        if steps:
            return steps
    return []


def steps_of(state: ContextState, turn: PastTurn) -> list[Step]:
    """The steps that a turn led to."""
    return [state.steps[one] for one in turn.steps if one in state.steps]


def changing(state: ContextState, steps: Sequence[Step]) -> list[Step]:
    """Of some steps, those that changed the world and were not undone, and those still planned."""
    return [
        step for step in steps if (step.status == "done" and _changes(state, step)) or step.status == "scheduled"
    ]


def _changes(state: ContextState, step: Step) -> list[Effect]:
    return [effect for effect in state.effects.get(step.id, ()) if effect.target != "query"]


def undoable(state: ContextState) -> list[Step]:
    """The steps of the newest turn with anything to undo. Reverses of steps come along with them."""
    for turn in reversed(state.turns):
        found = changing(state, steps_of(state, turn))
        if found:
            return found
    return []


def to_undo(request: Request, state: ContextState) -> list[Step]:
    """The steps an undo is about: the whole of the newest turn, one of its requests, or the last few requests."""
    if isinstance(count := request.reading.get("count"), int):
        every = changing(state, [step for turn in state.turns for step in steps_of(state, turn)])
        return [step for group in _by_request(every)[-count:] for step in reversed(group)]
    steps = undoable(state)
    which = request.reading.get("which")
    if request.reading.get("scope") == "all" or not isinstance(which, int):
        return steps
    chosen = _nth(_by_request([step for step in steps if not step.reverses]), which)
    ids = {step.id for step in chosen}
    return [step for step in steps if step.id in ids or step.reverses in ids]


def _by_request(steps: Sequence[Step]) -> list[list[Step]]:
    """Steps grouped by the request they came from (their ids share all but the last part)."""
    groups: dict[str, list[Step]] = {}
    for step in steps:
        groups.setdefault(step.id.rsplit(".", 1)[0], []).append(step)
    return list(groups.values())


def _nth(groups: Sequence[list[Step]], which: int) -> list[Step]:
    """The group of a place in the row (-1: the last); nothing where there are not so many."""
    if which == -1:
        return groups[-1] if groups else []
    return groups[which - 1] if 1 <= which <= len(groups) else []


def changes(state: ContextState, steps: Sequence[Step]) -> list[dict[str, object]]:
    """The effects of steps as `action_restore` takes them."""
    return [
        {"target": effect.target, "change": dict(effect.change), "before": dict(effect.before or {})}
        for step in steps
        for effect in _changes(state, step)
        if not _changed_nothing(effect)
    ]


def _changed_nothing(effect: Effect) -> bool:
    """Whether everything was as it was set already."""
    before = effect.before
    return before is not None and all(
        name in before and before[name] == value for name, value in effect.change.items()
    )


def planned(state: ContextState) -> list[Step]:
    """The steps that are scheduled, in the order they were planned."""
    return [step for step in state.steps.values() if step.status == "scheduled"]


def chosen(request: Request, waiting: Sequence[Step], scene: Scene) -> list[Step]:
    """Of steps that are still to come, those a request is about: all, those of a thing, of a time or of a place in
    the row, else those that were set up last.
    """
    reading = request.reading
    if reading.get("scope") == "all":
        return list(waiting)
    if isinstance(moment := reading.get("moment"), Moment) and request.intent == "CancelPlan":
        return [step for step in waiting if _is_for(step, moment, scene)]
    if reading.get("name") is not None and not _pronoun(reading):
        found = find(scene, reading, lambda device: True)
        ids = {*found.ids, *found.choices}
        return [step for step in waiting if ids & set(_targets(step))]
    newest = _newest(scene.state, waiting)
    which = reading.get("which")
    if isinstance(which, int):
        return _nth(_by_request(newest), which)
    return newest


def _is_for(step: Step, moment: Moment, scene: Scene) -> bool:
    """Whether a step is planned for a time; "ten" may be either half of the day."""
    due = step.schedule.at if step.schedule is not None else None
    if due is None:
        return False
    found = resolve(moment, scene.now)
    same_clock = moment.hour is not None and (due.hour - moment.hour) % 12 == 0
    said = moment.meridiem is not None or moment.part is not None or moment.day is not None
    return due == found or (same_clock and not said and due.minute == (moment.minute or 0))


def nth(state: ContextState, which: int, steps: Sequence[Step]) -> list[Step]:
    """The steps of the n-th request (-1: the last) among some steps: of the newest turn that set up several,
    else of all turns."""
    groups = _by_request(_newest(state, steps))
    if len(groups) < 2:
        groups = _by_request(steps)
    return _nth(groups, which)


def _pronoun(reading: Reading) -> bool:
    name = reading.get("name")
    return isinstance(name, dict) and "pronoun" in name


def _targets(step: Step) -> list[str]:
    found = step.slots.get("targets") or step.slots.get("target") or []
    return [found] if isinstance(found, str) else [str(one) for one in found]  # type: ignore[union-attr]


def _newest(state: ContextState, waiting: Sequence[Step]) -> list[Step]:
    """The planned steps of the newest turn that planned any."""
    ids = {step.id for step in waiting}
    for turn in reversed(state.turns):
        mine = [one for one in turn.steps if one in ids]
        if mine:
            return [state.steps[one] for one in mine]
    return []


def targets_of(step: Step) -> list[str]:
    """The ids of the devices or things a step is about."""
    return _targets(step) or [step.action]
