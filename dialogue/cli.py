"""The ``onebreath`` command: one subcommand per door. Arguments in, exit codes out; the doors do the work."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dialogue import __version__
from dialogue.errors import ConfigurationError, OnebreathError

if TYPE_CHECKING:
    from threading import Event

    from dialogue.assistant import Assistant
    from dialogue.chat import Room
    from dialogue.config import Configuration
    from dialogue.interfaces import Clock
    from dialogue.picture import Brush
    from dialogue.server import Service
    from dialogue.tracker_store import SqliteTrackerStore
    from dialogue.types import AudioChunk, Turn

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; user errors become one line on standard error and exit code 2."""
    options = build_parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    _speak_utf8(getattr(options, "json", False))
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


def _speak_utf8(as_json: bool) -> None:
    """JSON is UTF-8 wherever it goes; a picture loses what the terminal does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8" if as_json else None, errors="replace")


# --- arguments --------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="onebreath",
        description="Say everything in one breath; each request is done, exactly as asked.",
        epilog='example: onebreath say "turn off the kitchen lights and wake me at seven"',
    )
    parser.add_argument("--version", action="version", version=f"onebreath {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        _add_say,
        _add_chat,
        _add_batch,
        _add_mic,
        _add_serve,
        _add_parse,
        _add_models,
        _add_check,
        _add_evaluate,
        _add_plan,
        _add_forget,
    ):
        add(commands)
    return parser


def _command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    about: str,
    *examples: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=about,
        description=f"{about[:1].upper()}{about[1:]}.",
        epilog="\n  ".join(["examples:", *examples]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_parts(parser: argparse.ArgumentParser) -> None:
    """What most commands understand with."""
    parser.add_argument("--home", type=Path, metavar="FILE", help="the home (default: the shipped one)")
    _add_grammar(parser)
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file (YAML)")


def _add_grammar(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--grammars",
        type=Path,
        action="append",
        metavar="DIR",
        help="sentence files in place of the shipped ones",
    )
    parser.add_argument("--language", metavar="CODE", help="language of the grammar (default: en)")


def _add_output(parser: argparse.ArgumentParser, *, as_json: bool = True) -> None:
    if as_json:
        help_text = "one JSON object per line on standard output"
        parser.add_argument("--json", action="store_true", help=help_text)
    parser.add_argument("--no-color", action="store_true", help="no colors (also: NO_COLOR=1)")


def _add_memory(parser: argparse.ArgumentParser, usual: str) -> None:
    parser.add_argument("--store", metavar="FILE", help=f"the journal (default: {usual})")
    parser.add_argument("--conversation", metavar="ID", default="default", help="the conversation's name")


def _add_now(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--now", metavar="ISO", help="local time; the clock then stands still")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, metavar="DIR", help="folder of a Vosk model")


def _add_say(commands: Commands) -> None:
    parser = _command(
        commands,
        "say",
        _say,
        "type what would be said; each argument is one turn",
        'onebreath say "turn off the kitchen lights and lock the side door"',
        'onebreath say --json --now 2026-03-02T18:00 "set a timer for ten minutes" "@wait 10m"',
        'onebreath say --store home.db "close the curtains" "undo that"',
    )
    _add_parts(parser)
    _add_output(parser)
    _add_memory(parser, "none, in memory")
    _add_now(parser)
    parser.add_argument("turns", nargs="+", metavar="TURN", help="words, or a directive: @wait 10m, @set ...")


def _add_chat(commands: Commands) -> None:
    parser = _command(
        commands,
        "chat",
        _chat,
        "type with the assistant at a prompt; Ctrl-D leaves",
        "onebreath chat",
        "onebreath chat --conversation kitchen",
        "onebreath chat --store try.db --now 2026-03-02T18:00   (then: @wait 10m)",
    )
    _add_parts(parser)
    _add_output(parser, as_json=False)
    _add_memory(parser, "the user's state folder")
    _add_now(parser)


def _add_batch(commands: Commands) -> None:
    parser = _command(
        commands,
        "batch",
        _batch,
        "hear sound files and folders; each file is a conversation of its own",
        "onebreath batch audio_fixtures",
        "onebreath batch --json one.wav two.wav > results.jsonl",
        "onebreath batch --jobs 4 --home my_home.yaml recordings",
    )
    _add_parts(parser)
    _add_output(parser)
    _add_model(parser)
    _add_now(parser)
    help_text = "files heard at the same time (default: 1)"
    parser.add_argument("--jobs", type=_count_to(64), default=1, metavar="N", help=help_text)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="WAV files, or folders of them")


def _add_mic(commands: Commands) -> None:
    parser = _command(
        commands,
        "mic",
        _mic,
        "listen at a microphone; Ctrl-C leaves",
        "onebreath mic",
        "onebreath mic --list",
        "onebreath mic --device 2 --push",
        "onebreath mic --input recording.wav --paced",
    )
    _add_parts(parser)
    _add_output(parser)
    _add_memory(parser, "none, in memory")
    _add_model(parser)
    _add_now(parser)
    parser.add_argument("--list", action="store_true", help="list the microphones")
    parser.add_argument("--device", metavar="N|NAME", help="a microphone's number or part of its name")
    parser.add_argument("--push", action="store_true", help="push to talk: Enter begins, Enter ends")
    parser.add_argument("--input", type=Path, metavar="WAV", help="a sound file in place of a microphone")
    parser.add_argument("--paced", action="store_true", help="play --input as slowly as it was spoken")


def _add_serve(commands: Commands) -> None:
    parser = _command(
        commands,
        "serve",
        _serve,
        "serve the intent API over HTTP",
        "onebreath serve --store home.db",
        "curl http://127.0.0.1:5005/v1/conversations/me/turns -H 'Content-Type: application/json' \\",
        '     -d \'{"text": "turn off the kitchen lights and lock the side door"}\'',
        "curl http://127.0.0.1:5005/v1/conversations/me/audio -H 'Content-Type: audio/wav' \\",
        "     --data-binary @recording.wav",
    )
    _add_parts(parser)
    _add_model(parser)
    parser.add_argument("--store", metavar="FILE", help="the journal (default: none, in memory)")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve at (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=5005, help="port (default: 5005; 0: any free one)")
    help_text = "tokens to ask for: one a line, after it the prefix of the conversations it opens"
    parser.add_argument("--tokens", type=Path, metavar="FILE", help=help_text)
    help_text = "requests a second for each token (default: 100)"
    parser.add_argument("--rate", type=_count_to(10_000), default=100, metavar="N", help=help_text)
    help_text = "allow a --host that others can reach without a token"
    parser.add_argument("--expose", action="store_true", help=help_text)


def _add_parse(commands: Commands) -> None:
    parser = _command(
        commands,
        "parse",
        _parse,
        "understand lines of standard input; nothing is done",
        'echo "lock the side door at ten" | onebreath parse',
        'echo "play rock and roll and lock up" | onebreath parse --explain',
        "onebreath parse --json --timings < sentences.txt",
        "onebreath parse --grammars my_sentences --json < sentences.txt",
    )
    _add_parts(parser)
    _add_output(parser)
    parser.add_argument("--timings", action="store_true", help="add the milliseconds of understanding")
    help_text = "show every word's owner and cost, and why the runners-up lost"
    parser.add_argument("--explain", action="store_true", help=help_text)


def _add_models(commands: Commands) -> None:
    parser = _command(
        commands,
        "models",
        _models,
        "install, list or check speech models",
        "onebreath models list",
        "onebreath models install en",
        "onebreath models check en",
    )
    parser.add_argument("what", choices=("install", "list", "check"))
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE", help="such as en (default: en)")
    _add_model(parser)


def _add_check(commands: Commands) -> None:
    parser = _command(
        commands,
        "check",
        _check,
        "look for mistakes in sentence files",
        "onebreath check",
        "onebreath check my_sentences --home my_home.yaml",
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR", help="default: the shipped sentences")
    parser.add_argument("--language", metavar="CODE", default="en", help="language (default: en)")
    parser.add_argument("--home", type=Path, metavar="FILE", help="check with the names of this home, too")


def _add_evaluate(commands: Commands) -> None:
    parser = _command(
        commands,
        "evaluate",
        _evaluate,
        "measure how well examples are read",
        "onebreath evaluate --grammars my_sentences              (cross-validation over their own examples)",
        "onebreath evaluate --grammars my_sentences test.yml --html picture.html",
        "onebreath evaluate --grammars my_sentences test.yml --json --bar 90",
    )
    _add_parts(parser)
    _add_output(parser)
    help_text = "parts of the cross-validation (default: 5)"
    parser.add_argument("--folds", type=_folds, default=5, metavar="N", help=help_text)
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the picture of the confusions here")
    help_text = "exit with 1 where fewer are read exactly"
    parser.add_argument("--bar", type=_percent, metavar="PERCENT", help=help_text)
    help_text = "examples in Rasa's NLU YAML (default: cross-validation over those of --grammars)"
    parser.add_argument("tests", nargs="*", type=Path, metavar="TEST.yml", help=help_text)


def _add_plan(commands: Commands) -> None:
    parser = _command(
        commands,
        "plan",
        _plan,
        "show what a conversation has led to: done, planned, asked and not done, with times and reasons",
        "onebreath plan default",
        "onebreath plan kitchen --store home.db",
    )
    parser.add_argument("conversation", metavar="CONVERSATION")
    parser.add_argument("--store", type=Path, metavar="FILE", help="the journal (default: that of chat)")
    _add_output(parser, as_json=False)


def _add_forget(commands: Commands) -> None:
    parser = _command(
        commands,
        "forget",
        _forget,
        "delete a conversation from a journal, for good",
        "onebreath forget default",
        "onebreath forget kitchen --store home.db",
    )
    parser.add_argument("conversation", metavar="CONVERSATION")
    parser.add_argument("--store", type=Path, metavar="FILE", help="the journal (default: that of chat)")


def _count_to(most: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not text.isdigit() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most}")
        return int(text)

    return count


def _folds(text: str) -> int:
    if not text.isdigit() or not 2 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 2 to 100")
    return int(text)


def _percent(text: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 100")
    return percent


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")
    return int(text)


# --- what commands share ----------------------------------------------------------------


def _configuration(options: argparse.Namespace) -> Configuration:
    from dialogue.config import read_configuration

    names = ("home", "grammars", "language", "model", "store")
    return read_configuration(options.config, {name: getattr(options, name, None) for name in names})


def _brush(options: argparse.Namespace) -> Brush:
    from dialogue.picture import Brush

    return Brush.on(sys.stdout, colors=not options.no_color)


def _now(options: argparse.Namespace) -> datetime | None:
    from dialogue.typed import local_time

    return local_time(options.now) if options.now else None


def _clock(options: argparse.Namespace) -> Clock:
    """The machine's clock, or one that stands still at ``--now``."""
    from dialogue.scheduler import StandingClock, SystemClock

    now = _now(options)
    return StandingClock(now) if now else SystemClock()


