"""The policy: one utterance in, the plan it leads to and the events that record the decision out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from dialogue.context import Tracker
from dialogue.events import AnyEvent, Mentioned, QuestionAsked, QuestionClosed, StepChanged, StepPlanned
from dialogue.grammar.times import length, resolve
from dialogue.instants import later
from dialogue.interfaces import Clockwork, Home
from dialogue.policy import answers, past
from dialogue.policy.conditions import can_be, holds, resolved
from dialogue.policy.steps import (
    QUESTIONS,
    Ask,
    Draft,
    devices_of,
    drafts_for,
    items,
    list_of,
    still_missing,
    whole,
)
from dialogue.policy.targets import Scene, spellings
from dialogue.policy.timing import Timing, back_at, timing
from dialogue.types import (
    Condition,
    Entity,
    Moment,
    NotDone,
    Plan,
    Question,
    Reading,
    Request,
    Schedule,
    Step,
    StepStatus,
    Utterance,
    Value,
    When,
)

Say = Callable[[str, str, Mapping[str, Any]], str]

_PLACES = ("name", "area", "floor")
_OWN_TIME = frozenset(
    {"SetAlarm", "SetReminder", "ChangeAlarm", "CancelAlarm", "CancelReminder", "AskSchedule", "CancelPlan"}
)
_OWN_LENGTH = frozenset({"HassStartTimer"})
_SPARES = frozenset({"LeaveAlone", "KeepState", "TakeBack"})
_ABOUT_LAST = frozenset({"Reschedule", "Undo", "CancelPlan"})
_SAME = frozenset({"Same", "OtherOne", "MeantOther"})


@dataclass(slots=True)
class _Planning:
    """One plan in the making."""

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
    doubtful: frozenset[str] = frozenset()

    # --- small words

    def reason(self, name: str, **slots: Value) -> str:
        return self.say("reasons", f"reason_{name}", slots)

    def report(self, request: Request, name: str, **slots: Value) -> None:
        text = " ".join((request.text, *(w.text for w in request.when if w.text not in request.text)))
        self.not_done.append(NotDone(text, self.reason(name, **slots)))

    def open_questions(self) -> list[Question]:
        state = self.tracker.state
        return [one for one in state.questions if (one.step, one.slot) not in self.answered]


class RulePolicy:
    """Plans by rules: what each intent needs is in `steps`, when it runs in `timing`."""

    def __init__(self, home: Home, say: Say, words: Mapping[str, Any]) -> None:
        self.home = home
        self.say = say
        self.words = words

    def plan(
        self, utterance: Utterance, tracker: Tracker, now: datetime, *, area: str | None = None
    ) -> tuple[Plan, tuple[AnyEvent, ...]]:
        """The plan for an utterance; `Plan.steps` holds new steps and earlier ones that an answer completed.

        Where another reading of the same words came close and would do something else, what only the chosen one
        would do is asked about first. A reading that would do nothing at all is no rival.
        """
        planning = self._planned(utterance, tracker, now, area)
        others = [one for one in utterance.runners_up if one.text == utterance.text]
        if others and planning.steps:
            deeds = [_deeds(self._planned(one, tracker, now, area)) for one in others]
            doubtful = {deed for found in deeds if found for deed in _deeds(planning) - found}
            if doubtful:
                planning = self._planned(utterance, tracker, now, area, frozenset(doubtful))
        return Plan(tuple(planning.steps), tuple(planning.not_done)), tuple(planning.events)

    def _planned(
        self,
        utterance: Utterance,
        tracker: Tracker,
        now: datetime,
        area: str | None,
        doubtful: frozenset[str] = frozenset(),
    ) -> _Planning:
        scene = Scene(self.home, tracker.state, now, self.words, area)
        for request in utterance.requests:
            if not _of_others(request) and request.entities:
                scene.spoken_of.update(devices_of(request, scene))
        prefix = f"{tracker.mark}:{tracker.turns}"
        planning = _Planning(scene, tracker, self.say, prefix, utterance.requests, doubtful=doubtful)
        for dropped in utterance.dropped:
            scene.groups.append(_would_change(dropped, scene))
        utterance = _answered_in_words(planning, utterance)
        unexplained = _answer(planning, utterance)
        requests = planning.requests = _with_first(utterance.requests, scene)
        planned: set[int] = set()
        for number, request in _in_order(requests):
            waiting = (requests[one] for one in range(number) if one not in planned)
            scene.groups += [devices_of(one, scene) for one in waiting]  # "but first tell me what it is set to"
            _plan_request(planning, number, request)
            planned.add(number)
        planning.not_done += [NotDone(text, planning.reason("not_understood")) for text in unexplained]
        if any(scene.groups):
            planning.events.append(Mentioned(tuple(group for group in scene.groups if group)))
        return planning


def _deeds(planning: _Planning) -> set[str]:
    """What the steps of a plan would do and when, for comparing plans."""
    return {_deed(step.action, step.slots, step.schedule) for step in planning.steps}


def _deed(action: str, slots: Mapping[str, Value], schedule: Schedule | None) -> str:
    return repr((action, sorted(slots.items(), key=lambda pair: pair[0]), schedule))


def _would_change(request: Request, scene: Scene) -> tuple[str, ...]:
    """The devices a request that was taken back would have changed, else those it names."""
    targets = [target for draft in drafts_for(request, scene) for target in draft.targets]
    return tuple(targets) or devices_of(request, scene)


def _of_others(request: Request) -> bool:
    name = request.reading.get("name")
    return isinstance(name, dict) and bool(name.get("others"))


def _with_first(requests: tuple[Request, ...], scene: Scene) -> tuple[Request, ...]:
    """ "... but do the garage light first": what else was asked for comes after what is done to that."""
    for number, wish in enumerate(requests):
        devices = set(devices_of(wish, scene)) if wish.intent == "DoFirst" else set()
        first = [
            one
            for one, request in enumerate(requests)
            if one != number and not request.negated and devices and devices <= set(devices_of(request, scene))
        ]
        if first:
            requests = tuple(
                request if one in first else replace(request, after=tuple(sorted({*request.after, *first})))
                for one, request in enumerate(requests)
            )
    return requests


def _first(planning: _Planning, number: int, request: Request) -> None:
    """The wish for an order is met by the order; it is reported where nothing else speaks of the thing."""
    planning.scene.groups.append(devices_of(request, planning.scene))
    if not request.after:
        planning.report(request, "not_understood")


def _in_order(requests: Sequence[Request]) -> list[tuple[int, Request]]:
    """The requests so that each comes after those it waits for (a topological order that keeps the spoken one)."""
    done: list[int] = []

    def visit(number: int, inside: tuple[int, ...]) -> None:
        for earlier in requests[number].after:
            if earlier not in done and earlier not in inside:
                visit(earlier, (*inside, number))
        if number not in done:
            done.append(number)

    for number in range(len(requests)):
        visit(number, ())
    return [(number, requests[number]) for number in done]


# --- answers ----------------------------------------------------------------------------


def _answered_in_words(planning: _Planning, utterance: Utterance) -> Utterance:
    """Where a question asks for words, words that only half make a request are the answer as a whole."""
    doubtful = utterance.unexplained and utterance.requests and all(one.held for one in utterance.requests)
    if doubtful and any(question.slot in ("text", "items") for question in planning.open_questions()):
        return replace(utterance, requests=(), unexplained=(utterance.text,))
    return utterance


def _answer(planning: _Planning, utterance: Utterance) -> list[str]:
    """Let the utterance answer open questions; what nothing explains and no question takes is left over."""
    if utterance.retracted:
        _withdraw(planning, planning.open_questions())
    left: list[str] = []
    held = {request.held for request in utterance.requests}
    for text in utterance.unexplained:
        for question in planning.open_questions():
            slots = answers.free_text(question, text, planning.scene.words)
            slots = slots or answers.described(question, text, planning.scene)
            if slots is not None:
                _fill(planning, question, slots)
                break
        else:
            left += [text] if text not in held else []  # what is held is reported with its request
    return left


def _fill(planning: _Planning, question: Question, slots: Mapping[str, Value]) -> None:
    step = planning.tracker.state.steps[question.step]
    filled = replace(step, slots={**step.slots, **slots}, status="pending", question=None)
    planning.answered.add((question.step, question.slot))
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


def _withdraw(planning: _Planning, questions: Sequence[Question]) -> None:
    for question in questions:
        planning.answered.add((question.step, question.slot))
        planning.events.append(QuestionClosed(question.step, question.slot, "withdrawn"))
        planning.events.append(StepChanged(question.step, "cancelled", planning.reason("withdrawn")))


def _take_answer(planning: _Planning, request: Request) -> bool:
    """Whether a request was an answer to an open question (then it is dealt with)."""
    questions = planning.open_questions()
    if not questions:
        return False
    if request.intent == "Deny":
        _withdraw(planning, questions[:1])
        return True
    found = answers.best_question(questions, request, planning.scene)
    if found is None:
        return False
    _fill(planning, *found)
    return True


# --- requests ---------------------------------------------------------------------------


def _plan_request(planning: _Planning, number: int, request: Request) -> None:
    if request.intent in answers.ANSWERS or request.reading.bare:
        _plan_answer(planning, number, request)
        return
    if request.intent == "Mention":
        planning.scene.groups.append(devices_of(request, planning.scene))
        return
    if request.negated or request.intent in ("LeaveAlone", "KeepState"):
        planning.scene.groups.append(devices_of(request, planning.scene) or list_of(request, planning.scene))
        _spare(planning, number, request)
        return
    if request.held:
        planning.not_done.append(
            NotDone(f"{request.text} {request.held}", planning.reason("held", words=request.held))
        )
        return
    if request.replaces and request.intent not in _ABOUT_LAST:
        _put_back_last(planning)
    if _only_a_topic(planning, number, request):
        planning.scene.groups.append(devices_of(request, planning.scene))
        return
    request = _fitted(planning, request)
    special = _SPECIAL.get(request.intent)
    if special is not None:
        special(planning, number, request)
    elif request.intent in _SAME:
        _same(planning, number, request)
    else:
        _plan_steps(planning, number, request)


def _fitted(planning: _Planning, request: Request) -> Request:
    """ "Make it seven" moves a timer or alarm where that came last; else it sets a device."""
    readings = (request.reading, *request.alternatives)
    moving = [one for one in readings if one.intent == "Reschedule"]
    others = [one for one in readings if one.intent != "Reschedule"]
    if not moving:
        return request
    last = _last_step(planning)
    if last is not None and last.action == "action_start_timer":
        return replace(request, reading=moving[0], alternatives=())
    timed = [one for one in moving if one.get("amount") is None]
    planned = last is not None and (last.action in _CLOCK_STEPS or last.status == "scheduled")
    if timed and (planned or not others):
        return replace(request, reading=timed[0], alternatives=())
    others = others or moving
    return replace(request, reading=others[0], alternatives=tuple(others[1:]))


def _last_step(planning: _Planning) -> Step | None:
    """The newest step of an earlier turn that did more than answer; None where this utterance spoke of devices."""
    if planning.scene.groups:
        return None
    for turn in reversed(planning.tracker.state.turns):
        steps = past.steps_of(planning.tracker.state, turn)
        steps = [step for step in steps if not step.action.startswith("action_answer") and not step.reverses]
        if steps:
            return steps[-1]
    return None


def _plan_answer(planning: _Planning, number: int, request: Request) -> None:
    """An answer; a time that was said with it is the time of what it completed, or answers another question."""
    before = len(planning.steps)
    taken = _take_answer(planning, request)
    if not taken and request.intent not in ("Affirm", "Deny"):
        planning.report(request, "no_verb" if request.reading.bare else "not_understood")
    completed = planning.steps[before:]
    lasting = tuple(when for when in request.when if when.kind in ("for", "until"))
    for when in request.when:
        if when not in lasting or not completed:
            _take_time(planning, request, when)
    if lasting and completed:
        found = timing(replace(request, when=lasting), planning.scene)
        for step in completed:
            if found.goes_back and step.action in _LASTING:
                _add_reverse(planning, number, step, found)
            else:
                planning.not_done.append(NotDone(lasting[0].text, planning.reason("not_understood")))


_LASTING = frozenset({"action_change_devices", "action_media_control"})


def _only_a_topic(planning: _Planning, number: int, request: Request) -> bool:
    """Whether "what about the bathroom" only says what the request right behind it is about."""
    following = planning.requests[number + 1 : number + 2]
    return request.intent == "OtherOne" and any(other.start == request.end for other in following)


def _spare(planning: _Planning, number: int, request: Request) -> None:
    """What is not to be done: nothing happens now, but "until nine" plans the change for then."""
    if request.negated and request.exceptions:
        for exception in request.exceptions:  # "don't turn off any lights except the porch light"
            positive = replace(exception, reading=_as(exception.reading, request.reading), when=request.when)
            _plan_steps(planning, number, positive)
        return
    opposite = _OPPOSITE.get(str(request.reading.get("state")))
    if request.negated and request.intent == "KeepState" and opposite and not request.held:
        _plan_steps(planning, number, _with_state(request, opposite))  # "don't leave the door unlocked"
        return
    found = timing(request, planning.scene)
    end = back_at(found, planning.scene.now) if found.goes_back else None
    if end is None:
        return
    planning.ends[number] = end
    followed = any(number in other.after for other in planning.requests)
    if request.intent == "KeepState" and not request.negated and request.reading.get("state"):
        _keep(planning, number, request, None if followed else opposite, end)


def _keep(planning: _Planning, number: int, request: Request, opposite: str | None, end: datetime) -> None:
    """ "Keep the light on until nine": on now, if it is not, and off then."""
    now = drafts_for(_with_state(request, str(request.reading.get("state"))), planning.scene)
    then = drafts_for(_with_state(request, opposite), planning.scene) if opposite else []
    if opposite in ("open", "unlocked"):
        devices = planning.scene.home.devices
        then = [draft for draft in then if not any(devices[one].risky for one in draft.targets)]
    for position, draft in enumerate(now):
        _add_step(planning, (number, position), request, draft, Timing())
    for position, draft in enumerate(then, start=len(now)):
        _add_step(planning, (number, position), request, draft, Timing(schedule=Schedule(at=end)))


def _with_state(request: Request, state: str) -> Request:
    """The request to bring a thing into a state."""
    entities = tuple(entity for entity in request.entities if entity.name != "state")
    reading = Reading("SetState", (*entities, Entity("state", state)))
    return replace(request, reading=reading, alternatives=(), negated=False)


_OPPOSITE = {
    "on": "off",
    "off": "on",
    "open": "closed",
    "closed": "open",
    "locked": "unlocked",
    "unlocked": "locked",
}


def _as(exception: Reading, request: Reading) -> Reading:
    """The things of an exception with what the request asks of them."""
    said = tuple(entity for entity in exception.entities if entity.name in _PLACES)
    kept = tuple(
        entity
        for entity in request.entities
        if entity.name not in _PLACES and (entity.name != "domain" or not _named(said))
    )
    return replace(request, entities=(*kept, *said), bare=False)


def _named(entities: Sequence[Entity]) -> bool:
    return any(entity.name == "name" for entity in entities)


def _take_time(planning: _Planning, request: Request, when: When) -> None:
    """A time said along with an answer answers another question, or is reported."""
    slot = "length" if when.kind == "for" else "moment"
    reading = Reading("Inform", (Entity(slot, when.moment, when.text),))  # type: ignore[arg-type]
    answer = replace(request, reading=reading, alternatives=(), when=())
    if when.moment is None or not _take_answer(planning, answer):
        planning.not_done.append(NotDone(when.text, planning.reason("not_understood")))


def _plan_steps(planning: _Planning, number: int, request: Request) -> None:
    request = _with_so(planning, number, request)
    found = timing(_without_own_time(request, planning.scene), planning.scene)
    if found.problem == "cannot_know" and request.intent in QUESTIONS:
        request = replace(request, when=())  # "before I go to bed is the door locked": an answer does no harm
        found = Timing()
    if found.problem:
        planning.report(request, found.problem, words=found.problem_text)
        return
    conditions = [condition for condition, _ in found.checks]
    conditions += [found.schedule.on] if found.schedule and found.schedule.on else []
    planning.scene.groups += [
        (str(one.target),) for one in conditions if one.target in planning.scene.home.devices
    ]
    for condition, wanted in found.checks:
        if holds(condition, planning.scene.home) != wanted:
            planning.scene.groups.append(devices_of(request, planning.scene))
            planning.report(request, "condition_false", words=condition.text)
            return
    drafts = _without_excepted(planning, number, request, drafts_for(request, planning.scene))
    if drafts == [] and request.exceptions:
        planning.report(request, "all_excepted")
    if drafts is None or (all(draft.problem for draft in drafts) and _taken_as_text(planning, request)):
        return
    for position, draft in enumerate(drafts):
        if draft.targets:
            planning.scene.groups.append(draft.targets)
        _add_step(planning, (number, position), request, draft, found)
    if found.endless:
        planning.not_done.append(NotDone(found.endless, planning.reason("endless")))


def _with_so(planning: _Planning, number: int, request: Request) -> Request:
    """ "If so": the condition is what the request before asked."""
    whens = []
    for when in request.when:
        if when.condition is not None and when.condition.target == "so":
            asked = (_asked_condition(planning, one) for one in reversed(planning.requests[:number]))
            condition = next((one for one in asked if one is not None), None)
            when = replace(when, condition=condition or replace(when.condition, target=None))
        whens.append(_with_own_things(planning, request, when))
    return replace(request, when=tuple(whens))


def _with_own_things(planning: _Planning, request: Request, when: When) -> When:
    """ "Lock the door if it is unlocked": the pronoun of the condition means what the request names."""
    condition = when.condition
    if condition is None or not isinstance(condition.target, dict) or "pronoun" not in condition.target:
        return when
    name = request.reading.get("name")
    own = devices_of(request, planning.scene) if isinstance(name, str) else ()
    fitting = [
        one
        for one in (*own, *_looked_at(planning, request))
        if can_be(planning.scene.home.devices[one], str(condition.value))
    ]
    return replace(when, condition=replace(condition, target=fitting[0] if fitting else None))


def _looked_at(planning: _Planning, request: Request) -> list[str]:
    """The devices that conditions of earlier requests speak of, the last first."""
    earlier = [one for one in planning.requests if one.start < request.start]
    conditions = [when.condition for one in reversed(earlier) for when in one.when if when.condition is not None]
    found = [resolved(one, planning.scene.home).target for one in conditions if not isinstance(one.target, dict)]
    return [one for one in found if one is not None and one in planning.scene.home.devices]


def _asked_condition(planning: _Planning, asked: Request) -> Condition | None:
    """What a question asked, as a condition."""
    if asked.intent == "HassGetWeather":
        return Condition("rain", value="on", text=asked.text)
    state = asked.reading.get("state")
    devices = devices_of(asked, planning.scene)
    if state is None or not devices:
        return None
    planning.scene.groups.append(devices)
    return Condition(devices[0], value=state, text=asked.text)


def _taken_as_text(planning: _Planning, request: Request) -> bool:
    """Whether words that come to nothing as a request answer an open question for words ("mow the lawn")."""
    for question in planning.open_questions():
        slots = answers.free_text(question, request.text, planning.scene.words)
        if slots is not None:
            _fill(planning, question, slots)
            return True
    return False


def _without_own_time(request: Request, scene: Scene) -> Request:
    """Times that are the very thing asked for ("remind me at nine") do not schedule the asking."""
    if request.intent in _OWN_TIME:
        return replace(request, when=tuple(when for when in request.when if not _own_time(request, when, scene)))
    if request.intent in _OWN_LENGTH:
        return replace(request, when=tuple(when for when in request.when if when.kind != "for"))
    return request


def _own_time(request: Request, when: When, scene: Scene) -> bool:
    """Whether a time is what is asked for; so is the event of a reminder, if the home can know of it."""
    if when.condition is None:
        return True
    known = when.kind == "on" and resolved(when.condition, scene.home).target is not None
    return known and request.intent == "SetReminder"


def _add_step(planning: _Planning, place: tuple[int, int], request: Request, draft: Draft, found: Timing) -> None:
    if draft.problem:
        planning.report(request, draft.problem, **dict(draft.details))
        return
    if (
        any(step.action == draft.action and step.slots == draft.slots for step in planning.steps)
        and not found.goes_back
    ):
        return  # said twice in one breath
    if found.schedule is None:
        _supersede(planning, request, draft)
    number, position = place
    taken = {step.id for step in planning.steps}
    while (step_id := f"{planning.prefix}.{number + 1}.{position + 1}") in taken:
        position += 1
    schedule = _schedule(planning, number, request, found)
    ask = draft.ask or (Ask("at", "what_time") if found.asks else None)
    doubtful = ask is None and _deed(draft.action, draft.slots, schedule) in planning.doubtful
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
    _record(planning, number, step)
    if found.goes_back:
        _add_reverse(planning, number, step, found)


def _unsure(request: Request, draft: Draft, scene: Scene) -> bool:
    """Whether a step could do harm and no sentence of the grammar asks for it."""
    named = (*draft.targets, *(draft.ask.choices if draft.ask else ()))
    devices = [scene.home.devices[one] for one in named if one in scene.home.devices]
    return request.source == "learned" and any(device.risky for device in devices)


_LEVELS = frozenset({"brightness", "color", "volume", "speed", "temperature"})


def _supersede(planning: _Planning, request: Request, draft: Draft) -> None:
    """A level said again of what was just named ("... but that one at fifty") takes the place of the first."""
    change, name = draft.slots.get("change"), request.reading.get("name")
    if not isinstance(name, dict) or "pronoun" not in name or not isinstance(change, dict):
        return
    if not change.keys() <= _LEVELS:
        return
    for step in planning.steps:
        old = step.slots.get("change")
        same = isinstance(old, dict) and old.keys() == change.keys() and step.schedule is None
        same = same and step.id.startswith(planning.prefix)
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


def _schedule(planning: _Planning, number: int, request: Request, found: Timing) -> Schedule | None:
    """The step's own time, else that of what it comes after."""
    if found.schedule is not None:
        return found.schedule
    latest = max((planning.ends[one] for one in request.after if one in planning.ends), default=None)
    return Schedule(at=latest) if latest is not None else None


