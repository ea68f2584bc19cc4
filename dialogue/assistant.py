"""The walk: what was heard becomes an utterance, a plan, effects and an answer. Read this file first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from dialogue import scheduler
from dialogue.context import ContextState, Tracker
from dialogue.events import AnyEvent, BotUttered, EffectHappened, StepChanged, UserUttered
from dialogue.interfaces import Clock, Executor, Home, Policy, Splitter, Tick, TrackerStore
from dialogue.types import (
    Effect,
    Hypothesis,
    NotDone,
    Outcome,
    Plan,
    Question,
    Schedule,
    Step,
    Transcript,
    Turn,
    Utterance,
    Value,
)


class LivingHome(Home, Protocol):
    """A home in which time passes and things happen by themselves."""

    def tick(self, now: datetime) -> Tick: ...

    def next_due(self) -> datetime | None: ...

    def apply(self, effect: Effect) -> None: ...

    def before(self, device_id: str, change: dict[str, Value]) -> dict[str, Value]: ...

    def forget(self, conversation: str) -> None: ...


Decide: TypeAlias = Callable[[ContextState, datetime], tuple[Plan, Sequence[AnyEvent]]]


class Voice(Protocol):
    """Says what a turn came to, in one or two sentences."""

    def summary(
        self,
        home: Home,
        effects: Sequence[Sequence[Effect]],
        *,
        now: datetime,
        scheduled: Sequence[Step] = (),
        question: Question | None = None,
        not_done: Sequence[NotDone] = (),
        answers: Sequence[str] = (),
    ) -> str: ...


@dataclass(slots=True)
class _Happened:
    """What a turn has come to so far."""

    groups: list[tuple[Effect, ...]] = field(default_factory=list)
    scheduled: list[str] = field(default_factory=list)
    not_done: list[NotDone] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Assistant:
    """One home's assistant. Hand it other parts to change what it hears, decides, does or remembers."""

    splitter: Splitter
    policy: Policy
    executor: Executor
    store: TrackerStore
    home: LivingHome
    voice: Voice
    clock: Clock

    def hear(
        self,
        heard: str | Transcript | Sequence[Hypothesis],
        conversation: str = "default",
        *,
        message_id: str | None = None,
        area: str | None = None,
    ) -> Turn:
        """Understand, decide, do and answer: one turn of a conversation. ``area`` is the id of the speaker's."""
        now = self.clock.now()
        tracker = self.store.load(conversation)
        utterance = self.splitter.split(hypotheses_of(heard), tracker.state)
        user = UserUttered(utterance.text, utterance.requests, message_id, now)
        plan, decided = self.policy.plan(utterance, tracker, now, area=area)
        self.store.append(tracker, [user, *decided])
        happened = _Happened(not_done=list(plan.not_done))
        for step in plan.steps:
            self._carry_out(step, tracker, happened)
        return self._turn(tracker, utterance, plan, happened)

    def act(self, decide: Decide, conversation: str = "default") -> Turn:
        """Do what is decided without words, such as taking back one step at a button."""
        tracker = self.store.load(conversation)
        plan, decided = decide(tracker.state, self.clock.now())
        self.store.append(tracker, decided)
        happened = _Happened(not_done=list(plan.not_done))
        for step in plan.steps:
            self._carry_out(step, tracker, happened)
        return self._turn(tracker, Utterance(""), plan, happened)

    def advance(self, conversation: str = "default") -> Turn:
        """Do what has fallen due by now: scheduled steps, timers, alarms, reminders."""
        tracker, happened = self.store.load(conversation), _Happened()
        now = self.clock.now()
        while (moment := self._next_due(tracker)) is not None and moment <= now:
            self._tick(tracker, moment, happened)
            for step in scheduler.due(tracker.state, moment):
                self._fire(step, tracker, happened)
        return self._turn(tracker, Utterance(""), Plan(), happened)

    def observe(self, effect: Effect, conversation: str = "default") -> Turn:
        """Take note of something that happened by itself, and do what waited for it."""
        tracker, happened = self.store.load(conversation), _Happened()
        self.home.apply(effect)
        self._set_off(tracker, (effect,), happened)
        self._tick(tracker, self.clock.now(), happened)
        return self._turn(tracker, Utterance(""), Plan(), happened)

    # --- one step -----------------------------------------------------------------------

    def _carry_out(self, step: Step, tracker: Tracker, happened: _Happened) -> None:
        """Run a step that is ready; note one that is planned; take back what was set up for one that failed."""
        known = tracker.state.steps.get(step.id, step)
        if known.reverses is not None:
            self._plan_reverse(known, tracker, happened)
        elif known.status == "scheduled":
            happened.scheduled.append(known.id)
        elif known.status == "pending":
            self._run(known, tracker, happened)

    def _plan_reverse(self, reverse: Step, tracker: Tracker, happened: _Happened) -> None:
        """Set when a change is taken back, now that the values before it are known."""
        first = tracker.state.steps.get(str(reverse.reverses))
        if first is not None and first.status in ("asking", "confirming"):
            return  # it is not known yet whether it will happen
        if first is None or first.status not in ("done", "scheduled"):
            self._note(tracker, reverse, "skipped", happened=None)
            return
        if reverse.schedule is None and first.status == "scheduled":
            return  # its time begins when the first happens
        if first.status == "done":
            effects = tracker.state.effects.get(first.id, ())
        else:
            effects = tuple(self._foreseen(first))
        changes = [_reversal(effect) for effect in effects]
        slots = {**reverse.slots, "changes": [change for change in changes if change["before"]]}
        schedule = reverse.schedule or self._lasting(reverse)
        changed = StepChanged(reverse.id, "scheduled", slots=slots, schedule=schedule, time=self.clock.now())
        self.store.append(tracker, [changed])
        happened.scheduled.append(reverse.id)

    def _foreseen(self, step: Step) -> Iterable[Effect]:
        """What a planned step will change, judged by how the home stands now."""
        targets, change = step.slots.get("targets"), step.slots.get("change")
        if isinstance(targets, list) and isinstance(change, dict):
            for target in targets:
                yield Effect(str(target), change, self.home.before(str(target), change))

    def _run(self, step: Step, tracker: Tracker, happened: _Happened) -> None:
        if step.if_done and self._failed_before(step, tracker):
            self._note(tracker, step, "skipped", happened)
            return
        now = self.clock.now()
        self.store.append(tracker, [StepChanged(step.id, "running", time=now)])
        outcome = self.executor.run(step, tracker, now)
        self.store.append(tracker, _recorded(step, outcome, now))
        happened.groups.append(outcome.effects)
        happened.answers.extend(outcome.responses)
        if outcome.status != "done" or outcome.reason:
            happened.not_done.append(NotDone(step.text, outcome.reason))
        self._set_off(tracker, outcome.effects, happened)

    def _failed_before(self, step: Step, tracker: Tracker) -> bool:
        earlier = [tracker.state.steps.get(one) for one in step.waits_for]
        return any(one is not None and one.status in ("failed", "skipped", "unknown") for one in earlier)

    def _note(self, tracker: Tracker, step: Step, status: str, happened: _Happened | None) -> None:
        changed = StepChanged(step.id, status, time=self.clock.now())  # type: ignore[arg-type]
        self.store.append(tracker, [changed])
        if happened is not None:
            happened.not_done.append(NotDone(step.text, ""))

    # --- time and events ----------------------------------------------------------------

    def _next_due(self, tracker: Tracker) -> datetime | None:
        times = [self.home.next_due(), scheduler.next_due(tracker.state)]
        return min((time for time in times if time is not None), default=None)

    def _tick(self, tracker: Tracker, moment: datetime, happened: _Happened) -> None:
        tick = self.home.tick(moment)
        if tick.effects:
            events = [EffectHappened("clock", effect, moment) for effect in tick.effects]
            self.store.append(tracker, events)
            happened.groups.append(tick.effects)
            self._set_off(tracker, tick.effects, happened)

    def _set_off(self, tracker: Tracker, effects: Sequence[Effect], happened: _Happened) -> None:
        for step in scheduler.triggered(tracker.state, effects):
            self._fire(step, tracker, happened)

    def _fire(self, step: Step, tracker: Tracker, happened: _Happened) -> None:
        """Run a scheduled step; then plan its next time, and when a change that lasts is taken back."""
        again = self._next_time(step)
        self._run(step, tracker, happened)
        if again is not None:
            slots = tracker.state.steps[step.id].slots
            self.store.append(
                tracker,
                [StepChanged(step.id, "scheduled", slots=slots, schedule=again, time=self.clock.now())],
            )
        for reverse in [one for one in tracker.state.steps.values() if one.reverses == step.id]:
            if reverse.status in ("scheduled", "pending") and tracker.state.steps[step.id].status == "done":
                effects = tracker.state.effects.get(step.id, ())
                slots = {**reverse.slots, "changes": [_reversal(effect) for effect in effects]}
                schedule = reverse.schedule or self._lasting(reverse)
                changed = StepChanged(reverse.id, "scheduled", slots=slots, schedule=schedule)
                self.store.append(tracker, [changed])

    def _lasting(self, reverse: Step) -> Schedule:
        """When a change is taken back whose time began just now."""
        seconds = reverse.slots.get("after")
        assert isinstance(seconds, int | float)
        return Schedule(at=self.clock.now() + timedelta(seconds=seconds))

    def _next_time(self, step: Step) -> Schedule | None:
        from dialogue.grammar.times import next_repeat

        schedule = step.schedule
        if schedule is None or schedule.every is None or schedule.at is None:
            return None
        at = next_repeat(schedule.every, schedule.at)
        return replace(schedule, at=at) if at is not None else None

    # --- the answer ---------------------------------------------------------------------

    def _turn(self, tracker: Tracker, utterance: Utterance, plan: Plan, happened: _Happened) -> Turn:
        state, now = tracker.state, self.clock.now()
        scheduled = tuple(step for one in happened.scheduled if (step := state.steps[one]).status == "scheduled")
        asked = state.questions[0] if state.questions else None
        spoken = self.voice.summary(
            self.home,
            happened.groups,
            now=now,
            scheduled=scheduled,
            question=asked,
            not_done=happened.not_done,
            answers=happened.answers,
        )
        if spoken:
            self.store.append(tracker, [BotUttered(spoken, now)])
        return Turn(
            text=utterance.text,
            utterance=utterance,
            plan=replace(plan, steps=tuple(state.steps.get(step.id, step) for step in plan.steps)),
            effects=tuple(effect for group in happened.groups for effect in group),
            scheduled=scheduled,
            asked=asked,
            not_done=tuple(happened.not_done),
            responses=(spoken,) if spoken else (),
        )


def hypotheses_of(heard: str | Transcript | Sequence[Hypothesis]) -> Sequence[Hypothesis]:
    """Typed words, a transcript or hypotheses, as hypotheses."""
    if isinstance(heard, str):
        return (Hypothesis(heard),)
    return heard.hypotheses if isinstance(heard, Transcript) else heard


def _recorded(step: Step, outcome: Outcome, now: datetime) -> list[AnyEvent]:
    effects: list[AnyEvent] = [EffectHappened(step.id, effect, now) for effect in outcome.effects]
    status = outcome.status if outcome.status != "failed" or not outcome.effects else "done"
    return [*effects, StepChanged(step.id, status, outcome.reason, time=now)]


def _reversal(effect: Effect) -> dict[str, Value]:
    """An effect as `action_restore` takes it: only what it changed, back to what was there before."""
    before = {key: value for key, value in (effect.before or {}).items() if value is not None}
    if "media" in effect.change:
        before = {key: value for key, value in before.items() if key == "state"}
    return {"target": effect.target, "change": dict(effect.change), "before": dict(before)}
