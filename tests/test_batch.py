"""Sound files in, one line each out: every file in a fresh home, broken ones told and the rest heard."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sounds

from dialogue import cli, speech_models
from dialogue.batch import Listener, batch, sound_files
from dialogue.config import Parts
from dialogue.errors import ConfigurationError
from dialogue.picture import Brush
from dialogue.types import AudioChunk, Hypothesis, Transcript

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "audio_fixtures" / "en"
KEYS = ["requests", "effects", "scheduled", "asked", "not_done", "responses", "wav", "status", "transcript"]
NOW = datetime(2026, 3, 2, 18)
HEARD = {
    1: "turn off the fountain and lock the side door",
    2: "turn off the fountain",
    3: "colorless green ideas",
    4: "",
}
"""What `Clock` hears in sounds of so many tenths of a second."""


class Clock:
    """A recognizer that knows sounds by their length."""

    def transcribe(self, chunks: Iterable[AudioChunk]) -> Transcript:
        text = HEARD[round(sum(chunk.seconds for chunk in chunks) * 10)]
        return Transcript((Hypothesis(text),) if text else ())


@pytest.fixture
def listener(parts: Parts) -> Listener:
    return Listener(parts, Clock(), 16000, NOW)


def sound(path: Path, tenths: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sounds.wav(sounds.tone(tenths / 10)))
    return path


def rows(
    listener: Listener, paths: list[Path], capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[dict[str, Any]]]:
    code = batch(map(listener.hear, paths), len(paths), as_json=True, brush=Brush())
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# --- what is printed --------------------------------------------------------------------


def test_each_kind_of_file_has_its_status(
    listener: Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The keys of `say`, then the file, what became of it, and what was heard."""
    paths = [sound(tmp_path / f"{tenths}.wav", tenths) for tenths in HEARD]
    code, found = rows(listener, paths, capsys)
    assert code == 0
    assert [list(row) for row in found] == [KEYS] * 4
    assert [row["status"] for row in found] == ["ok", "ok", "not_understood", "silence"]
    assert [row["wav"] for row in found] == [str(path) for path in paths]
    assert [row["transcript"] for row in found] == list(HEARD.values())
    assert [len(row["effects"]) for row in found] == [2, 1, 0, 0]
    assert found[2]["not_done"]
    assert found[3]["responses"] == []


