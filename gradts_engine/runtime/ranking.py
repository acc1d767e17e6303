"""What a strategy looks at, made of what the chosen predictors say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradts_engine.config import Experiment, SelectionSettings
from gradts_engine.contracts import Evidence, Need, Ranking, Repeats, StoredTrial
from gradts_engine.errors import UsageError
from gradts_engine.events import Predicted
from gradts_engine.hooks.catalog import Catalog
from gradts_engine.runtime.facts import Facts
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.stored_trials import known, of_others


def ordering_predictor(selection: SelectionSettings, catalog: Catalog) -> str | None:
    """The predictor that orders the candidates: the one that was set, or else the strategy's own; None where it needs none."""
    return selection.predictor or catalog.strategies[selection.strategy].predictor


def chosen_predictors(selection: SelectionSettings, catalog: Catalog) -> tuple[str, ...]:
    """All predictors that a run computes, the one that orders first."""
    first = ordering_predictor(selection, catalog)
    return tuple(dict.fromkeys([*([first] if first else []), *selection.predictors]))


def needed(selection: SelectionSettings, catalog: Catalog) -> frozenset[Need]:
    """The parts of the evidence that a run's predictors and its strategy read."""
    read = {need for name in chosen_predictors(selection, catalog) for need in catalog.predictors[name].needs}
    return frozenset(read | ({"importance"} if catalog.strategies[selection.strategy].needs_instances else set()))


def most_trials(experiment: Experiment, catalog: Catalog) -> dict[str, int]:
    """The most trials that the strategy makes of each primary."""
    strategy = catalog.strategies[experiment.selection.strategy]
    return {p: strategy.most(experiment.strategy, len(experiment.candidates(p))) for p in experiment.primaries}


def trials_of(experiment: Experiment, catalog: Catalog) -> tuple[int, int]:
    """The fewest and the most trials that the strategy makes of all primaries."""
    strategy, most = catalog.strategies[experiment.selection.strategy], most_trials(experiment, catalog)
    fewest = sum(min(strategy.fewest(experiment.strategy, len(experiment.candidates(p))), n) for p, n in most.items())
    return fewest, sum(most.values())


WAY_OUT = "set pilots = 3, or give some with `gradts-engine trials import FILE.csv`"


def stored_for(experiment: Experiment, catalog: Catalog, store: Store, facts: Facts, run: str) -> Sequence[StoredTrial]:
    """The trials of other runs that the predictors learn from. Raises `UsageError` where the one that orders learns from trials
    alone, and there are none for a primary."""
    selection = experiment.selection
    stored = of_others(known(store), facts, run) if "trials" in needed(selection, catalog) else []
    first = ordering_predictor(selection, catalog)
    if first is None or {*catalog.predictors[first].needs} != {"trials"} or selection.pilots:
        return stored
    singles = {(t.primary, *t.auxiliaries) for t in stored if len(t.auxiliaries) == 1}
    for primary in experiment.primaries:
        if not any(p != primary and a in experiment.candidates(primary) for p, a in singles):
            what = f"{first} learns from trials of other tasks than {primary}"
            none = f"{what}, and none is stored with this encoder and these settings: {WAY_OUT}"
            raise UsageError(f"{experiment.path}: selection: {none}")
    return stored


def silent(ranking: Ranking, evidence: Evidence, catalog: Catalog) -> Iterator[str]:
    """Of which candidates with evidence a predictor says nothing, a line a predictor."""
    for name, values in ranking.predicted.items():
        without = [c for c in evidence.candidates if name and math.isnan(values[c].mean)]
        hint = _hint(evidence, without) if without and "trials" in catalog.predictors[name].needs else ""
        if name == ranking.predictor and without:
            yield f"{name} says nothing of {', '.join(without)} for {ranking.primary}, so they are not tried{hint}"
        elif without and len(without) == len(evidence.candidates):
            yield f"{name} says nothing of any candidate of {ranking.primary}{hint}"


def _hint(evidence: Evidence, without: Sequence[str]) -> str:
    """Why a predictor that learns from trials says nothing of some candidates, and what can be done."""
    tried = {a for t in evidence.trials if t.primary != evidence.primary and len(t.auxiliaries) == 1 for a in t.auxiliaries}
    if tried.isdisjoint(without):
        return f": no such trial is stored; {WAY_OUT}"
    return ": in the trials there are, scores with other primaries do not differ; longer ones (steps in [multitask]) may"


def versions_of(selection: SelectionSettings, catalog: Catalog) -> dict[str, int]:
    """Those of the strategy and of the predictors that a proposal depends on."""
    of = {f"predictor {name}": catalog.predictors[name].version for name in chosen_predictors(selection, catalog)}
    return {f"strategy {selection.strategy}": catalog.strategies[selection.strategy].version} | of


def rank(
    evidence: Evidence,
    candidates: Sequence[str],
    selection: SelectionSettings,
    catalog: Catalog,
    instance_tau: Callable[[str], np.ndarray],
) -> Ranking:
    """What every chosen predictor says of every candidate; NaN of those without evidence."""
    unknown = dict.fromkeys(candidates, Repeats((math.nan,) * evidence.repeats))
    names = chosen_predictors(selection, catalog)
    predicted = {name: unknown | dict(catalog.predictors[name].load()(evidence)) for name in names}
    first = ordering_predictor(selection, catalog) or next(iter(names), "")
    return Ranking(
        primary=evidence.primary,
        candidates=tuple(candidates),
        predictor=first,
        predicted=predicted or {first: unknown},
        instance_tau=instance_tau,
    )


def told(ranking: Ranking, catalog: Catalog) -> Predicted:
    """What the predictors say, as whoever looks at the run is told of it."""
    specs = {name: catalog.predictors[name] for name in ranking.predicted if name in catalog.predictors}
    places = next((spec.places(ranking.predicted[name]) for name, spec in specs.items() if spec.places), {})
    return Predicted(
        ranking.primary,
        ranking.predictor,
        {name: {c: found.values for c, found in of.items()} for name, of in ranking.predicted.items()},
        tuple(name for name, spec in specs.items() if spec.correlation),
        {c: tuple(round(p, 3) for p in of) for c, of in places.items()},
    )
