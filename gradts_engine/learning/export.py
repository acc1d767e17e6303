"""Final models as folders in Hugging Face format, read back and compared before anybody relies on them."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from gradts_engine.errors import RunError, UsageError
from gradts_engine.learning.encoders import Encoder, load_pretrained, told
from gradts_engine.learning.families import FAMILIES
from gradts_engine.learning.task_types import SentenceHead, TokenHead

ABOUT = "gradts.json"
"""What a folder holds: `task`, `head`, `labels`, `max_length`, and `native`, whether transformers alone can load it."""

_HEADS: dict[str, type[SentenceHead] | type[TokenHead]] = {"SentenceHead": SentenceHead, "TokenHead": TokenHead}
_TOLERANCE = 1e-5


class Tuned(nn.Module):
    """An encoder and a head that transformers has no class for; called and answering as its classes do."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, **inputs: Tensor) -> Any:
        """An object with `logits`, [B, C] or [B, T, C], of what a tokenizer returns."""
        return SequenceClassifierOutput(logits=self.head(self.encoder(**inputs).last_hidden_state))


def export_model(
    encoder: Encoder,
    module: nn.Module,
    head: nn.Module,
    *,
    word_level: bool,
    labels: Sequence[str],
    max_length: int,
    folder: Path,
    card: str,
) -> bool:
    """Write a tuned encoder and one head to `folder`, with the tokenizer and `card` as README.md; no labels mean a regression.

    Returns True where `AutoModelForSequenceClassification` or `AutoModelForTokenClassification` loads the folder; False where the
    family's class computes something else than our head: the folder then holds the encoder for `AutoModel` and
    `head.safetensors`, and `load_model` puts them together (a head of a plugin's own class is for the plugin to load). A former
    export in `folder` is replaced, anything else refused (UsageError). Raises RunError if the folder, read back, does not compute
    the same logits.
    """
    if folder.is_symlink() or (folder.exists() and not (folder / ABOUT).is_file()):
        raise UsageError(f"{folder} exists and is not an exported model; name another folder or move it away")
    # Trained weights may be on another device and in training mode; neither is changed.
    tuned = Tuned(copy.deepcopy(module), copy.deepcopy(head)).cpu().eval()
    task = "token_classification" if word_level else "classification" if labels else "regression"
    own = encoder.spec.model is not None  # what a plugin builds, only the plugin can load
    names = {} if own else _native_names(encoder, tuned.head, task)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)

    _write_model(encoder, tuned, names, task, labels, partial)
    tokenizer = encoder.tokenizer_for(word_level)
    tokenizer.model_max_length = max_length
    tokenizer.save_pretrained(partial)
    about = {"format": 1, "task": task, "head": type(head).__name__, "labels": list(labels), "max_length": max_length}
    about["encoder"] = encoder.name if own else None
    about |= {"native": bool(names), "outputs": head.out.out_features if isinstance(head, SentenceHead | TokenHead) else None}
    (partial / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    (partial / "README.md").write_text(f"{card.rstrip()}\n\n{_usage(task, bool(names))}", encoding="utf-8")

    if type(head).__name__ in _HEADS and not own:
        _compare(tuned, partial, min(max_length, 16))
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():  # moved and not removed, so that what is there is a whole model at any time
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return bool(names)


def load_model(folder: str | Path) -> nn.Module:
    """The model in an exported folder, in eval mode: `load_model(folder)(**tokenizer(texts, return_tensors="pt")).logits`.

    Raises UsageError if the folder is not an export or damaged, or its head is of a plugin's own class.
    """
    folder = Path(folder)
    if not (folder / ABOUT).is_file():
        raise UsageError(f"{folder} is not a model that GradTS exported: it has no {ABOUT}")
    with told(f"{folder} is damaged"):
        return _load_model(folder)


def _load_model(folder: Path) -> nn.Module:
    about = json.loads((folder / ABOUT).read_bytes())
    if about.get("encoder"):
        raise UsageError(f"{folder}: its encoder is a plugin's {about['encoder']}; load it with the plugin")
    if about["head"] not in _HEADS:
        raise UsageError(f"{folder}: its head is a plugin's {about['head']}; load head.safetensors with the plugin")
    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    model, missing = load_pretrained(_model_class(config, about["task"] if about["native"] else None), folder)
    if missing:
        raise RunError(f"{folder} has no weights for {missing[0]}; export the model again")
    if about["native"]:
        return model
    head = _HEADS[about["head"]](config.hidden_size, about["outputs"], 0.0)
    head.load_state_dict(load_file(folder / "head.safetensors"))
    return Tuned(model, head).eval()


def _model_class(config: Any, task: str | None) -> Any:
    """The class of transformers for a task, or for the encoder alone."""
    if task is None:
        return transformers.MODEL_MAPPING[type(config)]
    if task == "token_classification":
        return transformers.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING[type(config)]
    return transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]


