"""Importance of every attention head for every training instance, from one batched backward pass.

Paper: Ma et al., EMNLP 2021 (arXiv 2109.05748), section 3.1, after Michel et al., NeurIPS 2019. For instance i, layer l, head h:
raw[i, l, h] = mean |dL_i/dW_K| + mean |dL_i/dW_V| over the weights of the head. Where we differ from the published code
(the axis that heads are cut from, dropout, float labels): see docs/method.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gradts_engine.contracts import HeadAxis, HeadSites
from gradts_engine.errors import TrainingDiverged
from gradts_engine.learning.batches import Encoded, token_batches
from gradts_engine.learning.casting import cast_weights, short_states
from gradts_engine.learning.memory import Patience
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.learning.quick import quick_attention
from gradts_engine.learning.training import SHORT, logits_of, short
from gradts_engine.scoring.heads import HeadGradients

MEMORY = 180_000_000
"""Bytes that a batch may keep for its backward pass on a CPU: with more it is slower there, since its layers leave the cache."""
INSTANCES = 30
"""Of mean length, in a batch on a CPU: measured, short texts are faster in smaller batches than the memory allows."""
GPU_SHARE = 0.25
"""Share of a GPU's free memory that a batch may keep for its backward pass."""
LEAST, MOST = 500, 16_000
"""Padded tokens of a batch: below, the calls cost more than what they compute; above, nothing is won."""

Progress = Callable[[int, int], None]


def instance_importance(
    model: MultiTaskModel, data: Encoded, sites: HeadSites, *, progress: Progress = lambda done, total: None, **options: Any
) -> np.ndarray:
    """Raw importance [N, L, H], float32, of every head for every instance of `data`: a `GradientPass` with `options`, whole."""
    return GradientPass(model, data, sites, **options).importance(progress=progress)


