"""The routes: they check what strangers send, and serve each conversation in order, several at a time."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from weakref import WeakValueDictionary

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialogue import __version__
from dialogue.policy.pointed import Way
from dialogue.server import incoming, openapi
from dialogue.server.access import Gate, Visitor, need_conversation
from dialogue.server.metrics import CONTENT_TYPE, Metrics
from dialogue.server.refusals import RefusedError, refused
from dialogue.server.service import Said, Service
from dialogue.types import AudioChunk, Hypothesis

LOOK_SECONDS = 0.5
TROUBLE_SECONDS = 10.0

_LOG = logging.getLogger("onebreath")
_WAV = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}

Served = Callable[[Request, Visitor], Awaitable[Any]]
Told = Callable[[RefusedError], Response]


class Door:
    """Our own routes, and what all routes share: the gate, the order in a conversation, errors and counting."""

    def __init__(self, service: Service, gate: Gate | None = None) -> None:
        self.service = service
        self.gate = gate or Gate()
        self.metrics = Metrics()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._hearing = asyncio.Semaphore(os.cpu_count() or 1)
        self._document = openapi.document()

    def application(self) -> ASGIApp:
        """The ASGI application."""
        handlers: Mapping[Any, Any] = {HTTPException: _not_served}
        served = Starlette(routes=self._routes(), exception_handlers=handlers, lifespan=self._lifespan)
        return with_headers(served)

    def _routes(self) -> list[BaseRoute]:
        talk = "/v1/conversations/{id}"
        one = talk + "/steps/{step}"
        return [
            self.route("POST", "/v1/parse", self.parse),
            self.route("POST", f"{talk}/turns", self.turns),
            self.route("POST", f"{talk}/audio", self.audio),
            self.route("GET", talk, self.conversation),
            self.route("DELETE", talk, self.forget),
            self.route("GET", one, self.step),
            self.route("POST", f"{one}/cancel", self.cancel),
            self.route("POST", f"{one}/undo", self.undo),
            self.route("GET", "/v1/home", self.home),
            self.route("GET", "/v1/grammar", self.grammar),
            self.route("GET", "/openapi.json", self.openapi),
            self.route("GET", "/metrics", self.counted),
            self.route("GET", "/health", self.health, closed=False),
            self.route("GET", "/ready", self.ready, closed=False),
        ]

    def route(
        self, method: str, path: str, served: Served, *, closed: bool = True, told: Told | None = None
    ) -> Route:
        """A route with every error as JSON; a ``closed`` one is only for visitors the gate lets in."""

        async def answer(request: Request) -> Response:
            began = time.perf_counter()
            try:
                response = _response(await served(request, self._visitor(request, closed)))
            except Exception as error:  # raised on, it would cut the client's connection
                response = (told or error_response)(refused(error, request.url.path))
            self.metrics.answered(f"{method} {path}", response.status_code, time.perf_counter() - began)
            return response

        return Route(path, answer, methods=[method])

    def _visitor(self, request: Request, closed: bool) -> Visitor:
        if closed:
            return self.gate.enter(request.headers)
        self.gate.need_name(request.headers)
        return Visitor()

    # --- turns

    async def turns(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        conversation = opened(request, visitor)
        body = await incoming.json_body(request, openapi.TurnBody, self.gate.limits)
        return await self.say(self._said(conversation, body))

    async def say(self, said: Said) -> dict[str, Any]:
        """Serve a turn whose words are known, in its conversation's order."""
        async with self.in_order(said.conversation):
            answer = await run_in_threadpool(self.service.say, said)
        self._count("text", answer)
        return answer

    async def audio(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        conversation, message_id = opened(request, visitor), incoming.message_id(request)
        kind = incoming.need_type(request, *_WAV, "audio/l16")
        rate = incoming.number(request, "rate", openapi.LOWEST_RATE, openapi.HIGHEST_RATE) or 16000
        body = await incoming.body(request, self.gate.limits.sound_bytes, self.gate.limits)
        sound = _raw(body, rate) if kind == "audio/l16" else body
        said = Said(conversation, "", message_id)
        async with self.in_order(conversation), self._hearing:
            answer = await run_in_threadpool(self.service.hear, said, sound)
        self._count("sound", answer)
        return answer

    async def parse(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        body = await incoming.json_body(request, openapi.ParseBody, self.gate.limits)
        return await run_in_threadpool(self.service.parse, body.text)

    def _said(self, conversation: str, body: openapi.TurnBody) -> Said:
        language = self.service.language.partition("-")[0].lower()
        if body.locale is not None and re.split("[-_]", body.locale)[0].lower() != language:
            how = f"speak {language}, or start a server with --language for the other one"
            raise RefusedError(422, f"the locale {body.locale!r} is not served here", "body, locale", how)
        area = self.service.area(body.area) if body.area is not None else None
        hypotheses = [Hypothesis(one.text, one.score) for one in body.hypotheses or ()]
        return Said(conversation, hypotheses or body.text or "", body.message_id, area)

    def _count(self, heard: str, answer: Mapping[str, Any]) -> None:
        self.metrics.turn(heard, [step["status"] for step in answer["steps"]])

    # --- conversations and steps

    async def conversation(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        name = opened(request, visitor)
        after = incoming.number(request, "after", 0, 10**9) or 0
        return await run_in_threadpool(self.service.conversation, name, after)

    async def forget(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        name = opened(request, visitor)
        async with self.in_order(name):
            return await run_in_threadpool(self.service.forget, name)

    async def step(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        return await run_in_threadpool(self.service.step, opened(request, visitor), request.path_params["step"])

    async def cancel(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        return await self._take_back(request, visitor, "cancel")

    async def undo(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        return await self._take_back(request, visitor, "undo")

    async def _take_back(self, request: Request, visitor: Visitor, way: Way) -> dict[str, Any]:
        name = opened(request, visitor)
        async with self.in_order(name):
            return await run_in_threadpool(self.service.take_back, name, request.path_params["step"], way)

    # --- what there is

    async def home(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        return await run_in_threadpool(self.service.home, visitor.prefix)

    async def grammar(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        return await run_in_threadpool(self.service.grammar)

    async def openapi(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        return self._document

    async def counted(self, request: Request, visitor: Visitor) -> Response:
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    async def health(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        service = self.service
        return {
            "status": "ok",
            "version": __version__,
            "language": service.language,
            "hearing": service.ears.there,
        }

    async def ready(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        try:
            await run_in_threadpool(self.service.need_ready)
        except Exception as error:
            _LOG.error("not ready: %s", type(error).__name__)
            how = "look into the server's log"
            raise RefusedError(503, "turns cannot be served now", "server", how) from error
        return {"ready": True}

    # --- order and time

    def in_order(self, conversation: str) -> asyncio.Lock:
        """The conversation's lock; whoever comes first is served first."""
        lock = self._locks.get(conversation)
        if lock is None:
            lock = self._locks[conversation] = asyncio.Lock()
        return lock

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
        service = self.service
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                for conversation in service.agenda.due(service.assistant.clock.now()):
                    async with self.in_order(conversation):
                        await run_in_threadpool(service.advance, conversation)
            except Exception as error:
                refused(error, "what fell due")
                await asyncio.sleep(TROUBLE_SECONDS)


def opened(request: Request, visitor: Visitor) -> str:
    """The conversation that a request names, if it can be one and the visitor's token opens it."""
    name = incoming.checked_name(str(request.path_params["id"]))
    need_conversation(visitor, name)
    return name


def _raw(body: bytes, rate: int) -> AudioChunk:
    if not body or len(body) % 2:
        how = "send whole 16-bit samples, little-endian, one channel"
        raise RefusedError(422, f"{len(body)} bytes are no raw sound", "body", how)
    return AudioChunk(body, rate)


# --- answers ----------------------------------------------------------------------------


def _response(answer: Any) -> Response:
    return answer if isinstance(answer, Response) else JSONResponse(answer)


def error_response(error: RefusedError) -> Response:
    """An error in our own shape."""
    return JSONResponse({"error": error.problem}, status_code=error.status, headers=error.headers)


async def _not_served(request: Request, error: HTTPException) -> Response:
    place = request.url.path
    if error.status_code == 405:
        how = f"use {dict(error.headers or {}).get('Allow', 'another method')}; GET /openapi.json tells all"
        return error_response(RefusedError(405, f"{request.method} is not served here", place, how))
    how = "GET /openapi.json tells what is served"
    return error_response(RefusedError(error.status_code, "there is nothing here", place, how))


def with_headers(application: ASGIApp) -> ASGIApp:
    """The application with the headers that keep browsers careful, where an answer does not say otherwise."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                more = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *(one for one in more if one[0] not in given)]
            await send(message)

        await application(scope, receive, sent)

    return answered
