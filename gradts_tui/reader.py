"""The reader thread: looks at the store a few times a second, reads only what is new, and posts frozen snapshots."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from gradts_engine.errors import GradTSError
from gradts_engine.runtime.journal import ends, read_events
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.runtime.view import state_of
from gradts_tui.state import RunState, Snapshot, advance

INTERVAL = 0.3
"""Seconds between two looks while an engine works."""
CALM = 1.0
"""Seconds between two looks while none does."""
AGES = 20.0
"""Seconds after which a snapshot is posted even if nothing is new, for the ages that are shown."""

CHUNK = 10_000
"""Events that are folded at once: they are held in memory for that."""

Post = Callable[[Snapshot], object]


@contextmanager
def uncollected() -> Iterator[None]:
    """Without garbage collection: hundreds of thousands of records without cycles are only slowed down by it, by half."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass(frozen=True)
class Known:
    """A run as it was at the last look; `stamp` is that of its events' file, `began` the time of the first of them."""

    run: RunState
    stamp: tuple[int, int, int] = (0, 0, 0)
    began: float = 0.0


class Reader:
    """Follows one store. `start` begins to call `post` from a thread of its own; `stop` ends that."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self.clock = clock
        self._known: dict[str, Known] = {}
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, post: Post) -> None:
        """Post the first snapshot soon, and then whatever is new."""
        self._thread = threading.Thread(target=self._follow, args=(post,), name="reader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No snapshot is posted after this returns."""
        self._stop.set()
        self._wake.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def wake(self) -> None:
        """Look now: something was just sent or started."""
        self._wake.set()

    def look(self) -> Snapshot:
        """The store as it is now."""
        root = self.store.root
        try:
            folders = self.store.runs()
        except OSError as error:
            return Snapshot(root, self.clock(), problem=f"{root} cannot be read: {error.strerror}")
        known = [self._read(folder) for folder in folders]
        self._known = {one.run.id: one for one in known}  # without those that are gone
        runs = tuple(one.run for one in known)
        writable = not root.exists() or os.access(root, os.W_OK)
        return Snapshot(root, self.clock(), runs, writable)

    def _follow(self, post: Post) -> None:
        last = Snapshot(self.store.root, 0.0)
        while not self._stop.is_set():
            snapshot = self.look()
            busy = any(run.engine for run in snapshot.runs)
            new = replace(snapshot, now=last.now) != last
            if not self._stop.is_set() and (new or busy or snapshot.now - last.now > AGES):
                post(snapshot)
                last = snapshot
            self._wake.wait(INTERVAL if busy else CALM)
            self._wake.clear()

    def _read(self, folder: RunFolder) -> Known:
        """The run with the events that came since the last look."""
        known = self._known.get(folder.id) or Known(RunState(folder.id, folder.path))
        run = known.run
        try:
            engine = folder.engine()  # before the events: an engine that ends says so before it lets go
            stat = folder.events.stat()
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if stamp == known.stamp and not run.problem:
                state = state_of(run.view.state, engine)
                return replace(known, run=replace(run, engine=engine, state=state)) if engine != run.engine else known
            began, last = ends(folder.events)
            if began != known.began or last < run.seq:  # removed and made again under the same name: nothing of it counts
                run = RunState(folder.id, folder.path)
            with uncollected():
                return Known(_advanced(run, folder, engine), stamp, began)
        except (GradTSError, OSError) as error:
            return replace(known, run=replace(run, problem=str(error)))


def _advanced(run: RunState, folder: RunFolder, engine: str) -> RunState:
    rows = read_events(folder.events, run.seq)
    run = advance(run, (), engine)
    while some := list(islice(rows, CHUNK)):
        run = advance(run, some, engine)
    return run
