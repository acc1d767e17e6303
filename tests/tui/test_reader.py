"""The reader thread's looks at a store."""

import os
import shutil
import time
from dataclasses import replace

import pytest

from gradts_engine import events
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.shelving import remove_runs
from gradts_engine.runtime.store import Store
from gradts_tui import reader as reader_module
from gradts_tui.evidence import Evidence
from gradts_tui.reader import Reader
from gradts_tui.shelf import Shelf

NOW = 1_790_000_000.0


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / ".gradts")


@pytest.fixture
def reader(store):
    return Reader(store, lambda: NOW)


def work(store: Store, *happened: events.Event, name: str = "demo-1") -> None:
    """What an engine does that says this."""
    run = store.create(name)
    with run.locked(), Journal(run.events) as journal:
        for event in happened:
            journal.emit(event)


def warned(count: int) -> list[events.Event]:
    return [events.Warned(f"event {i}") for i in range(count)]


def same(seen, store: Store) -> bool:
    """Whether a look shows what somebody sees who has just begun to look."""
    return replace(seen, now=NOW) == Reader(store, lambda: NOW).look()


def test_looks_add_up(store, reader):
    for i in range(3):
        work(store, events.Warned(str(i)), *(events.StageProgress("tune", "a", i, 9, 0.5, "k") for i in range(9)))
        assert same(reader.look(), store)
    (run,) = reader.look().runs
    assert [line.text for line in run.log] == [f"warning: {i}" for i in range(3)]


@pytest.mark.parametrize("looked", [True, False])
@pytest.mark.parametrize("after", [5, 40])
def test_a_run_that_is_made_again_under_the_same_name(store, reader, looked, after):
    """After `runs rm`, the same tasks.toml is another run of that name, be it shorter or longer, seen to be gone or not."""
    work(store, *warned(20), events.RunEnded("done"))
    assert reader.look().run("demo-1").state == "done"
    remove_runs(store, [store.folder("demo-1")])
    if looked:
        assert reader.look().runs == ()
    work(store, *warned(after), events.RunEnded("failed"))
    assert same(reader.look(), store)
    run = reader.look().run("demo-1")
    assert (run.state, run.seq, len(run.log)) == ("failed", after + 1, after + 1)


def test_results_are_of_the_run_that_is_there_now(store, reader):
    """A run that was made again has the same name, and may have come as far."""
    started = events.RunStarted("demo-1", "/t", "e", ("a", "b"), ("a",), ("cpu",), {}, {})
    shelf = Shelf(lambda: None)
    evidence = Evidence(store, shelf)
    for auxiliaries in ({"b": 9}, {}):
        work(store, started, events.Proposed("a", "d", {}), events.Confirmed("a", "d", auxiliaries, "person"))
        run = reader.look().run("demo-1")
        deadline = time.monotonic() + 30
        while (found := evidence.results(run)) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [chosen.task for chosen in found.primaries["a"].confirmed] == list(auxiliaries)
        remove_runs(store, [store.folder("demo-1")])
    shelf.close()


def test_made_again_in_the_same_place_of_the_disk(store, reader):
    """A file system may give the new file the number of the old one."""
    work(store, *warned(3))
    reader.look()
    path = store.folder("demo-1").events
    number, copy = path.stat().st_ino, path.with_name("other")
    with Journal(copy) as journal:
        for event in [*warned(6), events.RunEnded("failed")]:
            journal.emit(event)
    path.write_bytes(copy.read_bytes())
    assert path.stat().st_ino == number
    assert same(reader.look(), store)


def test_what_is_gone_is_forgotten(store, reader):
    work(store, *warned(1), name="one-1")
    work(store, *warned(2), name="two-1")
    reader.look()
    shutil.rmtree(store.folder("one-1").path)
    assert [run.id for run in reader.look().runs] == ["two-1"]
    assert list(reader._known) == ["two-1"]


def test_a_file_that_was_only_copied_is_the_same_run(store, reader):
    work(store, *warned(5))
    before = reader.look().run("demo-1")
    path = store.folder("demo-1").events
    shutil.copy(path, path.with_name("copy"))
    os.replace(path.with_name("copy"), path)
    work(store, *warned(1))
    after = reader.look().run("demo-1")
    assert after.log[:5] == before.log
    assert same(reader.look(), store)


def test_many_events_are_folded_in_parts(store, reader, monkeypatch):
    monkeypatch.setattr(reader_module, "CHUNK", 4)
    work(store, events.RunStarted("r", "/t.toml", "e", ("a",), ("a",), ("cpu",), {}, {}), *warned(11), events.RunEnded("done"))
    in_parts = reader.look()
    monkeypatch.undo()
    assert same(in_parts, store)


def test_a_run_that_cannot_be_read_is_shown_and_read_again(store, reader):
    work(store, *warned(2))
    path = store.folder("demo-1").events
    whole = path.read_bytes()
    reader.look()
    path.write_bytes(b"no database at all, though long enough for a header " * 40)
    assert "cannot be read" in reader.look().run("demo-1").problem
    path.write_bytes(whole)
    work(store, *warned(1))
    assert reader.look().run("demo-1").problem == ""
    assert same(reader.look(), store)
