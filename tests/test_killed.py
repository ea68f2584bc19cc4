"""Kill -9: a real process is killed at every point of a turn, and what comes after it is counted.

The process is a fork of this one, so that the grammar is loaded once; it runs the whole assistant on a journal on
disk and asks an action server in a process of its own, and it ends by SIGKILL.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import shipped_parts

from dialogue.assistant import Assistant
from dialogue.config import make_assistant, with_fresh_home
from dialogue.context import Tracker
from dialogue.events import AnyEvent
from dialogue.scheduler import StandingClock
from dialogue.tracker_store import SqliteTrackerStore
from dialogue.typed import waited

if not hasattr(os, "fork"):
    pytest.skip("processes are forked here, which this system cannot", allow_module_level=True)

NOON = datetime(2026, 3, 2, 12)
FOUR = "turn on the porch light and lock the side door then turn off the kettle and add milk to the shopping list"
ACTIONS = {"action_change_devices": 3, "action_add_to_list": 1}


@dataclass(slots=True)
class Dying:
    """A journal that kills its own process before or after its n-th transaction; the rest is the real one's."""

    inner: SqliteTrackerStore
    when: str
    number: int
    count: int = 0

    def append(self, tracker: Tracker, events: Sequence[AnyEvent]) -> None:
        self.count += bool(events)
        if (self.when, self.number) == ("before", self.count):
            os.kill(os.getpid(), signal.SIGKILL)
        self.inner.append(tracker, events)
        if (self.when, self.number) == ("after", self.count):
            os.kill(os.getpid(), signal.SIGKILL)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def at_home(folder: Path, port: int | None = None, *, repeatable: tuple[str, ...] = ()) -> Assistant:
    """An assistant as after a start of the machine, on the journal in ``folder``."""
    parts = with_fresh_home(shipped_parts())
    endpoint = None if port is None else f"http://127.0.0.1:{port}"
    stored = replace(
        parts.configuration,
        store=str(folder / "journal.db"),
        action_endpoint=endpoint,
        repeatable_actions=repeatable,
    )
    clock = StandingClock(NOON)
    return make_assistant(stored, clock=clock, parts=replace(parts, configuration=stored))


def killed(do: Callable[[], object]) -> bool:
    """Whether a process of its own that does something is killed over it; fails if it breaks instead."""
    child = os.fork()
    if child == 0:
        try:
            do()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@contextmanager
def counting(folder: Path, kind: str) -> Iterator[int]:
    """The port of an action server that counts its effects in ``folder``."""
    folder.mkdir()
    server = subprocess.Popen([sys.executable, Path(__file__).parent / "counting_server.py", folder, kind])
    try:
        end = time.monotonic() + 20
        while not (folder / "port").exists():
            assert time.monotonic() < end and server.poll() is None
            time.sleep(0.02)
        yield int((folder / "port").read_text())
    finally:
        server.kill()
        server.wait()


def effects(folder: Path) -> list[str]:
    path = folder / "effects"
    return path.read_text().splitlines() if path.exists() else []


