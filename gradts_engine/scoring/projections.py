"""Gradients of single instances, each layer's projected to 16 x 16 numbers in the hooks of one batched backward pass.

Of an instance, the gradient of a weight [out, in] is G.T @ X, with X [T, in] what the layer reads and G [T, out] the gradient of
what it gives. Projected from both sides it is (G @ P.T).T @ (X @ Q.T) (as bergson does, EleutherAI), so that neither it nor a
matrix of its size is ever made. P [16, out] and Q [16, in] are normal with variance 1/16: the inner product of two gradients that
are projected alike is, on average over P and Q, that of the whole gradients.

An optimiser of Adam's kind moves a weight by its gradient over the root of the squares v [out, in] that it has seen. An
elementwise scale does not commute with a projection, but one of rank one does: it scales the columns of P and Q. We take v as the
product of its means over rows and over columns, as Adafactor stores it (Shazeer and Stern, ICML 2018, arXiv 1804.04235).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from gradts_engine.learning.batches import Encoded
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.learning.seeds import derive_seed

SIZE = 16
"""Rows of P and of Q."""
FLOOR = 1e-6
"""Of a mean square, as a share of the mean of all: what a step may be larger by is at most the root of its inverse."""

Sides = tuple[Tensor, Tensor]
"""What a layer's gradient is multiplied by: [k, out] from the left and, transposed, [k, in] from the right."""
Factors = tuple[Tensor, Tensor]
"""Mean squares of a layer's gradients, of rows [out], and of columns [in] as shares of the mean of all."""


def layers_of(model: MultiTaskModel, data: Encoded) -> list[str]:
    """The linear layers of the encoder that see the states of each instance by themselves, by name; relative positions, which a
    batch shares, are seen by others. Found by a pass over one instance, twice."""
    shapes: dict[str, list[torch.Size]] = {}
    longest = int(data.lengths.argmax())
    named: dict[nn.Module, str] = {m: name for name, m in model.encoder.named_modules() if isinstance(m, nn.Linear)}

    def saw(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        shapes.setdefault(named[module], []).append(args[0].shape)

    hooks = [module.register_forward_pre_hook(saw) for module in named]
    try:
        with torch.no_grad():
            model.states(data.task, data.batch([longest, longest], str(next(model.parameters()).device))[0])
    finally:
        for hook in hooks:
            hook.remove()
    return [name for name, found in shapes.items() if all(len(s) == 3 and s[0] == 2 * data.sequences for s in found)]


def sides_of(encoder: nn.Module, layers: Iterable[str], seed: int) -> dict[str, Sides]:
    """Random projections of layers, a function of their names, their sizes and `seed`."""

    def drawn(name: str, side: str, width: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(seed, side, name))
        return torch.empty(SIZE, width).normal_(0.0, SIZE**-0.5, generator=generator)

    found = {name: encoder.get_parameter(f"{name}.weight").shape for name in layers}
    return {name: (drawn(name, "left", out), drawn(name, "right", into)) for name, (out, into) in found.items()}


def factors_of(squares: Tensor) -> Factors:
    """Of the squares [out, in] that an optimiser has seen of a weight's gradients; all alike where there are none."""
    mean = squares.mean()
    if not mean > 0:
        return torch.ones(len(squares)), torch.ones(squares.shape[1])
    return squares.mean(1).clamp(min=FLOOR * mean), (squares.mean(0) / mean).clamp(min=FLOOR)


def scaled(sides: Mapping[str, Sides], factors: Mapping[str, Factors]) -> dict[str, Sides]:
    """Projections of gradients as the optimiser would scale them."""
    return {
        name: (left / factors[name][0].sqrt(), right / factors[name][1].sqrt()) if name in factors else (left, right)
        for name, (left, right) in sides.items()
    }


class ProjectedGradients:
    """A collector (`importance.Collector`) of projected gradients, [B, M, k, k] for the M layers of `sides`."""

    def __init__(self, encoder: nn.Module, sides: Mapping[str, Sides], device: str) -> None:
        self.where = {
            encoder.get_submodule(name): (at, left.to(device), right.to(device))
            for at, (name, (left, right)) in enumerate(sides.items())
        }
        self.sequences = 1
        self.projected: Tensor | None = None

    def __enter__(self) -> ProjectedGradients:
        self.hooks = [module.register_forward_hook(self._forward) for module in self.where]
        return self

    def __exit__(self, *error: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def take(self) -> Tensor:
        """Of the batch whose backward pass has just ended."""
        projected = self.projected
        self.drop()
        assert projected is not None, "no backward pass since the last take()"
        return projected

    def drop(self) -> None:
        """Forget a batch."""
        self.projected = None

    release = drop

    def _forward(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        """Have autograd call us with the gradient of this layer's output."""
        if torch.is_grad_enabled():
            if not output.requires_grad:  # nothing before the first layers needs a gradient
                output.requires_grad_()
            output.register_hook(lambda gradient: self._backward(module, args[0].detach(), gradient))

    def _backward(self, module: nn.Module, x: Tensor, gradient: Tensor) -> None:
        """Add what one call of a layer contributes; one that several layers share is called several times."""
        at, left, right = self.where[module]
        wide = torch.promote_types(x.dtype, torch.float32)
        g, x = gradient.to(wide) @ left.to(wide).T, x.to(wide) @ right.to(wide).T  # [B, T, k]
        if self.sequences > 1:  # those of an instance, one after the other, are its tokens: [B * K, T, k] -> [B, K * T, k]
            g, x = (t.reshape(len(t) // self.sequences, -1, t.shape[-1]) for t in (g, x))
        if self.projected is None:
            self.projected = g.new_zeros(len(g), len(self.where), left.shape[0], right.shape[0])
        self.projected[:, at] += g.transpose(1, 2) @ x


def alignment(held_out: Tensor, instances: Tensor) -> float:
    """Mean over instances [n, M, k, k] of the inner product of their gradients, each scaled to length 1, with `held_out`
    [M, k, k]: how much a step of length 1 along them takes off the held-out loss, to first order. Those without a gradient take
    nothing off."""
    flat = instances.double().flatten(1)
    lengths = flat.norm(dim=1, keepdim=True)
    unit = flat / lengths.where(lengths > 0, torch.ones_like(lengths))
    return float((unit @ held_out.double().flatten()).mean())
