"""Requests become steps: which devices, which action, when, in which order, and what has to be asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from conftest import shipped_parts

from dialogue.config import with_fresh_home
from dialogue.context import Tracker
from dialogue.events import AnyEvent, QuestionAsked, QuestionClosed, StepChanged, StepPlanned, UserUttered
from dialogue.home import SimulatedHome
from dialogue.policy import RulePolicy
from dialogue.types import Entity, Hypothesis, Moment, Plan, Reading, Request, Step, Utterance, When

NOW = datetime(2026, 3, 2, 18)


class Desk:
    """A policy with a conversation: takes utterances or words, keeps the events of each decision."""

    def __init__(self) -> None:
        parts = with_fresh_home(shipped_parts())
        self.home: SimulatedHome = parts.home
        self.splitter = parts.splitter
        self.policy = RulePolicy(parts.home, parts.responses.say, parts.grammar.words)
        self.tracker = Tracker("c")
        self.events: tuple[AnyEvent, ...] = ()

    def hear(self, text: str) -> Plan:
        return self.take(self.splitter.split((Hypothesis(text),), self.tracker.state))

    def take(self, utterance: Utterance) -> Plan:
        plan, self.events = self.policy.plan(utterance, self.tracker, NOW)
        for event in (UserUttered(utterance.text, utterance.requests), *self.events):
            self.tracker.append(event)
        return plan


@pytest.fixture
def desk() -> Desk:
    return Desk()


def request(intent: str, *entities: tuple[str, Any], **more: Any) -> Request:
    """A request as the splitter would make it."""
    reading = Reading(intent, tuple(Entity(name, value, str(value)) for name, value in entities))
    return Request(intent, intent, reading, 0, 1, **more)


def targets(step: Step) -> list[str]:
    found = step.slots["targets"]
    assert isinstance(found, list)
    return [str(one) for one in found]


KETTLE_ON = request("HassTurnOn", ("name", "kettle"))
DOOR_LOCKED = request("HassTurnOn", ("name", "side door"))

# --- steps ------------------------------------------------------------------------------


def test_a_request_becomes_a_step(desk: Desk) -> None:
    """A device and what is asked of it become one step that is ready to run, and an event that says so."""
    (step,) = desk.take(Utterance("kettle on", (KETTLE_ON,))).steps
    assert (step.action, step.status, targets(step)) == ("action_change_devices", "pending", ["switch.kettle"])
    assert step.slots["change"] == {"state": "on"}
    assert StepPlanned(step, 0) in desk.events


def test_ids_say_where_a_step_comes_from_and_never_repeat(desk: Desk) -> None:
    """An id names conversation, turn, request and step, so that no two steps ever share one."""
    first = desk.take(Utterance("", (KETTLE_ON, DOOR_LOCKED))).steps
    second = desk.take(Utterance("", (KETTLE_ON,))).steps
    assert [step.id for step in (*first, *second)] == ["c:0.1.1", "c:0.2.1", "c:1.1.1"]


def test_the_same_utterance_in_the_same_state_gives_the_same_plan() -> None:
    """Deciding depends on nothing but what was heard and remembered."""
    text = "turn off all the lights except the desk lamp and set a timer and lock the side door at ten"
    assert Desk().hear(text) == Desk().hear(text)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("kettle", {"state": "on"}),
        ("side door", {"state": "locked"}),
        ("study blinds", {"position": 100}),
        ("vacuum", {"state": "cleaning"}),
    ],
)
def test_on_means_what_it_means_for_the_device(desk: Desk, name: str, change: dict[str, Any]) -> None:
    """ "On" is on for a switch, locked for a lock, open for a blind, cleaning for a vacuum."""
    (step,) = desk.take(Utterance("", (request("HassTurnOn", ("name", name)),))).steps
    assert step.slots["change"] == change


def test_order_becomes_waiting(desk: Desk) -> None:
    """A request that comes after another is planned behind it and waits for its step."""
    waiting = request("HassTurnOn", ("name", "kettle"), after=(1,))
    first, second = desk.take(Utterance("", (waiting, DOOR_LOCKED))).steps
    assert (targets(first), targets(second)) == (["lock.side_door"], ["switch.kettle"])
    assert second.waits_for == (first.id,)


def test_order_in_a_circle_still_ends(desk: Desk) -> None:
    """Two requests that each come after the other are both planned once."""
    one = request("HassTurnOn", ("name", "kettle"), after=(1,))
    two = request("HassTurnOn", ("name", "side door"), after=(0,))
    assert len(desk.take(Utterance("", (one, two))).steps) == 2


# --- what is left out -------------------------------------------------------------------


def test_exceptions_are_left_out(desk: Desk) -> None:
    """Devices that are excepted are no target of the step."""
    spared = request("HassTurnOff", ("name", "desk lamp"))
    (step,) = desk.take(Utterance("", (request("HassTurnOff", ("domain", "light"), exceptions=(spared,)),))).steps
    assert "light.desk_lamp" not in targets(step)
    assert "light.corner_lamp" in targets(step)


def test_an_exception_nobody_knows_stops_its_request(desk: Desk) -> None:
    """Who excepts what the home does not have is told so; nothing is turned off by guess."""
    unknown = request("HassTurnOff", ("name", "chandelier"))
    plan = desk.take(
        Utterance("", (request("HassTurnOff", ("domain", "light"), exceptions=(unknown,)), KETTLE_ON))
    )
    assert [targets(step) for step in plan.steps] == [["switch.kettle"]]
    assert len(plan.not_done) == 1


@pytest.mark.parametrize("more", [{"negated": True}, {"held": "at sunset"}])
def test_what_must_not_run_is_no_step(desk: Desk, more: dict[str, Any]) -> None:
    """A negated request and one with words that nobody understands lead to no step."""
    plan = desk.take(Utterance("", (request("HassTurnOn", ("name", "kettle"), **more),)))
    assert plan.steps == ()
    assert bool(plan.not_done) == ("held" in more)


def test_what_nothing_explains_is_reported(desk: Desk) -> None:
    """Words that are no request at all are reported in the user's words, and the rest is planned."""
    plan = desk.take(Utterance("", (KETTLE_ON,), unexplained=("feed the giraffe",)))
    assert [report.text for report in plan.not_done] == ["feed the giraffe"]
    assert len(plan.steps) == 1


