"""Turns as a picture in a terminal: the words and where they were cut, what was read, done and answered."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, groupby
from typing import TextIO
from unicodedata import east_asian_width

from dialogue.types import (
    Effect,
    Entity,
    Moment,
    NotDone,
    Request,
    Schedule,
    Segment,
    Step,
    Turn,
    Utterance,
    Value,
)

NARROWEST, WIDEST = 30, 110

_COLORS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_ASCII = str.maketrans(
    {
        "✓": "+",
        "✗": "x",
        "…": "~",
        "»": ">",
        "→": ">",
        "·": ".",
        "─": "-",
        "╰": "`",
        "╯": "'",
        "“": '"',
        "”": '"',
        "�": "?",
    }
)
SEGMENT_COLORS = {
    "request": "green",
    "fragment": "cyan",
    "operator": "yellow",
    "filler": "dim",
    "unexplained": "red",
}
SIGNS: Mapping[str, tuple[str, str]] = {
    "done": ("✓", "green"),
    "pending": ("…", "blue"),
    "running": ("…", "blue"),
    "scheduled": ("…", "blue"),
    "asking": ("?", "yellow"),
    "confirming": ("?", "yellow"),
}
NOT_DONE_SIGN = ("✗", "red")


@dataclass(frozen=True, slots=True)
class Brush:
    """How to paint: with colors or without, in ASCII or not, and how many columns wide."""

    colors: bool = False
    ascii: bool = False
    width: int = 80

    @classmethod
    def on(cls, stream: TextIO, *, colors: bool = True) -> Brush:
        """What ``stream`` can show: colors on a terminal without NO_COLOR, ASCII where that is all it has."""
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        width = shutil.get_terminal_size().columns
        return cls(
            colors=colors and not plain and stream.isatty(),
            ascii=not _can_show(stream.encoding),
            width=max(NARROWEST, min(width, WIDEST)),
        )

    def paint(self, text: str, *colors: str) -> str:
        """``text``, made harmless, in these colors."""
        shown = clean(text)
        if self.ascii:
            shown = shown.translate(_ASCII).encode("ascii", "replace").decode()
        codes = ";".join(_COLORS[color] for color in colors)
        return f"\x1b[{codes}m{shown}\x1b[0m" if self.colors and colors else shown


def _can_show(encoding: str | None) -> bool:
    try:
        "".join(map(chr, _ASCII)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def clean(text: str) -> str:
    """Text without characters that could move the cursor or change the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


# --- pictures ---------------------------------------------------------------------------


def turn_picture(turn: Turn, brush: Brush, now: datetime) -> str:
    """All of a turn; ``now`` is the local time that times are told from."""
    parts = [
        *utterance_lines(turn.utterance, brush),
        *step_lines(turn, brush, now),
        *answer_lines(turn, brush),
    ]
    return "\n".join(parts)


def utterance_picture(utterance: Utterance, brush: Brush) -> str:
    """The words, their cuts, and the requests read in them."""
    return "\n".join(utterance_lines(utterance, brush))


def utterance_lines(utterance: Utterance, brush: Brush) -> Iterator[str]:
    """Words over a line that shows the cuts, then one line per request."""
    if not utterance.segments:
        return
    yield from _cut_lines(_pieces(utterance), brush)
    for number, request in enumerate(utterance.requests, 1):
        yield from _request_lines(number, request, brush)


def step_lines(turn: Turn, brush: Brush, now: datetime) -> Iterator[str]:
    """What came of each request: done, planned, asked or not done, and what changed by it."""
    told = {step.text for step in turn.plan.steps}
    for step in turn.plan.steps:
        if step.reverses is None or step.status == "scheduled":
            yield from _step_line(step, brush, now)
    for entry in turn.not_done:
        if entry.text not in told:
            yield from _not_done_line(entry, brush)
    for words, targets in _grouped(turn.effects).items():
        yield from _wrapped(brush, "    ", [(f"{', '.join(targets)}: {words}", "dim")], "      ")
    if turn.asked and turn.asked.step not in {step.id for step in turn.plan.steps}:
        yield from _wrapped(brush, "  ", [("? ", "yellow"), (f"still open: {turn.asked.text}", "")])


