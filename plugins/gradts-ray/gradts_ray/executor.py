"""On the driver's side: one actor a device, a thread that looks after each, and a new one where one is lost."""

from __future__ import annotations

import os
import queue
import secrets
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradts_engine.contracts import Device, Order, Setup
from gradts_engine.durable import make_folder
from gradts_engine.errors import RunError, UsageError, WorkerLost
from gradts_engine.runtime.executors import native_formats
from gradts_ray.actor import Actor, Facts
from gradts_ray.cluster import NodeAffinitySchedulingStrategy, cluster, ray

SILENCE = 30.0
"""Seconds without an answer after which an actor is taken for dead, and killed."""
PLACING = 120.0
"""Seconds that a new actor may take to be there, also where it dies as it begins."""
WORKERS = "workers"
"""Folder of the store with a file for each worker: what it said, should the driver die before it heard of it."""

ONCE = {"max_restarts": 0, "max_task_retries": 0, "concurrency_groups": {"orders": 1, "records": 1}}
"""Retries are the engine's: a new attempt may be a new actor."""


def connect(setup: Setup, workers: int | None = None) -> RayExecutor:
    """An executor for the GPUs of the cluster, or for one CPU worker a node (`workers` in all)."""
    with ExitStack() as stack:
        stack.enter_context(cluster())
        device, count, needs = _devices(setup.devices, workers)
        try:
            executor = RayExecutor(device, count, needs, setup)
        except ray.exceptions.RayError as error:
            raise RunError(f"no worker can be made on the Ray cluster: {_line(error)}") from error
        executor.held = stack.pop_all()
        return executor
    raise AssertionError("the stack swallows no error")


