"""What the tests of this folder compute with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gradts_engine.contracts import Instance
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.batches import Encoded, encode
from gradts_engine.learning.data import read_task
from gradts_engine.learning.encoders import Encoder
from gradts_engine.learning.task_types import Classification
from gradts_engine.testing.toy import toy_tasks

TASKS = {spec.name: spec for spec in toy_tasks()}


def split(encoder: Encoder, name: str, part: str = "train") -> Encoded:
    """A split of a toy task."""
    spec = TASKS[name]
    kind = load_catalog().task_types[spec.type].load()
    data = read_task(spec, kind, "", {}, "stop", 0)
    return encode(name, kind, data.labels, data.splits[part], encoder.tokenizer_for(kind.word_level), 32)


@contextmanager
def memory(device: str, room: int) -> Iterator[None]:
    """Within: torch can take `room` bytes of a GPU beyond what its tensors have."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(device) + room) / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def long_texts(encoder: Encoder, rows: int, words: int = 120) -> Encoded:
    """Rows that fill 128 tokens."""
    instances = [Instance(i, (" ".join(["rain", "plain"][(i + j) % 2] for j in range(words)),), "ab"[i % 2]) for i in range(rows)]
    return encode("long", Classification(), ("a", "b"), instances, encoder.tokenizer, 128)
