"""An engine is killed at its n-th touch of a file, for every n, and the same command goes on: nothing that was acknowledged is
lost, and what comes out is what comes out of a run that nothing has interrupted, to the last bit.

A sample of points is killed in earnest. For all points, one engine is held in the middle of each touch, and its files are copied:
they are what a kill leaves there. So a point costs only what comes after it, and points between which no file has changed (most
are syncs) are one."""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.crash.checks import check
from tests.crash.places import Fork, Forks, Places, log

PARTS = 12
"""In how many tests all points are tried, so that several processes can share them."""

pytestmark = pytest.mark.timeout(1200)


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
    kill_at(forks, short, random.Random(0).sample(range(1, 1000), 8))


def test_killed_while_it_frees_weights(forks, short):
    """The last that a run does before it says that it is done."""
    kill_at(forks, short, range(1, 20, 4), freeing=True)


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
