"""The task types that come with the engine. The contract, with shapes, is `gradts_engine.contracts.TaskType`."""

from gradts_engine.learning.task_types.heads import MaskedHead, SentenceHead, SpanHead, TokenHead
from gradts_engine.learning.task_types.masking import MaskedLanguageModelling
from gradts_engine.learning.task_types.ranking import Ranking
from gradts_engine.learning.task_types.reading import IGNORED
from gradts_engine.learning.task_types.sentences import Classification, MultiLabel, Regression
from gradts_engine.learning.task_types.spans import Spans
from gradts_engine.learning.task_types.words import TokenClassification

__all__ = [
    "IGNORED",
    "Classification",
    "MaskedHead",
    "MaskedLanguageModelling",
    "MultiLabel",
    "Ranking",
    "Regression",
    "SentenceHead",
    "SpanHead",
    "Spans",
    "TokenClassification",
    "TokenHead",
]
