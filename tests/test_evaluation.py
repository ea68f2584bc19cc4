"""How well examples are read: the numbers by hand, the command on a small folder, and its picture."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dialogue import cli
from dialogue.evaluation import (
    NOTHING,
    SEVERAL,
    Case,
    Score,
    calibration_error,
    case_of,
    evaluation_of,
    evaluation_shape,
    parted,
    reliability,
    wilson,
)
from dialogue.evaluation_page import page
from dialogue.evaluation_picture import evaluation_picture
from dialogue.learned.examples import Example, Lessons, Mark
from dialogue.picture import Brush
from dialogue.types import Entity, Reading, Request, Utterance

CHROMIUM = Path("/usr/bin/chromium")
TITLES = ("blue velvet", "purple rain", "thunder road", "yesterday", "hey jude", "waterloo")
DRINKS = ("latte", "espresso", "cappuccino", "mocha", "cortado", "macchiato")
PLAY = [f"{verb} [{title}](song)" for verb in ("play", "put on", "i want to hear") for title in TITLES]
BREW = [f"{verb} [{drink}](drink)" for verb in ("brew me a", "make a", "brew a") for drink in DRINKS]

Run = Callable[..., tuple[int, str, str]]


def nlu(**intents: list[str]) -> str:
    """The text of an example file."""
    entries = [
        f"- intent: {intent}\n  examples: |\n" + "".join(f"    - {line}\n" for line in lines)
        for intent, lines in intents.items()
    ]
    return 'version: "3.1"\nnlu:\n' + "".join(entries)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("grammar")
    (made / "nlu.yml").write_text(nlu(PlaySong=PLAY, BrewCoffee=BREW), encoding="utf-8")
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``onebreath evaluate``: its exit code, standard output and standard error."""

    def running(*arguments: str | Path) -> tuple[int, str, str]:
        code = cli.main(["evaluate", *map(str, arguments)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return running


def utterance(*readings: Reading, **more: Any) -> Utterance:
    return Utterance("", tuple(Request("", "", one, 0, 1, **more) for one in readings))


# --- one example ------------------------------------------------------------------------

SONG = Example("PlaySong", "play Hey Jude!", (Mark("song", 5, 13),))
RIGHT = Reading("PlaySong", (Entity("song", "Hey Jude", "hey jude"),))


def test_a_right_reading_is_exact() -> None:
    """Case and punctuation are nothing that is said."""
    case = case_of(SONG, {}, utterance(RIGHT, confidence=0.5))
    assert case.exact
    assert (case.slots_meant, case.slots_right, case.slots_read) == (("song",), ("song",), ("song",))
    assert case.confidence == 0.5


@pytest.mark.parametrize(
    ("read", "right", "found"),
    [
        (Reading("BrewCoffee", RIGHT.entities), ("song",), ("song",)),
        (Reading("PlaySong"), (), ()),
        (Reading("PlaySong", (Entity("song", "jude", "jude"),)), (), ("song",)),
        (Reading("PlaySong", (*RIGHT.entities, Entity("artist", "hey", "hey"))), ("song",), ("artist", "song")),
    ],
)
def test_what_is_not_exact(read: Reading, right: tuple[str, ...], found: tuple[str, ...]) -> None:
    """Another intent, a slot missed, a slot cut wrongly, a slot too many."""
    case = case_of(SONG, {}, utterance(read))
    assert not case.exact
    assert (case.slots_right, tuple(sorted(case.slots_read))) == (right, found)


@pytest.mark.parametrize("more", [{"negated": True}, {"held": "wug"}, {"exceptions": (1,)}])
def test_what_would_not_run_is_not_exact(more: dict[str, Any]) -> None:
    """A reading that is negated, held or excepted from does not do what the example asks for."""
    case = case_of(SONG, {}, utterance(RIGHT, **more))
    assert (case.exact, case.held) == (False, True)


def test_values_may_be_as_meant() -> None:
    """A slot is right as said, as annotated, or by a synonym."""
    read = utterance(Reading("PlaySong", (Entity("song", "Yesterday", ""),)))
    marked = Example("PlaySong", "play that one", (Mark("song", 5, 13, "Yesterday"),))
    plain = Example("PlaySong", "play that one", (Mark("song", 5, 13),))
    assert case_of(marked, {}, read).exact
    assert case_of(plain, {"that one": "yesterday"}, read).exact
    assert not case_of(plain, {}, read).exact


def test_supplied_values_count_only_where_they_fit() -> None:
    """What the grammar adds without a word for it cannot be marked, and is no mistake."""
    read = Reading("PlaySong", (*RIGHT.entities, Entity("domain", "media", "")))
    case = case_of(SONG, {}, utterance(read))
    assert (case.exact, case.slots_read) == (True, ("song",))


def test_more_or_less_than_one_request() -> None:
    """Several requests are never exact; out of scope is right where there is none."""
    assert case_of(SONG, {}, utterance(RIGHT, RIGHT)).read == SEVERAL
    assert not case_of(SONG, {}, utterance(RIGHT, RIGHT)).exact
    assert case_of(SONG, {}, utterance(RIGHT, RIGHT, confidence=0.5)).confidence == 0.25
    stranger = Example("out_of_scope", "who are you")
    assert case_of(stranger, {}, utterance()).exact
    assert not case_of(stranger, {}, utterance(RIGHT)).exact
    assert case_of(stranger, {}, utterance()).confidence is None


# --- the numbers ------------------------------------------------------------------------


def cases() -> list[Case]:
    """Two intents: of three A two are read as A; of two B one is read as A; two strangers, one read as B."""
    return [
        Case("a1", "A", "A", True, ("x",), ("x",), ("x",), confidence=0.95, milliseconds=1),
        Case("a2", "A", "A", False, ("x",), ("x", "y"), (), confidence=0.85, milliseconds=2),
        Case("a3", "A", NOTHING, False, ("x",), milliseconds=3),
        Case("b1", "B", "B", True, confidence=0.95, milliseconds=4),
        Case("b2", "B", "A", False, confidence=0.55, milliseconds=5),
        Case("s1", NOTHING, NOTHING, True, milliseconds=60),
        Case("s2", NOTHING, "B", False, confidence=0.35, milliseconds=7),
    ]


def test_scores_by_hand() -> None:
    found = evaluation_of(cases())
    assert found.intents == (Score(NOTHING, 1, 2, 2), Score("A", 2, 3, 3), Score("B", 1, 2, 2))
    assert found.slots == (Score("x", 1, 2, 3), Score("y", 0, 1, 0))
    a, y = found.intents[1], found.slots[1]
    assert (a.precision, a.recall) == (2 / 3, 2 / 3)
    assert a.f1 == pytest.approx(2 / 3)
    assert (y.precision, y.recall, y.f1) == (0.0, None, 0.0)
    assert Score("x", 1, 2, 3).f1 == pytest.approx(2 * 0.5 * (1 / 3) / (0.5 + 1 / 3))
    assert (found.all_slots.right, found.all_slots.found, found.all_slots.support) == (1, 3, 3)


def test_shares_by_hand() -> None:
    found = evaluation_of(cases())
    assert (found.exact.right, found.exact.count, found.intent.right) == (3, 7, 4)
    assert (found.out_of_scope.right, found.out_of_scope.count) == (1, 2)
    assert (found.nothing, found.several, found.held) == (1, 0, 0)
    assert (found.median_ms, found.slowest.text) == (4, "s1")


def test_confusions_come_most_frequent_first() -> None:
    found = evaluation_of([*cases(), Case("b3", "B", "A"), Case("b4", "B", SEVERAL)])
    told = [(one.meant, one.read, one.count) for one in found.confusions]
    assert told[0] == ("B", "A", 2)
    assert sorted(told[1:]) == [(NOTHING, "B", 1), ("A", NOTHING, 1), ("B", SEVERAL, 1)]
    assert found.confusions[0].texts == ("b2", "b3")
    assert sum(one.count for one in found.matrix) == 9


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(8, 10, 0.490, 0.943), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval(right: int, count: int, low: float, high: float) -> None:
    """The values that tables of the interval give."""
    assert wilson(right, count) == pytest.approx((low, high), abs=0.001)


def test_calibration_by_hand() -> None:
    """Two bins: 0.95 said and all right, 0.65 said and half right."""
    bins = reliability([(0.95, True), (0.95, True), (0.65, True), (0.65, False)])
    assert [one.count for one in bins] == [0, 0, 0, 0, 0, 0, 2, 0, 0, 2]
    assert calibration_error(bins) == pytest.approx((2 * 0.05 + 2 * 0.15) / 4)
    assert calibration_error(reliability([])) is None


@pytest.mark.parametrize(("confidence", "number"), [(0.0, 0), (0.1, 0), (0.3, 2), (0.31, 3), (0.7, 6), (1.0, 9)])
def test_edges_of_bins(confidence: float, number: int) -> None:
    """An edge belongs to the bin below it."""
    assert reliability([(confidence, True)])[number].count == 1


# --- parts and lessons ------------------------------------------------------------------


def test_parts_share_intents_and_keep_the_same_sentence_together() -> None:
    """No sentence is both taught and asked; each part has of each intent; the same parts every time."""
    examples = [Example(intent, f"{intent} {number % 8}") for intent in "ab" for number in range(10)]
    parts = parted(examples, 4)
    said = [{one.text for one in part} for part in parts]
    assert sum(map(len, parts)) == 20
    assert sum(map(len, said)) == len(set.union(*said))
    assert all({one.intent for one in part} == {"a", "b"} for part in parts)
    assert parts == parted(examples, 4)
    assert len(parted(examples[:3], 10)) == 3


def test_lessons_without_examples() -> None:
    """What is held out takes the synonyms along that only it tells."""
    one = Example("A", "play jj", (Mark("artist", 5, 7, "janis joplin"),))
    two = Example("A", "play mj", (Mark("artist", 5, 7, "mahalia"),))
    lessons = Lessons([one, two], {"jj": "janis joplin", "mj": "mahalia", "jan": "janis joplin"}, {"a": ["b"]})
    left = lessons.without([one])
    assert left.examples == [two]
    assert left.synonyms == {"mj": "mahalia", "jan": "janis joplin"}
    assert (left.lookups, len(lessons.examples)) == ({"a": ["b"]}, 2)


# --- the command ------------------------------------------------------------------------


def test_cross_validation(folder: Path, run: Run) -> None:
    """Each example is read once, by a reader that was not taught it; twice is the same."""
    code, out, _ = run("--grammars", folder, "--folds", "2", "--json")
    told = json.loads(out)
    assert (code, told["examples"], told["folds"]) == (0, 36, 2)
    assert set(told["intents"]) == {"PlaySong", "BrewCoffee"}
    assert told["intent_accuracy"]["share"] > 0.8
    assert 0 < told["exact_match"]["share"] <= told["intent_accuracy"]["share"]
    again = json.loads(run("--grammars", folder, "--folds", "2", "--json")[1])
    assert {**again, "milliseconds": 0} == {**told, "milliseconds": 0}


def test_test_files(folder: Path, tmp_path: Path, run: Run) -> None:
    """Test files are read by what the whole folder teaches; a bar that is missed is exit code 1."""
    test = tmp_path / "test.yml"
    play = ["put on [midnight train](song)", "play [waterloo](artist)"]
    test.write_text(nlu(PlaySong=play, out_of_scope=["how tall is mount everest"]), encoding="utf-8")
    picture = tmp_path / "picture.html"
    code, out, err = run("--grammars", folder, test, "--html", picture, "--bar", "66", "--no-color")
    assert (code, err) == (0, "")
    assert "66.7 %  (2 of 3" in out
    assert "out of scope left alone" in out
    assert "\x1b" not in out
    assert "PlaySong" in picture.read_text(encoding="utf-8")
    code, _, err = run("--grammars", folder, test, "--bar", "67")
    assert (code, err) == (1, "onebreath: exact match is below 67 %\n")


def test_the_shipped_grammar_is_measured(tmp_path: Path, run: Run) -> None:
    """Without a folder the grammar alone reads the examples; it is certain of what it reads."""
    test = tmp_path / "test.yml"
    lines = ["turn off the [porch light](name)", "switch off the [corner lamp](name)"]
    test.write_text(nlu(HassTurnOff=lines, nlu_fallback=["water flows downhill"]), encoding="utf-8")
    code, out, _ = run(test, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["exact_match"] == {"right": 3, "count": 3, "share": 1.0, "interval": [0.4385, 1.0]}
    assert told["calibration"]["bins"][9] == {"low": 0.9, "high": 1.0, "count": 2, "confidence": 1.0, "right": 1.0}


NOT_CLOSED = nlu(A=["play [this(song)"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (NOT_CLOSED, ":5: '[' is never closed"),
        ("version: '3.1'\n", "holds no examples"),
        ("nlu: [", "broken YAML"),
    ],
)
def test_bad_test_files(tmp_path: Path, run: Run, text: str, told: str) -> None:
    test = tmp_path / "test.yml"
    test.write_text(text, encoding="utf-8")
    code, out, err = run(test)
    assert (code, out) == (2, "")
    assert str(test) in err
    assert told in err


def test_nothing_to_evaluate(tmp_path: Path, run: Run) -> None:
    """No examples, a missing file, a folder in place of one."""
    assert "name test files" in run()[2]
    (tmp_path / "one.yml").write_text(nlu(A=["play it"]), encoding="utf-8")
    assert "at least, here are 1" in run("--grammars", tmp_path)[2]
    assert "No such file" in run(tmp_path / "none.yml")[2]
    code, _, err = run(tmp_path)
    assert (code, "is a folder" in err) == (2, True)


def test_bad_places_are_told_before_the_work(folder: Path, run: Run) -> None:
    """A picture in a folder that does not exist, or that is a folder."""
    for place, told in ((folder / "no" / "p.html", "there is no folder"), (folder, "is a folder")):
        code, out, err = run("--grammars", folder, "--html", place)
        assert (code, out) == (2, "")
        assert told in err


@pytest.mark.parametrize("arguments", [("--folds", "1"), ("--folds", "x"), ("--bar", "101"), ("--bar", "nan")])
def test_bad_numbers(run: Run, arguments: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as left:
        run(*arguments)
    assert left.value.code == 2


# --- the pictures -----------------------------------------------------------------------

NASTY = "<script>alert('x')</script>\" & \x1b[31m"


def nasty() -> list[Case]:
    return [
        *cases(),
        Case(NASTY, f"I{NASTY}", f"J{NASTY}", slots_meant=(f"s{NASTY}",), confidence=0.5, milliseconds=99),
    ]


class Balanced(HTMLParser):
    """Checks that tags are closed in order; collects tags and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_harmless() -> None:
    """Every intent and slot stands in it, tags are closed, nothing is loaded, no text becomes markup."""
    parsed = Balanced()
    parsed.feed(page(evaluation_of(nasty())))
    assert parsed.open == []
    assert "script" not in parsed.tags
    assert parsed.links == []
    for name in ("A", "B", NOTHING, "<script>alert('x')</script>"):
        assert name in parsed.text
    assert {"svg", "table", "style"} <= parsed.tags


def test_a_page_without_slots_or_readings() -> None:
    """Nothing read at all is a picture, too."""
    found = evaluation_of([Case("a", "A", NOTHING)])
    assert "<svg" not in page(found)
    assert "no examples" not in evaluation_picture(found, Brush())
    assert evaluation_shape(found)["calibration"]["expected_error"] is None


def test_the_terminal_is_safe_from_examples() -> None:
    """Escapes in examples and names do not reach the terminal, and ASCII is enough."""
    told = evaluation_picture(evaluation_of(nasty()), Brush(ascii=True))
    assert "\x1b" not in told
    assert told.isascii()
    assert "confusions" in told


def test_json_is_plain_numbers() -> None:
    """All shares are numbers or null: any reader of JSON takes them."""
    told = json.dumps(evaluation_shape(evaluation_of(nasty())), allow_nan=False)
    shape = json.loads(told)
    assert shape["slots"]["y"]["recall"] is None
    assert shape["confusion"][0].keys() == {"meant", "read", "count", "examples"}
    assert math.isclose(shape["exact_match"]["share"], 3 / 8)


def test_a_browser_shows_the_page(tmp_path: Path) -> None:
    """A browser opens the page and runs nothing of it."""
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip(f"there is no browser at {CHROMIUM}")
    file = tmp_path / "page.html"
    file.write_text(page(evaluation_of(nasty())).replace("alert(", "document.title=("), encoding="utf-8")
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}",
        "--dump-dom",
    ]
    shown = subprocess.run(
        [*command, file.as_uri()], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert "<title>How well examples are read</title>" in shown
    assert 'class="heat"' in shown
