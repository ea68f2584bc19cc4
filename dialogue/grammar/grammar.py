"""The grammar of one language: loaded once, asked for the spans of a text and the readings of a span."""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from dialogue.errors import GrammarError
from dialogue.grammar.automaton import MOST_TOKENS, State
from dialogue.grammar.compiled import Block, Compiled, Template
from dialogue.grammar.lists import ListValue, ValueTree
from dialogue.grammar.machine import WILD_COST, Machine, Option, ScoredReading, Spoken, Stretch, Text
from dialogue.grammar.names import home_values
from dialogue.grammar.numbers import Numbers
from dialogue.grammar.times import TimeValues, moment
from dialogue.grammar.tokens import Token, folded, tokenize
from dialogue.interfaces import Home
from dialogue.shipped import shipped_grammars

CACHE_FORMAT = 1
_OPERATOR_FILES = ("operators", "conditions", "times", "writing")
CONNECTIVES = frozenset({"and", "then", "but"})
_NOT_SENTENCES = ("responses", "numbers")


@dataclass(frozen=True, slots=True)
class Sorted:
    """Accepted templates by what they are; ``sure`` says that one is a request without open text."""

    requests: tuple[int, ...]
    answers: tuple[int, ...]
    operators: tuple[tuple[str, tuple[int, ...]], ...]
    sure: bool


