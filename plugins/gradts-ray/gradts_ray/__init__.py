"""The executor `ray`: jobs of a run on the devices of a Ray cluster."""

from __future__ import annotations

from gradts_engine.contracts import Executor, ExecutorSpec, Setup
from gradts_engine.hooks.specs import hookimpl


def load(setup: Setup) -> Executor:
    """An executor on the cluster that `GRADTS_RAY_ADDRESS` names, or on this machine alone."""
    from gradts_ray.executor import connect

    return connect(setup)


SPEC = ExecutorSpec(name="ray", load=load, description="a Ray cluster (GRADTS_RAY_ADDRESS), or this machine")


@hookimpl
def gradts_executors() -> list[ExecutorSpec]:
    """The executor."""
    return [SPEC]
