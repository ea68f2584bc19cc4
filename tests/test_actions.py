"""What the actions do to the home, say and report; each runs in process through rasa-sdk's executor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from small_home import small_home
from test_home import everything

from dialogue.context import Tracker
from dialogue.executor import InProcessExecutor
from dialogue.home import SimulatedHome
from dialogue.responses import load_responses
from dialogue.types import Effect, Outcome, Step

NOW = datetime(2026, 3, 2, 18)
ENGLISH = Path(__file__).parents[1] / "grammars" / "en" / "responses.yaml"
Do = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path) -> SimulatedHome:
    return small_home(tmp_path)


@pytest.fixture
def do(home: SimulatedHome) -> Do:
    """Runs an action with the slots given, each time as a new step unless ``step`` names it."""
    executor = InProcessExecutor(home, load_responses(ENGLISH))
    count = iter(range(1, 1000))

    def run(action: str, *, step: str = "", now: datetime = NOW, **slots: Any) -> Outcome:
        return executor.run(Step(step or f"s{next(count)}", action, slots, "as said"), Tracker("c"), now)

    return run


def changes(outcome: Outcome) -> list[tuple[str, dict[str, Any]]]:
    """What an outcome changed, without ids."""
    return [
        (effect.target, {name: value for name, value in effect.change.items() if name != "id"})
        for effect in outcome.effects
    ]


def as_slot(effects: tuple[Effect, ...]) -> list[dict[str, Any]]:
    return [{"target": one.target, "change": one.change, "before": one.before} for one in effects]


# --- devices


def test_changes_every_target(home: SimulatedHome, do: Do) -> None:
    """One effect per device, in order, with the asked attributes only."""
    outcome = do("action_change_devices", targets=["light.spot", "light.shelf"], change={"state": "off"})
    assert outcome.status == "done"
    assert changes(outcome) == [("light.spot", {"state": "off"}), ("light.shelf", {"state": "off"})]
    assert home.state("light.spot") == {"state": "off", "brightness": 0}


def test_what_a_device_cannot_take_fails_for_it_alone(home: SimulatedHome, do: Do) -> None:
    """The shelf light cannot be dimmed, the spot light is; the reason names the one that could not."""
    outcome = do("action_change_devices", targets=["light.shelf", "light.spot"], change={"brightness": 50})
    assert outcome.status == "done"
    assert changes(outcome) == [("light.spot", {"brightness": 50})]
    assert outcome.reason == "the shelf light cannot be dimmed"
    assert home.state("light.shelf") == {"state": "off"}


def test_half_a_change_is_done_and_the_other_half_reported(do: Do) -> None:
    """ "Fifty percent and green" dims a lamp that has no colors."""
    outcome = do("action_change_devices", targets=["light.spot"], change={"brightness": 50, "color": "green"})
    assert changes(outcome) == [("light.spot", {"brightness": 50})]
    assert outcome.reason == "the spot light cannot change color"


@pytest.mark.parametrize(
    ("target", "change", "reason"),
    [
        ("climate.stove", {"temperature": 90}, "the stove only takes 5 to 30, not 90"),
        ("light.lamp", {"color": "mauve"}, "the lamp cannot be set to mauve"),
        ("sensor.outside", {"value": 30}, "the outside temperature only reports and takes no command"),
        ("switch.kettle", {"brightness": 5}, "the kettle has no brightness to set"),
        ("light.attic", {"state": "on"}, "there is no device called light.attic"),
    ],
)
def test_a_value_it_cannot_take_is_never_rounded(
    home: SimulatedHome, do: Do, target: str, change: dict[str, Any], reason: str
) -> None:
    """Nothing changes, and the reason is said in words."""
    before = everything(home)
    outcome = do("action_change_devices", targets=[target], change=change)
    assert (outcome.status, outcome.effects, outcome.reason) == ("failed", (), reason)
    assert everything(home) == before


def test_opening_is_told_as_a_position(do: Do) -> None:
    """Open and position 100 are one thing, and the effect says position."""
    outcome = do("action_change_devices", targets=["cover.shutter"], change={"state": "closed"})
    assert changes(outcome) == [("cover.shutter", {"position": 0})]
    assert outcome.effects[0].before == {"position": 100}


@pytest.mark.parametrize(
    ("target", "attribute", "delta", "value"),
    [
        ("climate.stove", "temperature", 2, 21),
        ("climate.stove", "temperature", 50, 30),
        ("media_player.radio", "volume", -70, 0),
        ("light.spot", "brightness", -12.5, 67.5),
        ("light.lamp", "brightness", 20, 20),
    ],
)
def test_more_or_less_stops_at_the_limit(do: Do, target: str, attribute: str, delta: float, value: float) -> None:
    """Relative changes, and only these, are cut at what the device can do."""
    outcome = do("action_adjust_devices", targets=[target], attribute=attribute, delta=delta)
    assert changes(outcome) == [(target, {attribute: value})]


def test_more_of_what_a_device_lacks_is_reported(do: Do) -> None:
    """A lamp has no volume, the shelf light no brightness."""
    outcome = do(
        "action_adjust_devices", targets=["light.lamp", "media_player.radio"], attribute="volume", delta=5
    )
    assert changes(outcome) == [("media_player.radio", {"volume": 55})]
    assert outcome.reason == "the lamp has no volume to set"
    dimmed = do("action_adjust_devices", targets=["light.shelf"], attribute="brightness", delta=5)
    assert (dimmed.status, dimmed.reason) == ("failed", "the shelf light cannot be dimmed")


def test_media_plays_and_obeys_the_remote_control(home: SimulatedHome, do: Do) -> None:
    """Playing sets the state; the buttons are changes like any other."""
    assert changes(do("action_play_media", target="media_player.radio", media="1999")) == [
        ("media_player.radio", {"media": "1999"})
    ]
    assert home.state("media_player.radio")["state"] == "playing"
    for command, change in (
        ("pause", {"state": "paused"}),
        ("next", {"track": "next"}),
        ("mute", {"muted": "yes"}),
    ):
        outcome = do("action_media_control", targets=["media_player.radio"], command=command)
        assert changes(outcome) == [("media_player.radio", change)]
    assert do("action_media_control", targets=["media_player.radio"], command="eject").status == "failed"


def test_announces(do: Do) -> None:
    """What is announced is an effect."""
    assert changes(do("action_announce", message="dinner is ready")) == [
        ("announcement", {"said": "dinner is ready"})
    ]


# --- timers, alarms, reminders


def test_the_life_of_a_timer(home: SimulatedHome, do: Do) -> None:
    """Started, lengthened, paused, resumed and cancelled; the time left is kept through all of it."""
    started = do("action_start_timer", seconds=600, name="pasta")
    timer = str(started.effects[0].change["id"])
    assert changes(started) == [("timer", {"started": 600, "name": "pasta", "at": "2026-03-02T18:10:00"})]
    later = NOW + timedelta(minutes=4)
    longer = do("action_change_timer", timer=timer, delta=300, now=later)
    assert changes(longer)[0][1] == {"changed": 900, "name": "pasta", "at": "2026-03-02T18:15:00"}
    do("action_pause_timers", timers=[timer], now=later)
    assert home.clockworks("timer")[0].remaining == 660
    assert home.next_due() is None
    do("action_resume_timers", timers=[timer], now=later + timedelta(hours=1))
    assert home.next_due() == later + timedelta(hours=1, seconds=660)
    cancelled = do("action_cancel_timers", timers=[timer])
    assert changes(cancelled) == [("timer", {"cancelled": "pasta"})]
    assert home.clockworks("timer") == ()


def test_a_corrected_length_counts_from_the_start(home: SimulatedHome, do: Do) -> None:
    """ "Make that fifteen" a minute later leaves fourteen minutes; a length that is over starts anew."""
    timer = str(do("action_start_timer", seconds=600).effects[0].change["id"])
    do("action_change_timer", timer=timer, seconds=900, now=NOW + timedelta(minutes=1))
    assert home.next_due() == NOW + timedelta(minutes=15)
    do("action_change_timer", timer=timer, seconds=60, now=NOW + timedelta(minutes=5))
    assert home.next_due() == NOW + timedelta(minutes=6)


@pytest.mark.parametrize("seconds", [0, -5, 10**12, float("nan"), "ten", None])
def test_a_length_that_is_none_is_refused(home: SimulatedHome, do: Do, seconds: Any) -> None:
    """No timer runs for no time, for ever, or for a word."""
    assert do("action_start_timer", seconds=seconds).status == "failed"
    assert home.clockworks("timer") == ()


def test_more_cannot_be_taken_off_than_is_left(do: Do) -> None:
    """Five minutes off a timer with one minute left is reported, not rounded to nothing."""
    timer = str(do("action_start_timer", seconds=60).effects[0].change["id"])
    outcome = do("action_change_timer", timer=timer, delta=-300)
    assert (outcome.status, outcome.reason) == ("failed", "the timer has only 1 minute left")


def test_of_several_timers_those_gone_are_reported(do: Do) -> None:
    """One is cancelled, the other is not there any more."""
    timer = str(do("action_start_timer", seconds=60).effects[0].change["id"])
    outcome = do("action_cancel_timers", timers=["timer.gone", timer])
    assert changes(outcome) == [("timer", {"cancelled": 60})]
    assert outcome.reason == "no such timer is running"


def test_alarms_are_set_moved_and_cancelled(home: SimulatedHome, do: Do) -> None:
    """Alarms are told by their time."""
    outcome = do("action_set_alarm", at="2026-03-03T07:00:00", repeat="weekday")
    alarm = str(outcome.effects[0].change["id"])
    assert changes(outcome) == [("alarm", {"set": "2026-03-03T07:00:00", "repeat": "weekday"})]
    do("action_change_alarm", alarm=alarm, at="2026-03-03T07:30:00")
    assert home.next_due() == datetime(2026, 3, 3, 7, 30)
    cancelled = do("action_cancel_alarms", alarms=[alarm])
    assert changes(cancelled) == [("alarm", {"cancelled": "2026-03-03T07:30:00"})]


def test_a_time_that_is_over_or_no_time_is_refused(home: SimulatedHome, do: Do) -> None:
    """Neither yesterday nor "soonish" is a time to wake up at."""
    assert do("action_set_alarm", at="2026-03-02T07:00:00").reason == "7 am is over"
    assert do("action_set_alarm", at="soonish").reason == "soonish is not a time"
    assert do("action_set_alarm", at="2026-03-03T07:00:00", repeat="fortnight").status == "failed"
    assert home.clockworks("alarm") == ()


def test_reminders_wait_for_a_time_or_an_event(home: SimulatedHome, do: Do) -> None:
    """The text is the user's; a change keeps what is not changed."""
    timed = do("action_set_reminder", text="call the bank", at="2026-03-03T09:00:00")
    assert changes(timed) == [("reminder", {"set": "call the bank", "at": "2026-03-03T09:00:00"})]
    on = {"target": "binary_sensor.rain", "value": "on", "text": "when it rains"}
    waiting = do("action_set_reminder", text="shut the roof", on=on)
    assert changes(waiting) == [("reminder", {"set": "shut the roof", "on": on})]
    reminder = str(timed.effects[0].change["id"])
    do("action_change_reminder", reminder=reminder, at="2026-03-03T10:00:00")
    do("action_change_reminder", reminder=reminder, text="call the bank again")
    first = home.clockworks("reminder")[0]
    assert (first.name, first.due) == ("call the bank again", datetime(2026, 3, 3, 10))
    assert changes(do("action_cancel_reminders", reminders=[reminder])) == [
        ("reminder", {"cancelled": "call the bank again"})
    ]


