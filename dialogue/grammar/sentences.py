"""Reading sentence files and compiling them: hassil reads the templates, the automaton's network takes them in.

A sentence file is Home Assistant's intent format (``language``, ``intents``, ``lists``, ``expansion_rules``) with
keys of our own: ``operators`` (kind -> sentences: connectives, negation, corrections ...), ``answers`` (sentences
that only mean something while a question is open) and ``words`` (small word lists that the splitter asks for).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from hassil import parse_expression
from hassil.expression import (
    Alternative,
    Expression,
    Group,
    ListReference,
    Permutation,
    RuleReference,
    Sentence,
    TextChunk,
)
from hassil.parser import ParseError

from dialogue.errors import GrammarError
from dialogue.grammar.compiled import Block, Compiled, Place, Range, Template
from dialogue.grammar.lists import ListValue
from dialogue.grammar.network import WILDCARD, ListArc, Symbol
from dialogue.grammar.numbers import number_words
from dialogue.grammar.paths import NOTHING, paths_of
from dialogue.grammar.tokens import Writing, tokenize
from dialogue.learned.examples import Lessons, add_nlu

HOME_LISTS = frozenset(
    {"name", "name_word", "area", "floor", "list_name", "moment", "length", "ordinal", "number"}
)
_WORDS_OR_SPACE = re.compile(r"[\s\-_]+|[^\s\-_]+")
_MOST_EXPANSIONS = 400


@dataclass(slots=True)
class Source:
    """All sentence files of one language, merged."""

    language: str
    intents: list[tuple[str, Mapping[str, Any], str]] = field(default_factory=list)
    operators: list[tuple[str, Any, str]] = field(default_factory=list)
    answers: list[tuple[str, Any, str]] = field(default_factory=list)
    lists: dict[str, tuple[Any, Place]] = field(default_factory=dict)
    rules: dict[str, tuple[str, str]] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    skip_words: list[str] = field(default_factory=list)
    lessons: Lessons = field(default_factory=Lessons)


class LineText(str):
    """Text that remembers where it was read: its line, the line of its first character, and the YAML style."""

    line: int = 0
    first: int = 0
    style: str | None = None


class _LineLoader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Safe YAML in which ``on``, ``off``, ``yes`` and ``no`` stay words and texts know their line."""


def _line_text(loader: Any, node: yaml.ScalarNode) -> LineText:
    text = LineText(node.value)
    text.line = text.first = node.start_mark.line + 1
    text.style = node.style
    if node.style in ("|", ">"):
        text.first += 1
    return text


_LineLoader.add_constructor("tag:yaml.org,2002:str", _line_text)
_LineLoader.add_constructor("tag:yaml.org,2002:bool", _line_text)


