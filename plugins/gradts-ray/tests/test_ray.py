"""The contract of executors on a Ray of this machine; who can reach it; and workers that die."""

import fcntl
import json
import queue
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import gradts_ray
import psutil
import pytest
from gradts_ray import executor as executor_module
from gradts_ray.cluster import HELD, cluster, sweep
from gradts_ray.executor import connect

from gradts_engine.contracts import Executor, Setup
from gradts_engine.errors import UsageError, WorkerLost
from gradts_engine.runtime import artifacts
from gradts_engine.runtime.executors import native_formats
from gradts_engine.testing import ExecutorContract
from gradts_engine.testing.puppet import PUPPET

LONG = 150
"""Seconds that a new worker may take on a busy machine: it is a process that imports torch."""

(SPEC,) = gradts_ray.gradts_executors()


@pytest.fixture(scope="module", autouse=True)
def ray() -> Iterator[None]:
    """One Ray for all tests: it takes seconds to start."""
    with cluster():
        yield


class TestExecutor(ExecutorContract):
    spec = SPEC

    def load(self, setup: Setup, devices: int) -> Executor:
        return connect(replace(setup, workers=devices))


def test_nobody_outside_this_machine_can_reach_it() -> None:
    me, ports = psutil.Process(), set[str]()
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # a worker of an earlier test that has just ended
            ports |= {c.laddr.ip for c in process.net_connections("tcp") if c.status == "LISTEN"}
    assert ports
    assert {ip.removeprefix("::ffff:") for ip in ports} <= {"127.0.0.1", "::1"}


def worker() -> int:
    """The process of the one actor."""
    (actor,) = (p.pid for p in psutil.Process().children(recursive=True) if p.name().startswith("ray::Actor"))
    return actor


def test_what_workers_say_is_in_a_file_of_each_while_the_run_lasts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also of one that was killed, which Ray does not mention in the terminal. The worker itself says what it computes in."""
    with closing(connect(Setup(("cpu",), PUPPET, "", lambda record: None, folder=tmp_path))) as executor:
        assert [device.formats for device in executor.devices] == [native_formats("cpu")]
        with pytest.raises(WorkerLost):
            executor.submit(json.dumps([["say", "begins"], ["die"]])).result(LONG)
        executor.submit(json.dumps([["say", "begins"]])).result(LONG)
        files = (tmp_path / "workers").glob("*.jsonl")
        assert [path.read_text() for path in files] == ['"begins"\n'] * 2
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "workers").glob("*.jsonl")} == {0o600}
    assert not list(tmp_path.glob("workers/*"))
    assert capfd.readouterr() == ("", "")


def test_a_worker_that_is_stopped_is_replaced_and_what_it_says_later_is_not_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears nothing, not even that it is to end: another process of its node kills it, so that its device is free again."""
    monkeypatch.setattr(executor_module, "SILENCE", 2.0)
    heard: queue.Queue[str] = queue.Queue()
    go_on = tmp_path / "go on"
    with closing(connect(Setup(("cpu",), PUPPET, "", heard.put))) as executor:
        task = executor.submit(json.dumps([["say", "begins"], ["wait", str(go_on)], ["say", "ends"]]))
        assert heard.get(timeout=LONG) == '"begins"'
        stopped = psutil.Process(worker())
        stopped.suspend()
        with pytest.raises(WorkerLost):
            task.result(LONG)
        go_on.touch()
        psutil.wait_procs([stopped], timeout=LONG)
        assert not stopped.is_running()
        assert json.loads(executor.submit(json.dumps([["echo", 1]])).result(LONG))["answers"] == [1]
        assert heard.empty()


def test_a_store_that_a_worker_does_not_share_is_refused_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the path leads to another folder in each process."""
    monkeypatch.setattr(artifacts, "LATE", 0.5)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"writes to /proc/self/cwd/workers is not seen here: the store has to be"):
        connect(Setup(("cpu",), PUPPET, "", lambda record: None, folder=Path("/proc/self/cwd")))
    assert not list(tmp_path.glob("workers/*"))


def test_folders_of_killed_engines_are_removed_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("gradts-dead", "gradts-alive", "gradts-other"):
        (tmp_path / name).mkdir()
    (tmp_path / "gradts-dead" / HELD).touch()
    with (tmp_path / "gradts-alive" / HELD).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        sweep()
    assert {path.name for path in tmp_path.iterdir()} == {"gradts-alive", "gradts-other"}


@pytest.mark.parametrize(("devices", "workers", "message"), [(("cuda",), None, "has no GPU"), (("cpu",), 10_000, "has .* CPUs")])
def test_more_than_there_is_is_refused_at_once(devices: tuple[str, ...], workers: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        connect(Setup(devices, PUPPET, "", lambda record: None, workers=workers))


def test_a_process_can_start_a_ray_of_its_own_again() -> None:
    """A notebook, or a program that makes two runs."""
    code = "from gradts_ray.cluster import cluster, ray\nfor _ in 'ab':\n with cluster():\n  assert len(ray.nodes()) == 1"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LONG)
