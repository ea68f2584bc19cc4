"""One natural sentence or two for a whole turn: grouped by what came of it, not a list read aloud."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dialogue.interfaces import Device, Home
from dialogue.types import Effect, NotDone, Question, Step, Value

if TYPE_CHECKING:
    from dialogue.responses import Responses

_VERBS = (
    "started",
    "changed",
    "cancelled",
    "paused",
    "resumed",
    "finished",
    "set",
    "added",
    "removed",
    "said",
)
_IMPLIED = {"on": ("brightness", "color", "speed"), "playing": ("media",), "cleaning": ("area",)}
"""States that go without saying when one of these attributes was set."""


def summary(
    words: Responses,
    home: Home,
    effects: Sequence[Sequence[Effect]],
    *,
    now: datetime,
    scheduled: Sequence[Step],
    question: Question | None,
    not_done: Sequence[NotDone],
    answers: Sequence[str],
) -> str:
    """What a turn came to, in words; see `Responses.summary`."""
    teller = _Teller(words, home, now)
    sentences = [
        *answers,
        *teller.done([effect for step in effects for effect in step]),
        *teller.planned(scheduled),
        *teller.not_done(not_done),
        *([question.text] if question else []),
    ]
    return words.say("words", "space", {}).join(one[:1].upper() + one[1:] for one in sentences if one)


@dataclass(frozen=True, slots=True)
class _Teller:
    words: Responses
    home: Home
    now: datetime

    def say(self, section: str, name: str, /, **slots: Value) -> str:
        return self.words.say(section, name, {"now": self.now.isoformat(), **slots})

    def done(self, effects: Sequence[Effect]) -> Iterator[str]:
        phrases = list(self.phrases(effects))
        if phrases:
            yield self.say("summary", "done", phrases=phrases)

    def planned(self, steps: Sequence[Step]) -> Iterator[str]:
        """Steps planned for the same moment are told together."""
        groups: dict[str, list[Step]] = {}
        for step in steps:
            groups.setdefault(str(_when(step)), []).append(step)
        phrases: list[Value] = []
        for members in groups.values():
            kind, when = _when(members[0])
            told = self.intended(members)
            phrases += [self.say("summary", f"planned_{kind}", phrase=phrase, **{kind: when}) for phrase in told]
        if phrases:
            yield self.say("summary", "planned", phrases=phrases)

    def intended(self, steps: Sequence[Step]) -> Iterator[str]:
        """What steps will do: told as effects where their slots say so, else in the user's words."""
        known = [(step, _intended(step)) for step in steps]
        yield from self.phrases([effect for _, effects in known for effect in effects])
        yield from (step.text for step, effects in known if not effects)

    def not_done(self, entries: Sequence[NotDone]) -> Iterator[str]:
        reasons: dict[str, list[Value]] = {}
        for entry in entries:
            quoted = self.say("words", "quote", text=entry.text)
            reasons.setdefault(entry.reason.strip().rstrip("."), []).append(quoted)
        for reason, texts in reasons.items():
            name = "not_done" if reason else "not_done_plain"
            yield self.say("summary", name, texts=texts, reason=reason)

    # --- phrases

    def phrases(self, effects: Iterable[Effect]) -> Iterator[str]:
        groups: dict[tuple[str, ...], list[Effect]] = {}
        for effect in _merged(effects, self.home):
            groups.setdefault(self._group(effect), []).append(effect)
        for (kind, *_), members in groups.items():
            yield from self._told(kind, members)

    def _group(self, effect: Effect) -> tuple[str, ...]:
        device = self.home.devices.get(effect.target)
        if effect.target in self.home.lists or effect.target == "schedule":
            return ("list", effect.target, _verb(effect))
        if device is not None:
            return ("device", device.domain, *(f"{key}={value}" for key, value in _telling(effect).items()))
        return ("single", effect.target, str(effect.change))

    def _told(self, kind: str, members: Sequence[Effect]) -> Iterator[str]:
        first = members[0]
        if kind == "device":
            yield self._devices(members)
        elif first.target == "schedule":
            yield self.say("effects", "schedule.cancelled", names=[self._called(one) for one in members])
        elif kind == "list":
            yield from self._items(members)
        elif first.target != "query":
            yield self._single(first)

    def _devices(self, members: Sequence[Effect]) -> str:
        device = self.home.devices[members[0].target]
        what: list[Value] = [
            self.say(
                "summary",
                "predicate",
                domain=device.domain,
                device_class=device.device_class,
                attribute=name,
                value=value,
            )
            for name, value in _telling(members[0]).items()
        ]
        names = list(self.names([self.home.devices[one.target] for one in members]))
        return self.say("summary", "device", names=names, what=what)

    def _items(self, members: Sequence[Effect]) -> Iterator[str]:
        verb = _verb(members[0])
        items = [one.change.get(verb) for one in members if not _was_there(one)]
        if items:
            known = self.home.lists[members[0].target]
            yield self.say("effects", f"list.{verb}", items=items, list=known.name)

    def _called(self, effect: Effect) -> str:
        target = str(effect.change.get("cancelled"))
        device = self.home.devices.get(target)
        return device.name if device else target

    def _single(self, effect: Effect) -> str:
        verb, change = _verb(effect), effect.change
        value = change.get(verb)
        name = f"{effect.target}.{verb}"
        if effect.target == "announcement" and change.get("id"):
            name = f"announcement.{str(change['id']).partition('.')[0]}"
        elif effect.target == "timer" and (change.get("name") or isinstance(value, str)):
            name += ".named"
        elif effect.target == "reminder" and change.get("on"):
            name += ".on"
        slots: dict[str, Value] = {"name": value, **change, "value": value}
        return self.say("effects", name if self.words.has("effects", name) else "anything", **slots)

    # --- names

    def names(self, devices: Sequence[Device]) -> Iterator[str]:
        """What to call these devices of one domain: by floor or area where all of those there are meant."""
        domain, ids = devices[0].domain, {device.id for device in devices}
        of_kind = [device for device in self.home.devices.values() if device.domain == domain]
        if len(of_kind) > 1 and len(ids) == len(of_kind) and self.words.has("groups", f"{domain}.all"):
            yield self.say("groups", f"{domain}.all")
            return
        whole = self._whole_places(of_kind, ids) if self.words.has("groups", f"{domain}.place") else {}
        names = [
            self.say("groups", f"{domain}.place", place=whole[device.id]) if device.id in whole else device.name
            for device in devices
        ]
        yield from dict.fromkeys(names)

    def _whole_places(self, of_kind: Sequence[Device], ids: set[str]) -> dict[str, str]:
        """The place each device is named by: the largest one all of whose devices are meant."""
        found: dict[str, str] = {}
        for place, members in (*self._by_area(of_kind), *self._by_floor(of_kind)):
            if len(members) > 1 and members <= ids:
                found.update(dict.fromkeys(members, place))
        return found

    def _by_area(self, devices: Sequence[Device]) -> Iterator[tuple[str, set[str]]]:
        for area in self.home.areas.values():
            yield area.name, {device.id for device in devices if device.area == area.id}

    def _by_floor(self, devices: Sequence[Device]) -> Iterator[tuple[str, set[str]]]:
        for floor in self.home.floors.values():
            areas = {area.id for area in self.home.areas.values() if area.floor == floor.id}
            yield floor.name, {device.id for device in devices if device.area in areas}


