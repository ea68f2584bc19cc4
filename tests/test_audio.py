"""Any WAV becomes 16-bit mono at the wanted rate, and anything else a message a person can act on."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import sounds
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue import audio
from dialogue.errors import SoundError
from dialogue.types import AudioChunk


def decoded(data: bytes, rate: int = 16000, **limits: float) -> AudioChunk:
    return audio.decode(io.BytesIO(data), rate, name="test.wav", **limits)


def values(chunk: AudioChunk) -> np.ndarray:
    return np.frombuffer(chunk.pcm, dtype="<i2").astype(float) / 32768


def test_sixteen_bit_mono_at_the_wanted_rate_is_untouched() -> None:
    """The common case comes out bit for bit."""
    samples = sounds.tone(0.1)
    assert decoded(sounds.wav(samples)) == sounds.chunk16(samples)


@pytest.mark.parametrize(
    ("bits", "floating", "error"),
    [
        (8, False, 1 / 128),
        (16, False, 1e-4),
        (24, False, 1e-4),
        (32, False, 1e-4),
        (32, True, 1e-4),
        (64, True, 1e-4),
    ],
)
def test_every_sample_width_gives_the_same_sound(bits: int, floating: bool, error: float) -> None:
    """A tone stored in any width is the same tone."""
    samples = sounds.tone(0.05)
    got = values(decoded(sounds.wav(samples, bits=bits, floating=floating)))
    assert len(got) == len(samples)
    assert np.abs(got - samples).max() <= error


@pytest.mark.parametrize(("tag", "bits"), [(1, 16), (1, 24), (3, 32)])
def test_extensible_wav_is_read_by_its_sub_format(tag: int, bits: int) -> None:
    """WAVE_FORMAT_EXTENSIBLE is the same sound with a longer header."""
    samples = sounds.tone(0.05)
    body = sounds.stored(samples, bits, floating=tag == 3)
    got = decoded(sounds.riff((b"fmt ", sounds.extensible(bits=bits, tag=tag)), (b"data", body)))
    assert np.abs(values(got) - samples).max() < 1e-4


@pytest.mark.parametrize("channels", [2, 6, 300])
def test_channels_are_averaged(channels: int) -> None:
    """A tone in one of n channels comes out at one n-th of its loudness."""
    samples = sounds.tone(0.02)
    spread = [value if index == 0 else 0.0 for value in samples for index in range(channels)]
    got = values(decoded(sounds.wav(spread, channels=channels)))
    assert np.abs(got * channels - samples).max() <= channels / 32768


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000, 384_000])
def test_other_rates_are_resampled(rate: int) -> None:
    """A tone of 440 Hz is one of 440 Hz, as loud and as long, whatever rate it was stored at."""
    got = decoded(sounds.wav(sounds.tone(0.5, rate), rate))
    assert got.sample_rate == 16000
    assert got.seconds == pytest.approx(0.5, abs=0.001)
    middle = values(got)[2000:6000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() * 16000 / len(middle) == pytest.approx(440, abs=4)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.01)


def test_resampling_in_blocks_leaves_no_seams() -> None:
    """Eleven seconds of a tone, many blocks long, stay a clean tone throughout."""
    got = values(decoded(sounds.wav(sounds.tone(11, 8000), 8000)))
    wanted = np.array(sounds.tone(11))
    assert np.abs(got[800:-800] - wanted[800:-800]).max() < 0.001


def test_frequencies_above_half_the_wanted_rate_do_not_fold_back() -> None:
    """A 15 kHz whistle is silence at 16 kHz, not a whistle at 1 kHz."""
    got = values(decoded(sounds.wav(sounds.tone(0.2, 48000, 15000), 48000)))
    assert np.abs(got[400:-400]).max() < 0.001


def test_stream_of_chunks_is_resampled_as_a_whole() -> None:
    """Pieces of a sound, resampled one after another, are the sound resampled at once."""
    whole = sounds.chunk16(sounds.tone(1, 48000), 48000)
    pieces = audio.resampled(audio.chunks(whole, 0.03), 16000)
    at_once = audio.resampled([whole], 16000)
    assert b"".join(piece.pcm for piece in pieces) == b"".join(piece.pcm for piece in at_once)
    assert list(audio.resampled([], 16000)) == []


def test_float_samples_that_are_no_numbers_are_silent() -> None:
    """NaN and infinity become zero, what is too loud is cut at full scale."""
    odd = [float("nan"), float("inf"), float("-inf"), 3.0, -1e30, 0.25]
    for bits in (32, 64):
        got = values(decoded(sounds.wav(odd, bits=bits, floating=True)))
        assert got == pytest.approx([0, 0, 0, 32767 / 32768, -1, 0.25])


def test_chunks_before_the_samples_are_skipped() -> None:
    """LIST, odd lengths and unknown chunks may stand anywhere; what follows the samples is not sound."""
    samples = sounds.tone(0.01)
    data = sounds.riff(
        (b"LIST", b"INFOodd"),
        (b"fmt ", sounds.layout() + b"\0\0"),
        (b"fact", b"\0\0\0\0"),
        (b"data", sounds.pcm16(samples)),
        (b"junk", b"\xff" * 501),
    )
    assert decoded(data) == sounds.chunk16(samples)


@pytest.mark.parametrize("claimed", [0x7FFFFFFF, 0xFFFFFFFF, 2_000_000_000])
def test_a_claim_of_gigabytes_reads_what_is_there(claimed: int) -> None:
    """A cut-off recording is heard to its end, and nothing is reserved for what it claims."""
    samples = sounds.tone(0.1)
    data = sounds.riff((b"fmt ", sounds.layout()), (b"data", sounds.pcm16(samples) + b"\1"), claimed=claimed)
    tracemalloc.start()
    got = decoded(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got == sounds.chunk16(samples)
    assert peak < 5_000_000


def test_too_long_is_refused_before_it_is_read() -> None:
    """The limit is named, and a sound just within it is read."""
    data = sounds.wav([0.0] * 8000, 8000)
    assert decoded(data, longest_seconds=1).seconds == 1
    with pytest.raises(SoundError, match=r"test\.wav: lasts 1 seconds, more than the limit of 1; cut it"):
        decoded(data, longest_seconds=0.99)
    with pytest.raises(SoundError, match="limit of 3600"):
        decoded(sounds.wav([0.0] * 4000, rate=1))


def test_slowest_rate_stays_within_bounds() -> None:
    """A rate of one sample a second is silly but harmless."""
    assert decoded(sounds.wav([0.0] * 60, rate=1)).seconds == pytest.approx(60, abs=1)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", r"is empty \(zero bytes\); record or export it again"),
        (b"RIFF\0\0", "ends within the WAV header"),
        (b"RIFX\0\0\0\x24WAVEfmt ", r"looks like a big-endian WAV \(RIFX\); convert it first.*ffmpeg"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "64-bit WAV"),
        (b"ID3\x04" + b"\0" * 99, "looks like MP3; convert it first, for example: ffmpeg -i test.wav"),
        (b"\xff\xfb\x90\x64" + b"\0" * 99, "looks like MP3"),
        (b"\xff\xf1\x50\x80" + b"\0" * 99, "looks like AAC"),
        (b"OggS\0\x02" + b"\0" * 99, "looks like OGG"),
        (b"fLaC\0\0\0\x22" + b"\0" * 99, "looks like FLAC"),
        (b"FORM\0\0\0\x22AIFF", "looks like AIFF"),
        (b"\0\0\0\x20ftypM4A " + b"\0" * 99, "looks like MP4 or M4A"),
        (b"RIFF\x22\0\0\0AVI LIST", "another kind of RIFF file"),
        (b"<!doctype html><p>not found", "looks like text; give a WAV file"),
        ("höre zu, lösche nichts".encode(), "looks like text"),
        (b"\0" * 4096, "nothing but zero bytes"),
        (b"\x7fELF\x02\x01\x01\0\xfe\xed", "something unknown"),
        (sounds.riff(), r"ends before its format \(the file is cut off\)"),
        (sounds.riff((b"fmt ", sounds.layout())), "ends before its samples"),
        (sounds.riff((b"fmt ", sounds.layout()))[:30], "ends within the WAV header"),
        (sounds.riff((b"LIST", b"abc"), claimed=0xFFFFFFFE), "ends before its format"),
        (sounds.riff((b"data", b"\0\0"), (b"fmt ", sounds.layout())), "samples before their format"),
        (sounds.riff((b"fmt ", sounds.layout()), (b"data", b"")), "holds no sound, only a header"),
        (sounds.riff((b"fmt ", sounds.layout()), (b"data", b"\1")), "holds no sound"),
        (sounds.riff(*[(b"junk", b"")] * 1001), "more than 1000 chunks"),
    ],
)
def test_what_is_no_wav_is_named(data: bytes, what: str) -> None:
    """The message says which file, what it looks like and what to do."""
    with pytest.raises(SoundError, match=r"^test\.wav: .*" + what):
        decoded(data)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (sounds.layout(tag=0x55), r"compressed with MP3 \(tag 0x0055\); convert"),
        (sounds.layout(tag=7), "compressed with mu-law"),
        (sounds.layout(tag=0x1234), r"an unknown codec \(tag 0x1234\)"),
        (sounds.extensible(tag=0x55), "compressed with MP3"),
        (sounds.extensible()[:30], "ends within the WAV header"),
        (sounds.extensible()[:26] + b"\1" * 14, "unknown sub-format"),
        (sounds.layout(bits=12), "12-bit integer samples"),
        (sounds.layout(bits=0), "0-bit integer samples"),
        (sounds.layout(bits=16, tag=3), "16-bit float samples"),
        (sounds.layout(channels=0), "no channels"),
        (sounds.layout(rate=0), r"claims 0 samples a second \(1 to 384000 are read\)"),
        (sounds.layout(rate=384_001), "claims 384001 samples"),
        (sounds.layout(rate=2**32 - 1), "claims 4294967295 samples"),
        (
            struct.pack("<HHIIHH", 1, 2, 16000, 64000, 2, 16),
            "contradicts itself: 2 bytes a frame for 2 channels",
        ),
    ],
)
def test_formats_that_are_not_read_are_named(body: bytes, what: str) -> None:
    """A header with an unknown codec or impossible numbers is refused, never read as noise."""
    with pytest.raises(SoundError, match=r"^test\.wav: .*" + what):
        decoded(sounds.riff((b"fmt ", body), (b"data", b"\0" * 64)))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_files_never_crash(data: st.DataObject) -> None:
    """Whatever bytes are changed or cut, the answer is a sound or a SoundError."""
    whole = bytearray(sounds.riff((b"fmt ", sounds.extensible()), (b"data", b"\1\2\3\4" * 20)))
    for _ in range(data.draw(st.integers(0, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    kept = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        assert decoded(kept).seconds > 0
    except SoundError as error:
        assert str(error).startswith("test.wav: ")


# --- files ------------------------------------------------------------------------------


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    """`read` takes a path as text or as a Path."""
    path = tmp_path / "a tone.wav"
    samples = sounds.tone(0.1)
    path.write_bytes(sounds.wav(samples))
    assert audio.read(path) == audio.read(str(path)) == sounds.chunk16(samples)
    assert audio.read(path, 8000).sample_rate == 8000


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    """A wrong path says so."""
    with pytest.raises(SoundError, match=r"none\.wav: there is no such file; check the path"):
        audio.read(tmp_path / "none.wav")
    with pytest.raises(SoundError, match="is a folder, not a WAV file; name a file in it"):
        audio.read(tmp_path)
    with pytest.raises(SoundError, match="cannot be looked up"):
        audio.read("a\0b.wav")
    with pytest.raises(SoundError, match="cannot be looked up"):
        audio.read("x" * 5000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_and_devices_never_block(tmp_path: Path) -> None:
    """A pipe nobody writes to is refused at once."""
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    failures: list[str] = []

    def refused(path: str | Path) -> None:
        try:
            audio.read(path)
        except SoundError as error:
            failures.append(str(error))

    for path in (pipe, "/dev/zero"):
        reader = threading.Thread(target=refused, args=(path,), daemon=True)
        reader.start()
        reader.join(5)
    assert len(failures) == 2
    assert all("is a pipe or a device, not a file" in failure for failure in failures)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_forbidden_files_are_named(tmp_path: Path) -> None:
    """A file that may not be read says so."""
    path = tmp_path / "secret.wav"
    path.write_bytes(sounds.wav([0.0]))
    path.chmod(0)
    with pytest.raises(SoundError, match="check its permissions"):
        audio.read(path)


def test_sparse_gigabytes_are_refused_by_length(tmp_path: Path) -> None:
    """A file that really is 3 GB long is refused by the limit, without reading it."""
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(sounds.riff((b"fmt ", sounds.layout()), (b"data", b""), claimed=0xFFFFFF00))
        file.truncate(3 << 30)
    with pytest.raises(SoundError, match="more than the limit of 3600"):
        audio.read(path)


def test_memory_follows_the_result_not_the_file(tmp_path: Path) -> None:
    """Nine megabytes of 64-bit stereo at 48 kHz are decoded in a few."""
    path = tmp_path / "wide.wav"
    frames = np.zeros((570_000, 2))
    path.write_bytes(
        sounds.riff((b"fmt ", sounds.layout(48000, 64, 2, 3)), (b"data", frames.astype("<f8").tobytes()))
    )
    audio.read(path)
    tracemalloc.start()
    got = audio.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got.seconds == pytest.approx(11.875, abs=0.001)
    assert peak < 3_000_000


# --- cutting ----------------------------------------------------------------------------


def test_chunks_are_the_whole_sound_in_order() -> None:
    """Cutting loses nothing; only the last piece may be short."""
    sound = sounds.chunk16(sounds.tone(1))
    pieces = list(audio.chunks(sound, 0.3))
    assert [round(piece.seconds, 3) for piece in pieces] == [0.3, 0.3, 0.3, 0.1]
    assert b"".join(piece.pcm for piece in pieces) == sound.pcm
    assert {piece.sample_rate for piece in pieces} == {16000}


def test_chunks_of_nothing_and_of_no_length() -> None:
    """An empty sound has no chunks; a length below one sample is one sample."""
    assert list(audio.chunks(AudioChunk(b"", 16000), 0.1)) == []
    assert [len(piece.pcm) for piece in audio.chunks(AudioChunk(b"\0" * 6, 16000), 0)] == [2, 2, 2]


def test_importing_is_light() -> None:
    """`dialogue.audio` loads neither numpy nor soxr until a sound is read."""
    code = "import sys, dialogue.audio; print([m for m in ('numpy', 'soxr', 'wave') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
