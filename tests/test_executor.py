"""Running steps: in process, at the real rasa-sdk action server, and at servers that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from small_home import small_home, written

from dialogue.context import Tracker
from dialogue.errors import ConfigurationError
from dialogue.events import UserUttered
from dialogue.executor import HttpExecutor, InProcessExecutor, action_call
from dialogue.home import SimulatedHome
from dialogue.interfaces import Executor
from dialogue.responses import Responses, load_responses
from dialogue.types import Entity, Moment, Outcome, Reading, Request, Schedule, Step

NOW = datetime(2026, 3, 2, 18)
ROOT = Path(__file__).parents[1]
DIM = Step("c:1.1.1", "action_change_devices", {"targets": ["light.spot"], "change": {"brightness": 40}}, "dim it")

ACTIONS = """
    change_devices adjust_devices play_media media_control announce restore cancel_plan
    start_timer change_timer cancel_timers pause_timers resume_timers
    set_alarm change_alarm cancel_alarms set_reminder change_reminder cancel_reminders
    add_to_list remove_from_list complete_item
    answer_state answer_time answer_date answer_weather answer_timers answer_list
    answer_schedule answer_history
"""


@pytest.fixture(scope="module")
def responses() -> Responses:
    return load_responses(ROOT / "grammars" / "en" / "responses.yaml")


@pytest.fixture
def home(tmp_path: Path) -> SimulatedHome:
    return small_home(tmp_path)


def run(executor: Executor, action: str, *, step: str = "x", **slots: Any) -> Outcome:
    return executor.run(Step(step, action, slots, "as said"), Tracker("c"), NOW)


# --- what an action is told


def test_the_tracker_is_rasa_s_and_holds_only_the_step() -> None:
    """Sender, slots, message and events are as rasa-sdk reads them; the step id travels in the metadata."""
    from rasa_sdk import Tracker as RasaTracker  # type: ignore[import-untyped]

    tracker = Tracker("conversation")
    entity = Entity("brightness", 40, "forty")
    request = Request("dim it", "dim the spot", Reading("HassLightSet", (entity,)), 0, 2, confidence=0.9)
    tracker.append(UserUttered("dim it and sing", (request,)))
    call = action_call(DIM, tracker, NOW, "en")
    read = RasaTracker.from_dict(json.loads(json.dumps(call["tracker"])))
    assert call["next_action"] == "action_change_devices"
    assert read.sender_id == "conversation"
    assert read.slots == DIM.slots
    assert read.latest_message["intent"] == {"name": "HassLightSet", "confidence": 0.9}
    assert list(read.get_latest_entity_values("brightness")) == [40]
    assert read.latest_message["metadata"] == {"now": NOW.isoformat(), "step_id": "c:1.1.1", "locale": "en"}
    assert [event["event"] for event in read.events] == ["action", "user", "slot", "slot"]


def test_a_step_that_repeats_has_a_key_for_each_run() -> None:
    """What is done every day is done again tomorrow, and only once each day."""
    daily = replace(DIM, schedule=Schedule(at=NOW, every=Moment(repeat="day")))
    keys = [
        action_call(step, Tracker("c"), NOW, "en")["tracker"]["latest_message"]["metadata"]["step_id"]
        for step in (DIM, replace(DIM, schedule=Schedule(at=NOW)), daily)
    ]
    assert keys == ["c:1.1.1", "c:1.1.1", "c:1.1.1@2026-03-02T18:00:00"]


# --- in process


def test_runs_an_action_in_process(home: SimulatedHome, responses: Responses) -> None:
    """The live home changes, and the outcome holds the effect with what was before."""
    executor: Executor = InProcessExecutor(home, responses)
    outcome = executor.run(DIM, Tracker("c"), NOW)
    assert outcome.status == "done"
    assert [(one.target, one.change, one.before) for one in outcome.effects] == [
        ("light.spot", {"brightness": 40}, {"brightness": 80})
    ]
    assert home.state("light.spot")["brightness"] == 40


def test_an_unknown_action_fails(home: SimulatedHome, responses: Responses) -> None:
    """The reason names it."""
    outcome = run(InProcessExecutor(home, responses), "action_fly")
    assert (outcome.status, outcome.reason) == ("failed", "nothing can do action_fly")


def test_an_action_that_breaks_fails_shortly(home: SimulatedHome, responses: Responses) -> None:
    """A record that cannot be read breaks the action; what it had done before is still reported."""
    outcome = run(
        InProcessExecutor(home, responses),
        "action_restore",
        changes=[
            {"target": "timer", "change": {"cancelled": 1}, "before": {"odd": "x" * 999}},
            {"target": "light.spot", "change": {"brightness": 10}, "before": {"brightness": 60}},
        ],
    )
    assert outcome.status == "done"
    assert [one.target for one in outcome.effects] == ["light.spot"]
    assert outcome.reason.startswith("the action failed (TypeError")
    assert len(outcome.reason) < 300


def own_actions(executor: InProcessExecutor) -> None:
    """Adds actions of a user: one that waits, one that hangs, one that refuses, one that breaks."""
    from rasa_sdk import Action, ActionExecutionRejection

    class Waits(Action):  # type: ignore[misc]
        def name(self) -> str:
            return "action_waits"

        async def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
            await asyncio.sleep(tracker.get_slot("seconds"))
            dispatcher.utter_message(text="waited")
            return []

    class Refuses(Waits):
        def name(self) -> str:
            return "action_refuses"

        async def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
            raise ActionExecutionRejection("action_refuses", "not today")

    class Breaks(Waits):
        def name(self) -> str:
            return "action_breaks"

        async def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
            raise ZeroDivisionError("by zero")

    for action in (Waits(), Refuses(), Breaks()):
        executor._engine.register_action(action)


def test_actions_that_wait_hang_refuse_or_break(home: SimulatedHome, responses: Responses) -> None:
    """A user's own action may wait; too long is unknown, a refusal or an exception failed."""
    executor = InProcessExecutor(home, responses, seconds=0.2)
    own_actions(executor)
    assert run(executor, "action_waits", seconds=0.01).responses == ("waited",)
    assert run(executor, "action_waits", seconds=5).status == "unknown"
    assert run(executor, "action_refuses") == Outcome("failed", reason="not today")
    assert run(executor, "action_breaks").reason == "the action failed (ZeroDivisionError: by zero)"


