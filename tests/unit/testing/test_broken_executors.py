"""Executors and tasks that break their contracts are found out."""

import inspect
import json
import queue
import random
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradts_engine.contracts import Device, ExecutorSpec, Setup, TaskSpec
from gradts_engine.runtime.executors import ThreadExecutor
from gradts_engine.testing import ExecutorContract, TaskContract
from tests.unit.testing.breaking import broken


class Eager(ThreadExecutor):
    """Two tasks at once on a device, in no order."""

    def __init__(self, setup: Setup) -> None:
        super().__init__([Device("cpu")], setup)
        self._pool = ThreadPoolExecutor(4)

    def submit(self, task: str) -> Future[str]:
        return self._pool.submit(self._workers[0].work, task, "cpu", self._hear)


class AtOnce(ThreadExecutor):
    """Runs a task when it is submitted, in the caller's thread."""

    def __init__(self, setup: Setup) -> None:
        super().__init__([Device("cpu")], setup)

    def submit(self, task: str) -> Future[str]:
        future: Future[str] = Future()
        future.set_result(self._workers[0].work(task, "cpu", self._hear))
        return future


class Deaf(ThreadExecutor):
    """Gives no orders, and keeps what is said to itself."""

    def __init__(self, setup: Setup) -> None:
        super().__init__([Device("cpu")], replace(setup, hear=lambda record: None))

    def order(self, order: str) -> None:
        pass


class Vague(ThreadExecutor):
    """Does not say that a worker is lost."""

    def __init__(self, setup: Setup) -> None:
        super().__init__([Device("cpu")], setup)
        self._pool = ThreadPoolExecutor(1)

    def submit(self, task: str) -> Future[str]:
        return self._pool.submit(self._lose if "die" in task else self._answer)

    def _answer(self) -> str:
        return json.dumps({"answers": ["the number of another process"], "failure": ""})

    def _lose(self) -> str:
        raise OSError("broken pipe")


class Hasty(ThreadExecutor):
    """Does not wait for what runs."""

    def __init__(self, setup: Setup) -> None:
        super().__init__([Device("cpu")], setup)

    def close(self) -> None:
        self._drop()


@pytest.mark.parametrize(
    ("executor", "test", "message"),
    [
        (Eager, "test_tasks_start_in_their_order_one_at_a_time_on_a_device", None),
        (Vague, "test_a_lost_worker_is_replaced_and_its_task_fails", "a lost worker is told by OSError"),
        (AtOnce, "test_what_a_task_says_arrives_while_it_runs", "nobody has made"),
        (Deaf, "test_orders_reach_a_task_that_runs", None),
        (Hasty, "test_close_waits_for_what_runs_and_cancels_the_rest", None),
    ],
)
def test_broken_executors(executor: Any, test: str, message: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("executors", "puppet"):
        monkeypatch.setattr(f"gradts_engine.testing.{module}.WAIT", 0.3)
    contract = ExecutorContract()
    contract.spec = ExecutorSpec(name="broken", load=executor)
    method = getattr(contract, test)
    with pytest.raises((AssertionError, queue.Empty, TimeoutError), match=message):
        method(*[tmp_path] * (len(inspect.signature(method).parameters)))


def task(**changes: Any) -> TaskSpec:
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
    fields = {"type": "classification", "train": lambda: rows, "dev": lambda: rows, "description": "d", "licence": "l"}
    return TaskSpec(name="mine", **(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "clasification"}, "unknown type 'clasification'"),
        ({"text": ("a", "b", "c")}, "3 text columns"),
        ({"metric": "pearson"}, "unknown metric 'pearson'"),
        ({"dev": None}, "neither dev nor dev_fraction"),
        ({"licence": ""}, "has no licence"),
    ],
)
def test_broken_tasks(changes: dict[str, Any], message: str) -> None:
    broken(TaskContract, "test_they_can_be_named_in_a_tasks_toml", message, tasks=[task(**changes)])


def test_a_task_of_which_every_reading_is_another() -> None:
    def rows() -> list[dict[str, Any]]:
        return [{"text": str(random.random()), "label": label} for label in "xy"]

    broken(TaskContract, "test_their_rows_can_be_read", "gives other rows", tasks=[task(train=rows)])


def test_data_that_are_not_there_skip_with_the_reason() -> None:
    contract = TaskContract()
    contract.tasks = [task(train="/no/such/rows.jsonl")]
    with pytest.raises(pytest.skip.Exception, match=r"/no/such/rows.jsonl: no such file"):
        contract.test_their_rows_can_be_read()