def _record(planning: _Planning, number: int, step: Step) -> None:
    planning.steps.append(step)
    planning.of_request.setdefault(number, []).append(step.id)
    planning.events.append(StepPlanned(step, len(planning.tracker.state.turns)))
    if step.question is not None:
        planning.events.append(QuestionAsked(step.question))
    if step.schedule is not None and step.schedule.at is not None:
        planning.ends[number] = step.schedule.at


def _add_reverse(planning: _Planning, number: int, step: Step, found: Timing) -> None:
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


def _question(planning: _Planning, step: Step, ask: Ask) -> Question:
    names = [_name(planning, one) for one in ask.choices]
    text = planning.say("questions", f"ask_{ask.name}", {"text": step.text, "names": names})
    return Question(step.id, ask.slot, text, ask.choices)


def _name(planning: _Planning, one: str) -> str:
    home = planning.scene.home
    if one in home.devices:
        return home.devices[one].name
    return next((work.name or one for work in home.clockworks("timer") if work.id == one), one)


# --- exceptions, negation, retraction ---------------------------------------------------


def _without_excepted(
    planning: _Planning, number: int, request: Request, drafts: list[Draft]
) -> list[Draft] | None:
    """The drafts without what was excepted, negated or taken back; None where an exception is not known."""
    out: set[str] = set()
    meant = tuple(one for draft in drafts for one in draft.targets)
    inner = replace(planning.scene, groups=[*planning.scene.groups, meant])
    for exception in request.exceptions:
        name = exception.reading.get("name")
        kin = isinstance(name, dict) and "kin" in name  # "every door but the front one"
        devices = devices_of(exception, inner if kin else planning.scene)
        if not devices:
            planning.report(request, "unknown_exception", words=exception.text)
            return None
        out.update(devices)
    out |= _left_alone(planning, number, request)
    out |= {one for draft in drafts for one in draft.targets if _forgotten(planning, _spelled(planning, [one]))}
    taken_back = _taken_back_items(planning, request, drafts)
    if _retracted(planning, number, request):
        return []
    return [kept for draft in drafts if (kept := _reduced(draft, out, taken_back)) is not None]


