"""Has tasks computed by workers: in threads of this process, one a device, in processes that share devices, or elsewhere."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pkgutil import resolve_name

from gradts_engine.contracts import Device, Order, RemoteWorker, Setup, Worker
from gradts_engine.errors import UsageError
from gradts_engine.runtime.processes import WorkerProcess, make_current, shares


def threads(setup: Setup) -> ThreadExecutor:
    """Workers for the devices that were asked for: for each as many as `Setup.workers` says, or `shares`. Raises `UsageError`
    where there is an address, which would be ignored."""
    if setup.address:
        raise UsageError(f"run.address: {setup.address} is of no use to executor threads; name another, such as --executor ray")
    devices = resolve_devices(setup.devices)
    count, cores = shares(setup.workers, sum(device.kind != "cpu" for device in devices))
    if count == 1:
        return ThreadExecutor(devices, setup)
    places = devices * count
    return ThreadExecutor(places, setup, [WorkerProcess(setup, cores) for _ in places])


class ThreadExecutor:
    """One thread for each device, since torch's random state is a device's: two trainings on one device in one process could not
    be reproduced. They share a worker, so that data are in memory once, unless each has one of its own, which may be elsewhere
    (`RemoteWorker`)."""

    def __init__(self, devices: Sequence[Device], setup: Setup, workers: Sequence[Worker] = ()) -> None:
        self.devices = tuple(devices)
        self._workers = tuple(workers) or (resolve_name(setup.worker)(setup.arguments),)
        self._hear = setup.hear
        self._tasks: queue.SimpleQueue[tuple[str, Future[str]] | None] = queue.SimpleQueue()
        self._missing: dict[int, Exception] = {}
        """Why a device has no worker."""
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, args=(place,), name=f"worker {place}", daemon=True)
            for place in range(len(self.devices))
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: str) -> Future[str]:
        """The outcome of a task, computed on the next free device, in the order of submission."""
        future: Future[str] = Future()
        self._tasks.put((task, future))
        if self._closed.is_set():
            self._drop()
        return future

    def order(self, order: Order) -> None:
        """Give an order to all workers."""
        for worker in self._workers:
            worker.order(order)

    def close(self) -> None:
        """Wait for running tasks and cancel those not yet started."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._drop()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        self._drop()  # what was submitted meanwhile
        for worker in self._workers:
            if isinstance(worker, RemoteWorker):
                worker.close()

    def _drop(self) -> None:
        with suppress(queue.Empty):
            while True:
                if item := self._tasks.get_nowait():
                    item[1].cancel()

    def _serve(self, place: int) -> None:
        """Have a device's worker compute one task after the other. Where a worker is missing the others do the work; where all
        are, tasks fail."""
        device, worker = self.devices[place], self._workers[place % len(self._workers)]
        if not isinstance(worker, RemoteWorker):
            make_current(device.name)
        while not self._closed.is_set():
            try:
                if isinstance(worker, RemoteWorker):
                    worker.ready(self._closed)
                self._missing.pop(place, None)
            except Exception as error:
                self._missing[place] = error
                if len(self._missing) < len(self.devices):
                    self._closed.wait(1)
                    continue
            missing = self._missing.get(place)
            with suppress(queue.Empty):
                if item := self._tasks.get(timeout=1 if missing else None):
                    self._work(worker, device, *item, missing)

    def _work(self, worker: Worker, device: Device, task: str, future: Future[str], missing: Exception | None) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            if missing:
                raise missing
            future.set_result(worker.work(task, device.name, self._hear))
        except BaseException as error:
            future.set_exception(error)


def resolve_devices(wanted: Sequence[str], where: str = "run.devices") -> tuple[Device, ...]:
    """`auto` is every CUDA device or else the CPU, `cuda` every CUDA device. Raises `UsageError` for one that is not there."""
    import torch

    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    found: dict[str, Device] = {}
    for name in wanted:
        known = {"auto": cuda or ["cpu"], "cuda": cuda, "cpu": ["cpu"]}.get(name, [name] if name in cuda else [])
        if not known:
            raise UsageError(f"{where}: device {name!r} is not there; this machine has {', '.join(['cpu', *cuda])}")
        found |= {device: Device(device, native_formats(device)) for device in known if device not in found}
    return tuple(found.values())


def native_formats(device: str) -> tuple[str, ...]:
    """Number formats that a device computes in by itself. torch's own question after bfloat16 is of another device, the current
    one, and is answered with yes where it is only emulated."""
    import torch

    if device == "cpu":
        has: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        native = any(has.get(feature) for feature in ("avx512_bf16", "amx_bf16", "bf16"))  # the last is ARM's
        used = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return ("bf16", "fp32") if native and used else ("fp32",)
    return ("bf16", "fp16", "fp32") if torch.cuda.get_device_capability(device) >= (8, 0) else ("fp16", "fp32")
