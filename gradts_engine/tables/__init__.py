"""Results as rich tables."""

from gradts_engine.tables.before import CLASSES, class_line, data_found, plan
from gradts_engine.tables.matrix import SIXTEEN, VIRIDIS, Matrix, Ramp, bounds, cell, digits, heat_map, ramp_of, shade
from gradts_engine.tables.records import WHOLE, facts, label, records
from gradts_engine.tables.runs import comparison, data, gain, primary_results, ranking, run_results, thresholds, trials
from gradts_engine.tables.studies import planted, truth

__all__ = [
    "CLASSES",
    "SIXTEEN",
    "VIRIDIS",
    "WHOLE",
    "Matrix",
    "Ramp",
    "bounds",
    "cell",
    "class_line",
    "comparison",
    "data",
    "data_found",
    "digits",
    "facts",
    "gain",
    "heat_map",
    "label",
    "plan",
    "planted",
    "primary_results",
    "ramp_of",
    "ranking",
    "records",
    "run_results",
    "shade",
    "thresholds",
    "trials",
    "truth",
]
