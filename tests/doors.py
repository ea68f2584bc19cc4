"""What the tests of the doors share: ears that hear text, a server on a real socket, and the shape of errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from dialogue.assistant import Assistant
from dialogue.config import Parts
from dialogue.errors import SoundError
from dialogue.grammar.outline import outline
from dialogue.server import Door, Ears, Gate, Service, listening, openapi, server_of
from dialogue.types import AudioChunk, Hypothesis, Transcript

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "audio_fixtures" / "en"
SPOKEN = "turn on the corner lamp and the porch light"
WAV = {"content-type": "audio/wav"}
LOCAL = frozenset({"127.0.0.1", "localhost"})


@dataclass
class SlowEars:
    """Hears the body as text, in its time, and notes when it began and ended."""

    seconds: float = 0.0
    there: bool = True
    heard: list[tuple[str, float, float]] = field(default_factory=list)

    def hear(self, wav: bytes) -> Transcript:
        began = time.monotonic()
        if wav.startswith(b"broken"):
            raise SoundError("body: is not a WAV file, it looks like text; give a WAV file")
        time.sleep(self.seconds)
        self.heard.append((wav.decode(), began, time.monotonic()))
        return Transcript((Hypothesis(wav.decode()),))

    def hear_raw(self, sound: AudioChunk) -> Transcript:
        return self.hear(sound.pcm.strip(b"\0"))


@contextmanager
def running(door: Door) -> Iterator[str]:
    """The address of a real server for the door."""
    bound = listening("127.0.0.1", 0)
    server = server_of(door)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def door_of(assistant: Assistant, ears: Ears | None = None, gate: Gate | None = None, **more: Any) -> Door:
    return Door(Service(assistant, ears or SlowEars(), "en", **more), gate or Gate(names=LOCAL))


@contextmanager
def served(assistant: Assistant, ears: Ears | None = None, gate: Gate | None = None, **more: Any) -> Iterator[Any]:
    """A client of a real server around the assistant."""
    door = door_of(assistant, ears, gate, **more)
    with running(door) as address, httpx.Client(base_url=address, timeout=20) as client:
        yield client


def outlined(parts: Parts) -> Any:
    return lambda asks: outline(parts.grammar, parts.home, asks)


def say(client: Any, text: str, conversation: str = "me", **more: Any) -> Any:
    return client.post(f"/v1/conversations/{conversation}/turns", json={"text": text, **more})


def problem(response: Any, status: int) -> dict[str, str]:
    """The error of an answer; fails if it has another shape."""
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    told = openapi.ErrorAnswer.model_validate(response.json()).error.model_dump()
    assert all(told.values())
    assert "Traceback" not in response.text
    return told
