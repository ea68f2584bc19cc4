"""The tracker: a conversation as a list of events, and the state that replaying them gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dialogue.events import (
    AnyEvent,
    EffectHappened,
    Mentioned,
    QuestionAsked,
    QuestionClosed,
    SlotSet,
    StepChanged,
    StepPlanned,
    UserUttered,
)
from dialogue.types import Effect, Question, Request, Step, Value


@dataclass(frozen=True, slots=True)
class PastTurn:
    """One earlier turn: what was asked for, and the ids of the steps it led to."""

    text: str
    requests: tuple[Request, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContextState:
    """What is remembered of a conversation.

    ``mentioned`` holds, per turn (newest last), a group of device ids per request. ``effects`` holds, per step id,
    what the step changed, with the values before.
    """

    turns: tuple[PastTurn, ...] = ()
    steps: Mapping[str, Step] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    effects: Mapping[str, tuple[Effect, ...]] = field(default_factory=dict)
    mentioned: tuple[tuple[tuple[str, ...], ...], ...] = ()
    slots: Mapping[str, Value] = field(default_factory=dict)

    @property
    def last_requests(self) -> tuple[Request, ...]:
        """The requests of the newest turn that had any."""
        return next((turn.requests for turn in reversed(self.turns) if turn.requests), ())


@dataclass(slots=True)
class Tracker:
    """A conversation: its name, its events, and the state after the last of them.

    The ids of its steps begin with ``mark``, which a store gives to no other conversation, ever: one that is
    forgotten and begun anew under the same name, or in another journal, has steps of its own. ``dropped_events``
    and ``dropped_turns`` tell how much there was before the first of the events that is no longer kept.
    """

    conversation: str
    events: list[AnyEvent] = field(default_factory=list)
    state: ContextState = field(default_factory=ContextState)
    mark: str = ""
    dropped_events: int = 0
    dropped_turns: int = 0

    def __post_init__(self) -> None:
        self.mark = self.mark or self.conversation

    @property
    def length(self) -> int:
        """How many events the conversation has had, those dropped included."""
        return self.dropped_events + len(self.events)

    @property
    def turns(self) -> int:
        """How many turns the conversation has had, those dropped included."""
        return self.dropped_turns + len(self.state.turns)

    @classmethod
    def replayed(cls, conversation: str, events: Iterable[AnyEvent]) -> Tracker:
        tracker = cls(conversation)
        for event in events:
            tracker.append(event)
        return tracker

    def append(self, event: AnyEvent) -> None:
        self.events.append(event)
        self.state = after(self.state, event)


def after(state: ContextState, event: AnyEvent) -> ContextState:
    """The state once ``event`` has happened. Events that change nothing remembered leave it as it is."""
    match event:
        case UserUttered():
            return replace(state, turns=(*state.turns, PastTurn(event.text, event.requests)))
        case StepPlanned(step=step):
            return _with_step_of_turn(replace(state, steps={**state.steps, step.id: step}), step.id)
        case StepChanged():
            return _changed(state, event)
        case EffectHappened(step_id=step_id, effect=effect):
            known = state.effects.get(step_id, ())
            return replace(state, effects={**state.effects, step_id: (*known, effect)})
        case QuestionAsked(question=question):
            return replace(state, questions=(*state.questions, question))
        case QuestionClosed(step_id=step_id, slot=slot):
            left = tuple(q for q in state.questions if (q.step, q.slot) != (step_id, slot))
            return replace(state, questions=left)
        case Mentioned(groups=groups):
            return replace(state, mentioned=(*state.mentioned, groups))
        case SlotSet(name=name, value=value):
            return replace(state, slots={**state.slots, name: value})
        case _:
            return state


def _with_step_of_turn(state: ContextState, step_id: str) -> ContextState:
    if not state.turns:
        return state
    *earlier, last = state.turns
    return replace(state, turns=(*earlier, replace(last, steps=(*last.steps, step_id))))


def _changed(state: ContextState, event: StepChanged) -> ContextState:
    step = state.steps.get(event.step_id)
    if step is None:
        return state
    slots = step.slots if event.slots is None else event.slots
    schedule = event.schedule or step.schedule
    changed = replace(step, status=event.status, reason=event.reason, slots=slots, schedule=schedule)
    return replace(state, steps={**state.steps, step.id: changed})
