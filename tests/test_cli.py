"""The command line: what it prints and keeps, and that every mistake is one clear line and exit code 2."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from small_home import SMALL_HOME, written

from dialogue import cli, speech_models
from dialogue.listen import OPEN_PAUSE_SECONDS, PAUSE_SECONDS, Ear, is_open
from dialogue.typed import LONGEST_TEXT
from dialogue.types import AudioChunk, Hypothesis, Segment, Transcript, Utterance

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "audio_fixtures" / "en"
SPOKEN = "turn on the corner lamp and the porch light"
KEYS = ["requests", "effects", "scheduled", "asked", "not_done", "responses"]
NOW = "2026-03-02T18:00:00"
COMMANDS = ("say", "chat", "batch", "mic", "serve", "parse", "models", "check", "evaluate", "plan", "forget")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: its exit code, standard output and standard error."""

    def running(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = int(left.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return running


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Put bytes on standard input."""

    def typing(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))

    return typing


def command(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dialogue", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def refusal(told: tuple[int, str, str]) -> str:
    """The one line of a mistake; fails if it was not one, or not told as one."""
    code, _, error = told
    assert code == 2
    assert error.startswith("onebreath: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    return error


def need_model() -> Path:
    found = speech_models.find("en")
    if found is None:
        pytest.skip("no English speech model here; onebreath models install en")
    return found


# --- say and parse ----------------------------------------------------------------------


def test_say_prints_a_line_of_json_per_argument(run: Run) -> None:
    """Six keys a line, directives included, and nothing else on standard output."""
    code, out, error = run(
        "say", "--json", "--now", NOW, "set a timer for ten minutes", "@wait 10m", "lock the side door"
    )
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, error) == (0, "")
    assert [list(row) for row in rows] == [KEYS] * 3
    assert rows[0]["effects"][0]["change"]["started"] == 600
    assert rows[1]["effects"][0]["change"]["finished"] == 600
    assert rows[2]["effects"] == [{"target": "lock.side_door", "change": {"state": "locked"}}]


def test_say_shows_a_picture(run: Run) -> None:
    code, out, _ = run("say", "--now", NOW, "lock the side door and order a pizza")
    assert code == 0
    assert "  ✓ lock the side door\n" in out
    assert "  ✗ order a pizza - " in out
    assert "\x1b" not in out


def test_set_changes_a_sensor_and_what_waits_for_it_happens(run: Run) -> None:
    _, out, _ = run(
        "say",
        "--json",
        "--now",
        NOW,
        "turn off the fountain when it rains",
        "@set binary_sensor.rain state=on",
    )
    assert json.loads(out.splitlines()[1])["effects"] == [
        {"target": "switch.fountain", "change": {"state": "off"}}
    ]


def test_a_journal_is_remembered_and_what_fell_due_is_done(run: Run, tmp_path: Path) -> None:
    """The next run knows the conversation, and first does and tells what was planned for the time between."""
    store = ("--store", tmp_path / "journal.db", "--conversation", "den", "--json")
    run("say", *store, "--now", NOW, "lock the side door in ten minutes", "turn off the fountain")
    _, out, _ = run("say", *store, "--now", "2026-03-02T18:20:00", "turn it on again")
    row = json.loads(out)
    assert [effect["target"] for effect in row["effects"]] == ["lock.side_door", "switch.fountain"]
    assert row["effects"][1]["change"]["state"] == "on"
    assert "locked" in row["responses"][0]["text"]


def test_forget_deletes_a_conversation(run: Run, tmp_path: Path) -> None:
    store = tmp_path / "journal.db"
    run("say", "--store", store, "--conversation", "den", "--now", NOW, "lock the side door")
    assert b"side door" in kept(tmp_path)
    assert "there are: den" in refusal(run("forget", "attic", "--store", store))
    assert run("forget", "den", "--store", store)[:2] == (0, "forgotten: den\n")
    assert b"side door" not in kept(tmp_path)
    assert "there are: none" in refusal(run("forget", "den", "--store", store))


def test_plan_draws_what_a_conversation_led_to(run: Run, tmp_path: Path) -> None:
    """A tree of turns and steps with times, how they stand and why; from the journal alone."""
    store = ("--store", tmp_path / "journal.db")
    said = (
        "turn off the desk lamp at ten past eight pm and turn on the kettle and if that works lock the side door",
        "turn on the ceiling fan for ten minutes",
        "set a timer",
        "@wait 10m",
        "undo the first one",
    )
    run("say", *store, "--now", NOW, *said)
    code, out, _ = run("plan", "default", *store, "--no-color")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("2026-03-02 18:00:00  “turn off the desk lamp at ten past eight pm")
    assert any(re.fullmatch(r"[├└]─ … turn off the desk lamp · scheduled at 20:10", line) for line in lines)
    door = next(place for place, line in enumerate(lines) if "lock the side door · done" in line)
    assert lines[door].startswith(" ") and "only if that works" in lines[door]
    assert "lock.side_door: state locked" in lines[door + 1]
    back = next(line for line in lines if "(taken back)" in line)
    assert back.strip().startswith("└─") and "18:10:00" in back
    assert any("? set a timer · asking 18:00:00 · for how long shall the timer run?" in line for line in lines)
    assert "there are: default" in refusal(run("plan", "attic", *store))


def kept(folder: Path) -> bytes:
    """All bytes of a journal, its write-ahead log included."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_parse_prints_an_object_per_line(run: Run, typed: Callable[[bytes], None]) -> None:
    """Also for an empty line, and with the time of understanding on request."""
    typed(b"lock the side door at ten\n\r\nblah\n")
    code, out, _ = run("parse", "--json", "--timings")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [list(row) for row in rows] == [["text", "requests", "unexplained", "ms"]] * 3
    assert rows[0]["requests"][0]["when"][0]["text"] == "at ten"
    assert [row["unexplained"] for row in rows] == [[], [], ["blah"]]
    assert all(row["ms"] >= 0 for row in rows)


@pytest.mark.parametrize(
    ("code", "line"),
    [("de", "Wie spät ist es?"), ("FR", "quelle heure est-il"), ("es", "¿qué hora es?"), ("zh-cn", "现在几点")],
)
def test_parse_understands_other_languages(run: Run, typed: Callable[[bytes], None], code: str, line: str) -> None:
    """A language with an intent pack alone is understood, however its code is written."""
    typed(line.encode())
    status, out, _ = run("parse", "--json", "--language", code)
    assert status == 0
    assert [request["intent"] for request in json.loads(out)["requests"]] == ["HassGetCurrentTime"]


def test_parse_shows_a_picture(run: Run, typed: Callable[[bytes], None]) -> None:
    typed(b"lock the side door\n")
    assert run("parse")[1].splitlines() == [
        "  lock the side door",
        "  ╰────── 1 ───────╯",
        "  1 HassTurnOn name=side door",
        "",
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"turn off the \xff light\n", "byte 14 (0xff) is not UTF-8; convert the text first"),
        (b"a" * (LONGEST_TEXT + 1), f"an utterance of {LONGEST_TEXT + 1} characters, and {LONGEST_TEXT} are"),
        (b"a" * 1_000_000, f"an utterance of more than {LONGEST_TEXT} characters; cut it"),
    ],
)
def test_parse_names_the_bad_line(run: Run, typed: Callable[[bytes], None], line: bytes, why: str) -> None:
    """What came before it is printed, what comes after it is not read."""
    typed(b"lock the side door\n" + line + b"\nlock the side door\n")
    code, out, error = run("parse", "--json")
    assert f"standard input, line 2: {why}" in refusal((code, out, error))
    assert [json.loads(one)["text"] for one in out.splitlines()] == ["lock the side door"]


