"""One plan in the making: steps, questions and reverses as they are added, each with the event that records it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from dialogue.context import Tracker
from dialogue.events import AnyEvent, QuestionAsked, QuestionClosed, StepChanged, StepPlanned
from dialogue.interfaces import Clockwork
from dialogue.policy import past
from dialogue.policy.steps import (
    Ask,
    Draft,
    still_missing,
)
from dialogue.policy.targets import Scene, find, spellings
from dialogue.policy.timing import Timing, back_at
from dialogue.types import (
    Entity,
    NotDone,
    Question,
    Request,
    Schedule,
    Step,
    StepStatus,
    Value,
)

Say = Callable[[str, str, Mapping[str, Any]], str]


PLACES = ("name", "area", "floor")


SPARES = frozenset({"LeaveAlone", "KeepState", "TakeBack"})


@dataclass(slots=True)
class Planning:
    """One plan in the making.

    ``answered`` are the questions (step, slot) that this utterance has closed, ``filled`` those it has answered,
    ``cancelled`` the earlier steps it has cancelled; ``doubtful`` are deeds that are confirmed first.
    """

    scene: Scene
    tracker: Tracker
    say: Say
    prefix: str
    requests: tuple[Request, ...] = ()
    steps: list[Step] = field(default_factory=list)
    not_done: list[NotDone] = field(default_factory=list)
    events: list[AnyEvent] = field(default_factory=list)
    of_request: dict[int, list[str]] = field(default_factory=dict)
    ends: dict[int, datetime] = field(default_factory=dict)
    answered: set[tuple[str, str]] = field(default_factory=set)
    filled: list[Question] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    doubtful: frozenset[str] = frozenset()

    # --- small words

    def reason(self, name: str, **slots: Value) -> str:
        return self.say("reasons", f"reason_{name}", slots)

    def report(self, request: Request, name: str, **slots: Value) -> None:
        text = " ".join((request.text, *(w.text for w in request.when if w.text not in request.text)))
        self.not_done.append(NotDone(text, self.reason(name, **slots)))

    def planned(self) -> list[Step]:
        """The steps of earlier turns that are still scheduled."""
        return [step for step in past.planned(self.tracker.state) if step.id not in self.cancelled]

    def open_questions(self) -> list[Question]:
        state = self.tracker.state
        return [one for one in state.questions if (one.step, one.slot) not in self.answered]


def deed(action: str, slots: Mapping[str, Value], schedule: Schedule | None) -> str:
    return repr((action, sorted(slots.items(), key=lambda pair: pair[0]), schedule))


def fill(planning: Planning, question: Question, slots: Mapping[str, Value]) -> None:
    step = planning.tracker.state.steps[question.step]
    filled = replace(step, slots={**step.slots, **slots}, status="pending", question=None)
    planning.answered.add((question.step, question.slot))
    planning.filled.append(question)
    planning.events.append(QuestionClosed(question.step, question.slot))
    ask = still_missing(filled.action, filled.slots)
    if ask is not None:
        planning.events.append(StepChanged(step.id, "asking", slots=filled.slots))
        planning.events.append(QuestionAsked(_question(planning, filled, ask)))
        return
    status: StepStatus = "pending" if filled.schedule is None else "scheduled"
    planning.events.append(StepChanged(step.id, status, slots=filled.slots))
    planning.steps.append(replace(filled, status=status))
    planning.steps += [one for one in planning.tracker.state.steps.values() if one.reverses == step.id]
    targets = past.targets_of(filled)
    if targets[0] in planning.scene.home.devices:
        planning.scene.groups.append(tuple(targets))


def withdraw(planning: Planning, questions: Sequence[Question]) -> None:
    for question in questions:
        planning.answered.add((question.step, question.slot))
        planning.events.append(QuestionClosed(question.step, question.slot, "withdrawn"))
        planning.events.append(StepChanged(question.step, "cancelled", planning.reason("withdrawn")))


def last_step(planning: Planning) -> Step | None:
    """The newest step of an earlier turn that did more than answer; None where this utterance spoke of devices."""
    if planning.scene.groups:
        return None
    for turn in reversed(planning.tracker.state.turns):
        steps = past.steps_of(planning.tracker.state, turn)
        steps = [step for step in steps if not step.action.startswith("action_answer") and not step.reverses]
        if steps:
            return steps[-1]
    return None


def named(entities: Sequence[Entity]) -> bool:
    return any(entity.name == "name" for entity in entities)


def add_step(planning: Planning, place: tuple[int, int], request: Request, draft: Draft, found: Timing) -> None:
    if draft.problem:
        planning.report(request, draft.problem, **dict(draft.details))
        return
    if not found.goes_back and any(_does(step, draft) for step in planning.steps):
        return  # said twice in one breath
    if found.schedule is None:
        _supersede(planning, request, draft)
    number, position = place
    taken = {step.id for step in planning.steps}
    while (step_id := f"{planning.prefix}.{number + 1}.{position + 1}") in taken:
        position += 1
    schedule = _schedule(planning, number, request, found)
    ask = draft.ask or (Ask("at", "what_time") if found.asks else None)
    doubtful = ask is None and deed(draft.action, draft.slots, schedule) in planning.doubtful
    if doubtful or _unsure(request, draft, planning.scene):
        if ask is not None:  # one question after another would be needed: that is too much to guess
            planning.report(request, "not_understood")
            return
        ask = Ask("confirmed", "confirm")
    step = Step(
        id=step_id,
        action=draft.action,
        slots=draft.slots,
        text=_told(request),
        status=_status(ask, schedule),
        waits_for=tuple(one for earlier in request.after for one in planning.of_request.get(earlier, ())),
        if_done=request.if_done,
        schedule=schedule,
    )
    if ask is not None:
        step = replace(step, question=_question(planning, step, ask))
    record(planning, number, step)
    if found.goes_back:
        add_reverse(planning, number, step, found)


def _does(step: Step, draft: Draft) -> bool:
    """Whether a step is what a draft would become, down to the choices it asks about."""
    choices = step.question.choices if step.question is not None else ()
    wanted = draft.ask.choices if draft.ask is not None else ()
    return step.action == draft.action and step.slots == draft.slots and choices == wanted


def _unsure(request: Request, draft: Draft, scene: Scene) -> bool:
    """Whether a step could do harm and no sentence of the grammar asks for it, or only a word that may mean other
    things, too ("open the door" where one is the garage door).
    """
    named = (*draft.targets, *(draft.ask.choices if draft.ask else ()))
    devices = [scene.home.devices[one] for one in named if one in scene.home.devices]
    if request.source == "learned" and any(device.risky for device in devices):
        return True
    return draft.ask is None and _opens(draft) and _may_be_another(request, draft, scene)


def _opens(draft: Draft) -> bool:
    change = draft.slots.get("change")
    return isinstance(change, dict) and (change.get("state") == "unlocked" or bool(change.get("position")))


def _may_be_another(request: Request, draft: Draft, scene: Scene) -> bool:
    name = request.reading.get("name")
    if not isinstance(name, dict) or name.get("number") != "one" or "noun" not in name:
        return False
    fresh = replace(scene, groups=[])
    others = find(fresh, replace(request.reading, domains=()), lambda device: device.domain != "binary_sensor")
    return bool({*others.ids, *others.choices} - set(draft.targets))


_LEVELS = frozenset({"brightness", "color", "volume", "speed", "temperature"})


def _supersede(planning: Planning, request: Request, draft: Draft) -> None:
    """A level said again of what was just named ("... but that one at fifty") takes the place of the first."""
    change, name = draft.slots.get("change"), request.reading.get("name")
    if not isinstance(name, dict) or "pronoun" not in name or not isinstance(change, dict):
        return
    if not change.keys() <= _LEVELS:
        return
    for step in planning.steps:
        old = step.slots.get("change")
        same = isinstance(old, dict) and old.keys() == change.keys()
        same = same or {step.slots.get("attribute")} == change.keys()  # "warmer, make it twenty"
        same = same and step.schedule is None and step.id.startswith(planning.prefix)
        if same and step.slots.get("targets") == draft.slots.get("targets"):
            planning.steps.remove(step)
            planning.events = [one for one in planning.events if getattr(one, "step", None) is not step]
            return


def _status(ask: Ask | None, schedule: Schedule | None) -> StepStatus:
    if ask is not None:
        return "confirming" if ask.slot == "confirmed" else "asking"
    return "pending" if schedule is None else "scheduled"


def _told(request: Request) -> str:
    return request.meant if request.meant else request.text


def _schedule(planning: Planning, number: int, request: Request, found: Timing) -> Schedule | None:
    """The step's own time, else that of what it comes after."""
    if found.schedule is not None:
        return found.schedule
    latest = max((planning.ends[one] for one in request.after if one in planning.ends), default=None)
    return Schedule(at=latest) if latest is not None else None


