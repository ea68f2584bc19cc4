"""The whole walk: what is heard is decided, written down, done and answered, once and in this order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from conftest import shipped_parts

from dialogue.assistant import Assistant
from dialogue.config import make_assistant, with_fresh_home
from dialogue.context import Tracker
from dialogue.events import BotUttered, StepChanged, UserUttered
from dialogue.interfaces import Executor
from dialogue.scheduler import StandingClock
from dialogue.tracker_store import SqliteTrackerStore
from dialogue.typed import waited
from dialogue.types import Effect, Hypothesis, Outcome, Step, Transcript, Turn, Word

Reply = Callable[[Step], Outcome | None]


@dataclass(slots=True)
class Watching:
    """An executor that notes what the journal says while a step runs, and may answer in the action's place."""

    inner: Executor
    assistant: Assistant
    reply: Reply = lambda step: None
    seen: list[tuple[str, str]] = field(default_factory=list)

    def run(self, step: Step, tracker: Tracker, now: object) -> Outcome:
        written = self.assistant.store.load(tracker.conversation).state.steps[step.id]
        self.seen.append((step.id, written.status))
        return self.reply(step) or self.inner.run(step, tracker, now)  # type: ignore[arg-type]

    def repeatable(self, step: Step) -> bool:
        return False


def watched(assistant: Assistant, reply: Reply = lambda step: None) -> Watching:
    watching = Watching(assistant.executor, assistant, reply)
    assistant.executor = watching
    return watching


def changes(turn: Turn) -> dict[str, dict[str, object]]:
    """What happened in a turn, by target."""
    found: dict[str, dict[str, object]] = {}
    for effect in turn.effects:
        found.setdefault(effect.target, {}).update(effect.change)
    return found


def statuses(assistant: Assistant, conversation: str = "default") -> list[str]:
    return [step.status for step in assistant.store.load(conversation).state.steps.values()]


# --- heard and done ---------------------------------------------------------------------


def test_what_is_asked_for_is_done_and_said(assistant: Assistant) -> None:
    """Two requests in one breath: two effects, one answer that tells of both."""
    turn = assistant.hear("turn on the porch light and lock the side door")
    assert changes(turn) == {"light.porch": {"state": "on"}, "lock.side_door": {"state": "locked"}}
    assert assistant.home.state("light.porch")["state"] == "on"
    assert len(turn.responses) == 1
    assert "orch light" in turn.responses[0] and "ide door" in turn.responses[0]


def test_a_transcript_is_heard_like_words(assistant: Assistant) -> None:
    """The n-best list of a recognizer goes the same way as typed words; the reading that makes sense is done."""
    words = (Word("kettle", 0.0, 0.4),)
    hypotheses = (Hypothesis("turn on the cattle", 9.0, words), Hypothesis("turn on the kettle", 8.8, words))
    assert list(changes(assistant.hear(Transcript(hypotheses)))) == ["switch.kettle"]
    assert list(changes(assistant.hear([Hypothesis("turn off the kettle")]))) == ["switch.kettle"]


@pytest.mark.parametrize("heard", ["", "   ", Transcript(()), [Hypothesis("")]])
def test_silence_does_nothing(assistant: Assistant, heard: str | Transcript | list[Hypothesis]) -> None:
    """Nothing heard: nothing done, nothing said, nothing asked."""
    turn = assistant.hear(heard)
    assert (turn.effects, turn.responses, turn.asked, turn.not_done) == ((), (), None, ())


def test_half_a_command_is_done_and_the_other_half_reported(assistant: Assistant) -> None:
    """What nobody understands does not stop the rest and is not swallowed either."""
    turn = assistant.hear("feed the giraffe and turn on the kettle")
    assert list(changes(turn)) == ["switch.kettle"]
    assert [report.text for report in turn.not_done] == ["feed the giraffe"]
    assert "feed the giraffe" in turn.responses[0]


def test_order_is_kept(assistant: Assistant) -> None:
    """ "Before you lock the door": the light comes first, though it was said last."""
    turn = assistant.hear("before you lock the side door turn on the porch light")
    assert [effect.target for effect in turn.effects] == ["light.porch", "lock.side_door"]


