"""The automaton: every sentence template in one machine, determinized lazily while it is used.

Sets of path states are interned as deterministic ones and their moves remembered (the subset construction of Rabin
and Scott, 1959, done on demand), so that a known word costs one dictionary look-up. A list reference moves over
whatever stretch of tokens the list finds in the text, so lists may change while the automaton runs.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dialogue.grammar.network import ListArc
from dialogue.grammar.paths import NOTHING, Paths, Row
from dialogue.grammar.tokens import Token

MOST_TOKENS = 45
"""Tokens of one request; open texts would else reach to the end of anything."""

_MANY = 24
"""States from which on a set has its moves merged into one row."""


class State:
    """A deterministic state: a set of path states, with remembered moves.

    ``accepts`` are the templates that may end here; ``symbols`` the list references that may follow.
    """

    __slots__ = ("accepts", "items", "jumps", "merged", "symbols", "words")

    def __init__(self, items: frozenset[int], accepts: tuple[int, ...]) -> None:
        self.items = items
        self.accepts = accepts
        self.words: dict[str, State | None] = {}
        self.jumps: dict[tuple[frozenset[int], bool], State | None] = {}
        self.merged: dict[bool, Row] = {}
        self.symbols: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A stretch of tokens that lists explain: ``symbols`` are the list references that may move over it.

    ``rest`` is text that the last token holds behind the value; ``skips`` marks words that say nothing, wherever
    a request has them.
    """

    end: int
    symbols: frozenset[int]
    rest: str = field(default="", kw_only=True)
    skips: bool = field(default=False, kw_only=True)


Lattice = Sequence[Sequence[Edge]]


class Automaton:
    """Runs paths over tokens. Holds the states made so far; results never depend on them."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._states: dict[frozenset[int], State] = {}
        self._unions: dict[tuple[int, int], State] = {}
        self.start = self._intern(paths.starts)

    @property
    def size(self) -> int:
        """How many deterministic states have been made so far."""
        return len(self._states)

    def run(
        self,
        tokens: Sequence[Token],
        lattice: Lattice,
        begin: int,
        state: State | None = None,
        most: int = MOST_TOKENS,
    ) -> dict[int, State]:
        """Read up to ``most`` tokens: every position reached with its state, ``begin`` first."""
        found = {begin: state or self.start}
        size = min(len(tokens), begin + most)
        todo = [begin]  # kept in order; grows while it is walked
        for position in todo:
            if position < size:
                self._advance(found[position], tokens[position], lattice[position], position, found, todo)
        return found

    def _advance(
        self,
        state: State,
        token: Token,
        edges: Sequence[Edge],
        position: int,
        found: dict[int, State],
        todo: list[int],
    ) -> None:
        key = token.key
        following = state.words[key] if key in state.words else self._first_word(state, key)
        if following is not None:
            self._arrive(found, todo, position + 1, following)
        for other in token.heard_for:
            following = self.word(state, other)
            if following is not None:
                self._arrive(found, todo, position + 1, following)
        if not edges:
            return
        known = state.symbols if state.symbols is not None else self._symbols_of(state)
        for edge in edges:
            if not known.isdisjoint(edge.symbols):
                jumped = self.jump(state, token.spaced, edge.symbols)
                if jumped is not None and edge.rest:
                    jumped = self.word(jumped, edge.rest)
                if jumped is not None:
                    self._arrive(found, todo, edge.end, jumped)
            elif edge.skips and state is not self.start:
                self._arrive(found, todo, edge.end, state)

    def _arrive(self, found: dict[int, State], todo: list[int], position: int, state: State) -> None:
        known = found.get(position)
        if known is None:
            found[position] = state
            insort(todo, position)
        elif known is not state:
            found[position] = self._union(known, state)

    def word(self, state: State, key: str) -> State | None:
        """The state after one token, or None where no template goes on."""
        return state.words[key] if key in state.words else self._first_word(state, key)

    def _first_word(self, state: State, key: str) -> State | None:
        spaced = key.startswith(" ")
        word = key[1:] if spaced else key
        targets: set[int] = set()
        for row in self._rows(state, spaced):
            targets.update(row.words.get(word, ()), row.wild)
        targets |= self.paths.loops & state.items
        following = state.words[key] = self._intern(targets) if targets else None
        return following

    def jump(self, state: State, spaced: bool, symbols: frozenset[int]) -> State | None:
        """The state after a stretch that the lists ``symbols`` explain."""
        key = (symbols, spaced)
        if key in state.jumps:
            return state.jumps[key]
        targets = {arc.target for row in self._rows(state, spaced) for arc in row.lists if arc.symbol in symbols}
        following = state.jumps[key] = self._intern(targets) if targets else None
        return following

    def _rows(self, state: State, spaced: bool) -> Iterable[Row]:
        """The moves from a state; of large ones merged, so that the next unknown word is a look-up too."""
        numbers = self.paths.spaced if spaced else self.paths.glued
        rows = self.paths.rows
        if len(state.items) < _MANY:
            return [rows[numbers[item]] for item in state.items]
        if spaced not in state.merged:
            state.merged[spaced] = _merged(rows[number] for number in {numbers[item] for item in state.items})
        return (state.merged[spaced],)

    def _symbols_of(self, state: State) -> frozenset[int]:
        state.symbols = frozenset(arc.symbol for row in self._rows(state, False) for arc in row.lists)
        return state.symbols

    def _union(self, first: State, second: State) -> State:
        if first is second:
            return first
        key = (id(first), id(second))
        if key not in self._unions:
            self._unions[key] = self._intern(first.items | second.items)
        return self._unions[key]

    def _intern(self, items: Iterable[int]) -> State:
        key = frozenset(items)
        state = self._states.get(key)
        if state is None:
            accepts = self.paths.accepts
            ending = {accepts[item] for item in key} - {NOTHING}
            state = self._states[key] = State(key, tuple(sorted(ending)))
        return state


def _merged(rows: Iterable[Row]) -> Row:
    """One row with the moves of many."""
    words: dict[str, set[int]] = {}
    lists: list[ListArc] = []
    wild: set[int] = set()
    for row in rows:
        for word, targets in row.words.items():
            words.setdefault(word, set()).update(targets)
        lists += row.lists
        wild.update(row.wild)
    return Row({word: tuple(targets) for word, targets in words.items()}, tuple(lists), tuple(wild))
