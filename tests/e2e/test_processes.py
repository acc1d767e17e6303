"""Engines as processes: signals, two at once, one that is killed, and one on a terminal."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gradts_engine import events, report
from gradts_engine.runtime.journal import read_events
from gradts_engine.runtime.store import Store


def started(place, *arguments: str) -> "subprocess.Popen[str]":
    """An engine that has just finished its first stages and is in a training."""
    process = place.start("run", str(place.config), *arguments)
    for line in process.stderr:
        if line.startswith("tune pair: epoch 2,"):
            return process
    raise AssertionError(f"the engine ended: {process.wait()}")


def essence(store: Store) -> tuple:
    """What a run has found, to the last bit: tau, trials, choice, scores, and the bytes of all models and matrices."""
    found = report.as_json(report.results(store, store.run(None)))
    for primary in found["primaries"].values():
        del primary["final"]["model"], primary["final"]["predictions"]  # paths
        for trial in primary["trials"]:
            assert trial.pop("seconds") > 0
    artifacts = store.root / "artifacts"
    files = {p.relative_to(artifacts): p.read_bytes() for p in artifacts.rglob("*.safetensors")}
    return found["tau"], found["primaries"], files


def refused_beside(process: "subprocess.Popen[str]", place) -> None:
    """A second engine of the same run, while the first is in the middle of its work for as long as we look."""
    process.send_signal(signal.SIGSTOP)
    try:
        second = place.run()
        assert second.code == 1
        (line,) = (line for line in second.err.splitlines() if "already" in line)
        assert line.startswith(f"run {place.latest.id} is already being worked on: process {process.pid} on ")
        assert "Traceback" not in second.err
        (row,) = place("status --json").json
        assert row["state"] == "running"
        assert row["engine"].startswith(f"process {process.pid} on ")
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGCONT)


def test_a_second_engine_is_refused_and_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(slow, uninterrupted):
    process = started(slow)
    refused_beside(process, slow)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert f"what is finished is kept, go on with: gradts-engine run {slow.config}\n" in err
    assert err.splitlines()[-1] == "interrupted"
    (row,) = slow("status --json").json
    assert (row["state"], row["engine"]) == ("interrupted", "")
    before = {(e.stage, e.subject) for e in slow.news() if isinstance(e, events.StageFinished)}
    assert ("tune", "mood") in before
    assert ("tune", "tags") not in before
    computed = slow.done()
    assert ("tune", "pair") in computed
    assert not computed & before
    events_of_run = [event for _, _, event in read_events(slow.latest.events)]
    (resumed,) = (e for e in events_of_run if isinstance(e, events.StageResumed))
    (stopped,) = (i for i, e in enumerate(events_of_run) if isinstance(e, events.RunEnded) and e.state == "interrupted")
    done = [e.done for e in events_of_run[:stopped] if isinstance(e, events.StageProgress) and e.subject == "pair"]
    assert (resumed.stage, resumed.subject, resumed.total) == ("tune", "pair", 108)
    assert done[-1] <= resumed.done  # not a step is lost, though not each was told
    assert not (slow.store.root / "artifacts" / "work").exists() or not list((slow.store.root / "artifacts" / "work").iterdir())
    assert essence(slow.store) == essence(uninterrupted)
    assert slow("status --json").json[0]["state"] == "done"


@pytest.mark.torture
def test_workers_in_processes_compute_the_same_also_where_they_are_killed(slow, uninterrupted):
    """Each has one thread, as in the run that nothing has interrupted, and the next attempt goes on from the last checkpoint."""
    slow.settings["run"]["workers"] = 2
    slow.write()
    engine = started(slow)
    workers = psutil.Process(engine.pid).children()
    assert len(workers) == 2
    for worker in workers:
        worker.kill()
    _, err = engine.communicate(timeout=240)
    assert engine.returncode == 0, err
    assert essence(slow.store) == essence(uninterrupted)
    assert not [worker for worker in workers if worker.is_running()]
    begun = [e.subject for e in slow.news() if isinstance(e, events.StageStarted) and e.stage == "tune"]
    assert begun.count("pair") == 2


@pytest.mark.torture
def test_two_runs_that_share_their_first_stages(slow, folder, uninterrupted):
    """Two engines compute the same keys for runs of their own, so that either may remove a workspace that the other one writes
    into; one is killed, another takes its place."""
    other = slow.copy(folder / "other")
    other.settings["multitask"]["steps"] = 13  # another run, whose trainings of single tasks are the same
    other.write()
    command = ("run", str(other.config), "--store", str(slow.store.root), "--plain")
    first, killed = slow.start("run", str(slow.config), "--plain"), other.start(*command)
    for line in killed.stderr:
        if line.startswith("tune mood: epoch 3,"):
            break
    killed.kill()
    second = other.start(*command)
    killed.communicate()
    for engine in (first, second):
        _, err = engine.communicate(timeout=240)
        assert engine.returncode == 0, err
    runs = slow.store.runs()
    assert [run.state() for run in runs] == ["done", "done"]
    keys = [run.view().named for run in runs]
    for task in ("mood", "pair", "stars", "tags"):
        assert keys[0]["score", task] == keys[1]["score", task]
        artifact = slow.store.artifacts.find("score", keys[0]["score", task])
        expected = uninterrupted.artifacts.find("score", keys[0]["score", task])
        assert artifact.files == expected.files
    assert list((slow.store.root / "artifacts" / "work").iterdir()) == []


def test_exit_codes_of_the_real_program(place):
    """Settings that are wrong; nothing but the message, and at once."""
    place.config.write_text("[run]\nencoder = 3\n")
    process = place.start("run", str(place.config))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert err.startswith(f"{place.config}:2: run.encoder: got 3")


# --- on a terminal ---------------------------------------------------------------------------------------------------


class Terminal:
    """A tmux session of its own server, 100 columns wide."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "tmux")

    def tmux(self, *arguments: str) -> str:
        environment = os.environ | {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
        command = ["tmux", "-u", "-S", self.socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    def start(self, *command: str) -> None:
        shell = f"{shlex.join(command)}; echo EXIT $?; sleep 600"
        self.tmux("new-session", "-d", "-x", "100", "-y", "40", shell)

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", "Enter")

    def all(self) -> str:
        """Everything on the screen and above it."""
        return self.tmux("capture-pane", "-p", "-S", "-2000")

    def until(self, text: str) -> list[str]:
        """Screens up to the first that shows `text`."""
        screens = []
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            screens.append(self.tmux("capture-pane", "-p"))
            if text in screens[-1]:
                return screens
            time.sleep(0.05)
        raise AssertionError(f"no {text!r} in:\n{self.all()}")


@pytest.fixture
def terminal(tmp_path):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.tmux("kill-server")


def test_a_person_at_a_terminal(slow, terminal):
    slow.settings["selection"]["confirm"] = "ask"
    slow.write()
    terminal.start(sys.executable, "-m", "gradts_engine", "run", str(slow.config))
    screens = terminal.until("Train mood as proposed?")
    bars = [line for screen in screens for line in screen.splitlines() if "━" in line and "tune" in line]
    assert any(f"/{total}" in line for line in bars for total in (36, 108)), "no bars"
    assert "loss" in bars[-1]
    asked = terminal.all()
    found = slow("results --json").json["primaries"]["mood"]
    for trial in found["trials"]:
        assert f"{trial['score']:.4f}" in asked
    assert "━" not in screens[-1]
    terminal.type("nothing")
    terminal.until("candidates are: ")
    assert slow.latest.view().confirmations == {}
    terminal.type("stars,tags")
    terminal.until("EXIT 0")
    shown = terminal.all()
    assert "confirmed for mood by person: stars (36), tags (36)" in shown
    assert f"run {slow.latest.id}: done" in shown
    assert "Traceback" not in shown
    final = slow("results --json").json["primaries"]["mood"]
    assert final["confirmed"] == [{"task": "stars", "instances": 36}, {"task": "tags", "instances": 36}]
    assert f"{final['final']['score']:.4f}" in shown
    assert json.dumps(final["digest"]) == json.dumps(found["digest"])


def test_ctrl_c_at_the_question(ran, terminal):
    ran.settings["selection"]["confirm"] = "ask"
    ran.write()
    terminal.start(sys.executable, "-m", "gradts_engine", "run", str(ran.config))
    terminal.until("Train mood as proposed?")
    terminal.tmux("send-keys", "C-c")
    terminal.until("EXIT 130")
    shown = terminal.all()
    assert "interrupted; the proposal is kept" in shown
    assert "Traceback" not in shown
    assert ran("confirm --yes").code == 0
    assert ran.run().code == 0
