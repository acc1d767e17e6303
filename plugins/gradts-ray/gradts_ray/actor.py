"""On the cluster's side: a worker in a process of its own, with one device."""

from __future__ import annotations

import os
import threading
from collections import deque
from pkgutil import resolve_name

from gradts_engine.contracts import Order, Worker

BATCH = 20
"""Records that are sent at once; or those of `SECONDS`."""
SECONDS = 0.25
BOUND = 10_000
"""Records that wait for the driver before progress is left out."""


class Actor:
    """A worker. What it says is kept until the driver asks for it. Its methods are called in threads of their own: `work` in one,
    `hear` and `order` in the concurrency groups `records` and `orders`."""

    def __init__(self, worker: str, arguments: str) -> None:
        os.umask(0o077)
        self.worker: Worker = resolve_name(worker)(arguments)
        self.records: deque[str] = deque()
        self.said = 0
        """How many records there were in all: the last one's number."""
        self.busy = False
        self.news = threading.Condition()

    def work(self, task: str, device: str) -> tuple[str, int]:
        """The outcome of a task, and the number of the last record that was said before."""
        self.busy = True
        outcome = self.worker.work(task, device, self.say)
        with self.news:
            self.busy = False
            self.news.notify_all()
            return outcome, self.said

    def say(self, record: str) -> None:
        """Keep a record for the driver."""
        with self.news:
            if len(self.records) >= BOUND and '"event": "StageProgress"' in record:
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
