"""`study`: how good predictors and strategies are, against tables of true gains."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradts_engine.cli.base import Between, cli, json_option, open_store, say, show, store_option
from gradts_engine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradts_engine.contracts import PredictorSpec, StrategySpec
    from gradts_engine.settings import Section

FROM_TABLES = ("main-effect", "random")
"""Predictors that a table has evidence for: they read stored trials, or nothing."""


@cli.group()
def study() -> None:
    """Find out how far predictors and strategies can be believed."""


@study.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--strategy", default="halving", show_default=True, help="A registered strategy; see gradts-engine strategies.")
@click.option(
    "--predictor", type=click.Choice(FROM_TABLES), default=FROM_TABLES[0], show_default=True, help="What orders sources."
)
@click.option("--budget", type=click.IntRange(2), default=12, show_default=True, help="Trials of one seed to choose by.")
@click.option(
    "--pilots", type=click.IntRange(1), default=3, show_default=True, help="Other targets to learn from, one seed each."
)
@click.option("--margin", type=Between(0, 100), default=1.0, show_default=True, help="A gain that is no gain, in points.")
@click.option("--repetitions", type=click.IntRange(1), default=200, show_default=True, help="Deals of each target's seeds.")
@click.option("--limit", type=click.IntRange(1), help="Play the first so many targets alone, for a quick look.")
@json_option
def replay(
    table: Path,
    strategy: str,
    predictor: str,
    budget: int,
    pilots: int,
    margin: float,
    repetitions: int,
    limit: int | None,
    as_json: bool,
) -> None:
    """Play a strategy against TABLE, a CSV file of true scores: target, source, seed, score.

    Trials draw from five in eight seeds of a target and the others judge what was chosen; what a predictor knows comes from other
    targets alone. Regret and gain are in points, means over targets and repetitions: regret against the best source there is,
    gain against the target alone (where the table has no such row, whose source is the target itself, against the mean source).
    The strategy is to name what looks best, and no sets, of which the table knows nothing.

    \b
      gradts-engine study replay scores.csv --budget 12 --pilots 3
      gradts-engine study replay scores.csv --predictor random --limit 5 --json
    """
    from gradts_engine import tables
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.studies import replay as replays
    from gradts_engine.studies.scores import read_table

    catalog = load_catalog()
    spec = _playable(strategy, catalog.strategies)
    targets, said = read_table(table)
    with click.progressbar(length=len(targets[:limit]), label="targets", file=sys.stderr) as bar:
        played = replays.replay(
            targets,
            spec,
            _settings(spec, budget),
            catalog.predictors[predictor],
            budget=budget,
            pilot_count=pilots,
            margin=margin / 100,
            repetitions=repetitions,
            limit=limit,
            progress=lambda done, total: bar.update(1),
        )
    found: dict[str, Any] = {"table": str(table), "strategy": strategy, "predictor": predictor, "budget": budget}
    found |= {"pilots": pilots, "targets": len(targets[:limit]), "repetitions": repetitions, **replays.summary(played)}
    show(found, as_json, lambda: tables.facts(found))
    for remark in () if as_json else filter(None, (replays.remark(played, repetitions), *said)):
        say(remark, err=True)


@study.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("tasks.toml"))
@click.option(
    "--seeds", type=click.IntRange(1), default=4, show_default=True, help="How often each pair, and each task, is trained."
)
@click.option(
    "--predictor",
    "names",
    multiple=True,
    metavar="NAME",
    help="A registered predictor to compare with the gains, may be given several times, or none; default: all.",
)
@click.option("--as-is", is_flag=True, help="Train no pair that the table lacks.")
@click.option("--from-elsewhere", is_flag=True, help="As --as-is, for a table of another kind of device: keys are not compared.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="The table; default: pairs.csv beside CONFIG.", metavar="FILE"
)
@store_option
@json_option
def pairs(
    config: Path,
    seeds: int,
    names: tuple[str, ...],
    as_is: bool,
    from_elsewhere: bool,
    out: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Measure the true gain of every single auxiliary for every primary of CONFIG, and how well predictors foretell it.

    One training a primary, candidate and seed, and one of each primary alone: for 10 tasks and 4 seeds that is 400, as long as a
    trial of [multitask] each. The table has a row a training, written when it has ended. Ctrl+C stops after the present step, and
    the same command goes on; seed by seed, so that what there is of a study that was stopped is a study of fewer seeds.

    Then every predictor is asked, with as many seeds, and compared with the gains: rho is the mean over primaries of the rank
    correlation, with a 95% interval over primaries and candidates; the ceiling is what a perfect predictor would show with gains
    that depend on their seeds as these do, and corrected is rho over it; over embedding is how much higher rho is than that of
    the embedding; regret@k is how much less, in points, the best of the first k candidates gains than the best of all. Beside the
    table, pairs-predictors.csv and .md have a row a predictor, and pairs-values.csv what it said.

    \b
      gradts-engine study pairs tasks.toml --seeds 4
      nohup nice gradts-engine study pairs tasks.toml --out pairs.csv &
      gradts-engine study pairs tasks.toml --as-is --predictor embedding --predictor tau
      gradts-engine study pairs tasks.toml --from-elsewhere --out from-the-gpu.csv
      gradts-engine study pairs tasks.toml --predictor none --json | jq .primaries
    """
    from gradts_engine import tables
    from gradts_engine.cli.signals import Signals
    from gradts_engine.config import load_experiment
    from gradts_engine.console import Display
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.runtime.control import Control
    from gradts_engine.studies import figures

    catalog, control = load_catalog(), Control()
    asked = chosen_predictors(names, catalog.predictors)
    experiment = load_experiment(config, catalog)
    path, kept = out or config.with_name("pairs.csv"), open_store(store, config)
    with Display(plain=True) as display, Signals(control, display, "the same command"):
        found = figures.of_experiment(
            experiment, catalog, kept, path, seeds, asked, control, display, train=not as_is, elsewhere=from_elsewhere
        )
    show(found, as_json, lambda: tables.truth(found))


