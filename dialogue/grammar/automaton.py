"""The automaton: every sentence template in one network, determinized lazily while it is used.

Templates become a nondeterministic network over pieces of words, spaces and list references. While matching,
sets of its states are interned as deterministic ones and their moves remembered (the subset construction of
Rabin and Scott, 1959, done on demand), so that a known word costs one dictionary look-up. A list reference
moves over whatever stretch of tokens the list finds in the text, so lists may change while the automaton runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dialogue.grammar.tokens import Token

WILDCARD = "*"
MOST_TOKENS = 45
"""Tokens of one request; open texts would else reach to the end of anything."""


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

    def across_spaces(self, states: Iterable[int]) -> set[int]:
        """All states reachable by reading at least one space (runs of spaces count as one)."""
        found: set[int] = set()
        todo = list(self.closure(states))
        while todo:
            state = todo.pop()
            for target in self.spaces[state]:
                new = self.closure((target,)) - found
                found |= new
                todo.extend(new)
        return found

    def read(self, states: Iterable[int], word: str) -> set[int]:
        """The states after reading exactly ``word`` (no spaces) from boundary states."""
        layers: dict[int, set[int]] = {0: set(states)}
        size = len(word)
        for offset in range(size):
            for state in self.closure(layers.pop(offset, ())):
                for piece, target in self.pieces[state]:
                    if word.startswith(piece, offset):
                        layers.setdefault(offset + len(piece), set()).add(target)
        return self.closure(layers.get(size, ()))


class State:
    """A deterministic state: a set of network states right after a token, with remembered moves."""

    __slots__ = ("accepts", "glued", "items", "jumps", "opened", "symbols", "words")

    def __init__(self, items: frozenset[int], accepts: tuple[int, ...]) -> None:
        self.items = items
        self.accepts = accepts
        self.words: dict[str, State | None] = {}
        self.jumps: dict[tuple[frozenset[int], bool], State | None] = {}
        self.opened: frozenset[int] | None = None
        self.glued: frozenset[int] | None = None
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
    """Runs a network over tokens. Holds the states made so far; results never depend on them."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._states: dict[frozenset[int], State] = {}
        self._unions: dict[tuple[int, int], State] = {}
        self._wild = frozenset(
            number for number, symbol in enumerate(network.symbols) if symbol.list_name == WILDCARD
        )
        self._steps: dict[tuple[int, str], tuple[int, ...]] = {}
        self._arcs: dict[tuple[int, bool], tuple[ListArc, ...]] = {}
        self._ending: dict[int, bool] = {}
        self.start = self._intern(network.closure(network.starts))

    @property
    def size(self) -> int:
        """How many deterministic states have been made so far."""
        return len(self._states)

    def run(
        self, tokens: Sequence[Token], lattice: Lattice, begin: int, state: State | None = None
    ) -> Iterator[tuple[int, State]]:
        """Read from ``begin`` on, yielding every position reached with its state, ``begin`` included."""
        active: dict[int, State] = {begin: state or self.start}
        position = begin
        size = min(len(tokens), begin + MOST_TOKENS)
        while active:
            current = active.pop(position, None)
            if current is not None:
                yield position, current
                if position < size:
                    self._advance(current, tokens[position], lattice[position], position, active)
            position += 1

    def _advance(
        self, state: State, token: Token, edges: Sequence[Edge], position: int, active: dict[int, State]
    ) -> None:
        for key in (token.key, *token.heard_for):
            following = self.word(state, key)
            if following is not None:
                self._arrive(active, position + 1, following)
        if not edges:
            return
        known = state.symbols if state.symbols is not None else self._symbols_of(state)
        for edge in edges:
            if not known.isdisjoint(edge.symbols):
                jumped = self.jump(state, token.spaced, edge.symbols)
                if jumped is not None and edge.rest:
                    jumped = self.word(jumped, edge.rest)
                if jumped is not None:
                    self._arrive(active, edge.end, jumped)
            elif edge.skips and state is not self.start:
                self._arrive(active, edge.end, state)

    def _arrive(self, active: dict[int, State], position: int, state: State) -> None:
        known = active.get(position)
        active[position] = state if known is None else self._union(known, state)

    def word(self, state: State, key: str) -> State | None:
        """The state after one token, or None where no template goes on."""
        try:
            return state.words[key]
        except KeyError:
            return self._first_word(state, key)

    def _first_word(self, state: State, key: str) -> State | None:
        spaced = key.startswith(" ")
        boundary = self._boundary(state, spaced)
        items = self.network.read(boundary, key[1:] if spaced else key)
        for item in boundary:
            for arc in self.network.lists[item]:
                if arc.symbol in self._wild:
                    items.add(arc.target)
        items |= self.network.loops & state.items
        following = self._intern(self.network.closure(items)) if items else None
        state.words[key] = following
        return following

    def jump(self, state: State, spaced: bool, symbols: frozenset[int]) -> State | None:
        """The state after a stretch that the lists ``symbols`` explain."""
        key = (symbols, spaced)
        try:
            return state.jumps[key]
        except KeyError:
            pass
        targets = {
            arc.target
            for item in self._boundary(state, spaced)
            for arc in self.network.lists[item]
            if arc.symbol in symbols
        }
        following = self._intern(self.network.closure(targets)) if targets else None
        state.jumps[key] = following
        return following

    def _boundary(self, state: State, spaced: bool) -> frozenset[int]:
        if state.opened is None:
            state.opened = frozenset(self.network.across_spaces(state.items))
            state.glued = state.opened | state.items
            if state is self.start:
                state.opened = state.glued
        if spaced:
            return state.opened
        assert state.glued is not None
        return state.glued

    def _symbols_of(self, state: State) -> frozenset[int]:
        state.symbols = frozenset(
            arc.symbol for item in self._boundary(state, False) for arc in self.network.lists[item]
        )
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
            reached = key | self.network.across_spaces(key)
            finals = self.network.finals
            state = State(key, tuple(sorted({finals[item] for item in reached if item in finals})))
            self._states[key] = state
        return state

    # --- single network states, for reading slots ---------------------------------------

    def steps(self, item: int, key: str) -> tuple[int, ...]:
        """The network states after one token from a single network state, wildcards left out."""
        known = self._steps.get((item, key))
        if known is None:
            spaced = key.startswith(" ")
            boundary = self._boundary_of(item, spaced)
            known = tuple(self.network.read(boundary, key[1:] if spaced else key))
            self._steps[item, key] = known
        return known

    def arcs(self, item: int, spaced: bool) -> tuple[ListArc, ...]:
        """The list references that can be followed from a single network state."""
        known = self._arcs.get((item, spaced))
        if known is None:
            known = tuple(arc for state in self._boundary_of(item, spaced) for arc in self.network.lists[state])
            self._arcs[item, spaced] = known
        return known

    def _boundary_of(self, item: int, spaced: bool) -> set[int]:
        across = self.network.across_spaces((item,))
        if spaced and item not in self.network.starts:
            return across
        return across | self.network.closure((item,))

    def ends(self, item: int) -> bool:
        """Whether a template may end in this network state."""
        known = self._ending.get(item)
        if known is None:
            reached = self.network.closure((item,)) | self.network.across_spaces((item,))
            known = self._ending[item] = not reached.isdisjoint(self.network.finals)
        return known
