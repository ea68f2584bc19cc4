"""The policy: one utterance in, the plan it leads to and the events that record the decision out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dialogue.context import Tracker
from dialogue.events import AnyEvent, Mentioned, StepChanged
from dialogue.interfaces import Home
from dialogue.policy import answers, past
from dialogue.policy.conditions import can_be, holds, resolved
from dialogue.policy.earlier import (
    ask_history,
    ask_schedule,
    cancel_plan,
    cancel_steps,
    put_back_last,
    retry,
    take_back,
    undo,
)
from dialogue.policy.moving import fitted, reschedule
from dialogue.policy.planning import (
    PLACES,
    SPARES,
    Planning,
    Say,
    add_reverse,
    add_step,
    clock_of,
    deed,
    fill,
    named,
    overlaps,
    spelled,
    withdraw,
)
from dialogue.policy.steps import (
    BUILDERS,
    QUESTIONS,
    Draft,
    devices_of,
    drafts_for,
    items,
    list_of,
)
from dialogue.policy.targets import Scene
from dialogue.policy.timing import Timing, back_at, timing
from dialogue.types import (
    Condition,
    Entity,
    Moment,
    NotDone,
    Plan,
    Reading,
    Request,
    Schedule,
    Step,
    Utterance,
    When,
)

_OWN_TIME = frozenset(
    {"SetAlarm", "SetReminder", "ChangeAlarm", "CancelAlarm", "CancelReminder", "AskSchedule", "CancelPlan"}
)


_OWN_LENGTH = frozenset({"HassStartTimer"})


_ABOUT_LAST = frozenset({"Reschedule", "Undo", "CancelPlan"})


_SAME = frozenset({"Same", "OtherOne", "MeantOther"})


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
    ) -> Planning:
        scene = Scene(self.home, tracker.state, now, self.words, area)
        for request in utterance.requests:
            if not _of_others(request) and request.entities:
                scene.spoken_of.update(devices_of(request, scene))
        prefix = f"{tracker.mark}:{tracker.turns}"
        planning = Planning(scene, tracker, self.say, prefix, utterance.requests, doubtful=doubtful)
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


def _deeds(planning: Planning) -> set[str]:
    """What the steps of a plan would do and when, for comparing plans."""
    return {deed(step.action, step.slots, step.schedule) for step in planning.steps}


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


def _first(planning: Planning, number: int, request: Request) -> None:
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


def _answered_in_words(planning: Planning, utterance: Utterance) -> Utterance:
    """Where a question asks for words, words that only half make a request are the answer as a whole."""
    doubtful = utterance.unexplained and utterance.requests and all(one.held for one in utterance.requests)
    if doubtful and any(question.slot in ("text", "items") for question in planning.open_questions()):
        return replace(utterance, requests=(), unexplained=(utterance.text,))
    return utterance


def _answer(planning: Planning, utterance: Utterance) -> list[str]:
    """Let the utterance answer open questions; what nothing explains and no question takes is left over."""
    if utterance.retracted:
        withdraw(planning, planning.open_questions())
    left: list[str] = []
    held = {request.held for request in utterance.requests}
    for text in utterance.unexplained:
        for question in planning.open_questions():
            slots = answers.free_text(question, text, planning.scene.words)
            slots = slots or answers.described(question, text, planning.scene)
            if slots is not None:
                fill(planning, question, slots)
                break
        else:
            left += [text] if text not in held else []  # what is held is reported with its request
    return left


def _take_answer(planning: Planning, request: Request) -> bool:
    """Whether a request was an answer to an open question (then it is dealt with)."""
    questions = planning.open_questions()
    if not questions:
        return _chosen_too(planning, request)
    if request.intent == "Deny":
        withdraw(planning, [one for one in questions if answers.asked_for(one, request, planning.scene)][:1])
        return True
    found = answers.best_question(questions, request, planning.scene)
    if found is None:
        return _chosen_too(planning, request)
    fill(planning, *found)
    return True


def _chosen_too(planning: Planning, request: Request) -> bool:
    """ "The bedside and the reading one": one more choice for a question that was just answered."""
    found = answers.best_question(planning.filled, request, planning.scene)
    if found is None:
        return False
    question, slots = found
    step = next((one for one in planning.steps if one.id == question.step), None)
    more, known = slots.get(question.slot), step.slots.get(question.slot) if step is not None else None
    if step is None or not isinstance(known, list) or not isinstance(more, list):
        return False
    slots = {**step.slots, question.slot: list(dict.fromkeys([*known, *more]))}
    planning.steps[planning.steps.index(step)] = replace(step, slots=slots)
    planning.events.append(StepChanged(step.id, step.status, slots=slots))
    planning.scene.groups.append(tuple(str(one) for one in more))
    return True


def _plan_request(planning: Planning, number: int, request: Request) -> None:
    if request.reading.bare and request.held:
        planning.report(replace(request, text=f"{request.text} {request.held}"), "held", words=request.held)
        return
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
    request = fitted(planning, request)
    if request.replaces and request.intent not in _ABOUT_LAST:
        put_back_last(planning)
    if _only_a_topic(planning, number, request):
        planning.scene.groups.append(devices_of(request, planning.scene))
        return
    if _withdraws(planning, request):
        return
    special = _SPECIAL.get(request.intent)
    if special is not None:
        special(planning, number, request)
    elif request.intent in _SAME:
        _same(planning, number, request)
    else:
        _plan_steps(planning, number, request)


_CLOCK_CANCELS = {"HassCancelTimer": "timer", "CancelAlarm": "alarm", "CancelReminder": "reminder"}


def _withdraws(planning: Planning, request: Request) -> bool:
    """Whether "forget the timer" speaks of one that is not set yet, as a question about it is open."""
    kind = _CLOCK_CANCELS.get(request.intent)
    asked = [one for one in planning.open_questions() if answers.kind_asked_for(one, planning.scene) == kind]
    if kind is None or not asked:
        return False
    withdraw(planning, asked[:1])
    return True


def _plan_answer(planning: Planning, number: int, request: Request) -> None:
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
                add_reverse(planning, number, step, found)
            else:
                planning.not_done.append(NotDone(lasting[0].text, planning.reason("not_understood")))


_LASTING = frozenset({"action_change_devices", "action_media_control"})


def _only_a_topic(planning: Planning, number: int, request: Request) -> bool:
    """Whether "what about the bathroom" only says what the request right behind it is about."""
    following = planning.requests[number + 1 : number + 2]
    return request.intent == "OtherOne" and any(other.start == request.end for other in following)


def _spare(planning: Planning, number: int, request: Request) -> None:
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
        _cancel_spared(planning, number, request)
        return
    planning.ends[number] = end
    followed = any(number in other.after for other in planning.requests)
    if request.intent == "KeepState" and not request.negated and request.reading.get("state"):
        _keep(planning, number, request, None if followed else opposite, end)


def _cancel_spared(planning: Planning, number: int, request: Request) -> None:
    """What earlier turns planned and is now forbidden ("don't close them when it rains") is cancelled; so is what
    would end a state that is to stay ("you can leave it on").
    """
    kept = request.reading.get("state") if request.intent == "KeepState" and not request.negated else None
    if request.held or (kept is None and (not request.negated or request.intent in SPARES)):
        return
    wish = _with_state(request, _OPPOSITE[str(kept)]) if kept is not None else replace(request, negated=False)
    unwanted = [draft for draft in drafts_for(wish, planning.scene) if draft.targets]
    waiting = [
        step
        for step in planning.planned()
        if any(_would_do(step, draft) for draft in unwanted) and _at_that_time(planning, step, request)
    ]
    if waiting:
        cancel_steps(planning, f"{number + 1}c", waiting)


def _would_do(step: Step, draft: Draft) -> bool:
    """Whether a planned step does what a draft does, or takes a change of its targets back."""
    changes = step.slots.get("changes")
    if isinstance(changes, list):
        return any(one["target"] in draft.targets for one in changes if isinstance(one, dict))
    same = step.action == draft.action and step.slots.get("change") == draft.slots.get("change")
    return same and not set(past.targets_of(step)).isdisjoint(draft.targets)


def _at_that_time(planning: Planning, step: Step, request: Request) -> bool:
    """Whether a planned step waits for the time or event that a request speaks of, if it speaks of one."""
    if not request.when or step.schedule is None:
        return True
    said = timing(request, planning.scene).schedule
    if said is None or step.schedule.on is None or said.on is None:
        return said is not None and said.at == step.schedule.at
    return (said.on.target, said.on.value) == (step.schedule.on.target, step.schedule.on.value)


def _keep(planning: Planning, number: int, request: Request, opposite: str | None, end: datetime) -> None:
    """ "Keep the light on until nine": on now, if it is not, and off then."""
    now = drafts_for(_with_state(request, str(request.reading.get("state"))), planning.scene)
    then = drafts_for(_with_state(request, opposite), planning.scene) if opposite else []
    if opposite in ("open", "unlocked"):
        devices = planning.scene.home.devices
        then = [draft for draft in then if not any(devices[one].risky for one in draft.targets)]
    for position, draft in enumerate(now):
        add_step(planning, (number, position), request, draft, Timing())
    for position, draft in enumerate(then, start=len(now)):
        add_step(planning, (number, position), request, draft, Timing(schedule=Schedule(at=end)))


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
    said = tuple(entity for entity in exception.entities if entity.name in PLACES)
    kept = tuple(
        entity
        for entity in request.entities
        if entity.name not in PLACES and (entity.name != "domain" or not named(said))
    )
    return replace(request, entities=(*kept, *said), bare=False)


def _take_time(planning: Planning, request: Request, when: When) -> None:
    """A time said along with an answer answers another question, or is reported."""
    slot = "length" if when.kind == "for" else "moment"
    reading = Reading("Inform", (Entity(slot, when.moment, when.text),))  # type: ignore[arg-type]
    answer = replace(request, reading=reading, alternatives=(), when=())
    if when.moment is None or not _take_answer(planning, answer):
        planning.not_done.append(NotDone(when.text, planning.reason("not_understood")))


def _plan_steps(planning: Planning, number: int, request: Request) -> None:
    request = _with_so(planning, number, request)
    found = timing(_without_own_time(request, planning.scene), planning.scene)
    if found.problem == "cannot_know" and request.intent in QUESTIONS:
        request = replace(request, when=())  # "before I go to bed is the door locked": an answer does no harm
        found = Timing()
    if found.problem:
        planning.scene.groups.append(devices_of(request, planning.scene))
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
        add_step(planning, (number, position), request, draft, found)
    if found.endless:
        planning.not_done.append(NotDone(found.endless, planning.reason("endless")))


def _with_so(planning: Planning, number: int, request: Request) -> Request:
    """ "If so": the condition is what the request before asked."""
    whens = []
    for when in request.when:
        if when.condition is not None and when.condition.target == "so":
            asked = (_asked_condition(planning, one) for one in reversed(planning.requests[:number]))
            condition = next((one for one in asked if one is not None), None)
            when = replace(when, condition=condition or replace(when.condition, target=None))
        whens.append(_with_own_things(planning, request, when))
    return replace(request, when=tuple(whens))


def _with_own_things(planning: Planning, request: Request, when: When) -> When:
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


def _looked_at(planning: Planning, request: Request) -> list[str]:
    """The devices that conditions of earlier requests speak of, the last first."""
    earlier = [one for one in planning.requests if one.start < request.start]
    conditions = [when.condition for one in reversed(earlier) for when in one.when if when.condition is not None]
    found = [resolved(one, planning.scene.home).target for one in conditions if not isinstance(one.target, dict)]
    return [one for one in found if one is not None and one in planning.scene.home.devices]


def _asked_condition(planning: Planning, asked: Request) -> Condition | None:
    """What a question asked, as a condition."""
    if asked.intent == "HassGetWeather":
        return Condition("rain", value="on", text=asked.text)
    state = asked.reading.get("state")
    devices = devices_of(asked, planning.scene)
    if state is None or not devices:
        return None
    planning.scene.groups.append(devices)
    return Condition(devices[0], value=state, text=asked.text)


def _taken_as_text(planning: Planning, request: Request) -> bool:
    """Whether words that come to nothing as a request answer an open question for words ("mow the lawn")."""
    for question in planning.open_questions():
        slots = answers.free_text(question, request.text, planning.scene.words)
        if slots is not None:
            fill(planning, question, slots)
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


def _without_excepted(
    planning: Planning, number: int, request: Request, drafts: list[Draft]
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
    out |= {one for draft in drafts for one in draft.targets if _forgotten(planning, spelled(planning, [one]))}
    taken_back = _taken_back_items(planning, request, drafts)
    if _retracted(planning, number, request):
        return []
    return [kept for draft in drafts if (kept := _reduced(draft, out, taken_back)) is not None]


def _left_alone(planning: Planning, number: int, request: Request) -> set[str]:
    """Devices that other requests of the utterance say to leave as they are, or not to treat like this."""
    out: set[str] = set()
    for other, another in enumerate(planning.requests):
        if other == number or other in request.after:
            continue
        if not _applies(planning, another):
            continue
        spared = another.intent in SPARES
        denied = another.negated and another.intent == request.intent and not _said_anew(planning, other, number)
        if (spared or denied) and any(entity.name in PLACES for entity in another.entities):
            out.update(devices_of(another, planning.scene))
    return out


def _applies(planning: Planning, request: Request) -> bool:
    """Whether the conditions that a wish to leave something alone stands under are met, or cannot be known."""
    whens = [_with_own_things(planning, request, when) for when in request.when]
    found = timing(replace(request, when=tuple(when for when in whens if when.condition)), planning.scene)
    return all(holds(condition, planning.scene.home) == wanted for condition, wanted in found.checks)


def _said_anew(planning: Planning, denied: int, number: int) -> bool:
    """Whether what was denied is asked for after all ("don't turn it on now, turn it on at nine")."""
    first, second = (devices_of(planning.requests[one], planning.scene) for one in (denied, number))
    return denied < number and set(first) == set(second)


def _retracted(planning: Planning, number: int, request: Request) -> bool:
    """Whether another request takes back exactly this one ("... no don't start the vacuum")."""
    return any(
        another.negated and another.intent == request.intent and _said(another) == _said(request)
        for other, another in enumerate(planning.requests)
        if other > number
    )


def _said(request: Request) -> list[tuple[str, str]]:
    return sorted((entity.name, str(entity.value)) for entity in request.entities)


def _forgotten(planning: Planning, names: Sequence[str]) -> bool:
    """Whether the utterance takes back a thing of one of these names ("actually forget the coffee")."""
    texts = [one.reading.get("item") for one in planning.requests if one.intent == "TakeBack"]
    return any(isinstance(said, str) and overlaps(planning, said, names) for said in texts)


def _taken_back_items(planning: Planning, request: Request, drafts: Sequence[Draft]) -> set[str]:
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


def _same(planning: Planning, number: int, request: Request) -> None:
    """ "Same for the bedroom": the last request with other devices, and those said in one go with it."""
    earlier = _earlier(planning, number)
    if earlier is None:
        planning.report(request, "no_antecedent")
        return
    for one in (*_said_with(planning, number - 1 if request.intent == "Same" else 0), earlier):
        _same_as(planning, number, request, one)


def _said_with(planning: Planning, number: int) -> tuple[Request, ...]:
    """The requests that were said in one go with this one, before it."""
    first = number
    while first > 0 and _one_go(planning.requests[first - 1], planning.requests[first]):
        first -= 1
    return planning.requests[max(first, 0) : max(number, 0)]


def _one_go(one: Request, two: Request) -> bool:
    """Whether a request goes on from the one before with no word between ("play jazz | at volume ten")."""
    return one.end == two.start and two.reading.get("name") is None


def _same_as(planning: Planning, number: int, request: Request, earlier: Request) -> None:
    said = tuple(entity for entity in request.entities if entity.name in PLACES)
    drop = set(PLACES) if any(entity.name == "name" for entity in said) else {"area", "floor"}
    if isinstance(earlier.reading.get("name"), str):
        drop.add("name")
    if any(entity.name == "name" for entity in said):
        drop.add("domain")
    kept = tuple(entity for entity in earlier.entities if entity.name not in drop)
    reading = replace(earlier.reading, entities=(*kept, *said), bare=False)
    reading = _with_kind(planning, earlier, reading, said)
    _plan_request(planning, number, replace(request, reading=reading, alternatives=(), meant=request.text))


def _with_kind(planning: Planning, earlier: Request, reading: Reading, said: Sequence[Entity]) -> Reading:
    """A place alone means devices there of the kind that was named before."""
    if any(entity.name == "name" for entity in said) or reading.get("domain") is not None:
        return reading
    kinds = {planning.scene.home.devices[one].domain for one in devices_of(earlier, planning.scene)}
    return replace(reading, domains=tuple(sorted(kinds))) if kinds else reading


def _earlier(planning: Planning, number: int) -> Request | None:
    if number > 0:
        return planning.requests[number - 1]
    requests = planning.tracker.state.last_requests
    return requests[-1] if requests else None


def _later(planning: Planning, number: int, request: Request) -> bool:
    """Whether this is "don't start it now, do it at ten": what was just denied, planned for then."""
    moment = request.reading.get("moment")
    earlier = planning.requests[number - 1] if number else None
    if earlier is None or not earlier.negated or not isinstance(moment, Moment):
        return False
    when = When("at", moment.text, moment)
    _plan_steps(planning, number - 1, replace(earlier, negated=False, when=(when,)))
    return True


def _cancel_plan(planning: Planning, number: int, request: Request) -> None:
    """ "Stop it" is the music where nothing was planned or set last."""
    others = tuple(one for one in request.alternatives if one.intent in BUILDERS)
    state = planning.tracker.state
    if others and not planning.open_questions():
        newest = past.steps_of_turn(state)
        standing = any(step.status == "scheduled" or clock_of(planning, step) for step in newest)
        other = replace(request, reading=others[0], alternatives=others[1:])
        if not standing and not any(draft.problem for draft in drafts_for(other, planning.scene)):
            _plan_steps(planning, number, other)
            return
    cancel_plan(planning, number, request)


def _reschedule(planning: Planning, number: int, request: Request) -> None:
    if not _later(planning, number, request):
        reschedule(planning, number, request)


def _repeat(planning: Planning, number: int, request: Request) -> None:
    earlier = _earlier(planning, number)
    if earlier is None:
        planning.report(request, "no_antecedent")
    else:
        _plan_request(planning, number, earlier)


_SPECIAL: Mapping[str, Callable[[Planning, int, Request], None]] = {
    "Undo": undo,
    "CancelPlan": _cancel_plan,
    "AskSchedule": ask_schedule,
    "AskHistory": ask_history,
    "Repeat": _repeat,
    "Retry": retry,
    "Reschedule": _reschedule,
    "TakeBack": take_back,
    "DoFirst": _first,
}
