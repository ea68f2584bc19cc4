"""Fragments: stretches that are a request only in the place of a part of another one.

"Turn on the lamp and the fan": put "the fan" where "the lamp" stood, and it is a sentence. Shared heads, shared
tails, exceptions and corrections all read so, with nothing but the grammar of single requests: the automaton goes
on from the states after each beginning of the earlier request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dialogue.grammar.automaton import State
from dialogue.grammar.grammar import Grammar
from dialogue.grammar.machine import ScoredReading, Text
from dialogue.splitter.chart import Chart, Core, Item
from dialogue.types import Reading, Request

REQUEST, FRAGMENT, SPLICE_TAIL = 1.0, 0.6, 0.1
OTHER_INTENT, OTHER_SLOTS, FEWER_SLOTS = 0.3, 0.25, 0.02
UNEVEN, REPLACED = 0.03, 0.05
OWN_NAME = 0.1
OPENS_WITH_VERB = 1.0
MOST_SPLICES = 28
EFFORT, EFFORT_PER_TOKEN, EFFORT_PER_LEANING, EFFORT_PER_ROW = 14000, 20, 900, 400
READING = 25
MOST_REMEMBERED = 500
MOST_THINGS, MOST_ROW = 5, 20
MOST_FRAGMENT = 15
_CUTTING = frozenset({"not", "except", "correct", "scratch", "never_mind", "but"})
"""Operators that end a text: no fragment swallows them in open words."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text with the automaton's states after each of its tokens, and how the whole reads as a request."""

    text: Text
    states: dict[int, State]
    readings: tuple[ScoredReading, ...]

    @property
    def size(self) -> int:
        return len(self.text.tokens)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fragment goes: the tokens from ``cut`` to ``tail`` of a sentence make room for it."""

    cut: int
    tail: int


@dataclass(slots=True)
class Effort:
    """How much may still be tried to explain one text by fragments, so that its time grows with its length only.

    One unit is a tail that is matched; a sentence that is put together and read costs `READING` of them.
    """

    left: int

    @classmethod
    def of(cls, tokens: int) -> Effort:
        """What a text of so many tokens is worth."""
        return cls(EFFORT + EFFORT_PER_TOKEN * tokens)


class Splicer:
    """Reads fragments. Remembers the sentences it made for a while, so that a text that grows (speech while it is
    heard) is not read anew from its beginning; forgets them when the home's names change.
    """

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self._articles = frozenset(grammar.words.get("articles", ()))
        self._verbs = frozenset(grammar.words.get("verbs", ()))
        self._sentences: dict[str, Sentence] = {}
        self._edition = grammar.edition

    def splices(
        self,
        chart: Chart,
        last: Core,
        start: int,
        effort: Effort,
        *,
        correcting: bool,
        old: str = "",
        adding: bool = False,
    ) -> Iterator[tuple[Core, float]]:
        """The fragments that begin at a token, each with its cost; the cheapest splice per end.

        ``old`` are the words that the fragment was said to replace, where they were named; ``adding`` says that it
        may stand behind the request, in the place of words that nothing explains.
        """
        tried: dict[int, int] = {}
        best: dict[int, tuple[float, float, Core]] = {}
        mine = Effort(min(effort.left, EFFORT_PER_LEANING))
        given = mine.left
        for place, end in self._places(chart, last, start, mine, correcting=correcting, old=old, adding=adding):
            tried[end] = tried.get(end, 0) + 1
            if tried[end] > MOST_SPLICES:
                continue
            mine.left -= READING
            found = self._spliced(chart, last, place, (start, end), correcting=correcting, adding=adding)
            if found is not None and (end not in best or found[0] < best[end][0]):
                best[end] = found
        effort.left -= given - mine.left
        for _, cost, core in best.values():
            yield core, cost

    def _places(
        self, chart: Chart, last: Core, start: int, effort: Effort, *, correcting: bool, old: str, adding: bool
    ) -> Iterator[tuple[Place, int]]:
        """Where fragments from a token may go, each with its end; the places far behind first."""
        base = self._sentence(last.meant)
        inside_text = set() if correcting else _inside_open_text(last)
        for cut in range(base.size, -1, -1):
            if cut in inside_text or effort.left <= 0:
                continue
            for end, reached in self._ends(chart, base, cut, start):
                if not (correcting or chart.knows(start, end)):
                    continue
                for tail in self._tails(base, cut, reached, effort):
                    appended = correcting or adding or last.kind == "remembered"
                    if tail == cut and not (appended and tail == base.size):
                        continue  # nothing would be replaced
                    if not old or base.text.words(cut, tail).casefold() == old:
                        yield Place(cut, tail), end

    def _ends(self, chart: Chart, base: Sentence, cut: int, start: int) -> Iterator[tuple[int, State]]:
        """Where a fragment may end that goes on from the first ``cut`` tokens of a sentence."""
        state = base.states.get(cut)
        if state is not None:
            for end, reached in self.grammar.ends(chart.text, start, state, MOST_FRAGMENT).items():
                if end > start and end in chart.bounds:
                    yield end, reached

    def _tails(self, base: Sentence, cut: int, state: State, effort: Effort) -> Iterator[int]:
        """Where the earlier request may go on after the fragment, so that the whole is a sentence."""
        if self.grammar.sorted(state.accepts).requests:
            yield base.size
        for tail in range(max(cut, 1), base.size):
            effort.left -= 1
            if effort.left < 0:
                return
            if self._reaches(base.text, tail, base.size, state):
                yield tail

    def _reaches(self, text: Text, start: int, end: int, state: State) -> bool:
        """Whether the tokens from ``start`` to ``end`` complete a request after ``state``."""
        reached = self.grammar.ends(text, start, state, end - start).get(end)
        return reached is not None and bool(self.grammar.sorted(reached.accepts).requests)

    def _spliced(
        self, chart: Chart, last: Core, place: Place, new: tuple[int, int], *, correcting: bool, adding: bool
    ) -> tuple[float, float, Core] | None:
        """The splice with its rank among those of the same end (the least replaced first) and its cost."""
        base = self._sentence(last.meant)
        if place.cut == 0 and place.tail == base.size:
            return None
        pieces = (base.text.words(0, place.cut), chart.words(*new), base.text.words(place.tail, base.size))
        words = " ".join(piece for piece in pieces if piece)
        whole = self._read(words, *new, kind="fragment", base=last.base)
        if whole is None or self._times_run_together(base.text, self._sentence(words).text, place.cut):
            return None
        length = new[1] - new[0]
        if _left_as_text(self._sentence(words).text, whole.readings[0]):
            return None
        listed = chart.all_listed(*new) or chart.begins_listed(*new)
        if not (correcting or listed) and not _anchored(self._sentence(words).text, place.cut, length):
            return None
        if not correcting and self._moved(last, whole, place.cut, length):
            return None
        if self._begins_another(chart, whole, new, place.cut):
            return None
        open_words = whole.readings[0].wild_inside(place.cut, place.cut + length)
        leaning = _leaning(last, whole.readings[0], place.cut, length)
        if place.cut == base.size and adding and leaning != "value":
            leaning = "apart"
        if place.cut == base.size and (open_words or leaning not in ("narrows", "apart")):
            return None  # only a place is added behind a request ("no on the radio")
        only_places = self._only_places(last, whole.readings[0], self._sentence(words).text, (place.cut, length))
        if only_places and changes(last, whole.readings[0]):
            return None
        if not (correcting or listed) and open_words and open_words >= length - 1:
            return None
        if open_words and _CUTTING & chart.kinds_inside(*new):
            return None
        replaced = place.tail - place.cut
        cost = FRAGMENT + whole.readings[0].cost + _difference(last, whole.readings[0])
        cost += SPLICE_TAIL if place.tail < base.size else 0.0
        cost += UNEVEN * abs(replaced - length)
        if open_words and chart.words(new[0], new[0] + 1).casefold() in self._verbs:
            cost += OPENS_WITH_VERB
        rank = cost + (REPLACED * replaced if correcting else 0.0)
        readings = _own_name_first(whole.readings, chart.words(*new), self._articles)
        return rank, cost, replace(whole, readings=readings, leaning=leaning)

    def _times_run_together(self, old: Text, new: Text, cut: int) -> bool:
        """Whether a time that ended where the fragment begins goes on in it ("at nine", "ten pm": not 9:10)."""
        ended = {spoken.start for spoken in old.spoken if spoken.end == cut}
        longer = {spoken.start for spoken in new.spoken if spoken.start < cut < spoken.end}
        return not ended.isdisjoint(longer)

    def _moved(self, last: Core, whole: Core, cut: int, length: int) -> bool:
        """Whether a fragment that names nothing would speak of another thing than the request it goes with."""
        new = whole.readings[0]
        if new.places_inside(cut, cut + length):
            return False
        old = _reading_of(last)
        return old is not None and _places(old) != _places(new.reading)

    def _only_places(self, last: Core, scored: ScoredReading, text: Text, new: tuple[int, int]) -> bool:
        """Whether a fragment says nothing but where or with what ("in the kitchen"), of the same request."""
        cut, length = new
        end = cut + length
        old = _reading_of(last)
        if old is None or old.intent != scored.reading.intent:
            return False
        inside = {at for first, last in scored.places for at in range(first, last) if cut <= first and last <= end}
        others = [at for at in range(cut, end) if at not in inside]
        return bool(inside) and not any(text.lattice[at] for at in others) and not scored.wild_inside(cut, end)

    def _begins_another(self, chart: Chart, whole: Core, new: tuple[int, int], cut: int) -> bool:
        """Whether a verb alone would be taken from the thing it was said of ("... and turn on | the lamp")."""
        start, end = new
        if end not in chart.sure or chart.words(start, start + 1).casefold() not in self._verbs:
            return False
        return not whole.readings[0].places_inside(cut, cut + end - start)

    def _read(self, words: str, start: int, end: int, *, kind: str, base: Request | None = None) -> Core | None:
        """The sentence ``words`` as a request that stands at ``start`` to ``end`` of the utterance."""
        readings = self._sentence(words).readings
        return Core(start, end, words, readings, kind, base) if readings else None

    def _sentence(self, words: str) -> Sentence:
        if len(self._sentences) >= MOST_REMEMBERED or self._edition != self.grammar.edition:
            self._sentences.clear()
            self._edition = self.grammar.edition
        known = self._sentences.get(words)
        if known is None:
            known = self._sentences[words] = self._read_sentence(words)
        return known

    def _read_sentence(self, words: str) -> Sentence:
        text = self.grammar.text(words, exact=True)
        states = self.grammar.ends(text, 0)
        final = states.get(len(text.tokens))
        templates = self.grammar.sorted(final.accepts).requests if final is not None else ()
        return Sentence(text, states, tuple(self.grammar.readings(text, 0, len(text.tokens), templates)))

    # --- shared tails -------------------------------------------------------------------

    def shared_tails(self, chart: Chart, start: int, effort: Effort) -> list[Item]:
        """Several things before one tail: "set the lamp and the ceiling light to forty percent"."""
        mine = Effort(min(effort.left, EFFORT_PER_ROW))
        given = mine.left
        found = list(self._rows(chart, start, mine))
        effort.left -= given - mine.left
        return found

    def _rows(self, chart: Chart, start: int, effort: Effort) -> Iterator[Item]:
        things = chart.things_end()
        for middle, state in chart.alive[start].items():
            if middle in things and middle > start:
                yield from self._around(chart, start, _Chain(((start, middle),), (state,)), effort)
        for middle, state in chart.alive[start].items():
            if middle == start or middle not in things or self._complete(state):
                continue
            if chart.joints.isdisjoint(range(middle, middle + MOST_ROW)):
                continue
            for cut in range(start, middle):
                if effort.left <= 0:
                    return
                head = chart.alive[start].get(cut)
                if head is not None:
                    chain = _Chain(((cut, middle),), (state,))
                    yield from self._go_on(chart, start, head, chain, effort)

    def _around(self, chart: Chart, start: int, chain: _Chain, effort: Effort) -> Iterator[Item]:
        """Things, what is left out of them, the tail: "set the lights but not the lamp to forty percent"."""
        for begin, left_out in _left_out(chart, chain.things[-1][1]):
            shared = set.intersection(*(set(self._requests_from(chart, begin, state)) for state in chain.states))
            for end in shared & chart.bounds:
                yield from self._several(chart, start, chain, (begin, end), effort, left_out)

    def _requests_from(self, chart: Chart, begin: int, state: State) -> Iterator[int]:
        """Where a request may end that goes on at a token."""
        for end, reached in self.grammar.ends(chart.text, begin, state).items():
            if end > begin and self.grammar.sorted(reached.accepts).requests:
                yield end

    def _complete(self, state: State) -> bool:
        """Whether a request may end here that is more than a name."""
        requests = self.grammar.sorted(state.accepts).requests
        return any(not (self.grammar.template(number).bare or self._wants_value(number)) for number in requests)

    def _wants_value(self, template: int) -> bool:
        """Whether a sentence is one that mostly goes on to a value ("dim the lights" - "to forty percent")."""
        extra = self.grammar.block(template).extra
        return bool(extra.get("incomplete") or extra.get("valueless"))

    def _go_on(self, chart: Chart, start: int, head: State, chain: _Chain, effort: Effort) -> Iterator[Item]:
        """Take one more thing into the row, or end it where the tail comes."""
        if len(chain.things) > 1:
            yield from self._around(chart, start, chain, effort)
        for begin, joined in _after_thing(chart, chain):
            for end, reached in self.grammar.ends(chart.text, begin, head).items():
                effort.left -= 1
                if effort.left < 0:
                    return
                if end == begin or (joined and chart.words(begin, begin + 1).casefold() in self._verbs):
                    continue
                requests = self.grammar.sorted(reached.accepts).requests
                if requests and joined and end in chart.bounds:
                    yield from self._several(chart, start, chain, (begin, end), effort)
                unfinished = all(self._wants_value(number) for number in requests)
                if unfinished and end in chart.things_end() and len(chain.things) < MOST_THINGS:
                    longer = _Chain((*chain.things, (begin, end)), (*chain.states, reached), joined)
                    yield from self._go_on(chart, start, head, longer, effort)

    def _several(
        self,
        chart: Chart,
        start: int,
        chain: _Chain,
        rest: tuple[int, int],
        effort: Effort,
        left_out: tuple[Item, ...] = (),
    ) -> Iterator[Item]:
        """The requests of a row of things; ``rest`` holds the last thing and the tail, or where exceptions stood
        before it the tail alone.
        """
        begin, end = rest
        for tail in (begin,) if left_out else range(begin + 1, end):
            if not all(self._reaches(chart.text, tail, end, state) for state in chain.states):
                continue
            found = self._shared(chart, start, chain, None if left_out else rest, (tail, end), effort)
            if found:
                cost = REQUEST + FRAGMENT * (len(found) - 1)
                cost += sum(core.readings[0].cost for core in found) + sum(item.cost for item in left_out)
                yield Item("several", start, end, cost, found[-1], tuple(found), exceptions=left_out)

    def _shared(
        self,
        chart: Chart,
        start: int,
        chain: _Chain,
        rest: tuple[int, int] | None,
        tail: tuple[int, int],
        effort: Effort,
    ) -> list[Core]:
        """One request per thing of a row, each with the tail, and that of ``rest``, which has it; none where they
        are not all alike.
        """
        words, head = chart.words, chart.words(start, chain.things[0][0])
        spans = [(thing, f"{words(*thing)} {words(*tail)}") for thing in chain.things]
        if rest is not None:
            spans.append((rest, words(*rest)))
        found: list[Core] = []
        for number, (span, said) in enumerate(spans):
            effort.left -= READING
            core = self._read(f"{head} {said}".strip(), *span, kind="fragment" if number else "full")
            if core is None or not _alike(found[0] if found else core, core):
                return []
            found.append(core)
        return found


@dataclass(frozen=True, slots=True)
class _Chain:
    """Things that wait for a shared tail: their spans, the states after them, whether an "and" was said."""

    things: tuple[tuple[int, int], ...]
    states: tuple[State, ...]
    joined: bool = False


def _left_out(chart: Chart, position: int) -> Iterator[tuple[int, tuple[Item, ...]]]:
    """The exceptions that are named at a position, with where each row of them ends."""
    if position >= chart.size:
        return
    rows: list[tuple[Item, ...]] = [(item,) for item in chart.operators[position] if item.kind == "except_target"]
    while rows:
        row = rows.pop()
        end = row[-1].end
        if end < chart.size:
            yield end, row
            if len(row) < MOST_THINGS:
                rows += [(*row, more) for more in chart.operators[end] if more.kind == "more_except"]


def _after_thing(chart: Chart, chain: _Chain) -> Iterator[tuple[int, bool]]:
    """Where the next thing of a row may begin: after an "and", or, before the first of them, at once."""
    position = chain.things[-1][1]
    if position >= chart.size:
        return
    for joiner in chart.operators[position]:
        if joiner.kind == "and":
            yield joiner.end, True
    if not chain.joined:
        yield position, False


def _left_as_text(text: Text, scored: ScoredReading) -> bool:
    """Whether a number that was being corrected would stay as a name ("ten" in "for ten fifteen minutes")."""
    return any(text.is_number(first, last) for first, last in scored.wild)


def _reading_of(last: Core) -> Reading | None:
    """How the request was read that a fragment leans on."""
    if last.readings:
        return last.readings[0].reading
    return last.base.reading if last.base is not None else None


def _alike(one: Core, two: Core) -> bool:
    """Whether two requests ask for the same, with no open text in either."""
    first, second = one.readings[0], two.readings[0]
    return first.reading.intent == second.reading.intent and not first.wild_tokens + second.wild_tokens


def _difference(last: Core, scored: ScoredReading) -> float:
    """How far the spliced reading is from the one it was made of."""
    old = _reading_of(last)
    if old is None:
        return 0.0
    cost = OTHER_INTENT if old.intent != scored.reading.intent else 0.0
    before = {entity.name for entity in old.entities}
    after = {entity.name for entity in scored.reading.entities}
    if after - before or scored.block.extra.get("incomplete"):
        cost += OTHER_SLOTS
    elif before - after:
        cost += FEWER_SLOTS
    return cost


def _anchored(text: Text, cut: int, length: int) -> bool:
    """Whether the new tokens hold something a list knows; open text alone is no fragment."""
    return any(
        stretch.end <= cut + length and not stretch.skips
        for start in range(cut, cut + length)
        for stretch in text.lattice[start]
    )


def _inside_open_text(last: Core) -> set[int]:
    """Places in the middle of a request's open text; only a correction goes on from there."""
    if not last.readings:
        return set()
    offset = last.start if last.kind == "full" else 0  # whole requests were read where they stand
    return {at - offset for first, end in last.readings[0].wild for at in range(first + 1, end + 1)}


