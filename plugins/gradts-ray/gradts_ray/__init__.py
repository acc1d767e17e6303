"""The executor `ray`: jobs of a run on the devices of a Ray cluster."""

from __future__ import annotations

import os

from gradts_engine.contracts import Executor, ExecutorSpec, Setup
from gradts_engine.hooks.specs import hookimpl


def load(setup: Setup) -> Executor:
    """An executor on the cluster at the address that is given, else in `GRADTS_RAY_ADDRESS`, else on this machine alone."""
    if setup.address:
        os.environ["GRADTS_RAY_ADDRESS"] = setup.address  # before Ray is imported: see `cluster`
    from gradts_ray.executor import connect

    return connect(setup)


SPEC = ExecutorSpec(name="ray", load=load, description="a Ray cluster (--address, or GRADTS_RAY_ADDRESS), or this machine alone")


@hookimpl
def gradts_executors() -> list[ExecutorSpec]:
    """The executor."""
    return [SPEC]
