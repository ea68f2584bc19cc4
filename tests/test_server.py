"""The HTTP door, by a real server: what it answers and refuses, keeps in order and does in time."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sounds

pytest.importorskip("uvicorn", reason="the extra 'server' is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")

from doors import FIXTURES, ROOT, SPOKEN, WAV, SlowEars, problem, say, served  # noqa: E402

from dialogue import speech_models  # noqa: E402
from dialogue.assistant import Assistant  # noqa: E402
from dialogue.scheduler import StandingClock  # noqa: E402
from dialogue.server import Guarded, Limits, VoskEars, openapi  # noqa: E402
from dialogue.tracker_store import SqliteTrackerStore  # noqa: E402
from dialogue.typed import LONGEST_TEXT  # noqa: E402


@pytest.fixture
def client(assistant: Assistant) -> Iterator[Any]:
    with served(assistant, SlowEars()) as client:
        yield client


# --- turns ------------------------------------------------------------------------------


def test_a_turn_is_answered_in_the_documented_shape(client: Any) -> None:
    """The keys of `say`, with the conversation, the words, and what fell due meanwhile."""
    answer = say(client, "turn off the fountain and lock the side door at ten and order a pizza").json()
    openapi.TurnAnswer.model_validate(answer)
    assert (answer["conversation"], answer["meanwhile"]) == ("me", [])
    assert [request["intent"] for request in answer["requests"]] == ["HassTurnOff", "HassTurnOn"]
    assert answer["effects"] == [{"target": "switch.fountain", "change": {"state": "off"}}]
    assert [row["target"] for row in answer["scheduled"]] == ["lock.side_door"]
    assert [row["text"] for row in answer["not_done"]] == ["order a pizza"]


def test_conversations_are_remembered_apart(client: Any) -> None:
    """A question is answered in the conversation it was asked in, and only there."""
    assert say(client, "set a timer", "den").json()["asked"]
    assert say(client, "turn off the fountain", "attic").json()["asked"] is None
    answer = say(client, "ten minutes", "den").json()
    assert [effect["change"]["started"] for effect in answer["effects"]] == [600]


def test_sound_is_a_turn(client: Any) -> None:
    """The same answer as for text, and what was heard."""
    answer = client.post("/v1/conversations/me/audio", content=b"lock the side door", headers=WAV).json()
    openapi.AudioAnswer.model_validate(answer)
    assert answer["transcript"] == "lock the side door"
    assert [effect["target"] for effect in answer["effects"]] == ["lock.side_door"]


def test_real_speech_is_heard(assistant: Assistant) -> None:
    """A WAV with speech, through the speech model; what is no WAV is told."""
    path = FIXTURES / f"{SPOKEN.replace(' ', '_')}.wav"
    if speech_models.find("en") is None or not path.is_file():
        pytest.skip("no English speech model, or no sound fixture, here")
    with served(assistant, VoskEars("en", None)) as client:
        answer = client.post("/v1/conversations/me/audio", content=path.read_bytes(), headers=WAV).json()
        assert answer["transcript"] == SPOKEN
        assert [effect["target"] for effect in answer["effects"]] == ["light.corner_lamp", "light.porch"]
        broken = client.post("/v1/conversations/me/audio", content=b"ID3" + bytes(900), headers=WAV)
        assert "looks like MP3" in problem(broken, 422)["what"]
        long = sounds.riff((b"fmt ", sounds.layout(100, 8)), (b"data", bytes(100 * 130)))
        told = problem(client.post("/v1/conversations/me/audio", content=long, headers=WAV), 422)
        assert "lasts 130 seconds" in told["what"]


def test_without_a_speech_model_the_command_is_named(
    assistant: Assistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text is served all the same; sound is answered with 503 and what to type."""
    monkeypatch.delenv("ONEBREATH_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with served(assistant, VoskEars("en", None)) as client:
        assert client.get("/health").json()["hearing"] is False
        sent = client.post("/v1/conversations/me/audio", content=b"RIFF", headers=WAV)
        assert "onebreath models install en" in problem(sent, 503)["how"]
        assert say(client, "lock the side door").status_code == 200


def test_parse_understands_and_does_nothing(client: Any) -> None:
    answer = client.post("/v1/parse", json={"text": "turn off the fountain"}).json()
    openapi.ParseAnswer.model_validate(answer)
    assert [request["intent"] for request in answer["requests"]] == ["HassTurnOff"]
    told = say(client, "is the fountain on").json()["responses"][0]["text"]
    assert told.startswith("Yes")


def test_health(client: Any) -> None:
    answer = client.get("/health").json()
    openapi.Health.model_validate(answer)
    assert (answer["status"], answer["language"], answer["hearing"]) == ("ok", "en", True)


# --- messages, order and time -----------------------------------------------------------


def test_a_message_is_served_once(client: Any) -> None:
    """Sent again, it gets the same answer and nothing is done again; elsewhere it is another message."""
    body = "add honey to the shopping list"
    first = say(client, body, message_id="m1").json()
    assert say(client, body, message_id="m1").json() == first
    assert say(client, "undo that", message_id="m2").json()["effects"][0]["change"] == {"removed": "honey"}
    assert say(client, body, message_id="m1").json() == first
    other = say(client, body, "other", message_id="m1").json()
    assert other["effects"][0]["change"] == {"added": "honey"}


def test_a_message_of_before_a_restart_is_not_done_again(assistant: Assistant, tmp_path: Path) -> None:
    """The journal knows that it was served, and its answer."""
    path = tmp_path / "journal.db"
    answers = []
    for _ in range(2):
        with served(replace(assistant, store=SqliteTrackerStore(path)), SlowEars()) as client:
            answers.append(say(client, "turn off the fountain", message_id="m1").json())
            answers.append(say(client, "x", message_id="m1").json())
    assert answers[0]["effects"] == [{"target": "switch.fountain", "change": {"state": "off"}}]
    assert answers == [answers[0]] * 4
    said = [one for one in SqliteTrackerStore(path).load("me").events if one.event == "user"]
    assert len(said) == 1


def test_one_conversation_in_order_several_at_once(assistant: Assistant) -> None:
    """Turns of one conversation wait for each other; another conversation does not wait for them."""
    ears = SlowEars(seconds=0.3)
    texts = ["turn off the fountain", "turn it on", "turn it off"]
    with served(assistant, ears) as client, ThreadPoolExecutor(4) as pool:

        def send(conversation: str, text: str) -> Any:
            return client.post(f"/v1/conversations/{conversation}/audio", content=text.encode(), headers=WAV)

        answers = []
        for text in texts:
            answers.append(pool.submit(send, "one", text))
            time.sleep(0.05)
        answers.append(pool.submit(send, "two", "lock the side door"))
        found = [answer.result().json()["effects"] for answer in answers]
    states = [effect["change"]["state"] for effects in found for effect in effects]
    assert states == ["off", "on", "off", "locked"]
    spans = {text: (began, ended) for text, began, ended in ears.heard}
    for before, after in pairwise(texts):
        assert spans[before][1] <= spans[after][0]
    assert any(
        spans["lock the side door"][0] < spans[text][1] and spans[text][0] < spans["lock the side door"][1]
        for text in texts
    )


def test_many_at_once_get_what_they_asked_for(client: Any) -> None:
    """Sixteen conversations at the same time: every answer is the one to its own words."""
    names = ["desk lamp", "corner lamp", "porch light", "garden light"]

    def talk(number: int) -> list[Any]:
        name, minutes = names[number % 4], ("two", "three", "four", "five")[number // 4]
        text = f"turn on the {name} and set a timer for {minutes} minutes"
        return [say(client, text, f"c{number}").json() for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        conversations = list(pool.map(talk, range(16)))
    for number, answers in enumerate(conversations):
        for answer in answers:
            changes = [effect["change"] for effect in answer["effects"]]
            assert [change["state"] for change in changes if "state" in change] == ["on"]
            assert [change["started"] for change in changes if "started" in change] == [60 * (2 + number // 4)]


def test_what_falls_due_is_done_and_told_in_the_next_answer(assistant: Assistant, clock: StandingClock) -> None:
    """While nobody speaks, the server does what is due; only the conversation it belongs to hears of it."""
    with served(assistant, SlowEars()) as client:
        say(client, "turn off the fountain in ten minutes and set a timer for five minutes", "den")
        say(client, "set a timer for six minutes", "attic")
        clock.time += timedelta(minutes=20)
        end = time.monotonic() + 10
        while assistant.home.state("switch.fountain")["state"] == "on" and time.monotonic() < end:
            time.sleep(0.05)
        assert assistant.home.state("switch.fountain")["state"] == "off"
        time.sleep(0.6)
        told = {name: say(client, "what time is it", name).json()["meanwhile"] for name in ("den", "attic")}
        again = say(client, "what time is it", "den").json()["meanwhile"]
    for turns in told.values():
        for turn in turns:
            openapi.Came.model_validate(turn)
    effects = {name: [effect for turn in turns for effect in turn["effects"]] for name, turns in told.items()}
    assert {"target": "switch.fountain", "change": {"state": "off"}} in effects["den"]
    assert sum(effect["target"] == "timer" for name in effects for effect in effects[name]) == 2
    assert again == []


# --- what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        (b"{", 400, "body"),
        (b"\xff", 400, "body"),
        (b'{"text": "\\ud800"}', 400, "body"),
        (b"[" * 5000, 422, "body"),
        (b'{"text": "' + b"[{" * 50 + b'", "x": [}', 400, "body"),
        (b"[]", 422, "body"),
        (b"{}", 422, "body"),
        (b'{"text": "x", "hypotheses": [{"text": "x"}]}', 422, "body"),
        (b'{"hypotheses": []}', 422, "body, hypotheses"),
        (b'{"hypotheses": [{"text": "x", "score": "high"}]}', 422, "body, hypotheses, 0, score"),
        (b'{"text": "x", "locale": "de-DE"}', 422, "body, locale"),
        (b'{"text": "x", "area": "ballroom"}', 422, "body, area"),
        (b'{"text": 5}', 422, "body, text"),
        (b'{"text": ""}', 422, "body, text"),
        (b'{"text": "x", "shout": true}', 422, "body, shout"),
        (json.dumps({"text": "x" * (LONGEST_TEXT + 1)}).encode(), 422, "body, text"),
        (json.dumps({"text": "x", "message_id": "m" * 201}).encode(), 422, "body, message_id"),
        (json.dumps({"text": "x" * 1_000_000}).encode(), 413, "body"),
    ],
)
def test_bad_bodies_are_explained(client: Any, body: bytes, status: int, where: str) -> None:
    headers = {"content-type": "application/json"}
    sent = client.post("/v1/conversations/me/turns", content=body, headers=headers)
    assert problem(sent, status)["where"] == where


def test_other_requests_are_explained(client: Any) -> None:
    """Unknown routes, methods, names, content types and sounds: all in the same shape."""
    assert problem(client.get("/nothing"), 404)["where"] == "/nothing"
    assert "POST" in problem(client.get("/v1/parse"), 405)["how"]
    assert problem(say(client, "x", "a%20b"), 422)["where"] == "path, id"
    assert problem(say(client, "x", "a" * 101), 422)["where"] == "path, id"
    form = client.post("/v1/conversations/me/turns", data={"text": "unlock the side door"})
    assert "Content-Type: application/json" in problem(form, 415)["how"]
    plain = client.post("/v1/conversations/me/audio", content=b"x", headers={"content-type": "text/plain"})
    assert "Content-Type: audio/wav" in problem(plain, 415)["how"]
    assert problem(client.post("/v1/conversations/me/audio", content=b"broken", headers=WAV), 422) == {
        "what": "is not a WAV file, it looks like text",
        "where": "body",
        "how": "give a WAV file",
    }
    long = client.post("/v1/conversations/me/audio?message_id=" + "m" * 201, content=b"x", headers=WAV)
    assert problem(long, 422)["where"] == "query, message_id"


def test_too_much_sound_is_refused_before_it_is_read(client: Any) -> None:
    """Whether its length is told or not."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as wire:
        wire.sendall(
            b"POST /v1/conversations/me/audio HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\n"
            b"Content-Length: %d\r\n\r\n" % (Limits().sound_bytes + 1)
        )
        assert wire.recv(100).startswith(b"HTTP/1.1 413 ")
    parts = (bytes(1 << 20) for _ in range(Limits().sound_bytes // (1 << 20) + 1))
    assert problem(client.post("/v1/conversations/me/audio", content=parts, headers=WAV), 413)


def test_another_name_is_refused(client: Any) -> None:
    """A web page whose name was made to point here cannot use the server."""
    told = problem(client.get("/health", headers={"host": "evil.example:5005"}), 403)
    assert "'evil.example'" in told["what"]


def test_a_mistake_of_the_program_tells_nothing_of_it(assistant: Assistant) -> None:
    """500 in the same shape, and the next request is served."""
    with served(assistant, SlowEars()) as client:
        sent = client.post("/v1/conversations/me/audio", content=b"\xff", headers=WAV)
        assert problem(sent, 500)["how"] == "please report it"
        assert "utf" not in sent.text
        assert client.get("/health").status_code == 200


# --- the description --------------------------------------------------------------------


def test_the_description_is_whole(client: Any) -> None:
    """OpenAPI 3.1; every route is in it, and every reference leads somewhere."""
    document = client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {operation.path for operation in openapi.OPERATIONS}
    named = set(references(document))
    assert named
    assert {name.rpartition("/")[2] for name in named} <= set(document["components"]["schemas"])


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def test_the_description_is_valid() -> None:
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")
    validator.validate(openapi.document())


# --- guarding, and the command ----------------------------------------------------------


def test_a_guarded_part_is_used_by_one_thread_at_a_time() -> None:
    """Its values are seen through, its methods wait for each other."""

    class Part:
        name = "part"
        inside = most = 0

        def work(self) -> None:
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.01)
            self.inside -= 1

    part = Part()
    guarded = Guarded(part, threading.Lock())
    with ThreadPoolExecutor(4) as pool:
        for _ in range(8):
            pool.submit(guarded.work)
    assert (guarded.name, part.most) == ("part", 1)


def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    """It tells its address, keeps a journal, and ends on Ctrl-C without a traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dialogue", "serve", "--port", "0", "--store", str(tmp_path / "home.db")],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    address = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
    with httpx.Client(base_url=address, timeout=20) as client:
        assert say(client, "lock the side door").json()["effects"]
    process.send_signal(signal.SIGINT)
    left = process.stderr.read()
    assert process.wait(timeout=20) in (0, 130)
    assert "Traceback" not in left
    assert (tmp_path / "home.db").is_file()