def points() -> Iterator[tuple[str, str, int]]:
    """Where to kill: around each transaction of the turn, and around each effect at the server."""
    for number in range(1, 11):
        yield from (("journal", "before", number), ("journal", "after", number))
    for number in range(1, 5):
        yield from (("server", "before", number), ("server", "after", number))


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one kill."""

    point: str
    kept: int
    lost: int
    twice: int
    unknown: int
    untold: int


def swept(tmp_path: Path, kind: str, where: str, when: str, number: int) -> Row:
    """Kill the turn at one point, start anew, deliver the message again, and count."""
    folder = tmp_path / f"{where}-{when}-{number}"
    repeatable = ("*",) if kind == "aware" else ()
    with counting(folder, kind) as port:

        def turn() -> None:
            assistant = at_home(folder, port, repeatable=repeatable)
            if where == "journal":
                assistant.store = Dying(assistant.store, when, number)  # type: ignore[arg-type]
            else:
                (folder / "kill").write_text(f"{os.getpid()} {when} {number}")
            assistant.hear(FOUR, message_id="m1")

        assert killed(turn)
        (folder / "kill").unlink(missing_ok=True)
        assistant = at_home(folder, port, repeatable=repeatable)
        answer = assistant.hear(FOUR, message_id="m1")
        again = assistant.hear(FOUR, message_id="m1")
    assert again == answer
    steps = list(assistant.store.load("default").state.steps.values())
    unknown = [step for step in steps if step.status == "unknown"]
    counts = [sum(line.startswith(f"{step.id} ") for line in effects(folder)) for step in steps]
    told = [report.text for report in answer.not_done]
    return Row(
        point=f"{when} {where} {number}",
        kept=sum(step.status == "done" and count == 1 for step, count in zip(steps, counts, strict=True)),
        lost=4
        - len(steps)
        + sum(step.status != "unknown" and count == 0 for step, count in zip(steps, counts, strict=True)),
        twice=sum(count > 1 for count in counts) + max(0, len(effects(folder)) - 4),
        unknown=len(unknown),
        untold=sum(step.text not in told for step in unknown),
    )


@pytest.mark.parametrize("kind", ["aware", "unaware"])
def test_a_kill_at_any_point_loses_nothing_and_does_nothing_twice(tmp_path: Path, kind: str) -> None:
    """Four steps at a server: all are done once, or reported as unknown where it does not keep to keys."""
    rows = [swept(tmp_path, kind, *point) for point in points()]
    print(f"\n{kind}: {len(rows)} points")
    for row in rows:
        print(f"  {row.point:18} done {row.kept}  lost {row.lost}  twice {row.twice}  unknown {row.unknown}")
    assert len(rows) >= 20
    assert sum(row.lost for row in rows) == 0
    assert sum(row.twice for row in rows) == 0
    assert sum(row.untold for row in rows) == 0
    assert all(row.kept + row.unknown == 4 for row in rows)
    assert any(row.unknown for row in rows) is (kind == "unaware")
    assert all(row.unknown <= 1 for row in rows)


def dying(folder: Path, when: str, number: int, *texts: str) -> bool:
    """Whether the last of some turns is killed at a point of it."""

    def turns() -> None:
        assistant = at_home(folder)
        for text in texts[:-1]:
            assistant.hear(text)
        assistant.store = Dying(assistant.store, when, number)  # type: ignore[arg-type]
        assistant.hear(texts[-1])

    return killed(turns)


@pytest.mark.parametrize("number", range(1, 6))
def test_two_open_questions_survive(tmp_path: Path, number: int) -> None:
    """Whatever transaction the kill comes after, both questions are asked again and take their answers, once."""
    was_killed = dying(tmp_path, "after", number, "set a timer and turn on the lamp and lock the side door")
    assert was_killed is (number <= 4)
    again = at_home(tmp_path)
    turn = again.hear("what time is it")
    assert turn.asked is not None and "timer" in turn.responses[0]
    state = again.store.load("default").state
    assert [question.slot for question in state.questions] == ["seconds", "targets"]
    assert again.home.state("lock.side_door")["state"] == "locked"
    first, second = again.hear("the desk lamp"), again.hear("five minutes")
    assert [[one.target for one in turn.effects] for turn in (first, second)] == [["light.desk_lamp"], ["timer"]]
    assert again.hear("what time is it").asked is None


def started(assistant: Assistant) -> int:
    events = assistant.store.load("default").events
    return sum(event.event == "effect" and event.effect.target == "vacuum.robot" for event in events)


@pytest.mark.parametrize(("when", "number"), [("before", 1), ("after", 1), ("before", 2), ("after", 2)])
def test_a_repetition_is_never_lost(tmp_path: Path, when: str, number: int) -> None:
    """Killed around its run, a daily step has run once by evening and is planned for the next day."""
    at_home(tmp_path).hear("start the vacuum every day at nine")

    def morning() -> None:
        assistant = at_home(tmp_path)
        assistant.store = Dying(assistant.store, when, number)  # type: ignore[arg-type]
        assistant.clock.time = datetime(2026, 3, 3, 9)  # type: ignore[attr-defined]
        assistant.advance()

    assert killed(morning)
    again = at_home(tmp_path)
    assert isinstance(again.clock, StandingClock)
    again.clock.time = datetime(2026, 3, 3, 9, 1)
    again.advance()
    assert started(again) == 1
    (step,) = again.store.load("default").state.steps.values()
    assert step.status == "scheduled" and step.schedule is not None
    assert step.schedule.at == datetime(2026, 3, 4, 9)
    waited(again, again.clock, 86400)
    assert started(again) == 2


@pytest.mark.parametrize("number", range(1, 5))
def test_what_lasts_is_taken_back(tmp_path: Path, number: int) -> None:
    """Killed anywhere in the turn that turns it on, the fan goes off again when its time is over, once."""
    dying(tmp_path, "after", number, "turn on the ceiling fan for ten minutes")
    again = at_home(tmp_path)
    assert isinstance(again.clock, StandingClock)
    again.advance()
    assert again.home.state("fan.ceiling")["state"] == "on"
    waited(again, again.clock, 600)
    assert again.home.state("fan.ceiling")["state"] == "off"
    statuses = [step.status for step in again.store.load("default").state.steps.values()]
    assert statuses == ["done", "done"]


@pytest.mark.parametrize("number", range(1, 7))
def test_an_event_s_step_is_not_lost_between_event_and_step(tmp_path: Path, number: int) -> None:
    """What waits for a timer's end is done though the kill comes right after the end was written."""
    at_home(tmp_path).hear("set a timer for five minutes and when the timer is done turn on the porch light")

    def later() -> None:
        assistant = at_home(tmp_path)
        assistant.store = Dying(assistant.store, "after", number)  # type: ignore[arg-type]
        assistant.clock.time = NOON + timedelta(minutes=5)  # type: ignore[attr-defined]
        assistant.advance()

    was_killed = killed(later)
    assert was_killed is (number <= 4)
    again = at_home(tmp_path)
    again.clock.time = NOON + timedelta(minutes=6)  # type: ignore[attr-defined]
    again.advance()
    events = again.store.load("default").events
    happened = [event.effect.target for event in events if event.event == "effect"]
    assert happened.count("light.porch") == 1
    assert happened.count("timer") == 2