def _left_alone(planning: _Planning, number: int, request: Request) -> set[str]:
    """Devices that other requests of the utterance say to leave as they are, or not to treat like this."""
    out: set[str] = set()
    for other, another in enumerate(planning.requests):
        if other == number or other in request.after:
            continue
        if not _applies(planning, another):
            continue
        spared = another.intent in _SPARES
        denied = another.negated and another.intent == request.intent and not _said_anew(planning, other, number)
        if (spared or denied) and any(entity.name in _PLACES for entity in another.entities):
            out.update(devices_of(another, planning.scene))
    return out


def _applies(planning: _Planning, request: Request) -> bool:
    """Whether the conditions that a wish to leave something alone stands under are met, or cannot be known."""
    whens = [_with_own_things(planning, request, when) for when in request.when]
    found = timing(replace(request, when=tuple(when for when in whens if when.condition)), planning.scene)
    return all(holds(condition, planning.scene.home) == wanted for condition, wanted in found.checks)


def _said_anew(planning: _Planning, denied: int, number: int) -> bool:
    """Whether what was denied is asked for after all ("don't turn it on now, turn it on at nine")."""
    first, second = (devices_of(planning.requests[one], planning.scene) for one in (denied, number))
    return denied < number and set(first) == set(second)


def _retracted(planning: _Planning, number: int, request: Request) -> bool:
    """Whether another request takes back exactly this one ("... no don't start the vacuum")."""
    return any(
        another.negated and another.intent == request.intent and _said(another) == _said(request)
        for other, another in enumerate(planning.requests)
        if other > number
    )


