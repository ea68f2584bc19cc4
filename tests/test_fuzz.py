"""Whatever is said or typed: no crash, an answer in bounded time, and nothing risky that nobody asked for.

``ONEBREATH_EXAMPLES=20`` tries twenty times as many.
"""

from __future__ import annotations

import os
import re
import time
from functools import cache
from itertools import cycle, islice

import pytest
from conftest import shipped_parts
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_grammar import spoken
from world import heard

from dialogue.context import ContextState
from dialogue.errors import ConfigurationError
from dialogue.splitter import GrammarSplitter
from dialogue.splitter.splice import Effort
from dialogue.typed import LONGEST_TEXT, checked
from dialogue.types import Hypothesis

MORE = max(1, int(os.environ.get("ONEBREATH_EXAMPLES", "1")))
some = settings(max_examples=60 * MORE, suppress_health_check=list(HealthCheck))

# --- word salads ------------------------------------------------------------------------

OPERATORS = ["and", "then", "except", "don't", "no", "wait", "i mean", "scratch that", "at ten", "in five minutes"]
OPERATORS += [
    "if it rains",
    "not",
    "but",
    "please",
    "never mind",
    "undo",
    "it",
    "them",
    "all",
    "the",
    "everything",
]
NUMBERS = ["ten", "twenty", "five", "percent", "minutes", "pm", "tomorrow", "half", "first"]


@cache
def vocabulary() -> tuple[str, ...]:
    """All words of the templates and of the home's names."""
    texts = [one.template.text for templates in spoken() for one in templates]
    home = shipped_parts().home
    names = [name for one in home.devices.values() for name in (one.name, *one.aliases)]
    return tuple(sorted({word for text in (*texts, *names) for word in re.findall(r"[a-z']{2,}", text)}))


@st.composite
def salads(draw: st.DrawFn, longest: int = 30) -> str:
    """Words in no order: operators as often as others, names often enough to be spoken of."""
    names = [one.name for one in shipped_parts().home.devices.values()]
    words = st.one_of(
        st.sampled_from(OPERATORS), st.sampled_from(vocabulary()), st.sampled_from([*NUMBERS, *names])
    )
    return " ".join(draw(st.lists(words, min_size=1, max_size=longest)))


@some
@given(st.lists(salads(), min_size=1, max_size=3))
def test_a_salad_of_words_is_survived(turns: list[str]) -> None:
    """Any words of the vocabulary in any order, over several turns: a turn comes of each."""
    outcome = heard(*turns)
    assert outcome.utterance.text or not turns[-1].strip()


HANDLES = frozenset(
    re.findall(
        r"\w+",
        """adjust back bolt bring change close closed closes down draw get half halfway have lift lock locked locks
        lower make move open opened opening opens position pull put raise roll secure set shut to turn undo unlock
        unlocked unlocking unlocks up""",
    )
)
"""Words without which nobody speaks of locking, unlocking, opening or closing."""


@some
@given(salads())
@example("the front door and the garden gate")
@example("everything at the front door in ten minutes")
def test_nothing_risky_without_a_word_for_it(salad: str) -> None:
    """Locks and gates are left alone and nothing is planned for them unless a word for it was said."""
    if HANDLES.isdisjoint(salad.split()):
        risky = {one.id for one in shipped_parts().home.devices.values() if one.risky}
        assert heard(salad).targets.isdisjoint(risky)


# --- any characters ---------------------------------------------------------------------

STRANGE = [
    "😀",
    "👩‍👩‍👧",
    "\u202eflurb",
    "أطفئ",
    "הדלק",
    "打开",
    "灯",
    "e\u0301\u0302\u0303",
    "\x00",
    "\x1b[31m",
    "\u200b",
]
STRANGE += [
    "ﬁ",
    "İ",
    "ß",
    "½",
    "٣",
    "１２",
    "…",
    "--",
    "'",
    '"',
    "{name}",
    "<there>",
    "[a|b]",
    "\ufeff",
    "%s",
    "\n",
    "\t",
]


