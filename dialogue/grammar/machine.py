"""A compiled grammar at work: finding the spans of a text, and reading the slots of the spans one keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from dialogue.grammar.automaton import MOST_TOKENS, Automaton, Edge, State
from dialogue.grammar.compiled import Block, Compiled
from dialogue.grammar.lists import CATALOG, Found, ListValue
from dialogue.grammar.network import WILDCARD, ListArc
from dialogue.grammar.tokens import Token
from dialogue.types import Entity, Moment, Reading, Value

WILD_COST = 0.35
SKIP_COST = 0.08
HEARD_COST = 0.4
NAME_GAIN, NAME_GAIN_PER_LETTER = 0.02, 0.001
LIST_COST = 0.004
OWN_COST = 0.05
LABEL_COST = 1.5
TITLE_COST = 6.0
ASIDE_COST = 2.5
_PLACES = frozenset({"name", "area", "floor"})


@dataclass(frozen=True, slots=True)
class Option:
    """One way a list explains a stretch: the slot value and its cost."""

    value: Value
    cost: float


@dataclass(frozen=True, slots=True)
class Stretch(Edge):
    """An edge of the lattice with the values behind it, per symbol."""

    options: dict[int, Option]


class Capture(NamedTuple):
    """A slot's stretch of tokens; ``value`` is None for a wildcard, whose text is its value."""

    slot: str
    start: int
    end: int
    value: Value
    wild: bool
    before: Capture | None
    label: bool = False
    title: bool = False
    aside: bool = False


Way: TypeAlias = tuple[float, Capture | None]
"""What a path has cost so far, and its last slot."""

Layer: TypeAlias = dict[int, Way]
"""The cheapest way to each path state at one position."""


@dataclass(frozen=True, slots=True)
class ScoredReading:
    """A reading of a span, what it costs, and the block it came from.

    ``wild`` are the spans of open slots, ``places`` those of names and places; ``dictated`` says that an open slot
    holds a text (a message, an item), not a name or title, ``sentence`` that a title at the end reads like one
    ("don't stop me"); ``probability`` is how sure the learned reader is of it (None: the grammar says so).
    """

    cost: float
    reading: Reading
    block: Block
    template: int
    wild: tuple[tuple[int, int], ...] = ()
    places: tuple[tuple[int, int], ...] = ()
    dictated: bool = False
    sentence: bool = False
    probability: float | None = None

    @property
    def wild_tokens(self) -> int:
        """How many tokens stand in open slots."""
        return sum(end - start for start, end in self.wild)

    def wild_inside(self, start: int, end: int) -> int:
        """How many of the tokens from ``start`` to ``end`` stand in open slots."""
        return sum(max(0, min(end, last) - max(start, first)) for first, last in self.wild)

    def places_inside(self, start: int, end: int) -> bool:
        """Whether a name or place stands at least partly between ``start`` and ``end``."""
        return any(first < end and last > start for first, last in self.places)

    @property
    def bare(self) -> bool:
        return self.reading.bare


@dataclass(frozen=True, slots=True)
class Spoken:
    """A time expression found in the text. ``kind`` is how it qualifies: at, for, from, until, every, or bare."""

    start: int
    end: int
    kind: str
    moment: Moment


@dataclass(frozen=True, slots=True)
class Text:
    """Tokens with their lattice, ready to be matched.

    ``weights`` is what each token costs inside an open slot, ``dangling`` what it costs to end one there;
    ``openers`` are where a request begins with its verb, ``joined_verbs`` where an "and" stands before a verb;
    ``spoken`` are the time expressions, ``numbers`` the spoken numbers by their starts (end, value), ``source`` is
    the text that the tokens were cut from.
    """

    tokens: tuple[Token, ...]
    lattice: tuple[tuple[Stretch, ...], ...]
    weights: tuple[float, ...]
    dangling: tuple[float, ...] = ()
    article: tuple[bool, ...] = ()
    joined_verbs: frozenset[int] = frozenset()
    openers: frozenset[int] = frozenset()
    spoken: tuple[Spoken, ...] = ()
    numbers: tuple[Sequence[tuple[int, float]], ...] = ()
    source: str = ""

    def starts_sentence(self, at: int) -> bool:
        """Whether a word stands there that cuts or qualifies, such as "don't"."""
        return self.weights[at] > WILD_COST

    def is_number(self, start: int, end: int) -> bool:
        """Whether the stretch is a spoken number."""
        return any(last == end for last, _ in self.numbers[start])

    def length(self, start: int, end: int) -> int:
        """How many letters (and spaces between words) the tokens have."""
        return sum(len(token.key) for token in self.tokens[start:end])

    def articles(self, start: int, end: int) -> int:
        """How many of the tokens are articles."""
        return sum(self.article[start:end])

    def words(self, start: int, end: int) -> str:
        """The tokens from ``start`` to ``end`` as they were written."""
        pieces = [(" " if token.spaced else "") + token.text for token in self.tokens[start:end]]
        return "".join(pieces).strip()

    def said(self, start: int, end: int) -> str:
        """The stretch from token ``start`` to ``end`` as it stands in the source, marks and all."""
        first, last = self.tokens[start].start, self.tokens[end - 1].end
        return " ".join(self.source[first:last].split())


