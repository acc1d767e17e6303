"""Runs of a small tasks.toml by the real command, and what they leave."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gradts_engine import events
from gradts_engine.runtime.journal import read_events
from gradts_engine.runtime.store import Store

PROGRAM = str(Path(sys.executable).with_name("gradts-engine"))


def command(folder: Path, store: Path, *options: str) -> list[str]:
    """The run, with its results in a store."""
    return [PROGRAM, "run", str(folder / "tasks.toml"), "--store", str(store), "--plain", *options]


def run(command: Sequence[str], status: int = 0, environment: Mapping[str, str] = os.environ) -> str:
    """Runs it until it ends with that status; what it has said."""
    settings = {**environment, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=settings)
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert "raylet" not in said
    return said


def happened(store: Path) -> list[events.Event]:
    """The events of the only run, so far."""
    return [event for run in Store(store).runs() for _, _, event in read_events(run.events)]


def lost(told: Iterable[events.Event]) -> int:
    """How many workers the engine has given up."""
    return sum(isinstance(event, events.Warned) and "a worker was lost" in event.message for event in told)


def at_work(told: Iterable[events.Event], place: str) -> bool:
    """Whether a worker of that place has begun what is not finished."""
    begun: dict[str, str] = {}
    for event in told:
        if isinstance(event, events.StageStarted):
            begun[event.key] = event.device
        elif isinstance(event, events.StageFinished):
            begun.pop(event.key, "")
    return any(place in device for device in begun.values())


def places(store: Path) -> set[str]:
    """The devices that have computed something."""
    return {event.device for event in happened(store) if isinstance(event, events.StageStarted) and event.device}


def artifacts(store: Path) -> dict[str, str]:
    """The digest of every file of every artifact, and its key."""
    paths = [p for p in (store / "artifacts").glob("*/*/*") if p.is_file()]
    kept = [p for p in paths if not p.name.endswith(".json")]  # these say when and with what it was made, too
    assert kept
    keys = {str(p.parent.relative_to(store)): "" for p in paths}
    return keys | {str(p.relative_to(store)): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept}


def check_once(told: Iterable[events.Event]) -> set[str]:
    """Nothing that was finished was begun again, or finished twice; the keys of what was finished."""
    finished: set[str] = set()
    for event in told:
        if isinstance(event, events.StageStarted):
            assert event.key not in finished, f"{event} of what was finished"
        elif isinstance(event, events.StageFinished):
            assert event.cached or event.key not in finished, f"{event} for the second time"
            finished.add(event.key)
    assert finished
    return finished
