"""Raw importance of a task on disk: in shards while it is computed, in one safetensors file afterwards, never whole in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from gradts_engine.runtime.artifacts import Workspace

SHARD = 1000
"""Instances in a shard: what a killed engine has to compute again at most."""


def stored_shards(
    workspace: Workspace, instances: int, compute: Callable[[range], np.ndarray], found: Callable[[int], None] = lambda done: None
) -> Iterator[np.ndarray]:
    """Raw importance [n, L, H] of all instances in their order, a shard at a time. A shard that the workspace has is read
    (`found` is told how many instances are done), any other one is computed and kept there."""
    from safetensors.numpy import load_file, save_file

    for number, start in enumerate(range(0, instances, SHARD)):
        rows = range(start, min(start + SHARD, instances))
        path = workspace.get(f"raw-{number}")
        if path:
            found(rows.stop)
            yield load_file(path)["raw"]
        else:
            raw = compute(rows)
            workspace.put(f"raw-{number}", lambda path, raw=raw: save_file({"raw": raw}, path))  # type: ignore[misc]  # mypy guesses no default of a lambda
            yield raw


def write_raw(path: Path, shards: Iterator[np.ndarray], row: np.ndarray) -> None:
    """A safetensors file with `raw` [N, L, H] float32, taken from shards, and `row` [N] int64.

    The library writes only arrays that are whole in memory. The format is a length, a JSON header and the arrays' bytes.
    """
    first = next(shards)
    shape = (len(row), *first.shape[1:])
    size = 4 * int(np.prod(shape))
    header = json.dumps(
        {
            "row": {"dtype": "I64", "shape": [len(row)], "data_offsets": [0, 8 * len(row)]},
            "raw": {"dtype": "F32", "shape": shape, "data_offsets": [8 * len(row), 8 * len(row) + size]},
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write(row.astype("<i8").tobytes())
        for raw in chain([first], shards):
            file.write(raw.astype("<f4").tobytes())


def read_raw(path: Path) -> Iterator[np.ndarray]:
    """Raw importance [n, L, H] from a file of `write_raw`, a shard at a time."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        raw = file.get_slice("raw")
        instances = raw.get_shape()[0]
        for start in range(0, instances, SHARD):
            yield raw[start : min(start + SHARD, instances)]