def _said(request: Request) -> list[tuple[str, str]]:
    return sorted((entity.name, str(entity.value)) for entity in request.entities)


def _forgotten(planning: _Planning, names: Sequence[str]) -> bool:
    """Whether the utterance takes back a thing of one of these names ("actually forget the coffee")."""
    texts = [one.reading.get("item") for one in planning.requests if one.intent == "TakeBack"]
    return any(isinstance(said, str) and _overlaps(planning, said, names) for said in texts)


def _taken_back_items(planning: _Planning, request: Request, drafts: Sequence[Draft]) -> set[str]:
    """The items that the utterance takes back, or says not to treat like this."""
    listed = [draft.slots.get("items") for draft in drafts]
    said = [str(one) for each in listed if isinstance(each, list) for one in each]
    denied = {
        item
        for another in planning.requests
        if another.negated and another.intent == request.intent
        for item in items(str(another.reading.get("item") or ""), planning.scene.words)
    }
    return {one for one in said if one in denied or _forgotten(planning, [one])}


def _reduced(draft: Draft, out: set[str], taken_back: set[str]) -> Draft | None:
    """The draft without some targets and items; None when nothing is left of it."""
    slots = dict(draft.slots)
    for slot, without in (("targets", out), ("items", taken_back)):
        value = slots.get(slot)
        if isinstance(value, list) and without:
            kept = [one for one in value if str(one) not in without]
            if not kept and value:
                return None
            slots[slot] = kept
    if draft.targets and set(draft.targets) <= out:
        return None
    return replace(draft, slots=slots, targets=tuple(one for one in draft.targets if one not in out))


