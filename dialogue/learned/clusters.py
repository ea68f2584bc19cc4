"""Words that stand in like places: clusters from counts of neighbors, made from the examples alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

SIZES = (32, 128)
CONTEXTS, DIMENSIONS, ROUNDS, LEAST_COUNT = 300, 40, 15, 2
_STEPS = (-2, -1, 1, 2)


def word_clusters(sentences: Sequence[Sequence[str]], seed: int) -> dict[str, tuple[str, ...]]:
    """The clusters of each word that occurs more than once, one per size, from coarse to fine.

    Counts of neighbors become positive pointwise mutual information, reduced by singular values (Levy and
    Goldberg, 2014), and are grouped by spherical k-means (Dhillon and Modha, 2001).
    """
    count = Counter(word for sentence in sentences for word in sentence)
    words = sorted((word for word in count if count[word] >= LEAST_COUNT), key=lambda word: (-count[word], word))
    if len(words) < 2 * SIZES[0]:
        return {}
    vectors = _vectors(sentences, words)
    random = np.random.default_rng(seed)
    groups = [_grouped(vectors, size, random) for size in SIZES if 2 * size <= len(words)]
    found = {word: tuple(f"{group[at]}" for group in groups) for at, word in enumerate(words)}
    return {word: row if len(row) > 1 else row * 2 for word, row in found.items()}


def _vectors(sentences: Sequence[Sequence[str]], words: Sequence[str]) -> Any:
    place = {word: at for at, word in enumerate(words)}
    width = CONTEXTS + 2
    counts = np.zeros((len(words), len(_STEPS) * width))
    for sentence in sentences:
        for at, word in enumerate(sentence):
            if word not in place:
                continue
            for turn, step in enumerate(_STEPS):
                inside = 0 <= at + step < len(sentence)
                near = min(place.get(sentence[at + step], CONTEXTS), CONTEXTS) if inside else CONTEXTS + 1
                counts[place[word], turn * width + near] += 1
    expected = counts.sum(1, keepdims=True) @ counts.sum(0, keepdims=True) / counts.sum()
    information = np.log(np.where(counts > 0, counts, 1) / np.where(expected > 0, expected, 1))
    information = np.where(counts > 0, np.maximum(information, 0), 0)
    left, values, _ = np.linalg.svd(information, full_matrices=False)
    return _unit(left[:, :DIMENSIONS] * np.sqrt(values[:DIMENSIONS]))


def _unit(rows: Any) -> Any:
    return rows / (np.linalg.norm(rows, axis=-1, keepdims=True) + 1e-9)


def _grouped(vectors: Any, size: int, random: np.random.Generator) -> Any:
    centers = vectors[random.choice(len(vectors), size, replace=False)]
    for _ in range(ROUNDS):
        nearest = (vectors @ centers.T).argmax(1)
        for number in range(size):
            members = vectors[nearest == number]
            if len(members):
                centers[number] = _unit(members.mean(0))
    return nearest
