"""A training without the words that do not occur is the same training."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradts_engine.contracts import EncoderSpec, Instance
from gradts_engine.learning import vocabulary
from gradts_engine.learning.batches import Encoded, encode, plan_epochs
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.task_types import Classification, MaskedLanguageModelling
from gradts_engine.learning.training import Dev, train
from gradts_engine.learning.vocabulary import used_words_alone
from gradts_engine.testing import FAMILIES, tiny_encoder
from tests.unit.learning.training.toy import Settings

TRAIN = ["rain", "rain in spain", "stays mainly in the plain", "where is it"]
CLASSES = Classification()
DEV = ["a kilo of tomatoes", "no"]


def tiny(folder: Path, family: str = "bert") -> Encoder:
    return load_encoder(EncoderSpec(name="tiny", source=lambda: str(tiny_encoder(folder, family))))


def split(encoder: Encoder, texts: list[str], task_type: Any = CLASSES) -> Encoded:
    instances = [Instance(i, (text,), "ab"[i % 2]) for i, text in enumerate(texts)]
    return encode("task", task_type, ("a", "b"), instances, encoder.tokenizer_for(False), 20)


def model_of(encoder: Encoder, data: Encoded) -> MultiTaskModel:
    module = encoder.build()
    head = make_head(data.type, module, encoder.hidden_size, data.labels, 0.1, 0)
    return MultiTaskModel(module, {"task": head}).double().eval()


def words(model: MultiTaskModel) -> nn.Embedding:
    embedding: Any = model.encoder.get_input_embeddings()  # type: ignore[operator] # of transformers' classes
    return embedding


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[..., MultiTaskModel]:
    """A copy of a model, trained; `whole` with all its words."""

    def train_copy(model: MultiTaskModel, data: Encoded, dev: Encoded, settings: Settings, whole: bool = False) -> MultiTaskModel:
        model = copy.deepcopy(model)
        plan = plan_epochs({"task": data.lengths}, epochs=4, batch_size=2, accumulation=1, seed=0)
        with monkeypatch.context() as patch:
            if whole:
                patch.setattr(vocabulary, "_words", lambda model: None)
            train(model, {"task": data}, plan, Dev(dev, "accuracy"), settings, device="cpu", seed=1)
        return model

    return train_copy


@pytest.mark.parametrize("optimizer", ["adamw", "adamax"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_weights(family: str, optimizer: str, tmp_path: Path, trained: Callable[..., MultiTaskModel]) -> None:
    """In float64, since optimisers of this kind blow up the rounding of gradients that are zero but for it."""
    encoder = tiny(tmp_path, family)
    data, dev = split(encoder, TRAIN), split(encoder, DEV)
    model = model_of(encoder, data)
    found, expected = (trained(model, data, dev, Settings(optimizer), whole).state_dict() for whole in (False, True))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-9)
    assert not torch.equal(found[name], model.state_dict()[name])


def test_an_unused_word_decays_and_nothing_else(tmp_path: Path, trained: Callable[..., MultiTaskModel]) -> None:
    encoder = tiny(tmp_path)
    data, dev = split(encoder, TRAIN), split(encoder, DEV)
    model = model_of(encoder, data)
    unused = sorted(set(range(len(words(model).weight))) - {*data.words(), *dev.words()})
    before = words(model).weight.detach()[unused]

    def after(decay: float) -> Tensor:
        return words(trained(model, data, dev, Settings(weight_decay=decay))).weight.detach()[unused]

    assert len(unused) > 100
    assert torch.equal(after(0.0), before)
    shares = (after(0.5) / before).flatten()
    shares = shares[~shares.isnan()]
    assert 0.99 < shares[0] < 1.0
    torch.testing.assert_close(shares, shares[:1].expand_as(shares))


def test_only_its_words_are_there_meanwhile(tmp_path: Path) -> None:
    """Those of all splits, padding, and the row that stands for all others; a forgotten word is an error, not another word."""
    encoder = tiny(tmp_path)
    data, dev = split(encoder, TRAIN), split(encoder, DEV)
    model = model_of(encoder, data)
    embedding, every = words(model), words(model).weight
    with torch.no_grad():
        logits = [model("task", one.batch(range(len(one)))[0]) for one in (data, dev)]
    with torch.no_grad(), used_words_alone(model, [data, dev], "cpu"):
        assert len(embedding.weight) == len({*data.words(), *dev.words()}) + 1 < len(every) / 2
        assert encoder.tokenizer.pad_token_id in data.words()
        for one, expected in zip((data, dev), logits, strict=True):
            assert torch.equal(model("task", one.batch(range(len(one)))[0]), expected)
        with pytest.raises(IndexError):
            model("task", split(encoder, ["zebras"]).batch([0])[0])
    assert embedding.weight is every
    assert torch.equal(model("task", data.batch(range(len(data)))[0]), logits[0])


def test_padding_moves_with_its_word(tmp_path: Path) -> None:
    """A row that gets no gradient keeps getting none; where it is not used, there is none."""
    encoder = tiny(tmp_path)
    data = split(encoder, TRAIN)
    model = model_of(encoder, data)
    embedding, last = words(model), int(data.words().max())
    for padding, expected in ((last, len(data.words()) - 1), (last + 1, None)):
        embedding.padding_idx = padding
        with used_words_alone(model, [data], "cpu"):
            assert embedding.padding_idx == expected
        assert embedding.padding_idx == padding


def test_all_words_are_there_after_an_error(tmp_path: Path) -> None:
    encoder = tiny(tmp_path)
    data = split(encoder, TRAIN)
    model = model_of(encoder, data)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(KeyboardInterrupt), used_words_alone(model, [data], "cpu"):
        raise KeyboardInterrupt
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def own(encoder: Encoder) -> tuple[MultiTaskModel, Encoded]:
    """A module that is not transformers' own may read its embeddings as it likes."""

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = encoder.build()

        def get_input_embeddings(self) -> Any:
            return self.inner.get_input_embeddings()  # type: ignore[operator] # of transformers' classes

    data = split(encoder, TRAIN)
    return MultiTaskModel(Own(), {"task": nn.Linear(1, 1)}), data


def tied(encoder: Encoder) -> tuple[MultiTaskModel, Encoded]:
    """A head with the same weights."""
    data = split(encoder, TRAIN)
    model = model_of(encoder, data)
    head: Any = model.head("task")
    head.tied = nn.Linear(1, 1)
    head.tied.weight = words(model).weight
    return model, data


def masked(encoder: Encoder) -> tuple[MultiTaskModel, Encoded]:
    """A head that is made from the encoder."""
    data = split(encoder, TRAIN, MaskedLanguageModelling())
    return model_of(encoder, data), data


@pytest.mark.parametrize("case", [own, tied, masked])
def test_embeddings_that_are_read_otherwise_stay(
    case: Callable[[Encoder], tuple[MultiTaskModel, Encoded]], tmp_path: Path
) -> None:
    model, data = case(tiny(tmp_path))
    every = words(model).weight
    with used_words_alone(model, [data], "cpu"):
        assert words(model).weight is every
