"""Runs that are put away take with them what only they hold."""

import subprocess
import tarfile

import pytest

from gradts_engine import events, report
from gradts_engine.errors import RunError, UsageError
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.shelving import archive, own, remove_runs
from gradts_engine.runtime.store import Store
from tests.tui.invented import RUN, make


@pytest.fixture
def store(tmp_path):
    """One whole run, and another that uses the scores of two of its tasks."""
    store = Store(tmp_path / ".gradts")
    make(store, "done").write()
    view = store.run(RUN).view()
    with Journal(store.create("other-1").events) as journal:
        for task in ("rte", "mrpc"):
            journal.emit(events.StageFinished("score", task, view.stage("score", task).key, 1.0, True))
    return store


def names(store):
    return {f"{f.parent.name}/{f.name}" for f in store.artifacts.folders()}


def test_what_another_run_needs_stays(store):
    shared = {f"score/{store.run(RUN).view().stage('score', task).key}" for task in ("rte", "mrpc")}
    before = names(store)
    found = own(store, [store.run(RUN)])
    assert {f"{item.path.parent.name}/{item.path.name}" for item in found} == before - shared
    freed = remove_runs(store, [store.run(RUN)])
    assert freed > sum(item.size for item in found)
    assert names(store) == shared
    assert [run.id for run in store.runs()] == ["other-1"]
    remove_runs(store, store.runs())
    assert (names(store), store.runs()) == (set(), [])


def test_checkpoints_of_what_was_not_finished_go_too(store):
    with Journal(store.create("begun-1").events) as journal:
        for key in ("mine", "../../..", "shared"):
            journal.emit(events.StageStarted("tune", f"of {key}", key))
    with Journal(store.create("begun-2").events) as journal:
        journal.emit(events.StageStarted("tune", "of shared", "shared"))
    for key in ("mine", "shared"):
        store.artifacts.workspace("tune", key).put("step", lambda path: path.write_bytes(b"x" * 1000))
    assert remove_runs(store, [store.run("begun-1")]) > 1000
    assert [path.name for path in (store.artifacts.root / "work").iterdir()] == ["tune-shared"]


def test_a_damaged_run_can_be_removed(store):
    store.run("other-1").events.write_bytes(b"no database " * 500)
    with pytest.raises(RunError, match="file is not a database"):
        remove_runs(store, [store.run(RUN)])  # who knows what it needs
    remove_runs(store, [store.run("other-1")])
    remove_runs(store, [store.run(RUN)])
    assert store.runs() == []


def test_a_run_with_an_engine_is_not_touched(store):
    before = names(store)
    with store.run(RUN).locked(), pytest.raises(RunError, match="already"):
        remove_runs(store, [store.run("other-1"), store.run(RUN)])
    assert (names(store), len(store.runs())) == (before, 2)


def test_what_was_packed_comes_back_whole(store, tmp_path):
    before, path = report.results(store, store.run(RUN)), tmp_path / "packed.tar.gz"
    archive(store, [store.run(RUN)], path)
    remove_runs(store, store.runs())
    with pytest.raises(UsageError, match="is there already"):
        archive(store, store.runs(), path)
    with tarfile.open(path) as tar:
        tar.extractall(store.root, filter="data")
    assert report.results(store, store.run(RUN)) == before
    assert not before.warnings
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".") and p.name != ".gradts"] == []


def test_what_is_unpacked_elsewhere_is_private_there(store, tmp_path):
    path, place = tmp_path / "packed.tar.gz", tmp_path / "elsewhere"
    archive(store, store.runs(), path)
    place.mkdir()
    subprocess.run(["tar", "-xf", path, "-C", place], check=True, umask=0)
    assert {item.name for item in place.iterdir()} == {"runs", "artifacts"}
    assert [str(item) for item in place.rglob("*") if item.is_dir() and item.stat().st_mode & 0o077] == []
    assert report.results(Store(place), Store(place).run(RUN)) == report.results(store, store.run(RUN))
