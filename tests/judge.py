"""Plays written conversations and judges what was done in them.

A suite is a YAML file of conversations; every turn says what must happen (``effects``), what may (``may``), what
must be planned (``scheduled``), asked (``ask``) and reported (``not_done``); ``or`` gives other ways that are as
good. A turn is *right*, *incomplete* (something expected is missing, or an unwanted question is open) or *wrong*
(something happened or was planned that nobody asked for, or in the wrong order).
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

import yaml

from dialogue.config import Parts, make_assistant, with_fresh_home
from dialogue.home import load_home
from dialogue.interfaces import Home
from dialogue.scheduler import StandingClock
from dialogue.shapes import turn_shape
from dialogue.typed import directive

ROOT = Path(__file__).parents[1]
NOW = "2026-03-02T18:00:00"
Line: TypeAlias = Mapping[str, Any]
States: TypeAlias = dict[str, dict[str, Any]]
Outcome: TypeAlias = Literal["right", "incomplete", "wrong"]

# --- suites -----------------------------------------------------------------------------

_CASE_KEYS = {"id", "category", "note", "given", "turns", "wav"}
_WAY_KEYS = {"effects", "may", "scheduled", "ask", "not_done", "ordered", "pick"}
_TURN_KEYS = _WAY_KEYS | {"say", "join", "or", "note"}


@dataclass(frozen=True, slots=True)
class Case:
    """One conversation: its turns as written, the home it plays in and when it begins."""

    id: str
    turns: tuple[Mapping[str, Any], ...]
    home: Path
    now: str = NOW
    given: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    wav: str = ""

    @property
    def said(self) -> list[str]:
        return [turn["say"] for turn in self.turns]


def read_cases(path: Path, home: Path | None = None) -> list[Case]:
    """The conversations of a suite. Scalars stay text, so that ``on`` and ``no`` mean what they say."""
    suite = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    place = home or ROOT / suite.get("home", "grammars/home.yaml")
    cases = []
    for row in suite["cases"]:
        _check_keys(path, row)
        turns = tuple(row["turns"])
        given, wav = row.get("given") or {}, row.get("wav", "")
        cases.append(Case(row["id"], turns, place, suite.get("now", NOW), given, wav))
    return cases


def _check_keys(path: Path, row: Mapping[str, Any]) -> None:
    """A misspelled key would silently expect nothing."""
    unknown = set(row) - _CASE_KEYS
    for turn in row["turns"]:
        unknown |= set(turn) - _TURN_KEYS
        for way in turn.get("or") or ():
            unknown |= set(way) - _WAY_KEYS
    if unknown:
        raise ValueError(f"{path.name}: {row['id']}: unknown keys {', '.join(sorted(unknown))}")


# --- playing ----------------------------------------------------------------------------


def play(case: Case, parts: Parts) -> list[dict[str, Any]]:
    """What the assistant prints for each turn of a case, in a home of its own under a clock that stands still."""
    clock = StandingClock(datetime.fromisoformat(case.now))
    mine = _with_given(parts, case.given) if case.given else with_fresh_home(parts)
    assistant = make_assistant(mine.configuration, clock=clock, parts=mine)
    lines = []
    for text in case.said:
        turn = directive(assistant, clock, text) if text.startswith("@") else assistant.hear(text)
        lines.append(json.loads(json.dumps(turn_shape(turn, assistant.home))))
    return lines


def _with_given(parts: Parts, given: Mapping[str, Mapping[str, str]]) -> Parts:
    assert parts.configuration.home is not None
    written = _home_file(parts.configuration.home)
    states = {one: {**spec["state"]} for one, spec in written["devices"].items()}
    for target, change in given.items():
        states[target].update({key: _natural(value) for key, value in change.items()})
    devices = {one: {**spec, "state": states[one]} for one, spec in written["devices"].items()}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump({**written, "devices": devices}, file)
        file.flush()
        return replace(parts, home=load_home(file.name))


@cache
def _home_file(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return read


def _natural(text: str) -> str | float | int:
    value = number(text)
    if value is None:
        return text
    return int(value) if value.is_integer() else value


# --- what is compared -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fact:
    """The smallest thing that can happen: one attribute of one device, or one change of a timer, list, message."""

    target: str
    change: tuple[tuple[str, Any], ...]
    at: Any = None
    on: Any = None

    def __str__(self) -> str:
        change = ", ".join(f"{name}={value}" for name, value in self.change)
        later = "".join(f" {word} {value}" for word, value in (("at", self.at), ("on", self.on)) if value)
        return f"{self.target} {change}{later}"

    @property
    def kind(self) -> str:
        return self.target.partition(".")[0]


def facts(home: Home, rows: Iterable[Mapping[str, Any]]) -> list[Fact]:
    """Rows of a suite or of the program as facts; groups become their members, lists of items single ones."""
    return [fact for row in rows for fact in _facts(home, row)]


def _facts(home: Home, row: Mapping[str, Any]) -> Iterator[Fact]:
    at, on, change = row.get("at"), row.get("on"), dict(row.get("change") or {})
    for target in devices_meant(home, row["target"], row.get("except") or ()):
        if "answered" in change:
            yield Fact("query", (("answered", change["answered"]),))
        elif target in home.devices:
            for name, value in change.items():
                yield Fact(target, (_one_spelling(target.partition(".")[0], name, value),), at, on)
        else:
            for single in _singly(change):
                yield Fact(target, tuple(sorted(single.items())), at, on)


def _singly(change: dict[str, Any]) -> list[dict[str, Any]]:
    """``{added: [milk, eggs]}`` as the program may print it is two additions."""
    name = next((key for key in ("added", "removed") if isinstance(change.get(key), list)), None)
    return [change] if name is None else [{**change, name: value} for value in change[name]]


def devices_meant(home: Home, pattern: str, without: Sequence[str] = ()) -> list[str]:
    """``light.*`` is every light, ``light.*@kitchen`` those of an area or floor; anything else is itself."""
    if "*" not in pattern:
        return [pattern]
    domain, _, place = pattern.partition(".*")
    place = place.removeprefix("@")
    out = {one for other in without for one in devices_meant(home, other)}
    found = [
        device.id
        for device in home.devices.values()
        if device.domain == domain and device.id not in out and place in _places(home, device.area)
    ]
    if not found:
        raise ValueError(f"{pattern}: the home has no such device")
    return found


def _places(home: Home, area: str | None) -> set[str | None]:
    floor = home.areas[area].floor if area is not None and area in home.areas else None
    return {"", area, floor}


_SPELLINGS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("cover", "state"): {"open": 100, "opening": 100, "closed": 0, "closing": 0},
    ("vacuum", "state"): {"on": "cleaning", "off": "docked", "returning": "docked"},
    ("media_player", "muted"): {"true": "yes", "on": "yes", "false": "no", "off": "no"},
}


def _one_spelling(domain: str, name: str, value: Any) -> tuple[str, Any]:
    """The same change in the same words: a closed cover is one at position 0."""
    known = _SPELLINGS.get((domain, name), {}).get(" ".join(words(value)))
    if known is None:
        return name, value
    return ("position" if domain == "cover" else name), known


# --- values -----------------------------------------------------------------------------

_ARTICLES = {"a", "an", "the", "some"}
_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_ALIKE = {word: str(value) for value, word in enumerate(_NUMBERS)} | {"your": "my"}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


def words(value: Any) -> list[str]:
    """The words of a value as they are compared: no case, punctuation or articles, small numbers in digits."""
    text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    kept = re.sub(r"[^\w\s.%:+-]", "", text.casefold().replace("_", " ")).split()
    return [_ALIKE.get(word, word) for word in kept if word not in _ARTICLES]


def number(value: Any) -> float | None:
    """The number a value is, or None."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def value_fits(wanted: Any, seen: Any, now: datetime) -> bool:
    """Whether a value is one that was wanted: ``any``, ``>40``, ``20..40``, ``~words``, a list, or the value."""
    if isinstance(wanted, list):
        return any(value_fits(one, seen, now) for one in wanted)
    text = str(wanted)
    if text == "any":
        return True
    if text.startswith("~"):
        return set(words(text[1:])) <= set(words(seen))
    limits, size = _limits(text), number(seen)
    if limits is not None:
        return size is not None and limits[0] < size < limits[1]
    if isinstance(seen, str) and re.match(r"\d{4}-\d\d-\d\dT", seen):
        return time_fits(text, seen, now)
    return words(text) == words(seen)


