"""A trained model at work on plain words: where requests begin, which intent, which slots, how sure."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dialogue.learned.features import (
    Knowledge,
    Span,
    boundary_features,
    frame_of,
    intent_features,
    slot_features,
    spans_of,
)
from dialogue.learned.model import Model
from dialogue.learned.sampling import BEGINS, INSIDE, NONE


@dataclass(frozen=True, slots=True)
class Guess:
    """How a stretch of words is best read: its intent (`NONE`: it is no request), its slots, and how sure.

    ``probability`` is the calibrated one of both being right, ``meant`` that of being such a request at all,
    ``whole`` that of being one and not two.
    """

    intent: str
    intent_probability: float
    slot_probability: float = 1.0
    spans: tuple[Span, ...] = ()
    evidence: tuple[float, ...] = ()
    probability: float = 0.0
    meant: float = 0.0
    whole: float = 0.0


@dataclass(frozen=True, slots=True)
class Edges:
    """Per word how probable it is that a request begins there, and that it is inside of one."""

    begins: tuple[float, ...]
    inside: tuple[float, ...]


def _opened(data: bytes) -> Any:
    import pycrfsuite

    tagger = pycrfsuite.Tagger()
    tagger.open_inmemory(data)
    return tagger


class Tagger:
    """Runs the taggers of a model; opened once."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._boundary = _opened(model.boundary) if model.boundary else None
        self._intents = _opened(model.intents)
        self._labels = sorted(self._intents.labels())
        self._slots = {intent: _opened(slots.tagger) for intent, slots in model.slots.items()}
        patterns = {name: [re.compile(one, re.IGNORECASE) for one in row] for name, row in model.patterns.items()}
        self._knowledge = {
            intent: Knowledge(slots.carriers, slots.known, slots.others, model.clusters, patterns)
            for intent, slots in model.slots.items()
        }

    def edges(self, words: Sequence[str], pauses: Sequence[bool]) -> Edges:
        """Where requests begin in a text of any number of them."""
        tagger, model = self._boundary, self.model
        assert tagger is not None  # only a model in calibration has none
        tagger.set(boundary_features(words, pauses, model.clusters, model.known))
        known = set(tagger.labels())
        begins, inside = (
            tuple(tagger.marginal(label, at) if label in known else 0.0 for at in range(len(words)))
            for label in (BEGINS, INSIDE)
        )
        return Edges(begins, inside)

    def intents(self, words: Sequence[str]) -> Mapping[str, float]:
        """The probability of each intent, and of none."""
        model = self.model
        self._intents.set([intent_features(words, model.clusters, model.words, model.carriers)])
        return {label: self._intents.marginal(label, 0) for label in self._labels}

    def read(self, words: Sequence[str], pauses: Sequence[bool]) -> Guess:
        """One request's most probable intent with its slots; the probability of none counts against it."""
        found = self.intents(words)
        intent = max(found, key=lambda name: (found[name], name))
        return self.slots(words, pauses, intent, found[intent])

    def slots(self, words: Sequence[str], pauses: Sequence[bool], intent: str, probability: float) -> Guess:
        """The slots of one request of a known intent."""
        tagger, labels, sure = self._slots.get(intent), ["O"] * len(words), 1.0
        if intent == NONE:
            return Guess(NONE, probability)
        if tagger is not None:
            labels = tagger.tag(slot_features(words, pauses, self._knowledge[intent]))
            sure = tagger.probability(labels)
        spans = spans_of(labels)
        found = self._evidence(words, intent, probability, sure, spans)
        one = self.model.calibration
        sures = (_sigmoid(weights, found) for weights in (one.right, one.meant, one.whole))
        return Guess(intent, probability, sure, spans, found, *sures)

    def _evidence(
        self, words: Sequence[str], intent: str, probability: float, sure: float, spans: Sequence[Span]
    ) -> tuple[float, ...]:
        """What speaks for and against a reading: the odds of both models, and what no example says so."""
        frame = frame_of(words, spans)
        known = self.model.frames.get(intent, frozenset())
        pairs = sum(pair not in known for pair in itertools.pairwise(frame))
        heard = self.model.outside.get(intent, frozenset())
        strange = sum(one[0] not in "{<>" and (one,) not in heard for one in frame)
        return 1.0, odds(probability), odds(sure), float(min(4, strange)), float(min(4, pairs))


def _sigmoid(weights: Sequence[float], inputs: Sequence[float]) -> float:
    total = sum(weight * value for weight, value in zip(weights, inputs, strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def odds(probability: float) -> float:
    """The logarithm of the odds, within sensible bounds."""
    bounded = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(bounded / (1 - bounded))
