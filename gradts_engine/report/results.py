"""What a run found, read from its events and artifacts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradts_engine.events import Confirmed, Judged, Proposed, TaskRead, TrialScored
from gradts_engine.repeats import Repeats
from gradts_engine.report.answer import answer, unjudged
from gradts_engine.report.arrays import artifact, count_kept, instance_tau, left_out
from gradts_engine.report.history import history
from gradts_engine.report.records import (
    THRESHOLDS,
    Chosen,
    Expected,
    Final,
    Interval,
    Judgement,
    Prediction,
    PrimaryResults,
    Ranked,
    RunResults,
    TaskResults,
    Trial,
)
from gradts_engine.report.reliability import caveat, reliability
from gradts_engine.runtime.artifacts import Artifact
from gradts_engine.runtime.shelving import size
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.runtime.view import RunView
from gradts_engine.words import number, score


def results(store: Store, run: RunFolder) -> RunResults:
    """All results of a run, as far as it has come."""
    state, view = run.looked_at()
    return replace(results_of(store, view, run.id, state), size=size(store, run, view))


def results_of(store: Store, view: RunView, run: str, state: str) -> RunResults:
    """`results` of a run whose events were read before."""
    started, warnings = view.started, list[str]()
    primaries = started.primaries if started else ()
    correlations = {p: artifact(store, view, "correlate", p, warnings.append) for p in primaries}
    measured = {p: artifact(store, view, "reliability", p, warnings.append) for p in primaries}
    tau = {p: {a: number(x) for a, x in found.result["tau"].items()} for p, found in correlations.items() if found}
    itself = reliability([found.result for found in measured.values() if found], tau)
    return RunResults(
        run=run,
        state=state,
        encoder=started.encoder if started else None,
        settings=dict(started.settings) if started else {},
        tasks=started.tasks if started else (),
        data=tuple(
            replace(_data(store, view, task, warnings.append), reliability=itself.get(name)) for name, task in view.tasks.items()
        ),
        tau=tau,
        pilots={task: _trials(view, told) for task, told in view.pilots.items()},
        primaries={
            p: replace(
                _primary(view, store.folder(run), p, correlations[p], measured[p], instance_tau(store, view, p)),
                left_out={task: len(rows) for task, rows in left_out(store, view, p).items() if len(rows)},
            )
            for p in primaries
        },
        warnings=tuple(warnings),
        precision=dict(started.precision) if started else {},
        caveat=caveat(tau, itself),
        spent=history(view).spent,
        reason="; ".join(view.causes) if state == "failed" else "",
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
        digests=task.digests,
    )


def _primary(
    view: RunView,
    folder: RunFolder,
    primary: str,
    correlation: Artifact | None,
    measured: Artifact | None,
    taus: Mapping[str, np.ndarray],
) -> PrimaryResults:
    proposal, decision = view.proposals.get(primary), view.confirmed(primary)
    found = PrimaryResults(
        metric=view.tasks[primary].metric if primary in view.tasks else None,
        predictor=view.predicted[primary].predictor if primary in view.predicted else None,
        ranking=_ranking(view, primary, correlation, measured.result["instances"] if measured else {}),
        verdicts={" + ".join(j.auxiliaries): _judgement(view, j) for j in view.verdicts.get(primary, ())},
        kept={a: kept(tau) for a, tau in taus.items()},
        trials=_trials(view, view.trials.get(primary, ())),
        proposed=_chosen(proposal.auxiliaries) if proposal else None,
        digest=proposal.digest if proposal else None,
        confirmed=_chosen(decision.auxiliaries) if decision else None,
        final=_final(view, folder, primary),
        judged_by=view.tasks[primary].judged_by if primary in view.tasks else "",
        expected=_expected(view, primary, decision or proposal),
        places=view.predicted[primary].places if primary in view.predicted else {},
    )
    return replace(found, answer=answer(primary, found), unjudged=unjudged(found.trials, found.verdicts))


def _judgement(view: RunView, judged: Judged) -> Judgement:
    return Judgement(
        verdict=judged.verdict,
        gain=number(judged.gain),
        low=number(judged.low),
        high=number(judged.high),
        seeds=judged.seeds,
        rows=judged.rows,
        instances=sum(judged.auxiliaries.values()),
        more=judged.more,
        seconds=_seconds(view, judged),
        over_rows=Interval(number(judged.rows_low), number(judged.rows_high)),
        over_seeds=Interval(number(judged.seeds_low), number(judged.seeds_high)),
    )


def _trials(view: RunView, told: Iterable[TrialScored]) -> tuple[Trial, ...]:
    took = {stage.key: stage.seconds or None for stage in view.stages.values()}
    return tuple(
        Trial(tuple(t.auxiliaries), dict(t.auxiliaries), number(t.score), t.reason, t.repeat, took.get(t.key)) for t in told
    )


def _seconds(view: RunView, judged: Judged) -> float | None:
    """What it would take to know: so many trainings with the auxiliaries and alone, as long as those of this run took, on its
    devices side by side."""
    taken = [s.seconds for s in view.of("trial", judged.primary) if s.finished and s.seconds]
    if not taken or not judged.more:
        return None
    devices = len(view.started.devices) if view.started else 1
    return round(math.ceil(2 * judged.more / devices) * math.fsum(taken) / len(taken), 1)


def _expected(view: RunView, primary: str, chosen: Proposed | Confirmed | None) -> Expected | None:
    """What is to be expected of what was chosen, where that is the best of several."""
    said = view.expected.get(primary)
    if said is None or chosen is None or dict(said.auxiliaries) != dict(chosen.auxiliaries):
        return None
    return Expected(number(said.score), number(said.gain), said.of, said.how)


def _prediction(values: Sequence[float], correlation: bool) -> Prediction:
    repeats = Repeats(tuple(values))
    low, high = repeats.interval(correlation=correlation, exact=True)
    return Prediction(number(repeats.mean), number(low), number(high), len(repeats.finite))


def _ranking(
    view: RunView, primary: str, correlation: Artifact | None, instances: Mapping[str, Sequence[float] | None]
) -> tuple[Ranked, ...]:
    """By what orders, or else by tau; tau and the cosine are those of the correlation, where there is one."""
    said = view.predicted.get(primary)
    told = said.values if said else {}
    correlations = said.correlations if said else ()
    tau = correlation.result["tau"] if correlation else {}
    cosine = correlation.result["embedding"] if correlation else {}
    known = tau or {a for of in told.values() for a in of}
    order = view.started.tasks if view.started else sorted(known)  # that of tasks.toml, by which the strategy breaks ties
    candidates = [task for task in order if task in known]
    predictions = {
        a: {name: _prediction(of[a], name in correlations) for name, of in told.items() if a in of} for a in candidates
    }

    def mean(name: str, a: str) -> float | None:
        return predictions[a][name].mean if name in predictions[a] else None

    rows = [
        Ranked(
            a,
            number(tau.get(a)),
            number(cosine.get(a)) if cosine else mean("embedding", a),
            predictions[a],
            Interval(*limits) if (limits := instances.get(a)) else None,
        )
        for a in candidates
    ]
    by = said.predictor if said else ""

    def value(row: Ranked) -> float | None:
        return mean(by, row.task) if by in row.predictors else row.tau

    return tuple(sorted(rows, key=lambda row: -math.inf if (x := value(row)) is None else x, reverse=True))


def _chosen(auxiliaries: Mapping[str, int]) -> tuple[Chosen, ...]:
    return tuple(Chosen(task, count) for task, count in auxiliaries.items())


def _final(view: RunView, folder: RunFolder, primary: str) -> Final | None:
    final = view.finals.get(primary)
    alone = next((t.score for t in view.trials.get(primary, ()) if not t.auxiliaries and not t.repeat), None)
    decision = view.confirmed(primary)
    chosen = dict(decision.auxiliaries) if decision else None
    said = next((_judgement(view, j) for j in view.verdicts.get(primary, ()) if dict(j.auxiliaries) == chosen), None)
    if final is None:
        return None
    return Final(
        score=number(final.score),
        model=_here(final.model, folder),
        test=number(final.test),
        alone=number(alone),
        alone_test=number(final.alone_test),
        verdict=said.verdict if said else None,
        gain=said.gain if said else None,
        low=said.low if said else None,
        high=said.high if said else None,
        expected=_expected(view, primary, decision),
        predictions=_here(final.predictions, folder),
        types=final.types,
    )


def _here(path: str, folder: RunFolder) -> str:
    """A file of a run, whose store may have been moved or copied since it was written."""
    here = folder.path.absolute() / path.rpartition(f"/{folder.id}/")[2]
    return str(here) if path and here.exists() else path


def kept(tau: np.ndarray) -> dict[str, int]:
    """How many instances each threshold would keep: a threshold means nothing before one has seen this."""
    return {str(threshold): count_kept(tau, threshold=threshold) for threshold in THRESHOLDS}
