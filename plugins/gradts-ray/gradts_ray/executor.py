"""On the driver's side: one actor a device, a thread that looks after each, and a new attempt where one is lost."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from gradts_engine.contracts import Device, Order, Setup
from gradts_engine.errors import RunError, UsageError
from gradts_engine.runtime.executors import native_formats
from gradts_ray.actor import Actor
from gradts_ray.cluster import cluster, ray

ATTEMPTS = 3
"""How often a task is begun, where its worker dies: it goes on from its last checkpoint."""
SILENCE = 30.0
"""Seconds without an answer after which an actor is taken for dead, and killed."""
PLACING = 120.0
"""Seconds that a new actor may take to be there."""

ONCE = {"max_restarts": 0, "max_task_retries": 0, "concurrency_groups": {"orders": 1, "records": 1}}
"""Retries are ours: a new attempt is a new actor."""

Waiting = tuple[str, "Future[str]"]


def connect(setup: Setup, workers: int | None = None) -> RayExecutor:
    """An executor for the GPUs of the cluster, or for one CPU worker a node (`workers` in all)."""
    with ExitStack() as stack:
        stack.enter_context(cluster())
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0))
        wanted = set(setup.devices)
        needs: dict[str, Any]
        if not wanted <= {"auto", "cpu", "cuda"}:
            raise UsageError(f"run.devices: on Ray it is auto, cpu or cuda, and not {', '.join(sorted(wanted))}")
        if "cuda" in wanted and not gpus:
            raise UsageError("run.devices: the Ray cluster has no GPU")
        if gpus and "cpu" not in wanted:
            formats = ray.get(ray.remote(num_gpus=1, num_cpus=0)(native_formats).remote("cuda:0"), timeout=PLACING)
            devices, needs = [Device("cuda:0", formats)] * gpus, {"num_gpus": 1, "num_cpus": 0}
        else:
            nodes = sum(node["Alive"] for node in ray.nodes())
            devices, needs = [Device("cpu")] * (workers or nodes), {"num_cpus": 1, "scheduling_strategy": "SPREAD"}
        if needs["num_cpus"] and there.get("CPU", 0) < len(devices):
            raise UsageError(f"the Ray cluster has {there.get('CPU', 0):.0f} CPUs, and not the {len(devices)} that are asked for")
        try:
            executor = RayExecutor(devices, needs, setup)
        except ray.exceptions.RayError as error:
            raise RunError(f"no worker can be made on the Ray cluster: {' '.join(str(error).split())[:300]}") from error
        executor.held = stack.pop_all()
        return executor
    raise AssertionError("the stack swallows no error")


class RayExecutor:
    """Keeps to `gradts_engine.contracts.Executor`. A result counts only if it is of the present attempt: an actor that is given
    up is killed, and nobody asks for what it computed."""

    def __init__(self, devices: list[Device], needs: dict[str, Any], setup: Setup) -> None:
        self.devices = tuple(devices)
        self._needs = needs
        self._setup = setup
        self.held = ExitStack()
        """What is given back at the end."""
        self._tasks: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._orders: list[Order] = []
        self._actors: dict[int, Any] = {}
        self._seen: dict[Any, int] = {}
        """The number of the last record that was told, of each actor."""
        self._lock = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._look_after, args=(place, device.name), name=f"ray {place}", daemon=True)
            for place, device in enumerate(self.devices)
        ]
        with ThreadPoolExecutor(len(devices)) as pool:  # now, so that what cannot be is known before the run begins
            list(pool.map(self._actor, range(len(devices))))
        for thread in self._threads:
            thread.start()

    def submit(self, task: str) -> Future[str]:
        """The outcome of a task, from the next free actor."""
        future: Future[str] = Future()
        self._tasks.put((task, future))
        return future

    def order(self, order: Order) -> None:
        """To all actors, and to those that take the place of lost ones."""
        with self._lock:
            self._orders.append(order)
            for actor in self._actors.values():
                actor.order.options(concurrency_group="orders").remote(order)

    def close(self) -> None:
        """Wait for running tasks, cancel the others, and end the actors."""
        if self._closed:
            return
        self._closed = True
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        while not self._tasks.empty():
            if item := self._tasks.get():
                item[1].cancel()
        for actor in self._actors.values():
            ray.kill(actor)
        self.held.close()

    def _look_after(self, place: int, device: str) -> None:
        while (item := self._tasks.get()) is not None:
            task, future = item
            if self._closed:
                future.cancel()
            elif future.set_running_or_notify_cancel():
                try:
                    future.set_result(self._attempts(place, task, device))
                except Exception as error:
                    future.set_exception(error)

    def _attempts(self, place: int, task: str, device: str) -> str:
        """The outcome of a task, begun again where its actor is lost."""
        reason = ""
        for _ in range(ATTEMPTS):
            try:
                return self._attempt(self._actor(place), task, device)
            except ray.exceptions.RayError as error:
                reason = " ".join(str(error).split())[:300]
                with self._lock:
                    lost = self._actors.pop(place, None)
                if lost is not None:
                    del self._seen[lost]
                    ray.kill(lost)
        raise RunError(f"a worker on the Ray cluster was lost {ATTEMPTS} times at one task, last: {reason}")

    def _attempt(self, actor: Any, task: str, device: str) -> str:
        result = actor.work.remote(task, device)
        while not ray.wait([result], timeout=0)[0]:
            self._hear(actor)
        outcome, last = ray.get(result)
        while self._seen[actor] < last:
            self._hear(actor)
        return str(outcome)

    def _hear(self, actor: Any) -> None:
        """Tell of an actor's records that are new."""
        answer = actor.hear.options(concurrency_group="records").remote(self._seen[actor])
        self._seen[actor], records = ray.get(answer, timeout=SILENCE)
        for record in records:
            self._setup.hear(record)

    def _actor(self, place: int) -> Any:
        """The actor of a place, a new one where there is none."""
        with self._lock:
            if place in self._actors:
                return self._actors[place]
        actor = ray.remote(**ONCE | self._needs)(Actor).remote(self._setup.worker, self._setup.arguments)
        ray.get(actor.__ray_ready__.remote(), timeout=PLACING)
        with self._lock:
            self._actors[place], self._seen[actor] = actor, 0
            for order in self._orders:
                actor.order.options(concurrency_group="orders").remote(order)
        return actor