class Machine:
    """One compiled grammar: its automaton, and which list references each value can serve."""

    def __init__(self, compiled: Compiled, words: Mapping[str, Any] | None = None) -> None:
        self.compiled = compiled
        words = words or {}
        self.labels = frozenset(words.get("labels", ()))
        self.titles = frozenset(words.get("titles", ()))
        self.asides = frozenset(words.get("asides", ()))
        self.leading = frozenset(words.get("leading", ()))
        self.costs = {str(name): float(cost) for name, cost in dict(words.get("open_costs", {})).items()}
        self.paths = compiled.paths
        self.automaton = Automaton(compiled.paths)
        self._first = frozenset(compiled.paths.starts)
        self._serving: dict[tuple[str, str | None], frozenset[int]] = {}
        self._ranges = [
            (number, compiled.ranges[symbol.list_name])
            for number, symbol in enumerate(compiled.paths.symbols)
            if symbol.list_name in compiled.ranges
        ]
        self._explained: dict[tuple[int, float], tuple[object, dict[int, Option], frozenset[int]]] = {}
        self._numbers: dict[tuple[float, float], dict[int, Option]] = {}
        self._ordinals = self.symbols_of("ordinal")
        self._any_number = self.symbols_of("number")
        self.things = frozenset(number for name in _PLACES for number in self.symbols_of(name))

    def symbols_of(self, list_name: str) -> list[int]:
        """The list references of the templates that name this list."""
        symbols = enumerate(self.paths.symbols)
        return [number for number, symbol in symbols if symbol.list_name == list_name]

    def serving(self, value: ListValue) -> frozenset[int]:
        """The symbols that may move over a value."""
        key = (value.list_name, value.domain)
        known = self._serving.get(key)
        if known is None:
            list_name = WILDCARD if value.list_name == CATALOG else value.list_name
            known = frozenset(
                number
                for number, symbol in enumerate(self.paths.symbols)
                if symbol.list_name == list_name
                and (value.domain is None or not symbol.domains or value.domain in symbol.domains)
            )
            self._serving[key] = known
        return known

    def value_stretch(self, found: Found) -> Stretch | None:
        """The lattice edge of a stretch that lists explain."""
        key = (id(found.values), found.cost)
        if key not in self._explained:
            options = self._options(found)
            self._explained[key] = (found.values, options, frozenset(options))
        _, options, symbols = self._explained[key]
        return Stretch(found.end, symbols, options, rest=found.rest) if options else None

    def forget_values(self) -> None:
        """The lists have changed."""
        self._explained.clear()

    def _options(self, found: Found) -> dict[int, Option]:
        options: dict[int, Option] = {}
        for value in found.values:
            option = Option(value.value, value.cost + found.cost)
            for symbol in self.serving(value):
                if symbol not in options or option.cost < options[symbol].cost:
                    options[symbol] = option
        return options

    def number_stretch(self, end: int, number: float, cost: float = 0.0) -> Stretch | None:
        """The lattice edge of a spoken number."""
        options = self._numbers.get((number, cost))
        if options is None:
            found = ((symbol, listed.value(number)) for symbol, listed in self._ranges)
            options = {symbol: Option(value, cost) for symbol, value in found if value is not None}
            plain = int(number) if float(number).is_integer() else number
            options.update({symbol: Option(plain, cost) for symbol in self._any_number})
            self._numbers[number, cost] = options
        return Stretch(end, frozenset(options), options) if options else None

    def ordinal_stretch(self, end: int, number: float) -> Stretch | None:
        """The lattice edge of a spoken ordinal ("first")."""
        options = {symbol: Option(int(number), 0.0) for symbol in self._ordinals}
        return Stretch(end, frozenset(options), options) if options else None

    def ends(
        self, text: Text, begin: int, state: State | None = None, most: int = MOST_TOKENS
    ) -> dict[int, State]:
        """Every position reached from ``begin`` with its state (the position itself first)."""
        return self.automaton.run(text.tokens, text.lattice, begin, state, most)

    def readings(
        self, text: Text, begin: int, end: int, templates: Iterable[int], *, area: bool = False
    ) -> list[ScoredReading]:
        """How the span can be read by these templates, the cheapest first; one entry per distinct reading."""
        found: list[ScoredReading] = []
        for template in templates:
            block = self.compiled.blocks[self.compiled.templates[template].block]
            if block.needs_area and not area:
                continue
            scored = self._read(text, begin, end, template, block)
            if scored is not None:
                found.append(scored)
        return found if len(found) < 2 else _distinct(found)

    def _read(self, text: Text, begin: int, end: int, template: int, block: Block) -> ScoredReading | None:
        """The cheapest path of one template over a span (Viterbi over token positions and path states)."""
        layers: list[Layer] = [{} for _ in range(end - begin + 1)]
        layers[0][self.paths.starts[template]] = (0.0, None)
        for position in range(begin, end):
            layer = layers[position - begin]
            if layer:
                self._step(text, position, end, layer, layers[position - begin + 1 :])
        accepts = self.paths.accepts
        finished = [way for item, way in layers[-1].items() if accepts[item] >= 0]
        if not finished:
            return None
        cost, capture = min(finished, key=_cost) if len(finished) > 1 else finished[0]
        return self._scored(text, (begin, end), cost, capture, template, block)

    def _step(self, text: Text, position: int, end: int, layer: Layer, ahead: Sequence[Layer]) -> None:
        """All moves from one position; ``ahead`` are the layers of the positions after it."""
        token = text.tokens[position]
        word, spaced = token.word, token.spaced
        numbers, rows, loops = (
            (self.paths.spaced if spaced else self.paths.glued),
            self.paths.rows,
            self.paths.loops,
        )
        if self.compiled.skips:
            self._skip(text, position, end, layer, ahead)
        following = ahead[0]
        for item, way in layer.items():
            row = rows[numbers[item]]
            if word in row.words:
                for target in row.words[word]:
                    _reach(following, target, way)
            cost, capture = way
            last_after_text = capture is not None and capture.wild and position + 1 == end
            for other in () if last_after_text else token.heard_for:
                for target in row.words.get(other[1:], ()):
                    _reach(following, target, (cost + HEARD_COST, capture))
            if capture is not None and item in loops and capture.wild and capture.end == position:
                longer = capture._replace(end=position + 1)
                _reach(following, item, (cost + self._weight(text, position, longer), longer))
            for arc in row.lists:
                self._follow(text, arc, position, end, way, ahead)

    def _skip(self, text: Text, position: int, end: int, layer: Layer, ahead: Sequence[Layer]) -> None:
        """The moves over words that say nothing; no request begins with them."""
        for stretch in text.lattice[position]:
            if stretch.skips and stretch.end <= end:
                for item, (cost, capture) in layer.items():
                    if item not in self._first:
                        _reach(ahead[stretch.end - position - 1], item, (cost + SKIP_COST, capture))

    def _follow(self, text: Text, arc: ListArc, position: int, end: int, way: Way, ahead: Sequence[Layer]) -> None:
        """The moves of one list reference."""
        cost, capture = way
        symbol = self.paths.symbols[arc.symbol]
        if symbol.list_name == WILDCARD:
            label = not self.labels.isdisjoint(symbol.domains)
            title = not self.titles.isdisjoint(symbol.domains)
            aside = not self.asides.isdisjoint(symbol.domains)
            new = Capture(arc.slot, position, position + 1, None, True, capture, label, title, aside)
            extra = sum(self.costs.get(name, 0.0) for name in symbol.domains)
            _reach(ahead[0], arc.target, (cost + self._weight(text, position, new) + extra, new))
        for stretch in text.lattice[position]:
            option = stretch.options.get(arc.symbol)
            if option is not None and stretch.end <= end:
                new = Capture(arc.slot, position, stretch.end, option.value, False, capture)
                more = option.cost + LIST_COST * (stretch.end - position)
                if arc.slot == "name":
                    more -= NAME_GAIN + NAME_GAIN_PER_LETTER * text.length(position, stretch.end)
                for target in self._behind(arc.target, stretch.rest) if stretch.rest else (arc.target,):
                    _reach(ahead[stretch.end - position - 1], target, (cost + more, new))

    def _behind(self, item: int, rest: str) -> tuple[int, ...]:
        """The states after the end of a word whose beginning was a list's value."""
        return self.paths.rows[self.paths.glued[item]].words.get(rest, ())

    def _weight(self, text: Text, position: int, capture: Capture) -> float:
        """What a token costs in an open slot.

        Names have no room for words that cut or qualify, titles none for a verb that was joined to them, asides
        none for a request.
        """
        weight = text.weights[position]
        if capture.aside:
            return weight + (ASIDE_COST if position in text.openers else 0.0)
        if capture.title and position in text.joined_verbs:
            weight += TITLE_COST
        return weight if not capture.label or weight <= WILD_COST else weight + LABEL_COST

    def _dangling(self, text: Text, capture: Capture) -> float:
        """What it costs that an open slot ends where it does ("call mum and", "i would")."""
        cost = text.dangling[capture.end - 1] if text.dangling else 0.0
        leads = text.tokens[capture.end - 1].word in self.leading and capture.end < len(text.tokens)
        if capture.aside and (cost or leads):
            return ASIDE_COST + ASIDE_COST
        return cost

    def _scored(
        self,
        text: Text,
        span: tuple[int, int],
        cost: float,
        capture: Capture | None,
        template: int,
        block: Block,
    ) -> ScoredReading:
        entities: list[Entity] = []
        wild: list[tuple[int, int]] = []
        places: list[tuple[int, int]] = []
        dictated = sentence = False
        while capture is not None:
            words = text.words(capture.start, capture.end)
            value = words if capture.wild else capture.value
            if capture.wild:
                wild.append((capture.start, capture.end))
                cost += self._dangling(text, capture)
                dictated |= not (capture.label or capture.title)
                sentence |= capture.title and capture.end == span[1] and text.starts_sentence(capture.start)
            entities.append(Entity(capture.slot, value, words))
            if capture.slot in _PLACES and not capture.wild:
                places.append((capture.start, capture.end))
            capture = capture.before
        entities.reverse()
        said = {entity.name for entity in entities}
        given = [Entity(name, value) for name, value in block.slots.items() if name not in said]
        extra = block.extra.get("cost", 0.0)
        cost += float(extra) if isinstance(extra, (int, float, str)) else 0.0
        cost += OWN_COST if block.own else 0.0
        bare = self.compiled.templates[template].bare and (
            sum(last - first for first, last in places) + text.articles(*span) >= span[1] - span[0]
        )
        reading = Reading(block.intent, (*entities, *given), tuple(sorted(block.domains)), bare)
        return ScoredReading(cost, reading, block, template, tuple(wild), tuple(places), dictated, sentence)


def _reach(layer: Layer, state: int, way: Way) -> None:
    known = layer.get(state)
    if known is None or way[0] < known[0]:
        layer[state] = way


def _cost(way: Way) -> float:
    return way[0]


def _distinct(found: Iterable[ScoredReading]) -> list[ScoredReading]:
    """One reading of each intent and set of entities, the cheapest first."""
    best: dict[tuple[str, str], ScoredReading] = {}
    for scored in found:
        key = (scored.reading.intent, repr(scored.reading.entities))
        best[key] = _merged(best.get(key), scored)
    return sorted(best.values(), key=lambda scored: (scored.cost, scored.reading.intent))


def _merged(known: ScoredReading | None, new: ScoredReading) -> ScoredReading:
    """The cheaper of two equal readings, speaking of the kinds of devices of both."""
    if known is None:
        return new
    cheaper = new if new.cost < known.cost else known
    if not known.reading.domains or not new.reading.domains:
        domains: tuple[str, ...] = ()
    else:
        domains = tuple(sorted({*known.reading.domains, *new.reading.domains}))
    bare = known.bare and new.bare
    return replace(cheaper, reading=replace(cheaper.reading, domains=domains, bare=bare))
