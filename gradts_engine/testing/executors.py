"""What an executor has to keep to."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gradts_engine.contracts import Executor, ExecutorSpec, Say, Setup
from gradts_engine.errors import WorkerLost
from gradts_engine.testing.puppet import PUPPET, WAIT


class ExecutorContract:
    """Subclass with `spec`, and `load` where the executor can be had with two devices of which nothing is asked but their names.
    The tasks are those of a puppet."""

    spec: ExecutorSpec
    devices: tuple[str, ...] = ("cpu",)

    def load(self, setup: Setup, devices: int) -> Executor:
        """The executor with one device, or with two."""
        return self.spec.load(setup)

    def test_what_a_task_answers_arrives(self) -> None:
        """Workers are made with their arguments, and get the name of a device of the executor; the outcome comes as it was."""
        with closing(self._executor()) as executor:
            task: list[list[Any]] = [["echo", "straße \u2028", None, 0.1], ["device"], ["arguments"]]
            answers = _done(_submit(executor, *task))
            assert answers == ["straße \u2028", None, 0.1, executor.devices[0].name, "any text"]

    def test_a_task_that_fails_has_an_outcome(self) -> None:
        """And the device goes on."""
        with closing(self._executor()) as executor:
            assert json.loads(_submit(executor, ["fail", "no disk"]).result(WAIT))["failure"] == "no disk"
            assert _done(_submit(executor, ["echo", 1])) == [1], "no task runs after one that failed"

    def test_tasks_start_in_their_order_one_at_a_time_on_a_device(self) -> None:
        """Torch's random state belongs to a device: two trainings on it at once could not be repeated."""
        heard: queue.Queue[str] = queue.Queue()
        with closing(self._executor(heard.put)) as executor:
            tasks = [_submit(executor, ["say", [n, "begins"]], ["sleep", 0.005], ["say", [n, "ends"]]) for n in range(8)]
            for task in tasks:
                _done(task)
        said = [json.loads(heard.get(timeout=WAIT)) for _ in range(16)]
        assert [n for n, what in said if what == "begins"] == list(range(8)), "tasks did not start in the order of submission"
        assert said == [[n, what] for n in range(8) for what in ("begins", "ends")], "two tasks ran on one device at once"

    def test_devices_work_side_by_side(self, tmp_path: Path) -> None:
        """As many tasks at once as there are devices, each on one of its own: each waits for a file that the other one makes."""
        one, other = str(tmp_path / "one"), str(tmp_path / "other")
        with closing(self._executor(devices=2)) as executor:
            if len(executor.devices) < 2:
                pytest.skip("one device only")
            tasks = [_submit(executor, ["touch", a], ["wait", b], ["device"]) for a, b in ((one, other), (other, one))]
            used = [_done(task)[0] for task in tasks]
            assert sorted(used) == sorted(device.name for device in executor.devices)

    def test_what_a_task_says_arrives_while_it_runs(self, tmp_path: Path) -> None:
        """And all of it has arrived when its outcome is there."""
        heard: queue.Queue[str] = queue.Queue()
        go_on = tmp_path / "go on"
        with closing(self._executor(heard.put)) as executor:
            task = _submit(executor, ["say", {"half": "ä"}], ["wait", str(go_on)], ["say", {"all": 1}])
            assert json.loads(heard.get(timeout=WAIT)) == {"half": "ä"}
            assert not task.done(), "what the task said arrived when it had ended, not while it ran"
            go_on.touch()
            _done(task)
            assert json.loads(heard.get_nowait()) == {"all": 1}

    def test_orders_reach_a_task_that_runs(self) -> None:
        """And workers that are still to come."""
        heard: queue.Queue[str] = queue.Queue()
        with closing(self._executor(heard.put)) as executor:
            task = _submit(executor, ["say", "ready"], ["order"])
            heard.get(timeout=WAIT)
            executor.order("pause")
            assert _done(task) == ["pause"]
        with closing(self._executor()) as executor:
            executor.order("save")
            assert _done(_submit(executor, ["order"])) == ["save"]

    def test_a_lost_worker_is_replaced_and_its_task_fails(self) -> None:
        """At once: whether it is begun again is for the engine to say. What was ordered before reaches the new worker, too."""
        with closing(self._executor()) as executor:
            if _done(_submit(executor, ["process"])) == [os.getpid()]:
                pytest.skip("the worker is this process, which goes with it")
            executor.order("save")
            lost = _submit(executor, ["die"]).exception(WAIT)
            assert isinstance(lost, WorkerLost), f"a lost worker is told by {lost!r}"
            assert _done(_submit(executor, ["order"])) == ["save"]

    def test_close_waits_for_what_runs_and_cancels_the_rest(self, tmp_path: Path) -> None:
        """Whoever waits for a task that was dropped must not wait for ever. Closing again does nothing."""
        heard: queue.Queue[str] = queue.Queue()
        executor = self._executor(heard.put)
        go_on = tmp_path / "go on"
        first = _submit(executor, ["say", "started"], ["wait", str(go_on)], ["echo", "done"])
        second, third = _submit(executor, ["echo", 2]), _submit(executor, ["echo", 3])
        heard.get(timeout=WAIT)
        assert second.cancel(), "a task that has not started cannot be cancelled"
        threading.Timer(0.1, go_on.touch).start()
        executor.close()
        assert json.loads(first.result(0))["answers"] == ["done"], "close() did not wait for a running task"
        assert third.cancelled(), "close() did not cancel a task that had not started"
        executor.close()

    def _executor(self, hear: Say = lambda record: None, devices: int = 1) -> Executor:
        return self.load(Setup(self.devices, PUPPET, "any text", hear), devices)


def _submit(executor: Executor, *steps: Sequence[Any]) -> Future[str]:
    return executor.submit(json.dumps(steps))


def _done(task: Future[str]) -> list[Any]:
    """The answers of a task that has not failed."""
    outcome = json.loads(task.result(WAIT))
    assert not outcome["failure"], outcome
    return list(outcome["answers"])