@pytest.mark.parametrize(
    "entities",
    [
        (("name", "chandelier"),),
        (("area", "cellar"), ("domain", "light")),
        (("area", "garden"), ("domain", "lock")),
    ],
)
def test_what_the_home_does_not_have_is_reported(desk: Desk, entities: tuple[tuple[str, Any], ...]) -> None:
    """No such device, no such place, or none of that kind there: a report, and no step."""
    plan = desk.take(Utterance("", (request("HassTurnOn", *entities),)))
    assert (plan.steps, len(plan.not_done)) == ((), 1)


# --- which ones -------------------------------------------------------------------------


def test_a_noun_that_fits_several_is_asked_about(desk: Desk) -> None:
    """ "The lamp" could be two: the step asks and names both, and an event puts the question on the agenda."""
    (step,) = desk.hear("turn on the lamp").steps
    assert (step.status, step.question and step.question.choices) == (
        "asking",
        ("light.corner_lamp", "light.desk_lamp"),
    )
    assert step.question is not None and "corner lamp" in step.question.text
    assert QuestionAsked(step.question) in desk.events


def test_the_plural_of_a_noun_means_all(desk: Desk) -> None:
    """ "The lamps" are both, and nobody has to ask."""
    (step,) = desk.hear("turn on the lamps").steps
    assert sorted(targets(step)) == ["light.corner_lamp", "light.desk_lamp"]


