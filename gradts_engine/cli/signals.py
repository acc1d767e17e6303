"""What an engine does when it is sent a signal."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType

from gradts_engine.console import Display
from gradts_engine.errors import Interrupted, Terminated
from gradts_engine.printing import let_go
from gradts_engine.runtime.control import Control

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


def _pass(number: int, frame: FrameType | None) -> None:
    """Python's handler, without which nothing would come through the pipe."""


class Signals:
    """SIGINT (Ctrl+C) and SIGTERM stop after the present step, a second one at once; SIGUSR1 saves and goes on; SIGHUP, from a
    terminal that went away, stops nothing. `again` is the command that goes on with the run.

    A context manager, for the main thread. Python runs handlers there, and it may sleep while the system gives a signal to
    another thread: so a thread of our own reads from a pipe what has arrived. It never prints, as nobody may read that.
    """

    def __init__(self, control: Control, display: Display, again: str) -> None:
        self.control = control
        self.display = display
        self.again = again
        self.stops = 0
        self._told = threading.Thread(target=self._tell, name="told", daemon=True)

    def __enter__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._before = signal.set_wakeup_fd(self._writer)
        self._handlers = {number: signal.signal(number, _pass) for number in NUMBERS}
        self._listener = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._listener.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._before)
        os.close(self._writer)
        self._listener.join()
        os.close(self._reader)
        if self._told.ident:
            self._told.join(1.0)  # so that it comes before the last line, where it can be printed

    def _listen(self) -> None:
        """In the thread: do what each signal asks for."""
        while arrived := os.read(self._reader, 1):
            number = arrived[0]
            if number == signal.SIGUSR1:
                self.control.saves += 1
            elif number == signal.SIGHUP:
                let_go()
            else:
                self.stops += 1
                if self.stops > 1:
                    os._exit(128 + number)
                self._stop(number)
                if not self.display.asking:
                    self._told.start()

    def _tell(self) -> None:
        self.display.say(f"stopping after this step (again: at once); what is finished is kept, go on with: {self.again}")

    def _stop(self, number: int) -> None:
        kind, word = (Terminated, "terminated") if number == signal.SIGTERM else (Interrupted, "interrupted")
        self.control.stop(kind, f"{word}; the proposal is kept" if self.display.asking else word)
