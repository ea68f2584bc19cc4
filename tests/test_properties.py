"""Never wrong by construction: what must hold of any request, whatever it asks for.

Requests are sampled from the shipped grammar and spoken through the whole assistant. ``ONEBREATH_EXAMPLES=20``
tries twenty times as many.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from conftest import shipped_parts
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sampling import Sayable, Unspeakable
from test_grammar import spoken
from world import Outcome, at_rest, heard

from dialogue.interfaces import Device

MORE = max(1, int(os.environ.get("ONEBREATH_EXAMPLES", "1")))
PER_INTENT, TRIES = 5 * MORE, 15 * MORE
some = settings(max_examples=30 * MORE, suppress_health_check=list(HealthCheck))

# --- what is sampled --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Command:
    """A request that is done or planned when it is said alone; ``open`` says that it holds free words."""

    text: str
    intent: str
    open: bool
    alone: Outcome

    def __repr__(self) -> str:
        return f"<{self.text}>"

    @property
    def verb(self) -> bool:
        """Whether it begins with what to do."""
        return self.text.split()[0] in _VERBS


_VERBS = frozenset(
    re.findall(
        r"\w+",
        """add adjust bring cancel change clean clear close create cut decrease delete dim increase kill light lock
        lower make mute open pause play put raise reduce remove resume set shut silence skip start stop switch turn
        unlock unmute unpause vacuum wipe""",
    )
)
_TITLES = frozenset({"play", "put", "listen", "add"})
"""Verbs that any words may follow: "play glorp"."""
_SPARING = frozenset({"Undo", "CancelPlan", "TakeBack", "Reschedule", "Repeat", "Retry"})
_CLOCKS = frozenset({"timer", "alarm", "reminder"})

Fits = Callable[[Command], bool]


@cache
def pool() -> dict[str, tuple[Command, ...]]:
    """A few commands of every intent, the same ones in every run of the same length."""
    dice = random.Random(MORE)
    found: dict[str, list[Command]] = {}
    templates = [one for one in spoken()[0] if one.block.kind == "request" and one.intent not in _SPARING]
    dice.shuffle(templates)
    tries: dict[str, int] = {}
    for template in templates * MORE:
        row = found.setdefault(template.intent, [])
        tries[template.intent] = tries.get(template.intent, 0) + 1
        if len(row) < PER_INTENT and tries[template.intent] <= TRIES:
            row += [one for one in said(template, dice) if one.text not in {other.text for other in row}]
    return {intent: tuple(row) for intent, row in sorted(found.items()) if row}


def said(template: Sayable, dice: random.Random) -> list[Command]:
    """A sentence of a template, if it does something by itself."""
    try:
        text = template.say(dice.choice)
    except Unspeakable:
        return []
    alone = heard(text)
    done = not alone.idle and not alone.answered and len(alone.utterance.requests) == 1
    sure = done and not alone.utterance.unexplained and not alone.utterance.requests[0].held
    if not sure:
        return []
    as_written = alone.utterance.requests[0].intent == template.intent and not template.template.wild
    return [Command(text, template.intent, not as_written, alone)]


@st.composite
def commands(draw: st.DrawFn, fits: Fits = lambda one: True) -> Command:
    """Commands that fit, every intent as often as the others."""
    rows = [kept for row in pool().values() if (kept := [one for one in row if fits(one)])]
    return draw(st.sampled_from(draw(st.sampled_from(rows))))


def devices(*domains: str) -> list[Device]:
    home = shipped_parts().home
    return [one for one in home.devices.values() if not domains or one.domain in domains]


def closed(command: Command) -> bool:
    """Whether no free words of it could take in what is said beside it."""
    return not command.open


def imperative(command: Command) -> bool:
    return command.verb


def plain(command: Command) -> bool:
    return command.verb and not command.open


def apart(one: Command, two: Command) -> bool:
    """Whether two commands have nothing to do with each other."""
    mine, other = one.alone.targets, two.alone.targets
    kinds = {target.split(".")[0] for target in mine} & {target.split(".")[0] for target in other}
    return mine.isdisjoint(other) and not kinds & (_CLOCKS | {"media_player", "announcement"})


def after_both(one: Command, two: Command) -> Outcome:
    """What two commands come to that have nothing to do with each other."""
    return heard(one.text, two.text)


def held_or(outcome: Outcome, wanted: Outcome) -> bool:
    """Whether exactly that happened, or nothing at all and the user was told."""
    return outcome.what == wanted.what or (outcome.idle and outcome.answered)


# --- not --------------------------------------------------------------------------------

NEVER = [
    "don't",
    "please don't",
    "do not",
    "please do not",
    "never",
    "no need to",
    "you don't need to",
    "whatever you do don't",
    "i don't want you to",
    "you mustn't",
    "don't ever",
]


@some
@given(commands(imperative), st.sampled_from(NEVER))
def test_what_is_negated_is_not_done(command: Command, never: str) -> None:
    """A negated request has no effect and plans nothing."""
    assert heard(f"{never} {command.text}").idle


@some
@given(commands(plain), commands(plain), st.sampled_from(NEVER), st.booleans())
def test_a_negation_stays_with_its_request(one: Command, two: Command, never: str, first: bool) -> None:
    """ "Don't X but Y" does Y, "Y and don't X" too: exactly as Y alone."""
    assume(apart(one, two) and one.intent != two.intent)
    text = f"{never} {one.text} but {two.text}" if first else f"{two.text} and {never} {one.text}"
    assert held_or(heard(text), two.alone)


# --- except -----------------------------------------------------------------------------


def of_group(command: Command) -> bool:
    return not command.alone.planned and len(_devices_of(command)) > 1


def _devices_of(command: Command) -> list[str]:
    return sorted(one for one in command.alone.targets if one in at_rest().states)


@some
@given(
    commands(of_group), st.sampled_from(["except", "but not", "apart from", "except for", "other than"]), st.data()
)
def test_an_exception_leaves_out_exactly_what_it_names(command: Command, word: str, data: st.DataObject) -> None:
    """All of the group but the exception is changed, and the exception stays as it was."""
    spared = data.draw(st.sampled_from(_devices_of(command)))
    outcome = heard(f"{command.text} {word} the {shipped_parts().home.devices[spared].name}")
    assert not outcome.planned
    assert outcome.world == command.alone.world.with_states({spared: at_rest().states[spared]})


@some
@given(
    st.sampled_from(["turn off all the lights", "turn on all the lights", "turn off the lights upstairs"]),
    st.sampled_from(["except in the {}", "except the {} lights", "but not in the {}", "apart from the {}"]),
    st.sampled_from(["kitchen", "living room", "bedroom", "bathroom", "guest room", "garden"]),
)
def test_an_exception_may_be_a_room(group: str, word: str, room: str) -> None:
    """A room that is left out stays as it was, and all else is changed as without it."""
    area = next(one.id for one in shipped_parts().home.areas.values() if one.name == room)
    spared = {one.id: at_rest().states[one.id] for one in devices() if one.area == area}
    assert heard(f"{group} {word.format(room)}").world == heard(group).world.with_states(spared)


# --- nonsense ---------------------------------------------------------------------------

NONSENSE = ["glorp", "fnord", "wibble", "snarf", "quux", "zork", "flurb"]
KNOWN = ["the kitchen", "corner lamp", "blue", "forty percent", "upstairs", "the radio", "in the study"]
KNOWN += ["ten", "lights"]
JOINED = [" and ", " and then ", " then ", ", "]


@st.composite
def muddles(draw: st.DrawFn) -> str:
    """Nonsense with words of the vocabulary in it, none of them a verb."""
    words = draw(st.lists(st.sampled_from(NONSENSE), min_size=1, max_size=2))
    words += draw(st.lists(st.sampled_from(KNOWN), max_size=2))
    return " ".join(draw(st.permutations(words)))


@some
@given(commands(closed), st.sampled_from(NONSENSE), st.sampled_from(JOINED), st.booleans())
def test_nonsense_beside_a_request_changes_nothing(command: Command, word: str, join: str, before: bool) -> None:
    """The request is done as without it, or held; the nonsense is always reported."""
    outcome = heard(f"{word}{join}{command.text}" if before else f"{command.text}{join}{word}")
    assert held_or(outcome, command.alone)
    assert outcome.reports(word)


@some
@given(commands(closed), muddles(), st.sampled_from([" and ", " and then "]))
def test_a_muddle_beside_a_request_does_nothing_else(command: Command, muddle: str, join: str) -> None:
    """Things and places among nonsense are not acted upon."""
    outcome = heard(f"{command.text}{join}{muddle}")
    assert held_or(outcome, command.alone)
    assert outcome.answered


@some
@given(commands(closed), st.sampled_from(NONSENSE), st.data())
def test_nonsense_inside_a_request_is_told(command: Command, word: str, data: st.DataObject) -> None:
    """A strange word anywhere in a request: it is done as it stands or not at all, and the word is told."""
    words = command.text.split()
    assume(not (_TITLES | {"and", "timer", "music"}) & {*words})  # "the glorp timer" has a name
    at = data.draw(st.integers(0, len(words)))
    outcome = heard(" ".join([*words[:at], word, *words[at:]]))
    assert outcome.idle or outcome.what == command.alone.what
    assert outcome.answered


# --- several ----------------------------------------------------------------------------


@some
@given(commands(plain), commands(imperative), st.sampled_from([" and ", " then ", " and then ", " also ", " "]))
def test_two_requests_are_the_sum_of_both(one: Command, two: Command, join: str) -> None:
    """Joined or not, two requests do what they do one after the other."""
    assume(apart(one, two))
    assert held_or(heard(f"{one.text}{join}{two.text}"), after_both(one, two))


@some
@given(commands(plain), commands(plain))
def test_the_order_of_independent_requests_does_not_matter(one: Command, two: Command) -> None:
    """ "X and Y" and "Y and X" come to the same."""
    assume(apart(one, two))
    assert heard(f"{one.text} and {two.text}").what == heard(f"{two.text} and {one.text}").what


@some
@given(commands(plain))
def test_the_same_said_twice_is_done_once(command: Command) -> None:
    """ "X and X" is X."""
    assert heard(f"{command.text} and {command.text}").what == command.alone.what


# --- corrections ------------------------------------------------------------------------

CORRECT = [
    "no wait",
    "i mean",
    "sorry",
    "actually no",
    "no",
    "or rather",
    "oops i mean",
    "scratch that",
    "no sorry",
]


@some
@given(commands(closed), commands(imperative), st.sampled_from([*CORRECT, "strike that"]))
def test_a_corrected_request_leaves_no_trace(wrong: Command, right: Command, correct: str) -> None:
    """ "X no wait Y" is Y, whatever X was."""
    assume(apart(wrong, right) and len(right.text.split()) > 2)
    assert held_or(heard(f"{wrong.text} {correct} {right.text}"), right.alone)


DEVICE_FRAMES = [
    (("light",), "turn on the {}"),
    (("light",), "turn the {} off"),
    (("light",), "dim the {} to ten percent"),
    (("switch", "fan"), "turn the {} on"),
    (("cover",), "close the {}"),
    (("cover",), "set the {} to forty percent"),
    (("lock",), "lock the {}"),
    (("lock",), "unlock the {}"),
]


@some
@given(st.sampled_from(DEVICE_FRAMES), st.sampled_from(CORRECT), st.booleans(), st.data())
def test_a_corrected_device_leaves_no_trace(
    frame: tuple[Sequence[str], str], correct: str, inside: bool, data: st.DataObject
) -> None:
    """ "Turn on A no wait B" is "turn on B", also with the correction in the middle."""
    domains, template = frame
    names = [one.name for one in devices(*domains)]
    wrong, right = data.draw(st.permutations(names))[:2]
    corrected = f"{wrong} {correct} the {right}"
    text = template.format(corrected) if inside else f"{template.format(wrong)} {correct} the {right}"
    assert heard(text).what == heard(template.format(right)).what


VALUE_FRAMES: list[tuple[str, list[str]]] = [
    ("set the desk lamp to {} percent", ["twenty", "forty", "sixty five"]),
    ("set the heating to {} degrees", ["nineteen", "twenty one", "twenty two"]),
    ("set the volume to {} percent", ["ten", "thirty", "fifty"]),
    ("set a timer for {} minutes", ["ten", "fifteen", "forty"]),
    ("set an alarm for {}", ["eight pm", "nine pm", "half past seven am"]),
    ("turn the garden light {}", ["red", "blue", "green"]),
    ("open the curtains to {} percent", ["twenty", "fifty"]),
    ("turn on the kettle at {}", ["nine pm", "ten pm", "midnight"]),
    ("turn on the ceiling fan in {}", ["five minutes", "half an hour"]),
    ("turn off the lights in the {}", ["kitchen", "study", "bedroom"]),
    ("add {} to the shopping list", ["milk", "eggs", "bread"]),
    ("remind me at {} to call mom", ["nine pm", "ten pm"]),
]


@some
@given(st.sampled_from(VALUE_FRAMES), st.sampled_from(CORRECT), st.booleans(), st.data())
def test_a_corrected_value_leaves_no_trace(
    frame: tuple[str, list[str]], correct: str, inside: bool, data: st.DataObject
) -> None:
    """ "Set X to A no wait B" sets X to B, or asks; A is never set."""
    template, values = frame
    wrong, right = data.draw(st.permutations(values))[:2]
    text = (
        template.format(f"{wrong} {correct} {right}") if inside else f"{template.format(wrong)} {correct} {right}"
    )
    assert held_or(heard(text), heard(template.format(right)))


@some
@given(
    st.sampled_from([("turn on the {}", "turn it off"), ("turn the {} on", "off"), ("turn off the {}", "on")]),
    st.sampled_from([one for one in CORRECT if one != "scratch that"]),
    st.sampled_from(["porch light", "kettle", "fountain", "kitchen fan", "corner lamp"]),
)
def test_a_corrected_verb_leaves_no_trace(frame: tuple[str, str], correct: str, name: str) -> None:
    """ "Turn on X no off" turns X off."""
    wrong, right = frame
    wanted = "off" if right.endswith("off") else "on"
    assert heard(f"{wrong.format(name)} {correct} {right}").what == heard(f"turn {wanted} the {name}").what


@some
@given(
    commands(plain), st.sampled_from(["never mind", "scratch that", "forget it", "cancel that", "no scratch that"])
)
def test_what_is_taken_back_is_not_done(command: Command, words: str) -> None:
    """A request that is taken back in the same breath has no effect."""
    assert heard(f"{command.text} {words}").idle


# --- fillers ----------------------------------------------------------------------------

POLITE = [
    "{} please",
    "please {}",
    "could you {}",
    "could you please {}",
    "okay {}",
    "so {}",
    "{} thanks",
    "{} thank you",
    "just {}",
    "{} for me",
    "{} you know",
    "i'd like you to {}",
    "go ahead and {}",
    "hey computer {}",
    "{} if you could",
]


@some
@given(commands(plain), st.sampled_from(POLITE))
def test_politeness_changes_nothing(command: Command, polite: str) -> None:
    """Asked nicely, the same is done."""
    assume(not (polite.startswith("just") and command.text.startswith("skip")))  # "just skip the tv" spares it
    assert heard(polite.format(command.text)).what == command.alone.what


@some
@given(commands(closed), st.sampled_from(["um", "uh", "er", "hmm"]), st.data())
def test_hesitations_change_nothing(command: Command, sound: str, data: st.DataObject) -> None:
    """A sound of thinking may stand anywhere in a request."""
    words = command.text.split()
    at = data.draw(st.integers(0, len(words)))
    assert heard(" ".join([*words[:at], sound, *words[at:]])).what == command.alone.what


@some
@given(commands(plain), st.sampled_from(["you know", "please", "okay", "well", "let me see"]), st.data())
def test_fillers_inside_change_nothing(command: Command, filler: str, data: st.DataObject) -> None:
    """A filler before "the" or "my" changes nothing, or holds the request; it never leads elsewhere."""
    words = command.text.split()
    places = [at for at, word in enumerate(words) if at and word in ("the", "my")]
    assume(places and words[0] not in _TITLES)
    at = data.draw(st.sampled_from(places))
    assert held_or(heard(" ".join([*words[:at], filler, *words[at:]])), command.alone)


@some
@given(commands(closed), st.data())
def test_a_doubled_word_changes_nothing(command: Command, data: st.DataObject) -> None:
    """A stuttered word counts once; numbers and words that may be meant twice are left out."""
    words = command.text.split()
    single = [at for at, word in enumerate(words) if word.isalpha() and not _may_double(word)]
    assume(single)
    at = data.draw(st.sampled_from(single))
    assert heard(" ".join([*words[: at + 1], *words[at:]])).what == command.alone.what


def _may_double(word: str) -> bool:
    grammar = shipped_parts().grammar
    return word in grammar.words["doubled"] or bool(grammar.numbers.spans([word])[0])


@some
@given(commands(closed), st.sampled_from([str.upper, str.capitalize, "{}.".format, "  {}  ".format, "{}!".format]))
def test_writing_changes_nothing(command: Command, write: Callable[[str], str]) -> None:
    """Capitals, full stops and spaces mean nothing."""
    assert heard(write(command.text)).what == command.alone.what


# --- when and if ------------------------------------------------------------------------

LATER = ["{} at ten pm", "{} in five minutes", "in five minutes {}", "tomorrow morning {}", "{} tomorrow at noon"]
LATER += ["{} every day at nine", "{} when it rains", "as soon as the front door opens {}", "{} an hour from now"]


def changes_devices(command: Command) -> bool:
    return closed(command) and not command.alone.planned and not command.alone.targets & _CLOCKS


@some
@given(commands(changes_devices), st.sampled_from(LATER))
def test_what_is_for_later_does_not_happen_now(command: Command, later: str) -> None:
    """With a time or an event nothing happens now: it is planned, or the user is told."""
    outcome = heard(later.format(command.text))
    assert not outcome.done
    assert outcome.planned or outcome.answered


UNKNOWABLE = ["if my sister is in a good mood", "when the moon is blue", "unless grandma is asleep"]
UNKNOWABLE += ["once the film is over", "if nobody is home", "only if you feel like it", "when i get back"]


@some
@given(commands(closed), st.sampled_from(UNKNOWABLE), st.booleans())
def test_what_cannot_be_known_is_not_promised(command: Command, condition: str, before: bool) -> None:
    """A condition that the home cannot know: nothing is done or planned, and the user is told."""
    outcome = heard(f"{condition} {command.text}" if before else f"{command.text} {condition}")
    assert outcome.idle
    assert outcome.answered


# --- undo and quotation -----------------------------------------------------------------


@some
@given(commands(lambda one: not one.alone.planned), st.sampled_from(["undo", "undo that", "take that back"]))
def test_undo_brings_back_what_was(command: Command, undo: str) -> None:
    """After any request and an undo the home stands as before, or the user is told why not."""
    outcome = heard(command.text, undo)
    assert outcome.world == at_rest() or outcome.told


QUOTED = ["remind me to {} at nine pm", "remind me at nine pm to {}", "announce that you should {}"]
QUOTED += ["tell everyone to {}", "remind me to {}", "set a reminder to {} tomorrow at noon"]


@some
@given(commands(plain), st.sampled_from(QUOTED))
def test_what_is_quoted_is_not_done(command: Command, quoted: str) -> None:
    """A request inside a reminder or a message is text."""
    outcome = heard(quoted.format(command.text))
    assert outcome.targets <= {"reminder", "announcement"}
    assert outcome.world.states == at_rest().states


# --- the sample itself ------------------------------------------------------------------


def test_the_sample_is_broad() -> None:
    """The properties speak of most intents that do something, of groups and of single things."""
    assert len(pool()) > 35
    everything = [one for row in pool().values() for one in row]
    assert sum(of_group(one) for one in everything) > 5
    assert sum(plain(one) for one in everything) > 80


def test_outcomes_can_differ() -> None:
    """What is compared is not always the same: another device, value or time is another outcome."""
    texts = [
        "turn on the kettle",
        "turn on the fountain",
        "turn on the kettle at ten",
        "set a timer for ten minutes",
    ]
    assert len({json.dumps([sorted(one.done), sorted(one.planned)]) for one in map(heard, texts)}) == len(texts)
