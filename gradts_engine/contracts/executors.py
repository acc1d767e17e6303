"""Executors, the devices that they have, and the workers that compute for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import threading
    from concurrent.futures import Future
    from pathlib import Path

PLACE = "GRADTS_PLACE"
"""Variable of a worker's environment: the machine that it is on, as people are shown it. Not set beside the driver."""


@dataclass(frozen=True)
class Device:
    """A device (`cpu`, `cuda:0`, ...) and the number formats that it computes in by itself, without emulation; `place` is the
    machine that it is in, empty for this one."""

    name: str
    formats: tuple[str, ...] = ("fp32",)
    place: str = ""

    @property
    def kind(self) -> str:
        """`cpu`, `cuda`, ...: what two devices of one kind compute is the same."""
        return self.name.partition(":")[0]

    @property
    def shown(self) -> str:
        """`cuda:0`, or `cuda:0 on gpu7`."""
        return f"{self.name} on {self.place}" if self.place else self.name


Order = Literal["prepare", "pause", "resume", "save", "stop"]
"""What workers are to do at their next safe point; `prepare` comes before their tasks, while the engine checks its input."""

Say = Callable[[str], None]
"""Takes a record of what happens, as JSON. Never raises."""


class Worker(Protocol):
    """Computes tasks for an executor, which has one for every process at least. Called from one thread a device."""

    def work(self, task: str, device: str, say: Say) -> str:
        """The outcome of a task, both as JSON. A task that fails has an outcome, too: whatever is raised is a bug."""

    def order(self, order: Order) -> None:
        """May be called from any thread, while `work` runs."""


@runtime_checkable
class RemoteWorker(Worker, Protocol):
    """The engine's end of a worker in another process or machine, which can be lost: `work` raises `WorkerLost` then, and another
    one takes its place, with what was ordered before."""

    def ready(self, closed: threading.Event) -> None:
        """Returns once a worker is there to take a task, or once `closed` is set. Raises `RunError` where none can be had."""

    def close(self) -> None:
        """Called once, when no task runs."""


@dataclass(frozen=True)
class Setup:
    """What an executor is made for: `devices` as in tasks.toml; workers are made by the function that `worker` names
    (`module:function`) from the text `arguments`, wherever they are; their records go to `hear`. `folder` is the store, which
    every worker has to reach by that path; `address` says where more machines are, as `[run] address` or `--address`.
    `workers` is how many are to share the CPU or each GPU, None where the executor is to choose."""

    devices: tuple[str, ...]
    worker: str
    arguments: str
    hear: Say
    address: str = ""
    folder: Path | None = None
    workers: int | None = None


class Executor(Protocol):
    """Has workers compute tasks, at most one at a time on a device. What is in a task is not the executor's concern.

    `devices` are of one kind. All methods may be called from any thread.
    """

    devices: tuple[Device, ...]

    def submit(self, task: str) -> Future[str]:
        """The outcome of a task, computed on the next free device, in the order of submission. Records of the task that are more
        than progress have been heard when it is there. Where its worker is lost the future fails with `WorkerLost`: who asked may
        submit the task again."""

    def order(self, order: Order) -> None:
        """Give an order to all workers, those to come too."""

    def close(self) -> None:
        """Wait for running tasks and cancel those not yet started."""


@dataclass(frozen=True, kw_only=True)
class ExecutorSpec:
    """A way to have jobs computed. `load` raises `UsageError` for devices that are not there."""

    name: str
    load: Callable[[Setup], Executor]
    version: int = 1
    description: str = ""