# --- lists


def test_items_are_added_and_removed_one_by_one(home: SimulatedHome, do: Do) -> None:
    """Each item is an effect; what is not on the list is reported, what is on it already not added twice."""
    added = do("action_add_to_list", list="list.shopping", items=["milk", "Bread"])
    assert changes(added) == [("list.shopping", {"added": "milk"}), ("list.shopping", {"added": "Bread"})]
    assert added.responses == ("Bread is already on the shopping list.",)
    removed = do("action_remove_from_list", list="list.shopping", items=["BREAD", "sugar"])
    assert changes(removed) == [("list.shopping", {"removed": "bread"})]
    assert removed.reason == "sugar is not on the shopping list"
    assert home.lists["list.shopping"].items == ("butter", "milk")
    assert changes(do("action_complete_item", list="list.shopping", items=["milk"])) == [
        ("list.shopping", {"removed": "milk"})
    ]


# --- questions


@pytest.mark.parametrize(
    ("action", "slots", "kind", "answer"),
    [
        ("action_answer_time", {}, "time", "It is 6 pm."),
        ("action_answer_date", {}, "date", "It is Monday, March 2."),
        ("action_answer_timers", {}, "timer", "No timer is running."),
        ("action_answer_list", {"list": "list.shopping"}, "list", "On the shopping list: bread and butter."),
        ("action_answer_schedule", {"lines": ["Lamp off at 10 pm."]}, "schedule", "Lamp off at 10 pm."),
        ("action_answer_history", {}, "history", "I have not done anything yet."),
        ("action_answer_weather", {}, "weather", "The rain sensor is dry."),
        (
            "action_answer_state",
            {"targets": ["lock.gate"], "expected": "locked"},
            "device",
            "Yes, the gate is locked.",
        ),
        (
            "action_answer_state",
            {"targets": ["light.shelf"], "expected": "on"},
            "device",
            "No, the shelf light is off.",
        ),
        (
            "action_answer_state",
            {"targets": ["cover.shutter"], "expected": "open"},
            "device",
            "Yes, the shutter is open.",
        ),
        (
            "action_answer_state",
            {"targets": ["binary_sensor.rain"], "expected": "wet"},
            "device",
            "No, the rain sensor is dry.",
        ),
        ("action_answer_state", {"targets": ["climate.stove"]}, "device", "The stove is at 19 degrees."),
        (
            "action_answer_state",
            {"targets": ["sensor.outside"]},
            "device",
            "The outside temperature is 4 °C.",
        ),
        (
            "action_answer_state",
            {"targets": ["light.lamp", "light.shelf"]},
            "device",
            "The lamp and the shelf light are off.",
        ),
    ],
)
def test_answers(do: Do, action: str, slots: dict[str, Any], kind: str, answer: str) -> None:
    """Each question is answered in words and counts as one effect."""
    outcome = do(action, **slots)
    assert changes(outcome) == [("query", {"answered": kind})]
    assert outcome.responses[0] == answer


