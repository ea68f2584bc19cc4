"""Catalogs of a home: known titles are read as such, whatever words they hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_home import SMALL_HOME, written

from dialogue.context import ContextState
from dialogue.grammar.grammar import Grammar
from dialogue.home import load_home
from dialogue.splitter import GrammarSplitter
from dialogue.types import Hypothesis

CATALOGS = """\
catalogs:
  titles: [Simon and Garfunkel, Turn off the Kettle, Ten to Midnight]
"""


def read(folder: Path, text: str, more: str = CATALOGS) -> list[tuple[str, object]]:
    """The intents of a text, each with the title it holds."""
    home = load_home(written(folder, SMALL_HOME + more))
    splitter = GrammarSplitter(Grammar.load("en", home=home))
    requests = splitter.split([Hypothesis(text)], ContextState()).requests
    return [(one.intent, one.reading.get("search_query")) for one in requests]


@pytest.mark.parametrize("title", ["Simon and Garfunkel", "Turn off the Kettle", "Ten to Midnight"])
@pytest.mark.parametrize("after", ["and close the shutter", "close the shutter", "then close the shutter"])
def test_a_known_title_is_one_thing(tmp_path: Path, title: str, after: str) -> None:
    """Connectives, commands and times inside a known title belong to it, and it is called as the catalog does."""
    found = read(tmp_path, f"play {title.lower()} {after}")
    assert found == [("HassMediaSearchAndPlay", title), ("HassTurnOff", None)]


def test_without_the_catalog_the_words_are_commands(tmp_path: Path) -> None:
    """Nobody else knows that this is a title."""
    assert ("HassTurnOff", None) in read(tmp_path, "play and turn off the kettle and close the shutter", "")
    assert read(tmp_path, "turn off the kettle") == [("HassTurnOff", None)]


def test_what_is_no_known_title_is_heard_as_it_stands(tmp_path: Path) -> None:
    """The catalog sharpens open text and does not close it."""
    assert read(tmp_path, "play simon says") == [("HassMediaSearchAndPlay", "simon says")]
