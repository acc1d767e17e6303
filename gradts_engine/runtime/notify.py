"""`[run] notify`: a program of the user's is told how a run ended."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from gradts_engine.errors import RunError
from gradts_engine.events import Event, RunEnded, RunStarted
from gradts_engine.printing import printable

PATIENCE = 30.0
"""Seconds that the program may take."""


class Notify:
    """A listener that starts `command` with three more arguments when a run waits, fails or ends: the run, its state, and the
    reason (which may be empty). No shell reads them."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.run = ""

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted(run):
                self.run = run
            case RunEnded(state, reason):
                self._start(self.run, state, printable(reason))

    def _start(self, *arguments: str) -> None:
        """Raises `RunError`, which the journal turns into a warning, where the program cannot be started or fails."""
        try:
            subprocess.run(
                [*self.command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise RunError(f"[run] notify: {error}") from error
