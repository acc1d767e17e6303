"""What the screens show of a run's artifacts, by way of the shelf: asked for by name, there when it has been read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradts_engine import report
from gradts_engine.runtime.store import Store
from gradts_tui.shelf import Problem, Shelf
from gradts_tui.state import RunState


class Evidence:
    """Reads from one store."""

    def __init__(self, store: Store, shelf: Shelf) -> None:
        self.store = store
        self.shelf = shelf

    def scored(self, run: RunState) -> list[str]:
        """Tasks with scores, in the order of tasks.toml."""
        tasks = run.view.started.tasks if run.view.started else ()
        return [t for t in tasks if run.view.stage("score", t).finished]

    def left_out(self, run: RunState) -> str:
        """That the run computes no importance of heads, where neither its predictors nor its strategy read it."""
        if run.view.started is None or "importance" in run.view.started.needs:
            return ""
        return "This run computes no importance of heads: neither its predictors nor its strategy read it."

    def heads(self, run: RunState, task: str) -> report.Heads | Problem | None:
        """Importance of a task's heads."""
        key = run.view.stage("score", task).key
        return self.shelf.get(("heads", key), lambda: report.heads(self.store, run.view, task))

    def tau(self, run: RunState) -> Mapping[tuple[str, str], float | None] | Problem | None:
        """Tau of every scored task with every other."""
        tasks = self.scored(run)
        keys = tuple(run.view.stage("score", t).key for t in tasks)
        return self.shelf.get(("tau", keys), lambda: report.task_tau({t: report.heads(self.store, run.view, t) for t in tasks}))

    def instance_tau(self, run: RunState, primary: str) -> Mapping[str, np.ndarray] | Problem | None:
        """Tau of a primary with the instances of each candidate; empty before they are correlated."""
        found = run.view.stage("correlate", primary)
        if not found.finished:
            return {}
        key = ("instances", found.key, run.view.stage("proposal", primary).key)
        return self.shelf.get(key, lambda: report.instance_tau(self.store, run.view, primary))

    def results(self, run: RunState) -> report.RunResults | Problem | None:
        """All that `gradts-engine results` says."""
        key = ("results", run.id, run.view.first, run.changes, run.state)
        return self.shelf.get(key, lambda: report.results_of(self.store, run.view, run.id, run.state))
