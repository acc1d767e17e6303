"""Results as rich tables. One renderer draws every matrix: digits in each cell, on a ramp of rising brightness."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.style import Style
from rich.table import Table
from rich.text import Text

from gradts_engine import words
from gradts_engine.printing import printable

if TYPE_CHECKING:
    from gradts_engine.report import Chosen, Comparison, PrimaryResults, Ranked, RunResults, TaskResults

Ramp = tuple[tuple[str, str], ...]
"""Background and ink of each step, from low to high. Each background is brighter than the one before, so that a ramp reads
without colour vision."""

VIRIDIS: Ramp = (
    ("#2d0a4e", "#ffffff"),
    ("#3b2f80", "#ffffff"),
    ("#31608d", "#ffffff"),
    ("#218f8b", "#ffffff"),
    ("#4fbf6b", "#000000"),
    ("#b5de2b", "#000000"),
)
"""After viridis."""

SIXTEEN: Ramp = (
    ("#000000", "#ffffff"),
    ("#0000aa", "#ffffff"),
    ("#aa00aa", "#ffffff"),
    ("#00aa00", "#000000"),
    ("#00aaaa", "#000000"),
    ("#ffff55", "#000000"),
)
"""Black, blue, magenta, green, cyan and yellow, for terminals of 16 colours."""


def label(value: object, style: str = "") -> Text:
    """Anything from data, tasks, plugins or files, as rich may draw it: `printable`, and never read as markup. What is
    appended to it has a style of its own."""
    return Text().append(printable(str(value)), style or None)


def cell(value: float | None, low: float, high: float, ramp: Ramp = VIRIDIS) -> Text:
    """A number of at most 1, two digits of it in at most four columns, on its place of the ramp between `low` and `high`."""
    if value is None or math.isnan(value):
        return Text("-", "dim")
    background, ink = shade(value, low, high, ramp)
    return Text(digits(value), Style(color=ink, bgcolor=background))


def shade(value: float, low: float, high: float, ramp: Ramp = VIRIDIS) -> tuple[str, str]:
    """Background and ink of a number on its place of the ramp between `low` and `high`."""
    share = (value - low) / (high - low) if high > low else 0.0
    return ramp[max(0, min(int(share * len(ramp)), len(ramp) - 1))]


def digits(value: float) -> str:
    """Two digits of a number of at most 1, in at most four columns."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.1f}"


def facts(values: Mapping[str, Any]) -> RenderableType:
    """Names beside their values; records and tuples take a line an entry, lists one line, empty values none."""
    table = Table.grid(padding=(0, 2))
    for name, value in values.items():
        if value not in ("", None, [], {}):
            table.add_row(label(name, "bold"), Group(*map(label, _entries(value))))
    return table


def truth(found: Mapping[str, Any]) -> RenderableType:
    """True gains of a study of pairs, in points, and how far the seeds agree."""
    rows = [
        {"primary": primary, "alone": entry["alone"], "auxiliary": name, **gain}
        for primary, entry in found["primaries"].items()
        for name, gain in entry["candidates"].items()
    ]
    agree = {primary: entry["reliability"] for primary, entry in found["primaries"].items()}
    summary = {key: found[key] for key in ("trainings", "seeds", "hours", "reliability")}
    return Group(records(rows), facts(summary | {"reliability by primary": agree if found["reliability"] is not None else None}))


