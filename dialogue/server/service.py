"""What the HTTP door does, in plain calls for a thread to make.

What an `Assistant` shares between conversations and two threads cannot use at once is guarded here: understanding
by a lock of its own; deciding, telling and time in the home by the home's lock, which its actions hold, too.
Journal and actions guard themselves.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from threading import Lock, RLock
from typing import Any

from pydantic import TypeAdapter

from dialogue.assistant import Assistant
from dialogue.context import ContextState, Tracker
from dialogue.due import Agenda, happened
from dialogue.events import AnyEvent
from dialogue.grammar.outline import Asks, Intent
from dialogue.interfaces import Clockwork
from dialogue.policy.pointed import Way, refusal, take_back
from dialogue.policy.targets import areas_called
from dialogue.server.ears import Ears
from dialogue.server.refusals import RefusedError
from dialogue.shapes import turn_shape, utterance_shape
from dialogue.types import AudioChunk, Hypothesis, Step, Transcript, Turn, Utterance

REMEMBERED_ANSWERS = 1000
REMEMBERED_DUE = 100

Words = str | Transcript | Sequence[Hypothesis]
_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def plain(value: Any) -> Any:
    """The core's types as JSON values, just as the description says."""
    return _JSON.dump_python(value, mode="json", warnings=False)


# --- guarding ---------------------------------------------------------------------------


