"""Runs a step's action: in process by rasa-sdk's `ActionExecutor`, or at a configured action server.

Both give the action a Rasa tracker that holds nothing but its step, and read the same report from it: the
slots ``effects`` and ``failed``, and the responses to say.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from functools import cache, cached_property
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dialogue.context import Tracker
from dialogue.errors import ConfigurationError, GrammarError
from dialogue.home import SimulatedHome
from dialogue.instants import written
from dialogue.types import Effect, Outcome, Request, Step

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from dialogue.responses import Responses

_MESSAGE_KEYS = frozenset({"text", "buttons", "elements", "custom", "template", "response", "image", "attachment"})


class InProcessExecutor:
    """Runs the actions of `dialogue.actions` on ``home`` in this process; it fits the `Executor` protocol.

    An action that really waits gets an event loop of its own and at most ``seconds``.
    """

    def __init__(self, home: SimulatedHome, responses: Responses, *, seconds: float = 30.0) -> None:
        self._home = home
        self._responses = responses
        self._seconds = seconds
        self._never_waiting: set[str] = set()

    def run(self, step: Step, tracker: Tracker, now: datetime) -> Outcome:
        """What came of the step's action; an action that breaks has failed, one that hangs is unknown."""
        from rasa_sdk.interfaces import (  # type: ignore[import-untyped]
            ActionExecutionRejection,
            ActionNotFoundException,
        )

        report = _Report(self._responses, now)
        try:
            call = action_call(step, tracker, now, self._responses.language)
            result = self._finished(step.action, self._engine.run(call))
        except ActionNotFoundException:
            return report.failed("reason_unknown_action", action=step.action)
        except ActionExecutionRejection as rejection:
            return Outcome("failed", reason=str(rejection))
        except TimeoutError:
            return report.unknown("reason_no_answer")
        except Exception as error:  # whatever an action does, the conversation goes on
            return report.failed("reason_action_broke", error=_short(f"{type(error).__name__}: {error}"))
        return report.outcome(result.events, result.responses)

    def repeatable(self, step: Step) -> bool:
        """Whether the step's action keeps to its key: the home knows what it did, the journal what was of it."""
        return self._engine is not None and step.action in self._never_waiting

    @cached_property
    def _engine(self) -> Any:
        from rasa_sdk.executor import ActionExecutor  # type: ignore[import-untyped]

        engine = ActionExecutor()
        for action, waits in _own_actions(self._home):
            engine.register_action(action)
            if not waits:
                self._never_waiting.add(action.name())
        return engine

    def _finished(self, action: str, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if action in self._never_waiting or action not in self._engine.actions:
            return _finished_at_once(coroutine)
        return _finished_in_loop(coroutine, self._seconds)


class HttpExecutor:
    """Runs actions at an action server such as ``python -m rasa_sdk``; it fits the `Executor` protocol.

    ``endpoint`` comes from the configuration only. If ``home`` is given, it follows what the server reports.
    A step whose request was sent and not answered properly is *unknown*: it may have been done. The actions named
    in ``repeatable`` (all, if "*" is among them) are asked again then, as long as there is time: they have their
    effect once, because they keep to the key in the message's metadata or by their nature. A server that has not
    answered `_MOST_SILENT` times in a row is left alone for ``rest_seconds``: its steps fail at once.

    Raises:
        ConfigurationError: the endpoint is not an http or https address.
    """

    def __init__(
        self,
        endpoint: str,
        responses: Responses,
        *,
        home: SimulatedHome | None = None,
        connect_seconds: float = 2.0,
        answer_seconds: float = 10.0,
        largest_answer: int = 1 << 20,
        repeatable: Iterable[str] = (),
        rest_seconds: float = 10.0,
    ) -> None:
        address = urlsplit(endpoint)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigurationError(
                f"The action endpoint {endpoint!r} is not an address. Write it as http://127.0.0.1:5055."
            )
        self._address = address
        self._responses = responses
        self._home = home
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._largest_answer = largest_answer
        self._repeatable = frozenset(repeatable)
        self._circuit = _Circuit(rest_seconds)

    def repeatable(self, step: Step) -> bool:
        """Whether the configuration says that the step's action has its effect once, however often it is asked."""
        return step.action in self._repeatable or "*" in self._repeatable

    def run(self, step: Step, tracker: Tracker, now: datetime) -> Outcome:
        """What the action server made of the step, within the time allowed for connecting and answering."""
        report = _Report(self._responses, now)
        call = action_call(step, tracker, now, self._responses.language)
        body = json.dumps({**call, "version": _sdk_version()}, default=str).encode()
        if not self._circuit.closed():
            return report.failed("reason_unreachable")
        try:
            status, answer = self._asked(body, 3 if self.repeatable(step) else 1)
        except _NotSentError:
            return report.failed("reason_unreachable")
        except _NoAnswerError:
            return report.unknown("reason_no_answer")
        outcome = self._read(report, step, status, answer)
        if self._home is not None:
            _follow(self._home, outcome.effects)
        return outcome

    def _read(self, report: _Report, step: Step, status: int, answer: bytes) -> Outcome:
        if status == 404:
            return report.failed("reason_unknown_action", action=step.action)
        if status >= 500:
            return report.unknown("reason_server_broke", error=f"HTTP {status}")
        found = _json(answer) if len(answer) <= self._largest_answer else None
        if status != 200:
            told = found.get("error") if isinstance(found, dict) else None
            return report.failed("reason_refused", error=_short(str(told or f"HTTP {status}")))
        if not isinstance(found, dict):
            return report.unknown("reason_bad_answer")
        return report.outcome(found.get("events"), found.get("responses"))

    def _asked(self, body: bytes, tries: int) -> tuple[int, bytes]:
        """The server's answer; asked again where it gave none or broke, as often and as long as is allowed."""
        end, sent = monotonic() + self._answer_seconds, False
        for number in range(1, tries + 1):
            last = number == tries or monotonic() + _PAUSE_SECONDS >= end
            try:
                status, answer = self._noted(body, max(end - monotonic(), _SHORTEST_SECONDS))
                if status < 500 or last:
                    return status, answer
                sent = True
            except _NotSentError:
                if last and sent:
                    raise _NoAnswerError from None
                if last:
                    raise
            except _NoAnswerError:
                sent = True
                if last:
                    raise
            sleep(_PAUSE_SECONDS)
        raise _NoAnswerError

    def _noted(self, body: bytes, seconds: float) -> tuple[int, bytes]:
        """One exchange; whether the server answered counts for those to come."""
        try:
            found = self._exchange(body, seconds)
        except (_NotSentError, _NoAnswerError):
            self._circuit.note(answered=False)
            raise
        self._circuit.note(answered=True)
        return found

    def _exchange(self, body: bytes, seconds: float) -> tuple[int, bytes]:
        with closing(self._connection()) as connection:
            try:
                connection.connect()
            except OSError as error:
                raise _NotSentError from error
            return self._answered(connection, body, seconds)

    def _answered(self, connection: HTTPConnection, body: bytes, seconds: float) -> tuple[int, bytes]:
        """Send and read, cut off when the time is over, also if the answer comes in drops."""
        import socket
        from http.client import HTTPException
        from threading import Timer

        wire = connection.sock
        wire.settimeout(seconds)
        guard = Timer(seconds, lambda: wire.shutdown(socket.SHUT_RDWR))
        guard.daemon = True
        guard.start()
        try:
            connection.request("POST", self._path(), body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read(self._largest_answer + 1)
            if response.length and len(answer) <= self._largest_answer:
                raise _NoAnswerError  # cut off before its announced end
            return response.status, answer
        except (OSError, HTTPException) as error:
            raise _NoAnswerError from error
        finally:
            guard.cancel()

    def _connection(self) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        kind = HTTPSConnection if self._address.scheme == "https" else HTTPConnection
        return kind(str(self._address.hostname), self._address.port, timeout=self._connect_seconds)

    def _path(self) -> str:
        path = self._address.path.rstrip("/")
        return path if path.endswith("/webhook") else f"{path}/webhook"


_MOST_SILENT = 5
_PAUSE_SECONDS = 0.2
_SHORTEST_SECONDS = 0.05


class _Circuit:
    """Whether a server is worth asking: not for a while after it has been silent several times in a row.

    When the while is over one step tries; if that is not answered either, the while begins anew.
    """

    def __init__(self, rest_seconds: float) -> None:
        self._rest_seconds = rest_seconds
        self._silent = 0
        self._until = 0.0
        self._lock = Lock()

    def closed(self) -> bool:
        with self._lock:
            if self._silent < _MOST_SILENT:
                return True
            if monotonic() < self._until:
                return False
            self._until = monotonic() + self._rest_seconds
            return True

    def note(self, *, answered: bool) -> None:
        with self._lock:
            self._silent = 0 if answered else self._silent + 1
            if self._silent >= _MOST_SILENT:
                self._until = monotonic() + self._rest_seconds


class _NotSentError(Exception):
    """No connection: the action has not begun."""


class _NoAnswerError(Exception):
    """The request was sent, and no answer came."""


# --- what an action is told -------------------------------------------------------------


def action_call(step: Step, tracker: Tracker, now: datetime, locale: str) -> dict[str, Any]:
    """The body of a call as Rasa's action servers expect it, the tracker scoped to the step.

    ``latest_message.metadata`` carries the local time ``now`` (ISO), the ``step_id``, which is the key that
    makes the effect happen once, and the ``locale``.
    """
    message = _message(step, tracker, now, locale)
    return {
        "next_action": step.action,
        "sender_id": tracker.conversation,
        "tracker": {
            "sender_id": tracker.conversation,
            "slots": dict(step.slots),
            "latest_message": message,
            "events": _rasa_events(step, message, now),
            "paused": False,
            "followup_action": None,
            "active_loop": {},
            "latest_action_name": "action_listen",
        },
        "domain": {},
    }


def _message(step: Step, tracker: Tracker, now: datetime, locale: str) -> dict[str, Any]:
    request = _request_of(step, tracker)
    entities = request.entities if request else ()
    return {
        "text": step.text,
        "intent": {
            "name": request.intent if request else None,
            "confidence": request.confidence if request else 0,
        },
        "entities": [{"entity": entity.name, "value": entity.value} for entity in entities],
        "metadata": {"now": written(now), "step_id": _key(step), "locale": locale},
    }


def _key(step: Step) -> str:
    """What makes an effect happen once: the step's id, and where it may run again also the time of this run."""
    schedule = step.schedule
    repeats = schedule is not None and schedule.every is not None
    if schedule is None or schedule.at is None or not (repeats or step.reverses is not None):
        return step.id
    return f"{step.id}@{schedule.at.isoformat()}"


def _request_of(step: Step, tracker: Tracker) -> Request | None:
    """The newest request whose words led to the step."""
    for turn in reversed(tracker.state.turns):
        for request in turn.requests:
            if request.text == step.text:
                return request
    return None


def _rasa_events(step: Step, message: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
    time = now.timestamp()
    said = {
        "event": "user",
        "timestamp": time,
        "text": step.text,
        "parse_data": message,
        "input_channel": None,
    }
    slots = [
        {"event": "slot", "timestamp": time, "name": name, "value": value} for name, value in step.slots.items()
    ]
    return [{"event": "action", "timestamp": time, "name": "action_listen"}, said, *slots]


@cache
def _sdk_version() -> str:
    from importlib.metadata import version

    return version("rasa-sdk")


# --- what an action reports -------------------------------------------------------------


class _Report:
    """Turns what an action returned into an `Outcome`, its sentences said in the language."""

    def __init__(self, responses: Responses, now: datetime) -> None:
        self._responses = responses
        self._now = now.isoformat()

    def failed(self, reason: str, **slots: Any) -> Outcome:
        return Outcome("failed", reason=self._said(reason, slots))

    def unknown(self, reason: str, **slots: Any) -> Outcome:
        return Outcome("unknown", reason=self._said(reason, slots))

    def outcome(self, events: Any, messages: Any) -> Outcome:
        """Done, with a reason if only partly; failed if nothing was done; unknown if it cannot be read."""
        slots = {one.get("name"): one.get("value") for one in _dicts(events) if one.get("event") == "slot"}
        try:
            effects = tuple(_effect(value) for value in slots.get("effects") or ())
            failures = [dict(one) for one in slots.get("failed") or ()]
        except (TypeError, ValueError, KeyError):
            return self.unknown("reason_bad_answer")
        spoken = tuple(filter(None, (self._spoken(message) for message in _dicts(messages))))
        reason = "; ".join(self._reasons(failures))
        if failures and not effects:
            return Outcome("failed", effects, spoken, reason)
        return Outcome("done", effects, spoken, reason)

    def _spoken(self, message: Mapping[str, Any]) -> str:
        name = message.get("response")
        if not isinstance(name, str) or not name:
            return str(message.get("text") or "")
        slots = {key: value for key, value in message.items() if key not in _MESSAGE_KEYS}
        return self._said(name, slots, otherwise=str(message.get("text") or ""))

    def _reasons(self, failures: Iterable[dict[str, Any]]) -> Iterator[str]:
        """One sentence for all targets that failed for the same reason."""
        groups: dict[str, dict[str, Any]] = {}
        for failure in failures:
            failure.pop("target", None)
            names = failure.pop("names", None) or []
            group = groups.setdefault(repr(failure), {**failure, "names": []})
            group["names"] += [name for name in names if name not in group["names"]]
        for group in groups.values():
            yield self._said(str(group.pop("reason", "")), group)

    def _said(self, name: str, slots: Mapping[str, Any], otherwise: str | None = None) -> str:
        """The sentence called ``name``; a stranger's text that is no name, or cannot be filled, as it is."""
        try:
            return self._responses.render(name, **{"now": self._now, **slots})
        except (GrammarError, TypeError, ValueError):
            return name if otherwise is None else otherwise


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _effect(value: Any) -> Effect:
    if not isinstance(value["target"], str) or not isinstance(value["change"], dict):
        raise ValueError("an effect is a target and a change")
    before = value.get("before")
    return Effect(value["target"], value["change"], before if isinstance(before, dict) else None)


def _follow(home: SimulatedHome, effects: Iterable[Effect]) -> None:
    """Let the home show what a server did; what a stranger wrote wrongly is passed over."""
    for effect in effects:
        try:
            home.apply(effect)
        except (KeyError, TypeError, ValueError):
            continue


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


# --- running in process -----------------------------------------------------------------


def _own_actions(home: SimulatedHome) -> Iterator[tuple[Any, bool]]:
    """An instance of every action class in `dialogue.actions`, and whether it may wait for something."""
    import importlib
    import inspect
    import pkgutil

    from rasa_sdk import Action  # type: ignore[import-untyped]

    import dialogue.actions
    from dialogue.actions.step import StepAction

    for module in pkgutil.iter_modules(dialogue.actions.__path__, "dialogue.actions."):
        for member in vars(importlib.import_module(module.name)).values():
            if not inspect.isclass(member) or member.__module__ != module.name or inspect.isabstract(member):
                continue
            if issubclass(member, StepAction):
                yield member(home), False
            elif issubclass(member, Action):
                yield member(), True


def _finished_at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits, without the cost of an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    coroutine.close()
    raise RuntimeError("the action waited for something")


def _finished_in_loop(coroutine: Coroutine[Any, Any, Any], seconds: float) -> Any:
    """The result of a coroutine in an event loop of its own, also when called from inside another loop."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    async def in_time() -> Any:
        return await asyncio.wait_for(coroutine, seconds)

    with ThreadPoolExecutor(1) as worker:
        return worker.submit(asyncio.run, in_time()).result()
