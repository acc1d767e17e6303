import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

from gradts_engine.contracts import EncoderSpec, HeadSites, Projection
from gradts_engine.errors import UsageError
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.families import positions
from gradts_engine.testing import FAMILIES, tiny_encoder


def encoder_at(folder: Path, **changes: Any) -> Encoder:
    return load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder), **changes))


@pytest.mark.parametrize("family", FAMILIES)
def test_build_is_deterministic_and_complete(family: str, tmp_path: Path) -> None:
    encoder = encoder_at(tiny_encoder(tmp_path, family))
    before = torch.get_rng_state()
    one, two = encoder.build(), encoder.build()
    assert torch.equal(before, torch.get_rng_state())
    assert not one.training
    assert getattr(one, "pooler", None) is None
    stored = load_file(tmp_path / "model.safetensors")
    for (name, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
        assert a.dtype == torch.float32
        assert torch.equal(a, b)
        assert torch.equal(a, stored[name])
    assert one.config._attn_implementation == (  # type: ignore[union-attr]
        "eager" if family in ("mpnet", "deberta-v2") else "sdpa"
    )


def test_threads_may_build_at_once(tmp_path: Path) -> None:
    encoder = encoder_at(tiny_encoder(tmp_path))
    with ThreadPoolExecutor(4) as pool:
        one, *others = (module.state_dict() for module in pool.map(lambda _: encoder.build(), range(8)))
    assert all(torch.equal(one[name], other[name]) for other in others for name in one)


def test_half_precision_weights_are_loaded_as_float32(tmp_path: Path) -> None:
    tiny_encoder(tmp_path)
    weights = {name: weight.bfloat16() for name, weight in load_file(tmp_path / "model.safetensors").items()}
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    assert {weight.dtype for weight in encoder_at(tmp_path).build().state_dict().values()} == {torch.float32}


def test_digest_knows_content_only(tmp_path: Path) -> None:
    one = tiny_encoder(tmp_path / "one")
    two = tmp_path / "deep" / "two"
    shutil.copytree(one, two)
    config = json.loads((two / "config.json").read_text())
    (two / "config.json").write_text(json.dumps(config | {"transformers_version": "4.0", "_name_or_path": "x"}))
    (two / "README.md").write_text("about")
    digest = encoder_at(one).digest
    assert encoder_at(two).digest == digest

    weights = load_file(two / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][7, 3] += 1e-3
    save_file(weights, two / "model.safetensors", {"format": "pt"})
    changed = encoder_at(two).digest
    assert changed != digest
    (two / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-6}))
    assert encoder_at(two).digest not in (digest, changed)


def test_shards_are_weights_too(tmp_path: Path) -> None:
    tiny_encoder(tmp_path)
    whole = encoder_at(tmp_path).build()
    (tmp_path / "model.safetensors").unlink()
    whole.save_pretrained(tmp_path, max_shard_size="20KB")  # type: ignore[operator]
    assert not (tmp_path / "model.safetensors").exists()
    encoder = encoder_at(tmp_path)
    for a, b in zip(whole.state_dict().values(), encoder.build().state_dict().values(), strict=True):
        assert torch.equal(a, b)
    next(tmp_path.glob("*-of-*.safetensors")).unlink()
    with pytest.raises(UsageError, match="is missing"):
        encoder_at(tmp_path)


def break_folder(folder: Path, how: str) -> None:
    weights = folder / "model.safetensors"
    if how == "pickle":
        torch.save(load_file(weights), folder / "pytorch_model.bin")
        weights.unlink()
    elif how == "no weights":
        weights.unlink()
    elif how == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "incomplete":
        kept = {name: weight for name, weight in load_file(weights).items() if "layer.1" not in name}
        save_file(kept, weights, {"format": "pt"})
    elif how == "other size":
        edit_config(folder, vocab_size=300)
    elif how == "no config":
        (folder / "config.json").unlink()
    elif how == "bad config":
        (folder / "config.json").write_text("{")
    elif how == "family":
        edit_config(folder, model_type="t5")
    elif how == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    elif how == "no vocabulary":
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')


