"""Plays a registered strategy against a table of true scores: what would it have chosen, and what was that worth?

The strategy runs as in a run; only its trials are drawn from the table. Of each target's seeds, five in eight are there to be
drawn and the others judge what was chosen, in another order every repetition. What a predictor knows comes from other targets
alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gradts_engine.contracts import (
    Evidence,
    PredictorSpec,
    Ranking,
    Repeats,
    Selection,
    StoredTrial,
    StrategySpec,
    Trials,
    Verdict,
)
from gradts_engine.errors import UsageError
from gradts_engine.selection.verdicts import judge
from gradts_engine.settings import Section
from gradts_engine.studies.scores import Target

DRAWN = 5 / 8
"""Share of a target's seeds that trials draw from."""


@dataclass
class Outcome:
    """What one repetition with one target came to, in the unit of the metric."""

    gain: float
    regret: float
    trials: int
    verdicts: int = 0
    wrong: int = 0


@dataclass
class Game:
    """One target with its seeds dealt: what trials draw from, and what judges."""

    target: Target
    drawn: np.ndarray
    held: np.ndarray
    margin: float
    trials: int = 0
    given: dict[int, Verdict] = field(default_factory=dict)

    def row(self, selection: Selection) -> int | None:
        """Where a selection stands in the table, which has no sets and no parts of tasks."""
        if not selection:
            return 0
        known = len(selection) == 1 and selection[0].instances is None and selection[0].task in self.target.sources
        return 1 + self.target.sources.index(selection[0].task) if known else None

    def _score(self, row: int | None, repeat: int) -> float:
        return float(self.drawn[row, repeat]) if row is not None and repeat < self.drawn.shape[1] else math.nan

    def evaluate(self, selections: Sequence[Selection], repeats: Sequence[int]) -> list[Repeats]:
        """Trials: scores of the table, NaN where it has none."""
        found = [Repeats(tuple(self._score(self.row(s), r) for r in repeats)) for s in selections]
        drawn = [scores for s, scores in zip(selections, found, strict=True) if s or self.target.alone]
        self.trials += sum(len(scores.finite) for scores in drawn)
        return found

    def judge(self, selections: Sequence[Selection], repeats: Sequence[int]) -> list[Verdict]:
        """Verdicts on seeds that are there to be drawn; the table knows nothing of single rows."""
        rows = [self.row(s) for s in selections]
        seeds = [r for r in repeats if r < self.drawn.shape[1]]
        alone = np.array([[self._score(0, r)] for r in seeds]).reshape(-1, 1)
        tables = [np.array([[self._score(row, r)] for r in seeds]).reshape(-1, 1) - alone for row in rows]
        verdicts = judge(tables, self.margin)
        self.given |= {row: verdict for row, verdict in zip(rows, verdicts, strict=True) if row is not None}
        return verdicts

    def outcome(self, chosen: int) -> Outcome:
        """What a row of the table was worth, judged by seeds that no trial drew from."""
        truth = np.array([Repeats(tuple(row)).mean for row in self.held])
        gains = truth - truth[0]
        told = [(gains[row], verdict) for row, verdict in self.given.items() if verdict.verdict != "undecided"]
        wrong = sum(not _right(verdict.verdict, gain, self.margin) for gain, verdict in told)
        return Outcome(float(gains[chosen]), float(np.nanmax(truth) - truth[chosen]), self.trials, len(told), wrong)


def _right(verdict: str, gain: float, margin: float) -> bool:
    return {"helps": gain > 0, "hurts": gain < 0, "neutral": abs(gain) <= margin}[verdict]


def deal(target: Target, draw: np.random.Generator, margin: float) -> Game:
    """A target with its seeds in another order, without the sources that have no score to draw, or none to judge by."""
    seeds = target.scores.shape[1]
    scores = target.scores[:, draw.permutation(seeds)]
    most = min(max(1, round(DRAWN * seeds)), seeds - 1)
    known = np.isfinite(scores[:, :most]).any(1) & np.isfinite(scores[:, most:]).any(1)
    sources = tuple(source for source, there in zip(target.sources, known[1:], strict=True) if there)
    if not sources or not known[0]:
        raise UsageError(f"target {target.name} has too few scores: no source has one to draw and one to judge by")
    return Game(replace(target, sources=sources, scores=scores[known]), scores[known, :most], scores[known, most:], margin)


def pilots(targets: Sequence[Target], primary: Target, count: int, draw: np.random.Generator) -> list[StoredTrial]:
    """One seed of every source with each of `count` other targets."""
    others = [t for t in targets if t.name != primary.name]
    found = []
    for place in draw.permutation(len(others))[:count]:
        other = others[place]
        seed = int(draw.integers(other.scores.shape[1]))
        found += [
            StoredTrial(primary=other.name, auxiliaries=(source,) if source else (), repeat=0, score=float(score))
            for source, score in zip(("", *other.sources), other.scores[:, seed], strict=True)
        ]
    return found


