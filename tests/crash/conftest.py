"""A program that forks engines, and two runs to kill them in."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.places import ENVIRONMENT, Forks, Places

HERE = Path(__file__).parent
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Where everything is written, in memory where that can be: what a killed process gave the system is not lost."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def shim(folder: Path) -> Path:
    """The library that holds and kills an engine."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the library that kills an engine in the middle of a write cannot be made")
    shim = folder / "crash.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", shim, HERE / "crash.c", "-ldl"], check=True)
    return shim


@contextmanager
def program(folder: Path, shim: Path) -> Iterator[Forks]:
    """The program, after a run with tasks of all kinds."""
    first = Places(folder, 1, 8, "mood", "pair", "stars", "tags").new()
    command = [sys.executable, HERE / "engines.py", shim, first / "tasks.toml"]
    environment = ENVIRONMENT | {"LD_PRELOAD": str(shim)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout.readline() == "ready\n"
        yield Forks(server)
        server.stdin.close()


@pytest.fixture(scope="session")
def forks(folder: Path, shim: Path) -> Iterator[Forks]:
    """A program that forks engines."""
    with program(folder / "first", shim) as forks:
        yield forks


@pytest.fixture(scope="session")
def others(folder: Path, shim: Path) -> Iterator[Forks]:
    """Another one, for engines beside those of the first."""
    with program(folder / "others", shim) as forks:
        yield forks


@pytest.fixture(scope="session")
def short(folder: Path, forks: Forks) -> Places:
    """A run with two tasks and a handful of steps, which frees weights at its end."""
    return Places(folder / "short", 1, 8, "mood", "pair").learn(forks)


@pytest.fixture(scope="session")
def real(folder: Path, forks: Forks) -> Places:
    """A run with four tasks of all kinds and some hundred steps, which keeps all weights."""
    return Places(folder / "real", 12, 24, "mood", "pair", "stars", "tags", keep="all").learn(forks)