def test_conversations_do_not_hear_each_other(assistant: Assistant) -> None:
    """ "It" in one conversation is nothing that was said in another; the home is the same."""
    assistant.hear("turn on the porch light", "ann")
    turn = assistant.hear("turn it off", "bob")
    assert turn.effects == ()
    assert changes(assistant.hear("turn it off", "ann")) == {"light.porch": {"state": "off"}}


# --- written down -----------------------------------------------------------------------


def test_events_are_written_before_effects(assistant: Assistant) -> None:
    """While a step runs the journal already says so; afterwards it says how it ended."""
    watching = watched(assistant)
    assistant.hear("turn on the porch light and lock the side door")
    assert [status for _, status in watching.seen] == ["running", "running"]
    assert statuses(assistant) == ["done", "done"]


def test_speech_follows_the_commit(assistant: Assistant) -> None:
    """The last event of a turn is what was said; before it stand all changes, first of all the user's words."""
    assistant.hear("turn on the porch light and set a timer")
    events = assistant.store.load("default").events
    assert isinstance(events[0], UserUttered)
    assert isinstance(events[-1], BotUttered)
    running = next(place for place, one in enumerate(events) if isinstance(one, StepChanged))
    assert [one.event for one in events[running : running + 3]] == ["step_changed", "effect", "step_changed"]


CONVERSATION = [
    "turn off all the lights except the desk lamp and set a timer",
    "five minutes",
    "turn on the ceiling fan for ten minutes and when it rains turn off the fountain",
    "add milk to the shopping list no make that cream",
    "undo that",
    "feed the giraffe",
]


def test_replaying_the_journal_gives_the_same_state(assistant: Assistant) -> None:
    """After a long conversation the state is what replaying its events gives, also read back from the store."""
    for text in CONVERSATION:
        assistant.hear(text)
    tracker = assistant.store.load("default")
    assert len(tracker.events) > 20
    assert Tracker.replayed("default", tracker.events).state == tracker.state


def test_every_turn_is_what_it_would_be_with_another_store(assistant: Assistant, tmp_path: Path) -> None:
    """A journal on disk and one in memory lead to the same turns."""
    other, _ = at_home(tmp_path)
    other.clock = assistant.clock
    for text in CONVERSATION:
        assert unmarked(other.hear(text), other) == unmarked(assistant.hear(text), assistant)


def unmarked(turn: Turn, assistant: Assistant) -> str:
    """All of a turn but the mark, which tells its conversation from all others."""
    return repr(turn).replace(assistant.store.load("default").mark, "")


# --- questions --------------------------------------------------------------------------


@pytest.mark.parametrize("answers", [("five minutes", "the desk lamp"), ("the desk lamp", "five minutes")])
def test_two_questions_are_answered_in_either_order(assistant: Assistant, answers: tuple[str, str]) -> None:
    """Each answer goes to the question it fits, whichever of the two was asked aloud."""
    turn = assistant.hear("set a timer and turn on the lamp")
    assert turn.effects == () and turn.asked is not None
    first, second = (assistant.hear(answer) for answer in answers)
    assert first.asked is not None and second.asked is None
    targets = {effect.target for effect in (*first.effects, *second.effects)}
    assert targets == {"timer", "light.desk_lamp"}
    assert statuses(assistant) == ["done", "done"]


def test_one_answer_may_answer_both(assistant: Assistant) -> None:
    """Both answers in one breath close both questions."""
    assistant.hear("set a timer and turn on the lamp")
    turn = assistant.hear("five minutes and the desk lamp")
    assert {effect.target for effect in turn.effects} == {"timer", "light.desk_lamp"}
    assert turn.asked is None


def test_an_answer_with_more_in_it_loses_nothing(assistant: Assistant) -> None:
    """ "The desk lamp for five minutes": the lamp goes off again, or the timer runs, or it is reported."""
    assistant.hear("set a timer and turn on the lamp")
    turn = assistant.hear("the desk lamp for five minutes")
    assert turn.scheduled or turn.not_done or "timer" in changes(turn)


