"""What a run found, and how two runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gradts_engine import words
from gradts_engine.tables.matrix import Matrix
from gradts_engine.tables.records import label, records

if TYPE_CHECKING:
    from gradts_engine.report import (
        Chosen,
        Comparison,
        Interval,
        Judgement,
        Prediction,
        PrimaryResults,
        Ranked,
        RunResults,
        Spent,
        TaskResults,
        Trial,
    )


def data(tasks: Sequence[TaskResults]) -> Table:
    """Sizes of the tasks, and what each reaches alone."""
    counts = ("train", "dev", "test", "skipped", "cut")
    return records(
        [
            {
                "task": t.task,
                **{name: getattr(t, name) for name in counts},
                "dev score": f"{t.judged_by or t.metric} {words.score(t.dev_score)}",
            }
            for t in tasks
        ]
    )


def _names(auxiliaries: Sequence[Chosen] | None) -> str:
    if auxiliaries is None:
        return "not yet"
    return ", ".join(f"{a.task} ({a.instances} instances)" for a in auxiliaries) or "none: the primary alone"


def thresholds(kept: Mapping[str, Mapping[str, int]]) -> Table:
    """How many instances of each auxiliary a threshold would keep."""
    limits = list(next(iter(kept.values()), {}))
    return records([{"tau >=": limit, **{task: counts[limit] for task, counts in kept.items()}} for limit in limits])


def ranking(ranked: Sequence[Ranked]) -> Table:
    """Candidates in order, with what every predictor says of each; where there are several seeds, with the interval over them,
    and of tau that over instances beside it."""
    rows = []
    for i, r in enumerate(ranked, 1):
        said = {name: f"{words.score(p.mean)}{_interval(p)}" for name, p in r.predictors.items()}
        known = {"tau": words.score(r.tau), "embedding": words.score(r.embedding)}
        over = {"tau over instances": _interval(r.over_instances).strip()} if r.over_instances else {}
        rows.append({"rank": i, "candidate": r.task} | said | {k: v for k, v in known.items() if k not in said} | over)
    names = dict.fromkeys(name for row in rows for name in row)
    return records([{name: row.get(name, "-") for name in names} for row in rows])


def _interval(of: Prediction | Interval | None) -> str:
    """Its limits, after a space; nothing where they are not known."""
    return "" if of is None or of.low is None or of.high is None else f" [{of.low:.2f}, {of.high:.2f}]"


def reliability(tasks: Sequence[TaskResults]) -> Table:
    """How far each task's ranking of heads agrees with itself, and what that means."""
    return records(
        [
            {
                "task": t.task,
                "halves": _two_digits(t.reliability.halves),
                "seeds": _two_digits(t.reliability.seeds),
                "": t.reliability.said,
            }
            for t in tasks
            if t.reliability
        ]
    )


def _two_digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def verdicts(found: Mapping[str, Judgement]) -> Table:
    """What fresh seeds and rows say of what was tried, in points; the two sources of chance beside both together."""
    from gradts_engine.report import to_know  # late: lists of plugins and the like need no numpy

    def span(of: Judgement | Interval) -> str:
        return "-" if of.low is None or of.high is None else f"{100 * of.low:+.1f} to {100 * of.high:+.1f}"

    return records(
        [
            {
                "trained with": name,
                "verdict": v.verdict,
                "gain": "-" if v.gain is None else f"{100 * v.gain:+.1f}",
                "95%": span(v),
                "over rows": span(v.over_rows),
                "over seeds": span(v.over_seeds),
                "seeds": v.seeds,
                "rows": v.rows,
                "to know": to_know(v) if v.verdict == "undecided" else "",
            }
            for name, v in found.items()
        ]
    )


def trials(found: PrimaryResults) -> Table:
    """What was tried, and how far each trial lies above the primary alone in the same repeat, where there is one."""
    several = any(t.repeat for t in found.trials)
    return records(
        [
            ({"seed": t.repeat + 1} if several else {})
            | {
                "trained with": " + ".join(f"{task} ({n})" for task, n in t.instances.items()) or "(alone)",
                "dev": words.score(t.score),
                "against alone": gain(t.score, found.alone_in(t.repeat)) if t.auxiliaries else "",
                "took": words.duration(t.seconds),
                "": t.reason,
            }
            for t in found.trials
        ]
    )


def pilots(found: Mapping[str, Sequence[Trial]]) -> Table:
    """Scores of pilots, a row a candidate and a column a pilot."""
    scores = {(a, pilot): words.score(t.score) for pilot, trials in found.items() for t in trials for a in t.auxiliaries}
    candidates = dict.fromkeys(candidate for candidate, _ in scores)
    return records([{"candidate": c, **{pilot: scores.get((c, pilot), "") for pilot in found}} for c in candidates])


