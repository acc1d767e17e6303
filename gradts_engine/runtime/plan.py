"""What a run would compute and what it would find, without computing anything."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from gradts_engine.config import Experiment
from gradts_engine.contracts import Auxiliary
from gradts_engine.events import Planned, TaskRead
from gradts_engine.hooks.catalog import Catalog
from gradts_engine.runtime import costs
from gradts_engine.runtime.costs import Spending
from gradts_engine.runtime.described import data_facts, describe
from gradts_engine.runtime.gathering import gradient_jobs, pilot_trials, state_jobs, task_jobs
from gradts_engine.runtime.jobs import Job, Score, Trial, Tune, key, needs
from gradts_engine.runtime.judging import check_rows
from gradts_engine.runtime.paces import Range
from gradts_engine.runtime.prepare import Prepared, check, load_executor, prepare, run_id
from gradts_engine.runtime.ranking import needed, stored_for, trials_of
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.view import RunView


@dataclass(frozen=True)
class Wanted:
    """The jobs for the evidence of a run, those of them whose results are in the store, and those that are left to compute: not
    what only found ones need."""

    jobs: Sequence[Job]
    there: Sequence[Job]
    left: Sequence[Job]

    @classmethod
    def of(cls, prepared: Prepared, catalog: Catalog, store: Store) -> Wanted:
        """Those of a run."""
        jobs = _evidence(prepared, catalog)
        there = [job for job in jobs if store.artifacts.find(job.stage, key(job, prepared.facts), files=False)]
        done = {*there, *(need for job in there for need in needs(job))}
        return cls(jobs, there, [job for job in jobs if job not in done])

    def counts(self) -> dict[str, dict[str, int]]:
        """Of each kind of job how many there are, and how many are found."""
        stages, found = (Counter(job.stage for job in jobs) for jobs in (self.jobs, self.there))
        return {"pilot" if stage == "trial" else stage: {"jobs": n, "found": found[stage]} for stage, n in stages.items()}


def plan(experiment: Experiment, catalog: Catalog, store: Store) -> dict[str, Any]:
    """Tasks with their sizes, which of their results are in the store, and the seconds that the others will roughly take; of each
    kind of job for evidence how many there are, and how many of them are found.

    JSON-ready. Seconds are judged by earlier runs with the same encoder and kind of device, else by a probe; several devices
    share them. How many trials there will be is not known before they are made, so `trials` is the most, and `trials found` how
    many of them this run has made. `costs` has each stage's jobs that are not found, their seconds together from and to, and the
    bytes that their results take; `memory` is the most that a training takes.
    """
    with closing(load_executor(experiment, catalog, store.root, lambda record: None)) as executor:
        devices = [device.shown for device in executor.devices]
        prepared = prepare(experiment, catalog, executor.devices)
    check(prepared)
    check_rows(prepared, catalog)
    encoder, facts = prepared.encoder, prepared.facts
    run = store.folder(run_id(prepared))
    stored_for(experiment, catalog, store, facts, run.id)
    wanted = Wanted.of(prepared, catalog, store)
    spending = Spending(prepared, store, executor.devices[0].name)
    spending.probe(max(1, sum(not device.place for device in executor.devices)))
    tasks = [_task(read, prepared, wanted, spending) for read in describe(experiment, prepared.types, prepared.data)]
    made, trials = _made(store, run.view()), trials_of(experiment, catalog)
    return {
        "run": run.id,
        "state": run.state() if run.events.exists() else "new",
        "encoder": encoder.name,
        "devices": devices,
        "precision": facts.precision,
        "primaries": list(experiment.primaries),
        "strategy": experiment.selection.strategy,
        "confirm": experiment.selection.confirm,
        "tasks": tasks,
        "evidence": wanted.counts(),
        "seconds": _sum(task["seconds"] for task in tasks),
        "trials": trials[1],
        "trials found": made,
        "trial seconds": _middle(spending.trial()),
        "costs": spending.table(wanted.left, trials, made),
        "memory": costs.memory(facts, encoder.config, spending.parameters),
    }


def expected(prepared: Prepared, catalog: Catalog, store: Store, run: RunView, device: str) -> Planned | None:
    """What a run is expected to take, for its journal; None where it was begun before, or no earlier run tells of a
    pace."""
    if run.started:
        return None
    spending = Spending(prepared, store, device)
    if not spending.paces:
        return None
    table = spending.table(Wanted.of(prepared, catalog, store).left, trials_of(prepared.experiment, catalog), 0)
    times = {stage: (row["low"], row["high"]) for stage, row in table.items() if row["high"] is not None}
    return Planned({stage: row["jobs"] for stage, row in table.items()}, times)


def _task(read: TaskRead, prepared: Prepared, wanted: Wanted, spending: Spending) -> dict[str, Any]:
    """A task with its sizes, its own results that are found, and the seconds of those that are not."""
    name, task_type = read.task, prepared.types[read.task]
    own = [job for job in wanted.jobs if isinstance(job, Tune | Score) and job.task == name]
    tokenizer = prepared.encoder.tokenizer_for(task_type.word_level)
    facts = data_facts(read, prepared.data[name], task_type, tokenizer, prepared.experiment.data.max_length)
    found = [job.stage for job in own if job in wanted.there and not job.repeat]
    return facts | {"found": found, "seconds": _sum(_middle(spending.seconds(job)) for job in own if job in wanted.left)}


def _evidence(prepared: Prepared, catalog: Catalog) -> list[Job]:
    """All jobs that predictors and strategy need, with what these need in turn; trials are those of pilots."""
    experiment, facts = prepared.experiment, prepared.facts
    read = needed(experiment.selection, catalog)
    asked = [*task_jobs(experiment, facts, read)]
    for primary in experiment.primaries:
        asked += [*state_jobs(experiment, facts, read, primary), *gradient_jobs(experiment, facts, read, primary)]
    if "trials" in read:
        for pilot, candidates in pilot_trials(experiment, facts).items():
            selections = [prepared.usable(pilot, (Auxiliary(c),)) for c in candidates]
            asked += [Trial(primary=pilot, auxiliaries=selection) for selection in selections]
    return list(dict.fromkeys(job for later in asked for job in (*needs(later), later)))


def _made(store: Store, view: RunView) -> int:
    """How many trials of the run's strategy the store still has."""
    keys = {trial.key for told in view.trials.values() for trial in told}
    return sum(store.artifacts.find("trial", key, files=False) is not None for key in keys)


def _sum(values: Iterable[float | None]) -> float | None:
    """None where one is not known."""
    total = math.fsum(math.nan if value is None else value for value in values)
    return None if math.isnan(total) else round(total, 2)


def _middle(found: Range | None) -> float | None:
    return None if found is None else round(found.middle, 2)
