"""Attempts at tasks. One whose worker is lost is begun again, and goes on from its last checkpoint.

Each attempt has a number of its own. Where a network is cut, an attempt that was given up may be at work for a while beside the
one that took its place: only what carries the number of an attempt that is waited for counts. To the store it does no harm. Both
have the same key, so that the first one's result is the result; and a workspace is kept by one of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from typing import Any

from gradts_engine.errors import RunError, WorkerLost
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.jobs import Outcome, Task

ATTEMPTS = 3
"""How often a task is begun, where its worker is lost."""


class Attempts:
    """Has tasks computed by `submit` of an executor; `warn` is told of workers that were lost. Called from any thread."""

    def __init__(self, submit: Callable[[str], Future[str]], warn: Callable[[str], None], control: Control) -> None:
        self._submit = submit
        self._warn = warn
        self._control = control
        self._numbers = count(1)
        self._present: set[int] = set()

    def begin(self, task: Task) -> Future[Outcome]:
        """The outcome of a task. Raises `RunError` where its worker is lost again and again."""
        future: Future[Outcome] = Future()
        self._begin(task, future, 1)
        return future

    def heard(self, record: str) -> dict[str, Any] | None:
        """What a worker has said; None where it is of an attempt that was given up."""
        said: dict[str, Any] = json.loads(record)
        return said if said.pop("attempt", 0) in self._present else None

    def _begin(self, task: Task, future: Future[Outcome], nth: int) -> None:
        number = next(self._numbers)
        self._present.add(number)
        running = self._submit(task.model_copy(update={"attempt": number}).model_dump_json())
        running.add_done_callback(lambda done: self._came(task, number, future, nth, done))

    def _came(self, task: Task, number: int, future: Future[Outcome], nth: int, done: Future[str]) -> None:
        self._present.discard(number)
        what = f"{task.job.stage} {task.job.words}"
        try:
            outcome = Outcome.model_validate_json(done.result())
            if outcome.attempt != number:
                raise RunError(f"{what}: attempt {number} was answered with the outcome of attempt {outcome.attempt}")
            future.set_result(outcome)
        except WorkerLost as lost:
            if self._control.stopping:
                future.cancel()
            elif nth == ATTEMPTS:
                future.set_exception(RunError(f"{what} has lost {ATTEMPTS} workers, the last one: {lost}"))
            else:
                self._again(task, future, nth, f"{what}: a worker was lost ({lost}); another one goes on")
        except BaseException as error:
            future.set_exception(error)

    def _again(self, task: Task, future: Future[Outcome], nth: int, why: str) -> None:
        try:
            self._warn(why)
            self._begin(task, future, nth + 1)
        except BaseException as error:
            future.set_exception(error)
