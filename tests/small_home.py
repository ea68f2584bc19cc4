"""A home small enough to keep in mind, for tests that need one."""

from __future__ import annotations

from pathlib import Path

from dialogue.home import SimulatedHome, load_home

SMALL_HOME = """\
floors:
  ground: {name: ground floor, aliases: [downstairs]}
areas:
  kitchen: {name: kitchen, floor: ground}
  den: {name: den, aliases: [snug], floor: ground}
devices:
  light.spot: {name: spot light, area: kitchen, features: [dim], state: {state: on, brightness: 80}}
  light.shelf: {name: shelf light, area: kitchen, features: [], state: {state: off}}
  light.lamp:
    {name: lamp, area: den, features: [dim, color], state: {state: off, brightness: 0, color: white}}
  cover.shutter: {name: shutter, domain: cover, area: den, state: {position: 100}}
  lock.gate: {name: gate, area: den, risky: yes, state: {state: locked}}
  climate.stove: {name: stove, area: kitchen, min: 5, max: 30, state: {state: heat, temperature: 19}}
  fan.hood: {name: hood, area: kitchen, state: {state: off, speed: 0}}
  switch.kettle: {name: kettle, area: kitchen, state: {state: off}}
  media_player.radio:
    {name: radio, area: kitchen, default: true, state: {state: stopped, volume: 50, muted: no, media: null}}
  vacuum.dusty: {name: dusty, state: {state: docked}}
  binary_sensor.rain: {name: rain sensor, device_class: moisture, state: {state: off}}
  sensor.outside:
    {name: outside temperature, device_class: temperature, area: null, state: {value: 4, unit: °C}}
lists:
  list.shopping: {name: shopping list, aliases: [groceries], items: [bread, butter]}
timers: []
"""


def small_home(folder: Path) -> SimulatedHome:
    """The small home, read from a file in ``folder``."""
    return load_home(written(folder))


def written(folder: Path, text: str = SMALL_HOME) -> Path:
    path = folder / "home.yaml"
    path.write_text(text, encoding="utf-8")
    return path
