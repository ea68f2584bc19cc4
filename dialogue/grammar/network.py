"""The network that sentence templates are compiled into: pieces of words, spaces and references to lists.

It is what `sentences` builds and what `check` walks; matching runs over the `paths` made of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

WILDCARD = "*"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A list as a template refers to it: its name, and the domains its values are limited to (empty: any).

    All open lists share the name `WILDCARD` and carry their own name in ``domains``.
    """

    list_name: str
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ListArc:
    symbol: int
    slot: str
    target: int


@dataclass(slots=True)
class Network:
    """The compiled templates. Parallel lists are indexed by state; ``finals`` maps a state to its template."""

    pieces: list[tuple[tuple[str, int], ...]] = field(default_factory=list)
    skips: list[tuple[int, ...]] = field(default_factory=list)
    spaces: list[tuple[int, ...]] = field(default_factory=list)
    lists: list[tuple[ListArc, ...]] = field(default_factory=list)
    loops: set[int] = field(default_factory=set)
    finals: dict[int, int] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)

    def new_state(self) -> int:
        self.pieces.append(())
        self.skips.append(())
        self.spaces.append(())
        self.lists.append(())
        return len(self.pieces) - 1

    def symbol(self, symbol: Symbol) -> int:
        """The number of a symbol, made on first use."""
        try:
            return self.symbols.index(symbol)
        except ValueError:
            self.symbols.append(symbol)
            return len(self.symbols) - 1

    def closure(self, states: Iterable[int]) -> set[int]:
        """All states reachable without reading anything."""
        found = set(states)
        todo = list(found)
        while todo:
            for target in self.skips[todo.pop()]:
                if target not in found:
                    found.add(target)
                    todo.append(target)
        return found
