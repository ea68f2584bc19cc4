"""Understanding: one search over hypotheses and cuts, then the chosen cuts become requests.

The automaton gives every span that is a request or an operator. A reading is a path of such spans over all tokens;
each span has a cost and so has each token that nothing explains, and the cheapest path wins (dynamic programming
over token positions, as in Viterbi decoding). A *fragment* ("and the hallway light") is read by putting it in the
place of a stretch of the request before it; shared heads, shared tails, exceptions and corrections all read so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dialogue.context import ContextState
from dialogue.grammar.automaton import State
from dialogue.grammar.grammar import Grammar, Spoken
from dialogue.grammar.machine import ScoredReading, Text
from dialogue.types import Hypothesis, Request, Utterance

REQUEST, FRAGMENT, SPLICE_TAIL = 1.0, 0.6, 0.1
BARE_NAME = 0.8
OPERATOR, FILLER, WHEN = 0.1, 0.05, 0.15
UNEXPLAINED, STILL_UNEXPLAINED = 3.0, 1.5
CUT_SHORT, CUT_INSIDE = 1.0, 1.2
DANGLING = 1.5
NOTHING_TO_DROP = 1.2
OTHER_INTENT, OTHER_SLOTS = 0.3, 0.25
UNANNOUNCED = 0.15
INNER_REQUEST = 0.5
BEAM = 4.0
NARROW = 12
MOST_SPLICES = 6

JOINERS = {"and": "and", "then": "then"}
PREFIXES = {"not", "first", "but_first", "before", "after", "correct", "except", "only"}
NEEDS_LAST = {"correct", "except", "scratch", "but_first"}
AFTER_CUT = {"correct", "scratch", "filler", "never_mind"}
REPLACING = {"correct", "except", "only", "not"}


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """One request of a path: its tokens in the utterance, the full sentence it stands for, its readings."""

    start: int
    end: int
    meant: str
    readings: tuple[ScoredReading, ...]
    kind: str = "full"


@dataclass(frozen=True, slots=True)
class Item:
    """One span of a path: an operator, a request, a time, or an unexplained token."""

    kind: str
    start: int
    end: int
    cost: float
    core: Core | None = None
    spoken: Spoken | None = None
    readings: tuple[ScoredReading, ...] = ()
    ends: str = "done"


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A reading of the tokens so far. ``clause`` is ``start`` (a request may begin), ``done`` (one just ended)
    ``quoted`` (one just ended in words said to others, which only a connective can end) or ``cut`` (one was cut
    short, and a correction must follow).
    """

    position: int
    cost: float
    before: Path | None = None
    item: Item | None = None
    last: Core | None = None
    clause: str = "start"
    joined: bool = False
    prefix: tuple[str, ...] = ()

    @property
    def signature(self) -> tuple[int, str, bool, tuple[str, ...]]:
        return (id(self.last), self.clause, self.joined, self.prefix)

    def items(self) -> list[Item]:
        found: list[Item] = []
        path: Path | None = self
        while path is not None:
            if path.item is not None:
                found.append(path.item)
            path = path.before
        return found[::-1]


@dataclass(slots=True)
class Chart:
    """Everything one text may be cut into. Made once per hypothesis."""

    text: Text
    requests: dict[int, list[Core]] = field(default_factory=dict)
    operators: dict[int, list[Item]] = field(default_factory=dict)
    alive: dict[int, dict[int, State]] = field(default_factory=dict)
    bounds: set[int] = field(default_factory=set)
    cuts: set[int] = field(default_factory=set)
    sure: set[int] = field(default_factory=set)
    answering: bool = False

    @property
    def size(self) -> int:
        return len(self.text.tokens)

    def knows(self, start: int, end: int) -> bool:
        """Whether a list explains something inside the stretch."""
        return any(stretch.end <= end for at in range(start, end) for stretch in self.text.lattice[at])


