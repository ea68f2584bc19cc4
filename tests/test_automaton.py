"""Small grammars, and what the automaton made of them accepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dialogue.grammar.grammar import Grammar
from dialogue.grammar.lists import ListValue, ValueTree
from dialogue.grammar.sentences import Source, add_data, compile_source
from dialogue.types import Reading


def grammar(*templates: str, **more: Any) -> Grammar:
    """A grammar of one intent per template, named by its number; ``more`` are other keys of the sentence file."""
    intents = {str(number): {"data": [{"sentences": [text]}]} for number, text in enumerate(templates)}
    source = Source("en")
    add_data(source, {"intents": intents, **more}, "here")
    main, times = compile_source(source)
    return Grammar("en", main, times, source.words)


def spans(grammar: Grammar, said: str) -> set[tuple[str, str]]:
    """Every stretch of a text that a template accepts, with the template's number."""
    text = grammar.text(said)
    return {
        (text.words(start, end), grammar.block(number).intent)
        for start in range(len(text.tokens))
        for end, state in grammar.ends(text, start).items()
        for number in state.accepts
        if end > start
    }


def accepts(grammar: Grammar, said: str) -> set[str]:
    """The numbers of the templates that accept the whole text."""
    text = grammar.text(said)
    state = grammar.ends(text, 0).get(len(text.tokens))
    return {grammar.block(number).intent for number in state.accepts} if state is not None else set()


def reading(grammar: Grammar, said: str) -> Reading:
    """The cheapest reading of the whole text."""
    text = grammar.text(said)
    size = len(text.tokens)
    return grammar.readings(text, 0, size, grammar.ends(text, 0)[size].accepts)[0].reading


def slots(grammar: Grammar, said: str) -> dict[str, Any]:
    return {entity.name: entity.value for entity in reading(grammar, said).entities}


# --- the shapes of templates ------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "yes", "no"),
    [
        ("go [right] now", ["go now", "go right now"], ["go", "go right", "right now", "go now then"]),
        ("(go|run) home", ["go home", "run home"], ["go", "home", "go run home"]),
        ("[please] (go|run [fast])", ["go", "please run fast", "run"], ["please", "go fast"]),
        ("(turn;on;lamp)", ["turn on lamp", "lamp on turn", "on lamp turn"], ["turn on", "turn on the lamp"]),
        ("turn[ing] it", ["turn it", "turning it"], ["turn ing it", "turned it"]),
        ("light[s]", ["light", "lights"], ["light s"]),
        ("living[ ]room", ["livingroom", "living room"], ["living  the room"]),
        ("what's up", ["what's up", "What\u2019s UP"], ["what is up", "whats up"]),
        ("what('s| is) up", ["what's up", "what is up"], ["what up"]),
        ("fifty[ ]%", ["fifty%", "fifty %"], ["fifty"]),
        ("to-do list", ["to-do list", "to do list"], ["todo list"]),
        ("打开[客厅]灯", ["打开灯", "打开客厅灯", "打开 灯"], ["打开", "客厅灯"]),
        ("(打;开)灯", ["打 开 灯", "打开灯", "开打灯"], ["打灯"]),
    ],
)
def test_shapes(template: str, yes: Sequence[str], no: Sequence[str]) -> None:
    """Optional parts, alternatives, permutations, glued words and scripts without spaces."""
    made = grammar(template)
    assert [text for text in yes if not accepts(made, text)] == []
    assert [text for text in no if accepts(made, text)] == []


def test_every_span_of_a_line_is_found_in_one_pass() -> None:
    """Each stretch that some template accepts is found, whatever stands around it."""
    made = grammar("turn on", "turn on the lamp", "lamp", "and")
    assert spans(made, "well turn on the lamp and lamp") == {
        ("turn on", "0"),
        ("turn on the lamp", "1"),
        ("lamp", "2"),
        ("and", "3"),
    }


def test_rules_are_shared() -> None:
    """A rule stands for its body wherever it is named, also inside other rules."""
    made = grammar("<go> home", "<both>", expansion_rules={"go": "(go|run)", "both": "<go> and <go>"})
    assert accepts(made, "run home") == {"0"}
    assert accepts(made, "run and go") == {"1"}


# --- lists ------------------------------------------------------------------------------

DRINKS: dict[str, Any] = {"drink": {"values": [{"in": "(black|green) tea", "out": "tea"}, "oat milk", "milk"]}}


def test_list_values_fill_slots() -> None:
    """A value is found by any of its spellings, and the slot holds what it stands for."""
    made = grammar("make {drink}", "add {drink:second} to {drink:first}", lists=DRINKS)
    assert slots(made, "make green tea") == {"drink": "tea"}
    assert slots(made, "add oat milk to black tea") == {"second": "oat milk", "first": "tea"}
    assert accepts(made, "make red tea") == set()


def test_a_word_heard_as_two_still_is_the_value() -> None:
    """ "Hall way" is the hallway: words of a value may be written apart."""
    made = grammar("light the {room}", lists={"room": {"values": ["hallway"]}})
    assert slots(made, "light the hall way") == {"room": "hallway"}


def test_glued_list_values() -> None:
    """A list may stand right behind a word without a space between, as in Chinese."""
    made = grammar("打开{room}的灯", lists={"room": {"values": [{"in": "客厅", "out": "living"}, "书房"]}})
    assert slots(made, "打开客厅的灯") == {"room": "living"}
    assert accepts(made, "打开厨房的灯") == set()


