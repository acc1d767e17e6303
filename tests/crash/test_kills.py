"""Engines of one run are killed at any time, again and again, until it is done: nothing that was acknowledged is lost, and what
comes out is what comes out of a run that nothing has interrupted, to the last bit."""

from __future__ import annotations

import random
import shutil
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from gradts_engine import events
from tests.crash.checks import check, journal
from tests.crash.places import Fork, Forks, Places, Process, log

pytestmark = pytest.mark.timeout(1200)


@dataclass
class Figures:
    """What a kill loop has seen."""

    kills_of_forks: int = 0
    kills_of_processes: int = 0
    runs_all_identical: int = 0
    trainings_gone_on_with: int = 0
    steps_done_again: int = 0
    acknowledged_events_none_lost: int = 0

    @property
    def kills(self) -> int:
        """Of both kinds."""
        return self.kills_of_forks + self.kills_of_processes

    def count_steps(self, place: Path) -> None:
        """Steps that were told of and then done again."""
        done: dict[tuple[str, str], int] = {}
        for event in journal(place):
            match event:
                case events.StageProgress(stage, subject, step) if stage in ("tune", "trial"):
                    self.steps_done_again += max(0, done.get((stage, subject), 0) - step + 1)
                    done[stage, subject] = step
                case events.StageResumed():
                    self.trainings_gone_on_with += 1


def kill_loop(forks: Forks, places: Places, kills: int, seed: int) -> Figures:
    """Kill engines of one run until it is done, then those of another, until there were so many kills; each third engine is a
    process of its own."""
    rng, figures, started = random.Random(seed), Figures(), 0
    while figures.kills < kills:
        place, status = places.new(), -signal.SIGKILL
        while status == -signal.SIGKILL:
            engine = Process(place) if started % 3 == 1 and figures.kills < kills else Fork(forks, place)
            started += 1
            if figures.kills < kills:
                engine.kill(after=rng.uniform(0.02, 0.8))
            status = engine.end()
            figures.kills_of_forks += status == -signal.SIGKILL and isinstance(engine, Fork)
            figures.kills_of_processes += status == -signal.SIGKILL and isinstance(engine, Process)
        assert status == 0, log(place)
        figures.acknowledged_events_none_lost += check(place, places.expected)
        figures.runs_all_identical += 1
        figures.count_steps(place)
        shutil.rmtree(place)
    return figures


def test_killed_three_times(forks, real):
    figures = kill_loop(forks, real, 3, seed=0)
    assert figures.kills_of_forks >= 1
    assert figures.kills_of_processes >= 1
    assert figures.acknowledged_events_none_lost > 50


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(1, 5))
def test_killed_thirty_times(forks, real, record_property, seed):
    figures = kill_loop(forks, real, 30, seed)
    for name, number in asdict(figures).items():
        record_property(name.replace("_", " "), number)
    assert figures.kills == 30
    assert figures.kills_of_processes >= 3
    assert figures.trainings_gone_on_with > 2