def read_yaml(path: Path) -> Any:
    """A YAML file as plain data; broken YAML and wrong encodings become a `GrammarError` with file and line."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_LineLoader)
    except UnicodeDecodeError as error:
        raise GrammarError(f"{path}: not UTF-8 text (byte {error.start}); save the file as UTF-8") from error
    except OSError as error:
        raise GrammarError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise GrammarError(f"{path}{line}: broken YAML: {getattr(error, 'problem', error)}") from error
    except (ValueError, RecursionError) as error:
        raise GrammarError(f"{path}: broken YAML: {error}; put values that are texts in quotes") from error


def add_file(source: Source, path: Path) -> None:
    """Merge one sentence file into the source."""
    data = read_yaml(path)
    if data is None:
        return
    if not isinstance(data, dict):
        raise GrammarError(f"{path}: a sentence file is a mapping with keys such as 'intents' and 'lists'")
    add_data(source, data, str(path))


def add_data(source: Source, data: Mapping[str, Any], file: str) -> None:
    """Merge one mapping in sentence-file form; ``file`` names it in errors."""
    _check_keys(data, file)
    for intent, body in (data.get("intents") or {}).items():
        if not isinstance(body, Mapping) or not isinstance(body.get("data"), list):
            raise GrammarError(f"{_at(intent, file)}: intent {intent} needs 'data: [ - sentences: [...] ]'")
        if not all(isinstance(block, Mapping) for block in body["data"]):
            key = next(key for key in body if key == "data")
            raise GrammarError(f"{_at(key, file)}: each entry of data is a mapping with 'sentences: [...]'")
        source.intents.append((intent, body, file))
    for kind, body in (data.get("operators") or {}).items():
        source.operators.append((kind, body, file))
    for intent, body in (data.get("answers") or {}).items():
        source.answers.append((intent, body, file))
    for name, body in (data.get("lists") or {}).items():
        source.lists[name] = (body, _at(name, file))
    for name, body in (data.get("expansion_rules") or {}).items():
        source.rules[name] = (body, file)
    for name, body in (data.get("words") or {}).items():
        _merge_words(source.words, str(name), body)
    for name, body in (data.get("settings") or {}).items():
        source.settings[str(name)] = _setting(name, body, file)
    for word in data.get("skip_words") or ():
        source.skip_words.append(str(word))
        source.operators.append(("filler", [word], file))
    if "nlu" in data:
        add_nlu(source.lessons, data["nlu"], file, getattr(next(key for key in data if key == "nlu"), "line", 0))


def _check_keys(data: Mapping[str, Any], file: str) -> None:
    """Refuse misspelled keys, and sections that are not what they must be."""
    for key, body in data.items():
        if key not in _SECTIONS:
            raise GrammarError(f"{_at(key, file)}: unknown key {str(key)!r}; known are {', '.join(_SECTIONS)}")
        wanted = _SECTIONS[key]
        if wanted is not None and body is not None and not isinstance(body, wanted):
            kind = "list" if wanted is list else "mapping"
            raise GrammarError(f"{_at(key, file)}: {key} is a {kind}")


_YES_OR_NO = {"yes": True, "true": True, "no": False, "false": False}
_SETTINGS = {
    "ignore_whitespace": "whether spaces beside letters of a script without spaces mean nothing: yes or no",
    "elision": "whether an apostrophe ends a word: yes or no",
    "skip_words_inside": "whether skip words may stand inside a request: yes or no",
    "endings": "words that are cut off the words they end, as a list",
    "filter_with_regex": "only means something to hassil",
}


def _setting(name: object, body: Any, file: str) -> Any:
    """One of the settings of a language, checked."""
    if name not in _SETTINGS:
        raise GrammarError(f"{_at(name, file)}: unknown setting {str(name)!r}; known are {', '.join(_SETTINGS)}")
    if name == "endings" and isinstance(body, list):
        return tuple(str(ending).casefold() for ending in body)
    known = _YES_OR_NO.get(str(body).lower())
    if known is None or name == "endings":
        raise GrammarError(f"{_at(name, file)}: {name} says {_SETTINGS[str(name)]}")
    return known


def _writing(settings: Mapping[str, Any]) -> Writing:
    return Writing(
        elision=settings.get("elision", False),
        endings=settings.get("endings", ()),
        unspaced=settings.get("ignore_whitespace", False),
    )


_SECTIONS: Mapping[str, type | None] = {
    "language": None,
    "settings": dict,
    "responses": dict,
    "intents": dict,
    "lists": dict,
    "expansion_rules": dict,
    "skip_words": list,
    "operators": dict,
    "answers": dict,
    "words": dict,
    "version": None,
    "nlu": None,
}


def _merge_words(words: dict[str, Any], name: str, body: Any) -> None:
    """Lists grow, mappings are updated, single words are replaced; plain text leaves the line numbers behind."""
    plain = _plain(body)
    if isinstance(plain, dict):
        words[name] = {**words.get(name, {}), **plain}
    elif isinstance(plain, list):
        words[name] = [*words.get(name, []), *plain]
    else:
        words[name] = plain


def _plain(body: Any) -> Any:
    if isinstance(body, dict):
        return {_plain(key): _plain(value) for key, value in body.items()}
    if isinstance(body, list):
        return [_plain(value) for value in body]
    return str(body) if isinstance(body, LineText) else body


def _at(text: object, file: str) -> Place:
    return Place(file, getattr(text, "line", 0))


# --- compiling --------------------------------------------------------------------------


def compile_source(source: Source) -> tuple[Compiled, Compiled]:
    """The network of requests and operators, and the small network of times (blocks of kind ``time``)."""
    main, times = _Compiler(source), _Compiler(source)
    main.compiled.numbers = number_words(source.language)
    for intent, body, file in source.intents:
        for data in body["data"]:
            compiler = times if (body.get("kind") or data.get("kind")) == "time" else main
            compiler.add_block(_block(intent, data, body, file), data, _at(intent, file))
    for kind, entries in (("operator", source.operators), ("answer", source.answers)):
        for name, body, file in entries:
            data = body if isinstance(body, Mapping) else {"sentences": body}
            extra = {str(key): _plain(value) for key, value in data.items() if key not in ("sentences", "slots")}
            block = Block(str(name), kind, _plain(data.get("slots") or {}), extra=extra)
            main.add_block(block, data, _at(name, file))
    return main.finish(), times.finish()


def _block(intent: str, data: Mapping[str, Any], body: Mapping[str, Any], file: str) -> Block:
    context = data.get("requires_context") or {}
    domains = context.get("domain") or ()
    known = {"sentences", "slots", "requires_context", "excludes_context", "response", "metadata", "lists"}
    extra = {str(key): _plain(value) for key, value in data.items() if key not in known | {"expansion_rules"}}
    return Block(
        intent=str(intent),
        kind="time" if (body.get("kind") or data.get("kind")) == "time" else "request",
        slots=_plain(data.get("slots") or {}),
        domains=frozenset(_plain([domains] if isinstance(domains, str) else list(domains))),
        needs_area="area" in context,
        extra=extra,
        own=not file.startswith("home_assistant_intents"),
    )


class _Compiler:
    """Builds one network. Holds the parsed rules and what has been compiled so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        inside = source.settings.get("skip_words_inside", True)
        self.writing = _writing(source.settings)
        self.compiled = Compiled(writing=self.writing, skips=tuple(source.skip_words) if inside else ())
        self.rules: dict[str, Expression] = {}
        self.used_lists: set[str] = set()

    def add_block(self, block: Block, data: Mapping[str, Any], place: Place) -> None:
        file = place.file
        sentences = data.get("sentences")
        if not isinstance(sentences, list) or not sentences:
            raise GrammarError(f"{place}: {block.intent} has no sentences")
        local = _Local(block, data.get("expansion_rules") or {}, data.get("lists") or {}, file)
        for name, body in local.lists.items():
            self._add_list(f"{block.intent}.{name}", body, _at(name, file))
        self.compiled.blocks.append(block)
        for text in sentences:
            self._add_sentence(str(text), _at(text, file), local)

    def _add_sentence(self, text: str, place: Place, local: _Local) -> None:
        network = self.compiled.network
        expression = _parse(text, place)
        start = network.new_state()
        loops, first = len(network.loops), start
        end = self._expand(expression, start, local, place, ())
        network.starts.append(start)
        network.finals[end] = len(self.compiled.templates)
        wild = len(network.loops) > loops
        plain = not any(network.lists[first:])
        block = len(self.compiled.blocks) - 1
        self.compiled.templates.append(
            Template(block, str(text), place, wild, self._bare(expression, local), plain)
        )

    def _bare(self, expression: Expression, local: _Local) -> bool:
        """Whether the template can be satisfied without one literal word that it insists on."""
        match expression:
            case TextChunk():
                return not expression.text.strip()
            case Alternative():
                return any(self._bare(item, local) for item in expression.items)
            case Group():
                return all(self._bare(item, local) for item in expression.items)
            case RuleReference(rule_name=name):
                body = local.rules.get(name) or self.source.rules.get(name, ("",))[0]
                return self._bare(_parse(str(body), Place(local.file)), local)
            case _:
                return True

    def _expand(
        self, expression: Expression, start: int, local: _Local, place: Place, inside: tuple[str, ...]
    ) -> int:
        match expression:
            case TextChunk():
                return self._text(expression.text, start)
            case Permutation():
                orders = [_spaced(order) for order in itertools.permutations(expression.items)]
                return self._either(orders, start, local, place, inside)
            case Alternative():
                return self._either([[item] for item in expression.items], start, local, place, inside)
            case Group():
                for item in expression.items:
                    start = self._expand(item, start, local, place, inside)
                return start
            case RuleReference():
                return self._rule(expression.rule_name, start, local, place, inside)
            case ListReference():
                return self._list(expression, start, local, place)
            case _:
                raise GrammarError(f"{place}: cannot compile {expression!r}")

    def _text(self, text: str, state: int) -> int:
        network = self.compiled.network
        for run in _WORDS_OR_SPACE.findall(text.replace("\u2019", "'")):
            if not run.strip(" \t\n-_"):
                state = self._space(state)
                continue
            for token in tokenize(run, self.writing):
                target = network.new_state()
                network.pieces[state] += ((token.word, target),)
                state = target
        return state

    def _space(self, state: int) -> int:
        network = self.compiled.network
        target = network.new_state()
        network.spaces[state] += (target,)
        return target

    def _either(
        self, ways: list[list[Expression]], start: int, local: _Local, place: Place, inside: tuple[str, ...]
    ) -> int:
        network = self.compiled.network
        end = network.new_state()
        for way in ways:
            state = network.new_state()
            network.skips[start] += (state,)
            for item in way:
                state = self._expand(item, state, local, place, inside)
            network.skips[state] += (end,)
        return end

    def _rule(self, name: str, start: int, local: _Local, place: Place, inside: tuple[str, ...]) -> int:
        if name in inside:
            raise GrammarError(f"{place}: rule <{name}> refers to itself through {' > '.join(inside)}")
        key = f"{local.block.intent}.{name}" if name in local.rules else name
        if key not in self.rules:
            if name in local.rules:
                self.rules[key] = _parse(str(local.rules[name]), _at(local.rules[name], local.file))
            elif name in self.source.rules:
                body, file = self.source.rules[name]
                self.rules[key] = _parse(str(body), _at(body, file))
            else:
                raise GrammarError(f"{place}: unknown rule <{name}>; add it under expansion_rules")
        return self._expand(self.rules[key], start, local, place, (*inside, name))

    def _list(self, reference: ListReference, start: int, local: _Local, place: Place) -> int:
        network = self.compiled.network
        name = reference.list_name
        if name in local.lists:
            name = f"{local.block.intent}.{name}"
        elif reference.is_inline_range:
            low, high, step = reference.get_inline_range() or (0, 0, 1)
            self.compiled.ranges[name] = Range(low, high, step)
        elif name in self.source.lists:
            self._add_list(name, *self.source.lists[name])
        elif name not in HOME_LISTS:
            raise GrammarError(f"{place}: unknown list {{{name}}}; add it under lists")
        target = network.new_state()
        domains = local.block.domains if name == "name" else frozenset()
        wild = name in self.compiled.wildcards
        symbol = network.symbol(Symbol(WILDCARD, frozenset({name})) if wild else Symbol(name, domains))
        network.lists[start] += (ListArc(symbol, reference.slot_name, target),)
        if wild:
            network.loops.add(target)
        return target

    def _add_list(self, name: str, body: Any, place: Place) -> None:
        if name in self.used_lists:
            return
        self.used_lists.add(name)
        if not isinstance(body, Mapping):
            raise GrammarError(f"{place}: list {name} needs 'values', 'range' or 'wildcard: true'")
        if str(body.get("wildcard", "")).lower() in ("true", "yes"):
            self.compiled.wildcards.add(name)
        elif "range" in body:
            self.compiled.ranges[name] = _range(body["range"], place)
        elif isinstance(body.get("values"), list):
            for value in body["values"]:
                self._add_value(name, value, place)
        else:
            raise GrammarError(f"{place}: list {name} needs 'values', 'range' or 'wildcard: true'")

    def _add_value(self, name: str, value: Any, listed: Place) -> None:
        if isinstance(value, Mapping):
            text, out = value.get("in"), value.get("out", value.get("in"))
            domain = (value.get("context") or {}).get("domain")
            cost = _cost(value.get("cost", 0.0), listed)
        else:
            text, out, domain, cost = value, value, None, 0.0
        if text is None:
            raise GrammarError(f"{listed}: a value of list {name} has no 'in'")
        out = str(out) if isinstance(out, LineText) else out
        place = _at(text, listed.file) if getattr(text, "line", 0) else listed
        for spelling in _spellings(_parse(str(text), place), place):
            self.compiled.values.append((str(spelling), ListValue(str(name), out, _plain(domain), cost)))

    def finish(self) -> Compiled:
        """The compiled grammar with its paths, and the templates marked that may end in open text."""
        compiled = self.compiled
        compiled.endings = frozenset(_endings(compiled))
        compiled.paths = paths_of(compiled.network)
        for number in {compiled.paths.accepts[state] for state in compiled.paths.loops} - {NOTHING}:
            compiled.templates[number] = replace(compiled.templates[number], open_end=True)
        return compiled


