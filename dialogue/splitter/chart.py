"""The chart of one text: every span that is a request, an operator or a time, read only where the search asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field, replace

from dialogue.grammar.automaton import State
from dialogue.grammar.grammar import Grammar, Sorted
from dialogue.grammar.machine import ScoredReading, Spoken, Text
from dialogue.types import Request

OPERATOR, FILLER, WHEN = 0.1, 0.05, 0.15
INNER_REQUEST = 0.5
CORRECTIONS = frozenset({"correct", "scratch"})
OPEN = frozenset({"remark_told", "remark_wish"})
"""Operators of open text: they end where something else may begin."""
TIMES = frozenset({"at", "for", "until", "every"})


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """One request of a path: its tokens in the utterance, the full sentence it stands for, its readings.

    ``kind`` is ``full``, ``fragment``, ``partial`` (cut short by a correction) or ``remembered`` (of an earlier
    turn); ``base`` is the request of an earlier turn that it was made of. ``leaning`` says what
    a fragment brings: ``another`` thing, only a ``value``, or a place that ``narrows`` the request.
    """

    start: int
    end: int
    meant: str
    readings: tuple[ScoredReading, ...]
    kind: str = "full"
    base: Request | None = None
    leaning: str = ""


@dataclass(slots=True, eq=False)
class Item:
    """One span of a path: an operator, a request, a time, or an unexplained token.

    ``ends`` is what may follow a request: see `Path.clause`.
    """

    kind: str
    start: int
    end: int
    cost: float
    core: Core | None = None
    cores: tuple[Core, ...] = ()
    spoken: Spoken | None = None
    readings: tuple[ScoredReading, ...] = ()
    ends: str = "done"
    words: str = ""


@dataclass(slots=True)
class Chart:
    """Everything one text may be cut into.

    ``alive`` holds the automaton's states per start and position; ``sure`` the starts of requests that need no
    open text, ``joints`` and ``cuts`` the starts of connectives and corrections, ``bounds`` where a fragment may
    end. Nothing ends ``inside_numbers`` ("a hundred | and ten"); titles may end at
    ``asides``, where a remark begins.
    """

    grammar: Grammar
    text: Text
    answering: bool
    alive: list[dict[int, State]]
    operators: list[list[Item]]
    sure: frozenset[int] = frozenset()
    joints: frozenset[int] = frozenset()
    cuts: frozenset[int] = frozenset()
    bounds: frozenset[int] = frozenset()
    inside_numbers: frozenset[int] = frozenset()
    asides: frozenset[int] = frozenset()
    _requests: dict[int, tuple[Core, ...]] = field(default_factory=dict)
    _things: frozenset[int] | None = None

    @property
    def size(self) -> int:
        return len(self.text.tokens)

    def words(self, start: int, end: int) -> str:
        return self.text.words(start, end)

    def kinds_inside(self, start: int, end: int) -> set[str]:
        """The kinds of operators that lie inside a stretch, behind its first token."""
        return {item.kind for at in range(start, end) for item in self.operators[at] if item.end < end}

    def knows(self, start: int, end: int) -> bool:
        """Whether a list explains something inside the stretch."""
        return self.all_listed(start, end) or any(
            stretch.end <= end for at in range(start, end) for stretch in self.text.lattice[at]
        )

    def all_listed(self, start: int, end: int) -> bool:
        """Whether the stretch is a row of known items ("some sugar"), but for articles and joiners."""
        words = [token.word for token in self.text.tokens[start:end]]
        kept = [word for word in words if word not in self.grammar.small_words]
        return bool(kept) and all(word in self.grammar.items for word in kept)

    def begins_listed(self, start: int, end: int) -> bool:
        """Whether the stretch begins with a known item that is no verb ("the yogurt the kids like")."""
        words = (token.word for token in self.text.tokens[start:end])
        first = next((word for word in words if word not in self.grammar.small_words), "")
        return first in self.grammar.items and first not in self.grammar.words.get("verbs", ())

    def things_end(self) -> frozenset[int]:
        """Where a name or place ends."""
        if self._things is None:
            things = self.grammar.main.things
            self._things = frozenset(
                stretch.end
                for row in self.text.lattice
                for stretch in row
                if not things.isdisjoint(stretch.symbols)
            )
        return self._things

    def requests(self, start: int) -> tuple[Core, ...]:
        """The requests that begin at a token, read on first use."""
        known = self._requests.get(start)
        if known is None:
            known = self._requests[start] = tuple(self._read(start))
        return known

    def _open(self, state: State) -> bool:
        """Whether only sentences with open text end here; they end where something else may begin."""
        return all(self.grammar.template(number).open_end for number in state.accepts)

    def _read(self, start: int) -> Iterator[Core]:
        for end, state in self.alive[start].items():
            if end == start or end in self.inside_numbers:
                continue
            aside = False
            if end > start + 1 and end not in self.bounds and self._open(state):
                if end not in self.asides:
                    continue
                aside = True
            found = self.grammar.sorted(state.accepts)
            for templates in (found.requests, found.answers if self.answering else ()):
                readings = templates and self.grammar.readings(self.text, start, end, templates)
                if readings and not (aside and readings[0].dictated):
                    yield Core(start, end, self.words(start, end), tuple(readings))


class Charts:
    """Makes charts of texts."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self._verbs = frozenset(grammar.words.get("verbs", ()))
        self._joiners = frozenset(grammar.words.get("item_joiners", ()))

    def chart(self, text: str, *, answering: bool = False) -> Chart:
        """Find all spans of a text; ``answering`` lets in what only means something as an answer."""
        tokens = self.grammar.text(text)
        alive = [self.grammar.ends(tokens, start) for start in range(len(tokens.tokens))]
        sorts = [self._sorts(start, states) for start, states in enumerate(alive)]
        sure = frozenset(start for start, row in enumerate(sorts) if any(found.sure for _, found in row))
        kinds = [{kind for _, found in row for kind, _ in found.operators} for row in sorts]
        cuts = {start for start, found in enumerate(kinds) if found & CORRECTIONS}
        openers = sure | {start for start, row in enumerate(sorts) if self._opens(tokens, start, row)}
        tokens = replace(self._doubting(tokens, sure | cuts), openers=openers)
        stops = {start for start, found in enumerate(kinds) if found - OPEN} | openers | {len(alive)}
        operators = [list(self._operators(tokens, start, row, stops)) for start, row in enumerate(sorts)]
        for spoken in tokens.spoken:
            if spoken.kind in TIMES:
                operators[spoken.start].append(Item("when", spoken.start, spoken.end, WHEN, spoken=spoken))
        return self._marked(Chart(self.grammar, tokens, answering, alive, operators, sure))

    def _sorts(self, start: int, alive: dict[int, State]) -> list[tuple[int, Sorted]]:
        return [
            (end, self.grammar.sorted(state.accepts, more_than_one=end > start + 1))
            for end, state in alive.items()
            if end > start and state.accepts
        ]

    def _opens(self, text: Text, start: int, row: Iterable[tuple[int, Sorted]]) -> bool:
        """Whether a request begins with its verb here."""
        return text.tokens[start].word in self._verbs and any(
            end > start + 1 and any(not self.grammar.template(number).bare for number in found.requests)
            for end, found in row
        )

    def _doubting(self, text: Text, sure: frozenset[int]) -> Text:
        """The text with open slots dearer where inside them a request or a correction seems to begin."""
        words = [token.word for token in text.tokens]
        joined = frozenset(
            at for at in range(1, len(words)) if words[at - 1] in self._joiners and words[at] in self._verbs
        )
        begins = sure | joined
        heavier = (weight + (INNER_REQUEST if at in begins else 0.0) for at, weight in enumerate(text.weights))
        return replace(text, weights=tuple(heavier), joined_verbs=joined)

    def _operators(
        self, text: Text, start: int, row: Iterable[tuple[int, Sorted]], stops: Set[int]
    ) -> Iterator[Item]:
        for end, found in row:
            for kind, templates in found.operators:
                if kind in OPEN and end not in stops:
                    continue
                readings = tuple(self.grammar.operator_readings(text, start, end, templates))
                if readings[0].block.extra.get("final") and end < len(text.tokens):
                    continue
                base = FILLER if kind == "filler" else OPERATOR
                name = (
                    kind.partition("_")[0]
                    if kind.startswith(("condition", "remark"))
                    else kind.removesuffix("_last")
                )
                yield Item(name, start, end, base + max(0.0, readings[0].cost), readings=readings)

    def _marked(self, chart: Chart) -> Chart:
        """The chart with the places marked that the search asks for again and again."""
        items = [item for row in chart.operators for item in row]
        chart.joints = frozenset(item.start for item in items if item.kind in ("and", "then", "but"))
        chart.cuts = frozenset(item.start for item in items if item.kind in CORRECTIONS)
        chart.asides = frozenset(item.start for item in items if item.kind == "remark")
        bounds = {item.start for item in items if item.kind != "remark"} | chart.sure | {chart.size}
        chart.inside_numbers = frozenset(self.grammar.inside_numbers(chart.text))
        chart.bounds = frozenset(bounds - chart.inside_numbers)
        return chart
