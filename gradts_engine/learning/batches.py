"""Tokenised splits, padded batches, and the order in which a training sees them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gradts_engine.contracts import Instance, Label, OwnInputs, PlainInputs, TaskType, TextAnswers
from gradts_engine.learning.seeds import derive_seed

CHUNK = 1000
"""Instances tokenised at a time."""


class Ragged(Sequence[np.ndarray]):
    """Arrays of different lengths, one after the other in `values`, the i-th up to `stops[i]`: a hundred thousand short arrays
    would be mostly overhead."""

    def __init__(self, values: np.ndarray, stops: np.ndarray) -> None:
        self.values = values
        self.stops = stops

    def __len__(self) -> int:
        return len(self.stops)

    def __getitem__(self, i: Any) -> Any:
        i = range(len(self))[i]  # as any sequence: negative ones count from the end, others raise IndexError
        if isinstance(i, range):
            return [self[j] for j in i]
        return self.values[self.stops[i - 1] if i else 0 : self.stops[i]]


class Whole(NamedTuple):
    """The label of an instance whose target does not hold all of it: a class that the model does not have, or words without a
    token, since they were cut or are nothing to the tokenizer (`kept` says which have one)."""

    label: Label
    kept: Sequence[bool] = ()


@dataclass(frozen=True, eq=False)
class Encoded:
    """One split, tokenised: for instance i, `inputs[name][i]` has an integer for each token and `targets[i]` what its loss needs.

    `truncated` counts instances longer than the limit. `pad` holds the padding value of each input.
    """

    task: str
    type: TaskType
    labels: tuple[str, ...]
    inputs: Mapping[str, Sequence[np.ndarray]]
    targets: Sequence[np.ndarray]
    pad: Mapping[str, int]
    truncated: int = 0
    sequences: int = 1
    """Of each instance: `inputs[name][i]` then has them one after the other, padded to one length."""
    instances: Sequence[Instance] = ()
    """Where the task type gives answers that are parts of a text."""
    whole: Mapping[int, Whole] = field(default_factory=dict)
    """Of instances whose targets are not all of their label, by position."""

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each instance, [N]."""
        return np.array([len(ids) for ids in self.inputs["input_ids"]], np.int64)

    def __len__(self) -> int:
        return len(self.targets)

    def words(self) -> np.ndarray:
        """The different tokens of all instances, as their numbers in the vocabulary; padding is one of them."""
        return np.unique(np.concatenate([*self.inputs["input_ids"], [self.pad["input_ids"]]]))

    def take(self, rows: Sequence[int]) -> Encoded:
        """Only the instances at `rows`, in that order."""
        inputs = {name: [values[i] for i in rows] for name, values in self.inputs.items()}
        instances = [self.instances[i] for i in rows] if self.instances else ()
        whole = {at: self.whole[i] for at, i in enumerate(rows) if i in self.whole}
        return replace(self, inputs=inputs, targets=[self.targets[i] for i in rows], instances=instances, whole=whole)

    def batch(self, rows: Sequence[int] | np.ndarray, device: str = "cpu") -> tuple[dict[str, Tensor], Tensor]:
        """Inputs [B * sequences, T] padded to the longest of `rows`, and targets, on `device`."""
        count = self.sequences
        length = max(len(self.inputs["input_ids"][i]) for i in rows) // count
        inputs = {}
        for name, values in self.inputs.items():
            padded = np.full((len(rows), count, length), self.pad[name], np.int64)
            for out, i in zip(padded, rows, strict=True):
                out[:, : len(values[i]) // count] = values[i].reshape(count, -1)
            inputs[name] = _to_device(torch.from_numpy(padded.reshape(-1, length)), device)
        targets = self.type.collate([self.targets[i] for i in rows], length)
        return inputs, _to_device(targets, device)


def _to_device(tensor: Tensor, device: str) -> Tensor:
    """Without waiting for what the device is computing, which a copy from pageable memory would do."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.startswith("cuda") else tensor


def encode(
    task: str,
    task_type: TaskType,
    labels: tuple[str, ...],
    instances: Sequence[Instance],
    tokenizer: Any,
    max_length: int,
) -> Encoded:
    """Tokenise `instances`, cut at `max_length` tokens (the longer text of a pair first)."""
    if isinstance(task_type, OwnInputs):
        return _encode_own(task, task_type, labels, instances, tokenizer, max_length)
    if not isinstance(task_type, PlainInputs):
        raise TypeError(f"task type {type(task_type).__name__} has neither targets nor tokenise")
    names = [name for name in tokenizer.model_input_names if name != "attention_mask"]
    values: dict[str, list[np.ndarray]] = {name: [] for name in ("attention_mask", *names)}
    lengths: list[int] = []
    targets: list[np.ndarray] = []
    outputs = {*labels}
    whole: dict[int, Whole] = {}
    truncated = 0
    for start in range(0, len(instances), CHUNK):
        chunk = instances[start : start + CHUNK]
        texts = [[list(i.text) for i in chunk]] if task_type.word_level else list(zip(*(i.text for i in chunk), strict=True))
        encoding = tokenizer(*map(list, texts), truncation=True, max_length=max_length, is_split_into_words=task_type.word_level)
        lengths += map(len, encoding["input_ids"])
        for name, parts in values.items():
            parts.append(np.fromiter(itertools.chain.from_iterable(encoding[name]), np.int32 if name == "input_ids" else np.int8))
        for i, instance in enumerate(chunk):
            words = encoding.word_ids(i) if task_type.word_level else ()
            targets.append(task_type.targets(instance.label, labels, words))
            known = {*words}
            kept = [word in known for word in range(len(instance.text))] if task_type.word_level else []
            if not all(kept) or not outputs.issuperset(task_type.classes(instance.label)):
                whole[start + i] = Whole(instance.label, kept)
            truncated += bool(encoding.encodings[i].overflowing)
    inputs = {name: Ragged(np.concatenate(parts), np.cumsum(lengths)) for name, parts in values.items()}
    pad = dict.fromkeys(inputs, 0) | {"input_ids": tokenizer.pad_token_id}
    return Encoded(task, task_type, labels, inputs, targets, pad, truncated, whole=whole)


def has_tokens(instances: Sequence[Instance], tokenizer: Any, max_length: int) -> bool:
    """Whether any word of `instances` is something to the tokenizer."""
    for instance in instances:
        encoding = tokenizer(list(instance.text), truncation=True, max_length=max_length, is_split_into_words=True)
        if any(word is not None for word in encoding.word_ids()):
            return True
    return False


def _encode_own(
    task: str, task_type: Any, labels: tuple[str, ...], instances: Sequence[Instance], tokenizer: Any, max_length: int
) -> Encoded:
    """`encode` for a task type that tokenises by itself."""
    names = ("attention_mask", *(name for name in tokenizer.model_input_names if name != "attention_mask"))
    pad = dict.fromkeys(names, 0) | {"input_ids": tokenizer.pad_token_id}
    sequences = max((task_type.sequences(instance.text) for instance in instances), default=1)
    made = [task_type.tokenise(instance, labels, tokenizer, max_length, sequences) for instance in instances]

    def flat(lists: Sequence[Sequence[int]], filler: int) -> np.ndarray:
        out = np.full((len(lists), max(map(len, lists))), filler, np.int32)
        for row, one in zip(out, lists, strict=True):
            row[: len(one)] = one
        return out.ravel()

    inputs = {name: [flat(tokens.inputs[name], pad[name]) for tokens in made] for name in names}
    kept = instances if isinstance(task_type, TextAnswers) else ()
    truncated = sum(tokens.truncated for tokens in made)
    return Encoded(task, task_type, labels, inputs, [tokens.target for tokens in made], pad, truncated, sequences, kept)


def token_batches(lengths: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    """Positions of instances in batches of at most `budget` padded tokens (at least one instance), longest first, so that
    what is too large for the memory fails at once."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size


# --- the order of training -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Batch:
    """Positions of instances in one task's train split."""

    task: str
    rows: np.ndarray


Step = Sequence[Batch]
"""Micro-batches whose gradients are accumulated into one optimiser step."""

Plan = Sequence[Sequence[Step]]
"""Optimiser steps between two dev evaluations (an epoch), for every epoch."""


def epoch_batches(lengths: np.ndarray, batch_size: int, seed: int, limit: int | None = None) -> list[np.ndarray]:
    """One pass over a task in random batches of similar length: shuffled, sorted by length within windows of 50 batches, the
    batches shuffled again. `limit`: only so many instances, drawn at random. A pure function of its arguments."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths))[:limit]
    window = 50 * batch_size
    batches: list[np.ndarray] = []
    for start in range(0, len(order), window):
        rows = order[start : start + window]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def mixed_epoch(
    lengths: Mapping[str, np.ndarray], batch_size: int, *, seed: int, epoch: int, limits: Mapping[str, int] | None = None
) -> list[Batch]:
    """One pass over all tasks, their batches mixed at random in proportion to size; `limits` caps the instances of a task."""
    batches = [
        Batch(task, rows)
        for task, task_lengths in lengths.items()
        for rows in epoch_batches(task_lengths, batch_size, derive_seed(seed, "order", task, epoch), (limits or {}).get(task))
    ]
    order = np.random.default_rng(derive_seed(seed, "mix", *sorted(lengths), epoch)).permutation(len(batches))
    return [batches[i] for i in order]


def _steps(batches: Sequence[Batch], accumulation: int) -> list[Step]:
    return [batches[i : i + accumulation] for i in range(0, len(batches), accumulation)]


def plan_epochs(lengths: Mapping[str, np.ndarray], *, epochs: int, batch_size: int, accumulation: int, seed: int) -> Plan:
    """`epochs` passes over all data of all tasks, as published."""
    return [_steps(mixed_epoch(lengths, batch_size, seed=seed, epoch=epoch), accumulation) for epoch in range(1, epochs + 1)]


def plan_steps(
    lengths: Mapping[str, np.ndarray],
    *,
    steps: int,
    evaluations: int,
    batch_size: int,
    accumulation: int,
    seed: int,
    limits: Mapping[str, int] | None = None,
) -> Plan:
    """Exactly `steps` optimiser steps over as many passes as that takes, cut into `evaluations` epochs of equal length
    (to a step). `limits` caps the instances that a task contributes to a pass."""
    needed = steps * accumulation
    batches: list[Batch] = []
    epoch = 0
    while len(batches) < needed:
        epoch += 1
        batches += mixed_epoch(lengths, batch_size, seed=seed, epoch=epoch, limits=limits)
    all_steps = _steps(batches[:needed], accumulation)
    cuts = [round(steps * k / evaluations) for k in range(evaluations + 1)]
    return [all_steps[a:b] for a, b in itertools.pairwise(cuts) if b > a]
