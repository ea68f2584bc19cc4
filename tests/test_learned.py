"""The learned reader on small example files: what it reads, what it leaves alone, and what it never decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from judge import NOW

from dialogue.assistant import Assistant
from dialogue.config import Configuration, Parts, load_parts, make_assistant, with_fresh_home
from dialogue.context import ContextState
from dialogue.learned.examples import Lessons
from dialogue.learned.features import sentence_of
from dialogue.learned.sampling import Joiner, negatives
from dialogue.learned.training import Course, train
from dialogue.scheduler import StandingClock
from dialogue.types import Hypothesis, Request, Transcript, Turn, Utterance

TITLES = ("blue velvet", "purple rain", "thunder road", "yesterday", "hey jude", "waterloo", "imagine", "hurt")
MUSIC = ("play [{}](song)", "put on [{}](song)", "i want to hear [{}](song)", "play the song [{}](song)")
DRINKS = ("latte", "espresso", "cappuccino", "flat white", "mocha", "cortado", "macchiato", "americano")
COFFEE = ("brew me a [{}](drink)", "make a [{}](drink)", "i would like a [{}](drink)", "brew a [{}](drink)")
UNBOLT = '[{}]{{{{"entity": "state", "value": "unlocked"}}}}'
DOORS = tuple(f"{UNBOLT.format(verb)} the [{{}}](name)" for verb in ("unbolt", "unlatch", "unbar"))


def entry(intent: str, forms: Sequence[str], values: Sequence[str]) -> str:
    lines = "".join(f"    - {form.format(value)}\n" for form in forms for value in values)
    return f"- intent: {intent}\n  examples: |\n{lines}"


NLU = (
    'version: "3.1"\nnlu:\n'
    + entry("PlaySong", MUSIC, TITLES)
    + entry("BrewCoffee", COFFEE, DRINKS)
    + "- synonym: flat white\n  examples: |\n    - flattie\n    - flat whitey\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grammar folder with examples, and one template of its own."""
    made = tmp_path_factory.mktemp("grammar")
    (made / "nlu.yml").write_text(NLU, encoding="utf-8")
    template = '{sentences: ["start the {machine}"]}'
    listed = "{machine: {values: [dishwasher, washing machine]}}"
    text = f"language: en\nintents:\n  RunMachine:\n    data: [{template}]\nlists: {listed}\n"
    (made / "machines.yaml").write_text(text, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def taught(folder: Path) -> Parts:
    return load_parts(Configuration(grammars=(folder,)))


def heard(parts: Parts, text: str) -> Utterance:
    return parts.splitter.split((Hypothesis(text),), ContextState())


def shapes(utterance: Utterance) -> list[tuple[str, dict[str, object]]]:
    return [(one.intent, {entity.name: entity.value for entity in one.entities}) for one in utterance.requests]


def only(utterance: Utterance) -> Request:
    (request,) = utterance.requests
    return request


def test_new_values_are_read(taught: Parts) -> None:
    """A title that no example holds is read by where it stands, and the reader says how sure it is."""
    request = only(heard(taught, "play midnight train"))
    assert (request.intent, request.reading.get("song")) == ("PlaySong", "midnight train")
    assert request.source == "learned"
    assert 0.0 < request.confidence < 1.0


@pytest.mark.parametrize("joint", [" and ", " and then ", ", ", " "])
def test_joined_requests(taught: Parts, joint: str) -> None:
    """Two requests are two, whatever joins them; the examples hold none that are joined."""
    read = shapes(heard(taught, f"brew me a mocha{joint}play thunder road"))
    assert read == [("BrewCoffee", {"drink": "mocha"}), ("PlaySong", {"song": "thunder road"})]


def test_then_orders(taught: Parts) -> None:
    """The operators still come from the grammar."""
    utterance = heard(taught, "brew me a mocha and then play thunder road")
    assert utterance.requests[1].after == (0,)


@pytest.mark.parametrize("words", ["don't", "please don't", "never"])
def test_negation_binds(taught: Parts, words: str) -> None:
    """What is said not to be done is negated, though no example has a negation."""
    assert [one.negated for one in heard(taught, f"{words} play purple rain").requests] == [True]


def test_times_bind(taught: Parts) -> None:
    """A time that no example has in a slot qualifies the request."""
    request = only(heard(taught, "brew me a latte in ten minutes"))
    assert request.reading.get("drink") == "latte"
    assert [when.text for when in request.when] == ["in ten minutes"]


def test_synonyms_map_values(taught: Parts) -> None:
    """The value is as meant, the text as said."""
    (entity,) = only(heard(taught, "brew me a flattie")).entities
    assert (entity.value, entity.text) == ("flat white", "flattie")


def test_the_grammar_reading_stands(taught: Parts) -> None:
    """What a template reads is read by the template, with certainty."""
    request = only(heard(taught, "start the dishwasher"))
    assert (request.intent, request.source, request.confidence) == ("RunMachine", "grammar", 1.0)


def test_templates_teach(taught: Parts) -> None:
    """Words near a template's are read by likeness to it."""
    assert [one.source for one in heard(taught, "start the dishwasher and play hurt").requests] == [
        "grammar",
        "learned",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "what is the capital of france",
        "how tall is mount everest",
        "send my regards to uncle robert",
        "water flows downhill",
        "flibber the wug",
        "is it safe to eat raw fish",
        "transfer money to savings",
        "who won yesterday's match",
    ],
)
def test_out_of_scope(taught: Parts, text: str) -> None:
    """Words that are none of it give no request, and are reported."""
    utterance = heard(taught, text)
    assert utterance.requests == ()
    assert utterance.unexplained