def answer_lines(turn: Turn, brush: Brush) -> Iterator[str]:
    """What is spoken."""
    for response in turn.responses:
        yield from _wrapped(brush, "  ", [("» ", "bold"), (response, "bold")])


# --- words and cuts ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Piece:
    """Words of one segment that stand on one line; ``label`` is written under them."""

    words: tuple[str, ...]
    segment: Segment
    label: str

    @property
    def text(self) -> str:
        return " ".join(self.words)


def _pieces(utterance: Utterance) -> Iterator[_Piece]:
    for segment in utterance.segments:
        yield _Piece(tuple(segment.text.split()) or ("",), segment, _label(segment, utterance.requests))


def _label(segment: Segment, requests: Sequence[Request]) -> str:
    """The numbers of the requests that a segment holds."""
    inside = (segment.start, segment.end)
    numbers = [
        str(number)
        for number, request in enumerate(requests, 1)
        if inside[0] <= request.start and request.end <= inside[1]
    ]
    return ",".join(numbers)


def _cut_lines(pieces: Iterable[_Piece], brush: Brush) -> Iterator[str]:
    for line in _lines(pieces, brush.width - 2):
        yield "  " + " ".join(brush.paint(one.text, SEGMENT_COLORS[one.segment.kind]) for one in line)
        yield ("  " + " ".join(brush.paint(_mark(one), SEGMENT_COLORS[one.segment.kind]) for one in line).rstrip())


def _lines(pieces: Iterable[_Piece], width: int) -> Iterator[list[_Piece]]:
    """Pieces in lines of at most ``width`` columns; only one longer than a line is torn, between words."""
    line: list[_Piece] = []
    used = 0
    for piece in chain.from_iterable(_torn(whole, width) for whole in pieces):
        if line and used + 1 + columns(piece.text) > width:
            yield line
            line, used = [], 0
        used += columns(piece.text) + (1 if line else 0)
        line.append(piece)
    if line:
        yield line


def _torn(piece: _Piece, width: int) -> Iterator[_Piece]:
    words: list[str] = []
    for word in piece.words:
        if words and columns(" ".join([*words, word])) > width:
            yield replace(piece, words=tuple(words))
            words = []
        words.append(word)
    yield replace(piece, words=tuple(words))


def _mark(piece: _Piece) -> str:
    """What stands under a piece, as wide as it is: a bracket with its number, or a line of one sign."""
    width = columns(piece.text)
    kind = piece.segment.kind
    if kind in ("request", "fragment"):
        number = f" {piece.label} " if piece.label else ""
        return f"╰{number:─^{width - 2}}╯" if width > len(number) + 1 else piece.label[:width].center(width)
    return {"operator": "·", "filler": " ", "unexplained": "?"}[kind] * width


def columns(text: str) -> int:
    """How many columns a terminal needs for the text."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


# --- requests and steps -----------------------------------------------------------------


def _request_lines(number: int, request: Request, brush: Brush) -> Iterator[str]:
    parts = [(f"{number} ", "green"), (request.intent, "bold")]
    parts += [(f" {entity.name}={entity_words(entity)}", "") for entity in request.entities]
    parts += [(f" · {words}", "yellow") for words in _qualities(request)]
    if request.held:
        parts.append((f" · not understood: {request.held}", "red"))
    yield from _wrapped(brush, "  ", parts, "    ")


def _qualities(request: Request) -> Iterator[str]:
    """What qualifies a request, in the user's words where there are some."""
    if request.negated:
        yield "not"
    yield from (when.text for when in request.when)
    for exception in request.exceptions:
        yield " ".join(["except", *(f"{one.name}={entity_words(one)}" for one in exception.entities)])
    if request.after:
        yield f"after {', '.join(str(index + 1) for index in request.after)}"


def entity_words(entity: Entity) -> str:
    if isinstance(entity.value, Mapping | Moment) or entity.value is None:
        return entity.text
    return _value_words(entity.value)


def _value_words(value: Value) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_value_words, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value_words(one)}" for name, one in value.items())
    return "" if value is None else str(value)


