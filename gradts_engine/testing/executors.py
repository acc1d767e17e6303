"""What an executor has to keep to."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import closing

from gradts_engine.contracts import Executor, ExecutorSpec

WAIT = 30
"""Seconds until a job that does not come is given up."""


class ExecutorContract:
    """Subclass with `spec`. Jobs are closures of this process."""

    spec: ExecutorSpec
    devices: Sequence[str] = ("cpu",)
    two_devices: Sequence[str] = ("cuda:0", "cuda:1")
    """Names alone: nothing is computed on them."""

    def test_jobs_run_with_a_device_and_hand_over_their_result(self) -> None:
        """The result of `job(device)`, or its exception, arrives in the future."""
        with closing(self._load()) as executor:
            assert tuple(executor.devices) == tuple(self.devices)
            assert executor.submit(lambda device: device.upper()).result(WAIT) == self.devices[0].upper()

            def fail(device: str) -> None:
                raise OSError("no disk")

            assert isinstance(executor.submit(fail).exception(WAIT), OSError)
            assert executor.submit(lambda device: 1).result(WAIT) == 1, "no job runs after one that failed"

    def test_jobs_start_in_their_order_one_at_a_time_on_a_device(self) -> None:
        """Torch's random state belongs to a device: two jobs on it at once could not be repeated."""
        started: list[int] = []
        running: list[int] = []

        def job(number: int) -> Callable[[str], int]:
            def run(device: str) -> int:
                started.append(number)
                running.append(number)
                most = len(running)
                threading.Event().wait(0.005)
                running.remove(number)
                return most

            return run

        with closing(self._load()) as executor:
            futures = [executor.submit(job(number)) for number in range(8)]
            assert [future.result(WAIT) for future in futures] == [1] * 8, "two jobs ran on one device at once"
        assert started == list(range(8)), "jobs did not start in the order of submission"

    def test_devices_work_side_by_side(self) -> None:
        """As many jobs at once as there are devices, each on one of its own."""
        together = threading.Barrier(len(self.two_devices))

        def job(device: str) -> str:
            together.wait(WAIT)
            return device

        with closing(self.spec.load(self.two_devices)) as executor:
            futures = [executor.submit(job) for _ in range(2 * len(self.two_devices))]
            used = [future.result(WAIT) for future in futures]
        assert sorted(used) == sorted([*self.two_devices] * 2)

    def test_what_a_job_says_arrives_while_it_runs(self) -> None:
        """Progress is a call from inside the job, seen before the job has ended."""
        said: queue.Queue[str] = queue.Queue()
        go_on = threading.Event()

        def job(device: str) -> str:
            said.put("half")
            assert go_on.wait(WAIT), "nobody has seen the progress"
            return "done"

        with closing(self._load()) as executor:
            future = executor.submit(job)
            assert said.get(timeout=WAIT) == "half"
            assert not future.done(), "what the job said arrived when it had ended, not while it ran"
            go_on.set()
            assert future.result(WAIT) == "done"

    def test_close_waits_for_what_runs_and_cancels_the_rest(self) -> None:
        """Whoever waits for a job that was dropped must not wait for ever."""
        executor = self._load()
        started, go_on = threading.Event(), threading.Event()

        def job(device: str) -> str:
            started.set()
            assert go_on.wait(WAIT)
            return "done"

        first, second, third = executor.submit(job), executor.submit(job), executor.submit(job)
        assert started.wait(WAIT)
        assert second.cancel(), "a job that has not started cannot be cancelled"
        timer = threading.Timer(0.1, go_on.set)
        timer.start()
        executor.close()
        assert first.result(0) == "done", "close() did not wait for a running job"
        assert third.cancelled(), "close() did not cancel a job that had not started"

    def _load(self) -> Executor:
        return self.spec.load(self.devices)