def _places(reading: Reading) -> list[tuple[str, str]]:
    """The names and places of a reading."""
    named = [entity for entity in reading.entities if entity.name in ("name", "area", "floor")]
    return sorted((entity.name, str(entity.value)) for entity in named)


def changes(last: Core, new: ScoredReading) -> bool:
    """Whether a fragment asks for something else, not only of something else."""
    old = _reading_of(last)
    return old is None or _values(old) != _values(new.reading)


def _values(reading: Reading) -> list[tuple[str, str]]:
    rest = (entity for entity in reading.entities if entity.name not in ("name", "area", "floor", "domain"))
    return sorted((entity.name, str(entity.value)) for entity in rest)


def _leaning(last: Core, new: ScoredReading, cut: int, length: int) -> str:
    """How a fragment goes with its request: it brings ``another`` thing, only a ``value``, or ``narrows`` it."""
    if not new.places_inside(cut, cut + length):
        return "value"
    old = _reading_of(last)
    if old is not None and {slot for slot, _ in _places(old)} != {slot for slot, _ in _places(new.reading)}:
        return "another" if _places(old) and len(_places(new.reading)) == 1 else "narrows"
    return "another"


def _own_name_first(
    readings: tuple[ScoredReading, ...], said: str, articles: frozenset[str]
) -> tuple[ScoredReading, ...]:
    """Among readings that cost about the same, first the one in which the fragment is a device's own name."""
    first, _, rest = said.casefold().partition(" ")
    name = rest if rest and first in articles else said.casefold()
    for scored in readings:
        named = any(e.name == "name" and e.text.casefold() == name for e in scored.reading.entities)
        if named and scored.cost < readings[0].cost + OWN_NAME:
            return (scored, *(other for other in readings if other is not scored))
    return readings
