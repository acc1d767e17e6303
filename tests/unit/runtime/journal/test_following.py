"""Who follows a journal does not notice that what is behind him is gathered."""

import sqlite3
import threading
import time
import tracemalloc
from contextlib import closing

import pytest

from gradts_engine import events
from gradts_engine.cli.engine import order
from gradts_engine.events import StageProgress
from gradts_engine.runtime.inbox import Pause
from gradts_engine.runtime.journal import SCHEMA, Journal, append, ends, progress, read_events, rows
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.view import fold
from gradts_engine.runtime.watch import answer_commands
from tests.unit.runtime.journal.reading import TOTAL, Thick, as_json, count, read, steps, told_to, warnings, within


@pytest.mark.parametrize("every", [1, 3, 17, 500])
def test_who_follows_sees_all_that_is_no_progress_and_no_warning(path, fast, monkeypatch, every):
    """A reader that looks now and then, at the end of what there is, while rows behind it are gathered."""
    monkeypatch.setattr(progress, "LONGEST", 0.03)
    said, seen, view, number = [], 0, None, 0
    with Thick(path) as journal:
        for i in range(400):
            event = events.Warned(str(i)) if i % 90 == 89 else StageProgress("tune", "a", i, TOTAL, 0.5, "k")
            journal.emit(event)
            if i % every == 0 or i == 399:
                new = list(read_events(path, seen))
                numbers = [seq for seq, _, _ in new]
                assert numbers == sorted(set(numbers))
                assert not numbers or numbers[0] > seen
                seen = numbers[-1] if numbers else seen
                said += [e for _, _, e in new if isinstance(e, events.Warned)]
                view = fold([(when, e) for _, when, e in new], view)
                assert view.stages["k"].done == (i if i % 90 != 89 else i - 1)  # as live as ever
                number += 1
    assert said == warnings(*[str(i) for i in range(89, 400, 90)])
    assert seen == ends(path)[1] == 400


def test_reading_from_any_number(path, fast):
    """Also from one whose row is gone: nothing is lost, and nothing comes twice."""
    with Thick(path) as journal:
        for event in [*steps(0, 40), events.Warned("one"), *steps(40, 60), *steps(0, 9, "b"), events.Warned("two")]:
            journal.emit(event)
    everything = list(read_events(path))
    assert count(path) == 4
    for after in range(72):
        assert list(read_events(path, after)) == [row for row in everything if row[0] > after]


def test_an_engine_goes_on_after_gathered_rows(path, fast):
    for part in range(3):
        with Thick(path) as journal:
            for event in [*steps(part * 30, part * 30 + 30), events.Warned(str(part))]:
                journal.emit(event)
            assert journal.view.stages["ka"].done == part * 30 + 29
    assert [event.message for event in read(path) if isinstance(event, events.Warned)] == ["0", "1", "2"]
    assert ends(path)[1] == 93


def test_chunks_are_no_seams(path, monkeypatch, fast):
    monkeypatch.setattr(rows, "CHUNK", 3)
    with Thick(path) as journal:
        for i in range(10):
            for event in [*steps(i * 5, i * 5 + 5), events.Warned(str(i))]:
                journal.emit(event)
    for after in (0, 1, 7, 30, 59, 60):
        with monkeypatch.context() as whole:
            whole.setattr(rows, "CHUNK", 10_000)
            expected = list(read_events(path, after))
        assert list(read_events(path, after)) == expected
    assert told_to(path) == [str(i) for i in range(10)]


def test_a_reader_that_stands_still_does_not_hold_up_the_engine(path, monkeypatch):
    monkeypatch.setattr(rows, "CHUNK", 2)
    with Journal(path) as journal:
        for event in warnings("1", "2", "3"):
            journal.emit(event)
        reading = read_events(path)
        assert next(reading)[2] == events.Warned("1")
        began = time.monotonic()
        journal.emit(events.Warned("4"))
        assert time.monotonic() - began < 5
        assert [event for _, _, event in reading] == warnings("2", "3", "4")


def test_memory_does_not_grow_with_the_journal(path):
    """A view of a journal of an earlier version, which gathered nothing."""
    peaks = []
    for _ in range(2):
        with closing(sqlite3.connect(path)) as database, database:
            database.executescript(SCHEMA)
            append(database, [as_json(event) for event in steps(0, TOTAL)] * 20)
        tracemalloc.start()
        assert fold((when, event) for _, when, event in read_events(path)).stages["ka"].done == TOTAL - 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_ends(path):
    assert ends(path) == (0.0, 0)
    path.touch()
    assert ends(path) == (0.0, 0)
    before = time.time()
    with Journal(path) as journal:
        for event in warnings("1", "2"):
            journal.emit(event)
    began, last = ends(path)
    assert (before <= began <= time.time(), last) == (True, 2)


@pytest.mark.parametrize("refusal", ["", "not now"])
def test_an_order_is_answered_though_progress_is_gathered(tmp_path, fast, monkeypatch, capsys, refusal):
    """Also where the last row that was there when it was sent is gone when the answer comes."""
    run = Store(tmp_path / ".gradts").create("r-1")
    monkeypatch.setattr(progress, "LONGEST", 0.05)
    ended, of_another = threading.Event(), events.CommandAnswered("cancel", "another's", False, "no")

    def engine(journal: Journal) -> None:
        for event in steps(0, TOTAL) * 10:
            journal.emit(event)
            answer_commands(run, journal, lambda _: journal.emit(of_another) or refusal)
            if ended.is_set():
                return

    with run.locked(), Thick(run.events) as journal:
        journal.emit(events.CommandAnswered("pause", "an earlier one", False, "of old"))
        thread = threading.Thread(target=engine, args=(journal,))
        thread.start()
        failure = within(20, lambda: order(run, Pause()))
        ended.set()
        thread.join()
    assert str(failure or "") == ("run r-1: pause refused: not now" if refusal else "")
    assert capsys.readouterr().out == ("" if refusal else "run r-1: pause accepted\n")
