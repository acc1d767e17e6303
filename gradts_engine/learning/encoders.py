"""Pretrained encoders: found, checked and loaded without ever running code or pickles that came with the weights."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradts_engine.contracts import EncoderSpec, HeadSites
from gradts_engine.digests import digest, file_digest
from gradts_engine.errors import GradTSError, UsageError
from gradts_engine.learning import families
from gradts_engine.learning.randomness import ALONE, own_randomness

VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
)
"""Files that may hold a tokenizer's words."""
TOKENIZER_FILES = tuple(
    sorted((*VOCABULARIES, "added_tokens.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json"))
)
WEIGHTS = "model.safetensors"
_NOT_CONTENT = ("_name_or_path", "name_or_path", "transformers_version")


@cache
def _transformers() -> Any:
    """The library. Importing it takes longer than all of a run in which nothing is left to do."""
    import transformers

    # What matters of its own notes (missing weights) is checked here; the rest would bury the one line that a user needs.
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


@dataclass(frozen=True)
class Encoder:
    """A pretrained encoder. `source` is its folder; `digest` is the SHA-256 of everything that it computes from (configuration,
    weights, tokenizer), whatever the folder is called. What is in its files is loaded when it is first needed, and raises
    `UsageError` where that fails."""

    name: str
    source: Path
    digest: str
    spec: EncoderSpec

    def check(self, max_length: int) -> None:
        """Raises `UsageError` if a file does not load, the tokenizer has words that the model has no embedding for, or the model
        no positions for `max_length` tokens."""
        module: Any = self.build()
        words = self.tokenizer.get_vocab()
        known = module.get_input_embeddings().num_embeddings if hasattr(module, "get_input_embeddings") else len(words)
        if extra := sorted((number, word) for word, number in words.items() if number >= known):
            more = f" and {len(extra) - 1} more" if extra[1:] else ""
            raise UsageError(
                f"encoder {self.name}: the tokenizer in {self.source} has the word {extra[0][1]!r}{more} beyond the {known} that "
                "the model has embeddings for; call model.resize_token_embeddings(len(tokenizer)) and save both again"
            )
        positions = families.positions(module)
        if positions is not None and max_length > positions:
            raise UsageError(
                f"[data] max_length = {max_length}: encoder {self.name} has {positions} positions, expected at most {positions}"
            )

    @cached_property
    def config(self) -> Any:
        """Of transformers."""
        with told(f"encoder {self.name}: cannot read {self.source / 'config.json'}"):
            return _transformers().AutoConfig.from_pretrained(self.source, trust_remote_code=False, local_files_only=True)

    @cached_property
    def hidden_size(self) -> int:
        """D of its states [B, T, D]."""
        with told(f"encoder {self.name}: cannot read {self.source / 'config.json'}"):
            return int(self.config.hidden_size)

    @cached_property
    def tokenizer(self) -> Any:
        """A fast one: only these map tokens to words and are the same in every thread."""
        if not any((self.source / name).is_file() for name in VOCABULARIES):  # transformers may make one that knows no words
            raise UsageError(
                f"encoder {self.name}: {self.source} has no tokenizer ({', '.join(VOCABULARIES[:3])} or another); save the one "
                "that the model was made with: tokenizer.save_pretrained(folder)"
            )
        with told(f"encoder {self.name}: cannot load a tokenizer from {self.source}"):
            tokenizer = _transformers().AutoTokenizer.from_pretrained(self.source, trust_remote_code=False, local_files_only=True)
        if not tokenizer.is_fast:
            raise UsageError(f"encoder {self.name}: {self.source} has no fast tokenizer; save one with a tokenizer.json")
        if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers makes where the vocabulary's file is missing
            raise UsageError(
                f"encoder {self.name}: the tokenizer in {self.source} knows no words; save one with a tokenizer.json"
            )
        if self.spec.tokenizer is None:
            return tokenizer
        with own_randomness(0):
            return self.spec.tokenizer(tokenizer)

    def build(self) -> nn.Module:
        """A new float32 module in eval mode with the pretrained weights and without a pooler. Draws no random numbers; safe to
        call from several threads. Raises UsageError if the weights do not load or do not fill the model."""
        if self.spec.model is not None:
            return build_with(self.spec.model, self.source)
        with told(f"encoder {self.name}: cannot load {self.source}"):
            module, missing = load_pretrained(_transformers().MODEL_MAPPING[type(self.config)], self.source)
        if missing:
            more = f" and {len(missing) - 1} more" if missing[1:] else ""
            raise UsageError(f"encoder {self.name}: {self.source} has no weights for {missing[0]}{more}; save the model again")
        return module

    def tokenizer_for(self, word_level: bool) -> Any:
        """A copy of the tokenizer for the caller alone (its padding and truncation are state).

        For `word_level` tasks one that tells words by the space before them puts one before every word, which else gets the
        tokens of a word's middle.
        """
        from tokenizers import pre_tokenizers

        tokenizer = copy.deepcopy(self.tokenizer)
        whole = tokenizer.backend_tokenizer.pre_tokenizer
        steps: Any = whole if isinstance(whole, pre_tokenizers.Sequence) else [whole]
        for place, step in enumerate(steps if word_level else ()):
            if isinstance(step, pre_tokenizers.ByteLevel) and place:  # it sees parts of words
                return _spaced(tokenizer)
            if isinstance(step, pre_tokenizers.ByteLevel):
                step.add_prefix_space = True
            elif isinstance(step, pre_tokenizers.Metaspace) and step.prepend_scheme == "never":
                step.prepend_scheme = "always"
            else:
                continue
            # Some tokenizer classes build their steps anew from this setting when they are loaded.
            tokenizer.add_prefix_space = tokenizer.init_kwargs["add_prefix_space"] = True
        return tokenizer

    def head_sites(self, module: nn.Module) -> HeadSites:
        """Where the attention heads of `module` (made by `build`) are."""
        return self.spec.head_sites(module) if self.spec.head_sites else families.head_sites(module, self.config)


