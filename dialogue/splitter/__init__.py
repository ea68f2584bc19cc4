"""Understanding: one search over hypotheses and cuts, then the chosen cuts become requests.

Read `chart` (what spans there are), `search` (which of them), `splice` (fragments and shared tails) and `assembly`
(what the chosen ones mean together), in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dialogue.context import ContextState
from dialogue.grammar.grammar import Grammar
from dialogue.grammar.proposals import Proposer
from dialogue.splitter.assembly import assemble
from dialogue.splitter.chart import Chart, Charts, Core, Item
from dialogue.splitter.search import CLOSE, Path, Search
from dialogue.splitter.splice import Splicer
from dialogue.types import Hypothesis, Request, Utterance

__all__ = ["GrammarSplitter"]

A_CLOSE_CALL = 0.02
"""How far behind the best a reading may be that is worth asking about."""

MOST_RUNNERS_UP = 3

NEAR = 2
"""How many items from a filler something strange may lie that it interrupts."""

HEARD_WORSE = 0.1
"""What a hypothesis costs per point of Vosk's score that it lies behind the best one."""


class GrammarSplitter:
    """Cuts the utterances of one language by its grammar, and by what a ``proposer`` adds to it."""

    def __init__(self, grammar: Grammar, proposer: Proposer | None = None) -> None:
        self.grammar = grammar
        self._charts = Charts(grammar, proposer)
        self._splicer = Splicer(grammar)
        self._binding = frozenset(grammar.words.get("binding", ()))

    def split(self, hypotheses: Sequence[Hypothesis], state: ContextState) -> Utterance:
        """The best reading over all hypotheses; ``runners_up`` are close ones that would act differently."""
        if not any(hypothesis.text.strip() for hypothesis in hypotheses):
            return Utterance("")
        best = max(hypothesis.score for hypothesis in hypotheses)
        ranked: list[tuple[float, int, Utterance]] = []
        for order, hypothesis in enumerate(hypotheses):
            worse = HEARD_WORSE * (best - hypothesis.score)
            utterance = self._read(hypothesis.text, state, worse, A_CLOSE_CALL)
            ranked.append((utterance.cost, order, utterance))
        ranked.sort(key=lambda row: row[:2])
        first, *others = (utterance for _, _, utterance in ranked)
        heard = [other for other in others[:2] if acts(other) != acts(first)]
        return replace(first, runners_up=(*first.runners_up, *heard))

    def explain(self, text: str, state: ContextState) -> Utterance:
        """The best reading of a text with all runners-up that the search kept, at most `MOST_RUNNERS_UP`."""
        return self._read(text, state, 0.0, CLOSE) if text.strip() else Utterance("")

    def _read(self, text: str, state: ContextState, worse: float, margin: float) -> Utterance:
        """The best reading of a text and those at most ``margin`` behind it that would act differently."""
        search, path = self._searched(text, state)
        chart = search.chart
        utterance = assemble(self.grammar, chart, path.items(), search.whole_cost(path) + worse)
        known = [acts(utterance)]
        runners_up: list[Utterance] = []
        for cost, items in search.runners_up(margin):
            other = assemble(self.grammar, chart, items, cost + worse)
            if acts(other) not in known and len(runners_up) < MOST_RUNNERS_UP:
                known.append(acts(other))
                runners_up.append(other)
        return replace(utterance, runners_up=tuple(runners_up))

    def _searched(self, text: str, state: ContextState) -> tuple[Search, Path]:
        """The search over a text, or, if that explains more, over it without the fillers that interrupt."""
        search = self.searching(text, state)
        path = search.best()
        if search.effort.left <= 0:
            return search, path
        fillers = [item for item in _interrupting(path.items()) if not self._binds(search.chart, item)]
        if not fillers:
            return search, path
        again = self.searching(_without(search.chart, fillers), state)
        other = again.best()
        fewer = other.cost + sum(item.cost for item in fillers) < path.cost
        return (again, other) if fewer else (search, path)

    def _binds(self, chart: Chart, filler: Item) -> bool:
        """Whether a filler has words that may tie others together where it is none ("please to ...")."""
        words = chart.words(filler.start, filler.end).casefold().split()
        return not self._binding.isdisjoint(words)

    def searching(self, text: str, state: ContextState) -> Search:
        """The search over one text, before it has begun."""
        chart = self._charts.chart(text, answering=bool(state.questions))
        return Search(chart, self._splicer, _remembered(state))


def acts(utterance: Utterance) -> object:
    """What a reading would do, for comparing: its requests with all that qualifies them, but not its words."""
    return tuple(_act(request) for request in utterance.requests), utterance.retracted


def _act(request: Request) -> object:
    entities = sorted((entity.name, repr(entity.value).casefold()) for entity in request.entities)
    whens = tuple((when.kind, when.text.casefold()) for when in request.when)
    exceptions = tuple(_act(exception) for exception in request.exceptions)
    return request.intent, tuple(entities), request.negated, exceptions, whens, bool(request.held), request.after


def _remembered(state: ContextState) -> Core | None:
    """The last request of an earlier turn, for fragments at the start of this one."""
    requests = state.last_requests
    last = state.turns[-1] if state.turns else None
    steps = [state.steps[one] for one in last.steps if one in state.steps] if last is not None else []
    unmet = last is not None and bool(last.requests) and all(step.status == "failed" for step in steps)
    leaning = "unmet" if unmet else ""
    return Core(0, 0, requests[-1].meant, (), "remembered", requests[-1], leaning) if requests else None


def _interrupting(items: Sequence[Item]) -> list[Item]:
    """Fillers beside a bare name or words that nothing explains: perhaps they only interrupt a request."""
    strange = [_is_strange(item) for item in items]
    return [
        item
        for number, item in enumerate(items)
        if item.kind == "filler" and any(strange[max(number - NEAR, 0) : number + NEAR + 1])
    ]


def _is_strange(item: Item) -> bool:
    bare = item.kind == "request" and item.core is not None and item.core.readings[0].bare
    return bare or item.kind == "unexplained"


def _without(chart: Chart, items: Sequence[Item]) -> str:
    """The words of a chart but for those of some items."""
    left_out = {at for item in items for at in range(item.start, item.end)}
    return " ".join(chart.words(at, at + 1) for at in range(chart.size) if at not in left_out)
