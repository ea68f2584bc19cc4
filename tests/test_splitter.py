"""One utterance is cut into exactly the requests that are in it, each with all that qualifies it."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import shipped_parts
from hypothesis import given
from hypothesis import strategies as st

from dialogue.context import ContextState, PastTurn
from dialogue.types import Hypothesis, Question, Request, Utterance


def heard(text: str, state: ContextState | None = None) -> Utterance:
    return shipped_parts().splitter.split((Hypothesis(text),), state or ContextState())


def slots(request: Request) -> dict[str, Any]:
    return {entity.name: entity.value for entity in request.entities}


def brief(text: str, slot: str = "name") -> list[tuple[str, Any]]:
    """The intents of what was heard, each with the value of one slot."""
    return [(request.intent, request.reading.get(slot)) for request in heard(text).requests]


def whens(request: Request) -> list[tuple[str, str]]:
    return [(when.kind, when.text) for when in request.when]


# --- cuts -------------------------------------------------------------------------------

ON, OFF = "HassTurnOn", "HassTurnOff"


@pytest.mark.parametrize("joiner", [" and ", " then ", " and then ", ", ", " after that ", " plus ", " "])
def test_requests_are_cut_whatever_joins_them(joiner: str) -> None:
    """A connective, a comma or nothing at all between two requests: both are found."""
    assert brief(f"turn off the fountain{joiner}turn on the kettle") == [(OFF, "fountain"), (ON, "kettle")]


def test_a_head_is_shared() -> None:
    """ "Turn on X and Y" turns on both."""
    assert brief("turn on the corner lamp and the porch light") == [(ON, "corner lamp"), (ON, "porch light")]


def test_a_tail_is_shared() -> None:
    """ "Set X and Y to forty percent" sets both."""
    text = "set the corner lamp and the desk lamp to forty percent"
    assert brief(text) == [("HassLightSet", "corner lamp"), ("HassLightSet", "desk lamp")]
    assert [value for _, value in brief(text, "brightness")] == [40, 40]


def test_a_head_is_shared_by_things_with_values_of_their_own() -> None:
    """ "Set X to thirty and Y to sixty" gives each its own value."""
    text = "set the corner lamp to thirty percent and the bedroom light to sixty percent"
    assert brief(text, "brightness") == [("HassLightSet", 30), ("HassLightSet", 60)]


def test_a_verb_is_shared_and_its_particle_is_not() -> None:
    """ "Turn X on and Y off": one verb, two directions."""
    assert brief("turn the kettle on and the kitchen fan off") == [(ON, "kettle"), (OFF, "kitchen fan")]


def test_places_are_shared() -> None:
    """ "The lights in the guest room and the kitchen" are those of both rooms."""
    text = "turn off the lights in the guest room and the kitchen"
    assert brief(text, "area") == [(OFF, "guest room"), (OFF, "kitchen")]


@pytest.mark.parametrize(
    ("text", "slot", "value"),
    [
        ("remind me to call mom and dad at eight", "text", "call mom and dad"),
        ("add mac and cheese to the shopping list", "item", "mac and cheese"),
        ("play don't think twice", "search_query", "don't think twice"),
        ("announce that lunch is at noon and that we wait", "message", "lunch is at noon and that we wait"),
    ],
)
def test_words_inside_a_text_are_text(text: str, slot: str, value: str) -> None:
    """Connectives, negations and times inside a title, a message or a reminder do not cut it."""
    (request,) = heard(text).requests
    assert request.reading.get(slot) == value


def test_a_text_ends_where_a_request_begins() -> None:
    """Open text gives way to a whole request behind it."""
    assert brief("play don't think twice and lock the side door", "search_query") == [
        ("HassMediaSearchAndPlay", "don't think twice"),
        (ON, None),
    ]


# --- not, except, rather ----------------------------------------------------------------


def test_negation_belongs_to_its_request() -> None:
    """ "Don't" negates the request it stands before, not the ones around it."""
    first, second = heard("turn off the kettle and don't turn off the fountain").requests
    assert (first.negated, second.negated) == (False, True)
    assert slots(second) == {"name": "fountain"}


@pytest.mark.parametrize(
    ("text", "slot", "value"),
    [
        ("turn off all the lights except the reading light", "name", "reading light"),
        ("turn off all the lights but not the reading light", "name", "reading light"),
        ("turn off all the lights except in the kitchen", "area", "kitchen"),
        ("apart from the reading light turn off all the lights", "name", "reading light"),
    ],
)
def test_exceptions_belong_to_their_request(text: str, slot: str, value: str) -> None:
    """What is excepted is part of the request, never a request of its own."""
    (request,) = heard(text).requests
    assert request.intent == OFF
    assert [exception.reading.get(slot) for exception in request.exceptions] == [value]


@pytest.mark.parametrize(
    ("text", "intent", "wanted"),
    [
        ("turn on the garden light no wait the porch light", ON, {"name": "porch light"}),
        ("turn on the garden light no turn on the porch light", ON, {"name": "porch light"}),
        ("turn on the fountain i mean turn it off", OFF, {"name": {"pronoun": "one"}}),
        ("set a timer for ten sorry fifteen minutes", "HassStartTimer", {"minutes": 15}),
        (
            "set the heating to nineteen i mean twenty one degrees",
            "HassClimateSetTemperature",
            {"temperature": 21},
        ),
    ],
)
def test_a_correction_leaves_no_trace(text: str, intent: str, wanted: dict[str, Any]) -> None:
    """What was corrected is no request any more; only the new words count."""
    (request,) = heard(text).requests
    assert request.intent == intent
    assert slots(request).items() >= wanted.items()
    assert "area" not in slots(request)
    assert not request.negated and not request.exceptions


def test_a_correction_keeps_what_it_does_not_touch() -> None:
    """The time and the exceptions of a corrected request stay with the new one, and its neighbors stay."""
    first, second = heard("turn on the kettle and turn off the fountain at ten no the television").requests
    assert slots(first) == {"name": "kettle"}
    assert (slots(second), whens(second)) == ({"name": "television"}, [("at", "at ten")])


def test_what_is_taken_back_is_gone() -> None:
    """ "Never mind" takes back all of it, "scratch that" the last thing; both are remembered as dropped."""
    all_of_it = heard("start the vacuum and turn on the kettle never mind")
    assert (all_of_it.requests, all_of_it.retracted) == ((), True)
    last = heard("start the vacuum and turn on the kettle scratch that")
    assert [request.intent for request in last.requests] == ["HassVacuumStart"]
    assert [request.reading.get("name") for request in last.dropped] == ["kettle"]


# --- when, and in which order -----------------------------------------------------------


@pytest.mark.parametrize("text", ["at ten turn off the fountain", "turn off the fountain at ten"])
def test_a_time_qualifies_the_request_beside_it(text: str) -> None:
    """Before or behind, the time belongs to the request."""
    (request,) = heard(text).requests
    assert whens(request) == [("at", "at ten")]


def test_a_time_belongs_to_all_that_share_a_head() -> None:
    """ "Turn off X and Y at ten" does both at ten; a request of its own is done now."""
    times = [whens(one) for one in heard("turn off the fountain and the kettle at ten").requests]
    assert times == [[("at", "at ten")], [("at", "at ten")]]
    times = [whens(one) for one in heard("start the vacuum and turn off the kettle at ten").requests]
    assert times == [[], [("at", "at ten")]]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("turn on the ceiling fan for ten minutes", "for"),
        ("turn on the ceiling fan until midnight", "until"),
        ("start the vacuum every day at nine", "every"),
        ("if it rains turn off the fountain", "on"),
        ("turn off the fountain if it is raining", "if"),
        ("turn off the fountain unless it is raining", "unless"),
    ],
)
def test_kinds_of_when(text: str, kind: str) -> None:
    """A length, an end, a repeat, an event to wait for, a state to look at."""
    (request,) = heard(text).requests
    assert [when.kind for when in request.when] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "lock the side door and then turn on the porch light",
        "first lock the side door and then turn on the porch light",
        "before you turn on the porch light lock the side door",
        "turn on the porch light but first lock the side door",
        "after locking the side door turn on the porch light",
        "turn on the porch light after you lock the side door",
    ],
)
def test_order_words_order(text: str) -> None:
    """However the order is put, the light waits for the door."""
    requests = heard(text).requests
    place = {request.reading.get("name"): number for number, request in enumerate(requests)}
    assert requests[place["porch light"]].after == (place["side door"],)
    assert requests[place["side door"]].after == ()


def test_and_does_not_order() -> None:
    """ "And" alone lets both go at once."""
    assert [one.after for one in heard("turn on the kettle and lock the side door").requests] == [(), ()]


# --- words that nothing explains --------------------------------------------------------


def test_unknown_words_that_touch_a_request_hold_it() -> None:
    """ "At sunset" is not known, so the fountain is not simply turned off; the kettle goes on."""
    held, free = heard("turn off the fountain at sunset and turn on the kettle").requests
    assert (held.held, free.held) == ("at sunset", "")


@pytest.mark.parametrize(
    "text", ["feed the giraffe and lock the side door", "lock the side door and feed the giraffe"]
)
def test_an_unknown_request_is_reported_and_holds_nothing(text: str) -> None:
    """What begins with a verb of its own is another request: reported, and nobody waits for it."""
    utterance = heard(text)
    assert utterance.unexplained == ("feed the giraffe",)
    assert [request.held for request in utterance.requests] == [""]


PIECES = [
    "turn on the kettle",
    "and",
    "except",
    "giraffe",
    "at ten",
    "no",
    "please",
    "the porch light",
    "play it",
    "if",
]


@given(st.lists(st.sampled_from(PIECES), max_size=7).map(" ".join))
def test_every_word_has_an_owner(text: str) -> None:
    """Segments follow each other without gaps from the first word to the last."""
    utterance = heard(text)
    edges = [0, *(edge for segment in utterance.segments for edge in (segment.start, segment.end))]
    assert edges[:-1:2] == edges[1::2]
    assert " ".join(segment.text for segment in utterance.segments) == utterance.text


@given(st.lists(st.sampled_from(PIECES), max_size=5).map(" ".join), st.sampled_from(PIECES))
def test_reading_does_not_depend_on_what_was_read_before(text: str, other: str) -> None:
    """The splitter remembers nothing between utterances but what makes it quicker."""
    first = heard(text)
    heard(f"{other} {text}")
    assert heard(text) == first


# --- hypotheses and context -------------------------------------------------------------


def test_the_hypothesis_that_explains_more_wins() -> None:
    """Of two ways to hear, the one that makes sense is taken, and the other is kept beside it."""
    hypotheses = (Hypothesis("turn on the court ramp", 10.0), Hypothesis("turn on the corner lamp", 9.5))
    utterance = shipped_parts().splitter.split(hypotheses, ContextState())
    assert utterance.text == "turn on the corner lamp"
    assert [other.text for other in utterance.runners_up] == ["turn on the court ramp"]


def test_a_hypothesis_far_behind_does_not_win() -> None:
    """Sense does not outweigh a score that is far worse."""
    hypotheses = (Hypothesis("turn on the corner lamp", 10.0), Hypothesis("turn on the desk lamp", -500.0))
    assert shipped_parts().splitter.split(hypotheses, ContextState()).text == "turn on the corner lamp"


@pytest.mark.parametrize("hypotheses", [(), (Hypothesis(""),), (Hypothesis("  "), Hypothesis(""))])
def test_nothing_heard_is_nothing_asked(hypotheses: tuple[Hypothesis, ...]) -> None:
    """Silence is an utterance without requests."""
    assert shipped_parts().splitter.split(hypotheses, ContextState()) == Utterance("")


def test_answers_mean_something_while_a_question_is_open() -> None:
    """ "The second one" answers a question; where none is open it asks for nothing."""
    asking = ContextState(questions=(Question("c:0.1.1", "targets", "which one?", ("a", "b")),))
    assert [request.intent for request in heard("the second one", asking).requests] == ["Inform"]
    assert "Inform" not in [request.intent for request in heard("the second one").requests]


def test_a_fragment_leans_on_the_turn_before() -> None:
    """ "And the porch light to ten" takes its verb from the last request of the turn before."""
    before = heard("set the corner lamp to thirty percent").requests
    state = ContextState(turns=(PastTurn("set the corner lamp to thirty percent", before),))
    (request,) = heard("and the porch light to ten percent", state).requests
    assert (request.intent, slots(request)) == ("HassLightSet", {"name": "porch light", "brightness": 10})
