"""Carrying out: the steps of one conversation, each transition written down before anything rests on it.

A step that is ``pending`` is to be run, one that is ``running`` has perhaps been run. What a step's outcome leads
to (the next time of one that repeats, the reverse of one that lasts, steps that waited for it) is written in the
same transaction as the outcome, so that there is no moment at which the end of the process loses any of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dialogue import scheduler
from dialogue.context import Tracker
from dialogue.events import AnyEvent, EffectHappened, StepChanged, StepPlanned
from dialogue.instants import instant, later
from dialogue.interfaces import Clock, Executor, LivingHome, TrackerStore, Voice
from dialogue.types import Effect, NotDone, Outcome, Schedule, Step, Value

GRACE = timedelta(minutes=15)
"""How late a step may be run; one that was missed by more is reported."""

LATE = timedelta(minutes=1)
"""How late something is that is said to be late."""

_LATE_RINGS = {"timer": "utter_late_timer", "alarm": "utter_late_alarm", "reminder": "utter_late_reminder"}
_FAILED = frozenset({"failed", "skipped", "unknown", "cancelled"})
_OPEN = frozenset({"asking", "confirming", "pending", "running"})


@dataclass(slots=True)
class Doing:
    """What is done in one turn of a conversation, and what has come of it so far."""

    store: TrackerStore
    executor: Executor
    home: LivingHome
    voice: Voice
    clock: Clock
    tracker: Tracker
    groups: list[tuple[Effect, ...]] = field(default_factory=list)
    scheduled: list[str] = field(default_factory=list)
    not_done: list[NotDone] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def write(self, *events: AnyEvent) -> None:
        """Events of now, in one transaction."""
        now = self.clock.now()
        self.store.append(self.tracker, [_timed(event, now) for event in events])

    # --- what a turn asks for -----------------------------------------------------------

    def carry_out(self, steps: Iterable[Step]) -> None:
        """Run what is ready, and note what is planned; what waits for something else is left."""
        for step in steps:
            self._carry_out(self._now(step))
        self._settle()

    def resume(self) -> None:
        """Take up what the end of a process cut off: whoever was at it no longer is, else the place were held."""
        for step in [one for one in self.tracker.state.steps.values() if one.status == "running"]:
            again = self.executor.repeatable(step) and not self._is_late(step)
            outcome = Outcome("unknown", reason=self.voice.render("reason_interrupted"))
            self._conclude(step, self.executor.run(step, self.tracker, self.clock.now()) if again else outcome)
        while (left := next(self._ready(), None)) is not None:
            if left.reverses is None and self._is_late(left):
                self._miss(left, self._accepted(left))
            else:
                self._carry_out(left)

    def _settle(self) -> None:
        """Run what waited for a step that has ended since."""
        while (step := next(self._ready(), None)) is not None:
            self._carry_out(step)

    def _ready(self) -> Iterator[Step]:
        for step in self.tracker.state.steps.values():
            if step.status == "pending" and not self._waits(step):
                yield step

    def _waits(self, step: Step) -> bool:
        """Whether it is open how something went that the step depends on."""
        if not step.if_done:
            return False
        earlier = self._earlier(step)
        if step.reverses is not None and not step.slots.get("changes"):
            return any(one.status in _OPEN or _begins_later(one, step) for one in earlier)
        return any(one.status in _OPEN for one in earlier)

    def _earlier(self, step: Step) -> list[Step]:
        return [self.tracker.state.steps[one] for one in step.waits_for if one in self.tracker.state.steps]

    def _carry_out(self, step: Step) -> None:
        if step.status == "scheduled":
            self.scheduled.append(step.id)
        elif step.status != "pending" or self._waits(step):
            return
        elif step.reverses is not None and not step.slots.get("changes"):
            self._plan_reverse(step)
        else:
            self.run(step)

    # --- one step -----------------------------------------------------------------------

    def run(self, step: Step) -> None:
        """Run a step whose time has come; write what it is about to do, then what came of it."""
        if step.if_done and any(one.status in _FAILED for one in self._earlier(step)):
            self._skip(step)
        elif self._waits(step):
            self.write(StepChanged(step.id, "pending"))
        else:
            self.write(StepChanged(step.id, "running"))
            self._conclude(step, self.executor.run(step, self.tracker, self.clock.now()))

    def _conclude(self, step: Step, outcome: Outcome) -> None:
        """Write an outcome with all that follows from it, then tell it."""
        status = "done" if outcome.status == "failed" and outcome.effects else outcome.status
        done = Outcome(status, outcome.effects, reason=outcome.reason)
        effects = [EffectHappened(step.id, effect) for effect in outcome.effects]
        changed = StepChanged(step.id, status, outcome.reason)
        waited = scheduler.triggered(self.tracker.state, outcome.effects)
        follows = [*self._next_time(step), *self._reverses(step, done), *map(_set_off, waited)]
        self.write(*effects, changed, *follows)
        self.groups.append(outcome.effects)
        self.answers.extend(outcome.responses)
        if outcome.status != "done" or outcome.reason:
            self.not_done.append(NotDone(step.text, outcome.reason))
        for event in follows:
            if event.status == "failed":
                self.not_done.append(NotDone(step.text, event.reason))
        for one in waited:
            self.run(self._now(one))

    def _skip(self, step: Step) -> None:
        self.write(StepChanged(step.id, "skipped"), *self._next_time(step), *self._reverses(step, None))
        if step.reverses is None:
            self.not_done.append(NotDone(step.text, ""))

    def _now(self, step: Step) -> Step:
        return self.tracker.state.steps.get(step.id, step)

    # --- what a step leads to -----------------------------------------------------------

    def _next_time(self, step: Step) -> Iterator[StepChanged]:
        """When a step that repeats is to run again: the first time that is still ahead."""
        from dialogue.grammar.times import next_repeat

        schedule = step.schedule
        if schedule is None or schedule.every is None or schedule.at is None:
            return
        at, now = schedule.at, self.clock.now()
        seconds = schedule.every.seconds if schedule.every.hour is None else None
        if seconds:
            passed = max(0.0, instant(now) - instant(at))
            following: datetime | None = later(at, (passed // seconds + 1) * seconds)
        else:
            following = next_repeat(schedule.every, max(at, now))
        if following is not None:
            slots = self._now(step).slots
            yield StepChanged(step.id, "scheduled", slots=slots, schedule=replace(schedule, at=following))

    def _reverses(self, step: Step, outcome: Outcome | None) -> Iterator[StepChanged]:
        """When the change that a step has just made is taken back; never, where it made none."""
        for reverse in self.tracker.state.steps.values():
            if reverse.reverses != step.id or reverse.status not in ("scheduled", "pending", *_again(step)):
                continue
            if outcome is None or outcome.status != "done":
                yield StepChanged(reverse.id, "skipped")
                continue
            changes = _reversals(outcome.effects)
            if changes:
                slots = {**reverse.slots, "changes": changes}
                yield StepChanged(reverse.id, "scheduled", slots=slots, schedule=self._end(step, reverse))
            else:
                yield StepChanged(reverse.id, "failed", self.voice.render("reason_cannot_undo"))

    def _end(self, step: Step, reverse: Step) -> Schedule:
        """When a change is taken back: so long after it was made, or at its time; each time that it is made."""
        seconds = reverse.slots.get("after")
        if isinstance(seconds, int | float):
            return Schedule(at=later(self.clock.now(), seconds))
        assert reverse.schedule is not None
        if step.schedule is None or step.schedule.every is None or step.schedule.at is None:
            return reverse.schedule
        first = {
            event.step.id: event.step.schedule for event in self.tracker.events if isinstance(event, StepPlanned)
        }
        begin, end = first.get(step.id), first.get(reverse.id)
        assert begin and end and begin.at and end.at
        return Schedule(at=step.schedule.at + (end.at - begin.at))

    def _plan_reverse(self, reverse: Step) -> None:
        """Set when a change is taken back whose step is planned, as far as the home tells what it will change."""
        first = self.tracker.state.steps.get(str(reverse.reverses))
        if first is None or first.status not in ("done", "scheduled"):
            self.write(StepChanged(reverse.id, "skipped"))
        elif first.status == "done":  # in a journal of before outcomes and reverses were written in one
            effects = self.tracker.state.effects.get(first.id, ())
            self.write(*self._reverses(first, Outcome("done", effects)))
        else:
            slots = {**reverse.slots, "changes": _reversals(self._foreseen(first))}
            self.write(StepChanged(reverse.id, "scheduled", slots=slots, schedule=reverse.schedule))
            self.scheduled.append(reverse.id)

    def _foreseen(self, step: Step) -> Iterator[Effect]:
        """What a planned step will change, judged by how the home stands now."""
        targets, change = step.slots.get("targets"), step.slots.get("change")
        if isinstance(targets, list) and isinstance(change, dict):
            for target in targets:
                yield Effect(str(target), change, self.home.before(str(target), change))

    # --- time and events ----------------------------------------------------------------

    def next_due(self) -> datetime | None:
        """When something of this conversation falls due next."""
        times = [self.home.next_due(self.tracker.mark), scheduler.next_due(self.tracker.state)]
        return min((time for time in times if time is not None), key=instant, default=None)

    def fall_due(self, moment: datetime) -> None:
        """Do what falls due at ``moment``, which may be a while ago."""
        self.ring(moment)
        for step in scheduler.due(self.tracker.state, moment):
            if (known := self._now(step)).status != "scheduled":
                continue
            if self._late(moment) > GRACE:
                self._miss(known, moment)
            else:
                self.run(known)
                if self._late(moment) > LATE:
                    self._say_late("utter_late", moment, text=step.text)
        self._settle()

    def ring(self, moment: datetime) -> None:
        """Let timers end, alarms ring and reminders be said; late ones say so."""
        tick = self.home.tick(moment, self.tracker.mark)
        if not tick.effects:
            return
        waited = scheduler.triggered(self.tracker.state, tick.effects)
        events = [EffectHappened("clock", effect, moment) for effect in tick.effects]
        late = self._late(moment) > GRACE
        self.write(*events, *(() if late else map(_set_off, waited)))
        self.groups.append(tick.effects)
        for effect in tick.effects:
            name = _LATE_RINGS.get(str((effect.before or {}).get("kind")))
            if name is not None and self._late(moment) > LATE:
                self._say_late(name, moment)
        for step in waited:
            if late:
                self._miss(step, moment)
            else:
                self.run(self._now(step))

    def notice(self, effect: Effect) -> None:
        """Do what waited for something that has just happened by itself."""
        waited = scheduler.triggered(self.tracker.state, (effect,))
        self.write(*map(_set_off, waited))
        for step in waited:
            self.run(self._now(step))
        self._settle()

    def _miss(self, step: Step, due: datetime) -> None:
        """Report a step whose time is over; one that repeats goes on at its next time."""
        reason = self.voice.render("reason_missed", at=due.isoformat(), now=self.clock.now().isoformat())
        changed = StepChanged(step.id, "failed", reason)
        self.write(changed, *self._next_time(step), *self._reverses(step, None))
        self.not_done.append(NotDone(step.text, reason))

    def _say_late(self, name: str, due: datetime, **slots: Value) -> None:
        now = self.clock.now().isoformat()
        self.answers.append(self.voice.render(name, at=due.isoformat(), now=now, **slots))

    def _late(self, moment: datetime) -> timedelta:
        return timedelta(seconds=instant(self.clock.now()) - instant(moment))

    def _is_late(self, step: Step) -> bool:
        return self._late(self._accepted(step)) > GRACE

    def _accepted(self, step: Step) -> datetime:
        """When a step was last decided on, as far as the events tell."""
        times = (event.time for event in reversed(self.tracker.events) if event.time and _is_about(event, step))
        return next(times, datetime.min)


def _timed(event: AnyEvent, now: datetime) -> AnyEvent:
    return event if event.time is not None else replace(event, time=now)


def _is_about(event: AnyEvent, step: Step) -> bool:
    return (isinstance(event, StepPlanned) and event.step.id == step.id) or (
        isinstance(event, StepChanged) and event.step_id == step.id
    )


def _set_off(step: Step) -> StepChanged:
    """A step that waited for something is to run, whatever becomes of the process."""
    return StepChanged(step.id, "pending")


def _begins_later(first: Step, reverse: Step) -> bool:
    """Whether the time after which a change is taken back begins when it is made, and it is only planned."""
    return first.status == "scheduled" and reverse.schedule is None


def _again(step: Step) -> tuple[str, ...]:
    """In which states the reverse of a step that repeats is when it comes round again."""
    repeats = step.schedule is not None and step.schedule.every is not None
    return ("done", "failed", "skipped", "unknown") if repeats else ()


def _reversals(effects: Iterable[Effect]) -> list[Value]:
    """Effects as `action_restore` takes them: only what they changed, back to what was there before, if known."""
    found = ((effect, _before(effect)) for effect in effects)
    return [
        {"target": effect.target, "change": dict(effect.change), "before": before}
        for effect, before in found
        if before
    ]


def _before(effect: Effect) -> dict[str, Value]:
    before = {key: value for key, value in (effect.before or {}).items() if value is not None}
    return {key: value for key, value in before.items() if key == "state" or "media" not in effect.change}
