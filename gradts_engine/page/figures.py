"""Figures as PNG and SVG and tables as CSV, for papers and slides."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradts_engine import report
from gradts_engine.errors import UsageError
from gradts_engine.names import slug
from gradts_engine.page import read_heads
from gradts_engine.runtime.store import RunFolder, Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 200
"""Dots an inch of the PNG files."""


def write_figures(store: Store, run: RunFolder, folder: Path) -> list[Path]:
    """Write them all into `folder`, which is made where it is missing; which files. Raises `UsageError` if that fails, or if
    matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UsageError("figures need matplotlib: pip install 'gradts[figures]'") from error
    found, problems = report.results(store, run), list[str]()
    heads = dict(read_heads(store, run, problems))
    tables = {"tasks": _rows(found.data)}
    figures = {f"heads-{task}": heat_map(task, h.task) for task, h in heads.items()}
    if len(heads) > 1:
        tau = report.task_tau(heads)
        figures["tau"] = tau_matrix(list(heads), tau)
        tables["tau"] = [{"task": a, "other": b, "tau": x} for (a, b), x in tau.items()]
    for primary, p in found.primaries.items():
        tables[f"ranking-{primary}"] = _rows(p.ranking)
        tables[f"trials-{primary}"] = [
            {
                "auxiliaries": " ".join(f"{task}:{n}" for task, n in t.instances.items()),
                "repeat": t.repeat,
                "dev": t.score,
                "reason": t.reason,
            }
            for t in p.trials
        ]
        if p.alone is not None:
            figures[f"trials-{primary}"] = trials(primary, p)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [*_write_figures(folder, figures), *_write_tables(folder, tables)]
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be written: {error.strerror}") from error


def _write_figures(folder: Path, figures: Mapping[str, Figure]) -> list[Path]:
    from matplotlib import rc_context

    written = []
    # Names are text, never formulas; what is in a file depends on the results alone.
    with rc_context({"text.parse_math": False, "svg.hashsalt": "gradts", "svg.fonttype": "none"}):
        for name, figure in figures.items():
            for kind, date in (("png", {}), ("svg", {"Date": None})):
                path = folder / f"{slug(name, 80)}.{kind}"
                figure.savefig(path, dpi=DPI, bbox_inches="tight", metadata=date)
                written.append(path)
    return written


def _write_tables(folder: Path, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Path]:
    written = []
    for name, rows in tables.items():
        path = folder / f"{slug(name, 80)}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [])
            writer.writeheader()
            writer.writerows(rows)
        written.append(path)
    return written


def _rows(records: Sequence[Any]) -> list[dict[str, Any]]:
    """Records as rows of numbers and texts, all with the same columns."""
    rows = [dict(_cells(record)) for record in records]
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in columns} for row in rows]


def _cells(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What is in a record has a column each, under its own name after that of what it is in."""
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, Mapping):
        for inner, part in value.items():
            yield from _cells(part, f"{name} {inner}".strip())
    else:
        yield name, "; ".join(map(str, value)) if isinstance(value, tuple) else value


def heat_map(task: str, importance: np.ndarray) -> Figure:
    """Task importance [L, H], the last layer on top."""
    layers, heads = importance.shape
    figure = _figure(1.2 + 0.35 * heads, 1.0 + 0.3 * layers)
    axes = figure.subplots()
    drawn = axes.imshow(importance, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="viridis")
    axes.set(title=task, xlabel="head", ylabel="layer")
    figure.colorbar(drawn, label="importance")
    return figure


def tau_matrix(tasks: Sequence[str], tau: Mapping[tuple[str, str], float | None]) -> Figure:
    """Kendall's tau of every two tasks; the diagonal is empty."""
    values = np.array([[np.nan if (x := tau.get((a, b))) is None else x for b in tasks] for a in tasks])
    figure = _figure(2.5 + 0.45 * len(tasks), 2 + 0.45 * len(tasks))
    axes = figure.subplots()
    drawn = axes.imshow(values, cmap="viridis")
    axes.set_xticks(range(len(tasks)), tasks, rotation=90)
    axes.set_yticks(range(len(tasks)), tasks)
    figure.colorbar(drawn, label="Kendall's tau")
    return figure


def trials(primary: str, found: report.PrimaryResults) -> Figure:
    """Dev score of each trial of the first seed; the line is the primary alone."""
    scored = [t for t in found.trials if t.score is not None and not t.repeat]
    figure = _figure(6, 1 + 0.35 * len(scored))
    axes = figure.subplots()
    names = [" + ".join(t.auxiliaries) or "alone" for t in scored]
    axes.plot([t.score for t in scored if t.score is not None], range(len(scored)), "o", color="#31608d")
    axes.axvline(found.alone or 0.0, color="#888888", linestyle="--")
    axes.set_yticks(range(len(scored)), names)
    axes.invert_yaxis()
    axes.set(title=primary, xlabel=f"dev {found.metric}, first seed of each")
    return figure


def _figure(width: float, height: float) -> Figure:
    """Without pyplot: it keeps figures for ever and looks for a display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
