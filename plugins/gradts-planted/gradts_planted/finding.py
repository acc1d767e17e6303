"""Does a run find the planted helpers? Runs a tasks.toml over several seeds (of sentences and training), and prints what was
proposed, with which verdict, and whether that is right: `python -m gradts_planted.finding tasks.toml`.

An interval is one of the mean gain over trainings. What it should hold is therefore measured apart: the gain on the test split,
which nothing was chosen or judged on, in trainings of other seeds.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from gradts_engine import words
from gradts_engine.config import Experiment, load_experiment
from gradts_engine.errors import GradTSError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.report import PrimaryResults, Ranked, results
from gradts_engine.runtime.pipeline import Options, run_experiment
from gradts_engine.runtime.store import Store
from gradts_engine.settings import Section
from gradts_planted import TRUTH

OTHERS = 1000
"""The first seed of the trainings that tell the gain on the test split."""


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


def wrong(primary: str, found: PrimaryResults, gains: Sequence[float] = ()) -> list[str]:
    """What is not as it was planted: a proposal that is none, or holds another task than helpers; "helps" of a selection without
    any, or "hurts" of one that holds nothing else; an interval without the mean of the `gains` on the test split."""
    helpers, said = {*TRUTH[primary].helpers}, []
    proposed = {a.task for a in found.proposed or ()}
    if not proposed or proposed - helpers:
        said.append("proposal")
    for names, judged in found.verdicts.items():
        good = {*names.split(" + ")} & helpers
        if (judged.verdict == "helps" and not good) or (judged.verdict == "hurts" and good == {*names.split(" + ")}):
            said.append(f"verdict on {names}")
    final = found.final
    if gains and final and final.low is not None and not final.low <= statistics.mean(gains) <= (final.high or math.inf):
        said.append("interval")
    return said


def apart(experiment: Experiment, primary: str, chosen: Sequence[str], seed: int) -> Experiment:
    """The primary alone and with what was chosen, on the same sentences and in another training."""
    return replace(
        experiment,
        run=experiment.run.model_copy(update={"seed": seed}),
        selection=experiment.selection.model_copy(update={"strategy": "all", "predictor": "random", "predictors": ()}),
        strategy=Section(),
        tasks={name: experiment.tasks[name] for name in (primary, *chosen)},
        primaries=(primary,),
    )


def gained(experiment: Experiment, primary: str, found: PrimaryResults, store: Store, others: int) -> list[float]:
    """The gain on the test split in each of `others` further trainings; none where nothing was proposed."""
    chosen, gains = [a.task for a in found.proposed or ()], []
    for seed in range(OTHERS, OTHERS + others if chosen else OTHERS):
        click.echo(f"{primary} with {', '.join(chosen)}: training {seed - OTHERS + 1} of {others}", err=True)
        run = run_experiment(apart(experiment, primary, chosen, seed), load_catalog(), store, Options(accept=True))
        final = results(store, run).primaries[primary].final
        if final and final.test is not None and final.alone_test is not None:
            gains.append(final.test - final.alone_test)
    return gains


def line(seed: int, primary: str, found: PrimaryResults, gains: Sequence[float]) -> str:
    """What one run found for one primary, and the mean and standard error of the `gains` on the test split."""
    planted, final = TRUTH[primary].helpers, found.final
    orders = {score: ranked(found.ranking, score) for score in ("embedding", "tau")}
    count = sum(task in planted for task in orders["tau"])
    top = [f"{sum(task in planted for task in order[:count])} of {count}" for order in orders.values()]
    proposed = " + ".join(a.task for a in found.proposed or ()) or "none"
    said = [proposed, final.verdict or "-", "-"] if final else [proposed, "-", "-"]
    if final and final.gain is not None:
        said[2] = words.points(final.gain, final.low, final.high)
    error = 100 * statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else math.nan
    test = f"{100 * statistics.mean(gains):+.1f} ± {error:.1f}" if gains else "-"
    cells = [str(seed), *said, test, ", ".join(wrong(primary, found, gains)) or "nothing", *top]
    return f"| {' | '.join(cells)} |".replace("planted-", "")


def rows(experiment: Experiment, store: Store, seeds: Sequence[int], others: int) -> Iterator[str]:
    """Lines of a Markdown table, one a primary and seed."""
    yield f"| seed | proposed | verdict | gain | on test ({others} trainings) | wrong | helpers on top by embedding | by tau |"
    yield "|---|---|---|---|---|---|---|---|"
    for seed in seeds:
        click.echo(f"seed {seed}: {experiment.path}", err=True)
        drawn = variant(experiment, seed)
        run = run_experiment(drawn, load_catalog(), store, Options(accept=True))
        for primary, found in results(store, run).primaries.items():
            yield line(seed, primary, found, gained(drawn, primary, found, store, others))


@click.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("tasks.toml"))
@click.option(
    "--seed",
    "seeds",
    default=(0, 1, 2),
    multiple=True,
    type=click.IntRange(0, 2**32 - 1),
    show_default=True,
    help="A seed; give several.",
)
@click.option(
    "--others",
    default=8,
    type=click.IntRange(0),
    show_default=True,
    help="Further trainings that tell the gain on the test split.",
)
@click.option(
    "--store", default=Path(".gradts"), type=click.Path(path_type=Path), show_default=True, help="Where results are kept."
)
def main(config: Path, seeds: tuple[int, ...], others: int, store: Path) -> None:
    """Print a row for each seed; CONFIG's primaries must be planted ones."""
    try:
        experiment = load_experiment(config, load_catalog())
        for row in rows(experiment, Store(store), tuple(dict.fromkeys(seeds)), others):
            click.echo(row)
    except GradTSError as error:
        click.echo(error, err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
