"""GradTS: which other tasks should I train with? The engine.

The names below are what plugins and users of final models need; importing this package loads neither torch nor transformers.
"""

from typing import TYPE_CHECKING, Any

from gradts_engine.contracts import (
    Auxiliary,
    EncoderSpec,
    Evidence,
    ExecutorSpec,
    HeadSites,
    PredictorSpec,
    Projection,
    Ranking,
    Repeats,
    StrategySpec,
    TaskSpec,
    TaskTypeSpec,
    Trials,
)
from gradts_engine.hooks.specs import hookimpl

if TYPE_CHECKING:
    from gradts_engine.exported import load_model

__all__ = [
    "Auxiliary",
    "EncoderSpec",
    "Evidence",
    "ExecutorSpec",
    "HeadSites",
    "PredictorSpec",
    "Projection",
    "Ranking",
    "Repeats",
    "StrategySpec",
    "TaskSpec",
    "TaskTypeSpec",
    "Trials",
    "hookimpl",
    "load_model",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`load_model` needs torch, so it is imported when it is first asked for."""
    if name == "load_model":
        from gradts_engine.exported import load_model

        return load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
