"""The chart of one text: every span that is a request, an operator or a time, read only where the search asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dialogue.grammar.automaton import State
from dialogue.grammar.grammar import Grammar, Sorted, Spoken
from dialogue.grammar.machine import ScoredReading, Text
from dialogue.types import Request

OPERATOR, FILLER, WHEN = 0.1, 0.05, 0.15
INNER_REQUEST = 0.5
NO_WORD = "\u2047"
TALK = frozenset({"filler", "remark", "now"})
CORRECTIONS = frozenset({"correct", "scratch"})
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


@dataclass(frozen=True, slots=True)
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
    open text, ``lengths`` the lengths of time that stand alone, ``joints`` and ``cuts`` the starts of connectives
    and corrections, ``breaks`` those of all operators and what follows a pause, ``bounds`` where a fragment may
    end, ``unknown`` the state after a word of no sentence.
    """

    grammar: Grammar
    text: Text
    answering: bool
    alive: list[dict[int, State]]
    operators: list[list[Item]]
    sure: frozenset[int] = frozenset()
    lengths: Mapping[int, Sequence[Item]] = field(default_factory=dict)
    joints: frozenset[int] = frozenset()
    breaks: frozenset[int] = frozenset()
    cuts: frozenset[int] = frozenset()
    bounds: frozenset[int] = frozenset()
    unknown: State | None = None
    _requests: dict[int, tuple[Core, ...]] = field(default_factory=dict)
    _sure_ends: dict[int, frozenset[int]] = field(default_factory=dict)
    _things: frozenset[int] | None = None

    @property
    def size(self) -> int:
        return len(self.text.tokens)

    def words(self, start: int, end: int) -> str:
        return self.text.words(start, end)

    def knows(self, start: int, end: int) -> bool:
        """Whether a list explains something inside the stretch."""
        return self.all_listed(start, end) or any(
            stretch.end <= end for at in range(start, end) for stretch in self.text.lattice[at]
        )

    def all_listed(self, start: int, end: int) -> bool:
        """Whether the stretch is a row of known items ("some sugar"), but for articles and joiners."""
        words = [token.key.strip() for token in self.text.tokens[start:end]]
        kept = [word for word in words if word not in self.grammar.small_words]
        return bool(kept) and all(word in self.grammar.items for word in kept)

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
            if end == start or (end > start + 1 and end not in self.bounds and self._open(state)):
                continue
            if self._goes_on(end):
                continue
            found = self.grammar.sorted(state.accepts)
            for templates in (found.requests, found.answers if self.answering else ()):
                readings = self.grammar.readings(self.text, start, end, templates)
                readings = [one for one in readings if not self._overreaches(start, end, one)]
                if readings:
                    yield Core(start, end, self.words(start, end), tuple(readings))

    def _overreaches(self, start: int, end: int, scored: ScoredReading) -> bool:
        """Whether an open text takes what belongs to others, or stops in the middle of what it quotes.

        "Put on the light and ..." is a request before the "and", so what follows is no title; "remind me to set a
        timer" does not end before "timer"; and "to" alone is no text.
        """
        for first, last in scored.wild:
            if self.breaks and any(first < cut < last for cut in self.sure_ends(start) & self.breaks):
                return True
            if all(self._unfinished(at) for at in range(first, last)):
                return True
            quoted = (at for at in range(first, last) if at in self.sure)
            if last == end and any(max(self.sure_ends(at), default=0) > end for at in quoted):
                return True
            words = self.words(first, last)
            named = any(one.name == "name" and one.value == one.text == words for one in scored.reading.entities)
            if named and self._no_name(first, last, begins=first == start, at_end=last == end):
                return True
        return False

    def _goes_on(self, end: int) -> bool:
        """Whether the word before is one that nothing ends with, unless it was heard for another ("of" for "off"),
        and no other request or operator follows that would make that likely.
        """
        heard = bool(self.text.tokens[end - 1].heard_for) and self._unfinished(end - 1)
        return heard and end < self.size and end not in self.breaks and end not in self.sure

    def _unfinished(self, position: int) -> bool:
        return self.text.tokens[position].key.strip() in self.grammar.unfinished

    def _no_name(self, first: int, last: int, *, begins: bool, at_end: bool) -> bool:
        """Whether words cannot be what a timer is called: talk, or more than a name."""
        opening = {one.kind for one in self.operators[first]}
        if any(self.text.tokens[at].pause for at in range(first + 1, last if at_end else last + 1)):
            return True
        closing = any(one.end <= last and one.kind not in TALK for one in self.operators[last - 1])
        if (
            self._unfinished(last - 1)
            or closing
            or "filler" in opening
            or (begins and (opening or self._unfinished(first)))
        ):
            return True
        if not at_end or self.words(first, last).casefold() in self.grammar.words.get("pairs", ()):
            return False
        inside = (one.kind for at in range(first + 1, last) for one in self.operators[at])
        return any(kind not in TALK for kind in inside)

    def sure_ends(self, start: int) -> frozenset[int]:
        """Where requests end that begin at a token and need no open text."""
        known = self._sure_ends.get(start)
        if known is None:
            known = self._sure_ends[start] = frozenset(
                end
                for end, state in self.alive[start].items()
                if end > start and self.grammar.sorted(state.accepts, more_than_one=end > start + 1).sure
            )
        return known


