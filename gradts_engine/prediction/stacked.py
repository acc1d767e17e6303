"""The probe and the embedding together, until stored trials show that other weights are better.

Each is standardised over the candidates and both count alike: with the few primaries that anyone has trials of, learnt weights
rarely beat equal ones (Dawes, American Psychologist 1979). Stored trials of other primaries may show that they do: a Bayesian
ridge regression over all measures (MacKay, Neural Computation 1992) is fitted to all primaries but one and ranks the candidates
of that one, for each in turn; only where its rank correlation is higher than that of the equal weights, at the 5% level, is it
used. Cost: that of what it reads; the embedding and the probe alone until there are trials enough.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradts_engine.contracts import Evidence, Repeats, StoredTrial
from gradts_engine.prediction.embedding import embedding
from gradts_engine.prediction.main_effect import main_effect
from gradts_engine.prediction.probe import forward, reverse
from gradts_engine.prediction.tau import centred, tau
from gradts_engine.prediction.traits import form, learnability, size

AGREEMENT = 0.5
"""Rank correlation of the equal weights with true gains where no trials are stored; .5 to .55 on joint training."""
PRIMARIES, TRIED = 5, 4
"""Trials are enough for other weights: so many other primaries, each with so many single auxiliaries of this pool."""


def stacked(evidence: Evidence) -> Mapping[str, Repeats]:
    """The expected gain of each candidate, in standard deviations of the candidates' gains, so that its uncertainty is known as
    well: see `places`. NaN where nothing is known."""
    trials = tuple(t for t in evidence.trials if t.primary != evidence.primary)
    known = _gains(trials, (evidence.primary, *evidence.candidates))
    model, agreement = None, AGREEMENT
    if len(known) >= PRIMARIES:
        tables = Tables(evidence, trials, {q: tuple(of) for q, of in known.items()})
        gains = {q: _standard(np.array([*of.values()])) for q, of in known.items()}
        model, agreement = _learnt(tables, gains)
    own = _values(evidence, tuple(MEASURES) if model else EQUAL)
    columns = [model(_standard(at)) if model else agreement * _equal(at) for at in np.moveaxis(own, 2, 0)]
    nothing = np.isnan(own).all(0)  # [C, R]
    expected = np.where(nothing, np.nan, np.stack(columns, 1))
    return {c: Repeats(tuple(row.tolist())) for c, row in zip(evidence.candidates, expected, strict=True)}


def places(expected: Mapping[str, Repeats], *, draws: int = 20_000) -> dict[str, tuple[float, ...]]:
    """How likely each candidate is to gain most, second most, ..., from what `stacked` expects: gains have a variance of 1 in its
    unit, and what the expected ones lack of that is what is not known. Candidates without a value have no place."""
    names = [c for c, repeats in expected.items() if math.isfinite(repeats.mean)]
    means = np.array([expected[c].mean for c in names])
    unknown = math.sqrt(max(0.0, 1 - float(np.mean(means**2)))) if names else 0.0
    drawn = means + unknown * np.random.default_rng(0).normal(size=(draws, len(names)))
    order = np.argsort(-drawn, axis=1)
    return {c: tuple((order == i).mean(0).tolist()) for i, c in enumerate(names)}


Predict = Callable[[np.ndarray], np.ndarray]


def _learnt(tables: Tables, gains: Mapping[str, np.ndarray]) -> tuple[Predict | None, float]:
    """A model of all measures, None where it is not shown to beat the equal weights; and the mean rank correlation of these."""
    from scipy.stats import spearmanr, ttest_1samp

    def rho(values: np.ndarray, q: str) -> float:
        return float(np.nan_to_num(spearmanr(values, gains[q]).statistic)) if np.ptp(values) else 0.0

    equal = {q: rho(_equal(np.stack([tables.at(q, "")[list(MEASURES).index(m)] for m in EQUAL])), q) for q in gains}
    fitted = {q: rho(_fit(tables, gains, q)(_standard(tables.at(q, q))), q) for q in gains}
    better = [fitted[q] - equal[q] for q in gains]
    beats = np.mean(better) > 0 and (np.ptp(better) == 0 or ttest_1samp(better, 0, alternative="greater").pvalue < 0.05)
    return _fit(tables, gains, "") if beats else None, min(max(float(np.mean([*equal.values()])), 0.05), 0.95)


def _fit(tables: Tables, gains: Mapping[str, np.ndarray], held: str) -> Predict:
    """A model of the standardised gains of all primaries but `held`, of which it sees no trial."""
    from sklearn.linear_model import BayesianRidge

    rest = [q for q in gains if q != held]
    features = np.concatenate([_standard(tables.at(q, held)).T for q in rest])
    model = BayesianRidge(fit_intercept=False).fit(features, np.concatenate([gains[q] for q in rest]))
    return lambda standard: np.asarray(model.predict(standard.T), np.float64)


class Tables:
    """Values of all measures for other primaries, as if they were asked for."""

    def __init__(self, evidence: Evidence, trials: Sequence[StoredTrial], candidates: Mapping[str, tuple[str, ...]]) -> None:
        self.trials = trials
        self.seen = {q: replace(evidence, primary=q, candidates=of, trials=()) for q, of in candidates.items()}
        self.still = {q: _mean(_values(e, [m for m in MEASURES if m != "main-effect"])) for q, e in self.seen.items()}

    def at(self, primary: str, held: str) -> np.ndarray:
        """[F, C], without what is known from trials of the primary itself and of `held`."""
        trials = tuple(t for t in self.trials if t.primary != held)
        effect = _mean(_values(replace(self.seen[primary], trials=trials), ["main-effect"]))
        return np.concatenate([self.still[primary], effect])


def _gains(trials: Sequence[StoredTrial], pool: Sequence[str]) -> dict[str, dict[str, float]]:
    """Mean score of each primary of the pool with each single auxiliary of it, of those with enough of them."""
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for t in trials:
        if len(t.auxiliaries) == 1 and {t.primary, *t.auxiliaries} <= {*pool} and math.isfinite(t.score):
            scores[t.primary][t.auxiliaries[0]].append(t.score)
    return {q: {c: float(np.mean(s)) for c, s in of.items()} for q, of in scores.items() if len(of) >= TRIED}


def _values(evidence: Evidence, measures: Sequence[str]) -> np.ndarray:
    """[F, C, R] of so many measures, NaN where one says nothing."""
    found = [MEASURES[name](evidence) for name in measures]
    shape = (len(measures), len(evidence.candidates), evidence.repeats)
    return np.array([[f[c].values for c in evidence.candidates] for f in found], np.float64).reshape(shape)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the repeats that are there."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0).sum(-1) / known.sum(-1))


def _standard(values: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1 over candidates [..., C]; 0 where nothing is known, or all are alike."""
    centred = np.nan_to_num(values - _mean(values)[..., None])
    spread = np.sqrt(_mean(np.where(np.isfinite(values), centred**2, np.nan)))[..., None]
    return np.asarray(np.where(spread > 1e-12, centred / np.maximum(spread, 1e-12), 0))


def _equal(values: np.ndarray) -> np.ndarray:
    """Measures [F, C] with equal weights, standardised once more."""
    return _standard(_standard(values).sum(0))


MEASURES: Mapping[str, Callable[[Evidence], Mapping[str, Repeats]]] = {
    "embedding": embedding,
    "probe": forward,
    "probe-reverse": reverse,
    "tau": tau,
    "tau-centred": centred,
    "size": size,
    "form": form,
    "learnability": learnability,
    "main-effect": main_effect,
}
EQUAL = ("embedding", "probe")