def test_what_needs_no_answer_does_not_wait_for_one(assistant: Assistant) -> None:
    """A question holds up its own request only."""
    turn = assistant.hear("turn on the lamp and lock the side door")
    assert list(changes(turn)) == ["lock.side_door"]
    assert turn.asked is not None


# --- undone -----------------------------------------------------------------------------


def test_undo_restores_what_was_before(assistant: Assistant) -> None:
    """Each value goes back to what it was: what was dim is dim again, what was off stays off."""
    names = ("light.kitchen", "light.corner_lamp", "light.reading_light", "fan.kitchen")
    before = {one: dict(assistant.home.state(one)) for one in names}
    assistant.hear("turn off all the lights and turn off the kitchen fan")
    assert assistant.home.state("light.kitchen")["state"] == "off"
    assistant.hear("undo that")
    assert {one: dict(assistant.home.state(one)) for one in names} == before


def test_one_request_of_a_turn_can_be_undone(assistant: Assistant) -> None:
    """ "Undo the first one" leaves the second alone."""
    assistant.hear("set the corner lamp to thirty percent and turn on the kettle")
    turn = assistant.hear("undo the first one")
    assert list(changes(turn)) == ["light.corner_lamp"]
    assert assistant.home.state("switch.kettle")["state"] == "on"


def test_undo_takes_plans_back_too(assistant: Assistant, clock: StandingClock) -> None:
    """What a turn has planned is cancelled by undoing the turn, and does not happen."""
    assistant.hear("turn on the ceiling fan for ten minutes")
    assistant.hear("undo that")
    assert assistant.home.state("fan.ceiling")["state"] == "off"
    clock.time += timedelta(hours=1)
    assert assistant.advance().effects == ()


# --- failures ---------------------------------------------------------------------------


def only(target: str, outcome: Outcome) -> Reply:
    """An answer in the place of the action, for steps about one device."""

    def reply(step: Step) -> Outcome | None:
        targets = step.slots.get("targets")
        return outcome if isinstance(targets, list) and target in targets else None

    return reply


def test_one_failure_does_not_stop_the_others(assistant: Assistant) -> None:
    """A step that fails is told with its reason; the next one runs all the same."""
    watched(assistant, only("light.porch", Outcome("failed", reason="the lamp is broken")))
    turn = assistant.hear("turn on the porch light and turn on the kettle")
    assert list(changes(turn)) == ["switch.kettle"]
    assert [report.reason for report in turn.not_done] == ["the lamp is broken"]
    assert statuses(assistant) == ["failed", "done"]


def test_what_failed_is_tried_again(assistant: Assistant) -> None:
    """ "Try the failed one again" does what failed, and not what did not."""
    watching = watched(assistant, only("light.porch", Outcome("failed", reason="the lamp is broken")))
    assistant.hear("turn on the porch light and turn on the kettle")
    watching.reply = lambda step: None
    assert list(changes(assistant.hear("try the failed one again"))) == ["light.porch"]


def test_what_reverses_a_failed_step_is_skipped(assistant: Assistant, clock: StandingClock) -> None:
    """A change that never happened is not taken back later."""
    watched(assistant, only("fan.ceiling", Outcome("failed", reason="stuck")))
    turn = assistant.hear("turn on the ceiling fan for ten minutes")
    assert (turn.scheduled, statuses(assistant)) == ((), ["failed", "skipped"])
    clock.time += timedelta(minutes=10)
    assert assistant.advance().effects == ()


def test_an_unknown_outcome_is_told_and_not_repeated(assistant: Assistant, clock: StandingClock) -> None:
    """Nobody knows whether it happened: that is said, and nothing tries again by itself."""
    watching = watched(assistant, only("light.porch", Outcome("unknown", reason="no answer came back")))
    turn = assistant.hear("turn on the porch light")
    assert [report.reason for report in turn.not_done] == ["no answer came back"]
    clock.time += timedelta(days=1)
    assistant.advance()
    assert statuses(assistant) == ["unknown"]
    assert len(watching.seen) == 1


