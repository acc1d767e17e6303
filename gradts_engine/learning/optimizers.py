"""Optimisers and the learning-rate schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR


class Settings(Protocol):
    """What a training needs of `[training]` or `[multitask]`; see `gradts_engine.config` for units and defaults."""

    @property
    def optimizer(self) -> str: ...

    @property
    def learning_rate(self) -> float: ...

    @property
    def weight_decay(self) -> float: ...

    @property
    def warmup(self) -> float: ...

    @property
    def max_grad_norm(self) -> float: ...

    @property
    def precision(self) -> str: ...


def schedule(progress: float, warmup: float) -> float:
    """Share of the learning rate at `progress` (0 to 1) of a training: linear warm-up to `warmup`, then linear decay to 0, as
    published (the two lines do not meet: the decay starts at 1 - warmup)."""
    return progress / warmup if progress < warmup else max(0.0, 1.0 - progress)


class PublishedAdamax(torch.optim.Optimizer):
    """Adamax as the published code has it (MT-DNN's `bert_optim.py`): no bias correction, eps added to the gradient's size and
    again to the norm, decoupled weight decay, and a step count and schedule of its own for every parameter, so that a head
    without a batch in a step stays where it is."""

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        total_steps: int,
        warmup: float,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.0})
        self.total_steps = total_steps
        self.warmup = warmup

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override] # torch's returns a loss
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            by_step: dict[int, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_step.setdefault(self._state(parameter)["step"], []).append(parameter)
            for step, parameters in by_step.items():
                self._update(group, step, parameters)

    def _state(self, parameter: Tensor) -> dict[str, Any]:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(parameter), "norm": torch.zeros_like(parameter)}
        return state

    def _update(self, group: Mapping[str, Any], step: int, parameters: list[Tensor]) -> None:
        """One update of all parameters that are at the same step, in a few calls over the whole list."""
        beta1, beta2 = group["betas"]
        states = [self.state[parameter] for parameter in parameters]
        means, norms = [state["mean"] for state in states], [state["norm"] for state in states]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        sizes = torch._foreach_abs(gradients)
        torch._foreach_add_(sizes, group["eps"])
        torch._foreach_mul_(norms, beta2)
        torch._foreach_maximum_(norms, sizes)
        updates = torch._foreach_div(means, torch._foreach_add(norms, group["eps"]))
        if group["weight_decay"]:
            torch._foreach_add_(updates, parameters, alpha=group["weight_decay"])
        torch._foreach_add_(parameters, updates, alpha=-group["lr"] * schedule(step / self.total_steps, self.warmup))
        for state in states:
            state["step"] = step + 1


def make_optimizer(
    model: nn.Module, settings: Settings, total_steps: int, fused: bool = True
) -> tuple[torch.optim.Optimizer, LambdaLR]:
    """An optimiser over all parameters of `model`, and the schedule of its learning rate, to be moved on after each step.

    Weight decay acts on matrices, not on biases and norms. `adamw` is torch's, `fused` or not; `adamax` is the published one.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    if settings.optimizer == "adamax":
        adamax = PublishedAdamax(groups, lr=settings.learning_rate, total_steps=total_steps, warmup=settings.warmup)
        return adamax, LambdaLR(adamax, lambda step: 1.0)  # it has a schedule of its own for every parameter
    adamw = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=fused)
    return adamw, LambdaLR(adamw, lambda step: schedule(step / total_steps, settings.warmup))


def clip_gradients(optimizer: torch.optim.Optimizer, max_norm: float) -> Tensor:
    """The norm of all gradients, a scalar; the optimiser's next step takes them as if it were at most `max_norm`.

    A fused AdamW divides them in its own pass over the memory, by what a gradient scaler would give it. That saves a pass of
    reading and writing all gradients, a tenth of a step on short texts.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if not optimizer.defaults.get("fused"):
        return torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters])
    optimizer.grad_scale = (norm / max_norm).clamp(min=1.0).float()  # type: ignore[attr-defined]  # as torch.amp.GradScaler sets it
    return norm
