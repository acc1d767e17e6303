"""Engines by the hundred: everything heavy is imported once, and each engine is a fork, which begins in milliseconds.

Started as a program it obeys requests, a JSON object a line: {"config", "log", "acknowledged", "root", "hold", "at", "eager",
"freeing"}. It forks an engine that runs `config`, is stopped before it does the `hold`-th thing to files below `root` (0: in the
middle of each), is killed in the middle of the `at`-th (-1: never; counted from the beginning, or from where it frees weights),
and notes each event that was acknowledged. It answers at once with the engine's process number, whenever the engine was stopped,
and at its end with its status and how often it touched its files.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Callable
from typing import Any


def warm_up(config: str) -> None:
    """A whole run, so that everything is imported that a run imports."""
    from gradts_engine.__main__ import main

    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    saved = os.dup(1)
    os.dup2(devnull, 1)
    code = main(["run", config])
    sys.stdout.flush()
    os.dup2(saved, 1)
    assert code == 0


def be_eager() -> None:
    """Touch files as often as possible, in the same order each time: a checkpoint for every step, a commit for every event."""
    from gradts_engine.runtime import checkpoints, journal

    checkpoints.SHARE = 1e9
    journal.PROGRESS_INTERVAL = 0.0
    journal.Journal._more = lambda self: iter(())


def count_from_freeing(arm: Callable[[], None]) -> None:
    """Have `arm` called once the run is done but for the freeing of its weights."""
    from gradts_engine.runtime import pipeline

    tidy = pipeline.tidy

    def armed(*arguments: Any) -> None:
        arm()
        tidy(*arguments)

    pipeline.tidy = armed


def engine(request: dict, shim: ctypes.CDLL, counted: int) -> None:
    """In the fork: run to the end, or be killed."""
    from gradts_engine.__main__ import main
    from gradts_engine.runtime.journal import Journal

    if request["eager"]:
        be_eager()

    def arm() -> None:
        shim.crash_arm(request["root"].encode(), request["hold"], request["at"])

    emit = Journal.emit
    noted = os.open(request["acknowledged"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self: Journal, event: object) -> None:
        emit(self, event)
        if not event.progress:
            os.write(noted, (json.dumps(event.as_record()) + "\n").encode())

    Journal.emit = note
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    count_from_freeing(arm) if request["freeing"] else arm()
    code = main(["run", request["config"], "--plain"])
    os.write(counted, str(shim.crash_count()).encode())
    os._exit(code)


def serve(shim: ctypes.CDLL) -> None:
    """Obey requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w")

    def answer(**said: object) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    for line in sys.stdin:
        request = json.loads(line)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                engine(request, shim, writer)
            finally:
                os._exit(99)
        os.close(writer)
        answer(pid=pid)
        while os.WIFSTOPPED(status := os.waitpid(pid, os.WUNTRACED)[1]):
            answer(stopped=True)
        with os.fdopen(reader) as counted:
            answer(status=os.waitstatus_to_exitcode(status), count=counted.read())


if __name__ == "__main__":
    library, first = sys.argv[1:]
    warm_up(first)
    print("ready", flush=True)  # noqa: T201
    serve(ctypes.CDLL(library))
