"""Does a run find the planted helpers? Runs a tasks.toml over several seeds (of sentences and training), and prints what was
proposed, with which verdict, and whether that is right: `python -m gradts_planted.finding tasks.toml`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from gradts_engine import words
from gradts_engine.config import Experiment, load_experiment
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.report import Final, PrimaryResults, Ranked, results
from gradts_engine.runtime.pipeline import Options, run_experiment
from gradts_engine.runtime.store import Store
from gradts_planted import TRUTH


def variant(experiment: Experiment, seed: int) -> Experiment:
    """The experiment with other sentences and another training seed, for a worker of this process: others read the file."""
    return replace(
        experiment,
        run=experiment.run.model_copy(update={"seed": seed, "workers": 1}),
        tasks={name: replace(spec, options={**spec.options, "seed": seed}) for name, spec in experiment.tasks.items()},
    )


def ranked(ranking: Sequence[Ranked], score: str) -> list[str]:
    """Candidates by falling score."""
    values: dict[str, float | None] = {r.task: getattr(r, score) for r in ranking}
    return sorted(values, key=lambda task: math.inf if (value := values[task]) is None else -value)


def wrong(primary: str, found: PrimaryResults) -> list[str]:
    """What is not as it was planted: a proposal that is none, or holds another task than helpers; "helps" of a selection without
    any, or "hurts" of one that holds nothing else; an interval that does not hold the final model's gain on the test split."""
    helpers, said = {*TRUTH[primary].helpers}, []
    proposed = {a.task for a in found.proposed or ()}
    if not proposed or proposed - helpers:
        said.append("proposal")
    for names, judged in found.verdicts.items():
        good = {*names.split(" + ")} & helpers
        if (judged.verdict == "helps" and not good) or (judged.verdict == "hurts" and good == {*names.split(" + ")}):
            said.append(f"verdict on {names}")
    final = found.final
    if final and final.low is not None and not final.low <= _gained(final) <= (final.high or math.inf):
        said.append("interval")
    return said


def _gained(final: Final) -> float:
    """On the test split, NaN where there is none."""
    return math.nan if final.test is None or final.alone_test is None else final.test - final.alone_test


def line(seed: int, primary: str, found: PrimaryResults) -> str:
    """What one run found for one primary."""
    planted, final = TRUTH[primary].helpers, found.final
    orders = {score: ranked(found.ranking, score) for score in ("embedding", "tau")}
    count = sum(task in planted for task in orders["tau"])
    top = [f"{sum(task in planted for task in order[:count])} of {count}" for order in orders.values()]
    proposed = " + ".join(a.task for a in found.proposed or ()) or "none"
    said = [proposed, final.verdict or "-", "-"] if final else [proposed, "-", "-"]
    if final and final.gain is not None:
        said[2] = words.points(final.gain, final.low, final.high)
    tests = [words.score(final.alone_test), words.score(final.test)] if final else ["-", "-"]
    cells = [str(seed), *said, *tests, ", ".join(wrong(primary, found)) or "nothing", *top]
    return f"| {' | '.join(cells)} |".replace("planted-", "")


def rows(experiment: Experiment, store: Store, seeds: int) -> Iterator[str]:
    """Lines of a Markdown table, one a primary and seed."""
    yield "| seed | proposed | verdict | gain | test alone | test | wrong | helpers on top by embedding | by tau |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for seed in range(seeds):
        run = run_experiment(variant(experiment, seed), load_catalog(), store, Options(accept=True))
        for primary, found in results(store, run).primaries.items():
            yield line(seed, primary, found)


@click.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("tasks.toml"))
@click.option("--seeds", default=3, type=click.IntRange(1), show_default=True, help="How many seeds.")
@click.option(
    "--store", default=Path(".gradts"), type=click.Path(path_type=Path), show_default=True, help="Where results are kept."
)
def main(config: Path, seeds: int, store: Path) -> None:
    """Print a row for each seed; CONFIG's primaries must be planted ones."""
    experiment = load_experiment(config, load_catalog())
    for row in rows(experiment, Store(store), seeds):
        click.echo(row)


if __name__ == "__main__":
    main()
