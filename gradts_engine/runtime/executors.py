"""Runs jobs in worker threads, one a device."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class ThreadExecutor:
    """One worker thread for each device, since torch's random state is a device's: two trainings on one device in one process
    could not be reproduced."""

    def __init__(self, devices: Sequence[str]) -> None:
        self.devices = tuple(devices)
        self._free: queue.SimpleQueue[str] = queue.SimpleQueue()
        for device in self.devices:
            self._free.put(device)
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(len(self.devices), thread_name_prefix="worker", initializer=self._claim)

    def _claim(self) -> None:
        self._own.device = self._free.get()

    def submit(self, job: Callable[[str], T]) -> Future[T]:
        """Run `job(device)` on the next free device, in the order of submission."""
        return self._pool.submit(lambda: job(self._own.device))

    def close(self) -> None:
        """Wait for running jobs and drop those not yet started."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def resolve_devices(wanted: Sequence[str]) -> tuple[str, ...]:
    """`auto` is every CUDA device or else the CPU, `cuda` every CUDA device. Raises ValueError for one that is not there."""
    if tuple(wanted) == ("cpu",):
        return ("cpu",)
    import torch

    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    found: list[str] = []
    for name in wanted:
        known = {"auto": cuda or ["cpu"], "cuda": cuda, "cpu": ["cpu"]}.get(name, [name] if name in cuda else [])
        if not known:
            raise ValueError(f"device {name!r} is not there; this machine has {', '.join(['cpu', *cuda])}")
        found += [device for device in known if device not in found]
    return tuple(found)
