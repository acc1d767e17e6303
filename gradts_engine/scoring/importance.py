"""Importance of every attention head for every training instance, from one batched backward pass.

Paper: Ma et al., EMNLP 2021 (arXiv 2109.05748), section 3.1, after Michel et al., NeurIPS 2019. For instance i, layer l, head h:
raw[i, l, h] = mean |dL_i/dW_K| + mean |dL_i/dW_V| over the weights of the head. Where we differ from the published code
(the axis that heads are cut from, dropout, float labels): see docs/method.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

import numpy as np
import torch
from torch import Tensor, nn

from gradts_engine.contracts import HeadAxis, HeadSites, Projection
from gradts_engine.errors import TrainingDiverged
from gradts_engine.learning.batches import Encoded, token_batches
from gradts_engine.learning.model import MultiTaskModel


class HeadGradients:
    """While entered, every forward and backward pass through `encoder` leaves the importance of its heads for each instance.

    A weight's gradient for one instance is G.T @ X, with X [T, in] the projection's input and G [T, out] the gradient of its
    output, so it is made from what a pass over the activations alone already knows: no parameter needs a gradient, and the
    instances of a batch stay apart whatever they are batched with.
    """

    def __init__(self, encoder: nn.Module, sites: HeadSites, projections: Sequence[str], axis: HeadAxis) -> None:
        self.encoder = encoder
        self.sites = sites
        self.axis = axis
        self.where: dict[nn.Module, list[tuple[int, str, Projection]]] = {}
        for layer, found in enumerate(sites.layers):
            for name in projections:
                module = encoder.get_submodule(found[name].module)
                self.where.setdefault(module, []).append((layer, name, found[name]))
        self.calls: dict[nn.Module, int] = {}
        self.weights: dict[tuple[int, str], tuple[Projection, Tensor]] = {}
        self.raw: Tensor | None = None

    def __enter__(self) -> HeadGradients:
        self.hooks = [module.register_forward_hook(self._forward) for module in self.where]
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for hook in self.hooks:
            hook.remove()

    def take(self) -> Tensor:
        """Raw importance [B, L, H] of the batch whose backward pass has just ended."""
        for (layer, _), (projection, weight) in self.weights.items():
            self._add(layer, projection, weight)
        raw, self.raw = self.raw, None
        self.calls.clear()
        self.weights.clear()
        assert raw is not None, "no backward pass since the last take()"
        return raw

    def _forward(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        """Have autograd call us with the gradient of this projection's output."""
        call = self.calls.get(module, 0)
        self.calls[module] = call + 1
        here = [site for site in self.where[module] if not self.sites.batched or site[2].call == call]
        if here and torch.is_grad_enabled():
            if not output.requires_grad:  # the first layer's projections: nothing before them needs a gradient
                output.requires_grad_()
            output.register_hook(lambda gradient: self._backward(here, args[0].detach(), gradient))

    def _backward(self, here: Sequence[tuple[int, str, Projection]], x: Tensor, gradient: Tensor) -> None:
        for layer, name, projection in here:
            g = gradient[..., projection.start : projection.stop]
            weight = torch.bmm(g.transpose(1, 2), x)  # [B, T, out], [B, T, in] -> [B, out, in]
            if self.sites.batched:
                self._add(layer, projection, weight)
            else:  # one instance, but several calls add to its gradient before its absolute value is taken
                before = self.weights.get((layer, name))
                self.weights[layer, name] = (projection, weight if before is None else before[1] + weight)

    def _add(self, layer: int, projection: Projection, weight: Tensor) -> None:
        """Add the mean absolute gradient of each head's weights, [B, H]."""
        weight = weight.abs_()
        along = weight.sum(2) if self.axis == "output" else weight.sum(1)  # [B, out] or [B, in]
        per_head = along.unflatten(1, (projection.heads, -1)).sum(2)  # [B, out] -> [B, H, d_h] -> [B, H]
        mean = per_head / (weight[0].numel() / projection.heads)
        if self.raw is None:
            self.raw = weight.new_zeros(len(weight), len(self.sites.layers), projection.heads)
        self.raw[:, layer] += mean


def instance_importance(
    model: MultiTaskModel,
    data: Encoded,
    sites: HeadSites,
    *,
    projections: Sequence[str] = ("key", "value"),
    axis: HeadAxis = "output",
    batch_tokens: int = 2000,
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """Raw importance [N, L, H], float32, of every head for every instance of `data`, in its order.

    Dropout is off and the weights stay as they are, so the result is a function of weights and data; batching changes it by
    less than 1e-6 of its size. `progress(done, total)` is called after each batch. Raises `TrainingDiverged` if a value is
    not finite.
    """
    out: np.ndarray | None = None
    done = 0
    for rows, raw in importance_batches(model, data, sites, projections, axis, batch_tokens, device):
        if out is None:
            out = np.empty((len(data), *raw.shape[1:]), np.float32)
        out[rows] = raw
        done += len(rows)
        progress(done, len(data))
    assert out is not None, "no instances"
    if not np.isfinite(out).all():
        row = int(np.flatnonzero(~np.isfinite(out).all((1, 2)))[0])
        raise TrainingDiverged(f"the gradient of train instance {row} of {data.task} is not finite")
    return out


def importance_batches(
    model: MultiTaskModel,
    data: Encoded,
    sites: HeadSites,
    projections: Sequence[str],
    axis: HeadAxis,
    batch_tokens: int,
    device: str,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions [B] and raw importance [B, L, H], batch by batch."""
    model.to(device).eval().requires_grad_(False)
    tf32 = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with HeadGradients(model.encoder, sites, projections, axis) as gradients:
            for rows in token_batches(data.lengths, batch_tokens if sites.batched else 1):
                inputs, targets = data.batch(rows, device)
                sums, counts = data.type.loss(model(data.task, inputs), targets)
                (sums / counts).sum().backward()
                yield rows, gradients.take().cpu().numpy()
    finally:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        model.requires_grad_(True)
