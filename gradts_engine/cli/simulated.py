"""`study coverage` and `study planted`: studies whose truth is known, because it was made."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gradts_engine.cli.base import json_option, show
from gradts_engine.cli.study import study


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

    with click.progressbar(simulate(cases), length=len(SIMULATIONS), label="simulations", file=sys.stderr) as bar:
        rows = list(bar)
    if out:
        write(rows, out, out.with_suffix(".md"))
    show(rows, as_json, lambda: tables.records(rows))
