"""Hearing: Vosk turns sound into a transcript with n-best hypotheses and word times.

Vosk ends a result at every pause, also in the middle of a compound request. Here the pieces of one utterance
are joined again: the n-best of the whole are the best combinations of the n-best of its pieces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

from dialogue.errors import SoundError, SpeechModelError
from dialogue.types import AudioChunk, Hypothesis, Transcript, Word

ALTERNATIVES = 10
LATTICE_BEAM = 6.0

_USUAL_RATE = 16000


class VoskRecognizer:
    """Hears with one Vosk model, which any number of threads and streams may share.

    A grammar enters here as a model folder whose ``graph/Gr.fst`` holds it: this class takes whatever folder
    it is given, so a folder of links to a model with a ``Gr.fst`` of its own is all that a grammar needs.
    """

    def __init__(self, model_folder: Path, *, alternatives: int = ALTERNATIVES) -> None:
        """Load the model (0.4-1 s, 125 MB). Raises SpeechModelError where it, or vosk, cannot be loaded."""
        self.alternatives = alternatives
        self.sample_rate = _sample_rate(model_folder)
        self._folder = model_folder
        self._model = _loaded(model_folder)

    def transcribe(self, chunks: Iterable[AudioChunk]) -> Transcript:
        """All of the sound as one final transcript; empty when nothing was said.

        Chunks must have the model's ``sample_rate``, else SoundError. Scores are sums of Vosk's likelihoods:
        they rank the hypotheses of this transcript and mean nothing elsewhere.
        """
        stream = self.stream()
        for chunk in chunks:
            stream.hear(chunk)
        return stream.finish()

    def stream(self) -> Stream:
        """A fresh utterance to feed piece by piece; for one thread at a time."""
        return Stream(self._decoder, self.sample_rate, self.alternatives)

    def _decoder(self) -> Any:
        """A new Vosk recognizer (50 ms, 26 MB)."""
        vosk = _vosk()
        try:
            decoder = vosk.KaldiRecognizer(self._model, float(self.sample_rate))
        except Exception as error:  # vosk raises nothing more precise
            raise _damaged(self._folder) from error
        decoder.SetMaxAlternatives(self.alternatives)
        decoder.SetWords(True)
        return decoder


class Stream:
    """One utterance while it is being heard: the decoder, and the pieces that are final already."""

    def __init__(self, new_decoder: Callable[[], Any], sample_rate: int, alternatives: int) -> None:
        self._new_decoder = new_decoder
        self._sample_rate = sample_rate
        self._alternatives = alternatives
        self._decoder: Any = None
        self._paths: tuple[_Path, ...] | None = None
        self._guess = ""
        self._samples = 0

    def accept(self, chunk: AudioChunk) -> Transcript | None:
        """Hear on, and tell what is new: None while nothing is.

        ``final`` is False for a guess at the words so far (its one hypothesis has no word times), and True
        when the speaker paused: then it is everything since the stream began, with n-best and word times.
        The utterance stays open, so that a sentence with a pause in it can go on; call `finish` to act on it.
        """
        if self.hear(chunk):
            return self._transcript()
        guess = self._partial()
        if not guess or guess == self._guess:
            return None
        self._guess = guess
        best = _flat(self._paths[0]).text if self._paths else ""
        return Transcript((Hypothesis(_tidy(f"{best} {guess}")),), final=False, seconds=self._seconds)

    def hear(self, chunk: AudioChunk) -> bool:
        """Hear on without asking for words, which is cheaper; True when a piece with words became final."""
        pcm = self._checked(chunk)
        self._samples += len(pcm) // 2
        if not pcm:
            return False
        if self._decoder is None:
            self._decoder = self._new_decoder()
        return bool(self._decoder.AcceptWaveform(pcm)) and self._take(self._decoder.Result())

    def finish(self) -> Transcript:
        """The whole utterance. The stream then begins a new one, with word times from zero."""
        if self._decoder is not None:
            self._take(self._decoder.FinalResult())
        transcript = self._transcript()
        self._decoder, self._paths, self._guess, self._samples = None, None, "", 0
        return transcript

    @property
    def _seconds(self) -> float:
        return self._samples / self._sample_rate

    def _checked(self, chunk: AudioChunk) -> bytes:
        if chunk.sample_rate != self._sample_rate:
            raise SoundError(
                f"the sound has {chunk.sample_rate} samples a second and the speech model hears"
                f" {self._sample_rate}; read it with audio.read(path, {self._sample_rate})"
            )
        return chunk.pcm[: len(chunk.pcm) // 2 * 2]

    def _take(self, result: str) -> bool:
        """Add a final piece, if it has any words."""
        self._guess = ""
        piece = _hypotheses(result)
        if not any(hypothesis.text for hypothesis in piece):
            return False
        self._paths = _extended(self._paths, piece, self._alternatives)
        return True

    def _partial(self) -> str:
        if self._decoder is None:
            return ""
        return _tidy(json.loads(self._decoder.PartialResult()).get("partial", ""))

    def _transcript(self) -> Transcript:
        return Transcript(_distinct(self._paths or ()), final=True, seconds=self._seconds)


# --- joining pieces ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Path:
    """One choice of a hypothesis for every piece so far, as a chain back to the first."""

    score: float
    last: Hypothesis
    before: _Path | None = None


def _extended(paths: Sequence[_Path] | None, piece: Sequence[Hypothesis], most: int) -> tuple[_Path, ...]:
    """The ``most`` best ways to go on from ``paths`` with ``piece``, best first.

    Both are sorted by falling score and scores add up, so the best pairs are found by walking from the pair
    of the two best along a frontier (a heap), and no more than ``2 * most`` pairs are ever looked at.
    """
    if paths is None:
        return tuple(_Path(hypothesis.score, hypothesis) for hypothesis in piece[:most])
    frontier = [(-paths[0].score - piece[0].score, 0, 0)]
    found: list[_Path] = []
    while frontier and len(found) < most:
        cost, left, right = heappop(frontier)
        found.append(_Path(-cost, piece[right], paths[left]))
        if right + 1 < len(piece):
            heappush(frontier, (-paths[left].score - piece[right + 1].score, left, right + 1))
        if right == 0 and left + 1 < len(paths):
            heappush(frontier, (-paths[left + 1].score - piece[0].score, left + 1, 0))
    return tuple(found)


def _flat(path: _Path) -> Hypothesis:
    """The pieces of a path as one hypothesis."""
    pieces: list[Hypothesis] = []
    step: _Path | None = path
    while step is not None:
        pieces.append(step.last)
        step = step.before
    pieces.reverse()
    text = _tidy(" ".join(piece.text for piece in pieces))
    return Hypothesis(text, path.score, tuple(word for piece in pieces for word in piece.words))


def _distinct(paths: Iterable[_Path]) -> tuple[Hypothesis, ...]:
    """Paths as hypotheses, best first, each text once."""
    found: dict[str, Hypothesis] = {}
    for path in paths:
        hypothesis = _flat(path)
        found.setdefault(hypothesis.text, hypothesis)
    return tuple(found.values())


# --- reading what Vosk says -------------------------------------------------------------


def _hypotheses(result: str) -> tuple[Hypothesis, ...]:
    """Vosk's n-best of one piece, best first."""
    alternatives = json.loads(result).get("alternatives", ())
    return tuple(sorted(map(_hypothesis, alternatives), key=lambda hypothesis: -hypothesis.score))


