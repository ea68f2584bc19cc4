"""The simulated home: what a file makes of it, how effects change it, what time brings about."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from small_home import SMALL_HOME, small_home, written

from dialogue.errors import HomeError
from dialogue.events import EffectHappened
from dialogue.home import Done, SimulatedHome, load_home
from dialogue.interfaces import Home
from dialogue.types import Effect

NOW = datetime(2026, 3, 2, 18)
SHIPPED = Path(__file__).parents[1] / "grammars" / "home.yaml"


@pytest.fixture
def home(tmp_path: Path) -> SimulatedHome:
    return small_home(tmp_path)


def everything(home: SimulatedHome) -> dict[str, Any]:
    """All that can be seen of a home, to compare two of them."""
    states = {device: dict(home.state(device)) for device in home.devices}
    clocks = [home.clockworks(kind) for kind in ("timer", "alarm", "reminder")]
    return {"states": states, "lists": dict(home.lists), "clocks": clocks}


# --- the file


def test_reads_what_the_file_describes(home: SimulatedHome) -> None:
    """Devices, areas, floors and lists are there with their names, places and features."""
    fitting: Home = home
    lamp = fitting.devices["light.lamp"]
    assert (lamp.name, lamp.domain, lamp.area, lamp.features) == ("lamp", "light", "den", ("dim", "color"))
    assert fitting.areas["den"].aliases == ("snug",)
    assert fitting.areas["den"].floor == "ground"
    assert fitting.lists["list.shopping"].items == ("bread", "butter")
    assert fitting.devices["lock.gate"].risky
    assert (fitting.devices["climate.stove"].minimum, fitting.devices["climate.stove"].maximum) == (5, 30)


def test_unquoted_on_and_off_keep_their_meaning(home: SimulatedHome) -> None:
    """YAML's on, off and no are words here, and numbers are numbers."""
    assert home.state("light.spot") == {"state": "on", "brightness": 80}
    assert home.state("light.shelf") == {"state": "off"}
    assert home.state("media_player.radio")["muted"] == "no"
    assert home.state("media_player.radio")["media"] is None


@pytest.mark.parametrize("name", ["effects", "home_assistant"])
def test_reads_the_benchmark_homes(name: str, bench: Path) -> None:
    """Both homes of the benchmarks load, with every device in the state the file gives."""
    home = load_home(bench / name / "home.yaml")
    assert len(home.devices) > 20
    door = home.state("lock.back_door")["state"]
    assert door == "unlocked"


def test_the_shipped_home_loads() -> None:
    """The demonstration home is a valid home file."""
    if not SHIPPED.exists():
        pytest.skip("grammars/home.yaml is not there")
    assert load_home(SHIPPED).devices


def test_another_maker_s_spelling_is_understood(tmp_path: Path) -> None:
    """Home Assistant's attribute names and open/closed covers read as ours; to-do devices are lists."""
    text = """
devices:
  media_player.tv: {name: TV, state: {state: idle, volume_level: '50'}}
  cover.left: {name: Left, state: {state: open}}
  light.plain: {name: Plain, state: {state: 'on'}}
  todo.chores: {name: Chores, state: {state: ''}}
"""
    home = load_home(written(tmp_path, text))
    assert home.state("media_player.tv")["volume"] == 50
    assert home.state("cover.left") == {"position": 100, "state": "open"}
    assert home.devices["light.plain"].features == ("dim", "color")
    assert home.lists["todo.chores"].name == "Chores"


def test_clockworks_of_the_file_run(tmp_path: Path) -> None:
    """Timers, alarms and reminders may be set in the file."""
    text = SMALL_HOME.replace("timers: []", "timers: [{seconds: 600, due: '2026-03-02T18:10:00', name: egg}]")
    text += "alarms: [{at: '2026-03-03T07:00:00', repeat: day}]\n"
    text += "reminders: [{text: call mom, at: '2026-03-04T09:00'}]\n"
    home = load_home(written(tmp_path, text))
    assert home.clockworks("timer")[0].name == "egg"
    assert home.clockworks("alarm")[0].repeat == "day"
    assert home.clockworks("reminder")[0].name == "call mom"
    assert home.next_due() == datetime(2026, 3, 2, 18, 10)


