"""Every sentence template is spoken at least once, and sampled sentences are read back as what they came from."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import shipped_parts
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from judge import ROOT
from sampling import Choose, Sayable, Unspeakable, sayables

from dialogue.config import Parts, make_assistant, with_fresh_home
from dialogue.context import ContextState
from dialogue.grammar.grammar import Grammar, sentence_files
from dialogue.grammar.sentences import Source, add_data, add_file
from dialogue.types import Hypothesis, Request, Utterance

FILES = sorted(path.stem for path in (ROOT / "grammars" / "en").glob("*.yaml") if path.stem != "responses")
SAMPLES = 3

# --- sampling ---------------------------------------------------------------------------


@cache
def spoken() -> tuple[list[Sayable], list[Sayable]]:
    """All English templates: those of requests, operators and answers, and those of times."""
    import home_assistant_intents

    parts, source = shipped_parts(), Source("en")
    intents = home_assistant_intents.get_intents("en")
    assert intents is not None
    add_data(source, intents, "home_assistant_intents/en")
    for path in sentence_files("en", ())[0]:
        add_file(source, path)
    grammar = parts.grammar
    return sayables(source, grammar.main.compiled, grammar.times.compiled, parts.home)


def of_file(templates: list[Sayable], file: str) -> Iterator[Sayable]:
    return (one for one in templates if Path(one.template.place.file).stem == file)


def sentences(template: Sayable) -> Iterator[str]:
    """A few sentences of a template, the same ones in every run."""
    dice = random.Random(template.template.text)
    for _ in range(10 * SAMPLES):
        try:
            yield template.say(dice.choice)
        except Unspeakable:
            continue


def some(template: Sayable) -> list[str]:
    return [text for text, _ in zip(sentences(template), range(SAMPLES), strict=False)]


# --- spoken at least once ---------------------------------------------------------------


@pytest.mark.parametrize("file", FILES)
def test_every_template_is_spoken(file: str, parts: Parts) -> None:
    """Sentences of every template are accepted from end to end, and requests can be read as their intent."""
    requests, times = spoken()
    failures = [
        f"{template.id} | {text}"
        for templates, accepts in ((requests, accepts_request), (times, accepts_time))
        for template in of_file(templates, file)
        for text in some(template)
        if not accepts(parts.grammar, template, text)
    ]
    said = [one for templates in (requests, times) for one in of_file(templates, file) if some(one)]
    assert said, "no template of this file was spoken"
    assert not [one.id for templates in spoken() for one in of_file(templates, file) if not some(one)]
    assert not failures


def accepts_request(grammar: Grammar, template: Sayable, said: str) -> bool:
    text = grammar.text(said, exact=True)
    size = len(text.tokens)
    state = grammar.ends(text, 0).get(size)
    if state is None or template.number not in state.accepts:
        return False
    readings = grammar.readings(text, 0, size, state.accepts, area=True)
    return template.block.kind != "request" or template.intent in {one.reading.intent for one in readings}


def accepts_time(grammar: Grammar, template: Sayable, said: str) -> bool:
    text = grammar.text(said)
    kind = template.block.extra["kind_of_time"]
    whole = [one for one in text.spoken if (one.start, one.end) == (0, len(text.tokens))]
    return kind in {one.kind for one in whole}


# --- there and back ---------------------------------------------------------------------

ADDED = {"AddItem", "HassListAddItem", "HassShoppingListAddItem"}
REMOVED = {"RemoveItem", "HassListRemoveItem", "HassListCompleteItem", "HassShoppingListCompleteItem"}
ANSWERED = {"AskState", "AskList", "AskTemperature", "HassGetState", "HassClimateGetTemperature"}
EQUAL: dict[str, set[str]] = {
    # an item goes on a list, or off it
    **dict.fromkeys(ADDED, ADDED),
    **dict.fromkeys(REMOVED, REMOVED),
    # questions that one answer serves
    **dict.fromkeys(ANSWERED, ANSWERED),
    # "are the fans on" without its verb is a command: "all the fans on"
    "HassGetState": ANSWERED | {"HassTurnOn", "HassTurnOff"},
    # what a more general sentence says as well
    "TurnOffEverything": {"HassTurnOff"},
    "MediaStop": {"HassTurnOff"},
    "SetState": {"HassTurnOn", "HassTurnOff"},
    "AdjustVolume": {"HassSetVolumeRelative"},
    # "dim the lamp" lacks a value or asks for less; "set the alarm to eight" makes one or moves one
    "HassLightSet": {"AdjustBrightness"},
    "SetAlarm": {"ChangeAlarm"},
}
"""What else, of equal standing, a sentence made for an intent may be read as."""

SMALL_TALK = {"Greeting", "HassRespond", "HassNevermind"}
"""Words that ask for nothing; alone they may be read as fillers or as taking something back."""

UNREADABLE = {"again please": "both words are fillers"}
"""Templates whose sentences are meant otherwise here, and why."""


def holds_a_command(template: Sayable) -> bool:
    """Whether a whole command stands in an open slot ("... in ten minutes"), which invented words are not."""
    return "{timer_command" in template.template.text


def sayable_requests(*, own: bool) -> list[Sayable]:
    """Templates of requests, of our own files or of the intent pack, that need not know the speaker's room."""
    return [
        one
        for one in spoken()[0]
        if one.block.kind == "request"
        and one.block.own is own
        and not one.block.needs_area
        and one.intent not in SMALL_TALK
        and one.template.text not in UNREADABLE
        and not holds_a_command(one)
    ]


