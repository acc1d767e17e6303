"""What gc removes, in which order, and what it never touches."""

import os
import time

import pytest

from gradts_engine import events
from gradts_engine.runtime.cleaning import garbage, remove, sweep
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.store import Store

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
        sweep(store)
        assert (store.artifacts.root / "unfinished" / "tune-abc").exists()
        sweep(store, run)  # the engine of that run itself: nobody else is at work
        assert not (store.artifacts.root / "unfinished" / "tune-abc").exists()
    assert "result k3" in names(garbage(store, older_than=0.0))
