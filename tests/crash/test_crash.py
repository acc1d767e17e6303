"""An engine is killed at any point, and the same command goes on: nothing that was acknowledged is lost, and what comes out is
what comes out of a run that nothing has interrupted, to the last bit."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gradts_engine import events, report
from gradts_engine.runtime.cleaning import garbage, remove
from gradts_engine.runtime.journal import read_events
from gradts_engine.runtime.store import Store
from gradts_engine.testing import TOY_WORDS, tiny_encoder, toy_rows

HERE = Path(__file__).parent
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

pytestmark = pytest.mark.timeout(1200)


def settings(encoder: Path, epochs: int, limit: int, tasks: tuple[str, ...]) -> str:
    """A tasks.toml of toy tasks."""
    kinds = {
        "mood": 'type = "classification"',
        "pair": 'type = "classification"\ntext = ["one", "two"]',
        "stars": 'type = "regression"',
        "tags": 'type = "token_classification"\ntext = "words"\nlabel = "tags"',
    }
    training = f"batch_size = 4\nlearning_rate = 0.003\nepochs = {epochs}"
    tables = [
        f"[tasks.{task}]\n{kinds[task]}\n" + "\n".join(f'{s} = "{task}.{s}.jsonl"' for s in ("train", "dev", "test"))
        for task in tasks
    ]
    return "\n\n".join(
        [
            f'[run]\nencoder = "{encoder}"\nprimary = ["mood"]\ndevices = ["cpu"]\nseed = 3',
            f"[data]\nmax_length = 32\ntrain_limit = {limit}\ndev_limit = 8\ntest_limit = 8",
            f"[training]\n{training}",
            f"[multitask]\n{training}\nsteps = {3 * epochs}\naccumulation = 1",
            '[selection]\nconfirm = "auto"',
            *tables,
        ]
    )


@dataclass
class Engines:
    """The program that forks engines, in `folder`, for the run of `text`."""

    folder: Path
    text: str
    server: subprocess.Popen[str]
    places: int = 0

    def place(self) -> Path:
        """A new folder with tasks.toml and its data."""
        self.places += 1
        folder = self.folder / str(self.places)
        folder.mkdir()
        for task, splits in toy_rows().items():
            for split, rows in splits.items():
                (folder / f"{task}.{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "tasks.toml").write_text(self.text)
        return folder

    def start(self, place: Path, at: int = -1, *, eager: bool = False) -> int:
        """An engine's process number."""
        request = {"config": str(place / "tasks.toml"), "log": str(place / "log"), "acknowledged": str(place / "acknowledged")}
        request |= {"root": str(place / ".gradts"), "at": at, "eager": eager}
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return json.loads(self.server.stdout.readline())["pid"]

    def end(self) -> tuple[int, int]:
        """Exit status of the engine that was started (-9: killed), and how often it touched its files, if it came to its end."""
        answer = json.loads(self.server.stdout.readline())
        return answer["status"], int(answer["count"] or 0)


@pytest.fixture(scope="module")
def shim() -> Iterator[Path]:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the library that kills an engine in the middle of a write cannot be made")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "crash.so"
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, HERE / "crash.c", "-ldl"], check=True)
        yield library