def _hypothesis(alternative: dict[str, Any]) -> Hypothesis:
    words = tuple(
        Word(str(word["word"]), float(word["start"]), float(word["end"])) for word in alternative.get("result", ())
    )
    return Hypothesis(_tidy(alternative["text"]), float(alternative["confidence"]), words)


def _tidy(text: str) -> str:
    return " ".join(text.split())


# --- loading ----------------------------------------------------------------------------


def _vosk() -> Any:
    """The vosk module, silenced: its log would go to the terminal."""
    try:
        import vosk
    except (ImportError, OSError, TypeError) as error:  # no package, no library, no build for this system
        raise SpeechModelError(
            f"vosk, which does the hearing, cannot be loaded ({error}); pip install 'vosk>=0.3.44,<0.4'"
        ) from error
    vosk.SetLogLevel(-1)
    return vosk


def _loaded(folder: Path) -> Any:
    """The model, loaded through a folder of links whose settings keep more hypotheses."""
    if not (folder / "am").is_dir() or not (folder / "conf").is_dir():
        raise SpeechModelError(
            f"{folder}: is not a folder with a Vosk model (it lacks am or conf); onebreath models install en"
        )
    vosk = _vosk()
    with TemporaryDirectory(prefix="onebreath-") as temporary:
        try:
            return vosk.Model(model_path=str(_widened(folder, Path(temporary))))
        except Exception as error:  # vosk raises nothing more precise
            raise _damaged(folder) from error


def _widened(folder: Path, view: Path) -> Path:
    """The model seen with a lattice wide enough for n-best, and hearing the same sound the same way each time.

    The small models ship with a lattice beam of 2, which often leaves a single hypothesis; a wider one costs no
    measurable time and the right words are more often among the hypotheses. Where links are not allowed, the
    model is used as it is.
    """
    try:
        for part in folder.iterdir():
            if part.name != "conf":
                (view / part.name).symlink_to(part.resolve(), target_is_directory=part.is_dir())
        copytree(folder / "conf", view / "conf")
        settings = view / "conf" / "model.conf"
        settings.write_text(_with_wide_lattice(settings.read_text("latin-1")), "latin-1")
        features = view / "conf" / "mfcc.conf"
        features.write_text(_without_dither(features.read_text("latin-1")), "latin-1")
    except OSError:
        return folder
    return view


def _with_wide_lattice(settings: str) -> str:
    def wider(found: re.Match[str]) -> str:
        return f"{found[1]}{max(float(found[2]), LATTICE_BEAM)}"

    return re.sub(r"(?m)^(--lattice-beam=)(\d+(?:\.\d+)?)", wider, settings)


def _without_dither(settings: str) -> str:
    """Feature settings without the random noise that makes the same sound come out differently each time."""
    kept = [line for line in settings.splitlines() if not line.strip().startswith("--dither")]
    return "\n".join([*kept, "--dither=0", ""])


def _damaged(folder: Path) -> SpeechModelError:
    return SpeechModelError(
        f"{folder}: the speech model cannot be loaded, it may be damaged; onebreath models check"
    )


def _sample_rate(folder: Path) -> int:
    """The rate the model was trained on, from its feature settings."""
    try:
        settings = (folder / "conf" / "mfcc.conf").read_text("latin-1")
    except OSError:
        return _USUAL_RATE
    found = re.search(r"(?m)^\s*--sample-frequency=(\d+)", settings)
    return int(found[1]) if found else _USUAL_RATE
