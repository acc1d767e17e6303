import json
import os
import shutil
import tempfile
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from safetensors.torch import save_model
from torch import nn

from gradts_engine.digests import canonical
from gradts_engine.errors import ResultGone, RunError
from gradts_engine.runtime.artifacts import META, MODEL, ArtifactStore, content_key
from gradts_engine.runtime.workbench import Bench

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where saving does not wait for a disk."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PARTS = st.dictionaries(st.sampled_from(["data", "seed", "settings", "encoder"]), JSON, max_size=4)
RESULT = {"score": 0.1 + 0.2, "best": 1, "tiny": 1e-05, "scores": [0.5, 1.0], "metric": "Köln", "none": None, "yes": True}


def reordered(value):
    """The same JSON value, with the keys of all objects the other way round."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


def same(a, b) -> bool:
    """Whether two JSON values are one and the same: 1 is not true, and 1 is not 1.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b and str(a) == str(b)  # -0.0 is not 0.0


def write(folder: Path) -> None:
    save_file({"a": np.arange(4, dtype=np.float32)}, folder / "a.safetensors")
    (folder / "notes.txt").write_text("so it is")


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path)


# --- keys ------------------------------------------------------------------------------------------------------------


@given(PARTS)
def test_order_and_spelling_do_not_matter(parts):
    key = content_key("tune", 1, **parts)
    assert content_key("tune", 1, **reordered(parts)) == key
    for indent, ascii_only in ((None, True), (4, False)):
        assert content_key("tune", 1, **json.loads(json.dumps(parts, indent=indent, ensure_ascii=ascii_only))) == key


@given(PARTS, PARTS)
def test_any_other_part_is_another_key(one, two):
    assert (content_key("tune", 1, **one) == content_key("tune", 1, **two)) == same(one, two)


@given(PARTS.filter(bool), st.data(), JSON)
def test_every_single_part_counts(parts, data, other):
    name = data.draw(st.sampled_from(sorted(parts)))
    changed = parts | {name: other}
    without = {key: value for key, value in parts.items() if key != name}
    assert (content_key("tune", 1, **changed) == content_key("tune", 1, **parts)) == same(changed, parts)
    assert content_key("tune", 1, **without) != content_key("tune", 1, **parts)


def test_stage_and_version_count_and_the_spelling_is_pinned():
    keys = {content_key(stage, version, seed=1) for stage in ("tune", "trial") for version in (1, 2)}
    assert len(keys) == 4
    assert canonical({"b": [1.5, None], "a": "é"}) == b'{"a":"\\u00e9","b":[1.5,null]}'


# --- storing ---------------------------------------------------------------------------------------------------------


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


# --- damage ----------------------------------------------------------------------------------------------------------


def damaged(change) -> None:
    """Change the bytes of an artifact: it is then set aside and reported, and can be saved again, or means what it meant."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        store = ArtifactStore(Path(folder))
        artifact = store.save("score", "k1", RESULT, write)
        path = change(artifact)
        warnings = []
        found = store.find("score", "k1", warn=warnings.append)
        if found is not None:  # another spelling of the same value, such as 1E-05
            assert path.name == META
            assert found == artifact
            assert same(json.loads(path.read_bytes())["result"], RESULT)
            return
        (warning,) = warnings
        assert str(path) in warning
        assert not artifact.folder.exists()
        (aside,) = (store.root / "damaged").iterdir()
        assert str(aside) in warning
        assert [p.name for p in aside.iterdir()] == ["k1"]
        again = store.save("score", "k1", RESULT, write)
        assert again == artifact == store.find("score", "k1", warn=warnings.append)
        assert len(warnings) == 1


with tempfile.TemporaryDirectory(dir=MEMORY) as _folder:
    _artifact = ArtifactStore(Path(_folder)).save("score", "k1", RESULT, write)
    SIZES = {name: (_artifact.folder / name).stat().st_size for name in (META, "a.safetensors", "notes.txt")}

SOME_BYTE = st.sampled_from(sorted(SIZES)).flatmap(lambda name: st.tuples(st.just(name), st.integers(0, SIZES[name] - 1)))


@settings(deadline=None, max_examples=150)
@given(SOME_BYTE, st.integers(1, 255))
def test_a_changed_byte_is_found(where, bits):
    name, at = where

    def change(artifact) -> Path:
        path = artifact.folder / name
        content = bytearray(path.read_bytes())
        content[at] ^= bits
        path.write_bytes(content)
        return path

    damaged(change)


@settings(deadline=None, max_examples=50)
@given(SOME_BYTE)
def test_a_lost_end_is_found(where):
    name, length = where

    def change(artifact) -> Path:
        path = artifact.folder / name
        path.write_bytes(path.read_bytes()[:length])
        return path

    damaged(change)


def test_every_bit_of_the_digest_counts():
    for at in range(1, 6):
        for bit in range(8):

            def change(artifact, at=at, bit=bit) -> Path:
                path = artifact.folder / META
                content = bytearray(path.read_bytes())
                content[-at] ^= 1 << bit
                path.write_bytes(content)
                return path

            damaged(change)


@pytest.mark.parametrize("name", [META, "a.safetensors"])
def test_a_missing_file_is_found(name):
    def change(artifact) -> Path:
        (artifact.folder / name).unlink()
        return artifact.folder / name

    damaged(change)


@pytest.mark.parametrize("content", ["[]", "null", "3", '"a"', "{}", "[" * 100_000, '{"sha256": "' + "0" * 64 + '"}'])
def test_other_json_is_damage(content):
    def change(artifact) -> Path:
        path = artifact.folder / META
        path.write_text(content)
        return path

    damaged(change)


def test_an_artifact_of_another_key_is_damage():
    """Its own hash is right, but it is not what was asked for."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        store = ArtifactStore(Path(folder))
        other = store.save("score", "k2", RESULT, write)
        other.folder.rename(store.root / "score" / "k1")
        warnings = []
        assert store.find("score", "k1", warn=warnings.append) is None
        assert len(warnings) == 1


def test_large_files_are_verified_on_request_alone(store):
    artifact = store.save("tune", "k1", RESULT, write)
    (artifact.folder / "notes.txt").write_text("so it is not")
    assert store.find("tune", "k1", files=False) == artifact
    (artifact.folder / META).write_bytes(b"{}")
    assert store.find("tune", "k1", files=False) is None


# --- freed files -----------------------------------------------------------------------------------------------------


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


# --- unfinished work -------------------------------------------------------------------------------------------------


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
