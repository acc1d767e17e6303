"""What stages stored, read as arrays: importance of heads, and tau of instances."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gradts_engine.errors import UsageError
from gradts_engine.events import Confirmed
from gradts_engine.nearest import unknown
from gradts_engine.runtime.artifacts import LEFT_OUT, RAW, ROWS, TAU, Artifact
from gradts_engine.runtime.shards import read_raw
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.view import RunView
from gradts_engine.selection.strategies import keep_instances, share_of
from gradts_engine.words import number


def artifact(
    store: Store, view: RunView, stage: str, subject: str, warn: Callable[[str], None] = lambda _: None, *, files: bool = True
) -> Artifact | None:
    """The artifact of a finished stage; `warn` is told if it is damaged or gone. `files=False` for a caller who needs its result
    alone."""
    known = view.stage(stage, subject)
    if not known.finished:
        return None
    damage: list[str] = []
    found = store.artifacts.find(stage, known.key, files=files, warn=damage.append)
    if found is None:
        why = damage[0] if damage else "it was removed"
        warn(f"the result of {stage} {subject} is missing: {why}; give the run's command again to compute it")
    return found


def importance(store: Store, view: RunView, task: str) -> dict[str, np.ndarray]:
    """`raw` and `instances` [N, L, H] (raw, and each normalised by itself), `task` [L, H], float32; `ids`, `at` int64 [N]: where
    these instances stood in the source when they were scored, and where in the train split. Raises `UsageError` for a task
    without scores."""
    from gradts_engine.scoring.normalise import normalise, task_importance

    arrays = _scores(store, view, task).arrays(RAW)
    return {
        "raw": arrays["raw"],
        "instances": normalise(arrays["raw"]),
        "task": task_importance([arrays["raw"]]),
        "ids": arrays["row"],
        "at": arrays.get("at", np.arange(len(arrays["row"]))),
    }


def _scores(store: Store, view: RunView, task: str) -> Artifact:
    scored = [name for name in view.tasks if view.stage("score", name).finished]
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
    """Tau of a primary with every train instance of each candidate, [N] each; empty before they are correlated. Once there is a
    proposal, instances that the primary cannot be trained with are NaN."""
    found = artifact(store, view, "correlate", primary)
    taus = found.arrays(TAU) if found else {}
    for task, rows in left_out(store, view, primary).items():
        if task in taus:
            taus[task][rows] = math.nan
    return taus


def left_out(store: Store, view: RunView, primary: str) -> dict[str, np.ndarray]:
    """Positions of train instances of each candidate that a primary cannot be trained with; none before there is a proposal."""
    proposal = artifact(store, view, "proposal", primary)
    return proposal.arrays(LEFT_OUT) if proposal is not None and LEFT_OUT in proposal.files else {}


def count_kept(tau: np.ndarray, *, keep: float | None = None, threshold: float | None = None) -> int:
    """How many instances a share `keep`, or else a `threshold`, would choose, as `selection.strategies.keep_instances` does."""
    if threshold is not None:
        return int(np.count_nonzero(tau >= threshold))
    return share_of(keep or 1.0, int(np.count_nonzero(~np.isnan(tau))))


def selected_instances(store: Store, view: RunView, primary: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each auxiliary of the confirmed selection, or of the proposal where nothing is confirmed: positions of its chosen
    instances in its train split, and their tau with the primary."""
    chosen = view.confirmed(primary) or view.proposals.get(primary)
    taus, proposal = instance_tau(store, view, primary), artifact(store, view, "proposal", primary)
    if chosen is None:
        raise UsageError(f"{unknown('primary', primary, view.proposals)} (a primary with a proposal in this run)")
    if artifact(store, view, "correlate", primary, files=False) is None or proposal is None:
        raise UsageError(f"results for {primary} are damaged or were removed; give the run's command again to compute them")
    rows = proposal.arrays(ROWS)
    if failed := [task for task in chosen.auxiliaries if task not in taus]:  # chosen by a person all the same
        raise UsageError(f"{', '.join(failed)} has no tau with {primary}: its fine-tuning failed")
    if isinstance(chosen, Confirmed) and (chosen.keep is not None or chosen.threshold is not None):
        keep, threshold = chosen.keep or 1.0, chosen.threshold
        rows = {task: np.array(keep_instances(taus[task], threshold=threshold, keep=keep)) for task in chosen.auxiliaries}
    out = left_out(store, view, primary)
    every = {task: np.delete(np.arange(len(taus[task])), out.get(task, [])) for task in chosen.auxiliaries}
    positions = {task: rows.get(task, every[task]) for task in chosen.auxiliaries}
    return {task: (where, taus[task][where]) for task, where in positions.items()}
