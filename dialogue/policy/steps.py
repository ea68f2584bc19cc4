"""From one request to actions: each intent's action and slots, or the question that must be answered first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dialogue.grammar.times import length, resolve
from dialogue.interfaces import Clockwork, Device
from dialogue.policy.conditions import resolved
from dialogue.policy.targets import Found, Scene, find
from dialogue.policy.timing import near
from dialogue.types import Condition, Moment, Reading, Request, Value


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to put: the slot the answer fills, the name of the question, the device ids to choose from."""

    slot: str
    name: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A step being made. ``problem`` (the name of a reason) stands for a step that cannot be."""

    action: str = ""
    slots: Mapping[str, Value] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    ask: Ask | None = None
    problem: str = ""
    details: Mapping[str, Value] = field(default_factory=dict)


Builder = Callable[[Request, Scene], list[Draft]]

SHORT_WORD = 3
PAIR, COMPOUND = "\0", "\1"
"""What stands for a fixed pair ("salt and pepper") and for a thing of two words while items are cut."""
SWITCHABLE = frozenset({"light", "switch", "fan", "media_player", "input_boolean", "climate"})
_ON: Mapping[str, Mapping[str, Value]] = {
    "lock": {"state": "locked"},
    "cover": {"position": 100},
    "valve": {"position": 100},
    "vacuum": {"state": "cleaning"},
    "climate": {"state": "heat"},
}
_OFF: Mapping[str, Mapping[str, Value]] = {
    "lock": {"state": "unlocked"},
    "cover": {"position": 0},
    "valve": {"position": 0},
    "vacuum": {"state": "docked"},
}
_STATES: Mapping[str, str] = {"open": "on", "closed": "off", "locked": "on", "unlocked": "off"}
_READ_ONLY = frozenset({"sensor", "binary_sensor", "person", "weather", "todo"})


def _commandable(device: Device) -> bool:
    return device.domain not in _READ_ONLY


def _any(device: Device) -> bool:
    return True


def _domain(*names: str) -> Callable[[Device], bool]:
    return lambda device: device.domain in names


def _featured(feature: str) -> Callable[[Device], bool]:
    return lambda device: device.domain == "light" and feature in device.features


# --- devices ----------------------------------------------------------------------------


def change(scene: Scene, found: Found, changes: Callable[[Device], Mapping[str, Value]]) -> list[Draft]:
    """Drafts that give each device found its change, one per distinct change."""
    if found.problem:
        return [Draft(problem=found.problem)]
    if found.choices:
        first = scene.home.devices[found.choices[0]]
        slots: dict[str, Value] = {"change": dict(changes(first))}
        return [Draft("action_change_devices", slots, ask=Ask("targets", "which", found.choices))]
    grouped: dict[str, tuple[dict[str, Value], list[str]]] = {}
    for one in found.ids:
        wanted = dict(changes(scene.home.devices[one]))
        grouped.setdefault(repr(sorted(wanted.items())), (wanted, []))[1].append(one)
    return [
        Draft("action_change_devices", {"targets": ids, "change": wanted}, tuple(ids))
        for wanted, ids in grouped.values()
    ]


def _turn(table: Mapping[str, Mapping[str, Value]], state: str) -> Builder:
    def build(request: Request, scene: Scene) -> list[Draft]:
        found = find(scene, request.reading, _commandable)
        return change(scene, found, lambda device: table.get(device.domain, {"state": state}))

    return build


def _everything_off(request: Request, scene: Scene) -> list[Draft]:
    found = find(scene, request.reading, _domain("light", "switch", "fan", "media_player"))
    return change(scene, found, lambda device: {"state": "off"})


def _set_state(request: Request, scene: Scene) -> list[Draft]:
    said = str(request.reading.get("state"))
    state = _STATES.get(said, said)
    table, plain = (_ON, "on") if state == "on" else (_OFF, "off")
    domains = {
        "open": ("cover", "valve"),
        "closed": ("cover", "valve"),
        "locked": ("lock",),
        "unlocked": ("lock",),
    }
    fits = _domain(*domains[said]) if said in domains else _commandable
    found = find(scene, request.reading, fits)
    return change(scene, found, lambda device: table.get(device.domain, {"state": plain}))


def _light(request: Request, scene: Scene) -> list[Draft]:
    reading = request.reading
    wanted: dict[str, Value] = {}
    if (brightness := reading.get("brightness")) is not None:
        wanted["brightness"] = brightness
    if (color := reading.get("color")) is not None:
        wanted["color"] = color
    if reading.get("temperature") is not None:
        wanted["color_temperature"] = reading.get("temperature")
    pronoun = isinstance(reading.get("name"), dict)
    fits = _domain("light")
    if pronoun and wanted:
        fits = _featured("color" if "color" in wanted else "dim")
    found = find(scene, reading, fits)
    if not wanted and found.ids:
        return [_open_value(found, "brightness")]
    return change(scene, found, lambda device: wanted)


def _open_value(found: Found, attribute: str) -> Draft:
    slots: dict[str, Value] = {"targets": list(found.ids), "change": {attribute: None}}
    return Draft("action_change_devices", slots, found.ids, Ask("value", "to_what"))


def _level(slot: str, attribute: str, *domains: str) -> Builder:
    def build(request: Request, scene: Scene) -> list[Draft]:
        found = find(scene, _without_names(request.reading, domains), _domain(*domains))
        found = _heard(scene, found, request.reading) if attribute == "volume" else _usual(scene, found)
        value = request.reading.get(slot)
        if value is None and found.ids:
            return [_open_value(found, attribute)]
        return change(scene, found, lambda device: {attribute: value})

    return build


def _without_names(reading: Reading, domains: Sequence[str]) -> Reading:
    return reading if reading.domains else replace(reading, domains=tuple(domains))


def _usual(scene: Scene, found: Found) -> Found:
    """Of several players, the one that plays, else the default one; other devices stay as they are."""
    several = found.ids or found.choices
    if len(several) > 1:
        busy = tuple(one for one in several if scene.home.state(one).get("state") == "playing")
        if len(busy) == 1:
            return Found(busy)
    return _default(scene, found)


def _default(scene: Scene, found: Found) -> Found:
    """Of several players, the default one."""
    several = found.ids or found.choices
    default = tuple(one for one in several if scene.home.devices[one].default)
    return Found(default) if len(several) > 1 and default else found


def _adjust(attribute: str, step: float, *domains: str) -> Builder:
    def build(request: Request, scene: Scene) -> list[Draft]:
        fits = _featured("dim") if domains == ("light",) else _domain(*domains)
        found = _heard(scene, find(scene, _without_names(request.reading, domains), fits), request.reading)
        if found.problem:
            return [Draft(problem=found.problem)]
        direction, amount = request.reading.get("direction"), request.reading.get("amount")
        delta = _float(direction, 1) * _float(amount, step)
        slots: dict[str, Value] = {"attribute": attribute, "delta": delta}
        if found.choices:
            return [Draft("action_adjust_devices", slots, ask=Ask("targets", "which", found.choices))]
        return [Draft("action_adjust_devices", {**slots, "targets": list(found.ids)}, found.ids)]

    return build


def _heard(scene: Scene, found: Found, reading: Reading) -> Found:
    """Nothing named: what was spoken of last, else the usual device."""
    if reading.get("name") is not None or reading.get("area") is not None:
        return found
    ids = set(found.ids)
    for turn in scene.recent():
        for group in reversed(turn):
            if kept := tuple(one for one in group if one in ids):
                return Found(kept)
    return _usual(scene, found)


def _float(value: Value, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else otherwise


_VOLUME_STEPS: Mapping[str, float] = {"up": 10.0, "down": -10.0}


def _volume_step(request: Request, scene: Scene) -> list[Draft]:
    step = request.reading.get("volume_step")
    delta = _VOLUME_STEPS.get(step, 10.0) if isinstance(step, str) else _float(step, 10.0)
    entities = tuple(entity for entity in request.entities if entity.name != "volume_step")
    reading = replace(request.reading, entities=entities)
    drafts = _adjust("volume", 10, "media_player")(replace(request, reading=reading), scene)
    return [replace(draft, slots={**draft.slots, "delta": delta}) if draft.action else draft for draft in drafts]


def _vacuum(state: str) -> Builder:
    def build(request: Request, scene: Scene) -> list[Draft]:
        reading = replace(request.reading, domains=("vacuum",))
        reading = replace(reading, entities=tuple(e for e in reading.entities if e.name == "name"))
        found = find(scene, reading, _domain("vacuum"))
        area = request.reading.get("area")
        extra: dict[str, Value] = {"area": area} if area is not None else {}
        return change(scene, found, lambda device: {"state": state, **extra})

    return build


# --- media ------------------------------------------------------------------------------


def _player(scene: Scene, reading: Reading, *, playing: bool = False) -> Found:
    reading = replace(reading, domains=("media_player",))
    found = find(scene, reading, _domain("media_player"))
    if reading.get("name") is None and reading.get("area") is None and playing:
        busy = tuple(one for one in found.ids if scene.home.state(one).get("state") == "playing")
        if len(busy) == 1:
            return Found(busy)
        found = _heard(scene, found, reading)
    usual = _usual(scene, found) if playing else _default(scene, found)
    if len(usual.ids) > 1:
        return Found(choices=usual.ids)
    return usual


def _play(request: Request, scene: Scene) -> list[Draft]:
    found = _player(scene, request.reading)
    if found.problem:
        return [Draft(problem=found.problem)]
    media = request.reading.get("search_query") or request.reading.get("media_class") or "music"
    slots: dict[str, Value] = {"media": media}
    if (kind := request.reading.get("media_class")) is not None:
        slots["media_class"] = kind
    if found.choices:
        return [Draft("action_play_media", slots, ask=Ask("target", "which", found.choices))]
    return [Draft("action_play_media", {**slots, "target": found.ids[0]}, found.ids)]


def _media(command: str) -> Builder:
    def build(request: Request, scene: Scene) -> list[Draft]:
        found = _player(scene, request.reading, playing=True)
        if found.problem:
            return [Draft(problem=found.problem)]
        if found.choices:
            ask = Ask("targets", "which", found.choices)
            return [Draft("action_media_control", {"command": command}, ask=ask)]
        return [Draft("action_media_control", {"targets": list(found.ids), "command": command}, found.ids)]

    return build


# --- timers, alarms, reminders ----------------------------------------------------------


def seconds(reading: Reading, prefix: str = "") -> float | None:
    """The length a reading speaks of: a spoken length, or Home Assistant's hours, minutes and seconds."""
    said = reading.get("length") if not prefix else None
    if isinstance(said, Moment):
        return length(said)
    units = {"hours": 3600, "minutes": 60, "seconds": 1}
    parts = {unit: reading.get(prefix + unit) for unit in units}
    if all(value is None for value in parts.values()):
        return None
    return sum(_float(value, 0) * units[unit] for unit, value in parts.items())


