"""The gradient pass, against what the published method does, and against a bare forward and backward pass.

Seconds an instance, on the first ROWS train rows of real tasks. The baseline makes two passes (one for the importance of the
task, one for that of its instances), an instance at a time, with a full backward pass through all parameters. It is timed on
every PART-th row and has to agree with ours there. The cases `limit` compare one pass of ours with the same batches going forward
and backward without any gradient of weights: what is above 1 is the price of importance.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from time import perf_counter
from typing import Any

import numpy as np
from torch import Tensor, nn

from benchmarks import plain, real
from benchmarks.frame import Case, Close, Measured
from gradts_engine.learning.batches import Encoded, token_batches
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.scoring.importance import GradientPass
from gradts_engine.scoring.normalise import normalise, task_importance

ROWS = 200
PART = 5
TARGETS = {"cola": 20, "chunk_conll2000": 12, "mrpc": 8, "rte": 7}
LIMIT = 1.15
TOLERANCE = 1e-5
"""Of normalised importance; the published sums are float32 too."""


@cache
def tuned(case: str) -> MultiTaskModel:
    """What is scored."""
    return real.model(real.encoded(case, ROWS)).eval()


def ours(case: str) -> Measured:
    """One pass, and both levels from it."""
    data, model = real.encoded(case, ROWS), tuned(case)
    start = perf_counter()
    passing = GradientPass(model, data, real.encoder().head_sites(model.encoder))
    raw = passing.importance()
    instances, of_task = normalise(raw), task_importance([raw])
    seconds = (perf_counter() - start) / ROWS
    assert np.isfinite(of_task).all()
    return Measured(
        seconds,
        Close(instances[::PART].ravel().tolist(), TOLERANCE),
        {"batch_tokens": passing.batch_tokens, "mean_tokens": float(data.lengths.mean())},
    )


def baseline(case: str) -> Measured:
    """Two passes over every PART-th row; a head's weights are the rows of its projection."""
    data, model = real.encoded(case, ROWS), tuned(case)
    rows = range(0, ROWS, PART)
    start = perf_counter()
    for _ in range(2):
        raw = np.stack([gradients(model, data.batch([row]), data) for row in rows])
    instances, _ = normalise(raw), task_importance([raw])
    seconds = (perf_counter() - start) / len(rows)
    return Measured(seconds, Close(instances.ravel().tolist(), TOLERANCE))


def gradients(model: MultiTaskModel, batch: tuple[dict[str, Tensor], Tensor], data: Encoded) -> np.ndarray:
    """Importance [L, H] of one instance from the gradients of its loss for all parameters."""
    inputs, targets = batch
    model.zero_grad()
    sums, counts = data.type.loss(plain.logits(model, data.task, inputs), targets)
    (sums / counts).sum().backward()
    layers = []
    encoder: Any = model.encoder
    for layer in encoder.encoder.layer:
        heads = layer.attention.self.num_attention_heads
        importance = {}
        for name in ("query", "key", "value"):
            weight = getattr(layer.attention.self, name).weight
            gradient = np.abs(weight.grad.detach().cpu().numpy())
            importance[name] = [part.mean() for part in np.split(gradient, heads)]
        layers.append(np.add(importance["key"], importance["value"]))
    return np.array(layers)


def one_pass(case: str) -> Measured:
    """The same without normalisation and probe, in the batches that the probe would choose."""
    data, model = real.encoded(case, ROWS), tuned(case)
    passing = GradientPass(model, data, real.encoder().head_sites(model.encoder), batch_tokens=_budget(case))
    start = perf_counter()
    passing.importance()
    return Measured((perf_counter() - start) / ROWS)


@cache
def _budget(case: str) -> int:
    model = tuned(case)
    return GradientPass(model, real.encoded(case, ROWS), real.encoder().head_sites(model.encoder)).batch_tokens


def limit(case: str) -> Measured:
    """Forward and backward, down to the embeddings' output; no parameter needs a gradient."""
    data, model, tokens = real.encoded(case, ROWS), tuned(case), _budget(case)
    start = perf_counter()
    with _states_alone(model):
        for rows in token_batches(data.lengths, tokens):
            inputs, targets = data.batch(rows)
            sums, counts = data.type.loss(plain.logits(model, data.task, inputs), targets)
            (sums / counts).sum().backward()
    return Measured((perf_counter() - start) / ROWS)


@contextmanager
def _states_alone(model: MultiTaskModel) -> Iterator[None]:
    """Gradients go through the states and nowhere else."""

    def begin(module: nn.Module, args: object, output: Tensor) -> Tensor:
        return output.requires_grad_()

    model.requires_grad_(False)
    hook = model.encoder.get_submodule("embeddings").register_forward_hook(begin)
    yield
    hook.remove()
    model.requires_grad_(True)


def cases() -> list[Case]:
    """`cola` to `rte`, and `cola limit` to `rte limit`."""
    real.check()
    facts = {"instances": ROWS, "baseline_instances": ROWS // PART}
    against_published = [
        Case(case, target, partial(ours, case), partial(baseline, case), facts=facts) for case, target in TARGETS.items()
    ]
    against_bare = [
        Case(f"{case} limit", LIMIT, partial(one_pass, case), partial(limit, case), at_most=True, facts=facts) for case in TARGETS
    ]
    return [*against_published, *against_bare]
