"""Writes events as JSON and reads them back. The dataclasses are the schema: there is no second one to keep.

A dataclass becomes an object with its class name under ``is`` and the fields that differ from their defaults;
a time becomes an object of its own kind, so that whatever stands in a slot comes back as what it was. Fields
may be added to a class as long as they have defaults; a default that changes needs a new schema version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any

from dialogue import events, types
from dialogue.events import AnyEvent

_CLASSES: Mapping[str, type] = {
    name: member
    for module in (types, events)
    for name, member in vars(module).items()
    if isinstance(member, type) and is_dataclass(member)
}


def written(event: AnyEvent) -> bytes:
    """The event as a line of JSON."""
    return json.dumps(_plain(event), separators=(",", ":")).encode()


def read(line: bytes) -> AnyEvent:
    """The event that `written` wrote.

    Raises:
        ValueError: it is no JSON, or holds a class or field that this version does not know.
    """
    found = _restored(json.loads(line))
    if not isinstance(found, AnyEvent):
        raise ValueError(f"{type(found).__name__} is not an event")
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        inner = {str(key): _plain(one) for key, one in value.items()}
        return {"is": "dict", "of": inner} if "is" in inner else inner
    if isinstance(value, datetime):
        folded = {"fold": 1} if value.fold else {}  # the second showing of an hour that the clocks show twice
        return {"is": "datetime", "of": value.isoformat(), **folded}
    return _plain_dataclass(value)


def _plain_dataclass(value: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"is": type(value).__name__}
    kind: Any = type(value)
    for name, default, _ in _fields(kind):
        one = getattr(value, name)
        if default is MISSING or one != default:
            result[name] = _plain(one)
    return result


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(one) for one in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("is")
    if kind is None:
        return {key: _restored(one) for key, one in value.items()}
    if kind == "dict":
        return {key: _restored(one) for key, one in value["of"].items()}
    if kind == "datetime":
        return datetime.fromisoformat(value["of"]).replace(fold=value.get("fold", 0))
    return _restored_dataclass(kind, value)


def _restored_dataclass(kind: Any, value: dict[str, Any]) -> Any:
    found = _CLASSES.get(kind)
    if found is None:
        raise ValueError(f"{kind!r} is not known")
    depths = {name: depth for name, _, depth in _fields(found)}
    given = {name: _restored(one) for name, one in value.items() if name != "is"}
    try:
        return found(**{name: _tuples(one, depths[name]) for name, one in given.items()})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{kind} does not fit: {error}") from None


def _tuples(value: Any, depth: int) -> Any:
    if depth == 0 or not isinstance(value, list):
        return value
    return tuple(_tuples(one, depth - 1) for one in value)


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any, int], ...]:
    """Name, default and depth of tuples (``tuple[tuple[str, ...], ...]`` has two) of each field."""
    return tuple((one.name, one.default, _depth(str(one.type))) for one in fields(kind))


def _depth(annotation: str) -> int:
    depth = 0
    while annotation.startswith("tuple["):
        annotation, depth = annotation.removeprefix("tuple["), depth + 1
    return depth
