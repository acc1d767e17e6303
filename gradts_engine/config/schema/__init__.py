"""The keys of tasks.toml, a frozen record a section: type, range, default and a line of description with its unit each.

The reference documentation is made from these records. Names are looked up in the catalog while a file is loaded;
records that are built in code have no catalog to look in and take any name.
"""

from gradts_engine.config.schema.sections import (
    PRESETS,
    STEPS_FACTOR,
    DataSettings,
    MultitaskSettings,
    RunSettings,
    ScoringSettings,
    Sections,
    SelectionSettings,
    TrainingSettings,
)
from gradts_engine.config.schema.tasks import TaskTable
from gradts_engine.config.schema.values import Context, Names, find_encoder

__all__ = [
    "PRESETS",
    "STEPS_FACTOR",
    "Context",
    "DataSettings",
    "MultitaskSettings",
    "Names",
    "RunSettings",
    "ScoringSettings",
    "Sections",
    "SelectionSettings",
    "TaskTable",
    "TrainingSettings",
    "find_encoder",
]