# --- requests about earlier ones --------------------------------------------------------


def _same(planning: _Planning, number: int, request: Request) -> None:
    """ "Same for the bedroom": the last request with other devices, and those said in one go with it."""
    earlier = _earlier(planning, number)
    if earlier is None:
        planning.report(request, "no_antecedent")
        return
    for one in (*_said_with(planning, number - 1 if request.intent == "Same" else 0), earlier):
        _same_as(planning, number, request, one)


def _said_with(planning: _Planning, number: int) -> tuple[Request, ...]:
    """The requests that were said in one go with this one, before it."""
    first = number
    while first > 0 and _one_go(planning.requests[first - 1], planning.requests[first]):
        first -= 1
    return planning.requests[max(first, 0) : max(number, 0)]


def _one_go(one: Request, two: Request) -> bool:
    """Whether a request goes on from the one before with no word between ("play jazz | at volume ten")."""
    return one.end == two.start and two.reading.get("name") is None


def _same_as(planning: _Planning, number: int, request: Request, earlier: Request) -> None:
    said = tuple(entity for entity in request.entities if entity.name in _PLACES)
    drop = set(_PLACES) if any(entity.name == "name" for entity in said) else {"area", "floor"}
    if isinstance(earlier.reading.get("name"), str):
        drop.add("name")
    if any(entity.name == "name" for entity in said):
        drop.add("domain")
    kept = tuple(entity for entity in earlier.entities if entity.name not in drop)
    reading = replace(earlier.reading, entities=(*kept, *said), bare=False)
    reading = _with_kind(planning, earlier, reading, said)
    _plan_request(planning, number, replace(request, reading=reading, alternatives=(), meant=request.text))