def _merged(effects: Iterable[Effect], home: Home) -> list[Effect]:
    """Several changes of one device told as one, in the place of the first; the last value counts."""
    found: dict[object, Effect] = {}
    for number, effect in enumerate(effects):
        key: object = effect.target if effect.target in home.devices else number
        earlier = found.get(key)
        found[key] = Effect(effect.target, {**earlier.change, **effect.change}) if earlier else effect
    return list(found.values())


def _telling(effect: Effect) -> dict[str, Value]:
    """The attributes worth telling: a lamp at 40 percent need not be called on as well."""
    change = dict(effect.change)
    if any(name in change for name in _IMPLIED.get(str(change.get("state")), ())):
        del change["state"]
    if change.get("state") == "off":
        change = {"state": "off"}
    return change


def _verb(effect: Effect) -> str:
    return next((verb for verb in _VERBS if verb in effect.change), "")


def _was_there(effect: Effect) -> bool:
    return "added" in effect.change and bool((effect.before or {}).get("present"))


def _when(step: Step) -> tuple[str, Any]:
    schedule = step.schedule
    if schedule is None:
        return "some_time", None
    if schedule.every is not None:
        return "every", schedule.every.text
    if schedule.at is not None:
        return "at", schedule.at.isoformat()
    return ("on", schedule.on) if schedule.on is not None else ("some_time", None)


def _intended(step: Step) -> list[Effect]:
    slots: Mapping[str, Any] = step.slots
    targets = slots.get("targets") or slots.get("target") or []
    ids = [targets] if isinstance(targets, str) else list(targets)
    if isinstance(slots.get("changes"), list):
        back = [Effect(str(one["target"]), one.get("before") or {}) for one in slots["changes"]]
        return [effect for effect in back if effect.change]
    if slots.get("media"):
        return [Effect(target, {"media": slots["media"]}) for target in ids]
    return [Effect(target, slots["change"]) for target in ids] if isinstance(slots.get("change"), dict) else []
