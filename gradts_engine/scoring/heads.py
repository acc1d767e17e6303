"""What one batched backward pass knows of every attention head, for every instance of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import torch
from torch import Tensor, nn

from gradts_engine.contracts import HeadAxis, HeadSites, Projection
from gradts_engine.errors import UsageError

BLOCK = {"cpu": 2_400_000, "cuda": 256_000_000}
"""Bytes of weight gradients that are made at a time: what stays in a core's cache, or what keeps a GPU busy."""


class HeadGradients:
    """While entered, every forward and backward pass through `encoder` leaves the importance of its heads for each instance.

    A weight's gradient for one instance is G.T @ X, with X [T, in] the projection's input and G [T, out] the gradient of its
    output, so it is made from what a pass over the activations alone already knows: no parameter needs a gradient, and the
    instances of a batch stay apart whatever they are batched with. It is made and reduced a few instances at a time, in a buffer
    that stays in the processor's cache: the gradients of a whole batch would be far larger than all its activations.
    """

    def __init__(self, encoder: nn.Module, sites: HeadSites, projections: Sequence[str], axis: HeadAxis) -> None:
        self.encoder = encoder
        self.sites = sites
        self.axis = axis
        heads = {name: sites.layers[0][name].heads for name in projections}
        if len(set(heads.values())) > 1:
            counts = ", ".join(f"{count} {name} heads" for name, count in heads.items())
            raise UsageError(f"[scoring] projections: this encoder has {counts}, which cannot be added up; leave query out")
        self.where: dict[nn.Module, list[tuple[int, str, Projection]]] = {}
        for layer, found in enumerate(sites.layers):
            for name in projections:
                module = encoder.get_submodule(found[name].module)
                self.where.setdefault(module, []).append((layer, name, found[name]))
        self.calls: dict[nn.Module, int] = {}
        self.weights: dict[tuple[int, str], tuple[Projection, Tensor]] = {}
        self.buffers: dict[tuple[int, int], Tensor] = {}
        self.raw: Tensor | None = None
        self.sequences = 1
        """Of each instance in the batch."""

    def __enter__(self) -> HeadGradients:
        self.hooks = [module.register_forward_hook(self._forward) for module in self.where]
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for hook in self.hooks:
            hook.remove()

    def take(self) -> Tensor:
        """Raw importance [B, L, H] of the batch whose backward pass has just ended."""
        for (layer, _), (projection, weight) in self.weights.items():
            self._add(layer, projection, _along(weight, self.axis))
        raw = self.raw
        self.drop()
        assert raw is not None, "no backward pass since the last take()"
        return raw

    def drop(self) -> None:
        """Forget a batch, also one whose passes were broken off."""
        self.raw = None
        self.calls.clear()
        self.weights.clear()

    def release(self) -> None:
        """Forget a batch, and the memory that gradients are made in: there is too little of it."""
        self.drop()
        self.buffers.clear()

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
        wide = torch.promote_types(x.dtype, torch.float32)  # sums of bfloat16 would lose what is summed
        x, gradient = x.to(wide), gradient.to(wide)
        if self.sequences > 1:  # those of an instance, one after the other, are its tokens: [B * K, T, n] -> [B, K * T, n]
            instances = len(x) // self.sequences if self.sites.batched else 1  # else they may share an input: relative positions
            x, gradient = (t.reshape(instances, -1, t.shape[-1]) for t in (x, gradient))
        for layer, name, projection in here:
            g = gradient[..., projection.start : projection.stop]
            if self.sites.batched:
                self._add(layer, projection, self._means(g, x))
            else:  # one instance, but several calls add to its gradient before its absolute value is taken
                weight = torch.bmm(g.transpose(1, 2), x)  # [1, T, out], [1, T, in] -> [1, out, in]
                before = self.weights.get((layer, name))
                self.weights[layer, name] = (projection, weight if before is None else before[1] + weight)

    def _means(self, g: Tensor, x: Tensor) -> Tensor:
        """`_along` of the weight gradients of a batch: [B, T, out], [B, T, in] to [B, out] or [B, in]."""
        shape = (g.shape[2], x.shape[2])
        size = min(len(x), max(1, BLOCK[x.device.type] // (g.element_size() * shape[0] * shape[1])))
        if shape not in self.buffers or len(self.buffers[shape]) < size:
            self.buffers.pop(shape, None)  # before the larger one is made
            self.buffers[shape] = x.new_empty(size, *shape)
        buffer = self.buffers[shape]
        means = []
        for part_g, part_x in zip(g.split(len(buffer)), x.split(len(buffer)), strict=True):
            weight = torch.bmm(part_g.transpose(1, 2), part_x, out=buffer[: len(part_x)])  # [b, out, in]
            means.append(_along(weight, self.axis))
        return torch.cat(means)

    def _add(self, layer: int, projection: Projection, means: Tensor) -> None:
        """Add the mean absolute gradient of each head's weights, [B, H]."""
        per_head = means.unflatten(1, (projection.heads, -1)).mean(2)  # [B, out] -> [B, H, d_h] -> [B, H]
        if self.raw is None:
            self.raw = means.new_zeros(len(means), len(self.sites.layers), projection.heads)
        self.raw[:, layer] += per_head


def _along(weight: Tensor, axis: HeadAxis) -> Tensor:
    """Mean absolute values along the axis that heads are not cut from, [b, out, in] to [b, out] or [b, in], in place."""
    return weight.abs_().mean(2 if axis == "output" else 1)