def record(planning: Planning, number: int, step: Step) -> None:
    planning.steps.append(step)
    planning.of_request.setdefault(number, []).append(step.id)
    planning.events.append(StepPlanned(step, len(planning.tracker.state.turns)))
    if step.question is not None:
        planning.events.append(QuestionAsked(step.question))
    if step.schedule is not None and step.schedule.at is not None:
        planning.ends[number] = step.schedule.at


def add_reverse(planning: Planning, number: int, step: Step, found: Timing) -> None:
    """The step that takes the change back; what it restores is known when the step has run.

    Where the step waits for an event or an answer, so does its reverse: ``after`` (seconds) says how long it then
    lasts.
    """
    waits = step.question is not None or (step.schedule is not None and step.schedule.on is not None)
    start = step.schedule.at if step.schedule and step.schedule.at else planning.scene.now
    due = None if waits and found.back_after is not None else back_at(found, start)
    slots: dict[str, Value] = {"changes": []}
    if due is None and found.back_after is not None:
        slots["after"] = found.back_after
    reverse = Step(
        id=f"{step.id}r",
        action="action_restore",
        slots=slots,
        text=step.text,
        status="pending",
        waits_for=(step.id,),
        if_done=True,
        schedule=Schedule(at=due) if due is not None else None,
        reverses=step.id,
    )
    planning.steps.append(reverse)
    planning.events.append(StepPlanned(reverse, len(planning.tracker.state.turns)))
    if due is not None:
        planning.ends[number] = due


