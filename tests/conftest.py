"""What the tests share: the parts of an assistant, loaded once, and the benchmark folder where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings
from judge import NOW, ROOT

from dialogue.assistant import Assistant
from dialogue.config import Configuration, Parts, load_parts, make_assistant, with_fresh_home
from dialogue.scheduler import StandingClock

settings.register_profile("onebreath", deadline=None, derandomize=True)
settings.load_profile("onebreath")

PartsOf = Callable[[Path], Parts]


def bench_folder() -> Path | None:
    """The benchmarks: where ONEBREATH_BENCH says, or beside the project; None where they are not."""
    folder = Path(os.environ.get("ONEBREATH_BENCH") or ROOT.parent / "shared" / "bench")
    return folder if (folder / "effects").is_dir() else None


@cache
def _parts_of(home: Path) -> Parts:
    return load_parts(Configuration(home=home))


def shipped_parts() -> Parts:
    """The parts around the shipped home. Whoever changes the home takes `assistant` instead."""
    return _parts_of(ROOT / "grammars" / "home.yaml")


@pytest.fixture(scope="session")
def parts_of() -> PartsOf:
    """The parts around a home, the grammar loaded once for all tests."""
    return _parts_of


@pytest.fixture(scope="session")
def parts() -> Parts:
    """`shipped_parts`, as a fixture."""
    return shipped_parts()


@pytest.fixture(scope="session")
def bench() -> Path:
    """The folder of the benchmarks; a test that needs it is skipped elsewhere."""
    folder = bench_folder()
    if folder is None:
        pytest.skip("no benchmarks here: name their folder in ONEBREATH_BENCH")
    return folder


@pytest.fixture
def clock() -> StandingClock:
    """A Monday, six in the evening, until it is moved."""
    return StandingClock(datetime.fromisoformat(NOW))


@pytest.fixture
def assistant(parts: Parts, clock: StandingClock) -> Assistant:
    """An assistant in a home of its own that nothing has happened in yet."""
    mine = with_fresh_home(parts)
    return make_assistant(mine.configuration, clock=clock, parts=mine)
