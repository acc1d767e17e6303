"""What is known of a trial: what it was made with, and what makes two of them comparable.

That is where encoder and settings are the same (their *protocol*), and the primary's rows and metric too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradts_engine.contracts import Auxiliary
from gradts_engine.digests import digest
from gradts_engine.runtime.facts import Facts
from gradts_engine.runtime.jobs import Trial
from gradts_engine.runtime.prepare import Prepared


@dataclass(frozen=True, order=True)
class Known:
    """A trial: `score` in units of the metric, NaN where the training failed. `protocol` is a digest of encoder and settings,
    `data` of the primary's train and dev rows, `rows` of each auxiliary's train rows, `run_seed` that of tasks.toml, of which
    repeats are drawn; the last three are empty where that is not known. `run` made it; empty: it was imported."""

    primary: str
    auxiliaries: tuple[str, ...]
    repeat: int
    score: float
    metric: str = ""
    protocol: str = ""
    data: str = ""
    rows: tuple[str, ...] = ()
    run_seed: str = ""
    run: str = ""

    @property
    def identity(self) -> tuple[object, ...]:
        """What no two trials have in common."""
        return self.protocol, self.primary, self.auxiliaries, self.repeat, self.metric, self.data, self.rows, self.run_seed


def short(value: Any) -> str:
    """A digest that a person can still compare."""
    return digest(value)[:16]


def protocol(facts: Facts) -> str:
    """Digest of all that the trainings of two primaries have in common: encoder and settings, whatever the seed."""
    settings = facts.multitask.model_dump(mode="json", exclude={"seeds"})
    return short([facts.encoder, facts.encoder_version, facts.max_length, settings])


def data_of(facts: Facts, primary: str) -> str:
    """Digest of the rows that a primary is trained and judged with."""
    return short([facts.tasks[primary].digests[split] for split in ("train", "dev")])


def rows_of(facts: Facts, task: str) -> str:
    """Digest of the rows that an auxiliary is trained with."""
    return short(facts.tasks[task].digests["train"])


def same_metric(one: str, other: str) -> bool:
    """Whether two trials are judged by the same, as far as that is known: earlier versions wrote `f1` for `f1 of yes`."""
    bare = " " not in one or " " not in other
    return "" in (one, other) or one == other or (bare and one.partition(" ")[0] == other.partition(" ")[0])


def about(job: Trial, prepared: Prepared) -> dict[str, Any]:
    """What is kept with a trial's result, so that others can learn from it; `whole`: its auxiliaries have all their rows, but for
    those that are left out of every training with this primary."""
    facts, names = prepared.facts, [a.task for a in job.auxiliaries]
    everything = prepared.usable(job.primary, tuple(map(Auxiliary, names)))
    return {
        "primary": job.primary,
        "auxiliaries": names,
        "repeat": job.repeat,
        "whole": sorted(everything) == sorted(job.auxiliaries),
        "protocol": protocol(facts),
        "data": data_of(facts, job.primary),
        "rows": [rows_of(facts, name) for name in names],
        "run_seed": facts.seed,
        "judged_by": facts.tasks[job.primary].metric,
    }
