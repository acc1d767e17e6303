"""The results of a run, from its events and artifacts alone: typed records, which tables, JSON and pages render."""

from gradts_engine.report.answer import answer
from gradts_engine.report.arrays import (
    BINS,
    Heads,
    artifact,
    count_kept,
    export_importance,
    heads,
    importance,
    instance_tau,
    selected_instances,
    task_tau,
)
from gradts_engine.report.compare import Comparison, Pair, compare, flat
from gradts_engine.report.history import History, Spent, history
from gradts_engine.report.records import (
    THRESHOLDS,
    Chosen,
    Final,
    Judgement,
    Prediction,
    PrimaryResults,
    Ranked,
    RunResults,
    TaskResults,
    Trial,
    as_json,
    caveat,
)
from gradts_engine.report.results import results, results_of

__all__ = [
    "BINS",
    "THRESHOLDS",
    "Chosen",
    "Comparison",
    "Final",
    "Heads",
    "History",
    "Judgement",
    "Pair",
    "Prediction",
    "PrimaryResults",
    "Ranked",
    "RunResults",
    "Spent",
    "TaskResults",
    "Trial",
    "answer",
    "artifact",
    "as_json",
    "caveat",
    "compare",
    "count_kept",
    "export_importance",
    "flat",
    "heads",
    "history",
    "importance",
    "instance_tau",
    "results",
    "results_of",
    "selected_instances",
    "task_tau",
]
