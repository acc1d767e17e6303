"""What comes with the engine, registered through the same hooks as any plugin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from gradts_engine.contracts import ExecutorSpec, PredictorSpec, StrategySpec, TaskTypeSpec
from gradts_engine.hooks.specs import hookimpl

SCORE_METRICS = ("roc_auc", "average_precision")
CLASS_METRICS = ("accuracy", "f1", "macro_f1", "micro_f1", "weighted_f1", "mcc", *SCORE_METRICS)
SET_METRICS = ("micro_f1", "macro_f1", "weighted_f1", "subset_accuracy", *SCORE_METRICS)
MASK_METRICS = ("masked_accuracy",)
TAG_METRICS = ("span_f1", "token_accuracy", "span_macro_f1")


def _late(module: str, name: str) -> Callable[..., Any]:
    """`module.name`, imported when it is first called: torch stays out of listings and config errors."""
    return lambda *args: getattr(import_module(module), name)(*args)


def _late_function(module: str, name: str) -> Callable[[], Any]:
    return lambda: getattr(import_module(module), name)


ORDERS = "embedding"
"""The predictor that orders candidates for the default strategy: none is shown to order them better on joint training, and it
costs one forward pass (docs/study.md)."""

ONE, PAIR, EITHER = (1,), (2,), (1, 2)
"""How many texts a row has."""

TASK_TYPES: tuple[tuple[str, str, tuple[str, ...], tuple[int, ...], str], ...] = (
    ("classification", "Classification", CLASS_METRICS, EITHER, "one class for a sentence or a pair of sentences"),
    ("regression", "Regression", ("pearson", "spearman"), EITHER, "one number for a sentence or a pair of sentences"),
    (
        "token_classification",
        "TokenClassification",
        TAG_METRICS,
        ONE,
        "one class for every word (tags of spans or others)",
    ),
    ("multi_label", "MultiLabel", SET_METRICS, EITHER, "any number of classes for a sentence or a pair of sentences"),
    ("ranking", "Ranking", ("accuracy",), PAIR, "the best of several candidates for a query"),
    ("span", "Spans", ("answer_f1", "exact_match"), PAIR, "the part of a text that answers a question, as in SQuAD"),
    ("masked_lm", "MaskedLanguageModelling", MASK_METRICS, EITHER, "the words that were masked in a text; needs no labels"),
)
"""Name, class, metrics, texts and description."""

VERSIONS = {"span": 2}
"""Of task types whose results have changed. 2: answers whose first or last character has no token are answers."""

PREDICTORS: tuple[PredictorSpec, ...] = (
    PredictorSpec(
        name="tau",
        load=_late_function("gradts_engine.prediction.tau", "tau"),
        needs=("importance",),
        description="rank correlation of head importance, as published",
        cost=".6 a task and seed",
        correlation=True,
    ),
    PredictorSpec(
        name="tau-centred",
        load=_late_function("gradts_engine.prediction.tau", "centred"),
        needs=("importance",),
        description="as tau, without what all tasks have in common",
        cost=".6 a task and seed",
        correlation=True,
    ),
    PredictorSpec(
        name="embedding",
        load=_late_function("gradts_engine.prediction.embedding", "embedding"),
        needs=("state",),
        description="cosine of mean encoder states: are the texts alike?",
        cost=".02 a task",
        correlation=True,
    ),
    PredictorSpec(
        name="probe",
        load=_late_function("gradts_engine.prediction.probe", "forward"),
        needs=("states",),
        description="how much more a candidate's tuned encoder tells of the primary's labels than the pretrained one",
        cost=".5 a task and seed, .03 a candidate and seed",
    ),
    PredictorSpec(
        name="probe-reverse",
        load=_late_function("gradts_engine.prediction.probe", "reverse"),
        needs=("states-reverse",),
        description="how much more the primary's tuned encoder tells of a candidate's labels: take 3 seeds or more",
        cost=".5 a primary and seed, .03 a candidate and seed",
    ),
    PredictorSpec(
        name="gradient",
        load=_late_function("gradts_engine.prediction.gradient", "gradient"),
        needs=("gradients",),
        description="experiment: do steps along a candidate's gradients lower the primary's held-out loss?",
        cost=".2 a primary and seed, .08 a candidate, primary and seed",
    ),
    PredictorSpec(
        name="stacked",
        load=_late_function("gradts_engine.prediction.stacked", "stacked"),
        needs=("importance", "state", "states", "trials"),
        description="probe and embedding with equal weights, or as stored trials teach to weigh all measures",
        cost=".6 a task and seed, .03 a candidate and seed",
        places=_late("gradts_engine.prediction.stacked", "places"),
    ),
    PredictorSpec(
        name="main-effect",
        load=_late_function("gradts_engine.prediction.main_effect", "main_effect"),
        needs=("trials",),
        description="what a candidate does for other primaries, from stored trials",
        cost="0, or a trial a candidate and pilot",
    ),
    PredictorSpec(
        name="random",
        load=_late_function("gradts_engine.prediction.chance", "chance"),
        needs=(),
        description="baseline: any order",
        cost="0",
    ),
)

_STRATEGIES = "gradts_engine.selection.strategies"
_HALVING = "gradts_engine.selection.halving"

STRATEGIES: tuple[StrategySpec, ...] = (
    StrategySpec(
        name="trial",
        load=_late_function(_STRATEGIES, "trial"),
        description="add candidates by falling tau while the dev score rises (GradTS-trial)",
    ),
    StrategySpec(
        name="threshold",
        load=_late_function(_STRATEGIES, "threshold"),
        settings=_late_function(_STRATEGIES, "ThresholdSettings"),
        most=lambda settings, candidates: 2,
        fewest=lambda settings, candidates: 1,
        description="every candidate with tau >= threshold (GradTS-thres)",
    ),
    StrategySpec(
        name="fine-grained",
        load=_late_function(_STRATEGIES, "fine_grained"),
        settings=_late_function(_STRATEGIES, "FineGrainedSettings"),
        most=lambda settings, candidates: candidates + 2,
        needs_instances=True,
        description="what trial chose, cut to the instances that agree most with the primary (GradTS-fg)",
    ),
    StrategySpec(
        name="embedding",
        load=_late_function(_STRATEGIES, "trial"),
        predictor="embedding",
        description="baseline: as trial, by the cosine of mean encoder states instead of tau",
    ),
    StrategySpec(
        name="halving",
        load=_late_function(_HALVING, "halving"),
        settings=_late_function(_HALVING, "HalvingSettings"),
        predictor=ORDERS,
        judges=True,
        most=_late(_HALVING, "most"),
        fewest=_late(_HALVING, "fewest"),
        description="a shortlist, more seeds for the better half, and a verdict on fresh seeds and rows",
    ),
    StrategySpec(
        name="all",
        load=_late_function(_STRATEGIES, "every"),
        most=lambda settings, candidates: 2,
        fewest=lambda settings, candidates: 2,
        description="baseline: every candidate",
    ),
    StrategySpec(
        name="none",
        load=_late_function(_STRATEGIES, "none"),
        most=lambda settings, candidates: 1,
        fewest=lambda settings, candidates: 1,
        description="baseline: no candidate",
    ),
)


@hookimpl
def gradts_task_types() -> Sequence[TaskTypeSpec]:
    """The kinds of task that the published code knew, and several labels a sentence."""
    return [
        TaskTypeSpec(
            name=name,
            metrics=metrics,
            texts=texts,
            load=_late("gradts_engine.learning.task_types", class_name),
            description=description,
            version=VERSIONS.get(name, 1),
        )
        for name, class_name, metrics, texts, description in TASK_TYPES
    ]


@hookimpl
def gradts_predictors() -> Sequence[PredictorSpec]:
    """What foretells which candidates help: the published score, and what it has to beat."""
    return PREDICTORS


@hookimpl
def gradts_strategies() -> Sequence[StrategySpec]:
    """The paper's strategies, and the baselines that they have to beat."""
    return STRATEGIES


@hookimpl
def gradts_executors() -> Sequence[ExecutorSpec]:
    """This machine."""
    return [
        ExecutorSpec(
            name="threads",
            load=_late("gradts_engine.runtime.executors", "threads"),
            description="this machine: worker processes that share the CPU's cores or a GPU, or a thread where one is enough",
        )
    ]
