"""Time that jumps: missed times, late ones, clocks that are changed, and hours that come twice or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.assistant import Assistant
from dialogue.clockworks import wall_time
from dialogue.event_json import read, written
from dialogue.events import BotUttered
from dialogue.instants import instant, later
from dialogue.instants import written as as_text
from dialogue.scheduler import StandingClock
from dialogue.typed import waited
from dialogue.types import Turn

BERLIN = ZoneInfo("Europe/Berlin")


def targets(turn: Turn) -> list[str]:
    return [effect.target for effect in turn.effects]


def statuses(assistant: Assistant) -> list[str]:
    return [step.status for step in assistant.store.load("default").state.steps.values()]


# --- late and missed --------------------------------------------------------------------


def test_a_little_late_is_done_and_said(assistant: Assistant, clock: StandingClock) -> None:
    """Within the grace time a step runs late, and the answer says when it was due."""
    assistant.hear("turn off the desk lamp in ten minutes")
    clock.time += timedelta(minutes=20)
    turn = assistant.advance()
    assert targets(turn) == ["light.desk_lamp"]
    assert "was due at 6:10 pm, so it came late" in turn.responses[0]


def test_in_time_nothing_is_said_of_it(assistant: Assistant, clock: StandingClock) -> None:
    """A few seconds are not late."""
    assistant.hear("turn off the desk lamp in ten minutes")
    clock.time += timedelta(minutes=10, seconds=5)
    assert "late" not in assistant.advance().responses[0]


def test_what_was_missed_is_reported_and_can_be_tried_again(assistant: Assistant, clock: StandingClock) -> None:
    """Beyond the grace time nothing is done by itself; the report says why, and once."""
    assistant.hear("turn off the desk lamp in ten minutes")
    clock.time += timedelta(hours=3)
    turn = assistant.advance()
    assert turn.effects == ()
    assert [report.text for report in turn.not_done] == ["turn off the desk lamp"]
    assert "its time was 6:10 pm, and I was not running" in turn.responses[0]
    assert assistant.advance().not_done == ()
    assert targets(assistant.hear("try the failed one again")) == ["light.desk_lamp"]


def test_ten_missed_days_are_one_report(assistant: Assistant, clock: StandingClock) -> None:
    """A daily step neither bursts nor is forgotten: one report, and the next morning it runs."""
    assistant.hear("start the vacuum every day at nine")
    clock.time += timedelta(days=10)
    turn = assistant.advance()
    assert (turn.effects, len(turn.not_done)) == ((), 1)
    assert targets(waited(assistant, clock, 86400)) == ["vacuum.robot"]


def test_an_interval_does_not_burst(assistant: Assistant, clock: StandingClock) -> None:
    """What comes every hour comes once after some hours of sleep, and then each hour as before."""
    assistant.hear("start the vacuum every hour")
    (first,) = (step.schedule for step in assistant.store.load("default").state.steps.values())
    assert first is not None and first.at is not None
    clock.time = first.at + timedelta(hours=5, minutes=5)
    turn = assistant.advance()
    assert len(turn.effects) + len(turn.not_done) == 1
    (again,) = (step.schedule for step in assistant.store.load("default").state.steps.values())
    assert again is not None and again.at == first.at + timedelta(hours=6)


def test_the_reverse_of_what_was_missed_does_not_happen(assistant: Assistant, clock: StandingClock) -> None:
    """A fan that was to run for ten minutes at seven, and did not, is not turned off either."""
    assistant.hear("turn on the ceiling fan at seven pm for ten minutes")
    clock.time += timedelta(hours=5)
    turn = assistant.advance()
    assert turn.effects == ()
    assert statuses(assistant) == ["failed", "skipped"]


def test_a_change_that_lasts_is_taken_back_every_day(assistant: Assistant, clock: StandingClock) -> None:
    """What repeats and lasts goes on and off each day."""
    assistant.hear("turn on the ceiling fan every day at nine pm for ten minutes")
    for _ in range(3):
        turn = waited(assistant, clock, 86400)
        assert [effect.change["state"] for effect in turn.effects] == ["on", "off"]
    assert statuses(assistant)[0] == "scheduled"


def test_an_alarm_that_was_missed_says_so(assistant: Assistant, clock: StandingClock) -> None:
    """An alarm, a timer and a reminder are told, however late, each with its time."""
    assistant.hear("set an alarm for eleven pm and set a timer for ten minutes and remind me to call at ten pm")
    clock.time += timedelta(hours=10)
    turn = assistant.advance()
    assert sorted(targets(turn)) == ["announcement", "announcement", "timer"]
    for words in ("The alarm was for", "The timer ended at", "The reminder was for"):
        assert words in turn.responses[0]
    assert assistant.advance().effects == ()


def test_what_waited_for_a_timer_long_over_is_reported(assistant: Assistant, clock: StandingClock) -> None:
    """The oven is not turned on hours after the timer it waited for."""
    assistant.hear("set a timer for ten minutes and when the timer is done turn on the porch light")
    clock.time += timedelta(hours=3)
    turn = assistant.advance()
    assert targets(turn) == ["timer"]
    assert [report.text for report in turn.not_done] == ["turn on the porch light"]


def test_a_clock_that_goes_back_does_nothing_twice(assistant: Assistant, clock: StandingClock) -> None:
    """What was done stays done when its time comes round again; what is planned waits for its time."""
    assistant.hear("turn off the desk lamp in ten minutes and turn on the porch light in one hour")
    waited(assistant, clock, 600)
    clock.time -= timedelta(hours=2)
    assert waited(assistant, clock, 7200).effects == ()
    assert targets(waited(assistant, clock, 3600)) == ["light.porch"]


def test_each_conversation_has_its_own_timers(assistant: Assistant, clock: StandingClock) -> None:
    """What one conversation has set does not ring in another, and what waits for it is done where it was said."""
    assistant.hear("set a timer for ten minutes and when the timer is done turn on the porch light", "ann")
    clock.time += timedelta(minutes=10)
    assert assistant.advance("bob").effects == ()
    assert targets(assistant.advance("ann")) == ["timer", "light.porch"]
    assert assistant.advance("bob").effects == ()


# --- the change of the clocks -----------------------------------------------------------


@dataclass(slots=True)
class InBerlin:
    """A clock that is moved by what really passes, and shows what clocks in Berlin show."""

    clock: StandingClock

    def at(self, text: str) -> None:
        self.clock.time = datetime.fromtimestamp(datetime.fromisoformat(text).timestamp())

    def passes(self, assistant: Assistant, minutes: float) -> Turn:
        self.clock.time = datetime.fromtimestamp(instant(self.clock.time) + minutes * 60)
        return assistant.advance()


@pytest.fixture
def berlin(clock: StandingClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[InBerlin]:
    if not hasattr(time, "tzset"):
        pytest.skip("the zone of a process cannot be changed on this system")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield InBerlin(clock)
    monkeypatch.undo()
    time.tzset()


def runs(assistant: Assistant, berlin: InBerlin, hours: int) -> list[datetime]:
    """The true times (UTC offsets included) at which a step ran, looked for every five minutes."""
    found = []
    for _ in range(hours * 12):
        if berlin.passes(assistant, 5).effects:
            found.append(berlin.clock.time.astimezone(BERLIN))
    return found


@pytest.mark.parametrize(
    ("begin", "expected"),
    [
        ("2026-03-27T12:00+01:00", ["28T02:30+01:00", "29T03:30+02:00", "30T02:30+02:00"]),
        ("2026-10-23T12:00+02:00", ["24T02:30+02:00", "25T02:30+02:00", "26T02:30+01:00"]),
    ],
)
def test_every_day_at_half_past_two(
    assistant: Assistant, berlin: InBerlin, begin: str, expected: list[str]
) -> None:
    """Once each day: where spring leaves 2:30 out, an hour later by the clock; in autumn the first of the two."""
    berlin.at(begin)
    assistant.hear("start the vacuum every day at 2:30 am")
    found = [moment.isoformat(timespec="minutes")[8:] for moment in runs(assistant, berlin, 72)]
    assert found == expected
    assert statuses(assistant) == ["scheduled"]


@pytest.mark.parametrize("begin", ["2026-03-29T01:30+01:00", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"])
@pytest.mark.parametrize(
    "said", ["turn off the desk lamp in forty five minutes", "set a timer for forty five minutes"]
)
def test_forty_five_minutes_are_forty_five_minutes(
    assistant: Assistant, berlin: InBerlin, begin: str, said: str
) -> None:
    """Across either change of the clocks a length is what passes, not what clocks show."""
    berlin.at(begin)
    assistant.hear(said)
    began = instant(berlin.clock.time)
    assert berlin.passes(assistant, 44).effects == ()
    assert len(berlin.passes(assistant, 1).effects) == 1
    assert instant(berlin.clock.time) - began == 45 * 60


@pytest.mark.parametrize("begin", ["2026-03-29T01:55+01:00", "2026-10-25T02:55+02:00"])
def test_for_ten_minutes_across_the_change(assistant: Assistant, berlin: InBerlin, begin: str) -> None:
    """A change that lasts is taken back after ten minutes that really passed."""
    berlin.at(begin)
    assistant.hear("turn on the ceiling fan for ten minutes")
    assert berlin.passes(assistant, 9).effects == ()
    assert [effect.change["state"] for effect in berlin.passes(assistant, 1).effects] == ["off"]


def test_the_second_showing_of_an_hour_is_kept_in_the_journal(berlin: InBerlin) -> None:
    """Which of two equal times is meant survives being written down, as an event and as text."""
    second = datetime(2026, 10, 25, 2, 30, fold=1)
    event = read(written(BotUttered("x", second)))
    assert isinstance(event, BotUttered) and event.time is not None and event.time.fold == 1
    assert wall_time(datetime.fromisoformat(as_text(second))).fold == 1
    assert instant(second) - instant(second.replace(fold=0)) == 3600


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda one: one.replace(microsecond=0)),
    st.integers(0, 10**7),
)
def test_later_is_so_much_later(moment: datetime, seconds: int) -> None:
    """In whatever zone the tests run, so many seconds pass."""
    assert instant(later(moment, seconds)) - instant(moment) == seconds
