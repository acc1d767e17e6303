"""For tests, of this package and of plugins: a contract for each kind of plugin, tiny encoders, toy tasks, an empty catalog.

A contract is a class with tests. Subclass it in a test module under a name that starts with `Test`, and say what is to be tested:

    class TestMine(StrategyContract):
        spec = my_plugin.gradts_strategies()[0]

`gradts_engine.testing.fixtures` has pytest fixtures: `pytest_plugins = ["gradts_engine.testing.fixtures"]` in the test module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradts_engine.testing.encoders import EncoderContract, check_head_sites
    from gradts_engine.testing.executors import ExecutorContract
    from gradts_engine.testing.predictors import PredictorContract, toy_evidence
    from gradts_engine.testing.strategies import StrategyContract
    from gradts_engine.testing.task_types import TaskContract, TaskTypeContract
    from gradts_engine.testing.tiny import FAMILIES, tiny_encoder
    from gradts_engine.testing.toy import TOY_WORDS, toy_rows, toy_run, toy_tasks

__all__ = [
    "FAMILIES",
    "TOY_WORDS",
    "EncoderContract",
    "ExecutorContract",
    "PredictorContract",
    "StrategyContract",
    "TaskContract",
    "TaskTypeContract",
    "check_head_sites",
    "tiny_encoder",
    "toy_evidence",
    "toy_rows",
    "toy_run",
    "toy_tasks",
]

_MODULES = {
    "EncoderContract": "encoders",
    "check_head_sites": "encoders",
    "ExecutorContract": "executors",
    "PredictorContract": "predictors",
    "toy_evidence": "predictors",
    "StrategyContract": "strategies",
    "TaskContract": "task_types",
    "TaskTypeContract": "task_types",
    "FAMILIES": "tiny",
    "tiny_encoder": "tiny",
    "TOY_WORDS": "toy",
    "toy_rows": "toy",
    "toy_run": "toy",
    "toy_tasks": "toy",
}


def __getattr__(name: str) -> Any:
    """Most of it needs torch, and a process with a puppet does not: so each is imported when it is first asked for."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
