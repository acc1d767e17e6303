"""The events of a run: one writer thread keeps them in SQLite, in order, and shows them to listeners."""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType

from gradts_engine.errors import RunError
from gradts_engine.events import Event, Warned
from gradts_engine.runtime.journal.progress import PROGRESS_INTERVAL, Gatherer, Thinner
from gradts_engine.runtime.journal.rows import SCHEMA, append, ends, gather, read_events
from gradts_engine.runtime.listening import Listener, Listening
from gradts_engine.runtime.view import RunView, fold

__all__ = ["PROGRESS_INTERVAL", "SCHEMA", "Journal", "Thinner", "append", "ends", "read_events"]

PATIENCE = 30.0
"""Seconds to wait for another program that reads the database in a transaction."""

Item = tuple[Event | None, threading.Event]
"""An event to write, or nothing but the wish to know when all before it is written; and what is set then."""


class Journal:
    """Appends events to `path`, and shows them to listeners, each in a thread of its own (see `listening`). `emit` may be called
    from any thread; for a state event it returns when the disk has it.

    `journal_mode=DELETE` works on network file systems, where WAL's shared memory does not; there is one writer, this object.
    """

    def __init__(self, path: Path, listeners: tuple[Listener, ...] = ()) -> None:
        self.path = path
        self.queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self.thinner = Thinner()
        self.gatherer = Gatherer()
        self.view = RunView()
        """What the events add up to that are written, as of the last one; readers of the file see the same a moment later, but
        for the losses between the points of a curve, once progress is gathered."""
        self.failure: BaseException | None = None
        self.closed = False
        self.closing = threading.Lock()
        """Held by `emit` while it puts an event into the queue, so that none comes after the end."""
        self.thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self.listeners = listeners
        self.listening: list[Listening] = []

    def __enter__(self) -> Journal:
        try:
            self.view = fold((when, event) for _, when, event in read_events(self.path))
        except RunError as error:  # told to whoever emits
            self.failure = error.__cause__ or error
        self.listening = [Listening(listener, self._complain) for listener in self.listeners]
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for listening in self.wait():
            self._complain(f"{listening.name} has not seen all events")
        for listening in self.listening:
            listening.close()
        with self.closing:
            self.closed = True
            self.queue.put(None)
        self.thread.join()

    def emit(self, event: Event) -> None:
        """Record an event. Raises `RunError` if the journal cannot be written any more."""
        if self.failure:
            raise self._error()
        if not self.thinner.passes(event):
            return
        written = self._put(event)
        if not event.progress:
            self._await(written)
            if self.failure or not written.is_set():
                raise self._error()

    def wait(self, seconds: float = 10.0) -> list[Listening]:
        """Until all that was emitted before is written, and then until the listeners have seen it, for so long; those that have
        not."""
        self._await(self._put(None))
        deadline = time.monotonic() + seconds
        reached = [(listening, listening.mark()) for listening in self.listening]
        return [listening for listening, mark in reached if not mark.wait(max(0.0, deadline - time.monotonic()))]

    def _error(self) -> RunError:
        error = RunError(f"{self.path} cannot be written: {self.failure or 'the journal is closed'}")
        error.__cause__ = self.failure
        return error

    def _await(self, written: threading.Event) -> None:
        """Until it is set, or nobody is there to set it."""
        while not written.wait(1.0) and self.thread.is_alive():
            pass

    def _put(self, event: Event | None) -> threading.Event:
        written = threading.Event()
        with self.closing:
            if self.closed:
                raise self._error()
            self.queue.put((event, written))
        return written

    def _complain(self, message: str) -> None:
        with suppress(RunError):
            self._put(Warned(message))

    def _write(self) -> None:
        waiting: list[Item] = []
        try:
            with closing(sqlite3.connect(self.path, timeout=PATIENCE)) as database:
                database.execute("PRAGMA journal_mode=DELETE")
                database.execute("PRAGMA synchronous=EXTRA")
                database.executescript(SCHEMA)
                while (first := self.queue.get()) is not None:
                    waiting = [first, *self._more()]
                    written_now = [event for event, _ in waiting if event]
                    with database:
                        added = append(database, [json.dumps(event.as_record()) for event in written_now])
                        for (seq, when), one in zip(added, written_now, strict=True):
                            if rows := self.gatherer.add(seq, when, one):
                                gather(database, rows)
                    self.view = fold(zip((when for _, when in added), written_now, strict=True), self.view)
                    for event, written in waiting:
                        if event:
                            self._tell(event)
                        written.set()
        except BaseException as error:
            self.failure = error
            for _, written in waiting:
                written.set()
            while (item := self.queue.get()) is not None:  # nobody who was just about to emit waits for ever
                item[1].set()

    def _tell(self, event: Event) -> None:
        for listening in self.listening:
            listening.tell(event)

    def _more(self) -> Iterator[Item]:
        """What else is in the queue, so that it shares a commit."""
        while not self.queue.empty():
            if (item := self.queue.get()) is None:
                self.queue.put(None)
                return
            yield item