MISTAKES = [
    (
        "devices:\n  light.x: {name: x, area: kichen}\nareas:\n  kitchen: {name: kitchen}\n",
        ":2: devices.light.x.area: There is no area 'kichen'. Did you mean 'kitchen'?",
        "Allowed: kitchen",
    ),
    (
        "areas:\n  den: {name: den, floor: attic}\n",
        ":2: areas.den.floor: There is no floor 'attic'",
        "floors:",
    ),
    (
        "devices:\n  light.x: {name: x}\n  light.x: {name: y}\n",
        ":3: devices.light.x: It is already on line 2",
        "another id",
    ),
    (
        "devices:\n  light.x: {name: x, aera: den}\n",
        ":2: devices.light.x.aera: This key is not known here",
        "area, features",
    ),
    (
        "devices:\n  light.x: {area: den}\nareas: {den: {name: den}}\n",
        "devices.light.x.name: It is missing",
        "Add `name",
    ),
    ("devices:\n  light.x:\n", "devices.light.x: This must be a mapping", "{name:"),
    ("devices:\n  lamp: {name: x}\n", "devices.lamp: Its kind is not known", "domain: light"),
    ("rooms: {}\n", ":1: rooms: This key is not known here", "floors, areas, devices"),
    ("devices:\n  light.x: {name: x, min: cold}\n", "devices.light.x.min", "number"),
    ("areas:\n  den: {name: den\ndevices: {}\n", "This is not YAML", "Mend"),
    ("- a\n- b\n", ":1: A home file is a mapping", "grammars/home.yaml"),
    ("", "The file is empty", "grammars/home.yaml"),
    ("alarms: [{at: '2026-03-03T07:00', repeat: hourly}]\n", "alarms.0.repeat", "Allowed: hour, day"),
    (
        "lists: {light.x: {name: l}}\ndevices: {light.x: {name: x}}\n",
        "lists.light.x: A device has the same id",
        "another id",
    ),
]


