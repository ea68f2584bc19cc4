"""What another reader may add to the spans that a grammar finds in a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from dialogue.grammar.machine import ScoredReading, Text


class Operator(NamedTuple):
    """An operator of the language and its tokens."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Spans:
    """What the grammar found: operators, where requests surely begin, and the stretches it reads as requests."""

    text: Text
    operators: tuple[Operator, ...]
    sure: frozenset[int]
    taken: frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A stretch of tokens that may be a request, with its readings, the cheapest first."""

    start: int
    end: int
    readings: tuple[ScoredReading, ...]


class Proposer(Protocol):
    """Reads requests that no template foresees."""

    def proposals(self, spans: Spans) -> Iterable[Proposal]:
        """Requests that the text may hold."""
        ...
