"""Progress is nearly all that happens, and soon only its course matters: it is thinned as it comes, and gathered on disk."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gradts_engine.events import Event, StageProgress, from_record
from gradts_engine.runtime.view import POINTS

PROGRESS_INTERVAL = 0.1
"""Seconds between two progress events of one stage and subject; the first and the last are always kept."""

SHORTEST, LONGEST = 2.0, 60.0
"""Seconds of progress that are gathered: at least, where something else happened next, and at most."""

SPACING = 1.0
"""Seconds between the points of a stage that gathered rows keep."""

GATHERED = "Gathered"

Row = tuple[int, float, Event]
"""Sequence number, Unix time, event."""

Progress = tuple[int, float, StageProgress]


class Thinner:
    """Drops progress that comes too often."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], float] = {}

    def passes(self, event: Event) -> bool:
        """Whether an event is kept. May be called from several threads, from one for a stage and subject."""
        if not isinstance(event, StageProgress):
            return True
        now = time.monotonic()
        key = (event.stage, event.subject)
        if 0 < event.done < event.total and now - self.last.get(key, -1e9) < PROGRESS_INTERVAL:
            return False
        self.last[key] = now
        return True


class Gatherer:
    """Finds rows of progress that follow each other, for one row to take their place, that of the last.

    Of each stage it holds the first and the last of them, and between these a point a second, or a part of the loss curve where
    that is longer, with the mean loss. All of them keep their numbers, so that whoever follows a run goes on from any.
    """

    def __init__(self) -> None:
        self.rows: list[Progress] = []

    def add(self, seq: int, when: float, event: Event) -> list[Progress]:
        """Take note of a row that was just written; the rows before it that are to become one, if it is time."""
        done: list[Progress] = []
        if self.rows and (not isinstance(event, StageProgress) or seq != self.rows[-1][0] + 1 or self._seconds() >= LONGEST):
            done = self.rows if self._seconds() >= SHORTEST else []
            self.rows = []
        if isinstance(event, StageProgress):
            self.rows.append((seq, when, event))
        return done

    def _seconds(self) -> float:
        return abs(self.rows[-1][1] - self.rows[0][1])  # a clock may be set back


def pack(rows: Sequence[Progress]) -> str:
    """The record of the row that takes the place of others."""
    stages: dict[tuple[str, str, str, int], list[Progress]] = {}
    for row in rows:
        event = row[2]
        stages.setdefault((event.stage, event.subject, event.key, event.total), []).append(row)
    points = [(*stage, _points(of_stage)) for stage, of_stage in stages.items()]
    return json.dumps({"event": GATHERED, "rows": len(rows), "stages": points}, separators=(",", ":"))


def _points(rows: Sequence[Progress]) -> list[tuple[int, float, int, float | None]]:
    """Number, time, `done` and mean loss of what is kept of one stage: the last row of each group."""
    groups = [[rows[0]]]
    for row in rows[1:]:
        (_, began, first), (_, when, event) = groups[-1][0], row
        later = when - began >= SPACING and _part(first) != _part(event)
        if later or len(groups) == 1 or row is rows[-1]:
            groups.append([])
        groups[-1].append(row)
    points = []
    for group in groups:
        losses = [event.loss for _, _, event in group if event.loss is not None]
        seq, when, last = group[-1]
        points.append((seq, when, last.done, sum(losses) / len(losses) if losses else None))
    return points


def _part(event: StageProgress) -> int:
    """Of the loss curve."""
    return event.done * POINTS // (event.total + 1)


def unpack(record: Mapping[str, Any]) -> tuple[int, list[Row]]:
    """How many rows were gathered, and what is kept of them. Raises ValueError, KeyError or TypeError for another record."""
    kept: list[Row] = []
    for stage, subject, key, total, points in record["stages"]:
        same = {"event": "StageProgress", "stage": stage, "subject": subject, "key": key, "total": total}
        for seq, when, done, loss in points:
            event = from_record(same | {"done": done, "loss": loss})
            if event is None or not isinstance(seq, int) or not isinstance(when, float):
                raise ValueError("not as `pack` writes it")
            kept.append((seq, when, event))
    return record["rows"], sorted(kept, key=lambda row: row[0])
