"""Stored bytes that are not those that were written."""

import errno
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradts_engine.runtime.artifacts import META, ArtifactStore
from tests.unit.runtime.artifacts.made import RESULT, same, write

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where saving does not wait for a disk."""


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


UNREADABLE = """
import os, resource, sys
from contextlib import suppress
from pathlib import Path
from gradts_engine.errors import RunError
from gradts_engine.runtime.artifacts import ArtifactStore, DamagedArtifact

store, files = ArtifactStore(Path(sys.argv[1])), sys.argv[2] == "files"
limit = resource.RLIMIT_NOFILE
with suppress(OSError):
    resource.setrlimit(limit, (64, 64))
    held = [os.open("/dev/null", os.O_RDONLY)]
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
if files:
    os.close(held.pop())  # one is enough for a file after the other
    store._read = lambda folder, read=store._read: (read(folder), held.append(os.open("/dev/null", os.O_RDONLY)))[0]
try:
    store.find("score", "k1", warn=print)
except DamagedArtifact:
    print("damaged")
except RunError as error:
    print(error)
"""


@pytest.mark.parametrize("which", ["record", "files"])
def test_what_cannot_be_read_just_now_is_not_damaged(store, which):
    """A process without file descriptors, or a file system that does not answer, must not put a store out of order."""
    artifact = store.save("score", "k1", RESULT, write)
    command = [sys.executable, "-c", UNREADABLE, str(store.root), which]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    name = META if which == "record" else "a.safetensors"
    assert said.startswith(f"{artifact.folder / name} cannot be read: Too many open files; try again, or remove ")
    assert not (store.root / "damaged").exists()
    assert store.find("score", "k1") == artifact


def test_what_cannot_be_read_hides_no_other(store, monkeypatch):
    artifact, other = (store.save("score", key, RESULT, write) for key in ("k1", "k2"))
    real = Path.open

    def refused(path, *arguments):
        if path.parent.name == "k1":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *arguments)

    monkeypatch.setattr(Path, "open", refused)
    assert [*store] == [*store.of("score")] == [other]
    monkeypatch.undo()
    assert [*store] == [artifact, other]
