"""Trials that pay off: a shortlist, more seeds for what looks better, sets of what is left, and a verdict on fresh seeds and
rows.

Sequential halving: Karnin, Koren and Somekh, "Almost optimal exploration in multi-armed bandits", ICML 2013, where every arm
of a round gets one more seed and the better part goes on. Different from theirs: the arms that the predictor puts last are
never tried; where there are more candidates than can be tried, a quarter goes on, not half, since breadth is then worth more
than certainty (simulated with normal gains and a budget of half the pool, for every quality of the predictor); and the winner
is judged anew against the primary alone, since the best of several noisy scores is better by luck.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from math import comb
from typing import Literal

from pydantic import Field

from gradts_engine.contracts import Auxiliary, Ranking, Selection, Trials
from gradts_engine.settings import Section

ALONE: Selection = ()


class HalvingSettings(Section):
    """How many trials are made of which candidates, and how what looks best is judged."""

    budget: int | None = Field(
        default=None,
        ge=2,
        description="Trials to choose by, of one seed each, default: twice the candidates, at most 24.",
    )
    shortlist: int | None = Field(
        default=None, ge=1, description="Candidates to try, those that the predictor puts first; default: as the budget allows."
    )
    largest: int = Field(default=2, ge=1, le=3, description="Most auxiliaries in a set: 1, 2 or 3.")
    finalists: int = Field(default=2, ge=1, le=3, description="Selections to judge on fresh seeds, besides the primary alone.")
    seeds: int = Field(
        default=3, ge=0, le=1_000, description="Fresh seeds of each of them; 0: propose without a verdict what looks best."
    )
    propose: Literal["shown", "best"] = Field(
        default="shown", description="Propose only what is shown to help, else none; or the best, whatever its verdict."
    )


def halving(ranking: Ranking, trials: Trials, settings: HalvingSettings) -> Selection:
    """The selection that is shown to help most; none where nothing is."""
    order = ranking.order()
    if not order:
        return ALONE
    budget, share, first = schedule(settings, len(order))
    table = Table(trials, budget)
    left: list[Selection] = [(Auxiliary(c),) for c in order[:first]]
    while left and table.left >= len(left):
        table.run([ALONE, *left])
        further = first // share**table.rounds
        left = [s for s in table.best(left) if table.mean(s) > -math.inf][:further] if further > 1 else []
    if settings.largest > 1:
        table.add_sets(settings.largest)
    return _proposed(table, settings)


def schedule(settings: HalvingSettings, candidates: int) -> tuple[int, int, int]:
    """Trials to choose by, which part of a round goes on (one in so many), and how many candidates are tried first."""
    budget = settings.budget or min(2 * candidates, 24)
    share = 2 if affordable(budget, 2, candidates + 1) > candidates else 4
    return budget, share, affordable(budget, share, min(settings.shortlist or candidates, candidates))


def most(settings: HalvingSettings, candidates: int) -> int:
    """The most trainings that `halving` asks for: its budget, as far as there is something to try, the primary alone in every
    round, and what the verdicts take."""
    if not candidates:
        return 1
    budget, share, first = schedule(settings, candidates)
    rounds, sets = _rounds(first, share), sum(comb(min(first, 3), size) for size in range(2, settings.largest + 1))
    chosen = min(budget, sum(rounds) + sets * len(rounds))
    return chosen + len(rounds) + settings.seeds * (min(settings.finalists, first * (first + 1) // 2) + 1)


def fewest(settings: HalvingSettings, candidates: int) -> int:
    """The same where no set is tried, since no candidate did better than the primary alone."""
    if not candidates:
        return 1
    _, share, first = schedule(settings, candidates)
    rounds = _rounds(first, share)
    return len(rounds) + sum(rounds) + settings.seeds * (min(settings.finalists, first) + 1)


def affordable(budget: int, share: int, most: int) -> int:
    """The most candidates, `most` at most, that can be cut down to one, where one in `share` goes on: each round takes a trial a
    candidate."""
    count = min(2, most)
    while count < most and sum(_rounds(count + 1, share)) <= budget:
        count += 1
    return count


def _rounds(count: int, share: int) -> list[int]:
    return [count, *(_rounds(count // share, share) if count // share > 1 else [])]


def _proposed(table: Table, settings: HalvingSettings) -> Selection:
    """What to propose, after the finalists were judged on seeds that no choice was made on."""
    best = table.best(table.scores)
    finalists = [s for s in best if s and table.mean(s) > -math.inf][: settings.finalists if settings.seeds else 0]
    fresh = range(table.rounds, table.rounds + settings.seeds)
    verdicts = dict(zip(finalists, table.trials.judge(finalists, fresh) if finalists else (), strict=True))
    if settings.propose == "best" or not settings.seeds:
        return best[0]
    shown = [s for s in finalists if verdicts[s].verdict == "helps"]
    return max(shown, key=lambda s: verdicts[s].gain, default=ALONE)


class Table:
    """Scores of trials so far, and how many may still be made. A failed trial scores below everything."""

    def __init__(self, trials: Trials, budget: int) -> None:
        self.trials = trials
        self.budget = budget
        self.left = budget
        self.rounds = 0
        self.scores: dict[Selection, list[float]] = {}

    def run(self, selections: Sequence[Selection]) -> None:
        """One more seed for each of several selections, all of them side by side."""
        self._add(selections, [self.rounds])
        self.rounds += 1

    def _add(self, selections: Sequence[Selection], repeats: Sequence[int]) -> None:
        for selection, found in zip(selections, self.trials.evaluate(selections, repeats), strict=True):
            self.scores.setdefault(selection, []).extend(found.values)
        self.left -= len([s for s in selections if s]) * len(repeats)  # the primary alone is trained in any case

    def mean(self, selection: Selection) -> float:
        """Mean score of a selection's trials."""
        values = self.scores[selection]
        return -math.inf if any(map(math.isnan, values)) else math.fsum(values) / len(values)

    def best(self, selections: Iterable[Selection]) -> list[Selection]:
        """Selections by falling number of seeds, which are those that got further, and then by mean score; failed ones last, and
        the smaller first where scores tie."""
        return sorted(selections, key=lambda s: (self.mean(s) == -math.inf, -len(self.scores[s]), -self.mean(s), len(s)))

    def add_sets(self, largest: int) -> None:
        """Try sets of the singles that did best, as far as the budget goes, on the seeds of those that got furthest."""
        helpful = [s for s in self.best(self.scores) if s and self.mean(s) > self.mean(ALONE)][:3]
        sets = [sum(chosen, ()) for size in range(2, largest + 1) for chosen in combinations(helpful, size)]
        self._add(sets[: self.left // self.rounds], range(self.rounds))