@pytest.mark.parametrize(
    ("said", "value"),
    [("5", 5), ("five", 5), ("twenty one", 21), ("100", 100), ("four", None), ("101", None), ("2.5", None)],
)
def test_ranges_take_spoken_and_written_numbers(said: str, value: int | None) -> None:
    """A range takes the whole numbers between its ends, in words or digits, and nothing else."""
    made = grammar("set {level}[ ]%", lists={"level": {"range": {"from": 5, "to": 100}}})
    assert (slots(made, f"set {said} %") if accepts(made, f"set {said} %") else {}) == (
        {} if value is None else {"level": value}
    )


def test_ranges_with_steps_and_factors() -> None:
    """Steps leave numbers out, a multiplier changes the sign or the unit, halves are halves."""
    lists = {
        "tens": {"range": {"from": 10, "to": 50, "step": 10}},
        "down": {"range": {"from": 1, "to": 9, "multiplier": -1}},
        "halves": {"range": {"from": 0, "to": 9, "fractions": "halves"}},
    }
    made = grammar("a {tens}", "b {down}", "c {halves}", lists=lists)
    assert accepts(made, "a 20") and not accepts(made, "a 25")
    assert slots(made, "b three") == {"down": -3}
    assert slots(made, "c 2.5") == {"halves": 2.5}
    assert not accepts(made, "c 2.4")


def test_wildcards_take_words_as_they_are_written() -> None:
    """Open text takes one word or many, keeps their case, and ends where the sentence goes on."""
    made = grammar("play {song} on {drink}", "play {song}", lists={"song": {"wildcard": True}, **DRINKS})
    assert slots(made, "play Let It Be") == {"song": "Let It Be"}
    assert slots(made, "play Let It Be on milk") == {"song": "Let It Be", "drink": "milk"}
    assert accepts(made, "play") == set()


def test_wildcards_without_spaces() -> None:
    """Open text works between Chinese characters as well."""
    made = grammar("提醒我{what}好吗", lists={"what": {"wildcard": True}})
    assert slots(made, "提醒我买牛奶好吗") == {"what": "买牛奶"}


def test_a_list_of_one_block_is_not_anothers() -> None:
    """A list given inside a block serves that block's sentences only."""
    intents = {
        "A": {"data": [{"sentences": ["take {thing}"], "lists": {"thing": {"values": ["tea"]}}}]},
        "B": {"data": [{"sentences": ["drop {thing}"]}]},
    }
    source = Source("en")
    add_data(source, {"intents": intents, "lists": {"thing": {"values": ["cup"]}}}, "here")
    made = Grammar("en", *compile_source(source), source.words)
    assert accepts(made, "take tea") == {"A"} and accepts(made, "take cup") == set()
    assert accepts(made, "drop cup") == {"B"} and accepts(made, "drop tea") == set()


# --- values that change while the automaton runs ----------------------------------------


def named(made: Grammar, *names: tuple[str, str]) -> Grammar:
    """The grammar with these names of things, each with its domain."""
    tree = ValueTree()
    tree.extend((name, ListValue("name", name, domain)) for name, domain in names)
    made._home_tree = tree
    return made


def test_names_come_and_go_without_compiling() -> None:
    """A device that is added is understood from then on, one that is gone no more; no state is made anew."""
    made = named(grammar("turn on [the] {name}"), ("lamp", "light"))
    assert slots(made, "turn on the lamp") == {"name": "lamp"}
    states = made.main.automaton.size
    named(made, ("big fan", "fan"))
    assert accepts(made, "turn on the lamp") == set()
    assert slots(made, "turn on the big fan") == {"name": "big fan"}
    assert made.main.automaton.size == states


def test_names_fit_by_their_domain() -> None:
    """A sentence about lights takes names of lights only, one that names no domain takes all."""
    source = Source("en")
    dims = {"sentences": ["dim {name}"], "requires_context": {"domain": "light"}}
    add_data(
        source, {"intents": {"Dim": {"data": [dims]}, "Find": {"data": [{"sentences": ["find {name}"]}]}}}, "x"
    )
    made = named(Grammar("en", *compile_source(source), {}), ("lamp", "light"), ("door", "lock"))
    assert accepts(made, "dim lamp") == {"Dim"}
    assert accepts(made, "dim door") == set()
    assert accepts(made, "find door") == {"Find"}


# --- states are made on demand ----------------------------------------------------------

FILE = """
lists:
  drink: {values: [tea, {in: "oat milk", out: milk}]}
  size: {range: {from: 1, to: 20}}
  open: {wildcard: true}
"""
TEMPLATES = (
    "make [me] [a] {drink}",
    "(make;{size};{drink})",
    "say {open}",
    "say {open} {size} times",
    "stop[ping] now",
    "{size}[ ]%",
)
SAID = ["make", "me", "a", "tea", "oat", "milk", "say", "stop", "stopping", "now", "two", "times"]
SAID += ["20", "%", "5", "50%", "and", "x"]
lines = st.lists(st.sampled_from(SAID), min_size=1, max_size=8).map(" ".join)
PRACTICED = grammar(*TEMPLATES, **yaml.safe_load(FILE))


@given(lines, st.lists(lines, max_size=3))
def test_results_do_not_depend_on_what_was_read_before(line: str, before: list[str]) -> None:
    """A text is read the same by an automaton that has read nothing, something else, or thousands of lines."""
    fresh = grammar(*TEMPLATES, **yaml.safe_load(FILE))
    for other in before:
        spans(PRACTICED, other)
    wanted = spans(fresh, line)
    assert spans(PRACTICED, line) == wanted
    assert spans(fresh, line) == wanted


@given(lines, lines)
def test_what_stands_around_a_span_does_not_matter(line: str, around: str) -> None:
    """A text that is accepted alone is found in every longer text."""
    alone = {found for found in spans(PRACTICED, line) if found[0] == line}
    assert alone <= spans(PRACTICED, f"{around} {line} {around}")
