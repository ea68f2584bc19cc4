"""Which devices are meant: names, nouns, places, pronouns, and what is left over when several fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dialogue.context import ContextState
from dialogue.interfaces import Device, Home
from dialogue.types import Reading, Value

SWITCHED = frozenset({"light", "switch", "fan", "media_player"})
"""What "everything" means where something is switched."""

Fits = Callable[[Device], bool]


@dataclass(slots=True)
class Scene:
    """What is known while a plan is made. ``groups`` grows with every request of the utterance;
    ``spoken_of`` holds the devices that any request of it names, ``lists`` those it has used.
    """

    home: Home
    state: ContextState
    now: datetime
    words: Mapping[str, Value] = field(default_factory=dict)
    area: str | None = None
    groups: list[tuple[str, ...]] = field(default_factory=list)
    spoken_of: set[str] = field(default_factory=set)
    lists: list[str] = field(default_factory=list)

    def recent(self) -> Iterable[tuple[tuple[str, ...], ...]]:
        """Groups of devices spoken of, per turn, the newest turn first."""
        if self.groups:
            yield tuple(self.groups)
        yield from reversed(self.state.mentioned)


@dataclass(frozen=True, slots=True)
class Found:
    """The devices meant, or the ones to choose from, or why there are none (the name of a reason)."""

    ids: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    problem: str = ""


def find(scene: Scene, reading: Reading, fits: Fits) -> Found:
    """The devices a reading speaks of that ``fits`` accepts."""
    pool = [device for device in scene.home.devices.values() if _speaks_of(reading, device) and fits(device)]
    placed = _in_place(scene, reading, pool)
    if placed is None:
        return Found(problem="unknown_place")
    name = reading.get("name")
    if isinstance(name, dict) and "each" in name:
        return Found(tuple(device.id for device in placed if device.name in _listed(name["each"])))
    if isinstance(name, dict) and "kin" in name:
        return _kindred(scene, name, placed)
    if isinstance(name, dict) and "pronoun" in name:
        return _pronoun(scene, str(name["pronoun"]), placed, bool(_place_words(reading)))
    if isinstance(name, dict):
        return _noun(scene, name, placed)
    if isinstance(name, str):
        return _named(name, placed)
    if not placed:
        return Found(problem="no_such_device")
    return Found(tuple(device.id for device in placed))


def _speaks_of(reading: Reading, device: Device) -> bool:
    domain = reading.get("domain")
    wanted = {domain} if isinstance(domain, str) else set(reading.domains)
    if wanted and device.domain not in wanted:
        return False
    device_class = reading.get("device_class")
    return not device_class or device_class in (device.device_class, None) or _called(device, str(device_class))


def _called(device: Device, word: str) -> bool:
    return any(word in spelling.casefold() for spelling in spellings(device))


def spellings(device: Device) -> tuple[str, ...]:
    return (device.name, *device.aliases)


def _place_words(reading: Reading) -> list[str]:
    return [str(value) for slot in ("area", "floor") if (value := reading.get(slot)) is not None]


def _in_place(scene: Scene, reading: Reading, pool: list[Device]) -> list[Device] | None:
    """The devices of the area and floor that were named, all of them where none was."""
    for word in _place_words(reading):
        areas = _last_area(scene) if word == THERE else areas_called(scene.home, word)
        if not areas:
            return None
        pool = [device for device in pool if device.area in areas]
    return pool


THERE = "*there*"


def _last_area(scene: Scene) -> set[str]:
    """ "In there": the area of what was spoken of last."""
    for turn in scene.recent():
        for group in reversed(turn):
            areas = {area for one in group if one in scene.home.devices if (area := scene.home.devices[one].area)}
            if areas:
                return areas
    return set()


def areas_called(home: Home, word: str) -> set[str]:
    """The ids of the areas that a place name stands for: the area itself, or all areas of a floor."""
    folded = word.casefold()
    found = {area.id for area in home.areas.values() if folded in _folded((area.name, *area.aliases))}
    for floor in home.floors.values():
        if folded in _folded((floor.name, *floor.aliases)):
            found |= {area.id for area in home.areas.values() if area.floor == floor.id}
    return found


def _folded(names: Iterable[str]) -> set[str]:
    return {name.casefold() for name in names}


def _named(name: str, pool: list[Device]) -> Found:
    folded = name.casefold()
    exact = [device for device in pool if device.name.casefold() == folded]
    found = exact or [device for device in pool if folded in _folded(device.aliases)]
    if not found:
        return Found(problem="no_such_device")
    if len(found) > 1:
        return Found(choices=tuple(device.id for device in found))
    return Found((found[0].id,))


def _noun(scene: Scene, noun: Mapping[str, Value], pool: list[Device]) -> Found:
    word, domain = str(noun["noun"]), noun.get("domain")
    found = [device for device in pool if _is_a(device, word, domain)]
    if (area := noun.get("area")) is not None:
        areas = areas_called(scene.home, str(area))
        found = [device for device in found if device.area in areas]
    if noun.get("others"):
        before = {one for group in scene.groups for one in group} | scene.spoken_of
        found = [device for device in found if device.id not in before]
    ids = tuple(device.id for device in found)
    if not ids:
        return Found(problem="no_such_device")
    if len(ids) == 1 or noun.get("number") == "all":
        return Found(ids)
    for some in (_just_named(scene, ids), _here(scene, found)):
        if len(some) == 1:
            return Found(some)
    return Found(choices=ids)


def _here(scene: Scene, found: Iterable[Device]) -> tuple[str, ...]:
    """Those in the speaker's area: "the lamp" said where there is one lamp."""
    return tuple(device.id for device in found if scene.area and device.area == scene.area)


