"""The results of a run, from its events and artifacts alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradts_engine.errors import UsageError
from gradts_engine.events import Confirmed, TaskRead
from gradts_engine.nearest import unknown
from gradts_engine.runtime.artifacts import Artifact
from gradts_engine.runtime.shards import read_raw
from gradts_engine.runtime.stages import RAW, ROWS, TAU
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.runtime.view import RunView
from gradts_engine.selection.strategies import keep_instances

SEEDS = {"output": "0.54-0.75", "input": "0.95-0.97"}
OTHERS = {"output": "0.33", "input": "0.75"}
"""Measured on 8 real tasks with a small encoder: tau of a task's own matrix over two seeds, mean tau of different tasks."""

THRESHOLDS = tuple(round(-0.2 + 0.1 * i, 1) for i in range(12))
"""For which `kept` counts instances."""


def caveat(axis: str) -> str:
    """What a reader of a ranking has to know."""
    return (
        "A ranking is a short-list, not a verdict: on real tasks, changing only the seed moved a task's own ranking to "
        f"tau {SEEDS[axis]} with itself ({axis} axis), while different tasks sat at {OTHERS[axis]} on average. The trials "
        "decide, and the trials of one seed are noisy too."
    )


def number(value: float | None) -> float | None:
    """The value, None where it is not finite, since JSON has no NaN."""
    return None if value is None or not math.isfinite(value) else value


def results(store: Store, run: RunFolder) -> dict[str, Any]:
    """All results of a run, as far as it has come, ready for JSON."""
    return results_of(store, run.view(), run.id, run.state())


def results_of(store: Store, view: RunView, run: str, state: str) -> dict[str, Any]:
    """`results` of a run whose events were read before."""
    primaries = view.started.primaries if view.started else ()
    warnings: list[str] = []
    correlations = {p: found for p in primaries if (found := artifact(store, view, "correlate", p, warnings.append))}
    return {
        "run": run,
        "state": state,
        "encoder": view.started.encoder if view.started else None,
        "settings": dict(view.started.settings) if view.started else {},
        "tasks": list(view.started.tasks if view.started else ()),
        "data": [_data(store, view, task, warnings.append) for task in view.tasks.values()],
        "tau": {p: {a: number(x) for a, x in found.result["tau"].items()} for p, found in correlations.items()},
        "primaries": {p: _primary(view, p, correlations.get(p)) for p in primaries},
        "warnings": warnings,
    }


def _data(store: Store, view: RunView, task: TaskRead, warn: Callable[[str], None]) -> dict[str, Any]:
    """Sizes of a task, what was left out or cut, and how well the model does that was tuned on it alone."""
    scored = artifact(store, view, "score", task.task, warn, files=False)
    return {
        "task": task.task,
        "type": task.type,
        **{split: task.sizes.get(split) for split in ("train", "dev", "test")},
        "skipped": sum(task.skipped.values()),
        "cut": sum(n for (name, _), n in view.truncated.items() if name == task.task),
        "metric": task.metric,
        "dev score": round(scored.result["dev"], 4) if scored else None,
    }


def _primary(view: RunView, primary: str, correlation: Artifact | None) -> dict[str, Any]:
    ranking: list[dict[str, Any]] = []
    if correlation:
        tau = {a: number(x) for a, x in correlation.result["tau"].items()}
        ranked = sorted(tau, key=lambda a: math.inf if tau[a] is None else -(tau[a] or 0.0))
        ranking = [{"task": a, "tau": tau[a], "embedding": number(correlation.result["embedding"][a])} for a in ranked]
    proposal, decision, final = view.proposals.get(primary), view.confirmed(primary), view.finals.get(primary)
    return {
        "metric": view.tasks[primary].metric if primary in view.tasks else None,
        "ranking": ranking,
        "kept": {a: kept(tau) for a, tau in correlation.arrays(TAU).items()} if correlation else {},
        "trials": [
            {"auxiliaries": list(t.auxiliaries), "instances": dict(t.auxiliaries), "score": number(t.score), "reason": t.reason}
            for t in view.trials.get(primary, ())
        ],
        "proposed": [{"task": a, "instances": n} for a, n in proposal.auxiliaries.items()] if proposal else None,
        "digest": proposal.digest if proposal else None,
        "confirmed": [{"task": a, "instances": n} for a, n in decision.auxiliaries.items()] if decision else None,
        "final": final
        and {
            "score": number(final.score),
            "model": final.model,
            "test": number(final.test),
            "alone": number(alone_score(view, primary)),
            "alone_test": number(final.alone_test),
        },
    }


def kept(tau: np.ndarray) -> dict[str, int]:
    """How many instances each threshold would keep: a threshold means nothing before one has seen this."""
    return {str(threshold): int(np.count_nonzero(tau >= threshold)) for threshold in THRESHOLDS}


def alone_score(view: RunView, primary: str) -> float | None:
    """Best dev score of trial 0, the primary alone."""
    return next((t.score for t in view.trials.get(primary, ()) if not t.auxiliaries), None)


def artifact(
    store: Store, view: RunView, stage: str, subject: str, warn: Callable[[str], None] = lambda _: None, *, files: bool = True
) -> Artifact | None:
    """The artifact of a finished stage; `warn` is told if it is damaged or gone. `files=False` for a caller who needs its result
    alone."""
    known = view.stages.get((stage, subject))
    if known is None or known.state not in ("done", "cached"):
        return None
    damage: list[str] = []
    found = store.artifacts.find(stage, known.key, files=files, warn=damage.append)
    if found is None:
        why = damage[0] if damage else "it was removed"
        warn(f"the result of {stage} {subject} is missing: {why}; give the run's command again to compute it")
    return found