def _devices(wanted: tuple[str, ...], workers: int | None) -> tuple[Device, int, dict[str, Any]]:
    """A device, how many of its kind there are, and what an actor for one asks of Ray: which would wait for ever, without a word,
    for what no node has."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus, cpus = (sum(int(node.get(kind, 0)) for node in nodes) for kind in ("GPU", "CPU"))
    if not set(wanted) <= {"auto", "cpu", "cuda"}:
        raise UsageError(f"run.devices: on Ray it is auto, cpu or cuda, and not {', '.join(sorted(wanted))}")
    if "cuda" in wanted and not gpus:
        raise UsageError("run.devices: the Ray cluster has no GPU")
    if gpus and "cpu" not in wanted:
        needs: dict[str, Any] = {"num_gpus": 1, "num_cpus": 0}
        formats = ray.get(ray.remote(**needs)(native_formats).remote("cuda:0"), timeout=PLACING)
        return Device("cuda:0", formats), gpus, needs
    count = workers or sum(node.get("CPU", 0) >= 1 for node in nodes)
    if not 0 < count <= cpus:
        raise UsageError(f"the Ray cluster has {cpus} CPUs, and not the {max(count, 1)} that are asked for")
    return Device("cpu"), count, {"num_cpus": 1, "scheduling_strategy": "SPREAD"}


class RayExecutor:
    """Keeps to `gradts_engine.contracts.Executor`: a thread looks after each actor, and has another one made where it is lost."""

    def __init__(self, device: Device, count: int, needs: dict[str, Any], setup: Setup) -> None:
        self._needs = needs
        self._setup = setup
        self._folder = setup.folder / WORKERS if setup.folder else None
        self.held = ExitStack()
        """What is given back at the end."""
        self._tasks: queue.SimpleQueue[tuple[str, Future[str]] | None] = queue.SimpleQueue()
        self._orders: list[Order] = []
        self._actors: dict[int, Any] = {}
        self._facts: dict[Any, Facts] = {}
        self._without: dict[int, str] = {}
        """Places that no actor can be made for, and why."""
        self._lock = threading.Lock()
        self._closed = False
        self._name, self._word = f"word-{secrets.token_hex(8)}", secrets.token_hex(16)
        if self._folder:
            make_folder(self._folder)
            self._folder.joinpath(self._name).write_text(self._word, encoding="utf-8")
        try:
            with ThreadPoolExecutor(count) as pool:  # now, so that what cannot be is known before the run begins
                actors = list(pool.map(self._actor, range(count)))
        except BaseException:
            self._end()
            raise
        self.devices = tuple(replace(device, place=self._facts[actor].place) for actor in actors)
        self._threads = [
            threading.Thread(target=self._look_after, args=(place, device.name), name=f"ray {place}", daemon=True)
            for place, device in enumerate(self.devices)
        ]
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
        self._end()
        self.held.close()

    def _end(self) -> None:
        """End the actors. All that they said was heard, so that their files go, too."""
        logs = [facts.log for facts in self._facts.values() if facts.log]
        for actor in self._actors.values():
            ray.kill(actor)
        if self._folder:
            for path in (self._folder / self._name, *map(Path, logs)):
                with suppress(OSError):
                    path.unlink()
            with suppress(OSError):
                self._folder.rmdir()

    def _look_after(self, place: int, device: str) -> None:
        since = time.monotonic()
        while True:
            try:
                actor = self._actor(place)
            except (ray.exceptions.RayError, UsageError) as error:  # it died as it began, or its node is gone
                if self._closed:
                    return
                if time.monotonic() > since + PLACING:
                    self._without[place] = _line(error)
                if len(self._without) < len(self.devices):
                    time.sleep(1)
                    continue
            else:
                self._without.pop(place, None)
            item = self._tasks.get()
            if item is None:
                return
            task, future = item
            if self._closed or not future.set_running_or_notify_cancel():
                future.cancel()
            elif place in self._without:
                future.set_exception(RunError(f"no worker is left on the Ray cluster: {self._without[place]}"))
            else:
                self._attempt(place, actor, task, device, future)
            since = time.monotonic()

    def _attempt(self, place: int, actor: Any, task: str, device: str, future: Future[str]) -> None:
        try:
            result, seen = actor.work.remote(task, device), 0
            while not ray.wait([result], timeout=0)[0]:
                seen = self._hear(actor, seen)
            outcome, last = ray.get(result)
            while seen < last:
                seen = self._hear(actor, seen)
            future.set_result(outcome)
        except ray.exceptions.RayError as error:
            self._lose(place)
            future.set_exception(WorkerLost(_line(error)))
        except Exception as error:
            future.set_exception(error)

    def _hear(self, actor: Any, seen: int) -> int:
        """Tell of an actor's records after number `seen`; the last one's number."""
        last, records = ray.get(actor.hear.options(concurrency_group="records").remote(seen), timeout=SILENCE)
        for record in records:
            self._setup.hear(record)
        return int(last)

    def _actor(self, place: int) -> Any:
        """The actor of a place, a new one where there is none."""
        with self._lock:
            if place in self._actors:
                return self._actors[place]
        setup, folder = self._setup, str(self._folder or "")
        actor = ray.remote(**ONCE | self._needs)(Actor).remote(setup.worker, setup.arguments, folder, self._name, self._word)
        try:
            facts = self._about(actor)
        except BaseException:
            ray.kill(actor)
            raise
        if not facts.word:
            ray.kill(actor)
            raise UsageError(
                f"the worker on {facts.place} does not see what is written to {folder} here: the store has to be on a file "
                "system that all machines share, at the same path; name it with --store"
            )
        with self._lock:
            self._actors[place], self._facts[actor] = actor, facts
            for order in self._orders:
                actor.order.options(concurrency_group="orders").remote(order)
        return actor

    def _about(self, actor: Any) -> Facts:
        """Where a new actor is, once it is there; it is not waited for where nothing is left to do."""
        until, about = time.monotonic() + PLACING, actor.about.remote()
        while not ray.wait([about], timeout=1)[0] and time.monotonic() < until and not self._closed:
            pass
        facts: Facts = ray.get(about, timeout=0)
        return facts

    def _lose(self, place: int) -> None:
        """Give an actor up, so that two attempts never work at one task for long. One that is stopped hears nothing from Ray, and
        keeps its device: so another process of its node kills it, where that node still answers."""
        with self._lock:
            actor = self._actors.pop(place)
        facts = self._facts[actor]
        ray.kill(actor)
        there = {"scheduling_strategy": NodeAffinitySchedulingStrategy(facts.node, soft=False)}
        with suppress(ray.exceptions.RayError):
            kill = ray.remote(num_cpus=0, max_retries=0, **there)(_end_process).remote(facts.pid)
            ray.get(kill, timeout=SILENCE)


def _end_process(pid: int) -> None:
    with suppress(OSError):
        if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::Actor"):  # the number may be another's by now
            os.kill(pid, signal.SIGKILL)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