def edit_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def everything_of(encoder: Encoder) -> None:
    encoder.check(max_length=128)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("pickle", "pickle only.*convert them to safetensors"),
        ("no weights", "has no model.safetensors"),
        ("cut", "cannot load"),
        ("incomplete", "has no weights for encoder.layer.1.* and 15 more"),
        ("other size", "the weights embeddings.word_embeddings.weight are .* x 32, but by config.json .* x 32"),
        ("no config", "has no config.json"),
        ("bad config", "cannot read .*config.json"),
        ("family", "family 't5' is not known; known are albert, bert, .*EncoderSpec"),
        ("no tokenizer", "has no tokenizer"),
        ("no vocabulary", "has no tokenizer .tokenizer.json, vocab.txt, vocab.json or another.; save the one that"),
    ],
)
def test_a_broken_folder_is_one_line_that_says_what_to_do(how: str, message: str, tmp_path: Path) -> None:
    break_folder(tiny_encoder(tmp_path), how)
    with pytest.raises(UsageError, match=message) as caught:
        everything_of(encoder_at(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_goes_into_a_model_is_known_before_it_is_used(family: str, tmp_path: Path) -> None:
    """The longest input that `check` allows is computed, and one token more is not, where positions are embedded."""
    folder = tiny_encoder(tmp_path, family)
    encoder = encoder_at(folder)
    module: Any = encoder.build()
    most = positions(module)
    if family == "modernbert":
        assert most is None
        encoder.check(100_000)
        return
    assert most is not None
    encoder.check(most)
    ids = torch.full((1, most + 1), 7)
    module(input_ids=ids[:, 1:])
    with pytest.raises((IndexError, RuntimeError)):
        module(input_ids=ids)
    with pytest.raises(
        UsageError, match=rf"max_length = {most + 1}: encoder tiny has {most} positions, expected at most {most}$"
    ):
        encoder.check(most + 1)

    tokens = json.loads((folder / "tokenizer.json").read_text())
    tokens["added_tokens"].append({**tokens["added_tokens"][0], "id": encoder.config.vocab_size, "content": "<brand>"})
    (folder / "tokenizer.json").write_text(json.dumps(tokens))
    with pytest.raises(UsageError, match=r"has the word '<brand>' beyond the \d+ that the model has embeddings for"):
        encoder_at(folder).check(16)


def test_wrong_digest_names_both(tmp_path: Path) -> None:
    tiny_encoder(tmp_path)
    with pytest.raises(UsageError, match=r"config\.json is not the expected file \(SHA-256 expected 00ff, found [0-9a-f]{64}"):
        encoder_at(tmp_path, sha256={"config.json": "00ff"})
    with pytest.raises(UsageError, match="expected 00ff, found no such file"):
        encoder_at(tmp_path, sha256={"absent": "00ff"})


@pytest.mark.parametrize("name", ["./absent", "/absent/model", "a/b/c", "owner/absent"])
def test_absent_encoders(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=f"there is no folder {name}") as caught:
        load_encoder(EncoderSpec(name="x", source=lambda: name))
    assert ("Hub" in str(caught.value)) is (name == "owner/absent")


def test_hub_names_are_found_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--owner--tiny"
    tiny_encoder(repository / "snapshots" / "0123abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abc")
    encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: "owner/tiny"))
    assert encoder.source == repository / "snapshots" / "0123abc"
    assert encoder.build()


def test_code_beside_the_weights_is_not_run(tmp_path: Path) -> None:
    tiny_encoder(tmp_path)
    names = {"AutoConfig": "theirs.Config", "AutoModel": "theirs.Model", "AutoTokenizer": ["theirs.Tokenizer", None]}
    edit_config(tmp_path, auto_map=names)
    (tmp_path / "theirs.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert type(encoder_at(tmp_path).build()).__name__ == "BertModel"
    assert not (tmp_path / "ran").exists()


def test_plugins_may_build_and_place_heads_themselves(tmp_path: Path) -> None:
    """A family that GradTS does not know, with a builder that draws random numbers."""
    tiny_encoder(tmp_path, "bert")
    edit_config(tmp_path, model_type="ernie")

    def sites(module: nn.Module) -> HeadSites:
        return HeadSites(({"key": Projection("encoder.layer.0.attention.self.key", 0, 32, 4)},))

    def build(source: str) -> nn.Module:
        model: nn.Module = transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(source))
        return model

    encoder = encoder_at(tmp_path, head_sites=sites)
    assert encoder.head_sites(encoder.build()).layers[0]["key"].heads == 4

    encoder = replace(encoder, spec=replace(encoder.spec, model=build))
    one, two = encoder.build(), encoder.build()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def byte_level(steps: Callable[[Any], Any]) -> Any:
    """A byte-level tokenizer, as RoBERTa's and ModernBERT's, that knows two words."""
    letters = {letter: i for i, letter in enumerate("catsĠ?")}
    merges = [("c", "a"), ("ca", "t"), ("Ġ", "s"), ("Ġs", "a"), ("Ġsa", "t"), ("Ġ", "cat")]
    vocab = letters | {a + b: len(letters) + i for i, (a, b) in enumerate(merges)}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, merges))
    backend.pre_tokenizer = steps(tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="?", unk_token="?")


@pytest.mark.parametrize(
    "steps",
    [lambda step: step, lambda step: tokenizers.pre_tokenizers.Sequence([tokenizers.pre_tokenizers.Digits(), step])],
)
def test_words_of_byte_level_tokenizers_start_with_a_space(steps: Callable[[Any], Any], tmp_path: Path) -> None:
    encoder = encoder_at(tiny_encoder(tmp_path), tokenizer=lambda _: byte_level(steps))
    words = encoder.tokenizer_for(word_level=True)
    assert words(["cat", "sat"], is_split_into_words=True).tokens() == ["Ġcat", "Ġsat"]
    assert encoder.tokenizer_for(word_level=False)("cat sat").tokens() == ["cat", "Ġsat"]
    assert encoder.tokenizer("cat sat").tokens() == ["cat", "Ġsat"]

    words.save_pretrained(tmp_path)
    words = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert words(["cat", "sat"], is_split_into_words=True).tokens() == ["Ġcat", "Ġsat"]
