"""Every conversation of ``tests/conversations`` leads to exactly what it says, nothing more and nothing less."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PartsOf
from judge import ROOT, Case, judge, play, read_cases

from dialogue.config import with_fresh_home

FOLDER = Path(__file__).parent / "conversations"
KNOWN = FOLDER / "known_failures.yaml"
SUITES = sorted(path for path in FOLDER.glob("*.yaml") if path != KNOWN)
CASES = [case for path in SUITES for case in read_cases(path)]
FAILURES: dict[str, str] = yaml.safe_load(KNOWN.read_text(encoding="utf-8")) or {}


def _as_test(case: Case) -> Any:
    """A case as a test; one known to fail must go on failing, so that a mended one is noticed."""
    reason = FAILURES.get(case.id)
    marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
    return pytest.param(case, id=case.id, marks=marks)


@pytest.mark.parametrize("case", [_as_test(case) for case in CASES])
def test_conversation(case: Case, parts_of: PartsOf) -> None:
    """What was heard is done as the case says: no effect, plan or question too many or too few."""
    parts = parts_of(case.home)
    lines = play(case, parts)
    verdict = judge(case, lines, with_fresh_home(parts).home)
    assert verdict.outcome == "right", f"{verdict}\n" + "\n".join(map(str, lines))


def test_ids_are_given_once() -> None:
    """A case is found by its id, also from the list of known failures."""
    twice = [one for one, count in Counter(case.id for case in CASES).items() if count > 1]
    assert not twice
    assert FAILURES.keys() <= {case.id for case in CASES}


def test_homes_exist() -> None:
    """Every suite names a home that is there."""
    assert {case.home for case in CASES if not case.home.is_file()} == set()
    assert ROOT / "grammars" / "home.yaml" in {case.home for case in CASES}
