"""`python -m benchmarks [NAME ...] [--json FILE] [--readme FILE]`: the named benchmarks, or all."""

from __future__ import annotations

import json
import os
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from rich.console import Console

import benchmarks
from benchmarks.device import VARIABLE
from benchmarks.frame import TURNS, measure, shown, table
from benchmarks.readme import update
from gradts_engine.errors import UsageError

SHARED = {"__main__", "alone", "device", "frame", "plain", "readme", "real", "scaling"}
"""Modules of this package that are no benchmarks."""
NAMES = sorted({module.name for module in pkgutil.iter_modules(benchmarks.__path__)} - SHARED)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Put the rows into this file, in place of older ones."
)
@click.option(
    "--readme", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Write the file's rows into this page."
)
@click.option("--device", envvar=VARIABLE, default="cpu", show_default=True, help="Compute both sides there: cpu, cuda:0, ...")
@click.option("--turns", type=click.IntRange(1), default=TURNS, show_default=True, help="Turns of a case, at most.")
def main(names: tuple[str, ...], file: Path | None, readme: Path | None, device: str, turns: int) -> None:
    """Measure side by side and print the ratios; OMP_NUM_THREADS threads, 2 where it is not set.

    \b
    Examples:
      python -m benchmarks scoring training
      python -m benchmarks scoring training pipeline memory --device cuda:0 --turns 2 --json gpu.json
    """
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    os.environ[VARIABLE] = device
    console = Console()
    rows: list[dict[str, Any]] = []
    before: list[dict[str, Any]] = json.loads(file.read_bytes()) if file and file.exists() else []

    def older(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of benchmarks that are not run this time."""
        return [row for row in before if row["name"] not in {new["name"] for new in rows}]

    for name in names or NAMES:
        try:
            cases = import_module(f"benchmarks.{name}").cases()
        except UsageError as error:
            console.print(f"{name}: skipped, {error}", highlight=False)
            continue
        for row in measure(name, cases, turns):
            console.print(f"{name} {row['case']}: {shown(row['ratio'])} {row['unit']}", highlight=False)
            rows.append(row)
            if file:  # at once, since the next row may take minutes
                file.write_text(json.dumps([*older(rows), *rows], indent=1) + "\n", encoding="utf-8")
    if not rows:
        return
    console.print(table(rows))
    if readme:
        update(readme, [*older(rows), *rows])


if __name__ == "__main__":
    main()
