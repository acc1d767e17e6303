"""How far the rankings of a run agree with themselves, kept before the importance that it is made from is removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial

import numpy as np

from gradts_engine.repeats import Repeats
from gradts_engine.runtime.artifacts import RAW, Artifact, Result
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.jobs import stage_key
from gradts_engine.runtime.shards import read_raw
from gradts_engine.scoring.bootstrap import Resampled, between, halves, resampled, tau_interval
from gradts_engine.words import number


def measure_reliability(
    driver: Driver, candidates: Mapping[str, Sequence[str]], scores: Mapping[str, Sequence[Artifact | None]]
) -> None:
    """For each primary: where its tau with each of its candidates lies over instances, and the tau of each task with itself,
    between halves of its instances and between repeats. `scores[task][repeat]`, None where a training failed."""
    places = {task: place for place, task in enumerate(sorted(scores))}

    def shards(artifact: Artifact) -> Iterator[np.ndarray]:
        for shard in read_raw(artifact.folder / RAW):
            driver.control.check()
            yield shard

    @cache
    def drawn(task: str) -> Resampled:
        return resampled({r: shards(found) for r, found in enumerate(scores[task]) if found}, seed=places[task])

    @cache
    def of_halves(task: str) -> float | None:
        return number(Repeats(tuple(halves(shards(found), seed=places[task]) for found in scores[task] if found)).mean)

    def compute(primary: str) -> Result:
        tasks = [primary, *candidates[primary]]
        intervals = {c: tau_interval(drawn(primary), drawn(c)) for c in candidates[primary]}
        return {
            "instances": {c: None if number(low) is None else [low, high] for c, (low, high) in intervals.items()},
            "halves": {task: of_halves(task) for task in tasks},
            "seeds": {task: number(between(drawn(task).matrices.values())) for task in tasks},
            "repeats": {task: sum(found is not None for found in scores[task]) for task in tasks},
        }, lambda folder: None

    for primary, others in candidates.items():
        keys = {task: [found and found.key for found in scores[task]] for task in (primary, *others)}
        driver.make("reliability", primary, stage_key("reliability", primary=primary, scores=keys), partial(compute, primary))
