"""What is said: sentences of a language's ``responses.yaml``, filled with values said the language's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import Any

from dialogue.errors import GrammarError
from dialogue.interfaces import Home
from dialogue.summary import summary
from dialogue.types import Effect, NotDone, Question, Step, Value

SECTIONS = (
    "responses",
    "questions",
    "reasons",
    "predicates",
    "attributes",
    "groups",
    "effects",
    "summary",
    "words",
)
_NEEDED: Mapping[str, str] = {
    "predicates": "anything",
    "effects": "anything schedule.cancelled list.added list.removed",
    "summary": "device predicate done planned planned_at planned_on planned_every planned_some_time not_done "
    "not_done_plain",
    "words": "and or comma space dot the quote event event_of event_openers clock clock_hour am pm date "
    "today tomorrow this_week later weekdays months day hour minute second",
}
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_Parts = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence in one form, or in one for a single thing and one for others.

    ``place`` is its file and line; a form is a list of (literal text, slot, way to say the slot).
    """

    place: str
    other: _Parts
    one: _Parts | None = None


class Responses:
    """The sentences of one language; the same values always give the same words."""

    def __init__(self, path: Path, language: str, templates: Mapping[str, Mapping[str, Template]]) -> None:
        self.path = path
        self.language = language
        self._templates = templates

    def render(self, name: str, /, **slots: Value) -> str:
        """The response or reason called ``name``, its slots filled in.

        Raises:
            GrammarError: the file has no such sentence, or the sentence has a slot that is not given.
        """
        if name.startswith("reason_"):
            return self.say("reasons", name, slots)
        return sentence(self.say("responses", name, slots))

    def summary(
        self,
        home: Home,
        effects: Sequence[Sequence[Effect]],
        *,
        now: datetime,
        scheduled: Sequence[Step] = (),
        question: Question | None = None,
        not_done: Sequence[NotDone] = (),
        answers: Sequence[str] = (),
    ) -> str:
        """A sentence or two on a whole turn: answers, then what was done, planned, not done and asked.

        ``effects`` holds those of each step. Devices that came to the same are named together.
        """
        return summary(
            self,
            home,
            effects,
            now=now,
            scheduled=scheduled,
            question=question,
            not_done=not_done,
            answers=answers,
        )

    def has(self, section: str, name: str) -> bool:
        return name in self._templates[section]

    def say(self, section: str, name: str, slots: Mapping[str, Any]) -> str:
        """A sentence or phrase of a section, filled in and without blanks at its ends."""
        template = self._templates[section].get(name)
        if template is None:
            raise GrammarError(f"{self.path}: {section}: {name} is missing. Add `{name}: ...` to this section.")
        pieces: list[str] = []
        alone = template.one is not None and self._is_one(slots)
        for literal, slot, way in (alone and template.one) or template.other:
            pieces.append(literal)
            if slot:
                pieces.append(self._said(template, slot, way, slots))
        return "".join(pieces).strip() if section != "words" else "".join(pieces)

    def _is_one(self, slots: Mapping[str, Any]) -> bool:
        """Do the slots speak of a single thing? "The curtains" are several even if they are one device."""
        things = slots.get("count", slots.get("names", slots.get("items", 0)))
        if not isinstance(things, list):
            return bool(things == 1)
        plural = self._templates["words"].get("plural_ending")
        ending = self.say("words", "plural_ending", {}) if plural else ""
        return len(things) == 1 and not (ending and str(things[0]).endswith(ending))

    def _said(self, template: Template, slot: str, way: str, slots: Mapping[str, Any]) -> str:
        if slot not in slots:
            given = ", ".join(slots) or "none"
            raise GrammarError(f"{template.place}: The slot {{{slot}}} is not given here. Given: {given}.")
        return WAYS[way](self, slots[slot], slots)


# --- ways to say a value ----------------------------------------------------------------


