"""What a table of pairs says: the gain of each auxiliary with its interval, and how well the seeds agree on the order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gradts_engine.repeats import Repeats
from gradts_engine.studies.agreement import reliability
from gradts_engine.studies.pairs import ALONE, Row, gains
from gradts_engine.words import rounded


def truth(rows: Sequence[Row], candidates: Mapping[str, Sequence[str]], seeds: int) -> dict[str, Any]:
    """JSON-ready, in points of the metric. For each primary: `alone` and its seconds a training, `reliability` of the mean gains
    (the square of the most that a perfect predictor could show as rank correlation; None for fewer than two seeds), and of each
    candidate
    `gain`, `low` and `high` (95%, over seeds), best first."""
    found = gains(rows, candidates, seeds)
    return {
        "seeds": seeds,
        "trainings": len(rows),
        "hours": round(sum(row.seconds for row in rows) / 3600, 2),
        "reliability": rounded(_mean(reliability(table) for table in found.values())),
        "primaries": {
            primary: {
                "metric": next((row.metric for row in rows if row.target == primary), None),
                "alone": rounded(_mean(row.score for row in rows if (row.target, row.source) == (primary, ALONE))),
                "reliability": rounded(reliability(found[primary])),
                "candidates": _candidates(names, found[primary]),
            }
            for primary, names in candidates.items()
        },
    }


def _candidates(names: Sequence[str], table: np.ndarray) -> dict[str, dict[str, float | None]]:
    repeats = {name: Repeats(tuple(values)) for name, values in zip(names, table.tolist(), strict=True)}
    best_first = sorted(names, key=lambda name: -repeats[name].mean if math.isfinite(repeats[name].mean) else math.inf)
    return {name: {"gain": rounded(repeats[name].mean)} | _limits(repeats[name]) for name in best_first}


def _limits(repeats: Repeats) -> dict[str, float | None]:
    low, high = repeats.interval()
    return {"low": rounded(low), "high": rounded(high)}


def _mean(values: Iterable[float]) -> float:
    return Repeats(tuple(values)).mean