def _with_kind(planning: _Planning, earlier: Request, reading: Reading, said: Sequence[Entity]) -> Reading:
    """A place alone means devices there of the kind that was named before."""
    if any(entity.name == "name" for entity in said) or reading.get("domain") is not None:
        return reading
    kinds = {planning.scene.home.devices[one].domain for one in devices_of(earlier, planning.scene)}
    return replace(reading, domains=tuple(sorted(kinds))) if kinds else reading


def _earlier(planning: _Planning, number: int) -> Request | None:
    if number > 0:
        return planning.requests[number - 1]
    requests = planning.tracker.state.last_requests
    return requests[-1] if requests else None


def _put_back_last(planning: _Planning) -> None:
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
        _cancel_steps(planning, "c", waiting)


def _undo(planning: _Planning, number: int, request: Request) -> None:
    steps = past.to_undo(request, planning.tracker.state)
    if request.reading.get("list_name") is not None:
        steps = [step for step in steps if step.action == "action_add_to_list"]
    if not steps:
        planning.report(request, "nothing_to_undo")
        return
    _take_back_steps(planning, number, steps)


def _take_back_steps(planning: _Planning, number: int, steps: Sequence[Step]) -> None:
    """What was done is undone, what is planned is cancelled."""
    done = [step for step in steps if step.status == "done"]
    waiting = [step for step in steps if step.status == "scheduled"]
    if done:
        _restore(planning, str(number + 1), done, "undone")
    if waiting:
        _cancel_steps(planning, f"{number + 1}c", waiting)


def _restore(planning: _Planning, place: str, steps: Sequence[Step], status: StepStatus) -> None:
    _restore_changes(planning, place, past.changes(planning.tracker.state, steps), steps[0].text)
    planning.events += [StepChanged(one.id, status) for one in steps]


def _restore_changes(planning: _Planning, place: str, changes: list[Any], text: str) -> None:
    step = Step(f"{planning.prefix}.{place}.1", "action_restore", {"changes": changes}, text)
    planning.steps.append(step)
    planning.events.append(StepPlanned(step, len(planning.tracker.state.turns)))
    targets = tuple(dict.fromkeys(str(one["target"]) for one in changes))
    known = tuple(one for one in targets if one in planning.scene.home.devices)
    if known:
        planning.scene.groups.append(known)


def _cancel_plan(planning: _Planning, number: int, request: Request) -> None:
    which = request.reading.get("which")
    if isinstance(which, int):
        _cancel_nth(planning, number, request, which)
        return
    waiting = past.to_cancel(request, planning.scene)
    if waiting:
        _cancel_steps(planning, str(number + 1), waiting)
        return
    questions = planning.open_questions()
    if questions:
        _withdraw(planning, questions[:1])
        return
    clocks = [step for step in past.undoable(planning.tracker.state) if step.action in _CLOCK_STEPS]
    if clocks:
        _restore(planning, str(number + 1), clocks, "undone")
    else:
        planning.report(request, "nothing_planned")


