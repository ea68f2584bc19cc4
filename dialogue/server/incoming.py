"""What strangers send: bodies within their limits, as the types the routes want."""

from __future__ import annotations

import asyncio
import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from dialogue.server import openapi
from dialogue.server.limits import Limits
from dialogue.server.refusals import RefusedError

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
_Body = TypeVar("_Body", bound=BaseModel)


def checked_name(name: str, where: str = "path, id") -> str:
    """The name of a conversation; RefusedError (422) if it cannot be one."""
    if not re.fullmatch(openapi.CONVERSATION_PATTERN, name):
        how = "use 1 to 100 letters, digits, dots, dashes, underscores or @"
        raise RefusedError(422, "this cannot be the name of a conversation", where, how)
    return name


def message_id(request: Request) -> str | None:
    given = request.query_params.get("message_id")
    if given is not None and not 0 < len(given) <= openapi.MESSAGE_ID_LENGTH:
        how = f"use 1 to {openapi.MESSAGE_ID_LENGTH} characters"
        raise RefusedError(422, "the message id is too long or empty", "query, message_id", how)
    return given


def number(request: Request, name: str, low: int, high: int) -> int | None:
    """A whole number of the query; RefusedError (422) if it is none from ``low`` to ``high``."""
    given = request.query_params.get(name)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit()) or len(given) > 12 or not low <= int(given) <= high:
        how = f"use a whole number from {low} to {high}"
        raise RefusedError(422, f"{name} is not such a number", f"query, {name}", how)
    return int(given)


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def need_type(request: Request, *types: str) -> str:
    """Refuse other content types, also because a web page can send only those without asking."""
    given = media_type(request)
    if given not in types:
        how = f"send the header Content-Type: {types[0]}"
        raise RefusedError(415, f"the content type is {given!r}", "header content-type", how)
    return given


async def body(request: Request, most: int, limits: Limits) -> bytes:
    """The body, if it is not larger than ``most`` bytes, not packed, and comes in time."""
    packed = request.headers.get("content-encoding", "identity").lower()
    if packed != "identity":
        raise RefusedError(415, f"the body is packed ({packed!r})", "header content-encoding", "send it unpacked")
    claimed = request.headers.get("content-length", "")
    if claimed.isdigit() and int(claimed) > most:
        raise _too_large(most)
    got = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for part in request.stream():
                got += part
                if len(got) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise RefusedError(408, "the body did not come in time", "body", "send it again, faster") from None
    except ClientDisconnect:
        raise RefusedError(400, "the body ended too soon", "body", "send it again") from None
    return bytes(got)


def _too_large(most: int) -> RefusedError:
    how = "send less at a time"
    return RefusedError(413, f"the body is larger than {most} bytes", "body", how, {"connection": "close"})


async def json_body(request: Request, kind: type[_Body], limits: Limits) -> _Body:
    """The body as one of the documented types."""
    need_type(request, "application/json")
    return parsed(await body(request, limits.json_bytes, limits), kind, limits)


def parsed(raw: bytes, kind: type[_Body], limits: Limits) -> _Body:
    """JSON as a type.

    Raises:
        RefusedError: 400 for what is no JSON, 422 for what is nested too deeply or does not fit.
    """
    need_shallow(raw, limits.json_depth)
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        example = ", ".join(f'"{name}": ...' for name, one in kind.model_fields.items() if one.is_required())
        example = example or f'"{next(iter(kind.model_fields))}": ...'
        if first["type"] == "json_invalid":
            raise RefusedError(400, "this is not JSON", "body", f"send {{{example}}} in UTF-8") from None
        where = ", ".join(["body", *map(str, first["loc"])])
        what = first["msg"].removeprefix("Value error, ")
        raise RefusedError(422, what, where, f"send {{{example}}}; GET /openapi.json tells all") from None


def need_shallow(raw: bytes, most: int) -> None:
    """Refuse (422) JSON whose arrays and objects lie more than ``most`` deep in each other."""
    if raw.count(b"[") + raw.count(b"{") <= most:
        return
    depth = 0
    for found in _BRACKETS.finditer(raw):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found[0], 0)
        if depth > most:
            raise RefusedError(422, f"the JSON is nested more than {most} deep", "body", "send flatter JSON")
