"""Reads a ``home.yaml``: what is in the home and how it stands at the start, checked at the edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from dialogue.clockworks import REPEATS, wall_time
from dialogue.devices import folded
from dialogue.errors import HomeError
from dialogue.interfaces import Clockwork, Device, ItemList, Place
from dialogue.types import Value

_Place: TypeAlias = tuple[str, ...]
_STRICT = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class _PlaceEntry:
    name: str
    aliases: tuple[str, ...] = ()
    floor: str | None = None
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class _DeviceEntry:
    name: str
    aliases: tuple[str, ...] = ()
    domain: str = ""
    device_class: str | None = None
    area: str | None = None
    features: tuple[str, ...] | None = None
    risky: bool = False
    default: bool = False
    min: float | None = None
    max: float | None = None
    state: dict[str, Any] = field(default_factory=dict)
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class _ListEntry:
    name: str
    aliases: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class _TimerEntry:
    seconds: float
    due: datetime
    id: str = ""
    name: str = ""
    area: str | None = None
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class _AlarmEntry:
    at: datetime
    id: str = ""
    name: str = ""
    repeat: str | None = None
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class _ReminderEntry:
    text: str
    id: str = ""
    at: datetime | None = None
    on: dict[str, Any] | None = None
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class _HomeFile:
    """What a ``home.yaml`` may hold."""

    floors: dict[str, _PlaceEntry] = field(default_factory=dict)
    areas: dict[str, _PlaceEntry] = field(default_factory=dict)
    devices: dict[str, _DeviceEntry] = field(default_factory=dict)
    lists: dict[str, _ListEntry] = field(default_factory=dict)
    timers: tuple[_TimerEntry, ...] = ()
    alarms: tuple[_AlarmEntry, ...] = ()
    reminders: tuple[_ReminderEntry, ...] = ()
    catalogs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Layout:
    """What a home file describes: the things in the home, and how they stand at the start."""

    devices: Mapping[str, Device] = field(default_factory=dict)
    areas: Mapping[str, Place] = field(default_factory=dict)
    floors: Mapping[str, Place] = field(default_factory=dict)
    lists: Mapping[str, ItemList] = field(default_factory=dict)
    states: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    clockworks: tuple[Clockwork, ...] = ()
    catalogs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_home(path: str | Path) -> Layout:
    """Read and check a home file.

    Raises:
        HomeError: the file is missing, not UTF-8, empty, not YAML, or describes a home that cannot be.
    """
    source = _Source(Path(path))
    entries = source.checked(source.read())
    _check_places(entries, source)
    return _built(entries)


class _Source:
    """A home file being read, which knows on which line each of its places is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[_Place, int] = {}

    def error(self, place: _Place, problem: str) -> HomeError:
        line = next((self.lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in self.lines), 1)
        named = f"{'.'.join(place)}: " if place else ""
        return HomeError(f"{self.path}:{line}: {named}{problem}")

    def read(self) -> dict[str, Any]:
        """The file as plain mappings, lists and texts; a key without a value counts as not given."""
        node = self._composed(self._text())
        if node is None:
            raise HomeError(f"{self.path}: The file is empty. Write a home in it, as in grammars/home.yaml.")
        data = self._plain(node, ())
        if not isinstance(data, dict):
            raise self.error(
                (), "A home file is a mapping with floors, areas, devices and lists, as grammars/home.yaml."
            )
        return data

    def _text(self) -> str:
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            raise HomeError(f"{self.path}: There is no such file. Name a home file with --home FILE.") from None
        except OSError as error:
            raise HomeError(
                f"{self.path}: It cannot be read: {error.strerror}. Name a home file with --home FILE."
            ) from None
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            raise HomeError(f"{self.path}:{line}: The text is not UTF-8. Save the file as UTF-8.") from None

    def _composed(self, text: str) -> Any:
        import yaml

        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        try:
            return yaml.compose(text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise HomeError(f"{self.path}:{line}: This is not YAML: {error.problem}. Mend this line.") from None
        except (yaml.YAMLError, RecursionError) as error:
            raise HomeError(f"{self.path}: This is not YAML: {error}. Mend the file.") from None

    def _plain(self, node: Any, place: _Place) -> Any:
        """The value of a YAML node: a mapping, a list, a text (so "on" stays "on"), or None."""
        if len(place) > 12:
            raise self.error(place, "Too many levels. A home file needs no more than six.")
        self.lines.setdefault(place, node.start_mark.line + 1)
        if node.id == "mapping":
            return self._mapping(node, place)
        if node.id == "sequence":
            return [self._plain(child, (*place, str(index))) for index, child in enumerate(node.value)]
        return None if not node.style and node.value in ("", "~", "null", "Null", "NULL") else node.value

    def _mapping(self, node: Any, place: _Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.id != "scalar":
                raise self.error(place, "A key must be a word.")
            here = (*place, key_node.value)
            if here in self.lines:
                first = self.lines[here]
                self.lines[here] = key_node.start_mark.line + 1
                raise self.error(
                    here, f"It is already on line {first}. Give it another id, or delete one of the two."
                )
            self.lines[here] = key_node.start_mark.line + 1
            value = self._plain(value_node, here)
            if value is not None or len(here) == 2 or "state" in place:
                result[key_node.value] = value
        return result

    def checked(self, data: dict[str, Any]) -> _HomeFile:
        from pydantic import ValidationError

        try:
            entries: _HomeFile = _file_adapter().validate_python(data)
        except ValidationError as error:
            raise self._explained(error.errors()) from None
        return entries

    def _explained(self, problems: list[Any]) -> HomeError:
        first = problems[0]
        place = tuple(str(part) for part in first["loc"])
        more = f" ({len(problems) - 1} more mistakes in this file.)" if len(problems) > 1 else ""
        return self.error(place, _mending(first["type"], first["msg"], place) + more)


@cache
def _file_adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(_HomeFile)


def _mending(kind: str, message: str, place: _Place) -> str:
    if kind == "unexpected_keyword_argument":
        return f"This key is not known here. Allowed: {', '.join(_allowed(place))}."
    if kind in ("missing", "missing_argument"):
        return f"It is missing. Add `{place[-1]}: ...`."
    if kind in ("dataclass_type", "dict_type"):
        return "This must be a mapping, such as {name: kitchen, aliases: []}."
    return f"{message}."


def _allowed(place: _Place) -> tuple[str, ...]:
    entries: Mapping[str, Any] = {
        "floors": _PlaceEntry,
        "areas": _PlaceEntry,
        "devices": _DeviceEntry,
        "lists": _ListEntry,
        "timers": _TimerEntry,
        "alarms": _AlarmEntry,
        "reminders": _ReminderEntry,
    }
    return tuple((entries.get(place[0], _HomeFile) if len(place) > 1 else _HomeFile).__dataclass_fields__)


def _check_places(entries: _HomeFile, source: _Source) -> None:
    for name, area in entries.areas.items():
        _check_known(area.floor, entries.floors, ("areas", name, "floor"), "floor", source)
    for name, device in entries.devices.items():
        _check_known(device.area, entries.areas, ("devices", name, "area"), "area", source)
        if not device.domain and "." not in name:
            raise source.error(
                ("devices", name), "Its kind is not known. Add `domain: light` or call it light.NAME."
            )
        if name in entries.lists:
            raise source.error(("lists", name), "A device has the same id. Give the list another id.")
    for index, alarm in enumerate(entries.alarms):
        if alarm.repeat is not None and alarm.repeat not in REPEATS:
            place = ("alarms", str(index), "repeat")
            raise source.error(place, f"{alarm.repeat!r} is not known. Allowed: {', '.join(REPEATS)}.")


def _check_known(name: str | None, known: Mapping[str, Any], place: _Place, kind: str, source: _Source) -> None:
    if name is None or name in known:
        return
    allowed = ", ".join(known) or f"none, as the file has no {kind}s"
    hint = _did_you_mean(name, known)
    raise source.error(
        place,
        f"There is no {kind} {name!r}.{hint} Allowed: {allowed}. Use one, or add it under `{kind}s:`.",
    )


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _built(entries: _HomeFile) -> Layout:
    devices = {name: _device(name, entry) for name, entry in entries.devices.items()}
    return Layout(
        devices=devices,
        areas={key: Place(key, area.name, area.aliases, area.floor) for key, area in entries.areas.items()},
        floors={key: Place(key, floor.name, floor.aliases) for key, floor in entries.floors.items()},
        lists=_lists(entries, devices),
        states={key: _state(devices[key].domain, entry.state) for key, entry in entries.devices.items()},
        clockworks=tuple(_clockworks(entries)),
        catalogs=entries.catalogs,
    )


def _lists(entries: _HomeFile, devices: Mapping[str, Device]) -> dict[str, ItemList]:
    """The lists of the file; a device of the domain ``todo`` is one, too."""
    lists = {key: ItemList(key, entry.name, entry.aliases, entry.items) for key, entry in entries.lists.items()}
    todos = [device for device in devices.values() if device.domain == "todo"]
    return {**lists, **{todo.id: ItemList(todo.id, todo.name, todo.aliases) for todo in todos}}


def _device(name: str, entry: _DeviceEntry) -> Device:
    """A light that says nothing of its features is taken to have them all."""
    domain = entry.domain or name.partition(".")[0]
    features = ("dim", "color") if entry.features is None and domain == "light" else entry.features or ()
    return Device(
        id=name,
        name=entry.name,
        domain=domain,
        aliases=entry.aliases,
        area=entry.area,
        device_class=entry.device_class,
        features=features,
        risky=entry.risky,
        default=entry.default,
        minimum=entry.min,
        maximum=entry.max,
    )


def _state(domain: str, state: Mapping[str, Any]) -> dict[str, Value]:
    folded_state = folded(domain, state)
    if "position" in folded_state:
        folded_state.pop("state", None)
    return folded_state


def _clockworks(entries: _HomeFile) -> Iterator[Clockwork]:
    for number, timer in enumerate(entries.timers, 1):
        due = wall_time(timer.due)
        name = timer.id or f"timer.{number}"
        yield Clockwork("timer", name, due, timer.seconds, timer.name, area=timer.area)
    for number, alarm in enumerate(entries.alarms, 1):
        name, due = alarm.id or f"alarm.{number}", wall_time(alarm.at)
        yield Clockwork("alarm", name, due, name=alarm.name, repeat=alarm.repeat)
    for number, reminder in enumerate(entries.reminders, 1):
        at = None if reminder.at is None else wall_time(reminder.at)
        yield Clockwork("reminder", reminder.id or f"reminder.{number}", at, name=reminder.text, on=reminder.on)
