"""Does what is said of candidates agree with what was planted? Each scenario is a tasks.toml that can be run by itself.

Whether a candidate helps is known from how its rows are made, and how much it gains is measured on the test split with seeds that
no verdict was given on.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import groupby, product
from pathlib import Path
from typing import Any

import numpy as np

from gradts_engine import events
from gradts_engine.config import Experiment
from gradts_engine.contracts import Auxiliary, Need, Repeats, Selection
from gradts_engine.errors import UsageError
from gradts_engine.hooks.catalog import Catalog
from gradts_engine.runtime.arms import Arms
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.gathering import Gathering
from gradts_engine.runtime.jobs import Test
from gradts_engine.runtime.judging import Judge
from gradts_engine.runtime.prepare import Prepared, check, load_executor, prepare
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.studying import studying
from gradts_engine.studies.scenarios import HELPS, LESS, NOT, SCENARIOS, Candidate, Plan, tasks_toml
from gradts_engine.studies.writing import write
from gradts_engine.words import rounded

Play = Callable[[Path, str], Sequence[Mapping[str, Any]]]
Done = Callable[[int, int, str], None]


def plays(draws: int, limit: int | None) -> list[tuple[str, int]]:
    """Scenarios (the first `limit`) and draws, one draw after the other."""
    return [(scenario, draw) for draw, scenario in product(range(draws), list(SCENARIOS)[:limit])]


def study(folder: Path, wanted: Sequence[tuple[str, int]], plan: Plan, play: Play, done: Done) -> list[dict[str, Any]]:
    """The rows of scenarios in draws of their sentences: from the table `planted.csv` in `folder`, or from `play`, which gets
    a tasks.toml and the scenario's name. `done(n, of, what)` is told before each. Raises `UsageError` where the table was made
    with another plan."""
    path = folder / "planted.csv"
    rows = read(path, plan)
    for number, (scenario, draw) in enumerate(wanted):
        done(number, len(wanted), f"{scenario}, draw {draw}")
        if not any((row["scenario"], row["draw"]) == (scenario, draw) for row in rows):
            config = folder / f"{scenario.replace(' ', '-')}-{draw}.toml"
            config.write_text(tasks_toml(scenario, draw, plan), encoding="utf-8")
            rows += [{"scenario": scenario, "draw": draw, **plan.marks, **row} for row in play(config, scenario)]
            write(rows, path, path.with_suffix(".md"))
    done(len(wanted), len(wanted), "")
    return [row for row in rows if (row["scenario"], row["draw"]) in wanted]


def read(path: Path, plan: Plan) -> list[dict[str, Any]]:
    """The rows of a table; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = [{key: _read(key, value) for key, value in row.items()} for row in csv.DictReader(file)]
    marks = {**plan.marks, **dict.fromkeys(plan.predictors, 0)}
    if other := next((row for row in rows if {**row, **plan.marks} != row or not marks.keys() <= row.keys()), None):
        made = ", ".join(f"{name} {other.get(name)}" for name in plan.marks)
        raise UsageError(f"{path}: was made with {made} or other predictors; name another folder with --out, or these")
    return rows


def _read(key: str, value: str) -> Any:
    if key in ("scenario", "candidate", "planted", "verdict", "encoder"):
        return value
    return int(value) if key in ("draw", "seeds", "steps") else float(value) if value else None


def summary(rows: Sequence[Mapping[str, Any]], predictors: Sequence[str]) -> dict[str, Any]:
    """JSON-ready. `precision` of each predictor: the share of helpers among as many of the first candidates as there are helpers,
    mean over scenarios. `verdicts`: how often each was given, by what was planted. `coverage`: the share of candidates whose gain
    in as many other seeds, on other rows, lies where the interval says, which for a difference of two such means is wider by the
    square root of 2. `auc`: how likely tau of a row that carries the factor is higher than that of one that does not."""
    played = [list(of) for _, of in groupby(rows, key=lambda row: (row["scenario"], row["draw"]))]
    precision = {name: [p for play in played if math.isfinite(p := _precision(play, name))] for name in predictors}
    kinds = {kind: Counter(row["verdict"] for row in rows if row["planted"] == kind) for kind in (HELPS, LESS, NOT)}
    known = [row for row in rows if None not in (row["gain"], row["low"], row["high"], row["again"])]
    held = [abs(row["gain"] - row["again"]) <= math.sqrt(2) * (row["high"] - row["gain"]) for row in known]
    told = kinds[HELPS].total(), kinds[NOT].total()
    return {
        "plays": len(played),
        "precision": {name: rounded(Repeats(tuple(found)).mean) for name, found in precision.items()},
        "verdicts": {kind: dict(counts) for kind, counts in kinds.items()},
        "helpers found": rounded(kinds[HELPS]["helps"] / told[0]) if told[0] else None,
        "wrongly helps": rounded(kinds[NOT]["helps"] / told[1]) if told[1] else None,
        "coverage": rounded(sum(held) / len(held)) if held else None,
        "auc": rounded(Repeats(tuple(row["auc"] for row in rows if row["auc"] is not None)).mean),
    }


