"""How a run was made: what it took, where it ran, what failed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from gradts_engine.runtime.view import RunView


@dataclass(frozen=True)
class Spent:
    """What one kind of stage took: how many were `computed`, in how many `seconds` together, and how many were `found`; `planned`
    are the seconds, from and to, that were expected of it at the run's latest start, where a pace was known."""

    stage: str
    computed: int
    seconds: float
    found: int
    planned: tuple[float, float] | None = None


@dataclass(frozen=True)
class Worked:
    """What one device computed: how many stages, in how many `seconds` together."""

    device: str
    computed: int
    seconds: float


@dataclass(frozen=True)
class History:
    """`command` makes the run again; `worked` are the devices that computed something, in the order of their names; `began` and
    `last` are Unix times of the first and the latest event; `failed` has reasons by stage and subject, in words."""

    command: str
    devices: tuple[str, ...]
    versions: Mapping[str, str]
    began: float
    last: float
    spent: tuple[Spent, ...]
    worked: tuple[Worked, ...]
    failed: Mapping[str, str]


def history(view: RunView) -> History:
    """What the events say of it."""
    started = view.started
    command = ["gradts-engine", "run", started.config, *(["--store", started.store] if started.store else [])] if started else []
    stages = dict.fromkeys([*(stage for stage, _ in view.named), *(view.planned.seconds if view.planned else ())])
    return History(
        command=shlex.join(command),
        devices=started.devices if started else (),
        versions=started.versions if started else {},
        began=view.first,
        last=view.last,
        spent=tuple(_spent(view, stage) for stage in stages),
        worked=_worked(view),
        failed={f"{stage} {subject}": reason for (stage, subject), reason in view.failures.items()},
    )


def _worked(view: RunView) -> tuple[Worked, ...]:
    done = [s for s in view.stages.values() if s.computed and s.device]
    devices = sorted({s.device for s in done})
    return tuple(Worked(d, sum(s.device == d for s in done), sum(s.seconds for s in done if s.device == d)) for d in devices)


def _spent(view: RunView, stage: str) -> Spent:
    found = view.of(stage)
    computed = [s for s in found if s.computed]
    low, high = view.planned.seconds.get(stage, (None, None)) if view.planned else (None, None)
    planned = None if low is None or high is None else (low, high)
    cached = sum(s.state == "cached" and not s.computed for s in found)
    return Spent(stage, len(computed), sum(s.seconds for s in computed), cached, planned)
