"""The walk: what was heard becomes an utterance, a plan, effects and an answer. Read this file first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from dialogue.context import ContextState, Tracker
from dialogue.doing import Doing
from dialogue.events import Answered, AnyEvent, BotUttered, EffectHappened, UserUttered
from dialogue.instants import instant
from dialogue.interfaces import Clock, Executor, LivingHome, Policy, Splitter, TrackerStore, Voice
from dialogue.types import Effect, Hypothesis, NotDone, Plan, Transcript, Turn, Utterance

Decide: TypeAlias = Callable[[ContextState, datetime], tuple[Plan, Sequence[AnyEvent]]]

_ENDED = frozenset({"done", "failed", "unknown", "skipped", "cancelled", "undone"})


@dataclass(slots=True)
class Assistant:
    """One home's assistant. Hand it other parts to change what it hears, decides, does or remembers.

    One conversation is served in order, whichever thread or process is asked. ``keep`` is how long a turn is
    remembered after all of it has ended; None is for ever.
    """

    splitter: Splitter
    policy: Policy
    executor: Executor
    store: TrackerStore
    home: LivingHome
    voice: Voice
    clock: Clock
    keep: timedelta | None = None

    def hear(
        self,
        heard: str | Transcript | Sequence[Hypothesis],
        conversation: str = "default",
        *,
        message_id: str | None = None,
        area: str | None = None,
    ) -> Turn:
        """Understand, decide, do and answer: one turn. A message heard before gets the answer it got then.

        ``area`` is the id of the speaker's.
        """
        with self.store.alone(conversation):
            doing = self._begin(conversation)
            if message_id is not None and (turn := self._known(doing, message_id)) is not None:
                return turn
            tracker, now = doing.tracker, self.clock.now()
            utterance = self.splitter.split(hypotheses_of(heard), tracker.state)
            user = UserUttered(utterance.text, utterance.requests, message_id, now)
            plan, decided = self.policy.plan(utterance, tracker, now, area=area)
            doing.write(user, *decided)
            doing.not_done.extend(plan.not_done)
            doing.carry_out(plan.steps)
            return self._answer(doing, utterance, plan, message_id)

    def act(self, decide: Decide, conversation: str = "default") -> Turn:
        """Do what is decided without words, such as taking back one step at a button."""
        with self.store.alone(conversation):
            doing = self._begin(conversation)
            plan, decided = decide(doing.tracker.state, self.clock.now())
            doing.write(*decided)
            doing.not_done.extend(plan.not_done)
            doing.carry_out(plan.steps)
            return self._answer(doing, Utterance(""), plan, None)

    def advance(self, conversation: str = "default") -> Turn:
        """Do what has fallen due by now: scheduled steps, timers, alarms, reminders."""
        with self.store.alone(conversation):
            doing, now = self._begin(conversation), self.clock.now()
            while (moment := doing.next_due()) is not None and instant(moment) <= instant(now):
                doing.fall_due(moment)
            return self._tell(doing)

    def observe(self, effect: Effect, conversation: str = "default") -> Turn:
        """Take note of something that happened by itself, and do what waited for it."""
        with self.store.alone(conversation):
            doing = self._begin(conversation)
            self.home.apply(effect)
            doing.notice(effect)
            doing.ring(self.clock.now())
            return self._tell(doing)

    def next_due(self, conversation: str = "default") -> datetime | None:
        """When something of a conversation falls due next."""
        return self._doing(self.store.load(conversation)).next_due()

    # --- a turn -------------------------------------------------------------------------

    def _doing(self, tracker: Tracker) -> Doing:
        return Doing(self.store, self.executor, self.home, self.voice, self.clock, tracker)

    def _begin(self, conversation: str) -> Doing:
        """The conversation as it stands, with whatever the end of a process cut off taken up again."""
        self.home.replay(self.store.news())
        tracker = self.store.load(conversation)
        if self.keep is not None and _drop(self.store, tracker, self.clock.now() - self.keep):
            tracker = self.store.load(conversation)
        doing = self._doing(tracker)
        doing.resume()
        return doing

    def _answer(self, doing: Doing, utterance: Utterance, plan: Plan, message_id: str | None) -> Turn:
        """Say what a turn came to, once it is written down."""
        state, now = doing.tracker.state, self.clock.now()
        asked = state.questions[0] if state.questions else None
        scheduled = tuple(step for one in doing.scheduled if (step := state.steps[one]).status == "scheduled")
        spoken = self.voice.summary(
            self.home,
            doing.groups,
            now=now,
            scheduled=scheduled,
            question=asked,
            not_done=doing.not_done,
            answers=doing.answers,
        )
        turn = Turn(
            text=utterance.text,
            utterance=utterance,
            plan=replace(plan, steps=tuple(state.steps.get(step.id, step) for step in plan.steps)),
            effects=tuple(effect for group in doing.groups for effect in group),
            scheduled=scheduled,
            asked=asked,
            not_done=tuple(doing.not_done),
            responses=(spoken,) if spoken else (),
        )
        said = [BotUttered(spoken)] if spoken else []
        doing.write(*said, *([Answered(message_id, _kept(turn))] if message_id is not None else []))
        return turn

    def _tell(self, doing: Doing) -> Turn:
        """What has come of something nobody has said; nothing is said where nothing has."""
        if doing.groups or doing.not_done or doing.answers:
            return self._answer(doing, Utterance(""), Plan(), None)
        questions = doing.tracker.state.questions
        return Turn("", Utterance(""), asked=questions[0] if questions else None)

    def _known(self, doing: Doing, message_id: str) -> Turn | None:
        """The answer to a message that was heard before, put together anew where the first never came about."""
        events = doing.tracker.events
        for place in range(len(events) - 1, -1, -1):
            match events[place]:
                case Answered(message_id=known, turn=turn) if known == message_id:
                    return turn
                case UserUttered(message_id=known) as user if known == message_id:
                    return self._answered_late(doing, user, place)
        return None

    def _answered_late(self, doing: Doing, user: UserUttered, place: int) -> Turn:
        """The answer to a message whose steps a process has left, and others have ended since."""
        state = doing.tracker.state
        number = sum(isinstance(event, UserUttered) for event in doing.tracker.events[:place])
        steps = tuple(state.steps[one] for one in state.turns[number].steps)
        since = doing.tracker.events[place:]
        effects = [event for event in since if isinstance(event, EffectHappened)]
        doing.groups = [tuple(one.effect for one in effects if one.step_id == step.id) for step in steps]
        doing.scheduled = [step.id for step in steps if step.status == "scheduled"]
        ended = [step for step in steps if step.status in _ENDED - {"done"} and step.reverses is None]
        doing.not_done = [NotDone(step.text, step.reason) for step in ended]
        utterance = Utterance(user.text, user.requests)
        return self._answer(doing, utterance, Plan(steps), user.message_id)


def _kept(turn: Turn) -> Turn:
    """A turn without the readings that were not chosen."""
    return replace(turn, utterance=replace(turn.utterance, runners_up=(), dropped=()))


def _drop(store: TrackerStore, tracker: Tracker, before: datetime) -> bool:
    """Forget the oldest turns, up to the first that is newer or that is not over."""
    state, count, turns = tracker.state, 0, 0
    asked = {question.step for question in state.questions}
    starts = [place for place, event in enumerate(tracker.events) if isinstance(event, UserUttered)]
    for turn, end in zip(state.turns, [*starts[1:], len(tracker.events)], strict=False):
        time = tracker.events[end - 1].time
        open_steps = [one for one in turn.steps if state.steps[one].status not in _ENDED or one in asked]
        if open_steps or time is None or instant(time) > instant(before):
            break
        count, turns = end, turns + 1
    if turns:
        store.drop(tracker, count, turns)
    return turns > 0


def hypotheses_of(heard: str | Transcript | Sequence[Hypothesis]) -> Sequence[Hypothesis]:
    """Typed words, a transcript or hypotheses, as hypotheses."""
    if isinstance(heard, str):
        return (Hypothesis(heard),)
    return heard.hypotheses if isinstance(heard, Transcript) else heard
