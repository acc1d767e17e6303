"""Seconds until commands that have nothing to compute have answered."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.frame import Case, Measured

TARGET = 0.35
COMMANDS = {
    "--help": (["--help"], 0),
    "--version": (["--version"], 0),
    "plugins": (["plugins"], 0),
    "config error": (["run", "tasks.toml"], 2),
}


def answer(arguments: list[str], exit_code: int) -> Measured:
    """One start of the installed command, in a folder with a wrong tasks.toml."""
    command = [str(Path(sys.executable).with_name("gradts-engine")), *arguments]
    with TemporaryDirectory() as folder:
        (Path(folder) / "tasks.toml").write_text('[run]\nencoder = "minilm-l6"\nsede = 1\n', encoding="utf-8")
        start = perf_counter()
        child = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        seconds = perf_counter() - start
    assert child.returncode == exit_code, child.stderr.decode()
    return Measured(seconds)


def cases() -> list[Case]:
    """One for each command, without a baseline."""
    return [Case(name, TARGET, partial(answer, *command), at_most=True) for name, command in COMMANDS.items()]
