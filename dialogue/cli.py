"""The ``onebreath`` command: one subcommand per door. Arguments in, exit codes out; the doors do the work."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from dialogue import __version__
from dialogue.errors import ConfigurationError, OnebreathError

LONGEST_TEXT = 10_000
"""Characters of one utterance; nobody says more in one breath, and longer input is refused."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; user errors become one line on standard error and exit code 2."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except OnebreathError as error:
        print(f"onebreath: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="onebreath",
        description="Say everything in one breath; each request is done, exactly as asked.",
        epilog='example: onebreath say "turn off the kitchen lights and wake me at seven"',
    )
    parser.add_argument("--version", action="version", version=f"onebreath {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_say(commands)
    _add_parse(commands)
    return parser


Commands = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", type=Path, metavar="FILE", help="the home (default: the shipped one)")
    parser.add_argument("--grammars", type=Path, action="append", metavar="DIR", help="sentence files in place of the shipped ones")
    parser.add_argument("--language", help="language of the grammar (default: en)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file (YAML)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line on standard output")


def _add_say(commands) -> None:  # type: ignore[no-untyped-def]
    parser = commands.add_parser("say", help="type what would be said; each argument is one turn")
    _add_common(parser)
    parser.add_argument("turns", nargs="+", metavar="TURN")
    parser.add_argument("--now", metavar="ISO", help="local time; the clock then stands still")
    parser.set_defaults(run=_say)


def _add_parse(commands) -> None:  # type: ignore[no-untyped-def]
    parser = commands.add_parser("parse", help="understand lines of standard input; nothing is done")
    _add_common(parser)
    parser.add_argument("--timings", action="store_true", help="add the milliseconds of understanding")
    parser.set_defaults(run=_parse)


# --- running ----------------------------------------------------------------------------


def _configuration(options: argparse.Namespace):  # type: ignore[no-untyped-def]
    from dialogue.config import read_configuration

    names = ("home", "grammars", "language", "model", "store", "action_endpoint")
    return read_configuration(options.config, {name: getattr(options, name, None) for name in names})


def _say(options: argparse.Namespace) -> int:
    from dialogue.config import make_assistant
    from dialogue.scheduler import StandingClock
    from dialogue.shapes import turn_shape

    clock = StandingClock(_time(options.now)) if options.now else None
    clock = clock or StandingClock(datetime.now().replace(microsecond=0))
    assistant = make_assistant(_configuration(options), clock=clock)
    for text in options.turns:
        turn = directive(assistant, clock, text) if text.startswith("@") else assistant.hear(checked(text))
        print(json.dumps(turn_shape(turn, assistant.home), ensure_ascii=False), flush=True)
    return 0


def directive(assistant, clock, text: str):  # type: ignore[no-untyped-def]
    """``@wait 10m`` moves the clock, ``@set DEVICE ATTRIBUTE=VALUE`` changes a sensor."""
    from dialogue.types import Effect

    words = text[1:].split()
    if len(words) == 2 and words[0] == "wait" and (length := re.fullmatch(r"(\d+)([smh])", words[1])):
        unit = {"s": "seconds", "m": "minutes", "h": "hours"}[length[2]]
        clock.time += timedelta(**{unit: int(length[1])})
        return assistant.advance()
    if len(words) == 3 and words[0] == "set" and "=" in words[2]:
        attribute, _, value = words[2].partition("=")
        return assistant.observe(Effect(words[1], {attribute: value}))
    raise ConfigurationError(f"{text!r}: write '@wait 10m' or '@set binary_sensor.rain state=on'")


def checked(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise ConfigurationError(f"an utterance of {len(text)} characters; {LONGEST_TEXT} are the most")
    return text


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        raise ConfigurationError(f"--now {text!r}: write a time like 2026-03-02T18:00:00") from error


def _parse(options: argparse.Namespace) -> int:
    from dialogue.config import load_parts
    from dialogue.context import ContextState
    from dialogue.shapes import utterance_shape
    from dialogue.types import Hypothesis

    parts = load_parts(_configuration(options))
    for line in sys.stdin:
        text = checked(line.rstrip("\n"))
        started = time.perf_counter()
        utterance = parts.splitter.split((Hypothesis(text),), ContextState())
        spent = (time.perf_counter() - started) * 1000
        shape = utterance_shape(utterance)
        if options.timings:
            shape["ms"] = round(spent, 3)
        print(json.dumps(shape, ensure_ascii=False))
    return 0
