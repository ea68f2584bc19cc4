"""The templates as paths over whole tokens: what the compiler's network of pieces and spaces comes to.

Silent moves are gone and pieces of words joined ("light" and "s" are the words "light" and "lights"), so that a
word is one look-up. States that go on alike share a `Row`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dialogue.grammar.network import WILDCARD, ListArc, Network, Symbol
from dialogue.grammar.tokens import ONE_TOKEN

NOTHING = -1


@dataclass(slots=True)
class Row:
    """The moves of a state: words (folded, without spaces) to targets, and list references.

    ``wild`` are the targets that any word leads to.
    """

    words: dict[str, tuple[int, ...]]
    lists: tuple[ListArc, ...]
    wild: tuple[int, ...] = ()


@dataclass(slots=True)
class Paths:
    """Parallel lists are indexed by state: the rows for a token after a space and for one without, and the
    template that may end here (`NOTHING`: none). ``starts`` holds the first state of every template, ``loops`` the
    states that any word leads back to.
    """

    starts: list[int] = field(default_factory=list)
    spaced: list[int] = field(default_factory=list)
    glued: list[int] = field(default_factory=list)
    accepts: list[int] = field(default_factory=list)
    loops: frozenset[int] = frozenset()
    rows: list[Row] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)


def paths_of(network: Network) -> Paths:
    """The network with its silent moves taken and its pieces joined to words."""
    return _Joining(network).run()


class _Joining:
    """The walk over a network's states that stand right after a token, numbered as they are met."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.numbers: dict[int, int] = {}
        self.rows: dict[frozenset[int], int] = {}
        self.paths = Paths(symbols=network.symbols)
        self._closures: dict[int, frozenset[int]] = {}

    def run(self) -> Paths:
        todo = list(dict.fromkeys(self.network.starts))
        for state in todo:
            self._number(state)
        firsts = set(todo)
        for state in todo:  # grows while it is walked
            silent = self._closure(state)
            across = self._across(silent)
            spaced = self._row(across | silent if state in firsts else across, todo)
            glued = self._row(across | silent, todo)
            self.paths.spaced.append(spaced)
            self.paths.glued.append(glued)
            self.paths.accepts.append(self._template(across | silent))
        self.paths.starts = [self.numbers[state] for state in self.network.starts]
        self.paths.loops = frozenset(self.numbers[state] for state in self.network.loops if state in self.numbers)
        return self.paths

    def _number(self, state: int) -> int:
        return self.numbers.setdefault(state, len(self.numbers))

    def _closure(self, state: int) -> frozenset[int]:
        known = self._closures.get(state)
        if known is None:
            known = self._closures[state] = frozenset(self.network.closure((state,)))
        return known

    def _across(self, states: Iterable[int]) -> frozenset[int]:
        """All states reached by reading at least one space (runs of spaces count as one)."""
        found: set[int] = set()
        todo = list(states)
        while todo:
            for target in self.network.spaces[todo.pop()]:
                new = self._closure(target) - found
                found |= new
                todo.extend(new)
        return frozenset(found)

    def _template(self, states: Iterable[int]) -> int:
        finals = self.network.finals
        return next((finals[state] for state in states if state in finals), NOTHING)

    def _row(self, boundary: frozenset[int], todo: list[int]) -> int:
        """The row of a set of network states; states met for the first time are added to ``todo``."""
        live = frozenset(state for state in boundary if self.network.pieces[state] or self.network.lists[state])
        known = self.rows.get(live)
        if known is not None:
            return known
        ordered = sorted(live)
        words = {word: tuple(self._met(state, todo) for state in ends) for word, ends in self._words(ordered)}
        arcs = tuple(
            ListArc(arc.symbol, arc.slot, self._met(arc.target, todo))
            for state in ordered
            for arc in self.network.lists[state]
        )
        symbols = self.network.symbols
        wild = tuple(arc.target for arc in arcs if symbols[arc.symbol].list_name == WILDCARD)
        self.rows[live] = len(self.paths.rows)
        self.paths.rows.append(Row(words, arcs, wild))
        return self.rows[live]

    def _met(self, state: int, todo: list[int]) -> int:
        if state not in self.numbers:
            todo.append(state)
        return self._number(state)

    def _words(self, states: Iterable[int]) -> Iterable[tuple[str, list[int]]]:
        """Every word that can be read from these states, pieces joined, with the states right after it."""
        found: dict[str, dict[int, None]] = {}
        todo = [(state, "") for state in states]
        seen = set(todo)
        while todo:
            state, before = todo.pop()
            for piece, target in self.network.pieces[state]:
                word = before + piece
                if before and not ONE_TOKEN.fullmatch(word):
                    continue
                found.setdefault(word, {})[target] = None
                onward = [(further, word) for further in self._closure(target) if self.network.pieces[further]]
                todo += [way for way in onward if way not in seen]
                seen.update(onward)
        return ((word, sorted(ends)) for word, ends in found.items())