def _start_timer(request: Request, scene: Scene) -> list[Draft]:
    reading = request.reading
    if reading.get("conversation_command") is not None:  # words for later that are no request
        return [Draft(problem="not_understood")]
    wanted = seconds(reading)
    if wanted is None:
        wanted = next((length(w.moment) for w in request.when if w.kind == "for" and w.moment), None)
    slots: dict[str, Value] = {}
    name = reading.get("name")
    if isinstance(name, str):
        slots["name"] = name
    if (area := reading.get("area")) is not None:
        slots["area"] = area
    if wanted is None:
        return [Draft("action_start_timer", slots, ask=Ask("seconds", "how_long"))]
    return [Draft("action_start_timer", {**slots, "seconds": whole(wanted)})]


def whole(number: float) -> float | int:
    """A number without a needless fraction."""
    return int(number) if float(number).is_integer() else number


def timers(reading: Reading, scene: Scene) -> tuple[Clockwork, ...]:
    """The running timers a reading fits: by name, by length, by place in the row, else all of them."""
    running = scene.home.clockworks("timer")
    name, start = reading.get("name"), seconds(reading, "start_")
    if isinstance(name, str):
        return tuple(timer for timer in running if timer.name.casefold() == name.casefold())
    if start is not None:
        return tuple(timer for timer in running if timer.seconds == start)
    if isinstance(reading.get("length"), Moment):
        return tuple(timer for timer in running if timer.seconds == seconds(reading))
    if isinstance(nth := reading.get("ordinal"), int):
        return running[nth - 1 : nth]
    return running


