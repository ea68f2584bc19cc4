"""Example files in Rasa's NLU YAML: what is read, and what each mistake is told as."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_home import small_home

from dialogue.errors import GrammarError
from dialogue.grammar.check import examine
from dialogue.grammar.sentences import Source, add_file
from dialogue.learned.examples import Example, Lessons, Mark

HEAD = 'version: "3.1"\nnlu:\n'


def read(folder: Path, text: str) -> Lessons:
    path = folder / "nlu.yml"
    path.write_text(text, encoding="utf-8")
    source = Source("en")
    add_file(source, path)
    return source.lessons


def intent(*lines: str) -> str:
    return HEAD + "- intent: play\n  examples: |\n" + "".join(f"    {line}\n" for line in lines)


def test_slots_are_marked(tmp_path: Path) -> None:
    """The brackets go, the words stay, and the slot knows which they are."""
    lessons = read(tmp_path, intent("- play [miles davis](artist) now", "- stop"))
    assert lessons.examples == [
        Example("play", "play miles davis now", (Mark("artist", 5, 16),)),
        Example("play", "stop"),
    ]


def test_roles_and_groups_name_slots(tmp_path: Path) -> None:
    """A role takes the place of the entity's name, a group is added to it."""
    line = '- from [rome]{"entity": "city", "role": "origin"} with [ham]{"entity": "topping", "group": "1"}'
    assert [mark.slot for mark in read(tmp_path, intent(line)).examples[0].marks] == ["origin", "topping_1"]


@pytest.mark.parametrize(
    "line", ['- play [JJ]{"entity": "artist", "value": "Janis"}', "- play [JJ](artist:Janis)"]
)
def test_a_value_in_an_example_is_a_synonym(tmp_path: Path, line: str) -> None:
    """What words mean in one example, they mean everywhere."""
    assert read(tmp_path, intent(line)).synonyms == {"jj": "Janis"}


def test_synonyms_lookups_and_patterns(tmp_path: Path) -> None:
    """The three other kinds of entries are read, as text or as a list."""
    lessons = read(
        tmp_path,
        HEAD
        + "- synonym: Janis\n  examples: |\n    - janis j\n- lookup: artist\n  examples: [abba, queen]\n"
        + "- regex: code\n  examples: |\n    - '?[0-9]{3}\n",
    )
    assert lessons.synonyms == {"janis j": "Janis"}
    assert lessons.lookups == {"artist": ["abba", "queen"]}
    assert lessons.patterns == {"code": ["'?[0-9]{3}"]}


def test_rasa_examples_with_metadata(tmp_path: Path) -> None:
    """The long form, a mapping with text and metadata for each example, is read too."""
    text = (
        HEAD + "- intent: play\n  examples:\n  - text: |\n      play [abba](artist)\n    metadata: {mood: good}\n"
    )
    assert read(tmp_path, text).examples[0].marks == (Mark("artist", 5, 9),)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("- play [abba", "'[' is never closed"),
        ("- play abba](artist)", "']' without '['"),
        ("- play [abba] now", "the slot is missing after ']'"),
        ("- play [the [abba](artist)](title)", "a bracket inside a bracket"),
        ("- play [abba](artist", "'(' is never closed"),
        ("- play [abba]()", "'()' names no slot"),
        ("- play [ ](artist)", "no words between the brackets"),
        ('- play [abba]{"entity" "artist"}', "not JSON"),
        ('- play [abba]{"value": "x"}', 'no "entity"'),
        ('- play [abba]{"entity": "artist", "valeu": "x"}', "unknown key 'valeu'"),
        ('- play [abba]{"entity": ["artist"]}', "'entity' is not text"),
        ("play abba", "begin the line with '- '"),
        ("-", "an empty example"),
        ("- ?!", "an example without a word"),
    ],
)
def test_mistakes_in_a_line(tmp_path: Path, line: str, told: str) -> None:
    """Each names the file, the very line of the example, and what is wrong."""
    with pytest.raises(GrammarError) as caught:
        read(tmp_path, intent("- stop", "", line))
    assert str(caught.value).startswith(f"{tmp_path}/nlu.yml:7: ")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("body", "line", "told"),
    [
        ("- intents: play\n", 3, "unknown key 'intents'"),
        ("- intent: play\n", 3, "has no examples"),
        ("- intent: play\n  examples: |\n", 3, "has no examples"),
        ("- intent: play\n  examples: 3.5\n", 3, "are not text"),
        ("- intent: play\n  examples: [1, 2]\n", 3, "not text"),
        ("- intent: play\n  examples: {a: b}\n", 3, "not text"),
        ("- intent: play\n  examples: >\n    - a\n    - b\n", 4, "folds lines"),
        ("- intent: play\n  lookup: x\n  examples: |\n    - a\n", 3, "has 2"),
        ("- examples: |\n    - a\n", 3, "has 0"),
        ("- intent: ''\n  examples: |\n    - a\n", 3, "needs a name"),
        ("- intent: [a]\n  examples: |\n    - a\n", 3, "needs a name"),
        ("- just text\n", 3, "is a mapping"),
        ("- regex: code\n  examples: |\n    - '[0-9'\n", 5, "no regular expression"),
    ],
)
def test_mistakes_in_an_entry(tmp_path: Path, body: str, line: int, told: str) -> None:
    """Each names the file, a line, and what to write."""
    with pytest.raises(GrammarError) as caught:
        read(tmp_path, HEAD + body)
    assert str(caught.value).startswith(f"{tmp_path}/nlu.yml:{line}: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["nlu: play\n", "nlu: {intent: play}\n", "nlu:\n", "nlu: 3\n"])
def test_nlu_is_a_list(tmp_path: Path, text: str) -> None:
    """Anything else under nlu is refused with its line."""
    with pytest.raises(GrammarError, match=r"nlu.yml:1: nlu is a list"):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["nlu:\n- {intent: 2001-99-99}\n", "nlu: [" * 3000, "? [a]\n: b\n", "nlu: \x00"])
def test_broken_yaml_is_no_traceback(tmp_path: Path, text: str) -> None:
    """Whatever the file holds, the error is one that a person can read."""
    with pytest.raises(GrammarError, match=r"nlu\.yml"):
        read(tmp_path, text)


def test_check_tells_of_mistakes(tmp_path: Path) -> None:
    """`onebreath check` finds them without training anything."""
    folder = tmp_path / "sentences"
    folder.mkdir()
    (folder / "nlu.yml").write_text(intent("- play [abba"), encoding="utf-8")
    found = examine("en", (folder,), home=small_home(tmp_path))
    (problem,) = found.problems
    assert "nlu.yml:5" in problem
