"""Does the method find the planted helpers? Runs a tasks.toml over several seeds (of sentences and training) and both head axes,
and prints what the rankings and the trials made of it: `python -m gradts_planted.finding tasks.toml`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from gradts_engine.config import Experiment, load_experiment
from gradts_engine.contracts import HeadAxis
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.report import PrimaryResults, Ranked, results
from gradts_engine.runtime.pipeline import Options, run_experiment
from gradts_engine.runtime.store import Store
from gradts_planted import TRUTH


def variant(experiment: Experiment, seed: int, axis: HeadAxis) -> Experiment:
    """The experiment with other sentences and another training seed, scored on one head axis."""
    return replace(
        experiment,
        run=experiment.run.model_copy(update={"seed": seed}),
        scoring=experiment.scoring.model_copy(update={"head_axis": axis}),
        tasks={name: replace(spec, options={**spec.options, "seed": seed}) for name, spec in experiment.tasks.items()},
    )


def ranked(ranking: Sequence[Ranked], score: str) -> list[str]:
    """Candidates by falling score."""
    values: dict[str, float | None] = {r.task: getattr(r, score) for r in ranking}
    return sorted(values, key=lambda task: math.inf if (value := values[task]) is None else -value)


def line(axis: str, seed: int, primary: str, found: PrimaryResults) -> str:
    """What one run found for one primary."""
    planted = TRUTH[primary].helpers
    orders = {score: ranked(found.ranking, score) for score in ("tau", "embedding")}
    helpers = [task for task in orders["tau"] if task in planted]
    top = {score: sum(task in planted for task in order[: len(helpers)]) for score, order in orders.items()}
    tau = {r.task: r.tau for r in found.ranking}
    order = ", ".join(f"**{task}** {tau[task]:.2f}" if task in planted else f"{task} {tau[task]:.2f}" for task in orders["tau"])
    chosen = ", ".join(auxiliary.task for auxiliary in found.confirmed or ()) or "none"
    places = f"{top['tau']} of {len(helpers)} | {top['embedding']} of {len(helpers)}"
    tests = f"{found.final.alone_test:.3f} | {found.final.test:.3f}" if found.final else "- | -"
    return f"| {axis} | {seed} | {order} | {places} | {chosen} | {tests} |".replace("planted-", "")


def rows(experiment: Experiment, store: Store, seeds: int) -> Iterator[str]:
    """Lines of a Markdown table, one a primary, axis and seed."""
    yield "| head axis | seed | by falling tau (helpers bold) | on top by tau | by embedding | chosen | test alone | test |"
    yield "|---|---|---|---|---|---|---|---|"
    axes: tuple[HeadAxis, ...] = ("output", "input")
    for axis in axes:
        for seed in range(seeds):
            run = run_experiment(variant(experiment, seed, axis), load_catalog(), store, Options(accept=True))
            for primary, found in results(store, run).primaries.items():
                yield line(axis, seed, primary, found)


@click.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("tasks.toml"))
@click.option("--seeds", default=3, type=click.IntRange(1), show_default=True, help="How many seeds.")
@click.option(
    "--store", default=Path(".gradts"), type=click.Path(path_type=Path), show_default=True, help="Where results are kept."
)
def main(config: Path, seeds: int, store: Path) -> None:
    """Print a row for each head axis and seed; CONFIG's primaries must be planted ones."""
    experiment = load_experiment(config, load_catalog())
    for row in rows(experiment, Store(store), seeds):
        click.echo(row)


if __name__ == "__main__":
    main()
