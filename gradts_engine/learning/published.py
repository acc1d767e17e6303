"""Published data sets as sources of rows: from a folder where one is given, else from the Hugging Face Hub."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradts_engine.contracts import Row
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows import read_rows

FOLDER = "GRADTS_DATA"
"""Environment variable that names a folder with `tasks/TASK/SPLIT.jsonl`."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One split of a published task; called, it yields rows with the same columns and label names wherever they come from.

    `folder` is the task's name in a data folder, where `names` maps the spellings of labels to ours. `hub` is the data set on the
    Hub as `owner/name` or `owner/name/config` (empty: it is not there), `hub_split` its split, `revision` the commit, tag or
    branch to use, and `columns` our column names by theirs. Words labelled `unlabelled` are left out. `how` says how to get the
    data by hand.
    """

    folder: str
    split: str
    hub: str
    hub_split: str
    columns: Mapping[str, str]
    revision: str = "main"
    names: Mapping[str, str] = field(default_factory=dict)
    unlabelled: str = ""
    how: str = ""

    def __call__(self, *, data: str | None = None, revision: str | None = None) -> Iterator[Row]:
        """The rows. `data` is a folder such as GRADTS_DATA names, `revision` another commit, tag or branch of the Hub."""
        local = self._local(data)
        if local:
            yield from (self._ours(record.values) for record in read_rows(str(local)))
            return
        if not self.hub:
            raise UsageError(self._missing())
        source = self.source(revision)
        try:
            for record in read_rows(source):
                yield self._clean({ours: record.values[theirs] for theirs, ours in self.columns.items()})
        except UsageError as error:
            raise UsageError(f"{self._missing()}; {error}") from None
        except KeyError as error:
            raise UsageError(f"{source}: has no column {error}; another revision of the data set may have it") from None

    def __str__(self) -> str:
        local = f"{FOLDER}/tasks/{self.folder}/{self.split}.jsonl"
        return f"{local}, or {self.source()}" if self.hub else local

    def source(self, revision: str | None = None) -> str:
        """The split on the Hub."""
        return f"hf:{self.hub}@{revision or self.revision}:{self.hub_split}"

    def _local(self, data: str | None) -> Path | None:
        """The file in the data folder. One that was asked for must have it; that of the environment need not have the task."""
        root = data or os.environ.get(FOLDER)
        if not root:
            return None
        folder = Path(root).expanduser() / "tasks" / self.folder
        path = folder / f"{self.split}.jsonl"
        if path.is_file():
            return path
        if data or folder.is_dir():
            raise UsageError(f"{path}: no such file. {self.how}".rstrip())
        return None

    def _missing(self) -> str:
        where = os.environ.get(FOLDER)
        looked = f"{where}/tasks has no folder {self.folder}" if where else f"{FOLDER} names no folder"
        return f"no data for '{self.folder}': {looked}{', and the Hub gave none' if self.hub else ''}. {self.how}".rstrip(". ")

    def _ours(self, row: Row) -> Row:
        """A row of a data folder with our label names."""
        label = row.get("label")
        return self._clean({**row, "label": self.names.get(label, label)} if isinstance(label, str) else row)

    def _clean(self, row: Row) -> Row:
        if not self.unlabelled or not isinstance(labels := row.get("labels"), list):
            return row
        kept = [i for i, label in enumerate(labels) if label != self.unlabelled]
        return {name: [values[i] for i in kept] for name, values in row.items() if isinstance(values, list)}


USUAL = {"train": "train", "dev": "validation", "test": "test"}


def splits(*, hub_splits: Mapping[str, str] = USUAL, **common: Any) -> dict[str, Any]:
    """The fields `train`, `dev` and `test` of a TaskSpec, with what the three have in common."""
    return {split: Published(split=split, hub_split=name, **common) for split, name in hub_splits.items()}
