"""What bfloat16 changes in the gradient pass: seconds, raw importance, tau, against what another seed of the training changes.

A model tuned on some rows of a real task is scored in float32 and in bfloat16. `TASK`: seconds of bfloat16 as a share of those
of float32, with the median difference of raw importance (as a share of it), the largest one (as a share of the largest value) and
the median tau of single instances. `TASK ranking`: how far tau of the two formats' rankings of heads is from 1, as a share of how
far that of two seeds is.
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from benchmarks import real
from benchmarks.device import device, now
from benchmarks.frame import Case, Measured
from benchmarks.settled import tuned
from gradts_engine.scoring.correlation import kendall_tau, paired_tau
from gradts_engine.scoring.importance import GradientPass
from gradts_engine.scoring.normalise import normalise, task_importance

ROWS = 200
TASKS = ("cola", "mrpc")


@cache
def scored(task: str, precision: str, seed: int) -> tuple[np.ndarray, float]:
    """Raw importance [N, L, H] of the first rows, and the seconds of the second of two passes."""
    model = tuned(task, seed)
    passing = GradientPass(
        model, real.encoded(task, ROWS), real.encoder().head_sites(model.encoder), device=device(), precision=precision
    )
    passing.importance(range(ROWS // 4))
    start = now()
    return passing.importance(), now() - start


def time(task: str) -> Measured:
    """As a share of float32's."""
    (exact, slow), (raw, fast) = (scored(task, precision, 0) for precision in ("fp32", "bf16"))
    off = np.abs(raw - exact) / exact.max()
    tau = float(np.median(paired_tau(normalise(exact), normalise(raw))))
    seen = {"median": float(np.median(np.abs(raw / exact - 1))), "largest": float(off.max()), "tau of instances": round(tau, 4)}
    return Measured(fast / slow, seen=seen)


def ranking(task: str) -> Measured:
    """Distance from 1, as a share of that between seeds."""
    exact, other, raw = (task_importance([scored(task, *of)[0]]) for of in (("fp32", 0), ("fp32", 1), ("bf16", 0)))
    formats, seeds = (float(kendall_tau(exact, matrix[None])[0]) for matrix in (raw, other))
    return Measured((1 - formats) / (1 - seeds), seen={"formats": round(formats, 4), "seeds": round(seeds, 4)})


def cases() -> list[Case]:
    """Two a task."""
    real.check()
    once = partial(Case, at_most=True, turns=1, warm_up=False, facts={"instances": ROWS})
    return [
        *(once(task, 1.0, partial(time, task), unit="of float32's time") for task in TASKS),
        *(once(f"{task} ranking", 0.1, partial(ranking, task), unit="of what a seed changes") for task in TASKS),
    ]
