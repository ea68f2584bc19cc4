"""A compiled grammar as plain data: what the sentence files become, and what the cache on disk holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dialogue.grammar.lists import ListValue
from dialogue.grammar.network import Network
from dialogue.grammar.numbers import NumberWords
from dialogue.grammar.paths import Paths
from dialogue.grammar.tokens import PLAIN, Writing
from dialogue.types import Value


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written: file and line (0: unknown)."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Block:
    """Sentences that share an intent and fixed slots. ``kind`` is ``request``, ``operator``, ``answer``, ``time``.

    ``domains`` limits which names fit; ``needs_area`` marks sentences that need the speaker's area;
    ``extra`` is the cost or other hints of the block (``cost``, ``incomplete``, ``verbatim``).
    """

    intent: str
    kind: str
    slots: Mapping[str, Value] = field(default_factory=dict)
    domains: frozenset[str] = frozenset()
    needs_area: bool = False
    extra: Mapping[str, Value] = field(default_factory=dict)
    own: bool = True


@dataclass(frozen=True, slots=True)
class Template:
    """One sentence template. ``wild``: has an open slot; ``bare``: a name alone can satisfy it;
    ``plain``: it refers to no list; ``open_end``: it may end in open text.
    """

    block: int
    text: str
    place: Place
    wild: bool
    bare: bool = False
    plain: bool = False
    open_end: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """A list of numbers."""

    low: float
    high: float
    step: float = 1
    fractions: str | None = None
    multiplier: float | None = None

    def value(self, number: float) -> Value:
        """The slot value of a spoken number, or None where the list does not hold it."""
        if not self.low <= number <= self.high or not self._on_grid(number):
            return None
        scaled = number * self.multiplier if self.multiplier is not None else number
        return int(scaled) if float(scaled).is_integer() else scaled

    def _on_grid(self, number: float) -> bool:
        if self.fractions == "halves":
            return (number * 2).is_integer()
        if self.fractions == "tenths":
            return abs(number * 10 - round(number * 10)) < 1e-9
        return float(number).is_integer() and (number - self.low) % self.step == 0


@dataclass(slots=True)
class Compiled:
    """The templates with what they mean. Plain data: it is what the cache on disk holds, but for the network.

    ``endings`` are what templates write right behind a list ("{area}s"); ``skips`` may stand anywhere in a
    request.
    """

    network: Network = field(default_factory=Network)
    paths: Paths = field(default_factory=Paths)
    blocks: list[Block] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)
    ranges: dict[str, Range] = field(default_factory=dict)
    values: list[tuple[str, ListValue]] = field(default_factory=list)
    wildcards: set[str] = field(default_factory=set)
    writing: Writing = PLAIN
    numbers: NumberWords = field(default_factory=NumberWords)
    endings: frozenset[str] = frozenset()
    skips: tuple[str, ...] = ()
