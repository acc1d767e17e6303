"""Has tasks computed by workers of this machine: in threads of this process, one a device, or in processes that share a CPU."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pkgutil import resolve_name

from gradts_engine.contracts import Device, Order, Setup, Worker
from gradts_engine.errors import UsageError
from gradts_engine.runtime.processes import WorkerProcess, shares


def threads(setup: Setup) -> ThreadExecutor:
    """Workers for the devices that were asked for; on a CPU as many as `Setup.workers` says, or `shares`."""
    devices = resolve_devices(setup.devices)
    if any(device.kind != "cpu" for device in devices):
        if setup.workers:
            raise UsageError(f"run.workers: {setup.workers} workers share a CPU, but devices are {_names(devices)}")
        return ThreadExecutor(devices, setup)
    count, cores = shares(setup.workers)
    if count == 1:
        return ThreadExecutor(devices, setup)
    return ThreadExecutor(devices * count, setup, [WorkerProcess(setup, cores) for _ in range(count)])


class ThreadExecutor:
    """One thread for each device, since torch's random state is a device's: two trainings on one device in one process could not
    be reproduced. They share a worker, so that data are in memory once, unless each has one of its own."""

    def __init__(self, devices: Sequence[Device], setup: Setup, workers: Sequence[Worker] = ()) -> None:
        self.devices = tuple(devices)
        self._workers = tuple(workers) or (resolve_name(setup.worker)(setup.arguments),)
        self._hear = setup.hear
        self._free: queue.SimpleQueue[tuple[str, Worker]] = queue.SimpleQueue()
        for i, device in enumerate(self.devices):
            self._free.put((device.name, self._workers[i % len(self._workers)]))
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(len(self.devices), thread_name_prefix="worker", initializer=self._claim)

    def _claim(self) -> None:
        self._own.device, self._own.worker = self._free.get()
        if Device(self._own.device).kind == "cuda":  # what is made without a word of where it goes would go to the first GPU
            import torch

            torch.cuda.set_device(self._own.device)

    def submit(self, task: str) -> Future[str]:
        """The outcome of a task, computed on the next free device, in the order of submission."""
        return self._pool.submit(lambda: self._own.worker.work(task, self._own.device, self._hear))

    def order(self, order: Order) -> None:
        """Give an order to all workers."""
        for worker in self._workers:
            worker.order(order)

    def close(self) -> None:
        """Wait for running tasks and cancel those not yet started."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for worker in self._workers:
            if isinstance(worker, WorkerProcess):
                worker.close()


def _names(devices: Sequence[Device]) -> str:
    return ", ".join(device.name for device in devices)


def resolve_devices(wanted: Sequence[str]) -> tuple[Device, ...]:
    """`auto` is every CUDA device or else the CPU, `cuda` every CUDA device. Raises `UsageError` for one that is not there."""
    import torch

    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    found: dict[str, Device] = {}
    for name in wanted:
        known = {"auto": cuda or ["cpu"], "cuda": cuda, "cpu": ["cpu"]}.get(name, [name] if name in cuda else [])
        if not known:
            raise UsageError(f"run.devices: device {name!r} is not there; this machine has {', '.join(['cpu', *cuda])}")
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
