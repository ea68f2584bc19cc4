"""How long understanding takes, beside two other readers of Home Assistant sentences in the same run.

    python -m pytest tests/benchmarks --benchmark-only

reads the benchmark's sentences where its folder is, else a few of our own, and prints how many times as long as
onebreath each of the others takes. hassil and gazetteer-matcher read one request, or a few that they know how to
cut; what they make of a compound is not looked at, only how long they take to say it. All are warm: each has read
every sentence once before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import bench_folder, shipped_parts
from pytest_benchmark.fixture import BenchmarkFixture

from dialogue.config import Configuration, Parts, load_parts
from dialogue.context import ContextState
from dialogue.interfaces import Device, Home
from dialogue.types import Hypothesis

Reader = Callable[[str], object]
MOST = 150
OWN = {
    "singles": [
        "turn on the porch light",
        "set the desk lamp to forty percent",
        "what is the temperature in the living room",
        "set a timer for ten minutes",
        "open the study blinds",
        "add apples to my shopping list",
    ],
    "compounds": [
        "turn on the porch light and lock the side door",
        "set the desk lamp to forty percent then open the study blinds",
        "turn off the lights in the kitchen and set a timer for ten minutes and pause the television",
    ],
}
FILES = {"singles": "singles_en.jsonl", "compounds": "compounds_en_dev.jsonl"}


@pytest.fixture(autouse=True)
def _asked_for(request: pytest.FixtureRequest) -> None:
    """Times are only taken when somebody wants to know."""
    if not (request.config.getoption("benchmark_only") or os.environ.get("ONEBREATH_BENCHMARKS")):
        pytest.skip("takes times: run with --benchmark-only or set ONEBREATH_BENCHMARKS")


@pytest.fixture(scope="module")
def folder() -> Path | None:
    """Home Assistant's sentences, where they are."""
    bench = bench_folder()
    return bench / "home_assistant" if bench else None


@pytest.fixture(scope="module")
def at_home(folder: Path | None) -> Parts:
    return load_parts(Configuration(home=folder / "home.yaml")) if folder else shipped_parts()


def sentences(folder: Path | None, kind: str) -> list[str]:
    """At most `MOST` sentences, taken evenly from the whole file."""
    if folder is None:
        return OWN[kind]
    rows = (folder / FILES[kind]).read_text(encoding="utf-8").splitlines()
    return [json.loads(row)["text"] for row in rows[:: max(1, len(rows) // MOST)]][:MOST]


# --- the readers ------------------------------------------------------------------------


def onebreath(parts: Parts) -> Reader:
    return lambda text: parts.splitter.split((Hypothesis(text),), ContextState())


def hassil_reader(parts: Parts) -> Reader:
    """hassil over the same sentence pack, with the home's names as its lists."""
    import hassil
    import home_assistant_intents
    from hassil.intents import Intents, SlotList, TextSlotList

    data = home_assistant_intents.get_intents("en")
    assert data is not None
    intents = Intents.from_dict(dict(data))
    lists: dict[str, SlotList] = {
        "name": TextSlotList.from_tuples(_names(parts.home), allow_template=False),
        "area": TextSlotList.from_tuples(_places(parts.home.areas.values()), allow_template=False),
        "floor": TextSlotList.from_tuples(_places(parts.home.floors.values()), allow_template=False),
    }
    return lambda text: hassil.recognize_best(text, intents, slot_lists=lists, best_slot_name="name")


def _names(home: Home) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (name, device.name, {"domain": device.domain}) for device in home.devices.values() for name in _all(device)
    ]


def _all(device: Device) -> tuple[str, ...]:
    return (device.name, *device.aliases)


def _places(places: Any) -> list[tuple[str, str]]:
    return [(name, place.name) for place in places for name in (place.name, *place.aliases)]


def gazetteer(parts: Parts) -> Reader:
    """gazetteer-matcher with the same home."""
    matcher = pytest.importorskip("gazetteer_matcher", reason="pip install gazetteer-matcher==1.2.0")
    home = parts.home
    places = {
        kind: {
            one.id: {"name": one.name, "aliases": list(one.aliases), "floor": one.floor} for one in known.values()
        }
        for kind, known in (("areas", home.areas), ("floors", home.floors))
    }
    devices = {
        one.id: {"name": one.name, "aliases": list(one.aliases), "domain": one.domain, "area": one.area}
        for one in home.devices.values()
    }
    interpret: Reader = matcher.GazetteerMatcher(home={**places, "entities": devices}).interpret
    return interpret


READERS: dict[str, Callable[[Parts], Reader]] = {
    "onebreath": onebreath,
    "hassil": hassil_reader,
    "gazetteer-matcher": gazetteer,
}

# --- times ------------------------------------------------------------------------------

Times = dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def times(request: pytest.FixtureRequest) -> Iterator[Times]:
    """Milliseconds a line per reader and kind of sentence; told as ratios at the end."""
    found: Times = {}
    yield found
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print()
        for (kind, reader), spent in found.items():
            ours = found.get((kind, "onebreath"))
            ratio = f", {spent / ours:.1f} times onebreath" if ours else ""
            print(f"{kind}: {reader} {spent:.2f} ms a line{ratio}")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", FILES)
def test_latency(
    benchmark: BenchmarkFixture, times: Times, at_home: Parts, folder: Path | None, kind: str, reader: str
) -> None:
    """Time to read all sentences of a kind; onebreath, which reads compounds too, is quicker than hassil."""
    lines = sentences(folder, kind)
    read = READERS[reader](at_home)

    def read_all() -> int:
        return sum(read(line) is not None for line in lines)

    measure: Callable[..., int] = benchmark.pedantic
    understood = measure(read_all, rounds=3, warmup_rounds=1)
    assert understood > 0 or kind == "compounds", "not one single sentence was understood"
    assert benchmark.stats is not None
    spent = times[kind, reader] = 1000 * benchmark.stats.stats.median / len(lines)
    benchmark.extra_info["ms a line"] = round(spent, 3)
    if reader == "hassil" and (kind, "onebreath") in times:
        assert times[kind, "onebreath"] < spent
