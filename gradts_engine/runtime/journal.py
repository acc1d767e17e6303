"""The events of a run: one writer thread keeps them in SQLite, in order, and shows them to listeners."""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType

from pydantic_core import from_json

from gradts_engine.errors import RunError
from gradts_engine.events import Event, StageProgress, Warned, from_record
from gradts_engine.printing import printable
from gradts_engine.runtime.listening import Listener, Listening
from gradts_engine.runtime.view import RunView, fold

SCHEMA = """
CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, time REAL NOT NULL, record TEXT NOT NULL, crc INTEGER) STRICT;
PRAGMA user_version = 2;
"""
PROGRESS_INTERVAL = 0.1
"""Seconds between two progress events of one stage and subject; the first and the last are always kept."""

PATIENCE = 30.0
"""Seconds to wait for another program that reads the database in a transaction."""


Item = tuple[Event | None, threading.Event]
"""An event to write, or nothing but the wish to know when all before it is written; and what is set then."""


class Thinner:
    """Drops progress that comes too often."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], float] = {}

    def passes(self, event: Event) -> bool:
        """Whether an event is kept. May be called from several threads, from one for a stage and subject."""
        if not isinstance(event, StageProgress):
            return True
        now = time.monotonic()
        key = (event.stage, event.subject)
        if 0 < event.done < event.total and now - self.last.get(key, -1e9) < PROGRESS_INTERVAL:
            return False
        self.last[key] = now
        return True


class Journal:
    """Appends events to `path`, and shows them to listeners, each in a thread of its own (see `listening`). `emit` may be called
    from any thread; for a state event it returns when the disk has it.

    `journal_mode=DELETE` works on network file systems, where WAL's shared memory does not; there is one writer, this object.
    """

    def __init__(self, path: Path, listeners: tuple[Listener, ...] = ()) -> None:
        self.path = path
        self.queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self.thinner = Thinner()
        self.view = RunView()
        """What the events add up to that are written, as of the last one; readers of the file see the same a moment later."""
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
                        times = append(database, [json.dumps(event.as_record()) for event in written_now])
                    self.view = fold(zip(times, written_now, strict=True), self.view)
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


def append(database: sqlite3.Connection, records: Sequence[str]) -> list[float]:
    """Add events, as JSON, to a journal's table, within the caller's transaction; their times."""
    (last,) = database.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
    rows = [(seq, now := time.time(), record, _crc(seq, now, record)) for seq, record in enumerate(records, last + 1)]
    database.executemany("INSERT INTO event (seq, time, record, crc) VALUES (?, ?, ?, ?)", rows)
    return [when for _, when, _, _ in rows]


def read_events(path: Path, after: int = 0) -> Iterator[tuple[int, float, Event]]:
    """Sequence number, Unix time and event, for all events after a sequence number; opens the file read-only.

    Events of a newer version that are not known here, and records that nobody can read, are passed over. In the place of an event
    whose bytes are not those that were written, or that is missing, comes a `Warned` that says so.
    """
    if not path.exists():
        return
    try:
        try:
            rows = _select(path, "ro", after)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
            rows = _select(path, "rw", after)  # an engine died while it wrote: SQLite undoes its half transaction first
    except (sqlite3.DatabaseError, ValueError, OverflowError) as error:  # the latter two where damage is in a message of SQLite's
        said = printable(str(error))[:200]  # the bytes of a damaged record may be in it
        if "no such table" in said:  # the writer is just making it
            return
        reason = "it was written by another version of GradTS" if "no such column" in said else said
        raise RunError(f"{path} cannot be read: {reason}") from error
    for seq, when, record, crc in rows:
        if seq > after + 1:
            yield seq - 1, when, Warned(f"events {after + 1} to {seq - 1} of {path} are lost: the file is damaged")
        after = max(seq, after)
        if not (isinstance(when, float) and isinstance(record, str)) or (crc is not None and _crc(seq, when, record) != crc):
            yield after, time.time(), Warned(f"event {seq} of {path} is damaged and left out")
        elif event := from_record(_parsed(record)):
            yield seq, when, event


def _crc(seq: int, when: float, record: str) -> int:
    return zlib.crc32(f"{seq} {when!r} {record}".encode())


def _parsed(record: str) -> object:
    """A record, None for one that is not JSON. Half surrogate pairs, as in names of files that are not UTF-8, only `json` reads;
    all else `from_json` reads faster."""
    for parse in (from_json, json.loads):
        try:
            return parse(record)
        except (ValueError, RecursionError):
            pass
    return None


def _select(path: Path, mode: str, after: int) -> list[tuple[int, float, str, int | None]]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=10)) as database:
        return database.execute("SELECT seq, time, record, crc FROM event WHERE seq > ? ORDER BY seq", (after,)).fetchall()
