"""`export` and `cache`: results as files."""

from __future__ import annotations

from pathlib import Path

import click

from gradts_engine.cli.base import cli, json_option, open_store, say, show, store_option


@cli.group()
def export() -> None:
    """Write results to files for other programs."""


run_option = click.option("--run", metavar="RUN", help="The run; default: the latest.")
file_argument = click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))


@export.command("importance")
@click.argument("task")
@file_argument
@run_option
@store_option
def export_importance(task: str, path: Path, run: str | None, store: Path | None) -> None:
    """Importance of every head for every train instance of TASK, as safetensors.

    \b
    raw [N, L, H] and instances [N, L, H] (normalised one by one), task [L, H], float32; ids [N] int64: where each instance
    stands in its source, from 0.
    """
    from gradts_engine.report import export_importance

    kept = open_store(store)
    export_importance(kept, kept.run(run), task, path)
    say(f"wrote {path}")


@export.command("selection")
@click.argument("primary")
@file_argument
@run_option
@store_option
def export_selection(primary: str, path: Path, run: str | None, store: Path | None) -> None:
    """The chosen auxiliary instances of PRIMARY with their tau, one JSON object a line (reads the run's data again)."""
    from gradts_engine.selected import export_selection

    kept = open_store(store)
    count = export_selection(kept, kept.run(run), primary, path)
    say(f"wrote {count} instances to {path}")


@cli.group()
def cache() -> None:
    """Look after the stored results of all runs."""


@cache.command("list")
@store_option
@json_option
def cache_list(store: Path | None, as_json: bool) -> None:
    """Number and size of the stored results of each stage."""
    from gradts_engine import tables

    kept = open_store(store)
    sizes: dict[str, list[int]] = {}
    for artifact in kept.artifacts:
        sizes.setdefault(artifact.stage, []).append(sum(p.stat().st_size for p in artifact.folder.iterdir()))
    rows = [{"stage": s, "results": len(n), "MB": round(sum(n) / 1e6, 2)} for s, n in sorted(sizes.items())]
    show(rows, as_json, lambda: tables.records(rows) if rows else tables.label(f"nothing stored in {kept.root}"))


@cache.command("verify")
@store_option
def cache_verify(store: Path | None) -> None:
    """Check every stored result against its hash; damaged ones are set aside and computed again by the next run."""
    kept = open_store(store)
    good = bad = 0
    for folder in kept.artifacts.folders():
        found = kept.artifacts.find(folder.parent.name, folder.name, warn=say)
        good, bad = good + (found is not None), bad + (found is None)
    say(f"{good} intact, {bad} damaged")
    if bad:
        raise click.exceptions.Exit(1)