class Grammar:
    """The compiled sentences of one language together with the names of one home.

    ``edition`` counts the homes it was given: what was remembered of an earlier one no longer holds.
    """

    def __init__(self, language: str, main: Compiled, times: Compiled, words: Mapping[str, Any]) -> None:
        self.language = language
        self.words = words
        self.main = Machine(main, words)
        self.times = Machine(times)
        self._time_symbols = {name: self.main.symbols_of(name) for name in ("moment", "length")}
        self.numbers = Numbers(main.numbers)
        self.joins = any(block.kind == "operator" and block.intent in CONNECTIVES for block in main.blocks)
        self._scope_words = frozenset(words.get("scope", ()))
        self._hesitations = frozenset(words.get("hesitations", ()))
        self._ones = frozenset(words.get("ones", ()))
        self.items = frozenset(words.get("items", ()))
        self.small_words = frozenset((*words.get("articles", ()), *words.get("item_joiners", ())))
        self._doubled = frozenset(words.get("doubled", ()))
        self._doubled_phrases = [tuple(one.split()) for one in words.get("doubled", ()) if " " in one]
        self._verbs = frozenset(words.get("verbs", ()))
        self._word_searches: dict[str, list[tuple[str, ...]]] = {}
        for phrase in words.get("word_searches", ()):
            cut = tuple(token.word for token in tokenize(phrase))
            self._word_searches.setdefault(cut[0], []).append(cut)
        self._articles = frozenset(words.get("articles", ()))
        self.unfinished = frozenset(words.get("unfinished", ()))
        self._doubles = (dict(words.get("heard_as", {})), dict(words.get("forms", {})))
        self._sorted: dict[tuple[tuple[int, ...], bool], Sorted] = {}
        self._operators: dict[tuple[int, ...], list[ScoredReading]] = {}
        self.edition = 0
        self._home_tree = ValueTree(main.writing, main.endings)
        self._static_tree = ValueTree(main.writing, main.endings)
        self._static_tree.extend(main.values)
        self._skips = ValueTree(main.writing)
        self._skips.extend((words, ListValue("skip", words)) for words in main.skips)
        self._times_tree = TimeValues(times.writing, times.endings)
        self._times_tree.extend(times.values)

    @classmethod
    def load(cls, language: str, folders: Sequence[Path] = (), *, home: Home | None = None) -> Grammar:
        """The shipped grammar of a language, or, with ``folders``, those folders' sentences in its place.

        Errors: `GrammarError` with file and line.
        """
        language = known_language(language)
        files, pack = sentence_files(language, folders)
        compiled = _from_cache(language, files, pack)
        grammar = cls(language, *compiled)
        if home is not None:
            grammar.use(home)
        return grammar

    def use(self, home: Home) -> None:
        """Take the names from this home; nothing is compiled again."""
        compiled = self.main.compiled
        tree = ValueTree(compiled.writing, compiled.endings)
        tree.extend(home_values(home, self.words))
        self._home_tree = tree
        self.main.forget_values()
        self.edition += 1

    def text(self, text: str, *, exact: bool = False) -> Text:
        """Text cut into tokens, with everything that lists, numbers and times explain in it.

        Hesitations and stuttered words are left out, unless it is to be taken exactly as it stands.
        """
        tokens = tokenize(text, self.main.compiled.writing)
        kept = tokens if exact else self._without_noise(tokens)
        return self.text_of([self._with_doubles(token) for token in kept], folded(text))

    def noise(self, text: str) -> list[str]:
        """The words of a text that are left out before it is read."""
        tokens = tokenize(text)
        kept = {id(token) for token in self._without_noise(tokens)}
        return [token.text for token in tokens if id(token) not in kept]

    def _without_noise(self, tokens: Sequence[Token]) -> list[Token]:
        """The tokens without hesitations ("um") and stuttered words ("the the")."""
        kept: list[Token] = []
        previous = ""
        heard = [token.word for token in tokens]
        skipped = self._searching(heard)
        for at, token in enumerate(tokens):
            if at in skipped:
                continue
            stuttered = token.spaced and token.key == previous
            stuttered = stuttered and not (token.pause or self._may_double(heard, at))
            if token.word in self._hesitations:
                previous = previous if previous.strip() in self._articles else ""  # "the um the lamp"
                continue
            previous = token.key
            if not stuttered:
                kept.append(token)
        return self._begun_twice(kept) or list(tokens)

    def _searching(self, heard: Sequence[str]) -> set[int]:
        """Where the speaker only looks for a word ("what's it called")."""
        found: set[int] = set()
        for at, word in enumerate(heard):
            for phrase in self._word_searches.get(word, ()):
                if at > 0 and tuple(heard[at : at + len(phrase)]) == phrase and at + len(phrase) < len(heard):
                    found.update(range(at, at + len(phrase)))
        return found

    def _begun_twice(self, tokens: list[Token]) -> list[Token]:
        """The tokens without what was said just before in the same words, verb first ("switch off switch off")."""
        if len({token.word for token in tokens}) == len(tokens):
            return tokens
        kept: list[Token] = []
        for at, token in enumerate(tokens):
            if token.word in self._verbs and self._repeated(tokens, at):
                tokens = [*tokens[:at], *(one._replace(key="") for one in tokens[at : at + 2]), *tokens[at + 2 :]]
            kept.append(tokens[at])
        return [token for token in kept if token.key]

    def _repeated(self, tokens: Sequence[Token], at: int) -> bool:
        once, twice = tokens[at : at + 2], tokens[at + 2 : at + 4]
        return len(twice) == 2 and [one.word for one in once] == [one.word for one in twice]

    def _may_double(self, heard: Sequence[str], at: int) -> bool:
        """Whether a word said twice may be meant twice ("to to do" if it goes on so); numbers always may, and all
        words where the language does not say which.
        """
        word = heard[at]
        goes_on = at > 0 and any(tuple(heard[at - 1 : at - 1 + len(one)]) == one for one in self._doubled_phrases)
        if not self._doubled or goes_on:
            return True
        return word in self._doubled or not word.isalpha() or bool(self.numbers.spans([word])[0])

    def _with_doubles(self, token: Token) -> Token:
        """The token with the words it may have been heard for, or be a form of."""
        word = token.word
        others = {table[word] for table in self._doubles if word in table} - {word}
        return token._replace(heard_for=tuple(f" {other}" for other in others)) if others else token

    def text_of(self, tokens: Sequence[Token], source: str = "") -> Text:
        keys = [token.word for token in tokens]
        numbers = self.numbers.spans(keys)
        ordinals = self.numbers.ordinals(keys)
        bare = tuple(tokens)
        places = range(len(bare))
        trees: tuple[ValueTree, ...] = (self._times_tree,)
        first = [_row(self.times, bare, at, trees, numbers[at], ordinals[at], self._scope_words) for at in places]
        spoken = tuple(self._moments(Text(bare, tuple(first), (1.0,) * len(bare))))
        trees = (self._static_tree, self._home_tree)
        rows = [_row(self.main, bare, at, trees, numbers[at], ordinals[at], self._scope_words) for at in places]
        for at in self._pronouns(bare, rows) - {said.start for said in spoken if said.end > said.start + 1}:
            rows[at] = _row(self.main, bare, at, trees, (), ordinals[at], self._scope_words)
        if self.main.compiled.skips:
            rows = [(*row, *self._skipped(bare, at)) for at, row in enumerate(rows)]
        for said in spoken:
            rows[said.start] = (*rows[said.start], self._moment_stretch(said))
        weights = tuple(WILD_COST * (2 if key in self._scope_words else 1) for key in keys)
        dangling = tuple(DANGLING_TEXT if key in self.unfinished else 0.0 for key in keys)
        articles = tuple(key in self._articles for key in keys)
        return Text(
            bare, tuple(rows), weights, dangling, articles, spoken=spoken, numbers=tuple(numbers), source=source
        )

    def _pronouns(self, tokens: Sequence[Token], rows: Sequence[Sequence[Stretch]]) -> set[int]:
        """Where "one" is no number but stands for a thing ("the hallway one")."""
        ends = {stretch.end for at, row in enumerate(rows) for stretch in row if stretch.end > at + 1}
        return {at for at, token in enumerate(tokens) if token.word in self._ones and at + 1 in ends}

    def inside_numbers(self, text: Text) -> set[int]:
        """Positions that cut a spoken number in two ("twenty | two")."""
        return {at for start, row in enumerate(text.numbers) for end, _ in row for at in range(start + 1, end)}

    def ends(
        self, text: Text, start: int, state: State | None = None, most: int = MOST_TOKENS
    ) -> dict[int, State]:
        """Positions reached from ``start`` (or from ``state`` at ``start``) with their states."""
        return self.main.ends(text, start, state, most)

    def block(self, template: int) -> Block:
        return self.main.compiled.blocks[self.main.compiled.templates[template].block]

    def template(self, number: int) -> Template:
        return self.main.compiled.templates[number]

    def sorted(self, accepts: tuple[int, ...], *, more_than_one: bool = True) -> Sorted:
        """The templates a state accepts, by what they are; ``more_than_one`` token is needed to be sure."""
        key = (accepts, more_than_one)
        known = self._sorted.get(key)
        if known is None:
            known = self._sorted[key] = self._sort(accepts, more_than_one)
        return known

    def _sort(self, accepts: tuple[int, ...], more_than_one: bool) -> Sorted:
        kinds: dict[str, list[int]] = {"request": [], "answer": [], "operator": []}
        operators: dict[str, list[int]] = {}
        for number in accepts:
            block = self.block(number)
            kinds[block.kind].append(number)
            if block.kind == "operator":
                operators.setdefault(block.intent, []).append(number)
        sure = more_than_one and any(
            not (self.template(number).wild or self.template(number).bare) for number in kinds["request"]
        )
        named = tuple((name, tuple(numbers)) for name, numbers in operators.items())
        return Sorted(tuple(kinds["request"]), tuple(kinds["answer"]), named, sure)

    def operator_readings(
        self, text: Text, start: int, end: int, templates: tuple[int, ...]
    ) -> list[ScoredReading]:
        """Readings of an operator; those of plain words are the same wherever they stand."""
        if not all(self.template(number).plain for number in templates):
            return self.readings(text, start, end, templates)
        known = self._operators.get(templates)
        if known is None:
            known = self._operators[templates] = self.readings(text, start, end, templates)
        return known

    def readings(
        self, text: Text, start: int, end: int, templates: Iterable[int], *, area: bool = False
    ) -> list[ScoredReading]:
        """Readings of a span, the cheapest first."""
        return self.main.readings(text, start, end, templates, area=area)

    def _moments(self, text: Text) -> Iterator[Spoken]:
        for start in range(len(text.tokens)):
            for end, state in self.times.ends(text, start).items():
                if end == start or not state.accepts:
                    continue
                best = self.times.readings(text, start, end, state.accepts)[0]
                slots = {entity.name: entity.value for entity in best.reading.entities}
                kind = str(slots.pop("kind", best.block.extra.get("kind_of_time", "at")))
                yield Spoken(start, end, kind, moment(best.reading.intent, slots, text.words(start, end)))

    def _skipped(self, tokens: tuple[Token, ...], at: int) -> Iterator[Stretch]:
        """The stretches of words that say nothing."""
        for found in self._skips.find(tokens, at):
            yield Stretch(found.end, frozenset(), {}, skips=True)

    def _moment_stretch(self, spoken: Spoken) -> Stretch:
        """A time as a slot's value; what only qualifies ("until ten") is none."""
        if spoken.kind in ("for", "until", "from"):
            return Stretch(spoken.end, frozenset(), {})
        option = Option(spoken.moment, BARE_TIME if spoken.kind == "bare" else 0.0)  # type: ignore[arg-type]
        symbols = self._time_symbols["length" if spoken.kind == "length" else "moment"]
        return Stretch(spoken.end, frozenset(symbols), dict.fromkeys(symbols, option))


