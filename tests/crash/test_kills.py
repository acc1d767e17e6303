"""Engines of one run are killed at any time, again and again, until it is done, and at their n-th touch of a file, for every n;
then the same command goes on: nothing that was acknowledged is lost, and what comes out is what comes out of a run that nothing
has interrupted, to the last bit. In one file, since all fork engines from the same program, which takes long to begin."""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
from collections.abc import Iterable, Iterator
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


# --- at every touch of a file ----------------------------------------------------------------------------------------

# A sample of points is killed in earnest. For all points, one engine is held in the middle of each touch, and its files are
# copied: they are what a kill leaves there. So a point costs only what comes after it, and points between which no file has
# changed (most are syncs) are one.

PARTS = 12
"""In how many tests all points are tried, so that several processes can share them."""


def go_on(forks: Forks, places: Places, place: Path) -> None:
    """Give the command again in a place where an engine was killed."""
    assert Fork(forks, place).end() == 0, log(place)
    check(place, places.expected)
    shutil.rmtree(place)


def kill_at(forks: Forks, places: Places, points: Iterable[int], *, freeing: bool = False) -> None:
    """Kill an engine at each point, in a new place, and go on there."""
    for at in points:
        place = places.new()
        assert Fork(forks, place, at, eager=True, freeing=freeing).end() == -signal.SIGKILL, log(place)
        go_on(forks, places, place)


def left_at_each_point(forks: Forks, places: Places) -> Iterator[tuple[Path, bool]]:
    """A whole run, held at each point: its place, to be copied, and whether its files are others than at all points before."""
    place, seen = places.new(), set[str]()
    engine = Fork(forks, place, hold=0, eager=True)
    while engine.held():
        state = hashlib.sha256()
        for path in [place / "acknowledged", *sorted((place / ".gradts").rglob("*"))]:
            state.update(f"{path}\0".encode() + (path.read_bytes() if path.is_file() else b""))
        yield place, state.hexdigest() not in seen
        seen.add(state.hexdigest())
        engine.go_on()
    assert engine.end() == 0, log(place)
    go_on(forks, places, place)


def test_killed_at_some_points(forks, short):
    kill_at(forks, short, random.Random(0).sample(range(1, 1000), 5))


def test_killed_while_it_frees_weights(forks, short):
    """The last that a run does before it says that it is done."""
    kill_at(forks, short, range(1, 20, 6), freeing=True)


@pytest.mark.torture
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_point(forks, others, short, record_property, part):
    points = tried = 0
    for at, (place, new) in enumerate(left_at_each_point(forks, short)):
        if at % PARTS == part:
            points += 1
            if new:
                tried += 1
                go_on(others, short, shutil.copytree(place, short.folder / f"{place.name}-{at}"))
    record_property("points of a crash", points)
    record_property("points of a crash with files of their own, gone on from, all identical", tried)
    assert points > 1300 / PARTS
    assert tried > 1000 / PARTS
