"""What a run found, as frozen records. Everything that shows results (tables, JSON, the page, the terminal UI) renders these.

A score or tau that is missing or not finite is None throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from gradts_engine.events import Judged, TaskRead
from gradts_engine.repeats import Repeats
from gradts_engine.report.arrays import artifact, count_kept
from gradts_engine.runtime.artifacts import TAU, Artifact
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.runtime.view import RunView
from gradts_engine.words import number

SEEDS = {"output": "0.54-0.75", "input": "0.95-0.97"}
OTHERS = {"output": "0.33", "input": "0.75"}
"""Measured on 8 real tasks with a small encoder: tau of a task's own matrix over two seeds, mean tau of different tasks."""

THRESHOLDS = tuple(round(-0.2 + 0.1 * i, 1) for i in range(12))
"""For which `PrimaryResults.kept` counts instances."""


def caveat(axis: str) -> str:
    """What a reader of a ranking has to know."""
    return (
        "A ranking is a short-list, not a verdict: on real tasks, changing only the seed moved a task's own ranking to "
        f"tau {SEEDS[axis]} with itself ({axis} axis), while different tasks sat at {OTHERS[axis]} on average. The trials "
        "decide, and the trials of one seed are noisy too."
    )


@dataclass(frozen=True)
class TaskResults:
    """Sizes of a task's splits (None: it has none), bad rows left out (`skipped`), texts longer than max_length (`cut`), and the
    best dev score of the model that was tuned on it alone. What else there is: see `events.TaskRead`."""

    task: str
    type: str
    train: int | None
    dev: int | None
    test: int | None
    skipped: int
    cut: int
    metric: str
    dev_score: float | None
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    overlap: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    duplicates: int = 0
    constant: float | None = None
    warnings: tuple[str, ...] = ()
    judged_by: str = ""


@dataclass(frozen=True)
class Ranked:
    """A candidate: its tau with the primary, and the cosine of mean encoder states."""

    task: str
    tau: float | None
    embedding: float | None
    predictors: Mapping[str, Prediction] = field(default_factory=dict)
    """What each chosen predictor says of it."""


@dataclass(frozen=True)
class Prediction:
    """What a predictor says of a candidate: mean over repeats, its 95% interval, and how many there are."""

    mean: float | None
    low: float | None
    high: float | None
    repeats: int


@dataclass(frozen=True)
class Judgement:
    """A verdict on a selection against the primary alone: the gain and its 95% interval in units of the metric, how many seeds
    and dev rows judged, how many train instances of the auxiliaries took part; `more`: seeds that it would take to know, None
    where no number would do."""

    verdict: str
    gain: float | None
    low: float | None
    high: float | None
    seeds: int
    rows: int
    instances: int
    more: int | None


@dataclass(frozen=True)
class Trial:
    """One multi-task training: with how many `instances` of each auxiliary, and its best dev score, or why there is none."""

    auxiliaries: tuple[str, ...]
    instances: Mapping[str, int]
    score: float | None
    reason: str
    repeat: int


@dataclass(frozen=True)
class Chosen:
    """An auxiliary that was proposed or confirmed, and how many of its instances."""

    task: str
    instances: int


@dataclass(frozen=True)
class Final:
    """Dev and test score of a final model, and those of the primary trained alone; `model` is its folder."""

    score: float | None
    model: str
    test: float | None
    alone: float | None
    alone_test: float | None
    verdict: str | None
    gain: float | None
    low: float | None
    high: float | None
    """What fresh seeds and rows said of this selection, where they were asked."""


@dataclass(frozen=True)
class PrimaryResults:
    """What was found for one primary, as far as the run has come.

    `ranking` by falling value of the `predictor`, else of tau; `kept[candidate][threshold]` counts the instances that each of
    `THRESHOLDS` would keep; `proposed` and `confirmed` are None before there is such a thing, and empty where it is the primary
    alone.
    """

    metric: str | None
    predictor: str | None
    """The one that ordered the candidates."""
    ranking: tuple[Ranked, ...]
    verdicts: Mapping[str, Judgement]
    """By auxiliaries, several as `a + b`."""
    kept: Mapping[str, Mapping[str, int]]
    trials: tuple[Trial, ...]
    proposed: tuple[Chosen, ...] | None
    digest: str | None
    confirmed: tuple[Chosen, ...] | None
    final: Final | None
    judged_by: str = ""

    @property
    def alone(self) -> float | None:
        """Best dev score of trial 0, the primary alone."""
        return next((t.score for t in self.trials if not t.auxiliaries and not t.repeat), None)


@dataclass(frozen=True)
class RunResults:
    """All results of a run. `tau[primary][candidate]`; `warnings` tell of stored results that are damaged or were removed."""

    run: str
    state: str
    encoder: str | None
    settings: Mapping[str, Any]
    tasks: tuple[str, ...]
    data: tuple[TaskResults, ...]
    tau: Mapping[str, Mapping[str, float | None]]
    primaries: Mapping[str, PrimaryResults]
    warnings: tuple[str, ...]


def as_json(found: RunResults) -> dict[str, Any]:
    """The records as JSON has them: `results --json`."""
    return asdict(found, dict_factory=lambda pairs: {"dev score" if k == "dev_score" else k: _plain(v) for k, v in pairs})


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def results(store: Store, run: RunFolder) -> RunResults:
    """All results of a run, as far as it has come."""
    return results_of(store, run.view(), run.id, run.state())


