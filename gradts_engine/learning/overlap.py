"""Texts of a primary's dev and test splits that are also train texts: how many there are, and trainings without them.

What is compared are the hashes of `TaskData.texts`, of whole texts as `cuts.normalised` leaves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from gradts_engine.contracts import Auxiliary, Selection, TaskData

Policy = Literal["drop", "keep", "stop"]
Overlap = Mapping[str, Mapping[str, int]]
"""`[split][task]`: rows of a primary's dev or test split whose text is in the train split of a task, itself or another."""


def overlap(primary: TaskData, tasks: Mapping[str, TaskData]) -> dict[str, dict[str, int]]:
    """Counted before anything is left out."""
    return {
        split: {name: int(np.isin(primary.texts[split], task.texts["train"]).sum()) for name, task in tasks.items()}
        if split in primary.texts
        else {}
        for split in ("dev", "test")
    }


def left_out(primary: TaskData, auxiliary: TaskData) -> np.ndarray:
    """Positions [n] of the train rows of an auxiliary whose text is in the primary's dev or test split."""
    held = [texts for split, texts in primary.texts.items() if split != "train"]
    return np.flatnonzero(np.isin(auxiliary.texts["train"], np.concatenate(held)))


def usable(selection: Selection, primary: str, data: Mapping[str, TaskData], policy: Policy) -> Selection:
    """A selection without the rows that are to be left out, and without auxiliaries that have no others. One that loses nothing
    stays as it is, so that the keys of its results do too."""
    if policy == "keep":
        return selection
    kept = []
    for auxiliary in selection:
        out = {*left_out(data[primary], data[auxiliary.task]).tolist()}
        every = range(len(data[auxiliary.task].splits["train"])) if auxiliary.instances is None else auxiliary.instances
        if out.isdisjoint(every):
            kept.append(auxiliary)
        elif rest := tuple(i for i in every if i not in out):
            kept.append(Auxiliary(auxiliary.task, rest))
    return tuple(kept)


def warnings(primary: TaskData, counts: Overlap, data: Mapping[str, TaskData], policy: Policy) -> list[str]:
    """What the overlaps of a primary mean for it, a line each."""
    found = []
    for split, of_tasks in counts.items():
        if own := of_tasks.get(primary.name, 0):
            rows = len(primary.texts[split])
            many = f"all {rows}, so that {split} is no test of anything" if own == rows else f"{own} of {rows}"
            found.append(f"{split} rows with the text of a train row: {many}")
    for name, task in data.items():
        parts = [f"{split} rows with the text of a train row of {name}: {n[name]}" for split, n in counts.items() if n.get(name)]
        if name != primary.name and parts:
            out, rows = len(left_out(primary, task)), len(task.splits["train"])
            dropped = "all its rows, so that it cannot be one" if out == rows else f"{out} of its {rows} train rows"
            parts += [f"left out when it is an auxiliary: {dropped}"] if policy == "drop" else []
            found.append("; ".join(parts))
    return found