BARE_TIME = 0.1
DANGLING_TEXT = 1.5
SHORT_NUMBER = 1.0
"""What reading "twenty" costs where "twenty two" was said."""


def _row(
    machine: Machine,
    tokens: tuple[Token, ...],
    at: int,
    trees: Iterable[ValueTree],
    numbers: Sequence[tuple[int, float]],
    ordinals: Sequence[tuple[int, float]],
    apart: frozenset[str],
) -> tuple[Stretch, ...]:
    """The lattice edges that start at one token; words of ``apart`` are no part of one ("no on" is not "noon")."""
    listed = [found for tree in trees for found in tree.find(tokens, at)]
    found = [
        machine.value_stretch(one)
        for one in listed
        if not one.cost or apart.isdisjoint(token.word for token in tokens[at : one.end])
    ]
    if numbers:
        longest = max(end for end, _ in numbers)
        found += [machine.number_stretch(end, one, SHORT_NUMBER if end < longest else 0.0) for end, one in numbers]
    if ordinals:
        found += [machine.ordinal_stretch(end, value) for end, value in ordinals]
    return tuple([stretch for stretch in found if stretch is not None])


# --- loading ----------------------------------------------------------------------------


def _packs() -> list[str]:
    import home_assistant_intents

    return home_assistant_intents.get_languages()


