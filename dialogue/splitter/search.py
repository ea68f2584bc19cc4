"""The search: which spans, in which order, explain all tokens at the least cost.

A reading is a path of spans over the tokens; each span has a cost, and so has each token that nothing explains.
Dynamic programming over token positions keeps, per state of the sentence (what came last, what is expected), the
cheapest path (Viterbi, 1967). The search widens in three rounds: whole requests only; with fragments; with
unexplained words. A round is only entered where the one before left something unexplained or doubtful.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from dialogue.splitter.chart import CORRECTIONS, TALK, Chart, Core, Item
from dialogue.splitter.splice import FRAGMENT, REQUEST, Effort, Splicer, changes

BARE_NAME, BARE_PRONOUN = 0.8, 1.3
ANSWER = 0.5
UNEXPLAINED, STILL_UNEXPLAINED = 3.0, 1.5
CUT_SHORT, CUT_INSIDE = 1.3, 1.2
DANGLING, TRAILING_JOINER = 1.5, 0.3
NOTHING_TO_DROP = 1.2
UNANNOUNCED = 0.15
OF_EARLIER = 0.06
OVER_REQUEST = 0.5
UNSAID = 1.0
SECOND_ANSWER = 1.0
DOUBTFUL = 2.0
PART_OF_TEXT = 2.0
CLOSE = 1.0
"""How far behind a path may be to be kept as a rival."""
OLD, MOST_OLD = 0.1, 5
BEAM, NARROW = 4.0, 12

PREFIXES = frozenset({"not", "first", "but_first", "before", "after", "correct", "except", "only", "last"})
NEEDS_LAST = frozenset({"correct", "except", "scratch", "but_first", "meant", "instead"})
AFTER_CUT = frozenset({"correct", "scratch", "filler", "never_mind"})
BEHIND = frozenset({"request", "several", "fragment"})
REPLACING = frozenset({"correct", "except", "only", "not"})


class Signature(NamedTuple):
    """What the rest of a path depends on."""

    last: int
    clause: str
    joined: bool
    prefix: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Path:
    """A reading of the tokens so far.

    ``clause`` is ``start`` (a request may begin), ``done`` (one just ended), ``quoted`` (one just ended in words
    said to others, which only a connective can end), ``cut`` (one was cut short, and a correction must follow),
    ``excepting`` (an exception was named, and more may follow) or ``told`` (something was said that asks for
    nothing; times that follow belong to it).
    ``prefix`` holds the operators that wait for their request. ``rival`` is the next cheapest path to the same
    signature, where it is close: whatever follows costs both the same.
    """

    position: int
    cost: float
    before: Path | None = None
    item: Item | None = None
    last: Core | None = None
    clause: str = "start"
    joined: bool = False
    prefix: tuple[str, ...] = ()
    rival: Path | None = None

    @property
    def signature(self) -> Signature:
        return Signature(id(self.last), self.clause, self.joined, self.prefix)

    def items(self) -> list[Item]:
        found: list[Item] = []
        path: Path | None = self
        while path is not None:
            if path.item is not None:
                found.append(path.item)
            path = path.before
        return found[::-1]


Layers = list[dict[Signature, Path]]


class Search:
    """The search over one chart. ``remembered`` is the last request of the turn before."""

    def __init__(self, chart: Chart, splicer: Splicer, remembered: Core | None) -> None:
        self.chart = chart
        self.splicer = splicer
        self.remembered = remembered
        self._joins = chart.grammar.joins
        self._verbatim = frozenset(chart.grammar.words.get("verbatim", ()))
        self._loose = frozenset(chart.grammar.words.get("unfinished", ()))
        self.effort = Effort.of(chart.size)
        self._splices: dict[tuple[int, int, bool, str, bool], list[tuple[Core, float]]] = {}
        self._tails: dict[int, list[Item]] = {}
        self.last_paths: list[Path] = []
        self._answers_in_whole = chart.answering and any(  # then "yes" is no mere politeness
            core.end == chart.size and core.readings[0].block.kind == "answer" for core in chart.requests(0)
        )
        self._partials: dict[int, list[Item]] = {}

    def best(self) -> Path:
        """The cheapest path over all tokens."""
        paths = self._paths(splicing=False, skipping=False)
        if not paths or self._doubtful(min(paths, key=self.whole_cost)):
            paths = self._paths(splicing=True, skipping=True)
        self.last_paths = paths
        return min(paths, key=self.whole_cost)

    def runners_up(self, margin: float) -> Iterator[tuple[float, list[Item]]]:
        """Other readings that cost at most ``margin`` more than the best: costs and items, the cheapest first.

        They leave the best path at one place: where it ends, or where a rival reached one of its steps.
        """
        best = min(self.last_paths, key=self.whole_cost)
        found = [(self.whole_cost(path), path.items()) for path in self.last_paths if path is not best]
        rest: list[Item] = []
        path: Path | None = best
        while path is not None:
            if path.rival is not None:
                more = path.rival.cost - path.cost
                found.append((self.whole_cost(best) + more, [*path.rival.items(), *rest]))
            if path.item is not None:
                rest.insert(0, path.item)
            path = path.before
        limit = self.whole_cost(best) + min(margin, CLOSE)
        yield from sorted((way for way in found if way[0] <= limit), key=lambda way: way[0])

    def _paths(self, *, splicing: bool, skipping: bool) -> list[Path]:
        """The cheapest path to each signature at the end of the text."""
        layers: Layers = [{} for _ in range(self.chart.size + 1)]
        origin = Path(0, 0.0, last=self.remembered)
        layers[0][origin.signature] = origin
        for position in range(self.chart.size):
            for path in _beam(layers[position].values()):
                for item in self._items(path, splicing):
                    _extend(layers, path, item)
                if skipping:
                    _extend(layers, path, _skip(path))
        return list(layers[-1].values())

    def whole_cost(self, path: Path) -> float:
        """What a path costs that ends with the text, times that go with nothing counted as unexplained."""
        return final_cost(path) + (UNEXPLAINED if self._hanging(path) else 0.0)

    def _hanging(self, path: Path) -> bool:
        """Whether a time was said that goes with no request and answers nothing ("and at six")."""
        if path.joined and path.item is not None and path.item.kind == "when":
            return not self.chart.answering
        if self.chart.answering or not _nothing_said(path):
            return False
        kinds = {item.kind for item in path.items()}
        return "when" in kinds and not kinds & CORRECTIONS

    def _doubtful(self, path: Path) -> bool:
        """Whether a path over whole requests deserves a second look with fragments and unexplained words."""
        if self._hanging(path):
            return True
        return bool(path.prefix or self.chart.cuts) or any(self._doubtful_item(item) for item in path.items())

    def _doubtful_item(self, item: Item) -> bool:
        if item.kind == "partial" or item.cost > REQUEST + DOUBTFUL:
            return True
        if item.kind != "request" or item.core is None:
            return False
        best = item.core.readings[0]
        return best.bare or bool(best.block.extra.get("valueless"))

    # --- what may come next -------------------------------------------------------------

    def _items(self, path: Path, splicing: bool) -> Iterator[Item]:
        yield from self._operators(path)
        if path.clause == "cut":
            return
        yield from self._old(path)
        if "except" not in path.prefix:
            yield from self._whole_requests(path)
            if splicing:
                yield from self._shared_tails(path.position)
        if splicing and self._may_splice(path):
            yield from self._fragments(path)
        yield from self._cut_short_at(path.position)

    def _operators(self, path: Path) -> Iterator[Item]:
        for operator in self.chart.operators[path.position]:
            if operator.kind == "filler" and self._answers_in_whole:
                continue
            if operator.kind in NEEDS_LAST and path.last is None:
                continue
            if path.clause == "cut" and operator.kind not in AFTER_CUT:
                continue
            if operator.kind == "more_except" and path.clause != "excepting":
                continue
            if operator.kind == "scratch" and _nothing_said(path):
                continue
            if operator.kind == "remark" and self._inside_longer(path):
                continue
            if operator.kind == "correct" and _nothing_said(path):
                operator = replace(operator, cost=operator.cost + OF_EARLIER)
            if path.clause == "quoted" and operator.kind in CORRECTIONS and path.position in self.chart.sure:
                continue  # "announce that you should make it warmer"
            if operator.kind == "never_mind" and not self.chart.answering and _nothing_said(path):
                operator = replace(operator, cost=NOTHING_TO_DROP)
            if operator.kind == "first" and self._ends_clause(path, operator.end):
                yield replace(operator, kind="first_said")
            if operator.kind == "now" and _inside_title(path):
                continue
            yield operator
        if "correct" in path.prefix and _lasted(path):
            yield from self.chart.lengths.get(path.position, ())

    def _inside_longer(self, path: Path) -> bool:
        """Whether the request just said may go on here ("undo | the second one"): then nothing else begins."""
        last = path.last
        if path.clause != "done" or last is None or last.kind != "full":
            return False
        longer = (core for core in self.chart.requests(last.start) if core.end > path.position)
        return any(not core.readings[0].wild_tokens for core in longer)

    def _ends_clause(self, path: Path, end: int) -> bool:
        """Whether words behind a request are the last of it: the text ends there, or a connective follows."""
        return path.clause == "done" and (end == self.chart.size or end in self.chart.joints)

    def _old(self, path: Path) -> Iterator[Item]:
        """In "no not jam honey": the words of the last request that are being replaced."""
        if not path.prefix or path.prefix[-1] != "except" or path.last is None:
            return
        if "correct" not in path.prefix and not self._instead_of_text(path):
            return
        said, start = f" {path.last.meant.casefold()} ", path.position
        for end in range(start + 1, min(start + MOST_OLD, self.chart.size) + 1):
            words = self.chart.words(start, end).casefold()
            if "correct" not in path.prefix and not self._loose.isdisjoint(words.split()):
                continue
            if f" {words} " in said:
                yield Item("old", start, end, OLD, words=self.chart.words(start, end).casefold())

    def _instead_of_text(self, path: Path) -> bool:
        """Whether "not" alone corrects open text of this breath ("onions ... not onions garlic")."""
        readings = path.last.readings if path.last is not None else ()
        return bool(readings) and readings[0].dictated and path.prefix == ("except",) and not _nothing_said(path)

    def _whole_requests(self, path: Path) -> Iterator[Item]:
        if path.clause == "quoted":
            return
        for core in self.chart.requests(path.position):
            best = core.readings[0]
            quoted = not self._joins or (best.wild_tokens and best.reading.intent in self._verbatim)
            ends = "quoted" if quoted else "done"
            cost = _request_cost(core)
            if best.block.kind == "answer" and _answered(path):
                cost += SECOND_ANSWER
            yield Item("request", core.start, core.end, cost, core, ends=ends)

    def _may_splice(self, path: Path) -> bool:
        if path.last is None:
            return False
        first_word = path.clause == "start" and _nothing_said(path) and not self.chart.answering
        return (
            path.joined
            or path.clause in ("done", "excepting")
            or first_word
            or not REPLACING.isdisjoint(path.prefix)
        )

    def _fragments(self, path: Path) -> Iterator[Item]:
        """Stretches that make a request when put in the place of a part of the last one."""
        assert path.last is not None
        correcting = "correct" in path.prefix or "only" in path.prefix
        old = next((kind[4:] for kind in path.prefix if kind.startswith("old:")), "")
        adding = _after_unknown(path)
        key = (id(path.last), path.position, correcting, old, adding)
        if key not in self._splices and self.effort.left <= 0:
            return
        if key not in self._splices:
            where = (self.chart, path.last, path.position, self.effort)
            found = self.splicer.splices(*where, correcting=correcting, old=old, adding=adding)
            self._splices[key] = list(found)
        extra = 0.0 if path.joined or path.prefix else UNANNOUNCED
        if correcting and "except" in path.prefix:
            extra += UNSAID
        over = OVER_REQUEST if path.position in self.chart.sure and "except" not in path.prefix else 0.0
        negated = not {"not", "except"}.isdisjoint(self.chart.kinds_at(path.position))
        leaving_out = not correcting and bool(path.prefix)
        if not (path.joined or path.prefix) and "only" in self.chart.kinds_at(path.position):
            return  # "just the lamp" is set apart from what stands before it
        for core, cost in self._splices[key]:
            if extra and core.leaning != "another" and not (self._adds_place(path, core) or _mends(path, core)):
                continue
            if extra and core.readings[0].bare and not isinstance(core.readings[0].reading.get("name"), str):
                continue  # "them" alone is no other thing
            if correcting and negated and core.readings[0].wild_tokens:
                continue
            if leaving_out and (core.readings[0].wild_tokens or changes(path.last, core.readings[0])):
                continue
            if core.readings[0].wild_tokens and path.position in self.chart.joints:
                continue  # no text begins with "and"
            yield Item("fragment", core.start, core.end, cost + extra + over, core)

    def _adds_place(self, path: Path, core: Core) -> bool:
        """Whether all that is said is a place for the request of the turn before ("in the kitchen too")."""
        if core.leaning != "narrows" or path.last is not self.remembered or path.prefix:
            return False
        end, size = core.end, self.chart.size
        return end == size or any(one.kind == "filler" and one.end == size for one in self.chart.operators[end])

    def _shared_tails(self, position: int) -> list[Item]:
        if position not in self._tails:
            self._tails[position] = self.splicer.shared_tails(self.chart, position, self.effort)
        return self._tails[position]

    def _cut_short_at(self, position: int) -> list[Item]:
        if position not in self._partials:
            self._partials[position] = list(self._cut_short(position))
        return self._partials[position]

    def _cut_short(self, start: int) -> Iterator[Item]:
        """Beginnings of requests that a correction cuts off ("set a timer for ten sorry ...").

        An unknown word begins none, nor does an operator; and "make it" cuts nothing where it begins a request.
        """
        chart = self.chart
        ends = [end for end in chart.alive[start] if end > start and end in chart.cuts and end not in chart.sure]
        if not ends or chart.alive[start].get(start + 1) is chart.unknown:
            return
        if any(item.kind not in TALK for item in chart.operators[start]):
            return
        cores = self.chart.requests(start)
        whole = {core.end for core in cores if not core.readings[0].block.extra.get("incomplete")}
        for end in ends:
            if end not in whole:
                inside = sum(at in self.chart.sure or at in self.chart.joints for at in range(start + 1, end))
                core = Core(start, end, self.chart.words(start, end), (), "partial")
                yield Item("partial", start, end, CUT_SHORT + CUT_INSIDE * inside, core)


def _skip(path: Path) -> Item:
    more = path.item is not None and path.item.kind == "unexplained"
    cost = STILL_UNEXPLAINED if more else UNEXPLAINED
    return Item("unexplained", path.position, path.position + 1, cost)


def _extend(layers: Layers, path: Path, item: Item) -> None:
    """Add the path with one more item to the layer it reaches, unless a cheaper one is there."""
    new = _followed(path, item)
    if new is None:
        return
    layer, signature = layers[new.position], new.signature
    known = layer.get(signature)
    if known is None:
        layer[signature] = new
        return
    cheaper, other = (new, known) if new.cost < known.cost else (known, new)
    if other.cost <= cheaper.cost + CLOSE:
        others = [one for one in (other, known.rival) if one is not None]
        cheaper.rival = min(others, key=lambda one: one.cost)
    layer[signature] = cheaper


def _followed(path: Path, item: Item) -> Path | None:
    """The path with one more item; None where the item may not stand there."""
    cost, end = path.cost + item.cost, item.end
    match item.kind:
        case "filler":
            return Path(end, cost, path, item, path.last, path.clause, path.joined, path.prefix)
        case "remark" if not path.prefix or path.prefix == ("correct",):
            cost += PART_OF_TEXT if _text_goes_on(path) else 0.0
            return Path(end, cost, path, item, path.last, "told", False, path.prefix)
        case "when" | "condition" if path.clause == "told":
            return Path(end, cost, path, item, path.last, "told")
        case "unexplained":
            return Path(end, cost, path, item, path.last, "start", False, path.prefix)
        case "if_worked" if _nothing_said(path):
            return None
        case "and" | "then" | "if_worked":
            cost += DANGLING if path.prefix else 0.0
            return Path(end, cost, path, item, path.last, "start", True)
        case "when" | "condition" | "length" if path.clause != "quoted":
            if "correct" in path.prefix:
                return None if _cut(path) else Path(end, cost, path, item, path.last, "done")
            cost += 0.0 if path.clause == "done" else 0.02
            return Path(end, cost, path, item, path.last, path.clause, path.joined, path.prefix)
        case "except_target" | "more_except" if not ("correct" in path.prefix and _cut(path)):
            prefix = tuple(kind for kind in path.prefix if kind != "correct")
            return Path(end, cost, path, item, path.last, "excepting", False, prefix)
        case "old":
            return Path(end, cost, path, item, path.last, "start", False, ("correct", f"old:{item.words}"))
        case "but":
            cost += DANGLING if path.prefix else 0.0
            return Path(end, cost, path, item, path.last, "start", False)
        case "now" | "regardless" if path.clause != "quoted":
            return Path(end, cost, path, item, path.last, path.clause, path.joined, path.prefix)
        case "first_said":
            return Path(end, cost, path, item, path.last, path.clause, path.joined, path.prefix)
        case "instead" if path.clause == "done" and path.item is not None and path.item.kind in BEHIND:
            return Path(end, cost, path, item, path.last, "done")
        case "meant" if _may_mean_other(path):
            return Path(end, cost, path, item, path.last, "done")
        case "never_mind" | "scratch":
            return Path(end, cost, path, item, path.last, "start", True)
        case "request" | "several" | "fragment":
            return Path(end, cost, path, item, item.core, item.ends)
        case "partial":
            return Path(end, cost, path, item, item.core, "cut")
        case kind if kind in PREFIXES:
            prefix = (*path.prefix, kind)[-4:]
            return Path(end, cost, path, item, path.last, "start", False, prefix)
        case _:
            return None


def _after_unknown(path: Path) -> bool:
    """Whether a connective follows words that nothing explains ("in the shed and in the kitchen")."""
    if not path.joined or path.item is None or path.before is None or path.before.item is None:
        return False
    return path.item.kind == "and" and path.before.item.kind == "unexplained"


def _may_mean_other(path: Path) -> bool:
    """Whether what was just said, with nothing to join it, can take the place of what stood before it."""
    if path.clause != "done" or path.item is None or path.before is None:
        return False
    if path.item.kind in ("when", "condition"):
        return not _nothing_said(path)
    alone = path.before.clause == "done" and not path.before.joined and not path.before.prefix
    return path.item.kind in BEHIND and alone and not _nothing_said(path.before)


def _mends(path: Path, core: Core) -> bool:
    """Whether a value alone takes the place of one that could not be had ("... ninety degrees", "twenty four")."""
    unmet = path.last is not None and path.last.kind == "remembered" and path.last.leaning == "unmet"
    return unmet and core.leaning == "value"


def _inside_title(path: Path) -> bool:
    """Whether a title that was just said reads like a sentence, so that a "now" behind it is part of it."""
    if path.item is None or path.item.kind != "request" or path.item.core is None:
        return False
    return path.item.core.readings[0].sentence


def _text_goes_on(path: Path) -> bool:
    """Whether what follows may be part of a text (a message, a reminder) that was just dictated."""
    if path.last is None or not path.last.readings or path.last.kind == "remembered":
        return False
    return path.last.readings[0].dictated and (path.clause in ("done", "quoted") or path.joined)


def _cut(path: Path) -> bool:
    """Whether what is being corrected was cut short: then only a request or fragment can complete it."""
    return path.last is not None and path.last.kind == "partial"


def _lasted(path: Path) -> bool:
    """Whether the last request was said with a length of time, which another length can then correct."""
    before: Path | None = path
    while before is not None and before.item is not None and before.item.core is None:
        spoken = before.item.spoken
        if spoken is not None:
            return spoken.moment.seconds is not None
        before = before.before
    return False


def _beam(paths: Iterable[Path]) -> list[Path]:
    """The paths worth extending: the cheapest few, and none far behind the best."""
    ranked = sorted(paths, key=lambda path: path.cost)[:NARROW]
    return [path for path in ranked if path.cost <= ranked[0].cost + BEAM]


def final_cost(path: Path) -> float:
    """What a path costs that ends with the text: operators left hanging cost extra."""
    trailing = TRAILING_JOINER if path.joined and path.clause == "start" else 0.0
    return path.cost + DANGLING * len(path.prefix) + trailing


def _answered(path: Path) -> bool:
    """Whether what stands right before is an answer: what could be a request is then hardly another."""
    return path.last is not None and bool(path.last.readings) and path.last.readings[0].block.kind == "answer"


def _nothing_said(path: Path) -> bool:
    """Whether no request stands before this place of the utterance."""
    return path.last is None or path.last.kind == "remembered"


def _request_cost(core: Core) -> float:
    best = core.readings[0]
    if best.block.kind == "answer":
        return ANSWER + best.cost
    if not best.bare:
        return REQUEST + best.cost
    return REQUEST + best.cost + (BARE_NAME if isinstance(best.reading.get("name"), str) else BARE_PRONOUN)


__all__ = ["CLOSE", "FRAGMENT", "REQUEST", "Path", "Search", "final_cost"]
