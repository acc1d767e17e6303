"""What a task type, and a registered task, have to keep to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gradts_engine.config import TrainingSettings
from gradts_engine.contracts import ClassScores, EncoderSpec, Row, TaskData, TaskSpec, TaskType, TaskTypeSpec, TextAnswers
from gradts_engine.errors import BadRowsError, UsageError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.batches import Encoded, encode, plan_epochs
from gradts_engine.learning.data import read_task
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.metrics import METRICS
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.training import Dev, answers, train
from gradts_engine.names import NAME
from gradts_engine.scoring.importance import instance_importance
from gradts_engine.testing.tiny import tiny_encoder


class TaskTypeContract:
    """Subclass with `spec` and some rows that it can read, of different lengths, whose labels can be told from their texts: a
    tiny encoder must be able to learn them."""

    spec: TaskTypeSpec
    rows: Sequence[Row]
    text: str | tuple[str, ...] = "text"
    label = "label"
    words: Sequence[str] = ()
    """Words that the tiny encoder shall know as one token each."""
    steps = 60
    """Optimiser steps in which the loss has to fall by half."""

    @cached_property
    def type(self) -> TaskType:
        """Loaded once a test."""
        return self.spec.load()

    @cached_property
    def data(self) -> TaskData:
        """The rows as a task of this type."""
        rows = list(self.rows)
        task = TaskSpec(name="task", type=self.spec.name, train=lambda: rows, dev=lambda: rows, text=self.text, label=self.label)
        return read_task(task, self.type, self.spec.metrics[0], {}, "stop", 0)

    @pytest.fixture(autouse=True)
    def _encoder(self, tmp_path: Path) -> None:
        folder = str(tiny_encoder(tmp_path, words=self.words))
        self.encoder: Encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: folder))

    @cached_property
    def encoded(self) -> Encoded:
        """All rows, tokenised."""
        tokenizer = self.encoder.tokenizer_for(self.type.word_level)
        return encode("task", self.type, self.data.labels, self.data.splits["train"], tokenizer, 48)

    def model(self, dropout: float = 0.0) -> MultiTaskModel:
        """A tiny encoder with the type's head."""
        module = self.encoder.build()
        head = make_head(self.type, module, self.encoder.hidden_size, self.data.labels, dropout, seed=1)
        return MultiTaskModel(module, {"task": head}).eval()

    def test_what_is_wrong_with_a_row_is_a_value_error(self) -> None:
        """A row that cannot be read is reported with its line: only ValueError is taken for that."""
        text = self.data.splits["train"][0].text
        for nonsense in (None, object(), b"bytes", float("nan")):
            with pytest.raises(ValueError, match=r"."):
                self.type.read_text([nonsense] * len(self._columns()))
        if getattr(self.type, "labelled", True):
            with pytest.raises(ValueError, match=r"."):
                self.type.read_label(object(), text)

    def test_an_instance_has_a_loss_of_its_own(self) -> None:
        """The same whatever it is batched with, and made of its own outputs alone."""
        model, data = self.model(), self.encoded
        every = range(len(data))
        inputs, targets = data.batch(every)
        logits = model("task", inputs).detach().requires_grad_()
        sums, counts = self.type.loss(logits, targets)
        assert sums.shape == counts.shape == (len(data),), f"loss() gives {tuple(sums.shape)}, expected one sum an instance"
        assert sums.dtype == torch.float32, "losses must be added up in float32"
        assert (counts >= 1).all(), "a count below 1"
        assert torch.isfinite(sums).all(), "a loss is not finite"
        for i in every:
            alone_inputs, alone_targets = data.batch([i])
            with torch.no_grad():
                alone, count = self.type.loss(model("task", alone_inputs), alone_targets)
            assert torch.allclose(sums[i], alone[0], rtol=1e-3, atol=1e-4), f"the loss of row {i} depends on its batch"
            assert counts[i] == count[0], f"the count of row {i} depends on its batch"
        rows = len(logits) // len(data)  # of outputs for one instance
        for i in every:
            (gradient,) = torch.autograd.grad(sums[i], logits, retain_graph=True)
            others = [j for j in range(len(logits)) if j // rows != i]
            assert not gradient[others].any(), f"the loss of row {i} depends on the outputs of other rows"

    def test_importance_does_not_depend_on_the_batch(self) -> None:
        """One batched pass gives every instance what it gets by itself."""
        model, data = self.model(), self.encoded
        sites = self.encoder.head_sites(model.encoder)
        together = instance_importance(model, data, sites, batch_tokens=10_000)
        alone = instance_importance(model, data, sites, batch_tokens=1)
        np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-5 * alone.max())

    def test_answers_are_scored(self) -> None:
        """One answer an instance, true ones with the best score there is, by every metric of the type."""
        with torch.no_grad():
            inputs, targets = self.encoded.batch(range(len(self.encoded)))
            logits = self.model()("task", inputs)
        gold, predicted = answers(self.encoded, range(len(self.encoded)), logits, targets)
        assert len(gold) == len(predicted) == len(self.encoded), "not one answer an instance"
        perfect: list[Any] = list(gold)
        if isinstance(self.type, TextAnswers):  # of several true answers one is given
            perfect = [answer[0] if answer else "" for answer in perfect]
        assert self.spec.metrics, "a task type needs a metric"
        for name in self.spec.metrics:
            assert name in METRICS, f"unknown metric {name}; known are {', '.join(METRICS)}"
            if METRICS[name].scores:
                assert isinstance(self.type, ClassScores), f"{name} is made of scores, but the type has no scores()"
                found = METRICS[name](gold, self.type.scores(logits).numpy(), self.data.labels)
                assert METRICS[name].low <= found <= METRICS[name].high
                continue
            best, found = (METRICS[name](gold, given, self.data.labels, self.data.rules) for given in (perfect, predicted))
            assert math.isfinite(found), f"{name} of a fresh model is {found}"
            assert best >= found, f"{name}: true answers score {best}, a fresh model {found}"

    def test_it_can_be_learned(self) -> None:
        """A short training halves the loss."""
        model, data = self.model(), self.encoded
        losses: list[float] = []

        def loss() -> float:
            with torch.no_grad():
                sums, counts = self.type.loss(model("task", data.batch(range(len(data)))[0]), data.batch(range(len(data)))[1])
            return float((sums / counts).mean())

        losses.append(loss())
        epochs = math.ceil(self.steps * 8 / len(data))
        plan = plan_epochs({"task": data.lengths}, epochs=epochs, batch_size=8, accumulation=1, seed=0)
        flat = [[step for epoch in plan for step in epoch]]
        settings = TrainingSettings(epochs=1, learning_rate=5e-3, dropout=0.0, warmup=0.1)
        train(model, {"task": data}, flat, Dev(data, self.spec.metrics[0]), settings, device="cpu", seed=0)
        losses.append(loss())
        assert losses[1] < losses[0] / 2, f"loss {losses[0]:.3f} before, {losses[1]:.3f} after {self.steps} steps"

    def _columns(self) -> tuple[str, ...]:
        return (self.text,) if isinstance(self.text, str) else self.text


