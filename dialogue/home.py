"""The simulated home: devices, lists, timers, alarms and reminders as they stand now.

Everything that changes it goes through `SimulatedHome.apply` as an `Effect`, so that replaying the effects of
a journal gives the same home again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any

from dialogue import clockworks
from dialogue.devices import LEVELS, MOMENTARY, consequences, folded
from dialogue.errors import HomeError
from dialogue.events import EffectHappened
from dialogue.home_file import Layout, read_home
from dialogue.instants import instant
from dialogue.interfaces import Clockwork, Tick
from dialogue.types import Effect, Value

_REMEMBERED_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Done:
    """What a step did, kept so that running it again answers the same and does nothing."""

    effects: tuple[Effect, ...] = ()
    failed: tuple[Mapping[str, Any], ...] = ()
    messages: tuple[Mapping[str, Any], ...] = ()


def load_home(path: str | Path) -> SimulatedHome:
    """The home a file describes, as it stands at the start.

    Raises:
        HomeError: the file is missing, not UTF-8, empty, not YAML, or describes a home that cannot be; the
            message starts with ``file:line`` and names the place (``devices.light.x.area``).
    """
    return SimulatedHome(read_home(path))


class SimulatedHome:
    """A home that exists only in memory; it fits the `Home` protocol.

    ``lock`` is held by whoever reads and changes in one go; an action holds it while it runs.
    """

    def __init__(self, layout: Layout) -> None:
        self.devices = layout.devices
        self.areas = layout.areas
        self.floors = layout.floors
        self.lists = layout.lists
        self.catalogs = layout.catalogs
        self.lock = RLock()
        self._states = {device: dict(layout.states.get(device, {})) for device in layout.devices}
        self._clockworks = {clockwork.id: clockwork for clockwork in layout.clockworks}
        self._triggered: list[str] = []
        self._done: OrderedDict[str, Done] = OrderedDict()

    # --- reading

    def state(self, device_id: str) -> Mapping[str, Value]:
        """The attributes of a device now. Covers and valves show ``state`` beside their ``position``.

        Raises:
            HomeError: the home has no such device.
        """
        if device_id not in self.devices:
            raise HomeError(f"There is no device {device_id!r} in this home. Look for its id in the home file.")
        return _shown(self.devices[device_id].domain, self._states[device_id])

    def clockworks(self, kind: str) -> tuple[Clockwork, ...]:
        """The running timers, set alarms or set reminders, in the order they were set."""
        return tuple(clockwork for clockwork in self._clockworks.values() if clockwork.kind == kind)

    def clockwork(self, clockwork_id: str) -> Clockwork | None:
        """The timer, alarm or reminder with this id, or None if it has ended."""
        return self._clockworks.get(clockwork_id)

    def before(self, device_id: str, change: Mapping[str, Value]) -> dict[str, Value]:
        """The values to go back to after ``change``, those of its consequences included."""
        domain, have = self.devices[device_id].domain, self._states[device_id]
        change = folded(domain, change)
        more = consequences(domain, have, change)
        altered = {name for name, value in more.items() if have.get(name) != value}
        result = {name: have.get(name) for name in (*change, *altered) if name not in MOMENTARY}
        if change.get("track") in ("next", "previous"):
            result["track"] = "previous" if change["track"] == "next" else "next"
        return result

    def next_due(self, mark: str | None = None) -> datetime | None:
        """When the next timer, alarm or reminder falls due (local time); None if none waits for a time.

        ``mark`` leaves out those of other conversations.
        """
        with self.lock:
            times = [known.due for known in self._clockworks.values() if known.due and clockworks.of(known, mark)]
        return min(times, key=instant, default=None)

    # --- changing

    def apply(self, effect: Effect) -> None:
        """Change the home as ``effect`` says; what it does not know (a removed device) is passed over."""
        change = effect.change
        with self.lock:
            if effect.target in self.devices:
                self._change_device(effect.target, change)
            if effect.target in self.lists:
                self._change_list(effect.target, change, effect.before or {})
            elif effect.target in clockworks.KINDS:
                self._change_clockwork(effect.target, change, effect.before or {})
            elif effect.target == "announcement":
                self._rang(change)

    def replay(self, events: Iterable[EffectHappened]) -> None:
        """Bring the home to where a journal left it; the journal's steps count as done."""
        done: dict[str, list[Effect]] = {}
        for event in events:
            self.apply(event.effect)
            done.setdefault(event.step_id, []).append(event.effect)
        for step_id, effects in done.items():
            self.remember(step_id, Done(tuple(effects)))

    def _change_device(self, target: str, change: Mapping[str, Value]) -> None:
        domain, have = self.devices[target].domain, self._states[target]
        earlier = _shown(domain, have)
        wanted = folded(domain, change)
        wanted = {**wanted, **consequences(domain, have, wanted)}
        have.update({name: value for name, value in wanted.items() if name not in MOMENTARY})
        self._trigger(target, earlier, _shown(domain, have))

    def _change_list(self, target: str, change: Mapping[str, Value], before: Mapping[str, Value]) -> None:
        known = self.lists[target]
        items = list(known.items)
        for item in _several(change.get("removed")):
            items = [other for other in items if other.casefold() != item.casefold()]
        place = before.get("place")
        for item in _several(change.get("added")):
            if item.casefold() not in (other.casefold() for other in items):
                items.insert(place if isinstance(place, int) else len(items), item)
        self.lists = {**self.lists, target: replace(known, items=tuple(items))}

    def _change_clockwork(self, kind: str, change: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        clockwork_id = str(change.get("id", ""))
        known = self._clockworks.get(clockwork_id)
        if "started" in change or "set" in change:
            if clockwork_id:
                self._clockworks[clockwork_id] = clockworks.new(kind, clockwork_id, change, before)
        elif "cancelled" in change or "finished" in change:
            self._clockworks.pop(clockwork_id, None)
        elif known is not None:
            self._clockworks[clockwork_id] = clockworks.changed(known, change)

    def _rang(self, change: Mapping[str, Value]) -> None:
        known = self._clockworks.get(str(change.get("id")))
        if known is None:
            return
        if change.get("at"):
            self._clockworks[known.id] = replace(known, due=datetime.fromisoformat(str(change["at"])))
        else:
            del self._clockworks[known.id]

    # --- time

    def tick(self, now: datetime, mark: str | None = None) -> Tick:
        """Let everything that is due by ``now`` happen: timers finish, alarms ring, reminders are said.

        What is waiting for an event that has happened comes first, then what was due earliest. ``mark`` leaves
        out those of other conversations.
        """
        effects: list[Effect] = []
        ended: list[str] = []
        with self.lock:
            while (clockwork := self._next_ringing(clockworks.wall_time(now), mark)) is not None:
                effect = clockworks.ringing(clockwork, clockworks.wall_time(now))
                self.apply(effect)
                effects.append(effect)
                if clockwork.id not in self._clockworks:
                    ended.append(clockwork.id)
                if clockwork.kind == "timer":
                    self._trigger_after_timer(clockwork)
        return Tick(tuple(effects), tuple(ended))

    def _next_ringing(self, now: datetime, mark: str | None) -> Clockwork | None:
        for clockwork_id in self._triggered:
            known = self._clockworks.get(clockwork_id)
            if known is None or clockworks.of(known, mark):
                self._triggered.remove(clockwork_id)
                return known or self._next_ringing(now, mark)
        waiting = (known for known in self._clockworks.values() if clockworks.of(known, mark))
        due = [(clockwork.due, clockwork) for clockwork in waiting if clockwork.due]
        moment, first = min(due, key=lambda pair: instant(pair[0]), default=(None, None))
        return first if moment is not None and instant(moment) <= instant(now) else None

    def _trigger(self, target: str, earlier: Mapping[str, Value], later: Mapping[str, Value]) -> None:
        for reminder in self._waiting_for(target):
            on = reminder.on or {}
            if clockworks.holds(on, later) and not clockworks.holds(on, earlier):
                self._triggered.append(reminder.id)

    def _trigger_after_timer(self, timer: Clockwork) -> None:
        for reminder in self._waiting_for("timer"):
            if (reminder.on or {}).get("value") in (None, timer.id, timer.name, timer.seconds):
                self._triggered.append(reminder.id)

    def _waiting_for(self, target: str) -> Iterator[Clockwork]:
        for clockwork in self._clockworks.values():
            if clockwork.on and clockwork.on.get("target") == target:
                yield clockwork

    # --- steps done

    def done(self, step_id: str) -> Done | None:
        """What the step did, if it has already run here."""
        return self._done.get(step_id)

    def remember(self, step_id: str, done: Done) -> None:
        """Note that a step has run; the newest 10,000 are kept."""
        self._done[step_id] = done
        while len(self._done) > _REMEMBERED_STEPS:
            self._done.popitem(last=False)

    def forget(self, mark: str) -> None:
        """Drop timers, alarms and reminders of the conversation with this mark, and that its steps have run."""
        with self.lock:
            self._done = OrderedDict((step, one) for step, one in self._done.items() if _mark(step) != mark)
            left = {name: one for name, one in self._clockworks.items() if clockworks.owner_of(one) != mark}
            self._clockworks = left


def _mark(step: str) -> str:
    return step.partition("@")[0].rpartition(":")[0]


def _shown(domain: str, state: Mapping[str, Value]) -> dict[str, Value]:
    """A device's state as anyone may read it: covers and valves are also "open" or "closed"."""
    shown = dict(state)
    if LEVELS.get(domain) == "position" and "position" in state:
        shown["state"] = "open" if state["position"] else "closed"
    return shown


def _several(value: Value) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
