"""What a strategy looks at, made of what the chosen predictors say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from gradts_engine.config import SelectionSettings
from gradts_engine.contracts import Evidence, Need, Ranking, Repeats
from gradts_engine.hooks.catalog import Catalog


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
