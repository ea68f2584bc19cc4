"""The journal: nothing lost, nothing changed, nothing kept that was to be forgotten."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.context import Tracker
from dialogue.errors import StoreError
from dialogue.event_json import written as json_of
from dialogue.events import (
    Answered,
    AnyEvent,
    BotUttered,
    EffectHappened,
    Mentioned,
    QuestionAsked,
    QuestionClosed,
    SlotSet,
    StepChanged,
    StepPlanned,
    UserUttered,
)
from dialogue.interfaces import TrackerStore
from dialogue.tracker_store import SCHEMA_VERSION, SqliteTrackerStore
from dialogue.types import (
    Condition,
    Effect,
    Entity,
    Moment,
    Plan,
    Question,
    Reading,
    Request,
    Schedule,
    Step,
    Turn,
    Utterance,
    When,
)

NOW = datetime(2026, 3, 2, 18)
CONDITION = Condition("sensor.outside", "value", "<", 0, event=True, text="it freezes")
REQUEST = Request(
    "turn it off at ten",
    "turn off the lamp",
    Reading(
        "HassTurnOff",
        (
            Entity("name", {"noun": "lamp"}, "it"),
            Entity("list", [1, 2.5, True, None, {"is": "b"}]),
            Entity("moment", Moment(hour=10)),  # type: ignore[arg-type]
        ),
    ),
    0,
    5,
    when=(When("at", "at ten", Moment(hour=10, text="at ten")), When("if", "if", condition=CONDITION)),
    after=(1,),
)
REQUEST = replace(REQUEST, exceptions=(REQUEST,), alternatives=(Reading("HassTurnOn"),))
STEP = Step(
    "c:1.1.1",
    "action_change_devices",
    {"targets": ["light.lamp"], "change": {"state": "off", "brightness": 1.0}},
    "turn it off",
    status="scheduled",
    waits_for=("c:0.1.1",),
    schedule=Schedule(NOW, CONDITION, Moment(repeat="day")),
    conditions=(CONDITION,),
    question=Question("c:1.1.1", "at", "When?", ("now", "later")),
)
EVENTS: list[AnyEvent] = [
    UserUttered("turn it off at ten", (REQUEST,), "message-1", NOW),
    StepPlanned(STEP, 1, NOW),
    StepChanged("c:1.1.1", "running", time=NOW),
    EffectHappened("c:1.1.1", Effect("light.lamp", {"state": "off"}, {"state": "on", "brightness": 40}), NOW),
    EffectHappened("c:1.1.1", Effect("query", {"answered": "time"})),
    StepChanged("c:1.1.1", "done", "because", {"seconds": 10, "half": 0.5}),
    QuestionAsked(Question("c:1.1.2", "targets", "Which one?", ("a", "b"))),
    QuestionClosed("c:1.1.2", "targets", "withdrawn"),
    Mentioned((("light.lamp", "lock.gate"), ("list.shopping",))),
    SlotSet("area", None),
    BotUttered("Lamp off.", NOW),
    Answered("message-1", Turn("turn it off", Utterance("turn it off", (REQUEST,)), Plan((STEP,)), asked=None)),
]


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteTrackerStore]:
    path = ":memory:" if request.param == "memory" else tmp_path / "journal.db"
    store = SqliteTrackerStore(path)
    yield store
    store.close()


def test_every_kind_of_event_comes_back_as_it_was(store: SqliteTrackerStore) -> None:
    """What was appended is loaded: same events, same order, same state."""
    fitting: TrackerStore = store
    tracker = fitting.load("c")
    assert tracker.events == []
    fitting.append(tracker, EVENTS[:3])
    fitting.append(tracker, EVENTS[3:])
    assert tracker.events == EVENTS
    again = fitting.load("c")
    assert again.events == EVENTS
    assert again.state == tracker.state


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), values, max_size=4))
def test_any_value_survives_the_file(tmp_path_factory: pytest.TempPathFactory, slots: dict[str, object]) -> None:
    """Numbers stay whole or broken, true stays true, text keeps every character."""
    store = SqliteTrackerStore(tmp_path_factory.mktemp("journal") / "journal.db")
    event = StepChanged("s", "done", slots=slots)  # type: ignore[arg-type]
    store.append(Tracker("c"), [event])
    assert repr(store.load("c").events) == repr([event])
    store.close()


def test_survives_the_end_of_the_process(tmp_path: Path) -> None:
    """A second store on the same file knows all that the first accepted, in order over conversations."""
    first = SqliteTrackerStore(tmp_path / "folder" / "journal.db")
    one, two = Tracker("one"), Tracker("two")
    first.append(two, [EffectHappened("a", Effect("light.a", {"state": "on"}))])
    first.append(one, [EffectHappened("b", Effect("light.b", {"state": "on"})), BotUttered("done")])
    first.append(two, [EffectHappened("c", Effect("light.c", {"state": "on"}))])
    second = SqliteTrackerStore(tmp_path / "folder" / "journal.db")
    assert second.conversations() == ("two", "one")
    assert [event.step_id for event in second.effects()] == ["a", "b", "c"]
    assert second.load("one").events == one.events


def test_a_conversation_continued_elsewhere_is_not_forked(tmp_path: Path) -> None:
    """Two who loaded the same conversation: the second to write is told, and its tracker stays as it was."""
    path = tmp_path / "journal.db"
    first, second = SqliteTrackerStore(path), SqliteTrackerStore(path)
    mine, theirs = first.load("c"), second.load("c")
    first.append(mine, [BotUttered("mine")])
    with pytest.raises(StoreError, match="continued"):
        second.append(theirs, [BotUttered("theirs"), BotUttered("too")])
    assert theirs.events == []
    assert second.load("c").events == [BotUttered("mine")]


def write_many(path: str, name: str, count: int) -> None:
    store = SqliteTrackerStore(path, busy_seconds=20)
    tracker = store.load(name)
    for number in range(count):
        store.append(tracker, [BotUttered(f"{name} {number}"), BotUttered("and")])


def test_processes_share_a_file(tmp_path: Path) -> None:
    """Four processes that begin at once write their conversations without losing or mixing anything."""
    path = str(tmp_path / "journal.db")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(path, f"c{n}", 20)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    store = SqliteTrackerStore(path)
    for name in ("c0", "c1", "c2", "c3"):
        said = [event.text for event in store.load(name).events if isinstance(event, BotUttered)]
        assert said == [text for number in range(20) for text in (f"{name} {number}", "and")]


def test_forgetting_leaves_no_byte(tmp_path: Path) -> None:
    """Neither the file nor its log holds a word of it afterwards; the other conversations are still there."""
    path = tmp_path / "journal.db"
    store = SqliteTrackerStore(path)
    for number in range(30):
        store.append(store.load("private"), [UserUttered(f"remind me of the persimmon {number} " * 40)])
    store.append(store.load("other"), [BotUttered("kept")])
    assert b"persimmon" in all_bytes(tmp_path)
    store.forget("private")
    assert b"persimmon" not in all_bytes(tmp_path)
    assert b"private" not in all_bytes(tmp_path)
    assert store.conversations() == ("other",)
    assert store.load("other").events == [BotUttered("kept")]


def all_bytes(folder: Path) -> bytes:
    """Every byte and every file name below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(path.name.encode() + path.read_bytes() for path in files)


