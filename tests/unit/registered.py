"""A catalog with a few names."""

from dataclasses import dataclass, field

from gradts_engine.config.schema import Sections
from gradts_engine.contracts import EncoderSpec, ExecutorSpec, PredictorSpec, StrategySpec, TaskSpec, TaskTypeSpec
from gradts_engine.selection.strategies import ThresholdSettings


def nothing(*args, **options):
    """Nothing is loaded to check a configuration."""
    raise AssertionError


@dataclass(frozen=True)
class Names:
    tasks: dict = field(default_factory=dict)
    task_types: dict = field(default_factory=dict)
    encoders: dict = field(default_factory=dict)
    predictors: dict = field(default_factory=dict)
    strategies: dict = field(default_factory=dict)
    executors: dict = field(default_factory=dict)


def by_name(*specs):
    return {spec.name: spec for spec in specs}


NAMES = Names(
    tasks=by_name(
        TaskSpec(name="rte", type="classification", train="/rte/train.jsonl", dev="/rte/dev.jsonl", text=("a", "b")),
        TaskSpec(name="toy", type="regression", train=nothing, dev=nothing, options={"rows": 5}),
    ),
    task_types=by_name(
        TaskTypeSpec(name="classification", metrics=("accuracy", "mcc"), texts=(1, 2), load=nothing),
        TaskTypeSpec(name="regression", metrics=("pearson",), texts=(1, 2), load=nothing),
        TaskTypeSpec(name="token_classification", metrics=("span_f1",), texts=(1,), load=nothing),
    ),
    encoders=by_name(EncoderSpec(name="minilm-l6", source=nothing)),
    predictors=by_name(*(PredictorSpec(name=name, load=nothing, needs=()) for name in ("tau", "embedding"))),
    strategies=by_name(
        StrategySpec(name="halving", load=nothing),
        StrategySpec(name="trial", load=nothing),
        StrategySpec(name="threshold", load=nothing, settings=lambda: ThresholdSettings),
    ),
    executors=by_name(ExecutorSpec(name="threads", load=nothing)),
)
RUN = '[run]\nencoder = "minilm-l6"\ntasks = ["rte", "toy"]\n'
SECTIONS = {name: info.annotation for name, info in Sections.model_fields.items() if name != "tasks"}
