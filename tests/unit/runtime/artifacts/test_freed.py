"""Files of results that were freed on purpose."""

import os
from contextlib import suppress
from itertools import count
from types import SimpleNamespace

import pytest
from safetensors.torch import save_model
from torch import nn

from gradts_engine.errors import ResultGone
from gradts_engine.runtime.artifacts import META, MODEL, ArtifactStore
from gradts_engine.runtime.workbench import Bench
from tests.unit.runtime.artifacts.made import RESULT, write


def free(artifact) -> None:
    ArtifactStore(artifact.folder.parents[1]).free(artifact.folder, ("a.safetensors",))


def test_a_freed_file_is_missed_where_it_is_needed_and_is_no_damage(store):
    artifact = store.save("tune", "k1", RESULT, write, {"threads": 1})
    free(artifact)
    warnings = []
    found = store.find("tune", "k1", files=("notes.txt",), warn=warnings.append)
    assert (found.result, found.made, found.there) == (RESULT, {"threads": 1}, ("notes.txt",))
    assert store.find("tune", "k1", files=False, warn=warnings.append) == found
    for needed in (True, ("a.safetensors",), ("notes.txt", "a.safetensors")):
        assert store.find("tune", "k1", files=needed, warn=warnings.append) is None
    assert {path.name for path in artifact.folder.iterdir()} == {META, "notes.txt"}
    # computed again, by two at once, it is as it was
    assert store.save("tune", "k1", RESULT, write, {"threads": 1}) == artifact
    assert store.save("tune", "k1", RESULT, write, {"threads": 1}) == artifact
    assert store.find("tune", "k1", warn=warnings.append) == artifact
    assert warnings == []
    assert store.folders() == [artifact.folder]


def test_a_model_that_is_freed_since_it_was_found_is_gone(store):
    """That is an error which has it computed again."""
    artifact = store.save("tune", "k1", RESULT, lambda folder: save_model(nn.Linear(2, 1), str(folder / MODEL)))
    bench = SimpleNamespace(model=lambda tasks, seed, dropout: nn.Linear(2, 1))
    assert Bench.load_model(bench, ("a",), artifact).weight.shape == (1, 2)
    store.free(artifact.folder, (MODEL,))
    with pytest.raises(ResultGone, match="the weights of tune are gone"):
        Bench.load_model(bench, ("a",), artifact)


def test_a_file_that_is_left_after_damage_is_still_verified(store):
    artifact = store.save("tune", "k1", RESULT, write)
    free(artifact)
    (artifact.folder / "notes.txt").write_text("so it is not")
    warnings = []
    assert store.find("tune", "k1", files=("notes.txt",), warn=warnings.append) is None
    assert len(warnings) == 1


class Killed(BaseException):
    """In the place of SIGKILL."""


def test_killed_in_the_middle_of_freeing_and_of_putting_back(tmp_path, monkeypatch):
    """At each call that changes a file system: the result is there throughout, never damaged, and both can be done again."""
    for at in count():
        store, warnings, left = ArtifactStore(tmp_path / str(at)), [], at
        artifact = store.save("tune", "k1", RESULT, write)

        def killing(real):
            def call(*arguments, **options):
                nonlocal left
                left -= 1
                if left == -1:
                    raise Killed
                return real(*arguments, **options)

            return call

        with monkeypatch.context() as patch, suppress(Killed):
            for name in ("rename", "unlink", "mkdir", "rmdir", "fsync"):
                patch.setattr(os, name, killing(getattr(os, name)))
            free(artifact)
            store.save("tune", "k1", RESULT, write)
        assert store.find("tune", "k1", files=("notes.txt",), warn=warnings.append).result == RESULT
        free(artifact)
        assert sorted(path.name for path in artifact.folder.iterdir()) == [META, "notes.txt"]
        assert store.save("tune", "k1", RESULT, write) == artifact == store.find("tune", "k1", warn=warnings.append)
        assert warnings == []
        if left >= 0:
            break
    assert at > 15
