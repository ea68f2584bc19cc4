"""The learned reader: it proposes requests to the search, with what each costs and how sure it is."""

from __future__ import annotations

import hashlib
import math
import pickle
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from random import Random

from dialogue.errors import GrammarError
from dialogue.grammar.automaton import MOST_TOKENS
from dialogue.grammar.compiled import Block
from dialogue.grammar.grammar import Grammar, cache_folder, sentence_files, store_cache
from dialogue.grammar.machine import ScoredReading
from dialogue.grammar.proposals import Operator, Proposal, Spans
from dialogue.learned.examples import Example, Lessons, folded
from dialogue.learned.features import Span, sentence_of, words_of
from dialogue.learned.model import Model
from dialogue.learned.sampling import LEADING, NONE, TRAILING, Sampler
from dialogue.learned.tagging import Edges, Guess, Tagger
from dialogue.learned.training import SEED, Course, train
from dialogue.shipped import shipped_grammars
from dialogue.types import Entity, Reading

CACHE_FORMAT = 1
EDGE = 0.5
"""How much of an edge's cost each of its two sides pays."""
LEAST_EDGE, NEAR_EDGE, SURELY_INSIDE = 0.02, 0.02, 0.99
MEANT = 0.15
"""A stretch that is less probably a request of its intent is none."""
LEAST_INTENT, SECOND_INTENT = 0.02, 0.2
IN_SLOT, OVER_SURE = 2.0, 2.0
OPEN_SLOT, HEAD = 200, 2
MOST_ENDS = 8
OWN_GROUND = 0.9
"""What a request costs less where the grammar reads none: there the edges alone say how many there are."""
SCOPE = frozenset(
    {"not", "except", "except_target", "more_except", "correct", "scratch", "never_mind", "only", "first"}
    | {"but_first", "before", "after", "but", "when", "condition"}
)


