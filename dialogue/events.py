"""What the tracker remembers: an append-only list of these. State is what replaying them gives.

Names follow rasa-sdk where it has one (``user``, ``bot``, ``action``, ``slot``); ``event`` tags the union.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from dialogue.types import Effect, Question, Request, Schedule, Step, StepStatus, Turn, Value


@dataclass(frozen=True, slots=True)
class UserUttered:
    """A turn of the user: the words and the requests read in them."""

    text: str
    requests: tuple[Request, ...] = ()
    message_id: str | None = None
    time: datetime | None = None
    event: Literal["user"] = "user"


@dataclass(frozen=True, slots=True)
class BotUttered:
    """What was answered, after it was committed."""

    text: str
    time: datetime | None = None
    event: Literal["bot"] = "bot"


@dataclass(frozen=True, slots=True)
class Answered:
    """All that a message with an id came to: what it is answered with if it is delivered again."""

    message_id: str
    turn: Turn
    time: datetime | None = None
    event: Literal["answered"] = "answered"


@dataclass(frozen=True, slots=True)
class SlotSet:
    """A slot remembered across turns."""

    name: str
    value: Value
    time: datetime | None = None
    event: Literal["slot"] = "slot"


@dataclass(frozen=True, slots=True)
class StepPlanned:
    """A step exists from now on, with all that is known of it."""

    step: Step
    turn: int = 0
    time: datetime | None = None
    event: Literal["step_planned"] = "step_planned"


@dataclass(frozen=True, slots=True)
class StepChanged:
    """A step's status or slots changed. ``running`` is written before the effect, the outcome after it."""

    step_id: str
    status: StepStatus
    reason: str = ""
    slots: Mapping[str, Value] | None = None
    schedule: Schedule | None = None
    time: datetime | None = None
    event: Literal["step_changed"] = "step_changed"


@dataclass(frozen=True, slots=True)
class EffectHappened:
    """The world changed; ``effect.before`` is what undo goes back to."""

    step_id: str
    effect: Effect
    time: datetime | None = None
    event: Literal["effect"] = "effect"


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """A question joined the agenda."""

    question: Question
    time: datetime | None = None
    event: Literal["question_asked"] = "question_asked"


@dataclass(frozen=True, slots=True)
class QuestionClosed:
    """A question left the agenda: answered, withdrawn or expired."""

    step_id: str
    slot: str
    why: Literal["answered", "withdrawn", "expired"] = "answered"
    time: datetime | None = None
    event: Literal["question_closed"] = "question_closed"


@dataclass(frozen=True, slots=True)
class Mentioned:
    """Device ids spoken of in this turn, one group per request, in the order they were said."""

    groups: tuple[tuple[str, ...], ...]
    time: datetime | None = None
    event: Literal["mentioned"] = "mentioned"


AnyEvent: TypeAlias = (
    UserUttered
    | BotUttered
    | Answered
    | SlotSet
    | StepPlanned
    | StepChanged
    | EffectHappened
    | QuestionAsked
    | QuestionClosed
    | Mentioned
)
Event: TypeAlias = Annotated[AnyEvent, "discriminated by .event"]
