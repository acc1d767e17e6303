"""What all stages of a run share: finding or computing an artifact, tokenised splits, fresh and trained models, stopping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradts_engine import events
from gradts_engine.config import Experiment, TrainingSettings
from gradts_engine.contracts import TaskData, TaskType
from gradts_engine.errors import TrainingDiverged
from gradts_engine.runtime.artifacts import Artifact, ArtifactStore
from gradts_engine.runtime.checkpoints import Checkpoints, expected_size
from gradts_engine.runtime.control import Control

if TYPE_CHECKING:
    from torch import nn

    from gradts_engine.learning.batches import Encoded, Plan
    from gradts_engine.learning.encoders import Encoder
    from gradts_engine.learning.model import MultiTaskModel
    from gradts_engine.learning.training import Progress

MODEL = "model.safetensors"

Result = tuple[Mapping[str, Any], Callable[[Path], None]]
"""What a stage computed: its small values, and a function that writes its files into a folder."""


def _release_memory() -> None:
    """Give other programs the GPU memory that no tensor needs between two steps."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class Workbench:
    """One experiment's data, encoder and store. Its methods may be called from any worker thread."""

    def __init__(
        self,
        experiment: Experiment,
        data: Mapping[str, TaskData],
        types: Mapping[str, TaskType],
        encoder: Encoder,
        artifacts: ArtifactStore,
        emit: Callable[[events.Event], None],
        control: Control,
    ) -> None:
        self.experiment = experiment
        self.data = data
        self.types = types
        self.encoder = encoder
        self.artifacts = artifacts
        self.emit = emit
        self.control = control
        self._encoded: dict[tuple[str, str], Encoded] = {}
        self._encoding = threading.Lock()
        self._announced: set[str] = set()

    def run(self, stage: str, subject: str, key: str, compute: Callable[[], Result], *, files: bool = True) -> Artifact:
        """The stored artifact, or a new one from what `compute` returns. `files=False`: the caller needs the result alone."""
        self.check_stop()
        artifact = self.artifacts.find(stage, key, files=files, warn=self._warn)
        if artifact:
            if key not in self._announced:
                self.emit(events.StageFinished(stage, subject, key, 0.0, cached=True))
            self._announced.add(key)
            self.artifacts.workspace(stage, key).remove()  # an engine that was killed just before it did
            return artifact
        self._announced.add(key)
        self.emit(events.StageStarted(stage, subject, key))
        began = time.monotonic()
        try:
            artifact = self.artifacts.save(stage, key, *compute())
        except TrainingDiverged as error:
            self.artifacts.workspace(stage, key).remove()
            self.emit(events.StageFailed(stage, subject, str(error)))
            raise
        self.artifacts.workspace(stage, key).remove()
        self.emit(events.StageFinished(stage, subject, key, time.monotonic() - began, cached=False))
        return artifact

    def has(self, stage: str, key: str) -> bool:
        """Whether a result is there and intact."""
        return self.artifacts.find(stage, key, warn=self._warn) is not None

    def _warn(self, message: str) -> None:
        self.emit(events.Warned(message))

    def check_stop(self) -> None:
        """A safe point: holds while the run is paused. Raises `Interrupted` once it is to stop."""
        self.control.check(_release_memory)

    def encoded(self, task: str, split: str) -> Encoded:
        """A split as the encoder takes it, kept in memory once it is made."""
        from gradts_engine.learning.batches import encode

        with self._encoding:
            if (task, split) not in self._encoded:
                data = self.data[task]
                made = encode(
                    task,
                    self.types[task],
                    data.labels,
                    data.splits[split],
                    self.encoder.tokenizer_for(self.types[task].word_level),
                    self.experiment.data.max_length,
                )
                self._encoded[task, split] = made
                self.emit(events.Tokenised(task, split, len(made), made.truncated))
            return self._encoded[task, split]

    def model(self, tasks: tuple[str, ...], seed: int, dropout: float) -> MultiTaskModel:
        """A fresh encoder with a fresh head for each task."""
        from gradts_engine.learning.model import MultiTaskModel, make_head
        from gradts_engine.learning.seeds import derive_seed

        module, size = self.encoder.build(), self.encoder.hidden_size

        def head(task: str) -> nn.Module:
            return make_head(self.types[task], module, size, self.data[task].labels, dropout, derive_seed(seed, "head", task))

        return MultiTaskModel(module, {task: head(task) for task in tasks})

    def load_model(self, tasks: tuple[str, ...], artifact: Artifact) -> MultiTaskModel:
        """The trained model of a `tune` or `trial` artifact."""
        from safetensors.torch import load_model

        model = self.model(tasks, 0, 0.0)
        load_model(model, artifact.folder / MODEL)
        return model.eval()

    def train(
        self,
        stage: str,
        subject: str,
        key: str,
        primary: str,
        train: Mapping[str, Encoded],
        plan: Plan,
        settings: TrainingSettings,
        seed: int,
        device: str,
    ) -> Result:
        """Train a fresh model on the tasks of `train`, judged by the dev split of `primary`."""
        from safetensors.torch import save_model

        from gradts_engine.learning import training

        metric = self.data[primary].metric
        model = self.model(tuple(train), seed, settings.dropout)
        workspace = self.artifacts.workspace(stage, key)
        with Checkpoints(workspace, self.control, self.check_stop, self._warn, expected_size(model)) as keeper:
            trained = training.train(
                model,
                train,
                plan,
                training.Dev(self.encoded(primary, "dev"), metric, self.data[primary].rules),
                settings,
                device=device,
                seed=seed,
                progress=self._progress(stage, subject, metric, device),
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
        return result, lambda folder: save_model(model.cpu(), str(folder / MODEL))

    def _progress(self, stage: str, subject: str, metric: str, device: str) -> Progress:
        """Says as events what happens in a training."""
        from gradts_engine.learning.training import Progress

        def step(done: int, total: int, loss: float) -> None:
            self.emit(events.StageProgress(stage, subject, done, total, loss))

        def epoch(number: int, score: float) -> None:
            self.emit(events.EpochScored(stage, subject, number, metric, score))

        def resumed(done: int, total: int, scores: Sequence[float]) -> None:
            self.emit(events.StageResumed(stage, subject, done, total))
            for number, score in enumerate(scores, 1):
                epoch(number, score)

        def smaller(parts: int) -> None:
            self._warn(f"{stage} {subject}: out of memory on {device}, batches are now computed in {parts} parts")

        def undefined(number: int, why: str) -> None:
            self._warn(f"{stage} {subject}: {metric} of the dev split is not defined after epoch {number}: {why}")

        return Progress(step, epoch, smaller, undefined, resumed)
