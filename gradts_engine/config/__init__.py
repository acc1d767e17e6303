"""Settings: `schema` says what tasks.toml may hold, `load` reads and checks it, `lines` finds a key's line."""

from gradts_engine.config.load import Experiment, load_experiment
from gradts_engine.config.schema import (
    STEPS_FACTOR,
    DataSettings,
    MultitaskSettings,
    RunSettings,
    ScoringSettings,
    SelectionSettings,
    TaskTable,
    TrainingSettings,
)

__all__ = [
    "STEPS_FACTOR",
    "DataSettings",
    "Experiment",
    "MultitaskSettings",
    "RunSettings",
    "ScoringSettings",
    "SelectionSettings",
    "TaskTable",
    "TrainingSettings",
    "load_experiment",
]
