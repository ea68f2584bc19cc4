"""The microphone gives chunks in time, loses none unnoticed, and says plainly when there is no microphone.

Where the real sound library is there, it captures from devices that are made of files (ALSA's own ``file``
and ``null`` plugins, in a configuration of the test's), so no sound card is needed and none is disturbed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sounds

from dialogue import microphone
from dialogue.errors import SoundError
from dialogue.microphone import Inlet, Listening

CAPTURE = """
import json, sys
import numpy as np
from dialogue import microphone

device = sys.argv[1] if sys.argv[1:] else None
listening = microphone.listen(device, 16000, 0.1)
heard = []
for chunk in listening:
    heard.append([chunk.sample_rate, len(chunk.pcm), int(np.abs(np.frombuffer(chunk.pcm, "<i2")).max())])
    if len(heard) == 20:
        listening.stop.set()
print(json.dumps({"heard": heard, "dropped": listening.dropped}))
"""
FAILURE = """
import sys
from dialogue import microphone
from dialogue.errors import SoundError
{before}
try:
    {call}
except SoundError as error:
    print(error)
"""


def python(code: str, *arguments: str, **environment: str) -> str:
    """What a fresh interpreter prints: the sound library reads its surroundings only once."""
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parent.parent,
        env={**os.environ, **environment},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def refused(call: str, before: str = "", **environment: str) -> str:
    return python(FAILURE.format(call=call, before=before), **environment)


@pytest.fixture
def alsa(tmp_path: Path) -> Path:
    """Where to write a configuration of sound devices; skips without the real sound library."""
    if not sys.platform.startswith("linux"):
        pytest.skip("sound devices made of files need ALSA")
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"no PortAudio here: {error}")
    return tmp_path / "asound.conf"


def tape(alsa: Path, samples: list[float]) -> None:
    """Make one input device, called tape, that plays samples, and let it be the default."""
    raw = alsa.parent / "tape.raw"
    raw.write_bytes(sounds.pcm16(samples))
    alsa.write_text(
        f'''
        pcm.nothing {{ type null }}
        pcm.tape {{
            type file
            slave.pcm "nothing"
            file "/dev/null"
            infile "{raw}"
            format "raw"
        }}
        pcm.!default {{ type plug slave.pcm "tape" }}
        '''
    )


# --- the real sound library -------------------------------------------------------------


def test_without_the_package_the_command_is_named() -> None:
    """No sounddevice: pip install it."""
    told = refused("microphone.devices()", "sys.modules['sounddevice'] = None")
    assert told == "the microphone needs sounddevice; pip install 'onebreath[mic]'"


def test_without_the_library_the_command_is_named() -> None:
    """Real sounddevice without PortAudio: the system's package is named."""
    if "needs sounddevice" in refused("microphone.devices()"):
        pytest.skip("sounddevice is not installed")
    hide = "import ctypes.util; ctypes.util.find_library = lambda name: None"
    for call in ("microphone.devices()", "microphone.listen()"):
        told = refused(call, hide)
        assert told.startswith("the microphone needs PortAudio (")
        assert "sudo apt install libportaudio2" in told


def test_without_a_device_the_message_is_plain() -> None:
    """PortAudio with no input device: an empty list, and a message that offers a way on."""
    told = refused("print(microphone.devices()); microphone.listen().stop.set()")
    if not told.startswith("[]"):
        pytest.skip("this machine has a microphone, or no PortAudio")
    listed, _, message = told.partition("\n")
    assert listed == "[]"
    assert message.startswith("there is no microphone (no sound input device); plug one in")
    assert "onebreath batch FILE.wav" in message


def test_devices_are_listed_and_chosen_by_name_or_number(alsa: Path) -> None:
    """Every input device has a number and a name; one that is not there is answered with those that are."""
    tape(alsa, sounds.tone(1))
    code = (
        "from dialogue import microphone\n"
        "print([(d.index, d.name, d.channels > 0, d.default) for d in microphone.devices()])"
    )
    listed = python(code, ALSA_CONFIG_PATH=str(alsa))
    assert "'tape', True, False)" in listed
    assert "'default', True, True)" in listed
    for wrong in ("'absent'", "99"):
        told = refused(f"microphone.listen({wrong})", ALSA_CONFIG_PATH=str(alsa))
        assert told.startswith(f"there is no microphone {wrong}; choose one of ")
        assert "(tape)" in told


