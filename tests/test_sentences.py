"""Each mistake in a sentence file is one error that names the file, the line and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dialogue.errors import GrammarError
from dialogue.grammar.compiled import Compiled
from dialogue.grammar.grammar import Grammar
from dialogue.grammar.sentences import Source, add_file, compile_source

SENTENCE = """\
intents:
  Go:
    data:
      - sentences:
          - "{template}"
"""
LIST = """\
intents:
  Go:
    data:
      - sentences: ["go {{steps}}"]
lists:
  steps: {body}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def compiled(path: Path) -> Compiled:
    source = Source("en")
    add_file(source, path)
    return compile_source(source)[0]


def mistake(number: int, what: str, text: str, *, known: str = "") -> Any:
    """A file with a mistake in line ``number``; ``known`` says why it is not found yet."""
    marks = [pytest.mark.xfail(reason=known, strict=True)] if known else []
    return pytest.param(number, what, text, id=what, marks=marks)


LOST = "the line is lost on the way"
CRASH = "ends in an exception of Python"

MISTAKES = [
    mistake(5, "unknown rule <there>", SENTENCE.format(template="go <there>")),
    mistake(5, "unknown list {nowhere}", SENTENCE.format(template="go to {nowhere}")),
    mistake(5, "'(go|run'", SENTENCE.format(template="(go|run")),
    mistake(5, "'go [now'", SENTENCE.format(template="go [now")),
    mistake(5, "'go) now'", SENTENCE.format(template="go) now")),
    mistake(5, "'go {now'", SENTENCE.format(template="go {now")),
    mistake(5, "'go <now'", SENTENCE.format(template="go <now")),
    mistake(5, "''", SENTENCE.format(template="")),
    mistake(5, "rule <a> refers to itself", SENTENCE.format(template="<a>") + 'expansion_rules: {a: "x <a>"}\n'),
    mistake(
        5,
        "through a > b",
        SENTENCE.format(template="<a>") + 'expansion_rules:\n  a: "x <b>"\n  b: "y <a>"\n',
    ),
    mistake(3, "broken YAML", "intents:\n  Go: [\n    data: }\n"),
    mistake(2, "broken YAML: found character", "intents:\n\tGo: 1\n"),
    mistake(2, "intent Go needs 'data", "intents:\n  Go:\n    sentences: [go]\n"),
    mistake(2, "Go needs 'data: [", "intents:\n  Go:\n    data: {sentences: [go]}\n"),
    mistake(2, "Go has no sentences", "intents:\n  Go:\n    data:\n      - slots: {a: b}\n"),
    mistake(6, "numbers 'from' and 'to'", LIST.format(body="{range: {from: one, to: 9}}")),
    mistake(6, "'from' and 'to'", LIST.format(body="{range: {from: 1}}")),
    mistake(6, "range", LIST.format(body="{range: 5}")),
    mistake(6, "list steps needs 'values'", LIST.format(body="{}")),
    mistake(6, "steps needs 'values', 'range'", LIST.format(body="[left, right]")),
    mistake(6, "has no 'in'", LIST.format(body="{values: [{out: 3}]}")),
    mistake(6, "may not refer to rules", LIST.format(body='{values: ["<x>"]}')),
    mistake(6, "simplify it", LIST.format(body='{values: ["' + "(a|b|c|d|e|f|g|h) " * 3 + '"]}')),
    mistake(6, "cost", LIST.format(body="{values: [{in: a, cost: high}]}")),
    mistake(1, "intents", "intents: [a]\n"),
    mistake(1, "operators", "operators: [a]\n"),
    mistake(1, "lists", "lists: [a]\n"),
    mistake(1, "words", "words: [a]\n"),
    mistake(3, "data", "intents:\n  Go:\n    data: [5]\n"),
    mistake(2, "unknown setting 'elisions'", "settings:\n  elisions: yes\n"),
    mistake(2, "elision says", "settings:\n  elision: maybe\n"),
    mistake(2, "endings says", "settings:\n  endings: timer\n"),
    mistake(1, "unknown key 'intent'", "intent:\n  Go: {}\n"),
]


@pytest.mark.parametrize(("number", "what", "text"), MISTAKES)
def test_a_mistake_is_found_at_its_place(tmp_path: Path, number: int, what: str, text: str) -> None:
    """The error starts with file and line and says what is wrong there."""
    path = written(tmp_path, text)
    with pytest.raises(GrammarError) as error:
        compiled(path)
    assert str(error.value).startswith(f"{path}:{number}:")
    assert what in str(error.value)