def _is_a(device: Device, word: str, domain: Value) -> bool:
    if word == "*":
        return device.domain in SWITCHED
    return device.domain == domain if domain else _head_is(device, word)


def _head_is(device: Device, word: str) -> bool:
    return any(f" {spelling.casefold()}".endswith(f" {word}") for spelling in spellings(device))


def _listed(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def _kindred(scene: Scene, name: Mapping[str, Value], pool: list[Device]) -> Found:
    """ "The hallway one": what is there, or is called so, of the kind that was spoken of last."""
    word = str(name["word"])
    if name["kin"] == "place":
        areas = areas_called(scene.home, word)
        pool = [device for device in pool if device.area in areas]
    else:
        pool = [device for device in pool if any(word in one.casefold().split() for one in spellings(device))]
    for turn in scene.recent():
        for group in reversed(turn):
            found = _same_kind(scene, list(group), {device.id: device for device in pool})
            if found:
                return Found(found) if len(found) == 1 else Found(choices=found)
    return Found(problem="no_antecedent")


def _just_named(scene: Scene, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Of the devices a noun fits, those that this utterance has named before: "the bathroom fan ... the fan"."""
    return tuple(dict.fromkeys(one for group in scene.groups for one in group if one in ids))


def _pronoun(scene: Scene, number: str, pool: list[Device], placed: bool) -> Found:
    fitting = {device.id: device for device in pool}
    for turn in scene.recent():
        groups = [tuple(one for one in group if one in fitting) for group in turn]
        groups = [group for group in groups if group]
        if number in ("kind", "kinds"):
            found = _of_that_kind(scene, turn, groups, fitting)
            if number == "kind" and len(found) > 1:
                return Found(choices=found)
        elif number in ("other", "others"):
            found = _other(scene, [one for group in turn for one in group], fitting)
        elif number == "one":
            found = groups[-1] if groups else ()
        else:
            found = tuple(dict.fromkeys(one for group in groups for one in group))
        if not found and placed and number == "many":
            found = _same_kind(scene, [one for group in turn for one in group], fitting)
        if found and number == "other" and len(found) > 1:
            return Found(choices=found)
        if found:
            return Found(found)
    return Found(problem="no_antecedent")


def _of_that_kind(
    scene: Scene,
    turn: tuple[tuple[str, ...], ...],
    groups: list[tuple[str, ...]],
    fitting: Mapping[str, Device],
) -> tuple[str, ...]:
    """ "The one in the bedroom": of what was spoken of, else what is there of that kind."""
    if groups:
        return tuple(dict.fromkeys(one for group in groups for one in group))
    return _same_kind(scene, [one for group in turn for one in group], fitting)


def _same_kind(scene: Scene, seen: list[str], fitting: Mapping[str, Device]) -> tuple[str, ...]:
    """ "Turn them on in the garage": things there of the kind just spoken of."""
    domains = {scene.home.devices[one].domain for one in seen if one in scene.home.devices}
    return tuple(one for one, device in fitting.items() if device.domain in domains)


def _other(scene: Scene, seen: list[str], fitting: Mapping[str, Device]) -> tuple[str, ...]:
    """The one that was not spoken of, among devices of the same kind and noun."""
    for one in reversed(seen):
        known = scene.home.devices.get(one)
        if known is None:
            continue
        head = known.name.casefold().split()[-1]
        others = tuple(
            other
            for other, device in fitting.items()
            if other not in seen and device.domain == known.domain and _head_is(device, head)
        )
        if others:
            return others
    return ()