class _Exact:
    """While entered, in any thread, products of float32 are not cut to TF32. The flag is the process's: the first to enter sets
    it, the last to leave sets it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, False
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                torch.backends.cuda.matmul.allow_tf32 = self._before


_EXACT = _Exact()


def free_memory(device: str) -> int:
    """Bytes of a GPU that a new tensor can have: what no program holds, and what torch keeps from tensors that are gone."""
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0] + kept)


class Collector(Protocol):
    """While entered, keeps something of each instance's gradients: `take` gives it, [B, ...], for the batch whose backward pass
    has just ended. `sequences` are those of each instance in the batch."""

    sequences: int

    def __enter__(self) -> object: ...

    def __exit__(self, *error: Any) -> None: ...

    def take(self) -> Tensor:
        """Of the batch whose backward pass has just ended."""

    def drop(self) -> None:
        """Forget a batch, also one whose passes were broken off."""

    def release(self) -> None:
        """Forget a batch, and the memory that gradients are made in: there is too little of it."""


class InstancePass:
    """One batched pass over a split that keeps what `gradients` collect of each instance. It moves `model` to `device`.

    Dropout is off and the weights stay as they are, so the result is a function of weights and data; how instances are batched
    changes it by less than 1e-6 of its size. `batch_tokens` is the largest number of padded tokens in a batch: given, or chosen
    by `probe`, and halved where the memory does not suffice; where instances are not `batched`, each is one. `precision` "bf16"
    runs the encoder in bfloat16 (see docs/speed.md for what that costs); gradients are summed in float32 all the same.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        data: Encoded,
        gradients: Collector,
        *,
        batched: bool = True,
        batch_tokens: int | None = None,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> None:
        self.model = model.to(device).eval()
        self.data = data
        self.batched = batched
        self.device = device
        self.precision = precision
        self.gradients = gradients
        self.gradients.sequences = data.sequences
        self.patience = Patience(device)
        self.weights: dict[str, Tensor] = {}
        """Those in a short format, while the pass is on."""
        self.batch_tokens = batch_tokens or self.probe()

    def probe(self) -> int:
        """Padded tokens for a batch, from what the forward pass of the longest instance keeps for its backward pass and, on a
        CPU, from the mean length.

        Bytes are counted, not seconds: a clock would choose differently from run to run, and with the batches the last bits of
        the result would change.
        """
        longest = int(self.data.lengths.argmax())
        kept: dict[int, Tensor] = {}

        def keep(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = other = tensor.detach()  # itself, it would never be free again
            return other

        with self._frozen("fp32"), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = self._loss(np.array([longest]), "fp32")
        weights = {parameter.untyped_storage().data_ptr() for parameter in self.model.parameters()}
        size = sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in weights)
        del loss
        self.gradients.drop()
        tokens = int(self.data.lengths[longest]) / max(size, 1)  # a byte
        if self.device.startswith("cuda"):
            most = tokens * GPU_SHARE * free_memory(self.device)
        else:
            most = min(tokens * MEMORY, INSTANCES * float(self.data.lengths.mean()))
        return int(min(max(most, LEAST), MOST))

    def collect(
        self, rows: Sequence[int] | np.ndarray | None = None, progress: Progress = lambda done, total: None
    ) -> np.ndarray:
        """What is kept of the instances at `rows` (all of them without), in that order: [n, ...], float32.

        Calls `progress(done, total)` after each batch. Nothing waits for the device before the end. Raises `TrainingDiverged`
        if a value is not finite, and `RunError` if the memory does not suffice for one instance, for as long as `Patience` has.
        """
        rows = np.arange(len(self.data)) if rows is None else np.asarray(rows)
        lengths = self.data.lengths[rows]
        order = np.argsort(-lengths, kind="stable")  # similar lengths together; what is too large for the memory comes first
        parts: list[Tensor] = []
        done = 0
        with self._frozen(self.precision):
            while done < len(order):
                size = max(1, self.batch_tokens // int(lengths[order[done]])) if self.batched else 1
                raw = self._batch(rows[order[done : done + size]])
                if raw is not None:
                    parts.append(raw)
                    done += len(raw)
                    progress(done, len(rows))
        found = torch.cat(parts).cpu().numpy()
        if not np.isfinite(found).all():
            row = rows[order[~np.isfinite(found.reshape(len(found), -1)).all(1)]].min()
            raise TrainingDiverged(f"the gradient of train instance {row} of {self.data.task} is not finite")
        out = np.empty(found.shape, np.float32)
        out[order] = found
        return out

    @torch.no_grad()
    def loss(self) -> float:
        """Mean loss of an instance."""
        batches = token_batches(self.data.lengths, self.batch_tokens)
        return sum(float(self._loss(rows, self.precision)) for rows in batches) / len(self.data)

    def _batch(self, rows: np.ndarray) -> Tensor | None:
        """What is kept of a batch, [B, ...], on the device; None where the memory did not suffice: batches are then smaller, and
        one instance is tried again."""
        try:
            self._loss(rows, self.precision).backward()
            return self.gradients.take()
        except torch.OutOfMemoryError as found:
            error = found.with_traceback(None)  # it would hold on to the tensors of the batch
        self.gradients.release()
        torch.cuda.empty_cache()
        if len(rows) == 1:
            self.patience.wait(error)
            return None
        self.batch_tokens = max(1, min(self.batch_tokens, len(rows) * int(self.data.lengths[rows].max())) // 2)
        return None

    def _loss(self, rows: np.ndarray, precision: str) -> Tensor:
        """The sum of the losses of single instances, whose gradients stay apart."""
        inputs, targets = self.data.batch(rows, self.device)
        with short(precision, self.device):
            logits = logits_of(self.model, self.data.task, inputs, self.weights)
        sums, counts = self.data.type.loss(logits, targets)
        return (sums / counts).sum()

    @contextmanager
    def _frozen(self, precision: str) -> Iterator[None]:
        """No parameter needs a gradient, float32 is float32, and what is short is cast once."""
        self.model.requires_grad_(False)
        dtype = SHORT.get(precision)
        try:
            self.weights = cast_weights(self.model, dtype, frozen=True)
            with (
                _EXACT,
                self.gradients,
                quick_attention(self.model.encoder, self.device),
                short_states(self.model, dtype, self.device),
            ):
                yield
        finally:
            self.weights = {}
            self.model.requires_grad_(True)


class GradientPass(InstancePass):
    """The pass over one task's train split with the tuned `model` that gives the importance of heads."""

    def __init__(
        self,
        model: MultiTaskModel,
        data: Encoded,
        sites: HeadSites,
        *,
        projections: Sequence[str] = ("key", "value"),
        axis: HeadAxis = "output",
        **options: Any,
    ) -> None:
        super().__init__(model, data, HeadGradients(model.encoder, sites, projections, axis), batched=sites.batched, **options)

    def importance(
        self, rows: Sequence[int] | np.ndarray | None = None, progress: Progress = lambda done, total: None
    ) -> np.ndarray:
        """Raw importance [n, L, H], float32, as `collect` says."""
        return self.collect(rows, progress)