_CLOCK_STEPS: Mapping[str, str] = {
    "action_start_timer": "timer",
    "action_set_alarm": "alarm",
    "action_set_reminder": "reminder",
}


def _cancel_nth(planning: _Planning, number: int, request: Request, which: int) -> None:
    """ "Cancel the second one": of all that is still planned or running, in the order it was set up."""
    state = planning.tracker.state
    standing = [step for step in state.steps.values() if step.status == "scheduled" or _clock_of(planning, step)]
    chosen = past.nth(state, which, standing)
    if chosen:
        _take_back_steps(planning, number, chosen)
    else:
        planning.report(request, "no_such_one")


def _clock_of(planning: _Planning, step: Step) -> Clockwork | None:
    """The timer, alarm or reminder that a step has set and that is still there."""
    kind = _CLOCK_STEPS.get(step.action, "")
    works = planning.scene.home.clockworks(kind) if kind and step.status == "done" else ()
    return next((work for work in works if work.id == f"{kind}.{step.id}"), None)


def _cancel_steps(planning: _Planning, place: str, waiting: Sequence[Step]) -> None:
    targets = [target for step in waiting for target in _planned_targets(planning, step)]
    step = Step(
        f"{planning.prefix}.{place}.1", "action_cancel_plan", {"targets": list(dict.fromkeys(targets))}, ""
    )
    planning.steps.append(step)
    planning.events.append(StepPlanned(step, len(planning.tracker.state.turns)))
    planning.events += [StepChanged(one.id, "cancelled") for one in waiting]
    known = tuple(one for one in targets if one in planning.scene.home.devices)
    if known:
        planning.scene.groups.append(known)


def _planned_targets(planning: _Planning, step: Step) -> list[str]:
    changes = step.slots.get("changes")
    if isinstance(changes, list) and changes:
        return [str(one["target"]) for one in changes]
    return past.targets_of(step)


def _ask_schedule(planning: _Planning, number: int, request: Request) -> None:
    lines = [
        planning.say("questions", "planned_line", {"text": step.text, "at": step.schedule.at})
        if step.schedule and step.schedule.at
        else step.text
        for step in past.planned(planning.tracker.state)
    ]
    _add_step(planning, (number, 0), request, Draft("action_answer_schedule", {"lines": list(lines)}), Timing())


def _knows_of(planning: _Planning, text: str) -> bool:
    """Whether words mention a thing or place of the home."""
    home, words = planning.scene.home, set(text.casefold().split())
    names = [name for device in home.devices.values() for name in spellings(device)]
    names += [place.name for place in (*home.areas.values(), *home.floors.values())]
    names += [listed.name for listed in home.lists.values()]
    return any(name.casefold().split()[-1] in words for name in names)


def _ask_history(planning: _Planning, number: int, request: Request) -> None:
    about = request.reading.get("about")
    if isinstance(about, str) and not _knows_of(planning, about):
        planning.report(request, "not_understood")
        return
    spoken = [event.text for event in planning.tracker.events if event.event == "bot" and event.text]
    lines: list[Value] = list(spoken[-1:])
    _add_step(planning, (number, 0), request, Draft("action_answer_history", {"lines": lines}), Timing())


def _take_back(planning: _Planning, number: int, request: Request) -> None:
    """ "Forget the blinds": of this utterance it is left out; else what is planned or open for it is dropped."""
    said = request.reading.get("item")
    others = [one for other, one in enumerate(planning.requests) if other != number]
    if any(one.intent not in _SPARES for one in others):
        if isinstance(said, str) and not any(_speaks_of(planning, one, said) for one in others):
            planning.report(request, "no_antecedent")
    elif isinstance(said, str):
        _take_back_words(planning, number, request, said)
    else:
        _cancel_plan(planning, number, request)


def _take_back_words(planning: _Planning, number: int, request: Request, said: str) -> None:
    """ "Forget the coffee" in a turn of its own: what the turn before did or planned with it."""
    state = planning.tracker.state
    steps = past.changing(state, past.steps_of_turn(state))
    changes = [one for one in past.changes(state, steps) if _overlaps(planning, said, _names_in(planning, one))]
    waiting = [
        step
        for step in steps
        if step.status == "scheduled" and _overlaps(planning, said, _spelled(planning, past.targets_of(step)))
    ]
    questions = [one for one in planning.open_questions() if _overlaps(planning, said, [one.text])]
    if changes:
        _restore_changes(planning, str(number + 1), changes, request.text)
    if waiting:
        _cancel_steps(planning, f"{number + 1}c", waiting)
    if questions:
        _withdraw(planning, questions[:1])
    if not (changes or waiting or questions):
        planning.report(request, "no_antecedent")


def _names_in(planning: _Planning, change: Mapping[str, Any]) -> list[str]:
    """What a change is about, in words: the names of a device, or what was put on a list, set or said."""
    names = _spelled(planning, [change["target"]])
    return names or [str(value) for value in change["change"].values()]


def _spelled(planning: _Planning, targets: Sequence[str]) -> list[str]:
    devices = planning.scene.home.devices
    return [name for one in targets if one in devices for name in spellings(devices[one])]