def _limits(text: str) -> tuple[float, float] | None:
    """The open interval that ``40``, ``>40``, ``<40`` or ``20..40`` stands for."""
    found = re.fullmatch(r"(?P<side>[<>]?)(?P<low>-?\d+(?:\.\d+)?)(?:\.\.(?P<high>-?\d+(?:\.\d+)?))?", text)
    if found is None:
        return None
    low = float(found["low"])
    if found["high"] is not None:
        return low - 1e-9, float(found["high"]) + 1e-9
    return {">": (low, float("inf")), "<": (float("-inf"), low), "": (low - 0.5, low + 0.5)}[found["side"]]


def time_fits(wanted: Any, seen: Any, now: datetime) -> bool:
    """Whether an ISO time is ``22:00`` (the next one), ``+10m``, ``03-03 07:00``, ``03-03`` or ``any``."""
    if isinstance(wanted, list):
        return any(time_fits(one, seen, now) for one in wanted)
    try:
        time = datetime.fromisoformat(str(seen)).replace(tzinfo=None)
    except ValueError:
        return False
    text = str(wanted)
    if offset := re.fullmatch(r"\+(\d+)([smh])", text):
        due = now + timedelta(**{_UNITS[offset[2]]: int(offset[1])})
        return abs(time - due) <= timedelta(seconds=5)
    if re.fullmatch(r"\d\d?:\d\d", text):
        due = now.replace(hour=int(text[:-3]), minute=int(text[-2:]), second=0)
        return abs(time - due - timedelta(days=due <= now)) < timedelta(minutes=1)
    return text in ("any", f"{time:%m-%d}", f"{time:%m-%d %H:%M}")


