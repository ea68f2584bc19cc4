"""A conversation is a list of events, and what is remembered is what replaying them gives."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.context import ContextState, PastTurn, Tracker, after
from dialogue.events import (
    AnyEvent,
    BotUttered,
    EffectHappened,
    Mentioned,
    QuestionAsked,
    QuestionClosed,
    SlotSet,
    StepChanged,
    StepPlanned,
    UserUttered,
)
from dialogue.types import Effect, Question, Reading, Request, Schedule, Step

STEP = Step("c:0.1.1", "action_x", {"value": 1}, "do x")
WHICH = Question("c:0.1.1", "targets", "which one?", ("a", "b"))
ON = Request("x on", "x on", Reading("HassTurnOn"), 0, 2)


def remembered(*events: AnyEvent) -> ContextState:
    return Tracker.replayed("c", events).state


def test_turns_hold_their_requests_and_steps() -> None:
    """A step belongs to the turn it was planned in."""
    other = Step("c:1.1.1", "action_y", {}, "do y")
    state = remembered(UserUttered("x on", (ON,)), StepPlanned(STEP), UserUttered("y"), StepPlanned(other))
    assert state.turns == (PastTurn("x on", (ON,), (STEP.id,)), PastTurn("y", (), (other.id,)))
    assert list(state.steps) == [STEP.id, other.id]


def test_last_requests_are_those_of_the_newest_turn_that_had_any() -> None:
    """Talk in between does not make "it" forget what was asked for."""
    assert remembered(UserUttered("x on", (ON,)), UserUttered("hm")).last_requests == (ON,)
    assert ContextState().last_requests == ()


def test_a_step_keeps_what_a_change_does_not_mention() -> None:
    """A change of status leaves slots and schedule alone unless it brings new ones."""
    later = Schedule()
    state = remembered(
        StepPlanned(STEP),
        StepChanged(STEP.id, "scheduled", schedule=later),
        StepChanged(STEP.id, "failed", "too hot"),
    )
    step = state.steps[STEP.id]
    assert (step.status, step.reason, step.slots, step.schedule) == ("failed", "too hot", {"value": 1}, later)
    changed = after(state, StepChanged(STEP.id, "pending", slots={"value": 2})).steps[STEP.id]
    assert (changed.slots, changed.reason) == ({"value": 2}, "")


def test_changes_of_unknown_steps_are_passed_over() -> None:
    """An event about a step that nobody planned changes nothing."""
    assert remembered(StepChanged("nobody", "done")) == ContextState()


def test_the_agenda_keeps_its_order() -> None:
    """Questions wait in the order they were asked and leave in any order."""
    second = Question("c:0.2.1", "seconds", "how long?")
    asked = remembered(QuestionAsked(WHICH), QuestionAsked(second))
    assert asked.questions == (WHICH, second)
    assert after(asked, QuestionClosed(WHICH.step, WHICH.slot)).questions == (second,)
    assert after(asked, QuestionClosed(second.step, second.slot)).questions == (WHICH,)
    assert after(asked, QuestionClosed(WHICH.step, "another slot")).questions == (WHICH, second)


def test_effects_add_up_per_step() -> None:
    """All that a step changed is kept together, in order, with the values before."""
    first, second = Effect("a", {"state": "on"}, {"state": "off"}), Effect("b", {"state": "on"})
    state = remembered(EffectHappened("s", first), EffectHappened("t", first), EffectHappened("s", second))
    assert state.effects == {"s": (first, second), "t": (first,)}


def test_slots_and_mentions_are_remembered() -> None:
    """The newest value of a slot counts; what was spoken of is kept per turn."""
    state = remembered(SlotSet("area", "den"), SlotSet("area", "study"), Mentioned((("a",), ("b", "c"))))
    assert state.slots == {"area": "study"}
    assert state.mentioned == ((("a",), ("b", "c")),)


def test_speech_changes_nothing() -> None:
    """What the assistant says is an event like others, and nothing is remembered of it but the event."""
    assert remembered(BotUttered("hello")) == ContextState()


def test_state_is_never_changed_in_place() -> None:
    """A state once read stays as it was, whatever happens afterwards."""
    tracker = Tracker("c")
    tracker.append(StepPlanned(STEP))
    before = tracker.state
    tracker.append(StepChanged(STEP.id, "done"))
    assert before.steps[STEP.id].status == "pending"
    assert tracker.state.steps[STEP.id].status == "done"
    with pytest.raises(FrozenInstanceError):
        before.turns = ()  # type: ignore[misc]


EVENTS: list[AnyEvent] = [
    UserUttered("x on", (ON,)),
    BotUttered("done"),
    StepPlanned(STEP),
    StepChanged(STEP.id, "running"),
    StepChanged(STEP.id, "done", slots={"value": 3}),
    EffectHappened(STEP.id, Effect("a", {"state": "on"}, {"state": "off"})),
    QuestionAsked(WHICH),
    QuestionClosed(WHICH.step, WHICH.slot, "withdrawn"),
    Mentioned((("a",),)),
    SlotSet("area", "den"),
]
some_events = st.lists(st.sampled_from(EVENTS), max_size=12)


@given(some_events, some_events)
def test_replaying_gives_the_same_state(first: list[AnyEvent], second: list[AnyEvent]) -> None:
    """Replaying all events at once, or some now and the rest later, comes to the same."""
    tracker = Tracker.replayed("c", first)
    for event in second:
        tracker.append(event)
    assert tracker.events == [*first, *second]
    assert tracker.state == remembered(*first, *second)