def _native_names(encoder: Encoder, head: nn.Module, task: str) -> dict[str, nn.Module]:
    """The head's layers by their names in transformers' class for the task; empty where that class is not the same function."""
    family = FAMILIES.get(encoder.config.model_type)
    if family and isinstance(head, SentenceHead) and family.sentence_head:
        return dict(zip(family.sentence_head, (head.dense, head.out), strict=True))
    if family and isinstance(head, TokenHead) and family.token_head and task == "token_classification":
        return {family.token_head: head.out}
    return {}


def _write_model(
    encoder: Encoder, tuned: Tuned, names: dict[str, nn.Module], task: str, labels: Sequence[str], folder: Path
) -> None:
    """Weights and configuration. Weights are written under the names of the class, without making one: that would draw random
    numbers for weights that are replaced at once."""
    config = copy.deepcopy(encoder.config)
    model_class = _model_class(config, task if names else None)
    prefix = f"{model_class.base_model_prefix}." if names else ""
    weights = {prefix + name: weight for name, weight in tuned.encoder.state_dict().items()}
    for layer, linear in names.items():
        weights |= {f"{layer}.{name}": weight for name, weight in linear.state_dict().items()}
    if not names:
        save_file(tuned.head.state_dict(), folder / "head.safetensors")
    weights = {name: weight.clone() for name, weight in weights.items()}  # some share their memory
    save_file(weights, folder / "model.safetensors", {"format": "pt"})

    settings = FAMILIES[config.model_type].settings if names else {}
    usual = {"classification": "single_label_classification", "regression": "regression"}.get(task)
    problem = getattr(tuned.head, "problem_type", "") or usual
    config.update({**settings, "architectures": [model_class.__name__], "dtype": "float32", "problem_type": problem})
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: i for i, label in enumerate(labels)}
    else:
        config.num_labels = 1
    config.save_pretrained(folder)


@torch.no_grad()
def _compare(tuned: Tuned, folder: Path, length: int) -> None:
    """Raises RunError unless the folder computes the same logits for random tokens, a padded sequence among them."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(tuned.encoder.config.vocab_size, (3, length), generator=generator)  # type: ignore[arg-type, union-attr]
    mask = torch.ones_like(ids)
    mask[1, (length + 1) // 2 :] = 0
    ours = tuned(input_ids=ids, attention_mask=mask).logits
    theirs = load_model(folder)(input_ids=ids, attention_mask=mask).logits
    if ours.shape != theirs.shape or not torch.allclose(ours, theirs, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise RunError(f"the exported model does not compute what the trained one does; it is left in {folder}")


def _usage(task: str, native: bool) -> str:
    """How to load the model, for its README."""
    imports = "from gradts_engine.learning.export import load_model  # pip install gradts\nfrom transformers import AutoTokenizer"
    load = "load_model(folder)"
    if native:
        auto = f"AutoModelFor{'Token' if task == 'token_classification' else 'Sequence'}Classification"
        imports, load = f"from transformers import {auto}, AutoTokenizer", f"{auto}.from_pretrained(folder)"
    inputs = "[words], is_split_into_words=True" if task == "token_classification" else "texts"
    return f"""## Loading

```python
{imports}

model = {load}
tokenizer = AutoTokenizer.from_pretrained(folder)
logits = model(**tokenizer({inputs}, truncation=True, padding=True, return_tensors="pt")).logits
```
"""
