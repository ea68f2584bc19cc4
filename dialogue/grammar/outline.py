"""What can be asked for, at a glance: every intent with its slots and a few sentences that truly ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from dialogue.grammar.compiled import Compiled
from dialogue.grammar.grammar import Grammar
from dialogue.grammar.network import WILDCARD, ListArc
from dialogue.interfaces import Home

MOST_SAMPLES = 3
_TRIED = 12
_LONGEST = 200
_TIMES = {"moment": "7:30", "length": "10 minutes", "ordinal": "2nd", "number": "20"}

Asks = Callable[[str], Sequence[str]]
"""The intents that a text asks for."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing that can be asked for; slots and samples in the order of the sentence files."""

    name: str
    slots: tuple[str, ...]
    samples: tuple[str, ...]


def outline(grammar: Grammar, home: Home, asks: Asks) -> tuple[Intent, ...]:
    """All intents by name; a sample is kept only if ``asks`` finds the intent, and nothing else, in it."""
    compiled = grammar.main.compiled
    speaker = _Speaker(compiled, _named(compiled, home))
    templates: dict[str, list[int]] = {}
    for number, template in enumerate(compiled.templates):
        block = compiled.blocks[template.block]
        if block.kind == "request" and not block.needs_area:
            templates.setdefault(block.intent, []).append(number)
    return tuple(
        Intent(name, _slots(speaker, numbers), _samples(speaker, name, numbers, asks))
        for name, numbers in sorted(templates.items())
    )


def _slots(speaker: _Speaker, numbers: Sequence[int]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for number in numbers:
        template = speaker.compiled.templates[number]
        found |= dict.fromkeys(speaker.compiled.blocks[template.block].slots)
        found |= dict.fromkeys(speaker.slots(number))
    return tuple(found)


def _samples(speaker: _Speaker, intent: str, numbers: Sequence[int], asks: Asks) -> tuple[str, ...]:
    """Sentences of templates that lie apart; those without open text come first."""
    spread = sorted(
        numbers[:: max(1, len(numbers) // _TRIED)], key=lambda one: speaker.compiled.templates[one].wild
    )
    found: dict[str, None] = {}
    for number in spread:
        text = speaker.shortest(number)
        if text and list(asks(text)) == [intent]:
            found[text] = None
        if len(found) == MOST_SAMPLES:
            break
    return tuple(found)


def _named(compiled: Compiled, home: Home) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Words for each list, with the domain they belong to: the grammar's own values and the home's names."""
    found: dict[str, list[tuple[str, str]]] = {name: [(words, "")] for name, words in _TIMES.items()}
    for text, value in compiled.values:
        found.setdefault(value.list_name, []).append((text, value.domain or ""))
    for device in home.devices.values():
        found.setdefault("name", []).append((device.name, device.domain))
    for name, places in (("area", home.areas), ("floor", home.floors), ("list_name", home.lists)):
        found[name] = [(place.name, "") for place in places.values()]
    return found


class _Speaker:
    """Speaks templates in as few words as they allow."""

    def __init__(self, compiled: Compiled, named: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        self.compiled = compiled
        self._named = named

    def slots(self, number: int) -> Iterator[str]:
        """The slots that a template can fill."""
        network = self.compiled.network
        todo, seen = [network.starts[number]], set[int]()
        while todo:
            state = todo.pop()
            if state in seen:
                continue
            seen.add(state)
            yield from (arc.slot for arc in network.lists[state])
            todo += [target for target, _ in self._ways(state, spoken=False)]

    def shortest(self, number: int) -> str:
        """The sentence with the fewest letters, slots at no cost; empty if the home has nothing to speak of."""
        network = self.compiled.network
        frontier = [(0, 0, network.starts[number], "")]
        seen, count = set[int](), 0
        while frontier:
            cost, _, state, text = heappop(frontier)
            if network.finals.get(state) == number:
                return " ".join(text.split())
            if state in seen or len(text) > _LONGEST:
                continue
            seen.add(state)
            for target, said in self._ways(state, spoken=True):
                count += 1
                heappush(frontier, (cost + len(said), count, target, text + said))
        return ""

    def _ways(self, state: int, *, spoken: bool) -> Iterator[tuple[int, str]]:
        network = self.compiled.network
        yield from ((target, "") for target in network.skips[state])
        yield from ((target, " ") for target in network.spaces[state])
        yield from ((target, piece) for piece, target in network.pieces[state])
        for arc in network.lists[state]:
            said = self._value(arc) if spoken else "-"
            if said:
                yield arc.target, said

    def _value(self, arc: ListArc) -> str:
        symbol = self.compiled.network.symbols[arc.symbol]
        if symbol.list_name == WILDCARD:
            return arc.slot.replace("_", " ")
        if symbol.list_name in self.compiled.ranges:
            numbers = self.compiled.ranges[symbol.list_name]
            return str(int(numbers.low + (numbers.high - numbers.low) // 2))
        values = self._named.get(symbol.list_name, ())
        fitting = [words for words, domain in values if not symbol.domains or domain in ("", *symbol.domains)]
        return fitting[0] if fitting else ""
