"""The training loop, against a plain one: the same model, torch's AdamW as it comes, shuffled batches of 8 that are padded.

Seconds an instance over ROWS rows, without evaluation. The cases `score` train both sides to the end on more rows, with three
seeds, and compare how far the dev scores are from 1; the row holds all of them. They have to be the same within their noise.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from time import perf_counter

from benchmarks import plain, real
from benchmarks.frame import Case, Measured
from gradts_engine.config import TrainingSettings
from gradts_engine.learning.batches import plan_epochs
from gradts_engine.learning.training import Dev, Progress, evaluate, train

ROWS = 160
SCORED = 400
EPOCHS = 3
SEEDS = 3
RATE = 1e-4
TARGETS = {"cola": 2.0, "mrpc": 1.3, "rte": 1.3}
NOISE = 1.1
"""How much farther from a perfect dev score our loop may end, as a multiple of the plain one's distance."""

_seeds = {True: count(), False: count()}
"""A side lives in a process of its own, so that both draw the same seeds, turn by turn."""


def _ours(case: str, rows: int, epochs: int, seed: int, rate: float) -> tuple[float, float]:
    """Seconds until the last step was made, and the dev score of the last epoch."""
    data = real.encoded(case, rows)
    model = real.model(data, seed)
    settings = TrainingSettings(epochs=epochs, batch_size=plain.BATCH, learning_rate=rate)
    plan = plan_epochs({case: data.lengths}, epochs=epochs, batch_size=plain.BATCH, accumulation=1, seed=seed)
    times = [perf_counter()]
    progress = Progress(step=lambda done, total, loss: times.append(perf_counter()))
    trained = train(model, {case: data}, plan, _dev(case, rows), settings, device="cpu", seed=seed, progress=progress)
    return times[-1] - times[0], trained.scores[-1]


def _dev(case: str, rows: int) -> Dev:
    return Dev(real.encoded(case, rows, "dev"), real.task(case, rows)[1].metric)


def ours(case: str) -> Measured:
    """One epoch."""
    return Measured(_ours(case, ROWS, 1, 0, plain.LEARNING_RATE)[0] / ROWS)


def baseline(case: str) -> Measured:
    """One epoch."""
    data = real.encoded(case, ROWS)
    model = real.model(data)
    start = perf_counter()
    plain.train(model, data, epochs=1, seed=0)
    return Measured((perf_counter() - start) / ROWS)


def our_score(case: str) -> Measured:
    """What is missing to a perfect dev score, with the next seed."""
    score = _ours(case, SCORED, EPOCHS, next(_seeds[True]), RATE)[1]
    return Measured(1 - score, seen=score)


def baseline_score(case: str) -> Measured:
    """What is missing to a perfect dev score, with the next seed."""
    data = real.encoded(case, SCORED)
    seed = next(_seeds[False])
    model = real.model(data, seed)
    plain.train(model, data, EPOCHS, seed, RATE)
    score = evaluate(model, _dev(case, SCORED), "cpu")
    return Measured(1 - score, seen=score)


def cases() -> list[Case]:
    """`cola`, `mrpc` and `rte`, each also with `score`."""
    real.check()
    speed = [
        Case(case, target, partial(ours, case), partial(baseline, case), facts={"instances": ROWS})
        for case, target in TARGETS.items()
    ]
    facts = {"instances": SCORED, "epochs": EPOCHS, "learning_rate": RATE}
    scores = [
        Case(
            name=f"{case} score",
            target=NOISE,
            ours=partial(our_score, case),
            baseline=partial(baseline_score, case),
            at_most=True,
            unit="of 1 - dev score",
            facts=facts,
            turns=SEEDS,
            warm_up=False,
        )
        for case in TARGETS
    ]
    return [*speed, *scores]