# --- later ------------------------------------------------------------------------------

NOON = datetime(2026, 3, 2, 12)


def at_home(folder: Path) -> tuple[Assistant, StandingClock]:
    """An assistant as after a start of the machine: a home as its file says, and the journal on disk."""
    parts = with_fresh_home(shipped_parts())
    stored = replace(parts.configuration, store=str(folder / "journal.db"))
    clock = StandingClock(NOON)
    return make_assistant(stored, clock=clock, parts=replace(parts, configuration=stored)), clock


def test_planned_steps_survive_a_restart(tmp_path: Path) -> None:
    """What was planned before the restart is done after it, once."""
    at_home(tmp_path)[0].hear("turn off the desk lamp at ten past two pm")
    again, clock = at_home(tmp_path)
    clock.time += timedelta(hours=2, minutes=20)
    assert changes(again.advance()) == {"light.desk_lamp": {"state": "off"}}
    assert again.advance().effects == ()
    once_more, clock = at_home(tmp_path)
    clock.time += timedelta(hours=4)
    assert once_more.advance().effects == ()


def test_a_change_for_a_while_is_taken_back_after_a_restart(tmp_path: Path) -> None:
    """The values to go back to are in the journal, not in the head of the process."""
    at_home(tmp_path)[0].hear("set the desk lamp to ten percent for half an hour")
    again, clock = at_home(tmp_path)
    assert again.home.state("light.desk_lamp")["brightness"] == 10
    clock.time += timedelta(minutes=30)
    again.advance()
    assert again.home.state("light.desk_lamp")["brightness"] == 70


def test_conditions_questions_and_it_survive_a_restart(tmp_path: Path) -> None:
    """An event still sets off its step, an open question still takes its answer, "it" is still the lamp."""
    at_home(tmp_path)[0].hear("when it rains turn off the fountain")
    rained = at_home(tmp_path)[0].observe(Effect("binary_sensor.rain", {"state": "on"}))
    assert changes(rained) == {"switch.fountain": {"state": "off"}}
    at_home(tmp_path)[0].hear("set a timer and turn on the porch light")
    turn = at_home(tmp_path)[0].hear("ten minutes")
    assert list(changes(turn)) == ["timer"]
    assert changes(at_home(tmp_path)[0].hear("turn the porch light off and then turn it on"))["light.porch"]


def test_the_home_is_as_it_was_left(tmp_path: Path) -> None:
    """Replaying the journal's effects gives the same home again: devices, lists and timers."""
    first, _ = at_home(tmp_path)
    first.hear("set the corner lamp to blue and add milk to the shopping list and set a timer for ten minutes")
    again, clock = at_home(tmp_path)
    assert again.home.state("light.corner_lamp") == first.home.state("light.corner_lamp")
    assert again.home.lists["list.shopping"].items == first.home.lists["list.shopping"].items
    clock.time += timedelta(minutes=10)
    assert [effect.target for effect in again.advance().effects] == ["timer"]


def test_a_daily_step_is_planned_again(assistant: Assistant, clock: StandingClock) -> None:
    """What repeats is done each day, and never lost in between."""
    assistant.hear("start the vacuum every day at nine")
    for _ in range(3):
        assert [effect.target for effect in waited(assistant, clock, 86400).effects] == ["vacuum.robot"]
    assert statuses(assistant) == ["scheduled"]


def test_what_falls_due_together_is_done_in_order(assistant: Assistant, clock: StandingClock) -> None:
    """After a short sleep all that fell due is done, the earliest first, and each once."""
    assistant.hear("turn off the desk lamp in ten minutes and turn on the porch light in five minutes")
    clock.time += timedelta(minutes=15)
    assert [effect.target for effect in assistant.advance().effects] == ["light.porch", "light.desk_lamp"]
    assert assistant.advance().effects == ()


# --- delivered twice, kept for a while --------------------------------------------------


