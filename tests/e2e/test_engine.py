"""An engine that runs by itself: started, followed, paused, stopped and gone on with from other shells, and by signals."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

from gradts_engine import events
from gradts_engine.errors import RunError, UsageError
from gradts_engine.runtime.detach import launch
from gradts_engine.runtime.inbox import Cancel, Confirm, Pause, send
from gradts_engine.runtime.lock import hold


def until(what: Callable[[], object], seconds: float = 60.0) -> object:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def stages(place, state: str = "running") -> list[tuple[str, str]]:
    return [(s.name, s.subject) for s in place.latest.view().stages.values() if s.state == state]


@pytest.fixture
def long(slow):
    """A fresh place with trainings that are never through while a test looks."""
    slow.settings["training"]["epochs"] = 2000
    slow.write()
    return slow


@pytest.fixture
def detached(long):
    """`long`, with a detached engine in a training."""
    launched = launch(long.config, long.store.root)
    until(lambda: ("tune", "mood") in stages(long))
    yield long, launched
    if long.latest.engine():
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(launched.pid, signal.SIGKILL)
        until(lambda: not long.latest.engine())


def test_it_has_a_log_and_a_name_of_its_own_and_confirm_goes_on_with_the_run_by_itself(ran):
    ran.settings["selection"]["confirm"] = "ask"
    ran.write()
    process = ran.start("run", str(ran.config), "--store", str(ran.store.root), "--detach")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    launched = json.loads(out)
    assert set(launched) == {"run", "pid", "store", "log"}
    folder = ran.store.folder(launched["run"])
    assert err.startswith(f"reading 4 tasks and loading {ran.settings['run']['encoder']}\n")
    assert launched["store"] == str(ran.store.root)
    assert ran("attach", launched["run"]).code == 3
    assert folder.engine() == ""  # nobody waits: no process, no memory
    result = ran("confirm --alone --yes --detach")
    assert result.code == 0, result.err
    assert json.loads(result.out.splitlines()[-1])["run"] == launched["run"]
    attached = ran("attach", launched["run"])
    assert attached.code == 0
    assert "model of mood: dev " in attached.err
    assert f"run {folder.id}: done" in attached.out
    assert folder.state() == "done"
    assert ran("results --json").json["primaries"]["mood"]["confirmed"] == []
    log = folder.log.read_text()
    assert log.startswith("reading 4 tasks")
    assert f"model of mood: dev {folder.view().finals['mood'].score:.4f}" in log
    assert folder.log.stat().st_mode & 0o777 == 0o600


def test_what_is_wrong_comes_back_to_who_started_it(place):
    place.config.write_text("[run]\nencoder = 3\n")
    result = place.run("--detach")
    assert result.code == 2
    assert result.line.startswith(f"{place.config}:2: run.encoder: got 3")
    with pytest.raises(UsageError, match="no such file"):
        launch(place.folder / "nothing.toml", place.store.root)
    assert place.store.runs() == []


def seems_to_hang(place) -> bool:
    """Until its next sign of life, which may come before one has looked."""
    os.utime(place.latest.lock, (1e9, 1e9))
    return "no sign of life for " in place("status --json").json[0]["engine"]


def done_after(place, seconds: float) -> int:
    """Steps of a training that are done after a while."""
    time.sleep(seconds)
    return place.latest.view().stage("tune", "mood").done


def test_it_is_looked_after_from_elsewhere(detached):
    place, launched = detached
    assert os.getsid(launched.pid) == launched.pid != os.getsid(0)
    with pytest.raises(RunError, match=rf"^run {launched.run} is already being worked on: process {launched.pid} on "):
        launch(place.config, place.store.root)
    (row,) = place("status --json").json
    assert (row["state"], row["run"]) == ("running", launched.run)
    assert f"{launched.pid} on " in place("status").out
    until(lambda: seems_to_hang(place))
    assert f"{launched.pid} on " in place("status").out
    # pause and resume
    assert place("pause").out == f"run {launched.run}: pause accepted\n"
    assert place("status --json").json[0]["state"] == "paused"
    until(lambda: done_after(place, 0.0) == done_after(place, 0.5))  # the present step
    done = done_after(place, 0.0)
    assert done_after(place, 0.5) == done
    assert place("pause").out == f"run {launched.run}: pause accepted\n", "once more changes nothing"
    assert place("status --json").json[0]["state"] == "paused"
    assert place("resume").out == f"run {launched.run}: resume accepted\n"
    assert place.latest.state() == "running"
    until(lambda: place.latest.view().stage("tune", "mood").done > done)
    assert place("resume").out == f"run {launched.run}: resume accepted\n"
    # leaving what one follows stops nothing
    follower = place.start("attach", "--store", str(place.store.root))
    until(lambda: "tune mood: epoch" in follower.stderr.readline())
    follower.send_signal(signal.SIGINT)
    _, err = follower.communicate(timeout=60)
    assert follower.returncode == 0
    assert f"left; the run goes on, stop it with: gradts-engine cancel {launched.run} --store {place.store.root}" in err
    assert place.latest.state() == "running"
    # cancel ends one that is paused too, and who follows is told
    assert place("pause").code == 0
    follower = place.start("attach", "--store", str(place.store.root))
    until(lambda: "tune mood: epoch" in follower.stderr.readline())
    assert place("cancel", launched.run).out == f"run {launched.run}: cancel accepted\n"
    until(lambda: not place.latest.engine())
    assert place.latest.state() == "cancelled"
    out, err = follower.communicate(timeout=60)
    assert (follower.returncode, out) == (4, "")
    assert err.splitlines()[-1] == f"run {launched.run}: cancelled"
    for command in ("cancel", "pause"):
        assert place(command, launched.run).line == f"no engine works on run {launched.run}, which is cancelled"
        assert place(command).line == f"no engine is running in {place.store.root}"


def test_who_follows_for_nobody_leaves_and_a_second_signal_ends_the_engine_at_once(long):
    """Both signals arrive while it is suspended, as from a job scheduler, so that it has not yet obeyed the first."""
    process = long.start("run", str(long.config))
    until(lambda: "tune mood: epoch" in process.stderr.readline())
    follower = long.start("attach", "--plain", "--store", str(long.store.root))
    assert follower.stderr.readline().startswith("run ")
    follower.stderr.close()
    assert follower.wait(timeout=60) == 141
    assert long.latest.state() == "running"
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    result = long("attach")  # who follows an engine that has not said goodbye is told
    assert result.code == 1
    assert result.err.splitlines()[-1] == f"the engine of run {long.latest.id} died; give the run's command again to go on"
    (row,) = long("status --json").json
    assert (row["state"], row["engine"]) == ("died", "")


def test_an_engine_is_not_stopped_by_what_was_sent_to_one_before_it(ran):
    ran.news()
    old = [Cancel(), Pause()]
    for command in old:
        send(ran.latest.inbox, command)
    assert ran.run().code == 0
    answers = {e.id: e for e in ran.news() if isinstance(e, events.CommandAnswered)}
    assert {command.id for command in old} == set(answers)
    assert {(a.accepted, a.reason) for a in answers.values()} == {(False, "the engine it was sent to has ended")}
    assert list(ran.latest.inbox.iterdir()) == []


def test_who_follows_an_engine_to_its_end_is_back_when_it_is_gone(ran):
    """So that what is asked next is not asked of an engine that has said its last word."""
    lock = ExitStack()
    lock.enter_context(hold(ran.latest.lock, ran.latest.id))
    threading.Timer(2, lock.close).start()
    assert ran("attach").code == 0
    assert ran.latest.engine() == ""


def test_a_confirmation_is_answered_by_an_engine_at_work(ran):
    """One primary is being tried, and the proposal for the other is there already."""
    ran.settings["run"]["primary"] = ["mood", "pair"]
    ran.settings["selection"]["confirm"] = "ask"
    ran.settings["multitask"]["steps"] = 120
    ran.write()
    launched = launch(ran.config, ran.store.root)
    try:
        view = until(lambda: (v := ran.store.folder(launched.run).view()).proposals and v)
        ran.suspend(launched.pid, commands=2)
        ((primary, proposal),) = view.proposals.items()
        wrong = Confirm(primary=primary, digest="0" * 64)
        send(ran.store.folder(launched.run).inbox, wrong)
        assert ran(f"confirm --primary {primary} --alone --yes").out.endswith("confirm accepted\n")
        view = ran.store.folder(launched.run).view()
        assert not view.answers[wrong.id].accepted
        assert view.confirmed(primary).digest == proposal.digest
    finally:
        ran("attach")


# --- signals ---------------------------------------------------------------------------------------------------------


def test_a_signal_stops_it_after_its_step(long):
    """SIGTERM, as from a job scheduler; Ctrl+C is tried in test_processes.py."""
    process = long.start("run", str(long.config))
    until(lambda: "tune mood: epoch" in process.stderr.readline())
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err.splitlines()[-1] == "terminated"
    assert long.latest.state() == "interrupted"


def test_a_pipe_that_nobody_reads_stops_nothing(ran):
    """`| head`: the engine prints long after its reader has gone, and its exit code is that of the run."""
    ran.settings["selection"]["strategy"] = "all"
    ran.write()
    before = ran.latest.id
    command = shlex.join([sys.executable, "-m", "gradts_engine", "run", str(ran.config), "--store", str(ran.store.root)])
    shell = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} 2>&1 | head -3"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert (shell.returncode, shell.stderr) == (0, "")
    assert len(shell.stdout.splitlines()) == 3
    view = ran.latest.view()
    assert (view.state, ran.latest.id != before) == ("done", True)
    assert not [warning for warning in view.warnings if "rows with the text" not in warning]
    assert view.finals
    assert not ran.latest.engine()


def test_what_is_asked_for_is_printed_as_far_as_it_is_read(ran):
    """Listings into a pipe that is closed: neither an error nor a traceback."""
    for command in ("results", "results --json", "status"):
        process = ran.start(*command.split())
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 0


def test_a_terminal_that_goes_away_stops_nothing(place):
    """An engine in the foreground of a terminal that closes: SIGHUP, and nowhere to write to."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "gradts_engine", "run", str(place.config)]
    attach = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", attach, *command],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    os.close(follower)
    until(lambda: place.store.runs() and ("tune", "mood") in place.latest.view().named)
    os.close(leader)
    assert process.wait(timeout=120) == 0
    view = place.latest.view()
    assert view.state == "done"
    assert view.finals
