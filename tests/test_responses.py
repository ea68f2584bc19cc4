"""What is said: every sentence that actions use is there, values sound natural, turns are summed up."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from small_home import small_home, written

from dialogue.errors import GrammarError
from dialogue.home import SimulatedHome, load_home
from dialogue.responses import WAYS, Responses, load_responses
from dialogue.types import Condition, Effect, Moment, NotDone, Question, Schedule, Step

NOW = datetime(2026, 3, 2, 18)
ROOT = Path(__file__).parents[1]
ENGLISH = ROOT / "grammars" / "en" / "responses.yaml"


@pytest.fixture(scope="module")
def responses() -> Responses:
    return load_responses(ENGLISH)


@pytest.fixture
def home(tmp_path: Path) -> SimulatedHome:
    return small_home(tmp_path)


# --- the file


def test_every_sentence_the_program_names_is_there(responses: Responses) -> None:
    """Each utter_... and reason_... in the sources exists in English."""
    sources = [path.read_text() for path in (ROOT / "dialogue").rglob("*.py")]
    named = {name for text in sources for name in re.findall(r'"((?:utter|reason)_[a-z_]+[a-z])"', text)}
    assert len(named) > 30
    missing = [
        name for name in named if not responses.has("reasons" if name.startswith("reason") else "responses", name)
    ]
    assert missing == []


def test_no_sentence_stands_idle(responses: Responses) -> None:
    """Each reason and response in English is named in the sources, in whole or by the end of its name."""
    sources = "\n".join(path.read_text() for path in (ROOT / "dialogue").rglob("*.py"))
    lines = ENGLISH.read_text().splitlines()
    names = [found[1] for line in lines if (found := re.match(r"  (utter_\w+|reason_\w+):", line))]
    made = re.compile(
        r"^(utter_timer_(left|paused)|reason_no_(timer|alarm|reminder|brightness|color)|utter_\w+_empty)"
    )
    idle = [
        name
        for name in names
        if name not in sources and not made.match(name) and f'"{name.partition("_")[2]}"' not in sources
    ]
    assert idle == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("utter_time: ", "utter_time: {other: }\n  utter_x: "), None),
        (("{now:clock}", "{now:sundial}"), r":\d+: 'sundial' is no way to say a value. Allowed: plain, and"),
        (("{now:clock}", "{now:clock"), r":\d+: .*brace"),
        (("summary:\n", "summery:\n"), r":\d+: 'summery' is not known. Allowed: language, responses"),
        (('  tomorrow: "{clock} tomorrow"\n', ""), "words: tomorrow missing"),
        (("language: en", "language: [en"), r":\d+: This is not YAML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(
    tmp_path: Path, change: tuple[str, str], problem: str | None
) -> None:
    """A way that does not exist, a brace left open, a section or a word missing."""
    path = tmp_path / "responses.yaml"
    assert change[0] in ENGLISH.read_text()
    path.write_text(ENGLISH.read_text().replace(*change, 1))
    if problem is None:
        assert load_responses(path).language == "en"
        return
    with pytest.raises(GrammarError, match=problem):
        load_responses(path)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """Missing, empty and not UTF-8."""
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "latin.yaml").write_bytes(b"language: caf\xe9")
    for name, problem in (("no", "cannot be read"), ("empty", "must have the sections"), ("latin", "UTF-8")):
        with pytest.raises(GrammarError, match=problem):
            load_responses(tmp_path / f"{name}.yaml")


def test_a_sentence_or_slot_that_is_missing_is_named(responses: Responses) -> None:
    """The message holds the file and the line of the sentence."""
    with pytest.raises(GrammarError, match=r"responses\.yaml: responses: utter_nothing is missing"):
        responses.render("utter_nothing")
    with pytest.raises(GrammarError, match=r"responses\.yaml:\d+: utter_time: The slot \{now\} is not given"):
        responses.render("utter_time", later="x")


# --- values


@pytest.mark.parametrize(
    ("way", "value", "said"),
    [
        ("", 21.0, "21"),
        ("", 18.5, "18.5"),
        ("", None, ""),
        ("", ["a", "b", "c"], "a, b and c"),
        ("plain", "heat_cool", "heat cool"),
        ("or", ["a", "b"], "a or b"),
        ("comma", ["a", "b"], "a, b"),
        ("the", ["lamp", "gate"], "the lamp and the gate"),
        ("the_or", ["lamp", "gate"], "the lamp or the gate"),
        ("quote", "milk", "“milk”"),
        ("sentences", ["One.", "Two."], "One. Two."),
        ("duration", 600, "10 minutes"),
        ("duration", 5400, "1 hour and 30 minutes"),
        ("duration", 1, "1 second"),
        ("duration", 90061, "1 day, 1 hour, 1 minute and 1 second"),
        ("duration", 0, "0 seconds"),
        ("clock", "2026-03-02T00:05:00", "12:05 am"),
        ("clock", "2026-03-02T12:00:00", "12 pm"),
        ("date", "2026-03-02T12:00:00", "Monday, March 2"),
        ("moment", "2026-03-02T22:00:00", "10 pm"),
        ("moment", "2026-03-03T06:30:00", "6:30 am tomorrow"),
        ("moment", "2026-03-07T07:00:00", "7 am on Saturday"),
        ("moment", "2026-04-01T07:00:00", "7 am on April 1"),
        ("event", {"text": "when it rains"}, "when it rains"),
        ("event", {"text": "it rains"}, "when it rains"),
        ("event", {"target": "binary_sensor.front_door", "value": "on"}, "when front door is on"),
        ("attribute", "current_temperature", "temperature"),
        ("attribute", "fan_mode", "fan mode"),
    ],
)
def test_values_are_said_as_people_say_them(responses: Responses, way: str, value: Any, said: str) -> None:
    """Numbers without a needless point, times as seen from now, lists with an and."""
    assert WAYS[way](responses, value, {"now": NOW.isoformat()}) == said


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        ({"domain": "light", "attribute": "state", "value": "on"}, "on"),
        ({"domain": "light", "attribute": "brightness", "value": 40}, "at 40 percent"),
        ({"domain": "cover", "attribute": "position", "value": 0}, "closed"),
        ({"domain": "cover", "attribute": "position", "value": 30}, "30 percent open"),
        ({"domain": "binary_sensor", "device_class": "door", "attribute": "state", "value": "on"}, "open"),
        ({"domain": "binary_sensor", "device_class": "odd", "attribute": "state", "value": "on"}, "on"),
        ({"domain": "climate", "attribute": "state", "value": "heat"}, "heating"),
        ({"domain": "sensor", "attribute": "value", "value": 4, "unit": "°C"}, "4 °C"),
        ({"domain": "humidifier", "attribute": "target_humidity", "value": 40}, "at target humidity 40"),
    ],
)
def test_what_a_device_is(responses: Responses, slots: dict[str, Any], said: str) -> None:
    """The most particular phrase is taken: by class, by domain, by attribute, else in general."""
    assert WAYS["predicate"](responses, slots["value"], slots) == said


def test_one_thing_and_several(responses: Responses) -> None:
    """One device is, several are, and so is a single one whose name is a plural."""
    slots: dict[str, Any] = {"domain": "light", "attribute": "state", "value": "on"}
    said = [
        responses.render("utter_state", names=names, **slots) for names in (["lamp"], ["lamp", "spot"], ["blinds"])
    ]
    assert said == ["The lamp is on.", "The lamp and the spot are on.", "The blinds are on."]


# --- a whole turn


def effects(*changes: tuple[str, dict[str, Any]]) -> list[list[Effect]]:
    return [[Effect(target, change)] for target, change in changes]


SPOT, SHELF, LAMP = "light.spot", "light.shelf", "light.lamp"
SUMMARIES = [
    (
        [(SPOT, {"state": "off"}), (SHELF, {"state": "off"}), ("lock.gate", {"state": "locked"})],
        "Kitchen lights off, gate locked.",
    ),
    ([(SPOT, {"state": "off"}), (SHELF, {"state": "off"}), (LAMP, {"state": "off"})], "All lights off."),
    ([(SPOT, {"state": "on"}), (LAMP, {"state": "on"})], "Spot light and lamp on."),
    ([(LAMP, {"state": "on"}), (LAMP, {"color": "blue", "brightness": 40})], "Lamp blue and at 40 percent."),
    ([(SPOT, {"brightness": 10}), (SPOT, {"brightness": 30})], "Spot light at 30 percent."),
    ([("cover.shutter", {"position": 0})], "Shutter closed."),
    ([("climate.stove", {"temperature": 21.0})], "Stove at 21 degrees."),
    ([("media_player.radio", {"media": "jazz", "state": "playing"})], "Radio playing jazz."),
    (
        [("timer", {"started": 600, "name": "pasta", "id": "timer.1"}), ("timer", {"started": 90})],
        "Pasta timer set for 10 minutes, timer set for 1 minute and 30 seconds.",
    ),
    (
        [("timer", {"cancelled": "pasta", "id": "timer.1"}), ("timer", {"cancelled": 600})],
        "Pasta timer canceled, timer for 10 minutes canceled.",
    ),
    ([("alarm", {"set": "2026-03-03T06:30:00"})], "Alarm set for 6:30 am tomorrow."),
    ([("reminder", {"set": "call mom", "at": "2026-03-02T21:00:00"})], "Reminder “call mom” set for 9 pm."),
    (
        [("reminder", {"set": "shut the roof", "on": {"text": "it rains"}})],
        "Reminder “shut the roof” set for when it rains.",
    ),
    (
        [("list.shopping", {"added": "milk"}), ("list.shopping", {"added": "eggs"})],
        "Milk and eggs added to the shopping list.",
    ),
    (
        [("schedule", {"cancelled": LAMP}), ("schedule", {"cancelled": "vacuum.dusty"})],
        "Lamp and dusty no longer planned.",
    ),
    ([("announcement", {"said": "dinner"})], "Announced “dinner”."),
    ([("announcement", {"said": "stretch", "id": "reminder.1"})], "Reminder: stretch."),
    ([("query", {"answered": "time"})], ""),
    ([], ""),
]


@pytest.mark.parametrize(("changes", "said"), SUMMARIES)
def test_what_was_done_is_told_in_one_sentence(
    responses: Responses, home: SimulatedHome, changes: list[tuple[str, dict[str, Any]]], said: str
) -> None:
    """Devices that came to the same are named together, by their place where all there are meant."""
    assert responses.summary(home, effects(*changes), now=NOW) == said


def planned(text: str, schedule: Schedule, **slots: Any) -> Step:
    return Step("1", "action_change_devices", slots, text, status="scheduled", schedule=schedule)


def test_a_turn_with_everything_in_it(responses: Responses, home: SimulatedHome) -> None:
    """Answers, done, planned, not done and the question, in this order and without repetition."""
    at_ten = Schedule(at=datetime(2026, 3, 2, 22))
    steps = [
        planned("spot off at ten", at_ten, targets=[SPOT], change={"state": "off"}),
        planned("shelf off at ten", at_ten, targets=[SHELF], change={"state": "off"}),
        planned(
            "x",
            Schedule(on=Condition("binary_sensor.rain", text="it rains")),
            targets=["cover.shutter"],
            change={"position": 0},
        ),
        planned("start dusty", Schedule(every=Moment(repeat="day", text="every day"))),
        planned("y", Schedule(at=datetime(2026, 3, 3, 7)), target="media_player.radio", media="the news"),
        planned("z", Schedule(at=datetime(2026, 3, 3, 8)), changes=[{"target": LAMP, "before": {"state": "off"}}]),
    ]
    said = responses.summary(
        home,
        effects((LAMP, {"state": "on"})),
        now=NOW,
        scheduled=steps,
        question=Question("2", "targets", "Which fan?"),
        not_done=[
            NotDone("order a pizza", "I cannot do that."),
            NotDone("sing", "I cannot do that"),
            NotDone("x", ""),
        ],
        answers=["It is 6 pm."],
    )
    assert said == (
        "It is 6 pm. Lamp on. Planned: kitchen lights off at 10 pm, shutter closed when it rains, "
        "start dusty every day, radio playing the news at 7 am tomorrow, lamp off at 8 am tomorrow. "
        "I did not do “order a pizza” or “sing”: I cannot do that. I did not do “x”. Which fan?"
    )


def test_floors_and_areas_are_named_where_all_lights_of_them_are_meant(
    responses: Responses, tmp_path: Path
) -> None:
    """All lights but one of the upper floor: the other floor by its name, the rest by room or name."""
    rooms = {"hall": "low", "cellar": "low", "loft": "high", "bath": "high"}
    text = "floors: {low: {name: downstairs}, high: {name: upstairs}}\nareas:\n"
    text += "".join(f"  {room}: {{name: {room}, floor: {floor}}}\n" for room, floor in rooms.items())
    text += "devices:\n" + "".join(
        f"  light.{room}{n}: {{name: {room} light {n}, area: {room}}}\n" for room in rooms for n in (1, 2)
    )
    home = load_home(written(tmp_path, text))
    lights = [light for light in home.devices if light != "light.bath2"]
    said = responses.summary(home, [[Effect(light, {"state": "off"}) for light in lights]], now=NOW)
    assert said == "Downstairs lights, loft lights and bath light 1 off."
