"""From the chosen cuts to requests: operators take effect in their scope, corrections leave no trace."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Literal

from dialogue.grammar.compiled import Block
from dialogue.grammar.grammar import Grammar
from dialogue.grammar.machine import ScoredReading
from dialogue.splitter.chart import Chart, Core, Item
from dialogue.types import (
    Condition,
    Entity,
    Moment,
    Reading,
    Request,
    Segment,
    SegmentKind,
    Utterance,
    Value,
    When,
)

SAME_STANDING = 0.12
MOST_THING = 3
MENTION = "Mention"
"""The intent of what was only spoken of; "it" may mean it."""
MOST_LEANING = 3
"""Words of a request that may speak of what stands before it: "a bit brighter"."""


@dataclass(slots=True)
class Draft:
    """A request being put together. ``from_time`` is where the time begins that stands right before it."""

    core: Core
    group: int
    negated: bool = False
    exceptions: list[Draft] = field(default_factory=list)
    when: list[When] = field(default_factory=list)
    inherited: list[When] = field(default_factory=list)
    after: list[Draft] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    if_done: bool = False
    replaces: bool = False
    joined: str = ""
    doubted: list[str] = field(default_factory=list)
    from_time: int | None = None

    def begins(self) -> list[When]:
        """The times and conditions of a request: its own, or those of the one whose verb it shares."""
        return self.when or self.inherited


@dataclass(slots=True)
class _Assembly:
    """The walk over the items of a path.

    ``prefix`` holds operators that wait for their request, ``fronted`` times and conditions said before it,
    ``left_out`` exceptions said before it, ``stray`` the unexplained words of a run, ``loose`` times that no
    request has followed yet. ``fresh`` says that a fronted time or condition waits for its first request;
    ``held_back`` is the request that others were said to precede.
    """

    grammar: Grammar
    chart: Chart
    drafts: list[Draft] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    prefix: list[str] = field(default_factory=list)
    fronted: list[When] = field(default_factory=list)
    left_out: list[Draft] = field(default_factory=list)
    corrected: list[When] = field(default_factory=list)
    waiting: list[Draft] = field(default_factory=list)
    first: Draft | None = None
    last: Draft | None = None
    joined: str = ""
    group: int = 0
    stray: list[str] = field(default_factory=list)
    stray_at: int = 0
    touching: bool = False
    trailing: bool = False
    retracted: bool = False
    dropped: list[Draft] = field(default_factory=list)
    told: bool = False
    asides: list[str] = field(default_factory=list)
    told_when: str = ""
    fresh: bool = False
    at_once: bool = False
    if_worked: bool = False
    held_back: Draft | None = None
    final: Draft | None = None
    previous: Item | None = None
    following: Item | None = None
    time_span: tuple[int, int] = (0, 0)
    loose: list[When] = field(default_factory=list)

    def walk(self, items: list[Item]) -> None:
        for number, item in enumerate(items):
            self.following = next((one for one in items[number + 1 :] if one.kind != "filler"), None)
            if item.kind == "unexplained":
                self._unexplained(item, self.previous)
            else:
                self._close_stray(item)
                self._take(item)
            if item.kind != "filler":
                self.previous = item
        self._close_stray(None)
        self._hold_dangling()

    # --- unexplained words --------------------------------------------------------------

    def _unexplained(self, item: Item, previous: Item | None) -> None:
        word = self.chart.words(item.start, item.end)
        if not self.stray:
            after_request = previous is not None and previous.kind in _DONE
            if previous is not None and previous.kind == "but":
                after_request = word in self.grammar.words.get("binding", ())  # "... but at forty"
            unlinked = bool(self.prefix) and not self.prefix[-1].startswith("held:")
            apart = self._opens(word) and not self._awaits(word, previous, item.start)
            excepted = previous is not None and previous.kind == "but" and word not in self._verbs
            self.touching = (after_request and not apart) or unlinked or excepted
            self.trailing = after_request
            self.stray_at = item.start
        if self.stray and not self.chart.text.tokens[item.start].spaced:
            self.stray[-1] += word
        else:
            self.stray.append(word)

    def _awaits(self, word: str, previous: Item | None, position: int) -> bool:
        """Whether words may belong to what stands before them though they begin something.

        So they may behind a request that names nothing ("pause" and "the glorp"), and behind a word that may have
        been heard for another ("of" for "off").
        """
        if position and self.chart.text.tokens[position - 1].heard_for:
            return True
        core = previous.core if previous is not None and previous.end == position else None
        named = core is None or any(one.text for one in core.readings[0].reading.entities)
        return not named and word.casefold() in self.grammar.words.get("articles", ())

    @property
    def _verbs(self) -> Collection[str]:
        verbs: Collection[str] = self.grammar.words.get("verbs", ())
        return verbs

    def _opens(self, word: str) -> bool:
        """Whether a word begins something of its own: a verb, or a thing with its article."""
        words = self.grammar.words
        return word.casefold() in (*words.get("verbs", ()), *words.get("articles", ()))

    def _close_stray(self, following: Item | None) -> None:
        if not self.stray or (following is not None and following.kind == "filler"):
            return
        if following is not None and self._is_topic(following):
            self.stray, self.touching = [], False
            return
        if self.trailing and all(word.casefold() in self.grammar.unfinished for word in self.stray):
            self.touching = True  # "the" alone begins nothing of its own
        words, alone = " ".join(self.stray), self._stands_alone(following)
        self.stray = []
        self.unexplained.append(words)
        if alone:
            self.prefix, self.touching = [], False
            return
        if "not" in self.prefix:
            self.prefix = [kind for kind in self.prefix if kind != "not"]  # it is theirs, as far as one can tell
            self.touching = False
            if following is not None:
                self.prefix.append(f"held:{words}")
            return
        if self.touching and self.last is not None:
            self.last.held.append(words)
        if following is not None and following.kind in _HOLDS:
            self.prefix.append(f"held:{words}")
        self.touching = False

    def _is_topic(self, following: Item) -> bool:
        """ "The blinds, close them": just a name before a request that says "them"; then that is what is meant."""
        if following.core is None or not _says_pronoun(following.core) or self.prefix:
            return False
        text, things = self.chart.text, self.grammar.main.things
        start = self.stray_at + text.article[self.stray_at]
        for stretch in text.lattice[start]:
            names = [option.value for symbol, option in stretch.options.items() if symbol in things]
            if stretch.end == following.start and names:
                self._mention(start, stretch.end, names[0])
                return True
        return False

    def _stands_alone(self, following: Item | None) -> bool:
        """Whether unexplained words are a request of their own ("feed the cat"), nothing about its neighbors.

        They are a verb and a thing, or a word and a thing right after it; a negation before them is theirs.
        """
        if not set(self.prefix) <= {"not"} or (self.prefix and not self.stray[1:]):
            return False
        words = [word.casefold() for word in self.stray]
        if self.prefix and following is not None and following.kind in ("then", "but", "only"):
            return True
        first, *rest = words
        loose, articles = self._loose, self.grammar.words.get("articles", ())
        thing = next((at for at, word in enumerate(rest) if word in articles), len(rest))
        named = rest[thing + 1 :]
        if first in articles or not 0 < len(named) <= MOST_THING or not loose.isdisjoint((first, *named)):
            return False
        begins = first in self.grammar.words.get("verbs", ()) or thing == 0
        return begins and (following is None or following.kind in (*_REQUESTS, "and", "then", "but", "only"))

    @property
    def _loose(self) -> set[str]:
        """Words that what is said after them belongs to."""
        words = self.grammar.words
        return {str(word) for kind in ("binding", "unfinished", "quoting") for word in words.get(kind, ())}

    def _hold_dangling(self) -> None:
        """An operator that no request follows ("... actually don't") leaves what came before in doubt."""
        dangling = [kind for kind in self.prefix if not kind.startswith("held:")]
        if dangling and self.last is not None and self.last in self.drafts:
            self.last.held.append(self.chart.words(self.last.core.end, self.chart.size))

    # --- items --------------------------------------------------------------------------

    def _take(self, item: Item) -> None:
        if item.kind == "remark":
            self._remark(item)
            return
        if self.told and item.kind in ("when", "condition"):
            self.told_when = self.chart.words(item.start, item.end)
            return
        if item.kind != "filler":
            self.told = False
        match item.kind:
            case "request" | "fragment" | "partial":
                assert item.core is not None
                self._request(item.core)
            case "several":
                for core in item.cores:
                    self._request(core)
                    self.joined = "and"
                self.joined = ""
                for exception in item.exceptions:
                    self._except(exception)
            case "and" | "then" | "but" | "if_worked":
                self._answer_times()
                self.joined = "then" if item.kind == "if_worked" else item.kind
                self.if_worked = item.kind == "if_worked"
            case "when":
                assert item.spoken is not None
                kind = item.spoken.kind
                text = self.chart.words(item.start, item.end)
                self.time_span = (item.start, item.end)
                self._qualify(When(kind, text, item.spoken.moment))  # type: ignore[arg-type]
            case "length":
                assert item.spoken is not None and self.last is not None
                kinds = [
                    when.kind for when in self.last.begins() if when.moment and when.moment.seconds is not None
                ]
                text = self.chart.words(item.start, item.end)
                self._requalify(When(kinds[-1] if kinds else "for", text, item.spoken.moment))
            case "condition":
                self._qualify(_condition(item, self.chart))
            case "except_target" | "more_except":
                self._except(item)
            case _:
                self._operator(item.kind)

    def _operator(self, kind: str) -> None:
        match kind:
            case "never_mind":
                self.dropped += self.drafts
                self.drafts.clear()
                self.last, self.retracted = None, True
            case "scratch":
                self._drop_group()
            case "now":
                self._now({"start", "end", "condition"})
            case "regardless":
                self._now({"condition"})
            case "meant":
                self._meant()
            case "instead":
                self._instead()
            case "first_said":
                self._first_said()
            case "old":
                kept = [kind for kind in self.prefix if kind not in ("not", "except", "correct")]
                self.prefix = [*kept, "correct"]
            case "filler":
                pass
            case _:
                self.prefix.append(kind)

    def _remark(self, item: Item) -> None:
        """What was said of oneself or the world asks for nothing; if it speaks of the home, it is reported."""
        self.told = True
        text = self.chart.text
        things = self.grammar.main.things
        named = [
            (at, stretch.end, option.value)
            for at in range(item.start, item.end)
            for stretch in text.lattice[at]
            if stretch.end <= item.end
            for symbol, option in stretch.options.items()
            if symbol in things
        ]
        said = [found for found in named if isinstance(found[2], str)]
        if said:
            self._mention(*max(said, key=lambda found: found[1] - found[0]))
        wished = item.readings[0].block.slots.get("wish")
        if named or wished or any(at in text.openers for at in range(item.start + 1, item.end)):
            self.unexplained.append(self.chart.words(item.start, item.end))
        elif item.readings[0].wild:
            self.asides.append(self.chart.words(item.start, item.end))

    def _mention(self, start: int, end: int, name: Value) -> None:
        """A thing that was spoken of beside the point; "it" may mean it."""
        reading = Reading(MENTION, (Entity("name", name, self.chart.words(start, end)),))
        scored = ScoredReading(0.0, reading, Block(MENTION, "request"), -1)
        self.drafts.append(Draft(Core(start, end, self.chart.words(start, end), (scored,)), 0))

    def _now(self, sorts: Collection[str]) -> None:
        """ "... and right now close the blinds", "close the blinds now": times said before do not reach it."""
        ended = [when for when in self.fronted if _sort(when) in sorts]
        if self._behind() and self.last is not None:
            self.last.when = [when for when in self.last.when if when not in ended]
            self.last.inherited = [when for when in self.last.inherited if _sort(when) not in sorts]
        elif self.drafts and not self.fresh:
            self.fronted = [when for when in self.fronted if when not in ended]
            self.at_once = True

    def _behind(self) -> bool:
        """Whether what is said here goes with the request before: nothing joins it to the one that follows."""
        follows = self.following is not None and self.following.kind in _REQUESTS
        return self.last is not None and not self.joined and not self.prefix and not follows

    # --- words behind what they are about -----------------------------------------------

    def asked(self) -> list[Draft]:
        """The requests that ask for something."""
        return [draft for draft in self.drafts if _intent(draft.core) != MENTION]

    def _meant(self) -> None:
        """ "The front door, the back door I mean": what was just said takes the place of what stood before."""
        timed = self.previous is not None and self.previous.kind in ("when", "condition")
        if timed and self.last is not None and self.last.when:
            self._requalify(self.last.when[-1])
        elif len(self.asked()) > 1:
            wrong, meant = self.asked()[-2:]
            self.drafts = [draft for draft in self.drafts if draft is not wrong]
            self.dropped.append(wrong)
            meant.held += wrong.held

    def _instead(self) -> None:
        """ "... the fan instead": it replaces what it was not joined to; of another turn, the last request."""
        if self.last is None or self.last not in self.drafts:
            return
        if len(self.asked()) == 1:
            self.last.replaces = not self.last.negated
            return
        before = self.asked()[-2]
        alike = _intent(before.core) == _intent(self.last.core)
        if alike and not self.last.joined and not before.negated:
            self._meant()

    def _first_said(self) -> None:
        """ "... but lock the door first": what was said before comes after it."""
        if self.last is None:
            return
        for draft in self.drafts:
            if draft is not self.last:
                draft.after.append(self.last)
        self.first = self.last

    def _except(self, item: Item) -> None:
        """What is left out of the request before, or, at the start, of the one that follows."""
        core = Core(item.start, item.end, self.chart.words(item.start, item.end), item.readings)
        exception = Draft(core, self.group)
        if self.last is None or (item.kind == "except_target" and self.joined):
            self.left_out.append(exception)
            return
        for member in self._members():
            if "correct" in self.prefix:
                member.exceptions = []
            member.exceptions.append(exception)
        self.prefix = [kind for kind in self.prefix if kind != "correct"]

    # --- times and conditions -----------------------------------------------------------

    def _qualify(self, when: When) -> None:
        """A time or condition: of the request it follows, else of those that follow it."""
        if "correct" in self.prefix:
            self._requalify(when)
        elif when.condition is not None and when.condition.target == "so":
            self._front(self._so(when))
        elif (
            self.last is not None
            and not self.joined
            and not self.prefix
            and self.last not in self.dropped
            and not self._begins_anew(when)
        ):
            for draft in self._members():
                if draft is self.last or not draft.when:
                    draft.when.append(when)
        else:
            self._front(when)

    def _front(self, when: When) -> None:
        """A time or condition of what follows; it ends the reach of one of its sort that was said before."""
        if not self.fresh and self.drafts:
            when = _on_the_day(when, self.fronted)
            self.fronted = [one for one in self.fronted if _sort(one) != _sort(when)]
        self.fronted.append(when)
        self.loose.append(when)
        self.fresh = True

    def _begins_anew(self, when: When) -> bool:
        """ "In a minute A, in an hour B": a second time goes with the request that follows."""
        if self._behind() or self.last is None:
            return False
        sort = _sort(when)
        timed = sort == "start" and _exact(when) and _own_time(self.last.core)
        return timed or any(
            _sort(one) == sort and (sort == "condition" or (_exact(one) and _exact(when)))
            for one in self.last.begins()
        )

    def _so(self, when: When) -> When:
        """ "If so", "otherwise": the condition said before, or its opposite, unless a question came before."""
        known = [*self.fronted, *(self.last.begins() if self.last is not None else ())]
        states = list(dict.fromkeys(one for one in known if one.condition is not None))
        if not states or when.condition is None:
            return when
        said = states[-1]
        if len(states) > 1 or said.kind not in _OPPOSITE:
            return replace(when, condition=replace(when.condition, target=None))
        kind = said.kind if when.kind == "if" else _OPPOSITE[said.kind]
        return replace(when, kind=kind, condition=said.condition)

    def _requalify(self, when: When) -> None:
        """ "At eight, no, at nine": the new time takes the place of the one said before."""
        self.prefix = [kind for kind in self.prefix if kind not in ("correct", "not", "except")]
        if self.last is None:
            self.corrected.append(when)
            return
        for draft in self._members():
            kept = [one for one in draft.when if _sort(one) != _sort(when)]
            draft.when = [*kept, when]

    def _answer_times(self) -> None:
        """ "At seven and turn the tv down": where a question is open, a time before the "and" answers it."""
        if self.chart.answering and not self.drafts and not self.prefix:
            for when in self.fronted:
                self._stand_alone("Inform", when)
            self.fronted = []

    def close(self) -> None:
        """What is left when no request took it: a time alone corrects the turn before, or answers a question."""
        if self.final is not None:
            self.final.after += [
                one for one in self.drafts if one is not self.final and self.final not in one.after
            ]
        while self.drafts and _intent(self.drafts[-1].core) == MENTION:
            self.drafts.pop()
        if self.drafts:
            self.unexplained += [when.text for when in self.loose]
            return
        self.unexplained += [one.core.meant for one in self.left_out]
        if not self.retracted and not self.dropped:
            self.unexplained += self.asides  # beside no point at all
        for when in self.corrected:
            self._stand_alone("Reschedule", when)
        for when in self.fronted:
            if self.chart.answering:
                self._stand_alone("Inform", when)
            else:
                self.unexplained.append(when.text)

    def _stand_alone(self, intent: str, when: When) -> None:
        slot = "condition" if when.moment is None else "length" if when.kind == "for" else "moment"
        value = when.condition if when.moment is None else when.moment
        reading = Reading(intent, (Entity(slot, value, when.text),))  # type: ignore[arg-type]
        scored = ScoredReading(0.0, reading, Block(intent, "answer"), -1)
        self.drafts.append(Draft(Core(0, self.chart.size, when.text, (scored,)), 0))

    # --- requests -----------------------------------------------------------------------

    def _request(self, core: Core) -> None:
        prefix, self.prefix = self.prefix, []
        self.loose = []
        spliced = core.kind == "fragment" and self.last is not None
        if not spliced:
            self.group += 1
        draft = Draft(core, self.group, joined=self.joined, if_done=self.if_worked)
        self.if_worked = False
        self._drop_topic(core)
        if self.fronted and self.time_span[1] == core.start:
            draft.from_time = self.time_span[0]
        draft.held = [entry.removeprefix("held:") for entry in prefix if entry.startswith("held:")]
        if spliced and self.last is not None and not draft.held and _shares(core):
            draft.held = list(self.last.doubted)  # its verb is in doubt, too
        draft.doubted = list(draft.held)
        if self.told_when and not self.joined:
            draft.held.append(self.told_when)  # "we leave at eight turn off the lights": whose time is it?
        self.told_when = ""
        if self.last is not None and "correct" not in prefix and (_shares(core) or self._leans(core)):
            draft.held += [words for words in self.last.held if words not in draft.held]
        draft.exceptions, self.left_out = self.left_out, []
        if spliced and {"except", "not"} & set(prefix) and "correct" not in prefix:
            for member in self._members():
                member.exceptions.append(draft)
            self.joined = ""
            return
        self._set_polarity(draft, prefix, spliced)
        self._order(draft, prefix)
        draft.when += self._fronted_for(core)
        if spliced and self.last is not None and not draft.when and not self.at_once:
            timed = core.readings[0].reading.get("moment") is not None if core.readings else False
            kept = {"condition"} if timed else {"condition", "start"}
            draft.inherited = [when for when in self.last.begins() if _sort(when) in kept]
        if core.kind == "fragment" and self.last is None and core.base is not None and not draft.when:
            draft.when = list(core.base.when)
        if self.joined != "and":
            self.fronted = list(self.fronted) if self.fresh or not self.drafts else []
        self.fresh = self.at_once = False
        self.drafts.append(draft)
        self.last, self.joined = draft, ""

    def _fronted_for(self, core: Core) -> list[When]:
        """The times said before it that reach a request; one with a time of its own keeps that."""
        if self.fresh or not _own_time(core):
            return self.fronted
        return [when for when in self.fronted if not (_sort(when) == "start" and _exact(when))]

    def _drop_topic(self, core: Core) -> None:
        """ "The blinds, close them": a name before a request that says "them" is no request of its own."""
        if not _says_pronoun(core) or self.joined or not self.drafts:
            return
        topic = self.drafts[-1]
        if self.previous is None or self.previous.core is not topic.core or not topic.core.readings:
            return
        turned = {_intent(topic.core), _intent(core)} == _OPPOSITES
        turned = turned and (self.following is None or self.following.kind != "when")
        known = [_intent(one.core) for one in self.drafts[:-1]]
        apart = not topic.joined or turned or _intent(topic.core) not in known
        if topic.core.readings[0].bare or (topic.core.leaning == "another" and apart):
            named = tuple(one for one in topic.core.readings[0].reading.entities if one.name in _PLACES)
            scored = replace(topic.core.readings[0], reading=Reading(MENTION, named))
            self.drafts[-1] = Draft(replace(topic.core, readings=(scored,)), 0)

    def _leans(self, core: Core) -> bool:
        """Whether words that name nothing follow at once, and so speak of what stands before them.

        So do a word or two, and all behind a name whose own verb was not understood.
        """
        last = self.last
        if self.joined or last is None or last not in self.drafts or not core.readings:
            return False
        if core.end - core.start > MOST_LEANING and not any(one.bare for one in last.core.readings):
            return False
        return not any(entity.name in _NAMING for entity in core.readings[0].reading.entities)

    def _set_polarity(self, draft: Draft, prefix: list[str], spliced: bool) -> None:
        """Negation reaches the fragments joined to a negated request; a correction takes its place."""
        draft.negated = "not" in prefix
        contrasted = self.joined == "but" or "only" in prefix
        if spliced and not contrasted and self.last is not None and self.last.negated:
            draft.negated = True
        intent = draft.core.readings[0].reading.intent if draft.core.readings else ""
        if "correct" in prefix and not draft.negated and intent not in _SPARING:
            self._correct(draft)

    def _members(self) -> list[Draft]:
        assert self.last is not None
        return [draft for draft in self.drafts if draft.group == self.last.group]

    def _correct(self, draft: Draft) -> None:
        if self.last is not None and self.last in self.drafts:
            self.drafts.remove(self.last)
            self.dropped.append(self.last)
            draft.held += self.last.held
            if draft.core.kind == "fragment":
                draft.when = list(self.last.when)
                draft.exceptions = list(self.last.exceptions)
                draft.after = list(self.last.after)
        elif self.last is None:
            draft.replaces = True

    def _drop_group(self) -> None:
        if self.last is None:
            return
        group = self.last.group
        self.dropped += [draft for draft in self.drafts if draft.group == group]
        self.drafts = [draft for draft in self.drafts if draft.group != group]

    def _order(self, draft: Draft, prefix: list[str]) -> None:
        previous = next(reversed(self.asked()), None)
        if "but_first" in prefix or self.joined != "and":
            self.held_back = previous if "but_first" in prefix else None
        if "last" in prefix:
            self.final = draft
        if self.held_back is not None:
            self.held_back.after.append(draft)
        elif self.joined == "then" and previous is not None:
            draft.after.append(previous)
        elif self.first is not None:
            draft.after.append(self.first)
        if "before" in prefix and previous is not None and previous not in self.waiting:
            draft.after.append(previous)
        elif "after" in prefix and previous is not None and previous not in self.waiting:
            previous.after.append(draft)
        for waiting in self.waiting:
            waiting.after.append(draft)
        self.waiting = [draft] if "before" in prefix and previous is None else []
        if ("after" in prefix and previous is None) or "first" in prefix:
            self.first = draft


_DONE = frozenset(
    {"request", "several", "fragment", "when", "length", "condition", "except_target", "more_except"}
)
_HOLDS = frozenset({"request", "several", "fragment", "partial", "when", "length", "condition", "not", "only"})
_REQUESTS = ("request", "several", "fragment", "partial")
_OPPOSITE: dict[str, Literal["if", "unless"]] = {"if": "unless", "unless": "if"}
_PLACES = frozenset({"name", "area", "floor"})
_OPPOSITES = {"HassTurnOn", "HassTurnOff"}
_NAMING = frozenset({"name", "area", "floor", "domain", "device_class"})
_SPARING = frozenset({"LeaveAlone", "KeepState", "TakeBack"})


def _sort(when: When) -> str:
    """Times of one sort exclude each other: when it begins, how long it lasts, what it waits for."""
    return {"at": "start", "every": "start", "for": "end", "until": "end"}.get(when.kind, "condition")


def _intent(core: Core) -> str:
    return core.readings[0].reading.intent if core.readings else ""


def _shares(core: Core) -> bool:
    """Whether a request goes with all that was said of the one it leans on, also with what is unknown of that."""
    return core.kind == "fragment" and core.leaning != "apart"


def _says_pronoun(core: Core) -> bool:
    """Whether a request speaks of "it" or "them"."""
    name = core.readings[0].reading.get("name") if core.readings else None
    return isinstance(name, dict) and "pronoun" in name


def _exact(when: When) -> bool:
    """Whether a time says an hour or a length, not just a day."""
    return when.moment is not None and (when.moment.hour is not None or when.moment.seconds is not None)


def _on_the_day(when: When, before: Collection[When]) -> When:
    """ "Tomorrow at seven ... and at eight": an hour without a day is of the day that was said before."""
    moment = when.moment
    if moment is None or moment.hour is None or moment.repeat is not None or _day(moment):
        return when
    for one in before:
        if one.kind == "at" and one.moment is not None and (day := _day(one.moment)):
            return replace(when, moment=replace(moment, **day))
    return when


def _day(moment: Moment) -> dict[str, Any]:
    said = {name: getattr(moment, name) for name in ("day", "weekday", "month", "day_of_month")}
    return {name: value for name, value in said.items() if value is not None}


def _own_time(core: Core) -> bool:
    """Whether a request holds an exact time of its own ("wake me at seven")."""
    said = core.readings[0].reading.get("moment") if core.readings else None
    return isinstance(said, Moment) and (said.hour is not None or said.seconds is not None)


def _condition(item: Item, chart: Chart) -> When:
    reading = item.readings[0].reading
    kind = str(reading.get("kind") or "if")
    text = chart.text.words(item.start, item.end)
    comparison = str(reading.get("comparison") or "=")
    target = reading.get("name") or reading.get("target")
    condition = Condition(
        target=target,  # type: ignore[arg-type]
        attribute=str(reading.get("attribute") or "state"),
        comparison=comparison,  # type: ignore[arg-type]
        value=reading.get("state") if reading.get("state") is not None else reading.get("value"),
        event=kind == "on",
        text=text,
    )
    return When(kind, text, condition=condition)  # type: ignore[arg-type]


def assemble(grammar: Grammar, chart: Chart, items: list[Item], cost: float) -> Utterance:
    """The utterance that a path of items stands for."""
    assembly = _Assembly(grammar, chart)
    assembly.walk(items)
    assembly.close()
    drafts = [draft for draft in assembly.drafts if draft.core.readings]
    unfinished = [draft.core.meant for draft in assembly.drafts if not draft.core.readings]
    return Utterance(
        text=chart.text.words(0, chart.size),
        requests=tuple(_finished(draft, drafts, chart) for draft in drafts),
        unexplained=(*assembly.unexplained, *unfinished),
        segments=tuple(_segments(items, chart)),
        cost=cost,
        retracted=assembly.retracted,
        dropped=tuple(_finished(draft, [], chart) for draft in assembly.dropped if draft.core.readings),
    )


def _finished(draft: Draft, drafts: list[Draft], chart: Chart) -> Request:
    first, *others = draft.core.readings
    return Request(
        text=chart.text.words(draft.core.start, draft.core.end),
        meant=draft.core.meant,
        reading=first.reading,
        start=draft.core.start,
        end=draft.core.end,
        alternatives=_alternatives(first, others),
        negated=draft.negated,
        exceptions=tuple(_finished(exception, [], chart) for exception in draft.exceptions),
        when=tuple(draft.begins()),
        after=tuple(sorted({drafts.index(one) for one in draft.after if one in drafts})),
        if_done=draft.if_done,
        held=" ".join(draft.held),
        replaces=draft.replaces,
        known_as=_known_as(draft, chart),
        source="grammar" if first.probability is None else "learned",
        confidence=1.0 if first.probability is None else first.probability,
    )


def _known_as(draft: Draft, chart: Chart) -> Reading | None:
    """How the time right before a request and the request read as one sentence that quotes the request."""
    if draft.from_time is None or len(draft.when) != 1:
        return None
    quoted = chart.words(draft.core.start, draft.core.end)
    whole = (core for core in chart.requests(draft.from_time) if core.end == draft.core.end)
    readings = (scored.reading for core in whole for scored in core.readings)
    return next((one for one in readings if any(entity.text == quoted for entity in one.entities)), None)


def _alternatives(first: ScoredReading, others: list[ScoredReading]) -> tuple[Reading, ...]:
    return tuple(other.reading for other in others if other.cost - first.cost < SAME_STANDING)


def _segments(items: list[Item], chart: Chart) -> list[Segment]:
    kinds: dict[str, SegmentKind] = {
        "request": "request",
        "several": "request",
        "fragment": "fragment",
        "partial": "fragment",
        "filler": "filler",
        "unexplained": "unexplained",
    }
    found: list[Segment] = []
    for unknown, run in groupby(items, key=lambda item: item.kind == "unexplained"):
        group = list(run)
        for stretch in [group] if unknown else [[item] for item in group]:
            found.append(_segment(kinds.get(stretch[0].kind, "operator"), stretch, chart))
    return found


def _segment(kind: SegmentKind, items: Sequence[Item], chart: Chart) -> Segment:
    """One segment of items that stand side by side and have one owner."""
    first, last = items[0], items[-1]
    core = first.cores[0] if first.cores else first.core
    label = core.readings[0].reading.intent if core is not None and core.readings else first.kind
    meant = core.meant if kind == "fragment" and core is not None else ""
    cost = sum(item.cost for item in items)
    return Segment(kind, label, chart.text.words(first.start, last.end), first.start, last.end, cost, meant)
