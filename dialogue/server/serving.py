"""Serving over real sockets: the address, patience with slow clients, and the end."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dialogue.errors import ConfigurationError
from dialogue.server.access import Gate, Token
from dialogue.server.door import Door
from dialogue.server.limits import Limits
from dialogue.server.service import Service

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    with suppress(ValueError):
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    return False


def need_guarded(host: str, *, tokens: bool, expose: bool) -> None:
    """Refuse an address that other machines can reach, where nobody would be asked for a token."""
    if is_loopback(host) or tokens or expose:
        return
    raise ConfigurationError(
        f"--host {host}: other machines could reach this address, and nobody is asked for a token; keep 127.0.0.1,"
        " name a file of tokens with --tokens FILE, or add --expose if only people you trust can reach it"
    )


def listening(host: str, port: int, most: int = Limits().connections) -> socket.socket:
    """A socket that takes connections from now on; ConfigurationError when the address cannot be had."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(most)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"{host}:{port}: cannot be served ({error}); choose another, for example: --port {port + 1}"
        ) from None
    return bound


def patient(seconds: float) -> type[H11Protocol]:
    """uvicorn's protocol, which closes connections that take longer than ``seconds`` over a request's head."""

    class PatientProtocol(H11Protocol):
        _hurry: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._relax()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._hurry is None and self._is_idle():
                self._await_head()
            super().data_received(data)
            if not self._is_idle():
                self._relax()

        def _is_idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _await_head(self) -> None:
            self._hurry = self.loop.call_later(seconds, self._too_slow)

        def _relax(self) -> None:
            if self._hurry is not None:
                self._hurry.cancel()
                self._hurry = None

        def _too_slow(self) -> None:
            if self._is_idle() and not self.transport.is_closing():
                self.transport.close()

    return PatientProtocol


def server_of(door: Door) -> uvicorn.Server:
    """A server for the door's application; `run` it with sockets."""
    limits = door.gate.limits
    configuration = uvicorn.Config(
        door.application(),
        http=patient(limits.head_seconds),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        ws="none",
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(configuration)


def gate_of(host: str, tokens: tuple[Token, ...], *, expose: bool, limits: Limits) -> Gate:
    """The gate of an address; only one that others may use can be addressed by any name."""
    names = frozenset() if expose or tokens else _LOCAL_NAMES | {_name(host).lower()}
    return Gate(tokens, names, limits)


def serve(service: Service, gate: Gate, bound: socket.socket, host: str) -> int:
    """Serve until interrupted; the address is told on standard error."""
    print(
        f"onebreath serves http://{_name(host)}:{bound.getsockname()[1]} (GET /openapi.json describes it);"
        " Ctrl-C ends it",
        file=sys.stderr,
        flush=True,
    )
    server_of(Door(service, gate)).run(sockets=[bound])
    return 0


def _name(host: str) -> str:
    return f"[{host}]" if ":" in host else host
