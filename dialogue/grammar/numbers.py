"""Spoken and written numbers: every stretch of tokens that is a number, and what it is worth.

A language is one table of words (`NumberWords`). The rules that join the words are the same everywhere: a
ten takes a unit ("twenty one"), a scale word multiplies what stands before it and takes a smaller rest ("two
thousand three hundred"), and nothing else joins, so that "one twenty" and "ten fifteen" stay two numbers.
English has a table written by hand; for other languages Unicode's rules for spelling numbers out (CLDR, by
unicode-rbnf) say every number up to a thousand, and the hundreds above.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dialogue.grammar.tokens import tokenize

if TYPE_CHECKING:
    from unicode_rbnf import FormatPurpose, RbnfEngine

Found = list[tuple[int, float]]

_MOST_DECIMALS = 6
_SPELLED = (*range(1001), *range(1100, 10_001, 100))
_SPELLED_ORDINALS = range(1, 101)
_RARE_RULES = ("financial", "days", "year", "verbose")
_DECIMALS = re.compile(r"(?:\d{1,15}[.,](?:\d{1,2}|\d{4,15})|0,\d{3})")
_GROUPS = re.compile(r"\d{1,3}(?:[.,]\d{3}){1,4}|\d{1,15}")
_DIGITS = re.compile(r"(?:\d{1,15}|\d{1,3}(?:,\d{3}){1,4})(?:\.\d{1,15})?")
_FRACTION = re.compile(r"(\d{1,6})/([1-9]\d{0,5})")
_WHOLE_DIGITS = re.compile(r"(\d{1,6})(\D*)")


@dataclass(frozen=True, slots=True)
class NumberWords:
    """The number words of a language; a key of several tokens has spaces between them.

    ``units`` join nothing on their left but a ten, and only if they are 1 to 9; ``tens`` take such a unit.
    ``scales`` multiply. ``one`` holds articles that count as 1 before a scale ("a hundred"), ``joiner`` words
    that may stand between a scale and a rest under 100 ("and"), ``point`` the decimal point as spoken.
    ``ordinals`` stand alone or, from 1 to 9, after a ten; ``ordinal_endings`` follow digits ("2nd").
    ``comma`` says that a comma in digits may be the decimal point ("21,5").
    """

    units: Mapping[str, int] = field(default_factory=dict)
    tens: Mapping[str, int] = field(default_factory=dict)
    scales: Mapping[str, int] = field(default_factory=dict)
    one: frozenset[str] = frozenset()
    joiner: frozenset[str] = frozenset()
    point: frozenset[str] = frozenset()
    ordinals: Mapping[str, int] = field(default_factory=dict)
    ordinal_endings: frozenset[str] = frozenset()
    comma: bool = False


def _counted(words: str, first: int = 0, step: int = 1) -> dict[str, int]:
    return {word: first + step * place for place, word in enumerate(words.split())}


ENGLISH = NumberWords(
    units=_counted(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
        " sixteen seventeen eighteen nineteen"
    ),
    tens=_counted("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10),
    scales={"hundred": 100, "thousand": 1_000, "million": 1_000_000},
    one=frozenset({"a"}),
    joiner=frozenset({"and"}),
    point=frozenset({"point"}),
    ordinals=_counted(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"
        " fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth",
        1,
    )
    | _counted("twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth", 20, 10),
    ordinal_endings=frozenset({"st", "nd", "rd", "th"}),
)
LANGUAGES: Mapping[str, NumberWords] = {"en": ENGLISH}


def number_words(language: str) -> NumberWords:
    """The table of a language; one that nobody has spelled out knows digits only."""
    table = LANGUAGES.get(language)
    if table is not None:
        return table
    from hassil.numbers import get_rbnf_engine
    from unicode_rbnf import FormatPurpose

    try:
        engine = get_rbnf_engine(language)
    except ValueError:
        return NumberWords(comma=True)
    point = {word for _, words in _ways(engine, 1.5, FormatPurpose.CARDINAL) for word in _middle(words)}
    return NumberWords(
        units=_spelled(engine, _SPELLED, FormatPurpose.CARDINAL),
        ordinals=_spelled(engine, _SPELLED_ORDINALS, FormatPurpose.ORDINAL),
        point=frozenset(point),
        comma=True,
    )


def _spelled(engine: RbnfEngine, numbers: Iterable[int], purpose: FormatPurpose) -> dict[str, int]:
    """The words of numbers in every gender and case, cut into tokens; the first meaning of a word wins.

    None where the language's rules do not serve the purpose: not all spell ordinals.
    """
    found: dict[str, int] = {}
    for number in numbers:
        for rules, words in _ways(engine, number, purpose):
            if not any(rare in rules for rare in _RARE_RULES):
                found.setdefault(" ".join(token.word for token in tokenize(words)), number)
    return found


def _ways(engine: RbnfEngine, number: float, purpose: FormatPurpose) -> Iterable[tuple[str, str]]:
    """The names of the spelling rules for a purpose, each with how it says the number."""
    from unicode_rbnf.engine import RbnfError

    try:
        return engine.format_number(number, purpose=purpose).text_by_ruleset.items()
    except (ValueError, RbnfError):
        return ()


def _middle(words: str) -> list[str]:
    """The token between two others: the decimal point in "one point five"."""
    tokens = [token.word for token in tokenize(words)]
    return tokens[1:2] if len(tokens) == 3 else []


class Numbers:
    """Finds numbers in tokens (lower case, as `tokenize` cuts them).

    ``language`` is a code or a table; a language without a table knows digits only.
    """

    def __init__(self, language: str | NumberWords) -> None:
        words = language if isinstance(language, NumberWords) else number_words(language)
        self._words = words
        self._cardinals = _tree([*words.units.items(), *words.tens.items(), *_joined(words.tens, words.units)])
        self._ordinals = _tree([*words.ordinals.items(), *_joined(words.tens, words.ordinals)])
        self._scales = dict(words.scales)
        self._decimals = {word: str(value) for word, value in words.units.items() if value < 10}
        self._starts = {*self._cardinals.branches, *words.one}

    def spans(self, tokens: Sequence[str]) -> list[Found]:
        """For every token the numbers that start there, as (end, value), shorter readings included."""
        starts = self._starts
        return [
            self._spoken(tokens, at)
            if token in starts
            else self._written(tokens, at)
            if token[0].isdigit()
            else []
            for at, token in enumerate(tokens)
        ]

    def ordinals(self, tokens: Sequence[str]) -> list[Found]:
        """For every token the ordinals that start there ("third", "twenty first", "2nd"), as (end, value)."""
        starts = self._ordinals.branches
        return [
            _floats(self._ordinals.find(tokens, at))
            if token in starts
            else self._written_ordinal(tokens, at)
            if token[0].isdigit()
            else []
            for at, token in enumerate(tokens)
        ]

    def _spoken(self, tokens: Sequence[str], at: int) -> Found:
        wholes = self._wholes(tokens, at, _NO_LIMIT)
        decimals = [found for end, whole in wholes for found in self._after_point(tokens, end, whole)]
        return _floats(wholes) + decimals

    def _wholes(self, tokens: Sequence[str], at: int, limit: int) -> list[tuple[int, int]]:
        """Whole numbers below ``limit`` that start at a token."""
        article = tokens[at] in self._words.one
        found = [(at + 1, 1)] if article else self._cardinals.find(tokens, at)
        for end, value in found:  # grows while it is walked: what a scale made may be multiplied again
            scale = self._scales.get(tokens[end], 0) if end < len(tokens) else 0
            total = value * scale
            if 0 < total < limit and self._multiplies(value, scale):
                found.append((end + 1, total))
                found += [(last, total + rest) for last, rest in self._rests(tokens, end + 1, scale)]
        return [(end, value) for end, value in found if value < limit and not (article and end == at + 1)]

    def _multiplies(self, value: int, scale: int) -> bool:
        """Whether people say it so: "fifteen hundred", but not "ten hundred", which is a thousand."""
        larger = (other for other in self._scales.values() if other > scale)
        return value < scale and all(value * scale % other for other in larger)

    def _rests(self, tokens: Sequence[str], at: int, scale: int) -> list[tuple[int, int]]:
        """What may follow a scale word: a smaller number, below 100 after a joiner."""
        joined = at < len(tokens) and tokens[at] in self._words.joiner
        at, limit = (at + 1, min(scale, 100)) if joined else (at, scale)
        if at >= len(tokens) or tokens[at] in self._words.one:
            return []
        return [(end, value) for end, value in self._wholes(tokens, at, limit) if value]

    def _after_point(self, tokens: Sequence[str], at: int, whole: int) -> Iterable[tuple[int, float]]:
        """Decimals, one digit word each; every number of them is a reading."""
        if at >= len(tokens) or tokens[at] not in self._words.point:
            return
        digits = ""
        for place in range(at + 1, min(len(tokens), at + 1 + _MOST_DECIMALS)):
            digit = self._decimals.get(tokens[place])
            if digit is None:
                return
            digits += digit
            yield place + 1, float(f"{whole}.{digits}")

    def _written(self, tokens: Sequence[str], at: int) -> Found:
        found = _written_with_comma(tokens[at], at) if self._words.comma else []
        return found or _written(tokens, at)

    def _written_ordinal(self, tokens: Sequence[str], at: int) -> Found:
        match = _WHOLE_DIGITS.fullmatch(tokens[at])
        if match is None:
            return []
        number, ending = match.groups()
        if ending:
            return [(at + 1, float(number))] if ending in self._words.ordinal_endings else []
        split = at + 1 < len(tokens) and tokens[at + 1] in self._words.ordinal_endings
        return [(at + 2, float(number))] if split else []


_NO_LIMIT = 10**12


@dataclass(slots=True)
class _Tree:
    """Phrases by their tokens."""

    value: int | None = None
    branches: dict[str, _Tree] = field(default_factory=dict)

    def add(self, phrase: str, value: int) -> None:
        node = self
        for token in phrase.split():
            node = node.branches.setdefault(token, _Tree())
        node.value = value

    def find(self, tokens: Sequence[str], at: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        node: _Tree | None = self
        while at < len(tokens) and (node := node.branches.get(tokens[at]) if node else None):
            at += 1
            if node.value is not None:
                found.append((at, node.value))
        return found


def _tree(phrases: Iterable[tuple[str, int]]) -> _Tree:
    tree = _Tree()
    for phrase, value in phrases:
        tree.add(phrase, value)
    return tree


def _joined(tens: Mapping[str, int], units: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    """Each ten with each unit from 1 to 9."""
    small = {word: value for word, value in units.items() if 0 < value < 10}
    return ((f"{ten} {word}", many + value) for ten, many in tens.items() for word, value in small.items())


def _floats(found: Iterable[tuple[int, int]]) -> Found:
    return [(end, float(value)) for end, value in found]


def _written(tokens: Sequence[str], at: int) -> Found:
    """A number in digits: 50, 21.5, 1,000, 1/2, and 1 1/2 over two tokens."""
    token = tokens[at]
    if _DIGITS.fullmatch(token):
        number = float(token.replace(",", ""))
        part = _fraction(tokens[at + 1]) if at + 1 < len(tokens) and number.is_integer() else None
        return [(at + 1, number)] + ([(at + 2, number + part)] if part is not None and part < 1 else [])
    part = _fraction(token)
    return [] if part is None else [(at + 1, part)]


def _written_with_comma(token: str, at: int) -> Found:
    """A number in digits where the comma is the decimal point: 21,5 and 1.000."""
    if _DECIMALS.fullmatch(token):
        return [(at + 1, float(token.replace(",", ".")))]
    if _GROUPS.fullmatch(token):
        return [(at + 1, float(token.replace(",", "").replace(".", "")))]
    return []


def _fraction(token: str) -> float | None:
    match = _FRACTION.fullmatch(token)
    return int(match[1]) / int(match[2]) if match else None
