"""Checking sentence files: every mistake that would surface only when somebody speaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dialogue.errors import GrammarError
from dialogue.grammar.compiled import Compiled, Template
from dialogue.grammar.grammar import Grammar, compile_files, sentence_files
from dialogue.grammar.lists import ListValue
from dialogue.grammar.sentences import HOME_LISTS, sample
from dialogue.interfaces import Home


def check(language: str, folders: Sequence[Path] = (), *, home: Home | None = None) -> list[str]:
    """Problems of a language's sentence files (or of those in ``folders``), each with file and line.

    Reported are mistakes that stop compiling (unknown rule, list or slot, broken YAML) and sentences that can
    never be read as what they stand for: of an empty list, or always taken for another intent.
    """
    files, pack = sentence_files(language, folders)
    try:
        main, times, words = compile_files(language, files, pack)
    except GrammarError as error:
        return [str(error)]
    grammar = Grammar(language, main, times, words)
    if home is not None:
        grammar.use(home)
    return [*_empty_lists(main), *_shadowed(grammar, main)]


def count(language: str, folders: Sequence[Path] = ()) -> int:
    """How many sentence templates there are."""
    files, pack = sentence_files(language, folders)
    main, times, _ = compile_files(language, files, pack)
    return len(main.templates) + len(times.templates)


def _empty_lists(compiled: Compiled) -> Iterator[str]:
    filled = {value.list_name for _, value in compiled.values} | set(compiled.ranges) | compiled.wildcards
    for number, template in enumerate(compiled.templates):
        for symbol in _symbols(compiled, number):
            if symbol not in filled and symbol not in HOME_LISTS and symbol != "*":
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


def _shadowed(grammar: Grammar, compiled: Compiled) -> Iterator[str]:
    """Requests of one's own files whose plainest sentence is always read as another intent."""
    values = _examples(compiled.values)
    for number, template in enumerate(compiled.templates):
        block = compiled.blocks[template.block]
        if block.kind != "request" or not block.own or block.needs_area:
            continue
        sentence = sample(grammar, number, values)
        if sentence is None:
            continue
        other = _reader(grammar, sentence, number)
        if other is not None:
            yield (
                f"{template.place}: unreachable: {sentence!r} is always read as "
                f"{compiled.blocks[other.block].intent} ({other.place})"
            )


def _examples(values: Sequence[tuple[str, ListValue]]) -> dict[str, str]:
    examples: dict[str, str] = {}
    for text, value in values:
        examples.setdefault(value.list_name, text)
    return examples


def _reader(grammar: Grammar, sentence: str, number: int) -> Template | None:
    """The template that wins over template ``number`` for a sentence that it accepts; None where it may win."""
    text = grammar.text(sentence)
    size = len(text.tokens)
    accepted: tuple[int, ...] = ()
    for end, state in grammar.ends(text, 0):
        if end == size:
            accepted = grammar.sorted(state.accepts).requests
    mine = grammar.block(number).intent
    readings = grammar.readings(text, 0, size, accepted)
    if not readings or any(
        scored.reading.intent == mine and scored.cost <= readings[0].cost + 1.0 for scored in readings
    ):
        return None
    return grammar.template(readings[0].template)