def test_json_is_utf8_and_pictures_are_what_the_terminal_has() -> None:
    """On a terminal without UTF-8, JSON keeps its letters and the picture falls back to ASCII."""
    as_json, picture = (
        command("say", *more, "--now", NOW, "play café del mar on the stereo", PYTHONIOENCODING="ascii")
        for more in (("--json",), ())
    )
    assert "café" in json.loads(as_json.communicate(timeout=30)[0])["requests"][0]["text"]
    out, error = picture.communicate(timeout=30)
    assert (picture.returncode, error) == (0, "")
    assert out.isascii()
    assert "  + play caf? del mar" in out


def test_a_reader_that_leaves_is_no_mistake() -> None:
    """``onebreath ... | head -1`` ends quietly."""
    process = command("parse", "--json")
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write("lock the side door\n")
    process.stdin.flush()
    assert process.stdout.readline()
    process.stdout.close()
    process.stdin.write("lock the side door\n" * 5)
    process.stdin.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""


# --- mistakes ---------------------------------------------------------------------------


def test_every_command_explains_itself_with_examples(run: Run) -> None:
    """``--help`` of each command ends in commands that can be typed."""
    assert all(f"    {name} " in run("--help")[1] for name in COMMANDS)
    for name in COMMANDS:
        code, out, _ = run(name, "--help")
        assert code == 0
        assert f"examples:\n  onebreath {name}" in out or f"onebreath {name}" in out.partition("examples:")[2]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("say", "a" * 1_000_000), "turn 1: an utterance of 1000000 characters"),
        (("say", "caf\udce9"), "turn 1: character 4 is not UTF-8"),
        (("say", "--now", "noon", "x"), "--now 'noon': write a time like 2026-03-02T18:00:00"),
        (("say", "--language", "tlh", "x"), "no grammar for language 'tlh'; there is one for en"),
        (("say", "--home", "none.yaml", "x"), "none.yaml: There is no such file. Name a home file"),
        (("say", "--grammars", "none", "x"), "none: no such folder of sentence files"),
        (("say", "--language", "de", "x"), "there are no answers in language 'de' yet; write this file"),
        (("say", "--config", "none.yaml", "x"), "none.yaml: cannot be read"),
        (("say", "--now", NOW, "@wait long"), "'@wait long': no such directive; write '@wait 10m'"),
        (("say", "--now", NOW, "@wait 99999999999h"), "no such directive"),
        (("say", "--now", NOW, "@set sun state=up"), "there is no 'sun' in this home"),
        (("say", "--store", "/proc/none/x.db", "x"), "/proc/none/x.db: The journal"),
        (("models", "install", "tlh"), "there is no known speech model for 'tlh', only for en"),
        (("models", "check", "en", "--model", "none"), "none: there is no such folder"),
        (("batch", "none.wav"), "none.wav: there is no such file or folder"),
        (("mic", "--input", "none.wav"), "none.wav: there is no such file"),
        (("forget", "x", "--store", "none.db"), "none.db: there is no such journal; name it: --store FILE"),
        (("serve", "--host", "0.0.0.0"), "--host 0.0.0.0: other machines could reach this address"),
        (("serve", "--host", "example.org"), "--host example.org: other machines"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    run: Run, arguments: tuple[str, ...], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong, where, and how to mend it; never a traceback."""
    monkeypatch.chdir(tmp_path)
    assert why in refusal(run(*arguments))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("language: en\nhome: [a\n", "configuration.yaml:3: not YAML: expected"),
        ("- home\n", "a configuration is a mapping"),
        ("house: x\n1: y\n", "unknown key '1'; known are"),
        ("language: 5\n", "language: 5 is not text"),
        ("grammars: 5\n", "grammars: name folders"),
        ("grammars: [5]\n", "grammars: 5 is not text"),
        ("home: {a: b}\n", "home: {'a': 'b'} is not text"),
        ("language:\nhome: none.yaml\n", "none.yaml: There is no such file"),
    ],
)
def test_a_broken_configuration_is_told(run: Run, text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "configuration.yaml"
    path.write_text(text)
    assert why in refusal(run("say", "--config", path, "lock the side door"))


def test_a_broken_home_is_told_with_its_line(run: Run, tmp_path: Path) -> None:
    """A device in an area that does not exist: file, line, place, and what is allowed."""
    home = written(tmp_path, SMALL_HOME.replace("area: den, risky", "area: dungeon, risky"))
    told = refusal(run("say", "--home", home, "lock the gate"))
    assert told.startswith(f"onebreath: {home}:1")
    assert "devices.lock.gate.area: There is no area 'dungeon'." in told


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("language: en\nintents:\n  Bark:\n    data:\n      - sentences: [unclosed\n", "broken.yaml:"),
        (
            "language: en\nintents:\n  Bark:\n    data:\n      - sentences: ['bark <loudly>']\n",
            "broken.yaml:5",
        ),
    ],
)
def test_broken_sentences_are_told_with_their_line(run: Run, text: str, line: str, tmp_path: Path) -> None:
    """By every command that understands, and by `check`, which exits with 2, too."""
    (tmp_path / "broken.yaml").write_text(text)
    assert line in refusal(run("say", "--grammars", tmp_path, "bark"))
    code, out, error = run("check", tmp_path)
    assert (code, error) == (2, "")
    assert line in out


def test_check_counts_the_sentences(run: Run) -> None:
    code, out, _ = run("check")
    assert code == 0
    assert out.startswith("ok: "), "the shipped sentences give no warning"
    assert int(out.split()[1]) > 100


def test_models_are_listed_and_checked(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed is told, and `check` exits with 2 and names the next command."""
    monkeypatch.delenv("ONEBREATH_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code, out, _ = run("models", "list")
    assert code == 0
    assert "en   vosk-model-small-en-us-0.15" in out
    assert "not installed" in out
    code, out, _ = run("models", "check", "en")
    assert code == 2
    assert "onebreath models install en" in out


def test_an_unusable_port_is_told(run: Run) -> None:
    """A port that is taken is found out before anything is served."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = refusal(run("serve", "--port", str(port)))
    assert f"127.0.0.1:{port}: cannot be served" in told
    assert f"--port {port + 1}" in told


def test_serving_without_the_extra_names_the_command() -> None:
    hidden = "import sys; sys.modules['starlette'] = None"
    code = f"{hidden}; from dialogue.cli import main; sys.exit(main(['serve']))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.returncode == 2
    assert ran.stderr.endswith("pip install 'onebreath[server]'\n")
    assert ran.stderr.count("\n") == 1


# --- chat -------------------------------------------------------------------------------


def test_chat_does_what_falls_due_while_it_waits(tmp_path: Path) -> None:
    """A timer rings by itself; the journal in the user's state folder is there for the next time."""
    process = command("chat", "--no-color", XDG_STATE_HOME=str(tmp_path))
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("lock the side door and set a timer for two seconds\n")
    process.stdin.flush()
    said = until(process.stdout, "Timer for 2 seconds finished.")
    assert "  ✓ lock the side door\n" in said
    process.stdin.write("x" * (LONGEST_TEXT + 1) + "\n@wait 10m\nundo that\n")
    process.stdin.close()
    out = process.stdout.read()
    assert process.wait(timeout=30) == 0
    error = process.stderr.read() if process.stderr is not None else ""
    assert "Traceback" not in error
    assert f"this line: an utterance of {LONGEST_TEXT + 1} characters" in error
    assert "the clock runs by itself; start with --now" in error
    assert "undo that" in out
    assert (tmp_path / "onebreath" / "journal.db").is_file()


def test_chat_with_a_standing_clock_takes_directives(run: Run, typed: Callable[[bytes], None]) -> None:
    typed(b"\nset a timer for ten minutes\n@wait 10m\nturn off the \xff\n")
    code, out, error = run("chat", "--store", ":memory:", "--now", NOW)
    assert code == 0
    assert "Timer for 10 minutes finished." in out
    assert "this line: character 14 is not UTF-8" in error


def until(stream: IO[str], words: str, seconds: float = 20) -> str:
    """What is read from a stream up to a line with these words."""
    said = ""
    end = time.monotonic() + seconds
    while time.monotonic() < end and (line := stream.readline()):
        said += line
        if words in line:
            return said
    raise AssertionError(f"{words!r} was not said in {said!r}")


# --- the microphone ---------------------------------------------------------------------


def test_without_a_microphone_that_is_said(run: Run) -> None:
    """Before a model is loaded, and also by ``--list``."""
    from dialogue import microphone
    from dialogue.errors import SoundError

    try:
        there = microphone.devices()
    except SoundError:
        there = []
    if there:
        pytest.skip("this machine has a microphone")
    for more in ((), ("--list",), ("--push",)):
        told = refusal(run("mic", *more))
        assert "microphone" in told


def test_a_file_goes_the_way_of_the_microphone(run: Run) -> None:
    """Always on or pushed, the same words come out and the same is done."""
    need_model()
    path = FIXTURES / f"{SPOKEN.replace(' ', '_')}.wav"
    if not path.is_file():
        pytest.skip(f"the sound fixture {path.name} is not here")
    for more in ((), ("--push",)):
        code, out, _ = run("mic", "--json", "--now", NOW, "--input", path, *more)
        assert code == 0
        (row,) = map(json.loads, out.splitlines())
        assert [effect["target"] for effect in row["effects"]] == ["light.corner_lamp", "light.porch"]


class Script:
    """A recognizer's stream that hears what a script says: one entry per chunk."""

    def __init__(self, *entries: Transcript | None) -> None:
        self.entries = iter(entries)
        self.words = ""
        self.finished: list[str] = []

    def accept(self, chunk: AudioChunk) -> Transcript | None:
        heard = next(self.entries, None)
        self.words = heard.text if heard else self.words
        return heard

    def finish(self) -> Transcript:
        words, self.words = self.words, ""
        self.finished.append(words)
        return said(words) if words else Transcript(())


def said(text: str, final: bool = True) -> Transcript:
    return Transcript((Hypothesis(text),), final=final)


def quiet(seconds: float) -> Iterator[AudioChunk]:
    for _ in range(round(seconds * 10)):
        yield AudioChunk(bytes(3200), 16000)


def ear(script: Script, guesses: list[str] | None = None) -> Ear:
    told = guesses.append if guesses is not None else lambda text: None
    return Ear(script, lambda transcript: transcript.text.endswith("and"), told)


def test_a_pause_ends_an_utterance() -> None:
    """Two sentences with a pause between them are two; guesses are told as they come."""
    pause: list[Transcript | None] = [None] * round(PAUSE_SECONDS * 10)
    guesses: list[str] = []
    script = Script(said("lock", False), said("lock it"), *pause, said("stop", False), said("stop it"), *pause)
    heard = [transcript.text for transcript in ear(script, guesses).utterances(quiet(3))]
    assert heard == ["lock it", "stop it"]
    assert guesses == ["lock", "lock it", "stop", "stop it"]


def test_a_sentence_that_must_go_on_is_waited_for() -> None:
    """ "... and" waits for its end, but not for ever."""
    longer: list[Transcript | None] = [None] * round(OPEN_PAUSE_SECONDS * 10)
    short = longer[: len(longer) // 2]
    joined = Script(said("lock it and"), *short, said("lock it and stop"), *longer)
    assert [one.text for one in ear(joined).utterances(quiet(6))] == ["lock it and stop"]
    alone = Script(said("lock it and"), *longer)
    assert [one.text for one in ear(alone).utterances(quiet(6))] == ["lock it and"]


def test_nobody_is_heard_for_ever() -> None:
    """Words without a pause are taken after a minute, and the rest after that."""
    script = Script(*(said(f"word {number}", False) for number in range(900)))
    first, last = [transcript.text for transcript in ear(script).utterances(quiet(90))]
    assert first in ("word 599", "word 600")
    assert last == "word 899"


def test_push_to_talk_ignores_pauses() -> None:
    script = Script(said("lock it"), *[None] * 50, said("lock it stop it"))
    assert ear(script).whole(quiet(6)).text == "lock it stop it"
    assert script.finished == ["lock it stop it"]


@pytest.mark.parametrize(
    ("kind", "label", "expected"),
    [("operator", "and", True), ("operator", "except", True), ("operator", "when", False)],
)
def test_only_some_words_must_be_followed(kind: str, label: str, expected: bool) -> None:
    """A connective must be followed by more; a time at the end need not."""
    segment = Segment(kind, label, "x", 0, 1)  # type: ignore[arg-type]
    assert is_open(Utterance("x", segments=(segment,))) is expected
    assert not is_open(Utterance(""))


AMBIGUOUS = """
language: en
intents:
  StartWasher:
    data:
      - sentences: ["(start|run) the washing machine", "begin the wash"]
  StartThing:
    data:
      - sentences: ["start the {appliance}"]
lists:
  appliance: {values: [oven, washing machine]}
"""


def test_check_warns_of_sentences_that_mean_two_things(run: Run, tmp_path: Path) -> None:
    """A grammar ambiguous by accident is told with both templates and a sentence that both read."""
    (tmp_path / "own.yaml").write_text(AMBIGUOUS, encoding="utf-8")
    code, out, _ = run("check", tmp_path)
    assert code == 0, out
    assert "'start the washing machine' is as much StartWasher" in out
    assert "own.yaml:6" in out and "own.yaml:9" in out and "'start the {appliance}'" in out
