"""Spoken times: the table of expressions is read as meant, and moments become the right local times."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hassil import recognize_all
from hassil.intents import Intents, TextSlotList

from dialogue.grammar import times
from dialogue.grammar.grammar import Grammar
from dialogue.grammar.numbers import ENGLISH
from dialogue.grammar.times import candidates, length, moment, next_repeat, resolve
from dialogue.grammar.tokens import tokenize
from dialogue.types import Moment

HERE = Path(__file__).parent
TEMPLATES = HERE.parent / "grammars" / "en" / "times.yaml"
TABLE: dict[str, Any] = yaml.safe_load((HERE / "times_en.yaml").read_text(encoding="utf-8"))
MONDAY_EVENING = datetime(2026, 3, 2, 18, 0)
Meaning = datetime | float | None

ROWS = [
    pytest.param(kind, str(say), wanted, id=f"{kind}: {say}")
    for kind, rows in TABLE.items()
    if kind not in ("nothing", "written")
    for say, wanted in rows.items()
]
WRITTEN = [pytest.param("written", say, wanted, id=say) for say, wanted in TABLE["written"].items()]


def meant(wanted: str | float) -> Meaning:
    """An entry of the table as a time, as seconds, or as None for what has to be asked."""
    if isinstance(wanted, (int, float)):
        return float(wanted)
    return None if wanted == "ask" else datetime.strptime(f"2026-{wanted}", "%Y-%m-%d %H:%M")


def meaning(kind: str, said: Moment) -> Meaning:
    if kind in ("for", "length"):
        return length(said)
    return (next_repeat if kind == "every" else resolve)(said, MONDAY_EVENING)


# --- two readers ------------------------------------------------------------------------


@cache
def grammar() -> Grammar:
    return Grammar.load("en")


def read(text: str) -> list[tuple[str, Moment]]:
    """What our automaton makes of the whole text, as (kind, moment)."""
    cut = grammar().text(text)
    found = cut.spoken
    return [(spoken.kind, spoken.moment) for spoken in found if (spoken.start, spoken.end) == (0, len(cut.tokens))]


@cache
def kinds() -> dict[str, str]:
    """How the times of each intent qualify a request."""
    intents = yaml.safe_load(TEMPLATES.read_text(encoding="utf-8"))["intents"]
    return {intent: body["data"][0]["kind_of_time"] for intent, body in intents.items()}


@cache
def templates() -> Intents:
    """The templates as hassil reads them, with smaller ranges: it writes out every number of a list."""
    data = yaml.safe_load(TEMPLATES.read_text(encoding="utf-8"))
    data["lists"]["time_amount"] = {"range": {"from": 1, "to": 200, "fractions": "tenths"}}
    intents = Intents.from_dict(data)
    ordinals = {**ENGLISH.ordinals, "3rd": 3, "twenty second": 22, "thirty first": 31}
    intents.slot_lists["ordinal"] = TextSlotList.from_tuples((word, number) for word, number in ordinals.items())
    digits = [f"{hour}:{minute:02}" for hour in (*range(25), "07") for minute in range(60)]
    intents.slot_lists["time_written"] = TextSlotList.from_tuples((text, text) for text in digits)
    return intents


def read_by_hassil(text: str) -> Iterator[tuple[str, Moment]]:
    """Everything that hassil can make of the text."""
    for result in recognize_all(text, templates(), language="en"):
        slots = {entity.name: entity.value for entity in result.entities_list}
        kind = kinds()[result.intent.name]
        yield kind, moment(result.intent.name, slots, text)


# --- the table --------------------------------------------------------------------------


def test_the_table_is_large_enough() -> None:
    """Some six hundred expressions are held."""
    assert len(ROWS) >= 600


@pytest.mark.parametrize(("kind", "say", "wanted"), ROWS)
def test_an_expression_is_read_as_meant(kind: str, say: str, wanted: str | float) -> None:
    """One reading, of the right kind, with the right time or length."""
    assert [(found, meaning(kind, said)) for found, said in read(say)] == [(kind, meant(wanted))]


@pytest.mark.parametrize(("kind", "say", "wanted"), WRITTEN)
def test_a_time_in_digits_is_read_as_meant(kind: str, say: str, wanted: str) -> None:
    """7:30 is one token; its form makes it a time."""
    assert [meaning(kind, said) for _, said in read(say)] == [meant(wanted)]


@pytest.mark.parametrize("say", TABLE["nothing"])
def test_nonsense_is_no_time(say: str) -> None:
    """No template takes the whole of it."""
    assert read(say) == []


@pytest.mark.parametrize(("kind", "say", "wanted"), ROWS + WRITTEN)
def test_hassil_reads_the_same(kind: str, say: str, wanted: str | float) -> None:
    """The templates are plain Home Assistant ones, and all ways to read them mean the same."""
    if "1/2" in say or re.search(r"\bhundred and \w", say):
        pytest.skip("a spelling of numbers that hassil does not know")
    readings = [said for found, said in read_by_hassil(say) if kind in (found, "written")]
    assert {meaning(kind, said) for said in readings} == {meant(wanted)}
    assert len(set(readings)) == 1


def test_no_expression_of_the_table_has_two_kinds() -> None:
    """A kind is told by the words alone, so an expression may not stand under two of them."""
    said = [set(map(str, rows)) for kind, rows in TABLE.items() if kind != "nothing"]
    assert all(not first & second for first, second in itertools.combinations(said, 2))


# --- slots to a moment ------------------------------------------------------------------


def test_lengths_add_up() -> None:
    """Home Assistant's own timer slots are understood, too."""
    slots = {"weeks": 1, "days": 2, "hours": 3, "minutes": 4.5, "seconds": 6}
    assert moment("Duration", slots, "").seconds == 7 * 86_400 + 2 * 86_400 + 3 * 3_600 + 4.5 * 60 + 6


