"""On the cluster's side: a worker in a process of its own, with one device."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

from gradts_engine.contracts import PLACE, Order, Worker

BATCH = 20
"""Records that are sent at once; or those of `SECONDS`."""
SECONDS = 0.25
BOUND = 10_000
"""Records that wait for the driver before progress is left out."""
LATE = 15.0
"""Seconds after which a network file system shows, at the latest, what another machine has written."""


@dataclass(frozen=True)
class Facts:
    """Where an actor is, whether it has read the driver's `word` in the store, and the file that it writes its records to."""

    node: str
    pid: int
    place: str
    word: bool
    log: str


class Actor:
    """A worker. What it says is kept until the driver asks for it, and what is more than progress goes to a file of its own,
    too: the driver may die. Its methods are called in threads of their own: `work` in one, `hear` and `order` in the concurrency
    groups `records` and `orders`."""

    def __init__(self, worker: str, arguments: str, folder: str, name: str, word: str) -> None:
        import ray  # not above: it reads its settings when it is imported, and the driver sets them first (see `cluster`)

        os.umask(0o077)
        gpus = ",".join(map(str, ray.get_gpu_ids()))
        os.environ[PLACE] = socket.gethostname() + (f" ({gpus})" if gpus else "")
        self.log = Path(folder, f"{socket.gethostname()}-{os.getpid()}.jsonl") if folder else None
        self.facts = Facts(
            node=ray.get_runtime_context().get_node_id(),
            pid=os.getpid(),
            place=os.environ[PLACE],
            word=_reads(Path(folder, name), word) if folder else True,
            log=str(self.log or ""),
        )
        self.worker: Worker = resolve_name(worker)(arguments)
        self.records: deque[str] = deque()
        self.said = 0
        """How many records there were in all: the last one's number."""
        self.busy = False
        self.news = threading.Condition()

    def about(self) -> Facts:
        """See `Facts`."""
        return self.facts

    def work(self, task: str, device: str) -> tuple[str, int]:
        """The outcome of a task, and the number of the last record that was said before."""
        self.busy = True
        self.records.clear()  # an earlier task's, which were all heard
        outcome = self.worker.work(task, device, self.say)
        with self.news:
            self.busy = False
            self.news.notify_all()
            return outcome, self.said

    def say(self, record: str) -> None:
        """Keep a record for the driver."""
        progress = '"event": "StageProgress"' in record
        if self.log and not progress:
            try:
                with self.log.open("a", encoding="utf-8") as file:
                    file.write(record + "\n")
            except OSError:
                self.log = None  # a full disk: the worker's own results will say so
        with self.news:
            if progress and len(self.records) >= BOUND:
                return
            self.records.append(record)
            self.said += 1
            if len(self.records) >= BATCH:
                self.news.notify_all()

    def hear(self, seen: int) -> tuple[int, list[str]]:
        """The records after number `seen`, and the last one's number; those up to it are forgotten. Waits a moment for more."""
        with self.news:
            first = self.said - len(self.records)
            for _ in range(seen - first):
                self.records.popleft()
            self.news.wait_for(lambda: len(self.records) >= BATCH or not self.busy, SECONDS)
            return self.said, list(self.records)

    def order(self, order: Order) -> None:
        """Pass an order to the worker."""
        self.worker.order(order)


def _reads(path: Path, word: str) -> bool:
    """Whether a file holds a word, or comes to do so."""
    until = time.monotonic() + LATE
    while time.monotonic() < until:
        try:
            if path.read_text(encoding="utf-8") == word:
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return False