class LearnedReader:
    """Reads requests by their likeness to examples."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._tagger = Tagger(model)

    @classmethod
    def load(cls, grammar: Grammar, folders: Sequence[Path]) -> LearnedReader | None:
        """The reader of the examples in these grammar folders, or None where there are none.

        Trains on first use of the same content, which takes seconds to minutes. Errors: `GrammarError`.
        """
        if not folders:
            return None
        files, _ = sentence_files(grammar.language, folders)
        if not any(_HOLDS_EXAMPLES.search(_bytes(path)) for path in files):
            return None
        path = cache_folder() / f"{_fingerprint(files)}.reader"
        model = _cached(path)
        if model is None:
            model = _trained(grammar, files, _lessons(grammar, files))
            if model is None:
                return None
            store_cache(path, model)
        return cls(model)

    @classmethod
    def without(
        cls, grammar: Grammar, folders: Sequence[Path], held_out: Sequence[Example]
    ) -> LearnedReader | None:
        """A reader of the same folders that never saw these examples: trained now, and kept nowhere.

        None where no other example is left. Errors: `GrammarError`.
        """
        files, _ = sentence_files(grammar.language, folders)
        model = _trained(grammar, files, _lessons(grammar, files).without(held_out))
        return cls(model) if model is not None else None

    def proposals(self, spans: Spans) -> Iterator[Proposal]:
        """Requests that a text may hold, each with its readings, the cheapest first."""
        words, pauses = words_of(spans.text.tokens)
        if not words:
            return
        yield from _Reading(self._tagger, spans, words, pauses, self._tagger.edges(words, pauses)).proposals()


@dataclass(slots=True)
class _Reading:
    """One text being read."""

    tagger: Tagger
    spans: Spans
    words: tuple[str, ...]
    pauses: tuple[bool, ...]
    edges: Edges

    def proposals(self) -> Iterator[Proposal]:
        size = len(self.words)
        starts = {0} | {at for at in range(size) if self.edges.begins[at] > NEAR_EDGE}
        ends = {size} | {at for at in range(1, size) if self.edges.inside[at] < 1 - NEAR_EDGE}
        done: set[tuple[int, int]] = set()
        todo = list(self._cuts(starts, ends, done))
        while todo:
            for proposal, stolen in map(self._proposal, todo):
                if proposal is not None:
                    yield proposal
                starts |= {operator.end for operator in stolen}
                ends |= {operator.start for operator in stolen}
            todo = list(self._cuts(starts, ends, done))

    def _cuts(self, starts: set[int], ends: set[int], done: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """The stretches between these edges that were not tried yet."""
        for start in sorted(starts):
            later = [end for end in sorted(ends) if start < end <= start + MOST_TOKENS]
            for end in later[:MOST_ENDS]:
                if (start, end) not in done and (start, end) not in self.spans.taken:
                    done.add((start, end))
                    yield start, end

    def _proposal(self, stretch: tuple[int, int]) -> tuple[Proposal | None, list[Operator]]:
        """The request that a stretch may be, and the operators that it seems to take for its own words."""
        start, end = stretch
        said = self.words[start:end]
        probable = self.tagger.intents(said)
        likely = [intent for intent in probable if intent != NONE and probable[intent] > LEAST_INTENT]
        ranked = sorted(likely, key=lambda intent: (-probable[intent], intent))[:2]
        readings: list[ScoredReading] = []
        stolen: list[Operator] = []
        for intent in (one for at, one in enumerate(ranked) if at == 0 or probable[one] > SECOND_INTENT):
            guess = self.tagger.slots(said, (False, *self.pauses[start + 1 : end]), intent, probable[intent])
            taken = [one for one in self._operators(start, end) if self._steals(one, start, guess)]
            stolen += taken
            if guess.meant >= MEANT and not any(_outside(one, start, guess.spans) for one in taken):
                cost = self._cost(start, end) + IN_SLOT * len(taken)
                readings.append(self._scored(start, end - start, guess, cost))
        if not readings:
            return None, stolen
        return Proposal(start, end, tuple(sorted(readings, key=lambda one: one.cost))), stolen

    # --- operators inside

    def _operators(self, start: int, end: int) -> Iterator[Operator]:
        for operator in self.spans.operators:
            if start <= operator.start and operator.end <= end and operator.kind in SCOPE:
                yield operator

    def _steals(self, operator: Operator, start: int, guess: Guess) -> bool:
        """Whether no example uses the words of an operator as this reading does."""
        model = self.tagger.model
        heard = model.outside.get(guess.intent, frozenset())
        head = self._apart(operator, start, guess.spans)[:HEAD]
        if head and head not in heard:
            return True
        return any(
            not _holds(model.inside.get(slot, frozenset()), self.words[at])
            for slot, first, last in guess.spans
            for at in range(max(operator.start, start + first), min(operator.end, start + last))
        )

    def _apart(self, operator: Operator, start: int, spans: Sequence[Span]) -> tuple[str, ...]:
        """The first of an operator's words that stand together in no slot."""
        run: list[str] = []
        for at in range(operator.start, operator.end):
            if any(one.start <= at - start < one.end for one in spans):
                if run:
                    break
            else:
                run.append(self.words[at])
        return tuple(run)

    # --- what it costs

    def _cost(self, start: int, end: int) -> float:
        """What the edges of a stretch, and the edges that it passes over, cost."""
        begins, inside = self.edges.begins, self.edges.inside
        cost = EDGE * _surprise(begins[start])
        if end < len(self.words):
            cost += EDGE * _surprise(1 - inside[end])
        cost += sum(_surprise(inside[at]) for at in range(start + 1, end) if inside[at] < SURELY_INSIDE)
        return cost + OVER_SURE * sum(start < at < end for at in self.spans.sure)

    def _scored(self, start: int, length: int, guess: Guess, cost: float) -> ScoredReading:
        synonyms = self.tagger.model.synonyms
        entities: list[Entity] = []
        for slot, first, last in guess.spans:
            said = self.spans.text.said(start + first, start + last)
            entities.append(Entity(slot, synonyms.get(folded(said), said), said))
        reading = Reading(guess.intent, tuple(entities))
        wild = tuple((start + first, start + last) for _, first, last in guess.spans)
        cost += _surprise(guess.probability) + _surprise(guess.meant) + _surprise(guess.whole)
        end = start + length
        cost -= 0.0 if any(one < end and start < other for one, other in self.spans.taken) else OWN_GROUND
        return ScoredReading(
            cost, reading, Block(guess.intent, "request"), -1, wild, probability=round(guess.probability, 4)
        )