def _print_json(shape: object) -> None:
    print(json.dumps(shape, ensure_ascii=False), flush=True)


# --- typed ------------------------------------------------------------------------------


def _say(options: argparse.Namespace) -> int:
    from dialogue.chat import Room
    from dialogue.config import make_assistant
    from dialogue.scheduler import StandingClock
    from dialogue.typed import checked, joined

    for number, text in enumerate(options.turns, 1):
        checked(text, f"turn {number}")
    clock = StandingClock(_now(options) or datetime.now().replace(microsecond=0))
    room = Room(make_assistant(_configuration(options), clock=clock), options.conversation)
    due = room.overdue()  # since this journal was last used
    for text in options.turns:
        turn = room.say(text)
        _show(joined(due, turn) if due else turn, room.assistant, options)
        due = None
    return 0


def _show(turn: Turn, assistant: Assistant, options: argparse.Namespace) -> None:
    """One turn as a line of JSON or as a picture."""
    if options.json:
        from dialogue.shapes import turn_shape

        _print_json(turn_shape(turn, assistant.home))
        return
    from dialogue.picture import turn_picture

    print(turn_picture(turn, _brush(options), assistant.clock.now()), end="\n\n", flush=True)


def _parse(options: argparse.Namespace) -> int:
    from dialogue.config import load_splitter
    from dialogue.context import ContextState
    from dialogue.explanation import explanation_picture
    from dialogue.picture import utterance_picture
    from dialogue.shapes import explanation_shape, utterance_shape
    from dialogue.typed import lines
    from dialogue.types import Hypothesis

    splitter, brush = load_splitter(_configuration(options)), _brush(options)
    for text in lines(sys.stdin.buffer):
        started = time.perf_counter()
        if options.explain:
            utterance = splitter.explain(text, ContextState())
        else:
            utterance = splitter.split((Hypothesis(text),), ContextState())
        spent = round((time.perf_counter() - started) * 1000, 3)
        if options.json:
            timing = {"ms": spent} if options.timings else {}
            reasons = explanation_shape(utterance) if options.explain else {}
            _print_json({**utterance_shape(utterance), **reasons, **timing})
            continue
        if options.explain:
            print(explanation_picture(utterance, splitter.grammar.noise(text), brush))
        else:
            print(utterance_picture(utterance, brush))
        print(brush.paint(f"  {spent} ms", "dim") if options.timings else "", flush=True)
    return 0


