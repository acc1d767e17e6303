"""The simulations, with cases of which the answer is known."""

import numpy as np
import pytest

from gradts_engine.studies import coverage
from gradts_engine.studies.coverage import Case, gain_of_seeds, simulate, verdicts


def test_a_row_a_simulation_and_shares_of_what_was_asked(monkeypatch):
    def one(draw, seeds):
        return Case(held=3, intervals=6, wrong=1, found=2)

    monkeypatch.setattr(coverage, "SIMULATIONS", (("verdict", coverage.partial(one, seeds=3)),))
    assert list(simulate(4)) == [
        {"of": "verdict", "simulated": "seeds 3", "cases": 4, "coverage": 0.5, "wrong": 0.3333, "found": 0.6667}
    ]


def share(one, cases=400, **settings):
    draw = np.random.default_rng(0)
    found = [one(draw, **settings) for _ in range(cases)]
    return sum(case.held for case in found) / sum(case.intervals for case in found)


def test_normal_gains_are_covered_as_students_t_says():
    assert share(gain_of_seeds, seeds=4, freedom=0, cases=2000) == pytest.approx(0.95, abs=0.015)


def test_too_narrow_intervals_show(monkeypatch):
    """The simulation measures what a run computes: intervals of half the level cover half."""
    judge = coverage.judge
    monkeypatch.setattr(coverage, "judge", lambda tables, margin: judge(tables, margin, level=0.5))
    assert 0.4 < share(verdicts, seeds=5, rows=300, noise=0.02, alone=0.02, cases=100) < 0.75


def test_candidates_share_the_trainings_alone(monkeypatch):
    """What is drawn are differences to the same answers: where these vary most, the gains of a seed go up and down together."""
    seen: list[np.ndarray] = []
    judge = coverage.judge
    monkeypatch.setattr(coverage, "judge", lambda tables, margin: seen.append(tables) or judge(tables, margin))
    verdicts(np.random.default_rng(0), seeds=200, rows=300, noise=0.01, alone=0.1)
    assert np.corrcoef([table.mean(1) for table in seen[0]])[0, 1:].min() > 0.8