def _spaced(tokenizer: Any) -> Any:
    """A tokenizer that reads a space before every word, before it splits it. Of no class of its own: some build their steps anew
    when they are loaded, without this one."""
    from tokenizers import normalizers
    from transformers import PreTrainedTokenizerFast

    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Sequence([*filter(None, [backend.normalizer]), normalizers.Prepend(" ")])
    kept = ("padding_side", "truncation_side", "model_max_length", "model_input_names")
    settings = {name: getattr(tokenizer, name) for name in kept}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **tokenizer.special_tokens_map, **settings)


def build_with(model: Callable[[str], nn.Module], folder: Path) -> nn.Module:
    """A float32 module in eval mode, built by a plugin's own function from a folder."""
    with own_randomness(0):
        return model(str(folder)).float().eval()


@contextmanager
def told(what: str) -> Iterator[None]:
    """Raises what libraries raise for files that may hold anything, of which there is no end, as a UsageError with one line."""
    try:
        yield
    except GradTSError:
        raise
    except Exception as error:
        raise UsageError(f"{what}: {_first_line(error) or type(error).__name__}") from error


def load_pretrained(model_class: Any, folder: Path) -> tuple[nn.Module, list[str]]:
    """A float32 model of a class of transformers, in eval mode and without a pooler that it can do without, and the weights that
    the folder lacks. Neither code nor pickles in the folder are run. Raises UsageError for weights of another size."""
    _transformers()
    optional_pooler = "add_pooling_layer" in inspect.signature(model_class).parameters
    with ALONE:  # two loads at once could leave functions of torch swapped
        module, info = model_class.from_pretrained(
            folder,
            **({"add_pooling_layer": False} if optional_pooler else {}),
            attn_implementation="sdpa" if model_class._supports_sdpa else "eager",
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, in one line
            trust_remote_code=False,
            use_safetensors=True,
        )
    for name, stored, expected in sorted(info["mismatched_keys"]):
        sizes = [" x ".join(map(str, shape)) for shape in (stored, expected)]
        raise UsageError(f"{folder}: the weights {name} are {sizes[0]}, but by config.json {sizes[1]}; save the model again")
    return module.eval(), sorted(info["missing_keys"])


