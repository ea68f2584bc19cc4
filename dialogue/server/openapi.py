"""What the HTTP door takes and gives, and its description in OpenAPI 3.1 made from the same types.

Events, steps, questions and the home are the core's own types; what a turn comes to has the shape of
``say --json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import models_json_schema

from dialogue import __version__
from dialogue.events import AnyEvent
from dialogue.interfaces import Clockwork, Device, ItemList, Place
from dialogue.typed import LONGEST_TEXT
from dialogue.types import Question, Step, Value

CONVERSATION_PATTERN = r"^[A-Za-z0-9._@-]{1,100}$"
STEP_PATTERN = r"^[\x21-\x7e]{1,200}$"
MESSAGE_ID_LENGTH = 200
MOST_HYPOTHESES = 20

Event = Annotated[AnyEvent, Field(discriminator="event")]
Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


# --- taken ------------------------------------------------------------------------------


class Heard(_Closed):
    """One way to hear what was said; scores rank the hypotheses of one turn."""

    text: Text
    score: Annotated[float, Field(allow_inf_nan=False)] = 0.0


class TurnBody(_Closed):
    """What the user said, as ``text`` or as ``hypotheses``, the best first.

    ``area`` is the room of the speaker (id, name or alias), ``locale`` must be of the language served. A
    ``message_id`` that was served before is not done again.
    """

    text: Text | None = None
    hypotheses: Annotated[list[Heard] | None, Field(min_length=1, max_length=MOST_HYPOTHESES)] = None
    area: Annotated[str | None, Field(max_length=100)] = None
    locale: Annotated[str | None, Field(max_length=35)] = None
    message_id: Annotated[str | None, Field(min_length=1, max_length=MESSAGE_ID_LENGTH)] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> TurnBody:
        if (self.text is None) == (self.hypotheses is None):
            raise ValueError("give either text or hypotheses")
        return self


class ParseBody(_Closed):
    """Words to understand; nothing is done."""

    text: Text


# --- given ------------------------------------------------------------------------------


class EntityShape(_Closed):
    """A slot value found in words: as meant, and as said."""

    name: str
    value: Value
    text: str


class QualifierShape(BaseModel):
    """A time or condition of a request, as said."""

    kind: Literal["at", "for", "until", "every", "on", "if", "unless"]
    text: str
    moment: dict[str, Value] | None = None
    condition: dict[str, Value] | None = None


class RequestShape(BaseModel):
    """One thing asked for; what was not spoken is left out."""

    text: str
    intent: str
    entities: list[EntityShape]
    negated: bool = False
    exceptions: Annotated[list[RequestShape], Field(alias="except")] = []
    when: list[QualifierShape] = []
    held: Annotated[str, Field(description="Words nothing explains, because of which it was not done.")] = ""


class EffectShape(_Closed):
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

    requests: list[RequestShape]
    effects: list[EffectShape]
    scheduled: list[Planned]
    asked: Annotated[str | None, Field(description="The question that now waits for an answer.")]
    not_done: list[NotDone]
    responses: list[Response]


class TurnAnswer(Came):
    """What came of a turn, its steps, and in ``meanwhile`` what fell due since the last answer."""

    conversation: str
    text: str
    steps: list[Step]
    meanwhile: list[Came]


class AudioAnswer(TurnAnswer):
    """The same for spoken words, and what was heard."""

    transcript: str


class StepAnswer(Came):
    """What came of taking a step back, and how it stands now."""

    conversation: str
    step: Step


class ConversationAnswer(_Closed):
    """A conversation: its events from ``after`` on, and the plan and the open questions of now.

    ``length`` counts all its events; ``after`` counts them the same way.
    """

    conversation: str
    length: int
    events: list[Event]
    steps: list[Step]
    questions: list[Question]


class Forgotten(_Closed):
    """That nothing is kept of a conversation any more, and how many events were deleted."""

    conversation: str
    events: int


class ParseAnswer(_Closed):
    """What was understood."""

    text: str
    requests: list[RequestShape]
    unexplained: list[str]


class HomeAnswer(_Closed):
    """The home as it stands; ``states`` are the devices' by id."""

    devices: list[Device]
    states: dict[str, dict[str, Value]]
    areas: list[Place]
    floors: list[Place]
    lists: list[ItemList]
    clockworks: list[Clockwork]


class IntentShape(_Closed):
    """What can be asked for: its slots, and sentences that ask for it."""

    intent: str
    slots: list[str]
    samples: list[str]


class GrammarAnswer(_Closed):
    """Everything that can be asked for."""

    language: str
    intents: list[IntentShape]


class Health(_Closed):
    """That the server runs. ``hearing``: whether there is a speech model for sound."""

    status: Literal["ok"]
    version: str
    language: str
    hearing: bool


class Ready(_Closed):
    """Whether turns can be served now: the journal can be read and understanding works."""

    ready: Literal[True]


class Problem(_Closed):
    """What is wrong, where, and how to mend it."""

    what: str
    where: str
    how: str


