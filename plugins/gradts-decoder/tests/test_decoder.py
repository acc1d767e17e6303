from pathlib import Path
from typing import Any

import gradts_decoder
import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from gradts_engine.__main__ import main
from gradts_engine.errors import UsageError
from gradts_engine.learning.encoders import load_encoder
from gradts_engine.learning.model import MultiTaskModel, initialise_head
from gradts_engine.scoring.importance import instance_importance
from gradts_engine.testing import TOY_WORDS, EncoderContract, tiny_encoder, toy_tasks

QWEN = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""How Qwen2.5 splits a text, contractions aside."""


@pytest.mark.parametrize(("family", "groups"), [("llama", 2), ("llama", 4), ("qwen2", 1), ("mistral", 2)])
class TestDecoder(EncoderContract):
    @pytest.fixture(autouse=True)
    def _tiny(self, family: str, groups: int, tmp_path: Path) -> None:
        self.groups = groups
        self.spec = gradts_decoder.decoder("tiny", str(tiny_encoder(tmp_path, family, num_key_value_heads=groups)))

    def test_importance_is_of_key_value_heads_and_equals_gradients_of_single_instances(self) -> None:
        data, module = self._data(), self.encoder.build().double()
        head = initialise_head(data.type.head(32, data.labels, 0.0), seed=1).double()
        model, sites = MultiTaskModel(module, {"task": head}).eval(), self.encoder.head_sites(module)
        found = instance_importance(model, data, sites, batch_tokens=1000)
        assert found.shape == (len(data), 2, self.groups)
        for i in range(len(data)):
            inputs, targets = data.batch([i])
            model.zero_grad()
            data.type.loss(model("task", inputs), targets)[0].sum().backward()
            expected = np.zeros((2, self.groups))
            for layer, kinds in enumerate(sites.layers):
                for kind in ("key", "value"):
                    weight: Any = module.get_submodule(kinds[kind].module).weight
                    expected[layer] += [float(part.abs().mean()) for part in weight.grad.chunk(self.groups)]
            np.testing.assert_allclose(found[i], expected, rtol=1e-5, atol=1e-7 * expected.max())

    def test_queries_are_refused_where_their_heads_are_more(self) -> None:
        data, module = self._data(), self.encoder.build()
        head = initialise_head(data.type.head(32, data.labels, 0.0), seed=1)
        arguments = (MultiTaskModel(module, {"task": head}), data, self.encoder.head_sites(module))
        if self.groups == 4:
            assert instance_importance(*arguments, projections=("query", "key")).shape[2] == 4
        else:
            with pytest.raises(UsageError, match=rf"4 query heads, {self.groups} key heads.*leave query out"):
                instance_importance(*arguments, projections=("query", "key"))

    def test_the_last_token_is_pooled(self) -> None:
        module, data = self.encoder.build(), self._data()
        with torch.no_grad():
            states = module(**data.batch(range(len(data)))[0]).last_hidden_state
            for i, length in enumerate(data.lengths):
                alone = module(**data.batch([i])[0]).last_hidden_state[0]
                assert torch.equal(alone[0], alone[-1])
                torch.testing.assert_close(states[i, 0], alone[length - 1], rtol=1e-3, atol=1e-4)
        assert self.encoder.tokenizer("bread", "where").word_ids()[0] is None

    def test_padding_may_be_on_either_side(self) -> None:
        """As tokenizers are loaded by whoever uses an exported model."""
        module, given = self.encoder.build(), self.encoder.tokenizer_for(False)
        found = {}
        for side in ("right", "left"):
            given.padding_side = side
            with torch.no_grad():
                inputs = given(["bread", "the ripe tomatoes of today"], padding=True, return_tensors="pt")
                found[side] = module(**inputs).last_hidden_state[:, 0]
        torch.testing.assert_close(found["left"], found["right"], rtol=1e-3, atol=1e-4)


def test_a_whole_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], isolated_catalog: Any) -> None:
    from types import ModuleType

    from gradts_engine import hookimpl

    folder = str(tiny_encoder(tmp_path / "tiny", "llama", words=TOY_WORDS, num_key_value_heads=2))
    plugin = ModuleType("toy")
    plugin.gradts_tasks = hookimpl(lambda: toy_tasks())  # type: ignore[attr-defined]
    plugin.gradts_encoders = hookimpl(lambda: [gradts_decoder.decoder("tiny", folder)])  # type: ignore[attr-defined]
    plugin.gradts_tasks.__name__, plugin.gradts_encoders.__name__ = "gradts_tasks", "gradts_encoders"
    isolated_catalog(plugin)
    training = "epochs = 1\nbatch_size = 8\n"
    (tmp_path / "tasks.toml").write_text(
        '[run]\nencoder = "tiny"\ntasks = ["mood", "pair", "tags"]\nprimary = ["mood"]\ndevices = ["cpu"]\nworkers = 1\n'
        f"[training]\n{training}[multitask]\n{training}[data]\nmax_length = 24\n"
        '[selection]\nstrategy = "trial"\nconfirm = "auto"\n'
    )
    assert main(["run", str(tmp_path / "tasks.toml"), "--plain"]) == 0
    assert "mood" in capsys.readouterr().out
    (model,) = (tmp_path / ".gradts" / "runs").glob("*/models/mood")
    snippet = (model / "README.md").read_text().partition("```python")[2].partition("```")[0]
    variables: dict[str, Any] = {"folder": model, "texts": ["good bread", "bad"]}
    exec(snippet, variables)
    assert variables["logits"].shape == (2, 2)
    isolated_catalog()
    with pytest.raises(UsageError, match="no plugin builds its encoder 'tiny'; install the one"):
        exec(snippet, variables)


pytest_plugins = ["gradts_engine.testing.fixtures"]


def test_what_is_registered() -> None:
    assert {spec.name for spec in gradts_decoder.gradts_encoders()} == {"qwen2.5-0.5b", "smollm2-135m"}


def test_words_of_a_tokenizer_that_marks_none_by_itself_are_marked(tmp_path: Path) -> None:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    backend.train_from_iterator(
        [" hello world"] * 3, trainers.BpeTrainer(vocab_size=90, special_tokens=["<s>"], show_progress=False)
    )
    given = gradts_decoder.tokenizer(PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", pad_token="<s>"))
    tiny_encoder(tmp_path, "llama", vocab_size=500)
    given.save_pretrained(tmp_path)
    ours = load_encoder(gradts_decoder.decoder("tiny", str(tmp_path))).tokenizer_for(True)
    found = ours(["hello", "world"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    assert found == given(" hello world", add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(
    "split",
    [
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
        pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(QWEN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        ),
    ],
    ids=["gpt2", "smollm2", "qwen2.5"],
)
def test_words_have_the_tokens_that_they_have_in_running_text(split: pre_tokenizers.PreTokenizer, tmp_path: Path) -> None:
    """Also where a step before the bytes has cut a word, and in a tokenizer that is saved and loaded."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = split
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=letters, special_tokens=["<s>"], show_progress=False)
    words = ["covid19", "don't", "U.S.", "state-of-the-art", "1984", "é"]
    backend.train_from_iterator([" ".join(words)] * 3, trainer)
    given = gradts_decoder.tokenizer(PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", pad_token="<s>"))
    tiny_encoder(tmp_path, "llama", vocab_size=500)
    given.save_pretrained(tmp_path)
    encoder = load_encoder(gradts_decoder.decoder("tiny", str(tmp_path)))
    ours = encoder.tokenizer_for(True)
    for word in words:
        expected = given(f" {word}", add_special_tokens=False)["input_ids"]
        assert ours([word], is_split_into_words=True, add_special_tokens=False)["input_ids"] == expected
    ours.save_pretrained(tmp_path / "again")
    again = AutoTokenizer.from_pretrained(tmp_path / "again")
    assert again(words, is_split_into_words=True)["input_ids"] == ours(words, is_split_into_words=True)["input_ids"]
    assert (again.padding_side, again.model_input_names) == ("right", ["input_ids", "attention_mask"])