def condition_fits(wanted: Any, seen: Any) -> bool:
    """Whether a planned condition speaks of what was wanted, whatever form it is printed in."""
    if isinstance(wanted, list):
        return any(condition_fits(one, seen) for one in wanted)
    printed = json.dumps(seen).casefold()
    return bool(seen) and (wanted == "any" or all(word in printed for word in str(wanted).split()))


# --- facts against facts ----------------------------------------------------------------

_RIDERS = {"name", "label", "text", "at", "on", "id", "repeat"}
"""What a change may carry besides what was wanted: how a timer is called is nobody's harm."""


def fits(wanted: Fact, seen: Fact, now: datetime) -> bool:
    """Whether a fact is the wanted one."""
    return wanted.target == seen.target and _change_fits(wanted, seen, now) and _moment_fits(wanted, seen, now)


def _change_fits(wanted: Fact, seen: Fact, now: datetime) -> bool:
    have, need = dict(seen.change), dict(wanted.change)
    if need.keys() - have.keys() or have.keys() - need.keys() - _RIDERS:
        return False
    return all(_part_fits(name, value, have[name], now) for name, value in need.items())


def _part_fits(name: str, wanted: Any, seen: Any, now: datetime) -> bool:
    if name == "at":
        return time_fits(wanted, seen, now)
    return condition_fits(wanted, seen) if name == "on" else value_fits(wanted, seen, now)


def _moment_fits(wanted: Fact, seen: Fact, now: datetime) -> bool:
    """Now is now, and of a wanted time and a wanted condition either will do."""
    if not wanted.at and not wanted.on:
        return not seen.at and not seen.on
    by_time = bool(wanted.at and seen.at) and time_fits(wanted.at, seen.at, now)
    return by_time or (bool(wanted.on) and condition_fits(wanted.on, seen.on))


_LEVEL = {"light": "brightness", "fan": "speed"}


def comes_with(wanted: Fact, seen: Fact, now: datetime) -> bool:
    """Whether a fact is the natural by-product of a wanted one: a dimmed lamp is on, a player that plays too."""
    if wanted.target != seen.target or len(wanted.change) != 1 or not _moment_fits(wanted, seen, now):
        return False
    (name, value), (other, side) = wanted.change[0], seen.change[0]
    said = {" ".join(words(one)) for one in (value if isinstance(value, list) else [value])}
    came = " ".join(words(side))
    level = _LEVEL.get(wanted.kind)
    match wanted.kind, name, other:
        case (("light" | "fan"), "state", _) if other == level:
            return (number(side) or 0) > 0 if "on" in said else number(side) == 0
        case (("light" | "fan"), _, "state") if name in (level, "color"):
            return came == "on" and said != {"0"}
        case "media_player", "media", "state":
            return came in ("on", "playing")
        case "media_player", "volume", "muted":
            return came == "no"
        case "climate", "temperature", "state":
            return came in ("heat", "on", "auto")
        case "vacuum", "area", "state":
            return came == "cleaning"
    return False