def _timers(action: str, *, every: bool = False) -> Builder:
    def build(request: Request, scene: Scene) -> list[Draft]:
        fitting = timers(request.reading, scene)
        if not fitting:
            return [Draft(problem="no_timer")]
        if len(fitting) > 1 and not every:
            fitting = fitting[-1:] if _just_started(scene, fitting[-1]) else fitting
        if len(fitting) > 1 and not every:
            ask = Ask("timers", "which_timer", tuple(timer.id for timer in fitting))
            return [Draft(action, {}, ask=ask)]
        return [Draft(action, {"timers": [timer.id for timer in fitting]})]

    return build


def _just_started(scene: Scene, timer: Clockwork) -> bool:
    last = scene.state.turns[-1].steps if scene.state.turns else ()
    return any(timer.id.endswith(step) for step in last)


def _move_timer(sign: int) -> Builder:
    def build(request: Request, scene: Scene) -> list[Draft]:
        delta = seconds(request.reading)
        moved = replace(request.reading, entities=tuple(e for e in request.entities if e.name != "length"))
        fitting = timers(moved, scene)
        if not fitting or delta is None:
            return [Draft(problem="no_timer")]
        slots: dict[str, Value] = {"timer": fitting[-1].id, "delta": whole(sign * delta)}
        return [Draft("action_change_timer", slots)]

    return build


