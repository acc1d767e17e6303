"""`export` and `cache`: results as files."""

from __future__ import annotations

import re
import time
from pathlib import Path

import click

from gradts_engine.cli.base import cli, json_option, open_store, say, show, store_option
from gradts_engine.cli.completing import complete_run, complete_task
from gradts_engine.durable import is_stdout
from gradts_engine.errors import RunError


@cli.group()
def export() -> None:
    """Write results to files for other programs."""


run_option = click.option("--run", metavar="RUN", shell_complete=complete_run, help="The run; default: the latest.")
file_argument = click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))


@export.command("importance")
@click.argument("task", shell_complete=complete_task)
@file_argument
@run_option
@store_option
def export_importance(task: str, path: Path, run: str | None, store: Path | None) -> None:
    """Importance of every head for every train instance of TASK, as safetensors.

    \b
    raw [N, L, H] and instances [N, L, H] (normalised one by one), task [L, H], float32; ids [N] int64: where each instance
    stands in its source, from 0 (reads the run's data again).
    """
    from gradts_engine.exports import export_importance

    kept = open_store(store)
    export_importance(kept, kept.run(run), task, path, lambda line: say(f"warning: {line}", err=True))
    say(f"wrote {path}", err=is_stdout(path))


@export.command("selection")
@click.argument("primary", shell_complete=complete_task)
@file_argument
@run_option
@store_option
def export_selection(primary: str, path: Path, run: str | None, store: Path | None) -> None:
    """The chosen auxiliary instances of PRIMARY with their tau, one JSON object a line (reads the run's data again)."""
    from gradts_engine.exports import export_selection

    kept = open_store(store)
    count = export_selection(kept, kept.run(run), primary, path)
    say(f"wrote {count} instances to {path}", err=is_stdout(path))


@cli.group()
def cache() -> None:
    """Look after the stored results of all runs."""


@cache.command("list")
@store_option
@json_option
def cache_list(store: Path | None, as_json: bool) -> None:
    """Number and size of the stored results of each stage, and of checkpoints of what is not finished."""
    from gradts_engine import tables
    from gradts_engine.runtime.artifacts import WORK
    from gradts_engine.runtime.cleaning import removable

    kept = open_store(store)
    sizes: dict[str, list[int]] = {}
    for artifact in kept.artifacts:
        sizes.setdefault(artifact.stage, []).append(removable(artifact.folder, "result").size)
    begun = [removable(folder, "checkpoints").size for folder in sorted((kept.artifacts.root / WORK).glob("*"))]
    stages = [*sorted(sizes.items()), *([("checkpoints", begun)] if begun else [])]
    rows = [{"stage": s, "results": len(n), "MB": round(sum(n) / 1e6, 2)} for s, n in stages]
    show(rows, as_json, lambda: tables.records(rows) if rows else tables.label(f"nothing stored in {kept.root}"))


@cache.command("verify")
@store_option
def cache_verify(store: Path | None) -> None:
    """Check every stored result against its hash; damaged ones are set aside and computed again by the next run."""
    kept = open_store(store)
    good = bad = unread = 0
    for folder in kept.artifacts.folders():
        name = (folder.parent.name, folder.name)
        try:
            found = kept.artifacts.find(*name, files=False, warn=say, use=False)
            found = found and kept.artifacts.find(*name, files=found.there, warn=say, use=False)
        except RunError as error:  # it may be whole
            say(str(error))
            unread += 1
            continue
        good, bad = good + (found is not None), bad + (found is None)
    say(f"{good} intact, {bad} damaged" + (f", {unread} could not be read" if unread else ""))
    if bad or unread:
        raise click.exceptions.Exit(1)


class Quantity(click.ParamType[float]):
    """A number with a unit, such as 30d or 20GB."""

    name = "quantity"

    def __init__(self, **units: float) -> None:
        self.units = units

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> float:
        """The number times its unit."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", str(value))
        if found is None or found[2] not in self.units:
            self.fail(f"got {value}, expected a number and one of {', '.join(self.units)}, as in 2{next(iter(self.units))}")
        return float(found[1]) * self.units[found[2]]


@cache.command("gc")
@click.option(
    "--older-than", type=Quantity(d=86400, h=3600, w=604800), help="Remove results that were not used for so long: 30d."
)
@click.option(
    "--max-size", type=Quantity(GB=1e9, MB=1e6, TB=1e12), help="Remove those not used for longest, down to so much: 20GB."
)
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@store_option
@json_option
def cache_gc(older_than: float | None, max_size: float | None, dry_run: bool, store: Path | None, as_json: bool) -> None:
    """Remove stored results that were not used for long.

    Also removes weights that no run needs, what killed engines left half-written and what was set aside as damaged. What a
    running engine uses stays, and so do exported models and the records of runs. What is needed again is computed again.

    \b
      gradts-engine cache gc --older-than 30d --dry-run
      gradts-engine cache gc --max-size 20GB
    """
    from gradts_engine import tables
    from gradts_engine.durable import storing
    from gradts_engine.runtime.cleaning import garbage, remove

    kept = open_store(store)
    found = garbage(kept, older_than, None if max_size is None else int(max_size))
    if not dry_run:
        with storing(kept.root):
            remove(kept, found)
    rows = [
        {
            "what": item.kind,
            "name": f"{item.path.parent.name}/{item.path.name[:16]}",
            "MB": round(item.size / 1e6, 2),
            "last used": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(item.used)),
        }
        for item in found
    ]
    show(rows, as_json, lambda: tables.records(rows) if rows else tables.label("nothing to remove"))
    if not as_json:
        say(f"{'would free' if dry_run else 'freed'} {sum(item.size for item in found) / 1e6:.2f} MB")
