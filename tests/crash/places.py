"""Places to run in, each new and all the same, and engines that are started there to be killed: forks of a process that has
imported everything, or processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from gradts_engine.testing import TOY_WORDS, tiny_encoder, toy_rows
from tests.crash.checks import acknowledge, essence, journal

PROGRAM = Path(sys.executable).with_name("gradts-engine")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

TASKS = {
    "mood": 'type = "classification"',
    "pair": 'type = "classification"\ntext = ["one", "two"]',
    "stars": 'type = "regression"',
    "tags": 'type = "token_classification"\ntext = "words"\nlabel = "tags"',
}


def settings(encoder: Path, epochs: int, limit: int, *tasks: str, keep: str = "final") -> str:
    """A tasks.toml of toy tasks."""
    training = f"batch_size = 4\nlearning_rate = 0.003\nepochs = {epochs}"
    splits = ("train", "dev", "test")
    tables = [f"[tasks.{task}]\n{TASKS[task]}\n" + "\n".join(f'{s} = "{task}.{s}.jsonl"' for s in splits) for task in tasks]
    return "\n\n".join(
        [
            f'[run]\nencoder = "{encoder}"\nprimary = ["mood"]\ndevices = ["cpu"]\nseed = 3\nkeep = "{keep}"',
            f"[data]\nmax_length = 32\ntrain_limit = {limit}\ndev_limit = 8\ntest_limit = 8",
            f"[training]\n{training}",
            f"[multitask]\n{training}\nsteps = {3 * epochs}\naccumulation = 1",
            '[selection]\nstrategy = "trial"\nconfirm = "auto"',
            *tables,
        ]
    )


@dataclass
class Forks:
    """The program that forks engines, one at a time."""

    server: subprocess.Popen[str]
    running: int = 0
    """The process number of the engine whose end is still to be told."""
    last: dict[str, Any] = field(default_factory=dict)
    """What was told last."""

    def ask(self, **request: Any) -> int:
        """Have an engine forked: its process number."""
        assert self.server.stdin
        if self.running:  # a test that failed has not waited for it
            with suppress(ProcessLookupError):
                os.kill(self.running, signal.SIGKILL)
            self.end()
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        self.running = int(self._answer()["pid"])
        return self.running

    def held(self) -> bool:
        """Wait until the engine is stopped; False where it came to its end."""
        self.last = self._answer()
        return "stopped" in self.last

    def end(self) -> dict[str, Any]:
        """Wait for the engine: its exit status, and how often it has touched its files."""
        while "status" not in self.last:
            self.last = self._answer()
        answer, self.last, self.running = self.last, {}, 0
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self.server.stdout
        return dict(json.loads(self.server.stdout.readline()))


class Places:
    """Places for one run, in `folder`."""

    def __init__(self, folder: Path, epochs: int, limit: int, *tasks: str, keep: str = "final") -> None:
        folder.mkdir()
        self.folder = folder
        self.text = settings(tiny_encoder(folder / "tiny", words=TOY_WORDS), epochs, limit, *tasks, keep=keep)
        self.made = 0
        self.expected: tuple[Any, ...] = ()
        """What comes out where nothing interrupts the run."""

    def new(self) -> Path:
        """A folder with tasks.toml and its data."""
        self.made += 1
        folder = self.folder / str(self.made)
        folder.mkdir()
        for task, splits in toy_rows().items():
            for split, rows in splits.items():
                (folder / f"{task}.{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "tasks.toml").write_text(self.text)
        return folder

    def learn(self, forks: Forks) -> Places:
        """Have an engine run to its end in a first place, and remember what comes out."""
        first = self.new()
        assert Fork(forks, first).end() == 0, log(first)
        self.expected = essence(first)
        return self


class Fork:
    """An engine that is a fork: begins in milliseconds, notes each event that was acknowledged, may be stopped before it does the
    `hold`-th thing to its files (0: in the middle of each), and may be killed in the middle of the `at`-th, counted from where it
    frees weights or else from its beginning."""

    def __init__(
        self,
        forks: Forks,
        place: Path,
        at: int = -1,
        *,
        hold: int = -1,
        eager: bool = False,
        freeing: bool = False,
        config: str = "tasks.toml",
    ) -> None:
        self.forks = forks
        request = {"config": config, "log": "log", "acknowledged": "acknowledged", "root": ".gradts"}
        paths = {name: str(place / path) for name, path in request.items()}
        self.pid = forks.ask(**paths, hold=hold, at=at, eager=eager, freeing=freeing)
        self.touched = 0

    def held(self) -> bool:
        """Wait until it is stopped where it was to be; False where it came to its end."""
        return self.forks.held()

    def go_on(self) -> None:
        """After it was stopped."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self, after: float) -> None:
        """Send SIGKILL once it has had so many seconds of a processor."""
        wait_until(self.pid, lambda pid: busy(pid) >= after)
        with suppress(ProcessLookupError):  # it was done
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> int:
        """Wait for it: its exit status, -9 where it was killed, otherwise `touched` says how often it touched its files."""
        answer = self.forks.end()
        self.touched = int(answer["count"] or 0)
        return int(answer["status"])


class Process:
    """An engine as people start it, `gradts-engine run`: what another process reads in its journal counts as acknowledged."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.before = len(journal(place))
        with (place / "log").open("ab") as output:
            command = [PROGRAM, "run", place / "tasks.toml", "--plain"]
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=ENVIRONMENT)

    def kill(self, after: float) -> None:
        """Send SIGKILL once it has had so many seconds of a processor since it began to write."""
        wait_until(self.child.pid, lambda _: len(journal(self.place)) > self.before)
        began = busy(self.child.pid)
        wait_until(self.child.pid, lambda pid: busy(pid) >= began + after)
        acknowledge(self.place, journal(self.place)[self.before :])
        self.child.kill()

    def end(self) -> int:
        """Wait for it: its exit status, -9 where it was killed."""
        return self.child.wait()


def wait_until(pid: int, condition: Callable[[int], bool]) -> None:
    """Until something is true of a process, or it is over."""
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and not condition(pid):
            time.sleep(0.01)


def busy(pid: int) -> float:
    """Seconds of a processor that a process has had: on a busy machine it has done as much in them as on any other."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def waits_for_a_lock(pid: int) -> bool:
    """Whether a process wants a file lock that another one has."""
    return any(f" {pid} " in line for line in Path("/proc/locks").read_text().splitlines() if "->" in line)


def log(place: Path) -> str:
    """What the engines of a place have printed."""
    return (place / "log").read_text()
