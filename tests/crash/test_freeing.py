"""Weights that are freed while others use them and compute them again, and who does it is killed at any moment."""

import multiprocessing
import random
import shutil
import signal
import time
from contextlib import suppress

import pytest

from gradts_engine.runtime.artifacts import MODEL, Artifact, ArtifactStore
from gradts_engine.runtime.cleaning import Removable, remove
from gradts_engine.runtime.store import Store
from tests.crash.places import Fork, log, wait_until, waits_for_a_lock

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


# --- two whole runs --------------------------------------------------------------------------------------------------


def beside(places):
    """A place for two runs that share a store and all trainings, but not the final one: `other.toml` takes the trial whose
    weights the first frees at its end."""
    place = places.new()
    (final,) = (primary["final"]["score"] for primary in places.expected[1].values())
    other = "all" if final == places.expected[1]["mood"]["final"]["alone"] else "none"
    (place / "other.toml").write_text(places.text.replace('strategy = "trial"', f'strategy = "{other}"'))
    return place


def models(place):
    """The bytes of both runs' models; all that is stored is whole, nothing was taken for damaged, and what runs need is there."""
    store = Store(place / ".gradts")
    for artifact in store.artifacts:
        artifact.verify(artifact.there)
    assert not list((store.artifacts.root / "damaged").glob("*")), log(place)
    found = {}
    for run in store.runs():
        view = run.view()
        assert run.state() == "done", log(place)
        key = view.finals["mood"].key
        assert MODEL in store.artifacts.find("trial", key, warn=pytest.fail).there
        assert (store.artifacts.root / "trial" / key / MODEL).exists()
        found[view.started.config.rpartition("/")[2]] = (run.models / "mood" / MODEL).read_bytes()
    return found


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(2))
def test_a_run_that_is_killed_while_it_frees_what_another_run_needs(forks, others, short, part):
    """Held at each touch of a file while it frees, it goes on once the other run waits for it, and is killed a little later."""
    place = beside(short)
    whole = Fork(forks, place, freeing=True)
    assert whole.end() == 0, log(place)
    assert Fork(forks, place, config="other.toml").end() == 0, log(place)
    expected = models(place)
    assert len(set(expected.values())) == 2
    waited = 0
    for hold in range(1 + part, min(whole.touched - 4, 20), 2):
        place = beside(short)
        first = Fork(forks, place, hold + 1 + hold // 2 % 3, hold=hold, freeing=True)
        assert first.held()
        second = Fork(others, place, config="other.toml")
        wait_until(second.pid, waits_for_a_lock)
        waited += waits_for_a_lock(second.pid)
        first.go_on()
        assert first.end() == -signal.SIGKILL, log(place)
        assert second.end() == 0, log(place)
        assert Fork(forks, place).end() == 0, log(place)
        assert models(place) == expected, (hold, log(place))
        shutil.rmtree(place)
    assert waited > 3