@study.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.argument("values", type=click.Path(path_type=Path), required=False)
@json_option
def agreement(table: Path, values: Path | None, as_json: bool) -> None:
    """Say what a TABLE of `study pairs` says, and how well VALUES foretell it.

    VALUES is a CSV file with the columns predictor, target, source, seed and value; default: pairs-values.csv beside pairs.csv,
    where there is one. Nothing is trained, and neither data nor encoder are needed: who has the two files can check the figures,
    or compare a predictor of their own.

    \b
      gradts-engine study agreement pairs.csv
      gradts-engine study agreement pairs.csv mine.csv --json | jq .predictors
    """
    from gradts_engine import tables
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.studies import figures

    found = figures.of_tables(table, values, load_catalog().predictors)
    show(found, as_json, lambda: tables.truth(found))


def chosen_predictors(names: tuple[str, ...], known: Mapping[str, PredictorSpec]) -> tuple[str, ...]:
    """Registered predictors by name: all without one, none where that is the name. Raises `UsageError` for others."""
    from gradts_engine.nearest import unknown

    if wrong := next((name for name in names if name != "none" and name not in known), None):
        raise UsageError(unknown("predictor", wrong, known))
    return tuple(dict.fromkeys(name for name in names or known if name != "none"))


def _playable(name: str, known: Mapping[str, StrategySpec]) -> StrategySpec:
    """A strategy that a table can be played with. Raises `UsageError` for others."""
    from gradts_engine.nearest import unknown

    if name not in known:
        raise UsageError(unknown("strategy", name, known))
    if known[name].needs_instances:
        raise UsageError(f"strategy {name} chooses rows, of which a table knows nothing; play another")
    return known[name]


def _settings(spec: StrategySpec, budget: int) -> Section:
    """A strategy's settings for a table: single sources, and what looks best whatever its verdict."""
    from pydantic import ValidationError

    model = spec.settings()
    wanted = {"budget": budget, "largest": 1, "propose": "best"}
    try:
        return model(**{key: value for key, value in wanted.items() if key in model.model_fields})
    except ValidationError as error:
        key = error.errors()[0]["loc"][-1]
        raise UsageError(f"strategy {spec.name} needs {key}, which cannot be set here; play another") from None
