"""A trained reader as plain data: what training makes, and what the cache on disk holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dialogue.learned.features import Known

START = (0.0, 0.5, 0.5, -0.5, -0.5)
"""Weights of evidence before anything is known: nothing, the intent, the slots, strange words, strange pairs."""


@dataclass(frozen=True, slots=True)
class SlotModel:
    """How to find the slots of one intent: a trained tagger with what its features need."""

    tagger: bytes
    carriers: frozenset[str]
    known: Known
    others: Known


@dataclass(frozen=True, slots=True)
class Calibration:
    """How evidence becomes a probability (Platt, 1999): that a reading is ``right`` in all, that the words are
    ``meant`` for its intent at all, and that they are one ``whole`` request and not two. Each holds weights for
    the inputs of `dialogue.learned.tagging.Tagger`.
    """

    right: tuple[float, ...] = START
    meant: tuple[float, ...] = START
    whole: tuple[float, ...] = START


@dataclass(frozen=True, slots=True)
class Model:
    """Everything learned.

    ``outside`` holds per intent the runs of up to four words seen outside slots, ``inside`` per slot the words
    seen in its values, ``frames`` per intent the pairs of neighbors where a value counts as one word.
    """

    boundary: bytes
    intents: bytes
    slots: Mapping[str, SlotModel]
    known: Known
    words: frozenset[str]
    carriers: frozenset[str]
    clusters: Mapping[str, tuple[str, ...]]
    patterns: Mapping[str, tuple[str, ...]]
    synonyms: Mapping[str, str]
    outside: Mapping[str, frozenset[tuple[str, ...]]]
    inside: Mapping[str, frozenset[str]]
    frames: Mapping[str, frozenset[tuple[str, str]]]
    calibration: Calibration = field(default_factory=Calibration)
