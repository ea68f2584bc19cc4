"""What devices take and refuse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.devices import as_number, folded, refusal
from dialogue.interfaces import Device

DIM = Device("light.a", "a", "light", features=("dim",))
COLOR = Device("light.b", "b", "light", features=("dim", "color"))
PLAIN = Device("light.c", "c", "light")
STOVE = Device("climate.d", "d", "climate", minimum=5, maximum=30)
RADIO = Device("media_player.e", "e", "media_player")
GATE = Device("lock.f", "f", "lock")
RAIN = Device("binary_sensor.g", "g", "binary_sensor")
BLIND = Device("cover.h", "h", "cover")
DUSTY = Device("vacuum.i", "i", "vacuum")

TAKEN = [
    (DIM, "brightness", 0),
    (DIM, "brightness", 100),
    (DIM, "brightness", 33.5),
    (COLOR, "color", "pink"),
    (PLAIN, "state", "on"),
    (STOVE, "temperature", 5),
    (STOVE, "temperature", 30),
    (STOVE, "state", "off"),
    (RADIO, "volume", 10),
    (RADIO, "media", "1999"),
    (RADIO, "muted", "yes"),
    (RADIO, "track", "next"),
    (GATE, "state", "unlocked"),
    (BLIND, "position", 50),
    (DUSTY, "state", "docked"),
    (COLOR, "color_temperature", 2700),
]
REFUSED = [
    (DIM, "brightness", 101, "reason_out_of_range"),
    (DIM, "brightness", -1, "reason_out_of_range"),
    (DIM, "brightness", "fifty", "reason_bad_value"),
    (DIM, "brightness", True, "reason_bad_value"),
    (DIM, "color", "red", "reason_no_color"),
    (PLAIN, "brightness", 50, "reason_no_brightness"),
    (COLOR, "color", "mauve", "reason_bad_value"),
    (STOVE, "temperature", 90, "reason_out_of_range"),
    (STOVE, "temperature", None, "reason_bad_value"),
    (GATE, "state", "on", "reason_bad_value"),
    (GATE, "brightness", 5, "reason_no_attribute"),
    (RAIN, "state", "on", "reason_takes_no_command"),
    (RADIO, "media", "", "reason_bad_value"),
    (RADIO, "track", "third", "reason_bad_value"),
    (BLIND, "state", "ajar", "reason_bad_value"),
    (DIM, "state", ["on"], "reason_bad_value"),
]


@pytest.mark.parametrize(("device", "attribute", "value"), TAKEN)
def test_takes_what_it_can(device: Device, attribute: str, value: Any) -> None:
    """Values within a device's abilities and limits are taken."""
    assert refusal(device, attribute, value) is None


@pytest.mark.parametrize(("device", "attribute", "value", "reason"), REFUSED)
def test_refuses_what_it_cannot(device: Device, attribute: str, value: Any, reason: str) -> None:
    """A value a device cannot take is refused with a reason, never rounded."""
    refused = refusal(device, attribute, value)
    assert refused is not None
    assert refused.reason == reason


def test_folds_the_ways_to_write_a_value() -> None:
    """Open is position 100, true is on, "50" is 50, and a title of digits stays a title."""
    assert folded("cover", {"state": "open"}) == {"position": 100}
    assert folded("cover", {"state": "closed", "position": 30}) == {"position": 30}
    assert folded("light", {"state": True, "brightness": "50"}) == {"state": "on", "brightness": 50}
    assert folded("media_player", {"muted": "true", "media": "1999"}) == {"muted": "yes", "media": "1999"}
    assert folded("vacuum", {"state": "returning"}) == {"state": "docked"}
    assert folded("climate", {"state": "on"}) == {"state": "heat"}


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9))
def test_numbers_are_read_back(number: float) -> None:
    """What is written as a number is the same number when read."""
    assert as_number(str(number)) == number


@pytest.mark.parametrize("text", ["nan", "inf", "-infinity", "", "ten", "1,5"])
def test_words_stay_words(text: str) -> None:
    """What is no finite number stays the text it is."""
    assert as_number(text) == text
