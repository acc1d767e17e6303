"""Two runs side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gradts_engine.report.records import PrimaryResults, RunResults


@dataclass(frozen=True)
class Pair:
    """A value of two runs; None where a run has none."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Comparison:
    """Settings, metrics and rows of tasks that differ; and of every primary that both runs have, tau and rank (from 1) of each
    candidate, and the scores."""

    runs: tuple[str, str]
    settings: tuple[Pair, ...]
    tau: Mapping[str, tuple[Pair, ...]]
    ranks: Mapping[str, tuple[Pair, ...]]
    chosen: Mapping[str, Pair]
    metrics: Mapping[str, Pair]
    scores: Mapping[str, tuple[Pair, ...]]


def compare(first: RunResults, second: RunResults) -> Comparison:
    """What two runs have in common, and what not."""
    tasks = {*first.tasks} & {*second.tasks}  # of the others it is said that one run has them
    digests = all(task.digests for r in (first, second) for task in r.data)  # an earlier version did not tell
    a, b = (
        {"encoder": r.encoder, "tasks": " ".join(r.tasks), "primary": " ".join(r.primaries)}
        | dict(flat(r.settings))
        | _data(r, tasks, digests)
        for r in (first, second)
    )
    both = [p for p in first.primaries if p in second.primaries]
    pairs = {p: (first.primaries[p], second.primaries[p]) for p in both}
    return Comparison(
        runs=(first.run, second.run),
        settings=tuple(Pair(name, a.get(name), b.get(name)) for name in a | b if a.get(name) != b.get(name)),
        tau={p: _joined(*({r.task: r.tau for r in x.ranking} for x in pair)) for p, pair in pairs.items()},
        ranks={p: _joined(*({r.task: i for i, r in enumerate(x.ranking, 1)} for x in pair)) for p, pair in pairs.items()},
        chosen={p: Pair("chosen", *map(_chosen, pair)) for p, pair in pairs.items()},
        metrics={p: Pair("metric", *(x.judged_by or x.metric for x in pair)) for p, pair in pairs.items()},
        scores={p: _joined(*map(_scores, pair)) for p, pair in pairs.items()},
    )


def _data(found: RunResults, tasks: Collection[str], digests: bool) -> dict[str, Any]:
    """What some tasks are judged by, and how many rows they have; where these have `digests`, which rows."""
    told: dict[str, Any] = {}
    for task in found.data:
        if task.task in tasks:
            told[f"metric of {task.task}"] = task.judged_by or task.metric
            for split, rows in (("train", task.train), ("dev", task.dev), ("test", task.test)):
                digest = task.digests.get(split, "")[:8] if digests else ""
                told[f"{split} rows of {task.task}"] = f"{rows} ({digest})" if digest else rows
    return told


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Pair, ...]:
    return tuple(Pair(name, first.get(name), second.get(name)) for name in {**first, **second})


def _scores(found: PrimaryResults) -> dict[str, float | None]:
    final = found.final
    if final is None:
        return {"dev alone": found.alone, "dev": None, "test alone": None, "test": None}
    return {"dev alone": found.alone, "dev": final.score, "test alone": final.alone_test, "test": final.test}


def _chosen(found: PrimaryResults) -> str | None:
    chosen = found.confirmed if found.confirmed is not None else found.proposed
    return None if chosen is None else ", ".join(f"{a.task} ({a.instances})" for a in chosen) or "alone"


def flat(settings: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    """`training.epochs` and its like, with their values."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}{key}.")
        else:
            yield f"{name}{key}", value