@dataclass(frozen=True, slots=True)
class _Local:
    """What only one block may refer to."""

    block: Block
    rules: Mapping[str, Any]
    lists: Mapping[str, Any]
    file: str


_LONGEST_ENDING = 24


def _endings(compiled: Compiled) -> Iterator[str]:
    """What templates write right behind a word of a list, without a space: "s" in "{area}s"."""
    network = compiled.network
    inside = {WILDCARD, *compiled.ranges}
    arcs = {arc for row in network.lists for arc in row if network.symbols[arc.symbol].list_name not in inside}
    todo = [(arc.target, "") for arc in arcs]
    seen = set(todo)
    while todo:
        state, said = todo.pop()
        words = [(piece, target) for piece, target in network.pieces[state] if _is_word(piece)]
        more = len(words) < len(network.pieces[state])
        if said and (more or network.spaces[state] or network.lists[state] or state in network.finals):
            yield said
        onward = [(target, said) for target in network.skips[state]]
        onward += [(target, said + piece) for piece, target in words]
        new = [step for step in onward if step not in seen and len(step[1]) <= _LONGEST_ENDING]
        seen.update(new)
        todo += new


def _is_word(piece: str) -> bool:
    """Whether a piece of a template is in letters that may continue a word."""
    return piece[0].isalpha() and tokenize(piece)[0].spaced


