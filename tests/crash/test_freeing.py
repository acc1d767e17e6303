"""Weights that are freed while others use them and compute them again, and who does it is killed at any moment."""

import multiprocessing
import random
import time
from contextlib import suppress

import pytest

from gradts_engine.runtime.artifacts import MODEL, Artifact, ArtifactStore
from gradts_engine.runtime.cleaning import Removable, remove
from gradts_engine.runtime.store import Store

SERVER = multiprocessing.get_context("forkserver")  # its processes begin at once
SERVER.set_forkserver_preload([__name__])
WEIGHTS = b"x" * 200_000


def write(folder):
    (folder / MODEL).write_bytes(WEIGHTS)
    (folder / "predictions.json").write_bytes(b"[]")


def frees(root):
    """As a run does at its end."""
    store, folder = Store(root), root / "artifacts" / "tune" / "k"
    while True:
        with suppress(FileNotFoundError):
            remove(store, [Removable(folder, "weights", len(WEIGHTS), folder.stat().st_mtime)])


def uses(root):
    """As runs do: those that are gone are computed again."""
    artifacts = Store(root).artifacts

    def say(line):
        with (root / "said").open("a") as file:  # a queue would be locked for good by who is killed
            file.write(f"{line}\n")

    while True:
        found = artifacts.find("tune", "k", warn=say)
        if found is None:
            artifacts.save("tune", "k", {"score": 0.5}, write)
            say("computed")
            continue
        with suppress(FileNotFoundError):  # freed since: `Bench.load_model` says so
            if (found.folder / MODEL).read_bytes() != WEIGHTS:
                say("other bytes")


@pytest.mark.torture
def test_weights_that_are_freed_computed_again_and_used_at_once(tmp_path):
    """Nothing is taken for damaged, nothing raises, and what is there in the end is whole."""

    def started(target):
        process = SERVER.Process(target=target, args=[tmp_path], daemon=True)
        process.start()
        return process

    targets = [frees, uses, uses]
    processes = [started(target) for target in targets]
    draw, until = random.Random(1), time.monotonic() + 30
    while time.monotonic() < until:
        time.sleep(draw.uniform(0.05, 0.5))
        at = draw.randrange(3)
        assert processes[at].is_alive(), "it raised"
        processes[at].kill()
        processes[at].join()
        processes[at] = started(targets[at])
    for process in processes:
        process.kill()
        process.join()
    said = (tmp_path / "said").read_text().splitlines()
    assert {*said} == {"computed"}
    assert len(said) > 10
    artifacts = ArtifactStore(tmp_path / "artifacts")
    found = artifacts.find("tune", "k", warn=pytest.fail) or artifacts.save("tune", "k", {"score": 0.5}, write)
    assert isinstance(found, Artifact)
    found.verify(found.files)
