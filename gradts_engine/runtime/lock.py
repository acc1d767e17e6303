"""Which engine works on a run, and whether it lives: a lock that goes with its process, and its name, readable from any host."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from gradts_engine.durable import storing
from gradts_engine.errors import RunError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PATIENCE = 0.5
"""Seconds after which a lock that is held is another engine's."""
MAX_OWNER = 4096
"""Characters of an owner's name."""
HEARTBEAT = 5.0
"""Seconds between two signs of life of an engine: the modification time of its lock file."""
SILENCE = 60.0
"""Seconds without a sign of life after which an engine on another host is dead, and one on this host hangs."""
SILENT = "no sign of life for"
"""In the words for an engine that hangs."""


@dataclass(frozen=True)
class Owner:
    """An engine: a process of one boot of one host. `start` tells it from a later process with the same number."""

    host: str
    pid: int
    start: str
    boot: str
    since: float

    @classmethod
    def me(cls) -> Owner:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), _start(os.getpid()), _boot(), time.time())

    @property
    def here(self) -> bool:
        """Whether it is, or was, on this host."""
        return self.host == socket.gethostname()

    def running(self) -> bool:
        """Whether its process is there; for an engine on this host."""
        return self.boot == _boot() and self.start == _start(self.pid) != ""

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host}, since {since}"


def _boot() -> str:
    return BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""


def _start(pid: int) -> str:
    """Start time of a process in ticks since boot; empty where there is no such process, or no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _read(file: TextIO) -> Owner | None:
    file.seek(0)
    try:
        owner = Owner(**json.loads(file.read(MAX_OWNER)))
        return owner if str(owner) else None
    except (ValueError, TypeError, OverflowError, OSError, RecursionError):
        return None


def _age(file: TextIO) -> float:
    return time.time() - os.fstat(file.fileno()).st_mtime


def _lock(file: TextIO, mode: int) -> bool | None:
    """Whether the lock could be taken; None where the file system has none."""
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _living(file: TextIO, free: bool | None) -> bool:
    """Whether the engine that the file names lives, given whether its lock was free.

    On one host the lock is right, since it goes with the process; without locks the process table is. A lock that was free says
    nothing of an engine on another host, since some network file systems keep locks to a host: there, signs of life do.
    """
    if free is False:
        return True
    owner = _read(file)
    if owner is None:
        return False
    if not owner.here:
        return _age(file) < SILENCE
    return free is None and owner.running()


@contextmanager
def hold(path: Path, run: str, *, named: bool = True) -> Iterator[None]:
    """Hold the lock file. Raises `RunError`, with the name of the engine that does, if it is held, or if it cannot be written;
    unless `named`, it need not be: on a full disk, who makes room cannot leave a name."""
    with storing(path):
        file = path.open("a+")
    with file:
        deadline = time.monotonic() + PATIENCE  # a reader that asks who holds it is in the way for an instant only
        while _living(file, _lock(file, fcntl.LOCK_EX)):
            if time.monotonic() > deadline:
                raise RunError(f"run {run} is already being worked on: {_words(file)}")
            time.sleep(0.01)
        with storing(path) if named else suppress(OSError):
            file.truncate(0)
            os.write(file.fileno(), json.dumps(asdict(Owner.me())).encode())  # unbuffered: a full disk is told here, and once
        try:
            yield
        finally:
            file.truncate(0)


def beat(path: Path) -> None:
    """Give a sign of life."""
    os.utime(path)


def holder(path: Path) -> str:
    """The engine that holds a lock file, in words; empty if none does."""
    with suppress(FileNotFoundError), path.open("r") as file:
        return _words(file) if _living(file, _lock(file, fcntl.LOCK_SH)) else ""
    return ""


def held_since(path: Path) -> float | None:
    """When whoever holds a lock file took it (Unix time); None if nobody holds it."""
    with suppress(FileNotFoundError), path.open("r") as file:
        if _living(file, _lock(file, fcntl.LOCK_SH)):
            owner = _read(file)
            return owner.since if owner else path.stat().st_ctime  # who has just taken it
    return None


def _words(file: TextIO) -> str:
    silent = _age(file)
    silence = f", {SILENT} {silent:.0f} s" if silent > SILENCE else ""
    return f"{_read(file) or 'another process'}{silence}"
