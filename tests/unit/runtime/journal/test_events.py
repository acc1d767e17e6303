import math
import sqlite3
import threading
import time
from contextlib import closing

from gradts_engine import events
from gradts_engine.events import Event
from gradts_engine.runtime.journal import PROGRESS_INTERVAL, Journal, read_events
from gradts_engine.runtime.view import fold
from tests.unit.runtime.journal.reading import TRIAL, as_json, read, warnings

ALL = (
    events.RunStarted("r", "/tasks.toml", "e", ("a", "b"), ("a",), ("cpu",), {"seed": 1}, {"gradts": "0"}),
    events.TaskRead("a", "classification", "accuracy", {"train": 3}, {"train": 0}),
    events.Tokenised("a", "train", 3, 1),
    events.StageStarted("tune", "a", "key"),
    events.StageProgress("tune", "a", 1, 2, 0.25),
    events.EpochScored("tune", "a", 1, "accuracy", 0.5),
    events.StageFinished("tune", "a", "key", 1.5, False),
    events.StageFinished("tune", "c", "other", 1.5, False, operations=2e9, steps=30),
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
