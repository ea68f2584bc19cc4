"""Numbers: every stretch of tokens that is a number phrase is found, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.grammar.numbers import ENGLISH, Numbers, NumberWords
from dialogue.grammar.tokens import tokenize

ENGLISH_NUMBERS = Numbers("en")


def at_start(text: str) -> dict[int, float]:
    """Numbers that start at the first token: end -> value."""
    return dict(ENGLISH_NUMBERS.spans(text.split())[0])


def whole(text: str) -> float | None:
    """The value of the text if all of it is one number."""
    return at_start(text).get(len(text.split()))


SAID = {
    "zero": 0,
    "seven": 7,
    "nineteen": 19,
    "twenty one": 21,
    "ninety nine": 99,
    "one hundred": 100,
    "a hundred": 100,
    "a hundred and five": 105,
    "one hundred five": 105,
    "two hundred and twenty two": 222,
    "fifteen hundred": 1500,
    "nineteen hundred and five": 1905,
    "two thousand": 2000,
    "two thousand and twenty six": 2026,
    "two thousand three hundred": 2300,
    "a thousand and one": 1001,
    "one hundred and twenty three thousand four hundred and five": 123405,
    "one million two hundred": 1000200,
    "twenty one point five": 21.5,
    "zero point two five": 0.25,
    "50": 50,
    "05": 5,
    "21.5": 21.5,
    "1,000": 1000,
    "12,345.5": 12345.5,
    "1/2": 0.5,
    "1 1/2": 1.5,
}
NOT_SAID = (
    "one twenty",
    "ten fifteen",
    "twenty ten",
    "twenty twenty",
    "ten hundred",
    "two hundred hundred",
    "one hundred and",
    "two thousand and five hundred",
    "half",
    "a",
    "a five",
    "hundred",
    "and five",
    "to",
    "for",
    "ate",
    "twenty one point",
    "point five",
    "twenty one point fifteen",
    "7:30",
    "1/0",
    "1,00",
    "10pm",
    "1 3/2",
)


@pytest.mark.parametrize(("text", "value"), SAID.items())
def test_a_number_phrase_has_its_value(text: str, value: float) -> None:
    """Cardinals, decimals and digits are worth what a person means by them."""
    assert whole(text) == value


@pytest.mark.parametrize("text", NOT_SAID)
def test_other_words_are_no_number(text: str) -> None:
    """Joins nobody says, homophones and half-finished phrases are not numbers."""
    assert whole(text) is None


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("twenty one", {1: 20, 2: 21}),
        ("twenty one point five", {1: 20, 2: 21, 4: 21.5}),
        ("one hundred and five", {1: 1, 2: 100, 4: 105}),
        ("a hundred lamps", {2: 100}),
        ("two hundred thousand", {1: 2, 2: 200, 3: 200_000}),
        ("ten fifteen", {1: 10}),
        ("1 1/2", {1: 1, 2: 1.5}),
    ],
)
def test_all_readings_are_given(text: str, readings: dict[int, float]) -> None:
    """A phrase that begins with a shorter number gives that one, too, so that the search may choose."""
    assert at_start(text) == readings


def test_every_position_has_its_own_list() -> None:
    """Numbers are found wherever they stand, and other tokens get an empty list."""
    spans = ENGLISH_NUMBERS.spans(["dim", "lamp", "two", "to", "twenty", "five", "percent"])
    assert spans == [[], [], [(3, 2.0)], [], [(5, 20.0), (6, 25.0)], [(6, 5.0)], []]


def test_values_are_floats() -> None:
    """Range lists ask values whether they are whole, which only floats can answer in Python 3.11."""
    values = [value for row in ENGLISH_NUMBERS.spans(["5", "five", "1/2", "a", "thousand"]) for _, value in row]
    assert values and all(isinstance(value, float) for value in values)


ORDINALS = {
    "first": 1,
    "third": 3,
    "twelfth": 12,
    "twentieth": 20,
    "twenty first": 21,
    "thirty first": 31,
    "2nd": 2,
    "2 nd": 2,
    "31 st": 31,
}


@pytest.mark.parametrize(("text", "value"), ORDINALS.items())
def test_ordinals_have_their_value(text: str, value: int) -> None:
    """Ordinals in words and digits, the ending in the same token or in one of its own."""
    tokens = text.split()
    assert (len(tokens), float(value)) in ENGLISH_NUMBERS.ordinals(tokens)[0]


@pytest.mark.parametrize("text", ["two", "22", "2xx", "twenty", "first second", "one first", "2 lamps"])
def test_other_words_are_no_ordinal(text: str) -> None:
    """Cardinals are no ordinals, and ordinals do not join each other."""
    tokens = text.split()
    assert len(tokens) not in dict(ENGLISH_NUMBERS.ordinals(tokens)[0])


def english(number: int) -> str:
    """The words for a number from 0 to 999,999, written here a second time, from above instead of below."""
    names: dict[int, str] = {value: word for word, value in [*ENGLISH.units.items(), *ENGLISH.tens.items()]}
    if number in names:
        return names[number]
    if number < 100:
        return f"{names[number // 10 * 10]} {names[number % 10]}"
    size, word, link = (1000, "thousand", " ") if number >= 1000 else (100, "hundred", " and ")
    many, rest = divmod(number, size)
    link = " and " if rest < 100 else link
    return f"{english(many)} {word}{link}{english(rest)}" if rest else f"{english(many)} {word}"


@given(st.integers(0, 999_999))
def test_every_number_is_read_back(number: int) -> None:
    """Whatever number is put into words is read as itself."""
    assert whole(english(number)) == number


@given(st.lists(st.sampled_from(["one", "twenty", "hundred", "thousand", "and", "a", "point", "7", "1/2"])))
def test_any_row_of_number_words_is_survived(tokens: list[str]) -> None:
    """Ends lie inside the text and no reading is given twice."""
    for at, row in enumerate(ENGLISH_NUMBERS.spans(tokens)):
        ends = [end for end, _ in row]
        assert all(at < end <= len(tokens) for end in ends)
        assert len(ends) == len(set(ends))


def test_a_long_row_of_number_words_costs_no_depth() -> None:
    """Ten thousand number words in a row are read without deep recursion."""
    spans = ENGLISH_NUMBERS.spans(["one", "hundred"] * 5_000)
    assert spans[0] == [(1, 1.0), (2, 100.0), (3, 101.0)]


def test_a_language_without_a_table_knows_digits() -> None:
    """Digits are the same everywhere."""
    assert Numbers("xx").spans(["five", "5", "2nd"]) == [[], [(2, 5.0)], []]


def test_characters_fit_the_same_table() -> None:
    """A language that counts in characters is data only: 十 is a unit of its own, 零 joins, 百 multiplies."""
    digits = {character: value for value, character in enumerate("一二三四五六七八九", 1)}
    tens = {"十": 10} | {f"{character} 十": 10 * value for character, value in digits.items() if value > 1}
    table = NumberWords(
        units=digits | {"两": 2, "零": 0},
        tens=tens,
        scales={"百": 100, "千": 1000, "万": 10_000},
        joiner=frozenset({"零"}),
        point=frozenset({"点"}),
    )
    chinese = Numbers(table)
    expected = {
        "十五": 15,
        "二十一": 21,
        "三百零五": 305,
        "一百二十": 120,
        "两千三百": 2300,
        "二十一点五": 21.5,
    }
    found = {text: dict(chinese.spans(list(text))[0]).get(len(text)) for text in expected}
    assert found == expected


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("de", "einundzwanzig", 21),
        ("de", "zweihundertfünf", 205),
        ("de", "einundzwanzig komma fünf", 21.5),
        ("de", "21,5", 21.5),
        ("de", "1.000", 1000),
        ("de", "0,125", 0.125),
        ("fr", "quatre-vingt-dix-sept", 97),
        ("fr", "vingt et un", 21),
        ("es", "ochenta y una", 81),
        ("es", "2.700", 2700),
        ("zh-CN", "一百零五", 105),
        ("zh-CN", "两百", 200),
        ("zh-CN", "二十一点五", 21.5),
        ("pt-BR", "trinta e três", 33),
        ("cs", "dvacet jedna", 21),
        ("th", "ยี่สิบ", 20),
    ],
)
def test_other_languages_count(language: str, text: str, value: float) -> None:
    """Unicode's spelling rules make the number words of a language, cut into tokens as texts are."""
    tokens = [token.word for token in tokenize(text)]
    assert dict(Numbers(language).spans(tokens)[0])[len(tokens)] == value


def test_other_languages_have_ordinals() -> None:
    """Ordinals come from the same rules, in every gender."""
    assert Numbers("fr").ordinals(["deuxième"]) == [[(1, 2.0)]]
    assert Numbers("de").ordinals(["dritten"]) == [[(1, 3.0)]]
