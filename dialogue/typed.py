"""Typed input: its limits, its lines, and the directives that move a standing clock or set a sensor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import BinaryIO

from dialogue.assistant import Assistant
from dialogue.errors import ConfigurationError
from dialogue.instants import instant, later
from dialogue.scheduler import StandingClock
from dialogue.types import Effect, Turn

LONGEST_TEXT = 10_000
"""Characters of one utterance; nobody says more in one breath, and longer input is refused."""

_DIRECTIVES = "write '@wait 10m' (s, m or h) or '@set binary_sensor.rain state=on'"
_UNITS = {"s": 1, "m": 60, "h": 3600}
_MOST_BYTES = 4 * LONGEST_TEXT + 2


def checked(text: str, where: str = "the text") -> str:
    """``text`` itself, if it is short enough and was UTF-8; else ConfigurationError naming ``where``."""
    if len(text) > LONGEST_TEXT:
        raise ConfigurationError(
            f"{where}: an utterance of {len(text)} characters, and {LONGEST_TEXT} are the most;"
            " cut it into several turns"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"{where}: character {error.start + 1} is not UTF-8; type it in a UTF-8 terminal"
        ) from None
    return text


def lines(stream: BinaryIO) -> Iterator[str]:
    """The lines of standard input, each checked when its turn comes.

    Raises ConfigurationError with the number of the line that is too long or not UTF-8.
    """
    number = 0
    while raw := stream.readline(_MOST_BYTES + 1):
        number += 1
        where = f"standard input, line {number}"
        if len(raw) > _MOST_BYTES:
            raise ConfigurationError(
                f"{where}: an utterance of more than {LONGEST_TEXT} characters; cut it into several lines"
            )
        yield checked(_decoded(raw, where).rstrip("\r\n"), where)


def _decoded(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{where}: byte {error.start + 1} ({raw[error.start]:#04x}) is not UTF-8;"
            " convert the text first, for example: iconv -f latin1 -t utf-8"
        ) from None


def local_time(text: str) -> datetime:
    """The time that ``--now`` names; ConfigurationError if it is none."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise ConfigurationError(f"--now {text!r}: write a time like 2026-03-02T18:00:00") from None


def directive(assistant: Assistant, clock: StandingClock, text: str, conversation: str = "default") -> Turn:
    """``@wait 10m`` moves the clock and does what falls due; ``@set DEVICE NAME=VALUE`` sets a sensor."""
    words = text[1:].split()
    if len(words) == 2 and words[0] == "wait" and (length := re.fullmatch(r"(\d{1,6})([smh])", words[1])):
        return waited(assistant, clock, int(length[1]) * _UNITS[length[2]], conversation)
    if len(words) == 3 and words[0] == "set" and "=" in words[2]:
        attribute, _, value = words[2].partition("=")
        if words[1] not in assistant.home.devices:
            raise ConfigurationError(f"{text!r}: there is no {words[1]!r} in this home; look into its file")
        return assistant.observe(Effect(words[1], {attribute: value}), conversation)
    raise ConfigurationError(f"{text!r}: no such directive; {_DIRECTIVES}")


def waited(assistant: Assistant, clock: StandingClock, seconds: float, conversation: str = "default") -> Turn:
    """Let time pass on a standing clock: what falls due is done when its time comes."""
    end, turn = later(clock.time, seconds), None
    while (moment := assistant.next_due(conversation)) is not None and instant(moment) <= instant(end):
        clock.time = max(moment, clock.time, key=instant)
        passed = assistant.advance(conversation)
        turn = passed if turn is None else joined(turn, passed)
    clock.time = end
    passed = assistant.advance(conversation)
    return passed if turn is None else joined(turn, passed)


def joined(due: Turn, turn: Turn) -> Turn:
    """A turn that also tells what had fallen due before it."""
    return replace(
        turn,
        effects=(*due.effects, *turn.effects),
        not_done=(*due.not_done, *turn.not_done),
        responses=(*due.responses, *turn.responses),
    )
