"""`study coverage` and `study planted`: studies whose truth is known, because it was made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gradts_engine.cli.base import json_option, open_store, show, store_option
from gradts_engine.cli.study import chosen_predictors, study
from gradts_engine.errors import UsageError
from gradts_engine.names import DEFAULT_ENCODER


@study.command()
@click.option("--cases", type=click.IntRange(1), default=300, show_default=True, help="Cases of each simulation.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the table to this CSV file, and to one beside it that ends with .md.",
    metavar="FILE",
)
@json_option
def coverage(cases: int, out: Path | None, as_json: bool) -> None:
    """Simulate how often 95% intervals hold the true value, and how often verdicts are right.

    Of tau over instances, of gains over seeds, and of verdicts over seeds and rows. Coverage should lie between .92 and .98.
    Wrong is the share of verdicts that say helps or hurts where there is no gain (at most .05), found of those that say helps
    where it is 8 points (at least .95). Takes some minutes; nothing is trained.

    \b
      gradts-engine study coverage
      gradts-engine study coverage --cases 1000 --out coverage.csv
    """
    from gradts_engine import tables
    from gradts_engine.studies.coverage import SIMULATIONS, simulate
    from gradts_engine.studies.writing import write

    if out and out.suffix != ".csv":
        raise UsageError(f"--out: {out} does not end with .csv; the table as Markdown is written beside it")
    if out and not out.absolute().parent.is_dir():
        raise UsageError(f"--out: there is no folder {out.parent}; make it first")
    with click.progressbar(simulate(cases), length=len(SIMULATIONS), label="simulations", file=sys.stderr) as bar:
        rows = list(bar)
    if out:
        write(rows, out, out.with_suffix(".md"))
    show(rows, as_json, lambda: tables.records(rows))


@study.command()
@click.option("--encoder", default=DEFAULT_ENCODER, show_default=True, help="A registered encoder or a Hub name.")
@click.option("--predictor", "names", multiple=True, metavar="NAME", help="A registered predictor, several times; default: all.")
@click.option("--seeds", type=click.IntRange(2), default=3, show_default=True, help="Seeds of a verdict; as many check it.")
@click.option("--steps", type=click.IntRange(1), default=120, show_default=True, help="Optimiser steps of a training.")
@click.option("--draws", type=click.IntRange(1), default=1, show_default=True, help="Draws of the sentences of each scenario.")
@click.option("--limit", type=click.IntRange(1), help="Play the first so many scenarios alone, for a quick look.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("planted"), show_default=True, help="A folder."
)
@store_option
@json_option
def planted(
    encoder: str,
    names: tuple[str, ...],
    seeds: int,
    steps: int,
    draws: int,
    limit: int | None,
    out: Path,
    store: Path | None,
    as_json: bool,
) -> None:
    """Play scenarios of generated tasks of which it is known which help, and see what is found.

    Candidates are unrelated, conflicting, related by degree, duplicates, of other sizes, or mixtures of good and bad rows. For
    each: what predictors say of it, a verdict over seeds and dev rows, and its gain in as many other seeds on the test split.
    Needs the plugin gradts-planted. A scenario takes about 30 trainings. The folder gets planted.csv and .md, and a tasks.toml
    for every scenario; Ctrl+C stops, and the same command goes on.

    \b
      gradts-engine study planted --limit 1
      gradts-engine study planted --seeds 5 --draws 3 --out planted --json | jq .precision
    """
    from gradts_engine import tables
    from gradts_engine.cli.signals import Signals
    from gradts_engine.config import load_experiment
    from gradts_engine.console import Display
    from gradts_engine.durable import make_folder
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.runtime.control import Control
    from gradts_engine.studies import planted as playing
    from gradts_engine.studies.scenarios import Plan

    catalog, control = load_catalog(), Control()
    plan = Plan(encoder, chosen_predictors(names, catalog.predictors), seeds, steps)
    if "planted-review" not in catalog.tasks:
        raise UsageError("study planted needs the tasks of the plugin gradts-planted: install it, see gradts-engine plugins")
    make_folder(out)
    kept = open_store(store, out / "planted.csv")
    with Display(plain=True) as display, Signals(control, display, "the same command"):

        def done(played: int, total: int, next_one: str) -> None:
            display.say(f"{played} of {total} scenarios in {out / 'planted.csv'}{f', now {next_one}' if next_one else ''}")

        def play(config: Path, scenario: str) -> list[dict[str, Any]]:
            return playing.play(load_experiment(config, catalog), scenario, plan, catalog, kept, control, display)

        rows = playing.study(out, playing.plays(draws, limit), plan, play, done)
    found = playing.summary(rows, plan.predictors)
    show(found | {"rows": rows}, as_json, lambda: tables.planted(found, rows))