class Guarded:
    """Any part of an assistant, its methods used by one thread at a time."""

    def __init__(self, part: Any, lock: Any) -> None:
        self._part = part
        self._lock = lock

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if not callable(found):
            return found

        @wraps(found)
        def alone(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                return found(*arguments, **named)

        return alone


def guarded(assistant: Assistant) -> Assistant:
    """The same assistant for several threads, each in a conversation of its own."""
    home_lock = getattr(assistant.home, "lock", None) or RLock()
    parts: dict[str, Any] = {name: getattr(assistant, name) for name in ("policy", "voice", "home")}
    held: dict[str, Any] = {name: Guarded(part, home_lock) for name, part in parts.items()}
    return replace(assistant, splitter=Guarded(assistant.splitter, Lock()), **held)


# --- the service ------------------------------------------------------------------------


Outline = Callable[[Asks], Sequence[Intent]]
"""What can be asked for; see `grammar.outline`."""


def _nothing(asks: Asks) -> Sequence[Intent]:
    return ()


@dataclass(frozen=True, slots=True)
class Said:
    """What a visitor wants served as one turn."""

    conversation: str
    words: Words
    message_id: str | None = None
    area: str | None = None


@dataclass(slots=True)
class Service:
    """What the routes do. One conversation is used by one thread at a time; that is the door's care."""

    assistant: Assistant
    ears: Ears
    language: str
    outline: Outline = _nothing
    agenda: Agenda = field(init=False)
    _answers: OrderedDict[tuple[str, str], dict[str, Any]] = field(default_factory=OrderedDict)
    _meanwhile: dict[str, deque[dict[str, Any]]] = field(default_factory=dict)
    _grammar: dict[str, Any] | None = None
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.assistant = guarded(self.assistant)
        self.agenda = Agenda(self.assistant, self.assistant.store.conversations())

    # --- turns

    def say(self, said: Said) -> dict[str, Any]:
        """A typed turn, or one of which the hypotheses are known."""
        return self._once(said, lambda: self._turn(said))

    def hear(self, said: Said, sound: bytes | AudioChunk) -> dict[str, Any]:
        """A spoken turn: the sound is a WAV's bytes or raw."""

        def turn() -> dict[str, Any]:
            heard = self.ears.hear(sound) if isinstance(sound, bytes) else self.ears.hear_raw(sound)
            answer = self._turn(replace(said, words=heard))
            return {**answer, "transcript": heard.text}

        return self._once(said, turn)

    def parse(self, text: str) -> dict[str, Any]:
        """What the words mean by themselves."""
        return utterance_shape(self.understood(text))

    def understood(self, text: str) -> Utterance:
        return self.assistant.splitter.split((Hypothesis(text),), ContextState())

    def area(self, name: str) -> str:
        """The id of the area with this id, name or alias; RefusedError (422) where there is none."""
        home = self.assistant.home
        if name in home.areas:
            return name
        found = areas_called(home, name)
        if len(found) != 1:
            there = ", ".join(home.areas) or "none"
            raise RefusedError(
                422, f"there is no room {name!r} in this home", "body, area", f"name one of: {there}"
            )
        return found.pop()

    def advance(self, conversation: str) -> None:
        """Do what has fallen due in a conversation, and keep it for the conversation's next answer."""
        turn = self.assistant.advance(conversation)
        self.agenda.look(conversation)
        if happened(turn):
            kept = self._meanwhile.setdefault(conversation, deque(maxlen=REMEMBERED_DUE))
            kept.append(turn_shape(turn, self.assistant.home))

    def _turn(self, said: Said) -> dict[str, Any]:
        if said.conversation in self.agenda.due(self.assistant.clock.now()):
            self.advance(said.conversation)
        turn = self.assistant.hear(said.words, said.conversation, message_id=said.message_id, area=said.area)
        self.agenda.look(said.conversation)
        meanwhile = list(self._meanwhile.pop(said.conversation, ()))
        return {
            "conversation": said.conversation,
            "text": turn.text,
            **self._came(turn),
            "steps": plain(turn.plan.steps),
            "meanwhile": meanwhile,
        }

    def _came(self, turn: Turn) -> dict[str, Any]:
        return turn_shape(turn, self.assistant.home)

    def _once(self, said: Said, turn: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Serve a message one time: the second time it gets the same answer, and nothing is done."""
        if said.message_id is None:
            return turn()
        key = (said.conversation, said.message_id)
        with self._lock:
            known = self._answers.get(key)
        if known is not None:
            return known
        answer = turn()
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > REMEMBERED_ANSWERS:
                self._answers.popitem(last=False)
        return answer

    # --- conversations

    def conversation(self, name: str, after: int = 0) -> dict[str, Any]:
        """The events of a conversation but the first ``after``, its plan and its open questions."""
        tracker = self.tracker(name)
        return {
            "conversation": name,
            "length": len(tracker.events),
            "events": plain(tracker.events[after:]),
            "steps": plain(tuple(tracker.state.steps.values())),
            "questions": plain(tracker.state.questions),
        }

    def tracker(self, name: str) -> Tracker:
        """A conversation; RefusedError (404) if it has not begun."""
        tracker = self.assistant.store.load(name)
        if not tracker.events:
            how = "say something in it first; names are told apart by upper and lower case"
            raise RefusedError(404, f"there is no conversation {name!r}", "path, id", how)
        return tracker

    def events(self, name: str, after: int) -> list[tuple[int, AnyEvent]]:
        """The events of a conversation behind the first ``after``, each with its number."""
        found = self.assistant.store.load(name).events
        return list(enumerate(found[after:], after + 1))

    def forget(self, name: str) -> dict[str, Any]:
        """Delete all that is known of a conversation, in the journal and in memory, and what it has set up."""
        tracker = self.tracker(name)
        self.assistant.home.forget(tracker.mark)
        self._meanwhile.pop(name, None)
        with self._lock:
            for key in [key for key in self._answers if key[0] == name]:
                del self._answers[key]
        self.assistant.store.forget(name)
        self.agenda.look(name)
        return {"conversation": name, "events": len(tracker.events)}

    # --- steps

    def step(self, conversation: str, step_id: str) -> dict[str, Any]:
        """A step as it stands."""
        return dict(plain(self._step(self.tracker(conversation), step_id)))

    def take_back(self, conversation: str, step_id: str, way: Way) -> dict[str, Any]:
        """Cancel or undo a step; RefusedError (409) where it stands so that this cannot be."""
        tracker = self.tracker(conversation)
        self._step(tracker, step_id)
        why_not = refusal(tracker.state, step_id, way)
        if why_not is not None:
            how = "GET the step to see how it stands; cancel what waits, undo what is done"
            raise RefusedError(409, why_not, "path, step", how)
        turn = self.assistant.act(lambda state, now: take_back(state, step_id, way, now), conversation)
        self.agenda.look(conversation)
        return {
            "conversation": conversation,
            **self._came(turn),
            "step": self.step(conversation, step_id),
        }

    def _step(self, tracker: Tracker, step_id: str) -> Step:
        step = tracker.state.steps.get(step_id)
        if step is None:
            how = f"GET /v1/conversations/{tracker.conversation} lists its steps"
            raise RefusedError(404, "this conversation has no such step", "path, step", how)
        return step

    # --- what there is

    def home(self, prefix: str = "") -> dict[str, Any]:
        """The home as it stands; of timers and such only those of conversations that begin with ``prefix``."""
        home = self.assistant.home
        works = [one for kind in ("timer", "alarm", "reminder") for one in home.clockworks(kind)]
        return {
            "devices": plain(tuple(home.devices.values())),
            "states": {name: plain(dict(home.state(name))) for name in home.devices},
            "areas": plain(tuple(home.areas.values())),
            "floors": plain(tuple(home.floors.values())),
            "lists": plain(tuple(home.lists.values())),
            "clockworks": plain([one for one in works if _setter(one).startswith(prefix) or not _setter(one)]),
        }

    def grammar(self) -> dict[str, Any]:
        """What can be asked for; found out once."""
        if self._grammar is None:
            found = self.outline(self._asks)
            intents = [{"intent": one.name, "slots": one.slots, "samples": one.samples} for one in found]
            self._grammar = {"language": self.language, "intents": plain(intents)}
        return self._grammar

    def _asks(self, text: str) -> Sequence[str]:
        understood = self.understood(text)
        return [] if understood.unexplained else [request.intent for request in understood.requests]

    def need_ready(self) -> None:
        """Raise what a turn would raise now: for a journal that cannot be read, or a broken grammar."""
        self.assistant.store.conversations()
        self.understood("ready")


def _setter(clockwork: Clockwork) -> str:
    """The conversation that set a timer, alarm or reminder; "" for those of the home file."""
    return clockwork.id.partition(".")[2].rpartition(":")[0]
