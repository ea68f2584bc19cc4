"""How well the understanding reads a set of examples: reading them, and the numbers that tell it.

The examples are single requests (Rasa's NLU YAML). Slots are compared as said or as meant; a slot value that the
grammar supplies without a word being said for it cannot be marked in an example and counts only where it fits.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

from dialogue.context import ContextState
from dialogue.errors import ConfigurationError, GrammarError
from dialogue.grammar.tokens import tokenize
from dialogue.types import Entity, Hypothesis, Reading, Request, Utterance

if TYPE_CHECKING:
    from dialogue.config import Configuration
    from dialogue.learned.examples import Example, Lessons
    from dialogue.splitter import GrammarSplitter

OUT_OF_SCOPE = frozenset({"out_of_scope", "nlu_fallback"})
NOTHING, SEVERAL = "(no request)", "(several)"
"""What stands in an intent's place where none, or more than one, was read."""
BINS = 10
SEED = 20
Z_95 = 1.959964
SHOWN_EXAMPLES = 3


# --- one example ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """One example and what was read in it.

    ``meant`` and ``read`` are intents, or `NOTHING` or `SEVERAL`. The slots are names, once for each value:
    those marked, those read, and those that are both with the same value. ``held`` says that a request would not
    run as it is (negated, with exceptions, or beside words that nothing explains). ``confidence`` is the
    probability that all its requests are right; None without any.
    """

    text: str
    meant: str
    read: str
    exact: bool = False
    slots_meant: tuple[str, ...] = ()
    slots_read: tuple[str, ...] = ()
    slots_right: tuple[str, ...] = ()
    held: bool = False
    confidence: float | None = None
    milliseconds: float = 0.0


def case_of(
    example: Example, synonyms: Mapping[str, str], utterance: Utterance, milliseconds: float = 0.0
) -> Case:
    """Compare an example with what was read in it; ``synonyms`` maps folded words to what they mean."""
    readings = [one.known_as or one.reading for one in utterance.requests]
    meant = NOTHING if example.intent in OUT_OF_SCOPE else example.intent
    read = readings[0].intent if len(readings) == 1 else SEVERAL if readings else NOTHING
    marked, right, found = _slots(example, synonyms, readings)
    held = any(_held(request) for request in utterance.requests)
    return Case(
        text=example.text,
        meant=meant,
        read=read,
        exact=read == meant and len(right) == len(marked) == len(found) and not held,
        slots_meant=tuple(marked),
        slots_read=tuple(found),
        slots_right=tuple(right),
        held=held,
        confidence=math.prod(one.confidence for one in utterance.requests) if readings else None,
        milliseconds=milliseconds,
    )


def _held(request: Request) -> bool:
    return bool(request.negated or request.held or request.exceptions)


def _slots(
    example: Example, synonyms: Mapping[str, str], readings: Sequence[Reading]
) -> tuple[list[str], list[str], list[str]]:
    """The names of the slots marked, of those read rightly, and of those read."""
    left = [entity for reading in readings for entity in reading.entities]
    found = [entity.name for entity in left if entity.text]
    marked, right = list[str](), list[str]()
    for mark in example.marks:
        said = example.text[mark.start : mark.end]
        wanted = {_compared(said), _compared(mark.value or synonyms.get(_folded(said), said))}
        marked.append(mark.slot)
        hit = next((one for one in left if one.name == mark.slot and _is(one, wanted)), None)
        if hit is not None:
            left.remove(hit)
            right.append(mark.slot)
            found += [] if hit.text else [mark.slot]
    return marked, right, found


def _is(entity: Entity, wanted: set[str]) -> bool:
    return bool(wanted & {_compared(entity.text), _compared(str(entity.value))} - {""})


def _compared(words: str) -> str:
    """Words without what nobody says: case, spaces, punctuation."""
    return " ".join(token.word for token in tokenize(words))


def _folded(words: str) -> str:
    from dialogue.learned.examples import folded

    return folded(words)


# --- all examples -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Score:
    """How one intent or slot was read: ``right`` of ``found`` readings are among the ``support`` meant."""

    name: str
    right: int
    found: int
    support: int

    @property
    def precision(self) -> float | None:
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        return self.right / self.support if self.support else None

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.found + self.support) if self.found + self.support else 0.0


@dataclass(frozen=True, slots=True)
class Share:
    """``right`` of ``count``."""

    right: int
    count: int

    @property
    def share(self) -> float:
        return self.right / self.count if self.count else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.right, self.count)


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often one intent was read as another, with a few of the sentences."""

    meant: str
    read: str
    count: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """The readings whose confidence lies above ``low`` and up to ``high``: their mean ``confidence`` and the share
    that is ``right``; both are 0 where ``count`` is.
    """

    low: float
    high: float
    count: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All numbers of one evaluation. ``matrix`` counts (meant, read); ``folds`` is 0 without cross-validation."""

    exact: Share
    intent: Share
    out_of_scope: Share
    nothing: int
    several: int
    held: int
    intents: tuple[Score, ...]
    slots: tuple[Score, ...]
    all_slots: Score
    matrix: tuple[Confusion, ...]
    bins: tuple[Bin, ...]
    calibration_error: float | None
    median_ms: float
    slowest: Case
    folds: int = 0

    @property
    def confusions(self) -> tuple[Confusion, ...]:
        """The intents read wrongly, most frequent first."""
        wrong = [one for one in self.matrix if one.meant != one.read]
        return tuple(sorted(wrong, key=lambda one: (-one.count, one.meant, one.read)))


def evaluation_of(cases: Sequence[Case], *, folds: int = 0) -> Evaluation:
    """The numbers of at least one case."""
    strangers = [case for case in cases if case.meant == NOTHING]
    bins = reliability([(case.confidence, case.exact) for case in cases if case.confidence is not None])
    slots = _slot_scores(cases)
    return Evaluation(
        exact=Share(sum(case.exact for case in cases), len(cases)),
        intent=Share(sum(case.read == case.meant for case in cases), len(cases)),
        out_of_scope=Share(sum(case.read == NOTHING for case in strangers), len(strangers)),
        nothing=sum(case.read == NOTHING != case.meant for case in cases),
        several=sum(case.read == SEVERAL for case in cases),
        held=sum(case.held for case in cases),
        intents=_intent_scores(cases),
        slots=slots,
        all_slots=Score(
            "all",
            sum(one.right for one in slots),
            sum(one.found for one in slots),
            sum(one.support for one in slots),
        ),
        matrix=_matrix(cases),
        bins=bins,
        calibration_error=calibration_error(bins),
        median_ms=median(case.milliseconds for case in cases),
        slowest=max(cases, key=lambda case: case.milliseconds),
        folds=folds,
    )


def _intent_scores(cases: Sequence[Case]) -> tuple[Score, ...]:
    meant = Counter(case.meant for case in cases)
    read = Counter(case.read for case in cases)
    right = Counter(case.meant for case in cases if case.meant == case.read)
    names = (meant.keys() | read.keys()) - {SEVERAL} - ({NOTHING} - meant.keys())
    return tuple(Score(name, right[name], read[name], meant[name]) for name in sorted(names))


def _slot_scores(cases: Sequence[Case]) -> tuple[Score, ...]:
    meant = Counter(name for case in cases for name in case.slots_meant)
    read = Counter(name for case in cases for name in case.slots_read)
    right = Counter(name for case in cases for name in case.slots_right)
    return tuple(Score(name, right[name], read[name], meant[name]) for name in sorted(meant.keys() | read.keys()))


def _matrix(cases: Sequence[Case]) -> tuple[Confusion, ...]:
    texts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for case in cases:
        texts[case.meant, case.read].append(case.text)
    return tuple(
        Confusion(meant, read, len(several), tuple(several[:SHOWN_EXAMPLES]))
        for (meant, read), several in sorted(texts.items())
    )


def wilson(right: int, count: int, z: float = Z_95) -> tuple[float, float]:
    """The interval that a share lies in, by default with 95 % confidence; from 0 to 1 where nothing was counted.

    Wilson's score interval: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
    Journal of the American Statistical Association 22 (1927).
    """
    if not count:
        return 0.0, 1.0
    share, squared = right / count, z * z / count
    center = (share + squared / 2) / (1 + squared)
    half = z * math.sqrt(share * (1 - share) / count + squared / (4 * count)) / (1 + squared)
    return max(0.0, center - half), min(1.0, center + half)


def reliability(pairs: Iterable[tuple[float, bool]]) -> tuple[Bin, ...]:
    """Pairs of a confidence (0 to 1) and whether it was right, in `BINS` bins of equal width."""
    inside: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, right in pairs:
        inside[min(BINS - 1, max(0, math.ceil(round(confidence * BINS, 9)) - 1))].append((confidence, right))
    return tuple(_bin(number, inside[number]) for number in range(BINS))


def _bin(number: int, pairs: Sequence[tuple[float, bool]]) -> Bin:
    count = len(pairs)
    confidence = sum(pair[0] for pair in pairs) / max(1, count)
    right = sum(pair[1] for pair in pairs) / max(1, count)
    return Bin(number / BINS, (number + 1) / BINS, count, confidence, right)


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """The expected calibration error: how far confidence is from the share right; None without readings.

    M. P. Naeini, G. Cooper and M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    AAAI 2015.
    """
    count = sum(one.count for one in bins)
    return sum(one.count * abs(one.confidence - one.right) for one in bins) / count if count else None


# --- reading the examples ---------------------------------------------------------------


def evaluate(configuration: Configuration, tests: Sequence[Path], folds: int) -> Evaluation:
    """Read test files; without any, cross-validate over the examples of the grammar folders.

    Errors: `GrammarError` with file and line; `ConfigurationError` where there is nothing to read.
    """
    if tests:
        return evaluation_of(list(_tested(configuration, tests)))
    if not configuration.grammars:
        raise ConfigurationError(
            "nothing to evaluate: name test files with examples ('onebreath evaluate TEST.yml'), or a folder to "
            "cross-validate over ('--grammars DIR')"
        )
    return _cross_validated(configuration, folds)


def read_tests(language: str, paths: Sequence[Path]) -> Lessons:
    """The examples of test files. Errors: `GrammarError` where a file is broken or holds none."""
    from dialogue.grammar import sentences

    source = sentences.Source(language)
    for path in paths:
        if path.is_dir():
            raise GrammarError(f"{path}: is a folder; name the test files in it, such as {path / 'test.yml'}")
        before = len(source.lessons.examples)
        sentences.add_file(source, path)
        if len(source.lessons.examples) == before:
            raise GrammarError(
                f"{path}: holds no examples; write 'nlu:' and below it '- intent: name' with examples"
            )
    return source.lessons


def _tested(configuration: Configuration, paths: Sequence[Path]) -> Iterator[Case]:
    from dialogue.config import load_splitter

    lessons = read_tests(configuration.language, paths)
    splitter = load_splitter(configuration)
    for example in _shown(lessons.examples, "reading", "line"):
        yield _case(splitter, example, lessons.synonyms)


def _cross_validated(configuration: Configuration, folds: int) -> Evaluation:
    """Each part of the folders' own examples is read by a reader that was taught the others."""
    from dialogue.config import load_grammar
    from dialogue.learned.reader import LearnedReader, lessons_of
    from dialogue.splitter import GrammarSplitter

    grammar = load_grammar(configuration)
    lessons = lessons_of(grammar, configuration.grammars)
    parts = parted(lessons.examples, folds)
    if len(parts) < 2:
        where = ", ".join(str(folder) for folder in configuration.grammars)
        raise ConfigurationError(
            f"{where}: cross-validation takes two different examples at least, here are {len(parts) or 'none'}; "
            "add some under 'nlu:', or name test files"
        )
    cases: list[Case] = []
    for part in _shown(parts, "folds", "fold"):
        splitter = GrammarSplitter(grammar, LearnedReader.without(grammar, configuration.grammars, part))
        cases += [_case(splitter, example, lessons.synonyms) for example in part]
    return evaluation_of(cases, folds=len(parts))


