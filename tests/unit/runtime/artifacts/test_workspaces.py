"""What stages keep before their result is there."""

from pathlib import Path

import pytest

from gradts_engine.errors import RunError
from gradts_engine.runtime.artifacts import ArtifactStore


def test_a_workspace_is_found_again_by_its_key(store):
    store.workspace("score", "k").put("part[0]", lambda path: path.write_bytes(b"first") and None)
    again = ArtifactStore(store.root).workspace("score", "k")
    assert again.get("part[0]").read_bytes() == b"first"
    assert again.get("part") is None
    assert store.workspace("score", "other").get("part[0]") is None
    assert store.folders() == []
    again.remove()
    assert again.get("part[0]") is None
    assert not again.folder.exists()


@pytest.mark.parametrize("damage", [b"firsT", b"firs", b"", b"first and more"])
def test_damaged_work_counts_as_missing(store, damage):
    space = store.workspace("score", "k")
    space.put("part", lambda path: path.write_bytes(b"first") and None).write_bytes(damage)
    assert space.get("part") is None
    assert space.put("part", lambda path: path.write_bytes(b"first") and None) == space.get("part")


def test_a_workspace_that_another_engine_removes_is_made_again(store):
    """The other one has finished the stage while this one is inside `put`, at each of its steps."""
    space, other = store.workspace("score", "k"), store.workspace("score", "k")
    space.put("before", lambda path: path.write_bytes(b"first"))
    attempts = []

    def write(path: Path) -> None:
        attempts.append(path)
        if len(attempts) == 1:
            other.remove()  # before the file is there: its path leads nowhere
        path.write_bytes(b"second")
        if len(attempts) == 2:
            other.remove()  # before the file has its name

    assert space.put("part", write).read_bytes() == b"second"
    assert len(attempts) == 3
    assert space.get("before") is None
    with pytest.raises(RunError, match="cannot be written"):
        space.put("part", lambda path: (other.remove(), path.write_bytes(b"")))


def test_work_that_was_being_written_counts_as_missing(store):
    def killed(path: Path) -> None:
        path.write_bytes(b"fir")
        raise KeyboardInterrupt

    space = store.workspace("score", "k")
    with pytest.raises(KeyboardInterrupt):
        space.put("part", killed)
    assert space.get("part") is None
