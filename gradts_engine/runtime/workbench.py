"""What the jobs of a worker share: tokenised splits, fresh and trained models; and what one job has of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from gradts_engine import events
from gradts_engine.contracts import Device
from gradts_engine.errors import ResultGone
from gradts_engine.runtime.artifacts import MODEL, Artifact, ArtifactStore, awaited
from gradts_engine.runtime.checkpoints import Clock
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.costs import layers_of, operations
from gradts_engine.runtime.jobs import Job, Score, Test, key, trained
from gradts_engine.runtime.prepare import Prepared, run_id
from gradts_engine.runtime.workspaces import Workspace

if TYPE_CHECKING:
    from torch import nn

    from gradts_engine.learning.batches import Encoded
    from gradts_engine.learning.model import MultiTaskModel
    from gradts_engine.learning.predicting import Model
    from gradts_engine.learning.training import Dev

Emit = Callable[[events.Event], object]


class Bench:
    """One run's data, encoder and store. Its methods may be called from any thread."""

    def __init__(self, prepared: Prepared, artifacts: ArtifactStore, control: Control, devices: Sequence[Device]) -> None:
        self.prepared = prepared
        self.run = run_id(prepared)
        self.devices = devices
        """All devices of the run."""
        self.facts = prepared.facts
        self.specs = prepared.experiment.tasks
        self.data = prepared.data
        self.types = prepared.types
        self.encoder = prepared.encoder
        self.artifacts = artifacts
        self.control = control
        self._encoded: dict[tuple[str, str], Future[Encoded]] = {}
        self._asking = threading.Lock()

    def encoded(self, task: str, split: str, emit: Emit) -> Encoded:
        """A split as the encoder takes it, kept in memory once it is made. Who asks for another one does not wait."""
        with self._asking:
            first = (task, split) not in self._encoded
            future = self._encoded.setdefault((task, split), Future())
        if first:
            try:
                made = self._encode(task, split)
                emit(events.Tokenised(task, split, len(made), made.truncated))
                future.set_result(made)
            except BaseException as error:
                with self._asking:
                    del self._encoded[task, split]
                future.set_exception(error)
        return future.result()

    def _encode(self, task: str, split: str) -> Encoded:
        from gradts_engine.learning.batches import encode
        from gradts_engine.learning.predicting import with_blanks

        data, task_type = self.data[task], self.types[task]
        tokenizer = self.encoder.tokenizer_for(task_type.word_level)
        rows = data.splits[split] if split != "test" else with_blanks(task_type, data.tested)
        return encode(task, task_type, data.labels, rows, tokenizer, self.facts.max_length)

    def model(self, tasks: tuple[str, ...], seed: int, dropout: float) -> MultiTaskModel:
        """A fresh encoder with a fresh head for each task."""
        from gradts_engine.learning.model import MultiTaskModel, make_head
        from gradts_engine.learning.seeds import derive_seed

        module, size = self.encoder.build(), self.encoder.hidden_size

        def head(task: str) -> nn.Module:
            return make_head(self.types[task], module, size, self.data[task].labels, dropout, derive_seed(seed, "head", task))

        return MultiTaskModel(module, {task: head(task) for task in tasks})

    def load_model(self, tasks: tuple[str, ...], artifact: Artifact) -> MultiTaskModel:
        """The trained model of a `tune` or `trial` artifact. Raises `ResultGone` where it was freed since it was found."""
        from safetensors.torch import load_model

        model = self.model(tasks, 0, 0.0)
        try:
            load_model(model, artifact.folder / MODEL)
        except FileNotFoundError:
            raise ResultGone(f"the weights of {artifact.stage} are gone; give the run's command again to compute them") from None
        return model.eval()


@dataclass(frozen=True)
class Work:
    """A job while it is computed: `emit` tells the driver what happens, and drops progress that comes too often."""

    bench: Bench
    job: Job
    key: str
    device: str
    emit: Emit
    clock: Clock = field(default_factory=Clock)

    @property
    def space(self) -> Workspace:
        """Where it keeps what it has done so far."""
        return self.bench.artifacts.workspace(self.job.stage, self.key)

    def encoded(self, task: str, split: str) -> Encoded:
        """A split as the encoder takes it."""
        return self.bench.encoded(task, split, self.emit)

    def judge(self, task: str, split: str) -> Dev:
        """A split with the metric that it is judged by."""
        from gradts_engine.learning.training import Dev

        data = self.bench.data[task]
        return Dev(self.encoded(task, split), data.metric, data.rules)

    def model(self, job: Test) -> Model:
        """A trial's model, to be asked about rows of its primary."""
        from gradts_engine.learning.predicting import Model, reads

        bench, primary = self.bench, job.primary
        module = bench.load_model(job.tasks, self.result(trained(job)))
        data, kind = bench.data[primary], bench.types[primary]
        tokenizer = bench.encoder.tokenizer_for(kind.word_level)
        about = reads(bench.specs[primary], data)
        return Model(module, partial(module, primary), tokenizer, data.type, kind, data.labels, bench.facts.max_length, about)

    def result(self, job: Job) -> Artifact:
        """The intact result of a job that this one needs. Raises `ResultGone`."""
        name = key(job, self.bench.facts)
        found = awaited(lambda: self.bench.artifacts.find(job.stage, name, warn=self.warn), self.bench.devices)
        if found is None:
            raise ResultGone(f"the result of {job.stage} {job.words} is gone; give the run's command again to compute it")
        return found

    def operations(self) -> float:
        """How many it takes; only of splits that are tokenised, which those of a finished job are. 0 where that is not known,
        since it may have ended before it was through."""
        encoder, facts = self.bench.encoder, self.bench.facts
        if isinstance(self.job, Score) and facts.scoring.stop == "settled":
            return 0.0

        def tokens(task: str) -> float:
            data = self.encoded(task, "train")
            return float(data.lengths.mean()) * data.sequences

        return operations(self.job, facts, tokens, layers_of(encoder.config), encoder.hidden_size)

    def warn(self, message: str) -> None:
        """Tell whoever looks at the run."""
        self.emit(events.Warned(message))

    def check_stop(self) -> None:
        """A safe point: holds while the run is paused. Raises `Interrupted` once it is to stop."""
        with self.clock.stopped():
            self.bench.control.check(_release_memory)


def _release_memory() -> None:
    """Give other programs the GPU memory that no tensor needs between two steps."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