def play(game: Game, strategy: StrategySpec, settings: Section, predictor: PredictorSpec, evidence: Evidence) -> Outcome:
    """Run a strategy, as a run does, on trials of the table."""
    values = predictor.load()(evidence)
    if strategy.predictor and not any(math.isfinite(of.mean) for of in values.values()):
        what = f"predictor {predictor.name} says nothing of any source of {evidence.primary}"
        raise UsageError(f"{what}: its sources have no scores that differ with other targets; play --predictor random")
    ranking = Ranking(
        primary=evidence.primary,
        candidates=evidence.candidates,
        predictor=predictor.name,
        predicted={predictor.name: values},
        instance_tau=lambda task: np.empty(0),
    )
    chosen = strategy.load()(ranking, Trials(game.evaluate, game.judge), settings)
    row = game.row(chosen)
    if row is None:
        raise UsageError(f"strategy {strategy.name} chose a set, of which the table knows nothing; try another")
    return game.outcome(row)


def uniform(game: Game, budget: int, draw: np.random.Generator) -> Outcome:
    """The baseline: one trial each of as many sources as the budget has trials, in any order; then further seeds."""
    rows, seeds = np.arange(0 if game.target.alone else 1, len(game.drawn)), game.drawn.shape[1]
    order = [row for _ in range(seeds) for row in draw.permutation(rows)][:budget]
    scores: dict[int, list[float]] = defaultdict(list)
    for row in order:
        scores[row].append(game.drawn[row, len(scores[row])])
    means = {row: Repeats(tuple(found)).mean for row, found in scores.items()}
    return game.outcome(max(means, key=lambda row: -math.inf if math.isnan(means[row]) else means[row]))


@dataclass(frozen=True)
class Played:
    """All repetitions of a replay, by who chose; `random` is the mean over all sources."""

    strategy: list[Outcome]
    uniform: list[Outcome]
    random: list[Outcome]
    oracle: list[float]


def replay(
    targets: Sequence[Target],
    strategy: StrategySpec,
    settings: Section,
    predictor: PredictorSpec,
    *,
    budget: int,
    pilot_count: int,
    margin: float = 0.01,
    repetitions: int,
    limit: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Played:
    """Play every target (the first `limit`) so many times; the same deals for every strategy and predictor."""
    played = Played([], [], [], [])
    chosen = targets[:limit]
    for number, target in enumerate(chosen):
        for repetition in range(repetitions):
            draw = np.random.default_rng([number, repetition])
            game = deal(target, draw, margin)
            evidence = Evidence(
                primary=target.name,
                candidates=game.target.sources,
                trials=tuple(pilots(targets, target, pilot_count, draw)),
                seed=repetition,
            )
            played.uniform.append(uniform(game, budget, draw))
            sources = [game.outcome(row) for row in range(1, len(game.drawn))]
            gain, regret = (float(np.mean([getattr(each, of) for each in sources])) for of in ("gain", "regret"))
            played.random.append(Outcome(gain, regret, 0))
            truth = np.array([Repeats(tuple(row)).mean for row in game.held])
            played.oracle.append(game.outcome(int(np.nanargmax(truth))).gain)
            played.strategy.append(play(game, strategy, settings, predictor, evidence))
        progress(number + 1, len(chosen))
    return played


def summary(played: Played) -> dict[str, float | int | None]:
    """Means over targets and repetitions: trials, regrets and gains in points, and the share of verdicts that were wrong."""
    given, wrong = (sum(getattr(o, name) for o in played.strategy) for name in ("verdicts", "wrong"))
    return {
        "trials": round(sum(o.trials for o in played.strategy) / len(played.strategy), 2),
        "regret": points(o.regret for o in played.strategy),
        "uniform_regret": points(o.regret for o in played.uniform),
        "random_regret": points(o.regret for o in played.random),
        "gain": points(o.gain for o in played.strategy),
        "oracle_gain": points(played.oracle),
        "wrong_verdicts": round(wrong / given, 4) if given else None,
        "verdicts": given,
    }


def of_uniform(played: Played, repetitions: int) -> Repeats:
    """The strategy's regret over that of uniform trials: a value a repetition, linear in both (the ratio's delta method)."""
    ours, theirs = (
        np.array([o.regret for o in outcomes]).reshape(-1, repetitions).mean(0) for outcomes in (played.strategy, played.uniform)
    )
    if not theirs.mean():
        return Repeats(())
    ratio = ours.mean() / theirs.mean()
    return Repeats(tuple(ratio + (ours - ratio * theirs) / theirs.mean()))


def remark(played: Played, repetitions: int) -> str:
    """How the strategy's regret compares with that of uniform trials, in words; empty where that cannot be said."""
    share = of_uniform(played, repetitions)
    low, high = share.interval(exact=True)
    if not math.isfinite(low):
        return ""
    return f"regret is {share.mean:.2f} of that of uniform trials ({low:.2f} to {high:.2f}, 95%, over repetitions)"


def points(values: Iterable[float]) -> float:
    """A mean in points of the metric, hundredths."""
    return round(100 * Repeats(tuple(values)).mean, 3)
