"""Importance on its way to disk: whatever was there before, and however an engine ended, the file is the same."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from gradts_engine.runtime import shards
from gradts_engine.runtime.shards import read_raw, stored_shards, write_raw
from gradts_engine.runtime.workspaces import Workspace

RAW = np.random.default_rng(0).random((10, 2, 3)).astype(np.float32)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 4)


def computed(seen: list[range]):
    def compute(rows: range) -> np.ndarray:
        seen.append(rows)
        return RAW[rows]

    return compute


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("lost", range(4))
def test_only_lost_shards_are_computed_again(tmp_path, lost):
    space = Workspace(tmp_path / "work")
    first: list[range] = []
    assert np.array_equal(np.concatenate([*stored_shards(space, 10, computed(first))]), RAW)
    assert first == [range(4), range(4, 8), range(8, 10)]
    if lost < 3:
        path = space.get(f"raw-{lost}")
        path.write_bytes(path.read_bytes()[:-1])
    again: list[range] = []
    found: list[int] = []
    assert np.array_equal(np.concatenate([*stored_shards(space, 10, computed(again), found.append)]), RAW)
    assert again == [rows for i, rows in enumerate(first) if i == lost]
    assert found == [rows.stop for rows in first if rows not in again]


def test_a_shard_that_another_engine_removes_in_the_moment_is_computed(tmp_path):
    class Raced(Workspace):
        def get(self, name):
            found = super().get(name)
            self.remove()
            return found

    seen: list[range] = []
    list(stored_shards(Workspace(tmp_path / "work"), 10, computed(seen), size=4))
    assert np.array_equal(np.concatenate([*stored_shards(Raced(tmp_path / "work"), 10, computed(seen), size=4)]), RAW)
    assert len(seen) == 6


@pytest.mark.usefixtures("small")
def test_a_pass_that_is_broken_off_keeps_its_shards(tmp_path):
    space = Workspace(tmp_path / "work")

    def killed(rows: range) -> np.ndarray:
        if rows.start:
            raise KeyboardInterrupt
        return RAW[rows]

    with pytest.raises(KeyboardInterrupt):
        list(stored_shards(space, 10, killed))
    again: list[range] = []
    list(stored_shards(space, 10, computed(again)))
    assert again == [range(4, 8), range(8, 10)]


@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 13), st.integers(1, 30))
def test_the_library_reads_the_file_that_is_written_in_pieces(tmp_path_factory, instances, layers, heads, size):
    path = Path(tmp_path_factory.mktemp("raw")) / "raw.safetensors"
    raw = np.random.default_rng(instances).random((instances, layers, heads)).astype(np.float32)
    row = np.arange(instances) * 7
    write_raw(path, (raw[i : i + size] for i in range(0, instances, size)), row)
    arrays = load_file(path)
    assert arrays.keys() == {"raw", "row"}
    assert np.array_equal(arrays["raw"], raw)
    assert np.array_equal(arrays["row"], row)
    assert arrays["raw"].dtype == np.float32
    assert arrays["row"].dtype == np.int64
    assert np.array_equal(np.concatenate([*read_raw(path)]), raw)
