"""`plan`: what a run would do."""

from __future__ import annotations

from pathlib import Path

import click

from gradts_engine.cli.base import cli, executor_options, json_option, open_store, say, show, store_option


@cli.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("tasks.toml"))
@store_option
@executor_options
@json_option
def plan(config: Path, store: Path | None, as_json: bool, executor: str | None = None, address: str | None = None) -> None:
    """Show what `run` would compute and what it would find.

    Reads all data and loads the encoder, so that everything that can be wrong with them is known before a long run. Time is
    judged by earlier runs in the store with the same encoder, else by a probe of two seconds at most; `results` shows afterwards
    what was planned and what it took.

    \b
      gradts-engine plan tasks.toml
      gradts-engine plan tasks.toml --json | jq .seconds
    """
    from gradts_engine import tables
    from gradts_engine.config import load_experiment
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.runtime.plan import plan as planned

    catalog = load_catalog()
    experiment = load_experiment(config, catalog).on(executor, address, catalog)
    if not as_json:
        say(f"reading {len(experiment.tasks)} tasks and loading {experiment.encoder.name}", err=True)
    found = planned(experiment, catalog, open_store(store, config))
    show(found, as_json, lambda: tables.plan(found))