class ErrorAnswer(_Closed):
    """Every answer with a status of 400 and above."""

    error: Problem


# --- the description --------------------------------------------------------------------

_CONVERSATION = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The conversation's name; it begins with its first turn.",
    "schema": {"type": "string", "pattern": CONVERSATION_PATTERN},
}
_STEP = {
    "name": "step",
    "in": "path",
    "required": True,
    "description": "The step's id.",
    "schema": {"type": "string", "pattern": STEP_PATTERN},
}
_MESSAGE_ID = {
    "name": "message_id",
    "in": "query",
    "description": "A message that was served before is not done again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MESSAGE_ID_LENGTH},
}
_AFTER = {
    "name": "after",
    "in": "query",
    "description": "Leave out this many of the first events.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 10**9},
}
LOWEST_RATE, HIGHEST_RATE = 8000, 48000
_RATE = {
    "name": "rate",
    "in": "query",
    "description": "For raw sound (audio/l16): samples a second.",
    "schema": {"type": "integer", "minimum": LOWEST_RATE, "maximum": HIGHEST_RATE, "default": 16000},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as the description tells it."""

    method: str
    path: str
    name: str
    summary: str
    answer: type[BaseModel] | str
    body: Mapping[str, Any] | None = None
    parameters: tuple[Mapping[str, Any], ...] = ()
    open: bool = False


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}


_WAV = {"schema": {"type": "string", "contentMediaType": "audio/wav"}}
_RAW = {"schema": {"type": "string", "contentMediaType": "audio/l16"}}
_TALK = "/v1/conversations/{id}"
_ONE = f"{_TALK}/steps/{{step}}"
OPERATIONS = (
    Operation("post", "/v1/parse", "parse", "Understand, and do nothing", ParseAnswer, _json(ParseBody)),
    Operation("post", f"{_TALK}/turns", "say", "Say something", TurnAnswer, _json(TurnBody), (_CONVERSATION,)),
    Operation(
        "post",
        f"{_TALK}/audio",
        "hear",
        "Speak: a WAV file, or raw 16-bit little-endian mono PCM",
        AudioAnswer,
        {"audio/wav": _WAV, "audio/l16": _RAW},
        (_CONVERSATION, _MESSAGE_ID, _RATE),
    ),
    Operation(
        "get",
        _TALK,
        "conversation",
        "Its events, plan and open questions",
        ConversationAnswer,
        parameters=(_CONVERSATION, _AFTER),
    ),
    Operation("delete", _TALK, "forget", "Delete all of it, for good", Forgotten, parameters=(_CONVERSATION,)),
    Operation("get", _ONE, "step", "One step as it stands", Step, parameters=(_CONVERSATION, _STEP)),  # type: ignore[arg-type]
    Operation(
        "post",
        f"{_ONE}/cancel",
        "cancel",
        "Cancel a step that waits",
        StepAnswer,
        parameters=(_CONVERSATION, _STEP),
    ),
    Operation(
        "post", f"{_ONE}/undo", "undo", "Undo a step that is done", StepAnswer, parameters=(_CONVERSATION, _STEP)
    ),
    Operation("get", "/v1/home", "home", "The home as it stands", HomeAnswer),
    Operation("get", "/v1/grammar", "grammar", "What can be asked for, with examples", GrammarAnswer),
    Operation("get", "/health", "health", "Whether it runs", Health, open=True),
    Operation("get", "/ready", "ready", "Whether it can serve turns now", Ready, open=True),
    Operation("get", "/metrics", "metrics", "Counters for Prometheus", "text/plain"),
)


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 description of the server."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "onebreath",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas() -> dict[str, Any]:
    taken: Iterable[Any] = (TurnBody, ParseBody)
    given = {one.answer for one in OPERATIONS if not isinstance(one.answer, str)} | {ErrorAnswer}
    models: list[Any] = [(model, "validation") for model in taken]
    models += [(_boxed(model), "serialization") for model in sorted(given, key=lambda one: one.__name__)]
    _, schemas = models_json_schema(models, ref_template="#/components/schemas/{model}")
    return {name: schema for name, schema in schemas["$defs"].items() if not name.startswith("_Box")}


def _boxed(model: Any) -> Any:
    """A dataclass of the core within a model, as pydantic lists the schemas of models only."""
    if issubclass(model, BaseModel):
        return model
    return type(f"_Box{model.__name__}", (BaseModel,), {"__annotations__": {"of": model}})


def _described(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": _responses(operation.answer),
    }
    if operation.parameters:
        told["parameters"] = list(operation.parameters)
    if operation.body is not None:
        told["requestBody"] = {"required": True, "content": operation.body}
    if operation.open:
        told["security"] = []
    return told


def _responses(answer: type[BaseModel] | str) -> dict[str, Any]:
    text = isinstance(answer, str)
    content = {answer: {"schema": {"type": "string"}}} if text else _json(answer)  # type: ignore[arg-type]
    return {
        "200": {"description": "Done", "content": content},
        "default": {"description": "What is wrong, and how to mend it", "content": _json(ErrorAnswer)},
    }
