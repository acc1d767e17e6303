"""Tables of true scores, of targets with each of several sources in several seeds: what a replay plays against."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradts_engine.csv_rows import csv_rows
from gradts_engine.errors import UsageError
from gradts_engine.repeats import Repeats
from gradts_engine.runtime.trial_tables import ALONE, AND, MOST
from gradts_engine.runtime.trials import same_metric
from gradts_engine.words import count

MADE = ("metric", "protocol", "data")
"""Columns that are the same in all rows of a target, where there are any: other trainings cannot be compared."""


@dataclass(frozen=True)
class Target:
    """True scores of one target, in the unit of the metric: `scores` [C + 1, S], of the target alone in row 0, then of each of
    `sources`. Where the table does not have the target alone, the mean over the sources stands in for it."""

    name: str
    sources: tuple[str, ...]
    scores: np.ndarray
    alone: bool
    """Whether the table has the target alone."""


def read_table(path: Path) -> tuple[list[Target], list[str]]:
    """The targets of a table `target,source,seed,score`, and what a reader of it should know.

    Scores are in per cent, unless none is above 1. Rows of sets (`a + b`) are left out, as are seeds that a target alone does not
    have, where it has others; cells that are there several times, as with other settings, are averaged. Raises `UsageError` with
    the file and line of what is wrong.
    """
    cells: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    made: dict[str, Mapping[str, str]] = {}
    sets = 0
    for number, line in csv_rows(path, ("target", "source", "seed", "score")).items():
        target, source = line["target"], "" if line["source"] in (*ALONE, line["target"]) else line["source"]
        seed = f"{line.get('run_seed', '')} {line['seed']}"
        if not target:
            raise UsageError(f"{path}:{number}: target: got nothing, expected a name")
        if not _alike(made.setdefault(target, line), line):
            raise UsageError(
                f"{path}:{number}: {target} was trained with another {' or '.join(MADE)} before; play a table of one"
            )
        if AND in source:
            sets += 1
        elif not math.isnan(score := _score(path, number, line["score"])):
            cells[target][source][seed].append(score)
        else:
            cells[target][source][seed] += []
    scores = [s for of in cells.values() for found in of.values() for values in found.values() for s in values]
    unit = 1.0 if max(map(abs, scores), default=1.0) <= 1 else 100.0
    targets = [_target(path, name, of, unit) for name, of in cells.items()]
    if not targets:
        raise UsageError(f"{path}: has no row of a single source")
    return targets, _said(targets, cells, sets, unit)


def _alike(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two rows can be compared, as far as they say how they were made."""
    pairs = {name: (one.get(name) or "", other.get(name) or "") for name in MADE}
    return same_metric(*pairs.pop("metric")) and all("" in pair or pair[0] == pair[1] for pair in pairs.values())


def _score(path: Path, number: int, text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        raise UsageError(f"{path}:{number}: score: got {text!r}, expected a number") from None
    if abs(score) > MOST:
        raise UsageError(f"{path}:{number}: score: got {text}, expected per cent, {MOST:.0f} at most") from None
    return score


def _target(path: Path, name: str, of: Mapping[str, Mapping[str, Sequence[float]]], unit: float) -> Target:
    known = {source: {seed: np.mean(values) / unit for seed, values in found.items() if values} for source, found in of.items()}
    alone, sources = known.get("", {}), tuple(sorted(source for source in of if source))
    if not any(known[source] for source in sources):
        raise UsageError(f"{path}: target {name} has no score with a source")
    seeds = sorted(alone or {seed for found in known.values() for seed in found})
    if len(seeds) < 2:
        raise UsageError(f"{path}: target {name} has {len(seeds)} seed, expected at least 2: trials draw from some, others judge")
    rows = [[known.get(source, {}).get(seed, np.nan) for seed in seeds] for source in ("", *sources)]
    scores = np.array(rows, np.float64)
    if not alone:
        scores[0] = [Repeats(tuple(of_seed)).mean for of_seed in scores[1:].T]
    return Target(name, sources, scores, bool(alone))


def _said(targets: Sequence[Target], cells: Mapping[str, Mapping[str, Any]], sets: int, unit: float) -> list[str]:
    said = []
    if sets:
        said.append(f"left out: {count(sets, 'row')} of sets")
    if several := sum(len(v) > 1 for of in cells.values() for found in of.values() for v in found.values()):
        said.append(f"there several times, so that their mean is played: {count(several, 'cell')}")
    missing = sum(int(np.isnan(target.scores[1:]).sum()) for target in targets)
    if missing:
        said.append(f"without a score: {count(missing, 'cell')}; a source without one on both sides of a deal is left out of it")
    alone = sum(target.alone for target in targets)
    if alone < len(targets):
        which = f"those of {len(targets) - alone} targets" if alone else "gains"
        said.append(f"{which} are against the mean source: the table has no rows whose source is the target itself")
    sizes = np.concatenate([np.abs(target.scores[np.isfinite(target.scores)]) for target in targets])
    if unit > 1 and np.median(sizes) <= 1 / unit:
        said.append("scores are taken as per cent, since one is above 1; most are not: are they fractions?")
    return said
