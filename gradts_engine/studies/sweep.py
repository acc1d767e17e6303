"""Trains what a table of pairs lacks, with the driver, the workers and the store of a run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from itertools import islice
from pathlib import Path

from gradts_engine import events
from gradts_engine.config import Experiment
from gradts_engine.contracts import Auxiliary
from gradts_engine.errors import TrainingDiverged
from gradts_engine.hooks.catalog import Catalog
from gradts_engine.runtime import jobs
from gradts_engine.runtime.artifacts import Artifact
from gradts_engine.runtime.cleaning import removable, remove
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.jobs import Trial
from gradts_engine.runtime.prepare import Prepared, check, load_executor, prepare
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.studying import studying
from gradts_engine.studies.pairs import Cell, Row, cells, measure


def candidates_of(experiment: Experiment) -> Mapping[str, Sequence[str]]:
    """The candidates of each primary."""
    return {primary: experiment.candidates(primary) for primary in experiment.primaries}


def sweep(
    experiment: Experiment,
    catalog: Catalog,
    store: Store,
    path: Path,
    seeds: int,
    control: Control,
    say: Callable[[str], None],
    *,
    train: bool = True,
) -> list[Row]:
    """All pairs of an experiment in so many seeds; the table at `path` gets what it lacks, as it comes, or not at all.

    Trials are those of a run, and are found where one has made them. The models of those that are made here are not kept: a study
    of a hundred pairs would fill the disk. Raises `Interrupted` where `control` says so; the table then has all that was
    finished.
    """
    with studying(store), closing(load_executor(experiment, catalog, store.root, lambda record: None)) as executor:
        prepared = prepare(experiment, catalog, executor.devices)
        check(prepared)
        trials = {cell: _trial(prepared, cell) for cell in cells(candidates_of(experiment), seeds)}
        wanted = {cell: jobs.key(trial, prepared.facts) for cell, trial in trials.items()}

        def emit(event: events.Event) -> None:
            if isinstance(event, events.Warned):
                say(event.message)

        with Driver(prepared.facts, executor, store.artifacts, emit, control) as driver:
            metrics = {name: task.judged_by for name, task in prepared.data.items()}

            def trained(missing: Iterable[Cell]) -> Iterator[Row]:
                if not train:
                    return
                found = _side_by_side(driver, store, ((cell, trials[cell]) for cell in missing), len(executor.devices))
                for cell, score, seconds in found:
                    points = round(100 * score, 4)  # as the table has it: what is read again is the same
                    yield Row(cell.target, cell.source, cell.seed, points, metrics[cell.target], seconds, wanted[cell])

            return measure(path, wanted, trained, lambda done, of: say(f"{done} of {of} trainings in {path}"))


def _trial(prepared: Prepared, cell: Cell) -> Trial:
    auxiliaries = prepared.usable(cell.target, (Auxiliary(cell.source),) if cell.source else ())
    return Trial(primary=cell.target, auxiliaries=auxiliaries, repeat=cell.seed)


def _side_by_side(
    driver: Driver, store: Store, wanted: Iterator[tuple[Cell, Trial]], most: int
) -> Iterator[tuple[Cell, float, float]]:
    """Cell, score and seconds of each trial as it ends, never more than `most` of them on their way, so that few are lost."""
    running: dict[Future[Artifact], tuple[Cell, float, bool]] = {}
    while True:
        for cell, trial in islice(wanted, most - len(running)):
            known = driver.artifacts.find("trial", jobs.key(trial, driver.facts), files=False) is not None
            running[driver.get(trial)] = cell, time.monotonic(), known
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            cell, began, known = running.pop(future)
            yield cell, _score(store, future, known), time.monotonic() - began


def _score(store: Store, future: Future[Artifact], known: bool) -> float:
    try:
        artifact = future.result()
    except TrainingDiverged:
        return math.nan
    if not known:
        remove(store, [removable(artifact.folder, "result")])
    return float(artifact.result["score"])
