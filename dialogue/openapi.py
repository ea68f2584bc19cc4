"""What the HTTP door takes and gives, and its description in OpenAPI 3.1 made from the same classes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from dialogue import __version__
from dialogue.typed import LONGEST_TEXT

CONVERSATION_PATTERN = r"^[A-Za-z0-9._@-]{1,100}$"
MESSAGE_ID_LENGTH = 200

Value = Any


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TurnBody(_Closed):
    """What the user said. A ``message_id`` that was served before is not done again."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
    message_id: Annotated[str | None, Field(max_length=MESSAGE_ID_LENGTH)] = None


class ParseBody(_Closed):
    """Words to understand; nothing is done."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class Entity(_Closed):
    """A slot value found in words: as meant, and as said."""

    name: str
    value: Value
    text: str


class Qualifier(BaseModel):
    """A time or condition of a request, as said."""

    kind: Literal["at", "for", "until", "every", "on", "if", "unless"]
    text: str
    moment: dict[str, Value] | None = None
    condition: dict[str, Value] | None = None


class Request(BaseModel):
    """One thing asked for; what was not spoken is left out."""

    text: str
    intent: str
    entities: list[Entity]
    negated: bool = False
    exceptions: Annotated[list[Request], Field(alias="except")] = []
    when: list[Qualifier] = []
    held: Annotated[str, Field(description="Words nothing explains, because of which it was not done.")] = ""


class Effect(_Closed):
    """One change of the world."""

    target: str
    change: dict[str, Value]


class Planned(_Closed):
    """A change planned for a time (local, ISO) or a condition."""

    target: str
    change: dict[str, Value]
    at: str | None
    on: Value


class NotDone(_Closed):
    """Words heard that were neither done, nor planned, nor asked about, and why."""

    text: str
    reason: str


class Response(_Closed):
    """A sentence to speak."""

    text: str


class Came(BaseModel):
    """What came of a turn."""

    requests: list[Request]
    effects: list[Effect]
    scheduled: list[Planned]
    asked: Annotated[str | None, Field(description="The question that now waits for an answer.")]
    not_done: list[NotDone]
    responses: list[Response]


class TurnAnswer(Came):
    """What came of a turn, and in ``meanwhile`` what fell due in the conversation since the last answer."""

    conversation: str
    text: str
    meanwhile: list[Came]


class AudioAnswer(TurnAnswer):
    """The same for spoken words, and what was heard."""

    transcript: str


class ParseAnswer(_Closed):
    """What was understood."""

    text: str
    requests: list[Request]
    unexplained: list[str]


class Health(_Closed):
    """That the server runs. ``hearing``: whether there is a speech model for sound."""

    status: Literal["ok"]
    version: str
    language: str
    hearing: bool


class Problem(_Closed):
    """What is wrong, where, and how to mend it."""

    what: str
    where: str
    how: str


class ErrorAnswer(_Closed):
    """Every answer with a status of 400 and above."""

    error: Problem


_ANSWERED = (TurnBody, ParseBody, TurnAnswer, AudioAnswer, ParseAnswer, Health, ErrorAnswer)
_CONVERSATION = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The conversation's name; it begins with its first turn.",
    "schema": {"type": "string", "pattern": CONVERSATION_PATTERN},
}
_MESSAGE_ID = {
    "name": "message_id",
    "in": "query",
    "description": "A message that was served before is not done again.",
    "schema": {"type": "string", "maxLength": MESSAGE_ID_LENGTH},
}


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 description of the server."""
    _, schemas = models_json_schema(
        [(model, "validation") for model in _ANSWERED], ref_template="#/components/schemas/{model}"
    )
    sound = {"audio/wav": {"schema": {"type": "string", "contentMediaType": "audio/wav"}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "onebreath",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/v1/conversations/{id}/turns": {
                "post": _post("say", "Say something", _json(TurnBody), TurnAnswer, _CONVERSATION)
            },
            "/v1/conversations/{id}/audio": {
                "post": _post("hear", "Speak: a WAV file", sound, AudioAnswer, _CONVERSATION, _MESSAGE_ID)
            },
            "/v1/parse": {"post": _post("parse", "Understand, and do nothing", _json(ParseBody), ParseAnswer)},
            "/health": {
                "get": {
                    "operationId": "health",
                    "summary": "Whether it runs",
                    "responses": _responses(Health),
                }
            },
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _post(
    name: str, summary: str, content: dict[str, Any], answer: type[BaseModel], *parameters: dict[str, Any]
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": list(parameters),
        "requestBody": {"required": True, "content": content},
        "responses": _responses(answer),
    }


def _responses(answer: type[BaseModel]) -> dict[str, Any]:
    return {
        "200": {"description": "Done", "content": _json(answer)},
        "default": {"description": "What is wrong, and how to mend it", "content": _json(ErrorAnswer)},
    }


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