def say(template: Sayable, choose: Choose) -> str:
    """A sentence of a template; the example is given up where this home has nothing to speak of."""
    try:
        return template.say(choose)
    except Unspeakable:
        assume(False)
        raise


def drawn(draw: st.DrawFn) -> Choose:
    return lambda ways: draw(st.sampled_from(list(ways)))


@st.composite
def sampled(draw: st.DrawFn, *, own: bool, wild: bool = True) -> tuple[Sayable, str]:
    """A template with one of its sentences; without ``wild``, one that has no open slot and needs a verb."""
    templates = sayable_requests(own=own)
    if not wild:
        templates = [one for one in templates if not (one.template.wild or one.template.bare)]
    template = draw(st.sampled_from(templates))
    return template, say(template, drawn(draw))


def heard(text: str) -> Utterance:
    return shipped_parts().splitter.split((Hypothesis(text),), ContextState())


def as_meant(template: Sayable, request: Request) -> bool:
    """Whether a request is what the template stands for, or something of equal standing."""
    return request.intent in {template.intent, *EQUAL.get(template.intent, ())}


def stutters(text: str) -> bool:
    """Whether a word stands there twice, which counts as said once."""
    return any(one == other for one, other in pairwise(text.split()))


def check_read_back(template: Sayable, text: str) -> None:
    assume(not stutters(text))
    utterance = heard(text)
    assert len(utterance.requests) == 1, (text, utterance)
    assert as_meant(template, utterance.requests[0]), (text, template.id, utterance.requests[0].reading)
    assert not utterance.unexplained
    assert not utterance.requests[0].held


@given(sampled(own=True))
@settings(max_examples=200)
def test_our_sentences_are_read_back(sample: tuple[Sayable, str]) -> None:
    """A sentence made from one of our templates is read as one request of that template's intent."""
    check_read_back(*sample)


@given(sampled(own=False))
@settings(max_examples=200)
def test_sentences_of_the_pack_are_read_back(sample: tuple[Sayable, str]) -> None:
    """A sentence made from one of Home Assistant's templates is read as one request of that intent."""
    check_read_back(*sample)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("add milk to to do list", "AddItem"),
        ("turn the television down", "AdjustVolume"),
        ("turn the thermostat down", "AdjustTemperature"),
        ("turn the porch light down", "AdjustBrightness"),
        ("turn down the television", "AdjustVolume"),
        ("turn the volume down", "AdjustVolume"),
    ],
)
def test_single_sentences_are_read_as_meant(text: str, intent: str) -> None:
    """Sentences that have been misread before."""
    (request,) = heard(text).requests
    assert request.intent in {intent, *EQUAL.get(intent, ())}


# --- what may not change a request ------------------------------------------------------

SWALLOWED = [
    "remove the reminder",
    "drop everything",
    "put on the kettle",
    "how much time is left on the timer",
]
"""Sentences that an unknown clause behind them turns into another request that swallows it."""


def key(request: Request) -> tuple[object, ...]:
    """What makes two requests the same."""
    entities = sorted((one.name, str(one.value)) for one in request.entities)
    return request.intent, entities, [when.text for when in request.when], request.negated, request.held


UNKNOWN = " and feed the giraffe"


def may_be_swallowed(text: str) -> bool:
    """Whether some sentence that ends in open text can begin in this one and end behind the unknown clause."""
    grammar = shipped_parts().grammar
    whole = grammar.text(text + UNKNOWN)
    size, clause = len(whole.tokens), len(grammar.text(UNKNOWN).tokens)
    states = [grammar.ends(whole, start).get(size) for start in range(size - clause)]
    accepted = {number for state in states if state is not None for number in state.accepts}
    return any(grammar.template(one).wild for one in accepted)


KEPT = ["set a timer ten minutes", "set the timer for one minute and thirty seconds", "turn off everything"]


@pytest.mark.parametrize("text", KEPT)
def test_no_second_request_is_made_of_an_unknown_clause(text: str) -> None:
    """A length or a place before an unknown clause is not taken for the beginning of another request."""
    check_unknown_clause(text)


def check_unknown_clause(text: str) -> None:
    alone, more = heard(text), heard(text + UNKNOWN)
    assert [key(one) for one in more.requests] == [key(one) for one in alone.requests], text
    assert "feed the giraffe" in more.unexplained, text