def _chat(options: argparse.Namespace) -> int:
    from dialogue.chat import chat

    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # what is not UTF-8 is told and does not end it
    return chat(_room(options), _brush(options))


def _room(options: argparse.Namespace) -> Room:
    """A conversation that lasts; without a file to keep it in, `chat` has one."""
    from dialogue.chat import Room, usual_journal
    from dialogue.config import make_assistant

    if options.store is None and options.run is _chat:
        options.store = str(usual_journal())
    return Room(make_assistant(_configuration(options), clock=_clock(options)), options.conversation)


# --- spoken -----------------------------------------------------------------------------


def _batch(options: argparse.Namespace) -> int:
    from dialogue.batch import batch, hear_all, sound_files
    from dialogue.speech_models import ensure

    paths = sound_files(options.paths)
    configuration = _configuration(options)
    model = ensure(configuration.language, configuration.model)
    results = hear_all(paths, configuration, model, _now(options), min(options.jobs, len(paths)))
    return batch(results, len(paths), as_json=options.json, brush=_brush(options))


def _mic(options: argparse.Namespace) -> int:
    from dialogue.listen import device_lines

    if options.list or options.input is None:
        found = device_lines()  # says at once, before a model is loaded, when there is no microphone
        if options.list:
            print("\n".join(found))
            return 0
    elif not options.input.is_file():
        raise ConfigurationError(f"{options.input}: there is no such file; check the path")
    return _listen(options)


