"""On the driver's side: an actor for each device, and a new one where one is lost."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

from gradts_engine.contracts import Device, Order, Say, Setup
from gradts_engine.durable import make_folder
from gradts_engine.errors import RunError, UsageError, WorkerLost
from gradts_engine.runtime.artifacts import awaited
from gradts_engine.runtime.executors import ThreadExecutor
from gradts_ray.actor import Actor
from gradts_ray.cluster import cluster, line, ray

SILENCE = 30.0
"""Seconds without a word from an actor at work after which it is taken for dead, and killed."""
PLACING = 120.0
"""Seconds that a new actor may take to be there, also where it dies as it begins."""
WORKERS = "workers"
"""Folder of the store with a file for each worker: what it said, should the driver die before it heard of it."""
AHEAD = 10
"""Batches of records that are on their way here at once."""
OPTIONS = {"max_restarts": 0, "max_task_retries": 0, "concurrency_groups": {"orders": 1}}
"""Retries are the engine's: a new attempt may be a new actor."""


class RayExecutor(ThreadExecutor):
    """A thread looks after each actor. `held` is what is given back in the end."""

    held: ExitStack

    def close(self) -> None:
        """As `ThreadExecutor`, then leave the cluster."""
        super().close()
        self.held.close()


def connect(setup: Setup) -> RayExecutor:
    """An executor for the GPUs of the cluster, or for its nodes' CPUs where it has none: with a worker each, or as many as
    `Setup.workers` says."""
    with ExitStack() as stack:
        stack.enter_context(cluster())
        device, count, needs = _devices(setup.devices, setup.workers or 1)
        workers = [stack.enter_context(closing(RayWorker(setup, device, needs))) for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:  # now, so that what cannot be is known before the run begins
            list(pool.map(lambda worker: worker.ready(threading.Event()), workers))
        executor = RayExecutor([worker.device for worker in workers], setup, workers)
        executor.held = stack.pop_all()
    return executor


def _devices(wanted: tuple[str, ...], workers: int) -> tuple[str, int, dict[str, Any]]:
    """What every actor's device is called, how many actors there are to be if so many share each of its kind, and what an actor
    asks of Ray, which would wait for ever, without a word, for what no node has."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus, cpus = (sum(int(node.get(kind, 0)) for node in nodes) for kind in ("GPU", "CPU"))
    if not set(wanted) <= {"auto", "cpu", "cuda"}:
        raise UsageError(f"run.devices: on Ray it is auto, cpu or cuda, and not {', '.join(sorted(wanted))}")
    if "cuda" in wanted and not gpus:
        raise UsageError("run.devices: the Ray cluster has no GPU")
    if gpus and "cpu" not in wanted:
        needs: dict[str, Any] = {"num_gpus": 1 / workers, "num_cpus": 0}
        return "cuda:0", gpus * workers, needs
    count = workers * sum(node.get("CPU", 0) >= 1 for node in nodes)
    if not 0 < count <= cpus:
        raise UsageError(f"the Ray cluster has {cpus} CPUs, and not the {max(count, 1)} that are asked for")
    return "cpu", count, {"num_cpus": 1, "scheduling_strategy": "SPREAD"}


class RayWorker:
    """Keeps to `gradts_engine.contracts.RemoteWorker`: the worker is an actor, wherever Ray finds what it `needs`."""

    def __init__(self, setup: Setup, device: str, needs: dict[str, Any]) -> None:
        self.device = Device(device)
        """With its machine, or the last one, and what that computes in."""
        self._setup, self._needs = setup, needs
        self._folder = setup.folder / WORKERS if setup.folder else None
        if self._folder:
            make_folder(self._folder)
        self._actor: Any = None
        self._orders: list[Order] = []
        self._files: list[Path] = []
        self._lock = threading.Lock()

    def ready(self, closed: threading.Event) -> None:
        """Has an actor made where there is none. Raises `RunError` where none is there after a while, the first time at once;
        `UsageError` where it has another store."""
        until = time.monotonic() + PLACING
        while not self._actor and not closed.is_set():
            try:
                self._make(closed, until)
            except ray.exceptions.RayError as error:
                if not self.device.place or time.monotonic() > until:
                    raise RunError(f"no worker can be made on the Ray cluster: {line(error)}") from error
                closed.wait(1)

    def work(self, task: str, device: str, say: Say) -> str:
        """The outcome of a task; tells its records. Raises `WorkerLost`."""
        try:
            heard = self._actor.work.options(_generator_backpressure_num_objects=AHEAD).remote(task, device)
            while ray.wait([heard], timeout=SILENCE)[0]:
                batch = ray.get(next(heard))
                if isinstance(batch, str):
                    return batch
                for record in batch:
                    say(record)
            reason = f"nothing was heard of it for {SILENCE:.0f} s"
        except ray.exceptions.RayError as error:
            reason = line(error)
        with self._lock:
            actor, self._actor = self._actor, None
        ray.kill(actor)  # so that two attempts never work at one task for long
        raise WorkerLost(reason)

    def order(self, order: Order) -> None:
        """To the actor, and to those that take its place."""
        with self._lock:
            self._orders.append(order)
            if self._actor:
                _order(self._actor, order)

    def close(self) -> None:
        """End the actor. All that it said was heard, so that its files go, too. May be called twice."""
        if self._actor:
            ray.kill(self._actor)
        for path in self._files:
            with suppress(OSError):
                path.unlink()
                path.parent.rmdir()

    def _make(self, closed: threading.Event, until: float) -> None:
        made = ray.remote(**OPTIONS | self._needs)(Actor)
        actor = made.remote(self._setup.worker, self._setup.arguments, str(self._folder or ""), self.device.name)
        try:
            about = actor.about.remote()
            while not ray.wait([about], timeout=1)[0] and time.monotonic() < until and not closed.is_set():
                pass
            device, name = ray.get(about, timeout=0)
            if name and not awaited(lambda: Path(name).exists() or None, [device]):
                raise UsageError(
                    f"what the worker on {device.place} writes to {self._folder} is not seen here: the store has to be on a file "
                    "system that all machines share and can write to, at the same path; name it with --store"
                )
            with self._lock:
                self.device, self._actor = device, actor
                self._files += [Path(name)] if name else []
                for order in self._orders:
                    _order(actor, order)
        finally:
            if self._actor is not actor:
                ray.kill(actor)


def _order(actor: Any, order: Order) -> None:
    actor.order.options(concurrency_group="orders").remote(order)
