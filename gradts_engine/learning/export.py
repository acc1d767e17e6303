"""Final models as folders in Hugging Face format, read back and compared before anybody relies on them."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from gradts_engine.contracts import EncoderSpec
from gradts_engine.durable import fsync, fsync_tree, make_folder
from gradts_engine.errors import RunError, UsageError
from gradts_engine.learning.about import ABOUT, CARD, digests
from gradts_engine.learning.encoders import Encoder, build_with, load_pretrained, told
from gradts_engine.learning.families import FAMILIES
from gradts_engine.learning.task_types import MaskedHead, SentenceHead, SpanHead, TokenHead

_HEADS: Mapping[str, Callable[[Any, int, int], nn.Module]] = {
    "SentenceHead": lambda encoder, hidden_size, outputs: SentenceHead(hidden_size, outputs, 0.0),
    "TokenHead": lambda encoder, hidden_size, outputs: TokenHead(hidden_size, outputs, 0.0),
    "SpanHead": lambda encoder, hidden_size, outputs: SpanHead(hidden_size, outputs, 0.0),
    "MaskedHead": lambda encoder, hidden_size, outputs: MaskedHead(encoder.get_input_embeddings(), hidden_size, 0.0),
}
_AUTO = {
    "SentenceHead": ("SEQUENCE_CLASSIFICATION", "AutoModelForSequenceClassification"),
    "TokenHead": ("TOKEN_CLASSIFICATION", "AutoModelForTokenClassification"),
    "SpanHead": ("QUESTION_ANSWERING", "AutoModelForQuestionAnswering"),
}
"""By head: the mapping of transformers that has each family's class, and the class that looks in it."""
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


