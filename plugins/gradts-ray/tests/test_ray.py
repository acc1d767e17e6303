"""The contract of executors on a Ray of this machine; who can reach it; and workers that die."""

import json
import os
import queue
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import gradts_ray
import psutil
import pytest
from gradts_ray import executor as executor_module
from gradts_ray.cluster import cluster
from gradts_ray.executor import connect

from gradts_engine.contracts import Executor, Setup
from gradts_engine.errors import RunError, UsageError
from gradts_engine.testing import ExecutorContract
from gradts_engine.testing.puppet import PUPPET

LONG = 150
"""Seconds that a new worker may take on a busy machine: it is a process that imports torch."""

pytestmark = pytest.mark.torture  # on a busy machine, a Ray of one's own takes minutes

(SPEC,) = gradts_ray.gradts_executors()


@pytest.fixture(scope="module", autouse=True)
def ray() -> Iterator[None]:
    """One Ray for all tests: it takes seconds to start."""
    with cluster():
        yield


class TestExecutor(ExecutorContract):
    spec = SPEC

    def load(self, setup: Setup, devices: int) -> Executor:
        return connect(setup, devices)


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


def test_a_task_whose_worker_is_killed_is_begun_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """And what was ordered before holds for the new one. A worker that dies at every attempt is an error, not a wait. Ray says
    nothing of it in the terminal."""
    heard: queue.Queue[str] = queue.Queue()
    go_on = tmp_path / "go on"
    with closing(connect(Setup(("cpu",), PUPPET, "", heard.put, folder=tmp_path), 1)) as executor:
        executor.order("save")
        task = executor.submit(json.dumps([["say", "begins"], ["wait", str(go_on)], ["order"]]))
        assert heard.get(timeout=LONG) == '"begins"'
        os.kill(worker(), signal.SIGKILL)
        assert heard.get(timeout=LONG) == '"begins"'
        go_on.touch()
        assert json.loads(task.result(LONG))["answers"] == ["save"]
        task = executor.submit(json.dumps([["say", "begins"], ["wait", str(tmp_path / "never")]]))
        for _ in range(3):
            heard.get(timeout=LONG)
            os.kill(worker(), signal.SIGKILL)
        with pytest.raises(RunError, match="lost 3 times at one task"):
            task.result(LONG)
        assert json.loads(executor.submit(json.dumps([["echo", 1]])).result(LONG))["answers"] == [1]
        assert len(list((tmp_path / "workers").glob("*.jsonl"))) == 4  # a file for each that said something
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "workers").glob("*.jsonl")} == {0o600}
    assert not list(tmp_path.glob("workers/*"))
    assert capfd.readouterr() == ("", "")


def test_a_worker_that_is_stopped_is_replaced_and_what_it_says_later_is_not_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears nothing, not even that it is to end: another process of its node kills it, so that its device is free again."""
    monkeypatch.setattr(executor_module, "SILENCE", 5.0)
    heard: queue.Queue[str] = queue.Queue()
    go_on = tmp_path / "go on"
    with closing(connect(Setup(("cpu",), PUPPET, "", heard.put), 1)) as executor:
        task = executor.submit(json.dumps([["say", "begins"], ["wait", str(go_on)], ["say", "ends"]]))
        assert heard.get(timeout=LONG) == '"begins"'
        stopped = psutil.Process(worker())
        stopped.suspend()
        assert heard.get(timeout=LONG) == '"begins"'
        assert not stopped.is_running() or stopped.status() == psutil.STATUS_ZOMBIE
        go_on.touch()
        task.result(LONG)
        assert [heard.get(timeout=1)] == ['"ends"']
        assert heard.empty()


def test_a_store_that_a_worker_does_not_see_is_refused_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the driver's word is not what the worker reads."""
    written = Path.write_text
    monkeypatch.setattr(Path, "write_text", lambda path, text, **more: written(path, f"{text}, but another", **more))
    with pytest.raises(UsageError, match=r"does not see what is written to .*/workers here: the store has to be"):
        connect(Setup(("cpu",), PUPPET, "", lambda record: None, folder=tmp_path), 1)
    assert not list(tmp_path.glob("workers/*"))


@pytest.mark.parametrize(("devices", "workers", "message"), [(("cuda",), None, "has no GPU"), (("cpu",), 10_000, "has .* CPUs")])
def test_more_than_there_is_is_refused_at_once(devices: tuple[str, ...], workers: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        connect(Setup(devices, PUPPET, "", lambda record: None), workers)