@pytest.mark.parametrize(("text", "problem", "mending"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_how_to_mend_it(
    tmp_path: Path, text: str, problem: str, mending: str
) -> None:
    """Every mistake in a home file says where it is and what to write instead."""
    path = written(tmp_path, text)
    with pytest.raises(HomeError) as caught:
        load_home(path)
    assert str(caught.value).startswith(str(path))
    assert problem in str(caught.value)
    assert mending in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A missing file, a folder and a text that is not UTF-8 are errors of the home, not tracebacks."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("areas:\n  cafe: {name: café}\n".encode("latin-1"))
    for path, words in (
        (tmp_path / "no.yaml", "no such file"),
        (tmp_path, "cannot be read"),
        (latin, ":2: "),
    ):
        with pytest.raises(HomeError, match=words):
            load_home(path)


# --- effects

BY_PRODUCTS = [
    ("light.lamp", {"brightness": 40}, {"brightness": 40, "state": "on"}, {"brightness": 0, "state": "off"}),
    (
        "light.lamp",
        {"color": "red"},
        {"color": "red", "state": "on", "brightness": 100},
        {"color": "white", "state": "off", "brightness": 0},
    ),
    ("light.spot", {"brightness": 0}, {"brightness": 0, "state": "off"}, {"brightness": 80, "state": "on"}),
    ("light.spot", {"state": "off"}, {"state": "off", "brightness": 0}, {"state": "on", "brightness": 80}),
    ("light.lamp", {"state": "on"}, {"state": "on", "brightness": 100}, {"state": "off", "brightness": 0}),
    ("light.spot", {"brightness": 10}, {"brightness": 10, "state": "on"}, {"brightness": 80}),
    ("fan.hood", {"state": "on"}, {"state": "on", "speed": 100}, {"state": "off", "speed": 0}),
    ("fan.hood", {"speed": 30}, {"state": "on", "speed": 30}, {"speed": 0, "state": "off"}),
    (
        "media_player.radio",
        {"media": "jazz"},
        {"media": "jazz", "state": "playing"},
        {"media": None, "state": "stopped"},
    ),
    ("cover.shutter", {"position": 0}, {"position": 0, "state": "closed"}, {"position": 100}),
    ("vacuum.dusty", {"area": "den"}, {"state": "cleaning"}, {"state": "docked"}),
    ("media_player.radio", {"track": "next"}, {"state": "stopped"}, {"track": "previous"}),
]


@pytest.mark.parametrize(("target", "change", "after", "before"), BY_PRODUCTS)
def test_a_change_has_its_consequences_and_notes_what_was_before(
    home: SimulatedHome, target: str, change: dict[str, Any], after: dict[str, Any], before: dict[str, Any]
) -> None:
    """Dimming switches on, playing plays, off is level 0; ``before`` holds exactly what must go back."""
    assert home.before(target, change) == before
    home.apply(Effect(target, change))
    assert {name: home.state(target).get(name) for name in after} == after


def test_unmuted_by_a_new_volume(home: SimulatedHome) -> None:
    """A player that is muted is heard again when its volume is set."""
    home.apply(Effect("media_player.radio", {"muted": "yes"}))
    home.apply(Effect("media_player.radio", {"volume": 20}))
    assert home.state("media_player.radio")["muted"] == "no"


def test_an_unknown_device_is_named(home: SimulatedHome) -> None:
    """Asking for a device that is not there is an error that names it."""
    with pytest.raises(HomeError, match=r"light\.attic"):
        home.state("light.attic")


def test_effects_it_does_not_know_are_passed_over(home: SimulatedHome) -> None:
    """A journal may speak of devices that have been removed since."""
    before = everything(home)
    home.apply(Effect("light.attic", {"state": "on"}))
    home.apply(Effect("query", {"answered": "time"}))
    home.apply(Effect("timer", {"started": 60}))
    assert everything(home) == before


def test_replaying_the_effects_gives_the_same_home(tmp_path: Path) -> None:
    """A home rebuilt from the journal stands as the first one did, and knows which steps are done."""
    first, again = small_home(tmp_path), small_home(tmp_path)
    effects = [
        Effect("light.lamp", {"color": "red"}),
        Effect("list.shopping", {"added": "milk"}, {"present": False}),
        Effect("list.shopping", {"removed": "bread"}, {"present": True, "place": 0}),
        Effect("timer", {"started": 600, "id": "timer.1", "at": "2026-03-02T18:10:00"}, {"area": "den"}),
        Effect("alarm", {"set": "2026-03-03T07:00:00", "id": "alarm.2", "repeat": "day"}),
        Effect("reminder", {"set": "stretch", "id": "reminder.3", "at": "2026-03-02T18:05:00"}),
        Effect("timer", {"paused": 600, "id": "timer.1", "remaining": 60}),
    ]
    for effect in effects:
        first.apply(effect)
    tick = first.tick(NOW + timedelta(days=1))
    events = [EffectHappened(str(number), effect) for number, effect in enumerate([*effects, *tick.effects])]
    again.replay(events)
    assert everything(again) == everything(first)
    assert again.done("0") == Done((effects[0],))
    assert again.done("unheard of") is None


# --- time


def test_a_timer_finishes_when_its_time_is_over(home: SimulatedHome) -> None:
    """Nothing before, one effect then, nothing after; a paused timer waits."""
    home.apply(Effect("timer", {"started": 60, "id": "timer.a", "at": "2026-03-02T18:01:00", "name": "egg"}))
    home.apply(Effect("timer", {"started": 60, "id": "timer.b", "at": "2026-03-02T18:01:00"}))
    home.apply(Effect("timer", {"paused": 60, "id": "timer.b", "remaining": 30}))
    assert home.next_due() == datetime(2026, 3, 2, 18, 1)
    assert home.tick(NOW).effects == ()
    tick = home.tick(NOW + timedelta(minutes=2))
    assert [dict(effect.change) for effect in tick.effects] == [{"finished": "egg", "id": "timer.a"}]
    assert tick.ended == ("timer.a",)
    assert home.tick(NOW + timedelta(days=1)).effects == ()


def test_a_repeating_alarm_rings_once_and_moves_on(home: SimulatedHome) -> None:
    """After three missed days it rings once, and next on the next weekday."""
    home.apply(Effect("alarm", {"set": "2026-03-05T07:00:00", "id": "alarm.a", "repeat": "weekday"}))
    tick = home.tick(datetime(2026, 3, 7, 8))
    assert [effect.change["said"] for effect in tick.effects] == ["07:00"]
    assert tick.ended == ()
    assert home.next_due() == datetime(2026, 3, 9, 7)


def test_a_reminder_waits_for_its_event(home: SimulatedHome) -> None:
    """It is said when the condition becomes true, once, and not while it merely stays true."""
    on = {"target": "sensor.outside", "attribute": "value", "comparison": "<", "value": 0, "event": True}
    home.apply(Effect("reminder", {"set": "cover the plants", "id": "reminder.a", "on": on}))
    home.apply(Effect("sensor.outside", {"value": "3"}))
    assert home.tick(NOW).effects == ()
    home.apply(Effect("sensor.outside", {"value": "-1"}))
    home.apply(Effect("sensor.outside", {"value": -2}))
    tick = home.tick(NOW)
    assert [dict(effect.change) for effect in tick.effects] == [{"said": "cover the plants", "id": "reminder.a"}]
    assert home.tick(NOW).effects == ()


def test_a_reminder_may_wait_for_a_timer(home: SimulatedHome) -> None:
    """The end of a timer and the reminder that waits for it come in one tick, in this order."""
    home.apply(Effect("timer", {"started": 60, "id": "timer.a", "at": "2026-03-02T18:01:00"}))
    home.apply(Effect("reminder", {"set": "drain", "id": "reminder.a", "on": {"target": "timer"}}))
    tick = home.tick(NOW + timedelta(minutes=1))
    assert [effect.target for effect in tick.effects] == ["timer", "announcement"]
    assert tick.ended == ("timer.a", "reminder.a")
