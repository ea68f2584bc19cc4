"""Reading examples: Rasa's NLU YAML becomes sentences with marked slots, synonyms, lists and patterns.

The format is that of Rasa Open Source 3 (https://rasa.com/docs/rasa/training-data-format): ``nlu:`` holds entries
with one of ``intent``, ``synonym``, ``lookup`` and ``regex``, each with ``examples: |`` of one ``- `` line each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dialogue.errors import GrammarError
from dialogue.grammar.compiled import Place

KINDS = ("intent", "synonym", "lookup", "regex")
_ALSO = ("examples", "metadata")
_ANNOTATION = ("entity", "value", "role", "group")
_HOW = 'write [words](slot) or [words]{"entity": "slot", "value": "meant"}'
_BLOCK = "write 'examples: |' and below it a line '- ...' for each example"


@dataclass(frozen=True, slots=True)
class Mark:
    """A slot in an example: the characters from ``start`` to ``end`` of its text are the words of ``slot``.

    ``value`` is what the annotation says that they mean, where it says so.
    """

    slot: str
    start: int
    end: int
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One sentence of an intent with its marked slots."""

    intent: str
    text: str
    marks: tuple[Mark, ...] = ()


@dataclass(slots=True)
class Lessons:
    """All that the example files of a grammar say.

    ``synonyms`` maps words (folded) to what they mean, ``lookups`` a slot to values, ``patterns`` a name to
    regular expressions.
    """

    examples: list[Example] = field(default_factory=list)
    synonyms: dict[str, str] = field(default_factory=dict)
    lookups: dict[str, list[str]] = field(default_factory=dict)
    patterns: dict[str, list[str]] = field(default_factory=dict)

    def without(self, held_out: Iterable[Example]) -> Lessons:
        """The same lessons as if these examples, and what only they say of synonyms, had never been written."""
        gone = set(held_out)
        kept = [one for one in self.examples if one not in gone]
        unsaid = _meanings(gone) - _meanings(kept)
        synonyms = {words: value for words, value in self.synonyms.items() if (words, value) not in unsaid}
        return replace(self, examples=kept, synonyms=synonyms)


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    place: Place


def add_nlu(lessons: Lessons, entries: Any, file: str, line: int = 0) -> None:
    """Add the body of an ``nlu:`` section read from ``file``.

    Errors: `GrammarError` naming file, line, what is wrong and what to write.
    """
    if not isinstance(entries, list):
        raise GrammarError(f"{Place(file, line)}: nlu is a list; write '- intent: name' with examples below it")
    for entry in entries:
        _add_entry(lessons, entry, Place(file, _line_of(entry, line)))


def _meanings(examples: Iterable[Example]) -> set[tuple[str, str]]:
    """What the annotations of these examples say that words mean."""
    return {
        (folded(one.text[mark.start : mark.end]), mark.value)
        for one in examples
        for mark in one.marks
        if mark.value is not None
    }


def folded(words: str) -> str:
    """Words as they are compared: folded case, single spaces."""
    return " ".join(words.casefold().split())


def _line_of(entry: Any, otherwise: int) -> int:
    first = next(iter(entry), None) if isinstance(entry, Mapping) else entry
    return getattr(first, "line", otherwise)


def _add_entry(lessons: Lessons, entry: Any, place: Place) -> None:
    if not isinstance(entry, Mapping):
        raise GrammarError(f"{place}: an entry of nlu is a mapping; write '- intent: name' with examples below it")
    unknown = next((key for key in entry if key not in (*KINDS, *_ALSO)), None)
    if unknown is not None:
        where = Place(place.file, getattr(unknown, "line", place.line))
        raise GrammarError(f"{where}: unknown key {str(unknown)!r} in nlu; known are {', '.join(KINDS + _ALSO)}")
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1:
        raise GrammarError(f"{place}: an entry of nlu has one of {', '.join(KINDS)}; this one has {len(kinds)}")
    name = entry[kinds[0]]
    if not isinstance(name, str) or not name.strip():
        raise GrammarError(f"{place}: {kinds[0]} needs a name; write '- {kinds[0]}: name'")
    _TAKE[kinds[0]](lessons, str(name).strip(), list(_lines(entry, f"{kinds[0]} {name}", place)))


def _lines(entry: Mapping[str, Any], what: str, place: Place) -> Iterator[_Line]:
    """The examples of an entry with the line each stands on."""
    body = entry.get("examples")
    if isinstance(body, list):
        found = [_listed(item, place) for item in body]
    elif isinstance(body, str):
        found = list(_block_lines(body, place))
    elif body is None:
        found = []
    else:
        raise GrammarError(f"{place}: the examples of {what} are not text; {_BLOCK}")
    if not found:
        raise GrammarError(f"{place}: {what} has no examples; {_BLOCK}")
    yield from found


def _listed(item: Any, place: Place) -> _Line:
    text = item.get("text") if isinstance(item, Mapping) else item
    if not isinstance(text, str) or not text.strip():
        raise GrammarError(f"{Place(place.file, _line_of(item, place.line))}: this example is not text; {_BLOCK}")
    line = getattr(text, "first", place.line)
    return _Line(text.strip().removeprefix("- ").strip(), Place(place.file, line))