def sentence(text: str) -> str:
    """The text with a capital at its start."""
    return text[:1].upper() + text[1:]


def _plain(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return _joined("and")(words, value, slots)
    if isinstance(value, float):
        text = str(int(value)) if value.is_integer() else f"{value:.10g}"
        return text.replace(".", words.say("words", "dot", {}))
    return str(value)


def _spaced(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
    return _plain(words, value, slots).replace("_", " ")


def _joined(last: str) -> Callable[[Responses, Any, Mapping[str, Any]], str]:
    def join(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
        texts = [_plain(words, one, slots) for one in (value if isinstance(value, list | tuple) else [value])]
        if last in ("comma", "space") or len(texts) < 2:
            return words.say("words", "space" if last == "space" else "comma", {}).join(texts)
        *first, end = texts
        return words.say("words", "comma", {}).join(first) + words.say("words", last, {}) + end

    return join


def _with_articles(last: str) -> Callable[[Responses, Any, Mapping[str, Any]], str]:
    def join(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
        names = value if isinstance(value, list | tuple) else [value]
        return _joined(last)(words, [words.say("words", "the", {"name": name}) for name in names], slots)

    return join


def _quoted(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
    return words.say("words", "quote", {"text": _plain(words, value, slots)})


def _duration(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
    rest = round(float(value))
    parts: list[str] = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(words.say("words", unit, {"count": count}))
    return _joined("and")(words, parts or [words.say("words", "second", {"count": 0})], slots)


def _clock(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
    at = _moment(value)
    parts = {
        "hour": at.hour % 12 or 12,
        "hour24": at.hour,
        "minute": f"{at.minute:02}",
        "meridiem": words.say("words", "am" if at.hour < 12 else "pm", {}),
    }
    return words.say("words", "clock" if at.minute else "clock_hour", parts)


def _date_parts(words: Responses, at: datetime) -> dict[str, Value]:
    return {
        "weekday": words.say("words", "weekdays", {}).split()[at.weekday()],
        "month": words.say("words", "months", {}).split()[at.month - 1],
        "day": at.day,
        "year": at.year,
    }


def _date(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
    return words.say("words", "date", _date_parts(words, _moment(value)))


def _as_seen_from_now(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
    at, now = _moment(value), slots.get("now")
    days = (at.date() - _moment(now).date()).days if now is not None else -1
    name = {0: "today", 1: "tomorrow"}.get(days, "this_week" if 1 < days < 7 else "later")
    return words.say("words", name, {"clock": _clock(words, at, slots), **_date_parts(words, at)})


def _event(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
    """A condition in the user's words; without any, what must become of which device."""
    known = value if isinstance(value, Mapping) else {name: getattr(value, name) for name in _CONDITION}
    text = str(known.get("text") or "")
    if not text:
        name = str(known.get("target") or "").partition(".")[2] or str(known.get("target"))
        what = _spaced(words, known.get("value"), slots)
        return words.say("words", "event_of", {"name": name.replace("_", " "), "what": what})
    opened = text.split()[0].lower() in words.say("words", "event_openers", {}).split()
    return text if opened else words.say("words", "event", {"text": text})


_CONDITION = ("target", "value", "text")


def _predicate(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
    """What a device is when one of its attributes has this value."""
    attribute = str(slots.get("attribute") or "state")
    kinds = [f"{kind}." for kind in (slots.get("device_class"), slots.get("domain")) if kind] + [""]
    said = _plain(words, value, slots)
    names = [f"{kind}{attribute}.{said}" for kind in kinds] + [f"{kind}{attribute}" for kind in kinds]
    name = next((name for name in names if words.has("predicates", name)), "anything")
    return words.say("predicates", name, {"unit": "", **slots, "attribute": attribute, "value": value})


def _attribute(words: Responses, value: Any, slots: Mapping[str, Any]) -> str:
    known = words.has("attributes", str(value))
    return words.say("attributes", str(value), {}) if known else _spaced(words, value, slots)


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


WAYS: Mapping[str, Callable[[Responses, Any, Mapping[str, Any]], str]] = {
    "": _plain,
    "plain": _spaced,
    "and": _joined("and"),
    "or": _joined("or"),
    "comma": _joined("comma"),
    "sentences": _joined("space"),
    "the": _with_articles("and"),
    "the_or": _with_articles("or"),
    "quote": _quoted,
    "duration": _duration,
    "clock": _clock,
    "date": _date,
    "moment": _as_seen_from_now,
    "event": _event,
    "predicate": _predicate,
    "attribute": _attribute,
}


# --- the file ---------------------------------------------------------------------------


def load_responses(path: str | Path) -> Responses:
    """Read a language's sentences.

    Raises:
        GrammarError: the file is missing or broken, lacks a sentence the program needs, or uses a way to
            say a value that is unknown; the message starts with ``file:line``.
    """
    path = Path(path)
    root = _composed(path)
    templates: dict[str, dict[str, Template]] = {section: {} for section in SECTIONS}
    language = ""
    for key, node in root.value:
        if key.value == "language":
            language = str(node.value)
        elif key.value in templates:
            templates[key.value] = dict(_templates(path, node, ""))
        else:
            raise _mistake(path, key, f"{key.value!r} is not known. Allowed: language, {', '.join(SECTIONS)}.")
    _check_complete(path, templates)
    return Responses(path, language, templates)


def _composed(path: Path) -> Any:
    import yaml

    try:
        root: Any = yaml.compose(
            path.read_bytes().decode("utf-8-sig"), Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        )
    except OSError as error:
        raise GrammarError(f"{path}: The sentences cannot be read: {error.strerror}. Restore this file.") from None
    except UnicodeDecodeError:
        raise GrammarError(f"{path}: The text is not UTF-8. Save the file as UTF-8.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise GrammarError(f"{path}:{line}: This is not YAML: {getattr(error, 'problem', error)}.") from None
    if root is None or root.id != "mapping":
        raise GrammarError(f"{path}:1: The file must have the sections {', '.join(SECTIONS)}.")
    return root


def _mistake(path: Path, node: Any, problem: str) -> GrammarError:
    return GrammarError(f"{path}:{node.start_mark.line + 1}: {problem}")


def _templates(path: Path, node: Any, prefix: str) -> Iterator[tuple[str, Template]]:
    if node.id != "mapping":
        raise _mistake(path, node, "Sentences are written as `name: text`.")
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        forms = {form.value: text for form, text in value.value} if value.id == "mapping" else {"other": value}
        place = f"{path}:{key.start_mark.line + 1}: {name}"
        if "other" in forms:
            one = _parts(path, forms["one"]) if "one" in forms else None
            yield name, Template(place, _parts(path, forms["other"]), one)
        else:
            yield from _templates(path, value, f"{name}.")


def _parts(path: Path, node: Any) -> _Parts:
    if node.id != "scalar":
        raise _mistake(path, node, "A sentence is a text in quotes.")
    try:
        parts = [(literal, slot or "", way or "") for literal, slot, way, _ in Formatter().parse(node.value)]
    except ValueError as error:
        raise _mistake(path, node, f"{error}. Write {{{{ or }}}} for a brace that is said.") from None
    for _, slot, way in parts:
        if way not in WAYS or (way and not slot):
            raise _mistake(
                path, node, f"{way!r} is no way to say a value. Allowed: {', '.join(filter(None, WAYS))}."
            )
    return tuple(parts)


def _check_complete(path: Path, templates: Mapping[str, Mapping[str, Template]]) -> None:
    for section, names in _NEEDED.items():
        missing = [name for name in names.split() if name not in templates[section]]
        if missing:
            raise GrammarError(
                f"{path}: {section}: {', '.join(missing)} missing. Copy from grammars/en/responses.yaml."
            )
