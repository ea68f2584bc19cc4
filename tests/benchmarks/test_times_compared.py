"""What onebreath makes of spoken times beside recognizers-text, in one run over the same table.

    ONEBREATH_BENCHMARKS=1 python -m pytest tests/benchmarks/test_times_compared.py -s

Compared is what both can say: times with one answer, lengths and ends. Theirs gets the same time of reference,
and counts as right if any of its resolutions is the wanted one, in either half of the day.
"""

from __future__ import annotations

import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from test_times import MONDAY_EVENING, TABLE, Meaning, meaning, meant, read

KINDS = ("at", "bare", "until", "for", "length", "written")
ROWS = [
    (str(say), meant(wanted))
    for kind in KINDS
    for say, wanted in TABLE[kind].items()
    if wanted != "ask"  # a single answer is what the other reader always gives
]
Meanings = Callable[[str], list[Meaning]]


@pytest.fixture(autouse=True)
def _asked_for(request: pytest.FixtureRequest) -> None:
    """Times are only taken when somebody wants to know."""
    if not (request.config.getoption("benchmark_only") or os.environ.get("ONEBREATH_BENCHMARKS")):
        pytest.skip("takes times: run with --benchmark-only or set ONEBREATH_BENCHMARKS")


@pytest.fixture(scope="module")
def recognizers() -> Any:
    """The other reader; it is an extra for benchmarks, and old."""
    reason = "recognizers-text is missing: pip install 'onebreath[bench]'"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("recognizers_date_time", reason=reason, exc_type=ImportError)


def ours(say: str) -> list[Meaning]:
    """Our one reading, its seconds taken off as the table has none."""
    return [_to_the_minute(meaning(kind, said)) for kind, said in read(say)]


def theirs(recognizers: Any) -> Meanings:
    """Every resolution of everything that recognizers-text finds in a text."""

    def meanings(say: str) -> list[Meaning]:
        found = recognizers.recognize_datetime(say, "en-us", reference=MONDAY_EVENING)
        values = (value for result in found for value in (result.resolution or {}).get("values", ()))
        return [one for value in values for one in _resolved(value)]

    return meanings


def _resolved(value: dict[str, str]) -> Iterator[Meaning]:
    """What one of its resolutions means: a time to come, the end of a range, or seconds."""
    text = value.get("value") or value.get("end") or value.get("start") or ""
    if value["type"] == "duration":
        yield float(text)
        return
    for form in ("%Y-%m-%d %H:%M:%S", "%H:%M:%S", "%Y-%m-%d"):
        try:
            read_as = datetime.strptime(text, form)
        except ValueError:
            continue
        yield _to_the_minute(_to_come(read_as) if form == "%H:%M:%S" else read_as)


def _to_come(clock: datetime) -> datetime:
    today = datetime.combine(MONDAY_EVENING.date(), clock.time())
    return today if today > MONDAY_EVENING else today + timedelta(days=1)


def _to_the_minute(found: Meaning) -> Meaning:
    return found.replace(second=0) if isinstance(found, datetime) else found


def verdicts(meanings: Meanings) -> tuple[Counter[str], float]:
    """How many expressions are right, wrong and not found, and the seconds of processor time it took."""
    counted: Counter[str] = Counter()
    meanings("at ten")
    begun = time.process_time()
    for say, wanted in ROWS:
        found = meanings(say)
        counted["right" if wanted in found else "wrong" if found else "not found"] += 1
    return counted, time.process_time() - begun


def test_ours_is_at_least_as_right(recognizers: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """We read more of the table rightly, fewer wrongly, and no slower."""
    our_counts, our_time = verdicts(ours)
    their_counts, their_time = verdicts(theirs(recognizers))
    with capsys.disabled():
        print(f"\n{len(ROWS)} expressions")
        for name, counts in (("onebreath", our_counts), ("recognizers-text", their_counts)):
            print(f"{name:18}", ", ".join(f"{kind} {counts[kind]}" for kind in ("right", "wrong", "not found")))
        print(f"recognizers-text takes {their_time / our_time:.1f} times as long")
    assert our_counts["right"] >= their_counts["right"]
    assert our_counts["wrong"] <= their_counts["wrong"]
    assert our_time <= their_time