def test_runs_inside_a_running_event_loop(home: SimulatedHome, responses: Responses) -> None:
    """A server may call the executor from its own loop."""
    executor = InProcessExecutor(home, responses)
    own_actions(executor)

    async def inside() -> list[str]:
        return [executor.run(DIM, Tracker("c"), NOW).status, run(executor, "action_waits", seconds=0).status]

    assert asyncio.run(inside()) == ["done", "done"]


def test_many_threads_change_one_home(home: SimulatedHome, responses: Responses) -> None:
    """Eight threads turn the volume up; no step is lost between reading and changing."""
    executor = InProcessExecutor(home, responses)
    run(executor, "action_change_devices", targets=["media_player.radio"], change={"volume": 0})

    def louder(thread: int) -> None:
        for number in range(10):
            slots = {"targets": ["media_player.radio"], "attribute": "volume", "delta": 1}
            run(executor, "action_adjust_devices", step=f"{thread}.{number}", **slots)

    threads = [threading.Thread(target=louder, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert home.state("media_player.radio")["volume"] == 80


# --- the real action server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(port: int, path: str) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real ``rasa_sdk`` action server that plays in a small home of its own."""
    folder = tmp_path_factory.mktemp("server")
    with serving("dialogue.actions", ROOT, folder) as port:
        yield port


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real ``rasa_sdk`` action server whose actions misbehave (`served_actions`)."""
    with serving("served_actions", ROOT / "tests", tmp_path_factory.mktemp("strangers")) as port:
        yield port


@contextmanager
def serving(actions: str, where: Path, folder: Path) -> Iterator[int]:
    port = free_port()
    environment = {**os.environ, "SANIC_HOST": "127.0.0.1", "ONEBREATH_HOME": str(written(folder))}
    command = [sys.executable, "-m", "rasa_sdk", "--actions", actions, "-p", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=where, env=environment, stdout=log, stderr=log)
        try:
            wait_for_server(process, port, folder / "log")
            yield port
        finally:
            process.terminate()
            process.wait(10)


def wait_for_server(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(200):
        try:
            asked(port, "/health")
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    pytest.fail(f"the action server did not start: {log.read_text()}")


def test_the_server_registers_every_action_and_none_that_is_abstract(server: int) -> None:
    """The package as it is can be served by rasa-sdk, and its names are those of the contract."""
    names = [entry["name"] for entry in asked(server, "/actions")]
    assert sorted(names) == sorted(f"action_{name}" for name in ACTIONS.split())


def test_a_step_runs_over_http(server: int, home: SimulatedHome, responses: Responses) -> None:
    """The outcome is that of a run in process, and the home here follows the one there."""
    executor: Executor = HttpExecutor(f"http://127.0.0.1:{server}", responses, home=home)
    outcome = run(
        executor,
        "action_change_devices",
        step="http.1",
        targets=["light.shelf", "light.lamp"],
        change={"brightness": 20},
    )
    assert outcome.status == "done"
    assert [(one.target, one.change) for one in outcome.effects] == [("light.lamp", {"brightness": 20})]
    assert outcome.reason == "the shelf light cannot be dimmed"
    assert home.state("light.lamp") == {"state": "on", "brightness": 20, "color": "white"}
    answer = run(executor, "action_answer_state", step="http.2", targets=["light.lamp"], attribute="brightness")
    assert answer.responses == ("The lamp is at 20 percent.",)


def test_the_step_id_makes_the_effect_happen_once(server: int, responses: Responses) -> None:
    """The same step sent twice starts one timer."""
    executor = HttpExecutor(f"http://127.0.0.1:{server}/webhook", responses)
    first = run(executor, "action_start_timer", step="http.3", seconds=600)
    assert run(executor, "action_start_timer", step="http.3", seconds=600) == first
    answer = run(executor, "action_answer_timers", step="http.4")
    assert answer.responses == ("The timer for 10 minutes has 10 minutes left.",)


def test_the_server_knows_no_such_action(server: int, responses: Responses) -> None:
    """Its 404 is a failure that names the action."""
    outcome = run(HttpExecutor(f"http://127.0.0.1:{server}", responses), "action_fly")
    assert (outcome.status, outcome.reason) == ("failed", "nothing can do action_fly")


@pytest.mark.parametrize(
    ("action", "status", "reason"),
    [
        ("action_rejects", "failed", "not today"),
        ("action_breaks", "unknown", "HTTP 500"),
        ("action_wants_the_domain", "failed", "refused"),
        ("action_flies", "failed", "nothing can do action_flies"),
        ("action_sleeps", "unknown", "in time"),
        ("action_says_ten_megabytes", "unknown", "cannot be read"),
        ("action_garbles", "unknown", "cannot be read"),
    ],
)
def test_strangers_actions_end_in_time(
    strangers: int, responses: Responses, action: str, status: str, reason: str
) -> None:
    """At a real server: refused, broken, without its domain, missing, asleep, much too much, and nonsense."""
    executor = HttpExecutor(f"http://127.0.0.1:{strangers}", responses, answer_seconds=2)
    began = time.monotonic()
    outcome = run(executor, action)
    assert time.monotonic() - began < 4
    assert (outcome.status, reason in outcome.reason) == (status, True)


def test_only_what_may_be_repeated_is_asked_again(strangers: int, responses: Responses) -> None:
    """An action that breaks once is done if it is declared repeatable, with the same key, else it is unknown."""
    plain = HttpExecutor(f"http://127.0.0.1:{strangers}", responses)
    sure = HttpExecutor(f"http://127.0.0.1:{strangers}", responses, repeatable=["action_breaks_once"])
    assert run(plain, "action_breaks_once", step="once").status == "unknown"
    assert run(sure, "action_breaks_once", step="twice").status == "done"
    (seen,) = run(plain, "action_tells_seen").responses
    assert seen.split().count("once") == 1
    assert seen.split().count("twice") == 2


# --- servers that misbehave

Behave = Callable[[socket.socket], None]


def read_request(wire: socket.socket) -> None:
    with wire.makefile("rb") as stream:
        lines = iter(stream.readline, b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length"))
        for _ in lines:
            pass
        stream.read(length)


@pytest.fixture
def misbehaving() -> Iterator[Callable[[Behave], str]]:
    """Starts servers that read one request and then do as they like."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(behave: Behave) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            wire, _ = listener.accept()
            with wire:
                read_request(wire)
                try:
                    behave(wire)
                except OSError:
                    return

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for thread in threads:
        thread.join(5)
    for listener in listeners:
        listener.close()


def answering(status: int, body: bytes) -> Behave:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return lambda wire: wire.sendall(head + body)


def dripping(wire: socket.socket) -> None:
    wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(100):
        wire.sendall(b" ")
        time.sleep(0.05)


def report(effects: Any) -> bytes:
    event = {"event": "slot", "name": "effects", "value": effects}
    return json.dumps({"events": [event], "responses": []}).encode()


@pytest.mark.parametrize(
    ("behave", "status", "reason"),
    [
        (answering(200, report([{"target": "light.spot", "change": {"state": "off"}}])), "done", ""),
        (answering(200, b'{"events": [], "responses": [{"text": "hi"}]}'), "done", ""),
        (answering(400, b'{"error": "not today", "action_name": "x"}'), "failed", "not today"),
        (answering(404, b"{}"), "failed", "nothing can do"),
        (answering(449, b'{"error": "domain"}'), "failed", "domain"),
        (answering(302, b""), "failed", "HTTP 302"),
        (answering(500, b'{"error": "x"}'), "unknown", "HTTP 500"),
        (answering(200, b"<html>"), "unknown", "cannot be read"),
        (answering(200, b"[" * 100_000), "unknown", "cannot be read"),
        (answering(200, report("garbage")), "unknown", "cannot be read"),
        (answering(200, report([{"target": "light.spot", "change": "off"}])), "unknown", "cannot be read"),
        (answering(200, b"[" + b" " * 3_000_000 + b"]"), "unknown", "cannot be read"),
        (lambda wire: wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), "unknown", "in time"),
        (lambda wire: None, "unknown", "in time"),
        (lambda wire: time.sleep(1.5), "unknown", "in time"),
        (dripping, "unknown", "in time"),
    ],
)
def test_whatever_a_server_does_the_step_ends(
    misbehaving: Callable[[Behave], str], responses: Responses, behave: Behave, status: str, reason: str
) -> None:
    """Within its time, as done, failed, or unknown where the request was sent and nobody can tell."""
    executor = HttpExecutor(misbehaving(behave), responses, answer_seconds=0.8)
    started = time.perf_counter()
    outcome = run(executor, "action_x")
    assert time.perf_counter() - started < 5
    assert (outcome.status, reason in outcome.reason) == (status, True)


def test_nobody_there_is_a_failure(responses: Responses) -> None:
    """Nothing was sent, so nothing can have happened."""
    outcome = run(HttpExecutor(f"http://127.0.0.1:{free_port()}", responses), "action_x")
    assert (outcome.status, outcome.reason) == ("failed", "the action server cannot be reached")


@pytest.mark.parametrize("endpoint", ["", "localhost:5055", "ftp://x", "http://"])
def test_an_endpoint_that_is_no_address_is_named(responses: Responses, endpoint: str) -> None:
    """A mistake in the configuration is told before anything runs."""
    with pytest.raises(ConfigurationError, match="action endpoint"):
        HttpExecutor(endpoint, responses)


def counted(behave: Behave) -> tuple[str, list[int]]:
    """A server for any number of requests, and how many have come."""
    listener = socket.create_server(("127.0.0.1", 0))
    came: list[int] = []

    def serve() -> None:
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            with wire:
                read_request(wire)
                came.append(1)
                behave(wire)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", came


def test_asking_again_ends_with_the_time(responses: Responses) -> None:
    """However often a silent server may be asked, the step ends when its time is over."""
    address, came = counted(lambda wire: time.sleep(0.3))
    executor = HttpExecutor(address, responses, answer_seconds=0.5, repeatable=["*"])
    began = time.monotonic()
    assert run(executor, "action_x").status == "unknown"
    assert time.monotonic() - began < 1.5
    assert 1 <= len(came) <= 3


def test_a_silent_server_is_left_alone(responses: Responses) -> None:
    """After five requests without an answer the next steps fail at once; after a while one tries again."""
    silent = [True]

    def behave(wire: socket.socket) -> None:
        if not silent[0]:
            answering(200, report([]))(wire)

    address, came = counted(behave)
    executor = HttpExecutor(address, responses, rest_seconds=0.5)
    assert [run(executor, "action_x").status for _ in range(5)] == ["unknown"] * 5
    outcomes = [run(executor, "action_x") for _ in range(4)]
    assert [outcome.status for outcome in outcomes] == ["failed"] * 4
    assert len(came) == 5
    silent[0] = False
    time.sleep(0.6)
    assert [run(executor, "action_x").status for _ in range(2)] == ["done"] * 2
    assert len(came) == 7