def _overlaps(planning: _Planning, said: str, names: Sequence[str]) -> bool:
    """Whether a thing that was said in a word or two is one of these names, or a part of one."""
    small: set[str] = set()
    for kind in ("articles", "item_joiners"):
        small.update(planning.scene.words.get(kind, ()))  # type: ignore[arg-type]
    words = set(said.casefold().split()) - small
    return any(words & (set(name.casefold().split()) - small) for name in names)


def _speaks_of(planning: _Planning, request: Request, said: str) -> bool:
    """Whether a request of this utterance is about a thing."""
    names = _spelled(planning, devices_of(request, planning.scene))
    return _overlaps(planning, said, [*names, str(request.reading.get("item") or "")])


def _reschedule(planning: _Planning, number: int, request: Request) -> None:
    """ "Make that ten": the newest plan, alarm or reminder at another time."""
    if _later(planning, number, request):
        return
    if _change_last_timer(planning, number, request):
        return
    due = _new_time(planning, request)
    waiting = past.to_cancel(replace(request, reading=Reading("CancelPlan")), planning.scene)
    if due is None:
        planning.report(request, "no_time")
    elif waiting:
        _move_plans(planning, number, request, waiting, due)
    elif not _move_clockwork(planning, number, request, due):
        planning.report(request, "nothing_planned")


def _change_last_timer(planning: _Planning, number: int, request: Request) -> bool:
    """Whether a timer came last, and now has another length; a number alone counts in its unit."""
    step = _last_step(planning)
    timer = _clock_of(planning, step) if step is not None and step.action == "action_start_timer" else None
    wanted = _new_length(request.reading, timer.seconds or 0) if timer is not None else None
    if timer is None or wanted is None:
        return False
    slots: dict[str, Value] = {"timer": timer.id, "seconds": whole(wanted)}
    _add_step(planning, (number, 0), request, Draft("action_change_timer", slots), Timing())
    return True


def _new_length(reading: Reading, old: float) -> float | None:
    said, moment, amount = reading.get("length"), reading.get("moment"), reading.get("amount")
    if isinstance(said, Moment):
        return length(said)
    if isinstance(moment, Moment) and moment.minute is None and moment.meridiem is None:
        amount = moment.hour
    unit = next(unit for unit in (3600, 60, 1) if old % unit == 0)
    return amount * unit if isinstance(amount, int | float) else None


def _later(planning: _Planning, number: int, request: Request) -> bool:
    """Whether this is "don't start it now, do it at ten": what was just denied, planned for then."""
    moment = request.reading.get("moment")
    earlier = planning.requests[number - 1] if number else None
    if earlier is None or not earlier.negated or not isinstance(moment, Moment):
        return False
    when = When("at", moment.text, moment)
    _plan_steps(planning, number - 1, replace(earlier, negated=False, when=(when,)))
    return True


def _new_time(planning: _Planning, request: Request) -> datetime | None:
    """The time said; after a length from now; at once where "now" was said."""
    now, moment, said = planning.scene.now, request.reading.get("moment"), request.reading.get("length")
    if isinstance(moment, Moment):
        return resolve(moment, now)
    seconds = length(said) if isinstance(said, Moment) else None
    return later(now, seconds or 0)


def _move_plans(
    planning: _Planning, number: int, request: Request, waiting: Sequence[Step], due: datetime
) -> None:
    _cancel_steps(planning, f"{number + 1}c", waiting)
    at_once = due <= planning.scene.now
    for position, old in enumerate(waiting):
        step = replace(
            old,
            id=f"{planning.prefix}.{number + 1}.{position + 1}",
            schedule=None if at_once else Schedule(at=due),
            status="pending" if at_once else "scheduled",
        )
        _record(planning, number, step)


def _move_clockwork(planning: _Planning, number: int, request: Request, due: datetime) -> bool:
    """Whether the last turn set an alarm or reminder that can be moved."""
    for step in reversed(past.steps_of_turn(planning.tracker.state)):
        kind, work = _CLOCK_STEPS.get(step.action), _clock_of(planning, step)
        if work is not None and kind in ("alarm", "reminder"):
            slots: dict[str, Value] = {kind: work.id, "at": due.isoformat()}
            _add_step(planning, (number, 0), request, Draft(f"action_change_{kind}", slots), Timing())
            return True
    return False


def _repeat(planning: _Planning, number: int, request: Request) -> None:
    earlier = _earlier(planning, number)
    if earlier is None:
        planning.report(request, "no_antecedent")
    else:
        _plan_request(planning, number, earlier)


def _retry(planning: _Planning, number: int, request: Request) -> None:
    """ "Try again": the newest steps that failed, once more."""
    state = planning.tracker.state
    for turn in reversed(state.turns):
        failed = [step for step in past.steps_of(state, turn) if step.status == "failed"]
        if failed:
            for position, step in enumerate(failed):
                step_id = f"{planning.prefix}.{number + 1}.{position + 1}"
                _record(planning, number, replace(step, id=step_id, status="pending", reason=""))
            return
    planning.report(request, "nothing_failed")


_SPECIAL: Mapping[str, Callable[[_Planning, int, Request], None]] = {
    "Undo": _undo,
    "CancelPlan": _cancel_plan,
    "AskSchedule": _ask_schedule,
    "AskHistory": _ask_history,
    "Repeat": _repeat,
    "Retry": _retry,
    "Reschedule": _reschedule,
    "TakeBack": _take_back,
    "DoFirst": _first,
}