@some
@given(st.text(max_size=60))
def test_any_text_is_survived(text: str) -> None:
    """Any Unicode: emoji, control characters, any script. Nothing is done."""
    assert heard(text).world == heard("").world or re.search("[a-z]", text, re.IGNORECASE)


@some
@given(st.lists(st.one_of(st.sampled_from(STRANGE), salads(3)), max_size=12).map(" ".join))
def test_strange_characters_among_words_are_survived(text: str) -> None:
    """Words of the vocabulary among emoji, marks, right-to-left text and control characters."""
    outcome = heard(text)
    segments = outcome.utterance.segments
    assert [one.start for one in segments[1:]] == [one.end for one in segments[:-1]]


@pytest.mark.parametrize("strange", STRANGE)
def test_a_strange_word_is_told(strange: str) -> None:
    """Beside a request, what is no word of ours leaves the request as it is or holds it."""
    alone = heard("turn on the kettle")
    outcome = heard(f"turn on the kettle and {strange}")
    assert outcome.what == alone.what or (outcome.idle and outcome.answered)


@pytest.mark.parametrize("text", ["turn on\ud800", "\udfff"])
def test_half_characters_are_refused(text: str) -> None:
    """Half a surrogate pair is no text; the message says what to do."""
    with pytest.raises(ConfigurationError, match="UTF-8"):
        checked(text)


@pytest.mark.parametrize(
    "text", ["", " ", "a", "?", "the", "lights", "on", "unlock", "no", "and", "5", "...", "\u200b"]
)
def test_one_word_is_not_enough(text: str) -> None:
    """Nothing, or a word alone, does nothing to the home."""
    assert heard(text).world.states == heard("").world.states


# --- time -------------------------------------------------------------------------------

MIXED = (
    "set a timer for ten minutes and play jazz and turn off the kitchen light and add milk to the shopping list"
    " and set the desk lamp and the corner lamp to forty percent no wait fifty then lock the side door except"
)
MESS = "the front door i mean ten not the lamp and if it rains scratch that blue everything at ten all but them"


def long_text(words: str, size: int) -> str:
    """So many words, the same ones again and again."""
    return " ".join(islice(cycle(words.split()), size))


def effort(text: str) -> int:
    """How much of what a text is worth was spent on fragments."""
    splitter = shipped_parts().splitter
    assert isinstance(splitter, GrammarSplitter)
    search = splitter.searching(text, ContextState())
    before = search.effort.left
    search.best()
    return before - search.effort.left


@pytest.mark.parametrize("words", [MIXED, MESS])
def test_effort_grows_with_length_only(words: str) -> None:
    """What is tried to explain a text by fragments has a bound that grows with its length and no faster."""
    for size in (25, 50, 100, 200, 400):
        most = Effort.of(size).left
        assert 0 <= effort(long_text(words, size)) <= most + 1000
    assert Effort.of(400).left <= 3 * Effort.of(200).left


@pytest.mark.parametrize("words", [MIXED, MESS, "no", "the light", "twenty", "😀", "and"])
def test_time_grows_with_length_only(words: str) -> None:
    """Twice the words take at most about three times as long; 200 of them stay far below what one waits for."""
    splitter = shipped_parts().splitter

    def once(text: str) -> float:
        begun = time.process_time()
        splitter.split((Hypothesis(text),), ContextState())
        return time.process_time() - begun

    def seconds(size: int) -> float:
        """The quickest of four times: the first makes states, any may be stopped to collect garbage."""
        return min(once(long_text(words, size)) for _ in range(4))

    shorter, longer = seconds(200), seconds(400)
    assert longer < 5 * shorter + 0.05
    assert shorter < 2.0


def test_the_longest_text_is_read_and_a_longer_one_refused() -> None:
    """Ten thousand words are refused with how many characters are the most; the longest that is not is read."""
    with pytest.raises(ConfigurationError, match=rf"{LONGEST_TEXT} are the most"):
        checked("lights " * 10_000)
    text = checked(("turn on the kettle and " * LONGEST_TEXT)[:LONGEST_TEXT])
    assert "switch.kettle" in heard(text).targets
