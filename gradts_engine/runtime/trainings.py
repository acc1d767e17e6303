"""Trainings of jobs: with checkpoints, and with events of what happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradts_engine import events
from gradts_engine.config import TrainingSettings
from gradts_engine.runtime.artifacts import MODEL
from gradts_engine.runtime.checkpoints import Checkpoints, expected_size
from gradts_engine.runtime.workbench import Work

if TYPE_CHECKING:
    from gradts_engine.learning.batches import Encoded, Plan
    from gradts_engine.learning.model import MultiTaskModel
    from gradts_engine.learning.watch import Progress


def train(
    work: Work, primary: str, train: Mapping[str, Encoded], plan: Plan, settings: TrainingSettings, seed: int
) -> tuple[MultiTaskModel, Mapping[str, Any], Callable[[Path], None]]:
    """Train a fresh model on the tasks of `train`, judged by the dev split of `primary`."""
    from safetensors.torch import save_model

    from gradts_engine.learning import training

    metric = work.bench.data[primary].metric
    model = work.bench.model(tuple(train), seed, settings.dropout)
    with keeping(work, model) as keeper:
        trained = training.train(
            model,
            train,
            plan,
            work.judge(primary, "dev"),
            settings,
            device=work.device,
            seed=seed,
            progress=progress(work, metric),
            keeper=keeper,
        )
    result = {
        "scores": trained.scores,
        "best": trained.best,
        "score": trained.score,
        "steps": trained.steps,
        "parts": trained.parts,
        "metric": metric,
    }
    return model, result, lambda folder: save_model(model.cpu(), str(folder / MODEL))


def keeping(work: Work, model: MultiTaskModel) -> Checkpoints:
    """Keeps the checkpoints of a job that trains `model`."""
    return Checkpoints(work.space, work.bench.control, work.check_stop, work.warn, expected_size(model), work.clock)


def progress(work: Work, metric: str = "") -> Progress:
    """Says as events what happens in a training."""
    from gradts_engine.learning.watch import Progress

    stage, words, key = work.job.stage, work.job.words, work.key

    def step(done: int, total: int, loss: float) -> None:
        work.emit(events.StageProgress(stage, words, done, total, loss, key))

    def epoch(number: int, score: float) -> None:
        work.emit(events.EpochScored(stage, words, number, metric, score, key))

    def resumed(done: int, total: int, scores: Sequence[float]) -> None:
        work.emit(events.StageResumed(stage, words, done, total, key))
        for number, score in enumerate(scores, 1):
            epoch(number, score)

    def smaller(parts: int) -> None:
        work.warn(f"{stage} {words}: out of memory on {work.device}, batches are now computed in {parts} parts")

    def undefined(number: int, why: str) -> None:
        work.warn(f"{stage} {words}: {metric} of the dev split is not defined after epoch {number}: {why}")

    return Progress(step, epoch, smaller, undefined, resumed)
