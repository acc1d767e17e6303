"""What gc removes, in which order, and what it never touches."""

import math
import os
import time

import pytest

from gradts_engine import events
from gradts_engine.runtime.cleaning import garbage, remove, spare_weights, sweep
from gradts_engine.runtime.endings import tidy
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.shelving import own
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.studying import before_studies, studying

DAY = 86400.0


@pytest.fixture
def store(tmp_path):
    """Three results of 1000 bytes, not used for 1, 2 and 3 days, and leftovers of every kind."""
    store = Store(tmp_path)
    for days in (1, 2, 3):
        artifact = store.artifacts.save(
            "tune", f"k{days}", {}, lambda folder: (folder / "file").write_bytes(b"x" * 1000) and None
        )
        os.utime(artifact.folder, (time.time() - days * DAY, time.time() - days * DAY))
    (store.artifacts.folder("unfinished") / "tune-abc").mkdir()
    (store.artifacts.folder("damaged") / "tune-abc").mkdir()
    store.artifacts.workspace("tune", "k9").put("part", lambda path: path.write_bytes(b"x" * 500) and None)
    return store


def names(items) -> list[str]:
    return [f"{item.kind} {item.path.name}" for item in items]


LEFTOVERS = ["damaged tune-abc", "half-written tune-abc"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, LEFTOVERS),
        ({"older_than": 1.5 * DAY}, [*LEFTOVERS, "result k2", "result k3"]),
        ({"older_than": 9 * DAY}, LEFTOVERS),
        ({"max_size": 3200}, [*LEFTOVERS, "result k3"]),
        ({"max_size": 2000}, [*LEFTOVERS, "result k3", "result k2"]),
        ({"max_size": 0}, [*LEFTOVERS, "result k3", "result k2", "result k1", "checkpoints tune-k9"]),
        ({"older_than": 2.5 * DAY, "max_size": 2000}, [*LEFTOVERS, "result k3", "result k2"]),
    ],
)
def test_what_is_removed(store, options, expected):
    found = garbage(store, **options)
    assert names(found) == expected
    assert remove(store, found) == sum(item.size for item in found)
    assert names(garbage(store, **options)) == []
    left = {artifact.key for artifact in store.artifacts}
    assert left == {"k1", "k2", "k3"} - {item.path.name for item in found}
    assert list((store.artifacts.root / "unfinished").iterdir()) == []


def test_what_is_used_is_not_old(store):
    store.artifacts.find("tune", "k3")
    assert "result k3" not in names(garbage(store, older_than=DAY / 2))


def test_what_was_used_since_it_was_listed_stays(store):
    found = garbage(store, older_than=DAY / 2)
    store.artifacts.find("tune", "k3")
    remove(store, found)
    assert {artifact.key for artifact in store.artifacts} == {"k3"}


def test_what_a_live_run_uses_or_writes_stays(store):
    run = store.create("live")
    with Journal(run.events) as journal:
        journal.emit(events.StageFinished("tune", "a", "k3", 0.0, True))
    with run.locked():
        found = garbage(store, older_than=0.0)
        assert names(found) == ["damaged tune-abc", "result k1", "result k2"]
        run.predictions.mkdir()
        (run.predictions / ".host-1-half").touch()
        sweep(store)
        assert (store.artifacts.root / "unfinished" / "tune-abc").exists()
        sweep(store, run)  # the engine of that run itself: nobody else is at work
        assert not list(run.predictions.iterdir())
        assert not (store.artifacts.root / "unfinished" / "tune-abc").exists()
    assert "result k3" in names(garbage(store, older_than=0.0))


def test_what_a_study_at_work_uses_or_writes_stays(store):
    with studying(store):
        store.artifacts.find("tune", "k3")
        assert names(garbage(store, older_than=0.0)) == ["damaged tune-abc", "result k1", "result k2"]
        assert names(garbage(store, max_size=0)) == ["damaged tune-abc", "result k2", "result k1"]
        sweep(store)
        assert (store.artifacts.root / "unfinished" / "tune-abc").exists()
        with studying(store):
            assert before_studies(store) < time.time()
    assert before_studies(store) == math.inf
    assert {"result k3", "half-written tune-abc"} <= set(names(garbage(store, older_than=0.0)))


def write_model(folder) -> None:
    (folder / "model.safetensors").write_bytes(b"x" * 1000)
    (folder / "predictions.json").write_bytes(b"[]")


@pytest.fixture
def weights(tmp_path):
    """A store with the weights of three trainings."""
    store = Store(tmp_path)
    for stage, key in (("tune", "k1"), ("trial", "k2"), ("trial", "k3")):
        store.artifacts.save(stage, key, {"score": 0.5}, write_model)
    return store


