"""Speaks sentence templates: one way through a template, with values from its lists and from a home."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hassil import parse_expression
from hassil.expression import (
    Alternative,
    Expression,
    Group,
    ListReference,
    Permutation,
    RuleReference,
    TextChunk,
)

from dialogue.grammar.compiled import Block, Compiled, Range, Template
from dialogue.grammar.sentences import Source
from dialogue.interfaces import Home

Choose = Callable[[Sequence[Any]], Any]
"""Picks one of several ways: a seeded generator, or a strategy that can shrink."""

_SPOKEN: Mapping[str, tuple[str, ...]] = {
    "moment": ("half past six", "noon", "eight o'clock", "ten pm"),
    "length": ("ten minutes", "an hour and a half", "20 seconds"),
    "ordinal": ("first", "second"),
    "number": ("five", "21"),
}
_OPEN = ("blue velvet", "oat milk", "the red bicycle")
_UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
_UNITS += ["twelve", *(f"{word}teen" for word in ("thir", "four", "fif", "six", "seven", "eigh", "nine"))]
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


class Unspeakable(Exception):  # noqa: N818 - nothing is wrong, this home just has no such device
    """The home has nothing that the template could speak of."""


class Stage:
    """What templates speak of: the rules and lists of their files, and a home.

    ``spell`` says a number in words; ``open_words`` stand in open slots.
    """

    def __init__(
        self,
        source: Source,
        home: Home,
        spell: Callable[[int], str] | None = None,
        open_words: Sequence[str] = _OPEN,
    ) -> None:
        self.spell = spell or spelled
        self.open_words = open_words
        self.rules = source.rules
        self.lists = source.lists
        self.home = home


@dataclass(frozen=True, slots=True)
class Sayable:
    """A template with all that is needed to speak it; ``number`` counts within its compiled network."""

    number: int
    template: Template
    block: Block
    stage: Stage
    rules: Mapping[str, Any] = field(default_factory=dict)
    lists: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.template.place}: {self.template.text}"

    @property
    def intent(self) -> str:
        return self.block.intent

    def say(self, choose: Choose) -> str:
        """One sentence of the template.

        Raises:
            Unspeakable: the home has no device of the kind it speaks of.
        """
        return " ".join(self._spoken(_parsed(self.template.text), choose).split())

    def _spoken(self, expression: Expression, choose: Choose) -> str:
        match expression:
            case TextChunk():
                return expression.text
            case Permutation():
                left, order = list(expression.items), []
                while left:
                    order.append(choose(left))
                    left = [item for item in left if item is not order[-1]]
                return " " + " ".join(self._spoken(item, choose) for item in order) + " "
            case Alternative():
                return self._spoken(choose(_ways(expression)), choose)
            case Group():
                return "".join(self._spoken(item, choose) for item in expression.items)
            case RuleReference(rule_name=name):
                body = self.rules.get(name) or self.stage.rules[name][0]
                return self._spoken(_parsed(str(body)), choose)
            case ListReference():
                return self._value(expression, choose)
        raise TypeError(expression)

    def _value(self, reference: ListReference, choose: Choose) -> str:
        name = reference.list_name
        if reference.is_inline_range:
            low, high, step = reference.get_inline_range() or (0, 0, 1)
            return str(choose(range(low, high + 1, step)))
        body = self.lists.get(name) or self.stage.lists.get(name, (None,))[0]
        if body is None:
            return str(choose(_SPOKEN.get(name) or self._named(name)))
        if str(body.get("wildcard", "")).lower() in ("true", "yes"):
            return str(choose(self.stage.open_words))
        if "range" in body:
            return str(choose(_numbers(body["range"], self.stage.spell)))
        return self._listed(body["values"], choose)

    def _listed(self, values: Sequence[Any], choose: Choose) -> str:
        if not values:
            raise Unspeakable
        value = choose(values)
        return self._spoken(_parsed(str(value["in"] if isinstance(value, Mapping) else value)), choose)

    def _named(self, name: str) -> list[str]:
        """What the home gives to a list."""
        found = list(self._names(name))
        if not found:
            raise Unspeakable
        return found

    def _names(self, name: str) -> Iterator[str]:
        home, domains = self.stage.home, self.block.domains
        match name:
            case "name":
                named = [one for one in home.devices.values() if not domains or one.domain in domains]
                yield from (one.name for one in named)
            case "name_word":
                yield from (one.name.split()[0] for one in home.devices.values() if " " in one.name)
            case "area":
                yield from (place.name for place in home.areas.values())
            case "floor":
                yield from (place.name for place in home.floors.values())
            case "list_name":
                yield from (one.name for one in home.lists.values())


def _parsed(text: str) -> Expression:
    return parse_expression.parse_sentence(text, keep_text=True).expression


def _ways(expression: Alternative) -> list[Expression]:
    """The alternatives; a space that may be left out is always spoken ("50 percent")."""
    spaces = [one for one in expression.items if _just_space(one)]
    return spaces or list(expression.items)


def _just_space(expression: Expression) -> bool:
    if isinstance(expression, Group):
        return bool(expression.items) and all(_just_space(one) for one in expression.items)
    return isinstance(expression, TextChunk) and expression.text == " "


def _numbers(body: Mapping[str, Any], spell: Callable[[int], str]) -> list[str]:
    """A few numbers of a range, some in words and some in digits."""
    numbers = Range(float(body["from"]), float(body["to"]), float(body.get("step", 1)))
    few = [
        int(numbers.low),
        int(numbers.low + numbers.step),
        int(numbers.high - numbers.step),
        int(numbers.high),
    ]
    kept = [one for one in (*few, 20, 35, 50) if numbers.value(one) is not None and one >= 0]
    return [spell(one) for one in kept if one < 100] + [str(one) for one in kept]


def spelled(number: int) -> str:
    """A number below a hundred in words."""
    if number < 20:
        return _UNITS[number]
    tens, units = divmod(number, 10)
    return _TENS[tens] + (f" {_UNITS[units]}" if units else "")


def sayables(
    source: Source, main: Compiled, times: Compiled, home: Home, stage: Stage | None = None
) -> tuple[list[Sayable], list[Sayable]]:
    """All templates of a source, those of requests and operators and those of times, as they are numbered."""
    spoken: tuple[list[Sayable], list[Sayable]] = ([], [])
    stage = stage or Stage(source, home)
    for data, is_time in _blocks(source):
        compiled, found = (times, spoken[1]) if is_time else (main, spoken[0])
        rules, lists = data.get("expansion_rules") or {}, data.get("lists") or {}
        for text in data["sentences"]:
            template = compiled.templates[len(found)]
            assert template.text == str(text), f"templates are numbered otherwise from {text!r} on"
            block = compiled.blocks[template.block]
            found.append(Sayable(len(found), template, block, stage, rules, lists))
    return spoken


def _blocks(source: Source) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """The blocks in the order they are compiled, and whether they speak of time."""
    for _, body, _ in source.intents:
        for data in body["data"]:
            yield data, "time" in (body.get("kind"), data.get("kind"))
    for _, body, _ in (*source.operators, *source.answers):
        yield body if isinstance(body, Mapping) else {"sentences": body}, False
