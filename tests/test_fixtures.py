"""The sound files, heard with the real speech model: spoken requests are understood, other talk starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import shipped_parts
from judge import NOW, ROOT, judge, read_cases

from dialogue import audio, speech_models
from dialogue.config import make_assistant, with_fresh_home
from dialogue.context import ContextState
from dialogue.scheduler import StandingClock
from dialogue.shapes import request_shape, turn_shape
from dialogue.types import Hypothesis, Transcript, Turn, Utterance

FOLDER = ROOT / "audio_fixtures" / "en"
FILES = {path.name: path for path in sorted(FOLDER.glob("*.wav"))}
REQUESTS = [name for name in FILES if not name.startswith("oov_")]
OTHER = [name for name in FILES if name.startswith("oov_")]
CASES = {case.wav: case for case in read_cases(ROOT / "tests" / "conversations" / "fixtures.yaml") if case.wav}
Heard = Mapping[str, Transcript]


@pytest.fixture(scope="module")
def heard() -> Heard:
    """What the recognizer hears in each file, decoded once, two files at a time (Vosk releases Python's lock)."""
    folder = speech_models.find("en")
    if folder is None:
        pytest.skip("no English speech model here: run onebreath models install en")
    from dialogue.asr import VoskRecognizer

    recognizer = VoskRecognizer(folder)

    def decoded(path: Path) -> Transcript:
        return recognizer.transcribe(audio.chunks(audio.read(path, recognizer.sample_rate), 0.5))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(FILES, pool.map(decoded, FILES.values()), strict=True))


def words_of(name: str) -> str:
    """What is said in a file: its name, without whatever tells two files with the same words apart."""
    return name.removesuffix(".wav").partition("__")[0].replace("_", " ")


def asked_for(utterance: Utterance) -> list[Any]:
    """Requests as they matter, whatever the words they were said with."""
    return [_bare(request_shape(request)) for request in utterance.requests]


def _bare(shape: Any) -> Any:
    if isinstance(shape, Mapping):
        return {key: _bare(value) for key, value in shape.items() if key != "text"}
    return [_bare(one) for one in shape] if isinstance(shape, list) else shape


def read(hypotheses: tuple[Hypothesis, ...]) -> Utterance:
    return shipped_parts().splitter.split(hypotheses, ContextState())


def turn_of(transcript: Transcript) -> Turn:
    """What an assistant in a home of its own makes of it."""
    parts = with_fresh_home(shipped_parts())
    clock = StandingClock(datetime.fromisoformat(NOW))
    return make_assistant(parts.configuration, clock=clock, parts=parts).hear(transcript)


def share(names: list[str], right: Callable[[str], bool], what: str) -> tuple[float, str]:
    """The share of files that are right, printed, and the others with what was heard."""
    wrong = [name for name in names if not right(name)]
    found = 1 - len(wrong) / len(names)
    print(f"{what}: {found:.1%} of {len(names)} files")
    return found, "\n".join(wrong)


def test_spoken_requests_are_exactly_read(heard: Heard) -> None:
    """In at least 80 % of the files the requests are those of the true words, with every slot and operator."""

    def exact(name: str) -> bool:
        return asked_for(read(heard[name].hypotheses)) == asked_for(read((Hypothesis(words_of(name)),)))

    found, others = share(REQUESTS, exact, "exact requests")
    assert found >= 0.8, others


def test_spoken_requests_are_done(heard: Heard) -> None:
    """In at least 80 % of the files that is done which the conversation of that file asks for."""

    def done(name: str) -> bool:
        parts = with_fresh_home(shipped_parts())
        line = turn_shape(turn_of(heard[name]), parts.home)
        return judge(CASES[name], [line], parts.home).outcome == "right"

    found, others = share([name for name in REQUESTS if len(CASES[name].turns) == 1], done, "right effects")
    assert found >= 0.8, others


@pytest.mark.parametrize("name", OTHER)
def test_other_talk_starts_nothing(heard: Heard, name: str) -> None:
    """Talk that is not meant for the assistant, and plain noise, change nothing and plan nothing."""
    turn = turn_of(heard[name])
    assert turn.effects == (), turn.text
    assert turn.scheduled == (), turn.text


def test_every_file_has_its_conversation() -> None:
    """A sound file and the conversation that says what it must lead to go together by name and words."""
    silent = {name for name in OTHER if name.startswith("oov_noise_")}
    assert set(CASES) == set(FILES) - silent
    for name, case in CASES.items():
        assert case.said[0] == words_of(name).removeprefix("oov "), name