def test_minutes_before_the_hour_count_back() -> None:
    """Quarter to one is 12:45, and the half of the day is that of the time itself."""
    said = moment("Clock", {"hour": 1.0, "minute": -15.0, "meridiem": "pm"}, "quarter to one pm")
    assert (said.hour, said.minute, said.meridiem) == (12, 45, "pm")
    assert said.text == "quarter to one pm"


def test_what_was_not_said_is_none() -> None:
    """Nothing is filled in that was not heard."""
    assert moment("Clock", {"hour": 10}, "at ten") == Moment(hour=10, text="at ten")


@pytest.mark.parametrize(
    ("slots", "repeat"),
    [({"repeat": "weekday"}, "weekday"), ({"weekday": 0}, "week"), ({"hours": 2}, "interval"), ({}, "day")],
)
def test_a_repeat_is_named(slots: dict[str, Any], repeat: str) -> None:
    """Only a repeat has one, and it says what comes round."""
    assert moment("Repeat", slots, "").repeat == repeat
    assert moment("Clock", slots, "").repeat is None


# --- a moment to a time -----------------------------------------------------------------


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("now", "said", "wanted"),
    [
        # the next occurrence, strictly later than now
        ("2026-03-02 06:00", Moment(hour=10), "2026-03-02 10:00"),
        ("2026-03-02 22:00", Moment(hour=10), "2026-03-03 10:00"),
        ("2026-03-02 23:59", Moment(hour=0, minute=30), "2026-03-03 00:30"),
        ("2026-12-31 23:00", Moment(hour=7, meridiem="am"), "2027-01-01 07:00"),
        ("2026-03-02 00:30", Moment(hour=24), "2026-03-03 00:00"),
        # after midnight the small hours of this night are still to come
        ("2026-03-02 00:30", Moment(hour=2, part="night", day=0), "2026-03-02 02:00"),
        ("2026-03-02 00:30", Moment(hour=2, part="night"), "2026-03-02 02:00"),
        ("2026-03-02 18:00", Moment(hour=2, part="night", day=0), "2026-03-03 02:00"),
        # today never slips to tomorrow
        ("2026-03-02 06:00", Moment(hour=7, day=0), "2026-03-02 07:00"),
        ("2026-03-02 08:00", Moment(hour=7, day=0), "2026-03-02 19:00"),
        ("2026-03-02 20:00", Moment(hour=7, day=0), None),
        # weekdays
        ("2026-03-02 06:00", Moment(hour=7, weekday=0), "2026-03-02 07:00"),
        ("2026-03-02 07:00", Moment(hour=7, weekday=0), "2026-03-09 07:00"),
        ("2026-03-08 18:00", Moment(hour=9, weekday=0, day=1), "2026-03-09 09:00"),
        ("2026-03-08 18:00", Moment(hour=9, weekday=6, day=1), "2026-03-15 09:00"),
        # dates
        ("2026-03-02 18:00", Moment(hour=9, month=3, day_of_month=2), "2027-03-02 09:00"),
        ("2026-03-02 18:00", Moment(hour=9, month=2, day_of_month=29), "2028-02-29 09:00"),
        ("2026-03-02 18:00", Moment(hour=9, month=13, day_of_month=1), None),
        ("2026-03-31 18:00", Moment(hour=9, day_of_month=31), "2026-05-31 09:00"),
        ("2026-03-31 08:00", Moment(hour=9, day_of_month=31), "2026-03-31 09:00"),
        # a weekday must be that of the date, and does not choose another year
        ("2026-03-02 18:00", Moment(hour=9, weekday=4, month=3, day_of_month=6), "2026-03-06 09:00"),
        ("2026-03-02 18:00", Moment(hour=9, weekday=5, month=3, day_of_month=6), None),
        ("2026-03-02 18:00", Moment(hour=9, weekday=0, month=3, day_of_month=2), None),
        # a week after the next such day: on such a day it may be either
        ("2026-03-02 18:00", Moment(hour=9, weekday=4, day=7), "2026-03-13 09:00"),
        ("2026-03-02 18:00", Moment(hour=9, weekday=0, day=7), None),
        # weeks begin on Monday or on Sunday
        ("2026-03-02 18:00", Moment(hour=9, weekday=3, week=1), "2026-03-12 09:00"),
        ("2026-03-02 18:00", Moment(hour=9, weekday=6, week=1), None),
        ("2026-03-08 18:00", Moment(hour=9, weekday=3, week=1), None),
        ("2026-03-08 18:00", Moment(hour=9, weekday=3, week=0), "2026-03-12 09:00"),
        # contradictions have no answer
        ("2026-03-02 18:00", Moment(hour=7, meridiem="pm", part="morning", day=1), None),
        ("2026-03-02 18:00", Moment(hour=1, part="evening"), None),
        # lengths
        ("2026-03-02 23:59", Moment(seconds=90), "2026-03-03 00:00"),
    ],
)
def test_a_moment_becomes_a_time(now: str, said: Moment, wanted: str | None) -> None:
    """The rules of the module, one by one."""
    found = resolve(said, at(now))
    assert (found.replace(second=0) if found else None) == (at(wanted) if wanted else None)


