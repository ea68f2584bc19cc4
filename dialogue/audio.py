"""Sound in: any WAV becomes 16-bit mono at the rate the recognizer wants.

A WAV is a RIFF file: a list of chunks, each a four-letter name, a length and a body. ``fmt `` says how
samples are stored and ``data`` holds them. The sound is read, mixed down and resampled in blocks, so memory
is bounded by the result (two bytes a sample) and never by what a header claims.
"""

from __future__ import annotations

import itertools
import os
import shlex
import stat
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dialogue.errors import SoundError
from dialogue.types import AudioChunk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

LONGEST_SECONDS = 3600.0
HIGHEST_RATE = 384_000

_BLOCK_BYTES = 1 << 18
_BLOCK_SECONDS = 4
_MOST_CHUNKS = 1000
_CONVERT = "convert it first, for example: ffmpeg -i {name} -ar 16000 -ac 1 sound.wav"
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_CODECS = {
    2: "Microsoft ADPCM",
    6: "A-law",
    7: "mu-law",
    0x11: "IMA ADPCM",
    0x31: "GSM 6.10",
    0x50: "MPEG",
    0x55: "MP3",
}
_SIGNATURES = (
    (0, b"RIFX", "a big-endian WAV (RIFX)"),
    (0, b"RF64", "a 64-bit WAV (RF64)"),
    (0, b"ID3", "MP3"),
    (0, b"OggS", "OGG"),
    (0, b"fLaC", "FLAC"),
    (0, b"FORM", "AIFF"),
    (0, b".snd", "AU"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x1aE\xdf\xa3", "WebM or Matroska"),
    (4, b"ftyp", "MP4 or M4A"),
)


@dataclass(frozen=True, slots=True)
class _Format:
    """How samples are stored: ``tag`` is PCM or float, ``bits`` those of one sample of one channel."""

    tag: int
    channels: int
    rate: int
    bits: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


@dataclass(frozen=True, slots=True)
class _Source:
    """An open sound with the name to call it by in messages, and its true size in bytes."""

    file: BinaryIO
    name: str
    size: int

    def error(self, what: str, mend: str) -> SoundError:
        return SoundError(f"{self.name}: {what}; {mend.format(name=shlex.quote(self.name))}")


def read(path: str | Path, sample_rate: int = 16000, *, longest_seconds: float = LONGEST_SECONDS) -> AudioChunk:
    """The sound of a WAV file as 16-bit mono at ``sample_rate`` hertz.

    Only regular files are opened, so a pipe or a device can never block the caller. Raises SoundError for all
    that is not a readable WAV of at most ``longest_seconds``; see `decode`.
    """
    _need_regular(path)
    try:
        with Path(path).open("rb") as file:
            return decode(file, sample_rate, name=str(path), longest_seconds=longest_seconds)
    except OSError as error:
        raise SoundError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def decode(
    file: BinaryIO, sample_rate: int = 16000, *, name: str = "sound", longest_seconds: float = LONGEST_SECONDS
) -> AudioChunk:
    """The sound of an open, seekable WAV as 16-bit mono at ``sample_rate`` hertz.

    Reads RIFF with PCM of 8, 16, 24 or 32 bits or IEEE float of 32 or 64 bits, plain or extensible, any
    number of channels (averaged) and any rate up to `HIGHEST_RATE`; other rates are resampled by soxr. Float
    samples that are not numbers become silence. A ``data`` chunk may claim more than the file holds, as
    recorders that were cut off or wrote to a pipe leave it: then the whole frames that are there are the
    sound.

    Raises SoundError, in terms of ``name``, for anything else, for a sound without a single frame, and for
    one longer than ``longest_seconds``.
    """
    source = _Source(file, name, file.seek(0, os.SEEK_END))
    _need_riff(source)
    layout, start, length = _located(source)
    frames = min(length, source.size - start) // layout.frame_bytes
    if frames == 0:
        raise source.error("holds no sound, only a header", "record or export it again")
    _need_length(source, frames / layout.rate, longest_seconds)
    file.seek(start)
    pcm = bytearray()
    for block in _resampled(_mono_blocks(file, layout, frames), layout.rate, sample_rate):
        pcm += _quantized(block)
    return AudioChunk(bytes(pcm), sample_rate)


def chunks(sound: AudioChunk, seconds: float) -> Iterator[AudioChunk]:
    """The sound in pieces of ``seconds`` (at least one sample), the last one shorter if need be."""
    step = 2 * max(1, round(seconds * sound.sample_rate))
    for start in range(0, len(sound.pcm), step):
        yield AudioChunk(sound.pcm[start : start + step], sound.sample_rate)


def resampled(sound: Iterable[AudioChunk], sample_rate: int) -> Iterator[AudioChunk]:
    """A stream of chunks, all of one rate, as a stream at ``sample_rate``; nothing is lost at the seams."""
    import numpy as np

    stream = iter(sound)
    first = next(stream, None)
    if first is None:
        return
    blocks = (
        np.frombuffer(chunk.pcm, dtype="<i2").astype(np.float32) / np.float32(32768)
        for chunk in itertools.chain([first], stream)
    )
    for block in _resampled(blocks, first.sample_rate, sample_rate):
        yield AudioChunk(_quantized(block), sample_rate)


# --- reading the container --------------------------------------------------------------


def _need_regular(path: str | Path) -> None:
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError as error:
        raise SoundError(f"{path}: there is no such file; check the path") from error
    except (OSError, ValueError) as error:
        raise SoundError(f"{path}: cannot be looked up ({error}); check the path") from error
    if stat.S_ISDIR(mode):
        raise SoundError(f"{path}: is a folder, not a WAV file; name a file in it")
    if not stat.S_ISREG(mode):
        raise SoundError(f"{path}: is a pipe or a device, not a file; save the sound to a WAV file first")


def _need_riff(source: _Source) -> None:
    source.file.seek(0)
    head = source.file.read(512)
    if not head:
        raise source.error("is empty (zero bytes)", "record or export it again")
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return
    if head[:4] == b"RIFF" and len(head) < 12:
        raise source.error("ends within the WAV header", "record or export it again")
    raise source.error(*_looks_like(head))


def _looks_like(head: bytes) -> tuple[str, str]:
    """What a file that is no WAV probably is, from its first bytes, and how to mend that."""
    for offset, signature, name in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return f"is not a WAV file, it looks like {name}", _CONVERT
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        name = "MP3" if head[1] & 0x06 else "AAC"
        return f"is not a WAV file, it looks like {name}", _CONVERT
    return f"is not a WAV file, it looks like {_unsounding(head)}", "give a WAV file"


def _unsounding(head: bytes) -> str:
    """What a file that holds no sound at all probably is."""
    if head[:4] == b"RIFF":
        return f"another kind of RIFF file ({head[8:12]!r})"
    if not any(head):
        return "nothing but zero bytes"
    return "text" if _is_text(head) else "something unknown"


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", "ignore")
    whole = len(text.encode()) >= len(head) - 3
    return whole and all(letter.isprintable() or letter in "\r\n\t\ufeff" for letter in text)


def _located(source: _Source) -> tuple[_Format, int, int]:
    """The format, and where the samples start and how many bytes of them are claimed."""
    layout = None
    position = 12
    for _ in range(_MOST_CHUNKS):
        name, length = _chunk_at(source, position, layout)
        position += 8
        if name == b"fmt ":
            layout = _format(source, source.file.read(min(length, 40)))
        elif name == b"data":
            if layout is None:
                raise source.error("has its samples before their format", _CONVERT)
            return layout, position, length
        position += length + length % 2
    raise source.error(f"has more than {_MOST_CHUNKS} chunks before its samples", _CONVERT)


def _chunk_at(source: _Source, position: int, layout: _Format | None) -> tuple[bytes, int]:
    source.file.seek(min(position, source.size))
    head = source.file.read(8)
    if len(head) < 8:
        missing = "format" if layout is None else "samples"
        raise source.error(f"ends before its {missing} (the file is cut off)", "record or export it again")
    name, length = struct.unpack("<4sI", head)
    return name, length


def _format(source: _Source, body: bytes) -> _Format:
    if len(body) < 16:
        raise source.error("ends within the WAV header", "record or export it again")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == _EXTENSIBLE:
        tag = _extended_tag(source, body)
    layout = _Format(tag, channels, rate, bits)
    _need_known(source, layout)
    if frame_bytes not in (0, layout.frame_bytes):
        raise source.error(
            f"contradicts itself: {frame_bytes} bytes a frame for {channels} channels of {bits} bits",
            _CONVERT,
        )
    return layout


def _extended_tag(source: _Source, body: bytes) -> int:
    """The tag inside WAVE_FORMAT_EXTENSIBLE: the first two bytes of its sub-format GUID."""
    if len(body) < 40:
        raise source.error("ends within the WAV header", "record or export it again")
    if body[26:40] != _GUID_TAIL:
        raise source.error(f"uses an unknown sub-format ({body[24:40].hex()})", _CONVERT)
    return int.from_bytes(body[24:26], "little")


def _need_known(source: _Source, layout: _Format) -> None:
    if layout.tag not in (_PCM, _FLOAT):
        codec = _CODECS.get(layout.tag, "an unknown codec")
        raise source.error(f"is compressed with {codec} (tag {layout.tag:#06x})", _CONVERT)
    if layout.bits not in ((8, 16, 24, 32) if layout.tag == _PCM else (32, 64)):
        kind = "integer" if layout.tag == _PCM else "float"
        raise source.error(f"has {layout.bits}-bit {kind} samples, which are not supported", _CONVERT)
    if layout.channels == 0:
        raise source.error("claims to have no channels", "record or export it again")
    if not 0 < layout.rate <= HIGHEST_RATE:
        raise source.error(f"claims {layout.rate} samples a second (1 to {HIGHEST_RATE} are read)", _CONVERT)


def _need_length(source: _Source, seconds: float, longest: float) -> None:
    if seconds > longest:
        raise source.error(
            f"lasts {seconds:.0f} seconds, more than the limit of {longest:.0f}", "cut it into shorter files"
        )


# --- arithmetic -------------------------------------------------------------------------


def _mono_blocks(file: BinaryIO, layout: _Format, frames: int) -> Iterator[Samples]:
    """The sound as blocks of mono samples from -1 to 1, each small in bytes and short in time."""
    most = max(1, min(_BLOCK_BYTES // layout.frame_bytes, _BLOCK_SECONDS * layout.rate))
    while frames > 0:
        raw = file.read(min(most, frames) * layout.frame_bytes)
        count = len(raw) // layout.frame_bytes
        if count == 0:
            return
        frames -= count
        yield _mono(raw[: count * layout.frame_bytes], layout)


def _mono(raw: bytes, layout: _Format) -> Samples:
    import numpy as np

    samples = _floats(raw, layout) if layout.tag == _FLOAT else _integers(raw, layout)
    if layout.channels == 1:
        return samples
    mixed: Samples = samples.reshape(-1, layout.channels).mean(axis=1, dtype=np.float32)
    return mixed


def _floats(raw: bytes, layout: _Format) -> Samples:
    """Float samples; what is no number is made silent, what is too loud is cut off."""
    import numpy as np

    samples = np.frombuffer(raw, dtype=f"<f{layout.bits // 8}")
    finite = np.where(np.isfinite(samples), samples, 0)
    return np.clip(finite, -1, 1).astype(np.float32)


def _integers(raw: bytes, layout: _Format) -> Samples:
    """Integer samples scaled to -1 to 1; those of 8 bits are unsigned around 128."""
    import numpy as np

    if layout.bits == 8:
        return (np.frombuffer(raw, dtype=np.uint8).astype(np.float32) - 128) / np.float32(128)
    if layout.bits == 16:
        return np.frombuffer(raw, dtype="<i2").astype(np.float32) / np.float32(2**15)
    wide = _widened(raw) if layout.bits == 24 else raw
    return np.frombuffer(wide, dtype="<i4").astype(np.float32) / np.float32(2**31)


def _widened(raw: bytes) -> bytes:
    """Three-byte samples as four-byte ones, a zero byte below."""
    import numpy as np

    wide = np.zeros((len(raw) // 3, 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3)
    return wide.tobytes()


def _resampled(blocks: Iterable[Samples], rate: int, wanted: int) -> Iterator[Samples]:
    if rate == wanted:
        yield from blocks
        return
    import numpy as np
    import soxr

    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def _quantized(samples: Samples) -> bytes:
    import numpy as np

    return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()