class TaskContract:
    """Subclass with `tasks`: everything that a plugin registers. Data that are not there skip the tests that read them, with
    what the task says about it as the reason."""

    tasks: Sequence[TaskSpec]
    train_rows = 200
    """So many train rows are read."""

    def test_they_can_be_named_in_a_tasks_toml(self) -> None:
        """Names, types, metrics and columns as `gradts-engine run` checks them."""
        types = load_catalog().task_types
        names = [task.name for task in self.tasks]
        assert len(set(names)) == len(names), f"a name is given twice: {names}"
        for task in self.tasks:
            assert NAME.fullmatch(task.name), f"{task.name!r} is not a task name (a-z, 0-9, '.', '_', '-')"
            assert task.type in types, f"{task.name}: unknown type {task.type!r}"
            columns = 1 if isinstance(task.text, str) else len(task.text)
            assert columns in types[task.type].texts, f"{task.name}: {columns} text columns, allowed are {types[task.type].texts}"
            assert task.metric in (None, *types[task.type].metrics), f"{task.name}: unknown metric {task.metric!r}"
            assert task.dev is not None or task.dev_fraction, f"{task.name} has neither dev nor dev_fraction"
            assert task.description, f"{task.name} has no description"
            assert task.licence, f'{task.name} has no licence; say "unknown" where it is'

    def test_their_rows_can_be_read(self) -> None:
        """Without a bad row, the same every time, with at least two classes where there are classes."""
        types = load_catalog().task_types
        missing = []
        for task in self.tasks:
            kind = types[task.type]
            limits = dict.fromkeys(("train", "dev", "test"), self.train_rows)
            try:
                one, two = (read_task(task, kind.load(), task.metric or kind.metrics[0], limits, "stop", 0) for _ in range(2))
            except BadRowsError:
                raise
            except UsageError as error:
                missing.append(str(error))
                continue
            assert one.digests == two.digests, f"{task.name} gives other rows when it is read again"
        if missing:
            pytest.skip(missing[0])