def _listen(options: argparse.Namespace) -> int:
    from dialogue.asr import VoskRecognizer
    from dialogue.listen import Screen, listen
    from dialogue.speech_models import ensure

    configuration = _configuration(options)
    recognizer = VoskRecognizer(ensure(configuration.language, configuration.model))
    room = _room(options)
    screen = Screen(_brush(options), live=sys.stdout.isatty() and not options.json)
    listen(
        room,
        recognizer.stream(),
        lambda released: _sound(options, recognizer.sample_rate, released),
        show=lambda turn: _show(turn, room.assistant, options),
        screen=screen,
        push="keys" if options.push and options.input is None else "once" if options.push else "never",
    )
    return 0


def _sound(options: argparse.Namespace, rate: int, released: Event) -> Iterable[AudioChunk]:
    from dialogue import microphone
    from dialogue.listen import complete

    if options.input is not None:
        return microphone.from_file(options.input, rate, paced=options.paced)
    device = options.device
    number = int(device) if device is not None and device.isdigit() else device
    return complete(microphone.listen(number, rate, stop=released))


# --- served and kept --------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    try:
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"serving needs {error.name}, which is not installed; pip install 'onebreath[server]'"
        ) from None
    from dialogue.server import Limits, gate_of, listening, need_guarded, read_tokens, serve

    tokens = read_tokens(options.tokens) if options.tokens else ()
    need_guarded(options.host, tokens=bool(tokens), expose=options.expose)
    gate = gate_of(options.host, tokens, expose=options.expose, limits=Limits(rate=options.rate))
    service = _service(_configuration(options))
    return serve(service, gate, listening(options.host, options.port), options.host)