def load_encoder(spec: EncoderSpec) -> Encoder:
    """Find an encoder (a folder, or a Hub name to download) and read its files as far as its digest needs. Raises UsageError."""
    source = _resolve(spec)
    _check_family(spec, source)
    with told(f"encoder {spec.name}: cannot read {source}"):
        weights = _weight_files(spec, source)
        tokenizer = [name for name in TOKENIZER_FILES if (source / name).is_file()]
        sums = {name: file_digest(source / name) for name in ("config.json", *weights, *tokenizer)}
        _verify(spec, source, sums)
        return Encoder(spec.name, source, _digest(source, sums), spec)


def _resolve(spec: EncoderSpec) -> Path:
    name = spec.source()
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    no_folder = f"encoder {spec.name}: there is no folder {name}"
    if name.startswith((".", "/", "~")):
        raise UsageError(no_folder)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        patterns = ["*.json", "*.safetensors", "*.txt", "*.model"]
        return Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=["*/*"]))
    except HFValidationError as error:
        raise UsageError(no_folder) from error
    except (HfHubHTTPError, OSError) as error:
        raise UsageError(
            f"{no_folder}, and no model of that name could be had from the Hugging Face Hub ({_first_line(error)})"
        ) from error


def _check_family(spec: EncoderSpec, source: Path) -> None:
    if not (source / "config.json").is_file():
        raise UsageError(f"encoder {spec.name}: {source} has no config.json; it must be a model in Hugging Face format")
    with told(f"encoder {spec.name}: cannot read {source / 'config.json'}"):
        model_type = json.loads((source / "config.json").read_bytes()).get("model_type")
    if spec.head_sites is None and model_type not in families.FAMILIES:
        raise UsageError(
            f"encoder {spec.name}: family {model_type!r} is not known; known are {', '.join(families.FAMILIES)}; "
            "a plugin may register another with EncoderSpec(head_sites=...)"
        )


def _verify(spec: EncoderSpec, source: Path, sums: Mapping[str, str]) -> None:
    """`sums` has the SHA-256 of files that were read already."""
    for name, expected in spec.sha256.items():
        path = source / name
        found = sums.get(name) or (file_digest(path) if path.is_file() else "no such file")
        if found != expected:
            raise UsageError(
                f"encoder {spec.name}: {path} is not the expected file (SHA-256 expected {expected}, found {found}); "
                "install or download it again"
            )


def _digest(source: Path, sums: Mapping[str, str]) -> str:
    """SHA-256 of the contents that the encoder computes from; names of folders and versions of writers are left out."""
    contents: dict[str, Any] = {}
    for name, found in sums.items():
        if name in ("config.json", "tokenizer_config.json"):
            settings: Mapping[str, Any] = json.loads((source / name).read_bytes())
            contents[name] = {key: value for key, value in settings.items() if key not in _NOT_CONTENT}
        else:
            contents[name] = found
    return digest(contents)


def _weight_files(spec: EncoderSpec, source: Path) -> list[str]:
    """One file, or the shards that an index lists."""
    if (source / WEIGHTS).is_file():
        return [WEIGHTS]
    index = source / f"{WEIGHTS}.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        for name in names:
            if Path(name).name != name or not (source / name).is_file():
                raise UsageError(f"encoder {spec.name}: {source / name} is missing; download or save the model again")
        return names
    if any(source.glob("*.bin")):
        raise UsageError(
            f"encoder {spec.name}: {source} has its weights as pickle only, which can run code when it is opened; "
            "convert them to safetensors (https://huggingface.co/docs/safetensors/convert-weights)"
        )
    raise UsageError(f"encoder {spec.name}: {source} has no {WEIGHTS}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
