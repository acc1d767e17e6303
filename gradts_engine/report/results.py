"""What a run found, read from its events and artifacts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from gradts_engine.events import Judged, TaskRead, TrialScored
from gradts_engine.repeats import Repeats
from gradts_engine.report.arrays import artifact, count_kept
from gradts_engine.report.records import (
    THRESHOLDS,
    Chosen,
    Final,
    Judgement,
    Prediction,
    PrimaryResults,
    Ranked,
    RunResults,
    TaskResults,
    Trial,
)
from gradts_engine.runtime.artifacts import TAU, Artifact
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.runtime.view import RunView
from gradts_engine.words import number, score


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
        pilots={task: _trials(told) for task, told in view.pilots.items()},
        primaries={p: _primary(view, p, correlations[p]) for p in primaries},
        warnings=tuple(warnings),
        precision=dict(started.precision) if started else {},
    )


def _data(store: Store, view: RunView, task: TaskRead, warn: Callable[[str], None]) -> TaskResults:
    scored = artifact(store, view, "score", task.task, warn, files=False)
    tuned = None if scored else artifact(store, view, "tune", task.task, warn, files=False)
    dev = number(scored.result["dev"] if scored else tuned.result["score"] if tuned else None)
    said = []
    if dev is not None and task.chance is not None and task.constant is not None and dev <= task.chance:
        said.append(
            f"the tuned model may have learned nothing: {task.metric} {score(dev)} on dev cannot be told from the "
            f"{score(task.constant)} of an answer that is always the same, and its ranking may be one of noise"
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
    return PrimaryResults(
        metric=view.tasks[primary].metric if primary in view.tasks else None,
        predictor=view.predicted[primary].predictor if primary in view.predicted else None,
        ranking=_ranking(view, primary, correlation),
        verdicts={" + ".join(j.auxiliaries): _judgement(j) for j in view.verdicts.get(primary, ())},
        kept={a: kept(tau) for a, tau in correlation.arrays(TAU).items()} if correlation else {},
        trials=_trials(view.trials.get(primary, ())),
        proposed=_chosen(proposal.auxiliaries) if proposal else None,
        digest=proposal.digest if proposal else None,
        confirmed=_chosen(decision.auxiliaries) if decision else None,
        final=_final(view, primary),
        judged_by=view.tasks[primary].judged_by if primary in view.tasks else "",
    )


def _trials(told: Iterable[TrialScored]) -> tuple[Trial, ...]:
    return tuple(Trial(tuple(t.auxiliaries), dict(t.auxiliaries), number(t.score), t.reason, t.repeat) for t in told)


def _judgement(judged: Judged) -> Judgement:
    gain, low, high = number(judged.gain), number(judged.low), number(judged.high)
    instances = sum(judged.auxiliaries.values())
    return Judgement(judged.verdict, gain, low, high, judged.seeds, judged.rows, instances, judged.more)


def _prediction(values: Sequence[float]) -> Prediction:
    repeats = Repeats(tuple(values))
    low, high = repeats.interval()
    return Prediction(number(repeats.mean), number(low), number(high), len(values))


def _ranking(view: RunView, primary: str, correlation: Artifact | None) -> tuple[Ranked, ...]:
    """By what orders, or else by tau; tau and the cosine are those of the correlation, where there is one."""
    said = view.predicted.get(primary)
    told = said.values if said else {}
    tau = correlation.result["tau"] if correlation else {}
    cosine = correlation.result["embedding"] if correlation else {}
    candidates = tau or dict.fromkeys(a for of in told.values() for a in of)
    predictions = {a: {name: _prediction(of[a]) for name, of in told.items() if a in of} for a in candidates}

    def mean(name: str, a: str) -> float | None:
        return predictions[a][name].mean if name in predictions[a] else None

    rows = [
        Ranked(a, number(tau.get(a)), number(cosine.get(a)) if cosine else mean("embedding", a), predictions[a])
        for a in candidates
    ]
    by = said.predictor if said else ""

    def value(row: Ranked) -> float | None:
        return mean(by, row.task) if by in row.predictors else row.tau

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
    verdict, gain, low, high = (said.verdict, said.gain, said.low, said.high) if said else (None, None, None, None)
    test, alone_test = number(final.test), number(final.alone_test)
    model, predictions = final.model, final.predictions
    return Final(number(final.score), model, test, number(alone), alone_test, verdict, gain, low, high, predictions)


def kept(tau: np.ndarray) -> dict[str, int]:
    """How many instances each threshold would keep: a threshold means nothing before one has seen this."""
    return {str(threshold): count_kept(tau, threshold=threshold) for threshold in THRESHOLDS}
