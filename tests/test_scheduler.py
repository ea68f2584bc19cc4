"""What falls due: times that have come, and events that were waited for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from dialogue.context import ContextState
from dialogue.scheduler import StandingClock, SystemClock, compare, due, next_due, triggered
from dialogue.types import Condition, Effect, Schedule, Step, StepStatus

SIX = datetime(2026, 3, 2, 18)
RAIN = Condition("binary_sensor.rain", value="on", event=True)


def step(name: str, *, status: StepStatus = "scheduled", **schedule: Any) -> Step:
    return Step(name, "action_x", {}, name, status=status, schedule=Schedule(**schedule) if schedule else None)


def state(*steps: Step) -> ContextState:
    return ContextState(steps={one.id: one for one in steps})


def names(steps: list[Step]) -> list[str]:
    return [one.id for one in steps]


def test_due_are_those_whose_time_has_come_the_earliest_first() -> None:
    """Steps come due in the order of their times, those of one time in the order in which they were planned."""
    hour = timedelta(hours=1)
    planned = state(
        step("late", at=SIX + hour), step("b", at=SIX), step("a", at=SIX), step("early", at=SIX - hour)
    )
    assert names(due(planned, SIX)) == ["early", "b", "a"]
    assert next_due(planned) == SIX - hour


@pytest.mark.parametrize("status", ["pending", "asking", "running", "done", "cancelled", "undone", "failed"])
def test_only_planned_steps_come_due(status: StepStatus) -> None:
    """A step that was done or cancelled does not come due again."""
    planned = state(step("x", status=status, at=SIX))
    assert (due(planned, SIX), next_due(planned)) == ([], None)


def test_a_step_without_a_schedule_never_comes_due() -> None:
    """Nothing planned, nothing due."""
    assert due(state(step("x")), SIX) == []
    assert next_due(ContextState()) is None


def test_an_event_sets_off_the_steps_that_waited_for_it() -> None:
    """The effect a step waits for sets it off; other effects, and the opposite one, do not."""
    planned = state(step("rain", on=RAIN), step("time", at=SIX))
    assert names(triggered(planned, [Effect("binary_sensor.rain", {"state": "on"})])) == ["rain"]
    assert triggered(planned, [Effect("binary_sensor.rain", {"state": "off"})]) == []
    assert triggered(planned, [Effect("switch.kettle", {"state": "on"})]) == []


def test_a_step_that_waits_for_an_event_does_not_come_due_by_time() -> None:
    """A time beside an event says when the event is expected; the event alone counts."""
    planned = state(step("rain", at=SIX, on=RAIN))
    assert due(planned, SIX) == []


def test_the_end_of_a_timer_is_an_event() -> None:
    """ "When the timer ends" is set off by a timer that finished, not by one that starts."""
    planned = state(step("x", on=Condition("timer", event=True)))
    assert names(triggered(planned, [Effect("timer", {"finished": "tea"})])) == ["x"]
    assert triggered(planned, [Effect("timer", {"started": 60})]) == []


@pytest.mark.parametrize(
    ("have", "comparison", "value", "holds"),
    [
        ("on", "=", "on", True),
        ("on", "=", "off", False),
        ("on", "!=", "off", True),
        ("open", "=", "on", True),
        ("closed", "=", "on", False),
        (100, "=", "open", True),
        (0, "=", "closed", True),
        (4, "<", 5, True),
        ("5", "<", 5, False),
        (5.5, ">", "5", True),
        ("warm", ">", 5, False),
        (None, "<", 5, False),
    ],
)
def test_comparisons(have: Any, comparison: Any, value: Any, holds: bool) -> None:
    """States compare as words (an open door is "on"), sizes as numbers, and nonsense does not hold."""
    assert compare(have, Condition("x", comparison=comparison, value=value)) is holds


def test_clocks() -> None:
    """The system's clock goes on by itself, the standing one when it is moved; both tell whole seconds."""
    clock = StandingClock(SIX)
    assert clock.now() == clock.now() == SIX
    clock.time += timedelta(minutes=5)
    assert clock.now() == datetime(2026, 3, 2, 18, 5)
    now = SystemClock().now()
    assert abs(datetime.now() - now) < timedelta(seconds=2)
    assert now.microsecond == 0
