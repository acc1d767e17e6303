"""The terminal UI in a terminal of 80 x 24: how soon it is there, how soon it answers, and what it costs to leave it open.

A terminal here is a pseudo-terminal that throws away what is drawn. Under load, a process per core computes without a pause, and
another one writes 5,000 events a second into the run that is looked at. Beside a run, an engine trains a tiny encoder meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.frame import Case, Measured

EVENTS = 200_000
RATE = 5_000
"""Events a second under load; an engine writes at most 10 a stage."""
WATCHED = 6.0
"""Seconds that a terminal is watched for where nothing happens."""
SETTLED, BESIDE = 8.0, 20.0
"""Seconds that a terminal has been there before it is watched beside a run, and those that it is watched."""
COPIES = 200
"""Of the rows of a toy task: an epoch takes as many steps as one of a real task."""
KEYS = 60
RUN = "bench-00000000"
STEPS = 1_000_000


def record(i: int) -> dict[str, object]:
    """Progress of one long training."""
    return {"event": "StageProgress", "stage": "tune", "subject": "a", "done": i, "total": STEPS, "loss": 1 / (1 + i / 500)}


def store(folder: Path, progress: int, ended: bool) -> Path:
    """A store with one run that has made so much progress; the path of its events."""
    from gradts_engine.runtime.journal import SCHEMA, append
    from gradts_engine.runtime.store import Store

    started: dict[str, object] = {
        "event": "RunStarted",
        "run": RUN,
        "config": "/tasks.toml",
        "encoder": "bench",
        "tasks": ["a", "b"],
        "primaries": ["a"],
        "devices": ["cpu"],
        "settings": {"selection": {}, "scoring": {"head_axis": "output"}},
        "versions": {},
    }
    path = Store(folder).create(RUN).events
    begin: list[dict[str, object]] = [started, {"event": "StageStarted", "stage": "tune", "subject": "a", "key": "k"}]
    end: list[dict[str, object]] = [{"event": "RunEnded", "state": "done"}] if ended else []
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA)
        append(database, [json.dumps(event) for event in (*begin, *map(record, range(progress)), *end)])
        database.commit()
    return path


def write(events: str, rate: int) -> None:
    """Be the engine of a run: hold it, and write events at a rate until killed."""
    from gradts_engine.runtime.journal import append
    from gradts_engine.runtime.store import RunFolder

    with RunFolder(Path(events).parent).locked(), closing(sqlite3.connect(events, timeout=30)) as database:
        database.execute("PRAGMA synchronous=OFF")
        began, written = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - began) * rate)
            with database:
                append(database, [json.dumps(record(i)) for i in range(written, due)])
            written = due
            time.sleep(0.1)


@contextmanager
def helpers(*code: str) -> Iterator[None]:
    """Processes that run Python code until the block is left."""
    started = [subprocess.Popen([sys.executable, "-c", line]) for line in code]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


class Screen:
    """The UI on a pseudo-terminal. `drawn` holds the time and the size of every piece that it wrote."""

    def __init__(self, folder: Path, run: str = RUN) -> None:
        self.descriptor, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        program = str(Path(sys.executable).with_name("gradts-tui"))
        environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_CONFIG_HOME": str(folder)}
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [program, run, "--store", str(folder)],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=environment,
            start_new_session=True,
        )
        os.close(inner)
        self.drawn: list[tuple[float, int]] = []
        self.text = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self.descriptor, 1 << 16)
            except OSError:
                return
            if not piece:
                return
            self.drawn.append((time.perf_counter(), len(piece)))
            self.text = (self.text + piece)[-(1 << 18) :]

    def wait(self, words: bytes) -> float:
        """Seconds from the start until these words were drawn."""
        while words not in self.text:
            time.sleep(0.002)
            if time.perf_counter() - self.began > 180:
                raise TimeoutError(f"no {words!r} on the screen")
        return time.perf_counter() - self.began

    def press(self, key: bytes) -> float:
        """Seconds from a key to the first piece that is drawn after it."""
        before = len(self.drawn)
        pressed = time.perf_counter()
        os.write(self.descriptor, key)
        while len(self.drawn) == before and time.perf_counter() - pressed < 5:
            time.sleep(0.0005)
        return self.drawn[before][0] - pressed

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.descriptor)


def first_paint() -> Measured:
    """Seconds until the run's stages are on the screen."""
    with TemporaryDirectory() as folder:
        store(Path(folder), 100, ended=True)
        with Screen(Path(folder)) as screen:
            return Measured(screen.wait(b"Tune each task alone"))


def replay() -> Measured:
    """Seconds to read and fold all events of a long run."""
    from gradts_engine.runtime.store import Store
    from gradts_tui.reader import Reader

    with TemporaryDirectory() as folder:
        store(Path(folder), EVENTS, ended=True)
        reader = Reader(Store(Path(folder)))
        start = time.perf_counter()
        snapshot = reader.look()
        seconds = time.perf_counter() - start
        assert snapshot.runs[0].view.stage("tune", "a").done == EVENTS - 1
    return Measured(seconds)


