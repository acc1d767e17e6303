"""What must be true of a place once a run has come to its end there, however often it was killed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from gradts_engine import events, report
from gradts_engine.runtime.cleaning import garbage, remove
from gradts_engine.runtime.journal import read_events
from gradts_engine.runtime.store import Store


def journal(place: Path) -> list[events.Event]:
    """The events of the place's only run; none where nothing has begun."""
    return [event for run in Store(place / ".gradts").runs() for _, _, event in read_events(run.events)]


def acknowledge(place: Path, seen: Iterable[events.Event]) -> None:
    """Note events that an engine has said to be kept."""
    with (place / "acknowledged").open("a") as file:
        file.writelines(json.dumps(event.as_record()) + "\n" for event in seen if not event.progress)


def check(place: Path, expected: tuple[Any, ...]) -> int:
    """All of it; the number of acknowledged events."""
    assert essence(place) == expected
    check_nothing_twice(place)
    check_no_orphans(place)
    return check_acknowledged(place)


def essence(place: Path) -> tuple[Any, ...]:
    """Tau, trials, choice, scores, and the bytes of all weights, matrices and models."""
    store = Store(place / ".gradts")
    found = report.as_json(report.results(store, store.run(None)))
    for primary in found["primaries"].values():
        del primary["final"]["model"], primary["final"]["predictions"]  # paths
        for trial in primary["trials"]:
            assert trial.pop("seconds") > 0
    files = {p.relative_to(store.root): p.read_bytes() for p in sorted(store.root.rglob("*.safetensors"))}
    return found["tau"], found["primaries"], found["warnings"], files


def check_acknowledged(place: Path) -> int:
    """Every event that was acknowledged is in the database; the number of them."""
    database = Store(place / ".gradts").run(None).events
    list(read_events(database))  # a reader of ours undoes what an engine left half-written
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = [json.loads(record) for (record,) in connection.execute("SELECT record FROM event")]
    noted = place / "acknowledged"
    acknowledged = [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []
    for event in acknowledged:
        kept.remove(event)  # ValueError: lost
    return len(acknowledged)


def check_nothing_twice(place: Path) -> None:
    """A stage that was said to be finished is not computed again."""
    finished: set[str] = set()
    for event in journal(place):
        if isinstance(event, events.StageStarted):
            assert event.key not in finished, event
        if isinstance(event, events.StageFinished):
            finished.add(event.key)


def check_no_orphans(place: Path) -> None:
    """After gc there is nothing but results, events, models and logs."""
    store = Store(place / ".gradts")
    remove(store, garbage(store))
    for path in store.root.rglob("*"):
        name = path.relative_to(store.root).as_posix().removeprefix("artifacts/")
        assert not path.name.startswith(".") or name == ".lock", name
        assert not name.startswith(("unfinished/", "work/", "damaged/")), name
        assert not name.endswith(("-journal", ".partial", ".old")), name
