"""Turns sound that strangers send into words."""

from __future__ import annotations

import io
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from dialogue import audio, speech_models
from dialogue.server.limits import Limits
from dialogue.server.refusals import RefusedError
from dialogue.types import AudioChunk, Transcript

if TYPE_CHECKING:
    from dialogue.asr import VoskRecognizer

_PIECE_SECONDS = 0.5


class Ears(Protocol):
    """Turns sound into words; any number of threads may use it."""

    @property
    def there(self) -> bool: ...

    def hear(self, wav: bytes) -> Transcript: ...

    def hear_raw(self, sound: AudioChunk) -> Transcript: ...


class VoskEars:
    """Hears with Vosk; the model is looked for at once, and loaded when the first sound comes."""

    def __init__(self, language: str, model: Path | None, limits: Limits | None = None) -> None:
        self._folder = speech_models.find(language, model)
        self._language = language
        self._longest = (limits or Limits()).sound_seconds
        self._recognizer: VoskRecognizer | None = None
        self._loading = Lock()

    @property
    def there(self) -> bool:
        return self._folder is not None

    def hear(self, wav: bytes) -> Transcript:
        """The words of a WAV. Raises RefusedError without a speech model, SoundError for what is no WAV."""
        recognizer = self._loaded()
        sound = audio.decode(io.BytesIO(wav), recognizer.sample_rate, name="body", longest_seconds=self._longest)
        return recognizer.transcribe(audio.chunks(sound, _PIECE_SECONDS))

    def hear_raw(self, sound: AudioChunk) -> Transcript:
        """The words of raw sound at any rate."""
        recognizer = self._loaded()
        if sound.seconds > self._longest:
            what = f"the sound lasts {sound.seconds:.0f} seconds and {self._longest:g} are the most"
            raise RefusedError(422, what, "body", "send it in shorter parts")
        pieces = audio.chunks(sound, _PIECE_SECONDS)
        return recognizer.transcribe(audio.resampled(pieces, recognizer.sample_rate))

    def _loaded(self) -> VoskRecognizer:
        from dialogue.asr import VoskRecognizer

        if self._folder is None:
            how = f"run: onebreath models install {self._language} - then start the server again"
            raise RefusedError(503, "there is no speech model to hear with", "server", how)
        with self._loading:
            if self._recognizer is None:
                self._recognizer = VoskRecognizer(self._folder)
        return self._recognizer
