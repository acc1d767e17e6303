"""Studies at work in a store: they compute results there for no run, which nobody may take for leftovers."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gradts_engine.durable import make_folder, storing, unique
from gradts_engine.runtime.lock import HEARTBEAT, beat, held_since, hold
from gradts_engine.runtime.store import Store

FOLDER = "studies"

COARSE = 2.0
"""Seconds by which the times of a file system may lag behind the clock."""


@contextmanager
def studying(store: Store) -> Iterator[None]:
    """Within: a study is at work."""
    with storing(store.root):
        make_folder(store.root / FOLDER)
    path, ended = store.root / FOLDER / unique(), threading.Event()

    def live() -> None:
        while not ended.wait(HEARTBEAT):
            with suppress(OSError):  # a file system that is away for a while
                beat(path)

    thread = threading.Thread(target=live, name="study", daemon=True)
    with hold(path, path.name):
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            path.unlink(missing_ok=True)


def before_studies(store: Store) -> float:
    """Until when (Unix time) a result must have been used last for no study at work to need it; infinite where none is."""
    found = (held_since(path) for path in (store.root / FOLDER).glob("*"))
    return min((since - COARSE for since in found if since is not None), default=math.inf)