def _change_timer(request: Request, scene: Scene) -> list[Draft]:
    reading = replace(request.reading, entities=tuple(e for e in request.entities if e.name != "length"))
    fitting, wanted = timers(reading, scene), seconds(request.reading)
    if not fitting or wanted is None:
        return [Draft(problem="no_timer")]
    return [Draft("action_change_timer", {"timer": fitting[-1].id, "seconds": whole(wanted)})]


def moment_of(request: Request) -> Moment | None:
    """The time a request speaks of, in a slot or as a qualifier; a day said apart joins the hour."""
    said = request.reading.get("moment")
    around = next((when.moment for when in request.when if when.kind in ("at", "every") and when.moment), None)
    if not isinstance(said, Moment):
        return around
    if around is None:
        return said
    if around.hour is not None or around.seconds is not None:
        return around
    day = {name: getattr(around, name) for name in ("day", "weekday", "month", "day_of_month", "part")}
    return replace(said, **{name: value for name, value in day.items() if value is not None})


def _alarm(request: Request, scene: Scene) -> list[Draft]:
    moment = moment_of(request)
    due = resolve(moment, scene.now) if moment else None
    set_before = [work.due for work in scene.home.clockworks("alarm") if work.due is not None]
    if moment is not None and request.replaces and set_before:
        due = near(moment, set_before[-1], scene.now) or due
    if moment is None or due is None:
        return [Draft("action_set_alarm", {}, ask=Ask("at", "what_time"))]
    slots: dict[str, Value] = {"at": due.isoformat()}
    if moment.repeat:
        slots["repeat"] = moment.repeat
    return [Draft("action_set_alarm", slots)]


def _clock_command(kind: str, action: str, slot: str) -> Builder:
    def build(request: Request, scene: Scene) -> list[Draft]:
        fitting = scene.home.clockworks(kind)
        text = request.reading.get("text")
        if isinstance(text, str):
            fitting = tuple(one for one in fitting if one.name.casefold() == text.casefold())
        moment = moment_of(request)
        if moment is not None and (due := resolve(moment, scene.now)) is not None:
            fitting = tuple(one for one in fitting if one.due == due)
        if not fitting:
            return [Draft(problem=f"no_{kind}")]
        return [Draft(action, {slot: [one.id for one in fitting]})]

    return build


