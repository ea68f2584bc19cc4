"""The chart of one text: every span that is a request, an operator or a time, read only where the search asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from dialogue.grammar.automaton import State
from dialogue.grammar.grammar import Grammar, Sorted
from dialogue.grammar.machine import ScoredReading, Spoken, Text
from dialogue.grammar.proposals import Operator, Proposer, Spans
from dialogue.types import Request

OPERATOR, FILLER, WHEN = 0.1, 0.05, 0.15
INNER_REQUEST = 0.5
NO_WORD = "\u2047"
TALK = frozenset({"filler", "remark", "now"})
JOINTS = frozenset({"and", "then", "but", "if_worked"})
CORRECTIONS = frozenset({"correct", "scratch"})
OPEN = frozenset({"remark_told", "remark_wish"})
"""Operators of open text: they end where something else may begin."""
TIMES = frozenset({"at", "for", "until", "every"})
MOST_NUMBER_WORDS = 5
LONGEST_SHARING = 3600.0  # after "in two hours", "in ten" may be hours or minutes


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """One request of a path: its tokens in the utterance, the full sentence it stands for, its readings.

    ``kind`` is ``full``, ``fragment``, ``partial`` (cut short by a correction) or ``remembered`` (of an earlier
    turn); ``base`` is the request of an earlier turn that it was made of. ``leaning`` says what a fragment brings:
    ``another`` thing, only a ``value``, a place that ``narrows`` the request, or one that stands ``apart``, in the
    place of words that nothing explains. A remembered request is ``unmet`` where nothing came of it.
    """

    start: int
    end: int
    meant: str
    readings: tuple[ScoredReading, ...]
    kind: str = "full"
    base: Request | None = None
    leaning: str = ""


@dataclass(slots=True, eq=False)
class Item:
    """One span of a path: an operator, a request, a time, or an unexplained token.

    ``ends`` is what may follow a request: see `Path.clause`. ``exceptions`` were named inside it.
    """

    kind: str
    start: int
    end: int
    cost: float
    core: Core | None = None
    cores: tuple[Core, ...] = ()
    spoken: Spoken | None = None
    readings: tuple[ScoredReading, ...] = ()
    exceptions: tuple[Item, ...] = ()
    ends: str = "done"
    words: str = ""


@dataclass(slots=True)
class Chart:
    """Everything one text may be cut into.

    ``alive`` holds the automaton's states per start and position; ``sure`` the starts of requests that need no
    open text, with their ends, ``lengths`` the lengths of time that stand alone, ``joints`` and ``cuts`` the
    starts of connectives and corrections, ``breaks`` those of all operators and what follows a pause, ``bounds``
    where a fragment may end, ``proposed`` the requests of another reader by their starts. Nothing ends
    ``inside_numbers`` ("a hundred | and ten"); titles may end at ``asides``, where a remark begins;
    ``unknown`` is the state after a word of no sentence.
    """

    grammar: Grammar
    text: Text
    answering: bool
    alive: list[dict[int, State]]
    operators: list[list[Item]]
    sure: Mapping[int, frozenset[int]] = field(default_factory=dict)
    lengths: Mapping[int, Sequence[Item]] = field(default_factory=dict)
    joints: frozenset[int] = frozenset()
    breaks: frozenset[int] = frozenset()
    cuts: frozenset[int] = frozenset()
    bounds: frozenset[int] = frozenset()
    proposed: dict[int, tuple[Core, ...]] = field(default_factory=dict)
    inside_numbers: frozenset[int] = frozenset()
    asides: frozenset[int] = frozenset()
    unknown: State | None = None
    _requests: dict[int, tuple[Core, ...]] = field(default_factory=dict)
    _things: frozenset[int] | None = None

    @property
    def size(self) -> int:
        return len(self.text.tokens)

    def words(self, start: int, end: int) -> str:
        return self.text.words(start, end)

    def kinds_inside(self, start: int, end: int) -> set[str]:
        """The kinds of operators that lie inside a stretch, behind its first token."""
        return {item.kind for at in range(start, end) for item in self.operators[at] if item.end < end}

    def kinds_at(self, start: int) -> set[str]:
        """The kinds of operators that begin at a token."""
        return {item.kind for item in self.operators[start]}

    def knows(self, start: int, end: int) -> bool:
        """Whether a list explains something inside the stretch."""
        return self.all_listed(start, end) or any(
            stretch.end <= end and not stretch.skips
            for at in range(start, end)
            for stretch in self.text.lattice[at]
        )

    def all_listed(self, start: int, end: int) -> bool:
        """Whether the stretch is a row of known items ("some sugar"), but for articles and joiners."""
        words = [token.word for token in self.text.tokens[start:end]]
        kept = [word for word in words if word not in self.grammar.small_words]
        return bool(kept) and all(word in self.grammar.items for word in kept)

    def begins_listed(self, start: int, end: int) -> bool:
        """Whether the stretch begins with a known item that is no verb ("the yogurt the kids like")."""
        words = (token.word for token in self.text.tokens[start:end])
        first = next((word for word in words if word not in self.grammar.small_words), "")
        return first in self.grammar.items and first not in self.grammar.words.get("verbs", ())

    def things_end(self) -> frozenset[int]:
        """Where a name or place ends that is not the beginning of a longer one."""
        if self._things is None:
            things = self.grammar.main.things
            named = [
                (start, stretch.end)
                for start, row in enumerate(self.text.lattice)
                for stretch in row
                if not things.isdisjoint(stretch.symbols)
            ]
            inside = {at for start, end in named for at in range(start + 1, end)}
            self._things = frozenset(end for _, end in named if end not in inside or end in self.joints)
        return self._things

    def requests(self, start: int) -> tuple[Core, ...]:
        """The requests that begin at a token, read on first use."""
        known = self._requests.get(start)
        if known is None:
            known = self._requests[start] = (*self._read(start), *self.proposed.get(start, ()))
        return known

    def _open(self, state: State) -> bool:
        """Whether only sentences with open text end here; they end where something else may begin."""
        return all(self.grammar.template(number).open_end for number in state.accepts)

    def _read(self, start: int) -> Iterator[Core]:
        """The requests that begin at a token; what negates others ("nicht") is none itself."""
        negations = {item.end for item in self.operators[start] if item.kind == "not"}
        for end, state in self.alive[start].items():
            if end == start or end in self.inside_numbers:
                continue
            if self._goes_on(end):
                continue
            aside = end > start + 1 and end not in self.bounds and self._open(state)
            if aside and end not in self.asides:
                continue
            found = self.grammar.sorted(state.accepts)
            requests = () if end in negations else found.requests
            for templates in (requests, found.answers if self.answering else ()):
                readings = self.grammar.readings(self.text, start, end, templates) if templates else []
                readings = [one for one in readings if not self._overreaches(start, end, one)]
                if readings and not (aside and readings[0].dictated):
                    yield Core(start, end, self.words(start, end), tuple(readings))

    def _overreaches(self, start: int, end: int, scored: ScoredReading) -> bool:
        """Whether an open text takes what belongs to others, or stops in the middle of what it quotes.

        "Put on the light and ..." is a request before the "and", so what follows is no title; "remind me to set a
        timer" does not end before "timer"; and "to" alone is no text.
        """
        for first, last in scored.wild:
            if self.breaks and any(first < cut < last for cut in self.sure_ends(start) & self.breaks):
                return True
            if all(self._unfinished(at) for at in range(first, last)):
                return True
            if last in self.sure_ends(first) and self._joined(first):
                return True  # "wipe the list but | stop the music"
            quoted = (at for at in range(first, last) if at in self.sure)
            if last == end and any(max(self.sure_ends(at), default=0) > end for at in quoted):
                return True
            words = self.words(first, last)
            named = any(one.name == "name" and one.value == one.text == words for one in scored.reading.entities)
            if named and self._no_name(first, last, begins=first == start, at_end=last == end):
                return True
        return False

    def _joined(self, position: int) -> bool:
        """Whether the word before is a connective."""
        return any(one.end == position and one.kind in JOINTS for one in self.operators[position - 1])

    def _goes_on(self, end: int) -> bool:
        """Whether the word before is one that nothing ends with, unless it was heard for another ("of" for "off"),
        and no other request or operator follows that would make that likely.
        """
        heard = bool(self.text.tokens[end - 1].heard_for) and self._unfinished(end - 1)
        return heard and end < self.size and end not in self.breaks and end not in self.sure

    def _unfinished(self, position: int) -> bool:
        return self.text.tokens[position].word in self.grammar.unfinished

    def _no_name(self, first: int, last: int, *, begins: bool, at_end: bool) -> bool:
        """Whether words are not what a timer is called: talk, a number, or more than a name before what joins."""
        if self.text.is_number(first, last):
            return True
        opening = {one.kind for one in self.operators[first]}
        if any(self.text.tokens[at].pause for at in range(first + 1, last if at_end else last + 1)):
            return True
        closing = any(one.end <= last and one.kind not in TALK for one in self.operators[last - 1])
        if (
            self._unfinished(last - 1)
            or closing
            or "filler" in opening
            or (begins and (opening or self._unfinished(first)))
        ):
            return True
        if not at_end or self.words(first, last).casefold() in self.grammar.words.get("pairs", ()):
            return False
        inside = (one.kind for at in range(first + 1, last) for one in self.operators[at])
        return any(kind not in TALK for kind in inside)

    def sure_ends(self, start: int) -> frozenset[int]:
        """Where requests end that begin at a token and need no open text."""
        return self.sure.get(start, frozenset())


class Charts:
    """Makes charts of texts; ``proposer`` adds requests that no template foresees."""

    def __init__(self, grammar: Grammar, proposer: Proposer | None = None) -> None:
        self.grammar = grammar
        self._proposer = proposer
        self._verbs = frozenset(grammar.words.get("verbs", ()))
        self._bound = frozenset((*grammar.words.get("binding", ()), *grammar.words.get("unfinished", ())))
        self._compounds: dict[str, set[str]] = {}
        for compound in grammar.words.get("compounds", ()):
            first, _, second = str(compound).partition(" ")
            self._compounds.setdefault(first, set()).add(second)
        self._joiners = frozenset(grammar.words.get("item_joiners", ()))
        self._unknown = grammar.ends(grammar.text(NO_WORD, exact=True), 0).get(1)

    def chart(self, text: str, *, answering: bool = False) -> Chart:
        """Find all spans of a text; ``answering`` lets in what only means something as an answer."""
        tokens = self.grammar.text(text)
        alive = [self.grammar.ends(tokens, start) for start in range(len(tokens.tokens))]
        sorts = [
            [] if self._in_compound(tokens, start) else self._sorts(start, states)
            for start, states in enumerate(alive)
        ]
        ends = (frozenset(end for end, found in row if found.sure) for row in sorts)
        sure = {start: found for start, found in enumerate(ends) if found}
        inner = {at for start, found in sure.items() for at in range(start + 1, max(found))}
        kinds = [{kind for _, found in row for kind, _ in found.operators} for row in sorts]
        cuts = {start for start, found in enumerate(kinds) if found & CORRECTIONS}
        openers = frozenset(sure) | {start for start, row in enumerate(sorts) if self._opens(tokens, start, row)}
        tokens = replace(self._doubting(tokens, frozenset((sure.keys() - inner) | cuts)), openers=openers)
        stops = {start for start, found in enumerate(kinds) if found - OPEN} | openers | {len(alive)}
        operators = [list(self._operators(tokens, start, row, stops)) for start, row in enumerate(sorts)]
        for spoken in self._times(tokens, operators):
            operators[spoken.start].append(Item("when", spoken.start, spoken.end, WHEN, spoken=spoken))
        lengths: dict[int, list[Item]] = {}
        for spoken in tokens.spoken:
            if spoken.kind == "length":
                item = Item("length", spoken.start, spoken.end, WHEN, spoken=spoken)
                lengths.setdefault(spoken.start, []).append(item)
        chart = Chart(self.grammar, tokens, answering, alive, operators, sure, lengths, unknown=self._unknown)
        self._mark(chart)
        if self._proposer is not None:
            self._propose(chart, self._proposer)
        return chart

    def _propose(self, chart: Chart, proposer: Proposer) -> None:
        """Add another reader's requests; where the grammar reads a stretch, its reading stands."""
        operators = tuple(Operator(one.kind, one.start, one.end) for row in chart.operators for one in row)
        taken = frozenset(
            (start, end)
            for start, row in enumerate(chart.alive)
            for end, state in row.items()
            if end > start and self.grammar.sorted(state.accepts).requests
        )
        found: dict[int, list[Core]] = {}
        for one in proposer.proposals(Spans(chart.text, operators, frozenset(chart.sure), taken)):
            core = Core(one.start, one.end, chart.words(one.start, one.end), one.readings)
            found.setdefault(one.start, []).append(core)
        chart.proposed = {start: tuple(cores) for start, cores in found.items()}

    def _times(self, text: Text, operators: list[list[Item]]) -> Iterator[Spoken]:
        """The times that can qualify a request; "from eight" is one only before its "until ten"."""
        times = text.spoken
        ends = {spoken.start for spoken in times if spoken.kind == "until"}
        for spoken in times:
            if spoken.kind in TIMES:
                yield spoken
            elif spoken.kind == "from" and spoken.end in ends:
                yield replace(spoken, kind="at")
        yield from self._sharing_units(text, [one for one in times if one.kind in TIMES], operators)

    def _sharing_units(self, text: Text, times: list[Spoken], operators: list[list[Item]]) -> Iterator[Spoken]:
        """ "... in ten minutes and ... in five", "for ten no for twenty minutes": a length that lacks its unit.

        It begins with the word of the length it shares the unit with, and stands behind it or is corrected by it.
        """
        keys = [token.word for token in text.tokens]
        begun = {spoken.start for spoken in times}
        lengths = {one.start: one for one in times if one.kind in ("at", "for") and one.moment.seconds}
        for whole in lengths.values():
            for start in range(len(keys) - 1):
                if keys[start] == keys[whole.start] and start not in begun and text.numbers[start + 1]:
                    yield from self._with_unit(text, start, whole, operators)

    def _with_unit(self, text: Text, start: int, whole: Spoken, operators: list[list[Item]]) -> Iterator[Spoken]:
        unit = text.words(whole.end - 1, whole.end)
        for end in range(start + 2, min(start + MOST_NUMBER_WORDS, len(text.tokens)) + 1):
            if start < whole.start and not _corrected(operators, end, whole.start):
                continue
            completed = self.grammar.text(f"{text.words(start, end)} {unit}")
            for found in completed.spoken:
                fits = (found.start, found.end, found.kind) == (0, len(completed.tokens), whole.kind)
                if fits and (found.moment.seconds or LONGEST_SHARING) < LONGEST_SHARING:
                    yield replace(found, start=start, end=end)

    def _in_compound(self, text: Text, start: int) -> bool:
        """Whether a word that may cut belongs to what follows it ("no sugar cola")."""
        found = self._compounds.get(text.tokens[start].word)
        if found is None or start == 0 or start + 2 >= len(text.tokens):
            return False
        after = text.tokens[start + 2].word
        return text.tokens[start + 1].word in found and after not in self._bound

    def _sorts(self, start: int, alive: dict[int, State]) -> list[tuple[int, Sorted]]:
        return [
            (end, self.grammar.sorted(state.accepts, more_than_one=end > start + 1))
            for end, state in alive.items()
            if end > start and state.accepts
        ]

    def _opens(self, text: Text, start: int, row: Iterable[tuple[int, Sorted]]) -> bool:
        """Whether a request begins with its verb here."""
        return text.tokens[start].word in self._verbs and any(
            end > start + 1 and any(not self.grammar.template(number).bare for number in found.requests)
            for end, found in row
        )

    def _doubting(self, text: Text, sure: frozenset[int]) -> Text:
        """The text with open slots dearer where inside them a request or a correction seems to begin."""
        words = [token.word for token in text.tokens]
        joined = frozenset(
            at for at in range(1, len(words)) if words[at - 1] in self._joiners and words[at] in self._verbs
        )
        begins = sure | joined
        heavier = (weight + (INNER_REQUEST if at in begins else 0.0) for at, weight in enumerate(text.weights))
        return replace(text, weights=tuple(heavier), joined_verbs=joined)

    def _operators(
        self, text: Text, start: int, row: Iterable[tuple[int, Sorted]], stops: Set[int]
    ) -> Iterator[Item]:
        for end, found in row:
            for kind, templates in found.operators:
                if kind in OPEN and end not in stops:
                    continue
                readings = tuple(self.grammar.operator_readings(text, start, end, templates))
                if readings[0].block.extra.get("final") and end < len(text.tokens):
                    continue
                base = FILLER if kind == "filler" else OPERATOR
                name = (
                    kind.partition("_")[0]
                    if kind.startswith(("condition", "remark"))
                    else kind.removesuffix("_last")
                )
                yield Item(name, start, end, base + max(0.0, readings[0].cost), readings=readings)

    def _mark(self, chart: Chart) -> None:
        """Mark the places that the search asks for again and again."""
        items = [item for row in chart.operators for item in row]
        chart.joints = frozenset(item.start for item in items if item.kind in JOINTS)
        pauses = (at for at, token in enumerate(chart.text.tokens) if token.pause)
        chart.breaks = frozenset(item.start for item in items if item.kind not in TALK).union(pauses)
        chart.cuts = frozenset(item.start for item in items if item.kind in CORRECTIONS)
        chart.asides = frozenset(item.start for item in items if item.kind == "remark")
        bounds = {item.start for item in items if item.kind != "remark"} | chart.sure.keys() | {chart.size}
        chart.inside_numbers = frozenset(self.grammar.inside_numbers(chart.text))
        chart.bounds = frozenset(bounds - chart.inside_numbers)


def _corrected(operators: list[list[Item]], start: int, end: int) -> bool:
    """Whether just a correction stands between two positions."""
    return start < end and any(item.end == end and item.kind in CORRECTIONS for item in operators[start])
