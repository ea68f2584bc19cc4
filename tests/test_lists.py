"""Values of lists are found where they stand in a text, however long the lists are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialogue.config import Parts
from dialogue.grammar.lists import Found, ListValue, ValueTree
from dialogue.grammar.names import home_values
from dialogue.grammar.tokens import tokenize


def tree(*texts: str) -> ValueTree:
    made = ValueTree()
    made.extend((text, ListValue("room", text)) for text in texts)
    return made


def found(made: ValueTree, text: str, begin: int = 0) -> list[tuple[int, object]]:
    """Ends and values, the shortest first."""
    hits = made.find(tokenize(text), begin)
    return sorted((hit.end, value.value) for hit in hits for value in hit.values)


def test_every_value_that_starts_at_a_place_is_found() -> None:
    """Short and long values that begin alike are all found, wherever the walk begins."""
    made = tree("bed", "bed room", "bed room lamp")
    assert found(made, "bed room lamp on") == [(1, "bed"), (2, "bed room"), (3, "bed room lamp")]
    assert found(made, "the bed room", 1) == [(2, "bed"), (3, "bed room")]
    assert found(made, "the bed room", 0) == []


def test_case_and_spelling_are_folded() -> None:
    """Upper case, hyphens and apostrophes of any kind make no difference."""
    made = tree("Kid's Room", "to-do list")
    assert found(made, "kid\u2019s room") == [(3, "Kid's Room")]
    assert found(made, "TO DO list") == [(3, "to-do list")]


def test_one_word_heard_as_two_costs_a_little() -> None:
    """A word written apart is found as well; the joined spelling stays the cheaper one."""
    made = tree("hallway")
    (apart,) = made.find(tokenize("hall way"), 0)
    (joined,) = made.find(tokenize("hallway"), 0)
    assert (apart.end, joined.end) == (2, 1)
    assert apart.cost > joined.cost == 0.0


def test_the_same_words_may_stand_for_several_things() -> None:
    """One spelling in two lists gives both values, and one given twice is there once."""
    made = ValueTree()
    study, lamp = ListValue("area", "study"), ListValue("name", "study", "light")
    made.extend([("study", study), ("study", lamp), ("study", study)])
    assert made.find(tokenize("study"), 0) == [Found(1, (study, lamp))]


def test_empty_texts_are_no_values() -> None:
    """A value without words would be found everywhere, so it is found nowhere."""
    assert found(tree("", " ", ","), "anything at all") == []


@given(st.lists(st.text("ab ", min_size=1, max_size=8), max_size=6), st.text("ab ", max_size=20))
def test_found_is_what_stands_there(texts: list[str], line: str) -> None:
    """Whatever is found has, but for spaces, the letters of its value; and a value alone is always found."""
    made = tree(*texts)
    tokens = tokenize(line)
    for begin in range(len(tokens)):
        for hit in made.find(tokens, begin):
            said = "".join(token.text for token in tokens[begin : hit.end])
            assert all(str(value.value).replace(" ", "") == said for value in hit.values)
    for text in texts:
        size = len(tokenize(text))
        assert not size or (size, text) in found(made, text)


# --- what a home gives ------------------------------------------------------------------


def test_a_home_names_its_things(parts: Parts) -> None:
    """Devices, places and lists are found by name and alias, with the domain the sentence must fit."""
    values = list(home_values(parts.home, parts.grammar.words))
    assert ("porch light", ListValue("name", "porch light", "light")) in values
    assert ("entrance light", ListValue("name", "porch light", "light")) in values
    assert ("office", ListValue("area", "study")) in values
    assert ("upstairs", ListValue("floor", "upper floor")) in values
    assert ("groceries", ListValue("list_name", "shopping list")) in values


def test_nouns_stand_for_kinds_of_things(parts: Parts) -> None:
    """ "The lamp" may be any of them, "the lamps" are all of them, "it" is whatever was spoken of."""
    meant = {text: value.value for text, value in home_values(parts.home, parts.grammar.words) if value.cost}
    assert meant["lamp"] == {"noun": "lamp", "number": "one"}
    assert meant["lamps"] == {"noun": "lamp", "number": "all"}
    assert meant["lights"] == {"noun": "light", "domain": "light", "number": "all"}
    assert meant["it"] == {"pronoun": "one"}


def test_a_value_may_end_inside_a_word() -> None:
    """Where templates write something right behind a list, the value before it is found and the rest told."""
    made = ValueTree(endings=frozenset({"s", "er"}))
    room, two = ListValue("room", "flur"), ListValue("room", "kleines bad")
    made.extend([("Flur", room), ("kleines Bad", two)])
    assert made.find(tokenize("flurs"), 0) == [Found(1, (room,), rest="s")]
    assert made.find(tokenize("kleines bader"), 0) == [Found(2, (two,), rest="er")]
    assert made.find(tokenize("flure"), 0) == []
    assert tree("Flur").find(tokenize("flurs"), 0) == []