def _entries(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        return (f"{key}: {entry}" for key, entry in value.items())
    if isinstance(value, tuple):
        return map(str, value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return (", ".join(map(str, value)),)
    return (str(value),)


@dataclass(frozen=True)
class Matrix:
    """A matrix with names; pairs that are missing stay empty. A terminal of 16 colours gets their ramp.

    `bounds` are the ends of the ramp, by default those of `values`; `cursor` is a cell to mark, its names too.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: Mapping[tuple[str, str], float | None]
    corner: str = ""
    bounds: tuple[float, float] | None = None
    cursor: tuple[str, str] | None = None

    @property
    def width(self) -> int:
        """Columns of a number: a sign takes one."""
        return 4 if any(v is not None and v <= -0.005 for v in self.values.values()) else 3

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.table(SIXTEEN if console.color_system == "standard" else VIRIDIS)

    def table(self, ramp: Ramp) -> Table:
        """Names, and a cell for each pair."""
        low, high = self.bounds or bounds(self.values.values())
        marked_row, marked_column = self.cursor or (None, None)
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column(Text(self.corner), no_wrap=True)
        for column in self.columns:  # long names fold, numbers do not; a width that is given is not measured cell by cell
            name, width = _name(column, column == marked_column), self.width if len(column) <= self.width else None
            table.add_column(name, justify="right", overflow="fold", min_width=self.width, width=width, no_wrap=width is not None)
        for row in self.rows:
            cells = [cell(self.values[row, c], low, high, ramp) if (row, c) in self.values else Text("") for c in self.columns]
            if row == marked_row and marked_column in self.columns:
                cells[self.columns.index(marked_column)].style = CURSOR
            table.add_row(_name(row, row == marked_row), *cells)
        return table


MARK = Style(bold=True, reverse=True)

CURSOR = Style(bold=True, reverse=True, color="#ffffff", bgcolor="#000000")
"""Black on white, whatever the screen's own colours are: no step of a ramp looks like it."""


def _name(name: str, marked: bool) -> Text:
    text = label(name)
    text.style = MARK if marked else ""
    return text


def bounds(values: Iterable[float | None]) -> tuple[float, float]:
    """The least and the greatest of the numbers among `values`."""
    finite = [v for v in values if v is not None and math.isfinite(v)]
    return min(finite, default=0.0), max(finite, default=1.0)


def heat_map(importance: Any) -> Matrix:
    """Task importance [L, H] with layers as rows, the last on top, and heads as columns, both counted from 0."""
    layers, heads = importance.shape
    values = {(str(i), str(h)): float(importance[i, h]) for i in range(layers) for h in range(heads)}
    return Matrix([str(i) for i in reversed(range(layers))], [str(h) for h in range(heads)], values, "layer \\ head")


WHOLE = 24
"""Longest name, in a column of names alone, that is never broken."""


def records(rows: Sequence[Mapping[str, object]]) -> Table:
    """A plain table of records with the same keys."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in rows[0] if rows else ():
        cells = [str(row[name]) for row in rows]
        whole = all(len(cell) <= WHOLE and " " not in cell for cell in (name, *cells))  # prose folds first, and between words
        justify: Literal["right", "left"] = "right" if isinstance(rows[0][name], int | float) else "left"
        table.add_column(label(name), justify=justify, overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(label("" if value is None else value) for value in row.values()))
    return table


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
    """Candidates in order, with what speaks for each."""
    rows = enumerate(ranked, 1)
    return records(
        [{"rank": i, "candidate": r.task, "tau": words.score(r.tau), "embedding": words.score(r.embedding)} for i, r in rows]
    )


def trials(found: PrimaryResults) -> Table:
    """What was tried, and how far each trial lies above the primary alone."""
    return records(
        [
            {
                "trained with": " + ".join(f"{task} ({n})" for task, n in t.instances.items()) or "(alone)",
                "dev": words.score(t.score),
                "against alone": words.gain(t.score, found.alone) if t.auxiliaries else "",
                "": t.reason,
            }
            for t in found.trials
        ]
    )


def primary_results(primary: str, found: PrimaryResults, settings: Mapping[str, Any]) -> RenderableType:
    """Ranking, trials, choice and gain of one primary."""
    parts: list[RenderableType] = [label(f"{primary} ({found.judged_by or found.metric})", "bold")]
    if found.ranking:
        parts += [Text("candidates by Kendall's tau of head rankings:"), ranking(found.ranking)]
    if found.trials:
        equal = "equal optimiser steps" if settings["multitask"]["length"] == "steps" else "equal epochs"
        parts += [Text(f"trials, best dev score of each at {equal}:"), trials(found)]
    chosen = {a.task: found.kept[a.task] for a in found.proposed or () if a.task in found.kept}
    if settings["selection"]["strategy"] == "fine-grained" and chosen:
        parts += [Text("instances that a threshold would keep:"), thresholds(chosen)]
    parts.append(label(f"proposed:  {_names(found.proposed)}"))
    parts.append(label(f"confirmed: {_names(found.confirmed)}"))
    if final := found.final:
        parts.append(label(_compared("dev", final.score, final.alone)))
        if final.test is not None:
            parts.append(label(_compared("test", final.test, final.alone_test)))
        parts.append(label(f"model:     {final.model}"))
    return Group(*parts, Text(""))


def _compared(split: str, value: float | None, alone: float | None) -> str:
    return f"{split + ':':<11}{words.score(value)}  alone {words.score(alone)}  {words.gain(value, alone)}"


def run_results(found: RunResults) -> RenderableType:
    """Everything that `report.results` says of a run."""
    from gradts_engine.report import caveat  # late: lists of plugins and the like need no numpy

    tau = {(a, p): x for p, row in found.tau.items() for a, x in row.items()}
    parts: list[RenderableType] = [
        label(f"run {found.run}: {found.state}, encoder {found.encoder}", "bold"),
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
        parts += [Text(), Text(caveat(found.settings["scoring"]["head_axis"]), "dim"), Text("")]
    parts += [primary_results(p, result, found.settings) for p, result in found.primaries.items()]
    return Group(*parts)


CLASSES = 20
"""Classes that are listed; the others are counted."""


def class_line(classes: Mapping[str, Mapping[str, int]]) -> str:
    """`3 classes: -1 (test only, 30), 0, 1`: how many rows have a class is said where train rows lack it."""
    names = []
    for name, counts in list(classes.items())[:CLASSES]:
        where = [split for split in counts if counts[split]]
        only = f" ({' and '.join(where)} only, {sum(counts.values())})" if where and not counts["train"] else ""
        names.append(name + (only if where else " (no row)"))
    more = f" and {len(classes) - CLASSES} more" if len(classes) > CLASSES else ""
    return f"{len(classes)} classes: {', '.join(names)}{more}"


def comparison(found: Comparison) -> RenderableType:
    """Two runs side by side."""
    first, second = found.runs
    parts: list[RenderableType] = [label(f"{first} and {second}", "bold"), Text("")]
    if found.settings:
        parts += [
            Text("settings that differ:"),
            records([{"setting": p.name, first: p.first, second: p.second} for p in found.settings]),
        ]
    else:
        parts.append(Text("no setting differs"))
    for primary, scores in found.scores.items():
        chosen, ranks = found.chosen[primary], {p.name: p for p in found.ranks[primary]}
        parts.append(label(primary, "bold"))
        rows = [
            {"candidate": p.name, f"rank {first}": ranks[p.name].first, f"rank {second}": ranks[p.name].second}
            | {f"tau {first}": words.score(p.first), f"tau {second}": words.score(p.second)}
            for p in found.tau[primary]
        ]
        parts.append(records(rows))
        results = [{"": p.name, first: words.score(p.first), second: words.score(p.second)} for p in scores]
        parts.append(records([*results, {"": chosen.name, first: chosen.first or "-", second: chosen.second or "-"}]))
    return Group(*parts)


def data_found(found: Mapping[str, Any]) -> RenderableType:
    """What would be read of a file or a task: `inspected`."""
    counts = [{"class": name, **counts} for name, counts in list(found["classes"].items())[:CLASSES]]
    lengths = found["lengths"]
    common = {
        f"{split} rows with the text of a train row": tuple(f"{task}: {n}" for task, n in of_tasks.items())
        for split, of_tasks in found["overlap"].items()
        if of_tasks
    }
    said = {
        "task": f"{found['task']} ({found['type']}, metric {found['metric']})",
        "files": tuple(f"{split}: {f['file']} ({f['read as']})" for split, files in found["files"].items() for f in files),
        "columns": found["columns"],
        "text, label": f"{' + '.join(found['text'])} -> {found['label']}",
        "rows": ", ".join(f"{split} {found[split]}" for split in ("train", "dev", "test") if found[split] is not None),
        "classes": class_line(found["classes"]) if found["classes"] else "",
        "tokens": f"median {lengths['median']}, 95% up to {lengths['95%']}, longest {lengths['longest']}",
        "cut": f"{found['cut']} texts are longer than max_length = {found['max_length']}",
        "duplicates": f"{found['duplicates']} rows with the text of an earlier row of their split",
        **common,
        "first rows": tuple(f"{' | '.join(row['text'])[:200]} -> {row['label']}" for row in found["first"]),
    }
    parts: list[RenderableType] = [facts(said)]
    parts += [Text(""), records(counts)] if counts else []
    parts += [label(f"warning: {warning}", "yellow") for warning in found["warnings"]]
    return Group(*parts, Text(""), *map(label, found["table"].splitlines()))


def plan(found: Mapping[str, Any]) -> RenderableType:
    """What a run would do: `runtime.plan.plan`."""
    rows = [
        {
            "task": t["task"],
            "type": t["type"],
            **{split: t[split] for split in ("train", "dev", "test")},
            "found": " + ".join(t["found"]),
            "seconds": "" if "score" in t["found"] else "?" if t["seconds"] is None else f"{t['seconds']:.0f}",
        }
        for t in found["tasks"]
    ]
    said = [label(f"{t['task']}: {class_line(t['classes'])}") for t in found["tasks"] if t["classes"]]
    said += [label(f"{t['task']}: {warning}", "yellow") for t in found["tasks"] for warning in t["warnings"]]
    seconds = "not known before a first run" if found["seconds"] is None else f"about {found['seconds']:.0f} s"
    each = found["trial seconds"]
    made = f", {found['trials found']} of them found" if found["trials found"] else ""
    trials = f"trials: at most {found['trials']}{made}" + ("" if each is None else f", about {each:.0f} s each")
    return Group(
        label(f"run {found['run']} ({found['state']}): encoder {found['encoder']}, on {', '.join(found['devices'])}", "bold"),
        label(f"primary: {', '.join(found['primaries'])}; strategy {found['strategy']}, confirm {found['confirm']}"),
        records(rows),
        *said,
        Text(f"tuning and scoring: {seconds}"),
        Text(trials),
    )
