"""Listeners of a run, each in a thread of its own: a slow one, or one that fails, never holds up or ends what it listens to."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from gradts_engine.events import Event

Listener = Callable[[Event], object]

LIMIT = 10_000
"""Events that wait for a listener, of which progress takes at most half; what goes beyond is not told."""


class Listening:
    """Tells one listener of events, in their order; `tell` returns at once. `complain` hears, in any thread, what went wrong."""

    def __init__(self, listener: Listener, complain: Callable[[str], object]) -> None:
        self.listener = listener
        self.complain = complain
        self.name = getattr(listener, "__module__", None) or type(listener).__name__
        self._waiting: queue.SimpleQueue[Event | threading.Event | None] = queue.SimpleQueue()
        self._slow = False
        self._thread = threading.Thread(target=self._tell_all, name=f"listener {self.name}", daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Have the listener called with an event, soon; or not at all, where it lags too far behind."""
        if self._waiting.qsize() < (LIMIT // 2 if event.progress else LIMIT):
            self._waiting.put(event)
        elif not self._slow:
            self._slow = True
            self.complain(f"{self.name} is slow and does not see all events")

    def mark(self) -> threading.Event:
        """Set once the listener has seen all that it was told so far."""
        reached = threading.Event()
        self._waiting.put(reached)
        return reached

    def close(self) -> None:
        """No event will follow."""
        self._waiting.put(None)

    def _tell_all(self) -> None:
        failed = False
        while (item := self._waiting.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
            elif not failed:
                try:
                    self.listener(item)
                except BaseException as error:  # also SystemExit, which libraries raise for a broken pipe
                    failed = True
                    self.complain(f"{self.name} no longer sees events: {type(error).__name__}: {error}")
