"""The two lines on top of every screen, and the line below them that says what a person should know or do."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text
from textual.app import App

from gradts_engine import tables, words
from gradts_engine.runtime.store import RunFolder
from gradts_tui.state import RunState, Snapshot
from gradts_tui.tree import branches, overall
from gradts_tui.widgets.looks import look
from gradts_tui.widgets.say import Say

PAGES = {
    "run": "Stages and their progress, loss and dev scores.",
    "importance": "Importance of every head for a task.",
    "correlation": "How alike the tasks are, and their instances.",
    "select": "What is proposed; decide on it.",
    "results": "Rankings, trials, choices, gains.",
    "log": "What happened.",
}
"""The screens on keys 1 to 6, and what they show."""

NAME = 24
"""Columns of a run's name."""

FIRST = 3
"""Parts of the first line that are always there, cut where they have no room; the others are where they fit."""

TOLD, NAMED = 2, 4
"""Most causes that are told, and most primaries that are named."""

ROOMY = 76
"""Columns from which the names of the screens stand apart."""


def title(app: App[object], snapshot: Snapshot | None, run: RunState | None) -> Text:
    """Which run this is and how it is; where one is."""
    first = Text().append("GradTS ", "bold")
    if run is None:
        where = f" {snapshot.root}" if snapshot else ""
        return first.append_text(tables.label(where, "dim"))
    started = run.view.started
    parts = [tables.label(words.shortened(run.id, NAME), "bold"), look(app, "unreadable" if run.problem else run.state)]
    if snapshot and run.engine and (far := overall(branches(run.view, snapshot.now))):
        parts.append(Text(far))
    if snapshot and run.worked:
        since = snapshot.now - run.view.last if run.engine and run.state != "paused" else 0.0
        parts.append(Text(f"{words.duration(run.worked + since)} of work", "dim"))
    if started:
        parts.append(tables.label(f"{started.encoder.rstrip('/').rpartition('/')[2]} on {words.devices(started.devices)}", "dim"))
    while len(parts) > FIRST and first.cell_len + sum(part.cell_len + 2 for part in parts) > app.size.width:
        parts.pop()
    return first.append_text(Text("  ").join(parts))


def tabs(page: str, width: int) -> Text:
    """The screens with their keys, the present one marked; the list of runs in front of them, where there is room."""
    names = [tab(f"{i} {name.title()}", f"app.page('{name}')", marked=name == page) for i, name in enumerate(PAGES, 1)]
    if width < ROOMY:
        return Text(" ").join(names)
    return Text("  ").join([tab("r Runs", "app.runs"), *names])


def tab(label: str, action: str, *, marked: bool = False) -> Text:
    """What a click does too."""
    return Text(label, Style(bold=marked or None, reverse=marked or None) + Style.from_meta({"@click": action}))


class Title(Say):
    """Of one screen."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page

    def show(self, snapshot: Snapshot | None, run: RunState | None) -> None:
        """Draw a snapshot."""
        text = title(self.app, snapshot, run)
        if self.page in PAGES and run:
            text = Text("\n").join([text, tabs(self.page, self.app.size.width)])
        text.no_wrap, text.overflow = True, "ellipsis"
        self.say(text)


def shortly(causes: Sequence[str]) -> str:
    """The first of them, and the second where there are no more: what they come to stands above the screens."""
    return "; ".join(causes) if len(causes) <= TOLD else f"{causes[0]}; and {len(causes) - 1} more: the log has them"


def notice(run: RunState, writable: bool) -> tuple[str, str]:
    """What a person should know of a run, and how grave it is: `warning` or `error`."""
    if run.problem:
        return run.problem, "error"
    failures = [f"{stage} {subject}: {reason}" for (stage, subject), reason in run.view.failures.items()]
    match run.state:
        case "waiting" if run.waiting:
            wait = "waits" if len(run.waiting) == 1 else "wait"
            more = f" and {len(run.waiting) - NAMED} more" if len(run.waiting) > NAMED else ""
            return f"{', '.join(run.waiting[:NAMED])}{more} {wait} for your decision: press 4 to look and confirm.", "warning"
        case "waiting":
            return "Decided. Press c to go on: an engine trains the final models.", "warning"
        case "failed":
            what = "Failed. Put the cause right, then press c to go on: finished stages are kept."
            return f"{what}\n{shortly(run.view.causes)}", "error"
        case "died":
            log = RunFolder(run.path).log
            text = "The engine died without a word: killed, out of memory, or a power cut.\n"
            last = f"What it printed last is in {log}\n" if log.exists() else ""
            return f"{text}{last}Finished stages are kept: press c to go on.", "error"
        case "interrupted" | "cancelled":
            return "Stopped. Finished stages are kept: press c to go on.", "warning"
        case "paused":
            return "Paused: press p to go on.", "warning"
    if run.version:
        return f"Made by GradTS {run.version}: what only that version knows of is not shown.", "warning"
    if not writable:
        return "The store cannot be written: this is for looking only.", "warning"
    if failures:
        return f"Left out: {shortly(failures)}", "warning"
    return "", "warning"


class Notice(Say):
    """Hidden while there is nothing to say."""

    def show(self, text: str, kind: str) -> None:
        """Say it, or nothing."""
        self.say(Text("\n").join([tables.label(line) for line in text.splitlines()]))
        self.set_class(kind == "error", "-error")
        self.display = bool(text)