def languages() -> tuple[list[str], list[str]]:
    """The codes of the languages with operators of their own, and of those that only have an intent pack."""
    whole = sorted(path.parent.name for path in shipped_grammars().glob("*/operators.yaml"))
    return whole, sorted({*_packs()} - {*whole})


def known_language(code: str) -> str:
    """A language's code as it is known here, however it was written ("zh-cn", "zh_CN")."""
    folded = code.replace("_", "-").casefold()
    known = (one for codes in languages() for one in codes)
    return next((one for one in known if one.casefold() == folded), code)


def sentence_files(language: str, folders: Sequence[Path]) -> tuple[list[Path], str | None]:
    """The sentence files of a language, and the name of the intent pack that goes with them (or None)."""
    own = shipped_grammars() / language
    pack = language if language in _packs() else None
    shipped = [path for path in sorted(own.glob("*.yaml")) if path.stem not in _NOT_SENTENCES]
    if not shipped and pack is None:
        whole, single = (", ".join(codes) for codes in languages())
        raise GrammarError(
            f"no grammar for language {language!r}; there is one for {whole}; "
            f"single requests are understood in {single}"
        )
    if not folders:
        return shipped, pack
    files = [path for path in shipped if path.stem in _OPERATOR_FILES]
    for folder in folders:
        if not folder.is_dir():
            raise GrammarError(f"{folder}: no such folder of sentence files")
        found = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
        if not found:
            raise GrammarError(f"{folder}: holds no .yaml sentence files")
        files += found
    return files, None


def _from_cache(
    language: str, files: Sequence[Path], pack: str | None
) -> tuple[Compiled, Compiled, dict[str, Any]]:
    """The compiled grammar, from the cache where the same content was compiled before."""
    path = cache_folder() / f"{_fingerprint(files, pack)}.grammar"
    try:
        with path.open("rb") as file:
            cached: tuple[Compiled, Compiled, dict[str, Any]] = pickle.load(file)
            return cached
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError, ValueError):
        pass
    compiled = compile_files(language, files, pack)
    store_cache(path, compiled)
    return compiled


def compile_files(
    language: str, files: Sequence[Path], pack: str | None
) -> tuple[Compiled, Compiled, dict[str, Any]]:
    """Read and compile sentence files; ``pack`` is the language of a home-assistant-intents pack to add."""
    from dialogue.grammar import sentences  # hassil and YAML are only needed when compiling

    source = sentences.Source(language)
    if pack is not None:
        import home_assistant_intents

        data = home_assistant_intents.get_intents(pack)
        if data is not None:
            sentences.add_data(source, data, f"home_assistant_intents/{pack}")
    for path in files:
        sentences.add_file(source, path)
    return (*sentences.compile_source(source), source.words)


def _fingerprint(files: Sequence[Path], pack: str | None) -> str:
    """A hash over everything the compiled grammar depends on."""
    digest = hashlib.sha256(f"{CACHE_FORMAT}".encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    if pack is not None:
        digest.update(metadata.version("home-assistant-intents").encode() + pack.encode())
    for path in files:
        try:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        except OSError as error:
            raise GrammarError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()[:32]


def cache_folder() -> Path:
    """Where compiled grammars and trained readers are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache")
    return Path(base) / "onebreath" / "grammars"


def store_cache(path: Path, compiled: object) -> None:
    """Write the cache so that readers see all of it or nothing; a cache that cannot be written is left out."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            pickle.dump(compiled, file, protocol=5)
        Path(file.name).replace(path)
    except OSError:
        return
