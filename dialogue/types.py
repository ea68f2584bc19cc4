"""What passes between the steps of the walk. Everything here is frozen: made once, read by anyone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

Value: TypeAlias = str | int | float | bool | list[Any] | dict[str, Any] | None

# --- heard ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Sound: 16-bit little-endian mono PCM at ``sample_rate`` hertz."""

    pcm: bytes
    sample_rate: int

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.sample_rate


@dataclass(frozen=True, slots=True)
class Word:
    """One recognized word; ``start`` and ``end`` in seconds from the start of the sound."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One way to hear the sound. ``score`` ranks hypotheses of one transcript; it is not a probability."""

    text: str
    score: float = 0.0
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the recognizer heard, best hypothesis first; empty when it heard nothing."""

    hypotheses: tuple[Hypothesis, ...]
    final: bool = True
    seconds: float = 0.0

    @property
    def text(self) -> str:
        return self.hypotheses[0].text if self.hypotheses else ""


# --- understood -------------------------------------------------------------------------

SegmentKind: TypeAlias = Literal["request", "fragment", "operator", "filler", "unexplained"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of tokens and who owns it; ``start`` and ``end`` count tokens, ``label`` names the owner.

    ``cost`` is what the search paid for it; ``meant`` the sentence that a fragment was read as.
    """

    kind: SegmentKind
    label: str
    text: str
    start: int
    end: int
    cost: float = 0.0
    meant: str = ""


@dataclass(frozen=True, slots=True)
class Entity:
    """A slot value found in words: ``value`` as meant, ``text`` as said ('' when the grammar supplied it)."""

    name: str
    value: Value
    text: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """A spoken time not yet tied to a clock; what was not said is None.

    ``seconds`` is an offset ("in ten minutes") or a length ("for ten minutes"); the clock fields
    (``hour`` to ``second``) are as said, so ``hour=10`` without ``meridiem`` may be morning or evening.
    ``day`` counts from today, ``weekday`` from Monday = 0, ``repeat`` is a unit word ("day", "weekday", ...),
    ``week`` counts calendar weeks from this one ("thursday next week"), ``more_weekdays`` are those of a repeat
    beside ``weekday`` ("mondays and thursdays").
    """

    seconds: float | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    meridiem: Literal["am", "pm"] | None = None
    part: str | None = None
    day: int | None = None
    weekday: int | None = None
    more_weekdays: tuple[int, ...] = ()
    week: int | None = None
    month: int | None = None
    day_of_month: int | None = None
    repeat: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be, or must happen, before a step runs.

    ``target`` is a device id, ``timer``, or None for what the home cannot know (then it is never promised).
    ``event`` is true for a change to wait for ("when it rains"), false for a state to look at now.
    """

    target: str | None
    attribute: str = "state"
    comparison: Literal["=", "!=", "<", ">"] = "="
    value: Value = None
    event: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class When:
    """A time or condition that qualifies a request, as said."""

    kind: Literal["at", "for", "until", "every", "on", "if", "unless"]
    text: str
    moment: Moment | None = None
    condition: Condition | None = None
    entities: tuple[Entity, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """One intent with its entities: what a stretch of words can mean.

    ``domains`` are the kinds of devices the sentence speaks of (empty: any); ``bare`` marks a name that was said
    without a verb.
    """

    intent: str
    entities: tuple[Entity, ...] = ()
    domains: tuple[str, ...] = ()
    bare: bool = False

    def get(self, name: str) -> Value:
        """The value of the first entity called ``name``, or None."""
        return next((entity.value for entity in self.entities if entity.name == name), None)


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked for. ``text`` is as said, ``meant`` the full sentence it was read as.

    ``alternatives`` are readings of equal standing that only the context can tell apart. ``after`` holds
    indexes of requests of the same utterance that come first. ``held`` holds words that touch the request
    and that nothing explains: such a request is not run, it is asked about. ``known_as`` is how the grammar reads
    the request together with its time as one sentence ("in an hour turn off the lights" is Home Assistant's
    HassStartTimer with a command); it means the same and is told in place of ``reading``.
    """

    text: str
    meant: str
    reading: Reading
    start: int
    end: int
    alternatives: tuple[Reading, ...] = ()
    negated: bool = False
    exceptions: tuple[Request, ...] = ()
    when: tuple[When, ...] = ()
    after: tuple[int, ...] = ()
    if_done: bool = False
    held: str = ""
    replaces: bool = False
    known_as: Reading | None = None
    source: Literal["grammar", "learned"] = "grammar"
    confidence: float = 1.0

    @property
    def intent(self) -> str:
        return self.reading.intent

    @property
    def entities(self) -> tuple[Entity, ...]:
        return self.reading.entities


@dataclass(frozen=True, slots=True)
class Utterance:
    """The reading chosen for what was heard; segments own every word of ``text``.

    ``cost`` is the sum over the segments, and a little for what was left hanging; lower is better. ``runners_up``
    are readings that would act differently, the cheapest first: of the same words, or of another hypothesis.
    ``retracted`` is true when all that was said before was taken back; ``dropped`` are requests that a correction
    replaced: they are never run, but "the fan" after them still means the fan they spoke of.
    """

    text: str
    requests: tuple[Request, ...] = ()
    unexplained: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    cost: float = 0.0
    retracted: bool = False
    dropped: tuple[Request, ...] = ()
    runners_up: tuple[Utterance, ...] = ()


# --- decided and done -------------------------------------------------------------------

StepStatus: TypeAlias = Literal[
    "pending",
    "asking",
    "confirming",
    "scheduled",
    "running",
    "done",
    "failed",
    "unknown",
    "skipped",
    "cancelled",
    "undone",
]


@dataclass(frozen=True, slots=True)
class Question:
    """What must be answered before a step can run; ``slot`` is the slot the answer fills."""

    step: str
    slot: str
    text: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a step runs: at a local time, on a condition, or (``every``) again and again."""

    at: datetime | None = None
    on: Condition | None = None
    every: Moment | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """One change of the world: ``change`` maps attributes to new values, ``before`` to the values undo needs."""

    target: str
    change: Mapping[str, Value]
    before: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One action with its slots. The id never changes: it is the idempotency key of the effect."""

    id: str
    action: str
    slots: Mapping[str, Value]
    text: str
    status: StepStatus = "pending"
    waits_for: tuple[str, ...] = ()
    if_done: bool = False
    schedule: Schedule | None = None
    conditions: tuple[Condition, ...] = ()
    question: Question | None = None
    reason: str = ""
    reverses: str | None = None


@dataclass(frozen=True, slots=True)
class NotDone:
    """Words heard that were neither done, nor planned, nor asked about, and why."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps one utterance led to, in the order they were said, and what could not become a step."""

    steps: tuple[Step, ...] = ()
    not_done: tuple[NotDone, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of an action came to."""

    status: Literal["done", "failed", "unknown", "asking"]
    effects: tuple[Effect, ...] = ()
    responses: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """All of one exchange: what `hear` returns, the API sends and the tests compare."""

    text: str
    utterance: Utterance
    plan: Plan = field(default_factory=Plan)
    effects: tuple[Effect, ...] = ()
    scheduled: tuple[Step, ...] = ()
    asked: Question | None = None
    not_done: tuple[NotDone, ...] = ()
    responses: tuple[str, ...] = ()
