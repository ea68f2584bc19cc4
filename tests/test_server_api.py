"""The typed API around the turns: conversations, taking steps back, forgetting, the home, the grammar."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra 'server' is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

from doors import WAV, outlined, problem, say, served

from dialogue.assistant import Assistant
from dialogue.config import Parts
from dialogue.scheduler import StandingClock
from dialogue.server import openapi
from dialogue.tracker_store import SqliteTrackerStore

HERE = "/v1/conversations/me"


@pytest.fixture
def client(assistant: Assistant, parts: Parts) -> Iterator[Any]:
    with served(assistant, outline=outlined(parts)) as client:
        yield client


def fits(client: Any, response: Any, name: str) -> Any:
    """The JSON of an answer; fails if it does not fit the schema called ``name`` in the description."""
    validators = pytest.importorskip(
        "openapi_schema_validator", reason="openapi-schema-validator is not installed"
    )
    assert response.status_code == 200, response.text
    document = client.get("/openapi.json").json()
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    validators.OAS31Validator(schema).validate(response.json())
    return response.json()


# --- conversations ----------------------------------------------------------------------


def test_a_conversation_tells_its_events_plan_and_questions(client: Any) -> None:
    """In the types of the core, and only what comes after the events one has seen."""
    say(client, "turn off the fountain and lock the side door at ten and set a timer")
    answer = fits(client, client.get(HERE), "ConversationAnswer")
    assert answer["events"][0]["event"] == "user"
    assert answer["events"][0]["text"].startswith("turn off the fountain")
    statuses = {step["action"]: step["status"] for step in answer["steps"]}
    assert statuses["action_start_timer"] == "asking"
    assert sorted(step["status"] for step in answer["steps"]) == ["asking", "done", "scheduled"]
    assert [question["slot"] for question in answer["questions"]] == ["seconds"]
    seen = answer["length"]
    assert seen == len(answer["events"])
    say(client, "ten minutes")
    later = client.get(HERE, params={"after": seen}).json()
    assert later["questions"] == []
    assert later["length"] == seen + len(later["events"])
    assert later["events"][0]["text"] == "ten minutes"


def test_an_unknown_conversation_is_told(client: Any) -> None:
    """404, and nothing begins by asking."""
    for method, path in (
        ("GET", HERE),
        ("DELETE", HERE),
        ("GET", f"{HERE}/steps/x"),
        ("POST", f"{HERE}/steps/x/undo"),
    ):
        assert problem(client.request(method, path), 404)["where"] == "path, id"
    assert problem(client.get(HERE, params={"after": "-1"}), 422)["where"] == "query, after"
    assert problem(client.get("/v1/conversations/a b"), 422)["where"] == "path, id"


def test_a_conversation_is_forgotten_for_good(assistant: Assistant, tmp_path: Path) -> None:
    """No byte of it stays in the files, its timers and plans are gone, and a new one of its name begins clean."""
    path = tmp_path / "journal.db"
    with served(replace(assistant, store=SqliteTrackerStore(path))) as client:
        said = "remind me to feed the wombat at nine and turn off the fountain at ten"
        first = say(client, said, message_id="m1").json()
        say(client, "turn on the desk lamp", "other")
        assert "wombat" in client.get("/v1/home").text
        answer = fits(client, client.delete(HERE), "Forgotten")
        assert answer["events"] > 3
        assert problem(client.get(HERE), 404)
        assert "wombat" not in client.get("/v1/home").text
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or b"wombat" not in file.read_bytes()
        again = say(client, said, message_id="m1").json()
        changes = [[{**one["change"], "id": ""} for one in answer["effects"]] for answer in (first, again)]
        assert changes[0] == changes[1] != []
        assert "wombat" in client.get("/v1/home").text
        assert client.get("/v1/conversations/other").json()["length"] > 0
    rows = sqlite3.connect(path).execute("SELECT DISTINCT conversation FROM events").fetchall()
    assert {name for (name,) in rows} == {"me", "other"}


def test_what_was_forgotten_never_falls_due(assistant: Assistant, clock: StandingClock) -> None:
    """A planned step and a timer of a forgotten conversation do nothing when their time comes."""
    with served(assistant) as client:
        say(client, "turn off the fountain in ten minutes and set a timer for five minutes")
        client.delete(HERE)
        clock.time += timedelta(hours=1)
        answer = say(client, "is the fountain on", "other").json()
        assert answer["responses"][0]["text"].startswith("Yes")
        assert answer["meanwhile"] == []
        assert client.get("/v1/home").json()["clockworks"] == []


# --- steps ------------------------------------------------------------------------------


def test_a_step_is_told_as_it_stands(client: Any) -> None:
    step = say(client, "turn off the fountain").json()["steps"][0]
    assert fits(client, client.get(f"{HERE}/steps/{step['id']}"), "Step") == step
    assert (step["status"], step["action"]) == ("done", "action_change_devices")
    assert problem(client.get(f"{HERE}/steps/no.such"), 404)["where"] == "path, step"


def test_a_planned_step_is_cancelled(client: Any, assistant: Assistant, clock: StandingClock) -> None:
    """It does not run when its time comes, and cannot be cancelled or undone again."""
    step = say(client, "turn off the fountain in ten minutes").json()["steps"][0]
    answer = fits(client, client.post(f"{HERE}/steps/{step['id']}/cancel"), "StepAnswer")
    assert answer["step"]["status"] == "cancelled"
    assert answer["effects"] == [{"target": "schedule", "change": {"cancelled": "switch.fountain"}}]
    clock.time += timedelta(hours=1)
    say(client, "what time is it")
    assert assistant.home.state("switch.fountain")["state"] == "on"
    for way in ("cancel", "undo"):
        told = problem(client.post(f"{HERE}/steps/{step['id']}/{way}"), 409)
        assert "the step is cancelled" in told["what"]


def test_a_step_that_asks_is_cancelled(client: Any) -> None:
    """Its question leaves the agenda."""
    step = say(client, "set a timer").json()["steps"][0]
    assert client.post(f"{HERE}/steps/{step['id']}/cancel").json()["step"]["status"] == "cancelled"
    assert client.get(HERE).json()["questions"] == []


def test_one_done_step_of_several_is_undone(client: Any, assistant: Assistant) -> None:
    """Only its changes are taken back, once; what was to end it later is cancelled."""
    steps = say(client, "turn off the fountain for ten minutes and turn on the desk lamp").json()["steps"]
    first = next(step for step in steps if step["status"] == "done")
    reverse = next(step for step in steps if step["reverses"] == first["id"])
    answer = fits(client, client.post(f"{HERE}/steps/{first['id']}/undo"), "StepAnswer")
    assert answer["step"]["status"] == "undone"
    assert {"target": "switch.fountain", "change": {"state": "on"}} in answer["effects"]
    assert client.get(f"{HERE}/steps/{reverse['id']}").json()["status"] == "cancelled"
    assert assistant.home.state("switch.fountain")["state"] == "on"
    assert assistant.home.state("light.desk_lamp")["state"] == "on"
    assert problem(client.post(f"{HERE}/steps/{first['id']}/undo"), 409)


def test_what_changed_nothing_cannot_be_undone(client: Any) -> None:
    step = say(client, "what time is it").json()["steps"][0]
    assert problem(client.post(f"{HERE}/steps/{step['id']}/undo"), 409)["what"] == "the step changed nothing"


def test_what_was_undone_at_a_button_can_be_spoken_of(client: Any, assistant: Assistant) -> None:
    """ "Undo that" takes back the taking back: the button is part of the conversation."""
    step = say(client, "turn off the fountain").json()["steps"][0]
    client.post(f"{HERE}/steps/{step['id']}/undo")
    assert assistant.home.state("switch.fountain")["state"] == "on"
    say(client, "undo that")
    assert assistant.home.state("switch.fountain")["state"] == "off"


# --- what is said, and where ------------------------------------------------------------


def test_hypotheses_are_read_together(client: Any) -> None:
    """The best heard is not the best understood: a worse one that makes sense wins."""
    heard = [{"text": "turn off the found in", "score": 10}, {"text": "turn off the fountain", "score": 9.9}]
    answer = fits(client, client.post(f"{HERE}/turns", json={"hypotheses": heard}), "TurnAnswer")
    assert answer["text"] == "turn off the fountain"
    assert [effect["target"] for effect in answer["effects"]] == ["switch.fountain"]


def test_the_room_of_the_speaker_settles_which(client: Any, assistant: Assistant) -> None:
    """ "The lamp" is asked about, but not in a room that has one."""
    assert say(client, "turn on the lamp", "nowhere", area=None).json()["asked"]
    device = assistant.home.devices["light.desk_lamp"]
    assert device.area is not None
    for number, name in enumerate((device.area, assistant.home.areas[device.area].name.upper())):
        answer = say(client, "turn on the lamp", f"there{number}", area=name, locale="en-GB").json()
        assert answer["asked"] is None
        assert [effect["target"] for effect in answer["effects"]] == ["light.desk_lamp"]


def test_raw_sound_has_a_rate(client: Any) -> None:
    """Odd bytes, no bytes and rates nobody has are told."""
    raw = {"content-type": "audio/l16"}
    spoken = b"lock the side door\0\0"
    answer = fits(client, client.post(f"{HERE}/audio?rate=8000", content=spoken, headers=raw), "AudioAnswer")
    assert answer["transcript"] == "lock the side door"
    assert problem(client.post(f"{HERE}/audio", content=b"abc", headers=raw), 422)["where"] == "body"
    assert problem(client.post(f"{HERE}/audio", content=b"", headers=raw), 422)["where"] == "body"
    for rate in ("1", "-8000", "1e4", "99999999999999999999", "x"):
        sent = client.post(f"{HERE}/audio", params={"rate": rate}, content=spoken, headers=raw)
        assert problem(sent, 422)["where"] == "query, rate"
    assert client.post(f"{HERE}/audio", content=b"what time is it", headers=WAV).status_code == 200


# --- what there is ----------------------------------------------------------------------


def test_the_home_is_told_as_it_stands(client: Any) -> None:
    say(client, "turn off the fountain and set a pizza timer for ten minutes")
    answer = fits(client, client.get("/v1/home"), "HomeAnswer")
    assert answer["states"]["switch.fountain"]["state"] == "off"
    assert {device["id"] for device in answer["devices"]} == set(answer["states"])
    assert [work["kind"] for work in answer["clockworks"]] == ["timer"]
    assert answer["areas"] and answer["floors"] and answer["lists"]


def test_the_grammar_tells_sentences_that_ask_for_what_it_says(client: Any) -> None:
    """Every sample sentence is understood as its intent; nearly every intent has one."""
    answer = fits(client, client.get("/v1/grammar"), "GrammarAnswer")
    assert answer["language"] == "en"
    intents = {one["intent"]: one for one in answer["intents"]}
    assert {"area", "name", "domain"} <= set(intents["HassTurnOn"]["slots"])
    assert sum(bool(one["samples"]) for one in intents.values()) > 0.9 * len(intents)
    for one in intents.values():
        for text in one["samples"]:
            read = client.post("/v1/parse", json={"text": text}).json()
            assert [request["intent"] for request in read["requests"]] == [one["intent"]], text


def test_it_is_ready_only_while_it_can_serve(assistant: Assistant, tmp_path: Path) -> None:
    """A journal that broke makes it unready, and what is wrong stays in the log."""
    store = SqliteTrackerStore(tmp_path / "journal.db")
    with served(replace(assistant, store=store)) as client:
        assert fits(client, client.get("/ready"), "Ready") == {"ready": True}
        store.close()
        assert problem(client.get("/ready"), 503)["where"] == "server"
        assert client.get("/health").status_code == 200


def test_what_is_counted_can_be_read_by_prometheus(client: Any) -> None:
    """Requests by route and status, turns, steps by outcome, times; never a word that was said."""
    from prometheus_client.parser import text_string_to_metric_families

    say(client, "turn off the fountain and set a timer", "a-secret-name")
    client.get("/v1/conversations/nobody")
    told = client.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(told.text)
        for sample in family.samples
    }
    assert samples["onebreath_turns_total", "text"] == 1
    assert samples["onebreath_steps_total", "asking"] == samples["onebreath_steps_total", "done"] == 1
    assert samples["onebreath_requests_total", "404", "GET /v1/conversations/{id}"] == 1
    assert samples["onebreath_request_seconds_count", "POST /v1/conversations/{id}/turns"] == 1
    assert "fountain" not in told.text
    assert "secret" not in told.text


def test_every_error_and_answer_is_described(client: Any) -> None:
    """The description names a schema for each JSON answer, and each is really there."""
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    for operation in openapi.OPERATIONS:
        path = re.sub(r"{\w+}", "x", operation.path)
        asked = client.request(operation.method, path)
        assert asked.status_code != 405
        if asked.status_code == 404:
            assert problem(asked, 404)["what"] != "there is nothing here"
        told = document["paths"][operation.path][operation.method]["responses"]
        assert told["default"]["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorAnswer")
        if not isinstance(operation.answer, str):
            assert operation.answer.__name__ in schemas
