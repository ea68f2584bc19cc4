"""Sentences to learn from that nobody wrote: sampled templates, joined requests, and what is no request at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from dialogue.grammar.compiled import Compiled, Range
from dialogue.grammar.network import WILDCARD, ListArc
from dialogue.grammar.tokens import tokenize
from dialogue.learned.examples import Example, Mark
from dialogue.learned.features import OUTSIDE, Sentence, words_of

BEGINS, INSIDE = "B", "I"
PER_TEMPLATE, MOST_SAMPLED, MOST_STEPS = 12, 3000, 400
PHRASE_TRIES, SHORTER = 40, 4.0
NOTHING, PAUSE = 0.4, 0.1
ADDED = 0.15
LEADING = ("filler", "not", "first", "correct")
TRAILING = ("filler", "now")
NONE = "none"
UNHEARD = "\0"
"""Begins words that nobody can say."""
_ALWAYS = {"moment": "7:30", "length": "10 minutes", "ordinal": "2nd", "number": "20"}

Phrases = Mapping[str, Sequence[tuple[str, ...]]]


# --- templates --------------------------------------------------------------------------


class Sampler:
    """Speaks the templates of a compiled grammar. ``spoken`` are values for open slots, by slot."""

    def __init__(self, compiled: Compiled, spoken: Mapping[str, Sequence[str]], random: Random) -> None:
        self.compiled = compiled
        self.spoken = spoken
        self.random = random
        self._values: dict[str, list[str]] = defaultdict(list)
        for text, value in compiled.values:
            self._values[value.list_name].append(text)

    def examples(self, files: frozenset[str]) -> Iterator[Example]:
        """Sentences of the request templates of these files.

        Blocks that give slots nobody says are left out: words alone could not tell "on" from "off" there.
        """
        numbers = [
            number
            for number, template in enumerate(self.compiled.templates)
            if template.place.file in files and self._teaches(template.block)
        ]
        each = max(1, min(PER_TEMPLATE, MOST_SAMPLED // max(1, len(numbers))))
        for number in numbers:
            found = {self._say(number) for _ in range(each)}
            yield from sorted((one for one in found if one is not None and one.text), key=lambda one: one.text)

    def _teaches(self, number: int) -> bool:
        block = self.compiled.blocks[number]
        return block.kind == "request" and not (block.slots or block.needs_area or block.extra.get("incomplete"))

    def phrases(self, kinds: Sequence[str]) -> dict[str, list[tuple[str, ...]]]:
        """Ways to say each of these operators."""
        found: dict[str, set[tuple[str, ...]]] = {kind: set() for kind in kinds}
        for number, template in enumerate(self.compiled.templates):
            block = self.compiled.blocks[template.block]
            if block.kind == "operator" and block.intent in found and template.plain:
                said = [self._say(number) for _ in range(PHRASE_TRIES)]
                found[block.intent] |= {words_of(tokenize(one.text))[0] for one in said if one is not None}
        return {kind: sorted(filter(None, several)) for kind, several in found.items()}

    def _say(self, number: int) -> Example | None:
        """One way through a template; None where a list has no values."""
        network = self.compiled.network
        state, text, marks = network.starts[number], "", list[Mark]()
        for _ in range(MOST_STEPS):
            if network.finals.get(state) == number:
                return _trimmed(Example(self._intent(number), text, tuple(marks)))
            ways: list[tuple[int, str, str]] = [(target, "", "") for target in network.skips[state]]
            ways += [(target, " ", "") for target in network.spaces[state]]
            ways += [(target, piece, "") for piece, target in network.pieces[state]]
            ways += [(arc.target, said, arc.slot) for arc in network.lists[state] if (said := self._value(arc))]
            if not ways:
                return None
            state, said, slot = self.random.choice(ways)
            if said == " " and (not text or text.endswith(" ")):
                continue
            if slot:
                marks.append(Mark(slot, len(text), len(text) + len(said)))
            text += said
        return None

    def _intent(self, number: int) -> str:
        return self.compiled.blocks[self.compiled.templates[number].block].intent

    def _value(self, arc: ListArc) -> str:
        name = self.compiled.network.symbols[arc.symbol].list_name
        if name in self.compiled.ranges:
            return _number(self.compiled.ranges[name], self.random)
        values = self.spoken.get(arc.slot, ()) if name == WILDCARD else self._values.get(name, ())
        return self.random.choice(values) if values else _ALWAYS.get(name, "")


def _number(numbers: Range, random: Random) -> str:
    return str(random.randrange(int(numbers.low), int(numbers.high) + 1, max(1, int(numbers.step))))


def _trimmed(example: Example) -> Example:
    return replace(example, text=example.text.rstrip())


# --- joins ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Joined:
    """Words of several requests; ``labels`` say where one begins, what is inside, and what joins them."""

    words: tuple[str, ...]
    pauses: tuple[bool, ...]
    labels: tuple[str, ...]


class Joiner:
    """Joins requests as people do: with the language's connectives, with a pause, or with nothing."""

    def __init__(self, phrases: Phrases, random: Random) -> None:
        self.random = random
        self._phrases = phrases
        joiners = [*phrases.get("and", ()), *phrases.get("then", ())]
        self._joiners = sorted(set(joiners))
        self._weights = [SHORTER ** -len(words) for words in self._joiners]

    def rows(self, sentences: Sequence[Sentence], rounds: int) -> Iterator[Joined]:
        """Each sentence once a round, alone or joined with one or two others."""
        for _ in range(rounds):
            left = list(sentences)
            self.random.shuffle(left)
            while left:
                size = self.random.choices((1, 2, 3), (0.3, 0.5, 0.2))[0]
                yield self._joined([left.pop() for _ in range(min(size, len(left)))])

    def _joined(self, parts: Sequence[Sentence]) -> Joined:
        words, pauses, labels = list[str](), list[bool](), list[str]()

        def add(more: Sequence[str], first: str, rest: str, breaks: Sequence[bool] = ()) -> None:
            words.extend(more)
            pauses.extend(breaks or (False,) * len(more))
            labels.extend((first, *(rest,) * (len(more) - 1)) if more else ())

        for number, part in enumerate(parts):
            pause = number > 0 and self.random.random() < PAUSE
            if number and not pause and self.random.random() > NOTHING and self._joiners:
                add(self.random.choices(self._joiners, self._weights)[0], OUTSIDE, OUTSIDE)
            add(self._operator(LEADING), OUTSIDE, OUTSIDE)
            add(part.words, BEGINS, INSIDE, (pause, *part.pauses[1:]))
            add(self._operator(TRAILING), OUTSIDE, OUTSIDE)
        return Joined(tuple(words), tuple(pauses), tuple(labels))

    def _operator(self, kinds: Sequence[str]) -> tuple[str, ...]:
        """Now and then a small word that belongs to the language and not to the request."""
        several = self._phrases.get(self.random.choice(kinds), ())
        return self.random.choice(several) if several and self.random.random() < ADDED else ()


# --- what is no request -----------------------------------------------------------------


def negatives(
    sentences: Sequence[Sentence], small: frozenset[str], count: int, random: Random
) -> Iterator[tuple[str, ...]]:
    """Words that are no request: halves that do not fit, word salad, and sentences of unknown words.

    ``small`` are the language's small words, which say nothing about whether a sentence is understood.
    """
    every = sorted({word for one in sentences for word in one.words})
    for number in range(count):
        one, other = random.choice(sentences).words, random.choice(sentences).words
        match number % 5:
            case 0:
                yield (*other[len(other) // 2 :], *one[: (len(one) + 1) // 2])
            case 1:
                yield tuple(random.choice(every) for _ in range(random.randint(1, 8)))
            case _:
                yield _strange(one, small, random)


def _strange(words: Sequence[str], small: frozenset[str], random: Random) -> tuple[str, ...]:
    """A sentence in which the words that carry its sense are unknown; small words may stay."""
    kept = random.random() * 0.3
    return tuple(
        word if random.random() < (0.8 if word in small else kept) else f"{UNHEARD}{at}"
        for at, word in enumerate(words)
    )


__all__ = ["BEGINS", "INSIDE", "NONE", "Joined", "Joiner", "Sampler", "negatives"]