def _change_alarm(request: Request, scene: Scene) -> list[Draft]:
    alarms, moment = scene.home.clockworks("alarm"), moment_of(request)
    if not alarms:
        return [Draft(problem="no_alarm")]
    due = near(moment, alarms[-1].due or scene.now, scene.now) if moment else None
    if due is None:
        return [Draft("action_change_alarm", {"alarm": alarms[-1].id}, ask=Ask("at", "what_time"))]
    return [Draft("action_change_alarm", {"alarm": alarms[-1].id, "at": due.isoformat()})]


def _reminder(request: Request, scene: Scene) -> list[Draft]:
    text = request.reading.get("text")
    slots: dict[str, Value] = {"text": text} if isinstance(text, str) else {}
    moment = moment_of(request)
    due = resolve(moment, scene.now) if moment else None
    if due is not None:
        slots = {**slots, "at": due.isoformat()}
        return [Draft("action_set_reminder", slots, ask=still_missing("action_set_reminder", slots))]
    event = next((when for when in request.when if when.kind == "on"), None)
    inner = request.reading.get("event")
    said = event.condition if event is not None else None
    if inner is not None:
        words = (entity.text for entity in request.entities if entity.name in ("event", "event_state"))
        state = request.reading.get("event_state")
        said = Condition(str(inner), value=state, event=True, text=" ".join(word for word in words if word))
    if said is not None:
        condition = resolved(said, scene.home)
        if condition.target is None:
            return [Draft(problem="cannot_know", details={"words": said.text})]
        slots = {**slots, "on": asdict(condition)}
    return [Draft("action_set_reminder", slots, ask=still_missing("action_set_reminder", slots))]


def still_missing(action: str, slots: Mapping[str, Value]) -> Ask | None:
    """The next question a step needs answered, once some of its slots are filled."""
    if action == "action_set_reminder":
        if not slots.get("text"):
            return Ask("text", "what_reminder")
        if not slots.get("at") and not slots.get("on"):
            return Ask("at", "what_time")
    return None


# --- lists ------------------------------------------------------------------------------


def list_id(scene: Scene, request: Request) -> str | None:
    """The list a request names, else the one just spoken of, else the shopping list (the first)."""
    said = request.reading.get("list_name") or request.reading.get("name")
    if said is None and (just := _list_just_used(scene)) is not None:
        return just
    for listed in scene.home.lists.values():
        if said is None or str(said).casefold() in (name.casefold() for name in (listed.name, *listed.aliases)):
            return listed.id
    return None


def items(text: str, words: Mapping[str, Any]) -> list[str]:
    """The single things in "milk and eggs"; fixed pairs ("mac and cheese") stay together."""
    joiners = [str(word) for word in words.get("item_joiners", [])]
    kept = text
    for number, pair in enumerate(words.get("pairs", [])):
        mark = PAIR if any(f" {joiner} " in str(pair) for joiner in joiners) else COMPOUND
        kept = re.sub(rf"\b{re.escape(str(pair))}\b", f"{mark}{number}{mark}", kept, flags=re.IGNORECASE)
    cut = re.split(rf"\s*,\s*|\s+(?:{'|'.join(map(re.escape, joiners))})\s+", kept) if joiners else [kept]
    pairs = [str(pair) for pair in words.get("pairs", [])]
    if any(piece.strip() in words.get("verbs", ()) for piece in cut):
        cut = [kept]  # "wash and iron the shirts" is one thing to do
    cut = [piece for one in cut for piece in _known_items(one, words)] if len(cut) > 1 else cut
    restored = [re.sub(r"[\0\1](\d+)[\0\1]", lambda found: pairs[int(found[1])], piece) for piece in cut]
    return [_without_article(piece.strip(), words) for piece in restored if piece.strip()]


