"""What a run would compute and what it would find, without computing anything."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from gradts_engine.config import Experiment
from gradts_engine.contracts import Auxiliary
from gradts_engine.errors import UsageError
from gradts_engine.events import Planned
from gradts_engine.hooks.catalog import Catalog
from gradts_engine.runtime import costs
from gradts_engine.runtime.costs import Range, Spending
from gradts_engine.runtime.described import data_facts, describe
from gradts_engine.runtime.gathering import gradient_jobs, pilot_trials, state_jobs, task_jobs
from gradts_engine.runtime.jobs import Job, Score, Trial, Tune, key, needs
from gradts_engine.runtime.prepare import Prepared, check, load_executor, prepare, run_id
from gradts_engine.runtime.ranking import needed, trials_of, unlearnt
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.trials import known, of_others
from gradts_engine.runtime.view import RunView


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
    types, data, encoder, facts = prepared.types, prepared.data, prepared.encoder, prepared.facts
    described = describe(experiment, types, data)
    run = store.folder(run_id(prepared))
    stored = of_others(known(store), facts, run.id) if "trials" in needed(experiment.selection, catalog) else ()
    if nothing := unlearnt(experiment, catalog, stored):
        raise UsageError(nothing)
    jobs = _evidence(prepared, catalog)
    there = [job for job in jobs if store.artifacts.find(job.stage, key(job, facts), files=False)]
    spending = Spending(prepared, store, executor.devices[0].name)
    spending.probe()
    done = {*there, *(need for job in there for need in needs(job))}
    tasks: list[dict[str, Any]] = []
    for read in described:
        name, task = read.task, data[read.task]
        own = [job for job in jobs if isinstance(job, Tune | Score) and job.task == name]
        found = [job.stage for job in own if job in there and not job.repeat]
        tasks.append(
            data_facts(read, task, types[name], encoder.tokenizer_for(types[name].word_level), experiment.data.max_length)
            | {"found": found, "seconds": _sum(_middle(spending.seconds(j)) for j in own if j not in done)}
        )
    made, trials = _found(store, run.view(), "trial"), trials_of(experiment, catalog)
    left = [job for job in jobs if job not in done]
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
        "evidence": {
            "pilot" if stage == "trial" else stage: {
                "jobs": sum(j.stage == stage for j in jobs),
                "found": sum(j.stage == stage for j in there),
            }
            for stage in dict.fromkeys(job.stage for job in jobs)
        },
        "seconds": _sum(task["seconds"] for task in tasks),
        "trials": trials[1],
        "trials found": made,
        "trial seconds": _middle(spending.trial()),
        "costs": spending.table(left, trials, made),
        "memory": costs.memory(facts, encoder.config, spending.parameters),
    }


def expected(prepared: Prepared, catalog: Catalog, store: Store, run: RunView, device: str) -> Planned | None:
    """What a run is expected to take, for its journal; None where it was begun before, or no earlier run tells of a
    pace."""
    if run.started:
        return None
    spending = Spending(prepared, store, device)
    if not spending.pace:
        return None
    jobs = _evidence(prepared, catalog)
    there = [job for job in jobs if store.artifacts.find(job.stage, key(job, prepared.facts), files=False)]
    done = {*there, *(need for job in there for need in needs(job))}
    left = [job for job in jobs if job not in done]
    table = spending.table(left, trials_of(prepared.experiment, catalog), 0)
    times = {stage: (row["low"], row["high"]) for stage, row in table.items() if row["high"] is not None}
    return Planned({stage: row["jobs"] for stage, row in table.items()}, times)


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


def _found(store: Store, view: RunView, stage: str) -> int:
    """How many results of a stage the run knows and the store still has."""
    keys = {s.key for s in view.of(stage) if s.finished}
    return sum(store.artifacts.find(stage, key, files=False) is not None for key in keys)


def _sum(values: Iterable[float | None]) -> float | None:
    """None where one is not known."""
    total = math.fsum(math.nan if value is None else value for value in values)
    return None if math.isnan(total) else round(total, 1)


def _middle(found: Range | None) -> float | None:
    return None if found is None else round(found.middle, 1)
