"""Halving as a function of scores whose truth is known."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from gradts_engine.contracts import Auxiliary, Ranking, Repeats, Selection, Trials, Verdict
from gradts_engine.selection.halving import HalvingSettings, affordable, fewest, halving, most
from gradts_engine.selection.verdicts import judge


class World:
    """Trials with normal noise: an auxiliary adds its gain, a set the sum of its gains."""

    def __init__(self, gains: dict[str, float], noise: float, seed: int = 0) -> None:
        self.gains, self.noise, self.seed = gains, noise, seed
        self.asked: list[tuple[Selection, int]] = []
        self.judged: list[tuple[Selection, int]] = []

    def score(self, selection: Selection, repeat: int) -> float:
        place = [self.seed, repeat, *(1 + list(self.gains).index(a.task) for a in selection)]
        return 0.5 + sum(self.gains[a.task] for a in selection) + self.noise * float(np.random.default_rng(place).normal())

    def evaluate(self, selections: Sequence[Selection], repeats: Sequence[int]) -> list[Repeats]:
        self.asked += [(s, r) for s in selections for r in repeats]
        return [Repeats(tuple(self.score(s, r) for r in repeats)) for s in selections]

    def judge(self, selections: Sequence[Selection], repeats: Sequence[int]) -> list[Verdict]:
        self.judged += [(s, r) for s in selections for r in repeats]
        return judge([np.array([[self.score(s, r) - self.score((), r)] for r in repeats]) for s in selections], 0.01)

    def run(self, order: Sequence[str], **settings: object) -> Selection:
        predicted = {"p": {c: Repeats((-float(i),)) for i, c in enumerate(order)}}
        ranking = Ranking(
            primary="main", candidates=tuple(order), predictor="p", predicted=predicted, instance_tau=lambda t: np.empty(0)
        )
        return halving(ranking, Trials(self.evaluate, self.judge), HalvingSettings(**settings))  # type: ignore[arg-type]


NAMES = [f"c{i}" for i in range(20)]


def test_the_budget_is_kept_and_no_seed_is_both_for_choosing_and_for_judging():
    for budget in (2, 3, 7, 12, 30):
        world = World(dict.fromkeys(NAMES, 0.0), 0.1)
        world.run(NAMES, budget=budget)
        assert sum(bool(s) for s, _ in world.asked) <= budget
        assert max(Counter(world.asked).values()) == 1, "a trial was asked for twice"
        assert not {r for _, r in world.asked} & {r for _, r in world.judged}
        assert {r for s, r in world.asked if not s} == {r for _, r in world.asked}, "the primary alone has every seed"
        made = {*world.asked, *world.judged, *(((), r) for _, r in world.judged)}
        settings = HalvingSettings(budget=budget)
        assert fewest(settings, len(NAMES)) <= len(made) <= most(settings, len(NAMES))


def test_the_primary_alone_goes_on_whatever_it_scored_first():
    """Seed 1 is better for all, and best for the primary alone, which was last with seed 0."""
    scores = {(): (0.70, 0.90), "c0": (0.72, 0.74), "c1": (0.71, 0.73), "c2": (0.60, 0.60), "c3": (0.60, 0.60)}

    class Known(World):
        def score(self, selection: Selection, repeat: int) -> float:
            return scores[selection[0].task if selection else ()][repeat]

    world = Known({}, 0.0)
    assert world.run(["c0", "c1", "c2", "c3"], seeds=0, largest=1) == ()
    assert ((), 1) in world.asked


def test_one_candidate_is_tried_once_and_is_the_only_finalist():
    world = World({"c0": 0.0}, 0.1)
    world.run(["c0"])
    made = {*world.asked, *world.judged, *(((), r) for _, r in world.judged)}
    settings = HalvingSettings()
    assert fewest(settings, 1) == len(made) == 8
    assert len(made) <= most(settings, 1) <= 9


def test_a_budget_is_used():
    assert affordable(12, 4, 20) == 10
    world = World(dict.fromkeys(NAMES, 0.0), 0.1)
    world.run(NAMES, budget=12, largest=1)
    assert sum(bool(s) for s, _ in world.asked) >= 11


def test_a_budget_without_end_is_as_much_as_there_is_to_try():
    world = World(dict.fromkeys(NAMES, 0.0), 0.1)
    world.run(NAMES, budget=10**18)
    made = {*world.asked, *world.judged, *(((), r) for _, r in world.judged)}
    assert len(made) <= most(HalvingSettings(budget=10**18), len(NAMES)) < 5 * len(NAMES)


def test_the_shortlist_is_the_predictors():
    world = World(dict.fromkeys(NAMES, 0.0), 0.1)
    world.run(NAMES[::-1], budget=30, shortlist=4)
    assert {a.task for s, _ in world.asked for a in s} == set(NAMES[-4:])


def test_what_helps_much_is_found_and_proposed():
    gains = dict.fromkeys(NAMES, 0.0) | {"c5": 0.2}
    found = [World(gains, 0.02, seed).run(NAMES, budget=20, largest=1) for seed in range(20)]
    assert found == [(Auxiliary("c5"),)] * 20


def test_none_is_proposed_where_nothing_helps():
    """Each of two finalists may be called a help in 2.5% of cases."""
    found = [World(dict.fromkeys(NAMES, 0.0), 0.05, seed).run(NAMES, budget=20) for seed in range(100)]
    assert sum(bool(s) for s in found) <= 12
    assert all(not World(dict.fromkeys(NAMES, -0.1), 0.01, seed).run(NAMES, budget=20, propose="best") for seed in range(20))


def test_sets_are_tried_where_singles_help():
    gains = {"a": 0.1, "b": 0.09, "c": -0.1, "d": -0.2}
    world = World(gains, 0.001)
    assert world.run(list(gains), budget=12) == (Auxiliary("a"), Auxiliary("b"))
    assert World(gains, 0.001).run(list(gains), budget=12, largest=1) == (Auxiliary("a"),)


@pytest.mark.parametrize("seed", range(5))
def test_failed_trials_are_never_chosen(seed: int):
    world = World(dict.fromkeys(NAMES, 0.3), 0.01, seed)
    honest = world.score
    world.score = lambda s, r: math.nan if any(a.task != "c3" for a in s) else honest(s, r)  # type: ignore[method-assign]
    assert world.run(NAMES, budget=20, largest=1) == (Auxiliary("c3"),)
