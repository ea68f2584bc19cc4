"""Understanding: one search over hypotheses and cuts, then the chosen cuts become requests.

Read `chart` (what spans there are), `search` (which of them), `splice` (fragments and shared tails) and `assembly`
(what the chosen ones mean together), in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dialogue.context import ContextState
from dialogue.grammar.grammar import Grammar
from dialogue.splitter.assembly import assemble
from dialogue.splitter.chart import Chart, Charts, Core, Item
from dialogue.splitter.search import Path, Search
from dialogue.splitter.splice import Splicer
from dialogue.types import Hypothesis, Utterance

__all__ = ["GrammarSplitter"]

HEARD_WORSE = 0.1
"""What a hypothesis costs per point of Vosk's score that it lies behind the best one."""


class GrammarSplitter:
    """Cuts the utterances of one language by its grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self._charts = Charts(grammar)
        self._splicer = Splicer(grammar)
        self._binding = frozenset(grammar.words.get("binding", ()))

    def split(self, hypotheses: Sequence[Hypothesis], state: ContextState) -> Utterance:
        """The best reading over all hypotheses; ``runners_up`` holds the readings of the next two."""
        if not any(hypothesis.text.strip() for hypothesis in hypotheses):
            return Utterance("")
        best = max(hypothesis.score for hypothesis in hypotheses)
        ranked: list[tuple[float, int, Utterance]] = []
        for order, hypothesis in enumerate(hypotheses):
            chart, path = self.search(hypothesis.text, state)
            cost = path.cost + HEARD_WORSE * (best - hypothesis.score)
            ranked.append((cost, order, assemble(self.grammar, chart, path.items(), cost)))
        ranked.sort(key=lambda row: row[:2])
        return replace(ranked[0][2], runners_up=tuple(utterance for _, _, utterance in ranked[1:3]))

    def search(self, text: str, state: ContextState) -> tuple[Chart, Path]:
        """The cheapest path over one text, with the chart it runs through."""
        search = self.searching(text, state)
        chart, path = search.chart, search.best()
        if search.effort.left <= 0:
            return chart, path
        fillers = [item for item in _interrupting(path.items()) if not self._binds(chart, item)]
        if not fillers:
            return chart, path
        again = self.searching(_without(chart, fillers), state)
        other = again.best()
        fewer = other.cost + sum(item.cost for item in fillers) < path.cost
        return (again.chart, other) if fewer else (chart, path)

    def _binds(self, chart: Chart, filler: Item) -> bool:
        """Whether a filler has words that may tie others together where it is none ("please to ...")."""
        words = chart.words(filler.start, filler.end).casefold().split()
        return not self._binding.isdisjoint(words)

    def searching(self, text: str, state: ContextState) -> Search:
        """The search over one text, before it has begun."""
        chart = self._charts.chart(text, answering=bool(state.questions))
        return Search(chart, self._splicer, _remembered(state))


def _remembered(state: ContextState) -> Core | None:
    """The last request of an earlier turn, for fragments at the start of this one."""
    requests = state.last_requests
    return Core(0, 0, requests[-1].meant, (), "remembered", requests[-1]) if requests else None


def _interrupting(items: Sequence[Item]) -> list[Item]:
    """Fillers beside a bare name or words that nothing explains: perhaps they only interrupt a request."""
    strange = [False, *(_is_strange(item) for item in items), False]
    return [
        item
        for number, item in enumerate(items, 1)
        if item.kind == "filler" and (strange[number - 1] or strange[number + 1])
    ]


def _is_strange(item: Item) -> bool:
    bare = item.kind == "request" and item.core is not None and item.core.readings[0].bare
    return bare or item.kind == "unexplained"


def _without(chart: Chart, items: Sequence[Item]) -> str:
    """The words of a chart but for those of some items."""
    left_out = {at for item in items for at in range(item.start, item.end)}
    return " ".join(chart.words(at, at + 1) for at in range(chart.size) if at not in left_out)