def test_a_conversation_begun_anew_has_other_step_ids(tmp_path: Path) -> None:
    """A mark is kept with the conversation, and neither another journal nor a new beginning gives it again."""
    path = tmp_path / "journal.db"
    marks = set()
    for _ in range(3):
        store = SqliteTrackerStore(path)
        tracker = store.load("c")
        store.append(tracker, [BotUttered("hello")])
        assert SqliteTrackerStore(path).load("c").mark == store.load("c").mark == tracker.mark
        marks.add(tracker.mark)
        store.forget("c")
    marks |= {SqliteTrackerStore(":memory:").load("c").mark for _ in range(3)}
    assert len(marks) == 6


def test_what_others_wrote_is_news_once(tmp_path: Path) -> None:
    """The effects of other processes are told once and in order, one's own never."""
    path = tmp_path / "journal.db"
    mine, other = SqliteTrackerStore(path), SqliteTrackerStore(path)
    mine.append(mine.load("a"), [EffectHappened("1", Effect("x", {"state": "on"}))])
    other.append(other.load("b"), [EffectHappened("2", Effect("x", {"state": "off"})), BotUttered("done")])
    other.append(other.load("b"), [EffectHappened("3", Effect("x", {"state": "on"}))])
    assert [event.step_id for event in mine.news()] == ["2", "3"]
    assert list(mine.news()) == []
    assert [event.step_id for event in other.news()] == ["1"]


def test_the_oldest_is_dropped_and_the_home_stays(tmp_path: Path) -> None:
    """Words, requests and answers go, byte for byte; effects stay as the home's, and numbers go on as before."""
    path = tmp_path / "journal.db"
    store = SqliteTrackerStore(path)
    changed = EffectHappened("c:0.1.1", Effect("light.lamp", {"state": "on"}))
    store.append(store.load("c"), [UserUttered("persimmon"), changed, BotUttered("persimmons")])
    store.append(store.load("c"), [UserUttered("kiwi"), BotUttered("kiwis")])
    known = store.load("c")
    store.drop(known, 3, 1)
    for one in (store, SqliteTrackerStore(path)):
        left = one.load("c")
        assert left.events == [UserUttered("kiwi"), BotUttered("kiwis")]
        assert (left.mark, left.length, left.turns) == (known.mark, 5, 2)
        assert list(one.effects()) == [changed]
        assert one.conversations() == ("c",)
    store.append(store.load("c"), [UserUttered("plum")])
    assert SqliteTrackerStore(path).load("c").length == 6


VERSION_1 = """
CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, conversation TEXT NOT NULL, sequence INTEGER NOT NULL,
    time TEXT, event TEXT NOT NULL, data BLOB NOT NULL, UNIQUE (conversation, sequence));
CREATE INDEX effects ON events (id) WHERE event = 'effect';
PRAGMA user_version = 1;
"""


