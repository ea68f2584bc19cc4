"""What the learned reader looks at: words, their shapes and neighbors, clusters, and lists of known values.

Most of it are well-known features of sequence taggers (Lafferty, McCallum and Pereira, 2001). Membership in the
lists of values seen in examples is worth the most, provided that an example never finds its own values there.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dialogue.grammar.tokens import Token, tokenize
from dialogue.learned.examples import Example, Lessons

OUTSIDE = "O"
CARRIER_COUNT, CARRIER_SHARE = 5, 0.5
Features = list[str]


class Span(NamedTuple):
    """A slot and its tokens."""

    slot: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """An example cut into tokens: folded words, where a pause stands before a word, and the slots."""

    intent: str
    words: tuple[str, ...]
    pauses: tuple[bool, ...]
    spans: tuple[Span, ...] = ()

    def labels(self) -> list[str]:
        """One label a word: the first (B-) or a further (I-) word of a slot, or outside."""
        found = [OUTSIDE] * len(self.words)
        for slot, start, end in self.spans:
            found[start:end] = [f"B-{slot}", *[f"I-{slot}"] * (end - start - 1)]
        return found

    def outside(self) -> list[str]:
        """The words that belong to no slot."""
        return [word for word, label in zip(self.words, self.labels(), strict=True) if label == OUTSIDE]


def sentence_of(example: Example) -> Sentence:
    """An example as the reader sees it."""
    tokens = tokenize(example.text)
    spans = [
        Span(mark.slot, inside[0], inside[-1] + 1)
        for mark in example.marks
        if (inside := [at for at, one in enumerate(tokens) if mark.start <= one.start and one.end <= mark.end])
    ]
    return Sentence(example.intent, *words_of(tokens), tuple(spans))


def frame_of(words: Sequence[str], spans: Iterable[Span]) -> list[str]:
    """The words of a request with each slot's value taken for one word."""
    found: list[str] = ["<"]
    place = {at: slot for slot, start, end in spans for at in range(start, end)}
    for at, word in enumerate(words):
        one = f"{{{place[at]}}}" if at in place else word
        if at not in place or found[-1] != one:
            found.append(one)
    return [*found, ">"]


def words_of(tokens: Sequence[Token]) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    """The folded words of tokens, and where a pause stands before them."""
    return tuple(one.key.strip() for one in tokens), tuple(one.pause > 0 for one in tokens)


def spans_of(labels: Sequence[str]) -> tuple[Span, ...]:
    """The slots that labels describe."""
    found: list[Span] = []
    for at, label in enumerate(labels):
        if label == OUTSIDE:
            continue
        slot = label[2:]
        if label.startswith("I-") and found and found[-1].slot == slot and found[-1].end == at:
            found[-1] = Span(slot, found[-1].start, at + 1)
        else:
            found.append(Span(slot, at, at + 1))
    return tuple(found)


@dataclass(slots=True)
class Known:
    """The values and words of slots as a set of sentences shows them."""

    values: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    longest: int = 1

    @classmethod
    def of(cls, sentences: Iterable[Sentence], listed: Mapping[str, Sequence[tuple[str, ...]]]) -> Known:
        """What these sentences and the user's own lists know."""
        values: dict[tuple[str, ...], set[str]] = defaultdict(set)
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for sentence in sentences:
            for slot, start, end in sentence.spans:
                values[sentence.words[start:end]].add(slot)
            for word, label in zip(sentence.words, sentence.labels(), strict=True):
                counts[word][label[2:] or OUTSIDE] += 1
        for slot, entries in listed.items():
            for entry in entries:
                values[entry].add(f"list:{slot}")
        return cls(
            {words: tuple(sorted(slots)) for words, slots in values.items()},
            {word: tuple(_shares(count)) for word, count in counts.items()},
            max((len(words) for words in values), default=1),
        )

    def features(self, words: Sequence[str]) -> list[Features]:
        """Per word the lists that hold it or a stretch around it, and the slots its word was seen in."""
        found: list[Features] = [list(self.words.get(word, _UNKNOWN)) for word in words]
        size = len(words)
        for start in range(size):
            for length in range(1, min(self.longest, size - start) + 1):
                for slot in self.values.get(tuple(words[start : start + length]), ()):
                    _mark(found, slot, start, length)
        return found


_UNKNOWN = ("new",)