def engines(shim: Path, epochs: int, limit: int, *tasks: str) -> Iterator[Engines]:
    """Engines of one run, whose place 1 holds the run that nothing has interrupted."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        text = settings(tiny_encoder(Path(folder) / "tiny", words=TOY_WORDS), epochs, limit, tasks)
        made = Engines(Path(folder), text, None)  # type: ignore[arg-type]
        command = [sys.executable, str(HERE / "engines.py"), str(shim), str(made.place() / "tasks.toml")]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "LD_PRELOAD": str(shim)}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as made.server:
            assert made.server.stdout.readline() == "ready\n"
            yield made
            made.server.stdin.close()


@pytest.fixture(scope="module")
def short(shim: Path) -> Iterator[Engines]:
    """Engines of a run with two tasks and a handful of steps."""
    yield from engines(shim, 1, 8, "mood", "pair")


@pytest.fixture(scope="module")
def real(shim: Path) -> Iterator[Engines]:
    """Engines of a run with four tasks of all kinds and some hundred steps."""
    yield from engines(shim, 12, 24, "mood", "pair", "stars", "tags")


# --- what must be true after a kill -----------------------------------------------------------------------------------


def essence(place: Path) -> tuple[Any, ...]:
    """Tau, trials, choice, scores, and the bytes of all weights, matrices and models."""
    store = Store(place / ".gradts")
    found = report.results(store, store.run(None))
    for primary in found["primaries"].values():
        del primary["final"]["model"]
    files = {p.relative_to(store.root): p.read_bytes() for p in sorted(store.root.rglob("*.safetensors"))}
    return found["tau"], found["primaries"], found["warnings"], files


def check_acknowledged(place: Path) -> int:
    """Every event whose `emit` returned is in the database, in that order for each kind; the number of them."""
    database = Store(place / ".gradts").run(None).events
    kept = [json.loads(record) for record in _records(database)]
    lines = (place / "acknowledged").read_bytes().split(b"\n") if (place / "acknowledged").exists() else []
    acknowledged = [json.loads(line) for line in lines if line]
    for event in acknowledged:
        kept.remove(event)  # ValueError: lost
    return len(acknowledged)


def _records(database: Path) -> list[str]:
    list(read_events(database))  # a reader of ours undoes what an engine left half-written
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [record for (record,) in connection.execute("SELECT record FROM event ORDER BY seq")]


def check_nothing_twice(place: Path) -> None:
    """A stage that was said to be finished is not computed again."""
    finished: set[str] = set()
    for _, _, event in read_events(Store(place / ".gradts").run(None).events):
        if isinstance(event, events.StageStarted):
            assert event.key not in finished, event
        if isinstance(event, events.StageFinished):
            finished.add(event.key)


def check_no_orphans(place: Path) -> None:
    """After gc there is nothing but results, events, models and logs."""
    store = Store(place / ".gradts")
    remove(store, garbage(store))
    for path in store.root.rglob("*"):
        name = path.relative_to(store.root).as_posix()
        assert not any(
            part.startswith((".", "unfinished/", "work/", "damaged/")) for part in (path.name, name.removeprefix("artifacts/"))
        ), name
        assert not name.endswith(("-journal", ".partial", ".old")), name


def check_resumed(engines: Engines, place: Path, expected: tuple[Any, ...]) -> None:
    """The same command goes on with what a killed engine has left, and comes to the same end."""
    engines.start(place)
    status, _ = engines.end()
    assert status == 0, (place / "log").read_text()
    assert essence(place) == expected
    check_acknowledged(place)
    check_nothing_twice(place)
    check_no_orphans(place)


# --- at every point ---------------------------------------------------------------------------------------------------


def crash_points(engines: Engines, most: int | None, seconds: float) -> tuple[int, int]:
    """Kill an engine at its n-th touch of a file, each time in a new place, and go on there: for all n in random order, or at
    most so many, for so long; how many points were tried of how many."""
    began = time.monotonic()
    expected = essence(engines.folder / "1")
    whole = engines.place()
    engines.start(whole, eager=True)
    status, count = engines.end()
    assert status == 0, (whole / "log").read_text()
    assert essence(whole) == expected
    tried = 0
    for at in random.Random(0).sample(range(1, count + 1), count)[:most]:
        place = engines.place()
        engines.start(place, at, eager=True)
        status, _ = engines.end()
        if status == 0:
            continue  # this one wrote its events in fewer commits
        assert status == -signal.SIGKILL, (place / "log").read_text()
        check_resumed(engines, place, expected)
        shutil.rmtree(place)
        tried += 1
        if time.monotonic() - began > seconds:
            break
    return tried, count


def test_killed_at_some_points(short):
    tried, count = crash_points(short, 12, math.inf)
    assert tried >= 10
    assert count > 200


@pytest.mark.torture
def test_killed_at_all_points_that_there_is_time_for(short, capsys):
    tried, count = crash_points(short, None, 780)
    with capsys.disabled():
        sys.stdout.write(f"\ncrash points: {tried} of {count} killed and resumed, all identical\n")
    assert tried >= 100


# --- at any time ------------------------------------------------------------------------------------------------------


@dataclass
class Figures:
    """What a kill loop has seen."""

    kills: int = 0
    runs: int = 0
    resumed: int = 0
    lost_steps: int = 0
    acknowledged: int = 0


def kill_loop(engines: Engines, kills: int, seed: int = 0) -> Figures:
    """Kill engines of one run after a random time, again and again, until it is done; then begin another, until there were so
    many kills."""
    rng, figures, expected = random.Random(seed), Figures(), essence(engines.folder / "1")
    while figures.kills < kills:
        place, status = engines.place(), -signal.SIGKILL
        while status == -signal.SIGKILL:
            pid = engines.start(place)
            if figures.kills < kills:
                time.sleep(rng.uniform(0.02, 0.8))
                with suppress(ProcessLookupError):  # it was done
                    os.kill(pid, signal.SIGKILL)
            status, _ = engines.end()
            figures.kills += status == -signal.SIGKILL
        assert status == 0, (place / "log").read_text()
        assert essence(place) == expected
        figures.acknowledged += check_acknowledged(place)
        check_nothing_twice(place)
        check_no_orphans(place)
        figures.runs += 1
        _count_steps(place, figures)
        shutil.rmtree(place)
    return figures


def _count_steps(place: Path, figures: Figures) -> None:
    """Steps that were told of and then done again."""
    done: dict[tuple[str, str], int] = {}
    for _, _, event in read_events(Store(place / ".gradts").run(None).events):
        match event:
            case events.StageProgress(stage, subject, step) if stage in ("tune", "trial"):
                before = done.get((stage, subject), 0)
                figures.lost_steps += max(0, before - step + 1) if step <= before else 0
                done[stage, subject] = step
            case events.StageResumed():
                figures.resumed += 1


def test_killed_three_times(real):
    figures = kill_loop(real, 3)
    assert figures.kills >= 3
    assert figures.acknowledged > 50


@pytest.mark.torture
def test_killed_a_hundred_times(real, capsys):
    figures = kill_loop(real, 120, seed=1)
    with capsys.disabled():
        sys.stdout.write(
            f"\nkill loop: {figures.kills} kills in {figures.runs} runs, {figures.resumed} trainings gone on with from a "
            f"checkpoint, {figures.lost_steps} steps done again, {figures.acknowledged} acknowledged events, 0 lost\n"
        )
    assert figures.kills >= 100
    assert figures.resumed > 10