def _parse(text: str, place: Place) -> Expression:
    try:
        sentence: Sentence = parse_expression.parse_sentence(text, keep_text=True)
    except (ParseError, ValueError, IndexError, AssertionError) as error:
        raise GrammarError(f"{place}: cannot read the template {text!r}: {error}") from error
    return sentence.expression


def _spaced(items: Iterable[Expression]) -> list[Expression]:
    spaced: list[Expression] = []
    for item in items:
        spaced += [TextChunk(" "), item]
    return spaced


def _cost(cost: Any, place: Place) -> float:
    try:
        return float(cost)
    except (TypeError, ValueError):
        raise GrammarError(f"{place}: the cost of a value is a number, not {cost!r}") from None


def _range(body: Mapping[str, Any], place: Place) -> Range:
    if not isinstance(body, Mapping):
        raise GrammarError(f"{place}: a range needs numbers 'from' and 'to'")
    try:
        multiplier = body.get("multiplier")
        return Range(
            low=float(body["from"]),
            high=float(body["to"]),
            step=float(body.get("step", 1)),
            fractions=body.get("fractions"),
            multiplier=None if multiplier is None else float(multiplier),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GrammarError(f"{place}: a range needs numbers 'from' and 'to'") from error


def _spellings(expression: Expression, place: Place) -> Iterator[str]:
    """Every text that a list value's template stands for."""
    for count, text in enumerate(_texts(expression, place)):
        if count >= _MOST_EXPANSIONS:
            raise GrammarError(f"{place}: this value stands for over {_MOST_EXPANSIONS} texts; simplify it")
        if text.strip():
            yield text


def _texts(expression: Expression, place: Place) -> list[str]:
    match expression:
        case TextChunk():
            return [expression.text]
        case Alternative():
            return [text for item in expression.items for text in _texts(item, place)]
        case Permutation():
            orders = itertools.permutations(expression.items)
            return [text for order in orders for text in _joined(_spaced(order), place)]
        case Group():
            return _joined(expression.items, place)
        case _:
            raise GrammarError(f"{place}: a list value may not refer to rules or lists")


def _joined(items: Iterable[Expression], place: Place) -> list[str]:
    ways = [_texts(item, place) for item in items]
    return ["".join(parts) for parts in itertools.product(*ways)]
