"""An engine is killed at its n-th touch of a file, for every n, and the same command goes on: nothing that was acknowledged is
lost, and what comes out is what comes out of a run that nothing has interrupted, to the last bit."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterable
from itertools import count

import pytest

from tests.crash.checks import check
from tests.crash.places import Fork, Forks, Places, log

PARTS = 12
"""In how many tests all points are tried, so that several processes can share them."""

pytestmark = pytest.mark.timeout(1200)


def kill_at(forks: Forks, places: Places, points: Iterable[int], *, freeing: bool = False) -> int:
    """Kill an engine at each point, in a new place, and go on there, up to the first point that an engine does not come to; how
    many points there were."""
    for tried, at in enumerate(points):
        place = places.new()
        engine = Fork(forks, place, at, eager=True, freeing=freeing)
        status = engine.end()
        if status == 0:
            assert engine.touched < at
            return tried
        assert status == -signal.SIGKILL, log(place)
        assert Fork(forks, place).end() == 0, log(place)
        check(place, places.expected)
        shutil.rmtree(place)
    return tried + 1


def test_killed_at_some_points(forks, short):
    assert kill_at(forks, short, random.Random(0).sample(range(1, 1000), 8)) == 8


def test_killed_while_it_frees_weights(forks, short):
    """The last that a run does before it says that it is done."""
    assert kill_at(forks, short, range(1, 20, 4), freeing=True) == 5


@pytest.mark.torture
@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_killed_at_every_point(forks, short, record_property, part):
    points = kill_at(forks, short, count(part, PARTS))
    record_property("crash points, killed and gone on with, all identical", points)
    assert points > 1000 / PARTS