def test_a_list_of_sentences_instead_of_a_mapping(tmp_path: Path) -> None:
    """A file that is no mapping at all is refused by name."""
    path = written(tmp_path, "- go\n- stop\n")
    with pytest.raises(GrammarError, match=r"mine\.yaml: a sentence file is a mapping"):
        compiled(path)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    """Text that is not UTF-8 is told with the place of the byte and what to do."""
    path = tmp_path / "mine.yaml"
    path.write_bytes('language: "ä"\n'.encode("latin-1"))
    with pytest.raises(GrammarError, match=r"mine\.yaml: not UTF-8 text \(byte 11\); save the file as UTF-8"):
        compiled(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is an error of its own, with its name."""
    with pytest.raises(GrammarError, match=r"absent\.yaml: cannot be read"):
        compiled(tmp_path / "absent.yaml")


def test_an_empty_file_is_no_mistake(tmp_path: Path) -> None:
    """A file with only comments adds nothing and breaks nothing."""
    assert compiled(written(tmp_path, "# later\n")).templates == []


def test_folders_without_sentences_and_unknown_languages(tmp_path: Path) -> None:
    """A folder that is absent or holds no sentence file, and a language without a grammar, are told by name."""
    with pytest.raises(GrammarError, match="no such folder"):
        Grammar.load("en", [tmp_path / "absent"])
    with pytest.raises(GrammarError, match=r"holds no \.yaml"):
        Grammar.load("en", [tmp_path])
    with pytest.raises(GrammarError, match=r"no grammar for language 'tlh'; there is one for .*en"):
        Grammar.load("tlh")


# --- what a right file means ------------------------------------------------------------


def test_places_remember_file_and_line(tmp_path: Path) -> None:
    """Every template knows where it is written, so that anything said of it can say where."""
    path = written(tmp_path, SENTENCE.format(template="go home") + '          - "run home"\n')
    assert [str(template.place) for template in compiled(path).templates] == [f"{path}:5", f"{path}:6"]


def test_on_and_off_are_words(tmp_path: Path) -> None:
    """YAML takes ``on`` for a truth value; in sentences and slots it stays the word."""
    text = "intents: {Go: {data: [{sentences: [on, off], slots: {state: on}}]}}"
    found = compiled(written(tmp_path, text))
    assert [template.text for template in found.templates] == ["on", "off"]
    assert found.blocks[0].slots == {"state": "on"}


def test_blocks_carry_what_the_file_says(tmp_path: Path) -> None:
    """Kinds of devices, the need for the speaker's room, fixed slots and hints reach the compiled block."""
    text = """
intents:
  Go:
    data:
      - sentences: ["go to {name}"]
        requires_context: {domain: [light, fan], area: {slot: true}}
        slots: {mode: fast}
        cost: 0.5
operators:
  wait: ["hold on"]
  hurry: {sentences: ["at once"], slots: {how: fast}}
answers:
  Affirm: ["yes"]
"""
    blocks = {block.intent: block for block in compiled(written(tmp_path, text)).blocks}
    go = blocks["Go"]
    assert (go.kind, go.domains, go.needs_area, go.slots) == (
        "request",
        frozenset({"light", "fan"}),
        True,
        {"mode": "fast"},
    )
    assert float(str(go.extra["cost"])) == 0.5
    assert (blocks["wait"].kind, blocks["hurry"].slots, blocks["Affirm"].kind) == (
        "operator",
        {"how": "fast"},
        "answer",
    )


def test_later_files_add_to_word_lists(tmp_path: Path) -> None:
    """Word lists grow, mappings are updated and single words replaced, file by file."""
    source = Source("en")
    for text in ("words: {a: [x], b: {k: 1}, c: s}", "words: {a: [y], b: {l: 2}, c: z}"):
        add_file(source, written(tmp_path, text))
    assert source.words == {"a": ["x", "y"], "b": {"k": 1, "l": 2}, "c": "z"}


def test_open_and_bare_templates_are_known(tmp_path: Path) -> None:
    """A template knows whether it has open text, whether a name alone satisfies it, and whether it has no list."""
    text = """
lists: {anything: {wildcard: true}, what: {values: [tea]}}
intents:
  Go:
    data:
      - sentences: ["say {anything}", "[make] {name}", "make {what}", "stop"]
"""
    found = compiled(written(tmp_path, text)).templates
    assert [template.wild for template in found] == [True, False, False, False]
    assert [template.bare for template in found] == [False, True, False, False]
    assert [template.plain for template in found] == [False, False, False, True]
