"""What predictors say of all primaries of an experiment, and how well that orders the candidates by a table of true gains."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradts_engine import events
from gradts_engine.config import Experiment
from gradts_engine.contracts import Repeats, StoredTrial
from gradts_engine.csv_rows import csv_rows
from gradts_engine.errors import UsageError
from gradts_engine.hooks.catalog import Catalog
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.gathering import Gathering
from gradts_engine.runtime.prepare import check, load_executor, prepare
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.studying import studying
from gradts_engine.studies import writing
from gradts_engine.studies.agreement import Prediction, agreement, lead
from gradts_engine.studies.pairs import Row
from gradts_engine.words import number, rounded

Values = Mapping[str, Mapping[str, Repeats]]
"""Of each primary, each candidate's."""

FIRST = (1, 3)
"""Regrets are those of the best of the first so many."""


@dataclass(frozen=True)
class Said:
    """`values[predictor]`, and how many seconds the evidence took, by stage, as far as it was not there before."""

    values: Mapping[str, Values]
    seconds: Mapping[str, float]


def say(
    experiment: Experiment,
    catalog: Catalog,
    store: Store,
    names: Sequence[str],
    seeds: int,
    rows: Sequence[Row],
    control: Control,
    emit: Callable[[events.Event], None],
) -> Said:
    """Ask predictors as a run does, with so many repeats. Stored trials are the rows of a table, those of other primaries alone.

    Evidence is kept in the store, and found where a run or an earlier study has made it.
    """
    experiment = replace(experiment, training=experiment.training.model_copy(update={"seeds": seeds}))
    needed = frozenset(need for name in names for need in catalog.predictors[name].needs)
    trials = [
        StoredTrial(primary=r.target, auxiliaries=(r.source,) if r.source else (), repeat=r.seed, score=r.score / 100)
        for r in rows
    ]
    seconds: dict[str, float] = defaultdict(float)

    def heard(event: events.Event) -> None:
        emit(event)
        if isinstance(event, events.StageFinished) and not event.cached:
            seconds[event.stage] += event.seconds

    with studying(store), closing(load_executor(experiment, catalog, store.root, lambda record: driver.hear(record))) as executor:
        prepared = prepare(experiment, catalog, executor.devices)
        check(prepared)
        driver = Driver(prepared.facts, executor, store.artifacts, heard, control)
        with driver:
            gathering = Gathering(prepared, driver, heard, needed)
            gathering.tasks()
            values: dict[str, dict[str, Mapping[str, Repeats]]] = {name: {} for name in names}
            for primary in (p for p in experiment.primaries if gathering.has(p)):
                others = tuple(t for t in trials if t.primary != primary)
                evidence = replace(gathering.evidence(primary), trials=others)
                for name in names:
                    values[name][primary] = catalog.predictors[name].load()(evidence)
    return Said(values, dict(seconds))


BASELINE = "embedding"
"""What the others are compared with: it costs next to nothing."""


def rows(
    costs: Mapping[str, str],
    said: Mapping[str, Values],
    truth: Mapping[str, np.ndarray],
    candidates: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    """A row a predictor that `costs` names, JSON-ready: means over primaries, None where nothing is known. `truth` are gains
    [C, S] in points.

    `rho`, its interval `low` to `high`, `ceiling`, `corrected`, `regret@1` and `regret@3` (points) are those of
    `agreement.Agreement`; `over embedding` and its interval say by how much rho is higher than that of the embedding;
    `primaries` counts those that it has values for.
    """
    means = {name: _means(said[name], candidates) for name in costs}
    return [_row(name, means[name], means.get(BASELINE), truth) | {"cost": cost} for name, cost in costs.items()]


def _means(said: Values, candidates: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    return {
        primary: np.array([said[primary][c].mean if c in said.get(primary, {}) else np.nan for c in names])
        for primary, names in candidates.items()
    }


def _row(name: str, values: Prediction, baseline: Prediction | None, truth: Prediction) -> dict[str, Any]:
    found = agreement(values, truth, first=FIRST)
    numbers = {"rho": found.rho, "low": found.low, "high": found.high, "ceiling": found.ceiling, "corrected": found.corrected}
    if baseline:
        unlike = lead(values, baseline, truth) if values is not baseline else (math.nan,) * 3
        numbers |= dict(zip((f"over {BASELINE}", "over low", "over high"), unlike, strict=True))
    numbers |= {f"regret@{k}": regret for k, regret in found.regret.items()}
    known = sum(bool(np.isfinite(of).any()) for of in values.values())
    return {"predictor": name, **{k: rounded(v) for k, v in numbers.items()}, "primaries": known}


def write(table: Path, rows: Sequence[Mapping[str, Any]], values: Mapping[str, Values]) -> None:
    """Beside a table of pairs: a row a predictor, as CSV and Markdown, and every single value that they said."""
    writing.write(rows, *(table.with_name(f"{table.stem}-predictors.{kind}") for kind in ("csv", "md")))
    writing.write(flat(values), table.with_name(f"{table.stem}-values.csv"))


def flat(values: Mapping[str, Values]) -> list[dict[str, Any]]:
    """Every single value, a row each."""
    return [
        {"predictor": name, "target": primary, "source": candidate, "seed": seed, "value": number(value)}
        for name, of in values.items()
        for primary, said in of.items()
        for candidate, repeats in said.items()
        for seed, value in enumerate(repeats.values)
    ]


def read_values(path: Path) -> dict[str, Values]:
    """The table that `flat` makes, by predictor. Raises `UsageError` for another, or for a broken row."""
    found: dict[tuple[str, str, str], dict[int, float]] = {}
    for line, row in csv_rows(path, ("predictor", "target", "source", "seed", "value")).items():
        of = found.setdefault((row["predictor"], row["target"], row["source"]), {})
        try:
            seed, value = int(row["seed"]), float(row["value"] or math.nan)
        except ValueError as error:
            raise UsageError(f"{path}:{line}: broken row ({error})") from None
        if of.setdefault(seed, value) != value and not math.isnan(value):
            raise UsageError(f"{path}:{line}: broken row (the same is there before, with another value)")
    values: dict[str, dict[str, dict[str, Repeats]]] = {}
    for (name, target, source), by_seed in found.items():
        repeats = Repeats(tuple(by_seed[seed] for seed in sorted(by_seed)))
        values.setdefault(name, {}).setdefault(target, {})[source] = repeats
    return dict(values)