def _shares(count: Counter[str]) -> Iterable[str]:
    """How often a word was seen in each slot, roughly."""
    total = sum(count.values())
    for slot, number in sorted(count.items()):
        share = number / total
        level = "most" if share > 0.9 else "half" if share > 0.5 else "some" if share > 0.1 else "few"
        yield f"{level}:{slot}"


def _mark(found: list[Features], slot: str, start: int, length: int) -> None:
    if length == 1:
        found[start] += (f"g1:{slot}", f"g:{slot}")
        return
    size = "2" if length == 2 else "3"
    found[start].append(f"gb{size}:{slot}")
    found[start + length - 1].append(f"ge{size}:{slot}")
    for at in range(start, start + length):
        found[at].append(f"g:{slot}")
        if start < at < start + length - 1:
            found[at].append(f"gi{size}:{slot}")


@dataclass(slots=True)
class Knowledge:
    """All that features are made from, besides the words themselves.

    ``carriers`` are words that mostly stand outside slots; ``others`` knows what other intents know.
    """

    carriers: frozenset[str]
    known: Known
    others: Known
    clusters: Mapping[str, tuple[str, ...]]
    patterns: Mapping[str, Sequence[re.Pattern[str]]]


def carriers_of(sentences: Sequence[Sentence]) -> frozenset[str]:
    """The words that mostly stand outside slots, often enough to be told apart."""
    seen: Counter[str] = Counter(word for one in sentences for word in one.words)
    outside: Counter[str] = Counter(word for one in sentences for word in one.outside())
    least = min(CARRIER_COUNT, 1 + len(sentences) // 20)
    return frozenset(
        word for word, count in seen.items() if outside[word] >= least and outside[word] / count > CARRIER_SHARE
    )


def lists_of(lessons: Lessons) -> dict[str, list[tuple[str, ...]]]:
    """The user's own lists as folded words: lookup tables, and the words of synonyms."""
    rows = {name: lessons.lookups[name] for name in sorted(lessons.lookups)}
    meant: dict[str, list[str]] = defaultdict(list)
    for words, value in sorted(lessons.synonyms.items()):
        meant[value].append(words)
    return {name: [words_of(tokenize(text))[0] for text in texts] for name, texts in {**meant, **rows}.items()}


def shape(word: str) -> str:
    """What a word looks like: its digits as zeros, or its kind of letters."""
    if any(character.isdigit() for character in word):
        return re.sub(r"\d", "0", word[:12])
    return ("letters" if word.isascii() else "foreign") if word.isalpha() else "sign"


def slot_features(words: Sequence[str], pauses: Sequence[bool], knowledge: Knowledge) -> list[Features]:
    """The features of each word of one request."""
    known = knowledge.known.features(words)
    for row, other in zip(known, knowledge.others.features(words), strict=True):
        row += ["o" + one for one in other]
    _match(known, words, knowledge.patterns)
    carriers = [word if word in knowledge.carriers else "" for word in words]
    said = [f"S={word}" for word in sorted(set(filter(None, carriers)))]
    before, after = _nearest(carriers), _nearest(carriers[::-1])[::-1]
    clusters = [knowledge.clusters.get(word, _NO_CLUSTER) for word in words]
    rows: list[Features] = []
    for at in range(len(words)):
        row = [*_word_features(words, at), *known[at], *said, *_cluster_features(clusters, at)]
        row += _known_features(words, known, at)
        row += (f"c<{before[at]}", f"c>{after[at]}", f"c<>{before[at]}|{after[at]}")
        row += (f"1={words[0]}", f"-1c>{words[at - 1] if at else ''}|{after[at]}")
        row += [name for name, here in _places(pauses, at, len(words)) if here]
        rows.append(row)
    return rows


_NO_CLUSTER = ("?", "?")


def _word_features(words: Sequence[str], at: int) -> Features:
    word = words[at]
    b2, b1 = words[at - 2] if at > 1 else "<", words[at - 1] if at else "<"
    a1 = words[at + 1] if at + 1 < len(words) else ">"
    a2 = words[at + 2] if at + 2 < len(words) else ">"
    found = [f"0={word}", f"-1={b1}", f"+1={a1}", f"-2={b2}", f"+2={a2}", f"-10={b1}|{word}", f"01={word}|{a1}"]
    found += (f"-21={b2}|{b1}", f"12={a1}|{a2}", f"-11={b1}|{a1}", f"sh={shape(word)}", f"n={min(len(word), 8)}")
    found += [f"s{size}={word[-size:]}" for size in (1, 2, 3, 4)]
    found += [f"p{size}={word[:size]}" for size in (2, 3, 4)]
    return found


def _cluster_features(clusters: Sequence[tuple[str, ...]], at: int) -> Features:
    found = [
        f"k{step}={one}"
        for step in (-2, -1, 0, 1, 2)
        if 0 <= at + step < len(clusters)
        for one in clusters[at + step]
    ]
    if at:
        found.append(f"k-10={clusters[at - 1][0]}|{clusters[at][0]}")
    if at + 1 < len(clusters):
        found.append(f"k01={clusters[at][0]}|{clusters[at + 1][0]}")
    return found


def _known_features(words: Sequence[str], known: Sequence[Features], at: int) -> Features:
    """What lists know of the neighbors, and of the word after or before its neighbor."""
    found: Features = []
    if at:
        found += [f"-1{one}" for one in known[at - 1]]
        found += [f"{one}|-1={words[at - 1]}" for one in known[at] if one[0] == "g"]
    if at + 1 < len(words):
        found += [f"+1{one}" for one in known[at + 1]]
        found += [f"{one}|+1={words[at + 1]}" for one in known[at] if one[:2] in ("ge", "g1")]
    return found


def _places(pauses: Sequence[bool], at: int, size: int) -> tuple[tuple[str, bool], ...]:
    pause_after = at + 1 < size and pauses[at + 1]
    return (("first", at == 0), ("last", at == size - 1), ("pause", pauses[at]), ("pause+", pause_after))


def _nearest(carriers: Sequence[str]) -> list[str]:
    """Per word the nearest carrier before it."""
    found, last = [], ""
    for word in carriers:
        found.append(last)
        last = word or last
    return found


def _match(rows: list[Features], words: Sequence[str], patterns: Mapping[str, Sequence[re.Pattern[str]]]) -> None:
    """Mark the words that the user's regular expressions match."""
    if not patterns:
        return
    text, starts = " ".join(words), []
    for at in range(len(words)):
        starts.append(sum(len(word) + 1 for word in words[:at]))
    for name, several in patterns.items():
        for match in (match for pattern in several for match in pattern.finditer(text)):
            for row, start in zip(rows, starts, strict=True):
                if match.start() <= start < match.end():
                    row += (f"r:{name}", f"g:re:{name}")


def intent_features(
    words: Sequence[str], clusters: Mapping[str, tuple[str, ...]], known: frozenset[str], carriers: frozenset[str]
) -> Features:
    """What tells the intent of one request: its words, pairs and triples of words, clusters, how much is new.

    ``known`` are the words of the examples; all others count as new.
    """
    plain = [word if word in known else "new" for word in words]
    framed = ["<", *plain, ">"]
    carried = [word for word in plain if word in carriers]
    found = {f"w={word}" for word in plain}
    found |= {f"2={one}|{two}" for one, two in itertools.pairwise(framed)}
    found |= {f"3={a}|{b}|{c}" for a, b, c in zip(framed, framed[1:], framed[2:], strict=False)}
    found |= {f"c2={one}|{two}" for one, two in zip(["<", *carried], [*carried, ">"], strict=True)}
    found |= {f"k={one}" for word in plain for one in clusters.get(word, _NO_CLUSTER)}
    found |= {f"1={plain[0]}", f"-1={plain[-1]}", f"n={min(12, len(plain))}"}
    found |= {f"new={10 * plain.count('new') // len(plain)}", f"carried={min(6, len(carried))}"}
    found |= {f"share={10 * len(carried) // len(plain)}"}
    return sorted(found)


def boundary_features(
    words: Sequence[str], pauses: Sequence[bool], clusters: Mapping[str, tuple[str, ...]], known: Known
) -> list[Features]:
    """The features of each word for where requests begin."""
    marked = known.features(words)
    groups = [clusters.get(word, _NO_CLUSTER) for word in words]
    rows: list[Features] = []
    for at in range(len(words)):
        row = _word_features(words, at)
        row += _cluster_features(groups, at)
        row += marked[at] + _known_features(words, marked, at)
        row += [f"-3={words[at - 3] if at > 2 else '<'}", f"+3={words[at + 3] if at + 3 < len(words) else '>'}"]
        row += [f"012={'|'.join(words[at : at + 3])}", f"-321={'|'.join(words[max(0, at - 3) : at])}"]
        row += [name for name, here in _places(pauses, at, len(words)) if here and name != "last"]
        rows.append(row)
    return rows