def test_nonsense_beside_a_request(taught: Parts) -> None:
    """A request beside nonsense is read, and the nonsense is reported."""
    utterance = heard(taught, "play waterloo and flibber the wug")
    assert shapes(utterance) == [("PlaySong", {"song": "waterloo"})]
    assert utterance.unexplained == ("flibber the wug",)


# --- training ---------------------------------------------------------------------------


def test_the_same_examples_give_the_same_model() -> None:
    """Training is reproducible to the byte."""
    from dialogue.learned.examples import add_nlu

    lessons = Lessons()
    lines = [f"- {form.format(value)}" for form in MUSIC for value in TITLES]
    add_nlu(lessons, [{"intent": "PlaySong", "examples": "\n".join(lines)}], "nlu.yml")
    sentences = [sentence_of(one) for one in lessons.examples]
    course = Course(lessons, {"and": [("and",)], "then": [("then",)]}, frozenset({"the", "a"}))
    assert train(sentences, course) == train(sentences, course)


def test_the_model_is_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second load reads the cache; other examples make another model."""
    from dialogue.learned import reader

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[int] = []
    real = reader.train
    monkeypatch.setattr(reader, "train", lambda *given: made.append(1) or real(*given))
    for _ in range(2):
        load_parts(Configuration(grammars=(folder,)))
    assert len(made) == 1
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "nlu.yml").write_text(NLU + entry("Stop", ["stop the [{}](song)"], TITLES))
    load_parts(Configuration(grammars=(tmp_path / "more",)))
    assert len(made) == 2


def test_no_examples_no_reader(tmp_path: Path) -> None:
    """A folder of templates alone loads no learned reader, and the shipped grammar none either."""
    import subprocess
    import sys

    code = (
        "import sys; from dialogue.config import Configuration, load_parts; load_parts(Configuration());"
        "sys.exit('pycrfsuite' in sys.modules or 'dialogue.learned.reader' in sys.modules)"
    )
    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60).returncode == 0


def test_joins_label_every_word() -> None:
    """Synthetic joins have as many labels as words, and begin as often as there are requests."""
    from random import Random

    from dialogue.learned.features import Sentence

    sentences = [Sentence("A", ("play", "it"), (False, False)), Sentence("B", ("stop",), (False,))]
    rows = list(Joiner({"and": [("and",)], "then": []}, Random(1)).rows(sentences, 20))
    assert sum(row.labels.count("B") for row in rows) == 40
    assert all(len(row.words) == len(row.labels) == len(row.pauses) for row in rows)
    assert all(negatives(sentences, frozenset({"it"}), 30, Random(1)))


# --- risky steps ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def risky_parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """Examples for an intent that unlocks doors, which this home marks as risky."""
    made = tmp_path_factory.mktemp("risky")
    doors = ("front door", "side door", "patio door", "cellar door", "attic door", "back door")
    nlu = 'version: "3.1"\nnlu:\n' + entry("SetState", DOORS, doors) + entry("PlaySong", MUSIC, TITLES)
    (made / "nlu.yml").write_text(nlu, encoding="utf-8")
    answers = "language: en\nanswers:\n  Affirm: [yes please, 'yes']\n  Deny: ['no', no thanks]\n"
    (made / "answers.yaml").write_text(answers, encoding="utf-8")
    return load_parts(Configuration(grammars=(made,)))


def speaking(parts: Parts) -> Assistant:
    clock = StandingClock(datetime.fromisoformat(NOW))
    mine = with_fresh_home(parts)
    return make_assistant(mine.configuration, clock=clock, parts=mine)


def say(assistant: Assistant, text: str) -> Turn:
    return assistant.hear(Transcript((Hypothesis(text),)))


def test_a_risky_step_is_confirmed(risky_parts: Parts) -> None:
    """What only the learned reader proposes does not unlock a door before somebody says yes."""
    assistant = speaking(risky_parts)
    turn = say(assistant, "unbolt the front door")
    assert turn.effects == ()
    assert [step.status for step in turn.plan.steps] == ["confirming"]
    assert turn.asked is not None
    assert [effect.target for effect in say(assistant, "yes").effects] == ["lock.front_door"]


def test_a_risky_step_may_be_refused(risky_parts: Parts) -> None:
    """After a no nothing happens, and nothing waits."""
    assistant = speaking(risky_parts)
    say(assistant, "unbolt the front door")
    assert say(assistant, "no").effects == ()
    assert say(assistant, "yes").effects == ()