def pairs(wanted: Sequence[Fact], seen: Sequence[Fact], now: datetime) -> dict[int, int]:
    """Which seen fact (key) meets which wanted one (value): as many as can be paired (augmenting paths)."""
    taken_by: dict[int, int] = {}

    def place(one: int, tried: set[int]) -> bool:
        for want, fact in enumerate(wanted):
            if want in tried or not fits(fact, seen[one], now):
                continue
            tried.add(want)
            if want not in taken_by or place(taken_by[want], tried):
                taken_by[want] = one
                return True
        return False

    for one in range(len(seen)):
        place(one, set())
    return {one: want for want, one in taken_by.items()}


# --- one turn ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said against a turn."""

    wrong: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        if self.wrong:
            return "wrong"
        return "incomplete" if self.missing else "right"

    def __str__(self) -> str:
        return "; ".join([*(f"WRONG {one}" for one in self.wrong), *(f"missing {one}" for one in self.missing)])


@dataclass(slots=True)
class Standing:
    """How things stand before a turn: the home, its states as the program changed them, time, open question."""

    home: Home
    states: States
    now: datetime
    question: str = ""

    def already(self, fact: Fact) -> bool:
        """Whether a wanted change is no change."""
        have = self.states.get(fact.target)
        return have is not None and all(
            name in have and value_fits(value, have[name], self.now) for name, value in fact.change
        )

    def repeatable(self, fact: Fact) -> bool:
        """Whether doing it twice is doing it once."""
        return fact.target in self.home.devices and fact.change[0][0] not in ("track", "media")

    def follow(self, fact: Fact) -> None:
        """Take note of a change, with what follows from it."""
        have = self.states.get(fact.target)
        if have is None:
            return
        for name, value in fact.change:
            have[name] = value
            if name == "media":
                have["state"] = "playing"
            elif name in ("brightness", "speed", "color") and number(value) != 0:
                have["state"] = "on"
            elif name == "state" and value == "off":
                have.update({level: 0 for level in ("brightness", "speed") if level in have})


def judge_turn(way: Mapping[str, Any], lines: Sequence[Line], standing: Standing) -> Verdict:
    """Judge what was printed for one turn, or for several that belong together, against one acceptable way."""
    happened = facts(standing.home, (row for line in lines for row in line["effects"]))
    planned = facts(standing.home, (row for line in lines for row in line["scheduled"]))
    asked = lines[-1]["asked"] or ""
    told = [f"{one.get('text')} {one.get('reason')}" for line in lines for one in line["not_done"]]
    ask = way.get("ask", "no")
    picked, unpicked = _picked(way.get("pick"), standing)
    may = facts(standing.home, way.get("may") or ())
    now_wanted = facts(standing.home, [*(way.get("effects") or ()), *picked])
    now = _held_against(now_wanted, [one for one in may if not (one.at or one.on)], happened, standing)
    if way.get("ordered") == "yes" and not _in_order(now_wanted, happened, standing.now):
        now = replace(now, wrong=(*now.wrong, "the order"))
    later_wanted = facts(standing.home, way.get("scheduled") or ())
    later = _held_against(later_wanted, [one for one in may if one.at or one.on], planned, standing, later=True)
    missing = [*now.missing, *later.missing, *unpicked]
    missing += _unreported(way.get("not_done") or (), [*told, asked])
    missing += ["a question"] if ask == "must" and not asked else []
    missing += [f"what it asks for: {asked}"] if ask == "no" and asked else []
    return Verdict((*now.wrong, *later.wrong), tuple(missing))


def _held_against(
    wanted: list[Fact], may: list[Fact], seen: list[Fact], standing: Standing, *, later: bool = False
) -> Verdict:
    """What happened too much and what is missing."""
    met = pairs(wanted, seen, standing.now)
    rest = [fact for number, fact in enumerate(seen) if number not in met]
    unmet = [fact for number, fact in enumerate(wanted) if number not in met.values()]
    kept = [fact for number, fact in enumerate(wanted) if number in met.values()]
    absent = _absent_later if later else _absent_now
    missing = [fact for fact in unmet if absent(fact, kept, seen, standing)]
    return Verdict(tuple(map(str, _too_much(rest, wanted, may, standing))), tuple(map(str, missing)))


