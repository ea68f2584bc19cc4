"""Sounds and WAV files made for tests: tones, silence, noise, and every way a WAV can store them."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterable, Sequence

from dialogue.types import AudioChunk

GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def tone(seconds: float, rate: int = 16000, hertz: float = 440.0, loudness: float = 0.5) -> list[float]:
    """A sine of ``hertz`` as samples from -1 to 1."""
    return [loudness * math.sin(2 * math.pi * hertz * index / rate) for index in range(round(seconds * rate))]


def noise(seconds: float, rate: int = 16000, loudness: float = 0.001, seed: int = 1) -> list[float]:
    """White noise, the same for the same seed."""
    source = random.Random(seed)
    return [source.uniform(-loudness, loudness) for _ in range(round(seconds * rate))]


def pcm16(samples: Iterable[float]) -> bytes:
    return b"".join(struct.pack("<h", max(-32768, min(32767, round(sample * 32768)))) for sample in samples)


def chunk16(samples: Iterable[float], rate: int = 16000) -> AudioChunk:
    return AudioChunk(pcm16(samples), rate)


def stored(samples: Sequence[float], bits: int, floating: bool = False) -> bytes:
    """Samples as a WAV stores them: unsigned at 8 bits, else signed little-endian, or IEEE floats."""
    if floating:
        return struct.pack(f"<{len(samples)}{'f' if bits == 32 else 'd'}", *samples)
    if bits == 8:
        return bytes(max(0, min(255, 128 + round(sample * 128))) for sample in samples)
    top = 2 ** (bits - 1)
    whole = (max(-top, min(top - 1, round(sample * top))) for sample in samples)
    return b"".join(value.to_bytes(bits // 8, "little", signed=True) for value in whole)


def riff(*parts: tuple[bytes, bytes], claimed: int | None = None) -> bytes:
    """A RIFF WAVE file of named chunks; ``claimed`` replaces the length the last one claims."""
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in parts)
    if claimed is not None:
        data = parts[-1][1]
        body = body[: len(body) - len(data) - len(data) % 2 - 4] + struct.pack("<I", claimed) + data
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def layout(rate: int = 16000, bits: int = 16, channels: int = 1, tag: int = 1) -> bytes:
    """The body of a plain ``fmt `` chunk."""
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, (rate * frame) % 2**32, frame % 2**16, bits)


def extensible(rate: int = 16000, bits: int = 16, channels: int = 1, tag: int = 1) -> bytes:
    """The body of a WAVE_FORMAT_EXTENSIBLE ``fmt `` chunk around ``tag``."""
    head = layout(rate, bits, channels, 0xFFFE)
    return head + struct.pack("<HHIH", 22, bits, 0, tag) + GUID_TAIL


def wav(
    samples: Sequence[float], rate: int = 16000, bits: int = 16, channels: int = 1, floating: bool = False
) -> bytes:
    """A WAV file of interleaved ``samples``."""
    tag = 3 if floating else 1
    return riff((b"fmt ", layout(rate, bits, channels, tag)), (b"data", stored(samples, bits, floating)))
