"""Text of any script is cut into the units that spans are counted in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.grammar.tokens import Writing, tokenize


def keys(text: str) -> list[str]:
    return [token.key for token in tokenize(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("turn on the light", [" turn", " on", " the", " light"]),
        ("Turn ON", [" turn", " on"]),
        ("what's on", [" what", "'s", " on"]),
        ("what\u2019s on", [" what", "'s", " on"]),
        ("don't", [" don't"]),
        ("o'clock", [" o'clock"]),
        ("50%", [" 50", "%"]),
        ("50 %", [" 50", "%"]),
        ("20\u00b0", [" 20", "\u00b0"]),
        ("20\u00b0c", [" 20", "\u00b0c"]),
        ("7:30", [" 7:30"]),
        ("2.5", [" 2.5"]),
        ("1/2", [" 1/2"]),
        ("7am", [" 7", "am"]),
        ("to-do list", [" to", " do", " list"]),
        ("bed_room", [" bed", " room"]),
        ("打开灯", ["打", "开", "灯"]),
        ("把 tv 打开", ["把", " tv", "打", "开"]),
        ("灯tv", ["灯", "tv"]),
        ("übung ÉCRAN", [" übung", " écran"]),
        ("a + b", [" a", " +", " b"]),
        ("", []),
        (" \t\n", []),
    ],
)
def test_tokens(text: str, wanted: list[str]) -> None:
    """Words, numbers, marks and Han characters are tokens; a leading space says that one came before."""
    assert keys(text) == wanted


def test_punctuation_is_a_pause_before_the_next_token() -> None:
    """A comma or full stop is no token; the token behind it knows of the break."""
    tokens = tokenize("stop, now. go")
    assert [(token.text, token.pause) for token in tokens] == [("stop", 0.0), ("now", 1.0), ("go", 1.0)]
    assert [token.pause for token in tokenize("关灯，开窗")] == [0.0, 0.0, 1.0, 0.0]
    assert tokenize("go!") == tokenize("go")


def test_text_is_kept_as_written() -> None:
    """Folding is for matching; what was written stays readable."""
    assert [token.text for token in tokenize("Play QUEEN")] == ["Play", "QUEEN"]


@given(st.text())
def test_any_text_is_cut(text: str) -> None:
    """No text breaks the cutting, and no token is empty or holds a space."""
    for token in tokenize(text):
        assert token.text
        assert not set(token.key[1:]) & set(" \t\n")
        assert token.key.startswith(" ") == token.spaced


@given(st.lists(st.sampled_from(["lamp", "what's", "50%", "7:30", "don't", "x2"]), max_size=8))
def test_cutting_again_changes_nothing(words: list[str]) -> None:
    """Tokens put together as they were spaced are cut the same way again."""
    tokens = tokenize(" ".join(words))
    text = "".join((" " if token.spaced else "") + token.text for token in tokens)
    assert keys(text) == [token.key for token in tokens]


@pytest.mark.parametrize(
    ("text", "writing", "wanted"),
    [
        ("l'éclairage d'ambiance", Writing(elision=True), [" l'", "éclairage", " d'", "ambiance"]),
        ("de l\u2019 entrée", Writing(elision=True), [" de", " l'", "entrée"]),
        ("l', entrée", Writing(elision=True), [" l'", " entrée"]),
        ("ein Nudeltimer", Writing(endings=("timer",)), [" ein", " nudel", "timer"]),
        ("Timer", Writing(endings=("timer",)), [" timer"]),
        ("打开 tv 灯", Writing(unspaced=True), ["打", "开", "tv", "灯"]),
        ("tv box 开", Writing(unspaced=True), [" tv", " box", "开"]),
    ],
)
def test_a_language_says_how_it_is_written(text: str, writing: Writing, wanted: list[str]) -> None:
    """Elisions, endings and spaces without meaning are cut as the language's settings say."""
    assert [token.key for token in tokenize(text, writing)] == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("５０％", [" 50", "%"]),
        ("cafe\u0301", [" café"]),
        ("½", [" 1/2"]),
        ("¿está? ¡sí!", [" está", " sí"]),
        ("लाइट चालू करो", [" लाइट", " चालू", " करो"]),
        ("เปิดไฟ", ["เ", "ป", "ิ", "ด", "ไ", "ฟ"]),
        ("電気をつけて", ["電", "気", "を", "つ", "け", "て"]),
    ],
)
def test_scripts_of_the_world(text: str, wanted: list[str]) -> None:
    """Wide digits and composed letters are folded; vowel signs stay in their word; unspaced scripts are cut up."""
    assert keys(text) == wanted


@pytest.mark.parametrize("text", ["éclairage de l'entrée", "l'", "aujourd'hui", "timertimer"])
def test_what_is_cut_off_is_kept(text: str) -> None:
    """No letter is lost where words are cut."""
    cut = tokenize(text, Writing(elision=True, endings=("timer",)))
    assert "".join((" " if token.spaced else "") + token.text for token in cut).strip() == text
