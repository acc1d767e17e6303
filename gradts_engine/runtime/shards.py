"""Raw importance of a task on disk: in shards while it is computed, in one safetensors file afterwards, never whole in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

import numpy as np

from gradts_engine.runtime.workspaces import Workspace

SHARD = 1000
"""Instances in a shard: what a killed engine has to compute again at most."""


def stored_shards(
    workspace: Workspace,
    instances: int,
    compute: Callable[[range], np.ndarray],
    found: Callable[[int], None] = lambda done: None,
    size: int | None = None,
) -> Iterator[np.ndarray]:
    """Raw importance [n, L, H] of all instances in their order, a shard of `size` (or `SHARD`) at a time. A shard that the
    workspace has is read (`found` is told how many instances are done), any other one is computed and kept there."""
    from safetensors.numpy import load_file, save_file

    step = size or SHARD
    for number, start in enumerate(range(0, instances, step)):
        rows = range(start, min(start + step, instances))
        raw = None
        if path := workspace.get(f"raw-{number}"):
            with suppress(FileNotFoundError):  # another engine has finished this score and tidied up
                raw = load_file(path)["raw"]
                found(rows.stop)
        if raw is None:
            raw = compute(rows)
            workspace.put(f"raw-{number}", lambda path, raw=raw: save_file({"raw": raw}, path))  # type: ignore[misc]  # mypy guesses no default of a lambda
        yield raw


def write_raw(path: Path, shards: Iterator[np.ndarray], row: np.ndarray, at: np.ndarray | None = None) -> None:
    """A safetensors file with `raw` [N, L, H] float32, taken from shards, and `row` [N] int64, where the instances are in their
    source. `at` [N] says where they are in the train split, if they are not all of it.

    The library writes only arrays that are whole in memory. The format is a length, a JSON header and the arrays' bytes.
    """
    first = next(shards)
    places = {"row": row} | ({} if at is None else {"at": at})
    shape, end = (len(row), *first.shape[1:]), 8 * len(row)
    header: dict[str, object] = {
        name: {"dtype": "I64", "shape": [len(row)], "data_offsets": [i * end, (i + 1) * end]} for i, name in enumerate(places)
    }
    start = len(places) * end
    header["raw"] = {"dtype": "F32", "shape": shape, "data_offsets": [start, start + 4 * int(np.prod(shape))]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for numbers in places.values():
            file.write(numbers.astype("<i8").tobytes())
        for raw in chain([first], shards):
            file.write(raw.astype("<f4").tobytes())


def spread(path: Path, values: np.ndarray, instances: int) -> np.ndarray:
    """A value for each of all `instances` of a split, from those of the ones that a file of `write_raw` has; NaN of others."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        if "at" not in file.keys():  # noqa: SIM118 (not a mapping)
            return values
        out = np.full(instances, np.nan, values.dtype)
        out[file.get_tensor("at")] = values
        return out


def read_raw(path: Path) -> Iterator[np.ndarray]:
    """Raw importance [n, L, H] from a file of `write_raw`, a shard at a time."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        raw = file.get_slice("raw")
        instances = raw.get_shape()[0]
        for start in range(0, instances, SHARD):
            yield raw[start : min(start + SHARD, instances)]