def _step_line(step: Step, brush: Brush, now: datetime) -> Iterator[str]:
    sign, color = SIGNS.get(step.status, NOT_DONE_SIGN)
    parts = [(f"{sign} ", color), (step.text or step.action, "")]
    detail = " - ".join(_details(step, now))
    if detail:
        parts.append((f" - {detail}", color))
    yield from _wrapped(brush, "  ", parts, "    ")


def _details(step: Step, now: datetime) -> Iterator[str]:
    if step.status == "scheduled" and step.schedule is not None:
        yield ("back again " if step.reverses else "") + schedule_words(step.schedule, now)
    elif step.status in ("asking", "confirming") and step.question is not None:
        yield step.question.text
    elif step.status not in SIGNS and step.status != "failed":
        yield {"unknown": "it is not known whether this was done"}.get(step.status, step.status)
    if step.reason:
        yield step.reason


def _not_done_line(entry: NotDone, brush: Brush) -> Iterator[str]:
    sign, color = NOT_DONE_SIGN
    reason = f" - {entry.reason}" if entry.reason else ""
    yield from _wrapped(brush, "  ", [(f"{sign} ", color), (entry.text, ""), (reason, color)], "    ")


def schedule_words(schedule: Schedule, now: datetime) -> str:
    """When a planned step runs."""
    if schedule.every is not None:
        return schedule.every.text or "again and again"
    parts = [clock_words(schedule.at, now)] if schedule.at is not None else []
    parts += [schedule.on.text] if schedule.on is not None else []
    return ", ".join(parts) or "later"


def clock_words(moment: datetime, now: datetime) -> str:
    """A time as short as it is clear: the day only where it is not today."""
    days = (moment.date() - now.date()).days
    clock = f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
    if days == 0:
        return f"at {clock}"
    return f"tomorrow at {clock}" if days == 1 else f"on {moment:%A}, {moment:%Y-%m-%d} at {clock}"


def _grouped(effects: Iterable[Effect]) -> dict[str, list[str]]:
    """What changed, in words, and the targets to which the same happened."""
    found: dict[str, list[str]] = {}
    for effect in effects:
        found.setdefault(_effect_words(effect), []).append(effect.target)
    return found


def _effect_words(effect: Effect) -> str:
    before = effect.before or {}
    changes = (
        _change_words(name, before.get(name), value) for name, value in effect.change.items() if name != "id"
    )
    return ", ".join(changes)


def _change_words(name: str, before: Value, value: Value) -> str:
    if before == value:
        return f"{name} {_value_words(value)} already"
    return f"{name} {_value_words(before)} → {_value_words(value)}" if before else f"{name} {_value_words(value)}"


# --- lines ------------------------------------------------------------------------------


def _wrapped(
    brush: Brush, indent: str, parts: Iterable[tuple[str, str]], further: str | None = None
) -> Iterator[str]:
    """Colored parts as lines no wider than the brush, later ones indented by ``further``."""
    line: list[tuple[str, str]] = []
    further = indent + "  " if further is None else further
    used = columns(indent)
    for word, color in ((word, color) for text, color in parts for word in _words(text)):
        if used + columns(word.rstrip()) > brush.width and line:
            yield _painted(brush, indent, line)
            indent, line, word = further, [], word.lstrip()
            used = columns(indent)
        line.append((word, color))
        used += columns(word)
    yield _painted(brush, indent, line)


def _painted(brush: Brush, indent: str, line: Iterable[tuple[str, str]]) -> str:
    """A line with one pair of color codes for each run of the same color."""
    runs = groupby(line, key=lambda part: part[1])
    painted = [
        brush.paint("".join(word for word, _ in words), *([color] if color else [])) for color, words in runs
    ]
    return (indent + "".join(painted)).rstrip()


def _words(text: str) -> list[str]:
    """A text cut before the blanks that part its words, so that joining gives it back."""
    return re.findall(r"\s*\S+|\s+$", text)


def show(picture: str, stream: TextIO | None = None) -> None:
    """Print a picture; an empty one leaves no line."""
    if picture:
        print(picture, file=stream or sys.stdout, flush=True)
