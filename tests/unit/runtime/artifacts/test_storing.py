"""Results are there as a whole or not at all."""

import shutil
import threading
from pathlib import Path

import pytest

from gradts_engine.runtime.artifacts import ArtifactStore
from tests.unit.runtime.artifacts.made import RESULT, write


def test_what_is_saved_is_found(store):
    assert store.find("score", "k1") is None
    saved = store.save("score", "k1", RESULT, write)
    found = ArtifactStore(store.root).find("score", "k1")
    assert found == saved
    assert found.result == RESULT
    assert found.arrays("a.safetensors")["a"].tolist() == [0, 1, 2, 3]
    assert (found.folder / "notes.txt").read_text() == "so it is"
    assert store.find("tune", "k1") is None
    assert store.find("score", "k2") is None
    assert [a.key for a in store] == ["k1"]


def test_an_exception_leaves_nothing(store):
    def fail(folder: Path) -> None:
        write(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.save("score", "k1", RESULT, fail)
    assert [p.name for p in store.root.rglob("*")] == ["unfinished"]
    assert store.find("score", "k1") is None
    assert store.save("score", "k1", RESULT, write).result == RESULT
    assert list((store.root / "unfinished").iterdir()) == []


def test_unfinished_results_of_a_killed_engine_are_no_artifacts(store):
    saved = store.save("score", "k1", RESULT, write)
    shutil.copytree(saved.folder, store.root / "unfinished" / "score-killed")
    assert [a.key for a in store] == ["k1"]


def test_two_writers_of_one_key(store):
    """Both have computed the same; whoever is later takes what is there."""
    writers, keys = 8, [f"k{i}" for i in range(20)]
    start, failures = threading.Barrier(writers), []

    def save() -> None:
        try:
            for key in keys:
                start.wait(10)
                assert store.save("score", key, RESULT, write).result == RESULT
        except Exception as error:
            failures.append(error)
            start.abort()

    threads = [threading.Thread(target=save) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [a.key for a in store] == sorted(keys)
    assert all(store.find("score", key) for key in keys)
    assert list((store.root / "unfinished").iterdir()) == []
