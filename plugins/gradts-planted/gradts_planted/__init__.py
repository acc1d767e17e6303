"""Text tasks whose relatedness is known, because it was planted: registered with GradTS as `planted-...`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from gradts_engine.contracts import TaskSpec
from gradts_engine.hooks.specs import hookimpl
from gradts_planted.tasks import QUESTIONS, rows

UNRELATED = ("planted-topic", "planted-tense", "planted-names")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is planted for a primary: tasks that raise its score, and tasks that do not, those with a contrary idea of its factor
    (`conflicting`) apart from those about something else."""

    helpers: tuple[str, ...]
    unrelated: tuple[str, ...]
    conflicting: tuple[str, ...] = ()


TRUTH = {
    "planted-review": Truth(
        helpers=("planted-stars", "planted-verdict", "planted-better"),
        unrelated=(*UNRELATED, "planted-headcount"),
        conflicting=("planted-literal", "planted-strength"),
    ),
    "planted-crowd": Truth(
        helpers=("planted-headcount", "planted-larger"),
        unrelated=(*UNRELATED, "planted-stars"),
    ),
}
"""For each primary; measured by retraining, see `gradts_planted.truth`."""


@hookimpl
def gradts_tasks() -> Sequence[TaskSpec]:
    """All planted tasks."""
    return [
        TaskSpec(
            name=name,
            type=question.type,
            train=partial(rows, name, "train"),
            dev=partial(rows, name, "dev"),
            test=partial(rows, name, "test"),
            text=question.text,
            labels=question.labels,
            description=question.description,
            licence="Apache-2.0",
        )
        for name, question in QUESTIONS.items()
    ]
