"""Progress that was told is gathered, so that a journal stays small; who follows it does not notice."""

import json
import multiprocessing
import os
import random
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine import events
from gradts_engine.errors import GradTSError
from gradts_engine.events import StageProgress
from gradts_engine.runtime.journal import Journal, ends, progress, read_events, rows
from gradts_engine.runtime.journal.progress import Gatherer, pack, unpack
from gradts_engine.runtime.view import POINTS, fold
from tests.unit.fuzz.damage import damages, told
from tests.unit.runtime.journal.reading import TOTAL, Thick, count, read, steps, told_to, warnings

# --- what is kept ----------------------------------------------------------------------------------------------------


def test_a_training_of_some_seconds_as_an_engine_tells_it(path):
    """With the real clock: ten a second while it runs, few once it has ended."""
    began = time.monotonic()
    with Journal(path) as journal:
        journal.emit(events.StageStarted("tune", "a", "k"))
        for done in range(1, TOTAL + 1):
            journal.emit(StageProgress("tune", "a", done, TOTAL, 0.5, "k"))
            time.sleep(0.003)
        journal.wait()
        live = len(read(path))
        journal.emit(events.StageFinished("tune", "a", "k", 3.0, False))
    seconds = time.monotonic() - began
    assert seconds > 3
    assert live > 20
    found = read(path)
    assert count(path) == 3
    assert 6 <= len(found) <= 5 + seconds
    assert (found[1].done, found[-2].done) == (1, TOTAL)


def test_what_a_reader_shows_is_what_it_would_have_shown(path, fast):
    with Thick(path) as journal:
        journal.emit(events.StageStarted("tune", "a", "ka"))
        for event in steps(0, 200):
            journal.emit(event)
        before = fold((when, event) for _, when, event in read_events(path)).stage("tune", "a")
        journal.emit(events.Warned("something else"))
    after = fold((when, event) for _, when, event in read_events(path)).stage("tune", "a")
    assert count(path) == 3
    assert [step for step, _ in after.losses()] == [step for step, _ in before.losses()]
    means = [[loss for _, loss in stage.losses()[1:-1]] for stage in (after, before)]  # at the ends, one loss counts more
    assert means[0] == pytest.approx(means[1])
    assert replace(after, curve={}) == replace(before, curve={})  # with times, rate and latest loss


def test_no_more_than_a_minute_of_progress_waits_for_something_else():
    gatherer = Gatherer()
    taken = [gatherer.add(seq, 10.0 * seq, event) for seq, event in enumerate(steps(0, 30), 1)]
    assert [(of[0][0], of[-1][0]) for of in taken if of] == [(1, 7), (8, 14), (15, 21), (22, 28)]
    assert [seq for seq, _, _ in gatherer.rows] == [29, 30]


def test_a_short_stage_stays_as_it_is(path, monkeypatch):
    monkeypatch.setattr(progress, "SHORTEST", 3600.0)
    with Thick(path) as journal:
        for event in [*steps(0, 30), events.Warned("end")]:
            journal.emit(event)
    assert read(path) == [*steps(0, 30), events.Warned("end")]


@pytest.mark.parametrize(
    "change",
    [
        {"stages": [["tune", "a", "k", 9, [[1, 1.0, {}, None]]]]},
        {"stages": [["tune", "a", {}, 9, [[1, 1.0, 3, None]]]]},
        {"stages": [["tune", "a", "k", 9, [[1, "1", 3, None]]]]},
        {"stages": 3},
        {"rows": None},
    ],
)
def test_gathered_rows_of_others_are_read_as_carefully_as_any(path, change):
    """A newer version's, or one that somebody made."""
    record = {"event": "Gathered", "rows": 1, "stages": [["tune", "a", "k", 9, [[1, 1.0, 3, None]]]]} | change
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(rows.SCHEMA)
        rows.append(database, [json.dumps(record), json.dumps(events.Warned("end").as_record())])
    assert fold((when, event) for _, when, event in read_events(path)).stages == {}
    assert told_to(path)[-1] == "end"


def test_what_others_wrote_between_stays(path, fast):
    """Only rows that this journal wrote itself, one after the other, are replaced."""
    with Thick(path) as journal:
        for event in steps(0, 10):
            journal.emit(event)
        with closing(sqlite3.connect(path)) as database, database:
            rows.append(database, [json.dumps(events.Warned("from outside").as_record())])
        for event in [*steps(10, 20), events.Warned("end")]:
            journal.emit(event)
    assert told_to(path) == ["from outside", "end"]


PROGRESS = st.builds(
    lambda subject, done, more, loss: StageProgress("tune", subject, done, done + more, loss, f"k{subject}"),
    st.sampled_from("ab"),
    st.integers(0, 300),
    st.integers(0, 2),
    st.none() | st.floats(0, 8),
)