def test_a_noun_after_its_name_is_that_one(desk: Desk) -> None:
    """Once the desk lamp was named in the same breath, "the lamp" is the desk lamp."""
    steps = desk.hear("turn on the desk lamp and set the lamp to blue").steps
    assert [targets(step) for step in steps] == [["light.desk_lamp"], ["light.desk_lamp"]]


def test_a_pronoun_is_the_last_thing_the_verb_fits(desk: Desk) -> None:
    """After a light and a lock, "dim it" is the light and "them" are both."""
    desk.hear("turn on the desk lamp and lock the side door")
    (step,) = desk.hear("dim it to ten percent").steps
    assert targets(step) == ["light.desk_lamp"]


def test_a_pronoun_without_anything_before_it_is_reported(desk: Desk) -> None:
    """ "Turn it off" out of the blue is nothing anyone could do."""
    plan = desk.hear("turn it off")
    assert (plan.steps, len(plan.not_done)) == ((), 1)


# --- when -------------------------------------------------------------------------------


def test_a_time_schedules_the_step(desk: Desk) -> None:
    """A request with a time is planned for it, at its next occurrence."""
    at = When("at", "at ten", Moment(hour=10, text="at ten"))
    (step,) = desk.take(Utterance("", (request("HassTurnOn", ("name", "kettle"), when=(at,)),))).steps
    assert step.status == "scheduled"
    assert step.schedule is not None and step.schedule.at == NOW.replace(hour=22)


def test_a_length_adds_the_reverse(desk: Desk) -> None:
    """ "For ten minutes" adds a step that takes the change back, and waits for it to have happened."""
    step, reverse = desk.hear("turn on the kettle for ten minutes").steps
    assert (reverse.reverses, reverse.waits_for, reverse.if_done) == (step.id, (step.id,), True)
    assert reverse.schedule is not None and reverse.schedule.at == NOW + timedelta(minutes=10)


def test_an_event_is_waited_for(desk: Desk) -> None:
    """ "When it rains" plans the step on the sensor that tells rain."""
    (step,) = desk.hear("when it rains turn off the fountain").steps
    assert step.status == "scheduled"
    assert step.schedule is not None and step.schedule.on is not None
    assert step.schedule.on.target == "binary_sensor.rain"


def test_a_state_is_looked_at_now(desk: Desk) -> None:
    """ "If the side door is unlocked": as it stands, that decides whether there is a step at all."""
    assert len(desk.hear("if the side door is unlocked lock it").steps) == 1
    refused = desk.hear("if the front door is unlocked lock it")
    assert (refused.steps, len(refused.not_done)) == ((), 1)


def test_what_the_home_cannot_know_is_not_promised(desk: Desk) -> None:
    """Nothing is planned on the end of a film; that is said."""
    plan = desk.hear("turn off the kettle when the film is over")
    assert (plan.steps, len(plan.not_done)) == ((), 1)


def test_a_day_without_an_hour_is_asked_about(desk: Desk) -> None:
    """ "Tomorrow" is no time to start a vacuum at: it asks, or the hour is chosen, but it is not now."""
    (step,) = desk.hear("start the vacuum tomorrow").steps
    assert step.status in ("asking", "scheduled")


# --- questions and answers --------------------------------------------------------------


def test_what_lacks_a_value_asks_and_the_rest_goes_on(desk: Desk) -> None:
    """A timer without a length asks for it; the kettle does not wait for the answer."""
    statuses = {step.action: step.status for step in desk.hear("set a timer and turn on the kettle").steps}
    assert statuses == {"action_start_timer": "asking", "action_change_devices": "pending"}


def test_an_answer_completes_its_step(desk: Desk) -> None:
    """The answer fills the slot, closes the question, and hands the very same step to be run."""
    (asking,) = desk.hear("set a timer").steps
    (filled,) = desk.hear("five minutes").steps
    assert (filled.id, filled.status, filled.slots["seconds"]) == (asking.id, "pending", 300)
    assert QuestionClosed(asking.id, "seconds") in desk.events