def _outside(operator: Operator, start: int, spans: Sequence[Span]) -> bool:
    """Whether some of an operator stands outside all slots."""
    return not all(
        any(one.start <= at - start < one.end for one in spans) for at in range(operator.start, operator.end)
    )


def _holds(words: frozenset[str], word: str) -> bool:
    """Whether a slot of which these words were seen may hold another one; a slot of very many holds anything."""
    return word in words or len(words) >= OPEN_SLOT


def _surprise(probability: float) -> float:
    return -math.log(max(LEAST_EDGE, probability))


# --- loading ----------------------------------------------------------------------------

_HOLDS_EXAMPLES = re.compile(rb"""^["']?nlu["']?\s*:""", re.MULTILINE)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GrammarError(f"{path}: cannot be read: {error.strerror}") from error


def _fingerprint(files: Sequence[Path]) -> str:
    """A hash over everything a trained reader depends on."""
    digest = hashlib.sha256(f"{CACHE_FORMAT}{SEED}{metadata.version('python-crfsuite')}".encode())
    digest.update(metadata.version("numpy").encode())
    here = Path(__file__).parent
    for module in (*sorted(here.glob("*.py")), *sorted((here.parent / "grammar").glob("*.py"))):
        digest.update(module.read_bytes())
    for path in files:
        digest.update(path.name.encode() + b"\0" + _bytes(path))
    return digest.hexdigest()[:32]


def _cached(path: Path) -> Model | None:
    try:
        with path.open("rb") as file:
            model = pickle.load(file)
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError, ValueError):
        return None
    return model if isinstance(model, Model) else None


def lessons_of(grammar: Grammar, folders: Sequence[Path]) -> Lessons:
    """What the example files of these grammar folders say. Errors: `GrammarError` with file and line."""
    return _lessons(grammar, sentence_files(grammar.language, folders)[0])


def _lessons(grammar: Grammar, files: Sequence[Path]) -> Lessons:
    from dialogue.grammar import sentences

    source = sentences.Source(grammar.language)
    for path in files:
        sentences.add_file(source, path)
    return source.lessons


def _trained(grammar: Grammar, files: Sequence[Path], lessons: Lessons) -> Model | None:
    """The model of these examples and of the templates in these files; None without an example of an intent."""
    if not lessons.examples:
        return None
    sampler = Sampler(grammar.main.compiled, _values(lessons), Random(SEED))
    own = frozenset(str(path) for path in files if path.parent != shipped_grammars() / grammar.language)
    taught = [sentence_of(one) for one in (*lessons.examples, *sampler.examples(own))]
    small = frozenset(str(word) for name in _SMALL for word in grammar.words.get(name, ()))
    phrases = sampler.phrases(("and", "then", *LEADING, *TRAILING))
    return train([one for one in taught if one.words], Course(lessons, phrases, small))


_SMALL = ("articles", "binding", "unfinished", "scope")


def _values(lessons: Lessons) -> dict[str, list[str]]:
    """The words seen in each slot, for open slots of templates."""
    found: dict[str, set[str]] = defaultdict(set)
    for example in lessons.examples:
        for mark in example.marks:
            found[mark.slot].add(example.text[mark.start : mark.end])
    for slot, texts in lessons.lookups.items():
        found[slot] |= set(texts)
    return {slot: sorted(texts) for slot, texts in found.items()}
