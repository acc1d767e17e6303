"""A worker in a process of its own, which shares a device with others: a JSON object a line in each direction.

The engine's end is `WorkerProcess`; `python -m gradts_engine.runtime.processes` is the other one. A process that is lost takes
nothing with it but the steps since its last checkpoint: another one takes its place, and goes on from there.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pkgutil import resolve_name
from typing import Any, BinaryIO

from gradts_engine.contracts import Order, Say, Setup, Worker
from gradts_engine.errors import WorkerLost

CORES = 4
"""Of each worker: with more, a small encoder gains little."""
SIDE_BY_SIDE = 2
"""Workers where there are fewer cores: two trainings with half of them each are faster than one after the other with all."""

MEMORY = 4 * 2**30
"""Bytes of the machine for each worker: data and encoder are in the memory of each."""


def shares(workers: int | None, gpus: int = 0) -> tuple[int, int]:
    """How many workers share the CPU, or each of the GPUs, and how many threads each has.

    None: one a GPU, or else one for every 4 cores, two at least, if there are 4 GiB of memory and a core for each. The cores
    are those that torch would use: of this process's affinity, or what OMP_NUM_THREADS says.
    """
    import psutil
    import torch

    cores = torch.get_num_threads()
    if workers is None:
        most = min(cores, psutil.virtual_memory().total // MEMORY)
        workers = 1 if gpus else max(1, min(most, max(SIDE_BY_SIDE, cores // CORES)))
    return workers, max(1, cores // (workers * max(1, gpus)))


def make_current(device: str) -> None:
    """Of the calling thread: what is made without a word of where would go to the first GPU."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.set_device(device)


class WorkerProcess:
    """Keeps to `gradts_engine.contracts.RemoteWorker`."""

    def __init__(self, setup: Setup, threads: int) -> None:
        self._setup = setup
        self._environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        self._orders: list[Order] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._writing = threading.Lock()

    def work(self, task: str, device: str, say: Say) -> str:
        """The outcome of a task. Raises `WorkerLost` where the process ends before."""
        with self._writing:
            process = self._process = self._process or self._start()
            self._send({"task": task, "device": device})
        assert process.stdout is not None
        for line in process.stdout:
            message = json.loads(line)
            if "outcome" in message:
                return str(message["outcome"])
            say(message["record"])
        with self._writing:
            self._process = None
        _end(process)
        ended = process.returncode
        raise WorkerLost(f"its process ended with {f'signal {-ended}' if ended < 0 else f'exit code {ended}'}")

    def order(self, order: Order) -> None:
        """To the process, and to those that take its place."""
        with self._writing:
            self._orders.append(order)
            if order == "prepare" and not self._process:
                self._start()
            else:
                self._send({"order": order})

    def ready(self, closed: threading.Event) -> None:
        """At once: the process starts when it is to prepare, or with its first task, which may never come."""

    def close(self) -> None:
        """End the process, which has no task and may still be preparing for one."""
        with self._writing:
            process, self._process = self._process, None
        if process:
            process.kill()
            _end(process)

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,  # Ctrl+C is for the engine, which says what is to be done
        )
        self._send({"worker": self._setup.worker, "arguments": self._setup.arguments})
        for order in self._orders:
            self._send({"order": order})
        return self._process

    def _send(self, message: dict[str, Any]) -> None:
        """Whether it arrives is known by what comes back."""
        if self._process and self._process.stdin:
            with suppress(OSError):
                self._process.stdin.write(json.dumps(message).encode() + b"\n")
                self._process.stdin.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with suppress(OSError):  # what was still to be sent to a process that has gone
                pipe.close()
    process.wait()


def main() -> None:
    """Be a worker until the engine closes the pipe or is gone."""
    for meant in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(meant, signal.SIG_IGN)  # they are for the engine, also where its whole tree gets them
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is not for the engine
    orders = sys.stdin.buffer
    worker: Worker = (lambda made: resolve_name(made["worker"])(made["arguments"]))(json.loads(orders.readline()))
    tasks: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders, worker, tasks), daemon=True).start()
    writing = threading.Lock()

    def tell(message: dict[str, str]) -> None:
        with writing:
            answers.write(json.dumps(message).encode() + b"\n")
            answers.flush()

    while True:
        task = tasks.get()
        make_current(task["device"])
        tell({"outcome": worker.work(task["task"], task["device"], lambda record: tell({"record": record}))})


def _listen(orders: BinaryIO, worker: Worker, tasks: queue.SimpleQueue[dict[str, str]]) -> None:
    for line in orders:
        message = json.loads(line)
        if "order" in message:
            worker.order(message["order"])
        else:
            tasks.put(message)
    os._exit(0)  # at once, whatever is being computed: the next engine goes on from its checkpoint


if __name__ == "__main__":
    main()