def _known_items(text: str, words: Mapping[str, Any]) -> list[str]:
    """ "Bread eggs" before "and coffee" are two things when each is a thing by itself."""
    known = {str(item) for item in words.get("items", ())}
    pieces = text.split()
    if len(pieces) > 1 and all(piece in known or piece.startswith(COMPOUND) for piece in pieces):
        return pieces
    if set(words.get("verbs", ())) & set(pieces):
        return [text]
    plural, attributes = str(words.get("plural", "")), words.get("attributes", ())

    def many(word: str) -> bool:
        ends = bool(plural) and word.endswith(plural) and not word.endswith(plural * 2)
        return ends and len(word) > SHORT_WORD and word not in attributes

    def one_thing(row: Sequence[str]) -> bool:
        return row[-1].startswith(COMPOUND) or (many(row[-1]) and (len(row) > 1 or row[0] in known))

    if not {*words.get("binding", ()), *words.get("unfinished", ())}.isdisjoint(pieces):
        return [text]  # "two pints of milk"
    return _rows(pieces, one_thing, lambda word: many(word) or word in known or word.startswith(COMPOUND))


def _rows(
    pieces: Sequence[str], one_thing: Callable[[Sequence[str]], bool], head: Callable[[str], bool]
) -> list[str]:
    """ "Fish fingers baked beans": a row of words is cut behind each thing, if the last is one, too."""
    if not head(pieces[-1]):
        return [" ".join(pieces)]
    rows: list[list[str]] = [[]]
    for at, word in enumerate(pieces):
        rows[-1].append(word)
        if at + 1 < len(pieces) and one_thing(rows[-1]):
            rows.append([])
    return [" ".join(row) for row in rows]


def _without_article(item: str, words: Mapping[str, Any]) -> str:
    first, _, rest = item.partition(" ")
    return rest if rest and first in words.get("articles", ()) else item


def _list_items(action: str) -> Builder:
    def build(request: Request, scene: Scene) -> list[Draft]:
        listed, said = list_id(scene, request), request.reading.get("item")
        if listed is None:
            return [Draft(problem="unknown_list")]
        if request.reading.get("unnamed_list") and not _is_for_a_list(scene, str(said)):
            return [Draft(problem="which_list")]
        scene.lists.append(listed)
        if not isinstance(said, str):
            return [Draft(action, {"list": listed}, ask=Ask("items", "which_item"))]
        meant = items(said, scene.words)
        if _is_pronoun(said, scene):
            meant = _items_spoken_of(scene)
        if not meant:
            return [Draft(problem="no_antecedent")]
        return [Draft(action, {"list": listed, "items": list(meant)}, (listed,))]

    return build


def _is_pronoun(said: str, scene: Scene) -> bool:
    return said.casefold() in dict(scene.words.get("pronouns", {}))  # type: ignore[arg-type]


def _items_spoken_of(scene: Scene) -> list[str]:
    """What "it" or "them" are on a list: the items of the last step that put some there or took some away."""
    for turn in reversed(scene.state.turns):
        for one in reversed(turn.steps):
            step = scene.state.steps.get(one)
            found = step.slots.get("items") if step is not None else None
            if isinstance(found, list) and found:
                return [str(item) for item in found]
    return []


def _list_just_used(scene: Scene) -> str | None:
    """The list of this utterance or of the turn before."""
    if scene.lists:
        return scene.lists[-1]
    steps = scene.state.turns[-1].steps if scene.state.turns else ()
    used = (scene.state.steps[one].slots.get("list") for one in reversed(steps) if one in scene.state.steps)
    return next((str(listed) for listed in used if listed), None)


def _is_for_a_list(scene: Scene, said: str) -> bool:
    """Whether "add ..." speaks of a list without a word of it: one was just used, or all are things to buy."""
    known = {str(item) for item in scene.words.get("items", ())}  # type: ignore[union-attr]
    if any(listed.name.casefold() in said.casefold() for listed in scene.home.lists.values()):
        return False  # more was said than what is to be added
    return _list_just_used(scene) is not None or all(item in known for item in items(said, scene.words))