class Splitter:
    """Cuts utterances of one language. Holds the grammar; ``area`` says whether the speaker's room is known."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self._verbatim = frozenset(grammar.words.get("verbatim", ()))
        self._verbs = frozenset(grammar.words.get("verbs", ()))
        self._meant: dict[str, tuple[Text, dict[int, State]]] = {}

    def split(self, hypotheses: Sequence[Hypothesis], state: ContextState) -> Utterance:
        """The best reading over all hypotheses; ``runners_up`` holds the best reading of each other one."""
        from dialogue.assembly import assemble  # assembling knows the splitter's types

        if not hypotheses or not any(hypothesis.text.strip() for hypothesis in hypotheses):
            return Utterance("")
        best = max(hypothesis.score for hypothesis in hypotheses)
        ranked: list[tuple[float, int, Utterance]] = []
        for order, hypothesis in enumerate(hypotheses):
            chart, path = self.search(hypothesis.text, state)
            heard = hearing_cost(best - hypothesis.score)
            utterance = assemble(self.grammar, chart, path.items(), path.cost + heard)
            ranked.append((utterance.cost, order, utterance))
        ranked.sort(key=lambda row: row[:2])
        chosen = ranked[0][2]
        others = tuple(utterance for _, _, utterance in ranked[1:3])
        return replace(chosen, runners_up=others)

    def search(self, text: str, state: ContextState) -> tuple[Chart, Path]:
        """The cheapest path over one text; fragments are only looked for where whole requests leave a rest."""
        chart = self.chart(text, answering=bool(state.questions))
        last = _remembered(state)
        path = self._cheapest(chart, last, splicing=False)
        if not all(_whole(chart, item) for item in path.items()) or path.prefix:
            path = self._cheapest(chart, last, splicing=True)
        return chart, path

    def _cheapest(self, chart: Chart, last: Core | None, *, splicing: bool) -> Path:
        layers: list[dict[tuple[int, str, bool, tuple[str, ...]], Path]] = [{} for _ in range(chart.size + 1)]
        origin = Path(0, 0.0, last=last)
        layers[0][origin.signature] = origin
        for position in range(chart.size):
            for path in _beam(layers[position].values()):
                for item in self._items(chart, path, splicing):
                    self._extend(layers, path, item)
        return min(layers[-1].values(), key=_final_cost)

    # --- the chart ----------------------------------------------------------------------

    def chart(self, text: str, *, answering: bool = False) -> Chart:
        """Find all spans of a text; ``answering`` lets in what only means something as an answer."""
        chart = Chart(self.grammar.text(text), answering=answering)
        for start in range(chart.size):
            chart.alive[start] = dict(self.grammar.ends(chart.text, start))
        begins = {start for start, alive in chart.alive.items() if self._begins_request(alive, start)}
        begins |= self._after_joiners(chart)
        heavier = tuple(
            weight + (INNER_REQUEST if at in begins else 0.0) for at, weight in enumerate(chart.text.weights)
        )
        chart.text = replace(chart.text, weights=heavier)
        for start, alive in chart.alive.items():
            self._sort_spans(chart, start, alive)
        for spoken in self.grammar.spoken(chart.text):
            if spoken.kind in ("at", "for", "until", "every"):
                item = Item("when", spoken.start, spoken.end, WHEN, spoken=spoken)
                chart.operators.setdefault(spoken.start, []).append(item)
        for row in chart.operators.values():
            chart.bounds.update(item.start for item in row)
            chart.cuts.update(item.start for item in row if item.kind in ("correct", "scratch"))
        chart.bounds.update(chart.requests)
        chart.bounds.add(chart.size)
        return chart

    def _after_joiners(self, chart: Chart) -> set[int]:
        """Tokens that open a request after a word that joins: "... and feed the cat"."""
        words = [token.key.strip() for token in chart.text.tokens]
        joiners = self.grammar.words.get("item_joiners", ())
        return {
            at for at in range(1, chart.size) if words[at - 1] in joiners and words[at] in self._verbs
        }

    def _begins_request(self, alive: dict[int, State], start: int) -> bool:
        """Whether a request without open text begins here; inside an open text that is a reason to doubt."""
        return any(
            end > start + 1
            and any(
                not (template.wild or template.bare) and self.grammar.block(number).kind == "request"
                for number in state.accepts
                for template in (self.grammar.template(number),)
            )
            for end, state in alive.items()
        )

    def _sort_spans(self, chart: Chart, start: int, alive: dict[int, State]) -> None:
        """Put what the automaton accepts from one start into requests and operators."""
        for end, state in alive.items():
            if end == start or not state.accepts:
                continue
            operators: dict[str, list[int]] = {}
            requests: list[int] = []
            for template in state.accepts:
                block = self.grammar.block(template)
                if block.kind == "answer" and not chart.answering:
                    continue
                if block.kind == "operator":
                    operators.setdefault(block.intent, []).append(template)
                else:
                    requests.append(template)
            for kind, templates in operators.items():
                chart.operators.setdefault(start, []).append(
                    self._operator(chart, start, end, kind, templates)
                )
            if requests:
                readings = self.grammar.readings(chart.text, start, end, requests)
                if readings:
                    core = Core(start, end, chart.text.words(start, end), tuple(readings))
                    chart.requests.setdefault(start, []).append(core)
                    if readings[0].wild_tokens == 0 and not readings[0].bare:
                        chart.sure.add(start)

    def _operator(self, chart: Chart, start: int, end: int, kind: str, templates: list[int]) -> Item:
        readings = tuple(self.grammar.readings(chart.text, start, end, templates))
        base = FILLER if kind == "filler" else OPERATOR
        kind = "condition" if kind.startswith("condition") else kind
        return Item(kind, start, end, base + max(0.0, readings[0].cost), readings=readings)

    # --- moves --------------------------------------------------------------------------

    def _items(self, chart: Chart, path: Path, splicing: bool) -> Iterator[Item]:
        """Everything that may come next on a path."""
        start = path.position
        for operator in chart.operators.get(start, ()):
            if operator.kind in NEEDS_LAST and path.last is None:
                continue
            if path.clause == "cut" and operator.kind not in AFTER_CUT:
                continue
            if operator.kind == "never_mind" and not chart.answering and _nothing_said(path):
                operator = replace(operator, cost=NOTHING_TO_DROP)
            yield operator
        if path.clause == "cut":
            return
        whole_only = "except" not in path.prefix
        if whole_only:
            for core in chart.requests.get(start, ()) if path.clause != "quoted" else ():
                yield Item("request", start, core.end, _request_cost(core), core, ends=self._clause(core))
            if splicing:
                yield from self._shared_tails(chart, start)
        if splicing and path.last is not None and self._may_splice(chart, path) and not (whole_only and start in chart.sure):
            yield from self._fragments(chart, path)
        if start in chart.alive:
            yield from self._cut_short(chart, start)
        more = path.item is not None and path.item.kind == "unexplained"
        yield Item("unexplained", start, start + 1, STILL_UNEXPLAINED if more else UNEXPLAINED)

    def _clause(self, core: Core) -> str:
        best = core.readings[0]
        return "quoted" if best.wild_tokens and best.reading.intent in self._verbatim else "done"

    def _may_splice(self, chart: Chart, path: Path) -> bool:
        first_word = path.before is None and not chart.answering
        return path.joined or path.clause == "done" or bool(REPLACING & set(path.prefix)) or first_word

    def _cut_short(self, chart: Chart, start: int) -> Iterator[Item]:
        """Beginnings of requests that a correction cuts off ("set a timer for ten sorry ...")."""
        for end in chart.alive[start]:
            if end > start and end in chart.cuts:
                core = Core(start, end, chart.text.words(start, end), (), "partial")
                inside = sum(at in chart.sure for at in range(start + 1, end))
                yield Item("partial", start, end, CUT_SHORT + CUT_INSIDE * inside, core)

    def _fragments(self, chart: Chart, path: Path) -> Iterator[Item]:
        """Stretches that make a request when put in the place of a part of the last one."""
        assert path.last is not None
        correcting = bool({"correct", "only"} & set(path.prefix))
        extra = 0.0 if path.joined or path.prefix else UNANNOUNCED
        for core, cost in self._splices(chart, path.last, path.position, correcting):
            yield Item("fragment", core.start, core.end, cost + extra, core)

    def _splices(
        self, chart: Chart, last: Core, start: int, correcting: bool
    ) -> Iterator[tuple[Core, float]]:
        """The cheapest splice per end: the fragment takes the place of tokens ``cut`` to ``tail`` of the last."""
        base, states = self._base(last.meant)
        size = len(base.tokens)
        tried: dict[int, int] = {}
        best: dict[int, tuple[float, Core]] = {}
        for cut in range(size - 1 if correcting else size, -1, -1):
            if cut not in states:
                continue
            for end, reached in self.grammar.ends(chart.text, start, states[cut]):
                if end not in chart.bounds or tried.get(end, 0) >= MOST_SPLICES:
                    continue
                if end == start or not (correcting or chart.knows(start, end)):
                    continue
                for tail in self._tails(base, cut, reached):
                    tried[end] = tried.get(end, 0) + 1
                    found = self._spliced(chart, last, base, (cut, tail), (start, end), correcting)
                    if found is not None and (end not in best or found[0] < best[end][0]):
                        best[end] = found
        for cost, core in best.values():
            yield core, cost

    def _tails(self, base: Text, cut: int, state: State) -> Iterator[int]:
        """Where the last request may go on after the fragment, so that the whole is a sentence."""
        size = len(base.tokens)
        if self._accepts_request(state):
            yield size
        for tail in range(max(cut, 1), size):
            if any(
                end == size and self._accepts_request(reached)
                for end, reached in self.grammar.ends(base, tail, state)
            ):
                yield tail

    def _accepts_request(self, state: State) -> bool:
        return any(self.grammar.block(template).kind == "request" for template in state.accepts)

    def _spliced(
        self,
        chart: Chart,
        last: Core,
        base: Text,
        kept: tuple[int, int],
        new: tuple[int, int],
        correcting: bool,
    ) -> tuple[float, Core] | None:
        cut, tail = kept
        if cut == 0 and tail == len(base.tokens):
            return None
        words = f"{base.words(0, cut)} {chart.text.words(*new)} {base.words(tail, len(base.tokens))}".strip()
        text, states = self._base(words)
        final = states.get(len(text.tokens))
        if final is None:
            return None
        templates = [number for number in final.accepts if self.grammar.block(number).kind == "request"]
        readings = self.grammar.readings(text, 0, len(text.tokens), templates)
        if not readings:
            return None
        if not correcting and not _anchored(text, cut, new[1] - new[0], readings[0]):
            return None
        cost = FRAGMENT + readings[0].cost + _difference(last, readings[0])
        cost += SPLICE_TAIL if tail < len(base.tokens) else 0.0
        replaced = tail - cut
        cost += 0.03 * abs(replaced - (new[1] - new[0])) + (0.02 * replaced if correcting else 0.0)
        return cost, Core(*new, words, tuple(readings), "fragment")

    def _shared_tails(self, chart: Chart, start: int) -> Iterator[Item]:
        """Two objects before one tail: "set the lamp and the ceiling light to forty percent"."""
        alive = chart.alive.get(start, {})
        for middle, state in alive.items():
            if middle == start or self._accepts_request(state) or not chart.knows(start, middle):
                continue
            for joiner in chart.operators.get(middle, ()):
                if joiner.kind == "and" and joiner.end not in chart.sure:
                    yield from self._with_tail(chart, start, middle, joiner.end, state)

    def _with_tail(
        self, chart: Chart, start: int, middle: int, after: int, first: State
    ) -> Iterator[Item]:
        for cut in range(start + 1, middle):
            state = chart.alive[start].get(cut)
            if state is None:
                continue
            for end, reached in self.grammar.ends(chart.text, after, state):
                if end in chart.bounds and end > after + 1 and self._accepts_request(reached):
                    yield from self._tail_pair(chart, (start, cut, middle), (after, end), first)

    def _tail_pair(
        self, chart: Chart, head: tuple[int, int, int], rest: tuple[int, int], first: State
    ) -> Iterator[Item]:
        start, cut, middle = head
        after, end = rest
        for tail in range(after + 1, end):
            reaches = any(
                where == end and self._accepts_request(state)
                for where, state in self.grammar.ends(chart.text, tail, first)
            )
            if not reaches:
                continue
            words = chart.text.words
            one = self._whole(f"{words(start, middle)} {words(tail, end)}", start, middle)
            two = self._whole(f"{words(start, cut)} {words(after, end)}", after, end)
            if one and two and one.readings[0].reading.intent == two.readings[0].reading.intent:
                cost = REQUEST + FRAGMENT + one.readings[0].cost + two.readings[0].cost
                wild = one.readings[0].wild_tokens + two.readings[0].wild_tokens
                if not wild:
                    yield Item("pair", start, end, cost, two, readings=one.readings)

    def _whole(self, words: str, start: int, end: int) -> Core | None:
        text, states = self._base(words)
        final = states.get(len(text.tokens))
        if final is None:
            return None
        templates = [number for number in final.accepts if self.grammar.block(number).kind == "request"]
        readings = self.grammar.readings(text, 0, len(text.tokens), templates)
        return Core(start, end, words, tuple(readings)) if readings else None

    def _base(self, words: str) -> tuple[Text, dict[int, State]]:
        """A sentence as text with the states after each of its tokens; remembered for a while."""
        known = self._meant.get(words)
        if known is None:
            if len(self._meant) > 500:
                self._meant.clear()
            text = self.grammar.text(words)
            known = self._meant[words] = (text, dict(self.grammar.ends(text, 0)))
        return known

    # --- extending paths ----------------------------------------------------------------

    def _extend(
        self, layers: list[dict[tuple[int, str, bool, tuple[str, ...]], Path]], path: Path, item: Item
    ) -> None:
        for new in _followers(path, item):
            layer = layers[new.position]
            known = layer.get(new.signature)
            if known is None or new.cost < known.cost:
                layer[new.signature] = new


def _followers(path: Path, item: Item) -> Iterator[Path]:
    """The path with one more item; none where the item may not stand there."""
    cost = path.cost + item.cost

    def follow(extra: float = 0.0, **change: object) -> Path:
        fields = {"last": path.last, "clause": path.clause, "joined": path.joined, "prefix": path.prefix}
        return Path(item.end, cost + extra, path, item, **{**fields, **change})  # type: ignore[arg-type]

    match item.kind:
        case "filler":
            yield follow()
        case "unexplained":
            yield follow(joined=False, clause="start")
        case "and" | "then":
            yield follow(DANGLING if path.prefix else 0.0, clause="start", joined=True, prefix=())
        case "when" | "condition" if path.clause != "quoted":
            yield follow(0.0 if path.clause == "done" else 0.02)
        case "never_mind" | "scratch":
            yield follow(clause="start", joined=True, prefix=())
        case "request" | "pair" | "fragment":
            yield follow(last=item.core, clause=item.ends, joined=False, prefix=())
        case "partial":
            yield follow(last=item.core, clause="cut", joined=False, prefix=())
        case kind if kind in PREFIXES:
            yield follow(clause="start", joined=False, prefix=(*path.prefix, kind)[-4:])
        case _:
            return


def _nothing_said(path: Path) -> bool:
    """Whether no request stands before this place of the utterance."""
    return path.last is None or path.last.kind == "remembered"


def _request_cost(core: Core) -> float:
    best = core.readings[0]
    return REQUEST + best.cost + (BARE_NAME if best.bare else 0.0)


def _whole(chart: Chart, item: Item) -> bool:
    """Whether an item needs no second look for fragments."""
    if item.kind == "request":
        assert item.core is not None
        best = item.core.readings[0]
        doubtful = best.wild_tokens and any(at in chart.cuts for at in range(item.start, item.end))
        return not best.bare and not doubtful
    return item.kind not in ("unexplained", "partial")


def _beam(paths: Iterable[Path]) -> list[Path]:
    """The paths worth extending: the cheapest few, and none far behind the best."""
    ranked = sorted(paths, key=lambda path: path.cost)[:NARROW]
    return [path for path in ranked if path.cost <= ranked[0].cost + BEAM]


def _final_cost(path: Path) -> float:
    dangling = DANGLING * len(path.prefix) + (0.3 if path.joined and path.clause == "start" else 0.0)
    return path.cost + dangling


def hearing_cost(behind: float) -> float:
    """What choosing a hypothesis costs that scored ``behind`` the best one (Vosk's likelihood units)."""
    return 0.1 * behind


def _remembered(state: ContextState) -> Core | None:
    """The last request of an earlier turn, for fragments at the start of this one."""
    requests = state.last_requests
    if not requests:
        return None
    return Core(0, 0, requests[-1].meant, (), "remembered")


def _difference(last: Core, scored: ScoredReading) -> float:
    """How far the spliced reading is from the one it was made of."""
    if not last.readings:
        return 0.0
    old = last.readings[0].reading
    cost = OTHER_INTENT if old.intent != scored.reading.intent else 0.0
    if {entity.name for entity in old.entities} != {entity.name for entity in scored.reading.entities}:
        cost += OTHER_SLOTS
    return cost


def _anchored(text: Text, cut: int, length: int, scored: ScoredReading) -> bool:
    """Whether the new tokens hold something a list knows; open text alone is no fragment."""
    known = any(
        stretch.end <= cut + length and stretch.options
        for start in range(cut, cut + length)
        for stretch in text.lattice[start]
    )
    return known and scored.wild_tokens < length + 1


def touching(request: Request, other: Request) -> bool:
    """Whether two requests stand side by side."""
    return request.end == other.start or other.end == request.start
