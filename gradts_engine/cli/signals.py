"""What an engine does when it is sent a signal."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gradts_engine.console import Display
from gradts_engine.errors import Interrupted, Terminated
from gradts_engine.runtime.control import Control


@contextmanager
def obey_signals(control: Control, display: Display, again: str) -> Iterator[None]:
    """SIGINT (Ctrl+C) and SIGTERM stop after the present step, a second one at once; SIGUSR1 saves and goes on; SIGHUP, from a
    terminal that went away, stops nothing. `again` is the command that goes on with the run.

    Python runs handlers in the main thread, which may sleep while the system gives a signal to another thread. So a thread of
    our own reads from a pipe what has arrived.
    """

    def stop(number: int) -> None:
        kind, word = (Terminated, "terminated") if number == signal.SIGTERM else (Interrupted, "interrupted")
        control.stop(kind, f"{word}; the proposal is kept" if display.asking else word)

    def wake(number: int, frame: FrameType | None) -> None:
        if display.asking and number in (signal.SIGINT, signal.SIGTERM):
            stop(number)
            raise KeyboardInterrupt

    def listen() -> None:
        stops = 0
        while arrived := os.read(reader, 1):
            number = arrived[0]
            if number == signal.SIGUSR1:
                control.saves += 1
            elif number == signal.SIGHUP:
                for descriptor in (d for d in terminals if not os.isatty(d)):  # gone: writing to it would fail
                    os.dup2(nowhere, descriptor)
            else:
                stops += 1
                if stops > 1:
                    os._exit(128 + number)
                stop(number)
                if not display.asking:
                    display.say(f"stopping after this step (again: at once); what is finished is kept, go on with: {again}")

    terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]
    nowhere = os.open(os.devnull, os.O_RDWR)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
    handlers = {number: signal.signal(number, wake) for number in numbers}
    listener = threading.Thread(target=listen, name="signals", daemon=True)
    listener.start()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(writer)
        listener.join()
        os.close(reader)
        os.close(nowhere)