def test_says_how_long_each_timer_runs(do: Do) -> None:
    """By name where it has one, by length otherwise."""
    do("action_start_timer", seconds=600, name="pasta")
    do("action_start_timer", seconds=300)
    outcome = do("action_answer_timers", now=NOW + timedelta(minutes=1))
    assert outcome.responses == (
        "The pasta timer has 9 minutes left.",
        "The timer for 5 minutes has 4 minutes left.",
    )


def test_a_device_that_does_not_know_is_reported(do: Do) -> None:
    """A lamp has no temperature to tell."""
    outcome = do("action_answer_state", targets=["light.lamp"], attribute="temperature")
    assert (outcome.status, outcome.reason) == ("failed", "the lamp does not tell its temperature")


def test_a_cancelled_plan_is_told_by_its_targets(do: Do) -> None:
    """One effect per device whose plan is gone."""
    assert changes(do("action_cancel_plan", targets=["light.lamp", "vacuum.dusty"])) == [
        ("schedule", {"cancelled": "light.lamp"}),
        ("schedule", {"cancelled": "vacuum.dusty"}),
    ]


# --- once, and back again


@pytest.mark.parametrize(
    ("action", "slots"),
    [
        ("action_start_timer", {"seconds": 60}),
        ("action_add_to_list", {"list": "list.shopping", "items": ["milk"]}),
        ("action_adjust_devices", {"targets": ["media_player.radio"], "attribute": "volume", "delta": 10}),
        ("action_set_reminder", {"text": "stretch", "at": "2026-03-02T19:00:00"}),
    ],
)
def test_a_step_run_twice_is_done_once(home: SimulatedHome, do: Do, action: str, slots: dict[str, Any]) -> None:
    """The step id is the key: the second run reports what the first one did, and changes nothing."""
    first = do(action, step="same", **slots)
    after = everything(home)
    second = do(action, step="same", **slots)
    assert second == first
    assert everything(home) == after


