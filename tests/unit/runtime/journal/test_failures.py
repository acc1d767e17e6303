"""Whatever goes wrong with a journal, who emits is told."""

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
from gradts_engine.runtime.journal import Journal
from tests.unit.runtime.journal.reading import TRIAL, as_json, read, warnings, within


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
