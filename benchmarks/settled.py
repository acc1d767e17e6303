"""What `[scoring] stop = "settled"` saves, and whether rankings are those of all rows: real tasks, all their train rows.

Each task is tuned on TUNED rows, then scored in random order. A row is the share of the pass's seconds after which its
ranking of heads was settled, with the rows that took and the tau of that ranking with the one of all rows. `rankings`: by how
much the tau of two tasks differs at most where both had stopped; `seen` has all of them, and how many primaries order their
candidates otherwise.
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from benchmarks import plain, real
from benchmarks.device import automatic, device, now
from benchmarks.frame import Case, Measured
from gradts_engine.config import TrainingSettings
from gradts_engine.learning.batches import plan_epochs
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.learning.training import Dev, train
from gradts_engine.scoring.correlation import kendall_tau
from gradts_engine.scoring.importance import GradientPass
from gradts_engine.scoring.normalise import task_importance
from gradts_engine.scoring.settled import AGREE, BLOCK, settled

TASKS = ("cola", "sst2", "mrpc", "rte")
ROWS = 4000
TUNED = 400


@cache
def tuned(task: str, seed: int) -> MultiTaskModel:
    """A model that was trained on some rows, with the words of all of them."""
    data = real.encoded(task, ROWS)
    model = real.model(data, seed)
    settings = TrainingSettings(epochs=1, batch_size=plain.BATCH).model_copy(update={"precision": automatic()})
    plan = plan_epochs({task: data.lengths[:TUNED]}, epochs=1, batch_size=plain.BATCH, accumulation=1, seed=seed)
    dev = Dev(real.encoded(task, 100, "dev"), real.task(task, ROWS)[1].metric)
    train(model, {task: data}, plan, dev, settings, device=device(), seed=seed)
    return model


@cache
def scored(task: str) -> tuple[np.ndarray, list[float]]:
    """Raw importance [N, L, H] in random order, and the seconds after each shard of it."""
    data, model = real.encoded(task, ROWS), tuned(task, 0)
    passing = GradientPass(model, data, real.encoder().head_sites(model.encoder), device=device())
    order = np.random.default_rng(0).permutation(len(data))
    parts, times = [], [now()]
    for start in range(0, len(order), BLOCK):
        parts.append(passing.importance(order[start : start + BLOCK]))
        times.append(now())
    return np.concatenate(parts), [time - times[0] for time in times[1:]]


@cache
def enough(task: str) -> int:
    """Rows after which the ranking is settled."""
    raw, _ = scored(task)
    return settled((raw[start : start + BLOCK] for start in range(0, len(raw), BLOCK)), len(raw))


def share(task: str) -> Measured:
    """Of the pass's seconds."""
    (raw, times), rows = scored(task), enough(task)
    tau = float(kendall_tau(task_importance([raw]), task_importance([raw[:rows]])[None])[0])
    taken = times[-(-rows // BLOCK) - 1] / times[-1]
    return Measured(taken, seen={"rows": rows, "of": len(raw), "tau": round(tau, 3)})


def rankings() -> Measured:
    """The largest difference of two tasks' tau."""
    taus = []
    for early in (False, True):
        matrices = np.stack([task_importance([scored(task)[0][: enough(task) if early else None]]) for task in TASKS])
        taus.append(kendall_tau(matrices, matrices))
    orders = [[np.argsort(-np.delete(row, i)).tolist() for i, row in enumerate(tau)] for tau in taus]
    other = sum(a != b for a, b in zip(*orders, strict=True))
    seen = {"all": taus[0].round(3).tolist(), "settled": taus[1].round(3).tolist(), "other orders": other}
    return Measured(float(np.abs(taus[0] - taus[1]).max()), seen=seen)


def cases() -> list[Case]:
    """One for each task, and `rankings`."""
    real.check()
    once = partial(Case, at_most=True, turns=1, warm_up=False, facts={"agree": AGREE})
    of_tasks = [once(task, 1.0, partial(share, task), unit="of the time") for task in TASKS]
    return [*of_tasks, once("rankings", 2 * (1 - AGREE), rankings, unit="tau")]
