"""A place to run in: a tiny encoder, four toy tasks of all kinds, and a tasks.toml that takes seconds."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch

from gradts_engine import events
from gradts_engine.__main__ import main
from gradts_engine.runtime.journal import read_events
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.testing import TOY_WORDS, tiny_encoder, toy_rows
from gradts_engine.testing.toy import SIZES, Rows
from tests.e2e.texts import labelled, save, texts

Settings = dict[str, dict[str, Any]]


def toy_settings(encoder: Path) -> Settings:
    """Tables of tasks.toml by name."""
    training = {"batch_size": 4, "learning_rate": 0.003, "precision": "fp32"}  # compared with plain float32 on any processor
    files = {task: {split: f"data/{task}.{split}.jsonl" for split in splits} for task, splits in SIZES.items()}
    return {
        "run": {"encoder": str(encoder), "primary": ["mood"], "devices": ["cpu"], "seed": 3, "keep": "all"},
        "data": {"max_length": 32, "overlap": "keep"},  # some toy texts are in several tasks
        "training": {"epochs": 2, **training},
        "multitask": {"epochs": 2, "steps": 12, "accumulation": 1, **training},
        "scoring": {},
        "selection": {"confirm": "auto", "strategy": "trial"},
        "tasks.mood": {"type": "classification", **files["mood"]},
        "tasks.pair": {"type": "classification", "text": ["one", "two"], **files["pair"]},
        "tasks.stars": {"type": "regression", **files["stars"]},
        "tasks.tags": {"type": "token_classification", "text": "words", "label": "tags", **files["tags"]},
    }


@dataclass
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as strict JSON."""

        def refuse(name: str) -> None:
            raise AssertionError(f"{name} is not JSON")

        return json.loads(self.out, parse_constant=refuse)

    @property
    def line(self) -> str:
        """The one line of an error message, after what may be said of the reading."""
        assert self.code not in (0, 3)
        assert self.out == ""
        (line,) = (line for line in self.err.splitlines() if not line.startswith("reading "))
        return line


@dataclass
class Place:
    """A folder with tasks.toml, its data and its store. Change `settings` and `rows`, then `write()`."""

    folder: Path
    settings: Settings
    rows: dict[str, dict[str, Rows]]
    capture: pytest.CaptureFixture[str]
    seen: dict[str, int] = field(default_factory=dict)

    def write(self) -> None:
        """Write tasks.toml and its data."""
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        for task, splits in self.rows.items():
            for split, rows in splits.items():
                lines = (json.dumps(row) + "\n" for row in rows)
                (data / f"{task}.{split}.jsonl").write_text("".join(lines), encoding="utf-8")
        tables = []
        for name, table in self.settings.items():
            tables += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        self.config.write_text("\n".join(tables) + "\n", encoding="utf-8")

    @property
    def config(self) -> Path:
        """Path of tasks.toml."""
        return self.folder / "tasks.toml"

    @property
    def store(self) -> Store:
        """The store, opened for reading."""
        return Store(self.folder / ".gradts")

    @property
    def latest(self) -> RunFolder:
        """The run with the latest event."""
        return self.store.run(None)

    def __call__(self, command: str, *arguments: str) -> Result:
        """A command on this place's store, in this process."""
        self.capture.readouterr()
        code = main([*command.split(), *arguments, "--store", str(self.folder / ".gradts")])
        return Result(code, *self.capture.readouterr())

    def run(self, *arguments: str) -> Result:
        """`gradts-engine run` on this place's tasks.toml."""
        return self("run", str(self.config), *arguments)

    def done(self, *arguments: str) -> set[tuple[str, str]]:
        """Run to the end; the stages, with subjects, that were computed by this command."""
        result = self.run(*arguments)
        assert result.code == 0, result.err
        return {(e.stage, e.subject) for e in self.news() if isinstance(e, events.StageStarted)}

    def outcome(self, primary: str = "mood") -> Any:
        """What the latest run found for a primary: the same wherever it is computed, so without paths and seconds."""
        found = self("results --json").json["primaries"][primary]
        del found["final"]["model"], found["final"]["predictions"]
        for trial in found["trials"]:
            del trial["seconds"]
        return found

    def news(self) -> list[events.Event]:
        """Events of all runs since the last look."""
        found = []
        for folder in self.store.runs():
            for seq, _, event in read_events(folder.events, self.seen.get(folder.id, 0)):
                self.seen[folder.id] = seq
                found.append(event)
        return found

    def copy(self, folder: Path) -> "Place":
        """The same place, with what was computed, somewhere else."""
        shutil.copytree(self.folder, folder)
        settings, rows = json.loads(json.dumps([self.settings, self.rows]))
        return Place(folder, settings, rows, self.capture, dict(self.seen))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """A command in a process of its own, in the place's folder."""
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "gradts_engine", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env=environment,
            # What a shell starts in the background, as it may have started us, ignores Ctrl+C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def suspend(self, pid: int, commands: int = 1) -> None:
        """Suspend the engine of the latest run until so many commands wait in its inbox: it is not through before they are."""
        inbox = self.latest.inbox
        os.kill(pid, signal.SIGSTOP)

        def wake() -> None:
            while len(list(inbox.glob("*.json"))) < commands:
                time.sleep(0.02)
            os.kill(pid, signal.SIGCONT)

        threading.Thread(target=wake, daemon=True).start()


MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where the many small commits of a run do not wait for a disk."""


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A folder for the whole session."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for one test."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def encoder(session_folder: Path) -> Path:
    """Folder of a tiny BERT that knows the words of the toy tasks. All compute with one thread, so that sums are the same."""
    torch.set_num_threads(1)
    return tiny_encoder(session_folder / "tiny", words=TOY_WORDS)


@pytest.fixture
def place(folder: Path, encoder: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """A fresh place where nothing was run."""
    place = Place(folder / "place", toy_settings(encoder), toy_rows(), capsys)
    place.write()
    return place


def run_quietly(folder: Path, settings: Settings) -> Path:
    """Run to the end in a new folder, and return it."""
    place = Place(folder, settings, toy_rows(), None)  # type: ignore[arg-type]
    place.write()
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        assert main(["run", str(place.config)]) == 0, said.getvalue()
    return folder


@pytest.fixture(scope="session")
def _ran(encoder: Path, session_folder: Path) -> Path:
    """A folder in which the run of `toy_settings` was made."""
    return run_quietly(session_folder / "ran", toy_settings(encoder))


def slow_settings(encoder: Path) -> Settings:
    """`toy_settings` with trainings long enough to be interrupted."""
    settings = toy_settings(encoder)
    settings["training"]["epochs"] = 12
    return settings


@pytest.fixture
def slow(place: Place, encoder: Path) -> Place:
    """A fresh place with `slow_settings`."""
    place.settings = slow_settings(encoder)
    place.write()
    return place


@pytest.fixture(scope="session")
def uninterrupted(encoder: Path, session_folder: Path) -> Store:
    """The store of a run of `slow_settings` that nothing has interrupted."""
    return Store(run_quietly(session_folder / "uninterrupted", slow_settings(encoder)) / ".gradts")


@pytest.fixture
def ran(_ran: Path, folder: Path, encoder: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """A place where the run of `toy_settings` has been made; each test gets a copy."""
    place = Place(_ran, toy_settings(encoder), toy_rows(), capsys).copy(folder / "place")
    place.news()
    return place


@pytest.fixture
def own(place):
    """A place whose tasks are `t` and `u`; their files are for the test to write."""
    for name in ("mood", "pair", "stars", "tags"):
        del place.settings[f"tasks.{name}"]
    place.rows = {}
    place.settings["run"]["primary"] = ["t"]
    place.settings["data"] = {"max_length": 32}
    for name in ("t", "u"):
        place.settings[f"tasks.{name}"] = {"type": "classification", "train": f"{name}.jsonl", "dev_fraction": 0.25}
        save(place.folder / f"{name}.jsonl", labelled(texts(60, 100 if name == "u" else 0), ["x", "y"]))
    place.write()
    return place
