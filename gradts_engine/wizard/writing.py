"""The answers of a person as a commented tasks.toml."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gradts_engine.config.file import as_toml
from gradts_engine.errors import UsageError
from gradts_engine.wizard.looking import ROWS, Guess

BUDGETS: Mapping[str, tuple[str, Mapping[str, Mapping[str, object]]]] = {
    "quick": (
        "a first impression in minutes: few rows, short trainings, and no verdict on what is proposed",
        {
            "selection.halving": {"seeds": 0},
            "data": {"train_limit": 500, "dev_limit": 500},
            "training": {"epochs": 2},
            "multitask": {"epochs": 2},
        },
    ),
    "normal": (
        "up to 5000 rows of each task",
        {"data": {"train_limit": 5000}, "training": {"epochs": 3}, "multitask": {"epochs": 3}},
    ),
    "full": ("all rows, and as many epochs as in the publication", {"training": {"epochs": 3}, "multitask": {"epochs": 7}}),
}
"""What each budget means, and the settings that make it."""

COMMENTS = {
    "seeds": "fresh ones for a verdict: 3 or more tell what helps, and take most of the time",
    "train_limit": "use so many train rows of each task",
    "dev_limit": "and so many dev rows",
    "training": "each task is first fine-tuned alone",
    "multitask": "the trials and the final training",
    "epochs": "passes over the train rows",
}

DEV = 100
"""Rows to judge by that are wanted where dev rows are cut from the train rows."""


@dataclass(frozen=True)
class Answers:
    """All that tasks.toml needs to know; `primary` is one of `tasks`."""

    tasks: tuple[Guess, ...]
    primary: str
    encoder: str
    budget: str


def compose(answers: Answers) -> str:
    """The text of tasks.toml."""
    meaning, settings = BUDGETS[answers.budget]
    others = [task.name for task in answers.tasks if task.name != answers.primary]
    lines = [
        f"# Which other tasks should {_comment(answers.primary)} be trained with? Candidates: {_comment(', '.join(others))}.",
        "#",
        "#     gradts-engine plan        what it would compute",
        "#     gradts-engine run         compute it; the same command again goes on where it stopped",
        "#",
        "# Every setting: gradts-engine settings.",
        "",
        "[run]",
        f"encoder = {as_toml(answers.encoder)}    # a registered encoder, a folder, or a Hub name",
        f"primary = [{as_toml(answers.primary)}]    # the task to improve; without this line every task in turn",
        "seed = 2018    # the same file and seed give the same results",
        "",
        "[selection]",
        'strategy = "halving"    # a trial of each candidate, more seeds for the better half, a verdict on fresh seeds and rows',
        'confirm = "ask"    # wait for a person before the final training; "auto" takes the proposal',
        "",
        f"# Budget: {answers.budget}, {meaning}.",
    ]
    for section, values in settings.items():
        note = COMMENTS.get(section)
        lines.append(f"[{section}]" + (f"    # {note}" if note else ""))
        lines += [f"{key} = {as_toml(value)}    # {COMMENTS[key]}" for key, value in values.items()]
        lines.append("")
    for task in answers.tasks:
        lines += _table(task, primary=task.name == answers.primary)
    return "\n".join(lines)


def _table(task: Guess, *, primary: bool) -> list[str]:
    name = task.name if re.fullmatch(r"[A-Za-z0-9_-]+", task.name) else as_toml(task.name)
    text = as_toml(task.text[0] if len(task.text) == 1 else task.text)
    ordered = "    # or regression, if these numbers are more or less of something" if task.numbers else ""
    lines = [f"[tasks.{name}]", f"type = {as_toml(task.type)}{ordered}"]
    lines += [f"{split} = {as_toml(path)}" for split, path in task.files.items()]
    if "dev" not in task.files:
        fraction = _dev_fraction(task.rows)
        lines.append(f"dev_fraction = {fraction}    # no dev file: so much of the train rows, the same ones each time")
    if primary and "test" not in task.files:
        lines.append('# test = "..."    # rows that choose nothing: without them, the score of the final model is too high')
    lines.append(f"text = {text}" + (f"    # not used: {_comment(', '.join(task.unused))}" if task.unused else ""))
    lines.append(f"label = {as_toml(task.label)}    # {_comment(task.answers)}")
    return [*lines, ""]


def _dev_fraction(rows: int) -> float:
    """A tenth; of small files more, up to three tenths, so that `DEV` rows judge: each of 20 is worth 5 points."""
    return 0.1 if rows >= ROWS else round(min(max(DEV / max(rows, 1), 0.1), 0.3), 2)


def _comment(text: str) -> str:
    """Text in its line of comment: TOML allows no control characters there."""
    return "".join(c if c.isprintable() else " " for c in text)


def write(answers: Answers, path: Path, *, replace: bool) -> None:
    """Write tasks.toml. Raises `UsageError` where there is one that may not be replaced, or it cannot be written."""
    try:
        with path.open("w" if replace else "x", encoding="utf-8") as file:
            file.write(compose(answers))
    except FileExistsError:
        raise UsageError(f"{path} is there already: choose another --out, or --force to replace it") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {os.strerror(error.errno or 0)}") from error
