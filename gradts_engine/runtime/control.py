"""What a running engine was asked to do: stop, hold, or save now."""

from __future__ import annotations

import time
from collections.abc import Callable

from gradts_engine.errors import Interrupted

POLL = 0.05
"""Seconds between two looks of a worker that holds."""


class Control:
    """Set by signals and by commands of the inbox; seen by every worker between two steps.

    Plain attributes and no locks: a signal handler must not wait for a lock that the code it interrupts may hold.
    """

    def __init__(self) -> None:
        self.paused = False
        self.saves = 0
        """How often somebody asked for a checkpoint now."""
        self._stop: tuple[type[Interrupted], str] | None = None

    def stop(self, kind: type[Interrupted] = Interrupted, message: str = "interrupted") -> None:
        """Have the run end at the next safe point, by an error of `kind`; the first to ask is heard."""
        self._stop = self._stop or (kind, message)

    @property
    def stopping(self) -> bool:
        """Whether the run is to end."""
        return self._stop is not None

    def check(self, before_holding: Callable[[], None] = lambda: None) -> None:
        """A safe point: returns at once, or once the run is no longer paused. Raises `Interrupted` if it is to end."""
        if self.paused:
            before_holding()
        while self.paused and not self._stop:
            time.sleep(POLL)
        if self._stop:
            kind, message = self._stop
            raise kind(message)
