"""Are the intervals as wide as they should be, and the verdicts as often right? Simulated, where the truth is known.

Each case is a study of its own: importance of two tasks' instances whose tau is known, gains of several seeds around a known
mean, or dev rows of several trainings that differ by a known gain. What is asked is the very code of a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gradts_engine.repeats import Repeats
from gradts_engine.scoring.bootstrap import resampled, tau_interval
from gradts_engine.scoring.correlation import kendall_tau
from gradts_engine.scoring.normalise import normalise
from gradts_engine.selection.verdicts import judge

EFFECT, MARGIN = 0.08, 0.01
"""The gain that is to be found, and the one that is none."""
RESAMPLES = 200
JUDGED = 3
"""Candidates that are judged together."""


@dataclass(frozen=True)
class Case:
    """What one simulation came to: how many of the true values the intervals held; how many verdicts said helps or hurts where
    the gain is 0, and how many said helps where it is `EFFECT`."""

    held: int
    intervals: int
    wrong: int = 0
    found: int = 0


def tau_of_instances(draw: np.random.Generator, instances: int, noise: float) -> Case:
    """Two tasks of 6 x 12 heads that have a pattern in common, seen through so many instances with log-normal noise."""
    common = draw.gamma(4, 1, (6, 12))
    true = common * draw.lognormal(0, 0.4, (2, 6, 12))
    shape = (instances, 6, 12)
    seen = (m * draw.lognormal(0, noise, shape) * draw.lognormal(0, 0.7, (instances, 1, 1)) for m in true)
    one, two = (resampled({0: [raw]}, seed=place, resamples=RESAMPLES) for place, raw in enumerate(seen))
    low, high = tau_interval(one, two)
    tau = float(kendall_tau(normalise(true[0]), normalise(true[1])[None])[0])
    return Case(int(low <= tau <= high), 1)


def gain_of_seeds(draw: np.random.Generator, seeds: int, freedom: int) -> Case:
    """Gains of whole trainings: Student's t with so many degrees of freedom, or normal where that is 0."""
    values = EFFECT + 0.03 * (draw.standard_t(freedom, seeds) if freedom else draw.normal(size=seeds))
    low, high = Repeats(tuple(values.tolist())).interval()
    return Case(int(low <= EFFECT <= high), 1)


def verdicts(draw: np.random.Generator, seeds: int, rows: int, noise: float, alone: float) -> Case:
    """Right and wrong answers of classifiers to the same rows: what an auxiliary mends differs by row, and how well a training
    goes by seed, with a standard deviation of `noise`, and of `alone` without an auxiliary. All are compared with the same
    trainings alone."""

    def tables(gain: float) -> list[np.ndarray]:
        # How likely each row is answered rightly: between .25 and .75, so that hardly a chance is cut, and the mean gain stays.
        easy = 0.25 + 0.5 * draw.beta(4, 1.5, (1, rows))
        base = draw.random((seeds, rows)) < easy - gain / 2 + draw.normal(0, alone, (seeds, 1))
        found = []
        for _ in range(JUDGED):
            chances = easy + gain / 2 + draw.normal(0, 0.1, (1, rows)) + draw.normal(0, noise, (seeds, 1))
            found.append((draw.random((seeds, rows)) < chances) * 1.0 - base)
        return found

    none, much = judge(tables(0.0), MARGIN), judge(tables(EFFECT), MARGIN)
    held = sum(v.low <= 0 <= v.high for v in none) + sum(v.low <= EFFECT <= v.high for v in much)
    wrong = sum(v.verdict in ("helps", "hurts") for v in none)
    return Case(held, 2 * JUDGED, wrong, sum(v.verdict == "helps" for v in much))


SIMULATIONS: tuple[tuple[str, partial[Case]], ...] = (
    ("tau over instances", partial(tau_of_instances, instances=100, noise=0.7)),
    ("tau over instances", partial(tau_of_instances, instances=300, noise=0.7)),
    ("tau over instances", partial(tau_of_instances, instances=300, noise=1.2)),
    ("tau over instances", partial(tau_of_instances, instances=1000, noise=1.2)),
    ("gain over seeds", partial(gain_of_seeds, seeds=3, freedom=0)),
    ("gain over seeds", partial(gain_of_seeds, seeds=5, freedom=0)),
    ("gain over seeds", partial(gain_of_seeds, seeds=5, freedom=4)),
    ("verdict", partial(verdicts, seeds=3, rows=500, noise=0.01, alone=0.01)),
    ("verdict", partial(verdicts, seeds=5, rows=500, noise=0.01, alone=0.01)),
    ("verdict", partial(verdicts, seeds=5, rows=1000, noise=0.02, alone=0.02)),
    ("verdict", partial(verdicts, seeds=5, rows=500, noise=0.02, alone=0.04)),
    ("verdict", partial(verdicts, seeds=8, rows=1000, noise=0.03, alone=0.03)),
    ("verdict", partial(verdicts, seeds=8, rows=500, noise=0.03, alone=0.06)),
)


def simulate(cases: int) -> Iterator[dict[str, Any]]:
    """A row a simulation of so many cases, JSON-ready: the share of true values that 95% intervals hold and, of verdicts, the
    shares that are wrong where there is no gain and found where there is one of `EFFECT`; None where there are none."""
    for number, (what, one) in enumerate(SIMULATIONS):
        draw = np.random.default_rng([7, number])
        found = [one(draw) for _ in range(cases)]
        intervals = sum(case.intervals for case in found)
        judged = intervals / 2 if what == "verdict" else 0
        yield {
            "of": what,
            "simulated": ", ".join(f"{name} {value}" for name, value in one.keywords.items()),
            "cases": cases,
            "coverage": round(sum(case.held for case in found) / intervals, 4),
            "wrong": round(sum(case.wrong for case in found) / judged, 4) if judged else None,
            "found": round(sum(case.found for case in found) / judged, 4) if judged else None,
        }
