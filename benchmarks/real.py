"""Real texts and a real encoder for the benchmarks: tasks of the plugins, read from the folder that GRADTS_DATA names."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from gradts_engine.contracts import TaskData, TaskSpec
from gradts_engine.errors import UsageError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.batches import Encoded, encode
from gradts_engine.learning.data import read_task
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.published import FOLDER

ENCODER = "minilm-l6"
MAX_LENGTH = 128

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where the data are looked for if GRADTS_DATA does not say."""


def check() -> None:
    """Raises `UsageError` where there are no data."""
    folder = Path(os.environ.setdefault(FOLDER, str(BESIDE)))
    if not (folder / "tasks").is_dir():
        raise UsageError(f"no data in {folder}: name a folder with tasks/TASK/SPLIT.jsonl in {FOLDER}")


@cache
def encoder() -> Encoder:
    """The encoder, loaded once a process."""
    return load_encoder(load_catalog().encoders[ENCODER])


@cache
def task(case: str, rows: int) -> tuple[TaskSpec, TaskData]:
    """A task's first train and dev rows."""
    catalog = load_catalog()
    spec = catalog.tasks[case]
    kind = catalog.task_types[spec.type]
    limits = {"train": rows, "dev": rows, "test": 1}
    return spec, read_task(replace(spec, test=None), kind.load(), spec.metric or kind.metrics[0], limits, "stop", 0, "first")


@cache
def encoded(case: str, rows: int, split: str = "train") -> Encoded:
    """A split as the encoder takes it."""
    spec, data = task(case, rows)
    kind = load_catalog().task_types[spec.type].load()
    tokenizer = encoder().tokenizer_for(kind.word_level)
    return encode(case, kind, data.labels, data.splits[split], tokenizer, MAX_LENGTH)


def model(data: Encoded, seed: int = 0, dropout: float = 0.1) -> MultiTaskModel:
    """The pretrained encoder with a fresh head for the task of `data`."""
    module = encoder().build()
    return MultiTaskModel(module, {data.task: make_head(data.type, module, encoder().hidden_size, data.labels, dropout, seed)})
