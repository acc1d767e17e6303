"""A run as one HTML page to send on: it needs no network, no script and no other file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradts_engine import __version__, report, tables, words
from gradts_engine.errors import UsageError
from gradts_engine.page import drawing
from gradts_engine.printing import printable
from gradts_engine.runtime.store import RunFolder, Store

if TYPE_CHECKING:
    from jinja2 import Environment

STAGES = {
    "embed": "mean states of texts",
    "tune": "fine-tuning each task alone",
    "score": "importance of heads",
    "states": "states of what is labelled",
    "part": "fine-tuning primaries in part",
    "align": "comparing gradients",
    "correlate": "correlations",
    "reliability": "how far rankings agree with themselves",
    "trial": "trials and final training",
    "proposal": "proposals",
    "test": "test scores",
}
"""What a stage is called on the page."""


def page(store: Store, run: RunFolder) -> str:
    """The page of a run, as far as it has come; what stored results are gone is said on it."""
    view = run.view()
    found, problems = report.results(store, run), list[str]()
    heads = dict(read_heads(store, run, problems))
    tau = report.task_tau(heads)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            found=found,
            history=report.history(view),
            answers={p: primary.answer for p, primary in found.primaries.items()},
            caveat=found.caveat,
            trials={p: drawing.trials(primary) for p, primary in found.primaries.items()},
            predictors={p: drawing.predictors(primary.ranking) for p, primary in found.primaries.items()},
            verdicts={p: drawing.verdicts(primary.verdicts) for p, primary in found.primaries.items()},
            tau=drawing.grid("Kendall's tau between the tasks' head rankings", list(heads), list(heads), tau) if tau else None,
            heads=[drawing.heads(task, h.task) for task, h in heads.items()],
            stages=STAGES,
            settings={name: value for name, value in report.flat(found.settings) if value is not None},
            problems=[*found.warnings, *problems, *view.warnings],
            repeated={
                p: any(said.low is not None for row in primary.ranking for said in row.predictors.values())
                for p, primary in found.primaries.items()
            },
            most_classes=tables.CLASSES,
            css=_css(),
            version=__version__,
            most=sum(view.started.trials.values()) if view.started else 0,
            drawing=drawing,
            expected=report.expected,
            to_know=report.to_know,
            without_verdict=report.without_verdict,
        )
    )


def _environment() -> Environment:
    """What reads the page's template: all that it is given is text, and shown as such."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gradts_engine.page", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters |= {
        "signed": lambda value: "-" if value is None else f"{value:+.4f}",
        "score": words.score,
        "gain": words.gain,
        "duration": words.duration,
        "devices": words.devices,
        "moment": _moment,
        "class_line": tables.class_line,
    }
    return environment


def read_heads(store: Store, run: RunFolder, problems: list[str]) -> Iterator[tuple[str, report.Heads]]:
    """Importance of heads of each task that was scored; `problems` is told of those that cannot be read."""
    view = run.view()
    for task in view.tasks:
        if view.stage("score", task).finished:
            try:
                yield task, report.heads(store, view, task)
            except UsageError as error:
                problems.append(str(error))


def _css() -> Any:
    from markupsafe import Markup

    return Markup(files("gradts_engine.page").joinpath("page.css").read_text(encoding="utf-8"))  # our own file, not data


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else ""


def write_page(store: Store, run: RunFolder, path: Path) -> None:
    """Write the page to a file. Raises `UsageError` if it cannot be written."""
    text = page(store, run)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
