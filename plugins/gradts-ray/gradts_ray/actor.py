"""On the cluster's side: a worker in a process of its own, with one device."""

from __future__ import annotations

import os
import queue
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from pkgutil import resolve_name

from gradts_engine.contracts import PLACE, Device, Order, Worker
from gradts_engine.durable import unique
from gradts_engine.runtime.executors import native_formats

BATCH, SECONDS = 20, 0.25
"""Records that are sent at once, and how long the first of them waits for others."""
BOUND = 10_000
"""Records that wait for the driver before progress is left out."""


class Actor:
    """A worker. What it says goes to the driver in batches, and, where it is more than progress, to a file of its own, too: the
    driver may die. `order` is called in a concurrency group of its own, while `work` runs."""

    def __init__(self, worker: str, arguments: str, folder: str, device: str) -> None:
        import ray  # not above: it reads its settings when it is imported, and the driver sets them first (see `cluster`)

        os.umask(0o077)
        gpus = ",".join(map(str, ray.get_gpu_ids()))
        os.environ[PLACE] = socket.gethostname() + (f" ({gpus})" if gpus else "")
        self._file = Path(folder, f"{unique()}.jsonl") if folder else None
        if self._file:
            with suppress(OSError):
                self._file.touch()
        self._about = Device(device, native_formats(device), os.environ[PLACE]), str(self._file or "")
        self._worker: Worker = resolve_name(worker)(arguments)
        self._thread = ThreadPoolExecutor(1)
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def about(self) -> tuple[Device, str]:
        """Its device, with the machine, and its file: where the driver sees that, they share the store."""
        return self._about

    def work(self, task: str, device: str) -> Iterator[list[str] | str]:
        """Batches of records, an empty one where there was nothing to say for a while; at last the outcome."""
        done = self._thread.submit(self._worker.work, task, device, self._say)
        done.add_done_callback(lambda _: self._said.put(None))
        while not done.done() or not self._said.empty():
            yield self._batch()
        yield done.result()

    def order(self, order: Order) -> None:
        """Pass an order to the worker."""
        self._worker.order(order)

    def _batch(self) -> list[str]:
        batch: list[str] = []
        until = time.monotonic() + SECONDS
        with suppress(queue.Empty):
            while len(batch) < BATCH and (record := self._said.get(timeout=max(0, until - time.monotonic()))) is not None:
                batch.append(record)
        return batch

    def _say(self, record: str) -> None:
        progress = '"event": "StageProgress"' in record
        if self._file and not progress:
            try:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(record + "\n")
            except OSError:
                self._file = None  # a full disk: the worker's own results will say so
        if not (progress and self._said.qsize() >= BOUND):
            self._said.put(record)