def importance(store: Store, view: RunView, task: str) -> dict[str, np.ndarray]:
    """`raw` and `instances` [N, L, H] (raw, and each normalised by itself), `task` [L, H], float32, and `ids` int64 [N], the
    instances' positions in the source. Raises `UsageError` for a task without scores."""
    from gradts_engine.scoring.normalise import normalise, task_importance

    arrays = _scores(store, view, task).arrays(RAW)
    return {
        "raw": arrays["raw"],
        "instances": normalise(arrays["raw"]),
        "task": task_importance([arrays["raw"]]),
        "ids": arrays["row"],
    }


def _scores(store: Store, view: RunView, task: str) -> Artifact:
    scored = [subject for (stage, subject), s in view.stages.items() if stage == "score" and s.state in ("done", "cached")]
    if task not in scored:
        raise UsageError(f"{unknown('task', task, scored)} (a task that was scored in this run)")
    found = artifact(store, view, "score", task)
    if found is None:
        raise UsageError(f"the importance for {task} is damaged or was removed; give the run's command again to compute it")
    return found


@dataclass(frozen=True)
class Heads:
    """What a screen shows of a task's scores: importance `task` [L, H]; how many of `instances` have their own importance of a
    head in each of `BINS` equal parts of [0, 1], `counts` [L, H, BINS]."""

    task: np.ndarray
    counts: np.ndarray
    instances: int


BINS = 20


def heads(store: Store, view: RunView, task: str) -> Heads:
    """The scores of a task, read a shard at a time. Raises `UsageError` as `importance` does."""
    from gradts_engine.scoring.normalise import normalise, task_importance

    path = _scores(store, view, task).folder / RAW
    counts, instances = np.zeros((), np.int64), 0
    for shard in read_raw(path):
        block = normalise(shard)  # [n, L, H]
        parts = np.minimum((np.nan_to_num(block, nan=-1.0) * BINS).astype(np.int64), BINS - 1)
        shape = (*block.shape[1:], BINS)
        place = np.arange(math.prod(shape[:2])).reshape(shape[:2]) * BINS + parts  # [n, L, H], of a part of a head
        counts = counts + np.bincount(place[parts >= 0], minlength=math.prod(shape)).reshape(shape)
        instances += len(block)
    return Heads(task_importance(read_raw(path)), counts, instances)


def task_tau(found: Mapping[str, Heads]) -> dict[tuple[str, str], float | None]:
    """Tau of every task with every other, from their importance; None where it is not defined."""
    from gradts_engine.scoring.correlation import kendall_tau

    if not found:
        return {}
    matrices = np.stack([heads.task for heads in found.values()])
    tau = kendall_tau(matrices, matrices)
    return {(a, b): number(float(tau[i, j])) for i, a in enumerate(found) for j, b in enumerate(found) if i != j}


def instance_tau(store: Store, view: RunView, primary: str) -> dict[str, np.ndarray]:
    """Tau of a primary with every train instance of each candidate, [N] each; empty before they are correlated."""
    found = artifact(store, view, "correlate", primary)
    return found.arrays(TAU) if found else {}


def count_kept(tau: np.ndarray, *, keep: float | None = None, threshold: float | None = None) -> int:
    """How many instances a share `keep`, or else a `threshold`, would choose, as `selection.strategies.keep_instances` does."""
    if threshold is not None:
        return int(np.count_nonzero(tau >= threshold))
    return min(math.ceil((keep or 1.0) * len(tau)), int(np.count_nonzero(~np.isnan(tau))))


def selected_instances(store: Store, view: RunView, primary: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each auxiliary of the confirmed selection, or of the proposal where nothing is confirmed: positions of its chosen
    instances in its train split, and their tau with the primary."""
    chosen = view.confirmed(primary) or view.proposals.get(primary)
    correlation = artifact(store, view, "correlate", primary)
    proposal = artifact(store, view, "proposal", primary)
    if chosen is None:
        raise UsageError(f"{unknown('primary', primary, view.proposals)} (a primary with a proposal in this run)")
    if correlation is None or proposal is None:
        raise UsageError(f"results for {primary} are damaged or were removed; give the run's command again to compute them")
    taus, rows = correlation.arrays(TAU), proposal.arrays(ROWS)
    if failed := [task for task in chosen.auxiliaries if task not in taus]:  # chosen by a person all the same
        raise UsageError(f"{', '.join(failed)} has no tau with {primary}: its fine-tuning failed")
    if isinstance(chosen, Confirmed) and (chosen.keep is not None or chosen.threshold is not None):
        keep, threshold = chosen.keep or 1.0, chosen.threshold
        rows = {task: np.array(keep_instances(taus[task], threshold=threshold, keep=keep)) for task in chosen.auxiliaries}
    positions = {task: rows.get(task, np.arange(len(taus[task]))) for task in chosen.auxiliaries}
    return {task: (where, taus[task][where]) for task, where in positions.items()}


def export_importance(store: Store, run: RunFolder, task: str, path: Path) -> None:
    """Write `importance` to a safetensors file. Raises `UsageError` if it cannot be written."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file(importance(store, run.view(), task), path)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{path} cannot be written: {error}") from error