def test_what_was_cut_off_long_ago_is_reported_not_done(tmp_path: Path) -> None:
    """A light that was asked for yesterday does not go on today because the machine was started."""
    assert dying(tmp_path, "after", 1, "turn on the porch light")
    again = at_home(tmp_path)
    again.clock.time = NOON + timedelta(days=1)  # type: ignore[attr-defined]
    turn = again.hear("what time is it")
    assert [report.text for report in turn.not_done] == ["turn on the porch light"]
    assert again.home.state("light.porch")["state"] == "off"


def test_the_command_itself_is_killed(tmp_path: Path) -> None:
    """`onebreath say`, killed while its action server is at work, says so the next time, and does the rest."""
    folder = tmp_path / "server"
    with counting(folder, "unaware") as port:
        configuration = tmp_path / "onebreath.yaml"
        configuration.write_text(f"action_endpoint: http://127.0.0.1:{port}\nstore: {tmp_path / 'journal.db'}\n")
        say = [sys.executable, "-m", "dialogue", "say", "--config", configuration, "--now", "2026-03-02T18:00"]
        process = subprocess.Popen([*say, FOUR], stdout=subprocess.PIPE)
        (folder / "kill").write_text(f"{process.pid} after 2")
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        (folder / "kill").unlink()
        done = subprocess.run([*say, "what time is it"], capture_output=True, text=True, timeout=60, check=True)
    assert "interrupted" in " ".join(done.stdout.split())
    assert "milk" in done.stdout
    lines = [line.split()[0] for line in effects(folder)]
    assert len(lines) == len(set(lines))


# --- one at a time ----------------------------------------------------------------------


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    """A process that is killed while it serves a conversation does not keep the others out of it."""
    read, write = os.pipe()

    def hold() -> None:
        with SqliteTrackerStore(tmp_path / "journal.db").alone("c"):
            os.write(write, b"x")
            time.sleep(60)

    child = os.fork()
    if child == 0:
        hold()
        os._exit(0)
    os.read(read, 1)
    store = SqliteTrackerStore(tmp_path / "journal.db")
    store._turnstile._patience = 0.05
    holding: AbstractContextManager[None] = store.alone("c")
    from dialogue.errors import StoreError

    with pytest.raises(StoreError, match="Another process"):
        holding.__enter__()
    with store.alone("another"):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with store.alone("c"):
        pass


def test_a_message_that_two_processes_get_is_served_once(tmp_path: Path) -> None:
    """Four processes with the same twelve messages: each is heard once, and has one effect."""
    items = ("milk", "honey", "rice", "salt", "tea", "soap")

    def serve() -> None:
        assistant = at_home(tmp_path)
        for number, item in enumerate(items):
            turn = assistant.hear(f"add {item} to the shopping list", message_id=f"m{number}")
            assert [effect.change["added"] for effect in turn.effects] == [item]

    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            try:
                serve()
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    events = SqliteTrackerStore(tmp_path / "journal.db").load("default").events
    assert [event.message_id for event in events if event.event == "user"] == [
        f"m{one}" for one in range(len(items))
    ]
    assert [event.effect.change["added"] for event in events if event.event == "effect"] == list(items)
