"""Training: from examples to a model, the same model for the same examples.

Boundaries and slots are linear-chain conditional random fields, intents a maximum-entropy classifier, which is a
conditional random field over sequences of one. All are trained by CRFsuite (Okazaki, 2007).
"""

from __future__ import annotations

import itertools
import math
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Literal

from dialogue.learned.clusters import word_clusters
from dialogue.learned.examples import Lessons
from dialogue.learned.features import (
    Features,
    Knowledge,
    Known,
    Sentence,
    boundary_features,
    carriers_of,
    frame_of,
    intent_features,
    lists_of,
    slot_features,
)
from dialogue.learned.model import START, Calibration, Model, SlotModel
from dialogue.learned.sampling import NONE, Joiner, Phrases, negatives
from dialogue.learned.tagging import Tagger

SEED = 20
FOLDS = 5
FEW, MANY = 600, 1500
STRAY = 0.4
LONGEST_RUN = 4
_SLOTS = {"c1": 0.02, "c2": 0.3, "max_iterations": 70, "feature.possible_transitions": True}
_INTENTS = {"c1": 0.0, "c2": 0.3, "max_iterations": 80}
_BOUNDARY = {"c1": 0.02, "c2": 0.1, "max_iterations": 90}

Lists = Mapping[str, Sequence[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Course:
    """What is learned from, apart from the sentences: the user's lists, operator phrases, and small words."""

    lessons: Lessons
    phrases: Phrases
    small: frozenset[str]


def train(sentences: Sequence[Sentence], course: Course, *, seed: int = SEED) -> Model:
    """The model of these sentences; shows its progress where standard error is a terminal."""
    from tqdm import tqdm

    parts = len({one.intent for one in sentences})
    with tqdm(total=2 * parts + 4, desc="learning", unit="part", disable=not sys.stderr.isatty()) as bar:
        model = _Trainer(course, seed, bar.update).model(sentences)
        return replace(model, calibration=_calibrated(sentences, course, seed, bar.update))


class _Trainer:
    """One run of training."""

    def __init__(self, course: Course, seed: int, done: Any) -> None:
        self.course = course
        self.seed = seed
        self.done = done
        self.lists = lists_of(course.lessons)
        self.patterns = {name: tuple(several) for name, several in sorted(course.lessons.patterns.items())}

    def model(self, sentences: Sequence[Sentence], *, boundary: bool = True) -> Model:
        clusters = word_clusters([one.words for one in sentences], self.seed)
        words = frozenset(word for one in sentences for word in one.words)
        carriers = carriers_of(sentences)
        known = Known.of(sentences, self.lists)
        return Model(
            boundary=self._boundary(sentences, clusters) if boundary else b"",
            intents=self._intents(sentences, clusters, words, carriers),
            slots=dict(self._slots(sentences, clusters)),
            known=known,
            words=words,
            carriers=carriers,
            clusters=clusters,
            patterns=self.patterns,
            synonyms=dict(self.course.lessons.synonyms),
            outside=_outside(sentences),
            inside=_inside(sentences),
            frames=_frames(sentences),
        )

    # --- boundaries

    def _boundary(self, sentences: Sequence[Sentence], clusters: Mapping[str, tuple[str, ...]]) -> bytes:
        """Where requests begin, learned from joins; no join finds its own values among the known ones."""
        joiner = Joiner(_unsaid(self.course.phrases, sentences), Random(self.seed))
        rounds = max(3, min(8, math.ceil(2 * FEW / max(1, len(sentences)))))
        rows: list[tuple[list[Features], Sequence[str]]] = []
        for mine, others in _folds(sentences):
            known = Known.of(others, self.lists)
            for row in joiner.rows(_with_unheard(mine, len(sentences)), rounds):
                rows.append((boundary_features(row.words, row.pauses, clusters, known), row.labels))
        self.done()
        return _crf(rows, _BOUNDARY)

    # --- intents

    def _intents(
        self,
        sentences: Sequence[Sentence],
        clusters: Mapping[str, tuple[str, ...]],
        words: frozenset[str],
        carriers: frozenset[str],
    ) -> bytes:
        """Which intent, or none: each sentence counts once as it is and once without its rare words."""
        count = defaultdict[str, int](int)
        for one in sentences:
            for word in set(one.words):
                count[word] += 1
        common = frozenset(word for word in words if count[word] > 1)
        rows: list[tuple[list[Features], Sequence[str]]] = []
        for one in _with_unheard(sentences, len(sentences)):
            rows.append(([intent_features(one.words, clusters, words, carriers)], [one.intent]))
            if not common.issuperset(one.words):
                rows.append(([intent_features(one.words, clusters, common, carriers)], [one.intent]))
        number = max(50, int(STRAY * len(sentences)))
        for stray in negatives(sentences, self.course.small, number, Random(self.seed)):
            rows.append(([intent_features(stray, clusters, words, carriers)], [NONE]))
        self.done()
        return _crf(rows, _INTENTS)

    # --- slots

    def _slots(
        self, sentences: Sequence[Sentence], clusters: Mapping[str, tuple[str, ...]]
    ) -> Iterator[tuple[str, SlotModel]]:
        for intent in sorted({one.intent for one in sentences}):
            mine = [one for one in sentences if one.intent == intent]
            if any(one.spans for one in mine):
                others = Known.of((one for one in sentences if one.intent != intent), {})
                yield intent, self._slot_model(mine, others, clusters)
            self.done()

    def _slot_model(
        self, mine: Sequence[Sentence], others: Known, clusters: Mapping[str, tuple[str, ...]]
    ) -> SlotModel:
        carriers = carriers_of(mine)
        patterns = compiled(self.patterns)
        rows: list[tuple[list[Features], Sequence[str]]] = []
        for fold, rest in _folds(mine):
            knowledge = Knowledge(carriers, Known.of(rest, self.lists), others, clusters, patterns)
            said = _with_unheard(fold, len(mine))
            rows += ((slot_features(one.words, one.pauses, knowledge), one.labels()) for one in said)
        return SlotModel(_crf(rows, _SLOTS), carriers, Known.of(mine, self.lists), others)


def compiled(patterns: Mapping[str, Sequence[str]]) -> dict[str, list[re.Pattern[str]]]:
    """The user's regular expressions, ready to run."""
    return {name: [re.compile(one, re.IGNORECASE) for one in several] for name, several in patterns.items()}


def _with_unheard(sentences: Sequence[Sentence], number: int) -> list[Sentence]:
    """The sentences, and where there are few in all, each again with values that nobody has said."""
    return [*sentences, *map(_unheard, sentences)] if number < FEW else list(sentences)


def _unheard(sentence: Sentence) -> Sentence:
    """The sentence with values that nobody has said: where few values come again and again, others may follow."""
    words = tuple(
        word if label == "O" or not word.isalpha() else word[::-1]
        for word, label in zip(sentence.words, sentence.labels(), strict=True)
    )
    return replace(sentence, words=words)


def _folds(sentences: Sequence[Sentence]) -> Iterator[tuple[list[Sentence], list[Sentence]]]:
    """Parts of the sentences, each with all the others."""
    for number in range(min(FOLDS, len(sentences))):
        mine = [one for at, one in enumerate(sentences) if at % FOLDS == number]
        yield mine, [one for at, one in enumerate(sentences) if at % FOLDS != number]


def _crf(rows: Iterable[tuple[list[Features], Sequence[str]]], parameters: Mapping[str, Any]) -> bytes:
    import pycrfsuite

    trainer = pycrfsuite.Trainer(verbose=False)
    trainer.set_params(dict(parameters))
    for features, labels in rows:
        trainer.append(features, list(labels))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        trainer.train(str(path))
        return path.read_bytes()


def _unsaid(phrases: Phrases, sentences: Sequence[Sentence]) -> Phrases:
    """The phrases without small words that the examples themselves use: there the examples decide."""
    used = frozenset().union(*_outside(sentences).values()) if sentences else frozenset()
    return {
        kind: [one for one in several if kind in ("and", "then") or one not in used]
        for kind, several in phrases.items()
    }


def _outside(sentences: Sequence[Sentence]) -> dict[str, frozenset[tuple[str, ...]]]:
    """Per intent the runs of words that stand outside slots."""
    found: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for one in sentences:
        labels = one.labels()
        for start in range(len(labels)):
            for end in range(start + 1, min(start + LONGEST_RUN, len(labels)) + 1):
                if labels[end - 1] != "O":
                    break
                found[one.intent].add(one.words[start:end])
    return {intent: frozenset(runs) for intent, runs in found.items()}


def _inside(sentences: Sequence[Sentence]) -> dict[str, frozenset[str]]:
    """Per slot the words of its values."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in sentences:
        for slot, start, end in one.spans:
            found[slot].update(one.words[start:end])
    return {slot: frozenset(words) for slot, words in found.items()}


def _frames(sentences: Sequence[Sentence]) -> dict[str, frozenset[tuple[str, str]]]:
    """Per intent the pairs of neighbors, where a value counts as one word."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for one in sentences:
        frame = frame_of(one.words, one.spans)
        found[one.intent].update(itertools.pairwise(frame))
    return {intent: frozenset(pairs) for intent, pairs in found.items()}


# --- calibration ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Trial:
    """A reading of held-out words: its evidence, what the words truly are, and whether the slots are right."""

    evidence: tuple[float, ...]
    truth: Literal["request", "stranger", "two"]
    right: bool = False


def _calibrated(sentences: Sequence[Sentence], course: Course, seed: int, done: Any) -> Calibration:
    """How evidence on held-out sentences relates to being right: on one fold of them where there are many."""
    trials: list[_Trial] = []
    for number, (mine, rest) in enumerate(_folds(sentences)):
        if number and len(sentences) > MANY:
            break
        tagger = Tagger(_Trainer(course, seed, done).model(rest, boundary=False))
        trials += _trials(tagger, mine)
        trials += _strange(tagger, negatives(mine, course.small, len(mine) // 4, Random(seed)))
    return _calibration(trials)


def _calibration(trials: Sequence[_Trial]) -> Calibration:
    told = [one for one in trials if one.truth == "request"]
    return Calibration(
        right=_fitted([(one.evidence, one.right) for one in told]),
        meant=_fitted([(one.evidence, one.truth == "request") for one in trials if one.truth != "two"]),
        whole=_fitted([(one.evidence, one.truth == "request") for one in trials if one.truth != "stranger"]),
    )


def _trials(tagger: Tagger, sentences: Sequence[Sentence]) -> Iterator[_Trial]:
    """Each sentence read as it may be, and as the likeliest of all other intents: that is what strangers are."""
    for one in sentences:
        probable = dict(tagger.intents(one.words))
        mine = tagger.slots(one.words, one.pauses, one.intent, probable.pop(one.intent, 0.0))
        yield _Trial(mine.evidence, "request", mine.spans == one.spans)
        left = sum(probable.values()) or 1.0
        intent = max(probable, key=lambda name: (probable[name], name))
        if intent != NONE:
            other = tagger.slots(one.words, one.pauses, intent, probable[intent] / left)
            yield _Trial(other.evidence, "stranger")
    for one, two in zip(sentences[::2], sentences[1::2], strict=False):
        yield from _joined(tagger, one, two)


def _strange(tagger: Tagger, several: Iterable[tuple[str, ...]]) -> Iterator[_Trial]:
    """Words that are no request, read as the likeliest one."""
    for words in several:
        probable = dict(tagger.intents(words))
        probable.pop(NONE, None)
        intent = max(probable, key=lambda name: (probable[name], name))
        yield _Trial(tagger.slots(words, (False,) * len(words), intent, probable[intent]).evidence, "stranger")


def _joined(tagger: Tagger, one: Sentence, two: Sentence) -> Iterator[_Trial]:
    """Two requests read as one."""
    words, pauses = (*one.words, *two.words), (*one.pauses, *two.pauses)
    probable = tagger.intents(words)
    intent = max(probable, key=lambda name: (probable[name], name))
    if intent != NONE:
        yield _Trial(tagger.slots(words, pauses, intent, probable[intent]).evidence, "two")


def _fitted(rows: Sequence[tuple[tuple[float, ...], bool]]) -> tuple[float, ...]:
    """Logistic regression by Newton's method, drawn gently toward what is believed before anything is seen.

    Probabilities never speak against a reading, nor strange words for it.
    """
    import numpy as np

    start = np.array(START)
    if not rows:
        return START
    inputs = np.array([row[0] for row in rows])
    right = np.array([float(row[1]) for row in rows])
    weights = start.copy()
    for _ in range(60):
        guess = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (guess - right) + (weights - start)
        bend = (inputs * (guess * (1 - guess))[:, None]).T @ inputs + np.eye(len(start))
        step = np.linalg.solve(bend, slope)
        weights = weights - step / max(1.0, float(np.linalg.norm(step)))  # short steps cannot overshoot
        weights[1:3], weights[3:] = np.maximum(weights[1:3], 0.0), np.minimum(weights[3:], 0.0)
    return tuple(float(one) for one in weights)
