"""The core is light: it loads in milliseconds and without any third party's package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

THIRD_PARTIES = (
    "hassil",
    "home_assistant_intents",
    "numpy",
    "pycrfsuite",
    "pydantic",
    "rasa_sdk",
    "sanic",
    "sounddevice",
    "soxr",
    "prometheus_client",
    "starlette",
    "tqdm",
    "uvicorn",
    "vosk",
    "yaml",
)
CORE = ("types", "events", "context", "interfaces", "errors", "assistant")
IMPORTING = """
import json, sys, time
began = time.perf_counter()
for name in sys.argv[1:]:
    __import__(name)
print(json.dumps({"seconds": time.perf_counter() - began, "loaded": sorted(sys.modules)}))
"""


def imported(*names: str) -> tuple[float, set[str]]:
    """How long a fresh interpreter needs to import these modules, and all it has loaded then."""
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTING, *names],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    told = json.loads(ran.stdout)
    return float(told["seconds"]), set(told["loaded"])


@pytest.mark.parametrize(
    "name",
    [*(f"dialogue.{one}" for one in CORE), "dialogue.cli", "dialogue.chat", "dialogue.listen"],
)
def test_no_third_party_is_loaded(name: str) -> None:
    """The core, the command line and the typed doors load nothing but Python's own library."""
    _, loaded = imported(name)
    assert name in loaded
    assert loaded.isdisjoint(THIRD_PARTIES)


def test_the_core_is_loaded_in_a_tenth_of_a_second() -> None:
    """The best of five runs, as other programs may be busy, is under 100 ms."""
    seconds = min(imported(*(f"dialogue.{name}" for name in CORE))[0] for _ in range(5))
    assert seconds < 0.1


def test_each_third_party_has_one_home() -> None:
    """Hearing and serving are not loaded by configuring an assistant."""
    _, loaded = imported("dialogue.config")
    assert loaded.isdisjoint({"vosk", "sounddevice", "soxr", "starlette", "uvicorn", "rasa_sdk"})