def _clear_list(request: Request, scene: Scene) -> list[Draft]:
    listed = list_id(scene, request)
    if listed is None:
        return [Draft(problem="unknown_list")]
    kept = [one.casefold() for one in items(str(request.reading.get("kept") or ""), scene.words)]
    out = [one for one in scene.home.lists[listed].items if one.casefold() not in kept]
    if missing := [one for one in kept if one not in (item.casefold() for item in scene.home.lists[listed].items)]:
        return [Draft(problem="unknown_exception", details={"words": " ".join(missing)})]
    return [Draft("action_remove_from_list", {"list": listed, "items": list(out)}, (listed,))]


def _ask_list(request: Request, scene: Scene) -> list[Draft]:
    listed = _list_spoken_of(scene) if request.reading.get("spoken_of") else list_id(scene, request)
    if listed is None:
        return [Draft(problem="unknown_list")]
    return [Draft("action_answer_list", {"list": listed}, (listed,))]


def list_of(request: Request, scene: Scene) -> tuple[str, ...]:
    """The list a request speaks of, if it does."""
    if "Item" not in request.intent and request.intent not in ("ClearList", "AskList"):
        return ()
    found = list_id(scene, request)
    return (found,) if found else ()


def _list_spoken_of(scene: Scene) -> str | None:
    """ "What is on it": the list, if a list is what was spoken of last."""
    last = next((group for turn in scene.recent() for group in reversed(turn) if group), ())
    return next((one for one in last if one in scene.home.lists), None)


# --- questions --------------------------------------------------------------------------


def _ask_state(request: Request, scene: Scene) -> list[Draft]:
    reading = replace(request.reading, domains=())
    expected = reading.get("state")
    found = find(scene, reading, _answers(str(expected)) if expected is not None else _any)
    if found.problem:
        found = find(scene, reading, _any)
    ids = found.ids or found.choices
    if not ids:
        return [Draft(problem=found.problem)]
    slots: dict[str, Value] = {"targets": list(ids)}
    if expected is not None:
        slots["expected"] = expected
    so = tuple(one for one in ids if scene.home.state(one).get("state") == expected)
    return [Draft("action_answer_state", slots, so or tuple(ids))]


def _answers(state: str) -> Callable[[Device], bool]:
    if state in ("locked", "unlocked"):
        return _domain("lock")
    if state in ("open", "closed"):
        return _domain("cover", "valve", "binary_sensor")
    return _any


def _ask_temperature(request: Request, scene: Scene) -> list[Draft]:
    reading = request.reading

    def measures(device: Device) -> bool:
        return device.domain == "climate" or device.device_class == "temperature"

    found = find(scene, replace(reading, domains=()), measures)
    if found.problem:
        found = find(scene, replace(reading, entities=(), domains=()), measures)
    outside = tuple(one for one in found.ids if scene.home.devices[one].area is None)
    ids = outside if "out" in request.text and outside else found.ids
    return [Draft("action_answer_state", {"targets": list(ids)}, ids)] if ids else [Draft(problem=found.problem)]


def _weather(request: Request, scene: Scene) -> list[Draft]:
    return [Draft("action_answer_weather")]


def _plain(action: str) -> Builder:
    return lambda request, scene: [Draft(action)]


def _ask_timers(request: Request, scene: Scene) -> list[Draft]:
    return [Draft("action_answer_timers", {"timers": [one.id for one in timers(request.reading, scene)]})]


def _announce(request: Request, scene: Scene) -> list[Draft]:
    return [Draft("action_announce", {"message": str(request.reading.get("message") or "")})]


def _nothing(request: Request, scene: Scene) -> list[Draft]:
    return []


