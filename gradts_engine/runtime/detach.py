"""Start an engine that outlives whoever starts it: in a session of its own, its output in the run's folder."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradts_engine.errors import GradTSError, RunError, UsageError
from gradts_engine.events import Event, RunStarted
from gradts_engine.runtime.store import Store

LIMIT = 3600.0
"""Seconds that an engine may take to read its data and to load its encoder, which may have to come over a slow network."""
REMINDER = 30.0
"""Seconds between two words to who waits."""
CHUNK = 1 << 20
"""Most bytes of output that are looked at before a run has its folder."""


@dataclass(frozen=True)
class Launched:
    """A run whose engine has begun its work."""

    run: str
    pid: int
    store: Path
    log: Path


def launch(
    config: Path, store: Path, *, options: Sequence[str] = (), say: Callable[[str], object] = lambda text: None
) -> Launched:
    """Start a detached engine for tasks.toml, with more `options` of `run`, and wait until it holds its run; it goes on when this
    process ends.

    What it prints until then goes to `say`, by lines, and every half minute that it is still waited for. Raises the error of an
    engine that could not begin: `UsageError` for a wrong configuration, `RunError` for anything else, such as another engine that
    works on the run, or an engine that has not begun after `LIMIT`, which is then ended.
    """
    reader, writer = os.pipe()
    command = ["run", str(config.absolute()), "--store", str(store.absolute()), "--plain", "--announce", str(writer)]
    with open(reader, "rb") as answer, tempfile.TemporaryFile() as said:
        try:
            engine = subprocess.Popen(
                [sys.executable, "-P", "-m", "gradts_engine", *command, *options],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=[writer],
                start_new_session=True,
            )
        finally:
            os.close(writer)
        threading.Thread(target=engine.wait, daemon=True).start()  # so that it does not stay as a zombie when it ends
        try:
            line = _follow(answer.fileno(), said.fileno(), say)
        except BaseException:  # nobody waits for it any more, and nobody knows of it yet
            engine.terminate()
            raise
        if not line:
            last = os.pread(said.fileno(), CHUNK, 0).decode(errors="replace").strip()
            raise RunError(f"the engine ended before it began its work\n{last}")
    news: dict[str, Any] = json.loads(line)
    if "error" in news:
        raise UsageError(news["error"]) if news["code"] == UsageError.exit_code else RunError(news["error"])
    return Launched(news["run"], engine.pid, store.absolute(), Path(news["log"]))


def _follow(answer: int, said: int, say: Callable[[str], object]) -> bytes:
    """What the engine announces, empty if it died; shows what it prints meanwhile."""
    line, shown, began, told = b"", 0, time.monotonic(), 0.0
    while (waited := time.monotonic() - began) < LIMIT:
        if waited - told > REMINDER:
            told = waited
            say(f"waiting for the engine to begin: {waited:.0f} s, at most {LIMIT:.0f} s")
        ready, _, _ = select.select([answer], [], [], 0.2)
        whole_lines, end, _ = os.pread(said, CHUNK, shown).rpartition(b"\n")
        for text in (whole_lines + end).splitlines():
            say(text.decode(errors="replace"))
        shown += len(whole_lines + end)
        if ready:
            if not (part := os.read(answer, CHUNK)):
                return line
            line += part
    raise RunError(f"the engine had not begun its work after {LIMIT:.0f} s and was ended; run it without --detach to see why")


class Announcer:
    """The engine's side: tells who started it that the run is held, or why it could not be."""

    def __init__(self, descriptor: int, store: Store) -> None:
        self._pipe = os.fdopen(descriptor, "w")
        self._store = store

    def __call__(self, event: Event) -> None:
        """Listens for the start of the run."""
        if isinstance(event, RunStarted):
            log = self._store.folder(event.run).log.absolute()
            _print_to(log)
            self._tell(run=event.run, log=str(log))

    def failed(self, error: GradTSError) -> bool:
        """Tell of an error; whether anybody still listened."""
        if listened := not self._pipe.closed:
            self._tell(error=str(error), code=error.exit_code)
        return listened

    def _tell(self, **news: object) -> None:
        with suppress(BrokenPipeError), self._pipe:  # who started the engine may have gone
            json.dump(news, self._pipe)


def _print_to(log: Path) -> None:
    """Let standard output and error end in a file, after what they were given before."""
    before = os.pread(2, CHUNK, 0)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, before)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
