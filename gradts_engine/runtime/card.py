"""The model card that goes with a final model: what it is, what it was trained with, how it compares, how it was made."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from gradts_engine import words
from gradts_engine.contracts import Selection
from gradts_engine.events import FinalModel, TaskRead
from gradts_engine.printing import printable
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.runtime.view import RunView
from gradts_engine.words import score


def markdown(text: str) -> str:
    """`text` as Markdown that shows it in its line and does nothing else: no HTML, named link, cell, emphasis or formula."""
    return re.sub(r"[\\`*<>\[\]|&#~$!]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", printable(text))


def model_card(
    run: Prepared, selection: Selection, final: FinalModel, alone: float, versions: Mapping[str, str], view: RunView
) -> str:
    """Markdown with the metadata block of the Hugging Face Hub. `alone`: best dev score of the primary trained alone; `view`:
    what the run has told so far."""
    from huggingface_hub import ModelCardData

    experiment, data = run.experiment, run.data[final.primary]
    primary, encoder, metric = map(markdown, (final.primary, run.encoder.name, data.judged_by))
    meta = ModelCardData(library_name="transformers", tags=["gradts", "multi-task"], metrics=[printable(data.metric)])
    counts = run.facts.instances(selection)
    beyond = f"\nWords beyond {experiment.data.max_length} tokens were cut, and count as wrong."
    cut = [beyond] if run.types[final.primary].word_level else []
    auxiliaries = ", ".join(f"{markdown(task)} ({count} instances)" for task, count in counts.items()) or "none"
    equal = "equally many optimiser steps" if experiment.multitask.length == "steps" else "its own epochs"
    settings = {
        "seed": experiment.run.seed,
        "data": experiment.data.model_dump(mode="json"),
        "multitask": experiment.multitask.model_dump(mode="json"),
        "selection": experiment.selection.model_dump(mode="json"),
        "scoring": experiment.scoring.model_dump(mode="json"),
    }
    return "\n".join(
        [
            f"---\n{meta.to_yaml()}\n---\n",
            f"# {primary}: {encoder} with auxiliary tasks chosen by GradTS\n",
            f"- encoder: {encoder}",
            f"- primary task: {primary} ({markdown(data.type)}, {len(data.splits['train'])} train instances)",
            f"- auxiliaries: {auxiliaries}",
            f"- candidates: {', '.join(map(markdown, experiment.candidates(final.primary)))}",
            f"- strategy: {markdown(experiment.selection.strategy)}\n",
            f"| split | metric | this model | {primary} alone, {equal} |",
            "| --- | --- | --- | --- |",
            *_scores(final, alone, metric),
            *cut,
            *_sure(view, final, counts),
            *_said(view.tasks[final.primary]),
            "",
            "## Settings\n",
            f"```json\n{json.dumps(settings, indent=2)}\n```\n",
            "## Versions\n",
            *(f"- {markdown(name)} {markdown(version)}" for name, version in versions.items()),
            "",
        ]
    )


def _scores(final: FinalModel, alone: float, metric: str) -> list[str]:
    """Rows of the table: the model's scores beside those of the primary alone."""
    rows = [f"| dev (chose the auxiliaries) | {metric} | {score(final.score)} | {score(alone)} |"]
    if final.test is not None:
        rows.append(f"| test | {metric} | {score(final.test)} | {score(final.alone_test)} |")
    elif final.predictions:
        rows.append(f"| test | {metric} | predictions, no score | |")
    return rows


def _sure(view: RunView, final: FinalModel, counts: Mapping[str, int]) -> list[str]:
    """How far the scores can be believed: what fresh seeds said of these auxiliaries, what to expect of the best of several."""
    judged = [v for v in view.verdicts.get(final.primary, ()) if v.auxiliaries == counts]
    found = [
        f"On {words.count(v.seeds, 'fresh seed')} and {words.count(v.rows, 'dev row')} that no choice was made on, the gain is "
        f"{words.points(v.gain, v.low, v.high)}: {v.verdict}."
        for v in judged
    ]
    e = view.expected.get(final.primary)
    if e and e.auxiliaries == counts:
        found.append(f"The dev score {score(final.score)} is {words.expected(e.score, e.gain, e.of, e.how)}.")
    return ["", *map(markdown, found or ["One seed; a difference smaller than the spread over seeds means nothing."])]


def _said(read: TaskRead) -> list[str]:
    """Texts in common, and warnings about the primary's data."""
    common = [
        f"- {split} texts that are train texts of {markdown(task)}: {n}"
        for split, of_tasks in read.overlap.items()
        for task, n in of_tasks.items()
        if n
    ]
    return ["\n## Data\n", *common, *(f"- {markdown(line)}" for line in read.warnings)] if common or read.warnings else []