def parted(examples: Sequence[Example], folds: int) -> list[list[Example]]:
    """At most so many parts, with a like share of each intent; what is said twice is in one part only."""
    said: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        said[_compared(example.text)].append(example)
    several = list(said.values())
    Random(SEED).shuffle(several)
    several.sort(key=lambda same: same[0].intent)
    parts: list[list[Example]] = [[] for _ in range(min(folds, len(several)))]
    for at, same in enumerate(several):
        parts[at % len(parts)] += same
    return parts


def _case(splitter: GrammarSplitter, example: Example, synonyms: Mapping[str, str]) -> Case:
    started = time.perf_counter()
    utterance = splitter.split((Hypothesis(example.text),), ContextState())
    return case_of(example, synonyms, utterance, (time.perf_counter() - started) * 1000)


Shown = TypeVar("Shown")


def _shown(things: Sequence[Shown], title: str, unit: str) -> Iterable[Shown]:
    """The things, with a bar on standard error where it is a terminal."""
    from tqdm import tqdm

    return tqdm(things, desc=title, unit=unit, disable=None, dynamic_ncols=True)


# --- for machines -----------------------------------------------------------------------


def evaluation_shape(evaluation: Evaluation) -> dict[str, Any]:
    """All numbers as JSON; shares are from 0 to 1, and null where there is nothing to share."""
    return {
        "examples": evaluation.exact.count,
        "folds": evaluation.folds,
        "exact_match": _share_shape(evaluation.exact),
        "intent_accuracy": _share_shape(evaluation.intent),
        "out_of_scope": _share_shape(evaluation.out_of_scope),
        "no_request": evaluation.nothing,
        "several_requests": evaluation.several,
        "held": evaluation.held,
        "intents": {score.name: _score_shape(score) for score in evaluation.intents},
        "slots": {score.name: _score_shape(score) for score in evaluation.slots},
        "all_slots": _score_shape(evaluation.all_slots),
        "confusion": [
            {"meant": one.meant, "read": one.read, "count": one.count, "examples": list(one.texts)}
            for one in evaluation.matrix
        ],
        "calibration": {
            "expected_error": _rounded(evaluation.calibration_error),
            "bins": [_bin_shape(one) for one in evaluation.bins],
        },
        "milliseconds": {
            "median": round(evaluation.median_ms, 3),
            "slowest": round(evaluation.slowest.milliseconds, 3),
            "slowest_text": evaluation.slowest.text,
        },
    }


def _share_shape(share: Share) -> dict[str, Any]:
    if not share.count:
        return {"right": 0, "count": 0, "share": None, "interval": None}
    interval = [_rounded(end) for end in share.interval]
    return {"right": share.right, "count": share.count, "share": _rounded(share.share), "interval": interval}


def _score_shape(score: Score) -> dict[str, Any]:
    return {
        "precision": _rounded(score.precision),
        "recall": _rounded(score.recall),
        "f1": _rounded(score.f1),
        "support": score.support,
    }


def _bin_shape(one: Bin) -> dict[str, Any]:
    confidence, right = (_rounded(one.confidence), _rounded(one.right)) if one.count else (None, None)
    return {"low": one.low, "high": one.high, "count": one.count, "confidence": confidence, "right": right}


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