def run_of(store, name, keep, state, *stages, final=""):
    """A run that names results, and has come so far."""
    run = store.create(name)
    with Journal(run.events) as journal:
        journal.emit(events.RunStarted(name, "/t", "e", ("a",), ("a",), ("cpu",), {}, {}, keep=keep))
        for stage, key in stages:
            journal.emit(events.StageFinished(stage, f"a {key}", key, 0.0, False))
        if final:
            journal.emit(events.FinalModel("a", 0.5, "/m", key=final))
        if state:
            journal.emit(events.RunEnded(state))
    return run


ALL = (("tune", "k1"), ("trial", "k2"), ("trial", "k3"))


def spared(store, ending=None) -> list[str]:
    return [item.path.name for item in spare_weights(store, ending)]


@pytest.mark.parametrize(
    ("keep", "state", "expected"),
    [
        ("final", "done", ["k2", "k1"]),
        ("all", "done", []),
        ("final", "waiting", []),
        ("final", "cancelled", []),
        ("final", "failed", []),
        ("final", "", []),
    ],
)
def test_weights_are_spare_once_their_run_is_done(weights, keep, state, expected):
    run_of(weights, "one", keep, state, *ALL, final="k3")
    assert spared(weights) == expected


def test_a_run_that_is_just_done_frees_its_own_alone(weights):
    one = run_of(weights, "one", "final", "", *ALL[:2], final="k2")
    two = run_of(weights, "two", "final", "done", *ALL[2:])
    assert (spared(weights, one), spared(weights, two), spared(weights)) == (["k1"], ["k3"], ["k3"])


@pytest.mark.parametrize(("keep", "state", "final"), [("final", "waiting", ""), ("all", "done", ""), ("final", "done", "k2")])
def test_weights_that_another_run_needs_stay(weights, keep, state, final):
    one = run_of(weights, "one", "final", "", *ALL, final="k3")
    run_of(weights, "two", keep, state, ("trial", "k2"), final=final)
    assert spared(weights, one) == ["k1"]


def test_what_a_study_at_work_has_used_stays_when_a_run_ends_or_is_removed(weights):
    one = run_of(weights, "one", "final", "", *ALL, ("tune", "begun"), final="k3")
    work = weights.artifacts.workspace("tune", "begun")
    work.put("part", lambda path: path.write_bytes(b"x" * 500) and None)
    for stage, key in ALL:
        os.utime(weights.artifacts.root / stage / key, (time.time() - DAY,) * 2)
    with studying(weights):
        assert weights.artifacts.find("tune", "k1")
        tidy(weights, one, lambda event: None)
        assert [(weights.artifacts.root / s / k / "model.safetensors").exists() for s, k in ALL] == [True, False, True]
        assert [item.path.name for item in own(weights, [one])] == ["k3"]  # k2 was freed just now
    assert sorted(item.path.name for item in own(weights, [one])) == ["k1", "k2", "k3", "tune-begun"]


def test_a_run_ends_well_where_the_journal_of_another_cannot_be_read(weights):
    """What that one needs is not known, so that nothing is freed."""
    one, other = (run_of(weights, name, "final", "", *ALL, final="k3") for name in ("one", "other"))
    other.events.write_bytes(b"no database " * 500)
    told = []
    tidy(weights, one, told.append)
    assert [type(event) for event in told] == [events.Warned]
    assert "file is not a database" in told[0].message
    assert all((weights.artifacts.root / stage / key / "model.safetensors").exists() for stage, key in ALL)


def test_freed_weights_leave_the_result_and_weights_that_were_used_since_stay(weights):
    run_of(weights, "one", "final", "done", *ALL, final="k3")
    found = garbage(weights)
    assert names(found) == ["weights k2", "weights k1"]
    weights.artifacts.find("trial", "k2")
    assert remove(weights, found) == 1000
    assert weights.artifacts.find("tune", "k1") is None
    assert weights.artifacts.find("tune", "k1", files=("predictions.json",)).result == {"score": 0.5}
    assert weights.artifacts.find("trial", "k2")
    assert names(garbage(weights)) == ["weights k2"]
    assert names(garbage(weights, max_size=2500)) == ["weights k2"], "what freeing leaves is small enough"
    assert sorted(names(garbage(weights, max_size=0))) == ["result k1", "result k2", "result k3"]


def test_weights_that_were_left_by_who_was_killed_are_freed_again(weights):
    run_of(weights, "one", "final", "done", *ALL, final="k3")
    folder = weights.artifacts.root / "tune" / "k1"
    weights.artifacts.free(folder, ("model.safetensors",))
    (folder / "model.safetensors").write_bytes(b"x" * 1000)
    (folder / ".half").write_bytes(b"x")
    assert spared(weights) == ["k2", "k1"]
    remove(weights, garbage(weights))
    assert sorted(path.name for path in folder.iterdir()) == ["meta.json", "predictions.json"]