@given(sampled(own=True, wild=False) | sampled(own=False, wild=False))
@settings(max_examples=150)
def test_an_unknown_clause_is_reported_and_changes_nothing(sample: tuple[Sayable, str]) -> None:
    """ "... and feed the giraffe" leaves the request before it as it was, and is reported."""
    template, text = sample
    assume(template.intent != "HassStartTimer" and not may_be_swallowed(text))
    assume(len(heard(text).requests) == 1)
    check_unknown_clause(text)


@pytest.mark.parametrize("text", SWALLOWED)
def test_an_open_slot_does_not_swallow_an_unknown_clause(text: str) -> None:
    """Also where another sentence begins alike and ends in open text, the unknown clause is reported."""
    check_unknown_clause(text)


@given(
    sampled(own=True, wild=False) | sampled(own=False, wild=False), st.sampled_from(["don't", "do not", "never"])
)
@settings(max_examples=100)
def test_what_is_forbidden_is_not_done(sample: tuple[Sayable, str], word: str) -> None:
    """ "Don't" before a command: nothing is done, and nothing is planned. ("Don't leave it on" is a command.)"""
    template, text = sample
    assume(template.block.intent != "KeepState")
    assume(text.split()[0] in shipped_parts().grammar.words["verbs"] and heard(text).requests)
    parts = with_fresh_home(shipped_parts())
    turn = make_assistant(parts.configuration, parts=parts).hear(f"{word} {text}")
    assert [effect for effect in turn.effects if effect.target != "query"] == [], text
    assert turn.scheduled == (), text


FILLED = ["um {}", "{} please", "please {}", "well um {}", "{} um thanks", "could you {}", "i want you to {}"]


@given(sampled(own=True, wild=False) | sampled(own=False, wild=False), st.sampled_from(FILLED))
@settings(max_examples=150)
def test_fillers_around_a_request_change_nothing(sample: tuple[Sayable, str], form: str) -> None:
    """Hesitation and politeness before and after a request are no part of it."""
    _, text = sample
    alone, filled = heard(text), heard(form.format(text))
    assert [key(one) for one in filled.requests] == [key(one) for one in alone.requests], form.format(text)
    assert filled.unexplained == alone.unexplained


@pytest.mark.parametrize(
    "text", ["open {} the curtains", "turn on the {} kettle", "set the heating to {} twenty degrees"]
)
def test_a_filler_inside_a_request_changes_nothing(text: str) -> None:
    """Who hesitates in the middle of a request still asks for the same."""
    plain, filled = heard(text.format("")), heard(text.format("um"))
    assert [key(one) for one in filled.requests] == [key(one) for one in plain.requests]


JOINERS = [" and ", " then ", ", ", " and then ", " ", " after that "]


def asks_by_itself(template: Sayable) -> bool:
    """Whether a request stands for itself; those about other requests ("once more", "not at noon") do not."""
    return Path(template.template.place.file).stem != "conversation"


@given(sampled(own=True, wild=False), sampled(own=True, wild=False), st.sampled_from(JOINERS))
@settings(max_examples=200)
def test_joined_requests_come_back_in_order(
    one: tuple[Sayable, str], two: tuple[Sayable, str], joiner: str
) -> None:
    """Two requests of different kinds in one breath are both read, in the order they were said."""
    alone = [heard(text).requests for _, text in (one, two)]
    assume(one[0].intent != two[0].intent and asks_by_itself(one[0]) and asks_by_itself(two[0]))
    assume(all(len(requests) == 1 for requests in alone))
    read = heard(joiner.join((one[1], two[1])))
    wanted = [requests[0].intent for requests in alone]
    assert [request.intent for request in read.requests] == wanted, (one[1], joiner, two[1])


# --- anything at all --------------------------------------------------------------------

SECONDS = 3.0
WORDS = ["turn", "on", "the", "off", "light", "kitchen", "and", "then", "not", "except", "play"]
WORDS += ["remind", "me", "to", "at", "ten", "no", "wait", "it", "all", "50", "%", "giraffe"]


@given(st.text(max_size=200) | st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join))
@settings(max_examples=150)
def test_any_text_is_read_in_bounded_time(text: str) -> None:
    """Whatever is typed, in any script: the splitter owns every word of it, soon and without an exception."""
    started = time.process_time()
    utterance = heard(text)
    assert time.process_time() - started < SECONDS
    assert all(0 <= segment.start < segment.end for segment in utterance.segments)


@pytest.mark.parametrize(
    "text",
    ["turn on the kettle and ", "giraffe ", "um ", "one ", "kitchen light ", "灯，", "add milk ", "remind me to "],
)
def test_a_long_utterance_takes_bounded_time(text: str) -> None:
    """A thousand characters of the same words over and over are no way to keep the assistant busy."""
    started = time.process_time()
    heard(text * (1000 // len(text)))
    assert time.process_time() - started < SECONDS
