"""Task types and encoders that break their contracts are found out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradts_engine.contracts import EncoderSpec, HeadSites
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.encoders import load_encoder
from gradts_engine.learning.task_types import Classification
from gradts_engine.testing import TOY_WORDS, EncoderContract, TaskTypeContract, tiny_encoder, toy_rows
from tests.unit.testing.breaking import broken


class Pairs(TaskTypeContract):
    spec = load_catalog().task_types["classification"]
    rows = toy_rows()["pair"]["train"][:16]
    text = ("one", "two")
    words = TOY_WORDS


class BatchMean(Classification):
    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        sums, counts = super().loss(logits, targets)
        return sums.mean().expand_as(sums), counts


class Deaf(Classification):
    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return super().loss(logits * 0, targets)


class Backwards(Classification):
    def predict(self, logits: Tensor, targets: Tensor, labels: Sequence[str]) -> list[Any]:
        return list(super().predict(logits, targets, labels))[:-1]


class Careless(Classification):
    def read_label(self, value: Any, text: Any) -> str:
        return str(value + "")


@pytest.mark.parametrize(
    ("type_", "test", "message"),
    [
        (BatchMean, "test_an_instance_has_a_loss_of_its_own", "the loss of row 0 depends on its batch"),
        (Deaf, "test_it_can_be_learned", "loss .* after 60 steps"),
        (Backwards, "test_answers_are_scored", "not one answer"),
    ],
)
def test_broken_task_types(type_: type[Any], test: str, message: str, tmp_path: Any) -> None:
    class Contract(Pairs):
        def __init__(self) -> None:
            folder = str(tiny_encoder(tmp_path, words=TOY_WORDS))
            self.encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: folder))

    broken(Contract, test, message, spec=replace(Pairs.spec, load=type_))


def test_a_task_type_that_raises_something_else_than_value_error() -> None:
    contract = Pairs()
    contract.spec = replace(contract.spec, load=Careless)
    with pytest.raises(TypeError):
        contract.test_what_is_wrong_with_a_row_is_a_value_error()


def swapped(sites: HeadSites) -> HeadSites:
    return HeadSites(tuple({"key": layer["value"], "value": layer["key"]} for layer in sites.layers))


def shifted(sites: HeadSites) -> HeadSites:
    moved = [{kind: replace(site, start=site.start + 8) for kind, site in layer.items()} for layer in sites.layers]
    return HeadSites(tuple(moved))


def doubled(sites: HeadSites) -> HeadSites:
    return HeadSites(tuple({**layer, "value": layer["key"]} for layer in sites.layers))


def more_heads(sites: HeadSites) -> HeadSites:
    return HeadSites(tuple({kind: replace(site, heads=8) for kind, site in layer.items()} for layer in sites.layers))


def reversed_layers(sites: HeadSites) -> HeadSites:
    return HeadSites(sites.layers[::-1])


def no_batches(sites: HeadSites) -> HeadSites:
    return replace(sites, batched=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swapped, "not in the order"),
        (shifted, "do not enter attention"),
        (doubled, "are key and value the same rows"),
        (more_heads, "do not enter attention"),
        (reversed_layers, "not in the order of the forward pass"),
        (no_batches, "batched = False"),
    ],
)
def test_broken_head_sites(change: Callable[[HeadSites], HeadSites], message: str, tmp_path: Any) -> None:
    from gradts_engine.learning.families import head_sites

    folder = str(tiny_encoder(tmp_path))

    def sites(module: nn.Module) -> HeadSites:
        return change(head_sites(module, module.config))

    spec = EncoderSpec(name="tiny", source=lambda: folder, head_sites=sites)
    broken(EncoderContract, "test_head_sites_are_what_enters_attention", message, spec=spec)


def test_an_encoder_that_is_another_one_each_time(tmp_path: Any) -> None:
    import transformers

    folder = str(tiny_encoder(tmp_path))

    def build(source: str) -> nn.Module:
        torch.seed()
        model: nn.Module = transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(source))
        return model

    spec = EncoderSpec(name="tiny", source=lambda: folder, model=build)
    broken(EncoderContract, "test_it_loads_the_same_every_time", "different weights", spec=spec)
