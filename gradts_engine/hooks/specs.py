"""The hooks that a plugin may implement. Each returns cheap specifications; see `gradts_engine.contracts`."""

from collections.abc import Sequence

import pluggy

from gradts_engine.contracts import EncoderSpec, ExecutorSpec, PredictorSpec, StrategySpec, TaskSpec, TaskTypeSpec
from gradts_engine.events import Event

GROUP = "gradts.plugins.v1"
"""Entry-point group under which distributions register plugin modules."""

hookspec = pluggy.HookspecMarker("gradts")
hookimpl = pluggy.HookimplMarker("gradts")


@hookspec
def gradts_tasks() -> Sequence[TaskSpec]:
    """Tasks that can be named in `[run] tasks`."""
    return ()


@hookspec
def gradts_task_types() -> Sequence[TaskTypeSpec]:
    """Kinds of task that can be named as a task's `type`."""
    return ()


@hookspec
def gradts_encoders() -> Sequence[EncoderSpec]:
    """Encoders that can be named in `[run] encoder`."""
    return ()


@hookspec
def gradts_predictors() -> Sequence[PredictorSpec]:
    """Predictors that can be named in `[selection] predictors` and `predictor`."""
    return ()


@hookspec
def gradts_strategies() -> Sequence[StrategySpec]:
    """Strategies that can be named in `[selection] strategy`."""
    return ()


@hookspec
def gradts_executors() -> Sequence[ExecutorSpec]:
    """Executors that can be named in `[run] executor`."""
    return ()


@hookspec
def gradts_event(event: Event) -> None:
    """Called with every event of a run, in order, from one thread. An exception is reported once and hurts nothing."""