@pytest.mark.parametrize("device", [(), ("tape",)])
def test_real_capture_hears_what_is_played(alsa: Path, device: tuple[str, ...]) -> None:
    """Twenty chunks of a tone come through PortAudio as loud as they went in, at the rate asked for."""
    tape(alsa, sounds.tone(5, loudness=0.25))
    got = json.loads(python(CAPTURE, *device, ALSA_CONFIG_PATH=str(alsa)))
    assert [chunk[:2] for chunk in got["heard"]] == [[16000, 3200]] * 20
    assert all(peak == pytest.approx(8192, abs=2) for _, _, peak in got["heard"])
    assert got["dropped"] >= 0


def test_this_machine_answers_without_a_traceback() -> None:
    """Whatever this machine has or lacks: devices, or a SoundError with something to do."""
    try:
        there = microphone.devices()
    except SoundError as error:
        assert "install" in str(error)
    else:
        assert all(device.channels > 0 for device in there)


# --- the queue --------------------------------------------------------------------------


def test_slow_listeners_lose_chunks_and_are_told() -> None:
    """The queue is bounded: what does not fit is counted, and what fitted is in order."""
    inlet = Inlet(16000, waiting=3)
    for number in range(5):
        inlet.put(bytes([number, 0]))
    inlet.put(b"\5\0", overflowed=True)
    assert inlet.dropped == 4
    heard = []
    for chunk in inlet:
        heard.append(chunk.pcm[0])
        if len(heard) == 3:
            inlet.stop.set()
    assert heard == [0, 1, 2]


def test_stop_ends_listening_from_another_thread() -> None:
    """A listener that waits for sound ends soon after `stop` is set."""
    stop = threading.Event()
    inlet = Inlet(16000, waiting=3, stop=stop)
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    assert list(inlet) == []
    assert time.monotonic() - began < 2


def test_a_device_that_disappears_is_told() -> None:
    """What was heard before is still given, then the message."""
    inlet = Inlet(16000, waiting=3)
    inlet.put(b"\1\0")
    inlet.end()
    chunks = iter(inlet)
    assert next(chunks).pcm == b"\1\0"
    with pytest.raises(SoundError, match="stopped by itself; plug it in again"):
        next(chunks)


class Card:
    """As much of a sound stream as `Listening` closes."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_devices_with_a_rate_of_their_own_are_resampled() -> None:
    """A card at 48 kHz gives the tone it heard at 16 kHz, and is closed in the end."""
    card: Any = Card()
    inlet = Inlet(48000, waiting=20)
    for start in range(0, 48000, 4800):
        inlet.put(sounds.pcm16(sounds.tone(1, 48000))[start * 2 : (start + 4800) * 2])
    listening = Listening(card, inlet, 16000)
    heard = b""
    for chunk in listening:
        assert chunk.sample_rate == 16000
        heard += chunk.pcm
        if len(heard) >= 24000:
            listening.stop.set()
    samples = np.frombuffer(heard, "<i2") / 32768
    assert np.abs(samples[800:9000] - sounds.tone(1)[800:9000]).max() < 0.001
    assert card.closed
    assert listening.dropped == 0


# --- from a file ------------------------------------------------------------------------


def test_a_file_is_heard_as_from_a_microphone(tmp_path: Path) -> None:
    """Chunks of the asked length at the asked rate, all of the sound."""
    path = tmp_path / "tone.wav"
    path.write_bytes(sounds.wav(sounds.tone(0.55, 8000), 8000))
    heard = list(microphone.from_file(path, 16000))
    assert [round(chunk.seconds, 2) for chunk in heard] == [0.1] * 5 + [0.05]
    assert {chunk.sample_rate for chunk in heard} == {16000}
    with pytest.raises(SoundError, match="no such file"):
        next(microphone.from_file(tmp_path / "none.wav"))


def test_paced_files_take_their_time(tmp_path: Path) -> None:
    """Paced, a third of a second takes a third of a second; unpaced, no time at all."""
    path = tmp_path / "tone.wav"
    path.write_bytes(sounds.wav(sounds.tone(0.3)))
    took = []
    for paced in (True, False):
        began = time.monotonic()
        list(microphone.from_file(path, paced=paced))
        took.append(time.monotonic() - began)
    assert 0.29 <= took[0] < 2
    assert took[1] < 0.2


def test_importing_is_light() -> None:
    """`dialogue.microphone` loads neither sounddevice nor numpy until sound is asked for."""
    code = "import sys, dialogue.microphone; print([m for m in ('sounddevice', 'numpy') if m in sys.modules])"
    assert python(code) == "[]"
