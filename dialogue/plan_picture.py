"""A conversation's plan as a tree: what each turn led to, when, how it stands and why; from events alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dialogue.context import Tracker
from dialogue.events import StepChanged, StepPlanned, UserUttered
from dialogue.picture import NOT_DONE_SIGN, SIGNS, Brush, schedule_words
from dialogue.types import Effect, Step


@dataclass(slots=True)
class _Turn:
    """What was said, when, and the steps that came of it, each with when it came to stand as it does."""

    text: str
    time: datetime | None
    steps: list[str] = field(default_factory=list)


def plan_picture(tracker: Tracker, brush: Brush) -> str:
    """The tree of a conversation's steps, oldest turn first; turns that led to no step are left out."""
    turns, changed = _history(tracker)
    lines: list[str] = []
    for turn in turns:
        if turn.steps:
            steps = [tracker.state.steps[one] for one in turn.steps]
            tree = _Tree(brush, turn.time, steps, tracker.state.effects, changed)
            lines.append(f"{brush.paint(_moment(turn.time), 'dim')}  {brush.paint(turn.text, 'bold')}")
            lines += tree.lines(tree.roots(), "")
    return "\n".join(lines)


def _history(tracker: Tracker) -> tuple[list[_Turn], Mapping[str, datetime]]:
    """The turns with their steps, and when each step last changed."""
    turns, changed = [_Turn("", None)], {}
    for event in tracker.events:
        match event:
            case UserUttered():
                turns.append(_Turn(f"“{event.text}”", event.time))
            case StepPlanned(step=step):
                turns[-1].steps.append(step.id)
                changed[step.id] = event.time
            case StepChanged(step_id=step_id):
                changed[step_id] = event.time
    return turns, {step: time for step, time in changed.items() if time is not None}


@dataclass(frozen=True, slots=True)
class _Tree:
    brush: Brush
    said: datetime | None
    steps: Sequence[Step]
    effects: Mapping[str, tuple[Effect, ...]]
    changed: Mapping[str, datetime]

    def roots(self) -> list[Step]:
        return [step for step in self.steps if self._parent(step) is None]

    def lines(self, steps: Sequence[Step], indent: str) -> Iterator[str]:
        for step in steps:
            last = step is steps[-1]
            yield f"{self._lead(indent, '└─ ' if last else '├─ ')}{self._told(step)}"
            deeper = f"{indent}{'   ' if last else '│  '}"
            under = [one for one in self.steps if self._parent(one) == step.id]
            for effect in self.effects.get(step.id, ()):
                words = ", ".join(f"{name} {value}" for name, value in effect.change.items() if name != "id")
                lead = self._lead(deeper, "│  " if under else "   ")
                yield f"{lead}{self.brush.paint(f'{effect.target}: {words}', 'dim')}"
            yield from self.lines(under, deeper)

    def _parent(self, step: Step) -> str | None:
        """The step that one hangs from: what it takes back, or the last it waits for."""
        known = {one.id for one in self.steps}
        return next((one for one in reversed(step.waits_for) if one in known), None)

    def _lead(self, indent: str, branch: str) -> str:
        return self.brush.paint(f"{indent}{branch}", "dim")

    def _told(self, step: Step) -> str:
        sign, color = SIGNS.get(step.status, NOT_DONE_SIGN)
        what = f"{step.text} (taken back)" if step.reverses else step.text or step.action
        facts = [f"{step.status}{self._when(step)}"]
        if step.status == "scheduled" and step.schedule is not None:
            facts = [f"scheduled {schedule_words(step.schedule, self.said or datetime.min)}"]
        facts += ["only if that works"] if step.if_done and not step.reverses else []
        facts += [step.question.text] if step.question and step.status in ("asking", "confirming") else []
        facts += [step.reason] if step.reason else []
        told = self.brush.paint(f"· {' · '.join(facts)}", "dim")
        return f"{self.brush.paint(sign, color)} {self.brush.paint(what)} {told}"

    def _when(self, step: Step) -> str:
        time = self.changed.get(step.id)
        if time is None:
            return ""
        same_day = self.said is not None and time.date() == self.said.date()
        return f" {time:%H:%M:%S}" if same_day else f" {_moment(time)}"


def _moment(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"