def primary_results(primary: str, found: PrimaryResults, settings: Mapping[str, Any]) -> RenderableType:
    """Ranking, trials, verdicts, choice and gain of one primary."""
    from gradts_engine.report import expected, without_verdict

    parts: list[RenderableType] = [label(f"{primary} ({found.judged_by or found.metric})", "bold")]
    if found.ranking:
        seeds = max((p.repeats for r in found.ranking for p in r.predictors.values()), default=1)
        over = f"; [ ]: 95% over {seeds} seeds" if seeds > 1 else "; one seed, which says nothing of others"
        parts += [label(f"candidates by {found.predictor or 'tau'}{over}:"), ranking(found.ranking)]
    if found.trials:
        equal = "equal optimiser steps" if settings["multitask"]["length"] == "steps" else "equal epochs"
        parts += [Text(f"trials, best dev score of each at {equal}:"), trials(found)]
    if found.verdicts:
        parts += [Text("gains in points on fresh seeds and dev rows that no choice was made on:"), verdicts(found.verdicts)]
    if found.unjudged:
        parts += [label(without_verdict(found.unjudged), "dim"), Text()]
    chosen = {a.task: found.kept[a.task] for a in found.proposed or () if a.task in found.kept}
    if settings["selection"]["strategy"] == "fine-grained" and chosen:
        parts += [Text("instances that a threshold would keep:"), thresholds(chosen)]
    parts.append(label(found.answer))
    parts.append(label(f"proposed:  {_names(found.proposed)}"))
    parts.append(label(f"confirmed: {_names(found.confirmed)}"))
    if final := found.final:
        dev = _compared("dev", final.score, final.alone)
        parts.append(dev.append(f"  {expected(e)}" if (e := final.expected) else ""))
        if final.test is not None:
            parts.append(_compared("test", final.test, final.alone_test))
        elif final.predictions:
            parts.append(Text("test:      predictions, no score"))
        if final.predictions:
            parts.append(label(f"answers:   {final.predictions}"))
        parts += [part for split, types in final.types.items() for part in (Text(f"{split} spans by type:"), span_types(types))]
        parts.append(label(f"model:     {final.model}"))
    return Group(*parts, Text(""))


def span_types(types: Mapping[str, Mapping[str, float]]) -> Table:
    """Precision, recall and F1 of each type of spans, and how many true ones there are."""
    return records(
        [
            {
                "type": kind,
                **{name: words.score(row[name]) for name in ("precision", "recall", "f1")},
                "spans": int(row["support"]),
            }
            for kind, row in types.items()
        ]
    )


def gain(value: float | None, alone: float | None) -> Text:
    """How far a score lies above another, with its sign: green where it is better, red where it is worse."""
    signed = words.gain(value, alone)
    return Text(signed, {"+": "green", "-": "red"}.get(signed[:1], "") if signed.strip("+-0.") else "")


def _compared(split: str, value: float | None, alone: float | None) -> Text:
    return Text(f"{split + ':':<11}{words.score(value)}  alone {words.score(alone)}  ").append_text(gain(value, alone))


def run_results(found: RunResults) -> RenderableType:
    """Everything that `report.results` says of a run."""
    tau = {(a, p): x for p, row in found.tau.items() for a, x in row.items()}
    size = "" if found.size is None else f", {found.size / 1e6:.2f} MB"
    parts: list[RenderableType] = [
        label(f"run {found.run}: {found.state}, encoder {found.encoder}{words.formats(found.precision)}{size}", "bold"),
        *([label(found.reason, "red")] if found.reason else []),
        Text(""),
    ]
    if found.data:
        parts += [
            Text(
                "tasks, each tuned alone (skipped: bad rows; cut: texts longer than max_length, words beyond it count as wrong):"
            ),
            data(found.data),
            *(label(f"{t.task}: {warning}", "yellow") for t in found.data for warning in t.warnings),
        ]
    if tau:
        parts += [
            Text("Kendall's tau between head rankings (columns: primaries):"),
            Matrix(found.tasks, list(found.tau), tau),
        ]
        if any(t.reliability for t in found.data):
            parts += [Text("how far each task's ranking agrees with itself (tau):"), reliability(found.data)]
        parts += [Text(), Text(found.caveat, "dim"), Text("")]
    if found.pilots:
        parts += [Text("pilots, what candidates do for other tasks (dev scores):"), pilots(found.pilots), Text("")]
    parts += [primary_results(p, result, found.settings) for p, result in found.primaries.items()]
    if told := [s for s in found.spent if s.planned]:
        parts += [Text("time, as planned when the run began and as it was:"), spent(told)]
    return Group(*parts)


def spent(found: Sequence[Spent]) -> Table:
    """What stages took against what was planned."""
    return records(
        [
            {
                "stage": s.stage,
                "computed": s.computed,
                "planned": " to ".join(map(words.duration, s.planned)) if s.planned else "",
                "took": words.duration(s.seconds),
            }
            for s in found
        ]
    )


def comparison(found: Comparison) -> RenderableType:
    """Two runs side by side, which the headings call A and B: names of runs are long."""
    parts: list[RenderableType] = [*(label(f"{x}: {run}", "bold") for x, run in zip("AB", found.runs, strict=True)), Text("")]
    if found.settings:
        parts += [
            Text("settings that differ:"),
            records([{"setting": p.name, "A": p.first, "B": p.second} for p in found.settings]),
        ]
    else:
        parts += [Text("no setting differs"), Text()]
    if not found.scores:
        parts.append(Text("they have no primary in common: there are no rankings and scores to compare"))
    for primary, scores in found.scores.items():
        chosen, ranks = found.chosen[primary], {p.name: p for p in found.ranks[primary]}
        metric = found.metrics[primary]
        judged = metric.first if metric.first == metric.second else f"A: {metric.first}, B: {metric.second}, not to be compared"
        parts.append(label(f"{primary} ({judged})", "bold"))
        rows = [
            {"candidate": p.name, "rank A": ranks[p.name].first or "-", "rank B": ranks[p.name].second or "-"}
            | {"tau A": words.score(p.first), "tau B": words.score(p.second)}
            for p in found.tau[primary]
        ]
        parts.append(records(rows))
        results = [{"": p.name, "A": words.score(p.first), "B": words.score(p.second)} for p in scores]
        parts.append(records([*results, {"": chosen.name, "A": chosen.first or "-", "B": chosen.second or "-"}]))
    return Group(*parts)
