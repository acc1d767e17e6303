"""What takes no device: correlations of a primary with its candidates, and the proposal, which is kept under a key of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np

from gradts_engine.config import Experiment
from gradts_engine.contracts import Auxiliary, Selection
from gradts_engine.runtime.artifacts import LEFT_OUT, RAW, ROWS, STATE, TAU, Artifact, Result
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.jobs import stage_key
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.runtime.shards import read_raw, spread
from gradts_engine.selection.strategies import keep_instances


def correlate(
    driver: Driver, experiment: Experiment, scores: Mapping[str, Artifact], states: Mapping[str, Artifact]
) -> dict[str, Artifact]:
    """Tau and, where there are states, cosine of each primary that has a score with every candidate that has one, and tau with
    each of their instances (docs/method.md, 4)."""
    candidates = {p: [c for c in experiment.candidates(p) if c in scores] for p in experiment.primaries if p in scores}
    keys = {p: _correlation_key(driver, p, others, scores, bool(states)) for p, others in candidates.items()}

    @cache
    def tau() -> Mapping[str, Mapping[str, tuple[float, np.ndarray]]]:
        from gradts_engine.scoring.correlation import correlate_tasks

        missing = {p: candidates[p] for p, key in keys.items() if driver.artifacts.find("correlate", key) is None}
        return correlate_tasks(missing, lambda task: read_raw(scores[task].folder / RAW))

    def compute(primary: str) -> Result:
        from safetensors.numpy import save_file

        of_tasks, of_instances, cosine = {}, {}, {}
        for candidate, (of_tasks[candidate], of_instances[candidate]) in tau()[primary].items():
            size = driver.facts.tasks[candidate].sizes["train"]
            of_instances[candidate] = spread(scores[candidate].folder / RAW, of_instances[candidate], size)
            if states:
                a, b = (states[task].arrays(STATE)["state"].astype(np.float64) for task in (primary, candidate))
                cosine[candidate] = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        return {"tau": of_tasks, "embedding": cosine}, lambda folder: save_file(of_instances, folder / TAU)

    return {p: driver.make("correlate", p, key, partial(compute, p)) for p, key in keys.items()}


def _correlation_key(
    driver: Driver, primary: str, candidates: Sequence[str], scores: Mapping[str, Artifact], states: bool
) -> str:
    tasks = [primary, *candidates]
    texts = {"texts": {t: driver.facts.split(t, "train") for t in tasks}} if states else {}
    return stage_key("correlate", primary=primary, scores={t: scores[t].key for t in tasks}, **texts)


@dataclass(frozen=True)
class Proposal:
    """What a strategy selected for a primary, from which correlations (None: no importance was computed). `digest`, its key, is
    what a confirmation answers. `left_out[task]` are instances that the primary cannot be trained with."""

    selection: Selection
    digest: str
    correlation: Artifact | None
    left_out: Mapping[str, np.ndarray] = field(default_factory=dict)

    def edited(self, names: Sequence[str], keep: float | None = None, threshold: float | None = None) -> Selection:
        """Auxiliaries by name: with the proposed instances where they were proposed, with all where they were added; or, with
        `keep` or `threshold`, each with the instances that these choose, left out where that is none."""
        proposed = {a.task: a.instances for a in self.selection}
        if self.correlation is None or (keep is None and threshold is None):
            return tuple(Auxiliary(name, proposed.get(name)) for name in names)
        taus = self.correlation.arrays(TAU)
        for name, out in self.left_out.items():
            if name in taus:
                taus[name][out] = np.nan  # before a share is taken: it is one of what can be used
        rows = {name: keep_instances(taus[name], threshold=threshold, keep=keep or 1.0) for name in names}
        return tuple(Auxiliary(name, kept) for name, kept in rows.items() if kept)


def propose(
    driver: Driver,
    prepared: Prepared,
    primary: str,
    correlation: Artifact | None,
    selection: Selection,
    versions: Mapping[str, int],
) -> Proposal:
    """Keep what the strategy has selected; `versions` are its own and those of the predictors."""

    experiment, left_out = prepared.experiment, prepared.left_out(primary)

    def compute() -> Result:
        from safetensors.numpy import save_file

        rows = {a.task: np.array(a.instances, np.int64) for a in selection if a.instances is not None}
        counts = driver.facts.instances(selection).values()
        result = {"auxiliaries": [[a.task, n] for a, n in zip(selection, counts, strict=True)]}

        def write(folder: Path) -> None:
            save_file(rows, folder / ROWS)
            if left_out:
                save_file(left_out, folder / LEFT_OUT)

        return result, write

    key = stage_key(
        "proposal",
        primary=primary,
        correlation=correlation.key if correlation else None,
        settings={name: x for name, x in experiment.selection.content().items() if name != "confirm"}
        | experiment.strategy.content()
        | {name: x for name, x in experiment.data.content().items() if name == "verdict_fraction"},
        selection=[[a.task, a.instances] for a in selection],
        **{name: version for name, version in versions.items() if version > 1},
        **({"left_out": {task: out.tolist() for task, out in left_out.items()}} if left_out else {}),
    )
    driver.make("proposal", primary, key, compute)
    return Proposal(selection, key, correlation, left_out)