@pytest.mark.parametrize("answer", ["no", "never mind"])
def test_a_refusal_withdraws_the_question(desk: Desk, answer: str) -> None:
    """Who declines to answer is not asked again, and the step is cancelled."""
    (asking,) = desk.hear("set a timer").steps
    assert desk.hear(answer).steps == ()
    assert desk.tracker.state.questions == ()
    assert desk.tracker.state.steps[asking.id].status == "cancelled"


def test_a_new_request_leaves_the_question_open(desk: Desk) -> None:
    """Asking for something else in between is fine: it is planned, and the question waits."""
    desk.hear("set a timer")
    (step,) = desk.hear("turn on the kettle").steps
    assert targets(step) == ["switch.kettle"]
    assert [question.slot for question in desk.tracker.state.questions] == ["seconds"]


# --- earlier steps ----------------------------------------------------------------------


def test_a_plan_can_be_cancelled(desk: Desk) -> None:
    """ "Cancel that" cancels what is planned; the step itself says so."""
    (planned,) = desk.hear("turn off the fountain at ten").steps
    (cancelling,) = desk.hear("cancel that").steps
    assert cancelling.action == "action_cancel_plan"
    assert StepChanged(planned.id, "cancelled") in desk.events


def test_nothing_to_undo_is_said(desk: Desk) -> None:
    """Undo in a new conversation has nothing to take back."""
    plan = desk.hear("undo that")
    assert (plan.steps, len(plan.not_done)) == ((), 1)


def test_the_policy_changes_nothing_itself(desk: Desk) -> None:
    """Deciding leaves home and memory as they are; only events and effects change them."""
    before = {one: dict(desk.home.state(one)) for one in desk.home.devices}
    utterance = desk.splitter.split((Hypothesis("turn off everything"),), desk.tracker.state)
    desk.policy.plan(utterance, desk.tracker, NOW)
    assert {one: dict(desk.home.state(one)) for one in desk.home.devices} == before
    assert desk.tracker.events == []


# --- readings that came close -----------------------------------------------------------

FAN_ON = request("HassTurnOn", ("name", "kitchen fan"))


def test_what_only_one_of_two_close_readings_would_do_is_asked_about(desk: Desk) -> None:
    """Another reading came close and would leave the kettle off: the kettle waits for a yes, the fan does not."""
    other = Utterance("kettle and fan on", (FAN_ON,), cost=2.05)
    plan = desk.take(Utterance("kettle and fan on", (KETTLE_ON, FAN_ON), cost=2.0, runners_up=(other,)))
    assert [step.status for step in plan.steps] == ["confirming", "pending"]
    assert plan.steps[0].question is not None
    (confirmed,) = desk.hear("yes").steps
    assert (confirmed.id, confirmed.status) == (plan.steps[0].id, "pending")


def test_a_no_leaves_the_doubtful_step_undone(desk: Desk) -> None:
    other = Utterance("kettle on", (FAN_ON,), cost=1.0)
    (asked,) = desk.take(Utterance("kettle on", (KETTLE_ON,), cost=1.0, runners_up=(other,))).steps
    assert desk.hear("no").steps == ()
    assert desk.tracker.state.steps[asked.id].status == "cancelled"


def test_close_readings_that_do_the_same_need_no_question(desk: Desk) -> None:
    """Two readings that differ in words only come to the same steps."""
    other = Utterance("kettle on", (replace(KETTLE_ON, text="on"),), cost=1.0)
    (step,) = desk.take(Utterance("kettle on", (KETTLE_ON,), cost=1.0, runners_up=(other,))).steps
    assert step.status == "pending"


def test_what_else_may_have_been_heard_is_no_reason_to_ask(desk: Desk) -> None:
    """Another hypothesis of the recognizer has other words; it was ranked by its sound already."""
    other = Utterance("cattle on", (FAN_ON,), cost=1.0)
    (step,) = desk.take(Utterance("kettle on", (KETTLE_ON,), cost=1.0, runners_up=(other,))).steps
    assert step.status == "pending"
