"""How much of everything strangers may send, and how long they may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds; ``rate`` is requests a second for each token, twice that in a burst."""

    json_bytes: int = 128 * 1024
    json_depth: int = 32
    sound_bytes: int = 16 * 1024 * 1024
    sound_seconds: float = 120.0
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    connections: int = 1000
    rate: float = 100.0