def test_a_step_that_failed_can_be_tried_again(home: SimulatedHome, do: Do) -> None:
    """What did nothing is not remembered as done."""
    assert do("action_cancel_timers", step="same", timers=["timer.one"]).status == "failed"
    do("action_start_timer", step="one", seconds=60)
    assert do("action_cancel_timers", step="same", timers=["timer.one"]).status == "done"


UNDONE = [
    ("action_change_devices", {"targets": ["light.spot", "light.lamp"], "change": {"brightness": 30}}),
    ("action_change_devices", {"targets": ["light.lamp"], "change": {"color": "red"}}),
    ("action_change_devices", {"targets": ["light.spot", "light.shelf"], "change": {"state": "off"}}),
    ("action_change_devices", {"targets": ["cover.shutter"], "change": {"position": 30}}),
    ("action_change_devices", {"targets": ["climate.stove"], "change": {"temperature": 25}}),
    ("action_change_devices", {"targets": ["fan.hood"], "change": {"state": "on"}}),
    ("action_adjust_devices", {"targets": ["media_player.radio"], "attribute": "volume", "delta": 80}),
    ("action_add_to_list", {"list": "list.shopping", "items": ["milk", "bread"]}),
    ("action_remove_from_list", {"list": "list.shopping", "items": ["bread", "butter"]}),
    ("action_start_timer", {"seconds": 60}),
    ("action_change_timer", {"timer": "timer.t", "seconds": 900}),
    ("action_change_timer", {"timer": "timer.t", "delta": -60}),
    ("action_cancel_timers", {"timers": ["timer.t"]}),
    ("action_pause_timers", {"timers": ["timer.t"]}),
    ("action_set_alarm", {"at": "2026-03-03T07:00:00"}),
    ("action_change_alarm", {"alarm": "alarm.a", "at": "2026-03-03T07:30:00"}),
    ("action_cancel_alarms", {"alarms": ["alarm.a"]}),
    ("action_set_reminder", {"text": "stretch", "at": "2026-03-02T19:00:00"}),
    ("action_change_reminder", {"reminder": "reminder.r", "text": "sit"}),
    ("action_cancel_reminders", {"reminders": ["reminder.r"]}),
]


