"""`python -m benchmarks [NAME ...] [--json FILE]`: the named benchmarks, or all."""

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
from benchmarks.frame import measure, shown, table

NAMES = sorted({module.name for module in pkgutil.iter_modules(benchmarks.__path__)} - {"__main__", "frame"})


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the rows to this file.")
def main(names: tuple[str, ...], file: Path | None) -> None:
    """Measure side by side and print the ratios; OMP_NUM_THREADS threads, 2 where it is not set."""
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    console = Console()
    rows: list[dict[str, Any]] = []
    for name in names or NAMES:
        for row in measure(name, import_module(f"benchmarks.{name}").cases()):
            console.print(f"{name} {row['case']}: {shown(row['ratio'])} {row['unit']}", highlight=False)
            rows.append(row)
    console.print(table(rows))
    if file:
        file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
