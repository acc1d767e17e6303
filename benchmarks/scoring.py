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
from typing import Any

import numpy as np
from torch import Tensor, nn

from benchmarks import plain, real
from benchmarks.device import device, now, on_gpu, precisions
from benchmarks.frame import Case, Close, Measured
from gradts_engine.learning.batches import Encoded, token_batches
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.scoring.importance import GradientPass
from gradts_engine.scoring.normalise import normalise, task_importance

ROWS = 200
PART = 5
TARGETS = {
    "fp32": {"cola": 20, "chunk_conll2000": 12, "mrpc": 8, "rte": 7},
    "bf16": {"cola": 30, "chunk_conll2000": 15, "mrpc": 12, "rte": 10},
}
LIMIT = 1.15
TOLERANCE = {"fp32": 1e-4 if on_gpu() else 1e-5, "bf16": 0.1}
"""Of normalised importance; the published sums are float32 too."""


@cache
def tuned(case: str) -> MultiTaskModel:
    """What is scored."""
    return real.model(real.encoded(case, ROWS)).eval().to(device())


def ours(case: str, precision: str = "fp32") -> Measured:
    """One pass, and both levels from it."""
    data, model = real.encoded(case, ROWS), tuned(case)
    start = now()
    sites = real.encoder().head_sites(model.encoder)
    passing = GradientPass(model, data, sites, device=device(), precision=precision)
    raw = passing.importance()
    instances, of_task = normalise(raw), task_importance([raw])
    seconds = (now() - start) / ROWS
    assert np.isfinite(of_task).all()
    return Measured(
        seconds,
        Close(instances[::PART].ravel().tolist(), TOLERANCE[precision]),
        {"batch_tokens": passing.batch_tokens, "mean_tokens": float(data.lengths.mean())},
    )


def baseline(case: str, precision: str = "fp32") -> Measured:
    """Two passes in float32 over every PART-th row; a head's weights are the rows of its projection. `precision` is ours."""
    data, model = real.encoded(case, ROWS), tuned(case)
    rows = range(0, ROWS, PART)
    start = now()
    for _ in range(2):
        raw = np.stack([gradients(model, data.batch([row], device()), data) for row in rows])
    instances, _ = normalise(raw), task_importance([raw])
    seconds = (now() - start) / len(rows)
    return Measured(seconds, Close(instances.ravel().tolist(), TOLERANCE[precision]))


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
    passing = GradientPass(model, data, real.encoder().head_sites(model.encoder), batch_tokens=_budget(case), device=device())
    start = now()
    passing.importance()
    return Measured((now() - start) / ROWS)


@cache
def _budget(case: str) -> int:
    model = tuned(case)
    return GradientPass(model, real.encoded(case, ROWS), real.encoder().head_sites(model.encoder), device=device()).batch_tokens


def limit(case: str) -> Measured:
    """Forward and backward, down to the embeddings' output; no parameter needs a gradient."""
    data, model, tokens = real.encoded(case, ROWS), tuned(case), _budget(case)
    start = now()
    with _states_alone(model):
        for rows in token_batches(data.lengths, tokens):
            inputs, targets = data.batch(rows, device())
            sums, counts = data.type.loss(plain.logits(model, data.task, inputs), targets)
            (sums / counts).sum().backward()
    return Measured((now() - start) / ROWS)


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
    """`cola` to `rte`, `cola bf16` to `rte bf16` where the device has that, and `cola limit` to `rte limit`."""
    real.check()
    facts = {"instances": ROWS, "baseline_instances": ROWS // PART}
    against_published = [
        Case(
            f"{case}{suffix}",
            target,
            partial(ours, case, precision),
            partial(baseline, case, precision),
            facts={**facts, "precision": precision},
        )
        for suffix, precision in precisions("fp32", "bf16").items()
        for case, target in TARGETS[precision].items()
    ]
    against_bare = [
        Case(f"{case} limit", LIMIT, partial(one_pass, case), partial(limit, case), at_most=True, facts=facts)
        for case in TARGETS["fp32"]
    ]
    return [*against_published, *against_bare]