def test_an_older_journal_is_taken_over(tmp_path: Path) -> None:
    """One of the first version opens with all its events, its steps keep their ids, and it can be continued."""
    path = tmp_path / "journal.db"
    database = sqlite3.connect(path)
    database.executescript(VERSION_1)
    events = [*EVENTS, StepPlanned(replace(STEP, id="c:7.1.1"))]
    rows = [("c", place, None, event.event, json_of(event)) for place, event in enumerate(events)]
    insert = "INSERT INTO events (conversation, sequence, time, event, data) VALUES (?, ?, ?, ?, ?)"
    with database:
        database.executemany(insert, rows)
    database.close()
    for _ in range(2):
        store = SqliteTrackerStore(path)
        tracker = store.load("c")
        assert (tracker.events[: len(events)], tracker.mark) == (events, "c")
        assert tracker.state.steps["c:7.1.1"].status == "scheduled"
        store.append(tracker, [BotUttered("and on")])
        assert SqliteTrackerStore(path).load("c").events == tracker.events
        store.close()
    (version,) = sqlite3.connect(path).execute("PRAGMA user_version").fetchone()
    assert version == SCHEMA_VERSION


def test_one_at_a_time_in_the_order_they_came(tmp_path: Path) -> None:
    """Threads wait for each other in one conversation, first come first served, and not in different ones."""
    store = SqliteTrackerStore(tmp_path / "journal.db")
    order: list[int] = []

    def serve(number: int) -> None:
        with store.alone("c"):
            order.append(number)

    with store.alone("c"):
        threads = []
        for number in range(12):
            threads.append(threading.Thread(target=serve, args=(number,)))
            threads[-1].start()
            time.sleep(0.01)
        with store.alone("d"):
            assert order == []
    for thread in threads:
        thread.join(5)
    assert order == list(range(12))


# --- trouble


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    """The message says to update; the file is left alone."""
    path = tmp_path / "journal.db"
    SqliteTrackerStore(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    with pytest.raises(StoreError, match=r"newer onebreath.*pip install --upgrade"):
        SqliteTrackerStore(path)


@pytest.mark.parametrize(
    "line",
    [
        b'{"is": "Telepathy"}',
        b'{"is": "BotUttered", "text": "hi", "mood": "good"}',
        b'{"is": "BotUttered"}',
        b'{"is": "Effect", "target": "x", "change": {}}',
        b'{"text": "hi"}',
        b'{"is": "BotUttered", "te',
        b"[]",
    ],
)
def test_an_event_this_version_does_not_know_is_refused(tmp_path: Path, line: bytes) -> None:
    """A journal with an unknown event, field or half a line is not half read."""
    path = tmp_path / "journal.db"
    store = SqliteTrackerStore(path)
    store.append(store.load("c"), [BotUttered("hello")])
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE events SET data = ?", (line,))
    database.close()
    with pytest.raises(StoreError, match="cannot read"):
        store.load("c")


@pytest.mark.parametrize("damage", ["not a database at all" * 300, ""])
def test_a_damaged_file_is_named_with_what_to_type(tmp_path: Path, damage: str) -> None:
    """Text in place of a database, or a page overwritten, is told with the command that puts it aside."""
    path = tmp_path / "journal.db"
    if damage:
        path.write_text(damage)
    else:
        overwrite_a_page(path)
    with pytest.raises(StoreError, match=r"damaged.*mv '"):
        SqliteTrackerStore(path).load("c")


def overwrite_a_page(path: Path) -> None:
    store = SqliteTrackerStore(path)
    store.append(store.load("c"), [BotUttered("x" * 5000) for _ in range(20)])
    store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\x55" * (len(data) - 4096)
    path.write_bytes(data)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """What does not fit is refused as a whole, and the conversation goes on from where it was."""
    store = SqliteTrackerStore(tmp_path / "journal.db")
    tracker = store.load("c")
    store.append(tracker, [BotUttered("fits")])
    store._database.execute("PRAGMA max_page_count = 8")
    with pytest.raises(StoreError, match="full"):
        store.append(tracker, [BotUttered("small"), BotUttered("x" * 100_000)])
    assert tracker.events == [BotUttered("fits")]
    store.append(tracker, [BotUttered("small")])
    assert store.load("c").events == [BotUttered("fits"), BotUttered("small")]


def test_a_journal_held_by_another_is_told(tmp_path: Path) -> None:
    """A process that never ends its transaction does not hang this one."""
    path = tmp_path / "journal.db"
    store = SqliteTrackerStore(path, busy_seconds=0.1)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="Another process holds"):
        store.append(store.load("c"), [BotUttered("hello")])
    holder.execute("ROLLBACK")
    holder.close()


def test_a_folder_is_no_journal(tmp_path: Path) -> None:
    """Neither is a file whose folder is a file."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "journal.db"):
        with pytest.raises(StoreError, match="Name another file"):
            SqliteTrackerStore(path)