def results_of(store: Store, view: RunView, run: str, state: str) -> RunResults:
    """`results` of a run whose events were read before."""
    started, warnings = view.started, list[str]()
    primaries = started.primaries if started else ()
    correlations = {p: artifact(store, view, "correlate", p, warnings.append) for p in primaries}
    return RunResults(
        run=run,
        state=state,
        encoder=started.encoder if started else None,
        settings=dict(started.settings) if started else {},
        tasks=started.tasks if started else (),
        data=tuple(_data(store, view, task, warnings.append) for task in view.tasks.values()),
        tau={p: {a: number(x) for a, x in found.result["tau"].items()} for p, found in correlations.items() if found},
        primaries={p: _primary(view, p, correlations[p]) for p in primaries},
        warnings=tuple(warnings),
    )


def _data(store: Store, view: RunView, task: TaskRead, warn: Callable[[str], None]) -> TaskResults:
    scored = artifact(store, view, "score", task.task, warn, files=False)
    dev = number(scored.result["dev"]) if scored else None
    said = []
    if dev is not None and task.chance is not None and task.constant is not None and dev <= task.chance:
        said.append(
            f"the tuned model may have learned nothing: {task.metric} {dev:.4f} on dev cannot be told from the "
            f"{task.constant:.4f} of an answer that is always the same, and its ranking may be one of noise"
        )
    return TaskResults(
        task=task.task,
        type=task.type,
        train=task.sizes.get("train"),
        dev=task.sizes.get("dev"),
        test=task.sizes.get("test"),
        skipped=sum(task.skipped.values()),
        cut=sum(n for (name, _), n in view.truncated.items() if name == task.task),
        metric=task.metric,
        dev_score=None if dev is None else round(dev, 4),
        classes=task.classes,
        overlap=task.overlap,
        duplicates=task.duplicates,
        constant=task.constant,
        warnings=(*task.warnings, *said),
        judged_by=task.judged_by or task.metric,
    )


def _primary(view: RunView, primary: str, correlation: Artifact | None) -> PrimaryResults:
    proposal, decision = view.proposals.get(primary), view.confirmed(primary)
    trials = tuple(
        Trial(tuple(t.auxiliaries), dict(t.auxiliaries), number(t.score), t.reason, t.repeat)
        for t in view.trials.get(primary, ())
    )
    return PrimaryResults(
        metric=view.tasks[primary].metric if primary in view.tasks else None,
        predictor=view.predicted[primary].predictor if primary in view.predicted else None,
        ranking=_ranking(view, primary, correlation) if correlation else (),
        verdicts={" + ".join(j.auxiliaries): _judgement(j) for j in view.verdicts.get(primary, ())},
        kept={a: kept(tau) for a, tau in correlation.arrays(TAU).items()} if correlation else {},
        trials=trials,
        proposed=_chosen(proposal.auxiliaries) if proposal else None,
        digest=proposal.digest if proposal else None,
        confirmed=_chosen(decision.auxiliaries) if decision else None,
        final=_final(view, primary),
        judged_by=view.tasks[primary].judged_by if primary in view.tasks else "",
    )


def _judgement(judged: Judged) -> Judgement:
    gain, low, high = number(judged.gain), number(judged.low), number(judged.high)
    instances = sum(judged.auxiliaries.values())
    return Judgement(judged.verdict, gain, low, high, judged.seeds, judged.rows, instances, judged.more)


def _prediction(values: Sequence[float]) -> Prediction:
    repeats = Repeats(tuple(values))
    low, high = repeats.interval()
    return Prediction(number(repeats.mean), number(low), number(high), len(values))


def _ranking(view: RunView, primary: str, correlation: Artifact) -> tuple[Ranked, ...]:
    said = view.predicted.get(primary)
    told = said.values if said else {}
    rows = [
        Ranked(
            a,
            number(x),
            number(correlation.result["embedding"][a]),
            {name: _prediction(of[a]) for name, of in told.items() if a in of},
        )
        for a, x in correlation.result["tau"].items()
    ]
    by = said.predictor if said else ""

    def value(row: Ranked) -> float | None:
        return row.predictors[by].mean if by in row.predictors else row.tau

    return tuple(sorted(rows, key=lambda row: -math.inf if (x := value(row)) is None else x, reverse=True))


def _chosen(auxiliaries: Mapping[str, int]) -> tuple[Chosen, ...]:
    return tuple(Chosen(task, count) for task, count in auxiliaries.items())


def _final(view: RunView, primary: str) -> Final | None:
    final = view.finals.get(primary)
    alone = next((t.score for t in view.trials.get(primary, ()) if not t.auxiliaries and not t.repeat), None)
    decision = view.confirmed(primary)
    chosen = dict(decision.auxiliaries) if decision else None
    said = next((_judgement(j) for j in view.verdicts.get(primary, ()) if dict(j.auxiliaries) == chosen), None)
    if final is None:
        return None
    told = (said.verdict, said.gain, said.low, said.high) if said else (None, None, None, None)
    return Final(number(final.score), final.model, number(final.test), number(alone), number(final.alone_test), *told)


def kept(tau: np.ndarray) -> dict[str, int]:
    """How many instances each threshold would keep: a threshold means nothing before one has seen this."""
    return {str(threshold): count_kept(tau, threshold=threshold) for threshold in THRESHOLDS}
