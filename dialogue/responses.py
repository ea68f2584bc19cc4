"""What is said: sentences of a language's ``responses.yaml``, filled with values said the language's way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import Any

from dialogue.errors import GrammarError
from dialogue.interfaces import Home
from dialogue.summary import Happened, Summary
from dialogue.types import Value

SECTIONS = ("responses", "reasons", "predicates", "attributes", "groups", "effects", "summary", "words")


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence in one or two forms; each is a list of (literal text, slot, way)."""

    place: str
    forms: Mapping[str, tuple[tuple[str, str, str], ...]]


class Responses:
    """The sentences of one language.

    Raises:
        GrammarError: the file is missing or broken, or a sentence, a slot or a way to say a value is unknown;
            the message starts with ``file:line``.
    """

    def __init__(self, path: Path, language: str, templates: Mapping[str, Mapping[str, Template]]) -> None:
        self.path = path
        self.language = language
        self._templates = templates
        self._ways: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = _ways(self)

    def render(self, name: str, **slots: Value) -> str:
        """The sentence called ``name`` with its slots filled in."""
        section = "reasons" if name.startswith("reason_") else "responses"
        return sentence(self.say(section, name, slots)) if section == "responses" else self.say(section, name, slots)
