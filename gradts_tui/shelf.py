"""What screens need from artifacts: computed once in a thread of its own, and kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from gradts_engine.errors import GradTSError

T = TypeVar("T")
MOST = 256
"""Values that are kept; the oldest go first."""


@dataclass(frozen=True)
class Problem:
    """Why a value is not to be had."""

    reason: str


class Shelf:
    """`get` gives a value, or None until it is there; `done` is then called, from the thread."""

    def __init__(self, done: Callable[[], object]) -> None:
        self._done = done
        self._thread = ThreadPoolExecutor(1, "shelf")
        self._values: dict[Hashable, Future[object]] = {}
        self._untold: set[Future[object]] = set()

    def get(self, key: Hashable, make: Callable[[], T]) -> T | Problem | None:
        """The value of a key, which stands for everything that it depends on."""
        if key not in self._values:
            while len(self._values) >= MOST:
                self._values.pop(next(iter(self._values)))
            asked: Future[object] = self._thread.submit(_attempt, make)
            self._values[key] = asked
            self._untold.add(asked)
            asked.add_done_callback(self._tell)
        future = self._values[key]
        return future.result() if future.done() else None  # type: ignore[return-value]  # what `make` gave for this key

    @property
    def busy(self) -> bool:
        """Whether something is being computed, or not told of yet."""
        return bool(self._untold)

    def _tell(self, future: Future[object]) -> None:
        """That a value is there."""
        try:
            if not future.cancelled():
                self._done()
        finally:
            self._untold.discard(future)

    def close(self) -> None:
        """Drop what was not begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _attempt(make: Callable[[], T]) -> T | Problem:
    try:
        return make()
    except (GradTSError, OSError, ValueError, KeyError) as error:
        return Problem(str(error))
