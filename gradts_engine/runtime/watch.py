"""Beside an engine's workers: a thread that answers the run's inbox and shows that the engine lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from gradts_engine import events
from gradts_engine.errors import Cancelled, GradTSError
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.inbox import AnyCommand, Cancel, Confirm, Pause, Resume, read
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.lock import HEARTBEAT, beat
from gradts_engine.runtime.store import RunFolder

INTERVAL = 0.5
"""Seconds between two looks into the inbox. Looking is all that works on every file system."""

Decide = Callable[[Confirm], str | None]
"""Takes a confirmation: why it is refused, or nothing; None where it cannot be answered yet."""


class Watch:
    """Answers the commands that are sent to an engine while it runs. `look` may be called from any thread."""

    def __init__(self, run: RunFolder, control: Control, journal: Journal, decide: Decide) -> None:
        self.run = run
        self.control = control
        self.journal = journal
        self.decide = decide
        self.looking = threading.Lock()
        """Held while commands are taken."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        beaten = time.monotonic()
        while not self._ended.wait(INTERVAL):
            with suppress(OSError):  # a file system that is away for a while
                if time.monotonic() - beaten >= HEARTBEAT:
                    beat(self.run.lock)
                    beaten = time.monotonic()
                try:
                    self.look()
                except GradTSError:  # the journal cannot be written: the workers fail of it, too
                    return

    def look(self) -> None:
        """Answer what waits in the inbox."""
        with self.looking:
            answer_commands(self.run, self.journal, self._obey)

    def _obey(self, command: AnyCommand) -> str | None:
        """Do what a command says: why it is refused, or nothing; None where it cannot be answered yet."""
        match command:
            case Confirm():
                return self.decide(command)
            case Pause():
                if not self.control.paused:
                    self.control.paused = True
                    self.journal.emit(events.RunPaused())
            case Resume():
                if self.control.paused:
                    self.control.paused = False
                    self.journal.emit(events.RunResumed())
            case Cancel():
                self.control.stop(Cancelled, "cancelled")
        return ""


def answer_commands(run: RunFolder, journal: Journal, obey: Callable[[AnyCommand], str | None]) -> None:
    """Have `obey` answer each command that waits and was not answered before."""
    if not (commands := read(run.inbox)):
        return
    answers = journal.view.answers
    for path, command in commands:
        if command.id not in answers:
            reason = obey(command)
            if reason is None:
                continue
            journal.emit(events.CommandAnswered(command.command, command.id, not reason, reason))
        path.unlink(missing_ok=True)


def refuse_old_commands(run: RunFolder, journal: Journal) -> None:
    """An engine that begins is not paused or cancelled by what was sent to one before it; confirmations wait for it."""
    answer_commands(run, journal, lambda command: None if isinstance(command, Confirm) else "the engine it was sent to has ended")
