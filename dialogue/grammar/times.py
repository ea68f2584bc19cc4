"""Spoken times: the slots of a time template become a `Moment`, and a `Moment` becomes a local time.

No words of any language are in here: the templates of `grammars/<language>/times.yaml` give the slots.

How what was left open is decided, with h the hour as said:

- No day: the next time the clock shows it, in either half of the day ("at ten" said at 18:00 is 22:00).
- Today: the next such time, but never tomorrow; what is past has no answer.
- A later day, a date or a repeat, without am, pm or a part of the day: the reading between 06:00 and 17:00
  ("tomorrow at seven" is 07:00, "at two" 14:00). For 5 o'clock both readings stay, so it is asked.
- A part of the day picks the half: morning before 12:00, afternoon 12:00-20:00, evening 16:00-24:00, night
  17:00-05:00, its small hours being those of the next date.
- Midnight belongs to the evening before it ("tonight at midnight"); "tomorrow at midnight" may be either end
  of tomorrow, so it is asked.
- A weekday is the next such day, today only while the time is ahead. A "next" one (``day`` = 1) is never
  today; where the next one and that of next week differ ("next friday" on a Monday), it is asked.
- "Friday week" (a weekday with ``day`` of 7 or more) is that many days after the next such day; said on such a
  day it is asked. "Thursday next week" is that of the next calendar week, whether weeks begin on Monday or on
  Sunday; where that matters it is asked.
- A day of the month without a month is the next such day. A weekday said with a date must be that of the date.
- A time or length whose words leave it open ("by five", "later") has no hour, so it is asked.
- A day, or a part of it, without an hour has no answer: `PARTS` may serve as a suggestion.

"Asked" means: `candidates` gives several times or none, and `resolve` None. All times are naive and local.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias, cast

from dialogue.grammar.lists import Found, ListValue, ValueTree
from dialogue.grammar.tokens import Token
from dialogue.instants import later
from dialogue.types import Moment, Value

Slots: TypeAlias = Mapping[str, Value]
Meridiem: TypeAlias = Literal["am", "pm"]
Clock: TypeAlias = tuple[int, int | None, Meridiem | None]

PARTS: Mapping[str, int] = {"morning": 8, "afternoon": 15, "evening": 19, "night": 22}
"""Hours to suggest when only a part of the day was said."""

_UNITS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
_NAMED = {"noon": 12 * 60, "midnight": 24 * 60}
# hours that a part of the day holds, counted from the midnight before it
_PART_HOURS = {
    "morning": range(12),
    "afternoon": range(12, 20),
    "evening": range(16, 25),
    "night": range(17, 29),
}
_DAYTIME = range(6, 17)
_SMALL_HOURS = 5
_WORKDAYS, _WEEKEND, _ALL_DAYS = range(5), range(5, 7), range(7)
_YEARS_AHEAD = 9  # a 29th of February is at most eight years away
_WRITTEN = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")


# --- slots to a moment ------------------------------------------------------------------


def moment(intent: str, slots: Slots, text: str) -> Moment:
    """What a time template said. ``slots`` are those named in times.yaml; others are passed over.

    ``repeat`` becomes day, weekday, weekend, week (with ``weekday``), weekdays (with ``more_weekdays``, too) or
    interval (every ``seconds``).
    """
    hour, minute, meridiem = (None if "vague" in slots else _clock(slots)) or (None, None, None)
    seconds, day = _length(slots), _number(slots, "day")
    month, day_of_month = _month_and_day(slots)
    if hour is not None and seconds is not None:
        day, seconds = int(seconds // _UNITS["days"]), None
    if "this" in slots:
        day = 0
    return Moment(
        seconds=seconds,
        hour=hour,
        minute=minute,
        meridiem=meridiem,
        part=_word(slots, "part") or _word(slots, "this"),
        day=day,
        weekday=_number(slots, "weekday"),
        more_weekdays=_more_weekdays(slots),
        week=_number(slots, "week"),
        month=month,
        day_of_month=day_of_month,
        repeat=_repeat(slots, seconds) if intent == "Repeat" else None,
        text=text,
    )


def _month_and_day(slots: Slots) -> tuple[int | None, int | None]:
    if (feast := _word(slots, "feast")) is not None:
        month, day = feast.split("-")
        return int(month), int(day)
    return _number(slots, "month"), _number(slots, "day_of_month")


def _more_weekdays(slots: Slots) -> tuple[int, ...]:
    found = (_number(slots, name) for name in ("second_weekday", "third_weekday"))
    return tuple(weekday for weekday in found if weekday is not None)


def _length(slots: Slots) -> float | None:
    amounts = [_float(slots[unit]) * size for unit, size in _UNITS.items() if unit in slots]
    return round(sum(amounts), 3) if amounts else None


def _clock(slots: Slots) -> Clock | None:
    """Hour, minute and half of the day as said; a minute before the hour counts back."""
    minute = _number(slots, "minute")
    meridiem = cast("Meridiem | None", _word(slots, "meridiem"))
    if "named" in slots:
        return _named(_NAMED[str(slots["named"])] + (minute or 0))
    if "written" in slots:
        return _written(str(slots["written"]), meridiem)
    hour = _number(slots, "hour")
    if hour is None:
        return None
    if minute is not None and minute < 0:
        hour, minute = (hour - 2) % 12 + 1, minute + 60
    return hour, minute, meridiem


def _named(minutes: int) -> Clock:
    hour, minute = divmod(minutes, 60)
    if hour > 12:
        return hour, minute, None
    return hour, minute, "pm" if hour == 12 else "am"


def _written(text: str, meridiem: Meridiem | None) -> Clock | None:
    """A time in digits; with a leading zero it can only be meant on the 24-hour clock."""
    match = _WRITTEN.fullmatch(text)
    if match is None:
        return None
    hour = int(match[1])
    if meridiem is None and text.startswith("0") and hour:
        meridiem = "am"
    return hour, int(match[2]), meridiem


def _repeat(slots: Slots, seconds: float | None) -> str:
    if "weekday" in slots:
        return "weekdays" if "second_weekday" in slots else "week"
    return _word(slots, "repeat") or ("day" if seconds is None else "interval")


def _float(value: Value) -> float:
    return float(value) if isinstance(value, (int, float, str)) else 0.0


def _number(slots: Slots, name: str) -> int | None:
    return int(_float(slots[name])) if name in slots else None


def _word(slots: Slots, name: str) -> str | None:
    return str(slots[name]) if name in slots else None


# --- a moment to a time -----------------------------------------------------------------


def length(moment: Moment) -> float | None:
    """The seconds that a length or an offset lasts; None for anything else."""
    return moment.seconds


def resolve(moment: Moment, now: datetime) -> datetime | None:
    """The time that is meant, or None where one has to ask: no hour, nothing ahead, or two good readings."""
    found = candidates(moment, now)
    return found[0] if len(found) == 1 else None


def candidates(moment: Moment, now: datetime) -> tuple[datetime, ...]:
    """The times after ``now`` that can be meant, the earliest first; several if nothing tells them apart."""
    if moment.hour is None:
        return () if moment.seconds is None else (later(now, moment.seconds),)
    hours = _hours(moment)
    if moment.day_of_month is not None:
        return _first_day(_dates(moment, now), _on_a_day(hours, moment), moment, now)
    if moment.weekday is not None and moment.week is not None:
        return _in_week(moment.week, moment.weekday, _on_a_day(hours, moment), moment, now)
    if moment.weekday is not None:
        return _on_weekday(moment.weekday, _on_a_day(hours, moment), moment, now)
    if moment.day is None:
        return _next((-1, 0, 1), hours, moment, now)
    if moment.day == 0:
        return _next((0,), [*hours, *(hour - 24 for hour in hours if hour > 24)], moment, now)
    return tuple(_ahead(_date(now, moment.day), _on_a_day(hours, moment), moment, now))


def next_repeat(moment: Moment, now: datetime) -> datetime | None:
    """The first time after ``now`` that a repeat comes round; None where an hour is missing or unclear."""
    if moment.seconds is not None and moment.hour is None:
        return later(now, moment.seconds)
    hours = _likely(_hours(moment)) if moment.hour is not None else []
    if len(hours) != 1:
        return None
    weekdays = _repeated_weekdays(moment)
    days = (_date(now, day) for day in range(-1, 9))
    times = (_time(day, hours[0], moment) for day in days if day.weekday() in weekdays)
    return next((time for time in times if time > now), None)


def _repeated_weekdays(moment: Moment) -> Sequence[int]:
    if moment.weekday is not None:
        return (moment.weekday, *moment.more_weekdays)
    return {"weekday": _WORKDAYS, "weekend": _WEEKEND}.get(moment.repeat or "", _ALL_DAYS)


def _hours(moment: Moment) -> list[int]:
    """The hours that fit what was said, from the midnight before; beyond 23 they fall on the next date."""
    said = moment.hour or 0
    open_half = 0 < said <= 12
    hours = [said % 12, said % 12 + 12] if open_half else [said]
    if moment.meridiem is not None:
        hours = [hour for hour in hours if (hour % 24 < 12) == (moment.meridiem == "am")]
    if moment.part is None:
        return hours
    late = [hour + 24 for hour in hours if hour < _SMALL_HOURS]
    within = _PART_HOURS.get(moment.part, range(29))
    return [hour for hour in (*hours, *late) if hour in within]


def _likely(hours: list[int]) -> list[int]:
    """Of two open readings the one in the daytime, if just one is."""
    by_day = [hour for hour in hours if hour in _DAYTIME]
    return by_day if len(by_day) == 1 else hours


def _on_a_day(hours: list[int], moment: Moment) -> list[int]:
    """The likely hours of a day; its midnight may be the first or the last one, unless a part tells."""
    return [0, 24] if hours == [24] and moment.part is None else _likely(hours)


def _next(days: Iterable[int], hours: list[int], moment: Moment, now: datetime) -> tuple[datetime, ...]:
    """The earliest of all given days and hours that is still ahead."""
    found = [time for day in days for time in _ahead(_date(now, day), hours, moment, now)]
    return (min(found),) if found else ()


def _on_weekday(weekday: int, hours: list[int], moment: Moment, now: datetime) -> tuple[datetime, ...]:
    away = (weekday - now.weekday()) % 7
    if moment.day is None:
        return _first_day((_date(now, away), _date(now, away + 7)), hours, moment, now)
    next_week = 7 - now.weekday() + weekday
    days = {away or 7, next_week} if moment.day < 7 else {away + moment.day, (away or 7) + moment.day}
    return _on_days(days, hours, moment, now)


def _in_week(week: int, weekday: int, hours: list[int], moment: Moment, now: datetime) -> tuple[datetime, ...]:
    """A weekday of a calendar week, which begins on Monday for some and on Sunday for others."""
    from_monday = weekday - now.weekday()
    from_sunday = (weekday + 1) % 7 - (now.weekday() + 1) % 7
    return _on_days({from_monday + 7 * week, from_sunday + 7 * week}, hours, moment, now)


def _on_days(days: Iterable[int], hours: list[int], moment: Moment, now: datetime) -> tuple[datetime, ...]:
    return tuple(time for day in sorted(days) for time in _ahead(_date(now, day), hours, moment, now))


def _first_day(days: Iterable[date], hours: list[int], moment: Moment, now: datetime) -> tuple[datetime, ...]:
    """What is ahead on the first of the days on which anything is."""
    for day in days:
        if found := tuple(_ahead(day, hours, moment, now)):
            return found
    return ()


def _dates(moment: Moment, now: datetime) -> Iterator[date]:
    """The dates with this day, month and weekday from this month on; a day no month has gives none.

    A weekday that was said must be that of the first such date: it does not choose another year.
    """
    first = True
    for month in range(now.month - 1, now.month - 1 + 12 * _YEARS_AHEAD):
        if moment.month not in (None, month % 12 + 1):
            continue
        try:
            day = date(now.year + month // 12, month % 12 + 1, moment.day_of_month or 0)
        except ValueError:
            continue
        if day >= now.date():
            if moment.weekday in (None, day.weekday()) and (first or moment.weekday is None):
                yield day
            first = False


def _ahead(day: date, hours: Iterable[int], moment: Moment, now: datetime) -> list[datetime]:
    times = (_time(day, hour, moment) for hour in hours)
    return [time for time in times if time > now]


def _date(now: datetime, days: int) -> date:
    return now.date() + timedelta(days=days)


def _time(day: date, hour: int, moment: Moment) -> datetime:
    midnight = datetime(day.year, day.month, day.day)
    return midnight + timedelta(hours=hour, minutes=moment.minute or 0, seconds=moment.second or 0)


# --- times in digits --------------------------------------------------------------------


class TimeValues(ValueTree):
    """A value tree that also knows the list ``time_written``: 7:30, 07:30, 19:05, found by their form."""

    def find(self, tokens: Sequence[Token], begin: int) -> list[Found]:
        """As `ValueTree.find`, and a time in digits if token ``begin`` is one; its value is its text."""
        found = super().find(tokens, begin)
        word = tokens[begin].word
        if _WRITTEN.fullmatch(word):
            found.append(Found(begin + 1, (ListValue("time_written", word),)))
        return found