def custom(request: Request, scene: Scene) -> list[Draft]:
    """An intent of somebody's own grammar: the action named after it gets its slots as they are."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", request.intent).lower()
    slots = {entity.name: entity.value for entity in request.entities}
    return [Draft(f"action_{name}", slots)]


BUILDERS: Mapping[str, Builder] = {
    "HassTurnOn": _turn(_ON, "on"),
    "HassTurnOff": _turn(_OFF, "off"),
    "TurnOffEverything": _everything_off,
    "SetState": _set_state,
    "HassLightSet": _light,
    "HassSetPosition": _level("position", "position", "cover", "valve"),
    "HassClimateSetTemperature": _level("temperature", "temperature", "climate"),
    "HassFanSetSpeed": _level("percentage", "speed", "fan"),
    "HassSetVolume": _level("volume_level", "volume", "media_player"),
    "HassSetVolumeRelative": _volume_step,
    "AdjustBrightness": _adjust("brightness", 20, "light"),
    "AdjustTemperature": _adjust("temperature", 1, "climate"),
    "AdjustVolume": _adjust("volume", 10, "media_player"),
    "AdjustSpeed": _adjust("speed", 20, "fan"),
    "HassVacuumStart": _vacuum("cleaning"),
    "HassVacuumCleanArea": _vacuum("cleaning"),
    "HassVacuumReturnToBase": _vacuum("docked"),
    "VacuumPause": _vacuum("paused"),
    "HassMediaSearchAndPlay": _play,
    "PlayAnything": _play,
    "HassMediaPause": _media("pause"),
    "HassMediaUnpause": _media("play"),
    "MediaStop": _media("stop"),
    "HassMediaNext": _media("next"),
    "HassMediaPrevious": _media("previous"),
    "HassMediaPlayerMute": _media("mute"),
    "HassMediaPlayerUnmute": _media("unmute"),
    "HassStartTimer": _start_timer,
    "HassCancelTimer": _timers("action_cancel_timers"),
    "HassCancelAllTimers": _timers("action_cancel_timers", every=True),
    "HassPauseTimer": _timers("action_pause_timers"),
    "HassUnpauseTimer": _timers("action_resume_timers"),
    "HassIncreaseTimer": _move_timer(1),
    "HassDecreaseTimer": _move_timer(-1),
    "ChangeTimer": _change_timer,
    "HassTimerStatus": _ask_timers,
    "SetAlarm": _alarm,
    "CancelAlarm": _clock_command("alarm", "action_cancel_alarms", "alarms"),
    "ChangeAlarm": _change_alarm,
    "SetReminder": _reminder,
    "CancelReminder": _clock_command("reminder", "action_cancel_reminders", "reminders"),
    "AddItem": _list_items("action_add_to_list"),
    "HassShoppingListAddItem": _list_items("action_add_to_list"),
    "HassListAddItem": _list_items("action_add_to_list"),
    "RemoveItem": _list_items("action_remove_from_list"),
    "HassListRemoveItem": _list_items("action_remove_from_list"),
    "HassShoppingListCompleteItem": _list_items("action_complete_item"),
    "HassListCompleteItem": _list_items("action_complete_item"),
    "ClearList": _clear_list,
    "AskList": _ask_list,
    "AskState": _ask_state,
    "HassGetState": _ask_state,
    "AskTemperature": _ask_temperature,
    "HassClimateGetTemperature": _ask_temperature,
    "HassGetWeather": _weather,
    "HassGetCurrentTime": _plain("action_answer_time"),
    "HassGetCurrentDate": _plain("action_answer_date"),
    "HassBroadcast": _announce,
    "Greeting": _nothing,
    "HassNevermind": _nothing,
    "HassRespond": _nothing,
    "LeaveAlone": _nothing,
    "KeepState": _nothing,
}


QUESTIONS = frozenset(
    name
    for name in BUILDERS
    if name.startswith(("Ask", "HassGet")) or name in ("HassTimerStatus", "HassClimateGetTemperature")
)
"""Intents that only ask."""


def drafts_for(request: Request, scene: Scene) -> list[Draft]:
    """The steps of one request; with several readings of equal standing, the first that comes to something."""
    problem: list[Draft] = []
    for reading in (request.reading, *request.alternatives):
        built = BUILDERS.get(reading.intent, custom)(replace(request, reading=reading), scene)
        if not any(draft.problem for draft in built):
            return built
        problem = problem or built
    return problem


_NAMING = frozenset({"name", "area", "floor", "domain", "device_class"})


def devices_of(request: Request, scene: Scene) -> tuple[str, ...]:
    """The devices a request speaks of, whatever it asks of them (for exceptions); none where it names none."""
    if not any(entity.name in _NAMING for entity in request.entities):
        return ()
    found = find(scene, request.reading, _any)
    return found.ids or found.choices
