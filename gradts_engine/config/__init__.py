"""Settings: `schema` says what tasks.toml may hold, `load` reads and checks it, `lines` finds where a key is written."""

from gradts_engine.config.load import Experiment, load_experiment
from gradts_engine.config.schema import (
    DataSettings,
    MultitaskSettings,
    RunSettings,
    ScoringSettings,
    SelectionSettings,
    TaskTable,
    TrainingSettings,
)

STEPS_FACTOR = 3
"""Optimiser steps of a trial, as a multiple of what `epochs` epochs of the primary alone take, where `steps` is not given."""

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