def _too_much(rest: list[Fact], wanted: list[Fact], may: list[Fact], standing: Standing) -> Iterator[Fact]:
    left = list(may)
    for fact in rest:
        if fact.target == "query":
            continue
        again = standing.repeatable(fact)
        if again and any(fits(want, fact, standing.now) for want in (*wanted, *may)):
            continue
        allowed = next((want for want in left if fits(want, fact, standing.now)), None)
        if allowed is not None:
            left.remove(allowed)
        elif not any(comes_with(want, fact, standing.now) for want in (*wanted, *may)):
            yield fact


def _absent_now(fact: Fact, kept: list[Fact], seen: list[Fact], standing: Standing) -> bool:
    """A change that was so already, or that another one tells of, may be left out."""
    told = any(comes_with(other, fact, standing.now) for other in seen)
    return not told and not standing.already(fact)


def _absent_later(fact: Fact, kept: list[Fact], seen: list[Fact], standing: Standing) -> bool:
    """Until later things may change: only a member of a group that is planned for may be left out."""
    return not (standing.already(fact) and any(_alike(fact, other) for other in kept))


def _alike(fact: Fact, other: Fact) -> bool:
    """Whether both come from one command to a group."""
    return (fact.kind, fact.change, fact.at, fact.on) == (other.kind, other.change, other.at, other.on)


def _in_order(wanted: Sequence[Fact], seen: Sequence[Fact], now: datetime) -> bool:
    """Whether the steps were begun in the order they are written; one command to a group is one step."""
    steps = [0]
    for before, after in pairwise(wanted):
        steps.append(steps[-1] + (not _alike(before, after)))
    begun = [steps[want] for _, want in sorted(pairs(wanted, seen, now).items())]
    first = list(dict.fromkeys(begun))
    return first == sorted(first)


def _picked(pick: Mapping[str, Any] | None, standing: Standing) -> tuple[list[dict[str, Any]], list[str]]:
    """The effect of "the second one": the choices count in the order the question named them."""
    if pick is None:
        return [], []
    text = standing.question.casefold()
    places = sorted((text.find(word), target) for target, word in pick["of"].items() if word in text)
    nth = int(pick["number"])
    if nth > len(places):
        return [], ["choices named in the question"]
    return [{"target": places[nth - 1][1], "change": pick["change"]}], []


def _unreported(due: Iterable[str], told: Iterable[str]) -> list[str]:
    spoken = [text.casefold() for text in told]
    return [
        f"a report of {entry!r}"
        for entry in due
        if not any(word in text for word in entry.casefold().split("|") for text in spoken)
    ]


# --- a whole conversation ---------------------------------------------------------------


def judge(case: Case, lines: Sequence[Line], home: Home) -> Verdict:
    """Judge a conversation by all its turns; ``home`` gives the devices and the states it started from."""
    standing = Standing(home, _states(home, case.given), datetime.fromisoformat(case.now))
    wrong: list[str] = []
    missing: list[str] = []
    for turn, said in _groups(case.turns, lines):
        standing.now += waited(turn["say"])
        ways = [turn, *(turn.get("or") or ())]
        verdict = min((judge_turn(way, said, standing) for way in ways), key=_badness)
        wrong += [f"[{turn['say']}] {text}" for text in verdict.wrong]
        missing += [f"[{turn['say']}] {text}" for text in verdict.missing]
        for fact in facts(home, (row for line in said for row in line["effects"])):
            standing.follow(fact)
        standing.question = said[-1]["asked"] or ""
    return Verdict(tuple(wrong), tuple(missing))


def _states(home: Home, given: Mapping[str, Mapping[str, str]]) -> States:
    states: States = {one: dict(home.state(one)) for one in home.devices}
    for target, change in given.items():
        states[target].update({name: _natural(value) for name, value in change.items()})
    return states


def _badness(verdict: Verdict) -> tuple[int, int]:
    order = ("right", "incomplete", "wrong")
    return order.index(verdict.outcome), len(verdict.wrong) + len(verdict.missing)


def _groups(
    turns: Sequence[Mapping[str, Any]], lines: Sequence[Line]
) -> Iterator[tuple[Mapping[str, Any], list[Line]]]:
    """Each turn with its output and that of the turns joined to it."""
    starts = [number for number, turn in enumerate(turns) if turn.get("join") != "yes"]
    for start, end in zip(starts, [*starts[1:], len(turns)], strict=True):
        yield turns[start], list(lines[start:end])


def waited(text: str) -> timedelta:
    """How far a directive such as ``@wait 10m`` moves the clock."""
    found = re.fullmatch(r"@wait (\d+)([smh])", text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