def _precision(play: Sequence[Mapping[str, Any]], predictor: str) -> float:
    """Where candidates tie, the mean over the orders that they may have."""
    values = [-math.inf if row[predictor] is None else float(row[predictor]) for row in play]
    helpers = [value for value, row in zip(values, play, strict=True) if row["planted"] == HELPS]
    if not helpers or max(values) == -math.inf:
        return math.nan
    places = [(len(helpers) - sum(v > value for v in values)) / values.count(value) for value in helpers]
    return sum(min(max(place, 0.0), 1.0) for place in places) / len(helpers)


def play(
    experiment: Experiment,
    scenario: str,
    plan: Plan,
    catalog: Catalog,
    store: Store,
    control: Control,
    emit: Callable[[events.Event], None],
) -> list[dict[str, Any]]:
    """A row a candidate: what predictors say, the verdict on all dev rows, the gain in as many other seeds on the test split."""
    needed: set[Need] = {"importance"}  # tau of instances
    for name in plan.predictors:
        needed.update(catalog.predictors[name].needs)
    with studying(store), closing(load_executor(experiment, catalog, store.root, lambda record: driver.hear(record))) as executor:
        prepared = prepare(experiment, catalog, executor.devices)
        check(prepared)
        with Driver(prepared.facts, executor, store.artifacts, emit, control) as driver:
            gathering = Gathering(prepared, driver, emit, frozenset(needed))
            gathering.tasks()
            evidence = gathering.evidence("primary")
            said = {name: catalog.predictors[name].load()(evidence) for name in plan.predictors}
            selections: list[Selection] = [(Auxiliary(c.name),) for c in SCENARIOS[scenario][1]]
            judge = Judge(prepared.data["primary"], 1.0, prepared.facts.seed)
            verdicts = Arms(prepared, driver, emit).judge("primary", selections, range(plan.seeds), judge)
            again = _again(driver, prepared, selections, range(plan.seeds, 2 * plan.seeds))
            rows = []
            for candidate, verdict, gains in zip(SCENARIOS[scenario][1], verdicts, again, strict=True):
                tau = gathering.instance_tau("primary", candidate.name)
                rows.append(
                    {"candidate": candidate.name, "planted": candidate.planted, "verdict": verdict.verdict}
                    | {name: rounded(getattr(verdict, name), 4) for name in ("gain", "low", "high")}
                    | {"again": rounded(gains.mean, 4), "auc": rounded(auc(experiment, candidate, tau), 4)}
                    | {name: rounded(of[candidate.name].mean, 4) for name, of in said.items()}
                )
    return rows


def _again(driver: Driver, prepared: Prepared, selections: Sequence[Selection], repeats: Sequence[int]) -> list[Repeats]:
    """Gains on the test split."""
    usable = [prepared.usable("primary", selection) for selection in [(), *selections]]
    asked = [[driver.get(Test(primary="primary", auxiliaries=s, repeat=r)) for r in repeats] for s in usable]
    alone, *others = [Repeats(tuple(float(f.result().result["score"]) for f in of)) for of in asked]
    return [scores.against(alone) for scores in others]


def auc(experiment: Experiment, candidate: Candidate, tau: np.ndarray) -> float:
    """How likely a row that carries the factor has a higher tau than one that does not; NaN where all rows do."""
    from sklearn.metrics import roc_auc_score

    spec = experiment.tasks[candidate.name]
    assert callable(spec.train), f"{candidate.name} is not generated"
    carries = np.array([row["carries"] for row in spec.train(**spec.options)])
    known = np.isfinite(tau)
    return math.nan if carries[known].all() else float(roc_auc_score(carries[known], tau[known]))