@pytest.mark.parametrize(("action", "slots"), UNDONE)
def test_undoing_brings_everything_back(home: SimulatedHome, do: Do, action: str, slots: dict[str, Any]) -> None:
    """Whatever an action changed, restoring its effects leaves the home as it was."""
    do("action_start_timer", step="t", seconds=600, name="pasta")
    do("action_set_alarm", step="a", at="2026-03-04T06:00:00", repeat="day")
    do("action_set_reminder", step="r", text="stand up", at="2026-03-02T20:00:00")
    before = everything(home)
    outcome = do(action, **slots)
    assert outcome.status == "done"
    assert everything(home) != before
    back = do("action_restore", changes=as_slot(outcome.effects))
    assert (back.status, back.reason) == ("done", "")
    assert everything(home) == before


def test_a_paused_timer_that_was_cancelled_comes_back_paused(home: SimulatedHome, do: Do) -> None:
    """It has the time left that it had when it was paused."""
    do("action_start_timer", step="t", seconds=600)
    do("action_pause_timers", timers=["timer.t"], now=NOW + timedelta(minutes=4))
    cancelled = do("action_cancel_timers", timers=["timer.t"], now=NOW + timedelta(minutes=5))
    do("action_restore", changes=as_slot(cancelled.effects), now=NOW + timedelta(minutes=9))
    assert (home.clockworks("timer")[0].due, home.clockworks("timer")[0].remaining) == (None, 360)


def test_several_changes_of_one_device_go_back_in_one(home: SimulatedHome, do: Do) -> None:
    """From 80 to 10 to 30 and back: one effect, with the value before the first change."""
    first = do("action_change_devices", targets=["light.spot"], change={"brightness": 10})
    second = do("action_change_devices", targets=["light.spot"], change={"brightness": 30})
    back = do("action_restore", changes=as_slot(first.effects + second.effects))
    assert changes(back) == [("light.spot", {"brightness": 80})]


def test_what_was_stopped_before_playing_is_stopped_again(home: SimulatedHome, do: Do) -> None:
    """There was no title before, so only the state goes back."""
    played = do("action_play_media", target="media_player.radio", media="jazz")
    back = do("action_restore", changes=as_slot(played.effects))
    assert changes(back) == [("media_player.radio", {"state": "stopped"})]


def test_what_cannot_be_taken_back_is_said(do: Do) -> None:
    """What was announced has been heard, and an answered question needs no undoing."""
    said = do("action_announce", message="dinner")
    asked = do("action_answer_time")
    back = do("action_restore", changes=as_slot(said.effects + asked.effects))
    assert (back.status, back.reason) == ("failed", "it cannot be taken back")


@pytest.mark.parametrize(
    ("action", "slots"),
    [
        ("action_change_devices", {"targets": "light.spot"}),
        ("action_change_devices", {"targets": [], "change": {"state": "on"}}),
        ("action_change_devices", {"targets": [3], "change": {"state": "on"}}),
        ("action_adjust_devices", {"targets": ["light.spot"], "attribute": "brightness", "delta": "more"}),
        ("action_add_to_list", {"list": "list.none", "items": ["milk"]}),
        ("action_set_reminder", {"text": "  ", "at": "2026-03-03T09:00:00"}),
        ("action_restore", {"changes": "everything"}),
        (
            "action_restore",
            {"changes": [{"target": "alarm", "change": {"cancelled": "x"}, "before": {"odd": 1}}]},
        ),
    ],
)
def test_wrong_slots_fail_and_change_nothing(
    home: SimulatedHome, do: Do, action: str, slots: dict[str, Any]
) -> None:
    """Whatever a plan holds, an action answers with a reason and never breaks."""
    before = everything(home)
    outcome = do(action, **slots)
    assert outcome.status == "failed"
    assert outcome.reason
    assert everything(home) == before