class Answering(nn.Module):
    """A model of transformers that gives the starts and ends of answers apart, with both as `logits` [B, T, 2]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **inputs: Tensor) -> Any:
        """As `Tuned.forward`."""
        out = self.model(**inputs)
        return SequenceClassifierOutput(logits=torch.stack([out.start_logits, out.end_logits], -1))


def export_model(
    encoder: Encoder,
    module: nn.Module,
    head: nn.Module,
    *,
    task: str,
    word_level: bool,
    labels: Sequence[str],
    max_length: int,
    folder: Path,
    card: str,
    reads: Mapping[str, Any] | None = None,
    trial: str = "",
) -> bool:
    """Write a tuned encoder and one head to `folder`, with the tokenizer and `card` as README.md. `task` is the task type,
    `reads` how its rows are read and judged (`predict` goes by it), `trial` the key of the training.

    Returns True where `AutoModelForSequenceClassification`, `...TokenClassification` or `...QuestionAnswering` loads the folder;
    False where the family's class computes something else than our head, or a plugin builds the encoder: the folder then holds
    the encoder and `head.safetensors`, and `load_model` puts them together (a head of a plugin's own class is for the plugin to
    load). A former export in `folder` is replaced, anything else refused (UsageError). Raises RunError if the folder, read back,
    does not compute the same logits.
    """
    if folder.is_symlink() or (folder.exists() and not (folder / ABOUT).is_file()):
        raise UsageError(f"{folder} exists and is not an exported model; name another folder or move it away")
    # Trained weights may be on another device and in training mode; neither is changed.
    tuned = Tuned(copy.deepcopy(module), copy.deepcopy(head)).cpu().eval()
    own = encoder.name if encoder.spec.model else None  # what a plugin builds, only the plugin can build again
    names = {} if own else _native_names(encoder, tuned.head)
    partial = folder.with_name(f".{folder.name}.partial")  # no name of a task begins with a dot
    shutil.rmtree(partial, ignore_errors=True)
    make_folder(partial)

    _write_model(encoder, tuned, names, labels, partial)
    tokenizer = encoder.tokenizer_for(word_level)
    tokenizer.model_max_length = max_length
    tokenizer.save_pretrained(partial)
    about = {"format": 1, "task": task, "head": type(head).__name__, "labels": list(labels), "max_length": max_length}
    about |= {"encoder": own, "native": bool(names), "reads": dict(reads or {})}
    about |= {"outputs": head.out.out_features if isinstance(head, SentenceHead | TokenHead) else None}
    usage = _usage(task, word_level, _AUTO[type(head).__name__][1] if names else "", own)
    (partial / CARD).write_text(f"{card.rstrip()}\n\n{usage}", encoding="utf-8")
    about |= {"trial": trial, "files": digests(partial)}
    (partial / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")

    if type(head).__name__ in _HEADS:
        _compare(encoder, tuned, partial, min(max_length, 16))
    _put(partial, folder)
    return bool(names)


def _put(partial: Path, folder: Path) -> None:
    """What is complete takes the place of what was there: moved, and removed only once the disk has the new one, so that there is
    a whole model at any time."""
    fsync_tree(partial)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    fsync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def load_model(folder: str | Path, encoders: Mapping[str, EncoderSpec]) -> nn.Module:
    """The model in an exported folder, in eval mode: `load_model(...)(**tokenizer(texts, return_tensors="pt")).logits`.

    `encoders` are the registered ones, of which some are built by a plugin.

    Raises UsageError if the folder is not an export or damaged, its encoder is of a plugin that is not installed, or its head is
    of a plugin's own class.
    """
    folder = Path(folder)
    if not (folder / ABOUT).is_file():
        raise UsageError(f"{folder} is not a model that GradTS exported: it has no {ABOUT}")
    with told(f"{folder} is damaged"):
        return _load_model(folder, encoders)


def _load_model(folder: Path, encoders: Mapping[str, EncoderSpec]) -> nn.Module:
    about = json.loads((folder / ABOUT).read_bytes())
    if about["head"] not in _HEADS:
        raise UsageError(f"{folder}: its head is a plugin's {about['head']}; load head.safetensors with the plugin")
    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if name := about.get("encoder"):
        model = _build(name, folder, encoders)
    else:
        model, missing = load_pretrained(_model_class(config, about["head"] if about["native"] else None), folder)
        if missing:
            raise RunError(f"{folder} has no weights for {missing[0]}; export the model again")
    if about["native"]:
        return Answering(model).eval() if about["head"] == "SpanHead" else model
    head = _HEADS[about["head"]](model, config.hidden_size, about["outputs"])
    head.load_state_dict(load_file(folder / "head.safetensors"))
    return Tuned(model, head).eval()


def _build(name: str, folder: Path, encoders: Mapping[str, EncoderSpec]) -> nn.Module:
    """The encoder in the folder, built by the plugin that built it for the training."""
    build = encoders[name].model if name in encoders else None
    if build is None:
        raise UsageError(f"{folder}: no plugin builds its encoder '{name}'; install the one that did when it was trained")
    return build_with(build, folder)


def _model_class(config: Any, head: str | None) -> Any:
    """The class of transformers that has a head like ours, or the encoder alone."""
    mapping = "MODEL_MAPPING" if head is None else f"MODEL_FOR_{_AUTO[head][0]}_MAPPING"
    return getattr(transformers, mapping)[type(config)]


def _native_names(encoder: Encoder, head: nn.Module) -> dict[str, nn.Module]:
    """The head's layers by their names in transformers' class for the task; empty where that class is not the same function."""
    family = FAMILIES.get(encoder.config.model_type)
    if family is None or type(head).__name__ not in _AUTO:
        return {}
    if isinstance(head, SentenceHead):
        return dict(zip(family.sentence_head, (head.dense, head.out), strict=True)) if family.sentence_head else {}
    name = family.span_head if isinstance(head, SpanHead) else family.token_head
    return {name: head.out} if name and isinstance(head, TokenHead) else {}


def _write_model(encoder: Encoder, tuned: Tuned, names: dict[str, nn.Module], labels: Sequence[str], folder: Path) -> None:
    """Weights and configuration. Weights are written under the names of the class, without making one: that would draw random
    numbers for weights that are replaced at once."""
    config = copy.deepcopy(encoder.config)
    model_class: Any = (
        type(tuned.encoder) if encoder.spec.model else _model_class(config, type(tuned.head).__name__ if names else None)
    )
    prefix = f"{model_class.base_model_prefix}." if names else ""
    weights = {prefix + name: weight for name, weight in tuned.encoder.state_dict().items()}
    for layer, linear in names.items():
        weights |= {f"{layer}.{name}": weight for name, weight in linear.state_dict().items()}
    if not names:
        save_file(tuned.head.state_dict(), folder / "head.safetensors")
    weights = {name: weight.clone() for name, weight in weights.items()}  # some share their memory
    save_file(weights, folder / "model.safetensors", {"format": "pt"})

    settings = FAMILIES[config.model_type].settings if names else {}
    problem = getattr(tuned.head, "problem_type", None)
    config.update({**settings, "architectures": [model_class.__name__], "dtype": "float32", "problem_type": problem})
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: i for i, label in enumerate(labels)}
    elif isinstance(tuned.head, SentenceHead | TokenHead):
        config.num_labels = tuned.head.out.out_features
    config.save_pretrained(folder)


@torch.no_grad()
def _compare(encoder: Encoder, tuned: Tuned, folder: Path, length: int) -> None:
    """Raises RunError unless the folder computes the same logits for random tokens, a padded sequence among them."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(encoder.config.vocab_size, (3, length), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, (length + 1) // 2 :] = 0
    ours = tuned(input_ids=ids, attention_mask=mask).logits
    theirs = load_model(folder, {encoder.name: encoder.spec})(input_ids=ids, attention_mask=mask).logits
    if ours.shape != theirs.shape or not torch.allclose(ours, theirs, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise RunError(f"the exported model does not compute what the trained one does; it is left in {folder}")


def _usage(task: str, word_level: bool, auto: str, plugin: str | None) -> str:
    """How to load the model, for its README; `auto`: transformers' class that does; `plugin`: an encoder that one builds."""
    needs = f", and the plugin that registers {plugin}" if plugin else ""
    imports = f"from gradts_engine import load_model  # pip install gradts{needs}\nfrom transformers import AutoTokenizer"
    load, read = "load_model(folder)", "logits = {}.logits"
    if auto:
        imports, load = f"from transformers import {auto}, AutoTokenizer", f"{auto}.from_pretrained(folder)"
    if auto == _AUTO["SpanHead"][1]:
        read = "answer = {}\nstarts, ends = answer.start_logits, answer.end_logits  # of every token; the first is no answer"
    pairs = {"span": "questions, contexts", "ranking": "queries, candidates"}
    inputs = "[words], is_split_into_words=True" if word_level else pairs.get(task, "texts")
    call = f'model(**tokenizer({inputs}, truncation=True, padding=True, return_tensors="pt"))'
    return f"""## Loading

```python
{imports}

model = {load}
tokenizer = AutoTokenizer.from_pretrained(folder)
{read.format(call)}
```

`gradts-engine predict FOLDER FILE` answers the rows of a file, and scores them where they have labels.
"""
