"""Timers, alarms and reminders: repeating, and being written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.clockworks import REPEATS, from_record, holds, label, next_time, record, wall_time
from dialogue.interfaces import Clockwork

moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1))


@given(moments, st.sampled_from(REPEATS), moments)
def test_the_next_time_is_the_first_that_fits(due: datetime, repeat: str, now: datetime) -> None:
    """After now, at the same minute, on a day of its kind, and no earlier one fits."""
    later = next_time(due, repeat, now)
    step = timedelta(hours=1) if repeat == "hour" else timedelta(days=7 if repeat == "week" else 1)
    assert later > now
    assert (later - due) % step == timedelta()
    assert repeat != "weekday" or later.weekday() < 5
    assert repeat != "weekend" or later.weekday() >= 5
    most = {"hour": timedelta(hours=1), "day": timedelta(days=1)}.get(repeat, timedelta(days=7))
    assert later - max(now, due) <= most


@given(
    st.sampled_from(("timer", "alarm", "reminder")),
    st.none() | moments,
    st.none() | st.floats(1, 10**6),
    st.text(),
    st.none() | st.just("den"),
)
def test_a_record_brings_a_clockwork_back(
    kind: str, due: datetime | None, seconds: float | None, name: str, area: str | None
) -> None:
    """What is written down is enough to set it again."""
    clockwork = Clockwork(kind, "id", due, seconds, name, {"target": "timer"}, area, "day", seconds)
    assert from_record(record(clockwork)) == clockwork


def test_labels_are_what_people_call_them() -> None:
    """A timer by name, else by its length; an alarm by its time; a reminder by its text."""
    due = datetime(2026, 3, 3, 7)
    assert label(Clockwork("timer", "a", due, 600.0, "egg")) == "egg"
    assert label(Clockwork("timer", "a", due, 600.0)) == 600
    assert label(Clockwork("alarm", "a", due, name="work")) == "2026-03-03T07:00:00"
    assert label(Clockwork("reminder", "a", due, name="call mom")) == "call mom"


@pytest.mark.parametrize(
    ("comparison", "have", "wanted", "so"),
    [
        ("=", "on", "on", True),
        ("=", 4, "4", True),
        ("!=", "on", "off", True),
        ("<", -1, 0, True),
        ("<", 0, 0, False),
        (">", 5, 4, True),
        (">", "warm", 4, False),
        ("<", None, 4, False),
        ("<", True, 4, False),
    ],
)
def test_conditions(comparison: str, have: object, wanted: object, so: bool) -> None:
    """Numbers compare as numbers; what cannot be compared does not hold."""
    state = {"value": have}
    assert holds({"attribute": "value", "comparison": comparison, "value": wanted}, state) is so  # type: ignore[arg-type]


def test_wall_time_drops_the_zone() -> None:
    """A moment with a zone becomes local time; one without stays as it is."""
    assert wall_time(datetime(2026, 3, 2, 18)) == datetime(2026, 3, 2, 18)
    there = datetime(2026, 3, 2, 18, tzinfo=UTC)
    assert wall_time(there) == there.astimezone().replace(tzinfo=None)