def _question(planning: Planning, step: Step, ask: Ask) -> Question:
    names = [_name(planning, one) for one in ask.choices]
    text = planning.say("questions", f"ask_{ask.name}", {"text": step.text, "names": names})
    return Question(step.id, ask.slot, text, ask.choices)


def _name(planning: Planning, one: str) -> str:
    home = planning.scene.home
    if one in home.devices:
        return home.devices[one].name
    return next((work.name or one for work in home.clockworks("timer") if work.id == one), one)


CLOCK_STEPS: Mapping[str, str] = {
    "action_start_timer": "timer",
    "action_set_alarm": "alarm",
    "action_set_reminder": "reminder",
}


def clock_of(planning: Planning, step: Step) -> Clockwork | None:
    """The timer, alarm or reminder that a step has set and that is still there."""
    kind = CLOCK_STEPS.get(step.action, "")
    works = planning.scene.home.clockworks(kind) if kind and step.status == "done" else ()
    return next((work for work in works if work.id == f"{kind}.{step.id}"), None)


def spelled(planning: Planning, targets: Sequence[str]) -> list[str]:
    devices = planning.scene.home.devices
    return [name for one in targets if one in devices for name in spellings(devices[one])]


def overlaps(planning: Planning, said: str, names: Sequence[str]) -> bool:
    """Whether a thing that was said in a word or two is one of these names, or a part of one."""
    small: set[str] = set()
    for kind in ("articles", "item_joiners"):
        small.update(planning.scene.words.get(kind, ()))  # type: ignore[arg-type]
    words = set(said.casefold().split()) - small
    return any(words & (set(name.casefold().split()) - small) for name in names)
