import json
import math
import multiprocessing
import shutil
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from gradts_engine import events
from gradts_engine.errors import RunError
from gradts_engine.events import Event
from gradts_engine.runtime.journal import PROGRESS_INTERVAL, Journal, read_events
from gradts_engine.runtime.listening import LIMIT, Listening
from gradts_engine.runtime.view import fold

TRIAL = events.TrialScored("a", {"b": 3}, 0.5, "key")
ALL = (
    events.RunStarted("r", "/tasks.toml", "e", ("a", "b"), ("a",), ("cpu",), {"seed": 1}, {"gradts": "0"}),
    events.TaskRead("a", "classification", "accuracy", {"train": 3}, {"train": 0}),
    events.Tokenised("a", "train", 3, 1),
    events.StageStarted("tune", "a", "key"),
    events.StageProgress("tune", "a", 1, 2, 0.25),
    events.EpochScored("tune", "a", 1, "accuracy", 0.5),
    events.StageFinished("tune", "a", "key", 1.5, False),
    events.StageFinished("tune", "c", "other", 1.5, False, operations=2e9),
    events.Planned({"tune": 2, "trial": 4}, {"tune": (1.5, 3.0)}),
    events.StageFailed("tune", "b", "the loss is not finite"),
    events.StageStarted("trial", "a + b[2]", "key", events.About("a", (("b", 2), ("c", None)), 1), "cuda:0"),
    events.Predicted("a", "tau", {"tau": {"b": (0.5, 0.25)}}),
    events.Judged("a", {"b": 3}, "helps", 0.1, 0.05, 0.15, 3, 500, None),
    TRIAL,
    events.Expected("a", {"b": 3}, 0.75, 0.05, 4, "fresh"),
    events.Proposed("a", "digest", {"b": 3}),
    events.Confirmed("a", "digest", {"b": 3}, "person"),
    events.CommandAnswered("confirm", "id", True, ""),
    events.StageResumed("tune", "a", 3, 10),
    events.RunPaused(),
    events.RunResumed(),
    events.FinalModel("a", 0.5, "/model", None, 0.25, "k" * 64),
    events.Freed(3, 1200),
    events.Warned("\x1b[31mred 'quoted' \u2028 \U0001f4a9"),
    events.RunEnded("done"),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.db"


def warnings(*texts: str) -> list[Event]:
    return [events.Warned(text) for text in texts]


def read(path, after: int = 0) -> list[Event]:
    return [event for _, _, event in read_events(path, after)]


def as_json(event: Event) -> str:
    return json.dumps(event.as_record())


def insert(path, *records: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("INSERT INTO event (time, record) VALUES (0, ?)", [(record,) for record in records])


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_names_that_are_not_unicode_are_read_back(path):
    event = events.Warned("caf\udce9.jsonl has gone")
    with Journal(path) as journal:
        journal.emit(event)
    assert [found for _, _, found in read_events(path)] == [event]


def test_every_event_is_read_back_as_it_was(path):
    assert {type(e) for e in ALL} == set(Event.__subclasses__())
    seen = []
    before = time.time()
    with Journal(path, (seen.append,)) as journal:
        for event in ALL:
            journal.emit(event)
    found = list(read_events(path))
    assert [as_json(event) for _, _, event in found] == [as_json(event) for event in ALL]
    assert [type(event) for _, _, event in found] == [type(event) for event in ALL]
    assert seen == list(ALL)
    times = [when for _, when, _ in found]
    assert before <= times[0]
    assert times == sorted(times)
    assert times[-1] <= time.time()
    assert [e.score for e in read(path) if isinstance(e, events.TrialScored)] == [0.5]


def test_a_failed_trial_has_no_number(path):
    with Journal(path) as journal:
        journal.emit(events.TrialScored("a", {}, math.nan, "key", "diverged"))
    (event,) = read(path)
    assert math.isnan(event.score)


def test_a_state_event_is_on_disk_when_emit_returns_and_readers_need_not_wait_for_the_end(path):
    assert read(path) == []
    with Journal(path) as journal:
        for count in range(1, 6):
            journal.emit(events.Warned(str(count)))
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as other:
                assert other.execute("SELECT count(*) FROM event").fetchone() == (count,)
            assert read(path) == warnings("1", "2", "3", "4", "5")[:count]


def test_events_of_several_threads_keep_each_threads_order(path):
    threads, each = 6, 30
    seen: list[Event] = []
    names = set()

    def listen(event: Event) -> None:
        names.add(threading.current_thread().name)
        seen.append(event)

    with Journal(path, (listen,)) as journal:

        def work(name: int) -> None:
            for i in range(each):
                journal.emit(events.StageProgress("tune", f"{name} {i}", 0, 1) if i % 2 else events.Warned(f"{name} {i}"))

        workers = [threading.Thread(target=work, args=(name,)) for name in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    found = read(path)
    texts = [e.message if isinstance(e, events.Warned) else e.subject for e in found]
    assert sorted(texts) == sorted(f"{name} {i}" for name in range(threads) for i in range(each))
    for name in range(threads):
        assert [text for text in texts if text.startswith(f"{name} ")] == [f"{name} {i}" for i in range(each)]
    assert seen == found
    assert len(names) == 1


def test_reading_goes_on_after_what_was_read(path):
    with Journal(path) as journal:
        for event in warnings("1", "2", "3"):
            journal.emit(event)
        seqs = [seq for seq, _, _ in read_events(path)]
        assert read(path, after=seqs[1]) == warnings("3")
        assert read(path, after=seqs[2]) == []
        journal.emit(events.Warned("4"))
        assert read(path, after=seqs[2]) == warnings("4")
    with Journal(path) as journal:  # a later engine goes on with the same numbers
        journal.emit(events.Warned("5"))
    assert read(path, after=seqs[2]) == warnings("4", "5")
    assert [seq for seq, _, _ in read_events(path)] == [*seqs, seqs[2] + 1, seqs[2] + 2]


def test_what_another_version_wrote_is_passed_over(path):
    with Journal(path) as journal:
        journal.emit(events.Warned("1"))
        insert(
            path,
            '{"event": "Teleported", "to": "the moon"}',
            '{"event": "Warned", "message": "2", "colour": "red"}',
            '{"event": "Warned"}',
            '{"message": "no name"}',
        )
        journal.emit(events.Warned("3"))
    assert read(path) == warnings("1", "3")
    assert [seq for seq, _, _ in read_events(path)] == [1, 6]


@pytest.mark.parametrize("kind", [BrokenPipeError, SystemExit, KeyboardInterrupt])  # rich exits where a pipe is broken
def test_a_listener_that_fails_is_reported_once_and_the_run_goes_on(path, kind):
    seen: list[Event] = []

    def gone(event: Event) -> None:
        raise kind("the terminal went away")

    with Journal(path, (gone, seen.append)) as journal:
        for event in warnings("1", "2", "3"):
            journal.emit(event)
        journal.wait()
        (complaint,) = [e for e in read(path) if "no longer sees events" in e.message]
    assert complaint.message == f"{gone.__module__} no longer sees events: {kind.__name__}: the terminal went away"
    assert [e for e in seen if e != complaint] == warnings("1", "2", "3")
    assert read(path) == seen


def test_a_listener_that_hangs_holds_up_neither_the_run_nor_other_listeners(path, monkeypatch):
    monkeypatch.setattr(Journal.wait, "__defaults__", (0.2,))
    seen: list[Event] = []
    released = threading.Event()

    def hang(event: Event) -> None:
        released.wait(60)

    try:
        with Journal(path, (hang, seen.append)) as journal:
            assert within(10, lambda: [journal.emit(event) for event in warnings("1", "2")]) is None
            assert [listening.listener for listening in journal.wait()] == [hang]
            assert seen == warnings("1", "2")
        assert read(path)[2:] == warnings(f"{__name__} has not seen all events")
    finally:
        released.set()


def test_what_waits_for_a_slow_listener_is_bounded_and_progress_gives_way_first():
    seen: list[Event] = []
    complaints: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def slow(event: Event) -> None:
        begun.set()
        go_on.wait(60)
        seen.append(event)

    listening = Listening(slow, complaints.append)
    listening.tell(events.Warned("first"))
    assert begun.wait(10)
    for done in range(LIMIT):
        listening.tell(events.StageProgress("tune", "a", done, LIMIT))
    for number in range(LIMIT):
        listening.tell(events.Warned(str(number)))
    go_on.set()
    assert listening.mark().wait(60)
    listening.close()
    assert seen[: LIMIT // 2 + 1] == [
        events.Warned("first"),
        *(events.StageProgress("tune", "a", i, LIMIT) for i in range(LIMIT // 2)),
    ]
    assert seen[LIMIT // 2 + 1 :] == [events.Warned(str(number)) for number in range(LIMIT // 2)]
    assert complaints == [f"{__name__} is slow and does not see all events"]


# --- progress --------------------------------------------------------------------------------------------------------


def test_progress_is_thinned_but_its_first_and_last_are_kept(path):
    total = 4000
    began = time.monotonic()
    with Journal(path) as journal:
        for done in range(1, total + 1):
            journal.emit(events.StageProgress("tune", "a", done, total))
            if done == total // 2:
                journal.emit(events.StageProgress("tune", "b", 1, total))
    seconds = time.monotonic() - began
    kept = [e.done for e in read(path) if e.subject == "a"]
    assert kept[0] == 1
    assert kept[-1] == total
    assert kept == sorted(set(kept))
    assert len(kept) <= 2 + seconds / PROGRESS_INTERVAL
    assert [e.done for e in read(path) if e.subject == "b"] == [1]


def test_progress_far_enough_apart_is_kept(path):
    with Journal(path) as journal:
        for done in range(1, 5):
            journal.emit(events.StageProgress("tune", "a", done, 100))
            time.sleep(PROGRESS_INTERVAL * 1.2)
    assert [e.done for e in read(path)] == [1, 2, 3, 4]


def test_a_second_training_starts_with_its_first_step(path):
    with Journal(path) as journal:
        for done in (0, 1, 2, 3, 3, 0, 1):
            journal.emit(events.StageProgress("tune", "a", done, 3))
    assert [e.done for e in read(path)] == [0, 3, 3, 0]


# --- what goes wrong -------------------------------------------------------------------------------------------------


def within(seconds: float, work) -> Exception | None:
    """What `work` raises; fails if it does not come back in time."""
    failure: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"
    return failure[0] if failure else None


def test_a_database_that_cannot_be_written(tmp_path):
    def emit_all() -> None:
        with Journal(tmp_path) as journal:  # a folder is no database
            time.sleep(0.2)
            for _ in range(2):
                with pytest.raises(RunError, match="cannot be written"):
                    journal.emit(TRIAL)
            with pytest.raises(RunError, match="cannot be written"):
                journal.emit(events.StageProgress("tune", "a", 1, 2))

    assert within(20, emit_all) is None


class LateJournal(Journal):
    """Takes an event only once the journal has failed, though `emit` has just seen it well."""

    def _put(self, event: Event | None) -> threading.Event:
        while event == events.Warned("late") and not self.failure:
            time.sleep(0.001)
        time.sleep(0.1)
        return super()._put(event)


def test_emit_comes_back_however_the_failure_falls_between_its_steps(path):
    errors: list[Exception | None] = []
    journal = LateJournal(path)

    def emit(text: str) -> None:
        errors.append(within(10, lambda: journal.emit(events.Warned(text))))

    with journal:
        journal.emit(events.Warned("well"))
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("DROP TABLE event")
        threads = [threading.Thread(target=emit, args=(text,)) for text in ("late", "late", "first")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [type(error) for error in errors] == [RunError] * 3


def test_emit_after_the_end_is_an_error(path):
    with Journal(path) as journal:
        journal.emit(TRIAL)
    for event in (TRIAL, events.StageProgress("tune", "a", 1, 2)):
        assert isinstance(within(10, lambda event=event: journal.emit(event)), RunError)
    assert len(read(path)) == 1


def test_emit_at_the_very_end_is_written_or_an_error(path):
    """Threads that emit while the journal closes: each event is in the file, or its thread was told that it is not."""
    told: list[str] = []
    refused: list[str] = []

    def work(journal: Journal, name: str) -> None:
        for i in range(1000):
            try:
                journal.emit(events.Warned(f"{name} {i}"))
            except RunError:
                refused.append(f"{name} {i}")
                return
            told.append(f"{name} {i}")

    for attempt in range(10):
        with Journal(path) as journal:
            workers = [threading.Thread(target=work, args=(journal, f"{attempt} {n}")) for n in range(4)]
            for worker in workers:
                worker.start()
            time.sleep(0.01)
        for worker in workers:
            worker.join(10)
            assert not worker.is_alive(), "it hangs"
    assert len(refused) == 40
    assert {event.message for event in read(path)} == set(told)


def test_the_first_failure_is_told_by_every_later_emit(path):
    with Journal(path) as journal:
        journal.emit(TRIAL)
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("DROP TABLE event")
        for _ in range(3):
            with pytest.raises(RunError, match="no such table: event") as caught:
                journal.emit(TRIAL)
            assert str(path) in str(caught.value)


def test_a_file_that_is_no_database(path):
    path.write_bytes(b"not a database, though long enough to have a header " * 40)
    with pytest.raises(RunError, match="cannot be read: file is not a database"):
        read(path)
    with Journal(path) as journal, pytest.raises(RunError, match="cannot be written: file is not a database"):
        journal.emit(TRIAL)


def test_a_database_that_is_just_being_made(path):
    path.touch()
    assert read(path) == []


def _die_while_writing(path) -> None:
    """Write so much in one transaction that pages reach the file before the commit, and die there."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA cache_size=2")
    database.execute("PRAGMA synchronous=EXTRA")
    database.execute("BEGIN IMMEDIATE")
    for _ in range(200):
        database.execute("INSERT INTO event (time, record) VALUES (0, ?)", [as_json(events.Warned("never committed" * 100))])
    shutil.copy(path, path.with_name("torn.db"))  # as a loss of power leaves them
    shutil.copy(f"{path}-journal", path.with_name("torn.db-journal"))
    database.rollback()


def test_an_engine_that_died_while_writing(path):
    """Half a transaction is in the file and its journal beside it: readers see the state before."""
    with Journal(path) as journal:
        journal.emit(events.Warned("1"))
    child = multiprocessing.get_context("spawn").Process(target=_die_while_writing, args=(path,))
    child.start()
    child.join()
    torn = path.with_name("torn.db")
    assert torn.read_bytes() != path.read_bytes()
    assert read(torn) == warnings("1")
    with Journal(torn) as journal:
        journal.emit(events.Warned("2"))
    assert read(torn) == warnings("1", "2")


def test_the_view_of_the_journal_is_that_of_its_readers_and_needs_no_file(path):
    """What the engine answers and decides by does not depend on a moment in which the file cannot be read."""
    first = [events.StageStarted("tune", "a", "k"), events.StageFinished("tune", "a", "k", 1.0, False), TRIAL]
    with Journal(path) as journal:
        for event in first:
            journal.emit(event)
        path.rename(path.with_name("away"))
        assert journal.view.stage("tune", "a").state == "done"
        path.with_name("away").rename(path)
    with Journal(path) as journal:
        assert journal.view == fold((when, event) for _, when, event in read_events(path))
        journal.emit(events.Proposed("a", "d", {}))
        assert journal.view.proposals["a"].digest == "d"
    assert journal.view == fold((when, event) for _, when, event in read_events(path))
