"""Explanations: every word has an owner, the costs add up, and a runner-up says where it lost."""

from __future__ import annotations

import pytest

from dialogue.config import Parts
from dialogue.context import ContextState
from dialogue.explanation import differences, explanation_picture
from dialogue.picture import Brush, columns
from dialogue.splitter import acts
from dialogue.types import Utterance

SAID = [
    "turn off the lamp",
    "turn on the desk lamp and the fan",
    "set a timer for ten minutes and remind me to call mum at eight",
    "turn off all the lights except the porch light and lock up",
    "close the blinds no the curtains and wibble the wobble",
    "turn the desk lamp on i am cold",
]


def explained(parts: Parts, said: str) -> Utterance:
    return parts.splitter.explain(said, ContextState())


@pytest.mark.parametrize("said", SAID)
def test_every_word_has_one_owner(parts: Parts, said: str) -> None:
    """The segments lie side by side from the first word to the last, and their costs come to the whole."""
    utterance = explained(parts, said)
    ends = [0, *(segment.end for segment in utterance.segments)]
    assert [segment.start for segment in utterance.segments] == ends[:-1]
    assert ends[-1] == len(said.split())
    paid = sum(segment.cost for segment in utterance.segments)
    assert paid <= utterance.cost + 1e-6
    assert all(segment.cost > 0 for segment in utterance.segments)


@pytest.mark.parametrize("said", SAID)
def test_runners_up_act_differently_and_cost_more(parts: Parts, said: str) -> None:
    """No runner-up does the same, none is cheaper, and where they part explains the difference in cost."""
    utterance = explained(parts, said)
    for other in utterance.runners_up:
        assert acts(other) != acts(utterance)
        assert other.cost >= utterance.cost
        dearer = sum(one.dearer for one in differences(utterance, other))
        assert dearer == pytest.approx(other.cost - utterance.cost, abs=1.6)  # but for what was left hanging


def test_a_runner_up_says_where_it_lost(parts: Parts) -> None:
    """A text with its time could be two things; the picture names the stretch and both prices."""
    utterance = explained(parts, "remind me to feed the cat at seven pm")
    assert utterance.runners_up
    shown = explanation_picture(utterance, [], Brush(width=100))
    assert "runner-up 1" in shown and "lost +" in shown
    assert "[at seven pm] when" in shown


def test_sounds_of_thinking_are_told(parts: Parts) -> None:
    """Words left out before reading are named, so that no word is without an explanation."""
    said = "um turn off the the desk lamp"
    assert parts.grammar.noise(said) == ["um", "the"]
    assert "um, the" in explanation_picture(explained(parts, said), parts.grammar.noise(said), Brush())


@pytest.mark.parametrize("width", [40, 60, 110])
def test_the_table_fits_the_terminal(parts: Parts, width: int) -> None:
    """The column of words is never wider than half the terminal."""
    utterance = explained(parts, SAID[3])
    shown = explanation_picture(utterance, [], Brush(width=width))
    table = [line for line in shown.splitlines() if line.startswith("  0-")]
    assert len(table) == 1
    assert columns(table[0].split("request")[0]) <= width // 2 + 24


def test_nothing_said_is_nothing_explained(parts: Parts) -> None:
    """Silence has no cuts and costs nothing."""
    utterance = explained(parts, "  ")
    assert (utterance.segments, utterance.cost) == ((), 0.0)