class Charts:
    """Makes charts of texts."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self._verbs = frozenset(grammar.words.get("verbs", ()))
        self._joiners = frozenset(grammar.words.get("item_joiners", ()))

    def chart(self, text: str, *, answering: bool = False) -> Chart:
        """Find all spans of a text; ``answering`` lets in what only means something as an answer."""
        tokens = self.grammar.text(text)
        alive = [dict(self.grammar.ends(tokens, start)) for start in range(len(tokens.tokens))]
        sorts = [self._sorts(start, states) for start, states in enumerate(alive)]
        spans = [(start, end) for start, row in enumerate(sorts) for end, found in row if found.sure]
        sure = frozenset(start for start, _ in spans)
        cuts = {
            start
            for start, row in enumerate(sorts)
            for _, found in row
            for kind, _ in found.operators
            if kind in CORRECTIONS
        }
        inner = {at for start, end in spans for at in range(start + 1, end)}
        tokens = self._doubting(tokens, (sure - inner) | cuts)
        operators = [list(self._operators(tokens, start, row)) for start, row in enumerate(sorts)]
        lengths: dict[int, list[Item]] = {}
        for spoken in self.grammar.spoken(tokens):
            item = Item("when", spoken.start, spoken.end, WHEN, spoken=spoken)
            if spoken.kind in TIMES:
                operators[spoken.start].append(item)
            elif spoken.kind == "length":
                lengths.setdefault(spoken.start, []).append(replace(item, kind="length"))
        chart = Chart(self.grammar, tokens, answering, alive, operators, sure, lengths)
        chart.unknown = dict(self.grammar.ends(self.grammar.text(NO_WORD, exact=True), 0)).get(1)
        return self._marked(chart)

    def _sorts(self, start: int, alive: dict[int, State]) -> list[tuple[int, Sorted]]:
        return [
            (end, self.grammar.sorted(state.accepts, more_than_one=end > start + 1))
            for end, state in alive.items()
            if end > start and state.accepts
        ]

    def _doubting(self, text: Text, sure: frozenset[int]) -> Text:
        """The text with open slots dearer where inside them a request or a correction seems to begin."""
        words = [token.key.strip() for token in text.tokens]
        joined = frozenset(
            at for at in range(1, len(words)) if words[at - 1] in self._joiners and words[at] in self._verbs
        )
        begins = sure | joined
        heavier = (weight + (INNER_REQUEST if at in begins else 0.0) for at, weight in enumerate(text.weights))
        return replace(text, weights=tuple(heavier), joined_verbs=joined)

    def _operators(self, text: Text, start: int, row: Iterable[tuple[int, Sorted]]) -> Iterator[Item]:
        for end, found in row:
            for kind, templates in found.operators:
                readings = tuple(self.grammar.operator_readings(text, start, end, templates))
                if readings[0].block.extra.get("final") and end < len(text.tokens):
                    continue
                base = FILLER if kind == "filler" else OPERATOR
                name = "condition" if kind.startswith("condition") else kind.removesuffix("_last")
                yield Item(name, start, end, base + max(0.0, readings[0].cost), readings=readings)

    def _marked(self, chart: Chart) -> Chart:
        """The chart with the places marked that the search asks for again and again."""
        items = [item for row in chart.operators for item in row]
        chart.joints = frozenset(item.start for item in items if item.kind in ("and", "then", "but"))
        pauses = (at for at, token in enumerate(chart.text.tokens) if token.pause)
        chart.breaks = frozenset(item.start for item in items if item.kind not in TALK).union(pauses)
        chart.cuts = frozenset(item.start for item in items if item.kind in CORRECTIONS)
        bounds = {item.start for item in items} | chart.sure | {chart.size}
        chart.bounds = frozenset(bounds - self.grammar.inside_numbers(chart.text))
        return chart
