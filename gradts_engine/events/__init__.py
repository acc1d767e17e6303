"""What happens in a run, one frozen dataclass an event: stored with the run, drawn by the command line, seen by plugins."""

from gradts_engine.events.base import Event
from gradts_engine.events.primaries import Confirmed, Expected, FinalModel, Judged, Predicted, Proposed, SpanTypes, TrialScored
from gradts_engine.events.records import from_record
from gradts_engine.events.runs import (
    CommandAnswered,
    Freed,
    Planned,
    RunEnded,
    RunPaused,
    RunResumed,
    RunStarted,
    TaskRead,
    Tokenised,
    Warned,
)
from gradts_engine.events.stages import About, EpochScored, StageFailed, StageFinished, StageProgress, StageResumed, StageStarted

__all__ = [
    "About",
    "CommandAnswered",
    "Confirmed",
    "EpochScored",
    "Event",
    "Expected",
    "FinalModel",
    "Freed",
    "Judged",
    "Planned",
    "Predicted",
    "Proposed",
    "RunEnded",
    "RunPaused",
    "RunResumed",
    "RunStarted",
    "SpanTypes",
    "StageFailed",
    "StageFinished",
    "StageProgress",
    "StageResumed",
    "StageStarted",
    "TaskRead",
    "Tokenised",
    "TrialScored",
    "Warned",
    "from_record",
]
