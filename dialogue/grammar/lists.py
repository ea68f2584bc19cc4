"""Lists of values as a tree over tokens: one walk finds every value that starts at a place in the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dialogue.grammar.tokens import PLAIN, Token, Writing, tokenize
from dialogue.types import Value

CATALOG = "catalog"
"""The list of known fillings of open slots; the domain of a value is the open list that it fills."""


@dataclass(frozen=True, slots=True)
class ListValue:
    """One value of a list: what it stands for, the domain it belongs to, what choosing it costs."""

    list_name: str
    value: Value
    domain: str | None = None
    cost: float = 0.0


@dataclass(slots=True)
class _Node:
    branches: dict[str, _Node] = field(default_factory=dict)
    values: tuple[ListValue, ...] = ()
    beginnings: set[str] = field(default_factory=set)

    def branch(self, word: str) -> _Node:
        """The node after a word, made on first use."""
        if word not in self.branches:
            self.branches[word] = _Node()
            self.beginnings.update(word[:size] for size in range(1, len(word)))
        return self.branches[word]


@dataclass(frozen=True, slots=True)
class Found:
    """A stretch of text that is a value: ``end`` counts tokens, ``cost`` what the spelling costs.

    ``values`` is the tree's own tuple, the same object for the same spelling. ``rest`` is what the last token
    holds behind the value ("s" in "Wohnzimmers").
    """

    end: int
    values: tuple[ListValue, ...]
    cost: float = 0.0
    rest: str = ""


SPLIT_COST = 0.2
SHORTEST_SPLIT = 5
"""The fewest letters of a word that may be written in two, unless letter by letter: "no on" is no noon."""


class ValueTree:
    """All values of all lists. ``find`` also hears a word written in two ("hall way") at a small cost.

    ``endings`` may follow a value in its last token.
    """

    def __init__(self, writing: Writing = PLAIN, endings: frozenset[str] = frozenset()) -> None:
        self._root = _Node()
        self._writing = writing
        self._endings = endings
        self._longest = max(map(len, endings), default=0)

    def add(self, text: str, value: ListValue) -> None:
        node = self._root
        for token in tokenize(text, self._writing):
            node = node.branch(token.word)
        if node is not self._root and value not in node.values:
            node.values = (*node.values, value)

    def extend(self, entries: Iterable[tuple[str, ListValue]]) -> None:
        for text, value in entries:
            self.add(text, value)

    def find(self, tokens: Sequence[Token], begin: int) -> list[Found]:
        """Every value that starts at token ``begin``."""
        word = tokens[begin].word
        root = self._root
        if word not in root.branches and word not in root.beginnings and not self._endings:
            return []
        found: list[Found] = []
        todo = [(root, begin, 0.0)]
        while todo:
            node, position, cost = todo.pop()
            if node.values:
                found.append(Found(position, node.values, cost))
            if position < len(tokens) and node.branches:
                todo += _onward(node, tokens, position, cost)
                found += self._ended(node, tokens[position].word, position + 1, cost)
        return found

    def _ended(self, node: _Node, word: str, end: int, cost: float) -> Iterator[Found]:
        """The values that end inside a word, before one of the endings that templates write."""
        for size in range(1, min(self._longest, len(word) - 1) + 1):
            rest = word[-size:]
            branch = node.branches.get(word[:-size]) if rest in self._endings else None
            if branch is not None and branch.values:
                yield Found(end, branch.values, cost, rest)


def _onward(
    node: _Node, tokens: Sequence[Token], position: int, cost: float
) -> Iterator[tuple[_Node, int, float]]:
    """The nodes after the next word, also where it was written in up to four parts."""
    word = tokens[position].word
    if word in node.branches:
        yield node.branches[word], position + 1, cost
    for following in range(position + 1, min(position + 4, len(tokens))):
        if word not in node.beginnings:
            return
        word += tokens[following].word
        if word in node.branches and (len(word) >= SHORTEST_SPLIT or len(tokens[position].word) == 1):
            yield node.branches[word], following + 1, cost + SPLIT_COST
