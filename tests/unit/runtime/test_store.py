import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from gradts_engine import events
from gradts_engine.errors import RunError, UsageError
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.store import RunFolder, Store

START = events.RunStarted("r", "/tasks.toml", "e", ("a", "b"), ("a",), ("cpu",), {}, {})
HOLD = """
import sys, time
from pathlib import Path
from gradts_engine.runtime.store import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / ".gradts")


def happened(run: RunFolder, *what: events.Event) -> None:
    with Journal(run.events) as journal:
        for event in what:
            journal.emit(event)


@contextmanager
def held(run: RunFolder):
    """A child process that holds the run."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(run.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.kill()
        child.communicate()


# --- the lock --------------------------------------------------------------------------------------------------------


def test_one_engine_at_a_time_and_the_second_is_told_of_the_first(store):
    run = store.create("tasks-1")
    assert run.engine() == ""
    with held(run) as child:
        owner = f"process {child.pid} on {socket.gethostname()}, since {time.strftime('%Y-')}"
        assert run.engine().startswith(owner)
        with pytest.raises(RunError, match=f"^run tasks-1 is already being worked on: {owner}"), run.locked():
            pass
        assert run.engine().startswith(owner), "the refused one has changed the lock"
        with store.create("tasks-2").locked():  # another run is free
            pass


def test_the_lock_goes_with_a_process_that_is_killed(store):
    run = store.create("tasks-1")
    with held(run) as child:
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert run.engine() == ""
        with run.locked():
            assert run.engine().startswith(f"process {os.getpid()} on ")
    assert run.engine() == ""


def test_a_reader_that_looks_at_the_lock_does_not_stop_an_engine(store):
    """Readers ask several times a second, at any time; the answer needs the lock for an instant."""
    run = store.create("tasks-1")
    with run.locked():
        pass
    with (run.path / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (file, fcntl.LOCK_UN)).start()
        with run.locked():
            assert run.engine()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": 1}'])
def test_a_lock_without_a_name(store, text):
    run = store.create("tasks-1")
    with held(run):
        (run.path / "lock").write_text(text)
        assert run.engine() == "another process"


def test_who_holds_the_lock_is_written_in_json(store):
    run = store.create("tasks-1")
    (run.path / "lock").write_text("what an earlier engine left, which was longer than what the present one writes" * 9)
    with run.locked():
        owner = json.loads((run.path / "lock").read_text())
    assert (owner["pid"], owner["host"]) == (os.getpid(), socket.gethostname())
    assert set(owner) == {"host", "pid", "start", "boot", "since"}
    assert (run.path / "lock").read_text() == ""  # let go: it names nobody


# --- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "state", "held"),
    [
        ([], "died", "starting"),
        ([START], "died", "running"),
        ([START, events.StageStarted("tune", "a", "k")], "died", "running"),
        ([START, events.RunEnded("done")], "done", "starting"),
        ([START, events.RunEnded("waiting")], "waiting", "starting"),
        ([START, events.RunEnded("interrupted")], "interrupted", "starting"),
        ([START, events.RunEnded("failed", "why")], "failed", "starting"),
        ([START, events.RunEnded("cancelled")], "cancelled", "starting"),
        ([START, events.RunPaused()], "died", "paused"),
        ([START, events.RunEnded("done"), START], "died", "running"),
    ],
)
def test_the_state_of_a_run(store, what, state, held):
    run = store.create("tasks-1")
    happened(run, *what)
    assert run.state() == state
    with run.locked():
        assert run.state() == held
    assert run.state() == state


# --- runs ------------------------------------------------------------------------------------------------------------


def test_runs_by_name_by_first_letters_and_by_their_last_event(store):
    names = ["tasks-12ab", "tasks-12cd", "tasks-3", "other-1", "tasks-12"]
    for age, name in enumerate(names):
        run = store.create(name)
        happened(run, START)
        os.utime(run.events, (1000 - age, 1000 - age))
    store.create("never-started")
    assert [run.id for run in store.runs()] == names
    assert store.run(None).id == "tasks-12ab"
    happened(store.run("tasks-3"), events.Warned("later"))
    assert store.run(None).id == "tasks-3"
    assert store.run("tasks-12c").id == "tasks-12cd"
    assert store.run("other").id == "other-1"
    assert store.run("tasks-12").id == "tasks-12"  # a whole name, though others begin with it
    with pytest.raises(UsageError, match=r"^'tasks-1' is the beginning of several runs: ") as caught:
        store.run("tasks-1")
    assert all(name in str(caught.value) for name in ("tasks-12ab", "tasks-12cd"))
    assert "tasks-3" not in str(caught.value)


def test_a_run_that_is_not_there(store):
    with pytest.raises(UsageError, match=r"^no runs in .*\.gradts: start one with `gradts-engine run tasks\.toml`"):
        store.run(None)
    happened(store.create("tasks-12ab"), START)
    with pytest.raises(UsageError, match=r"^unknown run 'tasks-12xb'; did you mean 'tasks-12ab'\? \(in .*\.gradts\)"):
        store.run("tasks-12xb")


def test_a_store_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made: Not a directory; choose another place with --store"):
        Store(tmp_path / "file").create("tasks-1")


def test_folders_are_the_users_own(store):
    run = store.create("tasks-1")
    assert [path.stat().st_mode & 0o777 for path in (run.path, run.inbox, run.models)] == [0o700] * 3
    assert store.create("tasks-1") == run
