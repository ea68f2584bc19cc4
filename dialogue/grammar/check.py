"""Checking sentence files: every mistake that would surface only when somebody speaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dialogue.errors import GrammarError
from dialogue.grammar.compiled import Compiled, Template
from dialogue.grammar.grammar import Grammar, compile_files, known_language, sentence_files
from dialogue.grammar.lists import ListValue
from dialogue.grammar.machine import ScoredReading
from dialogue.grammar.names import home_values
from dialogue.grammar.network import WILDCARD, Symbol
from dialogue.grammar.sentences import HOME_LISTS
from dialogue.interfaces import Home


@dataclass(frozen=True, slots=True)
class Findings:
    """What `examine` found: mistakes, warnings, and how many sentence templates there are (0 after a mistake)."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    sentences: int = 0


def examine(language: str, folders: Sequence[Path] = (), *, home: Home) -> Findings:
    """Look through a language's sentence files (or those in ``folders``), with the names of a home.

    Problems are mistakes that stop compiling (unknown rule, list or slot, broken YAML) and sentences that can
    never be read as what they stand for: of an empty list, or always taken for another intent. Warnings tell of
    two templates of different intents that read one sentence equally well: which is meant is left to chance.
    Tried is the plainest sentence of every template. Each is told with file and line.
    """
    language = known_language(language)
    files, pack = sentence_files(language, folders)
    try:
        main, times, words = compile_files(language, files, pack)
    except GrammarError as error:
        return Findings((str(error),))
    grammar = Grammar(language, main, times, words)
    grammar.use(home)
    problems = list(_empty_lists(main))
    warnings: list[str] = []
    for number, sentence in _own_sentences(grammar, main, home):
        problems += _shadowed(grammar, main, sentence, number)
        warnings += _ambiguous(grammar, sentence, number)
    return Findings(tuple(problems), tuple(dict.fromkeys(warnings)), len(main.templates) + len(times.templates))


def _own_sentences(grammar: Grammar, compiled: Compiled, home: Home) -> Iterator[tuple[int, str]]:
    """The request templates of one's own files, each with its plainest sentence."""
    examples = list(_examples(grammar, compiled, home))
    for number, template in enumerate(compiled.templates):
        block = compiled.blocks[template.block]
        if block.kind != "request" or not block.own or block.needs_area:
            continue
        sentence = plainest(compiled, number, examples)
        if sentence:
            yield number, sentence


def _ambiguous(grammar: Grammar, sentence: str, number: int) -> Iterator[str]:
    """Templates of other intents that read the plainest sentence of a template as well as it does."""
    for rival in _equals(grammar, sentence, number):
        mine = grammar.template(number)
        first, second = sorted((mine, rival), key=lambda one: (one.place.file, one.place.line))
        names = [grammar.main.compiled.blocks[one.block].intent for one in (first, second)]
        yield (
            f"{first.place}: ambiguous: {sentence!r} is as much {names[0]} ({first.text!r}) as {names[1]} "
            f"({second.text!r} at {second.place}); make one of them say more"
        )


def _equals(grammar: Grammar, sentence: str, number: int) -> Iterator[Template]:
    """The templates of other intents that read a sentence as well as template ``number`` does."""
    readings = _whole_readings(grammar, sentence)
    mine = next((one for one in readings if one.reading.intent == grammar.block(number).intent), None)
    for other in readings:
        if mine is not None and other.reading.intent != mine.reading.intent and abs(other.cost - mine.cost) < _TIE:
            yield grammar.template(other.template)


def _empty_lists(compiled: Compiled) -> Iterator[str]:
    filled = {value.list_name for _, value in compiled.values} | set(compiled.ranges) | compiled.wildcards
    for number, template in enumerate(compiled.templates):
        for symbol in _symbols(compiled, number):
            if symbol not in filled and symbol not in HOME_LISTS and symbol != WILDCARD:
                yield f"{template.place}: unreachable: list {{{symbol}}} has no values"


def _symbols(compiled: Compiled, template: int) -> set[str]:
    """The lists a template refers to."""
    network = compiled.network
    seen: set[int] = set()
    todo = [network.starts[template]]
    found: set[str] = set()
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        todo += [target for _, target in network.pieces[state]]
        todo += [*network.skips[state], *network.spaces[state]]
        for arc in network.lists[state]:
            found.add(network.symbols[arc.symbol].list_name)
            todo.append(arc.target)
    return found


def _shadowed(grammar: Grammar, compiled: Compiled, sentence: str, number: int) -> Iterator[str]:
    """A template whose plainest sentence is always read as another intent."""
    other = _reader(grammar, sentence, number)
    if other is not None:
        yield (
            f"{grammar.template(number).place}: unreachable: {sentence!r} is always read as "
            f"{compiled.blocks[other.block].intent} ({other.place})"
        )


def _whole_readings(grammar: Grammar, sentence: str) -> list[ScoredReading]:
    """How a whole sentence can be read as one request, the cheapest first."""
    text = grammar.text(sentence)
    size = len(text.tokens)
    state = grammar.ends(text, 0).get(size)
    accepted = grammar.sorted(state.accepts).requests if state is not None else ()
    return grammar.readings(text, 0, size, accepted)


Example = tuple[str, ListValue]
_TIE = 0.02


def _examples(grammar: Grammar, compiled: Compiled, home: Home) -> Iterator[Example]:
    """A spelling for every list a template may refer to."""
    yield from home_values(home, grammar.words)
    yield from compiled.values
    for name, numbers in compiled.ranges.items():
        yield str(int(numbers.low)), ListValue(name, numbers.low)
    for name, text in _ALWAYS.items():
        yield text, ListValue(name, text)


_ALWAYS = {"moment": "7:30", "length": "10 minutes", "ordinal": "2nd", "number": "20", WILDCARD: "xyz"}


def plainest(compiled: Compiled, template: int, examples: Sequence[Example]) -> str | None:
    """The shortest sentence of a template (fewest pieces), or None where a list has no example."""
    network = compiled.network
    queue = deque([(network.starts[template], "")])
    seen = {network.starts[template]}
    while queue:
        state, text = queue.popleft()
        if state in network.finals:
            return " ".join(text.split())
        for target, more in _onward(compiled, state, examples):
            if target not in seen:
                seen.add(target)
                queue.append((target, text + more))
    return None


def _onward(compiled: Compiled, state: int, examples: Sequence[Example]) -> Iterator[tuple[int, str]]:
    network = compiled.network
    for target in network.skips[state]:
        yield target, ""
    for target in network.spaces[state]:
        yield target, " "
    for piece, target in network.pieces[state]:
        yield target, piece
    for arc in network.lists[state]:
        symbol = network.symbols[arc.symbol]
        text = next((text for text, value in examples if _serves(value, symbol)), None)
        if text is not None:
            yield arc.target, text


def _serves(value: ListValue, symbol: Symbol) -> bool:
    if value.list_name != symbol.list_name:
        return False
    if symbol.list_name == WILDCARD or value.domain is None or not symbol.domains:
        return True
    return value.domain in symbol.domains


def _reader(grammar: Grammar, sentence: str, number: int) -> Template | None:
    """The template that wins over template ``number`` for a sentence that it accepts; None where it may win."""
    mine = grammar.block(number).intent
    readings = _whole_readings(grammar, sentence)
    if not readings or any(
        scored.reading.intent == mine and scored.cost <= readings[0].cost + 1.0 for scored in readings
    ):
        return None
    return grammar.template(readings[0].template)
