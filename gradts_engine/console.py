"""A running engine on a terminal: bars where there is one, a line an event where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich import console as rich_console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from gradts_engine import events, words
from gradts_engine.events import Event
from gradts_engine.printing import let_go, printable
from gradts_engine.repeats import Repeats

PLAIN_INTERVAL = 10.0
"""Seconds between two progress lines of a stage where there are no bars."""

BEST = 3
"""Candidates that are named when they are ranked."""


def describe(event: Event) -> str:
    """An event in a line, or nothing for one that is not worth a line."""
    match event:
        case events.RunStarted(run, encoder=encoder, tasks=tasks, devices=devices):
            return f"run {run}: {len(tasks)} tasks, encoder {encoder}, on {words.devices(devices)}"
        case events.TaskRead(task, kind, metric, sizes, skipped, judged_by=judged_by):
            left_out = f", {sum(skipped.values())} bad rows skipped" if any(skipped.values()) else ""
            return (
                f"read {task}: {kind}, {', '.join(f'{n} {s}' for s, n in sizes.items())}, metric {judged_by or metric}{left_out}"
            )
        case events.Tokenised(task, split, instances, truncated) if truncated:
            return f"note: {truncated} of {instances} {split} texts of {task} are longer than [data] max_length and were cut"
        case events.StageFinished("proposal"):
            return ""
        case events.StageFinished(stage, subject, cached=True):
            return f"{stage} {subject}: found, nothing to compute"
        case events.StageFinished(stage, subject, seconds=seconds):
            return f"{stage} {subject}: done in {seconds:.1f} s"
        case events.StageResumed(stage, subject, done, total):
            return f"{stage} {subject}: goes on after step {done} of {total}"
        case events.StageFailed(stage, subject, reason):
            return f"{stage} {subject}: FAILED: {reason}"
        case events.EpochScored(stage, subject, epoch, metric, score):
            return f"{stage} {subject}: epoch {epoch}, dev {metric} {words.score(score)}"
        case events.Predicted(primary, predictor, values):
            return f"ranked for {primary} by {predictor}: {_best(values.get(predictor, {}))}; all of it: gradts-engine results"
        case events.Judged(primary, auxiliaries, verdict, gain, low, high):
            return f"verdict on {' + '.join((primary, *auxiliaries))}: {verdict}, {words.points(gain, low, high)}"
        case events.Proposed(primary, _, auxiliaries):
            return f"proposed for {primary}: {_names(auxiliaries)}"
        case events.Confirmed(primary, _, auxiliaries, by):
            return f"confirmed for {primary} by {by}: {_names(auxiliaries)}"
        case events.CommandAnswered(command, _, accepted, reason):
            return f"{command}: {'accepted' if accepted else f'refused, {reason}'}"
        case events.RunPaused():
            return "paused; go on with: gradts-engine resume"
        case events.RunResumed():
            return "resumed"
        case events.FinalModel(primary, score, model):
            return f"model of {primary}: dev {words.score(score)}, in {model}"
        case events.Freed(results, size):
            return f"freed {size / 1e6:.2f} MB: weights of {results} trainings that no run needs"
        case events.Warned(message):
            return f"warning: {message}"
    return ""


def _best(values: Mapping[str, tuple[float, ...]]) -> str:
    """The first candidates by their mean."""
    means = {task: number for task, of in values.items() if (number := Repeats(tuple(of)).mean) == number}
    best = sorted(means, key=lambda task: -means[task])
    more = f" and {len(best) - BEST} more" if len(best) > BEST else ""
    return ", ".join(f"{task} ({words.score(means[task])})" for task in best[:BEST]) + more


def _names(auxiliaries: object) -> str:
    assert isinstance(auxiliaries, dict)
    return ", ".join(f"{task} ({count})" for task, count in auxiliaries.items()) or "no auxiliary"


class Console(rich_console.Console):
    """One whose reader may go away: that is an error like others, and not the end of the thread that prints."""

    def on_broken_pipe(self) -> None:
        """Called where the error is caught."""
        raise


class Display:
    """Listens to a run and draws it on standard error, so that standard output stays free for results. Where that cannot be
    written it goes on without; `gone`: nobody looks any more."""

    def __init__(self, plain: bool) -> None:
        self.gone = False
        self.console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
        self.bars = not plain and self.console.is_terminal
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.bars,
        )
        self.asking = False
        self.rows: dict[tuple[str, str], TaskID] = {}
        self.shown: dict[tuple[str, str], float] = {}

    def __enter__(self) -> Display:
        with self._drawing():
            self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._drawing():
            self.progress.stop()

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """What cannot be shown, to a terminal that has gone or a file on a full disk, is lost."""
        try:
            yield
        except OSError:
            self.gone = let_go() or self.gone

    @contextmanager
    def suspended(self) -> Iterator[Console]:
        """Without bars, to ask a question."""
        self.progress.stop()
        self.asking = True
        try:
            yield self.console
        finally:
            self.asking = False
            self.progress.start()

    def say(self, text: str) -> None:
        """A line above the bars."""
        with self._drawing():
            self.console.print(printable(text))

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case events.StageProgress(stage, subject):
                self._advance(event)
            case events.StageFinished(stage, subject) | events.StageFailed(stage, subject):
                row = self.rows.pop((stage, subject), None)
                if row is not None:
                    self.progress.remove_task(row)
        if text := describe(event):
            self.say(text)

    def _advance(self, event: events.StageProgress) -> None:
        key = (event.stage, event.subject)
        loss = "" if event.loss is None else f"loss {event.loss:.3f}"
        if self.bars:
            if key not in self.rows:
                self.rows[key] = self.progress.add_task(printable(" ".join(key)), total=event.total, loss=loss)
            self.progress.update(self.rows[key], completed=event.done, loss=loss)
            return
        now = time.monotonic()
        if now - self.shown.setdefault(key, now) >= PLAIN_INTERVAL:
            self.shown[key] = now
            self.say(f"{' '.join(key)}: {event.done} of {event.total}{', ' + loss if loss else ''}")