@given(st.lists(st.tuples(PROGRESS, st.floats(0, 3)), min_size=1, max_size=60))
def test_first_last_and_order_of_every_stage_are_kept(told):
    clock, happened = 1000.0, []
    for seq, (event, seconds) in enumerate(told, start=5):
        clock += seconds
        happened.append((seq, clock, event))
    number, kept = unpack(json.loads(pack(happened)))
    assert number == len(happened)
    assert kept == sorted(kept, key=lambda row: row[0])
    assert {row[:2] for row in kept} <= {row[:2] for row in happened}
    assert kept[-1] == happened[-1]

    def stages(found):
        pairs = {(event.subject, event.total) for _, _, event in found}
        return {pair: [row for row in found if (row[2].subject, row[2].total) == pair] for pair in pairs}

    before, after = stages(happened), stages(kept)
    assert before.keys() == after.keys()
    for stage, points in after.items():
        assert (points[0], points[-1]) == (before[stage][0], before[stage][-1])
        assert len(points) <= 2 + min(clock - 1000, POINTS * 2) + 1


def test_a_clock_that_is_set_back_does_not_fill_the_memory():
    gatherer = Gatherer()
    found = [gatherer.add(i, 1e6 - 10 * i, event) for i, event in enumerate(steps(0, 20))]
    assert [len(rows) for rows in found if rows] == [7, 7]


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lost", "said"), [((1,), "1 to 1 "), ((41,), "2 to 41 "), ((42,), "42 to 42 "), ((41, 42), "2 to 42 ")])
def test_rows_that_are_lost_are_told(path, fast, lost, said):
    with Thick(path) as journal:
        for event in [events.Warned("zero"), *steps(0, 40), events.Warned("one"), events.Warned("two")]:
            journal.emit(event)
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("DELETE FROM event WHERE seq = ?", [(seq,) for seq in lost])
    assert sum(f"events {said}" in message for message in told_to(path)) == 1


def test_what_a_newer_version_gathers_in_another_way_is_passed_over(path):
    with Journal(path) as journal:
        journal.emit(events.Warned("1"))
        for more in ({}, {"rows": 1}, {"rows": 1, "stages": [[1]]}, {"rows": "x", "stages": []}, {"rows": 1, "stages": 7}):
            with closing(sqlite3.connect(path)) as database, database:
                rows.append(database, [json.dumps({"event": progress.GATHERED, **more})])
        journal.emit(events.Warned("2"))
    assert read(path) == warnings("1", "2")


def test_damage(tmp_path, fast):
    """What is read is what was written, or a warning."""
    folder = tmp_path / "run"
    folder.mkdir()
    with Thick(folder / "events.db") as journal:
        for event in [*steps(0, 40), events.Warned("one"), *steps(40, 80), events.RunEnded("done")]:
            journal.emit(event)
    written = {seq: (when, event) for seq, when, event in read_events(folder / "events.db")}
    assert count(folder / "events.db") == 4
    whole = 0
    for path in damages(folder, 250, "gathered"):
        try:
            found = list(read_events(path))
        except GradTSError as error:
            told(error)
            continue
        real = [row for row in found if not (isinstance(row[2], events.Warned) and str(path) in row[2].message)]
        assert all(written.get(seq) == (when, event) for seq, when, event in real)
        whole += len(real) == len(written)
    assert whole < 125


def _write_until_killed(path, acknowledged) -> None:
    progress.SHORTEST, progress.LONGEST, progress.SPACING = 0.0, 0.01, 0.0
    done = 0
    with Thick(path) as journal, acknowledged.open("a") as file:
        while True:
            for _ in range(random.randrange(30)):
                done += 1
                journal.emit(StageProgress("tune", "a", done % TOTAL, TOTAL, 0.5, "k"))
            done += 1
            journal.emit(events.Warned(f"{os.getpid()} {done}"))
            print(os.getpid(), done, file=file, flush=True)


def test_an_engine_that_is_killed_while_it_gathers(path):
    """What it has acknowledged is there once, and nothing is missing."""
    acknowledged = path.with_name("acknowledged")
    for _ in range(8):
        child = multiprocessing.get_context("fork").Process(target=_write_until_killed, args=(path, acknowledged))
        child.start()
        time.sleep(random.uniform(0.1, 0.5))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        messages = told_to(path)
        assert len(messages) == len(set(messages))
        assert set(acknowledged.read_text().split("\n")[:-1] if acknowledged.exists() else ()) <= set(messages)
        assert not [message for message in messages if "lost" in message or "damaged" in message]
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert count(path) < ends(path)[1]
