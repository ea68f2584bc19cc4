"""The HTTP door: conversations as JSON, in text or sound, for programs on this machine.

One conversation is served in order, several at a time. What an `Assistant` shares between conversations and
two threads cannot use at once is guarded here: understanding by a lock of its own; deciding, telling and time
in the home by the home's lock, which its actions hold, too. Journal and actions guard themselves.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import logging
import os
import re
import socket
import sys
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakValueDictionary

import uvicorn
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dialogue import __version__, audio, openapi, speech_models
from dialogue.assistant import Assistant
from dialogue.context import ContextState
from dialogue.due import Agenda, happened
from dialogue.errors import ConfigurationError, OnebreathError, SoundError, StoreError
from dialogue.shapes import turn_shape, utterance_shape
from dialogue.types import Hypothesis, Transcript, Turn

if TYPE_CHECKING:
    from dialogue.asr import VoskRecognizer

MOST_JSON_BYTES = 128 * 1024
MOST_SOUND_BYTES = 16 * 1024 * 1024
LONGEST_SOUND_SECONDS = 120.0
BODY_SECONDS = 30.0
MOST_CONNECTIONS = 100
REMEMBERED_ANSWERS = 1000
REMEMBERED_DUE = 100
LOOK_SECONDS = 0.5
TROUBLE_SECONDS = 10.0

_LOG = logging.getLogger("onebreath")
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_Part = TypeVar("_Part")


class RefusedError(Exception):
    """A request that is answered with an error: its status, and what, where and how."""

    def __init__(self, status: int, what: str, where: str, how: str) -> None:
        super().__init__(what)
        self.status = status
        self.problem = {"what": what, "where": where, "how": how}


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


# --- what is served ---------------------------------------------------------------------


class Ears(Protocol):
    """Turns a WAV into words."""

    @property
    def there(self) -> bool: ...

    def hear(self, wav: bytes) -> Transcript: ...


class VoskEars:
    """Hears with Vosk; the model is looked for at once, and loaded when the first sound comes."""

    def __init__(self, language: str, model: Path | None) -> None:
        self._folder = speech_models.find(language, model)
        self._language = language
        self._recognizer: VoskRecognizer | None = None
        self._loading = Lock()

    @property
    def there(self) -> bool:
        return self._folder is not None

    def hear(self, wav: bytes) -> Transcript:
        """The words of a WAV. Raises RefusedError without a speech model, SoundError for what is no WAV."""
        recognizer = self._loaded()
        sound = audio.decode(
            io.BytesIO(wav), recognizer.sample_rate, name="body", longest_seconds=LONGEST_SOUND_SECONDS
        )
        return recognizer.transcribe(audio.chunks(sound, 0.5))

    def _loaded(self) -> VoskRecognizer:
        from dialogue.asr import VoskRecognizer

        if self._folder is None:
            how = f"run: onebreath models install {self._language} - then start the server again"
            raise RefusedError(503, "there is no speech model to hear with", "server", how)
        with self._loading:
            if self._recognizer is None:
                self._recognizer = VoskRecognizer(self._folder)
        return self._recognizer


@dataclass(slots=True)
class Service:
    """What the routes do, in plain calls for a thread to make."""

    assistant: Assistant
    ears: Ears
    language: str
    agenda: Agenda = field(init=False)
    _answers: OrderedDict[tuple[str, str], dict[str, Any]] = field(default_factory=OrderedDict)
    _meanwhile: dict[str, deque[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.assistant = guarded(self.assistant)
        self.agenda = Agenda(self.assistant, self.assistant.store.conversations())

    def say(self, conversation: str, text: str, message_id: str | None) -> dict[str, Any]:
        """A typed turn."""
        return self._once(conversation, message_id, lambda: self._turn(conversation, text, message_id))

    def hear(self, conversation: str, wav: bytes, message_id: str | None) -> dict[str, Any]:
        """A spoken turn."""

        def turn() -> dict[str, Any]:
            transcript = self.ears.hear(wav)
            answer = self._turn(conversation, transcript, message_id)
            return {**answer, "transcript": answer["text"]}

        return self._once(conversation, message_id, turn)

    def parse(self, text: str) -> dict[str, Any]:
        """What the words mean by themselves."""
        return utterance_shape(self.assistant.splitter.split((Hypothesis(text),), ContextState()))

    def advance(self, conversation: str) -> None:
        """Do what has fallen due in a conversation, and keep it for the conversation's next answer."""
        turn = self.assistant.advance(conversation)
        self.agenda.note(conversation)
        if happened(turn):
            kept = self._meanwhile.setdefault(conversation, deque(maxlen=REMEMBERED_DUE))
            kept.append(turn_shape(turn, self.assistant.home))

    def _turn(self, conversation: str, heard: str | Transcript, message_id: str | None) -> dict[str, Any]:
        if conversation in self.agenda.due(self.assistant.clock.now()):
            self.advance(conversation)
        turn = self._heard(conversation, heard, message_id)
        meanwhile = list(self._meanwhile.pop(conversation, ()))
        shape = turn_shape(turn, self.assistant.home)
        return {"conversation": conversation, "text": turn.text, **shape, "meanwhile": meanwhile}

    def _heard(self, conversation: str, heard: str | Transcript, message_id: str | None) -> Turn:
        turn = self.assistant.hear(heard, conversation, message_id=message_id)
        self.agenda.note(conversation)
        return turn

    def _once(
        self, conversation: str, message_id: str | None, turn: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Serve a message one time: the second time it gets the same answer, and nothing is done."""
        if message_id is None:
            return turn()
        key = (conversation, message_id)
        if key not in self._answers:
            self._answers[key] = turn()
            while len(self._answers) > REMEMBERED_ANSWERS:
                self._answers.popitem(last=False)
        return self._answers[key]


# --- routes -----------------------------------------------------------------------------


class Door:
    """The routes: they check what strangers send, and serve each conversation in order."""

    def __init__(self, service: Service, names: frozenset[str] = frozenset()) -> None:
        """Serve requests addressed to one of ``names`` only; to any if there are none."""
        self._service = service
        self._names = names
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._hearing = asyncio.Semaphore(os.cpu_count() or 1)
        self._document = openapi.document()

    def application(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/v1/conversations/{id}/turns", self._answered(self.turns), methods=["POST"]),
            Route("/v1/conversations/{id}/audio", self._answered(self.audio), methods=["POST"]),
            Route("/v1/parse", self._answered(self.parse), methods=["POST"]),
            Route("/health", self._answered(self.health)),
            Route("/openapi.json", self._answered(self.openapi)),
        ]
        handlers: Mapping[Any, Any] = {HTTPException: _not_served}
        return Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)

    async def turns(self, request: Request) -> dict[str, Any]:
        conversation = _conversation(request)
        body = await _json_body(request, openapi.TurnBody)
        async with self._in_order(conversation):
            return await run_in_threadpool(self._service.say, conversation, body.text, body.message_id)

    async def audio(self, request: Request) -> dict[str, Any]:
        conversation, message_id = _conversation(request), _message_id(request)
        _need_type(request, "audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")
        wav = await _body(request, MOST_SOUND_BYTES)
        async with self._in_order(conversation), self._hearing:
            return await run_in_threadpool(self._service.hear, conversation, wav, message_id)

    async def parse(self, request: Request) -> dict[str, Any]:
        body = await _json_body(request, openapi.ParseBody)
        return await run_in_threadpool(self._service.parse, body.text)

    async def health(self, request: Request) -> dict[str, Any]:
        service = self._service
        return {
            "status": "ok",
            "version": __version__,
            "language": service.language,
            "hearing": service.ears.there,
        }

    async def openapi(self, request: Request) -> dict[str, Any]:
        return self._document

    def _need_name(self, request: Request) -> None:
        """Refuse a name that a web page may have made to point here (DNS rebinding)."""
        name = re.sub(r":\d+$", "", request.headers.get("host", "")).lower()
        if self._names and name not in self._names:
            how = f"address it as {min(self._names)}"
            raise RefusedError(403, f"this server is not {name!r}", "header host", how)

    def _in_order(self, conversation: str) -> asyncio.Lock:
        """The conversation's lock; whoever comes first is served first."""
        lock = self._locks.get(conversation)
        if lock is None:
            lock = self._locks[conversation] = asyncio.Lock()
        return lock

    def _answered(self, route: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """The route with every error as JSON, and only for names of this machine where it is only local."""

        async def answer(request: Request) -> Response:
            try:
                self._need_name(request)
                return JSONResponse(await route(request))
            except RefusedError as refused:
                return _error(refused.status, **refused.problem)
            except OnebreathError as error:
                return _told(error)
            except Exception:  # raised on, it would cut the client's connection
                _LOG.exception("a request could not be served")
                return _error(500, "the server broke on this request", request.url.path, "please report it")

        return answer

    # --- time

    @asynccontextmanager
    async def _lifespan(self, application: Starlette) -> AsyncIterator[None]:
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    async def _watch(self) -> None:
        """Do what falls due in any conversation, as long as the server runs."""
        service = self._service
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                for conversation in service.agenda.due(service.assistant.clock.now()):
                    async with self._in_order(conversation):
                        await run_in_threadpool(service.advance, conversation)
            except Exception:
                _LOG.exception("what fell due could not be done")
                await asyncio.sleep(TROUBLE_SECONDS)


# --- what strangers send ----------------------------------------------------------------


def _conversation(request: Request) -> str:
    name = str(request.path_params["id"])
    if not re.fullmatch(openapi.CONVERSATION_PATTERN, name):
        raise RefusedError(
            422,
            "this cannot be the name of a conversation",
            "path, id",
            "use 1 to 100 letters, digits, dots, dashes, underscores or @",
        )
    return name


def _message_id(request: Request) -> str | None:
    message_id = request.query_params.get("message_id")
    if message_id is not None and len(message_id) > openapi.MESSAGE_ID_LENGTH:
        how = f"use at most {openapi.MESSAGE_ID_LENGTH} characters"
        raise RefusedError(422, "the message id is too long", "query, message_id", how)
    return message_id


def _need_type(request: Request, *types: str) -> None:
    """Refuse other content types, also because a web page can send only those without asking."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in types:
        how = f"send the header Content-Type: {types[0]}"
        raise RefusedError(415, f"the content type is {given!r}", "header content-type", how)


async def _body(request: Request, most: int) -> bytes:
    """The body, if it is not larger than ``most`` bytes and comes in time."""
    claimed = request.headers.get("content-length", "")
    if claimed.isdigit() and int(claimed) > most:
        raise _too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise RefusedError(408, "the body did not come in time", "body", "send it again, faster") from None
    except ClientDisconnect:
        raise RefusedError(400, "the body ended too soon", "body", "send it again") from None
    return bytes(body)


def _too_large(most: int) -> RefusedError:
    return RefusedError(413, f"the body is larger than {most} bytes", "body", "send less at a time")


_Body = TypeVar("_Body", bound=BaseModel)


async def _json_body(request: Request, kind: type[_Body]) -> _Body:
    _need_type(request, "application/json")
    raw = await _body(request, MOST_JSON_BYTES)
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        example = ", ".join(f'"{name}": ...' for name in kind.model_fields)
        if first["type"] == "json_invalid":
            raise RefusedError(400, "this is not JSON", "body", f"send {{{example}}} in UTF-8") from None
        where = ", ".join(["body", *map(str, first["loc"])])
        raise RefusedError(422, first["msg"], where, f"send {{{example}}}") from None


# --- errors -----------------------------------------------------------------------------


def _error(status: int, what: str, where: str, how: str) -> JSONResponse:
    return JSONResponse({"error": {"what": what, "where": where, "how": how}}, status_code=status)


def _told(error: OnebreathError) -> JSONResponse:
    """An error of a step: the message is written as "where: what; how"."""
    where, _, rest = str(error).partition(": ")
    what, _, how = rest.partition("; ")
    if isinstance(error, SoundError):
        return _error(422, what or str(error), where, how or "send a WAV file")
    if isinstance(error, StoreError):
        _LOG.error("%s", error)
        return _error(503, "the journal cannot be used", "server", "try again; the server's log says more")
    _LOG.error("%s", error)
    return _error(500, "the server is not set up right", "server", "look into the server's log")


async def _not_served(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code == 405:
        how = f"use {dict(error.headers or {}).get('Allow', 'another method')}; GET /openapi.json tells all"
        return _error(405, f"{request.method} is not served here", request.url.path, how)
    how = "GET /openapi.json tells what is served"
    return _error(error.status_code, "there is nothing here", request.url.path, how)


# --- serving ----------------------------------------------------------------------------


def need_loopback(host: str) -> None:
    """Refuse an address that other machines can reach."""
    with suppress(ValueError):
        if host == "localhost" or ipaddress.ip_address(host).is_loopback:
            return
    raise ConfigurationError(
        f"--host {host}: other machines could reach this address, and the server asks nobody for a password;"
        " keep 127.0.0.1, or add --expose if only people you trust can reach it"
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on; ConfigurationError when the address cannot be had."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(MOST_CONNECTIONS)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"{host}:{port}: cannot be served ({error}); choose another, for example: --port {port + 1}"
        ) from None
    return bound


def serve(assistant: Assistant, ears: Ears, *, language: str, host: str, port: int, expose: bool) -> int:
    """Serve until interrupted; the address is told on standard error."""
    if not expose:
        need_loopback(host)
    bound = listening(host, port)
    service = Service(assistant, ears, language)
    name = f"[{host}]" if ":" in host else host
    print(
        f"onebreath serves http://{name}:{bound.getsockname()[1]} (GET /openapi.json describes it);"
        " Ctrl-C ends it",
        file=sys.stderr,
        flush=True,
    )
    configuration = uvicorn.Config(
        Door(service, frozenset() if expose else _LOCAL_NAMES | {name.lower()}).application(),
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(configuration).run(sockets=[bound])
    return 0
