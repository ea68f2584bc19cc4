"""The picture of a turn: every word is on it, no line is too wide, and colors are only where wanted."""

from __future__ import annotations

import io
import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.assistant import Assistant
from dialogue.picture import Brush, clean, clock_words, columns, turn_picture, utterance_picture
from dialogue.scheduler import StandingClock
from dialogue.typed import directive
from dialogue.types import Segment, SegmentKind, Utterance

NOW = datetime(2026, 3, 2, 18)
KINDS: tuple[SegmentKind, ...] = ("request", "fragment", "operator", "filler", "unexplained")


def picture(assistant: Assistant, text: str, brush: Brush | None = None) -> str:
    return turn_picture(assistant.hear(text), brush or Brush(), assistant.clock.now())


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


# --- what is on it ----------------------------------------------------------------------


def test_cuts_requests_steps_and_answer_are_shown(assistant: Assistant) -> None:
    """Words over brackets with the requests' numbers, then requests, steps, changes and the answer."""
    assert picture(assistant, "turn off the fountain and lock the side door").splitlines() == [
        "  turn off the fountain and lock the side door",
        "  ╰──────── 1 ────────╯ ··· ╰────── 2 ───────╯",
        "  1 HassTurnOff name=fountain",
        "  2 HassTurnOn name=side door",
        "  ✓ turn off the fountain",
        "  ✓ lock the side door",
        "    switch.fountain: state on → off",
        "    lock.side_door: state unlocked → locked",
        "  » Fountain off, side door locked.",
    ]


def test_planned_steps_tell_their_time(assistant: Assistant) -> None:
    """A step for later has its time, and one that waits for an event the event."""
    assert "… lock the side door - at 22:00" in picture(assistant, "lock the side door at ten tonight")
    told = picture(assistant, "turn on the fountain when it rains")
    assert "… turn on the fountain - when it rains" in told


def test_questions_stay_on_the_picture_until_answered(assistant: Assistant) -> None:
    """A step that asks shows its question; in the next turn it is still open."""
    first = picture(assistant, "set a timer")
    assert "? set a timer - for how long" in first
    assert "? still open: for how long" in picture(assistant, "turn off the fountain")


def test_what_was_not_done_is_told_with_the_reason(assistant: Assistant) -> None:
    """Words nothing explains are marked under the words and told below."""
    lines = picture(assistant, "lock the side door and order a pizza").splitlines()
    assert "?" * len("order a pizza") in lines[1]
    assert any(line.startswith("  ✗ order a pizza - ") for line in lines)


def test_exceptions_negation_and_times_qualify_requests(assistant: Assistant) -> None:
    """Everything that changes what a request means stands beside it."""
    told = picture(assistant, "turn off all the lights except the reading light and don't lock the side door")
    assert "· except name=reading light" in told
    assert "· not" in told


def test_what_falls_due_is_shown_without_words(assistant: Assistant, clock: StandingClock) -> None:
    """A turn that nobody has spoken is only its changes and its answer."""
    assistant.hear("set a timer for ten minutes")
    turn = directive(assistant, clock, "@wait 10m")
    assert turn_picture(turn, Brush(), clock.now()).splitlines() == [
        "    timer: finished 600",
        "  » Timer for 10 minutes finished.",
    ]


def test_nothing_said_is_no_picture() -> None:
    assert utterance_picture(Utterance(""), Brush()) == ""


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-03-02T22:00:00", "at 22:00"),
        ("2026-03-02T22:00:30", "at 22:00:30"),
        ("2026-03-03T07:05:00", "tomorrow at 07:05"),
        ("2026-03-09T07:05:00", "on Monday, 2026-03-09 at 07:05"),
    ],
)
def test_times_are_as_short_as_they_are_clear(moment: str, words: str) -> None:
    assert clock_words(datetime.fromisoformat(moment), NOW) == words


# --- how it is painted ------------------------------------------------------------------


def test_colors_only_add_color(assistant: Assistant) -> None:
    """Without its color codes, a colored picture is the plain one."""
    turn = assistant.hear("turn off the fountain and set a timer and order a pizza at ten")
    plain = turn_picture(turn, Brush(), NOW)
    colored = turn_picture(turn, Brush(colors=True), NOW)
    assert "\x1b[" in colored
    assert [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", colored).splitlines()] == plain.splitlines()


def test_ascii_terminals_get_ascii(assistant: Assistant) -> None:
    """Where the encoding lacks the signs, others stand for them and every line keeps its width."""
    turn = assistant.hear("lock the side door at ten tonight and order a pizza")
    rich, plain = (turn_picture(turn, Brush(ascii=ascii_only), NOW) for ascii_only in (False, True))
    assert plain.isascii()
    assert [len(line) for line in plain.splitlines()] == [len(line) for line in rich.splitlines()]


def test_the_terminal_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colors on a terminal alone, and not with NO_COLOR, --no-color or TERM=dumb; signs by its encoding."""
    monkeypatch.setenv("COLUMNS", "64")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Brush.on(Terminal()) == Brush(colors=True, ascii=False, width=64)
    assert Brush.on(Terminal("latin-1")).ascii
    assert Brush.on(Terminal("nothing-known")).ascii
    assert not Brush.on(io.StringIO()).colors
    assert not Brush.on(Terminal(), colors=False).colors
    monkeypatch.setenv("TERM", "dumb")
    assert not Brush.on(Terminal()).colors
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Brush.on(Terminal()).colors


def test_nothing_can_steer_the_terminal() -> None:
    """Control characters from words or file names are made visible, not sent."""
    assert clean("red\x1b[31m\r\nbell\x07\u202e") == "red�[31m��bell��"
    assert "\x1b" not in Brush().paint("\x1b]0;title\x07")


words = st.text(st.sampled_from("abcdefghijk開燈"), min_size=1, max_size=12)
segments = st.lists(
    st.tuples(st.sampled_from(KINDS), st.lists(words, min_size=1, max_size=9)), min_size=1, max_size=8
)


@given(segments, st.integers(30, 110))
def test_all_words_are_there_and_fit(parts: list[tuple[SegmentKind, list[str]]], width: int) -> None:
    """Whatever is cut, all words are shown in order, each over its mark, and no line is too wide."""
    found = []
    position = 0
    for kind, said in parts:
        found.append(Segment(kind, kind, " ".join(said), position, position + len(said)))
        position += len(said)
    shown = utterance_picture(Utterance("", segments=tuple(found)), Brush(width=width)).splitlines()
    over, under = shown[0::2], shown[1::2]
    assert " ".join(over).split() == [word for _, said in parts for word in said]
    assert all(columns(line) <= width for line in shown)
    assert all(columns(mark) <= columns(line) for line, mark in zip(over, under, strict=True))