def _block_lines(body: str, place: Place) -> Iterator[_Line]:
    if getattr(body, "style", None) == ">":
        raise GrammarError(f"{Place(place.file, getattr(body, 'line', 0))}: '>' folds lines into one; {_BLOCK}")
    for number, line in enumerate(body.splitlines()):
        where = Place(place.file, getattr(body, "first", place.line) + number)
        text = line.strip()
        if not text:
            continue
        if text != "-" and not text.startswith("- "):
            raise GrammarError(f"{where}: {text[:40]!r} is no example; begin the line with '- '")
        if not text[1:].strip():
            raise GrammarError(f"{where}: an empty example; write a sentence after '- ' or delete the line")
        yield _Line(text[1:].strip(), where)


# --- the four kinds of entries ----------------------------------------------------------


def _take_intent(lessons: Lessons, name: str, lines: Sequence[_Line]) -> None:
    for line in lines:
        example = _Scanner(line, lessons.synonyms).example(name)
        if not any(character.isalnum() for character in example.text):
            raise GrammarError(f"{line.place}: an example without a word; write a sentence")
        lessons.examples.append(example)


def _take_synonym(lessons: Lessons, name: str, lines: Sequence[_Line]) -> None:
    for line in lines:
        lessons.synonyms[folded(line.text)] = name


def _take_lookup(lessons: Lessons, name: str, lines: Sequence[_Line]) -> None:
    lessons.lookups.setdefault(name, []).extend(line.text for line in lines)


def _take_regex(lessons: Lessons, name: str, lines: Sequence[_Line]) -> None:
    for line in lines:
        try:
            re.compile(line.text)
        except (re.error, OverflowError, RecursionError) as error:
            raise GrammarError(
                f"{line.place}: {line.text!r} is no regular expression: {error}; mend it, or write it as a lookup"
            ) from error
        lessons.patterns.setdefault(name, []).append(line.text)


_TAKE = {"intent": _take_intent, "synonym": _take_synonym, "lookup": _take_lookup, "regex": _take_regex}


# --- one annotated line -----------------------------------------------------------------


class _Scanner:
    """Reads one example line; values that annotations give become synonyms."""

    def __init__(self, line: _Line, synonyms: dict[str, str]) -> None:
        self.line = line
        self.synonyms = synonyms
        self.at = 0
        self.text = ""
        self.marks: list[Mark] = []

    def example(self, intent: str) -> Example:
        source = self.line.text
        while self.at < len(source):
            character = source[self.at]
            if character == "[":
                self._slot()
                continue
            if character == "]":
                raise self._error(f"']' without '[' before it near {self._near()}")
            self.text += character
            self.at += 1
        return Example(intent, self.text, tuple(self.marks))

    def _slot(self) -> None:
        source, opened = self.line.text, self.at
        closed = source.find("]", opened)
        inner = source.find("[", opened + 1)
        if closed < 0:
            raise self._error(f"'[' is never closed near {self._near()}")
        if 0 <= inner < closed:
            raise self._error(f"a bracket inside a bracket near {self._near()}")
        words = source[opened + 1 : closed]
        if not any(character.isalnum() for character in words):
            raise self._error(f"no words between the brackets near {self._near()}")
        slot, value, self.at = self._annotation(closed + 1)
        start = len(self.text) + len(words) - len(words.lstrip())
        self.text += words
        self.marks.append(Mark(slot, start, start + len(words.strip()), value))
        if value is not None:
            self.synonyms[folded(words)] = value

    def _annotation(self, at: int) -> tuple[str, str | None, int]:
        """The slot named after a bracket, the value it means, and where the text goes on."""
        source = self.line.text
        if source[at : at + 1] == "(":
            closed = source.find(")", at)
            if closed < 0:
                raise self._error(f"'(' is never closed near {self._near()}")
            slot, _, value = source[at + 1 : closed].partition(":")
            if not slot.strip():
                raise self._error(f"'()' names no slot near {self._near()}")
            return slot.strip(), value.strip() or None, closed + 1
        if source[at : at + 1] == "{":
            return self._json(at)
        raise self._error(f"the slot is missing after ']' near {self._near()}")

    def _json(self, at: int) -> tuple[str, str | None, int]:
        try:
            found, end = json.JSONDecoder().raw_decode(self.line.text, at)
        except (ValueError, RecursionError) as error:
            raise self._error(f"not JSON after ']' near {self._near()}") from error
        unknown = [key for key in found if key not in _ANNOTATION]
        if unknown:
            raise self._error(f"unknown key {unknown[0]!r} after ']'; known are {', '.join(_ANNOTATION)}")
        for key, value in found.items():
            if not isinstance(value, str | int | float if key == "value" else str) or not str(value).strip():
                raise self._error(f"{key!r} is not text near {self._near()}")
        if "entity" not in found:
            raise self._error(f"no \"entity\" after ']' near {self._near()}")
        slot = found.get("role") or found["entity"]
        slot = f"{slot}_{found['group']}" if "group" in found else slot
        return slot.strip(), str(found["value"]) if "value" in found else None, end

    def _near(self) -> str:
        return repr(self.line.text[self.at : self.at + 25])

    def _error(self, what: str) -> GrammarError:
        return GrammarError(f"{self.line.place}: {what}; {_HOW}")
