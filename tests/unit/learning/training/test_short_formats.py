"""Training in bfloat16."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gradts_engine.errors import Interrupted
from gradts_engine.learning import training
from gradts_engine.learning.batches import Batch
from gradts_engine.learning.casting import cast_weights, short_states
from gradts_engine.learning.training import Dev, train
from gradts_engine.learning.watch import Progress
from tests.unit.learning.training.toy import Kept, Settings, differ, plan_of, quiet, weights


def test_in_bfloat16_weights_optimiser_and_losses_stay_in_float32(run, model, data):
    """What is computed is near to what float32 gives, and not the same: products are short, sums and what lasts are not."""
    quiet(model)
    plan, start = plan_of(data, "classes", "numbers", "words"), weights(model)
    losses: dict[str, list[float]] = {"fp32": [], "bf16": []}
    ends, seen = {}, []
    hook = model.head("classes").register_forward_hook(lambda _, args, output: seen.append(output.dtype))
    for precision, into in losses.items():
        model.load_state_dict(start)
        keeper = Kept()
        run(plan, Settings(precision=precision), progress=Progress(step=lambda *v, into=into: into.append(v[2])), keeper=keeper)
        ends[precision] = weights(model)
    hook.remove()
    assert {*seen} == {torch.float32, torch.bfloat16}
    assert {value.dtype for value in ends["bf16"].values() if value.is_floating_point()} == {torch.float32}
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)
    assert losses["bf16"] != losses["fp32"]
    assert any(loss != torch.tensor(loss).bfloat16().item() for loss in losses["bf16"])


def test_in_bfloat16_a_step_casts_each_weight_once(model, data, monkeypatch):
    """However many batches it has; and a checkpoint holds float32 alone."""
    casts: list[str] = []
    weight = next(p for name, p in model.encoder.named_parameters() if name.endswith("query.weight"))

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if function is torch.ops.aten._to_copy.default and args[0] is weight:
                casts.append("alone")
            if function is torch.ops.aten._foreach_copy_.default and any(source is weight for source in args[1]):
                casts.append("with others")
            return function(*args, **(kwargs or {}))

    keeper = Kept(stop=1)
    step = [Batch("classes", np.array([i])) for i in range(4)]
    with Counting(), pytest.raises(Interrupted):
        train(
            model,
            data,
            [[step]],
            Dev(data["classes"], "accuracy"),
            Settings(precision="bf16"),
            device="cpu",
            seed=0,
            keeper=keeper,
        )
    assert casts == ["with others"]
    assert {value.dtype for value in keeper.kept.tensors.values() if value.is_floating_point()} == {torch.float32}


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_weights_that_are_cast_together_change_no_bit(run, model, data, monkeypatch, precision):
    """Against autocast, which casts each by itself: over steps of several batches and tasks, with dropout."""
    plan, start = plan_of(data, "classes", "numbers", "words"), weights(model)
    run(plan, Settings(precision=precision))
    together = weights(model)
    assert differ(start, together)
    model.load_state_dict(start)
    monkeypatch.setattr(training, "cast_weights", lambda model, dtype: {})
    run(plan, Settings(precision=precision))
    assert not differ(together, weights(model))


def test_shared_weights_and_encoders_of_others_are_left_to_autocast(model):
    names = [*cast_weights(model, torch.bfloat16)]
    assert names
    assert all(name.endswith((".weight", ".bias")) for name in names)
    layer = model.encoder.encoder.layer[0]
    layer.output.dense.bias = layer.attention.output.dense.bias
    layer.attention.self.query.weight.requires_grad_(False)
    left = {name for name in names if name not in cast_weights(model, torch.bfloat16)}
    assert left == {
        f"encoder.encoder.layer.0.{x}"
        for x in ("output.dense.bias", "attention.output.dense.bias", "attention.self.query.weight")
    }
    model.encoder = torch.nn.Sequential(model.encoder)
    assert cast_weights(model, torch.bfloat16) == {}
    assert cast_weights(model, None) == {}


def test_states_stay_short_from_layer_to_layer_in_passes_with_a_gradient_on_a_cpu(model):
    """Its gradients are as near to those of float32 as autocast's are; what is judged, and a GPU, keep what autocast does."""
    quiet(model.train())
    inputs = {"input_ids": torch.tensor([[5, 6, 7, 8, 9]]), "attention_mask": torch.ones(1, 5, dtype=torch.long)}

    def gradients(dtype: torch.dtype | None, device: str = "cpu", *, autocast: bool = True) -> tuple[torch.dtype, torch.Tensor]:
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast), short_states(model, dtype, device):
            states = model.encoder(**inputs).last_hidden_state
        states.float().square().sum().backward()
        return states.dtype, torch.cat([p.grad.flatten() for p in model.encoder.parameters() if p.grad is not None])

    _, exact = gradients(None, autocast=False)
    long, casting = gradients(torch.bfloat16, "cuda:0")
    short, staying = gradients(torch.bfloat16)
    assert (long, short) == (torch.float32, torch.bfloat16)
    off, before = (float((found - exact).norm() / exact.norm()) for found in (staying, casting))
    assert before < off < 0.05
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), short_states(model, torch.bfloat16, "cpu"):
        assert model.encoder(**inputs).last_hidden_state.dtype is torch.float32
    assert not any(module._forward_hooks for module in model.modules())
