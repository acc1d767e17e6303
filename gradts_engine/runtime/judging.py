"""From the stored answers of trials to scores on some of the dev rows, and to verdicts on the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gradts_engine.contracts import TaskData, Verdict
from gradts_engine.errors import UsageError
from gradts_engine.hooks.catalog import Catalog
from gradts_engine.learning.seeds import derive_seed
from gradts_engine.runtime.artifacts import PREDICTIONS, Artifact
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.selection.verdicts import judge, noise_of, pseudo_values, shrunk


@dataclass(frozen=True)
class Judge:
    """The dev rows of a primary: the share `fraction` of them judges, and no choice is made on it."""

    data: TaskData
    fraction: float
    seed: int

    @cached_property
    def _order(self) -> np.ndarray:
        rows = len(self.data.splits["dev"])
        return np.random.default_rng(derive_seed(self.seed, "verdict", self.data.name)).permutation(rows)

    @property
    def judging(self) -> np.ndarray:
        """Positions in the dev split of the rows that verdicts are given on."""
        return np.sort(self._order[: round(self.fraction * len(self._order))])

    @property
    def choosing(self) -> np.ndarray:
        """Positions of the other rows."""
        return np.sort(self._order[round(self.fraction * len(self._order)) :])

    def score(self, trial: Artifact, rows: np.ndarray) -> float:
        """The primary's metric of a trial's best epoch on some of the dev rows; NaN where it is not defined there."""
        return self._scorer(trial)(rows)

    def _scorer(self, trial: Artifact) -> Callable[[np.ndarray], float]:
        from gradts_engine.learning.metrics import METRICS

        answers = json.loads((trial.folder / PREDICTIONS).read_bytes())
        gold, predicted = answers["gold"], answers["predicted"]
        metric = METRICS[self.data.metric]

        def score(rows: np.ndarray) -> float:
            return metric([gold[i] for i in rows], [predicted[i] for i in rows], self.data.labels, self.data.rules)

        return score

    def verdicts(
        self, selections: Sequence[Sequence[Artifact | None]], alone: Sequence[Artifact | None], margin: float
    ) -> list[Verdict]:
        """The verdict on each selection against the primary alone, from their trials with the same seeds; None: it failed."""
        rows = self.judging
        base = self._table(alone, rows)
        tables = [self._table(trials, rows) for trials in selections]
        found = judge([table - base for table in tables], margin, instances=max(1, len(rows)))
        undefined = any(_undefined(*pair) for pair in zip([alone, *selections], [base, *tables], strict=True))
        return [replace(v, rows=len(rows), more=None if undefined else v.more) for v in found]

    def expected(self, best: int, tried: Sequence[Sequence[Artifact | None]], scores: np.ndarray) -> float:
        """What new seeds are expected to give of the selection at `best`, from `scores` [k] of all that were `tried` and their
        trials, of which the first of each are compared row by row, as far as `best` has seeds; NaN where that cannot be known."""
        seeds = len(tried[best])
        rows = np.arange(len(self.data.splits["dev"]))
        tables = [self._table(trials, rows, 50) for trials in tried if len(trials) == seeds]
        if len(tables) < 2:
            tables = [self._table(trials[:1], rows, 50) for trials in tried]
        return shrunk(float(scores[best]), scores, noise_of([table for table in tables if np.isfinite(table).all()]))

    def _table(self, trials: Sequence[Artifact | None], rows: np.ndarray, blocks: int = 200) -> np.ndarray:
        """What each block of rows adds to the metric in each seed, [S, B]; NaN for a training that failed."""
        blocks = max(1, min(len(rows), blocks))
        found = []
        for trial in trials:
            if trial is None or len(rows) < 2:
                found.append(np.full(blocks, np.nan))
                continue
            found.append(_pseudo_values(self._scorer(trial), rows, blocks))
        return np.array(found)


def judge_of(prepared: Prepared, primary: str) -> Judge:
    """Which dev rows of a primary choose, and which judge."""
    return Judge(prepared.data[primary], prepared.experiment.data.verdict_fraction, prepared.facts.seed)


def check_rows(prepared: Prepared, catalog: Catalog) -> None:
    """Raises `UsageError` where the strategy asks for verdicts and a primary has no dev row left to choose on, or too few to
    judge by where another share would do: of one or two rows, none does."""
    if not catalog.strategies[prepared.experiment.selection.strategy].judges:
        return
    for primary in prepared.experiment.primaries:
        judge = judge_of(prepared, primary)
        judging, choosing = len(judge.judging), len(judge.choosing)
        if not choosing or (judging < 2 and judging + choosing > 2):
            what = f"{prepared.experiment.path}: data.verdict_fraction: {judge.fraction} of the {judging + choosing} dev rows"
            raise UsageError(
                f"{what} of '{primary}' are {judging} to give verdicts on, and {choosing} are left to choose trials by; "
                "expected 2 and 1 at least: set another share"
            )


def _undefined(trials: Sequence[Artifact | None], table: np.ndarray) -> bool:
    """Whether the metric has no value for a training that went well: on so few rows, or such ones."""
    return any(trial is not None and not np.isfinite(row).all() for trial, row in zip(trials, table, strict=True))


def _pseudo_values(score: Callable[[np.ndarray], float], rows: np.ndarray, blocks: int) -> np.ndarray:
    return pseudo_values(lambda where: score(rows[where]), len(rows), blocks=blocks)