def key_to_repaint() -> Measured:
    """95th percentile of the seconds from an arrow key to the first thing drawn, under load."""
    with TemporaryDirectory() as folder:
        events = store(Path(folder), 1000, ended=False)
        burners = ["x = 1\nwhile True: x = x * 3 % 1000003"] * (os.cpu_count() or 1)
        with (
            helpers(f"from benchmarks.tui import write; write({str(events)!r}, {RATE})", *burners),
            Screen(Path(folder)) as screen,
        ):
            screen.wait(b"Tune each task alone")
            time.sleep(1.0)
            seconds = []
            for i in range(KEYS):
                seconds.append(screen.press(b"\x1b[A" if i % 2 else b"\x1b[B"))
                time.sleep(0.07)
    return Measured(quantiles(seconds, n=20)[-1])


def experiment(folder: Path) -> Path:
    """A tasks.toml of a training that does not end while it is watched."""
    from gradts_engine.testing import TOY_WORDS, tiny_encoder, toy_rows

    rows = toy_rows()["mood"]
    for split in ("train", "dev"):
        text = "".join(json.dumps(row) + "\n" for row in rows[split])
        (folder / f"{split}.jsonl").write_text(text * (COPIES if split == "train" else 1), encoding="utf-8")
    tiny = tiny_encoder(folder / "tiny", words=TOY_WORDS)
    config = folder / "tasks.toml"
    files = 'type = "classification"\ntrain = "train.jsonl"\ndev = "dev.jsonl"\n'
    config.write_text(
        f'[run]\nencoder = "{tiny}"\nprimary = ["a"]\ndevices = ["cpu"]\n[data]\noverlap = "keep"\n[training]\nepochs = 10000\n'
        + "".join(f"[tasks.{name}]\n{files}" for name in "ab"),
        encoding="utf-8",
    )
    return config


def beside_a_run(what: str) -> Measured:
    """Share of a core, bytes drawn a second, or bytes by which the UI grows in a minute, while an engine trains."""
    import psutil

    from gradts_engine.runtime.store import Store

    with TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "gradts_engine", "run", str(experiment(folder)), "--store", str(folder)]
        engine = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not (runs := Store(folder).runs()):
                time.sleep(0.1)
            with Screen(folder, runs[0].id) as screen:
                screen.wait(b"loss now")
                time.sleep(SETTLED)
                process, start = psutil.Process(screen.process.pid), len(screen.drawn)
                before, held = process.cpu_times(), process.memory_info().rss
                time.sleep(BESIDE)
                after = process.cpu_times()
                assert engine.poll() is None
                measured = {
                    "cores": (after.user + after.system - before.user - before.system) / BESIDE,
                    "B/s": sum(size for _, size in screen.drawn[start:]) / BESIDE,
                    "MB/min": (process.memory_info().rss - held) / 1e6 * 60 / BESIDE,
                }
        finally:
            engine.kill()
            engine.wait()
    return Measured(measured[what], seen=measured)


def idle_cpu() -> Measured:
    """Share of a core that the UI takes while nothing happens."""
    import psutil

    with TemporaryDirectory() as folder:
        store(Path(folder), 1000, ended=True)
        with Screen(Path(folder)) as screen:
            screen.wait(b"Tune each task alone")
            time.sleep(2.0)
            process = psutil.Process(screen.process.pid)
            before = process.cpu_times()
            time.sleep(WATCHED)
            after = process.cpu_times()
    return Measured((after.user + after.system - before.user - before.system) / WATCHED)


def heat_map() -> Measured:
    """Seconds to make and lay out a map of 24 layers of 16 heads."""
    from rich.console import Console

    from gradts_engine.tables import heat_map

    console = Console(width=200, color_system="truecolor", force_terminal=True)
    importance = np.random.default_rng(0).random((24, 16), np.float32)
    start = time.perf_counter()
    list(console.render(heat_map(importance)))
    return Measured(time.perf_counter() - start)


def cases() -> list[Case]:
    """None has a baseline."""
    case = partial(Case, at_most=True)
    return [
        case("first paint", 1.0, first_paint),
        case(f"replay of {EVENTS} events", 1.5, replay),
        case("key to repaint, p95", 0.06, key_to_repaint, facts={"events a second": RATE, "keys": KEYS}),
        *(
            case(f"beside a run, {name}", most, partial(beside_a_run, unit), unit=unit, turns=2, warm_up=False)
            for name, most, unit in (("computing", 0.04, "cores"), ("drawn", 20_000, "B/s"), ("growth", 2.0, "MB/min"))
        ),
        case("idle", 0.05, idle_cpu, unit="cores"),
        case("map of 24 x 16", 0.05, heat_map),
    ]