def test_a_message_delivered_twice_has_one_effect_and_one_answer(tmp_path: Path) -> None:
    """Also after a restart, and when others have spoken in between; another id is another message."""
    first, _ = at_home(tmp_path)
    turn = first.hear("add rice to the shopping list", message_id="m1")
    first.hear("turn on the porch light", message_id="m2")
    assert first.hear("add rice to the shopping list", message_id="m1") == turn
    again, _ = at_home(tmp_path)
    assert again.hear("add rice to the shopping list", message_id="m1") == turn
    assert again.home.lists["list.shopping"].items.count("rice") == 1
    users = [event for event in again.store.load("default").events if isinstance(event, UserUttered)]
    assert [event.message_id for event in users] == ["m1", "m2"]


def test_a_message_delivered_to_many_threads_at_once(tmp_path: Path) -> None:
    """Eight threads with one message: one effect, eight equal answers."""
    assistant, _ = at_home(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        turns = list(pool.map(lambda _: assistant.hear("add rice to the shopping list", message_id="m"), range(8)))
    assert all(turn == turns[0] for turn in turns)
    assert len(list(assistant.store.effects())) == 1  # type: ignore[attr-defined]


def test_what_is_over_is_forgotten_after_a_while(tmp_path: Path) -> None:
    """Old turns go when their time is over, those with something planned stay; ids go on, and so does the home."""
    assistant, clock = at_home(tmp_path)
    assistant.keep = timedelta(days=30)
    assistant.hear("add persimmons to the shopping list")
    assistant.hear("turn on the porch light and start the vacuum every monday at nine")
    assistant.hear("what time is it")
    clock.time += timedelta(days=31)
    assistant.hear("turn on the kettle")
    tracker = assistant.store.load("default")
    assert [turn.text[:10] for turn in tracker.state.turns] == ["turn on th", "what time ", "turn on th"]
    assert tracker.turns == 4
    assert list(tracker.state.steps)[-1].startswith(f"{tracker.mark}:3.")
    again, _ = at_home(tmp_path)
    assert "persimmons" in again.home.lists["list.shopping"].items
    assert again.home.state("light.porch")["state"] == "on"


def test_the_ids_of_a_forgotten_conversation_are_not_used_again(tmp_path: Path) -> None:
    """A key that an action server may remember is never given to another step."""
    ids = []
    for _ in range(2):
        assistant, _ = at_home(tmp_path)
        assistant.hear("turn on the porch light")
        ids += assistant.store.load("default").state.steps
        assistant.store.forget("default")
    assert len(set(ids)) == 2


# --- dependants -------------------------------------------------------------------------


def test_what_depends_on_an_open_question_waits_for_it(assistant: Assistant) -> None:
    """ "If that works" is not decided before that is: the door is locked after the answer, not before."""
    turn = assistant.hear("turn on the lamp and if that works lock the side door")
    assert turn.effects == ()
    assert statuses(assistant) == ["asking", "pending"]
    assert [one.target for one in assistant.hear("the desk lamp").effects] == ["light.desk_lamp", "lock.side_door"]


def test_what_depends_on_a_withdrawn_question_is_skipped_and_named(assistant: Assistant) -> None:
    """What was to follow something that is taken back does not happen, and that is said."""
    assistant.hear("turn on the lamp and if that works lock the side door")
    turn = assistant.hear("never mind")
    assert turn.effects == ()
    assert any("lock the side door" in report.text for report in turn.not_done)


# --- replayed ---------------------------------------------------------------------------


def test_state_is_what_replaying_the_events_gives(tmp_path: Path) -> None:
    """After every turn of a long conversation, the state while it goes on is the one read back from the file."""
    assistant, clock = at_home(tmp_path)
    for text in (*CONVERSATION, "start the vacuum every day at nine", "undo all of it"):
        assistant.hear(text)
        clock.time += timedelta(minutes=7)
        assistant.advance()
        live = assistant.store.load("default")
        read = SqliteTrackerStore(tmp_path / "journal.db").load("default")
        assert (read.events, read.state) == (live.events, live.state)
        assert Tracker.replayed("default", read.events).state == live.state
