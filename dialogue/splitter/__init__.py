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
from dialogue.splitter.chart import Chart, Charts, Core
from dialogue.splitter.search import Path, Search
from dialogue.splitter.splice import Splicer
from dialogue.types import Hypothesis, Utterance

__all__ = ["GrammarSplitter"]

HEARD_WORSE = 0.1
"""What a hypothesis costs per point of Vosk's score that it lies behind the best one."""


class GrammarSplitter:
    """Cuts the utterances of one language by its grammar, and by what a ``proposer`` adds to it."""

    def __init__(self, grammar: Grammar, proposer: Proposer | None = None) -> None:
        self.grammar = grammar
        self._charts = Charts(grammar, proposer)
        self._splicer = Splicer(grammar)

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
        chart = self._charts.chart(text, answering=bool(state.questions))
        return chart, Search(chart, self._splicer, _remembered(state)).best()


def _remembered(state: ContextState) -> Core | None:
    """The last request of an earlier turn, for fragments at the start of this one."""
    requests = state.last_requests
    return Core(0, 0, requests[-1].meant, (), "remembered", requests[-1]) if requests else None
