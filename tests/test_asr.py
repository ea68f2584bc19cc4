"""Real speech becomes words, with times and other ways to hear it; pauses do not tear a request apart."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import sounds
from hypothesis import given
from hypothesis import strategies as st

from dialogue import asr, audio, speech_models
from dialogue.asr import Stream, VoskRecognizer
from dialogue.errors import SoundError, SpeechModelError
from dialogue.types import AudioChunk, Hypothesis, Transcript

SENTENCES = (
    "turn on the corner lamp and the porch light",
    "unlock the front door and turn on the porch light",
)
FIXTURES = Path(__file__).parent.parent / "audio_fixtures" / "en"
RECORDINGS = Path(__file__).parent.parent.parent / "shared" / "bench" / "coffee"


@pytest.fixture(scope="module")
def model() -> Path:
    found = speech_models.find("en")
    if found is None:
        pytest.skip("no English speech model here; onebreath models install en")
    return found


@pytest.fixture(scope="module")
def recognizer(model: Path) -> VoskRecognizer:
    return VoskRecognizer(model)


@pytest.fixture(scope="module")
def labels() -> dict[str, dict[str, dict[str, str]]]:
    """What is asked for in each real recording."""
    path = RECORDINGS / "labels.json"
    if not path.is_file():
        pytest.skip("the real recordings are not here")
    labels: dict[str, dict[str, dict[str, str]]] = json.loads(path.read_text())
    return labels


@pytest.fixture(scope="module")
def spoken() -> tuple[AudioChunk, AudioChunk]:
    """The two sentences, each said by a voice of the sound fixtures."""
    paths = [FIXTURES / f"{text.replace(' ', '_')}.wav" for text in SENTENCES]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        pytest.skip(f"sound fixtures are not here: {missing}")
    first, second = map(audio.read, paths)
    return first, second


def heard(recognizer: VoskRecognizer, *parts: AudioChunk, seconds: float = 0.25) -> Transcript:
    whole = AudioChunk(b"".join(part.pcm for part in parts), 16000)
    return recognizer.transcribe(audio.chunks(whole, seconds))


def silence(seconds: float) -> AudioChunk:
    return sounds.chunk16(sounds.noise(seconds))


# --- real speech ------------------------------------------------------------------------


def test_real_recordings_are_heard(
    recognizer: VoskRecognizer, labels: dict[str, dict[str, dict[str, str]]]
) -> None:
    """In most recordings of real people every word of the order is in one of the hypotheses."""
    right = 0
    for name in sorted(labels)[:6]:
        transcript = heard(recognizer, audio.read(RECORDINGS / "wav" / name))
        wanted = set(" ".join(labels[name]["slots"].values()).split())
        right += any(wanted <= set(hypothesis.text.split()) for hypothesis in transcript.hypotheses)
    assert right >= 4


def test_transcript_has_times_and_alternatives(
    recognizer: VoskRecognizer, spoken: tuple[AudioChunk, AudioChunk]
) -> None:
    """Words lie in order within the sound; hypotheses are distinct and sorted by score."""
    transcript = heard(recognizer, spoken[0])
    assert transcript.text == SENTENCES[0]
    assert transcript.final
    assert transcript.seconds == pytest.approx(spoken[0].seconds)
    assert 1 < len(transcript.hypotheses) <= recognizer.alternatives
    assert len({hypothesis.text for hypothesis in transcript.hypotheses}) == len(transcript.hypotheses)
    scores = [hypothesis.score for hypothesis in transcript.hypotheses]
    assert scores == sorted(scores, reverse=True)
    for hypothesis in transcript.hypotheses:
        assert " ".join(word.text for word in hypothesis.words) == hypothesis.text
        times = [time for word in hypothesis.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] <= transcript.seconds


def test_pause_in_a_request_does_not_cut_it(
    recognizer: VoskRecognizer, spoken: tuple[AudioChunk, AudioChunk]
) -> None:
    """Two sentences with two seconds between them are one transcript, with times that run on."""
    first, second = spoken
    transcript = heard(recognizer, first, silence(2), second)
    assert transcript.text.startswith(SENTENCES[0])
    assert transcript.text.endswith(SENTENCES[1])
    best = transcript.hypotheses[0]
    unlock = next(word for word in best.words if word.text == "unlock")
    assert unlock.start > first.seconds + 2
    assert best.words[-1].end < transcript.seconds
    assert len(transcript.hypotheses) <= recognizer.alternatives


def test_silence_and_nothing_are_empty_transcripts(recognizer: VoskRecognizer) -> None:
    """Where nobody speaks there are no hypotheses, and no text."""
    quiet = heard(recognizer, silence(1))
    assert (quiet.hypotheses, quiet.text, quiet.final) == ((), "", True)
    assert quiet.seconds == pytest.approx(1)
    assert recognizer.transcribe([]) == Transcript(())
    assert recognizer.transcribe([AudioChunk(b"", 16000), AudioChunk(b"\0", 16000)]).hypotheses == ()


def test_loud_noise_and_tones_are_survived(recognizer: VoskRecognizer) -> None:
    """Sounds that are no speech give a final transcript, whatever it holds."""
    for samples in (sounds.noise(1, loudness=1), sounds.tone(1), [1.0, -1.0] * 4000, [0.0] * 16000):
        transcript = heard(recognizer, sounds.chunk16(samples))
        assert transcript.final
        assert len(transcript.text.split()) <= 3


def test_size_of_chunks_does_not_matter(recognizer: VoskRecognizer, spoken: tuple[AudioChunk, AudioChunk]) -> None:
    """The same words come out of one chunk as of many."""
    texts = {heard(recognizer, spoken[1], seconds=seconds).text for seconds in (0.03, 0.5, 60)}
    assert texts == {SENTENCES[1]}


def test_wrong_rate_is_refused(recognizer: VoskRecognizer) -> None:
    """Sound at another rate would be heard as nonsense, so it is an error that says what to do."""
    with pytest.raises(SoundError, match=r"has 8000 samples a second .* hears 16000; read it with audio\.read"):
        recognizer.transcribe([AudioChunk(b"\0\0", 8000)])


def test_words_are_told_while_speaking(recognizer: VoskRecognizer, spoken: tuple[AudioChunk, AudioChunk]) -> None:
    """Partial texts grow, a pause gives the whole so far with n-best, and the end gives everything."""
    stream = recognizer.stream()
    whole = AudioChunk(spoken[0].pcm + silence(1).pcm + spoken[1].pcm, 16000)
    told = [news for chunk in audio.chunks(whole, 0.2) if (news := stream.accept(chunk)) is not None]
    pauses = [news for news in told if news.final]
    partial = [news for news in told if not news.final]
    assert len(partial) > 5
    assert all(len(news.hypotheses) == 1 and news.text for news in partial)
    assert all(earlier != later for earlier, later in itertools.pairwise(told))
    assert pauses[0].text == SENTENCES[0]
    assert pauses[0].hypotheses[0].words
    after_pause = told[told.index(pauses[0]) + 1]
    assert after_pause.text.startswith(SENTENCES[0] + " ")
    last = stream.finish()
    assert last.final
    assert last.text == heard(recognizer, whole, seconds=0.2).text


def test_stream_begins_anew_after_finishing(
    recognizer: VoskRecognizer, spoken: tuple[AudioChunk, AudioChunk]
) -> None:
    """The next utterance holds nothing of the last one, and its times start at zero."""
    stream = recognizer.stream()
    stream.hear(spoken[0])
    assert stream.finish().text == SENTENCES[0]
    assert stream.finish() == Transcript(())
    stream.hear(spoken[1])
    again = stream.finish()
    assert again.text == SENTENCES[1]
    assert again.seconds == pytest.approx(spoken[1].seconds)
    assert again.hypotheses[0].words[-1].end < again.seconds


def test_threads_share_a_model(recognizer: VoskRecognizer, spoken: tuple[AudioChunk, AudioChunk]) -> None:
    """Two streams at once hear what each would hear alone."""
    got: dict[int, str] = {}

    def listen(number: int) -> None:
        got[number] = heard(recognizer, spoken[number]).text

    workers = [threading.Thread(target=listen, args=(number,)) for number in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert got == {0: SENTENCES[0], 1: SENTENCES[1]}


def test_number_of_alternatives_is_bounded(model: Path, spoken: tuple[AudioChunk, AudioChunk]) -> None:
    """As many hypotheses as asked for, also over joined pieces."""
    single = VoskRecognizer(model, alternatives=1)
    assert len(heard(single, spoken[0], silence(1), spoken[1]).hypotheses) == 1


# --- joining pieces, without a model ----------------------------------------------------


def hypotheses(scores: Sequence[float], name: str) -> tuple[Hypothesis, ...]:
    ranked = sorted(scores, reverse=True)
    return tuple(Hypothesis(f"{name}{number}", score) for number, score in enumerate(ranked))


scores = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=6)


@given(st.lists(scores, min_size=1, max_size=4), st.integers(1, 8))
def test_joined_hypotheses_are_the_best_of_all(pieces: list[list[float]], most: int) -> None:
    """The n-best of the whole has the scores that trying all combinations finds."""
    named = [hypotheses(piece, letter) for letter, piece in zip("abcd", pieces, strict=False)]
    paths = None
    for piece in named:
        paths = asr._extended(paths, piece, most)
    assert paths is not None
    tried = sorted((sum(h.score for h in choice) for choice in itertools.product(*named)), reverse=True)
    assert [path.score for path in paths] == tried[:most]
    joined = asr._distinct(paths)
    assert len({hypothesis.text for hypothesis in joined}) == len(paths)
    for hypothesis in joined:
        parts = [
            next(h for h in piece if h.text == text)
            for piece, text in zip(named, hypothesis.text.split(), strict=True)
        ]
        assert sum(part.score for part in parts) == hypothesis.score


class Scripted:
    """A decoder that says what it is told to, one line per chunk: a dict is final, text is partial."""

    def __init__(self, script: Sequence[str | dict[str, object]]) -> None:
        self.script = list(script)
        self.said: str | dict[str, object] = ""

    def AcceptWaveform(self, pcm: bytes) -> bool:  # noqa: N802
        self.said = self.script.pop(0)
        return isinstance(self.said, dict)

    def Result(self) -> str:  # noqa: N802
        return json.dumps(self.said)

    def PartialResult(self) -> str:  # noqa: N802
        return json.dumps({"partial": self.said if isinstance(self.said, str) else ""})

    def FinalResult(self) -> str:  # noqa: N802
        return json.dumps(self.script.pop(0) if self.script else {"alternatives": [{"text": "", "confidence": 1}]})


def piece(*texts: str) -> dict[str, object]:
    """A final result as Vosk writes it, with the odd blanks it is known for."""
    return {
        "alternatives": [
            {
                "text": f" {text}",
                "confidence": 100.0 - number,
                "result": [{"word": word, "start": 0.5, "end": 1.0} for word in text.split()],
            }
            for number, text in enumerate(texts)
        ]
    }


def test_same_text_from_two_cuts_is_told_once() -> None:
    """'a' + 'b c' and 'a b' + 'c' are one hypothesis, with the better score."""
    decoder = Scripted([piece("a b", "a"), piece("c", "b c")])
    stream = Stream(lambda: decoder, 16000, 10)
    stream.hear(AudioChunk(b"\0\0", 16000))
    told = stream.finish()
    assert decoder.script == []
    assert [hypothesis.text for hypothesis in told.hypotheses] == ["a b c", "a b b c", "a c"]
    assert [hypothesis.score for hypothesis in told.hypotheses] == [200, 199, 199]


def test_only_news_is_told() -> None:
    """A guess that stays the same and a pause without words are no news."""
    decoder = Scripted(["", "turn", "turn", " turn on", piece("turn on"), "", piece(""), "the light"])
    stream = Stream(lambda: decoder, 16000, 10)
    told = [stream.accept(AudioChunk(b"\0\0", 16000)) for _ in range(8)]
    assert [(news.text, news.final) if news else None for news in told] == [
        None,
        ("turn", False),
        None,
        ("turn on", False),
        ("turn on", True),
        None,
        None,
        ("turn on the light", False),
    ]
    assert stream.accept(AudioChunk(b"", 16000)) is None


# --- models that cannot be used ---------------------------------------------------------


def test_folder_without_a_model_is_told(tmp_path: Path) -> None:
    """A wrong folder names itself and the next command."""
    with pytest.raises(SpeechModelError, match="is not a folder with a Vosk model"):
        VoskRecognizer(tmp_path)
    (tmp_path / "am").mkdir()
    (tmp_path / "conf").mkdir()
    with pytest.raises(SpeechModelError, match="cannot be loaded, it may be damaged; onebreath models check"):
        VoskRecognizer(tmp_path)


def linked(model: Path, folder: Path) -> Path:
    """The model as a folder of links, with a conf and a graph folder of its own."""
    folder.mkdir()
    for part in model.iterdir():
        if part.name not in ("conf", "graph"):
            (folder / part.name).symlink_to(part)
    for name in ("conf", "graph"):
        (folder / name).mkdir()
        for part in (model / name).iterdir():
            (folder / name / part.name).symlink_to(part)
    return folder


def test_damaged_model_is_told(model: Path, tmp_path: Path) -> None:
    """A graph that is cut off is an error, not a crash."""
    damaged = linked(model, tmp_path / "damaged")
    graph = damaged / "graph" / "HCLr.fst"
    start = graph.read_bytes()[:1_000_000]
    graph.unlink()
    graph.write_bytes(start)
    with pytest.raises(SpeechModelError, match="may be damaged"):
        VoskRecognizer(damaged).transcribe([silence(0.1)])


def test_folder_of_links_is_a_model(model: Path, tmp_path: Path, spoken: tuple[AudioChunk, AudioChunk]) -> None:
    """What a grammar will need: a folder that shares a model's files, not needed after loading."""
    view = linked(model, tmp_path / "view")
    recognizer = VoskRecognizer(view)
    for path in sorted(view.rglob("*"), reverse=True):
        path.unlink() if path.is_symlink() or path.is_file() else path.rmdir()
    assert heard(recognizer, spoken[1]).text == SENTENCES[1]


def test_rate_of_the_model_is_read_from_it(tmp_path: Path) -> None:
    """The feature settings say the rate; without them it is the usual one."""
    assert asr._sample_rate(tmp_path) == 16000
    (tmp_path / "conf").mkdir()
    settings = tmp_path / "conf" / "mfcc.conf"
    settings.write_text("--use-energy=false\n--sample-frequency=8000\n")
    assert asr._sample_rate(tmp_path) == 8000
    settings.write_text("--use-energy=false\n")
    assert asr._sample_rate(tmp_path) == 16000


def test_lattice_is_widened_and_never_narrowed() -> None:
    """Only the one setting changes, and a model that is wider already stays so."""
    assert asr._with_wide_lattice("--beam=10.0\n--lattice-beam=2.0\n") == "--beam=10.0\n--lattice-beam=6.0\n"
    assert asr._with_wide_lattice("--lattice-beam=8\n") == "--lattice-beam=8.0\n"
    assert asr._with_wide_lattice("--max-active=3000\n") == "--max-active=3000\n"


def test_importing_is_light() -> None:
    """`dialogue.asr` loads vosk only with a model."""
    code = "import sys, dialogue.asr; print('vosk' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