def _service(configuration: Configuration) -> Service:
    """The assistant with ears, for doors that strangers come through."""
    from functools import partial

    from dialogue.config import load_parts, make_assistant
    from dialogue.grammar.outline import outline
    from dialogue.server import Service, VoskEars

    parts = load_parts(configuration)
    return Service(
        make_assistant(configuration, parts=parts),
        VoskEars(configuration.language, configuration.model),
        configuration.language,
        outline=partial(outline, parts.grammar, parts.home),
    )


def _models(options: argparse.Namespace) -> int:
    from dialogue import speech_models

    languages = options.languages or ["en"]
    if options.what == "list":
        for status in speech_models.listing():
            where = f"{status.folder} ({status.found_in})" if status.folder else "not installed"
            size = f"{status.model.size / 1e6:.0f} MB"
            print(f"{status.model.language:4} {status.model.name}  {size}, {status.model.license}: {where}")
        return 0
    if options.what == "install":
        for language in languages:
            print(f"{language}: {speech_models.install(language)}")
        return 0
    return _check_models(languages, options.model)


def _check_models(languages: Sequence[str], given: Path | None) -> int:
    from dialogue import speech_models

    wrong = 0
    for language in languages:
        problems = speech_models.check(language, given)
        wrong += len(problems)
        print("\n".join(problems) if problems else f"ok: {language}, {speech_models.find(language, given)}")
    return 2 if wrong else 0


def _check(options: argparse.Namespace) -> int:
    from dialogue.grammar.check import examine
    from dialogue.home import load_home
    from dialogue.shipped import shipped_grammars

    home = load_home(options.home or shipped_grammars() / "home.yaml")
    found = examine(options.language, options.folders, home=home)
    for problem in found.problems:
        print(problem)
    if not found.problems:
        for warning in found.warnings:
            print(f"warning: {warning}")
        print(f"ok: {found.sentences} sentences")
    return 2 if found.problems else 0


def _evaluate(options: argparse.Namespace) -> int:
    from dialogue.evaluation import evaluate, evaluation_shape
    from dialogue.evaluation_page import need_place, write_page
    from dialogue.evaluation_picture import evaluation_picture

    if options.html is not None:
        need_place(options.html)
    found = evaluate(_configuration(options), options.tests, options.folds)
    if options.json:
        _print_json(evaluation_shape(found))
    else:
        print(evaluation_picture(found, _brush(options)))
    if options.html is not None:
        write_page(found, options.html)
    below = options.bar is not None and found.exact.right * 100 < options.bar * found.exact.count
    if below:
        print(f"onebreath: exact match is below {options.bar:g} %", file=sys.stderr)
    return 1 if below else 0


def _plan(options: argparse.Namespace) -> int:
    from dialogue.plan_picture import plan_picture

    store = _journal_with(options)
    tree = plan_picture(store.load(options.conversation), _brush(options))
    store.close()
    print(tree or "nothing was asked for yet")
    return 0


def _forget(options: argparse.Namespace) -> int:
    store = _journal_with(options)
    store.forget(options.conversation)
    store.close()
    print(f"forgotten: {options.conversation}")
    return 0


def _journal_with(options: argparse.Namespace) -> SqliteTrackerStore:
    """The journal that holds the conversation named."""
    from dialogue.chat import usual_journal
    from dialogue.tracker_store import SqliteTrackerStore

    path = options.store or usual_journal()
    if not path.is_file():
        raise ConfigurationError(f"{path}: there is no such journal; name it: --store FILE")
    store = SqliteTrackerStore(path)
    known = store.conversations()
    if options.conversation not in known:
        there = ", ".join(known) or "none"
        raise ConfigurationError(f"{path}: there is no conversation {options.conversation!r}; there are: {there}")
    return store