def test_two_good_readings_are_both_candidates() -> None:
    """What has to be asked can be offered as a choice."""
    assert candidates(Moment(hour=5, day=1), MONDAY_EVENING) == (
        at("2026-03-03 05:00"),
        at("2026-03-03 17:00"),
    )
    assert candidates(Moment(hour=12, meridiem="pm", weekday=4, day=1), MONDAY_EVENING) == (
        at("2026-03-06 12:00"),
        at("2026-03-13 12:00"),
    )
    assert candidates(Moment(hour=24, day=1), MONDAY_EVENING) == (
        at("2026-03-03 00:00"),
        at("2026-03-04 00:00"),
    )


def test_a_day_or_part_without_an_hour_has_no_candidates() -> None:
    """The hour is asked for; the usual hours of the part may be suggested."""
    said = Moment(day=1, part="morning")
    assert candidates(said, MONDAY_EVENING) == ()
    suggested = replace(said, hour=times.PARTS["morning"])
    assert resolve(suggested, MONDAY_EVENING) == at("2026-03-03 08:00")


@pytest.mark.parametrize("part", times.PARTS)
def test_suggested_hours_fit_their_part(part: str) -> None:
    """An hour suggested for a part of the day lies in it."""
    assert resolve(Moment(hour=times.PARTS[part], part=part, day=1), MONDAY_EVENING) is not None


@pytest.mark.parametrize(
    ("said", "gaps"),
    [
        (Moment(hour=7, repeat="day"), [1, 1, 1, 1]),
        (Moment(hour=7, repeat="weekday"), [1, 1, 1, 3]),
        (Moment(hour=7, repeat="weekend"), [1, 6, 1, 6]),
        (Moment(hour=7, weekday=2, repeat="week"), [7, 7, 7, 7]),
        (Moment(hour=7, weekday=0, more_weekdays=(3,), repeat="weekdays"), [4, 3, 4, 3]),
        (Moment(hour=24, part="night", repeat="day"), [1, 1, 1, 1]),
        (Moment(seconds=86_400, repeat="interval"), [1, 1, 1, 1]),
    ],
)
def test_a_repeat_comes_round(said: Moment, gaps: list[int]) -> None:
    """Asked again at the time it fell due, it gives the next one."""
    due = next_repeat(said, at("2026-03-02 12:00"))
    for gap in gaps:
        assert due is not None
        following = next_repeat(said, due)
        assert following == due + timedelta(days=gap)
        due = following


def test_a_repeat_without_a_clear_hour_is_asked_about() -> None:
    """Every day, and every day at five."""
    assert next_repeat(Moment(repeat="day"), MONDAY_EVENING) is None
    assert next_repeat(Moment(hour=5, repeat="day"), MONDAY_EVENING) is None


@pytest.mark.parametrize("text", ["25:00", "7:60", "7:3", "7", "730", "7:30:15", "12/30"])
def test_other_digits_are_no_written_time(text: str) -> None:
    """A written time has an hour, a colon and two digits of minutes."""
    assert times.TimeValues().find(tokenize(text), 0) == []
