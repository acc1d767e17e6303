"""What a study of pairs finds, from an experiment or from tables that one has left: true gains, and how well predictors foretell
them. JSON-ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradts_engine.config import Experiment
from gradts_engine.console import Display
from gradts_engine.contracts import PredictorSpec
from gradts_engine.errors import UsageError
from gradts_engine.hooks.catalog import Catalog
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.store import Store
from gradts_engine.studies import predicted
from gradts_engine.studies.pairs import candidates_in, cells, gains, read_some
from gradts_engine.studies.sweep import candidates_of, sweep
from gradts_engine.studies.truth import truth


def of_experiment(
    experiment: Experiment,
    catalog: Catalog,
    store: Store,
    path: Path,
    seeds: int,
    names: Sequence[str],
    control: Control,
    display: Display,
    *,
    train: bool,
    elsewhere: bool,
) -> dict[str, Any]:
    """Fills the table at `path`, where it may `train`, and asks the predictors `names`, whose answers are written beside it.
    `elsewhere`: the table is of another kind of device, and taken as it is."""
    candidates = candidates_of(experiment)
    if elsewhere:
        rows = [row for row in read_some(path) if row.cell in {*cells(candidates, seeds)}]
    else:
        rows = sweep(experiment, catalog, store, path, seeds, control, display.say, train=train)
    found = truth(rows, candidates, seeds)
    if names:
        said = predicted.say(experiment, catalog, store, names, seeds, rows, control, display)
        costs = _costs(names, catalog.predictors)
        found["predictors"] = predicted.rows(costs, said.values, gains(rows, candidates, seeds), candidates)
        found["evidence seconds"] = {stage: round(seconds, 1) for stage, seconds in said.seconds.items()}
        predicted.write(path, found["predictors"], said.values)
    return found


def of_tables(table: Path, values: Path | None, known: Mapping[str, PredictorSpec]) -> dict[str, Any]:
    """`values`: what predictors have said, those that are `known` or others; default: the file beside the table, if there is
    one."""
    rows = read_some(table)
    candidates, seeds = candidates_in(rows), 1 + max(row.seed for row in rows)
    found = truth(rows, candidates, seeds)
    beside = table.with_name(f"{table.stem}-values.csv")
    if values or beside.exists():
        said = predicted.read_values(values or beside)
        if not any(target in candidates for of in said.values() for target in of):
            raise UsageError(f"{values or beside}: no row is of a target of {table}")
        found["predictors"] = predicted.rows(_costs(said, known), said, gains(rows, candidates, seeds), candidates)
    return found


def _costs(names: Sequence[str] | Mapping[str, object], known: Mapping[str, PredictorSpec]) -> dict[str, str]:
    return {name: known[name].cost if name in known else "" for name in names}