def test_every_file_begins_in_a_fresh_home(
    listener: Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same sound heard twice does the same twice: nothing is left of the file before."""
    path = sound(tmp_path / "one.wav")
    _, (first, second) = rows(listener, [path, path], capsys)
    assert first == second
    heard = listener.hear(path)
    assert heard.turn is not None
    assert heard.turn.effects[0].before == {"state": "on"}


def test_broken_files_are_told_and_the_rest_goes_on(
    listener: Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing sound, an MP3 in disguise, a lying header, a pipe: each says why, and keeps all keys."""
    whole = sounds.wav(sounds.tone(0.1))
    broken = {
        "empty": (b"", "is empty (zero bytes); record or export it again"),
        "mp3": (b"ID3\x04" + bytes(600), "it looks like MP3; convert it first"),
        "text": (b"turn off the lights", "it looks like text; give a WAV file"),
        "header": (whole[:44], "holds no sound, only a header"),
        "cut": (whole[:20], "ends within the WAV header"),
        "zeros": (bytes(4096), "it looks like nothing but zero bytes"),
    }
    paths = []
    for name, (data, _) in broken.items():
        path = tmp_path / f"{name}.wav"
        path.write_bytes(data)
        paths.append(path)
    os.mkfifo(tmp_path / "pipe.wav")
    paths += [tmp_path / "pipe.wav", tmp_path / "gone.wav", sound(tmp_path / "good.wav", 2)]
    code, found = rows(listener, paths, capsys)
    assert code == 0
    assert [row["status"] for row in found] == ["error"] * 8 + ["ok"]
    assert all(list(row) == [*KEYS, "error"] for row in found[:-1])
    assert [list(row) for row in found[-1:]] == [KEYS]
    for row, (_, why) in zip(found, broken.values(), strict=False):
        assert why in row["error"]
    assert "is a pipe or a device" in found[6]["error"]
    assert "there is no such file" in found[7]["error"]


def test_a_lie_of_two_gigabytes_is_what_is_there(
    listener: Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A header that claims far more than the file holds costs nothing, and what is there is heard."""
    samples = sounds.stored(sounds.tone(0.2), 16)
    path = tmp_path / "lie.wav"
    path.write_bytes(sounds.riff((b"fmt ", sounds.layout()), (b"data", samples), claimed=0x7FFFFFF0))
    _, (row,) = rows(listener, [path], capsys)
    assert (row["status"], row["transcript"]) == ("ok", HEARD[2])


def test_a_mistake_of_the_program_stops_one_file_only(
    listener: Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a step raises becomes that file's error."""
    paths = [sound(tmp_path / "odd.wav", 9), sound(tmp_path / "good.wav", 2)]
    code, (odd, good) = rows(listener, paths, capsys)
    assert code == 0
    assert "broke the program (KeyError: 9); please report it" in odd["error"]
    assert good["status"] == "ok"


def test_nothing_but_errors_is_exit_code_2(
    listener: Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "empty.wav"
    path.write_bytes(b"")
    assert rows(listener, [path], capsys)[0] == 2


def test_the_picture_ends_in_a_table(
    listener: Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Per file its name, status, and what came of it; then how many ended how, and how fast that was."""
    paths = [sound(tmp_path / f"{tenths}.wav", tenths) for tenths in HEARD]
    (tmp_path / "empty.wav").write_bytes(b"")
    batch(map(listener.hear, [*paths, tmp_path / "empty.wav"]), 5, as_json=False, brush=Brush())
    told = capsys.readouterr()
    assert told.err == ""
    assert f"{paths[0]} ok\n  turn off the fountain and lock the side door\n" in told.out
    assert f"{paths[3]} silence\n" in told.out
    assert "empty.wav error\n  is empty (zero bytes)" in told.out
    table = dict(line.rsplit(maxsplit=1) for line in told.out.splitlines()[-8:])
    spent = float(table.pop("seconds of work"))
    assert table.pop("real-time factor") == pytest.approx(spent, abs=0.5) or spent < 1
    assert table == {
        "files": "5",
        "ok": "2",
        "silence": "1",
        "not understood": "1",
        "error": "1",
        "seconds of sound": "1.0",
    }


def test_file_names_of_any_bytes_are_printed(
    listener: Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that is not UTF-8 does not break the JSON, and one with escapes does not steer the terminal."""
    raw = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav")
    try:
        path = sound(Path(raw), 2)
    except OSError:
        pytest.skip("this file system has only UTF-8 names")
    _, (row,) = rows(listener, [path], capsys)
    assert row["wav"].endswith("/\ufffd.wav")
    batch([listener.hear(sound(tmp_path / "\x1b[2Jx.wav", 2))], 1, as_json=False, brush=Brush())
    assert "\x1b" not in capsys.readouterr().out


# --- which files ------------------------------------------------------------------------


def test_folders_are_searched_for_sound(tmp_path: Path) -> None:
    """WAV files in any case, in folders below, sorted; other files are left out, named ones are taken."""
    for name in ("b.wav", "a.WAV", "below/c.Wav", "notes.txt"):
        sound(tmp_path / name)
    names = [path.relative_to(tmp_path).as_posix() for path in sound_files([tmp_path])]
    assert names == ["a.WAV", "b.wav", "below/c.Wav"]
    both = sound_files([tmp_path / "notes.txt", tmp_path, tmp_path / "b.wav"])
    assert [path.name for path in both] == ["notes.txt", "a.WAV", "b.wav", "c.Wav"]


def test_loops_of_links_end(tmp_path: Path) -> None:
    """A folder that links back to itself is entered once, and linked folders are heard."""
    sound(tmp_path / "in" / "a.wav")
    sound(tmp_path / "elsewhere" / "b.wav")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in", target_is_directory=True)
    (tmp_path / "in" / "more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert [path.name for path in sound_files([tmp_path / "in"])] == ["a.wav", "b.wav"]


@pytest.mark.parametrize(
    ("name", "why"),
    [("none", "there is no such file or folder"), ("empty", "there is no .wav file in this folder")],
)
def test_nothing_to_hear_is_a_mistake(tmp_path: Path, name: str, why: str) -> None:
    """A path that is not there and a folder without sound stop the command before any work."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match=why):
        sound_files([sound(tmp_path / "a.wav"), tmp_path / name])
    assert cli.main(["batch", str(tmp_path / name)]) == 2


# --- the real thing ---------------------------------------------------------------------


def fixtures(*names: str) -> list[Path]:
    if speech_models.find("en") is None:
        pytest.skip("no English speech model here; onebreath models install en")
    paths = [FIXTURES / f"{name.replace(' ', '_')}.wav" for name in names]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        pytest.skip(f"sound fixtures are not here: {missing}")
    return paths


def test_speech_becomes_things_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the command: real speech, noise and a broken file, at a time that stands still."""
    spoken = fixtures("turn on the corner lamp and the porch light", "oov noise silence")
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    paths = [str(path) for path in (*spoken, tmp_path / "broken.wav")]
    assert cli.main(["batch", "--json", "--now", "2026-03-02T18:00", *paths]) == 0
    told = capsys.readouterr()
    found = [json.loads(line) for line in told.out.splitlines()]
    assert told.err == ""
    assert [row["status"] for row in found] == ["ok", "silence", "error"]
    assert [effect["target"] for effect in found[0]["effects"]] == ["light.corner_lamp", "light.porch"]


def test_workers_give_the_same_in_the_same_order_and_may_die(tmp_path: Path) -> None:
    """Two processes; one is killed while it works. All files are heard, in order, with the same result."""
    names = ("turn on the corner lamp and the porch light", "oov noise silence", "oov noise pink")
    paths = [*fixtures(*names)] * 3
    copies = [tmp_path / f"{number:02}.wav" for number in range(len(paths))]
    for path, copy in zip(paths, copies, strict=True):
        copy.write_bytes(path.read_bytes())
    process = subprocess.Popen(
        [sys.executable, "-m", "dialogue", "batch", "--json", "--jobs", "2", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    workers = _workers(process.pid)
    if workers:
        os.kill(workers[0], signal.SIGKILL)
    found = [json.loads(line) for line in (first, *process.stdout)]
    assert process.wait(timeout=30) == 0
    assert [row["wav"] for row in found] == [str(copy) for copy in copies]
    assert [row["status"] for row in found] == ["ok", "silence", "silence"] * 3


def _workers(parent: int) -> list[int]:
    """The hearing processes of a parent, where the system tells."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    try:
        found = [int(child) for child in children.read_text().split()]
        return [one for one in found if "spawn_main" in Path(f"/proc/{one}/cmdline").read_text()]
    except OSError:
        return []
