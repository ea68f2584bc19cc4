"""Sound from a microphone, as chunks that wait in a bounded queue, or from a file as if from a microphone.

The sound card calls back on a thread of its own and must never wait: when the listener is too slow, chunks
are dropped and counted instead.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from dialogue import audio
from dialogue.errors import SoundError
from dialogue.types import AudioChunk

CHUNK_SECONDS = 0.1
WAITING_SECONDS = 10.0

_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class InputDevice:
    """A device that sound can be taken from; ``index`` and ``name`` both choose it."""

    index: int
    name: str
    channels: int
    sample_rate: int
    default: bool = False


class Inlet:
    """Chunks between the sound card and the listener.

    Iterating ends when ``stop`` is set, and with SoundError when the card ends by itself. ``dropped`` counts
    the chunks lost because nobody took them in time.
    """

    def __init__(self, sample_rate: int, *, waiting: int, stop: Event | None = None) -> None:
        self.stop = stop or Event()
        self.dropped = 0
        self._ended = Event()
        self._sample_rate = sample_rate
        self._waiting: queue.Queue[AudioChunk] = queue.Queue(maxsize=waiting)

    def put(self, pcm: bytes, overflowed: bool = False) -> None:
        """Called by the sound card; never waits. ``overflowed``: the card itself lost sound before this."""
        self.dropped += overflowed
        try:
            self._waiting.put_nowait(AudioChunk(pcm, self._sample_rate))
        except queue.Full:
            self.dropped += 1

    def end(self) -> None:
        """Called by the sound card when no more will come."""
        self._ended.set()

    def __iter__(self) -> Iterator[AudioChunk]:
        while not self.stop.is_set():
            try:
                yield self._waiting.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if self._ended.is_set():
                    raise SoundError(
                        "the microphone stopped by itself; plug it in again and start again"
                    ) from None


class Listening:
    """An open microphone: iterate to get chunks at ``sample_rate``, set ``stop`` to end that and close it."""

    def __init__(self, stream: Any, inlet: Inlet, sample_rate: int) -> None:
        self._stream = stream
        self._inlet = inlet
        self._sample_rate = sample_rate

    @property
    def stop(self) -> Event:
        return self._inlet.stop

    @property
    def dropped(self) -> int:
        """How many chunks were lost because the listener was too slow."""
        return self._inlet.dropped

    def __iter__(self) -> Iterator[AudioChunk]:
        try:
            yield from audio.resampled(self._inlet, self._sample_rate)
        finally:
            self._stream.close()


def devices() -> list[InputDevice]:
    """The devices that sound can be taken from. Raises SoundError without PortAudio; may be empty."""
    sounddevice = _sounddevice()
    chosen = _default_index(sounddevice)
    return [
        InputDevice(
            index=index,
            name=str(entry["name"]),
            channels=int(entry["max_input_channels"]),
            sample_rate=round(entry["default_samplerate"]),
            default=index == chosen,
        )
        for index, entry in enumerate(sounddevice.query_devices())
        if entry["max_input_channels"] > 0
    ]


def listen(
    device: int | str | None = None,
    sample_rate: int = 16000,
    seconds: float = CHUNK_SECONDS,
    *,
    stop: Event | None = None,
) -> Listening:
    """Open a microphone, and give its sound as 16-bit mono chunks of ``seconds`` at ``sample_rate`` hertz.

    ``device`` is an index, or part of a name, as `devices` lists them; None is the system's default. A device
    that cannot deliver ``sample_rate`` is opened at its own rate and resampled. Up to `WAITING_SECONDS` of
    sound wait for the listener. Raises SoundError without PortAudio, without an input device, for an unknown
    one, and for one that cannot be opened.
    """
    sounddevice = _sounddevice()
    found = _found(device)
    rate = _rate(sounddevice, found, sample_rate)
    inlet = Inlet(rate, waiting=max(1, round(WAITING_SECONDS / seconds)), stop=stop)

    def heard(pcm: Any, frames: int, moment: Any, status: Any) -> None:
        inlet.put(bytes(pcm), bool(status.input_overflow))

    try:
        stream = sounddevice.RawInputStream(
            samplerate=rate,
            blocksize=max(1, round(rate * seconds)),
            device=found.index,
            channels=1,
            dtype="int16",
            callback=heard,
            finished_callback=inlet.end,
        )
        stream.start()
    except sounddevice.PortAudioError as error:
        raise SoundError(
            f"the microphone {found.name!r} cannot be opened ({error}); close other programs that use it,"
            " or choose another: onebreath mic --list"
        ) from error
    return Listening(stream, inlet, sample_rate)


def from_file(
    path: str | Path, sample_rate: int = 16000, *, paced: bool = False, seconds: float = CHUNK_SECONDS
) -> Iterator[AudioChunk]:
    """The sound of a WAV in chunks as from a microphone; ``paced``: as slowly as it was spoken.

    Raises SoundError for what `audio.read` cannot read.
    """
    began = time.monotonic()
    heard = 0.0
    for chunk in audio.chunks(audio.read(path, sample_rate), seconds):
        heard += chunk.seconds
        if paced:
            time.sleep(max(0.0, began + heard - time.monotonic()))
        yield chunk


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise SoundError("the microphone needs sounddevice; pip install 'onebreath[mic]'") from error
    except OSError as error:  # the package is there and the system's library is not
        raise SoundError(
            f"the microphone needs PortAudio ({error}); sudo apt install libportaudio2 (Debian, Ubuntu),"
            " sudo dnf install portaudio (Fedora), brew install portaudio (macOS)"
        ) from error
    return sounddevice


def _default_index(sounddevice: Any) -> int:
    """The default input device, -1 where there is none."""
    try:
        return int(sounddevice.query_devices(kind="input")["index"])
    except (sounddevice.PortAudioError, ValueError):
        return -1


def _found(device: int | str | None) -> InputDevice:
    there = devices()
    if not there:
        raise SoundError(
            "there is no microphone (no sound input device); plug one in, or give a sound file:"
            " onebreath batch FILE.wav"
        )
    fitting = [entry for entry in there if _fits(entry, device)]
    if device is None:
        return next(iter(fitting), there[0])
    if len(fitting) == 1:
        return fitting[0]
    how_many = "several microphones fit" if fitting else "there is no microphone"
    raise SoundError(f"{how_many} {device!r}; choose one of {_named(fitting or there)}")


def _fits(entry: InputDevice, device: int | str | None) -> bool:
    if device is None:
        return entry.default
    if isinstance(device, int):
        return entry.index == device
    return entry.name == device or device.casefold() in entry.name.casefold()


def _named(entries: list[InputDevice]) -> str:
    return ", ".join(f"{entry.index} ({entry.name})" for entry in entries)


def _rate(sounddevice: Any, device: InputDevice, wanted: int) -> int:
    """The wanted rate if the device has it, else the device's own."""
    try:
        sounddevice.check_input_settings(device.index, 1, "int16", None, wanted)
    except (sounddevice.PortAudioError, ValueError):
        return device.sample_rate
    return wanted
